//! `cargo llvm-cov`: its command lines, what it prints, and what a warm build directory must not keep
//! from an earlier run.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::plan::metadata::{Metadata, Package};
use crate::text::Percent;
use crate::text::extended_regex::escape;
use crate::tools::llvm::Tools;

/// What all command lines of one measurement have in common.
pub(crate) struct Measurement<'a> {
    /// In the directory of the workspace.
    pub(crate) sh: &'a Shell,
    /// Built and measured there, apart from every other build.
    pub(crate) build_dir: PathBuf,
    /// LLVM's tools, if they are not the toolchain's.
    pub(crate) tools: Option<Tools>,
    pub(crate) workspace: &'a Metadata,
    /// Whose tests run and whose lines count, if these are not all members.
    pub(crate) tested: Option<&'a Package>,
    /// Cargo's own, such as `--all-features`.
    pub(crate) feature_argument: Option<String>,
    /// `--locked` and `--offline`, as given.
    pub(crate) passed_to_cargo: &'a [&'static str],
}

/// The options of a report that lists the files and their lines as JSON.
pub(crate) const SUMMARY: [&str; 2] = ["--json", "--summary-only"];

impl<'a> Measurement<'a> {
    /// Builds and runs the tests and leaves their profiles in the build directory. Cargo's messages say
    /// which executables belong to this build.
    pub(crate) fn test(&self) -> Cmd<'a> {
        let cmd = self.in_build_dir("test").args(["--no-report", "--no-fail-fast"]);
        let cmd = cmd.arg("--message-format=json-render-diagnostics");
        match self.tested {
            None => cmd.arg("--workspace"),
            Some(package) => in_crate(cmd, package),
        }
        .args(&self.feature_argument)
        .args(self.passed_to_cargo)
    }

    /// Reports on the profiles in the build directory, without building or running anything. Options
    /// that choose the form may follow. `excluded` are files that do not count.
    pub(crate) fn report(&self, excluded: &[String]) -> Cmd<'a> {
        // A child that was killed while it wrote its profile leaves an unreadable one.
        let cmd = self.in_build_dir("report").arg("--failure-mode=all");
        let cmd = match self.tested {
            // `--workspace` is known here since 0.9 only; without the names, only the root package
            // would be reported.
            None => {
                let packages = self.workspace.packages.iter();
                cmd.args(packages.map(|package| format!("--package={}", package.name)))
            }
            Some(package) => in_crate(cmd, package),
        };
        let paths: Vec<String> = excluded.iter().map(|path| escape(path)).collect();
        let pattern = format!("--ignore-filename-regex=^({})$", paths.join("|"));
        cmd.args((!paths.is_empty()).then_some(pattern))
    }

    fn in_build_dir(&self, subcommand: &str) -> Cmd<'a> {
        let sh = self.sh;
        let cmd = cmd!(sh, "cargo llvm-cov {subcommand}")
            .env("CARGO_LLVM_COV_TARGET_DIR", &self.build_dir)
            .env_remove("CARGO_LLVM_COV_BUILD_DIR")
            // It would ask on a terminal whether to install what is missing.
            .env_remove("CARGO_LLVM_COV_SETUP");
        match &self.tools {
            Some((llvm_cov, llvm_profdata)) => {
                cmd.env("LLVM_COV", llvm_cov).env("LLVM_PROFDATA", llvm_profdata)
            }
            _ => cmd.env_remove("LLVM_COV").env_remove("LLVM_PROFDATA"),
        }
    }
}

/// The crate is named by its manifest: features of a member that is named by `--package` are
/// refused in the root of a virtual workspace with the old resolver.
fn in_crate<'sh>(cmd: Cmd<'sh>, package: &Package) -> Cmd<'sh> {
    cmd.arg("--manifest-path").arg(&package.manifest)
}

/// The sum over all functions, as llvm-cov counts: a line of two functions counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) covered: u64,
    pub(crate) counted: u64,
}

