//! What `pipeline` and `ci` build their plan from, read once and in one place.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::host::{cargo, files, terminal};
use crate::project::{SETTINGS, SHIPPED_DESCRIPTION};
use crate::rules::alias::{self, Choice, Ours};
use crate::rules::diagnostic::{Diagnostics, Rejected, Source};
use crate::rules::overrides::Overrides;
use crate::rules::placeholder;
use crate::rules::plan::Inputs;
use crate::rules::platform::{self, Platform};
use crate::rules::settings::Settings;
use crate::rules::test_description::TestDescription;

/// The name on the command line that stands for the shipped description.
const SHIPPED: &str = "shipped";

/// Reads everything that decides about the steps. Findings go to `found`; only what leaves nothing
/// to look at is an error.
pub(crate) fn inputs(
    cx: &Context,
    descriptions: &[PathBuf],
    platform_file: Option<&Path>,
    found: &mut Diagnostics,
) -> anyhow::Result<Inputs> {
    let settings = Source::new(cx.project.settings_name(), SETTINGS);
    let Some(settings) = Settings::parse(&settings, found) else {
        return Err(Rejected(std::mem::take(&mut found.items)).into());
    };
    let overrides = Overrides::from_lookup(|name| cx.lookup(name), found);
    let platforms = platforms(cx, platform_file, found)?;
    let sources = sources(cx, descriptions)?;
    let descriptions =
        sources.into_iter().map(|source| TestDescription::parse(source, found)).collect();
    Ok(Inputs { settings, overrides, platforms, descriptions })
}

/// What stands for `{xtask}` in an uploaded step. Cargo is asked only if a test needs it.
pub(crate) fn alias(cx: &Context, inputs: &Inputs) -> anyhow::Result<String> {
    let mut tests = inputs.descriptions.iter().flat_map(|description| &description.tests);
    let is_needed = tests.any(|test| test.command.contains(placeholder::XTASK));
    let ours =
        Ours { manifests: cx.project.own_manifests(), at_root: cx.project.is_own_consumer() };
    if !is_needed || is_plainly_configured(cx, &ours)? {
        return Ok(alias::USUAL.to_owned());
    }
    let Ok(output) = cx.runner.read(cargo::list(&cx.sh)) else {
        terminal::say(
            "warning: cargo cannot be asked for its aliases, steps will say `cargo xtask`",
        );
        return Ok(alias::USUAL.to_owned());
    };
    match alias::choose(&String::from_utf8_lossy(&output.stdout), &ours) {
        Choice::Known(line) => Ok(line),
        Choice::Taken { expansion } => {
            terminal::say(&format!(
                "warning: `cargo xtask` is an alias of another tool (`{expansion}`) and no alias names this one; \
                 add one of another name to .cargo/config.toml, for example `ci-xtask`, with the value from \
                 ci-template/cargo-config.toml"
            ));
            Ok(alias::USUAL.to_owned())
        }
    }
}

fn is_plainly_configured(cx: &Context, ours: &Ours) -> anyhow::Result<bool> {
    if cx.lookup("CARGO_ALIAS_XTASK").is_some() || cx.project.old_cargo_config().exists() {
        return Ok(false);
    }
    let config = files::read_text_if_exists(&cx.project.cargo_config(), ".cargo/config.toml")?;
    Ok(config.is_some_and(|text| alias::is_configured(&text, ours)))
}

fn sources(cx: &Context, descriptions: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let shipped = || Source::new(cx.project.shipped_description_name(), SHIPPED_DESCRIPTION);
    if descriptions.is_empty() {
        return Ok(vec![shipped()]);
    }
    let read = |path: &PathBuf| {
        if path.as_os_str() == SHIPPED {
            return Ok(shipped());
        }
        let name = path.display().to_string();
        let text = files::read_text(&cx.project.resolve(path), &name)?;
        Ok(Source::new(name, text))
    };
    descriptions.iter().map(read).collect()
}

fn platforms(
    cx: &Context,
    platform_file: Option<&Path>,
    found: &mut Diagnostics,
) -> anyhow::Result<Vec<Platform>> {
    let text = match platform_file {
        Some(path) => {
            let name = path.display().to_string();
            Some((files::read_text(&cx.project.resolve(path), &name)?, name))
        }
        None => {
            let text = files::read_text_if_exists(&cx.project.platform_file(), ".platform")?;
            text.map(|text| (text, ".platform".to_owned()))
        }
    };
    let Some((text, name)) = text else { return Ok(Platform::DEFAULT.to_vec()) };
    Ok(platform::parse_platform_file(&Source::new(name, text), found))
}
