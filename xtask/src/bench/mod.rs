//! `bench`: measures the change as it is in the working tree, and its base in a checkout outside of
//! it.

pub(crate) mod checkout;
pub(crate) mod criterion;
pub(crate) mod measure;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod selection;

use std::path::{Path, PathBuf};

use anyhow::bail;
use xshell::Shell;

use crate::base;
use crate::bench::checkout::Checkout;
use crate::bench::criterion::Side;
use crate::bench::measure::{Bench, Known, Sides};
use crate::bench::report::Heading;
use crate::bench::results::{Comparison, Results};
use crate::bench::selection::{Benchmarks, Schedule, Selection, SideName};
use crate::cli::bench::{Against, Options};
use crate::context::Context;
use crate::host::{cargo, files, supervision, terminal};
use crate::inputs;
use crate::outcome::{self, Outcome};
use crate::plan::metadata::Metadata;
use crate::text::diagnostic::Failure;
use crate::tools::Installer;
use crate::tools::buildkite_agent::{self, Style};
use crate::tools::requirement;

const NO_TARGET_HELP: &str = "add a criterion benchmark `benches/main.rs`, with `name = \"main\"` and `harness = false` in a \
     `[[bench]]` section of Cargo.toml, or name a package that has one with `--package`";

/// What is compared, and with what.
struct Task<'a> {
    options: &'a Options,
    /// Of the change.
    benchmarks: Benchmarks<'a>,
    heading: Heading<'a>,
}

/// Compares the benchmarks of the change with those of its base.
///
/// # Errors
///
/// Rejects options, variables and manifests that are invalid or name something that does not exist
/// (exit code 2). Fails if a side cannot be measured (exit code 75). Each error has a next step.
pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    bench(cx, options)
        .map_err(|error| outcome::with_next_step(error, "bench", supervision::interrupted_by()))
}

