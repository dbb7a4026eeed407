//! Pure. Which benchmarks a revision has, from what `cargo metadata` says about it.

use serde_json::Value;

use crate::text::nearest;

/// The bench target that is measured.
pub(crate) const TARGET: &str = "main";

/// A workspace as `cargo metadata --no-deps` describes it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: String,
    pub(crate) target_dir: String,
    packages: Vec<Package>,
}

#[derive(Debug)]
struct Package {
    name: String,
    /// Whether cargo takes it where no package is named.
    is_default: bool,
    has_bench: bool,
    has_criterion: bool,
    features: Vec<String>,
}

/// What of a revision can be measured.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Benchmarks {
    /// Whether `criterion` itself is among the dependencies, and not only what wraps it.
    pub(crate) has_criterion: bool,
    /// Of the packages that are measured; without their dependencies' own.
    pub(crate) features: Vec<String>,
    packages: Vec<String>,
}

impl Benchmarks {
    /// Those of a list of features, as cargo takes it, that these packages do not have. What is
    /// another package's (`dependency/feature`) is left to cargo.
    pub(crate) fn unknown_features<'l>(&self, list: &'l str) -> Vec<&'l str> {
        let is_known =
            |name: &&str| name.contains('/') || self.features.iter().any(|it| it == name);
        names(list).filter(|name| !is_known(name)).collect()
    }

    /// What to say where several packages are measured: criterion knows benchmarks by name only.
    pub(crate) fn warning(&self) -> Option<String> {
        let [_, _, ..] = self.packages.as_slice() else { return None };
        Some(format!(
            "warning: several packages have a bench target `{TARGET}` (`{}`): of benchmarks with the \
             same name one stands for all; `--package` measures one package",
            self.packages.join("`, `")
        ))
    }

    /// For messages: what was most likely meant.
    pub(crate) fn hint(&self, feature: &str) -> String {
        let features: Vec<&str> = self.features.iter().map(String::as_str).collect();
        nearest::hint(feature, &features)
    }
}

/// A list of features without some of them.
pub(crate) fn without(list: &str, dropped: &[&str]) -> String {
    names(list).filter(|name| !dropped.contains(name)).collect::<Vec<_>>().join(",")
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).filter(|name| !name.is_empty())
}

/// Why there is nothing to measure: a sentence without its end.
pub(crate) type Absence = String;

impl Workspace {
    /// Reads the output of `cargo metadata --no-deps --format-version 1`.
    pub(crate) fn parse(text: &str) -> Option<Workspace> {
        let metadata: Value = serde_json::from_str(text).ok()?;
        let root = metadata["workspace_root"].as_str()?.to_owned();
        // Cargo before 1.71 does not say which members are the default; a package at the root is.
        let at_root = format!("{root}/Cargo.toml");
        let entries = metadata["packages"].as_array()?;
        let has_root_package = entries.iter().any(|it| it["manifest_path"] == *at_root);
        let is_default = |entry: &Value| match metadata["workspace_default_members"].as_array() {
            Some(ids) => ids.contains(&entry["id"]),
            None => !has_root_package || entry["manifest_path"] == *at_root,
        };
        let packages = entries.iter().map(|entry| Package::of(entry, is_default(entry)));
        Some(Workspace {
            packages: packages.collect::<Option<Vec<Package>>>()?,
            target_dir: metadata["target_directory"].as_str()?.to_owned(),
            root,
        })
    }

    /// The benchmarks of one package, or of those that cargo takes by itself.
    pub(crate) fn benchmarks(&self, package: Option<&str>) -> Result<Benchmarks, Absence> {
        let chosen: Vec<&Package> = self
            .packages
            .iter()
            .filter(|it| package.map_or(it.is_default, |name| it.name == name))
            .collect();
        if let (Some(name), true) = (package, chosen.is_empty()) {
            let names: Vec<&str> = self.packages.iter().map(|it| it.name.as_str()).collect();
            return Err(format!("there is no package `{name}`{}", nearest::hint(name, &names)));
        }
        let measured: Vec<&Package> = chosen.iter().copied().filter(|it| it.has_bench).collect();
        if measured.is_empty() {
            return Err(self.no_target(package));
        }
        Ok(Benchmarks {
            has_criterion: measured.iter().any(|it| it.has_criterion),
            features: measured.iter().flat_map(|it| it.features.clone()).collect(),
            packages: measured.iter().map(|it| it.name.clone()).collect(),
        })
    }

    fn no_target(&self, package: Option<&str>) -> Absence {
        let whose = match package {
            Some(name) => format!("the package `{name}` has"),
            None => "there is".to_owned(),
        };
        let elsewhere: Vec<String> = self
            .packages
            .iter()
            .filter(|it| it.has_bench && package != Some(&it.name))
            .map(|it| format!("`--package {}`", it.name))
            .collect();
        let hint = match elsewhere.as_slice() {
            [] => String::new(),
            some => format!(", but there is with {}", some.join(", ")),
        };
        format!("{whose} no bench target `{TARGET}`{hint}")
    }
}

