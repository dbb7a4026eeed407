//! Pure. What `cargo metadata --no-deps` says about a workspace, as far as it matters here.
//!
//! It is read as cargo prints it, and of a kilobyte for each package little is kept: there are
//! workspaces of ten thousand.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::text::nearest;

/// A workspace; all its paths are absolute.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) root: PathBuf,
    pub(crate) target_directory: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Empty where cargo is older than 1.71, which is too old to build this tool.
    pub(crate) default_members: Vec<Id>,
}

/// A member of a workspace.
#[derive(Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    /// Names of libraries, programs, tests and so on.
    pub(crate) targets: Box<[String]>,
    pub(crate) benches: Box<[String]>,
    pub(crate) features: Box<[String]>,
    /// The directories of dependencies that are given by path.
    pub(crate) path_dependencies: Box<[String]>,
    /// The names of all other dependencies.
    pub(crate) other_dependencies: Box<[Id]>,
    /// Whether cargo-all-features leaves the package out.
    pub(crate) skips_all_features: bool,
    pub(crate) depends_on_criterion: bool,
    pub(crate) is_proc_macro: bool,
    /// `publish` in the manifest allows crates.io.
    pub(crate) is_publishable: bool,
    pub(crate) has_build_script: bool,
    pub(crate) id: Id,
}

/// The hash of a package id or name, which is only compared: as text, the ids of ten thousand
/// packages and default members take two megabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Id(u64);

impl Id {
    pub(crate) fn of(text: &str) -> Id {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Id(hasher.finish())
    }
}

impl Package {
    /// Where the manifest is.
    pub(crate) fn directory(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new("/"))
    }
}

impl Metadata {
    /// Reads the output of `cargo metadata --no-deps --format-version 1`.
    ///
    /// # Errors
    ///
    /// If it is not what cargo prints.
    pub(crate) fn read(json: impl io::Read) -> serde_json::Result<Metadata> {
        let mut reader = serde_json::Deserializer::from_reader(io::BufReader::new(json));
        let metadata = reader.deserialize_map(MetadataVisitor)?;
        reader.end()?;
        if metadata.root.as_os_str().is_empty() {
            return Err(serde_json::Error::missing_field("workspace_root"));
        }
        Ok(metadata)
    }

    /// The package of that name.
    ///
    /// # Errors
    ///
    /// If there is none; names the nearest.
    pub(crate) fn package(&self, name: &str) -> Result<&Package, String> {
        self.packages.iter().find(|package| package.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.packages.iter().map(|it| it.name.as_str()).collect();
            format!("there is no package `{name}`{}", nearest::hint(name, &names))
        })
    }

    /// The packages that cargo takes where none is named.
    pub(crate) fn default_packages(&self) -> Vec<&Package> {
        let ids = &self.default_members;
        self.packages.iter().filter(|it| ids.is_empty() || ids.contains(&it.id)).collect()
    }

    /// The package that a directory belongs to: the one whose own directory is the longest prefix.
    ///
    /// # Errors
    ///
    /// If there is none; names all packages.
    pub(crate) fn owner_of(&self, directory: &Path) -> Result<&Package, String> {
        let owners = self.packages.iter().filter(|it| directory.starts_with(it.directory()));
        owners.max_by_key(|package| package.directory().components().count()).ok_or_else(|| {
            let names: Vec<&str> = self.packages.iter().map(|it| it.name.as_str()).collect();
            format!("which crate? name it with `--package`: {}", names.join(", "))
        })
    }
}

/// Why a feature cannot be chosen: none of the packages has it. Features of dependencies, written
/// with a `/`, are left to cargo.
pub(crate) fn problem_of_feature<'p>(
    packages: impl IntoIterator<Item = &'p Package>,
    feature: &str,
) -> Option<String> {
    let known = packages.into_iter().flat_map(|package| &package.features);
    let known: Vec<&str> = known.map(String::as_str).collect();
    let is_fine = feature.contains('/') || known.contains(&feature);
    (!is_fine).then(|| format!("unknown feature `{feature}`{}", nearest::hint(feature, &known)))
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "packages" => metadata.packages = map.next_value()?,
                "target_directory" => metadata.target_directory = map.next_value()?,
                "workspace_default_members" => metadata.default_members = map.next_value()?,
                "workspace_root" => metadata.root = map.next_value()?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(metadata)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        Ok(Id::of(&String::deserialize(deserializer)?))
    }
}

