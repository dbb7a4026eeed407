//! The Buildkite agent: uploads steps and annotates the build, where there is one.

use xshell::{Cmd, Shell, cmd};

use crate::context::Context;
use crate::host::terminal;
use crate::outcome::Outcome;
use crate::text::sanitize;

/// More Markdown than this is refused by Buildkite.
///
/// Source: <https://buildkite.com/docs/agent/v3/cli-annotate>, "maximum size is 1 MiB".
const ANNOTATION_LIMIT_BYTES: usize = 1 << 20;

/// How Buildkite shows an annotation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style(&'static str);

impl Style {
    pub(crate) const INFO: Style = Style("info");
    pub(crate) const SUCCESS: Style = Style("success");
    pub(crate) const WARNING: Style = Style("warning");
    pub(crate) const ERROR: Style = Style("error");
}

/// Puts the Markdown of its standard input on the build's page. A later annotation with the same
/// context replaces the earlier one.
fn annotation<'sh>(sh: &'sh Shell, context: &str, Style(style): Style) -> Cmd<'sh> {
    cmd!(sh, "buildkite-agent annotate --context={context} --style={style}")
}

/// Adds the steps of its standard input to the running build, right after the step of this job.
pub(crate) fn upload(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "buildkite-agent pipeline upload")
}

/// Prints the build's meta-data of this key, or `default`.
pub(crate) fn meta_data<'sh>(sh: &'sh Shell, key: &str, default: &str) -> Cmd<'sh> {
    cmd!(sh, "buildkite-agent meta-data get --default={default} {key}")
}

/// Sets the build's meta-data of this key, which all jobs of the build share.
pub(crate) fn set_meta_data<'sh>(sh: &'sh Shell, key: &str, value: &str) -> Cmd<'sh> {
    cmd!(sh, "buildkite-agent meta-data set {key} {value}")
}

/// Annotates the Buildkite job that this process runs in; elsewhere, or without the agent, does
/// nothing. A failure to annotate changes no verdict.
pub(crate) fn annotate(cx: &Context, context: &str, style: Style, markdown: &str) {
    if !cx.is_buildkite() || cx.find_program("buildkite-agent").is_none() {
        return;
    }
    let text = sanitize::mask_secrets(&sanitize::visible_lines(markdown));
    let text = sanitize::cut_to_lines(&text, ANNOTATION_LIMIT_BYTES);
    let cmd = annotation(&cx.sh, context, style);
    if let Err(error) = cx.process(cmd).stdin(text).read() {
        terminal::say(&format!("warning: cannot annotate the build: {error:#}"));
    }
}

/// Prints the report of a check. A failed one also annotates the build; one that passes only where it
/// replaces what an earlier attempt of the job reported.
///
/// # Errors
///
/// Fails if the report cannot be written (exit code 75).
pub(crate) fn report_check(
    cx: &Context,
    context: &str,
    heading: &str,
    has_failed: bool,
    text: &str,
) -> anyhow::Result<Outcome> {
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    let is_retry = cx.lookup("BUILDKITE_RETRY_COUNT").is_some_and(|count| count != "0");
    let style = if has_failed { Style::ERROR } else { Style::SUCCESS };
    if has_failed || is_retry {
        annotate(cx, context, style, &sanitize::headed_code_block(heading, text));
    }
    Ok(if has_failed { Outcome::Fail } else { Outcome::Pass })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_never_taken_for_an_option() {
        let sh = Shell::new().unwrap();
        assert_eq!(
            annotation(&sh, "-coverage", Style::ERROR).to_string(),
            "buildkite-agent annotate --context=-coverage --style=error"
        );
    }
}
