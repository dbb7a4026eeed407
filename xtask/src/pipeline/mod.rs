//! `pipeline`: prints the pipeline that Buildkite runs, compares it with a file or uploads it.

pub(crate) mod explain;
pub(crate) mod render;
pub(crate) mod upload;

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::cli::pipeline::{Destination, Format, Options};
use crate::context::Context;
use crate::host::terminal::report_warnings;
use crate::host::{files, terminal};
use crate::inputs::{self, Request};
use crate::outcome::Outcome;
use crate::pipeline::render::Pipeline;
use crate::plan::Plan;
use crate::text::diagnostic::{Diagnostics, Failure};
use crate::text::fingerprint;
use crate::text::sanitize;
use crate::text::sanitize::visible;
use crate::text::shell as shell_text;
use crate::tools::buildkite_agent::{self, Style};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let found = Diagnostics::default();
    let request = Request {
        descriptions: options.test_description.as_slice(),
        platform_file: options.platform_allowlist.as_deref(),
        is_selective: options.workspace_selective,
        with_dependents: options.dependents,
    };
    let inputs = inputs::inputs(cx, request, &found)?;
    let plan = Plan::build(&inputs, &found);
    plan.check_keys(&found);
    report_warnings(&found.into_warnings()?);
    for warning in upload::warnings(&plan, options.destination == Destination::Upload) {
        terminal::say(&format!("warning: {warning}"));
    }
    let xtask = inputs::alias(cx, &inputs)?;
    let pipeline = Pipeline { steps: &plan.steps, xtask: &xtask };
    match &options.destination {
        Destination::Print => {
            terminal::write_data(|out| pipeline.write(options.format, out))?;
        }
        Destination::Explain => {
            terminal::write_data(|out| explain::write(&plan, out))?;
        }
        Destination::Write(path) => {
            let write = |out: &mut dyn Write| pipeline.write(options.format, out);
            files::stream_atomically(&cx.project.resolve(path), &write)?;
        }
        Destination::Check(path) => {
            return check(cx, path, &pipeline, options.format);
        }
        Destination::Upload => {
            let part = |steps| Pipeline { steps: &plan.steps[steps], ..pipeline };
            let parts: Vec<Pipeline<'_>> = upload::parts(&plan).into_iter().map(part).collect();
            upload_once(cx, &parts)?;
        }
    }
    Ok(Outcome::Pass)
}

/// Shows what would have to change in a file, if anything.
fn check(
    cx: &Context,
    path: &Path,
    pipeline: &Pipeline<'_>,
    format: Format,
) -> anyhow::Result<Outcome> {
    let name = path.display().to_string();
    let file = cx.project.resolve(path);
    if files::has_content(&file, &name, &|out| pipeline.write(format, out))? {
        return Ok(Outcome::Pass);
    }
    let text = pipeline.text(format)?;
    let diff = cx.git().diff_paths(&file, Path::new("-"));
    let output = cx.process(diff).stdin(text).output()?;
    terminal::write_data(|out| Ok(out.write_all(&output.stdout)?))?;
    terminal::say(&format!(
        "`{name}` is not current; write it again with `{} pipeline --output {}` and the options of this run",
        inputs::own_alias(cx)?,
        shell_text::quote(&name)
    ));
    Ok(Outcome::Fail)
}

const NEW_BUILD: &str =
    "start a new build of the commit; another attempt of this job could upload steps twice";

