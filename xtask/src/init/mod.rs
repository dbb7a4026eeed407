//! `init`: sets up a repository as a consumer, or brings its setup up to date.

pub(crate) mod answers;
pub(crate) mod facts;
pub(crate) mod items;
pub(crate) mod predecessor;
pub(crate) mod report;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{bail, ensure};
use xshell::cmd;

use crate::cli::init::{Mode, Options};
use crate::context::Context;
use crate::host::cargo;
use crate::host::directories::{self, Scratch};
use crate::host::files::{self, Replacement};
use crate::host::git::Git;
use crate::host::terminal;
use crate::init::answers::{Answers, Question};
use crate::init::facts::{Facts, Hook, Place};
use crate::init::items::Item;
use crate::inputs;
use crate::outcome::Outcome;
use crate::plan::consumer::{self, CargoConfig};
use crate::plan::platform::Platform;
use crate::plan::workspace;
use crate::project::RUST_VERSION;
use crate::text::diagnostic::{Failure, Rejected, Source};
use crate::text::has_extension;

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
    let facts = load(cx)?;
    let mut answers = Answers::defaults(&facts, options.mode);
    answers.apply(&facts, &options.answers)?;
    if options.mode == Mode::Ask {
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

/// Reads the present state of the repository.
///
/// # Errors
///
/// Rejects a repository without the submodule, and files with invalid content (exit code 2). Fails if git or cargo cannot be started (exit code 75).
fn load(cx: &Context) -> anyhow::Result<Facts> {
    let checkout = checkout(cx)?;
    let mut facts = Facts {
        is_committed: cx.process(cx.git().object_id(&format!("HEAD:{checkout}"))).succeeds()?,
        checkout,
        architecture: std::env::consts::ARCH,
        hook: hook(cx)?,
        ..Facts::default()
    };
    names(cx, &mut facts)?;
    let fixed = [facts::PLATFORMS, facts::GITIGNORE, facts::PUBLISH, facts::PIPELINE];
    let fixed = fixed.into_iter().chain(facts::DEPENDABOT).chain(facts::TOOLCHAINS);
    let configs = [facts::CONFIG, facts::OLD_CONFIG];
    let root = &cx.project.root;
    let [new, old] = configs.map(|name| root.join(name).canonicalize().ok());
    // A link from one to the other is one file.
    let configs = configs.into_iter().take(if new == old { 1 } else { 2 });
    let mut paths: BTreeSet<String> = fixed.chain(configs).map(str::to_owned).collect();
    paths.extend(facts.hook.iter().map(|hook| hook.path.clone()));
    paths.extend(facts.names.iter().filter(|name| facts::is_read(name)).cloned());
    paths.extend(Platform::ALL.map(|it| format!("coverage_config_{it}.json")));
    let (root, checkout) = (files::resolved(root), files::resolved(&root.join(&facts.checkout)));
    for path in &paths {
        let path_there = root.join(path);
        let target = files::link_target(&path_there);
        let target = target.unwrap_or_else(|| files::resolved(&path_there));
        let is_inside = target.starts_with(&root) || facts.is_hook(path);
        if !is_inside || target.starts_with(&checkout) {
            facts.elsewhere.insert(path.clone());
        }
    }
    for path in paths {
        let text = read(cx, &facts, &path)?;
        facts.files.extend(text.map(|text| (path, text)));
    }
    let name = facts.config_name();
    facts.cargo_config = CargoConfig::parse(facts.text(name)).map_err(|offset| {
        Rejected::from(Source::new(name, facts.text(name)).error(offset, "invalid TOML"))
    })?;
    let has_manifest = facts.names.contains("Cargo.toml");
    let metadata = has_manifest.then(|| inputs::metadata(cx, &cx.sh)).transpose()?;
    let packages = metadata.unwrap_or_default().packages;
    facts.is_publishable = packages.iter().any(|package| package.is_publishable);
    let members = workspace::crates(packages, &cx.project.root).map_err(Rejected::new)?;
    facts.crates = members.into_iter().map(|member| (member.name, member.path)).collect();
    for manifest in facts.manifests_of_others() {
        let text = files::read_text_if_exists(&cx.project.root.join(&manifest), &manifest)?;
        facts.files.extend(text.map(|text| (manifest, text)));
    }
    // After the workspace, whose error names what rejected it.
    facts.commands = commands(cx)?;
    let version = cx.process(cargo::compiler_version(&cx.sh)).read_text()?;
    let pattern = cx.process(cx.git().ignoring_pattern("target/CACHEDIR.TAG")).read_unless(1)?;
    facts.ignores_target = pattern.is_some_and(|pattern| facts::is_in_gitignore(&pattern));
    facts.host = facts.cargo_config.foreign_host(&version);
    facts.older = older(cx, &facts)?;
    Ok(facts)
}

/// Reads a file that need not exist. Git, hooks and workflows do not require UTF-8.
fn read(cx: &Context, facts: &Facts, path: &str) -> anyhow::Result<Option<String>> {
    let file = cx.project.root.join(path);
    if files::link_target(&file).is_some_and(|target| !target.exists()) {
        return Ok(None);
    }
    let is_any = facts.is_hook(path) || path == facts::GITIGNORE || path.starts_with(".github/");
    let bytes = is_any.then(|| files::read_bytes(&file, path).ok()).flatten();
    match bytes {
        Some(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        None => files::read_text_if_exists(&file, path),
    }
}

/// Returns the path of the submodule.
///
/// # Errors
///
/// Rejects a repository without it, and rust-vmm-ci itself (exit code 2).
fn checkout(cx: &Context) -> anyhow::Result<String> {
    if cx.project.is_own_consumer() {
        bail!(
            Rejected::new("this is the rust-vmm-ci repository itself")
                .help("run this from the root of the repository that has it as a submodule")
        );
    }
    let path = inputs::checkout_path(cx)?;
    if !cx.project.root.join(&path).join("xtask/Cargo.toml").is_file() {
        let help = if cx.project.root.join(".gitmodules").exists() {
            format!(
                "check it out with `git submodule update --init {path}`; with `--remote` it is \
                 also brought up to date"
            )
        } else {
            "add it with `git submodule add https://github.com/rust-vmm/rust-vmm-ci.git`".to_owned()
        };
        bail!(Rejected::new(format!("the submodule `{path}` is missing or empty")).help(help));
    }
    Ok(path)
}

/// The files of the repository, and the links into the submodule among them.
fn names(cx: &Context, facts: &mut Facts) -> anyhow::Result<()> {
    let root = &cx.project.root;
    let list = cx.process(cx.git().list_files()).read()?;
    let checkout = files::resolved(&root.join(&facts.checkout));
    for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else {
            let name = String::from_utf8_lossy(name).into_owned();
            if facts::is_read(&name) {
                bail!(Rejected::new(format!("the file name `{name}` is not valid UTF-8")));
            }
            continue;
        };
        let path = root.join(name);
        let link = files::link_target(&path);
        if let Some(target) = link.as_ref().filter(|target| target.starts_with(&checkout)) {
            facts.links.insert(name.to_owned(), target.exists());
        }
        // What is deleted may be listed still.
        if link.is_some() || path.exists() {
            facts.names.insert(name.to_owned());
        }
    }
    Ok(())
}

fn commands(cx: &Context) -> anyhow::Result<BTreeSet<String>> {
    let list = cx.process(cargo::list(&cx.sh)).read_text()?;
    // Cargo's own aliases are commands, those of a configuration are not.
    let is_command = |line: &&str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        !line.contains("alias: ") || ["b", "c", "d", "r", "rm", "t"].contains(&name)
    };
    let lines = list.lines().filter(is_command);
    Ok(lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

fn hook(cx: &Context) -> anyhow::Result<Option<Hook>> {
    let root = &cx.project.root;
    // Git would follow a link if it was asked for the file.
    let hooks = cx.process(cx.git().git_path("hooks")).read_text()?;
    let path = format!("{hooks}/commit-msg");
    let git_dir = cx.process(cx.git().common_dir()).read_text()?;
    let is_own = Path::new(&path).starts_with(&git_dir);
    let metadata = fs::symlink_metadata(&path).ok();
    let below = Path::new(&path).strip_prefix(root).ok().and_then(Path::to_str);
    let hook = Hook {
        path: below.unwrap_or(&path).to_owned(),
        is_link: metadata.as_ref().is_some_and(fs::Metadata::is_symlink),
        is_idle: metadata.is_some_and(|it| it.permissions().mode() & 0o111 == 0),
        place: match below {
            _ if is_own => Place::GitDir,
            Some(_) => Place::Tree,
            None => Place::Shared,
        },
    };
    // A path that is not text cannot be named; `/dev/null` in the directory's place is for no hooks.
    let is_usable = !path.contains(char::REPLACEMENT_CHARACTER)
        && (!Path::new(&hooks).exists() || Path::new(&hooks).is_dir());
    Ok(is_usable.then_some(hook))
}

/// The files that are a template as an earlier commit of the submodule had it.
fn older(cx: &Context, facts: &Facts) -> anyhow::Result<BTreeSet<String>> {
    let mut older = BTreeSet::new();
    let is_template = |path: &str| has_extension(path, &["yml", "yaml"]) || facts.is_hook(path);
    for (path, text) in facts.files.iter().filter(|(path, _)| is_template(path)) {
        if inputs::was_shipped(cx, text)? {
            older.insert(path.clone());
        }
    }
    Ok(older)
}

fn check(items: &[Item]) -> anyhow::Result<Outcome> {
    let drift = report::drift(items);
    terminal::write_data(|out| Ok(out.write_all(drift.as_bytes())?))?;
    if !drift.is_empty() {
        terminal::say("help: `init` without `--check` shows and makes the changes");
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
    if items::unmeasured(facts, answers, items).is_some() {
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
    let (changed, new): (Vec<_>, Vec<_>) =
        written(items).partition(|item| facts.files.contains_key(&item.path));
    if changed.is_empty() && new.is_empty() {
        terminal::say("nothing to change");
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
        name: item.path.clone(),
        content: item.text.clone().unwrap_or_default(),
        is_program: facts.is_hook(&item.path),
    };
    let replacements: Vec<Replacement> = written(items).map(replacement).collect();
    // The user may have edited a file while a question waited.
    for Replacement { name, .. } in &replacements {
        if read(cx, facts, name)?.as_ref() != facts.files.get(name) {
            let message = format!("`{name}` has changed in the meantime; nothing was written");
            bail!(Failure::new(message).help("run `init` again"));
        }
    }
    files::replace_all(&cx.project.root, &replacements)?;
    let plural = if replacements.len() == 1 { "" } else { "s" };
    terminal::say(&format!("wrote {} file{plural}", replacements.len()));
    let config = items::unmeasured(facts, answers, items);
    let is_measured =
        config.map(|config| measure(cx, &answers.alias, config, replacements)).transpose()?;
    terminal::say("next:");
    let mut paths = written(items).filter(|item| facts.is_in_tree(&item.path));
    let is_ignored = |item: &Item| {
        cx.process(cx.git().is_ignored(Path::new(&item.path))).succeeds().unwrap_or_default()
    };
    let after = report::After {
        to_measure: is_measured == Some(false),
        is_ignored: paths.any(is_ignored),
        needed: RUST_VERSION,
    };
    for line in report::next_steps(facts, answers, items, &after) {
        terminal::say(&format!("  {line}"));
    }
    Ok(Outcome::Pass)
}

/// Measures the line coverage and records it in `config`, and in those that were written with it:
/// until it is measured on another architecture, this is the best that is known. Returns whether it
/// could be measured.
fn measure(
    cx: &Context,
    alias: &str,
    config: &str,
    written: Vec<Replacement>,
) -> anyhow::Result<bool> {
    terminal::say("measuring the line coverage, to record it; an interrupt leaves it at 0");
    let executable = &cx.project.executable;
    let output = terminal::output_option();
    let cmd = cmd!(cx.sh, "{executable} coverage --devel {output...}");
    let mut process = cx.process(cmd).shown().stream();
    process.line = format!("cargo {alias} coverage --devel");
    if !process.succeeds()? {
        terminal::say("warning: the line coverage could not be measured: 0 is recorded");
        return Ok(false);
    }
    let content = files::read_text(&cx.project.root.join(config), config)?;
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
