//! The results of both sides: those of this run, and of the base those of an earlier one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::base::Base;
use crate::bench::checkout::Checkout;
use crate::bench::criterion::{self, Side};
use crate::bench::report::Problem;
use crate::bench::results::{Comparison, Results};
use crate::bench::selection::{self, Schedule, SideName};
use crate::context::Context;
use crate::host::files::Lock;
use crate::host::{cargo, directories, files, supervision, terminal};
use crate::text::diagnostic::Failure;
use crate::text::fingerprint;
use crate::text::sanitize::visible;

/// Everything that both sides share.
pub(crate) struct Bench<'a> {
    pub(crate) cx: &'a Context,
    /// Below the target directory of the change.
    pub(crate) dir: PathBuf,
    _lock: Lock,
}

/// Both sides, and their results in the order of the runs.
pub(crate) struct Sides {
    pub(crate) change: Side,
    /// None where the base has nothing to measure.
    pub(crate) base: Option<Side>,
    pub(crate) change_runs: Vec<Results>,
    pub(crate) base_runs: Vec<Results>,
}

impl Sides {
    pub(crate) fn compare(&self, schedule: &Schedule) -> Comparison {
        Comparison::of(&self.base_runs, &self.change_runs, schedule.fail_above_percent)
    }
}

impl<'a> Bench<'a> {
    /// Nothing of an earlier run is counted: its results are removed.
    pub(crate) fn new(cx: &'a Context, target_dir: &Path) -> anyhow::Result<Bench<'a>> {
        let dir = target_dir.join(criterion::OWN_DIR);
        // Several repositories may share a target directory.
        let lock = files::create_dir(&dir).and_then(|()| lock(&dir.join("lock")));
        let bench = Bench { cx, dir, _lock: lock? };
        files::remove_dir(&bench.criterion_home())?;
        Ok(bench)
    }

    /// Measures what is not known yet; without a base the change alone, once. Slowdowns beyond a
    /// limit are measured again. Returns the side that could not be measured.
    ///
    /// # Errors
    ///
    /// Fails if a compiler is killed or the disk is full, if a tool is missing or prints something
    /// unknown, and if an executable is not proven to be its side's own (exit code 75).
    pub(crate) fn measure_all(
        &self,
        schedule: &Schedule,
        sides: &mut Sides,
    ) -> anyhow::Result<Option<(SideName, Problem)>> {
        let first = match (&sides.base, sides.base_runs.is_empty()) {
            (Some(_), true) => schedule.runs(),
            _ => vec![SideName::Change],
        };
        let mut problem = self.measure_each(&first, sides, None)?;
        for stage in schedule.confirmations() {
            let comparison = sides.compare(schedule);
            let slower: Vec<&str> = comparison.slower().map(|row| row.name.as_str()).collect();
            if slower.is_empty() || problem.is_some() {
                break;
            }
            let names = visible(&slower.join(", "));
            terminal::say(&format!("looks slower, measured again: {names}"));
            let filter = selection::filter(slower.into_iter());
            problem = self.measure_each(&stage, sides, filter.as_deref())?;
        }
        Ok(problem)
    }

    fn measure_each(
        &self,
        names: &[SideName],
        sides: &mut Sides,
        filter: Option<&str>,
    ) -> anyhow::Result<Option<(SideName, Problem)>> {
        for name in names {
            let (side, done) = match (name, &sides.base) {
                (SideName::Change, _) => (&sides.change, &mut sides.change_runs),
                (SideName::Base, Some(base)) => (base, &mut sides.base_runs),
                (SideName::Base, None) => continue,
            };
            let baseline = format!("{name}-{}", done.len() + 1);
            match (self.measure(side, &baseline, filter)?, name) {
                (Ok(results), _) => done.push(results),
                (Err(Problem::NoResults), SideName::Base) => terminal::note(
                    "note: the benchmarks of the base left no results: there is nothing to compare with",
                ),
                (Err(problem), _) => return Ok(Some((*name, problem))),
            }
        }
        Ok(None)
    }

    /// Builds and runs one side.
    fn measure(
        &self,
        side: &Side,
        baseline: &str,
        filter: Option<&str>,
    ) -> anyhow::Result<Result<Results, Problem>> {
        let build = self.cx.process(side.build()).shown().stream_stderr().output()?;
        ensure!(supervision::interrupted_by().is_none(), "interrupted");
        if !build.status.success() {
            cargo::check_failed_build(self.cx.process(side.build()))?;
            return Ok(Err(Problem::DoesNotBuild));
        }
        let manifests = side.manifests(&String::from_utf8_lossy(&build.stdout));
        let manifests = manifests.map_err(|problem| {
            Failure::new(format!("the benchmarks may be those of the other side: {problem}"))
                .help("unset what makes cargo build elsewhere, such as `build.build-dir`")
        })?;
        let criterion_home = self.criterion_home();
        let run = side.run(&criterion_home, baseline, filter);
        let status = self.cx.process(run).shown().stream().status()?;
        ensure!(supervision::interrupted_by().is_none(), "interrupted");
        if !status.success() {
            return Ok(Err(failure(manifests)));
        }
        if !directories::directories_below(&criterion_home, usize::MAX)
            .any(|dir| dir.ends_with(baseline))
        {
            return Ok(Err(Problem::NoResults));
        }
        let export = criterion::export(&self.cx.sh, &self.dir, baseline);
        let results = Results::parse(&self.cx.process(export).read_text()?);
        let unknown = || {
            Failure::new("failed to parse the output of `critcmp --export`")
                .help("install the version that is tested: `cargo install --locked critcmp@0.1.8`")
        };
        Ok(Ok(results.ok_or_else(unknown)?))
    }

    fn criterion_home(&self) -> PathBuf {
        self.dir.join("criterion")
    }
}

fn failure(manifests: Vec<PathBuf>) -> Problem {
    let has_default_harness = |manifest: &PathBuf| {
        files::read_text(manifest, "Cargo.toml").is_ok_and(|it| criterion::has_default_harness(&it))
    };
    let manifest = manifests.into_iter().find(has_default_harness);
    manifest.map_or(Problem::Fails, Problem::DefaultHarness)
}

/// Two runs at the same time would disturb each other.
pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
    files::lock(path, "waiting for another run of benchmarks to end")
}

