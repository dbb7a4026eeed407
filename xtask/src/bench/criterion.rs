//! The command lines of criterion's benchmarks and of `critcmp`, which compares their results, and
//! what cargo says about the executables.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xshell::{Cmd, Shell, cmd};

use crate::bench::selection::TARGET;

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

/// Below a workspace's target directory: everything that is ours, the base's build among it.
pub(crate) const OWN_DIR: &str = "xtask-bench";

/// Where a side has its sources, and where cargo builds them.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) sources: &'a Path,
    pub(crate) target_dir: &'a Path,
}

/// Returns the manifests of the benchmarks in what `cargo bench --message-format=json` prints.
///
/// # Errors
///
/// Fails if an executable lies or comes from elsewhere, so that it may be the other side's.
pub(crate) fn manifests(messages: &str, place: &Place<'_>) -> Result<Vec<PathBuf>, String> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_benchmark = |message: &Value| {
        let kinds = message["target"]["kind"].as_array();
        message["target"]["name"] == TARGET
            && kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bench"))
    };
    let manifests: Vec<PathBuf> = messages
        .filter(is_benchmark)
        .map(|message| place.manifest(&message))
        .collect::<Result<_, _>>()?;
    match manifests.as_slice() {
        [] => Err("cargo names no executable".to_owned()),
        _ => Ok(manifests),
    }
}

impl Place<'_> {
    fn manifest(&self, message: &Value) -> Result<PathBuf, String> {
        let path = |value: &Value| PathBuf::from(value.as_str().unwrap_or_default());
        let executable = path(&message["executable"]);
        let below = executable.strip_prefix(self.target_dir);
        if !below.is_ok_and(|below| !below.starts_with(OWN_DIR)) {
            let dir = self.target_dir.display();
            return Err(format!("`{}` was not built in `{dir}`", executable.display()));
        }
        let source = path(&message["target"]["src_path"]);
        if !source.starts_with(self.sources) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;
    use serde_json::json;

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

    fn message(source: &str, executable: &str) -> String {
        json!({
            "reason": "compiler-artifact", "manifest_path": "/r/Cargo.toml",
            "target": {"kind": ["bench"], "name": "main", "src_path": source},
            "executable": executable,
        })
        .to_string()
    }

    fn check(messages: &str) -> Result<Vec<PathBuf>, String> {
        let place = Place { sources: Path::new("/r"), target_dir: Path::new("/t") };
        manifests(messages, &place)
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
