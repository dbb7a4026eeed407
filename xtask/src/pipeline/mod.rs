//! `pipeline`: prints the pipeline that Buildkite runs, compares it with a file or uploads it.

pub(crate) mod explain;
pub(crate) mod render;
pub(crate) mod upload;
mod uploader;

use std::io::Write;
use std::path::Path;

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
    plan.check_keys(&found);
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
        Destination::Upload => uploader::run(cx, &pipeline)?,
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
    if files::has_content(&file, &name, |out| pipeline.write(format, out))? {
        return Ok(Outcome::Pass);
    }
    let text = pipeline.text(format)?;
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
