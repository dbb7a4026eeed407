//! The command lines that try out LLVM's tools on the smallest program there is.

use std::path::Path;

use xshell::{Cmd, Shell, cmd};

/// Compiles `probe.rs` of that directory, so that running it writes a profile.
pub(crate) fn compile<'sh>(sh: &'sh Shell, dir: &Path) -> Cmd<'sh> {
    let (source, program) = (dir.join("probe.rs"), dir.join("probe"));
    cmd!(sh, "rustc -C instrument-coverage -o {program} {source}")
}

/// Runs the program.
pub(crate) fn run<'sh>(sh: &'sh Shell, dir: &Path) -> Cmd<'sh> {
    let program = dir.join("probe");
    cmd!(sh, "{program}").env("LLVM_PROFILE_FILE", dir.join("probe.profraw"))
}

/// Reads the profile.
pub(crate) fn merge<'sh>(sh: &'sh Shell, llvm_profdata: &Path, dir: &Path) -> Cmd<'sh> {
    let (raw, merged) = (dir.join("probe.profraw"), dir.join("probe.profdata"));
    cmd!(sh, "{llvm_profdata} merge -sparse -o {merged} {raw}")
}

/// Reads the program's map of its source.
pub(crate) fn export<'sh>(sh: &'sh Shell, llvm_cov: &Path, dir: &Path) -> Cmd<'sh> {
    let mut profile = std::ffi::OsString::from("-instr-profile=");
    profile.push(dir.join("probe.profdata"));
    let program = dir.join("probe");
    cmd!(sh, "{llvm_cov} export -summary-only {profile} {program}")
}
