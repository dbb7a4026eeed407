//! Finds the lock file of a source tree, or generates one without touching the tree.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use xshell::Cmd;

use crate::base::export;
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::scratch;
use crate::host::scratch::Scratch;
use crate::host::{cargo, files, terminal};
use crate::text::diagnostic::Rejected;

/// The lock file of the working tree, or one generated in `scratch`. Where it is compared with a base
/// and neither has one under version control, one is generated for both: an old one of the working
/// tree would differ although nothing has changed.
///
/// # Errors
///
/// Rejects a directory without a manifest and a manifest that cargo cannot read (exit code 2).
pub(crate) fn of_working_tree(
    cx: &Context,
    base: Option<&str>,
    scratch: &Scratch,
) -> anyhow::Result<PathBuf> {
    let root = &cx.project.root;
    let lock_file = cx.project.lock_file();
    let is_generated_for_both = match base {
        Some(id) => {
            !succeeds(cx, cx.git().is_tracked(&lock_file))?
                && !succeeds(cx, cx.git().file_at(id, "Cargo.lock"))?
        }
        None => false,
    };
    if lock_file.exists() && !is_generated_for_both {
        if !cx.is_ci() && succeeds(cx, cx.git().is_ignored("Cargo.lock"))? {
            terminal::note(
                "note: git ignores this Cargo.lock, so CI generates a new one\n\
                 help: `cargo update` brings yours up to date",
            );
        }
        return Ok(lock_file);
    }
    if !cx.project.manifest().exists() {
        bail!(Rejected::new(format!("there is no Cargo.toml in `{}`", root.display())));
    }
    let listing = cx.process(cx.git().list_files()).read()?;
    let names = listing.split(|byte| *byte == 0);
    // Through a link, cargo would write the one of the working tree.
    let names = names.filter(|name| !name.is_empty() && *name != b"Cargo.lock");
    let dir = scratch.dir().join("tree");
    scratch::mirror(root, names, &dir)?;
    generate(cx, &dir)
}

/// The lock file of a commit, or one generated from its manifests, in `scratch`; none if the commit
/// has no Cargo.toml.
///
/// # Errors
///
/// Rejects manifests that cargo cannot read (exit code 2).
pub(crate) fn of_commit(
    cx: &Context,
    id: &str,
    scratch: &Scratch,
) -> anyhow::Result<Option<PathBuf>> {
    let (sh, root) = (&cx.sh, &cx.project.root);
    let dir = scratch.dir().join("base");
    let output = cx.process(cx.git().file_at(id, "Cargo.lock")).output()?;
    if output.status.success() {
        let path = dir.join("Cargo.lock");
        files::create_dir(&dir).and_then(|()| files::write_atomically(&path, &output.stdout))?;
        return Ok(Some(path));
    }
    if !cx.process(cx.git().file_at(id, "Cargo.toml")).succeeds()? {
        return Ok(None);
    }
    let index = scratch.dir().join("base.index");
    export(sh, &cx.runner, GitDir(&root.join(".git")), &index, &dir, id)?;
    generate(cx, &dir).map(Some)
}

fn generate(cx: &Context, dir: &Path) -> anyhow::Result<PathBuf> {
    let _in_tree = cx.sh.push_dir(dir);
    let status = cx.process(cargo::generate_lock_file(&cx.sh)).shown().stream().status()?;
    if status.success() {
        return Ok(dir.join("Cargo.lock"));
    }
    // Reading the manifests needs no network: if that fails too, they are at fault.
    if !succeeds(cx, cargo::metadata(&cx.sh))? {
        bail!(Rejected::new("cargo failed to read the manifests, see above"));
    }
    Err(anyhow!("cargo failed to generate a lock file, see above"))
}

fn succeeds(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<bool> {
    cx.process(cmd).succeeds()
}