impl Lines {
    /// Covered lines in percent; 0 where there are none to cover, as llvm-cov has it.
    #[expect(clippy::cast_precision_loss, reason = "no crate has 2^53 lines")]
    pub(crate) fn percent(self) -> f64 {
        if self.counted == 0 {
            return 0.0;
        }
        self.covered as f64 * 100.0 / self.counted as f64
    }

    /// The percentage, rounded down, so that the record is never above what was measured.
    pub(crate) fn score(self) -> Percent {
        Percent::of(self.covered, self.counted)
    }
}

impl std::iter::Sum for Lines {
    fn sum<I: Iterator<Item = Lines>>(lines: I) -> Lines {
        lines.fold(Lines::default(), |sum, lines| Lines {
            covered: sum.covered + lines.covered,
            counted: sum.counted + lines.counted,
        })
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of lines ({} of {})", self.score(), self.covered, self.counted)
    }
}

/// A source file and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// As the compiler recorded it: an absolute path.
    pub(crate) path: String,
    pub(crate) lines: Lines,
}

/// Reads a summary.
///
/// # Errors
///
/// Fails if the text is not what `llvm-cov export -format=text -summary-only` prints (exit code 75).
pub(crate) fn parse_summary(json: &str) -> anyhow::Result<Vec<File>> {
    let export: Value = serde_json::from_str(json).context("llvm-cov did not print JSON")?;
    let files = export["data"][0]["files"].as_array().context("llvm-cov's JSON lists no files")?;
    let file = |file: &Value| {
        let lines = &file["summary"]["lines"];
        let lines =
            Lines { covered: lines["covered"].as_u64()?, counted: lines["count"].as_u64()? };
        Some(File { path: file["filename"].as_str()?.to_owned(), lines })
    };
    let files: Option<Vec<File>> = files.iter().map(file).collect();
    files.context("llvm-cov's JSON has a file without lines")
}

/// Returns the profiles that `llvm-profdata` could not read, from its warnings.
pub(crate) fn unreadable_profiles(stderr: &str) -> BTreeSet<&str> {
    let warnings = stderr.lines().filter_map(|line| line.strip_prefix("warning: "));
    let profile = |warning: &'_ str| Some(warning.find(".profraw: ")? + ".profraw".len());
    warnings.filter_map(|warning| Some(&warning[..profile(warning)?])).collect()
}

/// What one run of cargo says about what it built or found fresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// Every file that belongs to the build.
    pub(crate) files: HashSet<PathBuf>,
    /// Whether everything compiled; `None` if cargo did not get that far.
    pub(crate) succeeded: Option<bool>,
}

impl Build {
    /// Reads the lines of `--message-format=json`.
    pub(crate) fn parse(messages: &str) -> Build {
        let mut build = Build::default();
        for line in messages.lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            match message["reason"].as_str() {
                Some("compiler-artifact") => {
                    let files = message["filenames"].as_array().into_iter().flatten();
                    let files = files.chain([&message["executable"]]);
                    build.files.extend(files.filter_map(Value::as_str).map(PathBuf::from));
                }
                Some("build-finished") => build.succeeded = message["success"].as_bool(),
                _ => (),
            }
        }
        build
    }
}

/// An executable file of the build directory, with its device and inode: cargo keeps some files under
/// two names and lists one of them.
pub(crate) type Executable = (PathBuf, (u64, u64));

/// Returns the files that would be counted and that the last build does not know.
pub(crate) fn stale<'a>(
    present: &'a [Executable],
    build: &Build,
    workspace: &Metadata,
) -> Vec<&'a Path> {
    let known = present.iter().filter(|(path, _)| build.files.contains(path));
    let known: HashSet<_> = known.map(|(_, identity)| identity).collect();
    let packages = workspace.packages.iter();
    let names = packages.flat_map(|package| package.targets.iter().chain([&package.name]));
    let names: HashSet<String> = names.map(|name| name.replace('-', "_")).collect();
    let unknown = present.iter().filter(|(_, identity)| !known.contains(identity));
    unknown.map(|(path, _)| path.as_path()).filter(|path| is_counted(path, &names)).collect()
}

