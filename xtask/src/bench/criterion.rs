//! Criterion's benchmarks on a side: how cargo builds and runs them, what it says about the
//! executables, and how `critcmp` compares the results.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::bench::selection::{Selection, TARGET};

/// Below a workspace's target directory: everything that is ours, the base's build among it.
pub(crate) const OWN_DIR: &str = "xtask-bench";

/// A side: its sources, and where it is built.
pub(crate) struct Side {
    /// In the workspace's directory.
    pub(crate) sh: Shell,
    /// The root of the repository.
    pub(crate) sources: PathBuf,
    /// Of this side alone. The change's is the user's, which is warm.
    pub(crate) target_dir: PathBuf,
    pub(crate) selection: Selection,
    /// What `rustc --version --verbose` prints there.
    pub(crate) compiler: String,
}

impl Side {
    /// Builds the bench target `main`, and prints a JSON message for each artifact.
    pub(crate) fn build(&self) -> Cmd<'_> {
        self.cargo_bench().args(["--no-run", "--message-format=json-render-diagnostics"])
    }

    /// Runs the bench target `main`: the benchmarks that a regular expression matches, or all. Plots
    /// would only cost time. `baseline` is the name of the results below `criterion_home`, which
    /// everything that is compared shares; criterion reserves `base`, `change`, `new` and `report`.
    pub(crate) fn run(
        &self,
        criterion_home: &Path,
        baseline: &str,
        filter: Option<&str>,
    ) -> Cmd<'_> {
        self.cargo_bench()
            .args(["--", "--noplot", "--save-baseline", baseline])
            .args(filter)
            .env("CRITERION_HOME", criterion_home)
    }

    /// Values are joined to their options, so that none can be taken for another option.
    fn cargo_bench(&self) -> Cmd<'_> {
        let Side { sh, target_dir, selection, .. } = self;
        let Selection { package, features, passed_to_cargo } = selection;
        let features = match features {
            Some(features) => format!("--features={features}"),
            None => "--all-features".to_owned(),
        };
        let package = package.as_ref().map(|package| format!("--package={package}"));
        cmd!(sh, "cargo bench --bench main {passed_to_cargo...} {features} {package...}")
            .arg("--target-dir")
            .arg(target_dir)
            // The directory of intermediate artifacts is another one where `build.build-dir` names
            // it, and then the same for both sides.
            .env("CARGO_BUILD_BUILD_DIR", target_dir)
    }

    /// Returns the manifests of the benchmarks in what the build prints.
    ///
    /// # Errors
    ///
    /// Fails if an executable lies or comes from elsewhere, so that it may be the other side's.
    pub(crate) fn manifests(&self, messages: &str) -> Result<Vec<PathBuf>, String> {
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let is_benchmark = |message: &Value| {
            let kinds = message["target"]["kind"].as_array();
            message["target"]["name"] == TARGET
                && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bench"))
        };
        let manifests = messages.filter(is_benchmark).map(|message| self.manifest(&message));
        let manifests: Vec<PathBuf> = manifests.collect::<Result<_, _>>()?;
        if manifests.is_empty() {
            return Err("cargo names no executable".to_owned());
        }
        Ok(manifests)
    }

    fn manifest(&self, message: &Value) -> Result<PathBuf, String> {
        let path = |value: &Value| PathBuf::from(value.as_str().unwrap_or_default());
        let executable = path(&message["executable"]);
        let below = executable.strip_prefix(&self.target_dir);
        if !below.is_ok_and(|below| !below.starts_with(OWN_DIR)) {
            let dir = self.target_dir.display();
            return Err(format!("`{}` was not built in `{dir}`", executable.display()));
        }
        let source = path(&message["target"]["src_path"]);
        if !source.starts_with(&self.sources) {
            let (source, dir) = (source.display(), self.sources.display());
            return Err(format!("`{source}` does not belong to `{dir}`"));
        }
        Ok(path(&message["manifest_path"]))
    }
}

/// Whether a manifest leaves `harness = false` out, so that the target gets the standard harness,
/// which does not know criterion's options. Good enough to explain a failure.
pub(crate) fn has_default_harness(manifest: &str) -> bool {
    let sections: Vec<&str> =
        manifest.split("\n[").filter(|it| it.starts_with("[bench]]")).collect();
    let is_main = |section: &&&str| section.contains(&format!("\"{TARGET}\""));
    match sections.iter().find(is_main) {
        Some(section) => !section.contains("harness"),
        None => !manifest.contains("harness"),
    }
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
    use serde_json::json;

    fn side(target_dir: &str, selection: Selection) -> Side {
        let (sources, target_dir) = ("/r".into(), target_dir.into());
        Side { sh: Shell::new().unwrap(), sources, target_dir, selection, compiler: String::new() }
    }

    #[test]
    fn all_features_are_measured_unless_some_are_named() {
        let line = |selection: Selection, filter| {
            let side = side("/t/base", selection);
            command_line(&side.run(Path::new("/t/criterion"), "base-1", filter).into())
        };
        assert_eq!(
            line(Selection::default(), None),
            "CARGO_BUILD_BUILD_DIR=/t/base CRITERION_HOME=/t/criterion cargo bench --bench main \
             --all-features --target-dir /t/base -- --noplot --save-baseline base-1"
        );
        let selection = Selection {
            package: Some("--x".to_owned()),
            features: Some("a b;c".to_owned()),
            passed_to_cargo: vec!["--locked"],
        };
        assert_eq!(
            line(selection, Some("^(?:a|b)$")),
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

    fn message(source: &str, executable: &str) -> String {
        json!({
            "reason": "compiler-artifact", "manifest_path": "/r/Cargo.toml",
            "target": {"kind": ["bench"], "name": "main", "src_path": source},
            "executable": executable,
        })
        .to_string()
    }

    fn check(messages: &str) -> Result<Vec<PathBuf>, String> {
        side("/t", Selection::default()).manifests(messages)
    }

    #[test]
    fn only_an_executable_of_the_side_itself_is_accepted() {
        let own = message("/r/benches/main.rs", "/t/release/deps/main-1");
        let library = own.replace("\"bench\"", "\"lib\"").replace("/r/", "/x/");
        let text = format!("{{\"reason\":\"build-finished\"}}\nnot JSON\n{library}\n{own}\n");
        assert_eq!(check(&text).unwrap(), [PathBuf::from("/r/Cargo.toml")]);
        let elsewhere = [
            (message("/r/benches/main.rs", "/u/main-1"), "`/u/main-1` was not built in `/t`"),
            (
                message("/r/benches/main.rs", "/t/xtask-bench/base/release/deps/main-1"),
                "`/t/xtask-bench/base/release/deps/main-1` was not built in `/t`",
            ),
            (
                message("/b/benches/main.rs", "/t/main-1"),
                "`/b/benches/main.rs` does not belong to `/r`",
            ),
            (String::new(), "cargo names no executable"),
        ];
        for (messages, error) in elsewhere {
            assert_eq!(check(&messages).unwrap_err(), error);
        }
    }

    #[test]
    fn a_missing_line_of_the_manifest_is_found() {
        let package = "[package]\nname = \"main\"\n";
        let bench = "\n[[bench]]\nname = \"main\"\n";
        let other = "\n[[bench]]\nname = \"other\"\nharness = false\n";
        assert!(has_default_harness(package));
        assert!(has_default_harness(&[package, bench, other].concat()));
        assert!(!has_default_harness(&[package, bench, "harness = false\n"].concat()));
        assert!(!has_default_harness("bench = [{ name = \"main\", harness = false }]\n[package]"));
    }
}
