//! Criterion's benchmarks, as cargo runs them.

use std::path::Path;

use xshell::{Cmd, Shell};

/// What is built and run on each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) package: Option<String>,
    /// None means all.
    pub(crate) features: Option<String>,
}

/// What of it runs, and where the results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    /// Shared by everything that is to be compared.
    pub(crate) criterion_home: &'a Path,
    /// What the results are known by there. Criterion has directories of its own beside them, so
    /// that `base`, `change`, `new` and `report` are taken.
    pub(crate) baseline: &'a str,
    /// Where cargo builds; None means where it always does.
    pub(crate) target_dir: Option<&'a Path>,
    /// A regular expression; None means every benchmark.
    pub(crate) filter: Option<&'a str>,
}

/// Builds and runs the bench target `main`. Values are joined to their options, so that none can be
/// taken for another option. Plots cost time and nobody looks at them.
pub(crate) fn bench<'sh>(
    sh: &'sh Shell,
    selection: &Selection,
    destination: &Destination<'_>,
) -> Cmd<'sh> {
    let mut cmd = sh.cmd("cargo").args(["bench", "--bench", "main"]);
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
            line(&Selection { package: None, features: None }, None, None),
            "CRITERION_HOME=/t/criterion cargo bench --bench main --all-features -- --noplot --save-baseline base-1"
        );
        let selection =
            Selection { package: Some("--x".to_owned()), features: Some("a b;c".to_owned()) };
        assert_eq!(
            line(&selection, Some(Path::new("/t/base")), Some("^(?:a|b)$")),
            "CRITERION_HOME=/t/criterion cargo bench --bench main '--features=a b;c' --package=--x \
             --target-dir /t/base -- --noplot --save-baseline base-1 '^(?:a|b)$'"
        );
    }
}
