//! The submodules of the base, from what this clone has of them: no network, and nothing of the
//! user's is written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base;
use crate::bench::session::{Session, Worktree};
use crate::bench::submodule;
use crate::bench::submodule::Submodule;
use crate::host::git::{Git, GitDir};
use crate::host::{files, terminal};

/// A repository of this clone: itself, a submodule, or a submodule of a submodule.
struct Repository {
    git_dir: PathBuf,
    /// Where its files are, if the change has them.
    tree: PathBuf,
}

/// Fills the directories of the submodules with their files. One that this clone does not have
/// stays empty, with a note. Returns the paths of these.
pub(crate) fn fill(
    session: &Session<'_>,
    worktree: &Worktree,
    id: &str,
) -> anyhow::Result<Vec<String>> {
    let tree = session.cx.project.root.clone();
    let mut missing = Vec::new();
    let filled = common_dir(session, &tree).and_then(|git_dir| {
        fill_from(session, &Repository { git_dir, tree }, &worktree.dir, id, &mut missing)
    });
    filled?;
    Ok(missing)
}

/// `into` is the directory of the base that has the repository's files.
fn fill_from(
    session: &Session<'_>,
    repository: &Repository,
    into: &Path,
    id: &str,
    missing: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (sh, git_dir) = (&session.cx.sh, GitDir(&repository.git_dir));
    let listing = session.runner.process(git_dir.list_tree(sh, id)).read()?;
    let submodules = submodule::submodules(&listing);
    if submodules.is_empty() {
        return Ok(());
    }
    // Without `.gitmodules` git fails, and no submodule has a name.
    let paths = session.runner.process(git_dir.submodule_paths(sh, id)).output()?.stdout;
    for submodule in submodules {
        let path = Path::new(OsStr::from_bytes(&submodule.path));
        let Some(from) = find(session, repository, &submodule, &paths)? else {
            terminal::note(&format!(
                "note: the base is built without its submodule `{}`: this clone does not have its commit {}",
                path.display(),
                submodule.id
            ));
            missing.push(path.display().to_string());
            continue;
        };
        let into = into.join(path);
        export(session, GitDir(&from.git_dir), &into, &submodule.id)?;
        fill_from(session, &from, &into, &submodule.id, missing)?;
    }
    Ok(())
}

/// Where this clone has the submodule's commit: in the tree, or, where the change has moved or
/// removed the submodule, in the place in which git keeps its repository.
fn find(
    session: &Session<'_>,
    parent: &Repository,
    submodule: &Submodule,
    paths: &[u8],
) -> anyhow::Result<Option<Repository>> {
    let tree = parent.tree.join(OsStr::from_bytes(&submodule.path));
    let mut places = Vec::new();
    // In the empty directory of a submodule that was not initialised, git would answer for the
    // repository around it.
    if tree.join(".git").exists() {
        places.extend(common_dir(session, &tree).ok());
    }
    if let Some(name) = submodule::name_of(&submodule.path, paths) {
        places.push(parent.git_dir.join("modules").join(OsStr::from_bytes(name)));
    }
    for git_dir in places {
        let has_commit = GitDir(&git_dir).has_commit(&session.cx.sh, &submodule.id);
        if git_dir.is_dir() && session.runner.process(has_commit).succeeds()? {
            return Ok(Some(Repository { git_dir, tree }));
        }
    }
    Ok(None)
}

fn export(session: &Session<'_>, from: GitDir<'_>, into: &Path, id: &str) -> anyhow::Result<()> {
    let index = session.dir.join("bench-submodule-index");
    remove_index(&index)?;
    base::export(&session.cx.sh, &session.runner, from, &index, into, id)?;
    remove_index(&index)
}

fn common_dir(session: &Session<'_>, tree: &Path) -> anyhow::Result<PathBuf> {
    let _tree = session.cx.sh.push_dir(tree);
    let output =
        session.runner.process(Git { sh: &session.cx.sh, root: tree }.common_dir()).read()?;
    let path = output
        .strip_suffix(
            b"
",
        )
        .unwrap_or(&output);
    Ok(PathBuf::from(OsStr::from_bytes(path)))
}

/// An index of ours, and the lock that a git which was killed has left beside it.
fn remove_index(index: &Path) -> anyhow::Result<()> {
    files::remove(index)?;
    files::remove(&index.with_extension("lock"))
}