/// Bases move on: older measurements are of no use.
const MAX_ENTRIES: usize = 32;

/// The place of one base's measurement.
pub(crate) struct Known {
    file: PathBuf,
    /// Everything that the measurement depends on, a part on each line.
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
        base: &Side,
        checkout: &Checkout,
        commit: &str,
    ) -> anyhow::Result<Known> {
        let dir = base.sh.current_dir();
        let lock_file = files::read_text_if_exists(&dir.join("Cargo.lock"), "Cargo.lock")?;
        let config = ["config", "config.toml"]
            .map(|name| files::read_text(&cx.cargo_home().join(name), name).unwrap_or_default());
        let config = fingerprint(config.join("\n").as_bytes());
        let lock_file = fingerprint(lock_file.unwrap_or_default().as_bytes());
        let workspace = dir.strip_prefix(&checkout.dir).unwrap_or(&dir).to_string_lossy();
        let machine = machine();
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
        let missing = checkout.missing_submodules.iter();
        parts.extend(missing.map(|path| ("without submodule", path.as_str())));
        let variables = cx.environment.iter().filter(|(name, _)| affects_build(name));
        parts.extend(variables.map(|(name, value)| (name.as_str(), value.as_str())));
        let lines = parts.into_iter().map(|(name, value)| format!("{name} {value:?}"));
        let key = lines.collect::<Vec<_>>().join("\n");
        let file = cache_dir.join("known").join(fingerprint(key.as_bytes()));
        Ok(Known { file, key })
    }

    /// Returns the results, with a note that says how old they are.
    pub(crate) fn load(&self, base: &Base) -> Option<Results> {
        let text = files::read_text_if_exists(&self.file, "the measurement").ok()??;
        let results = self.parse(&text)?;
        let age = files::age(&self.file).map(|age| age.as_secs() / 3600 + 1);
        let age = age.map(|hours| format!(" (less than {hours} h ago)")).unwrap_or_default();
        terminal::note(&format!(
            "note: {} was measured before{age}; `--fresh` measures it again",
            base.name
        ));
        Some(results)
    }

    /// Saves what was measured; failing to only costs time.
    pub(crate) fn save(&self, runs: &[Results]) {
        let Some(dir) = self.file.parent() else { return };
        let entry = self.entry(&Results::median(runs));
        let written = directories::create_private_dir(dir)
            .and_then(|()| files::write_atomically(&self.file, entry.as_bytes()));
        if let Err(error) = written {
            terminal::say(&format!(
                "warning: the base will be measured again next time: {error:#}"
            ));
        }
        directories::keep_newest(dir, MAX_ENTRIES);
    }
    fn entry(&self, results: &Results) -> String {
        format!("{}\n{}", self.key, results.export_as("base"))
    }

    /// None for an entry of another key, and for one that cannot be read.
    fn parse(&self, entry: &str) -> Option<Results> {
        Results::parse(entry.strip_prefix(&self.key)?)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::results;

    #[test]
    fn an_entry_is_read_for_its_own_key_only() {
        let results = results(&[("a", 1.5)]);
        let known = |key: &str| Known { file: PathBuf::new(), key: key.to_owned() };
        let text = known("k").entry(&results);
        let read = known("k").parse(&text).unwrap();
        assert_eq!(read.benchmarks["a"].median, results.benchmarks["a"].median);
        assert_eq!(known("other").parse(&text), None);
        assert_eq!(known("k").parse(&text.replacen('k', "k l", 1)), None);
        assert_eq!(known("k").parse(&text[..text.len() / 2]), None);
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
}
