//! What `pipeline` and `ci` build their plan from, read once and in one place.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cli::pipeline::Selective;
use crate::context::Context;
use crate::host::{cargo, files, terminal};
use crate::plan::Inputs;
use crate::plan::alias;
use crate::plan::alias::{Choice, Ours};
use crate::plan::description::TestDescription;
use crate::plan::environment::Overrides;
use crate::plan::placeholder;
use crate::plan::platform;
use crate::plan::platform::Platform;
use crate::plan::settings::Settings;
use crate::plan::workspace;
use crate::plan::workspace::{Crate, Workspace};
use crate::project::{Project, SETTINGS, SHIPPED_DESCRIPTION};
use crate::text::diagnostic::{Diagnostics, Rejected, Source};

/// The name on the command line that stands for the shipped description.
const SHIPPED: &str = "shipped";

/// What the command line says about the inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Empty means the shipped one.
    pub(crate) descriptions: &'a [PathBuf],
    pub(crate) platform_file: Option<&'a Path>,
    pub(crate) selective: Selective,
}

/// Reads everything that decides about the steps. Findings go to `found`; only what leaves nothing
/// to look at is an error.
pub(crate) fn inputs(
    cx: &Context,
    request: Request<'_>,
    found: &mut Diagnostics,
) -> anyhow::Result<Inputs> {
    let settings = Source::new(cx.project.settings_name(), SETTINGS);
    let Some(settings) = Settings::parse(&settings, found) else {
        return Err(Rejected(std::mem::take(&mut found.items)).into());
    };
    let overrides = Overrides::from_lookup(|name| cx.lookup(name), found);
    let platforms = match request.platform_file {
        Some(path) => {
            let name = path.display().to_string();
            let text = files::read_text(&cx.project.resolve(path), &name)?;
            platform::parse_platform_file(&Source::new(name, text), found)
        }
        None => platforms(&cx.project.platform_file(), ".platform", found)?,
    };
    let mut descriptions = shared_descriptions(cx, request.descriptions, found)?;
    let shared = descriptions.len();
    let workspace = match request.selective {
        Selective { enabled: false, .. } => None,
        Selective { with_dependents, .. } => {
            let crates = crates(cx, request.descriptions, &mut descriptions, found)?;
            Some(Workspace { crates, checkout: checkout_path(cx)?, with_dependents })
        }
    };
    Ok(Inputs { settings, overrides, platforms, descriptions, shared, workspace })
}

/// The members of the workspace with their own files, whose tests are added to `descriptions`.
fn crates(
    cx: &Context,
    given: &[PathBuf],
    descriptions: &mut Vec<TestDescription>,
    found: &mut Diagnostics,
) -> anyhow::Result<Vec<Crate>> {
    let metadata = cx.process(cargo::metadata(&cx.sh)).stream_stderr().output()?;
    if !metadata.status.success() {
        let root = cx.project.root.display();
        bail!(Rejected::new(format!("cargo cannot read the workspace of `{root}`, see above")));
    }
    let packages = workspace::read_packages(&metadata.stdout)
        .context("`cargo metadata` printed something unexpected")?;
    drop(metadata);
    let mut crates = workspace::crates(packages, &cx.project.root.to_string_lossy())
        .map_err(|outside| Rejected::new(outside.to_string()))?;
    // A description that the command line names is shared; its crate does not read it once more.
    let mut shared: Vec<PathBuf> = given.iter().map(|path| cx.project.resolve(path)).collect();
    shared.push(cx.project.shipped_description());
    let shared: Vec<PathBuf> = shared.iter().filter_map(|path| files::canonical(path)).collect();
    for member in &mut crates {
        let [platform_file, description] = Project::member_files(&member.path);
        member.platforms = platforms(&cx.project.root.join(&platform_file), &platform_file, found)?;
        let path = cx.project.root.join(&description);
        let is_shared = || files::canonical(&path).is_some_and(|path| shared.contains(&path));
        let Some(text) = files::read_text_if_exists(&path, &description)? else { continue };
        if !is_shared() {
            member.own_description = Some(descriptions.len());
            let source = Source::new(description, text);
            descriptions.push(TestDescription::parse(source, found));
        }
    }
    Ok(crates)
}

/// Where this repository is in the consumer's, relative to its root.
pub(crate) fn checkout_path(cx: &Context) -> anyhow::Result<String> {
    let gitmodules = files::read_text_if_exists(&cx.project.gitmodules(), ".gitmodules")?;
    let inside = cx.project.checkout_in_root();
    Ok(workspace::checkout_path(inside.as_deref(), gitmodules.as_deref()))
}

