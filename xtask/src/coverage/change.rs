//! The lines that a change adds, and whether tests run them. Works offline.

use std::path::Path;

use crate::base;
use crate::cli::coverage::Diff;
use crate::context::Context;
use crate::coverage::diff;
use crate::coverage::diff::{AddedLines, CodeLines, Patch, Uncovered};
use crate::host::files;
use crate::text::Percent;

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
        let (commit, base) = base::of_change(cx, diff.base.revision())?;
        Ok(Change { commit, base, minimum: diff.minimum, added: AddedLines::new() })
    }

    /// Reads the added lines of the working tree, untracked files included. `scratch` is a file for
    /// an index of our own: git's stays as it is.
    pub(crate) fn read(&mut self, cx: &Context, scratch: &Path) -> anyhow::Result<()> {
        let new_files = cx.process(cx.git().untracked(&["*.rs"])).read()?;
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