/// Hands all parts to Buildkite's agent, unless an earlier attempt of the job has.
///
/// Buildkite inserts the steps of an upload right after the step that uploads, before those of an
/// earlier upload of the same step. The last part therefore goes first, so that the build shows the
/// order of the plan. It implies that a failure in between leaves the end of the plan in the build,
/// and that a step cannot depend on one of an earlier part.
///
/// # Errors
///
/// Fails if the agent cannot be started or fails, or if an earlier attempt of the job ended before
/// its upload was complete (exit code 75).
fn upload_once(cx: &Context, parts: &[Pipeline<'_>]) -> anyhow::Result<()> {
    let Some(key) = record_key(cx, parts)? else { return upload_all(cx, parts) };
    let set = |state| {
        let set = buildkite_agent::set_meta_data(&cx.sh, &key, state);
        cx.process(set).tee_stderr().read()
    };
    match recorded(cx, &key).context("nothing was uploaded")?.as_str() {
        upload::NOT_BEGUN => (),
        upload::BEGUN => {
            let message = "nothing was uploaded: an earlier attempt of this job has begun to upload, \
                           and the build may have a part of the steps";
            return Err(Failure::new(message).help(NEW_BUILD).into());
        }
        upload::COMPLETE => {
            terminal::say(
                "nothing was uploaded: an earlier attempt of this job uploaded all steps",
            );
            return Ok(());
        }
        state => bail!("nothing was uploaded: the meta-data `{key}` is `{}`", visible(state)),
    }
    set(upload::BEGUN).context("nothing was uploaded")?;
    upload_all(cx, parts)?;
    // Where this fails, the record still keeps another attempt from uploading.
    if let Err(error) = set(upload::COMPLETE) {
        terminal::say(&format!("warning: {error:#}"));
    }
    Ok(())
}

/// The key of the build's meta-data about this upload, which all attempts of the job share; `None`
/// outside of a job. All attempts of a job are of one step; an upload of another plan by the same step
/// has a record of its own.
fn record_key(cx: &Context, parts: &[Pipeline<'_>]) -> anyhow::Result<Option<String>> {
    let Some(step) = cx.lookup("BUILDKITE_STEP_ID") else { return Ok(None) };
    let mut all = String::new();
    for part in parts {
        all += &fingerprint(&part.text(Format::Json)?);
    }
    Ok(Some(format!("rust-vmm-ci-upload:{step}:{}", fingerprint(all.as_bytes()))))
}

/// How far an earlier attempt of the job came.
fn recorded(cx: &Context, key: &str) -> anyhow::Result<String> {
    // The first attempt has no record, and the agent warns of meta-data that is not there.
    if cx.lookup("BUILDKITE_RETRY_COUNT").as_deref() == Some("0") {
        return Ok(upload::NOT_BEGUN.to_owned());
    }
    let get = buildkite_agent::meta_data(&cx.sh, key, upload::NOT_BEGUN);
    cx.process(get).tee_stderr().read_text()
}

fn upload_all(cx: &Context, parts: &[Pipeline<'_>]) -> anyhow::Result<()> {
    let mut log = String::new();
    let result = parts.iter().enumerate().rev().try_for_each(|(number, part)| {
        let steps = part.steps.len();
        let which = format!("part {} of {} ({steps} steps)", number + 1, parts.len());
        let process = cx.process(buildkite_agent::upload(&cx.sh)).shown().tee_stderr();
        let output = process.stdin(part.text(Format::Json)?).output().with_context(|| {
            format!("{which} was not uploaded; this works on an agent, with `mount-buildkite-agent` in a container")
        })?;
        log.push_str(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            let message = format!("{which} was not uploaded: the agent failed ({})", output.status);
            return Err(Failure::new(message).help(NEW_BUILD).into());
        }
        terminal::say(&format!("uploaded {which}"));
        Ok(())
    });
    report_problems(cx, &log);
    result
}

/// Repeats at the end what is easily missed in the middle of a log.
fn report_problems(cx: &Context, log: &str) {
    let problems = upload::problems(log);
    if problems.is_empty() {
        return;
    }
    terminal::say("the agent's warnings and errors:");
    for problem in &problems {
        terminal::say(&format!("  {problem}"));
    }
    if let Some(reason) = upload::gates_off(&problems) {
        terminal::say("warning: all steps run, whatever the change touches: gates are off");
        let heading = "All steps run, whatever the change touches: gates (`if_changed`) are off";
        let text = sanitize::headed_code_block(heading, reason);
        buildkite_agent::annotate(cx, "pipeline-gates", Style::WARNING, &text);
    }
}