/// What stands for `{xtask}` in an uploaded step. Cargo is asked only if a test needs it.
pub(crate) fn alias(cx: &Context, inputs: &Inputs) -> anyhow::Result<String> {
    let mut tests = inputs.descriptions.iter().flat_map(|description| &description.tests);
    let is_needed = tests.any(|test| test.command.contains(placeholder::XTASK));
    if !is_needed {
        return Ok(alias::USUAL.to_owned());
    }
    let problem = match choose_alias(cx)? {
        Choice::Known(line) => return Ok(line),
        Choice::Taken { expansion } => format!(
            "`cargo xtask` is an alias of another tool (`{expansion}`) and no alias names this one; \
             add one of another name to .cargo/config.toml, for example `ci-xtask`, with the value \
             from ci-template/cargo-config.toml"
        ),
        Choice::Missing => {
            "cargo knows no alias for this tool, steps will say `cargo xtask`; add it \
                            to .cargo/config.toml from ci-template/cargo-config.toml"
                .to_owned()
        }
    };
    terminal::say(&format!("warning: {problem}"));
    Ok(alias::USUAL.to_owned())
}

/// How this tool is called here, for messages.
pub(crate) fn own_alias(cx: &Context) -> anyhow::Result<String> {
    Ok(match choose_alias(cx)? {
        Choice::Known(line) => line,
        Choice::Taken { .. } | Choice::Missing => alias::USUAL.to_owned(),
    })
}

/// Which alias of cargo's calls this tool.
pub(crate) fn choose_alias(cx: &Context) -> anyhow::Result<Choice> {
    let mut manifests = cx.project.own_manifests();
    if cx.project.checkout_in_root().is_none() {
        // Started from elsewhere, and the alias names the consumer's own submodule.
        manifests.push(format!("{}/xtask/Cargo.toml", checkout_path(cx)?));
    }
    let ours = Ours { manifests, at_root: cx.project.is_own_consumer() };
    if is_plainly_configured(cx, &ours)? {
        return Ok(Choice::Known(alias::USUAL.to_owned()));
    }
    let output = cx.process(cargo::list(&cx.sh)).output().ok().filter(|it| it.status.success());
    Ok(output.map_or(Choice::Missing, |output| {
        alias::choose(&String::from_utf8_lossy(&output.stdout), &ours)
    }))
}

fn is_plainly_configured(cx: &Context, ours: &Ours) -> anyhow::Result<bool> {
    if cx.lookup("CARGO_ALIAS_XTASK").is_some() || cx.project.old_cargo_config().exists() {
        return Ok(false);
    }
    let config = files::read_text_if_exists(&cx.project.cargo_config(), ".cargo/config.toml")?;
    Ok(config.is_some_and(|text| alias::is_configured(&text, ours)))
}

fn shared_descriptions(
    cx: &Context,
    paths: &[PathBuf],
    found: &mut Diagnostics,
) -> anyhow::Result<Vec<TestDescription>> {
    let shipped = [PathBuf::from(SHIPPED)];
    let paths = if paths.is_empty() { &shipped[..] } else { paths };
    let mut descriptions = Vec::new();
    for path in paths {
        let description = if path.as_os_str() == SHIPPED {
            let source = Source::new(cx.project.shipped_description_name(), SHIPPED_DESCRIPTION);
            TestDescription::parse_shipped(source, overrides_file(cx)?, found)
        } else {
            let name = path.display().to_string();
            let text = files::read_text(&cx.project.resolve(path), &name)?;
            TestDescription::parse(Source::new(name, text), found)
        };
        descriptions.push(description);
    }
    Ok(descriptions)
}

/// What the consumer changes about the shipped tests; it is not for other descriptions.
fn overrides_file(cx: &Context) -> anyhow::Result<Option<Source>> {
    let (path, name) = cx.project.overrides_file();
    let text = files::read_text_if_exists(&path, name)?;
    Ok(text.map(|text| Source::new(name, text)))
}

/// The platforms of a file that need not exist.
fn platforms(path: &Path, name: &str, found: &mut Diagnostics) -> anyhow::Result<Vec<Platform>> {
    let text = files::read_text_if_exists(path, name)?;
    let Some(text) = text else { return Ok(Platform::DEFAULT.to_vec()) };
    Ok(platform::parse_platform_file(&Source::new(name, text), found))
}
