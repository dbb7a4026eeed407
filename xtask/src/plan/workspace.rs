//! Pure. The crates of the consumer's workspace, and which of their steps a change concerns.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::plan::description::TestDescription;
use crate::plan::glob;
use crate::plan::metadata::{Id, Package};
use crate::plan::platform::Platform;

/// Files at the root that change what every crate's tests do, besides the manifest and the CI's own.
const SHARED_FILES: [&str; 7] = [
    "Cargo.lock",
    ".cargo/**",
    "rust-toolchain*",
    "clippy.toml",
    ".clippy.toml",
    "rustfmt.toml",
    ".rustfmt.toml",
];

/// The workspace as `--workspace-selective` sees it.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Sorted by name.
    pub(crate) crates: Vec<Crate>,
    /// Where this repository is in the consumer's, for gates.
    pub(crate) checkout: String,
    /// Whether a crate's steps also run when a crate that it depends on changes.
    pub(crate) with_dependents: bool,
}

/// A member of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Relative to the root; `.` for a package at the root.
    pub(crate) path: String,
    /// What the crate's own platform file allows.
    pub(crate) platforms: Vec<Platform>,
    /// What `.buildkite/test_description.json` of the crate says.
    pub(crate) own_description: Option<Box<TestDescription>>,
    /// Indices of the members that it depends on directly, whatever the kind of dependency.
    pub(crate) dependencies: Vec<usize>,
    /// Whether cargo-all-features leaves it out where it runs every member.
    pub(crate) skips_all_features: bool,
}

/// A part of a workspace for cargo-all-features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

/// The members with their paths relative to `root`, sorted by name, dependencies resolved.
///
/// # Errors
///
/// If a member is outside of the root, where no gate can follow it: exit code 2.
pub(crate) fn crates(mut packages: Vec<Package>, root: &Path) -> Result<Vec<Crate>, String> {
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    let indices: HashMap<&Path, usize> =
        packages.iter().enumerate().map(|(index, it)| (it.directory(), index)).collect();
    let names: HashMap<Id, usize> =
        packages.iter().enumerate().map(|(index, it)| (Id::of(&it.name), index)).collect();
    let to_crate = |package: &Package| {
        let directory = package.directory();
        let path = directory.strip_prefix(root).map_err(|_| {
            let (name, directory) = (&package.name, directory.display());
            format!("the workspace member `{name}` is outside of the repository (`{directory}`)")
        })?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let by_path = |directory: &String| indices.get(Path::new(directory)).copied();
        let by_path = package.path_dependencies.iter().filter_map(by_path);
        // A `[patch]` gives a member to those that name a registry. Where it does not, a gate is wider
        // than it has to be, and no change is missed.
        let by_name = package.other_dependencies.iter().filter_map(|name| names.get(name).copied());
        let mut dependencies: Vec<usize> = by_path.chain(by_name).collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        let path = path.to_string_lossy().into_owned();
        let skips_all_features = package.skips_all_features;
        let name = package.name.clone();
        Ok(Crate { name, path, dependencies, skips_all_features, ..Crate::default() })
    };
    packages.iter().map(to_crate).collect()
}

impl Workspace {
    /// The crate whose directory is the longest prefix of a path, which is relative to the root; `None` if
    /// it leaves the root.
    pub(crate) fn crate_of(&self, path: &str) -> Option<usize> {
        let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
        let path: PathBuf = parts.collect();
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let is_root = |member: &Crate| member.path == ".";
        let holders = self.crates.iter().enumerate();
        let holders = holders.filter(|(_, it)| is_root(it) || path.starts_with(&it.path));
        holders.max_by_key(|(_, it)| (!is_root(it), it.path.len())).map(|(index, _)| index)
    }

