//! Reads the present state of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::bail;

use crate::context::Context;
use crate::host::{cargo, files};
use crate::init::facts::{self, Facts, Hook, HooksDir};
use crate::inputs;
use crate::plan::consumer::CargoConfig;
use crate::plan::coverage_config;
use crate::plan::description::TestDescription;
use crate::plan::platform::Platform;
use crate::plan::workspace;
use crate::project::SHIPPED_DESCRIPTION;
use crate::text::diagnostic::{Diagnostics, Rejected, Source};
use crate::text::has_extension;

/// Reads all that `init` decides by.
///
/// # Errors
///
/// Rejects a repository without the submodule, and files with invalid content (exit code 2). Fails
/// if git or cargo cannot be started (exit code 75).
pub(crate) fn facts(cx: &Context) -> anyhow::Result<Facts> {
    let mut facts = Facts {
        checkout: checkout(cx)?,
        is_committed: inputs::is_committed(cx)?,
        architecture: std::env::consts::ARCH,
        measured: measured(),
        ..Facts::default()
    };
    facts.hook = hook(cx, &facts.checkout)?;
    names(cx, &mut facts)?;
    texts(cx, &mut facts)?;
    workspace(cx, &mut facts)?;
    // After the workspace, whose error names what rejected it.
    facts.commands = commands(cx)?;
    let version = cx.process(cargo::compiler_version(&cx.sh)).read_text()?;
    facts.host = facts.cargo_config.foreign_host(&version);
    // A file that cargo makes there.
    let pattern = cx.process(cx.git().ignoring_pattern("target/CACHEDIR.TAG")).read_unless(1)?;
    facts.ignores_target = pattern.is_some_and(|pattern| facts::is_in_gitignore(&pattern));
    facts.older = older(cx, &facts)?;
    Ok(facts)
}

/// Where the shipped tests measure the coverage.
fn measured() -> Vec<Platform> {
    let shipped = Source::new("shipped", SHIPPED_DESCRIPTION);
    let tests = TestDescription::parse(shipped, &Diagnostics::default()).tests;
    let measures = tests.into_iter().filter(|test| test.command.contains("{xtask} coverage"));
    measures.flat_map(|test| test.platforms).collect()
}

/// The files that may change or decide about others.
fn texts(cx: &Context, facts: &mut Facts) -> anyhow::Result<()> {
    for path in paths(cx, facts) {
        if is_elsewhere(cx, facts, &path) {
            facts.elsewhere.insert(path.clone());
        }
        let text = read(cx, facts, &path)?;
        facts.files.extend(text.map(|text| (path, text)));
    }
    let name = facts.config_name();
    facts.cargo_config = CargoConfig::parse(facts.text(name)).map_err(|offset| {
        Rejected::from(Source::new(name, facts.text(name)).error(offset, "invalid TOML"))
    })?;
    Ok(())
}

/// Whether a symbolic link on the way to a file keeps it in the submodule or outside of the root.
pub(crate) fn is_elsewhere(cx: &Context, facts: &Facts, path: &str) -> bool {
    let root = files::resolved(&cx.project.root);
    let file = root.join(path);
    let target = files::link_target(&file).unwrap_or_else(|| files::resolved(&file));
    let is_inside = target.starts_with(&root) || facts.is_hook(path);
    !is_inside || target.starts_with(files::resolved(&root.join(&facts.checkout)))
}

fn paths(cx: &Context, facts: &Facts) -> BTreeSet<String> {
    let fixed = [facts::PLATFORMS, facts::GITIGNORE, facts::PUBLISH, facts::PIPELINE];
    let fixed = fixed.into_iter().chain(facts::DEPENDABOT).chain(facts::TOOLCHAINS);
    let configs = [facts::CONFIG, facts::OLD_CONFIG];
    let [new, old] = configs.map(|name| cx.project.root.join(name).canonicalize().ok());
    // A link from one to the other is one file.
    let configs = configs.into_iter().take(if new == old { 1 } else { 2 });
    let mut paths: BTreeSet<String> = fixed.chain(configs).map(str::to_owned).collect();
    paths.extend(facts.hook.iter().map(|hook| hook.path.clone()));
    paths.extend(facts.names.iter().filter(|name| facts::is_read(name)).cloned());
    // Also those that git ignores.
    paths.extend(Platform::ALL.map(|platform| coverage_config::file_name(platform.name())));
    paths
}

/// The members of the workspace, and the manifests of what is none.
fn workspace(cx: &Context, facts: &mut Facts) -> anyhow::Result<()> {
    let has_manifest = facts.names.contains("Cargo.toml");
    let metadata = has_manifest.then(|| inputs::metadata(cx, &cx.sh)).transpose()?;
    let packages = metadata.unwrap_or_default().packages;
    facts.is_publishable = packages.iter().any(|package| package.is_publishable);
    let members = workspace::crates(packages, &cx.project.root).map_err(Rejected::new)?;
    facts.crates = members.into_iter().map(|member| (member.name, member.path)).collect();
    for manifest in facts.manifests_of_others() {
        let text = read(cx, facts, &manifest)?;
        facts.files.extend(text.map(|text| (manifest, text)));
    }
    Ok(())
}

/// Reads a file that need not exist. Git, hooks and workflows do not require UTF-8.
pub(crate) fn read(cx: &Context, facts: &Facts, path: &str) -> anyhow::Result<Option<String>> {
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

fn hook(cx: &Context, checkout: &str) -> anyhow::Result<Option<Hook>> {
    let root = &cx.project.root;
    let Some(hooks) = inputs::hooks_dir(cx)? else { return Ok(None) };
    // Git would follow a link if it was asked for the file.
    let path = hooks.join("commit-msg").to_string_lossy().into_owned();
    let git_dir = cx.process(cx.git().common_dir()).read_text()?;
    let is_own = Path::new(&path).starts_with(&git_dir);
    let metadata = fs::symlink_metadata(&path).ok();
    let below = Path::new(&path).strip_prefix(root).ok().and_then(Path::to_str);
    let hook = Hook {
        path: below.unwrap_or(&path).to_owned(),
        is_link: metadata.as_ref().is_some_and(fs::Metadata::is_symlink),
        is_not_executable: metadata.is_some_and(|it| it.permissions().mode() & 0o111 == 0),
        dir: match below {
            _ if is_own => HooksDir::GitDir,
            Some(_) => HooksDir::Tree,
            None => HooksDir::Shared,
        },
    };
    // A path that is not text cannot be named; the submodule's hooks are its own.
    let is_usable = !path.contains(char::REPLACEMENT_CHARACTER)
        && !hooks.starts_with(files::resolved(&root.join(checkout)));
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
