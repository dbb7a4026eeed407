//! Measurements of earlier bases, so that the same base is measured once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::base::Base;
use crate::bench::measure::Side;
use crate::bench::results::Results;
use crate::context::Context;
use crate::host::{directories, files, terminal};
use crate::text::fingerprint;

/// Bases move on: older measurements are of no use.
const MAX_ENTRIES: usize = 32;

/// The place of one base's measurement.
pub(crate) struct Known {
    file: PathBuf,
    /// Everything that the measurement depends on.
    key: String,
}

impl Known {
    /// Finds the place for a base as it is checked out now.
    ///
    /// # Errors
    ///
    /// Fails if its `Cargo.lock` cannot be read (exit code 75).
    pub(crate) fn new(
        cx: &Context,
        cache_dir: &Path,
        base: &Side<'_>,
        commit: &str,
    ) -> anyhow::Result<Known> {
        let key = key(cx, base, commit)?;
        let file = cache_dir.join("known").join(format!("{}.json", fingerprint(key.as_bytes())));
        Ok(Known { file, key })
    }

    /// Returns the results, with a note that says how old they are.
    pub(crate) fn load(&self, base: &Base) -> Option<Results> {
        let text = files::read_text_if_exists(&self.file, "the measurement").ok()??;
        let results = parse_entry(&text, &self.key)?;
        let age = files::age(&self.file).map(|age| format!(" ({})", ago(age))).unwrap_or_default();
        terminal::note(&format!(
            "note: {} was measured before{age}; `--fresh` measures it again",
            base.name
        ));
        Some(results)
    }

    /// Saves what was measured; failing to only costs time.
    pub(crate) fn save(&self, runs: &[Results]) {
        let Some(dir) = self.file.parent() else { return };
        let entry = entry(&self.key, &Results::median(runs));
        let written = directories::create_private_dir(dir)
            .and_then(|()| files::write_atomically(&self.file, entry.as_bytes()));
        if let Err(error) = written {
            terminal::say(&format!(
                "warning: the base will be measured again next time: {error:#}"
            ));
        }
        directories::keep_newest(dir, MAX_ENTRIES);
    }
}

fn entry(key: &str, results: &Results) -> String {
    json!({"key": key, "results": results.export_as("base")}).to_string()
}

/// None for an entry of another key, and for one that cannot be read.
fn parse_entry(text: &str, key: &str) -> Option<Results> {
    let stored: Value = serde_json::from_str(text).ok()?;
    if stored["key"].as_str()? != key {
        return None;
    }
    Results::parse(stored["results"].as_str()?)
}

/// Returns everything that a measurement of the base depends on, a part on each line.
fn key(cx: &Context, base: &Side<'_>, commit: &str) -> anyhow::Result<String> {
    let lock_file =
        files::read_text_if_exists(&base.sh.current_dir().join("Cargo.lock"), "Cargo.lock")?;
    let config = ["config", "config.toml"]
        .map(|name| files::read_text(&cx.cargo_home().join(name), name).unwrap_or_default());
    let config = fingerprint(config.join("\n").as_bytes());
    let lock_file = fingerprint(lock_file.unwrap_or_default().as_bytes());
    let (workspace, machine) = (base.workspace.to_string_lossy(), machine());
    let mut parts = vec![
        // Until version 2 both sides could share cargo's build directory.
        ("version", "2"),
        ("commit", commit),
        ("workspace", &workspace),
        ("package", base.selection.package.as_deref().unwrap_or("(the default)")),
        ("features", base.selection.features.as_deref().unwrap_or("(all)")),
        ("compiler", &base.compiler),
        ("Cargo.lock", &lock_file),
        ("cargo configuration", &config),
        ("machine", &machine),
    ];
    parts.extend(base.missing_submodules.iter().map(|path| ("without submodule", path.as_str())));
    let variables = cx.environment().iter().filter(|(name, _)| affects_build(name));
    parts.extend(variables.map(|(name, value)| (name.as_str(), value.as_str())));
    let lines = parts.into_iter().map(|(name, value)| format!("{name} {value:?}"));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Whether an environment variable changes what is built. One too many costs a measurement, one too
/// few would compare with another build.
fn affects_build(variable: &str) -> bool {
    const PREFIXES: &str = "AR CARGO_BUILD_ CARGO_ENCODED_ CARGO_INCREMENTAL CARGO_PROFILE_ \
        CARGO_TARGET_ CARGO_UNSTABLE_ CC CFLAGS CXX HOST_ LD_PRELOAD RUSTC RUSTFLAGS TARGET_";
    const UNRELATED: &str =
        "CARGO_BUILD_BUILD_DIR CARGO_BUILD_JOBS CARGO_BUILD_TARGET_DIR CARGO_TARGET_DIR";
    PREFIXES.split_whitespace().any(|prefix| variable.starts_with(prefix))
        && !UNRELATED.split(' ').any(|name| variable == name)
}

/// Identifies this machine: its id, its processor and its number of threads, as far as known.
fn machine() -> String {
    // The first is x86's, the others tell Arm's and RISC-V's apart.
    const KEYS: [&str; 4] = ["model name", "CPU implementer", "CPU part", "uarch"];
    let read = |path: &str| fs::read_to_string(path).ok().filter(|text| !text.trim().is_empty());
    let identity = read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname"));
    let processors = read("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| processors.lines().find(|line| line.starts_with(key)).map(str::trim);
    let model: Vec<&str> = KEYS.into_iter().filter_map(line).collect();
    let threads = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let identity = identity.unwrap_or_default();
    format!("{} {} {threads}", identity.trim(), model.join(" "))
}

/// Formats an age for people.
fn ago(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "less than a minute ago".to_owned(),
        1..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 60 / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::results;

    #[test]
    fn an_entry_is_read_for_its_own_key_only() {
        let results = results(&[("a", 1.5)]);
        let text = entry("k", &results);
        let read = parse_entry(&text, "k").unwrap();
        assert_eq!(read.benchmarks["a"].median, results.benchmarks["a"].median);
        assert_eq!(parse_entry(&text, "other"), None);
        assert_eq!(parse_entry(&text[..text.len() / 2], "k"), None);
    }

    #[test]
    fn only_variables_that_change_the_build_count() {
        for name in ["RUSTFLAGS", "CARGO_PROFILE_BENCH_LTO", "CC_x86_64_unknown_linux_musl"] {
            assert!(affects_build(name), "{name}");
        }
        for name in ["PATH", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "CARGO_BUILD_JOBS"] {
            assert!(!affects_build(name), "{name}");
        }
    }

    #[test]
    fn ages_are_rounded_down() {
        let shown = [59, 60, 7_199, 7_200, 172_799, 172_800].map(|s| ago(Duration::from_secs(s)));
        assert_eq!(
            shown,
            [
                "less than a minute ago",
                "1 min ago",
                "119 min ago",
                "2 h ago",
                "47 h ago",
                "2 days ago"
            ]
        );
    }
}
