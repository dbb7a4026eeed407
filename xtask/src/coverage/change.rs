//! The lines that a change adds, and whether tests run them. Works offline.

use std::path::Path;

use anyhow::bail;

use crate::base;
use crate::cli::coverage::Diff;
use crate::context::Context;
use crate::coverage::diff;
use crate::coverage::diff::{AddedLines, CodeLines, Patch, Uncovered};
use crate::host::files;
use crate::text::diagnostic::Rejected;
use crate::text::percent::Percent;

/// The change whose lines are examined.
pub(crate) struct Change {
    /// The last commit that the change and its base have in common.
    commit: String,
    /// For messages.
    base: String,
    minimum: Option<Percent>,
    added: AddedLines,
}

impl Change {
    /// Finds the merge base of `HEAD` with a revision, or with the upstream branch as this clone
    /// knows it.
    ///
    /// # Errors
    ///
    /// Rejects a revision that does not exist (exit code 2); fails if this clone does not have the
    /// upstream branch or the merge base (exit code 75).
    pub(crate) fn find(cx: &Context, diff: &Diff) -> anyhow::Result<Change> {
        let base = match &diff.base {
            Some(name) => {
                let Some(id) = base::commit(cx, name)? else {
                    bail!(
                        Rejected::new(format!("`{name}` names no commit of this clone"))
                            .help("fetch it, or name another base")
                    );
                };
                base::Base { id, name: name.clone() }
            }
            None => base::find_offline(cx)?,
        };
        let commit = base::merge_base(cx, &base)?.id;
        let short: String = commit.chars().take(12).collect();
        let base = format!("`{}` (at {short})", base.name);
        Ok(Change { commit, base, minimum: diff.minimum, added: AddedLines::new() })
    }

    /// Reads the added lines of the working tree, untracked files included. `scratch` is a file for
    /// an index of our own: git's stays as it is.
    pub(crate) fn read(&mut self, cx: &Context, scratch: &Path) -> anyhow::Result<()> {
        let new_files = cx.process(cx.git().untracked_sources()).read()?;
        let mut diff = cx.git().diff(&self.commit);
        if !new_files.is_empty() {
            // Announced in an index, a new file takes part in the search for renames.
            let index = cx.process(cx.git().index_path()).read_text()?;
            // A git that was killed may have left its lock.
            files::remove(&scratch.with_extension("lock"))?;
            files::copy(Path::new(&index), scratch)?;
            let announce = cx.git().announce().env("GIT_INDEX_FILE", scratch);
            cx.process(announce).stdin(new_files).read()?;
            diff = diff.env("GIT_INDEX_FILE", scratch);
        }
        let diff = cx.process(diff).read();
        files::remove(scratch)?;
        self.added = diff::added_lines(&String::from_utf8_lossy(&diff?));
        Ok(())
    }

    /// Compares the added lines with those that the tests run.
    pub(crate) fn judge(&self, code: &CodeLines) -> Added {
        let patch = Patch::new(&self.added, code);
        Added {
            passed: patch.reaches(self.minimum),
            sentence: patch.sentence(&self.base, self.minimum),
            uncovered: patch.uncovered,
        }
    }
}

/// The result for the added lines.
pub(crate) struct Added {
    pub(crate) passed: bool,
    pub(crate) sentence: String,
    pub(crate) uncovered: Vec<Uncovered>,
}
