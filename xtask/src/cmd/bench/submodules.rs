//! The submodules of the base, from what this clone has of them: no network, and nothing of the
//! user's is written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Output;

use xshell::Cmd;

use super::session::{Session, Worktree};
use crate::cmd::base;
use crate::host::{files, git, terminal};
use crate::outcome::OrUndetermined;
use crate::rules::bench::submodule;

/// Fills the directories of the submodules with their files. One that this clone does not have
/// stays empty, with a note.
pub(super) fn fill(session: &Session<'_>, worktree: &Worktree, id: &str) -> anyhow::Result<()> {
    fill_from(session, &session.cx.project.root, &worktree.dir, id).or_undetermined()
}

/// `from` is the user's directory of a repository, `into` the directory of the base that has its
/// files.
fn fill_from(session: &Session<'_>, from: &Path, into: &Path, id: &str) -> anyhow::Result<()> {
    let sh = &session.cx.sh;
    let listing = in_dir(session, from, || git::list_tree(sh, from, id))?;
    for submodule in submodule::submodules(&listing.stdout) {
        let path = Path::new(OsStr::from_bytes(&submodule.path));
        let (from, into) = (from.join(path), into.join(path));
        if !is_here(session, &from, &submodule.id)? {
            terminal::say(&format!(
                "note: the base is built without its submodule `{}`: this clone does not have its commit {}",
                path.display(),
                submodule.id
            ));
            continue;
        }
        let index = session.dir.join("bench-submodule-index");
        remove_index(&index)?;
        in_dir(session, &from, || git::read_tree(sh, &from, &index, &submodule.id))?;
        in_dir(session, &from, || git::export(sh, &from, &index, &into))?;
        remove_index(&index)?;
        fill_from(session, &from, &into, &submodule.id)?;
    }
    Ok(())
}

fn is_here(session: &Session<'_>, dir: &Path, id: &str) -> anyhow::Result<bool> {
    // In the empty directory of a submodule that was not initialised, git would answer for the
    // repository around it.
    if !dir.join(".git").exists() {
        return Ok(false);
    }
    let _dir = session.cx.sh.push_dir(dir);
    let cmd = git::commit_id(&session.cx.sh, dir, id);
    Ok(session.runner.read(cmd)?.status.success())
}

fn in_dir<'c>(
    session: &Session<'_>,
    dir: &Path,
    cmd: impl FnOnce() -> Cmd<'c>,
) -> anyhow::Result<Output> {
    let _dir = session.cx.sh.push_dir(dir);
    base::succeeded(session.runner.read(cmd())?)
}

/// An index of ours, and the lock that a git which was killed has left beside it.
fn remove_index(index: &Path) -> anyhow::Result<()> {
    files::remove(index)?;
    files::remove(&index.with_extension("lock"))
}
