//! Pure. How the repository is set up: cargo's configuration and alias, the toolchain, submodules.

use crate::doctor::tree;
use crate::plan::alias::Choice;
use crate::text::diagnostic::{Diagnostic, Source};

/// Reports a missing alias, or one that runs another tool.
/// `checkout` is where this repository is in the consumer's.
pub(crate) fn alias(
    choice: &Choice,
    config: Option<&Source>,
    checkout: &str,
) -> Option<Diagnostic> {
    let template = format!("{checkout}/ci-template/cargo-config.toml");
    let (message, help) = match choice {
        Choice::Known(_) => return None,
        Choice::Taken { expansion } => (
            format!(
                "`cargo xtask` is an alias of another tool (`{expansion}`), and none points to this one"
            ),
            format!(
                "add one with another name, for example `ci-xtask`, and the value in {template}"
            ),
        ),
        Choice::Missing => (
            "no cargo alias points to this tool; steps will use `cargo xtask`".to_owned(),
            format!("run `cargo run --manifest-path {checkout}/xtask/Cargo.toml -- init`"),
        ),
    };
    let line = config.and_then(|config| Some((config, offset_of_alias(&config.text)?)));
    let diagnostic = match line {
        Some((config, offset)) => config.error(offset, message),
        None => Diagnostic::error(message),
    };
    Some(diagnostic.help(help))
}

/// The line that gives `xtask` its value, else the table of the aliases.
fn offset_of_alias(config: &str) -> Option<usize> {
    let starts = |wanted: &str| {
        let mut offset = 0;
        config.split_inclusive('\n').find_map(|line| {
            let start = offset;
            offset += line.len();
            line.trim_start().starts_with(wanted).then_some(start)
        })
    };
    starts("xtask").or_else(|| starts("[alias]"))
}

/// `.cargo/config` without the ending that cargo wants.
pub(crate) fn old_cargo_config(old: &Source, has_new: bool) -> Diagnostic {
    if has_new {
        let message = "cargo reads this file and ignores `.cargo/config.toml`";
        let help = "move its content to `.cargo/config.toml` and remove it";
        return old.error(0, message).help(help);
    }
    let message = "`.cargo/config` is deprecated, and cargo ignores `.cargo/config.toml` beside it";
    old.warning(0, message).help("run `git mv .cargo/config .cargo/config.toml`")
}

/// A `[build] target` that the alias would build this tool for.
pub(crate) fn foreign_build_target(config: &Source, host_architecture: &str) -> Option<Diagnostic> {
    let mut offset = 0;
    let mut table = "";
    for line in config.text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let line = line.trim();
        if line.starts_with('[') {
            table = line;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        let is_host = value.starts_with(host_architecture) && value.contains("linux");
        if table == "[build]" && key.trim() == "target" && !is_host && value.contains('-') {
            let message = format!("`cargo xtask` would be built for `{value}` and cannot run here");
            let help = "add `--target` with this machine's own target to the alias";
            return Some(config.error(start, message).help(help));
        }
    }
    None
}

/// A toolchain file that names a release which is too old to build this tool.
pub(crate) fn old_toolchain_file(file: &Source, oldest: &str) -> Option<Diagnostic> {
    let mut offset = 0;
    for line in file.text.split_inclusive('\n') {
        let value = match line.split_once('=') {
            Some((key, value)) if key.trim() == "channel" => value,
            Some(_) => "",
            None => line,
        };
        let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        if is_older(value, oldest) {
            let message = format!("Rust {value} cannot build this tool, which needs {oldest}");
            return Some(file.error(offset, message).help(TOOLCHAIN_HELP));
        }
        offset += line.len();
    }
    None
}

const TOOLCHAIN_HELP: &str = "use a newer one, or run this tool with `RUSTUP_TOOLCHAIN=stable`";

/// The output of `rustc --version`.
pub(crate) fn old_toolchain(version: &str, oldest: &str) -> Option<Diagnostic> {
    let number = version.strip_prefix("rustc ")?.split([' ', '-', '\n']).next()?;
    is_older(number, oldest).then(|| {
        let message = format!("the toolchain here is Rust {number}, and this tool needs {oldest}");
        Diagnostic::error(message).help(TOOLCHAIN_HELP)
    })
}

