//! `bench`: measures the change as it is in the working tree, and its base in a checkout outside of
//! it.

pub(crate) mod checkout;
pub(crate) mod comparison;
pub(crate) mod criterion;
pub(crate) mod known;
pub(crate) mod measure;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod schedule;
pub(crate) mod target;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use xshell::Shell;

use crate::base;
use crate::base::Base;
use crate::bench::checkout::Checkout;
use crate::bench::comparison::Comparison;
use crate::bench::criterion::Selection;
use crate::bench::known::Known;
use crate::bench::measure::{Bench, Ended, Runs, Side, Sides};
use crate::bench::report::Heading;
use crate::bench::results::Results;
use crate::bench::schedule::Schedule;
use crate::bench::target::Benchmarks;
use crate::cli::bench::{Against, Options};
use crate::context::Context;
use crate::host::{files, terminal};
use crate::inputs;
use crate::outcome::Outcome;
use crate::plan::metadata::Metadata;
use crate::text::diagnostic::{Failure, Rejected};
use crate::tools::buildkite_agent::{self, Style};
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::requirement;

/// What is compared with what.
struct Task<'a> {
    /// Outside the tree, the same for every run in this repository.
    cache_dir: PathBuf,
    options: &'a Options,
    schedule: Schedule,
    /// Of the change.
    selection: Selection,
    change: Benchmarks<'a>,
    base: Base,
}

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let schedule = Schedule::new(options.rounds, options.fail_above_percent)?;
    let cache_dir = cx.cache_dir()?;
    let _lock = measure::lock(&cache_dir.join("bench.lock"))?;
    let workspace = inputs::metadata(cx, &cx.sh)?;
    let selection = Selection {
        package: options.package.clone().or_else(|| cx.lookup("PACKAGE")),
        features: options.features.clone(),
    };
    let change = match Benchmarks::of(&workspace, selection.package.as_deref()) {
        Ok(benchmarks) => benchmarks,
        Err(absence) => {
            terminal::say(&format!("error: {absence}"));
            return Ok(Outcome::Fail);
        }
    };
    check_features(&selection, &change)?;
    if let Some(warning) = change.warning() {
        terminal::say(&warning);
    }
    if let Some(path) = &options.json {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    provide_critcmp(cx)?;
    let mut base = base::find(cx)?;
    if options.against == Against::MergeBase {
        base = base::merge_base(cx, &base)?;
    }
    compare(cx, &workspace, &Task { cache_dir, options, schedule, selection, change, base })
}

fn compare(cx: &Context, workspace: &Metadata, task: &Task<'_>) -> anyhow::Result<Outcome> {
    let bench = Bench::new(cx, &workspace.target_directory)?;
    let checkout = Checkout::new(cx, task.cache_dir.join("bench-base"), &task.base.id)?;
    checkout.copy_lock_file(cx, &workspace.root)?;
    warn_of_configuration_above(cx, &checkout.dir);
    let base_sh = Shell::new().context("cannot find the current directory")?;
    base_sh.change_dir(&checkout.dir);
    let change = Side::new(cx, &cx.sh, task.selection.clone(), None)?;
    let base = match base_selection(cx, &base_sh, task)? {
        Some(selection) => {
            let side = Side::new(cx, &base_sh, selection, Some(bench.base_dir()))?;
            Some(Side { missing_submodules: checkout.missing_submodules.clone(), ..side })
        }
        None => None,
    };
    if let Some(base) = &base
        && let Some(note) = report::different_compilers(&change.compiler, &base.compiler)
    {
        terminal::say(&note);
    }
    measure_and_report(&bench, &Sides { change, base }, task)
}

fn measure_and_report(
    bench: &Bench<'_>,
    sides: &Sides<'_>,
    task: &Task<'_>,
) -> anyhow::Result<Outcome> {
    let Task { options, schedule, selection, base: found, .. } = task;
    let known = match &sides.base {
        Some(base) => Some(Known::new(bench.cx, &task.cache_dir, base, &found.id)?),
        None => None,
    };
    let mut runs = Runs::default();
    if schedule.may_reuse_base() && !options.fresh {
        runs.base.extend(known.as_ref().and_then(|known| known.load(found)));
    }
    let base_reused = !runs.base.is_empty();
    match bench.measure_all(schedule, sides, &mut runs)? {
        Ended::Measured => (),
        Ended::ChangeFailed => {
            let hint = if task.change.have_criterion() {
                ""
            } else {
                ": `criterion` is not among the dependencies, and only its benchmarks are understood"
            };
            terminal::say(&format!("error: the benchmarks of the change failed{hint}"));
            return Ok(Outcome::Fail);
        }
        Ended::BaseFailed => {
            terminal::say(&format!(
                "error: the benchmarks of the base ({}, {}) failed, so nothing can be compared",
                found.name, found.id
            ));
            return Ok(Outcome::Unavailable);
        }
    }
    if let Some(known) = known.filter(|_| !base_reused && !runs.base.is_empty()) {
        known.save(&runs.base);
    }
    let heading = Heading {
        base_name: &found.name,
        base_commit: &found.id,
        base_reused,
        package: selection.package.as_deref(),
        features: selection.features.as_deref(),
        schedule: *schedule,
    };
    show(bench, options, &heading, &runs)
}

