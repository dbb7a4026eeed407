//! Cargo's command lines.

use std::path::Path;

use xshell::{Cmd, Shell, cmd};

/// Subcommands and aliases, with what the aliases stand for.
pub(crate) fn list(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo --list")
}

/// The members of the current directory's workspace and where it builds, from its manifests alone.
pub(crate) fn metadata(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo metadata --no-deps --offline --format-version 1")
}

/// Installs one pinned tool below `root`.
pub(crate) fn install<'sh>(sh: &'sh Shell, package: &str, version: &str, root: &Path) -> Cmd<'sh> {
    cmd!(sh, "cargo install --locked --root {root} {package}@{version}")
}

/// Makes a new lock file in the current directory's workspace.
pub(crate) fn generate_lock_file(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo generate-lockfile")
}

/// Whether a cargo of that toolchain answers; `toolchain` is what follows `cargo +`.
pub(crate) fn version<'sh>(
    sh: &'sh Shell,
    toolchain: Option<&str>,
    subcommand: Option<&str>,
) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("+{name}"));
    cmd!(sh, "cargo {toolchain...} {subcommand...} --version")
}

/// Where the standard library of a target is, if it is installed.
pub(crate) fn target_libdir<'sh>(
    sh: &'sh Shell,
    toolchain: Option<&str>,
    triple: &str,
) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("+{name}"));
    cmd!(sh, "rustc {toolchain...} --print target-libdir --target {triple}")
}

/// Where the standard library of the host is.
pub(crate) fn libdir(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "rustc --print target-libdir")
}

/// Reads the lock file and writes it where that is needed, as a build does.
pub(crate) fn resolve(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo tree --quiet --depth 0")
}

/// The compiler's version, to the commit, with the host that it is for.
pub(crate) fn compiler_version(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "rustc --version --verbose")
}
