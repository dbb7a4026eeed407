//! The lines that a change adds, offline.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, bail};
use xshell::Cmd;

use crate::base;
use crate::context::Context;
use crate::coverage::diff;
use crate::coverage::diff::AddedLines;
use crate::host::{files, git};
use crate::outcome::OrUndetermined;

/// Where a change starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The last commit that the change and the base have in common.
    commit: String,
    /// For messages.
    pub(crate) name: String,
}

/// The merge base of HEAD with a revision, or with the upstream branch as this clone knows it.
pub(crate) fn start(cx: &Context, revision: Option<&str>) -> anyhow::Result<Start> {
    let root = &cx.project.root;
    let base = match revision {
        Some(name) => {
            let output = cx.runner.read(git::commit_id(&cx.sh, root, name)).or_undetermined()?;
            if !output.status.success() {
                bail!("`{name}` names no commit here; fetch it, or give another base");
            }
            base::Found { id: line(&output), name: name.to_owned() }
        }
        None => base::find_offline(cx)?,
    };
    let commit = base::merge_base(cx, &base).or_undetermined()?.id;
    let short: String = commit.chars().take(12).collect();
    let name = format!("`{}` (at {short})", base.name);
    Ok(Start { commit, name })
}

/// The lines that the working tree adds to that commit, files that git does not know yet included.
/// `scratch` is a file for an index of our own: git's stays as it is.
pub(crate) fn added(cx: &Context, start: &Start, scratch: &Path) -> anyhow::Result<AddedLines> {
    let root = &cx.project.root;
    let new_files = run(cx, git::untracked_sources(&cx.sh, root))?.stdout;
    let diff = if new_files.is_empty() {
        run(cx, git::diff(&cx.sh, root, &start.commit))?
    } else {
        // Announced in an index of its own, a new file takes part in the search for renames.
        let index = line(&run(cx, git::index_path(&cx.sh, root))?);
        // A git that was killed may have left its lock.
        files::remove(&scratch.with_extension("lock")).or_undetermined()?;
        files::copy(Path::new(&index), scratch).or_undetermined()?;
        let announce = git::announce(&cx.sh, root).env("GIT_INDEX_FILE", scratch);
        check(cx.runner.feed(announce, &new_files).or_undetermined()?)?;
        let diff = git::diff(&cx.sh, root, &start.commit).env("GIT_INDEX_FILE", scratch);
        let diff = run(cx, diff);
        files::remove(scratch).or_undetermined()?;
        diff?
    };
    Ok(diff::added_lines(&String::from_utf8_lossy(&diff.stdout)))
}

fn run(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<Output> {
    check(cx.runner.read(cmd).or_undetermined()?)
}

fn check(output: Output) -> anyhow::Result<Output> {
    base::succeeded(output).context("cannot find out what changed").or_undetermined()
}

fn line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
