//! The runs of both sides, and their results.

use std::path::{Path, PathBuf};

use anyhow::bail;
use xshell::Shell;

use crate::bench::comparison::Comparison;
use crate::bench::criterion;
use crate::bench::criterion::{Destination, Selection};
use crate::bench::executable;
use crate::bench::executable::Place;
use crate::bench::report::Problem;
use crate::bench::results::Results;
use crate::bench::schedule;
use crate::bench::schedule::{Schedule, SideName};
use crate::context::Context;
use crate::host::files::Lock;
use crate::host::{directories, files, terminal};
use crate::text::diagnostic::Failure;
use crate::text::sanitize::visible;

/// Everything that both sides share.
pub(crate) struct Bench<'a> {
    pub(crate) cx: &'a Context,
    /// Below the target directory of the change.
    pub(crate) dir: PathBuf,
    _lock: Lock,
}

/// A side: its sources, and where it is built.
pub(crate) struct Side<'a> {
    /// In the workspace's directory.
    pub(crate) sh: &'a Shell,
    /// The same, relative to the root of the repository.
    pub(crate) workspace: &'a Path,
    /// The root of the repository.
    pub(crate) sources: PathBuf,
    /// Of this side alone. The change's is the user's, which is warm.
    pub(crate) target_dir: PathBuf,
    pub(crate) selection: Selection,
    /// What `rustc --version --verbose` prints there.
    pub(crate) compiler: String,
    /// The submodules that a base is built without, by path.
    pub(crate) missing_submodules: Vec<String>,
}

/// Both sides.
pub(crate) struct Sides<'a> {
    pub(crate) change: Side<'a>,
    /// None where the base has nothing to measure.
    pub(crate) base: Option<Side<'a>>,
}

/// The results of each side, in the order of the runs.
#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) base: Vec<Results>,
    pub(crate) change: Vec<Results>,
}

impl Runs {
    pub(crate) fn compare(&self, schedule: &Schedule) -> Comparison {
        Comparison::of(&self.base, &self.change, schedule.fail_above_percent)
    }
}

impl<'a> Bench<'a> {
    /// Nothing of an earlier run is counted: its results are removed.
    pub(crate) fn new(cx: &'a Context, target_dir: &Path) -> anyhow::Result<Bench<'a>> {
        let dir = target_dir.join(executable::OWN_DIR);
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
    /// Fails if a tool is missing or prints something unknown, and if an executable is not
    /// proven to be its side's own (exit code 75).
    pub(crate) fn measure_all(
        &self,
        schedule: &Schedule,
        sides: &Sides<'_>,
        runs: &mut Runs,
    ) -> anyhow::Result<Option<(SideName, Problem)>> {
        let first = match (&sides.base, runs.base.is_empty()) {
            (Some(_), true) => schedule.runs(),
            _ => vec![SideName::Change],
        };
        let mut problem = self.measure_each(&first, sides, None, runs)?;
        for stage in schedule.confirmations() {
            let comparison = runs.compare(schedule);
            let slower: Vec<&str> = comparison.slower().map(|row| row.name.as_str()).collect();
            if slower.is_empty() || problem.is_some() {
                break;
            }
            let names = visible(&slower.join(", "));
            terminal::say(&format!("looks slower, measured again: {names}"));
            let filter = schedule::filter(slower.into_iter());
            problem = self.measure_each(&stage, sides, filter.as_deref(), runs)?;
        }
        Ok(problem)
    }

    fn measure_each(
        &self,
        names: &[SideName],
        sides: &Sides<'_>,
        filter: Option<&str>,
        runs: &mut Runs,
    ) -> anyhow::Result<Option<(SideName, Problem)>> {
        for name in names {
            let (side, done) = match (name, &sides.base) {
                (SideName::Change, _) => (&sides.change, &mut runs.change),
                (SideName::Base, Some(base)) => (base, &mut runs.base),
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
        side: &Side<'_>,
        baseline: &str,
        filter: Option<&str>,
    ) -> anyhow::Result<Result<Results, Problem>> {
        let Side { sh, selection, target_dir, sources, .. } = side;
        let build = criterion::build(sh, selection, target_dir);
        let build = self.cx.process(build).shown().stream_stderr().output()?;
        fail_if_interrupted()?;
        if !build.status.success() {
            return Ok(Err(Problem::DoesNotBuild));
        }
        let messages = String::from_utf8_lossy(&build.stdout);
        let manifests = executable::manifests(&messages, &Place { sources, target_dir });
        let manifests = manifests.map_err(|problem| {
            Failure::new(format!("the benchmarks may be those of the other side: {problem}"))
                .help("unset what makes cargo build elsewhere, such as `build.build-dir`")
        })?;
        let criterion_home = self.criterion_home();
        let destination = Destination { criterion_home: &criterion_home, baseline, filter };
        let run = criterion::run(sh, selection, target_dir, &destination);
        let status = self.cx.process(run).shown().stream().status()?;
        fail_if_interrupted()?;
        if !status.success() {
            return Ok(Err(failure(manifests)));
        }
        if !directories::has_dir_below(&criterion_home, baseline) {
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

fn fail_if_interrupted() -> anyhow::Result<()> {
    match Context::interrupted_by() {
        Some(_) => bail!("interrupted"),
        None => Ok(()),
    }
}

fn failure(manifests: Vec<PathBuf>) -> Problem {
    let has_default_harness = |manifest: &PathBuf| {
        files::read_text(manifest, "Cargo.toml")
            .is_ok_and(|it| executable::has_default_harness(&it))
    };
    let manifest = manifests.into_iter().find(has_default_harness);
    manifest.map_or(Problem::Fails, Problem::DefaultHarness)
}

/// Two runs at the same time would disturb each other.
pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
    files::lock(path, || terminal::note("waiting for another run of benchmarks to end"))
}
