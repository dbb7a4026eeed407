//! What one run needs outside the tree, and how it is put back in order: by the run itself, or by
//! the next one after a run that was killed.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use crate::bench::lock_file;
use crate::context::Context;
use crate::host::files::Lock;
use crate::host::process::Runner;
use crate::host::signals::{self, Unfinished};
use crate::host::{files, terminal};
use crate::{base, cache};

/// Children get this variable, with the directory of the session as its value: whatever of a
/// killed run is still there is known by it.
const MARK: &str = "XTASK_BENCH";

/// The only run of this repository's benchmarks at this time.
pub(crate) struct Session<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) runner: Runner,
    /// Outside the tree, the same for every run of this repository.
    pub(crate) dir: PathBuf,
    begun: OnceCell<Unfinished>,
    _lock: Lock,
}

impl<'a> Session<'a> {
    /// Begins, after whatever a killed run has left was put in order.
    pub(crate) fn open(cx: &'a Context) -> anyhow::Result<Session<'a>> {
        let dir = cache::dir(cx)?;
        let lock = lock(&dir.join("bench.lock"))?;
        let runner = cx.runner.with_variable(MARK, &dir);
        let session = Session { cx, runner, dir, begun: OnceCell::new(), _lock: lock };
        if session.unfinished().exists() {
            terminal::note("note: an earlier run was killed, putting in order what it has left");
            signals::kill_all_with_variable(MARK, session.dir.as_os_str());
            session.put_in_order()?;
        }
        Ok(session)
    }

    /// From now on there is something to put in order.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        self.begun.get_or_init(Unfinished::begin);
        files::write_atomically(&self.unfinished(), b"")
    }

    fn worktree(&self) -> PathBuf {
        self.dir.join("bench-base")
    }

    /// There from the first thing that has to be put in order to the last.
    fn unfinished(&self) -> PathBuf {
        self.dir.join("bench-unfinished")
    }

    fn put_in_order(&self) -> anyhow::Result<()> {
        lock_file::restore(self)?;
        self.remove_worktree()?;
        files::remove(&self.unfinished())
    }

    fn remove_worktree(&self) -> anyhow::Result<()> {
        let remove = || self.cx.git().worktree_remove(&self.worktree());
        let removed = self.runner.process(remove()).clean_up()?.status.success();
        files::remove_dir(&self.worktree())?;
        if !removed {
            // Git refuses a directory that is no worktree any more, as a kill while it was removed
            // leaves one, and forgets a worktree whose directory is gone. What it never knew, it
            // refuses again.
            let _ = self.runner.process(remove()).clean_up()?;
        }
        Ok(())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.unfinished().exists() {
            return;
        }
        if let Err(error) = self.put_in_order() {
            terminal::say(&format!("warning: {error:#}; the next run tries again"));
        }
    }
}

/// The base next to the user's files, for as long as the session lasts.
pub(crate) struct Worktree {
    pub(crate) dir: PathBuf,
}

impl Worktree {
    pub(crate) fn add(session: &Session<'_>, id: &str) -> anyhow::Result<Worktree> {
        let dir = session.worktree();
        session.begin()?;
        let cx = session.cx;
        // What git does not know any more is in the way.
        files::remove_dir(&dir)?;
        let add = cx.git().worktree_add(&dir, id);
        // A partial clone gets what it does not have from its remote now.
        session.runner.process(add).timeout(base::FETCH_TIMEOUT).read()?;
        Ok(Worktree { dir })
    }
}

/// Two runs at the same time would disturb each other.
pub(crate) fn lock(path: &Path) -> anyhow::Result<Lock> {
    files::lock(path, || terminal::note("waiting for another run of benchmarks to end"))
}
