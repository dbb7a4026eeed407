//! Finds LLVM's tools that read coverage profiles.

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
    let tools = Probe::build(cx).and_then(|probe| probe.read_with(cx, tools));
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
    let numbers = newest_first(dirs.flat_map(|dir| directories::names_in(&dir)));
    if numbers.is_empty() {
        return None;
    }
    let probe = Probe::build(cx)?;
    numbers.into_iter().find_map(|number| {
        let find = |tool: &str| cx.find_program(&format!("{tool}-{number}"));
        probe.read_with(cx, (find("llvm-cov")?, find("llvm-profdata")?))
    })
}

/// The numbers of `llvm-cov-N` among the names of programs.
fn newest_first(names: impl Iterator<Item = String>) -> Vec<u32> {
    let number = |name: String| name.strip_prefix("llvm-cov-")?.parse().ok();
    let mut numbers: Vec<u32> = names.filter_map(number).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.dedup();
    numbers
}

/// A small program and its profile: version numbers do not tell whether one LLVM reads the profiles
/// of another.
struct Probe {
    program: PathBuf,
    profile: PathBuf,
}

impl Probe {
    fn build(cx: &Context) -> Option<Probe> {
        let dir = cx.project.tools_dir().join("llvm-probe");
        files::create_dir(&dir).ok()?;
        let source = dir.join("probe.rs");
        files::write_atomically(&source, b"fn main() {}\n").ok()?;
        let (program, profile) = (dir.join("probe"), dir.join("probe.profraw"));
        let compile = cmd!(cx.sh, "rustc -C instrument-coverage -o {program} {source}");
        let run = cmd!(cx.sh, "{program}").env("LLVM_PROFILE_FILE", &profile);
        (succeeds(cx, compile) && succeeds(cx, run)).then_some(Probe { program, profile })
    }

    fn read_with(&self, cx: &Context, tools: Tools) -> Option<Tools> {
        let Probe { program, profile } = self;
        let (llvm_cov, llvm_profdata) = &tools;
        let merged = profile.with_extension("profdata");
        let mut option = OsString::from("-instr-profile=");
        option.push(&merged);
        let merge = cmd!(cx.sh, "{llvm_profdata} merge -sparse -o {merged} {profile}");
        let export = cmd!(cx.sh, "{llvm_cov} export -summary-only {option} {program}");
        let reads = succeeds(cx, merge) && succeeds(cx, export);
        reads.then_some(tools)
    }
}

fn succeeds(cx: &Context, cmd: Cmd<'_>) -> bool {
    cx.process(cmd).succeeds().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_9_is_older_than_19() {
        let names = ["llvm-cov-9", "ls", "llvm-cov", "llvm-cov-19", "llvm-cov-19", "llvm-cov-x"];
        assert_eq!(newest_first(names.map(str::to_owned).into_iter()), [19, 9]);
    }
}
