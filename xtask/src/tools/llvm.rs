//! Finds LLVM's tools that read coverage profiles.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xshell::{Cmd, cmd};

use crate::context::Context;
use crate::host::{directories, files, terminal};

/// `llvm-cov` and `llvm-profdata`.
pub(crate) type Tools = (PathBuf, PathBuf);

/// Where the toolchain has programs that are not for users: its linker and, with the component,
/// LLVM's tools.
pub(crate) fn toolchain_bin(cx: &Context) -> Option<PathBuf> {
    let libdir = cx.process(cmd!(cx.sh, "rustc --print target-libdir")).read_text().ok()?;
    Some(Path::new(&libdir).with_file_name("bin"))
}

/// Whether the toolchain has the component with the tools: `cargo llvm-cov` finds it by itself.
pub(crate) fn has_component(cx: &Context) -> bool {
    let has_tools =
        |bin: PathBuf| ["llvm-cov", "llvm-profdata"].iter().all(|name| bin.join(name).is_file());
    toolchain_bin(cx).is_some_and(has_tools)
}

/// Finds what `LLVM_COV` and `LLVM_PROFDATA` name, if it reads the profiles of this toolchain.
pub(crate) fn named(cx: &Context) -> Option<Tools> {
    let tools = match (cx.lookup("LLVM_COV"), cx.lookup("LLVM_PROFDATA")) {
        (Some(llvm_cov), Some(llvm_profdata)) => (llvm_cov.into(), llvm_profdata.into()),
        (None, None) => return None,
        _ => {
            terminal::say("warning: LLVM_COV and LLVM_PROFDATA are used only if both are set");
            return None;
        }
    };
    let tools = probe(cx).and_then(|probe| read_with(cx, &probe, tools));
    if tools.is_none() {
        terminal::say(
            "warning: LLVM_COV and LLVM_PROFDATA name tools that cannot read the profiles of this toolchain",
        );
    }
    tools
}

/// Finds the newest `llvm-cov-N` on `PATH` that reads the profiles of this toolchain.
pub(crate) fn numbered(cx: &Context) -> Option<Tools> {
    let dirs = cx.path.iter().flat_map(std::env::split_paths);
    let numbers = numbers(dirs.flat_map(|dir| directories::names_in(&dir)));
    if numbers.is_empty() {
        return None;
    }
    let probe = probe(cx)?;
    numbers.into_iter().rev().find_map(|number| {
        let find = |tool: &str| cx.find_program(&format!("{tool}-{number}"));
        read_with(cx, &probe, (find("llvm-cov")?, find("llvm-profdata")?))
    })
}

/// The numbers of `llvm-cov-N` among the names of programs.
fn numbers(names: impl Iterator<Item = String>) -> BTreeSet<u32> {
    names.filter_map(|name| name.strip_prefix("llvm-cov-")?.parse().ok()).collect()
}

/// Builds a small program that has left a profile beside it: version numbers do not tell whether one
/// LLVM reads the profiles of another.
fn probe(cx: &Context) -> Option<PathBuf> {
    let dir = cx.project.tools_dir().join("llvm-probe");
    files::create_dir(&dir).ok()?;
    let source = dir.join("probe.rs");
    files::write_atomically(&source, b"fn main() {}\n").ok()?;
    let program = dir.join("probe");
    let compile = cmd!(cx.sh, "rustc -C instrument-coverage -o {program} {source}");
    let run = cmd!(cx.sh, "{program}").env("LLVM_PROFILE_FILE", dir.join("probe.profraw"));
    (succeeds(cx, compile) && succeeds(cx, run)).then_some(program)
}

/// Returns the tools if they read the profile of the probe.
fn read_with(cx: &Context, probe: &Path, tools: Tools) -> Option<Tools> {
    let (llvm_cov, llvm_profdata) = &tools;
    let (profile, merged) = (probe.with_extension("profraw"), probe.with_extension("profdata"));
    let mut option = OsString::from("-instr-profile=");
    option.push(&merged);
    let merge = cmd!(cx.sh, "{llvm_profdata} merge -sparse -o {merged} {profile}");
    let export = cmd!(cx.sh, "{llvm_cov} export -summary-only {option} {probe}");
    (succeeds(cx, merge) && succeeds(cx, export)).then_some(tools)
}

fn succeeds(cx: &Context, cmd: Cmd<'_>) -> bool {
    cx.process(cmd).succeeds().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_last_and_9_is_older_than_19() {
        let names = ["llvm-cov-9", "ls", "llvm-cov", "llvm-cov-19", "llvm-cov-19", "llvm-cov-x"];
        assert!(numbers(names.map(str::to_owned).into_iter()).into_iter().eq([9, 19]));
    }
}
