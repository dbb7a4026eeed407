//! `init`: makes a repository a consumer, or brings one up to date.

pub(crate) mod answers;
pub(crate) mod cargo_config;
pub(crate) mod facts;
pub(crate) mod items;
pub(crate) mod load;
pub(crate) mod predecessor;
pub(crate) mod report;

use anyhow::bail;

use crate::cli::init::{Mode, Options};
use crate::context::Context;
use crate::host::directories::{self, Scratch};
use crate::host::files::{self, Replacement};
use crate::host::git::Git;
use crate::host::terminal;
use crate::init::answers::{Answers, Question};
use crate::init::facts::Facts;
use crate::init::items::Item;
use crate::outcome::Outcome;
use crate::text::diagnostic::Rejected;

/// The oldest Rust that builds this tool.
const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    if options.mode == Mode::Ask && !terminal::is_interactive() {
        bail!(
            Rejected::new("cannot ask questions without a terminal")
                .help("pass `--yes` to accept the defaults, or `--dry-run` to print the changes")
        );
    }
    if !cx.project.is_at_root() {
        terminal::note(&format!("the root of the repository is `{}`", cx.project.root.display()));
    }
    let facts = load::facts(cx)?;
    let mut answers = Answers::defaults(&facts, options.mode);
    answers.take(&facts, &options.answers)?;
    if options.mode == Mode::Ask {
        for question in answers.questions(&facts, &options.answers) {
            ask(&facts, &mut answers, &question)?;
        }
    }
    let mut items = items::items(&facts, &answers)?;
    let conflict = report::overwrite_question(&items, &options.answers);
    if let Some(question) = conflict.filter(|_| options.mode == Mode::Ask) {
        ask(&facts, &mut answers, &question)?;
        items = items::items(&facts, &answers)?;
    }
    for warning in report::warnings(&facts, &items, NEEDED) {
        terminal::say(&format!("warning: {warning}"));
    }
    match options.mode {
        Mode::Check => Ok(check(&items)?),
        Mode::DryRun => rehearse(cx, &facts, &items),
        Mode::Ask | Mode::Yes => act(cx, options.mode, &facts, &answers, &items),
    }
}

fn check(items: &[Item]) -> anyhow::Result<Outcome> {
    let drift = report::drift(items);
    terminal::write_data(|out| Ok(out.write_all(drift.as_bytes())?))?;
    Ok(if drift.is_empty() { Outcome::Pass } else { Outcome::Fail })
}

/// Prints the changes in the form that `git apply` takes.
fn rehearse(cx: &Context, facts: &Facts, items: &[Item]) -> anyhow::Result<Outcome> {
    let (in_tree, outside): (Vec<_>, Vec<_>) =
        written(items).partition(|item| facts.is_in_tree(&item.path));
    let patch = patch(cx, facts, in_tree)?;
    terminal::write_data(|out| Ok(out.write_all(&patch)?))?;
    for item in outside {
        terminal::say(&format!("not in the patch: {}", item.path));
    }
    Ok(Outcome::Pass)
}

fn written(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.iter().filter(|item| item.text.is_some())
}

/// Shows what changes, asks if it may, and writes.
fn act(
    cx: &Context,
    mode: Mode,
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
) -> anyhow::Result<Outcome> {
    let (changed, new): (Vec<_>, Vec<_>) =
        written(items).partition(|item| facts.files.contains_key(&item.path));
    if changed.is_empty() && new.is_empty() {
        terminal::say("everything is up to date");
        return Ok(Outcome::Pass);
    }
    let patch = patch(cx, facts, changed)?;
    for line in String::from_utf8_lossy(&patch).lines() {
        terminal::say(line);
    }
    for item in new {
        terminal::say(&format!("new file: {}", item.path));
    }
    if mode == Mode::Ask && !may_write()? {
        terminal::say("nothing was written");
        return Ok(Outcome::Pass);
    }
    let replacement = |item: &Item| Replacement {
        path: cx.project.root.join(&item.path),
        name: item.path.clone(),
        content: item.text.clone().unwrap_or_default().into_bytes(),
        is_program: item.is_program,
    };
    let replacements: Vec<Replacement> = written(items).map(replacement).collect();
    files::replace_all(&replacements)?;
    terminal::say(&format!("wrote {} files", replacements.len()));
    terminal::say("next:");
    for line in report::next_steps(facts, answers, items) {
        terminal::say(&format!("  {line}"));
    }
    Ok(Outcome::Pass)
}

/// Asks until the answer can be used.
fn ask(facts: &Facts, answers: &mut Answers, question: &Question) -> anyhow::Result<()> {
    let Question { key, text, default } = question;
    loop {
        let line = answer(&format!("{text} [{default}]: "))?;
        let line = if line.trim().is_empty() { default } else { &line };
        match answers.set(facts, *key, line) {
            Ok(()) => return Ok(()),
            Err(problem) => terminal::say(&problem),
        }
    }
}

fn may_write() -> anyhow::Result<bool> {
    let line = answer("write these changes? [yes]: ")?.to_ascii_lowercase();
    Ok(["", "y", "yes"].contains(&line.trim()))
}

fn answer(prompt: &str) -> anyhow::Result<String> {
    match terminal::ask(prompt)? {
        Some(line) => Ok(line),
        None => bail!(Rejected::new("no answer; nothing was written")),
    }
}

/// The difference that some items make, each file by its name below the root.
fn patch<'a>(
    cx: &Context,
    facts: &Facts,
    items: impl IntoIterator<Item = &'a Item>,
) -> anyhow::Result<Vec<u8>> {
    let parent = directories::temporary_dir();
    directories::create_private_dir(&parent)?;
    let scratch = Scratch::new(&parent, "init")?;
    let write = |side: &str, path: &str, text: &str| {
        // A hook may be anywhere.
        let file = scratch.dir().join(side).join(path.trim_start_matches('/'));
        files::create_dir(file.parent().unwrap_or(&file))?;
        files::write_atomically(&file, text.as_bytes())
    };
    for side in ["a", "b"] {
        files::create_dir(&scratch.dir().join(side))?;
    }
    for Item { path, text, .. } in items {
        facts.files.get(path).map_or(Ok(()), |old| write("a", path, old))?;
        text.as_ref().map_or(Ok(()), |new| write("b", path, new))?;
    }
    let _there = cx.sh.push_dir(scratch.dir());
    let git = Git { sh: &cx.sh, root: scratch.dir() };
    Ok(cx.process(git.diff_directories("a", "b")).output()?.stdout)
}