    /// How cargo-all-features selects the package at the root alone. It takes the members sorted by
    /// name, as here.
    pub(crate) fn chunk(&self, index: usize) -> Option<Chunk> {
        let runs = |members: &[Crate]| members.iter().filter(|it| !it.skips_all_features).count();
        let is_root = self.crates[index].path == ".";
        is_root.then(|| Chunk { number: runs(&self.crates[..=index]), of: runs(&self.crates) })
    }

    /// What a change has to touch for the shared tests of a crate to run.
    pub(crate) fn shared_gate(&self, index: usize) -> Vec<String> {
        let mut gate = self.own_gate(index);
        if gate == ["**"] {
            return gate;
        }
        gate.extend(["Cargo.toml", ".buildkite/**"].map(str::to_owned));
        // A submodule that moves is listed as its directory, which `dir/**` does not match.
        gate.extend([format!("{}/**", self.checkout), self.checkout.clone()]);
        gate.extend(SHARED_FILES.map(str::to_owned));
        gate
    }

    /// What a change has to touch for a crate's own tests to run: its directory and, if wanted, those
    /// of all crates that it depends on.
    pub(crate) fn own_gate(&self, index: usize) -> Vec<String> {
        let mut members = vec![index];
        if self.with_dependents {
            members.extend(self.dependency_chains(index).iter().filter_map(|chain| chain.last()));
        }
        let paths: Vec<&str> = members.iter().map(|member| &*self.crates[*member].path).collect();
        // A package at the root is touched by every change.
        if paths.contains(&".") {
            return vec!["**".to_owned()];
        }
        // Buildkite interpolates globs too.
        let glob = |path: &&str| format!("{}/**", glob::escape(path).replace('$', "$$"));
        paths.iter().map(glob).collect()
    }

    /// The shortest chain from a crate to each crate that it depends on, directly or not; nearest
    /// first. Cycles, which development dependencies make, end where they close.
    pub(crate) fn dependency_chains(&self, index: usize) -> Vec<Vec<usize>> {
        let mut seen = vec![false; self.crates.len()];
        seen[index] = true;
        let mut chains: Vec<Vec<usize>> = vec![vec![index]];
        let mut next = 0;
        while let Some(chain) = chains.get(next).cloned() {
            let tip = chain.last().copied().unwrap_or(index);
            for &dependency in &self.crates[tip].dependencies {
                if !std::mem::replace(&mut seen[dependency], true) {
                    let mut longer = chain.clone();
                    longer.push(dependency);
                    chains.push(longer);
                }
            }
            next += 1;
        }
        chains.split_off(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dir: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            manifest: format!("{dir}/Cargo.toml").into(),
            path_dependencies: dependencies.iter().map(|dir| (*dir).to_owned()).collect(),
            ..Package::default()
        }
    }

    fn workspace(packages: Vec<Package>) -> Workspace {
        let crates = crates(packages, Path::new("/r")).unwrap();
        Workspace { crates, checkout: "ci".to_owned(), with_dependents: false }
    }

    #[test]
    fn members_are_sorted_by_name_with_paths_relative_to_the_root() {
        let members = crates(
            vec![package("z", "/r", &["/r/a", "/elsewhere"]), package("b", "/r/a", &[])],
            Path::new("/r"),
        );
        let shown: Vec<_> =
            members.unwrap().into_iter().map(|it| (it.name, it.path, it.dependencies)).collect();
        assert_eq!(
            shown,
            [("b".to_owned(), "a".to_owned(), vec![]), ("z".to_owned(), ".".to_owned(), vec![0])]
        );
        let outside = crates(vec![package("o", "/r2/o", &[])], Path::new("/r")).unwrap_err();
        assert!(outside.contains("`o` is outside of the repository"));
    }

