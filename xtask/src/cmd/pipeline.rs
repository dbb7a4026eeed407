//! `pipeline`: prints the pipeline that Buildkite runs.

use std::slice;

use super::gather::{self, Request};
use super::report_warnings;
use crate::cli::pipeline::Options;
use crate::context::Context;
use crate::host::terminal;
use crate::outcome::{OrUndetermined, Outcome};
use crate::rules::diagnostic::Diagnostics;
use crate::rules::pipeline::Pipeline;
use crate::rules::plan::Plan;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let mut found = Diagnostics::default();
    let request = Request {
        descriptions: options.test_description.as_ref().map(slice::from_ref).unwrap_or_default(),
        platform_file: options.platform_allowlist.as_deref(),
        selective: options.workspace,
    };
    let inputs = gather::inputs(cx, request, &mut found)?;
    let plan = Plan::build(&inputs, &mut found);
    report_warnings(&found.into_warnings()?);
    let xtask = gather::alias(cx, &inputs)?;
    let pipeline = Pipeline { plan: &plan, xtask: &xtask };
    terminal::write_data(|out| pipeline.write(options.format, out)).or_undetermined()?;
    Ok(Outcome::Pass)
}