/// Whether llvm-cov would be given this file, which only its name decides: without `lib` in front and
/// cargo's hash behind, it is that of a target.
fn is_counted(path: &Path, names: &HashSet<String>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').next().unwrap_or_default().replace('-', "_");
    let is_hash = |hash: &str| !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let without_hash = match stem.rsplit_once('_') {
        Some((name, hash)) if is_hash(hash) => name,
        _ => &stem,
    };
    [stem.as_str(), without_hash].iter().any(|name| {
        let without_lib = name.strip_prefix("lib").unwrap_or(name);
        names.contains(*name) || names.contains(without_lib)
    })
}

/// Returns the names of the members whose build runs code of the workspace: those with a build script,
/// and those that use a proc macro of the workspace, also through another member. Lines that run only
/// then would be missing if these members were not built again.
pub(crate) fn rerun(workspace: &Metadata) -> HashSet<&str> {
    let packages = &workspace.packages;
    let macros = packages.iter().filter(|package| package.is_proc_macro);
    let mut affected: HashSet<&Path> = macros.map(Package::directory).collect();
    let mut names: HashSet<&str> = HashSet::new();
    loop {
        let known = names.len();
        for package in packages {
            let mut dependencies = package.path_dependencies.iter().map(Path::new);
            if dependencies.any(|directory| affected.contains(directory)) {
                affected.insert(package.directory());
                names.insert(&package.name);
            }
        }
        if names.len() == known {
            break;
        }
    }
    let scripts = packages.iter().filter(|package| package.has_build_script);
    names.extend(scripts.map(|package| package.name.as_str()));
    names
}