    #[test]
    fn the_longest_directory_that_holds_a_path_is_its_crate() {
        let workspace = workspace(vec![
            package("a", "/r/crates/a", &[]),
            package("ab", "/r/crates/ab", &[]),
            package("inner", "/r/crates/a/inner", &[]),
        ]);
        let name =
            |path: &str| workspace.crate_of(path).map(|index| &*workspace.crates[index].name);
        assert_eq!(name("crates/a/benches"), Some("a"));
        assert_eq!(name("crates/a/"), Some("a"));
        assert_eq!(name("./crates/ab"), Some("ab"));
        assert_eq!(name("crates/a/inner/x"), Some("inner"));
        for path in ["crates", "crates/abc", "../r/crates/a", "/r/crates/a"] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn a_root_package_holds_every_path_that_no_other_does() {
        let workspace = workspace(vec![package("top", "/r", &[]), package("a", "/r/a", &[])]);
        assert_eq!(
            workspace.crate_of("docs").map(|index| &*workspace.crates[index].name),
            Some("top")
        );
        assert_eq!(workspace.crate_of("a").map(|index| &*workspace.crates[index].name), Some("a"));
    }

    #[test]
    fn gates_follow_the_directory_and_what_all_crates_share() {
        let workspace = workspace(vec![package("a", "/r/a", &["/r/b"]), package("b", "/r/b", &[])]);
        assert_eq!(
            workspace.shared_gate(0),
            [
                "a/**",
                "Cargo.toml",
                ".buildkite/**",
                "ci/**",
                "ci",
                "Cargo.lock",
                ".cargo/**",
                "rust-toolchain*",
                "clippy.toml",
                ".clippy.toml",
                "rustfmt.toml",
                ".rustfmt.toml"
            ]
        );
        assert_eq!(workspace.own_gate(0), ["a/**"]);
    }

    #[test]
    fn with_dependents_a_gate_follows_every_dependency_once() {
        let mut workspace = workspace(vec![
            package("a", "/r/a", &["/r/b", "/r/c"]),
            package("b", "/r/b", &["/r/c", "/r/a"]),
            package("c", "/r/c", &["/r/d"]),
            package("d", "/r/d", &[]),
            package("e", "/r/e", &[]),
        ]);
        workspace.with_dependents = true;
        assert_eq!(workspace.dependency_chains(0), [vec![0, 1], vec![0, 2], vec![0, 2, 3]]);
        assert_eq!(workspace.own_gate(0), ["a/**", "b/**", "c/**", "d/**"]);
        assert_eq!(workspace.own_gate(4), ["e/**"]);
    }

    /// What `[patch.crates-io] one = { path = "one" }` makes of `one = "0.1"`.
    #[test]
    fn a_member_that_is_named_as_from_a_registry_is_a_dependency() {
        let mut two = package("two", "/r/two", &[]);
        two.other_dependencies = [Id::of("one"), Id::of("serde")].into();
        let members = crates(vec![package("one", "/r/one", &[]), two], Path::new("/r")).unwrap();
        assert_eq!(members[1].dependencies, [0]);
    }

    #[test]
    fn a_path_with_dollars_arrives_in_the_gate() {
        let workspace = workspace(vec![package("a", "/r/$a$(x)/*", &[])]);
        assert_eq!(workspace.own_gate(0), [r"$$a$$(x)/\*/**"]);
    }

    #[test]
    fn the_package_at_the_root_is_a_chunk_of_those_that_are_run() {
        let mut skipped = package("b", "/r/b", &[]);
        skipped.skips_all_features = true;
        let members = vec![package("a", "/r/a", &[]), skipped, package("c", "/r", &[])];
        let workspace = workspace(members);
        assert_eq!(workspace.chunk(0), None);
        assert_eq!(workspace.chunk(2), Some(Chunk { number: 2, of: 2 }));
    }

    #[test]
    fn a_dependency_on_the_root_package_makes_every_change_count() {
        let mut workspace =
            workspace(vec![package("a", "/r/a", &["/r"]), package("top", "/r", &[])]);
        workspace.with_dependents = true;
        assert_eq!(workspace.shared_gate(0), ["**"]);
    }
}
