//! `init`: sets up a repository as a consumer, or brings its setup up to date.

pub(crate) mod answers;
pub(crate) mod facts;
pub(crate) mod items;
pub(crate) mod load;
pub(crate) mod predecessor;
pub(crate) mod report;

use std::path::Path;

use anyhow::{bail, ensure};
use xshell::cmd;

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
use crate::plan::{consumer, coverage_config};
use crate::project::RUST_VERSION;
use crate::text::diagnostic::{Failure, Rejected};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    if options.mode == Mode::Ask && !terminal::is_interactive() {
        bail!(
            Rejected::new("cannot ask questions without a terminal")
                .help("pass `--yes` to accept the defaults, or `--dry-run` to print the changes")
        );
    }
    if !cx.project.subdirectory().as_os_str().is_empty() {
        terminal::note(&format!("using the repository root `{}`", cx.project.root.display()));
    }
    let facts = load::facts(cx)?;
    let mut answers = Answers::defaults(&facts, options.mode);
    answers.apply(&facts, &options.answers)?;
    if options.mode == Mode::Ask {
        terminal::note("Press Enter to accept the default in brackets.");
        for question in answers.questions(&facts, &options.answers) {
            ask(&facts, &mut answers, &question)?;
        }
    }
    let mut items = items::items(&facts, &answers)?;
    if options.mode == Mode::Ask {
        for question in report::questions(&facts, &answers, &items, &options.answers) {
            ask(&facts, &mut answers, &question)?;
        }
        items = items::items(&facts, &answers)?;
    }
    for warning in report::warnings(&facts, &answers, &items, &options.answers, RUST_VERSION) {
        terminal::say(&format!("warning: {warning}"));
    }
    match options.mode {
        Mode::Check => Ok(check(&items)?),
        Mode::DryRun => dry_run(cx, &facts, &answers, &items),
        Mode::Ask | Mode::Yes => act(cx, options.mode, &facts, &answers, &items),
    }
}

fn check(items: &[Item]) -> anyhow::Result<Outcome> {
    let drift = report::drift(items);
    terminal::write_data(|out| Ok(out.write_all(drift.as_bytes())?))?;
    if !drift.is_empty() {
        let help = match written(items).next() {
            Some(_) => "`init` without `--check` shows and makes the changes",
            None => "`init` changes nothing here; docs/init.md of rust-vmm-ci says what to do",
        };
        terminal::say(&format!("help: {help}"));
    }
    Ok(if drift.is_empty() { Outcome::Pass } else { Outcome::Fail })
}

