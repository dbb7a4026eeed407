//! The lines that a change adds, offline.

use std::path::Path;

use anyhow::bail;

use crate::base;
use crate::context::Context;
use crate::coverage::diff;
use crate::coverage::diff::AddedLines;
use crate::host::files;
use crate::text::diagnostic::Rejected;

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
    let base = match revision {
        Some(name) => {
            let Some(id) = base::commit(cx, name)? else {
                bail!(
                    Rejected::new(format!("`{name}` names no commit of this clone"))
                        .help("fetch it, or name another base")
                );
            };
            base::Base { id, name: name.to_owned() }
        }
        None => base::find_offline(cx)?,
    };
    let commit = base::merge_base(cx, &base)?.id;
    let short: String = commit.chars().take(12).collect();
    let name = format!("`{}` (at {short})", base.name);
    Ok(Start { commit, name })
}

/// The lines that the working tree adds to that commit, files that git does not know yet included.
/// `scratch` is a file for an index of our own: git's stays as it is.
pub(crate) fn added(cx: &Context, start: &Start, scratch: &Path) -> anyhow::Result<AddedLines> {
    let new_files = cx.process(cx.git().untracked_sources()).read()?;
    let diff = cx.git().diff(&start.commit);
    let diff = if new_files.is_empty() {
        cx.process(diff).read()?
    } else {
        // Announced in an index of its own, a new file takes part in the search for renames.
        let index = cx.process(cx.git().index_path()).read_text()?;
        // A git that was killed may have left its lock.
        files::remove(&scratch.with_extension("lock"))?;
        files::copy(Path::new(&index), scratch)?;
        let announce = cx.git().announce().env("GIT_INDEX_FILE", scratch);
        cx.process(announce).stdin(new_files).read()?;
        let diff = cx.process(diff.env("GIT_INDEX_FILE", scratch)).read();
        files::remove(scratch)?;
        diff?
    };
    Ok(diff::added_lines(&String::from_utf8_lossy(&diff)))
}
