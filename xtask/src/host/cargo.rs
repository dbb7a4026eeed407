//! Command lines of cargo and rustc, and why a build failed.

use std::path::Path;

use anyhow::{bail, ensure};
use xshell::{Cmd, Shell, cmd};

use crate::host::process::Process;

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

/// Runs a build that failed once more, in silence, to learn why: only cargo's own words tell a killed
/// compiler and a full disk from an error in the code.
///
/// # Errors
///
/// Fails unless the code is at fault (exit code 75).
pub(crate) fn check_failed_build(again: Process) -> anyhow::Result<()> {
    let output = again.output()?;
    if let Some(line) = interruption(&String::from_utf8_lossy(&output.stderr)) {
        bail!("the build was interrupted: {}", line.trim());
    }
    ensure!(!output.status.success(), "the build failed at first and then succeeded");
    Ok(())
}

/// Returns the line with which cargo says that a compiler was killed, or had no space on the disk to
/// write to: neither is the fault of the code.
fn interruption(stderr: &str) -> Option<&str> {
    const SIGNS: [&str; 4] =
        ["(signal: ", "terminated with signal", "No space left on device", "Disk quota exceeded"];
    stderr.lines().find(|line| SIGNS.iter().any(|sign| line.contains(sign)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_compiler_is_not_an_error_of_the_code() {
        let killed = "error: could not compile `a`\n  process didn't exit successfully: `rustc` (signal: 9, SIGKILL: kill)";
        assert!(interruption(killed).unwrap().ends_with("SIGKILL: kill)"));
        assert_eq!(interruption("error[E0308]: mismatched types"), None);
    }
}
