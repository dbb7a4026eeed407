//! Pure. What `init` finds in the repository before it decides anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::plan::consumer::{self, CargoConfig, OurAlias};
use crate::plan::inputs::names_predecessor;
use crate::plan::platform::Platform;
use crate::text::shell::quote;
use crate::text::{has_extension, toml};

/// The repository as it is.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Where the submodule is, relative to the root.
    pub(crate) checkout: String,
    /// The submodule is part of the commit that is checked out.
    pub(crate) is_committed: bool,
    /// The members of the workspace: name, and path relative to the root.
    pub(crate) crates: Vec<(String, String)>,
    /// This machine's architecture, by Rust's name.
    pub(crate) architecture: &'static str,
    /// Where the shipped tests measure the coverage.
    pub(crate) measured: Vec<Platform>,
    /// Some member may be published on crates.io.
    pub(crate) is_publishable: bool,
    /// Git ignores cargo's build directory in every clone.
    pub(crate) ignores_target: bool,
    /// The triple of this machine, where cargo builds for another target.
    pub(crate) host: Option<String>,
    /// Every file that git tracks or would track.
    pub(crate) names: BTreeSet<String>,
    /// The text of those that may change, by path relative to the root (hooks: as git names them).
    pub(crate) files: BTreeMap<String, String>,
    /// Links into the submodule, and whether each leads to a file.
    pub(crate) links: BTreeMap<String, bool>,
    /// Files that a symbolic link on the way keeps elsewhere: in the submodule, or outside of the root.
    pub(crate) elsewhere: BTreeSet<String>,
    /// Files whose text the submodule's history has.
    pub(crate) older: BTreeSet<String>,
    pub(crate) cargo_config: CargoConfig,
    /// Cargo's subcommands.
    pub(crate) commands: BTreeSet<String>,
    pub(crate) hook: Option<Hook>,
}

/// Where the hook that checks commit messages goes.
#[derive(Debug, Default)]
pub(crate) struct Hook {
    /// Absolute, or relative to the root where it is below.
    pub(crate) path: String,
    /// The file is a symbolic link, which is the user's: it is not written through.
    pub(crate) is_link: bool,
    /// It cannot be executed, so that git ignores it.
    pub(crate) is_not_executable: bool,
    pub(crate) dir: HooksDir,
}

/// The directory of the hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HooksDir {
    #[default]
    GitDir,
    /// In the working tree, so that git tracks it.
    Tree,
    /// Outside of the repository, for several of them.
    Shared,
}

pub(crate) const CONFIG: &str = ".cargo/config.toml";
pub(crate) const OLD_CONFIG: &str = ".cargo/config";
pub(crate) const PLATFORMS: &str = ".platform";
pub(crate) const GITIGNORE: &str = ".gitignore";
pub(crate) const DEPENDABOT: [&str; 2] = [".github/dependabot.yml", ".github/dependabot.yaml"];
pub(crate) const PUBLISH: &str = ".github/workflows/publish.yml";
pub(crate) const PIPELINE: &str = ".buildkite/pipeline.yml";
/// Rustup reads the first of the two.
pub(crate) const TOOLCHAINS: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

/// Whether the text of a file that git lists is of interest.
pub(crate) fn is_read(name: &str) -> bool {
    match name.rsplit_once('/') {
        Some((".github/workflows", _)) => has_extension(name, &["yml", "yaml"]),
        Some((dir, _)) if Path::new(dir).ends_with(".buildkite") => {
            has_extension(name, &["yml", "yaml", "json"])
        }
        _ => false,
    }
}

/// Whether the pattern that git names is one of the root's `.gitignore`, and none that begins with `!`.
/// Other files with patterns are not in every clone.
pub(crate) fn is_in_gitignore(pattern: &str) -> bool {
    let pattern =
        pattern.strip_prefix(GITIGNORE).and_then(|it| it.strip_prefix(':')?.split_once(':'));
    pattern.is_some_and(|(_, pattern)| !pattern.starts_with('!'))
}

/// Whether a workflow has a command or an action that publishes crates.
fn publishes(workflow: &str) -> bool {
    let is_action = |line: &str| {
        ["publish-crates@", "release-plz/action@"].iter().any(|action| line.contains(action))
    };
    let is_command = |line: &str| {
        let words = line.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let words: Vec<&str> = words.filter(|word| !word.starts_with('+')).collect();
        let is_rehearsal = words.iter().any(|word| ["--dry-run", "-n"].contains(word));
        !is_rehearsal
            && words
                .windows(2)
                .any(|pair| ["publish", "release"].contains(&pair[1]) && pair[0] == "cargo")
    };
    let lines = workflow.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.into_iter().any(|line| is_action(line) || is_command(line))
}

impl Facts {
    /// The existing alias that runs this tool.
    pub(crate) fn alias(&self) -> Option<&str> {
        let manifests = ["xtask/Cargo.toml", "Cargo.toml"];
        let manifests = manifests.map(|manifest| format!("{}/{manifest}", self.checkout));
        let ours = OurAlias { manifests: manifests.to_vec(), at_root: false };
        let aliases = self.cargo_config.aliases.iter();
        let own = aliases.filter(|(_, line)| ours.is_named_by(line)).map(|(name, _)| name.as_str());
        // As steps choose it.
        own.min_by_key(|name| *name != "xtask")
    }

