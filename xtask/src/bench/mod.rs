//! `bench`: measures the change as it is in the working tree, and its base in a checkout outside of
//! it.

pub(crate) mod checkout;
pub(crate) mod criterion;
pub(crate) mod measure;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod selection;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use xshell::Shell;

use crate::base;
use crate::base::Base;
use crate::bench::checkout::Checkout;
use crate::bench::criterion::Selection;
use crate::bench::measure::{Bench, Known, Runs, Side, Sides};
use crate::bench::report::{Heading, Problem};
use crate::bench::results::{Comparison, Results};
use crate::bench::selection::{Benchmarks, Schedule, SideName};
use crate::cli::bench::{Against, Options};
use crate::context::Context;
use crate::host::{cargo, files, terminal};
use crate::inputs;
use crate::outcome::{self, Outcome};
use crate::plan::metadata::Metadata;
use crate::text::diagnostic::{Failure, Rejected};
use crate::tools::buildkite_agent::{self, Style};
use crate::tools::requirement;
use crate::tools::{InstallPolicy, Installer};

const NO_TARGET_HELP: &str = "add a criterion benchmark `benches/main.rs`, with `name = \"main\"` and `harness = false` in a \
     `[[bench]]` section of Cargo.toml, or name a package that has one with `--package`";

/// The two sides of a run.
struct Task<'a> {
    /// Outside the tree, the same for every run in this repository.
    cache_dir: PathBuf,
    /// In the workspace of the change.
    sh: Shell,
    options: &'a Options,
    schedule: Schedule,
    /// Of the change.
    selection: Selection,
    change: Benchmarks<'a>,
    base: Base,
}

/// Compares the benchmarks of the change with those of its base.
///
/// # Errors
///
/// Rejects options, variables and manifests that are invalid or name something that does not exist
/// (exit code 2). Fails if a side cannot be measured (exit code 75). Each error has a next step.
pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    bench(cx, options)
        .map_err(|error| outcome::with_next_step(error, "bench", Context::interrupted_by()))
}

