//! Pure. How the repository is set up: cargo's configuration and alias, the toolchain, the hook.

use crate::text::diagnostic::{Diagnostic, Severity, Source};

/// The problem of the alias, where the configuration has it: the line that gives `xtask` its value,
/// else the table of the aliases.
pub(crate) fn at_alias(problem: Diagnostic, config: Option<&Source>) -> Diagnostic {
    let starts = |wanted: &str| config?.lines().find(|(_, line)| line.trim().starts_with(wanted));
    match (config, starts("xtask").or_else(|| starts("[alias]"))) {
        (Some(config), Some((offset, _))) => {
            Diagnostic { help: problem.help, ..config.error(offset, problem.message) }
        }
        _ => problem,
    }
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
    let mut lines = config.lines().skip_while(|(_, line)| line.trim() != "[build]").skip(1);
    let table = lines.by_ref().take_while(|(_, line)| !line.trim_start().starts_with('['));
    let mut values = table.filter_map(|(at, line)| Some((at, value_of("target", line)?)));
    let is_host = |value: &str| value.starts_with(host_architecture) && value.contains("linux");
    let (at, value) = values.find(|(_, value)| !is_host(value) && value.contains('-'))?;
    let message = format!("`cargo xtask` would be built for `{value}` and cannot run here");
    let help = "add `--target` with this machine's own target to the alias";
    Some(config.error(at, message).help(help))
}

/// The value in a line `key = "value" # comment`.
fn value_of<'l>(wanted: &str, line: &'l str) -> Option<&'l str> {
    let (key, value) = line.split_once('=')?;
    (key.trim() == wanted).then(|| plain(value))
}

/// A value without its quotes and the comment after it.
fn plain(value: &str) -> &str {
    value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\''])
}

const TOOLCHAIN_HELP: &str = "use a newer one, or run this tool with `RUSTUP_TOOLCHAIN=stable`";

/// A toolchain file that names a release which is too old to build this tool.
pub(crate) fn old_toolchain_file(file: &Source, oldest: &str) -> Option<Diagnostic> {
    let mut values = file.lines().map(|(at, line)| {
        (at, if line.contains('=') { value_of("channel", line).unwrap_or("") } else { plain(line) })
    });
    let (at, value) = values.find(|(_, value)| is_older(value, oldest))?;
    let message = format!("Rust {value} cannot build this tool, which needs {oldest}");
    Some(file.error(at, message).help(TOOLCHAIN_HELP))
}

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

/// The hook that checks commit messages is missing.
pub(crate) fn missing_hook(checkout: &str) -> Diagnostic {
    let message = "no `commit-msg` hook checks commit messages before CI does";
    Diagnostic::new(Severity::Info, message).help(format!(
        "run `install -m 755 {checkout}/ci-template/commit-msg \"$(git rev-parse --git-path hooks)/commit-msg\"`"
    ))
}

/// The alias works from the root only.
pub(crate) fn in_subdirectory(directory: &str) -> Diagnostic {
    let message =
        format!("`cargo xtask` works from the root of the repository, not from `{directory}`");
    Diagnostic::new(Severity::Info, message)
        .help("cargo takes the path in the alias from the current directory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn an_alias_that_is_taken_is_shown_at_its_line() {
        let config =
            Source::new("c.toml", "[build]\nx = 1\n[alias]\nxtask = \"run -p xtask --\"\n");
        let problem = || Diagnostic::error("taken").help("add one");
        expect![[r#"
            c.toml:4:1: error: taken
             4 | xtask = "run -p xtask --"
               | ^
            help: add one"#]]
        .assert_eq(&at_alias(problem(), Some(&config)).to_string());
        let line = |text| Some(at_alias(problem(), Some(&Source::new("c.toml", text))).place?.line);
        assert_eq!(line("\n[alias]\nb = \"build\"\n"), Some(2));
        assert_eq!(line("[build]\n"), None);
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
        assert_eq!(line("[build]\ntarget = \"thumbv7em-none-eabi\" # why\n"), Some(2));
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