/// Shows critcmp's table, and the other forms that were asked for.
fn show(
    bench: &Bench<'_>,
    options: &Options,
    heading: &Heading<'_>,
    runs: &Runs,
) -> anyhow::Result<Outcome> {
    let cx = bench.cx;
    let comparison = runs.compare(&heading.schedule);
    if let Some(path) = &options.json {
        let text = report::json(heading, &comparison);
        files::write_atomically(&cx.project.resolve(path), text.as_bytes())?;
    }
    let failed = comparison.slower().next().is_some();
    annotate(cx, heading, &comparison, failed);
    show_table(bench, runs)?;
    if let Some(limit) = heading.schedule.fail_above_percent {
        for line in report::gate_lines(&comparison, limit) {
            terminal::say(&line);
        }
    }
    Ok(if failed { Outcome::Fail } else { Outcome::Pass })
}

fn show_table(bench: &Bench<'_>, runs: &Runs) -> anyhow::Result<()> {
    let cx = bench.cx;
    let mut exported = Vec::new();
    for (name, results) in [("base", &runs.base), ("change", &runs.change)] {
        if !results.is_empty() {
            let path = bench.dir.join(format!("{name}.json"));
            let text = Results::median(results).export_as(name);
            files::write_atomically(&path, text.as_bytes())?;
            exported.push(path);
        }
    }
    let table = criterion::compare(&cx.sh, &bench.dir, &exported, cx.colours_stdout());
    let table = cx.process(table).shown().read()?;
    // A reader that goes away loses the table and nothing else.
    terminal::write_data(|out| Ok(out.write_all(&table)?))
}

fn annotate(cx: &Context, heading: &Heading<'_>, comparison: &Comparison, failed: bool) {
    // Each platform and package has an annotation of its own.
    let package = heading.package.map(|name| format!("-{name}")).unwrap_or_default();
    let context = format!("bench-{}{package}", std::env::consts::ARCH);
    let style = match (failed, heading.schedule.fail_above_percent) {
        (true, _) => Style::Error,
        (false, Some(_)) => Style::Success,
        (false, None) => Style::Info,
    };
    buildkite_agent::annotate(cx, &context, style, &report::markdown(heading, comparison));
}

/// Cargo and rustup also read what lies in the directories above: both sides should have the same
/// there.
fn warn_of_configuration_above(cx: &Context, base: &Path) {
    const NAMES: [&str; 4] =
        [".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];
    let root = &cx.project.root;
    for (dir, other, side) in [(root.as_path(), base, "change"), (base, root, "base")] {
        let above = dir.ancestors().skip(1).filter(|dir| !other.starts_with(dir));
        let files = above.flat_map(|dir| NAMES.map(|name| dir.join(name)));
        // The configuration in cargo's home counts everywhere.
        for file in files.filter(|file| file.exists() && !file.starts_with(cx.cargo_home())) {
            terminal::say(&format!("warning: `{}` counts for the {side} only", file.display()));
        }
    }
}

fn check_features(selection: &Selection, change: &Benchmarks<'_>) -> anyhow::Result<()> {
    let list = selection.features.as_deref().unwrap_or_default();
    if let Some((_, problem)) = change.unknown_features(list).into_iter().next() {
        bail!(Rejected::new(problem));
    }
    Ok(())
}

/// What can be measured of the base; None, with the reason, if nothing can.
fn base_selection(cx: &Context, sh: &Shell, task: &Task<'_>) -> anyhow::Result<Option<Selection>> {
    let name = &task.base.name;
    // Without this look cargo would go on and find a manifest in some directory above.
    if !sh.current_dir().join("Cargo.toml").is_file() {
        terminal::note(&format!(
            "note: on {name} there is no Cargo.toml: there is nothing to compare with"
        ));
        return Ok(None);
    }
    let workspace = inputs::metadata(cx, sh)
        .map_err(|error| Failure::new(format!("on the base: {error:#}")))?;
    let mut selection = task.selection.clone();
    let base = match Benchmarks::of(&workspace, selection.package.as_deref()) {
        Ok(base) if task.change.have_criterion() && !base.have_criterion() => {
            Err("the bench target `main` does not use criterion".to_owned())
        }
        other => other,
    };
    let base = match base {
        Ok(base) => base,
        Err(absence) => {
            terminal::note(&format!("note: on {name} {absence}: there is nothing to compare with"));
            return Ok(None);
        }
    };
    if let Some(list) = &selection.features {
        let unknown = base.unknown_features(list);
        let unknown: Vec<&str> = unknown.iter().map(|(name, _)| *name).collect();
        if !unknown.is_empty() {
            let names = unknown.join("`, `");
            terminal::note(&format!(
                "note: the base is measured without `{names}`, which it lacks"
            ));
        }
        selection.features = Some(target::without(list, &unknown));
    }
    Ok(Some(selection))
}

fn provide_critcmp(cx: &Context) -> anyhow::Result<()> {
    let needs = requirement::of_command(&["bench"]);
    Ok(Installer::new(cx, InstallPolicy::Allowed).ensure_all(&needs)?)
}
