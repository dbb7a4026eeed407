//! The command lines of cargo, rustc and rustup.

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

/// Fails if the lock file of the current directory's workspace lacks something that the manifests
/// require. Reads the registry's index only; nothing is downloaded or written.
pub(crate) fn resolve_workspace(sh: &Shell, is_offline: bool) -> Cmd<'_> {
    let offline = is_offline.then_some("--offline");
    cmd!(sh, "cargo update --workspace --locked {offline...}")
}

/// Creates a lock file in the current directory's workspace.
pub(crate) fn generate_lock_file(sh: &Shell, is_offline: bool) -> Cmd<'_> {
    let offline = is_offline.then_some("--offline");
    cmd!(sh, "cargo generate-lockfile {offline...}")
}

/// The root manifest of the workspace that a manifest belongs to.
pub(crate) fn locate_workspace<'sh>(sh: &'sh Shell, manifest: &Path) -> Cmd<'sh> {
    let options = ["--workspace", "--message-format", "plain", "--manifest-path"];
    cmd!(sh, "cargo locate-project {options...} {manifest}")
}

/// Succeeds if the toolchain and the subcommand are installed; `toolchain` is what follows `cargo +`.
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

pub(crate) fn add_component<'sh>(
    sh: &'sh Shell,
    component: &str,
    toolchain: Option<&str>,
) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("--toolchain={name}"));
    cmd!(sh, "rustup component add {toolchain...} {component}")
}

pub(crate) fn add_target<'sh>(sh: &'sh Shell, triple: &str, toolchain: Option<&str>) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("--toolchain={name}"));
    cmd!(sh, "rustup target add {toolchain...} {triple}")
}

/// Installs the toolchain that a toolchain file or an override of this directory names.
pub(crate) fn install_active_toolchain(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "rustup toolchain install")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_to_the_toolchain_that_the_command_names() {
        let sh = Shell::new().unwrap();
        assert_eq!(
            add_component(&sh, "miri", Some("nightly")).to_string(),
            "rustup component add --toolchain=nightly miri"
        );
        assert_eq!(
            add_target(&sh, "x86_64-unknown-linux-musl", None).to_string(),
            "rustup target add x86_64-unknown-linux-musl"
        );
    }
}
