//! Pure. What a warm build directory must not keep from an earlier run.
//!
//! `cargo llvm-cov` counts every executable that it finds under the name of a workspace member,
//! whether the last build made it or not: a deleted test would count as code that no test runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::plan::metadata::{Metadata, Package};

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

/// Returns the line with which cargo says that a compiler was killed, or had no space on the disk to
/// write to: neither is the fault of the code.
pub(crate) fn interruption(stderr: &str) -> Option<&str> {
    const SIGNS: [&str; 4] =
        ["(signal: ", "terminated with signal", "No space left on device", "Disk quota exceeded"];
    stderr.lines().find(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_killed_compiler_is_not_an_error_of_the_code() {
        let killed = "error: could not compile `a`\n  process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)";
        assert!(interruption(killed).unwrap().ends_with("SIGKILL: kill)"));
        assert_eq!(interruption("error[E0308]: mismatched types"), None);
    }
}
