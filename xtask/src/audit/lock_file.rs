//! Finds the lock file of a source tree, or generates one without touching the tree.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::cli::audit::Options;
use crate::context::Context;
use crate::host::directories::{self, Scratch};
use crate::host::git::Git;
use crate::host::{cargo, files, terminal};
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_secrets;
use crate::text::shell::quote;

/// The next step after a failure that may be the network's.
pub(crate) fn network_help(options: &Options) -> &'static str {
    if options.offline {
        "run it once without `--offline`"
    } else {
        "check the network; `--timeout SECONDS` raises the time limit, `--offline` uses what was \
         fetched before"
    }
}

/// The workspace whose lock file is audited.
pub(crate) struct Workspace<'a> {
    cx: &'a Context,
    options: &'a Options,
    /// For what is generated.
    scratch: &'a Scratch,
    /// Relative to the root; empty for the root itself.
    dir: PathBuf,
}

impl<'a> Workspace<'a> {
    /// The workspace of `--manifest-path`, or else that of the root.
    ///
    /// # Errors
    ///
    /// Rejects a manifest that does not exist, or outside of the repository (exit code 2).
    pub(crate) fn find(
        cx: &'a Context,
        options: &'a Options,
        scratch: &'a Scratch,
    ) -> anyhow::Result<Workspace<'a>> {
        let mut dir = PathBuf::new();
        if let Some(named) = &options.manifest_path {
            let shown = named.display();
            let manifest = cx.project.manifest_dir(Some(named))?.join("Cargo.toml");
            let output = cx.process(cargo::locate_workspace(&cx.sh, &manifest)).output()?;
            if !output.status.success() {
                let stderr = String::from_utf8_lossy(&output.stderr);
                bail!(
                    Rejected::new(format!("cargo rejects `{shown}`: {}", stderr.trim()))
                        .help("name the Cargo.toml of a workspace or package")
                );
            }
            let manifest = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            let relative = manifest.parent().and_then(|it| it.strip_prefix(&cx.project.root).ok());
            let Some(relative) = relative else {
                bail!(
                    Rejected::new(format!("`{shown}` is outside of this repository"))
                        .help("run this in the repository of that workspace")
                );
            };
            dir = relative.to_path_buf();
        }
        Ok(Workspace { cx, options, scratch, dir })
    }

    /// The lock file of the working tree, or a generated one. Where it is compared with a base and
    /// neither has one under version control, one is generated for both: an old one of the working
    /// tree would differ although nothing has changed.
    ///
    /// # Errors
    ///
    /// Rejects a directory without a manifest, a manifest that cargo cannot read, and a lock file that
    /// does not fit the manifests (exit code 2).
    pub(crate) fn lock_file(&self, base: Option<&str>) -> anyhow::Result<PathBuf> {
        let cx = self.cx;
        let name = self.dir.join("Cargo.lock");
        let lock_file = cx.project.root.join(&name);
        let is_generated_for_both = match base {
            Some(id) => {
                !cx.process(cx.git().is_tracked(&lock_file)).succeeds()?
                    && !self.has_file(id, "Cargo.lock")?
            }
            None => false,
        };
        if !lock_file.with_file_name("Cargo.toml").exists() {
            let root = cx.project.root.display();
            bail!(
                Rejected::new(format!("there is no Cargo.toml in `{root}`"))
                    .help("`--manifest-path PATH` names the one of another directory")
            );
        }
        if lock_file.exists() && !is_generated_for_both {
            if !cx.is_ci() && cx.process(cx.git().is_ignored(&name)).succeeds()? {
                terminal::note("note: git ignores this Cargo.lock, so CI generates a new one");
                terminal::note("help: `cargo update` brings yours up to date");
            }
            self.check_fits_manifests()?;
            return Ok(lock_file);
        }
        let listing = cx.process(cx.git().list_files()).read()?;
        let names = listing.split(|byte| *byte == 0);
        // Through a link, cargo would write the one of the working tree.
        let names = names.filter(|it| !it.is_empty() && *it != name.as_os_str().as_bytes());
        let dir = self.scratch.dir.join("tree");
        directories::mirror(&cx.project.root, names, &dir)?;
        self.generate(&dir)
    }

    /// The lock file of a commit, or one generated from its manifests; none if it has no Cargo.toml.
    ///
    /// # Errors
    ///
    /// Rejects manifests that cargo cannot read (exit code 2).
    pub(crate) fn lock_file_of(&self, id: &str) -> anyhow::Result<Option<PathBuf>> {
        let cx = self.cx;
        let dir = self.scratch.dir.join("base");
        if self.has_file(id, "Cargo.lock")? {
            let name = self.dir.join("Cargo.lock");
            let content = cx.process(cx.git().file_at(id, &name.to_string_lossy())).read()?;
            let path = dir.join("Cargo.lock");
            files::create_dir(&dir).and_then(|()| files::write_atomically(&path, &content))?;
            return Ok(Some(path));
        }
        if !self.has_file(id, "Cargo.toml")? {
            return Ok(None);
        }
        let index = self.scratch.dir.join("base.index");
        let git_dir = cx.project.root.join(".git");
        files::create_dir(&dir)?;
        let export = Git::with_git_dir(&cx.sh, &git_dir).export(id, &index, &dir);
        cx.process(export).read()?;
        self.generate(&dir).map(Some)
    }

    /// The option that has cargo take the manifest of another directory, for messages.
    pub(crate) fn manifest_option(&self) -> String {
        if self.dir.as_os_str().is_empty() {
            return String::new();
        }
        format!(" --manifest-path {}", quote(&self.dir.join("Cargo.toml").to_string_lossy()))
    }

    fn has_file(&self, id: &str, name: &str) -> anyhow::Result<bool> {
        let listing = self.cx.process(self.cx.git().list_path(id, &self.dir.join(name))).read()?;
        Ok(!listing.is_empty())
    }

    /// Has cargo compare the lock file of the working tree with the manifests. Nothing is written.
    fn check_fits_manifests(&self) -> anyhow::Result<()> {
        const PROBLEM: &str = "cargo could not check the lock file";
        let Workspace { cx, options, dir, .. } = self;
        let _in_workspace = cx.sh.push_dir(cx.project.root.join(dir));
        let process = cx.process(cargo::resolve_workspace(&cx.sh, options.offline));
        let output = process.timeout(options.timeout).output();
        let output = output.context(Failure::new(PROBLEM).help(network_help(options)))?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = mask_secrets(&String::from_utf8_lossy(&output.stderr));
        let stderr = stderr.trim();
        if stderr.contains("--locked was passed") {
            let option = self.manifest_option();
            bail!(
                Rejected::new("Cargo.lock does not fit the manifests")
                    .help(format!("run `cargo update --workspace{option}` and commit Cargo.lock"))
            );
        }
        let is_invalid = |it: &&str| stderr.contains(*it);
        if ["failed to parse lock file", "changed between lock files"].iter().any(is_invalid) {
            bail!(
                Rejected::new(format!("cargo rejects Cargo.lock: {stderr}"))
                    .help("repair it, or run `cargo generate-lockfile` and commit it")
            );
        }
        check_manifests(cx)?;
        bail!(Failure::new(format!("{PROBLEM}: {stderr}")).help(network_help(options)))
    }

    /// Generates the lock file in a copy of the source tree.
    fn generate(&self, tree: &Path) -> anyhow::Result<PathBuf> {
        let Workspace { cx, options, .. } = self;
        let dir = tree.join(&self.dir);
        let _in_tree = cx.sh.push_dir(&dir);
        let cmd = cargo::generate_lock_file(&cx.sh, options.offline);
        let process = cx.process(cmd).shown().stream().timeout(options.timeout);
        let failure =
            Failure::new("cargo failed to generate a lock file").help(network_help(options));
        if process.status().context(failure.clone())?.success() {
            return Ok(dir.join("Cargo.lock"));
        }
        check_manifests(cx)?;
        bail!(failure)
    }
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
