//! Paths: the consumer's root, this checkout, and every file that is read or written.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::text::diagnostic::Rejected;

/// The shipped description and settings travel inside the executable, so that it works wherever it
/// is started from; editing the files rebuilds it.
pub(crate) const SHIPPED_DESCRIPTION: &str =
    include_str!("../../ci-template/test_description.json");
pub(crate) const SETTINGS: &str = include_str!("../../ci-template/pipeline.json");

/// The directory of this crate's manifest at the time it was built.
pub(crate) const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");

/// The oldest Rust that builds this tool.
pub(crate) const RUST_VERSION: &str = env!("CARGO_PKG_RUST_VERSION");

/// The consumer, seen from the current directory.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The top of the repository that is tested.
    pub(crate) root: PathBuf,
    /// The top of this repository: a submodule of the consumer, or the consumer itself.
    pub(crate) checkout: PathBuf,
    /// The running executable, read once: a later build may replace the file.
    pub(crate) executable: PathBuf,
    current_dir: PathBuf,
}

impl Project {
    /// What the consumer changes about the shipped tests, relative to the root.
    pub(crate) const OVERRIDES: &str = ".buildkite/overrides.json";

    /// Where the templates are in this checkout; those at its top were the Python tool set's.
    pub(crate) const TEMPLATES: [&str; 4] =
        ["ci-template", "dependabot-monthly.yml", "dependabot-weekly.yml", "publish.yml"];

    /// Where Buildkite finds a repository's pipeline, relative to the root.
    pub(crate) const PIPELINES: [&str; 4] = [
        ".buildkite/pipeline.yml",
        ".buildkite/pipeline.yaml",
        ".buildkite/pipeline.json",
        "buildkite.yml",
    ];

    /// Finds the root by walking up to a `.git`. Git itself is not asked: it refuses to answer in a
    /// mount that another user owns, which is what a container's checkout is.
    pub(crate) fn discover(current_dir: PathBuf) -> anyhow::Result<Project> {
        let root = current_dir.ancestors().find(|dir| dir.join(".git").exists());
        let Some(root) = root.map(Path::to_path_buf) else {
            let current_dir = current_dir.display();
            bail!(
                Rejected::new(format!("`{current_dir}` is not inside a git repository"))
                    .help("run this from the root of the repository to test")
            );
        };
        let executable = std::env::current_exe().context("cannot find the running executable")?;
        let manifest_dir = Path::new(MANIFEST_DIR);
        let checkout = manifest_dir.parent().unwrap_or(manifest_dir).to_path_buf();
        Ok(Project { root, checkout, executable, current_dir })
    }

    /// A path of the command line, which is relative to the current directory.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }

    /// Where the command was started, relative to the root; empty at the root.
    pub(crate) fn subdirectory(&self) -> &Path {
        self.current_dir.strip_prefix(&self.root).unwrap_or(Path::new(""))
    }

    /// A path relative to the root, for messages.
    pub(crate) fn relative(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root).unwrap_or(path).display().to_string() {
            root if root.is_empty() => ".".to_owned(),
            relative => relative,
        }
    }

    /// Returns the directory whose manifest a command is about, as cargo finds it: that of
    /// `--manifest-path`, else the nearest one from the current directory up to the root.
    ///
    /// # Errors
    ///
    /// Rejects a path that is not a `Cargo.toml` of this repository (exit code 2).
    pub(crate) fn manifest_dir(&self, named: Option<&Path>) -> Result<PathBuf, Rejected> {
        let has_manifest = |dir: &&Path| dir.join("Cargo.toml").is_file();
        let Some(named) = named else {
            let below_root = self.current_dir.ancestors().take_while(|dir| *dir != self.root);
            let nearest = below_root.into_iter().find(has_manifest);
            return Ok(nearest.unwrap_or(&self.root).to_path_buf());
        };
        let dir = self.resolve(named).parent().and_then(|dir| dir.canonicalize().ok());
        let is_ours = |dir: &PathBuf| has_manifest(&dir.as_path()) && dir.starts_with(&self.root);
        dir.filter(|dir| named.ends_with("Cargo.toml") && is_ours(dir)).ok_or_else(|| {
            let named = named.display();
            Rejected::new(format!(
                "the manifest path `{named}` is not a `Cargo.toml` of this repository"
            ))
        })
    }

    /// Whether this repository is tested by itself.
    pub(crate) fn is_own_consumer(&self) -> bool {
        self.checkout == self.root
    }

    /// This checkout relative to the root, with `/` between its parts, if it is inside.
    pub(crate) fn checkout_in_root(&self) -> Option<String> {
        let relative = self.checkout.strip_prefix(&self.root).ok()?;
        relative.to_str().map(str::to_owned)
    }

    /// For messages: where a shipped file stands.
    pub(crate) fn shipped_name(&self, file: &str) -> String {
        let dir = self.checkout_in_root().unwrap_or_else(|| self.checkout.display().to_string());
        format!("{}ci-template/{file}", prefix(&dir))
    }

    /// The shipped description on disk, which crates link to.
    pub(crate) fn shipped_description(&self) -> PathBuf {
        self.checkout.join("ci-template/test_description.json")
    }

    /// The platform file and the own description of a member of the workspace.
    pub(crate) fn member_files(path: &str) -> [String; 2] {
        let prefix = prefix(if path == "." { "" } else { path });
        [format!("{prefix}.platform"), format!("{prefix}.buildkite/test_description.json")]
    }

    /// Where missing cargo tools are installed.
    pub(crate) fn tools_dir(&self) -> PathBuf {
        self.root.join("target/xtask-tools")
    }

    /// What `ci` keeps of its runs.
    pub(crate) fn ci_dir(&self) -> PathBuf {
        self.root.join("target/ci")
    }

    /// The manifests of this tool as a cargo alias may name them.
    pub(crate) fn own_manifests(&self) -> Vec<String> {
        let dirs =
            [&self.checkout_in_root().unwrap_or_default(), &*self.checkout.to_string_lossy()];
        let manifests = |dir| ["xtask/Cargo.toml", "Cargo.toml"].map(|it| prefix(dir) + it);
        dirs.into_iter().flat_map(manifests).collect()
    }
}

/// A directory as the start of a path.
fn prefix(dir: &str) -> String {
    if dir.is_empty() { String::new() } else { format!("{dir}/") }
}