    /// An alias of that name. The error is why there cannot be one.
    pub(crate) fn alias_named(&self, name: &str) -> Result<String, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(is_part);
        let taken = self.cargo_config.aliases.iter().find(|(it, _)| it == name);
        Err(match (self.alias(), taken) {
            (Some(ours), _) if ours == name => return Ok(name.to_owned()),
            (Some(ours), _) => format!("the alias `{ours}` already runs this tool"),
            (None, Some((_, line))) => format!("the alias `{name}` already exists (`{line}`)"),
            _ if !is_name => format!("invalid alias name `{name}`"),
            _ if self.commands.contains(name) => format!("`{name}` is a cargo subcommand"),
            _ => return Ok(name.to_owned()),
        })
    }

    /// The alias of a new consumer: the usual name, or another where that is taken.
    pub(crate) fn free_alias(&self) -> String {
        let is_member = |name: &str| self.crates.iter().any(|(member, _)| member == name);
        let is_alias = |name: &str| self.cargo_config.aliases.iter().any(|(it, _)| it == name);
        let is_taken =
            |name: &str| is_member(name) || is_alias(name) || self.commands.contains(name);
        let names = ["xtask", "ci-xtask", "rust-vmm-ci"];
        let numbered = (2..).map(|number| format!("xtask-{number}"));
        let mut names = names.into_iter().map(str::to_owned).chain(numbered);
        names.find(|name| !is_taken(name)).unwrap_or_default()
    }

    /// The text of a file; a missing one has none.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files.get(path).map_or("", String::as_str)
    }

    /// The JSON files that may be test descriptions, each with its text.
    pub(crate) fn descriptions(&self) -> impl Iterator<Item = (&String, &String)> {
        let is_description = |path: &str| {
            has_extension(path, &["json"]) && consumer::coverage_architecture(path).is_none()
        };
        self.files.iter().filter(move |(path, _)| is_description(path))
    }

    /// The manifests that are no member's.
    pub(crate) fn manifests_of_others(&self) -> Vec<String> {
        let is_other = |name: &&String| {
            let dir = name.strip_suffix("/Cargo.toml");
            dir.is_some_and(|dir| self.crates.iter().all(|(_, path)| path != dir))
        };
        self.names.iter().filter(is_other).cloned().collect()
    }

    /// Whether a file of the repository has that name, in whatever directory.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.names.iter().any(|path| path.rsplit('/').next() == Some(name))
    }

    /// Whether a description or a pipeline calls what the Python tool set had.
    pub(crate) fn calls_predecessor(&self) -> bool {
        self.files.values().any(|text| names_predecessor(text))
    }

    /// Whether a file is the hook.
    pub(crate) fn is_hook(&self, path: &str) -> bool {
        self.hook.as_ref().is_some_and(|hook| hook.path == path)
    }

    /// Whether git would track a file: all but a hook in a directory of git's.
    pub(crate) fn is_in_tree(&self, path: &str) -> bool {
        !self.is_hook(path) || self.hook.as_ref().is_some_and(|hook| hook.dir == HooksDir::Tree)
    }

    /// The options, with a space before them, that measure what is in a directory of the repository: a
    /// member, or a workspace of its own.
    pub(crate) fn scope_of(&self, dir: &str) -> Option<String> {
        let dir = dir.trim_start_matches("./").trim_end_matches('/');
        if let Some((name, _)) = self.crates.iter().find(|(_, path)| path == dir) {
            return Some(format!(" --package {name}"));
        }
        let manifest = format!("{dir}/Cargo.toml");
        let statements = toml::statements(self.files.get(&manifest)?).ok()?;
        let is_workspace =
            statements.iter().any(|it| it.path.first().is_some_and(|it| it == "workspace"));
        is_workspace.then(|| format!(" --manifest-path {}", quote(&manifest)))
    }

    /// Workflows besides ours that publish crates.
    pub(crate) fn publishers(&self) -> Vec<&str> {
        let workflows = self.files.iter().filter(|(name, _)| name.starts_with(".github/workflows"));
        let others = workflows.filter(|(name, text)| *name != PUBLISH && publishes(text));
        others.map(|(name, _)| name.as_str()).collect()
    }

    /// The configuration that cargo reads: of two files the one of the older name.
    pub(crate) fn config_name(&self) -> &'static str {
        if self.files.contains_key(OLD_CONFIG) { OLD_CONFIG } else { CONFIG }
    }

    /// The toolchain file's release, where it is older than this tool needs, as (file, release).
    pub(crate) fn old_toolchain(&self, needed: &str) -> Option<(&'static str, String)> {
        let name = TOOLCHAINS.into_iter().find(|name| self.files.contains_key(*name))?;
        let (_, release) = consumer::old_release(&self.files[name], needed)?;
        Some((name, release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts { checkout: "rust-vmm-ci".to_owned(), ..Facts::default() }
    }

    fn with_config(text: &str) -> Facts {
        Facts { cargo_config: CargoConfig::parse(text).unwrap(), ..facts() }
    }

    #[test]
    fn another_name_is_offered_where_xtask_is_taken() {
        assert_eq!(facts().free_alias(), "xtask");
        assert_eq!(with_config("[alias]\nxtask = \"run -p xtask\"\n").free_alias(), "ci-xtask");
        let member = ("xtask".to_owned(), "xtask".to_owned());
        assert_eq!(Facts { crates: vec![member], ..facts() }.free_alias(), "ci-xtask");
        let commands = ["xtask".to_owned()].into();
        assert_eq!(Facts { commands, ..facts() }.free_alias(), "ci-xtask");
    }

    #[test]
    fn a_pattern_counts_where_every_clone_has_it() {
        assert!(is_in_gitignore(".gitignore:3:target*/\ttarget/x"));
        for other in [
            ".gitignore:1:!/target\tt",
            "/home/me/.gitignore:1:target\tt",
            ".git/info/exclude:1:t\tt",
        ] {
            assert!(!is_in_gitignore(other), "{other}");
        }
    }

    #[test]
    fn what_publishes_is_told_from_what_only_tries() {
        for line in [
            "      - run: cargo publish -p a",
            "run: \"cargo +stable publish\"",
            "cargo release publish --execute",
            "- uses: katyo/publish-crates@v2",
        ] {
            assert!(publishes(line), "{line}");
        }
        for line in ["run: cargo publish --dry-run", "# cargo publish", "run: cargo test", ""] {
            assert!(!publishes(line), "{line}");
        }
    }

    #[test]
    fn an_alias_that_is_ours_is_known_whatever_its_name() {
        let config = "[alias]\nx = \"run\"\nci = [\"run\", \"--manifest-path\", \"rust-vmm-ci/xtask/Cargo.toml\"]\n";
        assert_eq!(with_config(config).alias(), Some("ci"));
        assert_eq!(with_config("[alias]\nxtask = \"run -p xtask\"\n").alias(), None);
        let both =
            format!("{config}xtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml\"\n");
        assert_eq!(with_config(&both).alias(), Some("xtask"));
        let inline = "alias = { a = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml\" }\n";
        assert_eq!(with_config(inline).alias(), Some("a"));
    }

    #[test]
    fn a_name_that_cargo_knows_is_refused() {
        let mut facts = with_config("[alias]\nb = \"build\"\n");
        facts.commands.insert("build".to_owned());
        let problem = |name: &str| facts.alias_named(name).unwrap_err();
        assert_eq!(problem("b"), "the alias `b` already exists (`build`)");
        assert_eq!(problem("build"), "`build` is a cargo subcommand");
        assert_eq!(problem("a b"), "invalid alias name `a b`");
        assert_eq!(facts.alias_named("ci-xtask").unwrap(), "ci-xtask");
    }

    #[test]
    fn the_host_is_named_only_where_cargo_builds_for_another_target() {
        let version = "rustc 1.90.0\nhost: h\n";
        let host = |config: &str| CargoConfig::parse(config).unwrap().foreign_host(version);
        assert_eq!(host(""), None);
        assert_eq!(host("[build]\ntarget = \"h\"\n"), None);
        assert_eq!(host("[build]\ntarget = [\"t\", \"h\"]\n").as_deref(), Some("h"));
    }

    #[test]
    fn a_toolchain_file_that_is_too_old_is_found_in_both_forms() {
        let old = |text: &str| {
            let mut facts = facts();
            facts.files.insert("rust-toolchain".to_owned(), text.to_owned());
            facts.old_toolchain("1.89").map(|(_, release)| release)
        };
        assert_eq!(old("1.74.0\n").as_deref(), Some("1.74.0"));
        assert_eq!(old("[toolchain]\nchannel = \"1.88\"\n").as_deref(), Some("1.88"));
        for current in ["1.89.0", "stable", "nightly-2024-01-01", "[toolchain]\npath = \"x\"", ""] {
            assert_eq!(old(current), None, "{current}");
        }
    }

    #[test]
    fn only_what_may_change_is_read() {
        for name in [".buildkite/a.json", "a/b/.buildkite/x.yml", ".github/workflows/x.yaml"] {
            assert!(is_read(name), "{name}");
        }
        for name in ["a.json", ".buildkite/run.sh", ".github/x.yml", "x.buildkite/a.json"] {
            assert!(!is_read(name), "{name}");
        }
    }

    #[test]
    fn aliases_and_targets_are_read_in_every_form() {
        let text = "alias.b = \"build\"\n[build]\ntarget = [\"a\", \"b\"]\n[alias]\nc = [\"run\", \"-p\", \"c\"]\n";
        let config = CargoConfig::parse(text).unwrap();
        let alias = |name: &str, line: &str| (name.to_owned(), line.to_owned());
        assert_eq!(config.aliases, [alias("b", "build"), alias("c", "run -p c")]);
        assert_eq!(config.targets, ["a", "b"]);
        assert_eq!(CargoConfig::parse("a\n").unwrap_err(), 0);
    }
}