impl Package {
    fn of(entry: &Value, is_default: bool) -> Option<Package> {
        let is_bench = |target: &Value| {
            let kinds = target["kind"].as_array();
            let is_bench = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bench"));
            is_bench && target["name"] == TARGET
        };
        let is_criterion = |dependency: &Value| {
            ["name", "rename"].iter().any(|key| dependency[key] == "criterion")
        };
        let features = entry["features"].as_object()?;
        Some(Package {
            name: entry["name"].as_str()?.to_owned(),
            is_default,
            has_bench: entry["targets"].as_array()?.iter().any(is_bench),
            has_criterion: entry["dependencies"].as_array()?.iter().any(is_criterion),
            features: features.keys().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, bench: Option<&str>) -> Value {
        let bench = bench.map(|bench| json!({"kind": ["bench"], "name": bench}));
        let library = json!({"kind": ["lib"], "name": "main"});
        json!({
            "name": name, "id": format!("path+file:///r/{name}#0.1.0"),
            "manifest_path": format!("/r/{name}/Cargo.toml"),
            "targets": std::iter::once(library).chain(bench).collect::<Vec<_>>(),
            "dependencies": [{"name": "criterion", "rename": null}],
            "features": {"default": [], "extra": []},
        })
    }

    fn workspace(packages: &[Value], default: &[&str]) -> Workspace {
        let default = default.iter().map(|name| format!("path+file:///r/{name}#0.1.0"));
        let metadata = json!({
            "workspace_root": "/r", "target_directory": "/r/target", "packages": packages,
            "workspace_default_members": default.collect::<Vec<_>>(),
        });
        Workspace::parse(&metadata.to_string()).unwrap()
    }

    #[test]
    fn only_a_bench_target_of_that_name_counts() {
        let found = workspace(&[package("a", Some("main"))], &["a"]);
        assert_eq!(found.benchmarks(None).unwrap().features, ["default", "extra"]);
        for bench in [None, Some("other")] {
            let found = workspace(&[package("a", bench)], &["a"]);
            assert_eq!(found.benchmarks(None).unwrap_err(), "there is no bench target `main`");
        }
    }

    #[test]
    fn a_package_that_is_not_a_default_member_has_to_be_named() {
        let found = workspace(&[package("a", None), package("b", Some("main"))], &["a"]);
        assert_eq!(
            found.benchmarks(None).unwrap_err(),
            "there is no bench target `main`, but there is with `--package b`"
        );
        assert!(found.benchmarks(Some("b")).is_ok());
        assert_eq!(
            found.benchmarks(Some("a")).unwrap_err(),
            "the package `a` has no bench target `main`, but there is with `--package b`"
        );
    }

    #[test]
    fn several_packages_are_measured_with_a_warning() {
        let bench = |name: &str| package(name, Some("main"));
        let found = workspace(&[bench("a"), bench("b")], &["a", "b"]);
        let warning = found.benchmarks(None).unwrap().warning().unwrap();
        assert!(
            warning.contains("several packages have a bench target `main` (`a`, `b`)"),
            "{warning}"
        );
        assert_eq!(found.benchmarks(Some("b")).unwrap().warning(), None);
    }

    #[test]
    fn an_unknown_package_names_the_nearest() {
        let found = workspace(&[package("vm-memory", None)], &["vm-memory"]);
        assert_eq!(
            found.benchmarks(Some("vm-memroy")).unwrap_err(),
            "there is no package `vm-memroy`, did you mean `vm-memory`?"
        );
    }

    #[test]
    fn features_that_a_revision_lacks_are_found() {
        let found = workspace(&[package("a", Some("main"))], &["a"]).benchmarks(None).unwrap();
        assert_eq!(found.unknown_features("default, extra b/c"), Vec::<&str>::new());
        assert_eq!(found.unknown_features("extra,new other"), ["new", "other"]);
        assert_eq!(without("extra,new other", &["new", "other"]), "extra");
        assert_eq!(found.hint("exrta"), ", did you mean `extra`?");
    }

    #[test]
    fn an_old_cargo_does_not_name_the_default_members() {
        let mut root = package("root", Some("main"));
        root["manifest_path"] = json!("/r/Cargo.toml");
        let parse = |packages: Vec<Value>| {
            let metadata = json!({
                "workspace_root": "/r", "target_directory": "/t", "packages": packages,
            });
            Workspace::parse(&metadata.to_string()).unwrap()
        };
        assert!(parse(vec![root, package("a", None)]).benchmarks(None).is_ok());
        assert!(parse(vec![package("a", Some("main"))]).benchmarks(None).is_ok());
    }
}
