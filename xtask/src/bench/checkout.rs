//! The base's files, in a repository of our own outside the tree.
//!
//! It borrows the objects of the user's clone, which knows nothing of it: no network is needed, and
//! nothing has to be restored, whenever a run ends.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::base;
use crate::bench::criterion::Side;
use crate::context::Context;
use crate::host::git::Git;
use crate::host::{cargo, files, terminal};
use crate::text::diagnostic::Failure;

/// A commit's files with those of its submodules; removed when dropped.
pub(crate) struct Checkout {
    pub(crate) dir: PathBuf,
    /// The submodules whose commits this clone does not have.
    pub(crate) missing_submodules: Vec<String>,
}

impl Checkout {
    /// Checks a commit of the user's repository out into `dir`, which a killed run may have left.
    ///
    /// # Errors
    ///
    /// Fails if git or the file system does (exit code 75).
    pub(crate) fn new(cx: &Context, dir: &Path, commit: &str) -> anyhow::Result<Checkout> {
        files::remove_dir(dir)?;
        let tree = cx.project.root.clone();
        let source = Repository { git_dir: common_dir(cx, &tree)?, tree };
        let mut checkout = Checkout { dir: dir.to_path_buf(), missing_submodules: Vec::new() };
        checkout.fill(cx, &source, dir, commit)?;
        Ok(checkout)
    }

    /// Checks a commit out into `dir`, and its submodules below.
    fn fill(
        &mut self,
        cx: &Context,
        source: &Repository,
        dir: &Path,
        commit: &str,
    ) -> anyhow::Result<()> {
        source.check_out(cx, commit, dir)?;
        let git_dir = dir.join(".git");
        let git = Git::with_git_dir(&cx.sh, &git_dir);
        let listing = cx.process(git.list_tree(commit)).read()?;
        // Without `.gitmodules` git fails, and no submodule has a name.
        let names = cx.process(git.submodule_paths(commit)).output()?.stdout;
        for submodule in submodules(&listing) {
            let path = dir.join(OsStr::from_bytes(&submodule.path));
            let Some(submodule_source) = source.find(cx, &submodule, &names)? else {
                let path = path.strip_prefix(&self.dir).unwrap_or(&path).display().to_string();
                terminal::note(&format!(
                    "note: the base is built without its submodule `{path}`: this clone does not have commit {}",
                    submodule.commit
                ));
                self.missing_submodules.push(path);
                continue;
            };
            self.fill(cx, &submodule_source, &path, &submodule.commit)?;
        }
        Ok(())
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // The next run removes what is left.
        if let Err(error) = files::remove_dir(&self.dir) {
            terminal::say(&format!("warning: {error:#}"));
        }
    }
}

/// Copies the change's `Cargo.lock` to a workspace of the base that has none: both sides get the same
/// versions.
///
/// # Errors
///
/// Fails if the change's dependencies cannot be resolved (exit code 75).
pub(crate) fn copy_lock_file(cx: &Context, change: &Side, base: &Path) -> anyhow::Result<()> {
    let copy = base.join("Cargo.lock");
    if copy.exists() || !base.is_dir() {
        return Ok(());
    }
    let resolve = cargo::resolve(&change.sh).args(&change.selection.passed_to_cargo);
    if !cx.process(resolve).shown().stream().succeeds()? {
        bail!(
            Failure::new("failed to resolve the dependencies of the change")
                .help("run `cargo generate-lockfile`")
        );
    }
    files::copy(&change.sh.current_dir().join("Cargo.lock"), &copy)
}