impl<'de> Deserialize<'de> for Package {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Package, D::Error> {
        let json = Value::deserialize(deserializer)?;
        let name = json["name"].as_str().ok_or_else(|| D::Error::missing_field("name"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |key: &str| json[key].as_array().map(Vec::as_slice).unwrap_or_default();
        let (targets, dependencies) = (list("targets"), list("dependencies"));
        let is_crates_io = |registry: &Value| registry == "crates-io";
        let of_kind = |kind: &'static str| {
            let is_it = move |it: &&Value| {
                it["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it == kind))
            };
            targets.iter().filter(is_it)
        };
        let is_criterion = |it: &Value| it["name"] == "criterion" || it["rename"] == "criterion";
        let (local, others): (Vec<&Value>, Vec<&Value>) =
            dependencies.iter().partition(|it| it["path"].is_string());
        Ok(Package {
            name: name.to_owned(),
            manifest: text(&json["manifest_path"]).into(),
            targets: targets.iter().map(|it| text(&it["name"])).collect(),
            benches: of_kind("bench").map(|it| text(&it["name"])).collect(),
            features: json["features"]
                .as_object()
                .into_iter()
                .flat_map(Map::keys)
                .cloned()
                .collect(),
            path_dependencies: local.into_iter().map(|it| text(&it["path"])).collect(),
            other_dependencies: others.into_iter().map(|it| Id::of(&text(&it["name"]))).collect(),
            skips_all_features: json["metadata"]["cargo-all-features"]["skip_package"] == true,
            depends_on_criterion: dependencies.iter().any(is_criterion),
            is_proc_macro: of_kind("proc-macro").next().is_some(),
            is_publishable: !json["publish"].is_array() || list("publish").iter().any(is_crates_io),
            has_build_script: of_kind("custom-build").next().is_some(),
            id: Id::of(&text(&json["id"])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        let json = r#"{
            "packages": [
                {"name": "root", "version": "1.0.0", "manifest_path": "/r/Cargo.toml", "id": "r",
                    "targets": [{"kind": ["lib"], "name": "root", "doc": true}],
                    "features": {"serde": ["dep:serde"], "default": []}, "dependencies": [
                        {"name": "in-a", "path": "/r/a/b", "kind": "dev", "rename": null},
                        {"name": "c", "req": "1", "rename": "criterion"}, {"name": "d", "path": null}]},
                {"name": "in-a", "manifest_path": "/r/a/b/Cargo.toml", "id": "a", "dependencies": [],
                    "targets": [{"kind": ["bench"], "name": "main"}, {"kind": ["bin"], "name": "cli"}],
                    "features": {}, "publish": [], "metadata": {"cargo-all-features": {"skip_package": true}}}
            ],
            "workspace_members": ["r", "a"], "workspace_default_members": ["a"],
            "target_directory": "/r/target", "workspace_root": "/r", "metadata": null
        }"#;
        Metadata::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn cargos_answer_is_read() {
        let metadata = metadata();
        assert_eq!(metadata.root, Path::new("/r"));
        assert_eq!(metadata.target_directory, Path::new("/r/target"));
        let [root, inner] = metadata.packages.as_slice() else { panic!("{metadata:?}") };
        assert_eq!(inner.directory(), Path::new("/r/a/b"));
        assert_eq!(*inner.targets, ["main", "cli"]);
        assert_eq!(*inner.benches, ["main"]);
        assert_eq!(*root.features, ["serde", "default"]);
        assert_eq!(*root.path_dependencies, ["/r/a/b"]);
        assert_eq!(*root.other_dependencies, [Id::of("c"), Id::of("d")]);
        assert_eq!((root.skips_all_features, inner.skips_all_features), (false, true));
        assert_eq!((root.is_publishable, inner.is_publishable), (true, false));
        assert_eq!((root.depends_on_criterion, inner.depends_on_criterion), (true, false));
        for text in ["{}", "{", "error", "[]", r#"{"workspace_root": "/r", "packages": [1]}"#] {
            assert!(Metadata::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn default_packages_are_those_that_cargo_names() {
        let mut metadata = metadata();
        let names = |metadata: &Metadata| {
            let packages = metadata.default_packages().into_iter();
            packages.map(|package| package.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&metadata), ["in-a"]);
        metadata.default_members.clear();
        assert_eq!(names(&metadata), ["root", "in-a"]);
    }

    #[test]
    fn a_directory_belongs_to_the_nearest_package_above_it() {
        let metadata = metadata();
        let owner = |path| metadata.owner_of(Path::new(path)).ok().map(|it| it.name.as_str());
        assert_eq!(owner("/r/a/b/src"), Some("in-a"));
        assert_eq!(owner("/r/a"), Some("root"));
        assert_eq!(owner("/elsewhere"), None);
    }

    #[test]
    fn unknown_packages_and_features_name_the_nearest() {
        let metadata = metadata();
        assert_eq!(
            metadata.package("in_a").unwrap_err(),
            "there is no package `in_a`, did you mean `in-a`?"
        );
        let problem = |feature| problem_of_feature(&metadata.packages, feature);
        assert_eq!(problem("serde"), None);
        assert_eq!(problem("dependency/std"), None);
        assert_eq!(
            problem("serdee").as_deref(),
            Some("unknown feature `serdee`, did you mean `serde`?")
        );
        let problem = problem_of_feature(&metadata.packages[1..], "serde");
        assert_eq!(problem.as_deref(), Some("unknown feature `serde`"));
    }
}
