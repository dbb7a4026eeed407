//! `ci`: runs the plan on this machine, as many tests side by side as pays.

pub(crate) mod local_step;
pub(crate) mod report;
pub(crate) mod report_files;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod selection;
pub(crate) mod test;
pub(crate) mod verdict;

use std::path::Path;

use anyhow::bail;
use serde_json::{Value, json};

use crate::base;
use crate::ci::local_step::LocalStep;
use crate::ci::report::Report;
use crate::ci::report_files::History;
use crate::ci::selection::Changed;
use crate::ci::verdict::Verdict;
use crate::cli::args::Base;
use crate::cli::ci::{Action, Options};
use crate::cli::container::IN_CONTAINER;
use crate::context::Context;
use crate::host::{files, terminal};
use crate::inputs::{self, Request};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::plan::inputs::Inputs;
use crate::plan::platform::Platform;
use crate::text::diagnostic::{Diagnostics, Rejected, Severity};
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::shell as shell_text;
use crate::tools::buildkite_agent::{self, Style};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let found = Diagnostics::default();
    let request = Request {
        descriptions: &options.test_descriptions,
        is_selective: options.workspace_selective,
        // Without `--changed` no gate is asked: every step of the plan runs.
        with_dependents: options.changed.is_some(),
        ..Request::default()
    };
    let inputs = inputs::inputs(cx, request, &found)?;
    let plan = Plan::build(&inputs, &found);
    terminal::report_warnings(&found.into_warnings()?);
    let alias = inputs::alias(cx, &inputs)?;
    let changed = options.changed.as_ref().map(|base| changed(cx, base, &inputs)).transpose()?;
    let mut steps = local_steps(cx, &plan, options, &alias, changed.as_ref())?;
    let dir = cx.project.ci_dir();
    let record = dir.join("last.json");
    let text = files::read_text_if_exists(&record, "last.json").ok().flatten();
    let mut history = History::parse(&text.unwrap_or_default());
    steps.retain(|step| !options.failed || history.has_failed(&step.label));
    if options.action != Action::Run {
        list(&steps, options.action)?;
        return Ok(Outcome::Pass);
    }
    files::create_dir(&dir)?;
    // A test may run `ci` itself, so that waiting for the other run could last for ever.
    let lock = files::try_lock(&dir.join("lock"))?;
    let logs = if lock.is_some() {
        files::remove_orphans(&dir, "logs-", "");
        dir.join("logs")
    } else {
        dir.join(format!("logs-{}", std::process::id()))
    };
    // `{xtask} coverage` and cargo find the workspace from where they run.
    let dir = options.manifest_path.as_deref().map(|path| cx.project.manifest_dir(Some(path)));
    let _dir = dir.transpose()?.map(|dir| cx.sh.push_dir(dir));
    let reports = run::run_all(cx, options, &steps, &history, &logs);
    history.record(&reports);
    let text = history.to_text();
    let is_recorded = lock.is_some() && files::write_atomically(&record, text.as_bytes()).is_ok();
    let rerun_lines = rerun_lines(cx, &reports, options, is_recorded);
    let shown = rerun_lines.and_then(|lines| show(cx, &reports, &lines));
    // A terminal that is closed takes nothing; files do all the same.
    let reported = shown.and(write_reports(cx, &reports, options));
    if !report::has_run(&reports) {
        terminal::say("warning: no test ran, so nothing was checked");
    }
    let outcome = report::outcome(&reports, cx.is_ci());
    match reported {
        // What cannot be written does not undo that a test has failed.
        Err(error) if outcome == Outcome::Fail => terminal::report_error(&error),
        reported => reported?,
    }
    Ok(outcome)
}

