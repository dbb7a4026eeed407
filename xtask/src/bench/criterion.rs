//! The command lines of criterion's benchmarks, and of `critcmp`, which compares their results.

use std::path::{Path, PathBuf};

use xshell::{Cmd, Shell};

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
    /// Where cargo builds; None means its default.
    pub(crate) target_dir: Option<&'a Path>,
    /// A regular expression; None means every benchmark.
    pub(crate) filter: Option<&'a str>,
}

/// Builds and runs the bench target `main`. Values are joined to their options, so that none can be
/// taken for another option. Plots would only cost time.
pub(crate) fn bench<'sh>(
    sh: &'sh Shell,
    selection: &Selection,
    destination: &Destination<'_>,
) -> Cmd<'sh> {
    let mut cmd = sh.cmd("cargo").args(["bench", "--bench", "main"]);
    cmd = cmd.args(&selection.passed_to_cargo);
    cmd = match &selection.features {
        Some(features) => cmd.arg(format!("--features={features}")),
        None => cmd.arg("--all-features"),
    };
    if let Some(package) = &selection.package {
        cmd = cmd.arg(format!("--package={package}"));
    }
    if let Some(dir) = destination.target_dir {
        cmd = cmd.arg("--target-dir").arg(dir);
    }
    cmd.args(["--", "--noplot", "--save-baseline", destination.baseline])
        .args(destination.filter)
        .env("CRITERION_HOME", destination.criterion_home)
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

    fn line(selection: &Selection, target_dir: Option<&Path>, filter: Option<&str>) -> String {
        let sh = Shell::new().unwrap();
        let criterion_home = Path::new("/t/criterion");
        let destination = Destination { criterion_home, baseline: "base-1", target_dir, filter };
        command_line(&bench(&sh, selection, &destination).into())
    }

    #[test]
    fn all_features_are_measured_unless_some_are_named() {
        assert_eq!(
            line(
                &Selection { package: None, features: None, passed_to_cargo: Vec::new() },
                None,
                None
            ),
            "CRITERION_HOME=/t/criterion cargo bench --bench main --all-features -- --noplot --save-baseline base-1"
        );
        let selection = Selection {
            package: Some("--x".to_owned()),
            features: Some("a b;c".to_owned()),
            passed_to_cargo: vec!["--locked"],
        };
        assert_eq!(
            line(&selection, Some(Path::new("/t/base")), Some("^(?:a|b)$")),
            "CRITERION_HOME=/t/criterion cargo bench --bench main --locked '--features=a b;c' --package=--x \
             --target-dir /t/base -- --noplot --save-baseline base-1 '^(?:a|b)$'"
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
