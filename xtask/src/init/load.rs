//! Reads what `init` decides from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::bail;

use crate::context::Context;
use crate::host::git::Git;
use crate::host::{cargo, files};
use crate::init::cargo_config::CargoConfig;
use crate::init::facts::{self, Facts, Hook};
use crate::inputs;
use crate::plan::{consumer, workspace};
use crate::text::diagnostic::{Rejected, Source};

/// Reads the repository.
///
/// # Errors
///
/// Rejects a repository without the submodule, and files that cannot be read as what they are (exit
/// code 2). Fails if git or cargo cannot be started (exit code 75).
pub(crate) fn facts(cx: &Context) -> anyhow::Result<Facts> {
    let checkout = checkout(cx)?;
    let mut facts = Facts { checkout, architecture: std::env::consts::ARCH, ..Facts::default() };
    names(cx, &mut facts)?;
    let hook = hook(cx)?;
    let fixed = [facts::PLATFORMS, facts::GITIGNORE, facts::PUBLISH, facts::PIPELINE];
    let fixed = fixed.into_iter().chain(facts::DEPENDABOT).chain(facts::TOOLCHAINS);
    let mut paths: BTreeSet<String> = fixed.chain(config_names(cx)).map(str::to_owned).collect();
    paths.extend(hook.iter().map(|hook| hook.path.clone()));
    paths.extend(facts.names.iter().filter(|name| facts::is_read(name)).cloned());
    // A link that leads nowhere has no text, and a warning of its own.
    paths.retain(|path| facts.links.get(path) != Some(&false));
    let mut texts = BTreeMap::new();
    for path in paths {
        let text = files::read_text_if_exists(&cx.project.root.join(&path), &path)?;
        texts.extend(text.map(|text| (path, text)));
    }
    (facts.files, facts.hook) = (texts, hook);
    facts.cargo_config = cargo_config(&facts)?;
    let packages = inputs::metadata(cx, &cx.sh)?.packages;
    let members = workspace::crates(packages, &cx.project.root).map_err(Rejected::new)?;
    facts.crates = members.into_iter().map(|member| (member.name, member.path)).collect();
    facts.commands = commands(cx)?;
    if !facts.cargo_config.targets.is_empty() {
        let version = cx.process(cargo::compiler_version(&cx.sh)).read_text()?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        facts.host = host.map(str::to_owned);
    }
    facts.older = older(cx, &facts)?;
    Ok(facts)
}

/// Where the submodule is, which has to be there.
fn checkout(cx: &Context) -> anyhow::Result<String> {
    if cx.project.is_own_consumer() {
        bail!(
            Rejected::new("this is the repository of rust-vmm-ci itself")
                .help("run this from the root of the repository that has it as a submodule")
        );
    }
    let path = inputs::checkout_path(cx)?;
    if !cx.project.root.join(&path).join("xtask/Cargo.toml").is_file() {
        bail!(Rejected::new(format!("there is no rust-vmm-ci in `{path}`")).help(
            "add it with `git submodule add https://github.com/rust-vmm/rust-vmm-ci.git`, or bring \
             it up to date with `git submodule update --init --remote`"
        ));
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
                bail!(Rejected::new(format!("the name of the file `{name}` is not UTF-8 text")));
            }
            continue;
        };
        let path = root.join(name);
        if let Some(target) = files::link_target(&path) {
            if target.starts_with(&checkout) {
                facts.links.insert(name.to_owned(), target.exists());
            }
        } else if !path.exists() {
            // Deleted, and not committed yet.
            continue;
        }
        facts.names.insert(name.to_owned());
    }
    Ok(())
}

/// The names of cargo's configuration; a link from one to the other is one file.
fn config_names(cx: &Context) -> impl Iterator<Item = &'static str> {
    let new = files::canonical(&cx.project.cargo_config());
    let old = files::canonical(&cx.project.old_cargo_config());
    let is_one = new.is_some() && new == old;
    [facts::CONFIG, facts::OLD_CONFIG].into_iter().take(if is_one { 1 } else { 2 })
}

fn cargo_config(facts: &Facts) -> anyhow::Result<CargoConfig> {
    let name = facts.config_name();
    let text = facts.files.get(name).map_or("", String::as_str);
    CargoConfig::parse(text).map_err(|offset| {
        Rejected::from(Source::new(name, text).error(offset, "expected TOML")).into()
    })
}

fn commands(cx: &Context) -> anyhow::Result<BTreeSet<String>> {
    let list = cx.process(cargo::list(&cx.sh)).read_text()?;
    let lines = list.lines().filter(|line| !line.contains("alias: "));
    Ok(lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

fn hook(cx: &Context) -> anyhow::Result<Option<Hook>> {
    let root = &cx.project.root;
    let path = cx.process(cx.git().hook_path("commit-msg")).read_text()?;
    let git_dir = cx.process(cx.git().common_dir()).read_text()?;
    let is_own = Path::new(&path).starts_with(&git_dir);
    let below = Path::new(&path).strip_prefix(root).ok().and_then(Path::to_str);
    let hook = Hook {
        path: below.unwrap_or(&path).to_owned(),
        is_in_tree: below.is_some() && !is_own,
        is_shared: below.is_none() && !is_own,
    };
    // A path that is not text cannot be named.
    Ok((!path.contains(char::REPLACEMENT_CHARACTER)).then_some(hook))
}

/// The files that are a template as an earlier commit of the submodule had it: git knows their text.
fn older(cx: &Context, facts: &Facts) -> anyhow::Result<BTreeSet<String>> {
    let hook = facts.hook.as_ref().map(|hook| hook.path.as_str());
    let is_copy = |path: &str| {
        path == facts::PUBLISH
            || facts::DEPENDABOT.contains(&path)
            || Some(path) == hook
            || (path.starts_with(".buildkite/") && facts::is_yaml(path))
    };
    let checkout = cx.project.root.join(&facts.checkout);
    let _there = cx.sh.push_dir(&checkout);
    let git = Git { sh: &cx.sh, root: &checkout };
    let mut older = BTreeSet::new();
    for (path, text) in facts.files.iter().filter(|(path, _)| is_copy(path)) {
        let text = consumer::as_shipped(text, facts.alias().unwrap_or("xtask"));
        let id = cx.process(git.hash_object()).stdin(text).read_text()?;
        if cx.process(git.has_object(&id)).succeeds()? {
            older.insert(path.clone());
        }
    }
    Ok(older)
}
