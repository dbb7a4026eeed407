//! Shows what was measured: critcmp's table, JSON, the page of the build, the gate.

use crate::bench::comparison::Comparison;
use crate::bench::critcmp;
use crate::bench::measure::{Bench, Runs};
use crate::bench::render as report;
use crate::bench::render::Heading;
use crate::bench::results::Results;
use crate::cli::bench::Options;
use crate::context::Context;
use crate::host::buildkite_agent::Style;
use crate::host::{files, terminal};
use crate::outcome::Outcome;
use crate::tools::annotation;

/// Notices before anything is measured that the result could not be written.
pub(crate) fn check_destination(cx: &Context, options: &Options) -> anyhow::Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    files::check_destination(&cx.project.resolve(path), &path.display().to_string())
}

pub(crate) fn report(
    bench: &Bench<'_>,
    options: &Options,
    heading: &Heading<'_>,
    runs: &Runs,
) -> anyhow::Result<Outcome> {
    let cx = bench.session.cx;
    let limit = options.schedule.fail_above_percent;
    let comparison = runs.compare(&options.schedule);
    if let Some(path) = &options.json {
        let text = report::json(heading, &comparison);
        files::write_atomically(&cx.project.resolve(path), text.as_bytes())?;
    }
    let failed = comparison.slower().next().is_some();
    annotate(cx, heading, &comparison, failed);
    show_table(cx, bench, runs)?;
    if let Some(limit) = limit {
        for line in report::gate_lines(&comparison, limit) {
            terminal::say(&line);
        }
    }
    Ok(if failed { Outcome::Fail } else { Outcome::Pass })
}

/// Lets `critcmp` write its table: of each benchmark the run in the middle.
fn show_table(cx: &Context, bench: &Bench<'_>, runs: &Runs) -> anyhow::Result<()> {
    let coloured = cx.colours_stdout();
    let mut exported = Vec::new();
    for (name, results) in [("base", &runs.base), ("change", &runs.change)] {
        if !results.is_empty() {
            exported.push(bench.write_export(name, &Results::middle(results))?);
        }
    }
    bench.show(critcmp::compare(&cx.sh, &bench.dir, &exported, coloured))
}

fn annotate(cx: &Context, heading: &Heading<'_>, comparison: &Comparison, failed: bool) {
    // Each platform and package has a table of its own on the page.
    let platform = std::env::consts::ARCH;
    let context = match heading.package {
        Some(package) => format!("bench-{platform}-{package}"),
        None => format!("bench-{platform}"),
    };
    let style = match (failed, heading.schedule.fail_above_percent) {
        (true, _) => Style::Error,
        (false, Some(_)) => Style::Success,
        (false, None) => Style::Info,
    };
    annotation::annotate(cx, &context, style, &report::markdown(heading, comparison));
}