/// Whether a version is a number, and a lower one.
fn is_older(version: &str, oldest: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u32>> {
        text.split(['.', '-']).take(2).map(|part| part.parse().ok()).collect()
    };
    match (numbers(version), numbers(oldest)) {
        (Some(version), Some(oldest)) => version.len() == 2 && version < oldest,
        _ => false,
    }
}

/// A submodule that is not checked out. `is_ours` says that it is this tool's.
pub(crate) fn empty_submodule(path: &str, is_ours: bool) -> Diagnostic {
    let message = format!("the submodule `{path}` is not checked out");
    let diagnostic = if is_ours { Diagnostic::error(message) } else { tree::warning(message) };
    diagnostic.help(format!("run `git submodule update --init {path}`"))
}

/// The hook that checks commit messages is missing.
pub(crate) fn missing_hook(checkout: &str) -> Diagnostic {
    tree::info("no `commit-msg` hook checks commit messages before CI does").help(format!(
        "run `install -m 755 {checkout}/ci-template/commit-msg \"$(git rev-parse --git-path hooks)/commit-msg\"`"
    ))
}

/// The alias works from the root only.
pub(crate) fn in_subdirectory(directory: &str) -> Diagnostic {
    tree::info(format!(
        "`cargo xtask` works from the root of the repository, not from `{directory}`"
    ))
    .help("cargo takes the path in the alias from the current directory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Severity;
    use expect_test::expect;

    #[test]
    fn an_alias_that_is_taken_is_shown_at_its_line() {
        let config =
            Source::new("c.toml", "[build]\nx = 1\n[alias]\nxtask = \"run -p xtask --\"\n");
        let taken = Choice::Taken { expansion: "run -p xtask --".to_owned() };
        expect![[r#"
            c.toml:4:1: error: `cargo xtask` is an alias of another tool (`run -p xtask --`), and none points to this one
             4 | xtask = "run -p xtask --"
               | ^
            help: add one with another name, for example `ci-xtask`, and the value in rust-vmm-ci/ci-template/cargo-config.toml"#]]
        .assert_eq(&alias(&taken, Some(&config), "rust-vmm-ci").unwrap().to_string());
        assert_eq!(alias(&Choice::Known("cargo xtask".to_owned()), Some(&config), "c"), None);
        assert_eq!(alias(&Choice::Missing, None, "c").unwrap().place, None);
    }

    #[test]
    fn the_old_configuration_hides_the_new_one() {
        let old = Source::new(".cargo/config", "[build]\n");
        assert_eq!(old_cargo_config(&old, true).severity, Severity::Error);
        assert_eq!(old_cargo_config(&old, false).severity, Severity::Warning);
    }

    #[test]
    fn a_build_target_of_another_machine_is_named() {
        let line = |text: &str| {
            let config = Source::new("c.toml", text);
            Some(foreign_build_target(&config, "x86_64")?.place?.line)
        };
        assert_eq!(line("[build]\ntarget = \"thumbv7em-none-eabi\"\n"), Some(2));
        assert_eq!(line("[build]\ntarget = 'aarch64-unknown-linux-gnu'"), Some(2));
        assert_eq!(line("[build]\ntarget = \"x86_64-unknown-linux-musl\"\n"), None);
        assert_eq!(line("[other]\ntarget = \"thumbv7em-none-eabi\"\n"), None);
        assert_eq!(line("[build]\ntarget-dir = \"a-b\"\n"), None);
    }

    #[test]
    fn a_toolchain_that_is_too_old_is_named() {
        let line = |text: &str| {
            let file = Source::new("rust-toolchain.toml", text);
            Some(old_toolchain_file(&file, "1.89")?.place?.line)
        };
        assert_eq!(line("1.70.0\n"), Some(1));
        assert_eq!(line("[toolchain]\nchannel = \"1.88\" # why\n"), Some(2));
        for fine in [
            "[toolchain]\nchannel = \"1.89.0\"",
            "stable",
            "channel = \"nightly-2024-01-01\"",
            "2.0",
            "",
        ] {
            assert_eq!(line(fine), None, "{fine}");
        }
        assert!(old_toolchain("rustc 1.88.0-nightly (abc 2025-01-01)\n", "1.89").is_some());
        assert!(old_toolchain("rustc 1.90.0 (abc)", "1.89").is_none());
        assert!(old_toolchain("", "1.89").is_none());
    }
}
