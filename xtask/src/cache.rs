//! The directory outside the tree where commands keep what is about this repository.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::host::files;
use crate::project::Project;
use crate::text::fingerprint::fingerprint;

/// Below the user's cache directory, or below a temporary one where that cannot be written or is
/// inside the tree: there, another revision would inherit what the change configures.
pub(crate) fn dir(cx: &Context) -> anyhow::Result<PathBuf> {
    let root = &cx.project.root;
    let name = fingerprint(root.as_os_str().as_bytes());
    let mut problem = None;
    let below_cache_home = cx.cache_home().map(|home| Project::cache_dir(&home));
    for ours in below_cache_home.into_iter().chain([files::temporary_dir()]) {
        // A link may lead into the tree.
        let dir = files::resolved(&ours).join(&name);
        if dir.starts_with(root) {
            continue;
        }
        // Whoever owns the one above could exchange the one below.
        match files::create_private_dir(&ours).and_then(|()| files::create_private_dir(&dir)) {
            Ok(()) => return Ok(dir),
            Err(error) => problem = Some(error),
        }
    }
    match problem {
        Some(error) => Err(error).context("set XDG_CACHE_HOME to a directory that can be written"),
        None => bail!("set XDG_CACHE_HOME to a directory outside `{}`", root.display()),
    }
}
