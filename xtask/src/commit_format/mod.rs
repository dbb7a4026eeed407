//! `commit-format`: checks the messages of the commits that the branch adds to its base.

pub(crate) mod commit_command;
pub(crate) mod history;
pub(crate) mod message;
pub(crate) mod message_file;
pub(crate) mod report;

use std::path::Path;

use anyhow::bail;
use xshell::cmd;

use crate::base;
use crate::base::Base;
use crate::cli::commit_format::Options;
use crate::commit_format::commit_command::CommitCommand;
use crate::commit_format::history::Commit;
use crate::commit_format::message::{Finding, Violation};
use crate::commit_format::message_file::Settings;
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
        Some(file) => check_file(cx, file, options.git_process),
        None => check_branch(cx),
    }
}

fn check_branch(cx: &Context) -> anyhow::Result<Outcome> {
    let bots = bots(cx)?;
    if base::commit(cx, "HEAD")?.is_none() {
        terminal::say("there are no commits yet");
        return Ok(Outcome::Pass);
    }
    let base = base::find(cx)?;
    let list = cx.git().list_commits(&base.id, history::FORMAT);
    let commits = history::parse(&cx.process(list).read()?)?;
    check_history_is_complete(cx, &commits, &base)?;
    let report = CommitReport::new(&base.name, history::classify(&commits, &bots));
    let (has_failed, text) = (report.has_failed(), report.render());
    buildkite_agent::report_check(cx, "commit-format", "commit messages", has_failed, &text)
}

fn check_file(cx: &Context, file: &Path, git_process: Option<u32>) -> anyhow::Result<Outcome> {
    let name = file.display().to_string();
    let path = cx.project.resolve(file);
    let content = files::read_bytes(&path, &name)?;
    // An exit code of 1 means that nothing is set.
    let settings = cx.git().settings(Settings::NAMES);
    let settings = cx.process(settings).read_unless(1)?;
    let settings = Settings::parse(settings.as_deref().unwrap_or_default());
    let command = git_process.and_then(|id| CommitCommand::parse(&of_process(id, "cmdline")?));
    // By this value git tells its hooks that no editor is used, unless the user set it.
    let is_set = cx.lookup("GIT_EDITOR").as_deref() == Some(":");
    let of_git = git_process.and_then(|id| of_process(id, "environ")).unwrap_or_default();
    let is_unknown = is_set && of_git.iter().any(|variable| variable == "GIT_EDITOR=:");
    let edits = if is_unknown { &[true, false][..] } else { &[!is_set] };
    let messages = message_file::as_committed(&content, &settings, command.as_ref(), edits);
    let messages = messages.into_iter().map(|message| match &settings.encoding {
        Some(encoding) if !is_utf8(encoding) => to_utf8(cx, message, encoding),
        _ => message_file::as_utf8(&message).into_bytes(),
    });
    // If it is not known which of several messages git commits, the best one counts: CI checks what
    // was committed.
    let findings = messages.map(|message| message::check(&message));
    let errors =
        |findings: &Vec<Finding>| findings.iter().filter(|it| !it.violation.is_warning()).count();
    let mut findings = findings.min_by_key(|it| (errors(it), it.len())).unwrap_or_default();
    // Such a commit is meant to be squashed, but not yet.
    findings.retain(|finding| finding.violation != Violation::Autosquash);
    if findings.is_empty() {
        return Ok(Outcome::Pass);
    }
    let has_failed = errors(&findings) > 0;
    terminal::write_data(|out| {
        writeln!(out, "{name}")?;
        for line in report::describe(&findings) {
            writeln!(out, "{line}")?;
        }
        if has_failed && git_process.is_some() {
            let command = command.unwrap_or_default().with_message_from(&path.to_string_lossy());
            writeln!(out, "help: to edit your message and commit, run:\n  {command}")?;
        }
        Ok(())
    })?;
    Ok(if has_failed { Outcome::Fail } else { Outcome::Pass })
}

/// The arguments (`cmdline`) or the variables (`environ`) of a process, where the system shows them.
fn of_process(id: u32, file: &str) -> Option<Vec<String>> {
    let path = format!("/proc/{id}/{file}");
    let bytes = files::read_bytes(Path::new(&path), &path).ok()?;
    Some(String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect())
}

fn is_utf8(encoding: &str) -> bool {
    ["UTF-8", "UTF8"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
}

/// Git converts a commit's message from this encoding when it shows it, if it can.
fn to_utf8(cx: &Context, message: Vec<u8>, encoding: &str) -> Vec<u8> {
    let sh = &cx.sh;
    let convert = cx.process(cmd!(sh, "iconv -f {encoding} -t UTF-8")).stdin(message.clone());
    convert.read().unwrap_or(message)
}

/// The addresses of authors that are left out.
fn bots(cx: &Context) -> anyhow::Result<Vec<String>> {
    const NAME: &str = ".buildkite/commit-format.json";
    let text = files::read_text_if_exists(&cx.project.root.join(NAME), NAME)?;
    let source = text.map(|text| Source::new(NAME, text));
    let found = Diagnostics::default();
    let bots = history::bots(source.as_ref(), &found);
    report_warnings(&found.into_warnings()?);
    Ok(bots)
}

/// If the history ends inside the branch, its own commits cannot be determined.
fn check_history_is_complete(cx: &Context, commits: &[Commit], base: &Base) -> anyhow::Result<()> {
    let is_own = |id: &str| commits.iter().any(|commit| !commit.is_boundary && commit.id == id);
    let path = cx.process(cx.git().git_path("shallow")).read_text()?;
    let shallow = files::read_text_if_exists(Path::new(&path), "shallow")?.unwrap_or_default();
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