/// Warns of files in the directories above that cargo and rustup read for one side only.
pub(crate) fn warn_of_configuration_above(cx: &Context, base: &Path) {
    const NAMES: [&str; 4] =
        [".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];
    let root = &cx.project.root;
    for (dir, other, side) in [(root.as_path(), base, "change"), (base, root, "base")] {
        let above = dir.ancestors().skip(1).filter(|dir| !other.starts_with(dir));
        let files = above.flat_map(|dir| NAMES.map(|name| dir.join(name)));
        // The configuration in cargo's home counts everywhere.
        for file in files.filter(|file| file.exists() && !file.starts_with(cx.cargo_home())) {
            terminal::say(&format!("warning: `{}` applies to the {side} only", file.display()));
        }
    }
}

/// A repository of this clone: itself, a submodule, or a submodule of a submodule.
struct Repository {
    git_dir: PathBuf,
    /// Where the change has its files, if it does.
    tree: PathBuf,
}

impl Repository {
    /// `git clone --shared` would do most of this, but refuses shallow clones.
    fn check_out(&self, cx: &Context, commit: &str, dir: &Path) -> anyhow::Result<()> {
        cx.process(Git::new(&cx.sh, dir).init(commit)).read()?;
        let own = dir.join(".git");
        files::create_dir(&own.join("objects/info"))?;
        let objects = quoted(&self.git_dir.join("objects"));
        files::write_atomically(&own.join("objects/info/alternates"), &objects)?;
        let shallow = self.git_dir.join("shallow");
        if shallow.exists() {
            files::copy(&shallow, &own.join("shallow"))?;
        }
        // Build scripts name versions after tags.
        let git = Git::with_git_dir(&cx.sh, &self.git_dir);
        let tags = git.references("refs/tags", "%(objectname) %(refname)");
        let tags = cx.process(tags).read()?;
        files::write_atomically(&own.join("packed-refs"), &tags)?;
        let config = files::read_bytes(&own.join("config"), "config")?;
        let config = [&config, &self.inherited_config(dir)[..]].concat();
        files::write_atomically(&own.join("config"), &config)?;
        // A partial clone fetches what it does not have from its remote now.
        let check_out = Git::new(&cx.sh, dir).check_out(commit);
        cx.process(check_out).timeout(base::FETCH_TIMEOUT).read()?;
        Ok(())
    }

    /// The user's line endings, filters and promisor remotes apply here too; hooks, file system
    /// monitors, sparse patterns and the path of the working tree do not.
    fn inherited_config(&self, dir: &Path) -> Vec<u8> {
        [
            b"[include]\npath = ".as_slice(),
            &quoted(&self.git_dir.join("config")),
            b"[core]\nbare = false\nfsmonitor = false\nhooksPath = /dev/null\nsparseCheckout = false\nworktree = ",
            &quoted(dir),
        ]
        .concat()
    }

    /// Finds the repository of a submodule that has the commit: where the change has its files, or,
    /// where the change has moved or removed the submodule, where git keeps repositories by name.
    fn find(
        &self,
        cx: &Context,
        submodule: &Submodule,
        names: &[u8],
    ) -> anyhow::Result<Option<Repository>> {
        let tree = self.tree.join(OsStr::from_bytes(&submodule.path));
        let mut places = Vec::new();
        // In the empty directory of a submodule that was not initialised, git would answer for the
        // repository around it.
        if tree.join(".git").exists() {
            places.extend(common_dir(cx, &tree).ok());
        }
        if let Some(name) = name_of(&submodule.path, names) {
            places.push(self.git_dir.join("modules").join(OsStr::from_bytes(name)));
        }
        for git_dir in places {
            let commit = format!("{}^{{commit}}", submodule.commit);
            let has_commit = Git::with_git_dir(&cx.sh, &git_dir).has_object(&commit);
            if git_dir.is_dir() && cx.process(has_commit).succeeds()? {
                return Ok(Some(Repository { git_dir, tree }));
            }
        }
        Ok(None)
    }
}

fn common_dir(cx: &Context, tree: &Path) -> anyhow::Result<PathBuf> {
    let output = cx.process(Git::new(&cx.sh, tree).common_dir()).read()?;
    let path = output.strip_suffix(b"\n").unwrap_or(&output);
    Ok(PathBuf::from(OsStr::from_bytes(path)))
}

/// Quotes a path as a line of git's configuration and of its list of alternates.
fn quoted(path: &Path) -> Vec<u8> {
    let mut line = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'\n' => line.extend(b"\\n"),
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            _ => line.push(*byte),
        }
    }
    line.extend(b"\"\n");
    line
}

/// A commit of another repository that a commit refers to.
#[derive(Debug, PartialEq, Eq)]
struct Submodule {
    commit: String,
    /// Relative to the top, as bytes: a path need not be text.
    path: Vec<u8>,
}

/// Parses the output of `git ls-tree -r -z`.
fn submodules(listing: &[u8]) -> Vec<Submodule> {
    let submodule = |entry: &[u8]| {
        let entry = entry.strip_prefix(b"160000 commit ")?;
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let commit = std::str::from_utf8(&entry[..tab]).ok()?.to_owned();
        Some(Submodule { commit, path: entry[tab + 1..].to_vec() })
    };
    listing.split(|byte| *byte == 0).filter_map(submodule).collect()
}

/// Returns the name of the submodule at a path, under which git keeps its repository. `names` is
/// what `git config -z --get-regexp '^submodule\..*\.path$'` prints.
fn name_of<'a>(path: &[u8], names: &'a [u8]) -> Option<&'a [u8]> {
    names.split(|byte| *byte == 0).find_map(|entry| {
        let line_end = entry.iter().position(|byte| *byte == b'\n')?;
        let (key, value) = (&entry[..line_end], &entry[line_end + 1..]);
        let name = key.strip_prefix(b"submodule.")?.strip_suffix(b".path")?;
        // Git refuses such names, too: they would lead out of the directory of all submodules.
        let leads_out = name.is_empty() || name.split(|byte| *byte == b'/').any(|it| it == b"..");
        (value == path && !leads_out).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_has_a_name_that_may_differ_from_its_path() {
        let names = b"submodule.dep.path\nmoved\x00submodule.a.path b.path\nc d\x00\
            submodule.../../x.path\nevil\x00";
        assert_eq!(name_of(b"moved", names), Some(&b"dep"[..]));
        assert_eq!(name_of(b"c d", names), Some(&b"a.path b"[..]));
        assert_eq!(name_of(b"dep", names), None);
        assert_eq!(name_of(b"evil", names), None);
    }

    #[test]
    fn only_entries_of_their_kind_are_submodules() {
        let listing = b"100644 blob 11\tCargo.toml\x00160000 commit 22\tdeps/a b\x00160000 commit 33\tx\ty\xff\x00";
        assert_eq!(
            submodules(listing),
            [
                Submodule { commit: "22".to_owned(), path: b"deps/a b".to_vec() },
                Submodule { commit: "33".to_owned(), path: b"x\ty\xff".to_vec() },
            ]
        );
        assert_eq!(submodules(b""), []);
    }

    #[test]
    fn a_path_is_quoted_as_git_reads_it() {
        assert_eq!(quoted(Path::new("/a b/\"\\\n;#")), b"\"/a b/\\\"\\\\\\n;#\"\n");
    }
}