fn bench(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let schedule = Schedule::new(options.rounds, options.fail_above_percent)?;
    let cache_dir = cx.cache_dir()?;
    let _lock = measure::lock(&cache_dir.join("bench.lock"))?;
    let sh = inputs::shell_at_manifest(cx, options.manifest_path.as_deref())?;
    let workspace = inputs::metadata(cx, &sh)?;
    // In a member's directory cargo takes that member; both sides run at the workspace's root.
    let member = workspace.packages.iter().find(|package| package.directory() == sh.current_dir());
    let member = member.filter(|_| workspace.root != sh.current_dir());
    let package = options.package.clone().or_else(|| cx.lookup("PACKAGE"));
    let package = package.or_else(|| Some(member?.name.clone()));
    sh.change_dir(&workspace.root);
    let selection = Selection {
        package,
        features: options.features.clone(),
        passed_to_cargo: options.passed_to_cargo.clone(),
    };
    let change = match Benchmarks::of(&workspace, selection.package.as_deref()) {
        Ok(benchmarks) => benchmarks,
        Err(absence) => {
            terminal::report_error(&Failure::new(absence).help(NO_TARGET_HELP).into());
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
    compare(cx, &workspace, &Task { cache_dir, sh, options, schedule, selection, change, base })
}

fn compare(cx: &Context, workspace: &Metadata, task: &Task<'_>) -> anyhow::Result<Outcome> {
    let bench = Bench::new(cx, &workspace.target_directory)?;
    let checkout = Checkout::new(cx, task.cache_dir.join("bench-base"), &task.base.id)?;
    warn_of_configuration_above(cx, &checkout.dir);
    let below_root = workspace.root.strip_prefix(&cx.project.root).unwrap_or(Path::new(""));
    let base_sh = Shell::new().context("cannot find the current directory")?;
    base_sh.change_dir(checkout.dir.join(below_root));
    copy_lock_file(cx, &task.sh, &base_sh.current_dir(), &task.selection.passed_to_cargo)?;
    let change = Side {
        sh: &task.sh,
        workspace: below_root,
        sources: cx.project.root.clone(),
        target_dir: workspace.target_directory.clone(),
        selection: task.selection.clone(),
        compiler: compiler(cx, &task.sh)?,
        missing_submodules: Vec::new(),
    };
    let base = match base_selection(cx, &base_sh, task)? {
        Some(selection) => Some(Side {
            sh: &base_sh,
            workspace: below_root,
            sources: checkout.dir.clone(),
            target_dir: bench.dir.join("base"),
            selection,
            compiler: compiler(cx, &base_sh)?,
            missing_submodules: checkout.missing_submodules.clone(),
        }),
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
    if let Some((side, problem)) = bench.measure_all(schedule, sides, &mut runs)? {
        return Ok(report_problem(task, side, &problem));
    }
    if let Some(known) = known.filter(|_| !base_reused && !runs.base.is_empty()) {
        known.save(&runs.base);
    }
    let heading = Heading {
        base_name: &found.name,
        base_commit: &found.id,
        base_reused,
        workspace: sides.change.workspace,
        package: selection.package.as_deref(),
        features: selection.features.as_deref(),
        schedule: *schedule,
    };
    show(bench, options, &heading, &runs)
}

fn report_problem(task: &Task<'_>, side: SideName, problem: &Problem) -> Outcome {
    let has_criterion = task.change.have_criterion();
    let failure = match side {
        SideName::Change => problem.of_the_change(has_criterion),
        SideName::Base => problem.of_the_base(&task.base.name, &task.base.id),
    };
    terminal::report_error(&failure.into());
    match side {
        SideName::Change => Outcome::Fail,
        SideName::Base => Outcome::Unavailable,
    }
}

/// Shows critcmp's table, and the other forms that the options name.
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
    let limit = options.fail_above_percent;
    let outcome = report::outcome(&comparison, limit);
    annotate(cx, heading, &comparison, outcome);
    show_table(bench, runs)?;
    for line in report::lines(&comparison, limit) {
        terminal::say(&line);
    }
    if outcome == Outcome::Unavailable {
        terminal::report_error(&report::nothing_compared().into());
    }
    Ok(outcome)
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

fn annotate(cx: &Context, heading: &Heading<'_>, comparison: &Comparison, outcome: Outcome) {
    // Each platform, workspace and package has an annotation of its own.
    let workspace = heading.workspace.to_string_lossy().replace('/', "-");
    let parts = ["bench", std::env::consts::ARCH, &workspace, heading.package.unwrap_or_default()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let context = parts.join("-");
    let style = match (outcome, heading.schedule.fail_above_percent) {
        (Outcome::Fail | Outcome::Unavailable, _) => Style::Error,
        (Outcome::Pass, Some(_)) => Style::Success,
        (Outcome::Pass, None) => Style::Info,
    };
    buildkite_agent::annotate(cx, &context, style, &report::markdown(heading, comparison));
}

/// Copies the change's `Cargo.lock` to a base that has none: both sides get the same versions.
///
/// # Errors
///
/// Fails if the change's dependencies cannot be resolved (exit code 75).
fn copy_lock_file(
    cx: &Context,
    change: &Shell,
    base: &Path,
    passed: &[&str],
) -> anyhow::Result<()> {
    let copy = base.join("Cargo.lock");
    if copy.exists() || !base.is_dir() {
        return Ok(());
    }
    if !cx.process(cargo::resolve(change).args(passed)).shown().stream().status()?.success() {
        bail!(
            Failure::new("failed to resolve the dependencies of the change")
                .help("run `cargo generate-lockfile`")
        );
    }
    files::copy(&change.current_dir().join("Cargo.lock"), &copy)
}

/// Warns of files in the directories above that cargo and rustup read for one side only.
fn warn_of_configuration_above(cx: &Context, base: &Path) {
    const NAMES: [&str; 4] =
        [".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];
    let root = &cx.project.root;
    for (dir, other, side) in [(root.as_path(), base, "change"), (base, root, "base")] {
        let above = dir.ancestors().skip(1).filter(|dir| !other.starts_with(dir));
        let files = above.flat_map(|dir| NAMES.map(|name| dir.join(name)));
        // The configuration in cargo's home counts everywhere.
        for file in files.filter(|file| file.exists() && !file.starts_with(cx.cargo_home())) {
            terminal::say(&format!("warning: `{}` applies to the {side} only", file.display()));
        }
    }
}

fn check_features(selection: &Selection, change: &Benchmarks<'_>) -> anyhow::Result<()> {
    let list = selection.features.as_deref().unwrap_or_default();
    if let Some((_, problem)) = change.unknown_features(list).into_iter().next() {
        bail!(Rejected::new(problem).help("`[features]` in Cargo.toml lists the features"));
    }
    Ok(())
}

/// Returns what the base can measure, or None after a note with the reason.
fn base_selection(cx: &Context, sh: &Shell, task: &Task<'_>) -> anyhow::Result<Option<Selection>> {
    let name = &task.base.name;
    // Otherwise cargo would find a manifest in some directory above.
    if !sh.current_dir().join("Cargo.toml").is_file() {
        terminal::note(&format!(
            "note: on {name} there is no Cargo.toml: there is nothing to compare with"
        ));
        return Ok(None);
    }
    let workspace = inputs::metadata(cx, sh).map_err(|error| {
        Failure::new(format!("on the base: {error:#}")).help(report::OTHER_BASE)
    })?;
    let mut selection = task.selection.clone();
    // The lock file of the base may be that of the change, which need not fit its manifests.
    selection.passed_to_cargo.retain(|option| *option != "--locked");
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
        selection.features = Some(selection::without(list, &unknown));
    }
    Ok(Some(selection))
}

/// Returns what `rustc --version --verbose` prints in a directory, where a toolchain file may select
/// another compiler.
fn compiler(cx: &Context, sh: &Shell) -> anyhow::Result<String> {
    let output = cx.process(cargo::compiler_version(sh)).stream_stderr().output()?;
    if !output.status.success() {
        bail!(
            Failure::new("the compiler does not run, see above")
                .help(format!("run `rustc --version` in `{}`", sh.current_dir().display()))
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn provide_critcmp(cx: &Context) -> anyhow::Result<()> {
    let needs = requirement::of_command(&["bench"]);
    Ok(Installer::new(cx, InstallPolicy::Allowed).ensure_all(&needs)?)
}
