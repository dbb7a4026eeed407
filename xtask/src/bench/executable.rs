//! Pure. The executables that cargo built, and whether they are a side's own.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::target::TARGET;

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
    use serde_json::json;

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
