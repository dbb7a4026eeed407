//! Walking directories. Links are never followed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The directories in a directory, sorted, except those that are repositories of their own: a
/// submodule is another project. A directory that cannot be read is taken for empty.
pub(crate) fn directories_in(directory: &Path) -> Vec<PathBuf> {
    let walk = WalkDir::new(directory).min_depth(1).max_depth(1).sort_by_file_name();
    let entries = walk.into_iter().filter_map(Result::ok);
    let is_ours =
        |entry: &DirEntry| entry.file_type().is_dir() && !entry.path().join(".git").exists();
    entries.filter(is_ours).map(DirEntry::into_path).collect()
}

/// Whether a path is a plain file and no link to one.
pub(crate) fn is_plain_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Every executable file below a build directory of cargo's, with its device and inode, as far as a
/// linker made it: not what build scripts left, and not the caches of incremental compilation.
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
