//! What every command gets, built once: the world as it was at the start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use xshell::{Cmd, Shell};

use crate::host::directories::{create_private_dir, temporary_dir};
use crate::host::git::Git;
use crate::host::process::{Process, Runner};
use crate::host::{files, supervision, terminal};
use crate::project::{self, Project};
use crate::text::diagnostic::Rejected;
use crate::text::fingerprint;
use crate::text::style;

/// The shell that builds command lines, the project, the environment, and the process runner.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) sh: Shell,
    pub(crate) project: Project,
    pub(crate) runner: Runner,
    /// As it is: a directory on it need not be UTF-8.
    pub(crate) path: Option<OsString>,
    /// For one variable, see [`Context::lookup`].
    pub(crate) environment: BTreeMap<String, String>,
}

/// Variables that change what is done; a value that is not UTF-8 is an error and not ignored.
pub(crate) const SETTINGS: &str = "TESTS_TO_SKIP TIMEOUTS_MIN DOCKER_PLUGIN_CONFIG X86_LINUX_AGENT_TAGS \
     AARCH64_LINUX_AGENT_TAGS DEFAULT_AGENT_TAG_HYPERVISOR PACKAGE REMOTE BASE_BRANCH \
     BUILDKITE_REPO BUILDKITE_PULL_REQUEST_BASE_BRANCH BUILDKITE_PIPELINE_DEFAULT_BRANCH";

impl Context {
    /// Reads the world: nothing below asks for the environment or the current directory again.
    ///
    /// # Errors
    ///
    /// Rejects a directory outside of a git repository and a setting that is not UTF-8 (exit code
    /// 2).
    pub(crate) fn from_process() -> anyhow::Result<Context> {
        supervision::watch(supervision::GRACE)?;
        let sh = Shell::new().context("cannot find the current directory")?;
        let current_dir = sh.current_dir();
        let project = Project::discover(current_dir.clone())?;
        sh.change_dir(&project.root);
        for name in SETTINGS.split(' ') {
            if std::env::var_os(name).is_some_and(|value| value.to_str().is_none()) {
                bail!(Rejected::new(format!("{name} is not UTF-8 text")));
            }
        }
        // What is not UTF-8 cannot be a setting of ours; children inherit it all the same.
        let utf8 = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let mut environment: BTreeMap<String, String> =
            std::env::vars_os().filter_map(utf8).collect();
        let mut runner = callers_environment(&environment, project::MANIFEST_DIR);
        runner.shown_from = current_dir;
        if let Some(colour) = terminal::colour() {
            // What is typed wins over what is set, here and in the tools that are run.
            environment.retain(|name, _| !style::COLOUR_VARIABLES.contains(&name.as_str()));
            environment.insert("CARGO_TERM_COLOR".to_owned(), colour.to_owned());
            runner.set.push(("CARGO_TERM_COLOR".to_owned(), colour.into()));
        }
        let path = std::env::var_os("PATH");
        // A tool on PATH is preferred; those installed here come last.
        let dirs = path.iter().flat_map(std::env::split_paths);
        let dirs = std::env::join_paths(dirs.chain([project.tools_dir().join("bin")])).ok();
        runner.set.extend(path.as_ref().and(dirs).map(|dirs| ("PATH".to_owned(), dirs)));
        Ok(Context { sh, project, runner, path, environment })
    }

    /// A variable of the environment; one that is set and empty is unset.
    pub(crate) fn lookup(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A program on `PATH`.
    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        files::find_program(self.path.as_deref()?, name.as_ref())
    }

