//! The command lines of `cargo llvm-cov`, and what it prints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::coverage::score::Lines;
use crate::plan::metadata::Package;

/// Whose tests run and whose lines count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scope<'a> {
    /// All members.
    Workspace(&'a [Package]),
    Crate(&'a Package),
}

impl<'a> Scope<'a> {
    pub(crate) fn packages(self) -> &'a [Package] {
        match self {
            Scope::Workspace(packages) => packages,
            Scope::Crate(package) => std::slice::from_ref(package),
        }
    }
}

/// What all command lines of one measurement have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measurement<'a> {
    /// Built and measured there, apart from every other build.
    pub(crate) build_dir: PathBuf,
    /// `llvm-cov` and `llvm-profdata`, where the toolchain's own are not there.
    pub(crate) tools: Option<(PathBuf, PathBuf)>,
    pub(crate) scope: Scope<'a>,
    /// Cargo's own arguments, such as `--all-features`.
    pub(crate) features: Vec<String>,
}

/// The form of a report on a measurement, and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// JSON on standard output: the files and their lines.
    Summary,
    /// Pages below that directory, in `html`.
    Html(&'a Path),
    Lcov(&'a Path),
    /// JSON with every region.
    Json(&'a Path),
}

/// Builds and runs the tests and leaves their profiles in the build directory. Cargo's messages say
/// which executables belong to this build.
pub(crate) fn test<'sh>(sh: &'sh Shell, measurement: &Measurement<'_>) -> Cmd<'sh> {
    let features = &measurement.features;
    let cmd = in_build_dir(cmd!(sh, "cargo llvm-cov test"), measurement).args([
        "--no-report",
        "--no-fail-fast",
        "--message-format=json-render-diagnostics",
    ]);
    match measurement.scope {
        Scope::Workspace(_) => cmd.arg("--workspace"),
        Scope::Crate(package) => in_crate(cmd, package),
    }
    .args(features)
}

/// Reports on the profiles in the build directory, without building or running anything. `excluded`
/// are files that do not count.
pub(crate) fn report<'sh>(
    sh: &'sh Shell,
    measurement: &Measurement<'_>,
    form: Form<'_>,
    excluded: &[&str],
) -> Cmd<'sh> {
    let cmd = in_build_dir(cmd!(sh, "cargo llvm-cov report"), measurement)
        // A child that was killed while it wrote its profile leaves an unreadable one.
        .arg("--failure-mode=all");
    let cmd = match form {
        Form::Summary => cmd.args(["--json", "--summary-only"]),
        Form::Html(dir) => cmd.arg("--html").args(["--output-dir".as_ref(), dir]),
        Form::Lcov(file) => cmd.arg("--lcov").args(["--output-path".as_ref(), file]),
        Form::Json(file) => cmd.arg("--json").args(["--output-path".as_ref(), file]),
    };
    let cmd = match measurement.scope {
        // `--workspace` is known here since 0.9 only; without the names, only the root package would
        // be reported.
        Scope::Workspace(packages) => {
            cmd.args(packages.iter().map(|package| format!("--package={}", package.name)))
        }
        Scope::Crate(package) => in_crate(cmd, package),
    };
    let paths: Vec<String> = excluded.iter().map(|path| quote(path)).collect();
    let pattern = format!("--ignore-filename-regex=^({})$", paths.join("|"));
    cmd.args((!paths.is_empty()).then_some(pattern))
}

/// A path as a regular expression that matches it alone.
fn quote(path: &str) -> String {
    let quoted =
        |c: char| if "\\^$.|?*+()[]{}".contains(c) { format!("\\{c}") } else { c.to_string() };
    path.chars().map(quoted).collect()
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

/// The crate is named by its manifest: features of a member that is named by `--package` are
/// refused in the root of a virtual workspace with the old resolver.
fn in_crate<'sh>(cmd: Cmd<'sh>, package: &Package) -> Cmd<'sh> {
    cmd.arg("--manifest-path").arg(&package.manifest)
}

fn in_build_dir<'sh>(cmd: Cmd<'sh>, measurement: &Measurement<'_>) -> Cmd<'sh> {
    let cmd = cmd
        .env("CARGO_LLVM_COV_TARGET_DIR", &measurement.build_dir)
        .env_remove("CARGO_LLVM_COV_BUILD_DIR")
        // It would ask on a terminal whether to install what is missing.
        .env_remove("CARGO_LLVM_COV_SETUP");
    match &measurement.tools {
        Some((llvm_cov, llvm_profdata)) => {
            cmd.env("LLVM_COV", llvm_cov).env("LLVM_PROFDATA", llvm_profdata)
        }
        None => cmd.env_remove("LLVM_COV").env_remove("LLVM_PROFDATA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;

    fn packages() -> [Package; 2] {
        ["a", "b"].map(|name| Package { name: name.to_owned(), ..Package::default() })
    }

    fn measurement(packages: &[Package]) -> Measurement<'_> {
        Measurement {
            build_dir: "/r/target/x".into(),
            tools: None,
            scope: Scope::Workspace(packages),
            features: Vec::new(),
        }
    }

    #[test]
    fn a_workspace_is_tested_with_all_features() {
        let sh = Shell::new().unwrap();
        let measurement =
            Measurement { features: vec!["--all-features".to_owned()], ..measurement(&[]) };
        assert_eq!(
            command_line(&test(&sh, &measurement).into()),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x cargo llvm-cov test --no-report --no-fail-fast \
             --message-format=json-render-diagnostics --workspace --all-features"
        );
    }

    #[test]
    fn a_crate_is_named_by_its_manifest_and_excluded_files_exactly() {
        let sh = Shell::new().unwrap();
        let package = Package { manifest: "/r/a b/Cargo.toml".into(), ..Package::default() };
        let measurement = Measurement {
            scope: Scope::Crate(&package),
            tools: Some(("/bin/llvm-cov-19".into(), "/bin/llvm-profdata-19".into())),
            ..measurement(&[])
        };
        assert_eq!(
            command_line(
                &report(&sh, &measurement, Form::Summary, &["/r/$(a) b.rs", "/r/c"]).into()
            ),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x LLVM_COV=/bin/llvm-cov-19 LLVM_PROFDATA=/bin/llvm-profdata-19 \
             cargo llvm-cov report --failure-mode=all --json --summary-only --manifest-path '/r/a b/Cargo.toml' \
             '--ignore-filename-regex=^(/r/\\$\\(a\\) b\\.rs|/r/c)$'"
        );
    }

    #[test]
    fn every_form_of_a_report_has_its_place() {
        let sh = Shell::new().unwrap();
        let packages = packages();
        let line = |form| command_line(&report(&sh, &measurement(&packages), form, &[]).into());
        let end = |form| line(form).split_once("report --failure-mode=all ").unwrap().1.to_owned();
        assert_eq!(
            end(Form::Html("/d".as_ref())),
            "--html --output-dir /d --package=a --package=b"
        );
        assert_eq!(
            end(Form::Lcov("/f".as_ref())),
            "--lcov --output-path /f --package=a --package=b"
        );
        assert_eq!(
            end(Form::Json("/f".as_ref())),
            "--json --output-path /f --package=a --package=b"
        );
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
}
