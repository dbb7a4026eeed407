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
use crate::inputs as gather;
use crate::inputs::Request;
use crate::outcome::Outcome;
use crate::pipeline::render::Pipeline;
use crate::plan::Plan;
use crate::text::diagnostic::Diagnostics;
use crate::text::shell as shell_text;
use crate::tools::buildkite_agent;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let found = Diagnostics::default();
    let request = Request {
        descriptions: options.test_description.as_slice(),
        platform_file: options.platform_allowlist.as_deref(),
        is_selective: options.workspace_selective,
        with_dependents: options.dependents,
    };
    let inputs = gather::inputs(cx, request, &found)?;
    let plan = Plan::build(&inputs, &found);
    report_warnings(&found.into_warnings()?);
    for warning in upload::warnings(&plan, options.destination == Destination::Upload) {
        terminal::say(&format!("warning: {warning}"));
    }
    let xtask = gather::alias(cx, &inputs)?;
    let pipeline = Pipeline { plan: &plan, rows: &plan.rows, xtask: &xtask };
    match &options.destination {
        Destination::Print => {
            terminal::write_data(|out| pipeline.write(options.format, out))?;
        }
        Destination::Explain => {
            terminal::write_data(|out| explain::write(&plan, out))?;
        }
        Destination::Write(path) => {
            let write = |out: &mut dyn Write| pipeline.write(options.format, out);
            files::stream_atomically(&cx.project.resolve(path), write)?;
        }
        Destination::Check(path) => {
            return check(cx, path, &pipeline, options.format);
        }
        Destination::Upload => upload_parts(cx, &pipeline)?,
    }
    Ok(Outcome::Pass)
}

fn text(pipeline: &Pipeline<'_>, format: Format) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    pipeline.write(format, &mut text)?;
    Ok(text)
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
    if files::has_content(&file, &name, |out| pipeline.write(format, out))? {
        return Ok(Outcome::Pass);
    }
    let text = text(pipeline, format)?;
    let diff = cx.git().diff_to_stdin(&file);
    let output = cx.process(diff).stdin(text).output()?;
    terminal::write_data(|out| Ok(out.write_all(&output.stdout)?))?;
    terminal::say(&format!(
        "`{name}` is not current; write it again with `{} pipeline --output {}` and the options of this run",
        gather::own_alias(cx)?,
        shell_text::quote(&name)
    ));
    Ok(Outcome::Fail)
}

/// Buildkite inserts the steps of an upload right after the step that uploads, before those of an
/// earlier upload of the same step. The last part therefore goes first, so that the build shows the
/// order of the plan. It implies that a failure in between leaves the end of the plan in the build,
/// and that a step cannot depend on one of an earlier part.
fn upload_parts(cx: &Context, pipeline: &Pipeline<'_>) -> anyhow::Result<()> {
    let parts = upload::parts(pipeline.plan);
    for (number, part) in parts.iter().enumerate().rev() {
        let rows = &pipeline.rows[part.clone()];
        let text = text(&Pipeline { rows, ..*pipeline }, Format::Json)?;
        let which = format!("part {} of {} ({} steps)", number + 1, parts.len(), rows.len());
        let output = cx.process(buildkite_agent::upload(&cx.sh)).shown().stdin(text).output().with_context(|| {
            format!("{which} was not uploaded; this works on an agent, with `mount-buildkite-agent` in a container")
        })?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{which} was not uploaded: {}", words.trim());
        }
        terminal::say(&format!("uploaded {which}"));
    }
    Ok(())
}
