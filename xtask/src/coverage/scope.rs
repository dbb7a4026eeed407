//! Pure. What is measured: the whole workspace, or one of its crates.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::text::nearest;

/// What `cargo metadata --no-deps` says, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) target_directory: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    /// Libraries, programs, tests and so on.
    pub(crate) targets: Vec<String>,
    pub(crate) features: Vec<String>,
}

impl Package {
    /// Where the manifest is.
    pub(crate) fn directory(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("/"))
    }
}

/// Whose tests run and whose lines count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Workspace,
    Crate(Package),
}

impl Workspace {
    /// Reads cargo's answer; `None` if it is not what cargo prints.
    pub(crate) fn parse(json: &str) -> Option<Workspace> {
        let metadata: Value = serde_json::from_str(json).ok()?;
        let package = |value: &Value| {
            let targets = value["targets"].as_array()?.iter();
            let names = targets.filter_map(|target| target["name"].as_str().map(str::to_owned));
            Some(Package {
                name: value["name"].as_str()?.to_owned(),
                manifest: value["manifest_path"].as_str()?.into(),
                targets: names.collect(),
                features: value["features"].as_object()?.keys().cloned().collect(),
            })
        };
        Some(Workspace {
            target_directory: metadata["target_directory"].as_str()?.into(),
            packages: metadata["packages"]
                .as_array()?
                .iter()
                .map(package)
                .collect::<Option<_>>()?,
        })
    }

    /// The member of that name.
    pub(crate) fn find(&self, name: &str) -> Result<&Package, String> {
        let names: Vec<&str> = self.packages.iter().map(|package| package.name.as_str()).collect();
        self.packages.iter().find(|package| package.name == name).ok_or_else(|| {
            format!("there is no package `{name}` in this workspace{}", nearest::hint(name, &names))
        })
    }

    /// Why a feature cannot be chosen: no measured crate has it. Features of dependencies, written
    /// with a `/`, are left to cargo.
    pub(crate) fn problem_of_feature(&self, feature: &str, scope: &Scope) -> Option<String> {
        let packages = match scope {
            Scope::Workspace => self.packages.as_slice(),
            Scope::Crate(package) => std::slice::from_ref(package),
        };
        let known = packages.iter().flat_map(|package| &package.features);
        let known: Vec<&str> = known.map(String::as_str).collect();
        let is_fine = feature.contains('/') || known.contains(&feature);
        (!is_fine).then(|| format!("unknown feature `{feature}`{}", nearest::hint(feature, &known)))
    }

    /// The member that a directory belongs to: the one whose own directory is the longest prefix.
    pub(crate) fn owner_of(&self, directory: &Path) -> Result<&Package, String> {
        let owners =
            self.packages.iter().filter(|package| directory.starts_with(package.directory()));
        owners.max_by_key(|package| package.directory().components().count()).ok_or_else(|| {
            let names: Vec<&str> = self.packages.iter().map(|it| it.name.as_str()).collect();
            format!("which crate? name it with `--package`: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let json = r#"{
            "packages": [
                {"name": "root", "manifest_path": "/r/Cargo.toml", "targets": [{"name": "root"}],
                    "features": {"default": [], "serde": ["dep:serde"]}},
                {"name": "in-a", "manifest_path": "/r/a/b/Cargo.toml", "targets": [{"name": "in_a"}, {"name": "cli"}],
                    "features": {}}
            ],
            "target_directory": "/r/target",
            "workspace_root": "/r"
        }"#;
        Workspace::parse(json).unwrap()
    }

    #[test]
    fn cargos_answer_is_read() {
        let workspace = workspace();
        assert_eq!(workspace.target_directory, Path::new("/r/target"));
        assert_eq!(workspace.packages[1].directory(), Path::new("/r/a/b"));
        assert_eq!(workspace.packages[1].targets, ["in_a", "cli"]);
        assert_eq!(Workspace::parse("{}"), None);
        assert_eq!(Workspace::parse("error"), None);
    }

    #[test]
    fn a_directory_belongs_to_the_nearest_package_above_it() {
        let workspace = workspace();
        assert_eq!(workspace.owner_of(Path::new("/r/a/b/src")).unwrap().name, "in-a");
        assert_eq!(workspace.owner_of(Path::new("/r/a")).unwrap().name, "root");
        assert_eq!(
            workspace.owner_of(Path::new("/elsewhere")).unwrap_err(),
            "which crate? name it with `--package`: root, in-a"
        );
    }

    #[test]
    fn an_unknown_package_names_the_nearest() {
        assert_eq!(
            workspace().find("in_a").unwrap_err(),
            "there is no package `in_a` in this workspace, did you mean `in-a`?"
        );
    }

    #[test]
    fn a_feature_is_looked_for_in_what_is_measured() {
        let workspace = workspace();
        let problem = |feature, scope| workspace.problem_of_feature(feature, scope);
        assert_eq!(problem("serde", &Scope::Workspace), None);
        assert_eq!(problem("dependency/std", &Scope::Workspace), None);
        assert_eq!(
            problem("serdee", &Scope::Workspace).as_deref(),
            Some("unknown feature `serdee`, did you mean `serde`?")
        );
        let other = Scope::Crate(workspace.packages[1].clone());
        assert_eq!(problem("serde", &other).as_deref(), Some("unknown feature `serde`"));
    }
}
