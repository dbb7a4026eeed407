//! Directories that last as long as a command.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::host::files;

/// A new directory, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: PathBuf,
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

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
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
        let parent = target.parent().unwrap_or(to);
        let is_manifest = source.file_name() == Some(OsStr::new("Cargo.toml"));
        files::create_dir(parent)?;
        let shown = if is_manifest {
            fs::copy(&source, &target).map(|_| ())
        } else {
            symlink(&source, &target)
        };
        shown.with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}
