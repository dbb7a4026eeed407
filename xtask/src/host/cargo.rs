//! Command lines of cargo and rustc.

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

/// Reads the lock file and writes it where that is needed, as a build does.
pub(crate) fn resolve(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo tree --quiet --depth 0")
}

/// The compiler's version, to the commit, with the host that it is for.
pub(crate) fn compiler_version(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "rustc --version --verbose")
}
