//! The runs of both sides, and their results.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use xshell::Shell;

use crate::bench::comparison::Comparison;
use crate::bench::criterion;
use crate::bench::criterion::{Destination, Selection};
use crate::bench::results::Results;
use crate::bench::schedule;
use crate::bench::schedule::{Schedule, SideName};
use crate::context::Context;
use crate::host::files::Lock;
use crate::host::{cargo, files, terminal};
use crate::text::sanitize::visible;

/// Everything that both sides share.
pub(crate) struct Bench<'a> {
    pub(crate) cx: &'a Context,
    /// Below the user's own build directory.
    pub(crate) dir: PathBuf,
    _lock: Lock,
}

/// A side, and where it is built.
pub(crate) struct Side<'a> {
    pub(crate) sh: &'a Shell,
    pub(crate) selection: Selection,
    /// None means the user's own build directory, which is warm.
    pub(crate) target_dir: Option<PathBuf>,
    /// What `rustc --version --verbose` says there.
    pub(crate) compiler: String,
    /// What a base is built without, by path.
    pub(crate) missing_submodules: Vec<String>,
}

impl<'a> Side<'a> {
    /// Without a `target_dir` the side is built where the user builds.
    pub(crate) fn new(
        cx: &Context,
        sh: &'a Shell,
        selection: Selection,
        target_dir: Option<PathBuf>,
    ) -> anyhow::Result<Side<'a>> {
        let output = cx.process(cargo::compiler_version(sh)).stream_stderr().output()?;
        if !output.status.success() {
            return Err(anyhow!("the compiler does not run, see above"));
        }
        let compiler = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Side { sh, selection, target_dir, compiler, missing_submodules: Vec::new() })
    }
}

/// What is compared.
pub(crate) struct Sides<'a> {
    pub(crate) change: Side<'a>,
    /// None where the base has nothing to measure.
    pub(crate) base: Option<Side<'a>>,
}

/// What was measured, in the order of the runs.
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

/// How all runs together ended; of a failure cargo has said why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Measured,
    ChangeFailed,
    BaseFailed,
}

/// How one run of one side ended.
enum Run {
    Measured(Results),
    /// It passed, and there are no results: no benchmark is compiled in.
    Nothing,
    Failed,
}

impl<'a> Bench<'a> {
    /// Nothing of an earlier run is counted: its results are removed.
    pub(crate) fn new(cx: &'a Context, target_dir: &Path) -> anyhow::Result<Bench<'a>> {
        let dir = target_dir.join("xtask-bench");
        // Several repositories may share a build directory.
        let lock = files::create_dir(&dir).and_then(|()| lock(&dir.join("lock")));
        let bench = Bench { cx, dir, _lock: lock? };
        files::remove_dir(&bench.criterion_home())?;
        Ok(bench)
    }

    /// The base is built apart, so that neither side makes the other build anew.
    pub(crate) fn base_dir(&self) -> PathBuf {
        self.dir.join("base")
    }

    /// Measures what is not there yet. Without a base the change runs once. What a gate finds is
    /// measured again.
    pub(crate) fn measure_all(
        &self,
        schedule: &Schedule,
        sides: &Sides<'_>,
        runs: &mut Runs,
    ) -> anyhow::Result<Ended> {
        let first = match (&sides.base, runs.base.is_empty()) {
            (Some(_), true) => schedule.runs(),
            _ => vec![SideName::Change],
        };
        let mut ended = self.measure_each(&first, sides, None, runs)?;
        for stage in schedule.confirmations() {
            let comparison = runs.compare(schedule);
            let slower: Vec<&str> = comparison.slower().map(|row| row.name.as_str()).collect();
            if slower.is_empty() || ended != Ended::Measured {
                break;
            }
            let names = visible(&slower.join(", "));
            terminal::say(&format!("looks slower, measured again: {names}"));
            let filter = schedule::filter(slower.into_iter());
            ended = self.measure_each(&stage, sides, filter.as_deref(), runs)?;
        }
        Ok(ended)
    }

    fn measure_each(
        &self,
        names: &[SideName],
        sides: &Sides<'_>,
        filter: Option<&str>,
        runs: &mut Runs,
    ) -> anyhow::Result<Ended> {
        for name in names {
            let (side, done) = match (name, &sides.base) {
                (SideName::Change, _) => (&sides.change, &mut runs.change),
                (SideName::Base, Some(base)) => (base, &mut runs.base),
                (SideName::Base, None) => continue,
            };
            let baseline = format!("{name}-{}", done.len() + 1);
            match (self.measure(side, &baseline, filter)?, name) {
                (Run::Measured(results), _) => done.push(results),
                (Run::Nothing, SideName::Base) => terminal::note(
                    "note: the benchmarks of the base left no results: there is nothing to compare with",
                ),
                (Run::Nothing, SideName::Change) => {
                    terminal::say("error: the benchmarks of the change left no results");
                    return Ok(Ended::ChangeFailed);
                }
                (Run::Failed, SideName::Base) => return Ok(Ended::BaseFailed),
                (Run::Failed, SideName::Change) => return Ok(Ended::ChangeFailed),
            }
        }
        Ok(Ended::Measured)
    }

    /// Builds and runs one side.
    fn measure(
        &self,
        side: &Side<'_>,
        baseline: &str,
        filter: Option<&str>,
    ) -> anyhow::Result<Run> {
        let criterion_home = self.criterion_home();
        let destination = Destination {
            criterion_home: &criterion_home,
            baseline,
            target_dir: side.target_dir.as_deref(),
            filter,
        };
        let run = criterion::bench(side.sh, &side.selection, &destination);
        let status = self.cx.process(run).shown().stream().status()?;
        if Context::interrupted_by().is_some() {
            bail!("interrupted");
        }
        if !status.success() {
            return Ok(Run::Failed);
        }
        if !files::has_dir_below(&criterion_home, baseline) {
            return Ok(Run::Nothing);
        }
        let export = criterion::export(&self.cx.sh, &self.dir, baseline);
        let results = Results::parse(&self.cx.process(export).read_text()?);
        results.map(Run::Measured).context("`critcmp --export` printed something unknown")
    }

    fn criterion_home(&self) -> PathBuf {
        self.dir.join("criterion")
    }
}

/// Two runs at the same time would disturb each other.
pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
    files::lock(path, || terminal::note("waiting for another run of benchmarks to end"))
}