/// The selected steps of this machine's platform.
fn local_steps(
    cx: &Context,
    plan: &Plan<'_>,
    options: &Options,
    alias: &str,
    changed: Option<&Changed>,
) -> anyhow::Result<Vec<LocalStep>> {
    let labels: Vec<String> = plan.steps.iter().map(|step| visible(&step.label())).collect();
    // A test without a step here is known all the same.
    selection::check_names(options, plan.inputs.tests().map(|test| &*test.name), &labels)?;
    let here = Platform::from_name(std::env::consts::ARCH).ok();
    let executable = cx.project.executable.to_string_lossy();
    let lookup = |name: &str| cx.lookup(name);
    let (mut steps, mut left_out, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let mut unmet = options.tests.clone();
    for step in plan.steps.iter().filter(|step| step.platform.is_none() || step.platform == here) {
        let mut local = LocalStep::of(step, &executable, alias, &lookup);
        if !selection::includes(options, &local.test_name, &local.label) {
            continue;
        }
        unmet.retain(|name| *name != local.test_name && *name != local.label);
        let problem =
            local.problem().map(|it| step.finding(Severity::Error, step.test.command_offset, it));
        problems.extend(problem);
        local.add_words(&options.extra_words);
        if changed.is_none_or(|changed| changed.concerns(step)) {
            steps.push(local);
        } else {
            left_out.push(*step);
        }
    }
    if !problems.is_empty() {
        bail!(Rejected(problems));
    }
    for name in &unmet {
        let reason = plan.left_out().into_iter().find(|(test, _)| test == name);
        let reason =
            reason.map_or("not for this platform, or left out by `--skip`", |(_, reason)| reason);
        terminal::say(&format!("warning: `{name}` has no step here: {reason}"));
    }
    if steps.is_empty() && left_out.is_empty() && !options.tests.is_empty() {
        let platform = std::env::consts::ARCH;
        let message = format!("none of the named tests has a step on this machine ({platform})");
        bail!(Rejected::new(message).help(format!("`{alias} ci --list` shows the tests")));
    }
    for sentence in changed.iter().flat_map(|changed| changed.explain(&left_out)) {
        terminal::note(&format!("note: {sentence}"));
    }
    Ok(steps)
}

/// What `HEAD` and the working tree, untracked files included, change since a base.
fn changed(cx: &Context, base: &Base, inputs: &Inputs) -> anyhow::Result<Changed> {
    let (commit, base) = base::of_change(cx, base.revision.as_deref())?;
    let mut paths = cx.process(cx.git().changed_files(&[&commit])).read_names()?;
    paths.append(&mut cx.process(cx.git().untracked(&[])).read_names()?);
    // The gates judge what is committed, whether the working tree takes it back or not.
    paths.append(&mut cx.process(cx.git().changed_files(&[&commit, "HEAD"])).read_names()?);
    let workspace = inputs.workspace.as_ref().expect("`--changed` plans crate by crate");
    Ok(Changed::new(base, paths, workspace))
}

fn list(steps: &[LocalStep], action: Action) -> anyhow::Result<()> {
    let width = steps.iter().map(|step| step.label.chars().count()).max().unwrap_or(0);
    terminal::write_data(|out| {
        if action == Action::ListAsJson {
            let entries: Value = steps.iter().map(list_entry).collect();
            return Ok(writeln!(out, "{entries:#}")?);
        }
        for LocalStep { label, timeout_minutes, uploaded_command, verdict, .. } in steps {
            let reason = verdict.as_ref().and_then(Verdict::reason);
            let reason = reason.map(|reason| format!("  ({reason})")).unwrap_or_default();
            let rest = visible(&mask_secrets(&format!("{uploaded_command}{reason}")));
            writeln!(out, "{label:width$}  {timeout_minutes:>3} min  {rest}")?;
        }
        Ok(())
    })
}

fn list_entry(step: &LocalStep) -> Value {
    json!({
        "label": step.label,
        "test_name": step.test_name,
        "command": step.uploaded_command,
        "timeout_in_minutes": step.timeout_minutes,
        "notes": step.notes,
        "not_run": step.verdict.as_ref().and_then(Verdict::reason),
    })
}

/// Writes the table, the reasons, and a line for each failure that runs the test again.
fn show(cx: &Context, reports: &[Report], rerun_lines: &[String]) -> anyhow::Result<()> {
    terminal::write_data(|out| {
        if !terminal::is_quiet() {
            write!(out, "\n{}", report::table(reports, cx.colours_stdout()))?;
        }
        for line in report::reasons(reports).iter().chain(rerun_lines) {
            writeln!(out, "{line}")?;
        }
        Ok(writeln!(out, "{}", report::sentence(reports))?)
    })
}

/// Writes the reports for others.
fn write_reports(cx: &Context, reports: &[Report], options: &Options) -> anyhow::Result<()> {
    let markdown = report_files::markdown(reports);
    if let Some(dir) = &options.report {
        let dir = cx.project.resolve(dir);
        files::create_dir(&dir)?;
        let json = format!("{:#}\n", report_files::json(reports));
        let junit = report_files::junit(reports);
        for (name, text) in [("junit.xml", &junit), ("ci.json", &json), ("ci.md", &markdown)] {
            files::write_atomically(&dir.join(name), text.as_bytes())?;
        }
    }
    let has_failed = reports.iter().any(|report| report.verdict.fails_the_run());
    let style = if has_failed { Style::ERROR } else { Style::SUCCESS };
    buildkite_agent::annotate(cx, "ci", style, &markdown);
    if let Some(file) = cx.lookup("GITHUB_STEP_SUMMARY") {
        files::append(Path::new(&file), markdown.as_bytes())?;
    }
    Ok(())
}

/// A line to copy for each test that failed, and one for all of them; `--failed` knows them only if
/// this run is recorded.
fn rerun_lines(
    cx: &Context,
    reports: &[Report],
    options: &Options,
    is_recorded: bool,
) -> anyhow::Result<Vec<String>> {
    let failed = reports.iter().filter(|report| report.verdict.is_worth_a_rerun());
    let mut labels: Vec<&str> = failed.map(|report| report.label.as_str()).collect();
    labels.dedup();
    if labels.is_empty() {
        return Ok(Vec::new());
    }
    let rerun = rerun(cx, options)?;
    let line = |labels: &[&str]| {
        let dashes = |are_needed: bool| are_needed.then_some("--").into_iter();
        let labels =
            dashes(labels.iter().any(|it| it.starts_with('-'))).chain(labels.iter().copied());
        let extra = options.extra_words.iter().map(String::as_str);
        let extra = dashes(!options.extra_words.is_empty()).chain(extra);
        let words: Vec<String> = labels.chain(extra).map(shell_text::quote).collect();
        format!("{rerun} {}", words.join(" "))
    };
    let mut lines: Vec<String> =
        labels.iter().map(|label| format!("run again: {}", line(&[label]))).collect();
    if labels.len() > 1 {
        let is_known = is_recorded && options.extra_words.is_empty();
        let all = if is_known { format!("{rerun} --failed") } else { line(&labels) };
        lines.push(format!("all that failed: {all}"));
    }
    Ok(lines)
}

/// This command and the options that decide what its tests are.
fn rerun(cx: &Context, options: &Options) -> anyhow::Result<String> {
    let mut line = format!("{} ci", inputs::own_alias(cx)?);
    line.extend(cx.lookup(IN_CONTAINER).map(|options| format!(" {options}")));
    let files = options.test_descriptions.iter().map(|file| ("-t", file));
    let manifest = options.manifest_path.iter().map(|path| ("--manifest-path", path));
    for (option, path) in files.chain(manifest) {
        line += &format!(" {option} {}", shell_text::quote(&path.to_string_lossy()));
    }
    if options.workspace_selective {
        line += " --workspace-selective true";
    }
    Ok(line)
}
