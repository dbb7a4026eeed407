//! Directories: those that last as long as a command, those of this user, and what is below one.
//! Links are not followed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use walkdir::{DirEntry, WalkDir};

use crate::host::files;

/// A new directory, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) dir: PathBuf,
}

impl Scratch {
    /// Makes a directory below `parent`, which is made too. What killed processes left there is
    /// removed.
    pub(crate) fn new(parent: &Path, name: &str) -> anyhow::Result<Scratch> {
        files::remove_orphans(parent, &format!("{name}-"), "");
        let dir = parent.join(format!("{name}-{}", std::process::id()));
        files::remove_dir(&dir)?;
        files::create_dir(&dir)?;
        Ok(Scratch { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that cannot be removed does no harm.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Shows a tree's files in another directory: manifests as copies, so that nothing follows them
/// back, everything else as links. `names` are relative to `from`; those that do not exist are left
/// out.
pub(crate) fn mirror<'a>(
    from: &Path,
    names: impl Iterator<Item = &'a [u8]>,
    to: &Path,
) -> anyhow::Result<()> {
    for name in names {
        // Git lists a repository inside the tree with a slash at its end.
        let name = OsStr::from_bytes(name.strip_suffix(b"/").unwrap_or(name));
        let (source, target) = (from.join(name), to.join(name));
        let is_known = fs::symlink_metadata(&target).is_ok();
        if is_known || !source.exists() {
            continue;
        }
        files::create_dir(target.parent().unwrap_or(to))?;
        let shown = if source.ends_with("Cargo.toml") {
            fs::copy(&source, &target).map(|_| ())
        } else {
            symlink(&source, &target)
        };
        shown.with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}

/// Creates a directory that only this user can read, and its parents.
///
/// # Errors
///
/// Fails if the directory belongs to another user (exit code 75).
pub(crate) fn create_private_dir(path: &Path) -> anyhow::Result<()> {
    let cannot_create = || format!("cannot create the directory `{}`", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(cannot_create)?;
    let owner = fs::metadata(path).with_context(cannot_create)?.uid();
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != owner) {
        bail!("the directory `{}` belongs to another user", path.display());
    }
    Ok(())
}

/// This user's own part of the directory for temporary files.
pub(crate) fn temporary_dir() -> PathBuf {
    let user = fs::metadata("/proc/self").map(|own| own.uid()).unwrap_or_default();
    let parent = Some(std::env::temp_dir()).filter(|dir| dir.is_absolute());
    parent.unwrap_or_else(|| PathBuf::from("/tmp")).join(format!("rust-vmm-ci-{user}"))
}

/// Removes all but the newest files of a directory. What cannot be removed stays.
pub(crate) fn keep_newest(dir: &Path, count: usize) {
    let dated =
        |entry: DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.into_path()));
    let mut files: Vec<_> = entries(dir).filter_map(dated).collect();
    files.sort();
    let surplus = files.len().saturating_sub(count);
    for (_, path) in &files[..surplus] {
        let _ = fs::remove_file(path);
    }
}

/// Whether a path is a directory with nothing in it.
pub(crate) fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The names of what is in a directory except further directories, sorted. A directory that cannot
/// be read has none.
pub(crate) fn names_in(directory: &Path) -> Vec<String> {
    let files = entries(directory).filter(|entry| !entry.file_type().is_dir());
    files.filter_map(|entry| entry.file_name().to_str().map(str::to_owned)).collect()
}

/// The directories in a directory, sorted, except those that are repositories of their own: a
/// submodule is another project. A directory that cannot be read is taken for empty.
pub(crate) fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let is_ours =
        |entry: &DirEntry| entry.file_type().is_dir() && !entry.path().join(".git").exists();
    entries(directory).filter(is_ours).map(DirEntry::into_path).collect()
}

fn entries(directory: &Path) -> impl Iterator<Item = DirEntry> {
    let walk = WalkDir::new(directory).min_depth(1).max_depth(1).sort_by_file_name();
    walk.into_iter().filter_map(Result::ok)
}

/// A directory and every one below it, down to some levels.
pub(crate) fn directories_below(dir: &Path, levels: usize) -> impl Iterator<Item = PathBuf> {
    let entries = WalkDir::new(dir).max_depth(levels).into_iter().filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_dir()).map(DirEntry::into_path)
}

/// Every file of a working tree, except in git's own directories and in one more.
pub(crate) fn files_below(root: &Path, skipped: &Path) -> impl Iterator<Item = PathBuf> {
    let is_entered = move |entry: &DirEntry| entry.path() != skipped && entry.file_name() != ".git";
    let entries = WalkDir::new(root).into_iter().filter_entry(is_entered).filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_file()).map(DirEntry::into_path)
}

/// Returns the executable files below one of cargo's build directories with their device and inode,
/// as far as a linker made them: not what build scripts left, and not the caches of incremental
/// compilation.
pub(crate) fn executables_below(build_dir: &Path) -> Vec<(PathBuf, (u64, u64))> {
    const CACHES: [&str; 3] = ["incremental", ".fingerprint", "fingerprint"];
    let is_wanted = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let is_cache = entry.file_type().is_dir() && CACHES.contains(&name.as_ref());
        let is_build_script = name.replace('-', "_").starts_with("build_script_build");
        !is_cache && !is_build_script
    };
    let entries = WalkDir::new(build_dir).into_iter().filter_entry(is_wanted);
    let executable = |entry: DirEntry| {
        let metadata = entry.metadata().ok()?;
        let is_executable = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        is_executable.then(|| (entry.into_path(), (metadata.dev(), metadata.ino())))
    };
    entries.filter_map(Result::ok).filter_map(executable).collect()
}
