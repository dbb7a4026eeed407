//! Finds the lock file of a source tree, or generates one without touching the tree.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use xshell::Cmd;

use crate::audit::Network;
use crate::base::export;
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::scratch;
use crate::host::scratch::Scratch;
use crate::host::{cargo, files, terminal};
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_user_info;

/// The lock file of the working tree, or one generated in `scratch`. Where it is compared with a base
/// and neither has one under version control, one is generated for both: an old one of the working
/// tree would differ although nothing has changed.
///
/// # Errors
///
/// Rejects a directory without a manifest, a manifest that cargo cannot read, and a lock file that does
/// not fit the manifests (exit code 2).
pub(crate) fn of_working_tree(
    cx: &Context,
    base: Option<&str>,
    scratch: &Scratch,
    network: Network,
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
    if !cx.project.manifest().exists() {
        bail!(
            Rejected::new(format!("there is no Cargo.toml in `{}`", root.display()))
                .help("run this in the repository of a crate")
        );
    }
    if lock_file.exists() && !is_generated_for_both {
        if !cx.is_ci() && succeeds(cx, cx.git().is_ignored("Cargo.lock"))? {
            terminal::note(
                "note: git ignores this Cargo.lock, so CI generates a new one\n\
                 help: `cargo update` brings yours up to date",
            );
        }
        check_fits_manifests(cx, network)?;
        return Ok(lock_file);
    }
    let listing = cx.process(cx.git().list_files()).read()?;
    let names = listing.split(|byte| *byte == 0);
    // Through a link, cargo would write the one of the working tree.
    let names = names.filter(|name| !name.is_empty() && *name != b"Cargo.lock");
    let dir = scratch.dir().join("tree");
    scratch::mirror(root, names, &dir)?;
    generate(cx, &dir, network)
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
    network: Network,
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
    generate(cx, &dir, network).map(Some)
}

/// Has cargo compare the lock file of the working tree with the manifests. Nothing is written.
fn check_fits_manifests(cx: &Context, network: Network) -> anyhow::Result<()> {
    let process = cx.process(cargo::resolve_workspace(&cx.sh, network.is_offline));
    let message = "cargo could not check the lock file";
    let output = process.timeout(network.timeout).output();
    let output = output.context(Failure::new(message).help(network.help()))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = mask_user_info(&String::from_utf8_lossy(&output.stderr));
    if stderr.contains("--locked was passed") {
        bail!(
            Rejected::new("Cargo.lock does not fit the manifests")
                .help("run `cargo update --workspace` and commit Cargo.lock")
        );
    }
    if ["failed to parse lock file", "changed between lock files"]
        .iter()
        .any(|it| stderr.contains(it))
    {
        bail!(
            Rejected::new(format!("cargo rejects Cargo.lock: {}", stderr.trim()))
                .help("repair it, or run `cargo generate-lockfile` and commit it")
        );
    }
    check_manifests(cx)?;
    bail!(Failure::new(format!("{message}: {}", stderr.trim())).help(network.help()))
}

fn generate(cx: &Context, dir: &Path, network: Network) -> anyhow::Result<PathBuf> {
    let _in_tree = cx.sh.push_dir(dir);
    let process = cx.process(cargo::generate_lock_file(&cx.sh)).shown().stream();
    let failure = Failure::new("cargo failed to generate a lock file").help(network.help());
    if process.timeout(network.timeout).status().context(failure.clone())?.success() {
        return Ok(dir.join("Cargo.lock"));
    }
    check_manifests(cx)?;
    bail!(failure)
}

/// Reading the manifests needs no network: if that fails too, they are at fault.
fn check_manifests(cx: &Context) -> anyhow::Result<()> {
    let output = cx.process(cargo::metadata(&cx.sh)).output()?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    bail!(
        Rejected::new(format!("cargo failed to read the manifests: {}", stderr.trim()))
            .help("`cargo metadata --no-deps` must succeed")
    )
}

fn succeeds(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<bool> {
    cx.process(cmd).succeeds()
}
