//! The command lines of criterion's benchmarks, and of `critcmp`, which compares their results.

use std::path::{Path, PathBuf};

use xshell::{Cmd, Shell, cmd};

/// What is built and run on each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) package: Option<String>,
    /// None means all.
    pub(crate) features: Option<String>,
    /// `--locked` and `--offline`, as given.
    pub(crate) passed_to_cargo: Vec<&'static str>,
}

/// Which benchmarks run, and where their results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    /// Shared by everything that is to be compared.
    pub(crate) criterion_home: &'a Path,
    /// The name of the results there. Criterion reserves `base`, `change`, `new` and `report`.
    pub(crate) baseline: &'a str,
    /// A regular expression; None means every benchmark.
    pub(crate) filter: Option<&'a str>,
}

/// Builds the bench target `main`, and prints a JSON message for each artifact.
pub(crate) fn build<'sh>(sh: &'sh Shell, selection: &Selection, target_dir: &Path) -> Cmd<'sh> {
    let options = ["--no-run", "--message-format=json-render-diagnostics"];
    cargo_bench(sh, selection, target_dir).args(options)
}

/// Runs the bench target `main`. Plots would only cost time.
pub(crate) fn run<'sh>(
    sh: &'sh Shell,
    selection: &Selection,
    target_dir: &Path,
    destination: &Destination<'_>,
) -> Cmd<'sh> {
    cargo_bench(sh, selection, target_dir)
        .args(["--", "--noplot", "--save-baseline", destination.baseline])
        .args(destination.filter)
        .env("CRITERION_HOME", destination.criterion_home)
}

/// Values are joined to their options, so that none can be taken for another option.
fn cargo_bench<'sh>(sh: &'sh Shell, selection: &Selection, target_dir: &Path) -> Cmd<'sh> {
    let features = selection.features.as_ref();
    let features = features
        .map_or_else(|| "--all-features".to_owned(), |features| format!("--features={features}"));
    let package = selection.package.as_ref().map(|package| format!("--package={package}"));
    let passed = &selection.passed_to_cargo;
    // The directory of intermediate artifacts is another one where `build.build-dir` names it, and
    // then the same for both sides.
    cmd!(
        sh,
        "cargo bench --bench main {passed...} {features} {package...} --target-dir {target_dir}"
    )
    .env("CARGO_BUILD_BUILD_DIR", target_dir)
}

/// Writes what criterion knows about one baseline as JSON to standard output. `critcmp` ignores
/// `CRITERION_HOME`: it looks for results in `criterion` below what `--target-dir` names.
pub(crate) fn export<'sh>(sh: &'sh Shell, target_dir: &Path, baseline: &str) -> Cmd<'sh> {
    sh.cmd("critcmp").arg("--target-dir").arg(target_dir).args(["--export", baseline])
}

/// Writes the table of exported baselines, one column each.
pub(crate) fn compare<'sh>(
    sh: &'sh Shell,
    target_dir: &Path,
    exported: &[PathBuf],
    coloured: bool,
) -> Cmd<'sh> {
    let color = if coloured { "always" } else { "never" };
    sh.cmd("critcmp").arg("--target-dir").arg(target_dir).args(["--color", color]).args(exported)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;

    #[test]
    fn all_features_are_measured_unless_some_are_named() {
        let sh = Shell::new().unwrap();
        let line = |selection: &Selection, filter| {
            let criterion_home = Path::new("/t/criterion");
            let destination = Destination { criterion_home, baseline: "base-1", filter };
            command_line(&run(&sh, selection, Path::new("/t/base"), &destination).into())
        };
        assert_eq!(
            line(&Selection { package: None, features: None, passed_to_cargo: Vec::new() }, None),
            "CARGO_BUILD_BUILD_DIR=/t/base CRITERION_HOME=/t/criterion cargo bench --bench main \
             --all-features --target-dir /t/base -- --noplot --save-baseline base-1"
        );
        let selection = Selection {
            package: Some("--x".to_owned()),
            features: Some("a b;c".to_owned()),
            passed_to_cargo: vec!["--locked"],
        };
        assert_eq!(
            line(&selection, Some("^(?:a|b)$")),
            "CARGO_BUILD_BUILD_DIR=/t/base CRITERION_HOME=/t/criterion cargo bench --bench main --locked \
             '--features=a b;c' --package=--x --target-dir /t/base -- --noplot --save-baseline base-1 \
             '^(?:a|b)$'"
        );
    }

    #[test]
    fn critcmp_always_gets_the_directory() {
        let sh = Shell::new().unwrap();
        let dir = Path::new("/t");
        assert_eq!(export(&sh, dir, "base").to_string(), "critcmp --target-dir /t --export base");
        let files = ["/t/base.json", "/t/change.json"].map(PathBuf::from);
        assert_eq!(
            compare(&sh, dir, &files, false).to_string(),
            "critcmp --target-dir /t --color never /t/base.json /t/change.json"
        );
    }
}
