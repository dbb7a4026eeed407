//! `commit-format`: checks the messages of the commits that the branch adds to its base.

pub(crate) mod history;
pub(crate) mod message;
pub(crate) mod message_file;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod trailer;

use std::path::Path;

use anyhow::bail;

use crate::base;
use crate::base::Base;
use crate::cli::commit_format::Options;
use crate::commit_format::history::Commit;
use crate::commit_format::message_file::Cleanup;
use crate::commit_format::report::CommitReport;
use crate::context::Context;
use crate::host::terminal::report_warnings;
use crate::host::{files, terminal};
use crate::outcome::Outcome;
use crate::text::diagnostic::Failure;
use crate::text::diagnostic::{Diagnostics, Source};
use crate::tools::buildkite_agent;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    match &options.message_file {
        Some(file) => check_file(cx, file),
        None => check_branch(cx),
    }
}

fn check_branch(cx: &Context) -> anyhow::Result<Outcome> {
    let bots = bots(cx)?;
    if base::commit(cx, "HEAD")?.is_none() {
        check_head_is_readable(cx)?;
        terminal::say("there are no commits yet");
        return Ok(Outcome::Pass);
    }
    let base = base::find(cx)?;
    let list = cx.git().list_commits(&base.id, history::FORMAT);
    let commits = history::parse(&cx.process(list).read()?)?;
    check_history_is_complete(cx, &commits, &base)?;
    let report = CommitReport::new(&base.name, history::classify(&commits, &bots));
    let text = report.render();
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    let outcome = if report.has_failed() { Outcome::Fail } else { Outcome::Pass };
    buildkite_agent::show_check(cx, "commit-format", outcome, "commit messages", &text);
    Ok(outcome)
}

/// Without any commit, `HEAD` names a branch that does not exist. Anything else is a repository that
/// git cannot read.
fn check_head_is_readable(cx: &Context) -> anyhow::Result<()> {
    const IS_MISSING: i32 = 1;
    let branch = cx.process(cx.git().current_branch()).read_text()?;
    let reference = cx.git().show_reference(&branch);
    match cx.process(reference).read_unless(IS_MISSING)? {
        None => Ok(()),
        Some(_) => bail!(
            Failure::new(format!("git failed to read the last commit of `{branch}`"))
                .help("run `git fsck`")
        ),
    }
}

fn check_file(cx: &Context, file: &Path) -> anyhow::Result<Outcome> {
    let name = file.display().to_string();
    let content = files::read_bytes(&cx.project.resolve(file), &name)?;
    let cleanup = cleanup(cx)?;
    let findings = message::check(&message_file::as_committed(&content, &cleanup));
    if findings.is_empty() {
        return Ok(Outcome::Pass);
    }
    terminal::write_data(|out| {
        writeln!(out, "{name}")?;
        report::describe(&findings).try_for_each(|line| Ok(writeln!(out, "{line}")?))
    })?;
    let has_failed = findings.iter().any(|finding| !finding.violation.is_warning());
    Ok(if has_failed { Outcome::Fail } else { Outcome::Pass })
}

/// The addresses of authors that are left out.
fn bots(cx: &Context) -> anyhow::Result<Vec<String>> {
    const NAME: &str = ".buildkite/commit-format.json";
    let text = files::read_text_if_exists(&cx.project.root.join(NAME), NAME)?;
    let source = text.map(|text| Source::new(NAME, text));
    let found = Diagnostics::default();
    let bots = settings::bots(source.as_ref(), &found);
    report_warnings(&found.into_warnings()?);
    Ok(bots)
}

/// If the history ends inside the branch, its own commits cannot be determined.
fn check_history_is_complete(cx: &Context, commits: &[Commit], base: &Base) -> anyhow::Result<()> {
    let is_own = |id: &str| commits.iter().any(|commit| !commit.is_boundary && commit.id == id);
    let path = cx.process(cx.git().shallow_file()).read_text()?;
    let path = cx.project.root.join(path);
    let shallow = files::read_text_if_exists(&path, "shallow")?.unwrap_or_default();
    if shallow.lines().any(is_own) {
        let message = format!(
            "this clone is shallow and its history ends before the branch left `{}`",
            base.name
        );
        bail!(
            Failure::new(message).help("run `git fetch --deepen=100`, or `git fetch --unshallow`")
        );
    }
    let is_rooted = commits.is_empty() || commits.iter().any(|commit| commit.is_boundary);
    if !is_rooted {
        bail!(base::unrelated(&base.name));
    }
    Ok(())
}

/// How git cleans up the message before it commits it.
fn cleanup(cx: &Context) -> anyhow::Result<Cleanup> {
    // `core.commentString` is the newer name of `core.commentChar`.
    let names = r"^(core\.comment(char|string)|commit\.cleanup)$";
    let output = cx.process(cx.git().settings(names)).output()?;
    // By this value git tells its hooks that no editor is used.
    let is_edited = cx.lookup("GIT_EDITOR").as_deref() != Some(":");
    Ok(Cleanup::from_settings(&String::from_utf8_lossy(&output.stdout), is_edited))
}
