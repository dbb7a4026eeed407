//! Shows a summary on the page of the build, where there is one.

use crate::context::Context;
use crate::host::buildkite_agent;
use crate::host::buildkite_agent::{ANNOTATION_LIMIT_BYTES, Style};
use crate::host::terminal;
use crate::outcome::Outcome;
use crate::text::markdown;

/// Annotates the Buildkite job that this is; anywhere else, or without the agent, nothing happens.
/// A page that cannot be annotated changes no verdict.
pub(crate) fn annotate(cx: &Context, context: &str, style: Style, markdown: &str) {
    if cx.lookup("BUILDKITE").is_none() || cx.find_program("buildkite-agent").is_none() {
        return;
    }
    let text = markdown::shortened(markdown, ANNOTATION_LIMIT_BYTES);
    let cmd = buildkite_agent::annotate(&cx.sh, context, style);
    let problem = match cx.process(cmd).stdin(text.as_bytes()).output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("{error:#}"),
    };
    terminal::say(&format!("warning: the build's page cannot be annotated: {problem}"));
}

/// Shows what a failed check found. A check that passes is worth a place on the page only where it
/// takes back what an earlier attempt of the job said there.
pub(crate) fn show_check(cx: &Context, context: &str, outcome: Outcome, heading: &str, text: &str) {
    let is_retry = cx.lookup("BUILDKITE_RETRY_COUNT").is_some_and(|count| count != "0");
    match outcome {
        Outcome::Fail => {
            annotate(cx, context, Style::Error, &markdown::verbatim(heading, text));
        }
        Outcome::Pass if is_retry => {
            annotate(cx, context, Style::Success, &markdown::verbatim(heading, text));
        }
        Outcome::Pass | Outcome::Unavailable => (),
    }
}