    /// Git in the project's root.
    pub(crate) fn git(&self) -> Git<'_> {
        Git::new(&self.sh, &self.project.root)
    }

    /// The same, with one more variable that children get.
    pub(crate) fn with_variable(&self, name: &str, value: &str) -> Context {
        let mut cx = self.clone();
        cx.runner.set.push((name.to_owned(), value.into()));
        cx
    }

    /// A process that is not started yet.
    pub(crate) fn process(&self, cmd: Cmd<'_>) -> Process {
        self.runner.process(cmd, &[])
    }

    /// Where cargo keeps what it downloads and installs.
    pub(crate) fn cargo_home(&self) -> PathBuf {
        let home = || PathBuf::from(self.lookup("HOME").unwrap_or_default()).join(".cargo");
        let named = self.lookup("CARGO_HOME").map_or_else(home, PathBuf::from);
        // Cargo resolves a relative one from its working directory, which is the root.
        self.project.root.join(named)
    }

    /// The directory outside the tree where commands keep what is about this repository: below the
    /// user's cache directory, or below a temporary one where that cannot be written or is inside
    /// the tree: there, another revision would inherit what the change configures.
    ///
    /// # Errors
    ///
    /// If no such directory can be made (exit code 75).
    pub(crate) fn cache_dir(&self) -> anyhow::Result<PathBuf> {
        let root = &self.project.root;
        let name = fingerprint(root.as_os_str().as_bytes());
        let usable = |ours: &Path| {
            // A link may lead into the tree.
            let dir = files::resolved(ours).join(&name);
            ensure!(!dir.starts_with(root), "`{}` is inside the repository", dir.display());
            // The owner of the one above could exchange the one below.
            create_private_dir(ours)?;
            create_private_dir(&dir)?;
            Ok(dir)
        };
        let absolute = |name| self.lookup(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        // Source: the XDG base directory specification.
        let home = || Some(absolute("HOME")?.join(".cache"));
        let cache_home = absolute("XDG_CACHE_HOME").or_else(home);
        if let Some(Ok(dir)) = cache_home.map(|dir| usable(&dir.join("rust-vmm-ci"))) {
            return Ok(dir);
        }
        usable(&temporary_dir())
            .context("set XDG_CACHE_HOME to a directory outside the repository that can be written")
    }

    /// Whether this runs in CI: `CI` is set and not `false` or `0`.
    pub(crate) fn is_ci(&self) -> bool {
        self.lookup("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether what goes to standard output is coloured.
    pub(crate) fn colours_stdout(&self) -> bool {
        style::is_coloured(|name| self.lookup(name), io::stdout().is_terminal())
    }

    /// Whether lines at the bottom of the terminal show what runs.
    pub(crate) fn has_live_lines(&self) -> bool {
        !terminal::is_quiet()
            && style::has_progress(|name| self.lookup(name), io::stdout().is_terminal())
    }

    /// Whether this is a job of Buildkite's, whose log has groups.
    pub(crate) fn is_buildkite(&self) -> bool {
        self.lookup("BUILDKITE").is_some()
    }
}

/// Set by cargo for the program that it runs.
const SET_BY_CARGO: &str = "CARGO CARGO_BIN_NAME CARGO_CRATE_NAME CARGO_MANIFEST_DIR \
     CARGO_MANIFEST_PATH CARGO_PRIMARY_PACKAGE";

/// Variables that name a repository, its parts and its view of history.
///
/// Source: `git rev-parse --local-env-vars` without configuration, which is the caller's choice, and
/// `git help git`.
const SET_BY_GIT: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_GRAFT_FILE \
     GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE GIT_INTERNAL_SUPER_PREFIX GIT_NAMESPACE \
     GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_QUARANTINE_PATH \
     GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE";

/// Returns a runner with the changes that turn our environment into the caller's, without variables
/// that `cargo run` and rustup set for us, and those that git sets for its hooks. `manifest_dir` is
/// where this crate's manifest is: only if cargo ran us, its variables are about us.
///
/// A test has to see the caller's environment. `RUSTUP_TOOLCHAIN` alone would defeat a test's own
/// toolchain file, and `CARGO_MANIFEST_DIR` confuses build scripts. With `GIT_DIR`, a test that makes
/// a repository in a temporary directory would work on the user's.
fn callers_environment(environment: &BTreeMap<String, String>, manifest_dir: &str) -> Runner {
    let get = |name: &str| environment.get(name).map(String::as_str);
    let by_git = SET_BY_GIT.split(' ').filter(|name| get(name).is_some());
    let mut removed: Vec<String> = by_git.map(str::to_owned).collect();
    let mut set = Vec::new();
    if get("CARGO_MANIFEST_DIR") != Some(manifest_dir) {
        return Runner { removed, ..Runner::default() };
    }
    let by_cargo = |name: &&String| {
        SET_BY_CARGO.split(' ').any(|it| it == *name) || name.starts_with("CARGO_PKG_")
    };
    removed.extend(environment.keys().filter(by_cargo).cloned());
    // The user's own choice (`RUSTUP_TOOLCHAIN=x cargo xtask`, `cargo +x xtask`) stays. Old
    // versions of rustup do not say whose choice it was.
    if !matches!(get("RUSTUP_TOOLCHAIN_SOURCE"), Some("env" | "cli")) {
        removed.push("RUSTUP_TOOLCHAIN".to_owned());
    }
    removed.extend(["RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT"].map(str::to_owned));
    for name in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
        let Some(value) = get(name) else { continue };
        match without_cargos_entries(value, get("CARGO")) {
            rest if rest.is_empty() => removed.push(name.to_owned()),
            rest => set.push((name.to_owned(), rest.into())),
        }
    }
    removed.retain(|name| environment.contains_key(name));
    Runner { removed, set, ..Runner::default() }
}

/// Cargo puts its target directory and the toolchain's libraries before what the caller had.
fn without_cargos_entries(value: &str, cargo: Option<&str>) -> String {
    let sysroot = cargo.and_then(|path| path.strip_suffix("/bin/cargo")).unwrap_or("/nowhere");
    let libraries = format!("{sysroot}/lib");
    let is_cargos = |entry: &str| {
        let in_sysroot = entry == libraries || entry.starts_with(&format!("{libraries}/rustlib"));
        let in_target = ["/debug", "/release", "/deps"].iter().any(|end| entry.ends_with(end));
        in_sysroot || in_target
    };
    let entries = value.split(':').skip_while(|entry| is_cargos(entry));
    entries.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_of(pairs: &[(&str, &str)]) -> Runner {
        let environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        callers_environment(&environment, "/ci/xtask")
    }

    const RUN_BY_CARGO: [(&str, &str); 6] = [
        ("CARGO", "/r/toolchains/stable/bin/cargo"),
        ("CARGO_HOME", "/c"),
        ("CARGO_MANIFEST_DIR", "/ci/xtask"),
        ("CARGO_PKG_NAME", "xtask"),
        ("RUSTUP_TOOLCHAIN", "stable"),
        ("RUST_RECURSION_COUNT", "1"),
    ];

    #[test]
    fn what_cargo_and_rustup_set_is_removed() {
        let removed = changes_of(&RUN_BY_CARGO).removed;
        assert_eq!(
            removed,
            [
                "CARGO",
                "CARGO_MANIFEST_DIR",
                "CARGO_PKG_NAME",
                "RUSTUP_TOOLCHAIN",
                "RUST_RECURSION_COUNT"
            ]
        );
    }

    #[test]
    fn the_users_own_toolchain_stays() {
        for source in ["env", "cli"] {
            let mut pairs = RUN_BY_CARGO.to_vec();
            pairs.push(("RUSTUP_TOOLCHAIN_SOURCE", source));
            assert!(!changes_of(&pairs).removed.contains(&"RUSTUP_TOOLCHAIN".to_owned()));
        }
    }

    #[test]
    fn of_a_library_path_the_callers_part_stays() {
        let cargos = "/t/target/debug:/t/target/debug/deps:/r/toolchains/stable/lib/rustlib/x/lib:/r/toolchains/stable/lib";
        let mut pairs = RUN_BY_CARGO.to_vec();
        pairs.push(("LD_LIBRARY_PATH", cargos));
        assert!(changes_of(&pairs).removed.contains(&"LD_LIBRARY_PATH".to_owned()));
        let mixed = format!("{cargos}:/own/lib:/own/debug");
        pairs.pop();
        pairs.push(("LD_LIBRARY_PATH", &mixed));
        assert_eq!(
            changes_of(&pairs).set,
            [("LD_LIBRARY_PATH".to_owned(), "/own/lib:/own/debug".into())]
        );
    }

    #[test]
    fn where_cargo_did_not_run_us_only_what_git_sets_is_removed() {
        let mut pairs = RUN_BY_CARGO.to_vec();
        pairs[2] = ("CARGO_MANIFEST_DIR", "/other");
        let Runner { removed, set, .. } = changes_of(&pairs);
        assert!(removed.is_empty() && set.is_empty());
        pairs.extend([("GIT_DIR", "/g"), ("GIT_CONFIG_COUNT", "1"), ("GIT_AUTHOR_NAME", "a")]);
        assert_eq!(changes_of(&pairs).removed, ["GIT_DIR"]);
    }
}