/// Whether a directory tells cargo that a unit of one of these packages is built:
/// `.fingerprint/NAME-HASH`, or `NAME/HASH/fingerprint` in the newer layout.
pub(crate) fn is_fingerprint(path: &Path, names: &HashSet<&str>) -> bool {
    let parts: Vec<&str> = path.iter().rev().take(3).filter_map(|part| part.to_str()).collect();
    match parts[..] {
        [name, ".fingerprint", ..] => {
            name.rsplit_once('-').is_some_and(|(name, _)| names.contains(name))
        }
        ["fingerprint", _, name] => names.contains(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;

    fn two_members() -> Metadata {
        let package = |name: &str| Package { name: name.to_owned(), ..Package::default() };
        Metadata { packages: vec![package("a"), package("b")], ..Metadata::default() }
    }

    fn measurement<'a>(sh: &'a Shell, workspace: &'a Metadata) -> Measurement<'a> {
        Measurement {
            sh,
            build_dir: "/r/target/x".into(),
            tools: None,
            workspace,
            tested: None,
            feature_argument: None,
            passed_to_cargo: &["--locked"],
        }
    }

    #[test]
    fn a_workspace_is_tested_with_all_features() {
        let sh = Shell::new().unwrap();
        let feature_argument = Some("--all-features".to_owned());
        let workspace = two_members();
        let measurement = Measurement { feature_argument, ..measurement(&sh, &workspace) };
        assert_eq!(
            command_line(&measurement.test().into()),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x cargo llvm-cov test --no-report --no-fail-fast \
             --message-format=json-render-diagnostics --workspace --all-features --locked"
        );
    }

    #[test]
    fn a_crate_is_named_by_its_manifest_and_excluded_files_exactly() {
        let sh = Shell::new().unwrap();
        let package = Package { manifest: "/r/a b/Cargo.toml".into(), ..Package::default() };
        let workspace = two_members();
        let measurement = Measurement {
            tested: Some(&package),
            tools: Some(("/bin/llvm-cov-19".into(), "/bin/llvm-profdata-19".into())),
            ..measurement(&sh, &workspace)
        };
        let excluded = ["/r/$(a) b.rs", "/r/c"].map(str::to_owned);
        assert_eq!(
            command_line(&measurement.report(&excluded).args(SUMMARY).into()),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x LLVM_COV=/bin/llvm-cov-19 LLVM_PROFDATA=/bin/llvm-profdata-19 \
             cargo llvm-cov report --failure-mode=all --manifest-path '/r/a b/Cargo.toml' \
             '--ignore-filename-regex=^(/r/\\$\\(a\\) b\\.rs|/r/c)$' --json --summary-only"
        );
    }

    #[test]
    fn a_report_on_a_workspace_names_every_member() {
        let sh = Shell::new().unwrap();
        let line = command_line(&measurement(&sh, &two_members()).report(&[]).into());
        assert!(line.ends_with(" report --failure-mode=all --package=a --package=b"), "{line}");
    }

    #[test]
    fn lines_are_read_and_not_functions() {
        let json = r#"{"data":[{"files":[{"filename":"/r/src/a.rs","summary":
            {"functions":{"count":1,"covered":1},"lines":{"count":30,"covered":10,"percent":33.3}}}]}]}"#;
        let lines = Lines { covered: 10, counted: 30 };
        let file = File { path: "/r/src/a.rs".to_owned(), lines };
        assert_eq!(parse_summary(json).unwrap(), [file]);
        assert!(parse_summary("{}").is_err());
        assert!(parse_summary("error: no").is_err());
    }

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","filenames":["/t/debug/deps/my_crate-aa11"],"executable":"/t/debug/deps/my_crate-aa11"}
{"reason":"compiler-artifact","filenames":["/t/debug/libmy_crate.rlib","/t/debug/cli"],"executable":null}
not a message
{"reason":"build-finished","success":true}
"#;

    fn workspace() -> Metadata {
        let targets = Box::new(["my_crate".to_owned(), "cli".to_owned()]);
        let package = Package { name: "my-crate".to_owned(), targets, ..Package::default() };
        Metadata { packages: vec![package], ..Metadata::default() }
    }

    #[test]
    fn cargos_messages_are_read() {
        let build = Build::parse(MESSAGES);
        assert_eq!(build.files.len(), 3);
        assert_eq!(build.succeeded, Some(true));
        assert_eq!(Build::parse("").succeeded, None);
        assert_eq!(
            Build::parse(r#"{"reason":"build-finished","success":false}"#).succeeded,
            Some(false)
        );
    }

    #[test]
    fn what_the_build_does_not_know_is_stale_unless_it_is_a_second_name() {
        let files = [
            ("/t/debug/deps/my_crate-aa11", 1),
            ("/t/debug/deps/my_crate-bb22", 2),
            ("/t/debug/cli", 3),
            ("/t/debug/deps/cli-cc33", 3),
            ("/t/debug/deps/cli-dd44", 4),
            ("/t/debug/deps/libmy_crate-ee55.so", 5),
            ("/t/debug/deps/libserde_derive-ff66.so", 6),
            ("/t/debug/deps/someone_else-0011", 7),
        ];
        let present = files.map(|(path, inode)| (PathBuf::from(path), (0, inode)));
        assert_eq!(
            stale(&present, &Build::parse(MESSAGES), &workspace()),
            [1, 4, 5].map(|at| Path::new(files[at].0))
        );
    }

    #[test]
    fn members_whose_build_runs_code_of_the_workspace_are_built_again() {
        let package = |name: &str, uses: &[&str]| Package {
            name: name.to_owned(),
            manifest: format!("/r/{name}/Cargo.toml").into(),
            path_dependencies: uses.iter().map(|name| format!("/r/{name}")).collect(),
            ..Package::default()
        };
        let packages = vec![
            package("through", &["reexports"]),
            package("reexports", &["mac"]),
            Package { is_proc_macro: true, ..package("mac", &["other"]) },
            package("other", &[]),
            Package { has_build_script: true, ..package("script", &[]) },
        ];
        let workspace = Metadata { packages, ..Metadata::default() };
        let names = rerun(&workspace);
        assert_eq!(names, HashSet::from(["through", "reexports", "script"]));
        let is_fingerprint = |path: &str| is_fingerprint(Path::new(path), &names);
        assert!(is_fingerprint("/t/debug/.fingerprint/through-0123"));
        assert!(is_fingerprint("/t/debug/build/script/0123/fingerprint"));
        assert!(!is_fingerprint("/t/debug/.fingerprint/through-more-0123"));
        assert!(!is_fingerprint("/t/debug/build/through-0123"));
    }
}