fn bench(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let schedule = Schedule::new(options.rounds, options.fail_above_percent)?;
    let cache_dir = cx.cache_dir()?;
    let _lock = measure::lock(&cache_dir.join("bench.lock"))?;
    let sh = inputs::shell_at_manifest(cx, options.manifest_path.as_deref())?;
    let metadata = inputs::metadata(cx, &sh)?;
    let selection = selection(cx, options, &metadata, &sh.current_dir());
    sh.change_dir(&metadata.root);
    let benchmarks = match Benchmarks::of(&metadata, selection.package.as_deref()) {
        Ok(benchmarks) => benchmarks,
        Err(absence) => {
            terminal::report_error(&Failure::new(absence).help(NO_TARGET_HELP).into());
            return Ok(Outcome::Fail);
        }
    };
    selection.check_features(&benchmarks)?;
    if let Some(warning) = benchmarks.warning() {
        terminal::say(&warning);
    }
    if let Some(path) = &options.json {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    let needs = requirement::of_command(&["bench"]);
    Installer::new(cx).ensure_all(&needs)?;
    let mut base = base::find(cx)?;
    if options.against == Against::MergeBase {
        base = base::merge_base(cx, &base)?;
    }
    let workspace = metadata.root.strip_prefix(&cx.project.root).unwrap_or(Path::new(""));
    let heading = Heading { base, base_reused: false, workspace, selection, schedule };
    compare(cx, Task { options, benchmarks, heading }, sh, &metadata.target_directory, &cache_dir)
}

/// In a member's directory cargo takes that member; both sides run at the workspace's root.
fn selection(cx: &Context, options: &Options, metadata: &Metadata, dir: &Path) -> Selection {
    let member = metadata.packages.iter().find(|package| package.directory() == dir);
    let member = member.filter(|_| metadata.root != dir).map(|package| package.name.clone());
    let package = options.package.clone().or_else(|| cx.lookup("PACKAGE")).or(member);
    let (features, passed_to_cargo) = (options.features.clone(), options.passed_to_cargo.clone());
    Selection { package, features, passed_to_cargo }
}

/// `sh` is in the change's workspace. `cache_dir` is outside the tree, the same for every run in this
/// repository.
fn compare(
    cx: &Context,
    mut task: Task<'_>,
    sh: Shell,
    target_dir: &Path,
    cache_dir: &Path,
) -> anyhow::Result<Outcome> {
    let bench = Bench::new(cx, target_dir)?;
    let checkout = Checkout::new(cx, &cache_dir.join("bench-base"), &task.heading.base.id)?;
    checkout::warn_of_configuration_above(cx, &checkout.dir);
    let compiler = compiler(cx, &sh)?;
    let (sources, target_dir) = (cx.project.root.clone(), target_dir.to_path_buf());
    let selection = task.heading.selection.clone();
    let change = Side { sh, sources, target_dir, selection, compiler };
    let base = base_side(cx, &task, &change, &checkout, bench.dir.join("base"))?;
    let heading = &mut task.heading;
    let (mut known, mut base_runs) = (None, Vec::new());
    if let Some(base) = &base {
        if let Some(note) = report::different_compilers(&change.compiler, &base.compiler) {
            terminal::say(&note);
        }
        let place = Known::new(cx, cache_dir, base, &checkout, &heading.base.id)?;
        // Rounds always measure both sides.
        if heading.schedule.rounds.is_none() && !task.options.fresh {
            base_runs.extend(place.load(&heading.base));
        }
        known = Some(place);
    }
    heading.base_reused = !base_runs.is_empty();
    let mut sides = Sides { change, base, change_runs: Vec::new(), base_runs };
    if let Some((side, problem)) = bench.measure_all(&heading.schedule, &mut sides)? {
        let failure = problem.failure(side, &heading.base, task.benchmarks.have_criterion());
        if side == SideName::Base {
            bail!(failure);
        }
        terminal::report_error(&failure.into());
        return Ok(Outcome::Fail);
    }
    if let Some(known) = known.filter(|_| !heading.base_reused && !sides.base_runs.is_empty()) {
        known.save(&sides.base_runs);
    }
    show(&bench, task.options, heading, &sides)
}

/// Returns the base where it is checked out, or None after a note that says why it has nothing to
/// measure.
fn base_side(
    cx: &Context,
    task: &Task<'_>,
    change: &Side,
    checkout: &Checkout,
    target_dir: PathBuf,
) -> anyhow::Result<Option<Side>> {
    let sh = cx.sh.clone();
    sh.change_dir(checkout.dir.join(task.heading.workspace));
    checkout::copy_lock_file(cx, change, &sh.current_dir())?;
    // Otherwise cargo would find a manifest in some directory above.
    let found = if sh.current_dir().join("Cargo.toml").is_file() {
        let metadata = inputs::metadata(cx, &sh).map_err(|error| {
            Failure::new(format!("on the base: {error:#}")).help(report::OTHER_BASE)
        })?;
        task.heading.selection.on_base(&task.benchmarks, &metadata)
    } else {
        Err("there is no Cargo.toml".to_owned())
    };
    let (selection, lacking) = match found {
        Ok(found) => found,
        Err(absence) => {
            let name = &task.heading.base.name;
            terminal::note(&format!("note: on {name} {absence}: there is nothing to compare with"));
            return Ok(None);
        }
    };
    if !lacking.is_empty() {
        let names = lacking.join("`, `");
        terminal::note(&format!("note: the base is measured without `{names}`, which it lacks"));
    }
    let compiler = compiler(cx, &sh)?;
    Ok(Some(Side { sh, sources: checkout.dir.clone(), target_dir, selection, compiler }))
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

/// Shows critcmp's table, and the other forms that the options name.
fn show(
    bench: &Bench<'_>,
    options: &Options,
    heading: &Heading<'_>,
    sides: &Sides,
) -> anyhow::Result<Outcome> {
    let cx = bench.cx;
    let comparison = sides.compare(&heading.schedule);
    if let Some(path) = &options.json {
        let text = report::json(heading, &comparison);
        files::write_atomically(&cx.project.resolve(path), text.as_bytes())?;
    }
    let limit = options.fail_above_percent;
    let outcome = report::outcome(&comparison, limit);
    annotate(cx, heading, &comparison, outcome);
    show_table(bench, sides)?;
    for line in report::lines(&comparison, limit) {
        terminal::say(&line);
    }
    if outcome == Outcome::Unavailable {
        let problem = "no benchmark was compared, so `--fail-above` has no verdict";
        let help =
            "keep the names of benchmarks, or leave `--fail-above` out until the base has them";
        bail!(Failure::new(problem).help(help));
    }
    Ok(outcome)
}

fn show_table(bench: &Bench<'_>, sides: &Sides) -> anyhow::Result<()> {
    let cx = bench.cx;
    let mut exported = Vec::new();
    for (name, results) in [("base", &sides.base_runs), ("change", &sides.change_runs)] {
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
    let package = heading.selection.package.as_deref().unwrap_or_default();
    let parts = ["bench", std::env::consts::ARCH, &workspace, package];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let context = parts.join("-");
    let style = match (outcome, heading.schedule.fail_above_percent) {
        (Outcome::Fail | Outcome::Unavailable, _) => Style::ERROR,
        (Outcome::Pass, Some(_)) => Style::SUCCESS,
        (Outcome::Pass, None) => Style::INFO,
    };
    buildkite_agent::annotate(cx, &context, style, &report::markdown(heading, comparison));
}
