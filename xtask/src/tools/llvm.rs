//! Finds LLVM's tools that read coverage profiles.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::host::{cargo, files, terminal};
use crate::tools::llvm_commands as llvm_tools;
use crate::tools::llvm_version;

/// Where the tools come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tools {
    /// The component of the toolchain: `cargo llvm-cov` finds it by itself.
    OfToolchain,
    /// These programs.
    Programs { llvm_cov: PathBuf, llvm_profdata: PathBuf },
}

impl Tools {
    /// What `cargo llvm-cov` has to be told.
    pub(crate) fn into_programs(self) -> Option<(PathBuf, PathBuf)> {
        match self {
            Tools::OfToolchain => None,
            Tools::Programs { llvm_cov, llvm_profdata } => Some((llvm_cov, llvm_profdata)),
        }
    }
}

/// The component of the toolchain.
pub(crate) fn of_toolchain(cx: &Context) -> Option<Tools> {
    let output = cx.process(cargo::libdir(&cx.sh)).output().ok()?;
    let libdir = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let bin = Path::new(libdir.trim()).with_file_name("bin");
    let is_there = ["llvm-cov", "llvm-profdata"].iter().all(|name| bin.join(name).is_file());
    is_there.then_some(Tools::OfToolchain)
}

/// What `LLVM_COV` and `LLVM_PROFDATA` name, if that can read what this toolchain's programs write;
/// one alone is not enough.
pub(crate) fn named(cx: &Context) -> Option<Tools> {
    let (llvm_cov, llvm_profdata) = match (cx.lookup("LLVM_COV"), cx.lookup("LLVM_PROFDATA")) {
        (Some(llvm_cov), Some(llvm_profdata)) => (llvm_cov.into(), llvm_profdata.into()),
        (None, None) => return None,
        _ => {
            terminal::say("warning: LLVM_COV and LLVM_PROFDATA are used only if both are set");
            return None;
        }
    };
    let tools = write_profile(cx).and_then(|probe| try_out(cx, llvm_cov, llvm_profdata, &probe));
    if tools.is_none() {
        terminal::say(
            "warning: LLVM_COV and LLVM_PROFDATA name tools that cannot read the profiles of this toolchain",
        );
    }
    tools
}

/// The newest `llvm-cov-N` on PATH that can read what this toolchain's programs write.
pub(crate) fn numbered(cx: &Context) -> Option<Tools> {
    let dirs = cx.path.iter().flat_map(std::env::split_paths);
    let names = dirs.flat_map(|dir| files::names_in(&dir));
    let numbers = llvm_version::numbers(names);
    if numbers.is_empty() {
        return None;
    }
    let probe = write_profile(cx)?;
    numbers.into_iter().find_map(|number| {
        let find = |tool: &str| cx.find_program(&format!("{tool}-{number}"));
        try_out(cx, find("llvm-cov")?, find("llvm-profdata")?, &probe)
    })
}

fn try_out(cx: &Context, llvm_cov: PathBuf, llvm_profdata: PathBuf, probe: &Path) -> Option<Tools> {
    let merge = llvm_tools::merge(&cx.sh, &llvm_profdata, probe);
    let export = llvm_tools::export(&cx.sh, &llvm_cov, probe);
    (succeeds(cx, merge) && succeeds(cx, export))
        .then_some(Tools::Programs { llvm_cov, llvm_profdata })
}

/// Builds and runs the smallest program there is: whether a version of LLVM reads the profiles of
/// another cannot be told from the numbers.
fn write_profile(cx: &Context) -> Option<PathBuf> {
    let dir = cx.project.tools_dir().join("llvm-probe");
    files::create_dir(&dir).ok()?;
    files::write_atomically(&dir.join("probe.rs"), b"fn main() {}\n").ok()?;
    let is_built = succeeds(cx, llvm_tools::compile(&cx.sh, &dir));
    (is_built && succeeds(cx, llvm_tools::run(&cx.sh, &dir))).then_some(dir)
}

fn succeeds(cx: &Context, cmd: xshell::Cmd<'_>) -> bool {
    cx.process(cmd).succeeds().unwrap_or(false)
}
