//! `bench`: measures the change as it is in the working tree, and its base in a worktree outside
//! the tree.

pub(crate) mod cache_key;
pub(crate) mod comparison;
pub(crate) mod critcmp;
pub(crate) mod criterion;
pub(crate) mod known;
pub(crate) mod lock_file;
pub(crate) mod machine;
pub(crate) mod measure;
pub(crate) mod render;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod submodule;
pub(crate) mod submodules;
pub(crate) mod target;

use std::path::Path;

use anyhow::{Context as _, bail};
use xshell::Shell;

use crate::base;
use crate::base::Base;
use crate::bench::criterion::Selection;
use crate::bench::known::Store;
use crate::bench::lock_file::LockFile;
use crate::bench::measure::{Bench, Ended, Runs, Side, Sides};
use crate::bench::render as report_rules;
use crate::bench::render::Heading;
use crate::bench::session::{Session, Worktree};
use crate::bench::target::{Benchmarks, Workspace};
use crate::cli::bench::Options;
use crate::context::Context;
use crate::host::cargo;
use crate::host::terminal;
use crate::outcome::Outcome;
use crate::text::diagnostic::{Failure, Rejected};
use crate::tools::provision::{Installing, Provision};
use crate::tools::requirement as prerequisite;
use crate::tools::requirement::Prerequisite;

/// What is compared with what.
struct Task<'a> {
    options: &'a Options,
    /// Of the change.
    selection: Selection,
    change: Benchmarks,
    base: Base,
}

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let session = Session::open(cx)?;
    let workspace = workspace(cx, &cx.sh)?;
    let selection = Selection {
        package: options.package.clone().or_else(|| cx.lookup("PACKAGE")),
        features: options.features.clone(),
    };
    let change = match workspace.benchmarks(selection.package.as_deref()) {
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
    report::check_destination(cx, options)?;
    provide_critcmp(cx)?;
    let base = base::find_against(cx, options.against)?;
    compare(&session, &workspace, &Task { options, selection, change, base })
}

/// What is made here is put in order again when the session ends, however it ends.
fn compare(
    session: &Session<'_>,
    workspace: &Workspace,
    task: &Task<'_>,
) -> anyhow::Result<Outcome> {
    let cx = session.cx;
    let bench = Bench::new(session, Path::new(&workspace.target_dir))?;
    let lock_file = LockFile::settle(session, Path::new(&workspace.root))?;
    let worktree = Worktree::add(session, &task.base.id)?;
    let missing_submodules = submodules::fill(session, &worktree, &task.base.id)?;
    lock_file.lend_to(&worktree.dir)?;
    warn_of_configuration_above(cx, &worktree.dir);
    let base_sh = Shell::new().context("cannot find the current directory")?;
    base_sh.change_dir(&worktree.dir);
    let change = Side::new(session, &cx.sh, task.selection.clone(), None)?;
    let base = match base_selection(cx, &base_sh, task)? {
        Some(selection) => {
            let side = Side::new(session, &base_sh, selection, Some(bench.base_dir()))?;
            Some(Side { missing_submodules, ..side })
        }
        None => None,
    };
    if let Some(base) = &base
        && let Some(note) = report_rules::different_compilers(&change.compiler, &base.compiler)
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
    let Task { options, selection, base: found, .. } = task;
    let store = Store::new(bench.session, sides.base.as_ref(), &found.id)?;
    let mut runs = Runs::default();
    if options.schedule.may_reuse_base() && !options.fresh {
        runs.base.extend(store.find(found));
    }
    let base_reused = !runs.base.is_empty();
    match bench.measure_all(&options.schedule, sides, &mut runs)? {
        Ended::Measured => (),
        Ended::ChangeFailed => {
            let hint = if task.change.has_criterion {
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
    if !base_reused && !runs.base.is_empty() {
        store.keep(&runs.base);
    }
    let heading = Heading {
        base_name: &found.name,
        base_commit: &found.id,
        base_reused,
        package: selection.package.as_deref(),
        features: selection.features.as_deref(),
        schedule: options.schedule,
    };
    report::report(bench, options, &heading, &runs)
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

fn check_features(selection: &Selection, change: &Benchmarks) -> anyhow::Result<()> {
    let list = selection.features.as_deref().unwrap_or_default();
    if let Some(unknown) = change.unknown_features(list).first() {
        bail!(Rejected::new(format!("there is no feature `{unknown}`{}", change.hint(unknown))));
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
    let workspace =
        workspace(cx, sh).map_err(|error| Failure::new(format!("on the base: {error:#}")))?;
    let mut selection = task.selection.clone();
    let base = match workspace.benchmarks(selection.package.as_deref()) {
        Ok(base) if task.change.has_criterion && !base.has_criterion => {
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
    let tool = prerequisite::program(prerequisite::CRITCMP).expect("critcmp is one of our tools");
    let need = [Prerequisite::CargoTool { tool }];
    Ok(Provision::new(cx, Installing::Allowed).ensure_all(&need)?)
}

fn workspace(cx: &Context, sh: &Shell) -> anyhow::Result<Workspace> {
    let output = cx.process(cargo::metadata(sh)).output()?;
    if !output.status.success() {
        bail!(Rejected::new(String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Workspace::parse(&text).context("`cargo metadata` printed something unknown")
}