/// Prints the changes in the form that `git apply` takes.
fn dry_run(
    cx: &Context,
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
) -> anyhow::Result<Outcome> {
    let (in_tree, outside): (Vec<_>, Vec<_>) =
        written(items).partition(|item| facts.is_in_tree(&item.path));
    let patch = patch(cx, facts, in_tree)?;
    terminal::write_data(|out| Ok(out.write_all(&patch)?))?;
    for item in outside {
        terminal::say(&format!("note: not part of the patch: {}", item.path));
    }
    if items::unmeasured(facts, answers, items).contains(&facts.architecture) {
        terminal::say(
            "note: not part of the patch: the line coverage, which is measured afterwards",
        );
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
    if written(items).next().is_none() {
        terminal::say("nothing to change");
        return Ok(Outcome::Pass);
    }
    show(cx, facts, items)?;
    if mode == Mode::Ask && !may_write()? {
        terminal::say("nothing was written");
        return Ok(Outcome::Pass);
    }
    let replacements = write(cx, facts, items)?;
    let mut to_measure = items::unmeasured(facts, answers, items);
    if to_measure.contains(&facts.architecture) && measure(cx, facts, answers, replacements)? {
        to_measure.clear();
    }
    let is_ignored = |item: &Item| {
        let is_ignored = cx.git().is_ignored(Path::new(&item.path));
        facts.is_in_tree(&item.path) && cx.process(is_ignored).succeeds().unwrap_or_default()
    };
    let after = report::After {
        to_measure,
        is_ignored: written(items).any(is_ignored),
        needed: RUST_VERSION,
    };
    terminal::say("next:");
    for line in report::next_steps(facts, answers, items, &after) {
        terminal::say(&format!("  {line}"));
    }
    Ok(Outcome::Pass)
}

/// Shows edits as a patch, and new files by their names.
fn show(cx: &Context, facts: &Facts, items: &[Item]) -> anyhow::Result<()> {
    let (changed, new): (Vec<_>, Vec<_>) =
        written(items).partition(|item| facts.files.contains_key(&item.path));
    for line in String::from_utf8_lossy(&patch(cx, facts, changed)?).lines() {
        terminal::say(line);
    }
    for item in new {
        terminal::say(&format!("new file: {}", item.path));
    }
    let is_same = |item: &&Item| item.text.as_ref() == facts.files.get(&item.path);
    for item in written(items).filter(is_same) {
        terminal::say(&format!("made executable: {}", item.path));
    }
    Ok(())
}

/// Writes the files, unless one was edited while a question waited.
fn write(cx: &Context, facts: &Facts, items: &[Item]) -> anyhow::Result<Vec<Replacement>> {
    let replacement = |item: &Item| Replacement {
        name: item.path.clone(),
        content: item.text.clone().unwrap_or_default(),
        is_program: facts.is_hook(&item.path),
    };
    let replacements: Vec<Replacement> = written(items).map(replacement).collect();
    for Replacement { name, .. } in &replacements {
        let is_same = load::read(cx, facts, name)?.as_ref() == facts.files.get(name);
        if !is_same || load::is_elsewhere(cx, facts, name) {
            let message = format!("`{name}` has changed in the meantime; nothing was written");
            bail!(Failure::new(message).help("run `init` again"));
        }
    }
    files::replace_all(&cx.project.root, &replacements)?;
    let plural = if replacements.len() == 1 { "" } else { "s" };
    terminal::say(&format!("wrote {} file{plural}", replacements.len()));
    Ok(replacements)
}

/// Measures the line coverage and records it in every configuration that was written: until it is
/// measured on another architecture, this is the best that is known. Returns whether it could be
/// measured.
fn measure(
    cx: &Context,
    facts: &Facts,
    answers: &Answers,
    written: Vec<Replacement>,
) -> anyhow::Result<bool> {
    terminal::say("measuring the line coverage (Ctrl-C skips it and leaves 0)");
    let executable = &cx.project.executable;
    let output = terminal::output_option();
    let cmd = cmd!(cx.sh, "{executable} coverage --devel {output...}");
    let mut process = cx.process(cmd).shown().stream();
    process.line = format!("cargo {} coverage --devel", answers.alias);
    if !process.succeeds()? {
        terminal::say("warning: the line coverage could not be measured: 0 is recorded");
        return Ok(false);
    }
    let config = coverage_config::file_name(facts.architecture);
    let content = files::read_text(&cx.project.root.join(&config), &config)?;
    let is_config = |file: &Replacement| consumer::coverage_architecture(&file.name).is_some();
    let configs = written.into_iter().filter(is_config);
    let configs: Vec<Replacement> =
        configs.map(|file| Replacement { content: content.clone(), ..file }).collect();
    files::replace_all(&cx.project.root, &configs)?;
    Ok(true)
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
    loop {
        let line = answer("write these changes? [yes]: ")?;
        match answers::boolean(if line.trim().is_empty() { "yes" } else { line.trim() }) {
            Ok(may) => return Ok(may),
            Err(problem) => terminal::say(&problem),
        }
    }
}

fn answer(prompt: &str) -> anyhow::Result<String> {
    let line = terminal::ask(prompt)?;
    line.ok_or_else(|| Rejected::new("unexpected end of input; nothing was written").into())
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
    for side in ["a", "b"] {
        files::create_dir(&scratch.dir.join(side))?;
    }
    for Item { path, text, .. } in items {
        for (side, text) in [("a", facts.files.get(path)), ("b", text.as_ref())] {
            let Some(content) = text.cloned() else { continue };
            // A hook may be anywhere.
            let name = path.trim_start_matches('/').to_owned();
            let file = Replacement { name, content, is_program: facts.is_hook(path) };
            files::replace_all(&scratch.dir.join(side), &[file])?;
        }
    }
    let _there = cx.sh.push_dir(&scratch.dir);
    let diff = Git::new(&cx.sh, &scratch.dir).diff_paths(Path::new("a"), Path::new("b"));
    let output = cx.process(diff).output()?;
    let is_compared = output.status.code().is_some_and(|code| code <= 1);
    ensure!(is_compared, "`git diff` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
