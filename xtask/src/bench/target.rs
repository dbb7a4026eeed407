//! Pure. Which benchmarks a revision has.

use crate::plan::metadata::{Metadata, Package, problem_of_feature};

/// The bench target that is measured.
const TARGET: &str = "main";

/// The packages of a revision whose benchmarks are measured.
#[derive(Debug)]
pub(crate) struct Benchmarks<'m>(Vec<&'m Package>);

impl<'m> Benchmarks<'m> {
    /// The benchmarks of one package, or of those that cargo takes by itself.
    ///
    /// # Errors
    ///
    /// If there is none: a sentence without its end.
    pub(crate) fn of(metadata: &'m Metadata, package: Option<&str>) -> Result<Self, String> {
        let chosen = match package {
            Some(name) => vec![metadata.package(name)?],
            None => metadata.default_packages(),
        };
        let (measured, others): (Vec<&Package>, Vec<&Package>) =
            metadata.packages.iter().filter(|it| has_bench(it)).partition(|it| chosen.contains(it));
        if measured.is_empty() {
            return Err(no_target(package, &others));
        }
        Ok(Benchmarks(measured))
    }

    /// Whether `criterion` itself is among the dependencies, and not only what wraps it.
    pub(crate) fn have_criterion(&self) -> bool {
        self.0.iter().any(|package| package.depends_on_criterion)
    }

    /// Those of a list of features, as cargo takes it, that no measured package has, and why.
    pub(crate) fn unknown_features<'l>(&self, list: &'l str) -> Vec<(&'l str, String)> {
        let problem = |name| Some((name, problem_of_feature(self.0.iter().copied(), name)?));
        names(list).filter_map(problem).collect()
    }

    /// What to say where several packages are measured: criterion knows benchmarks by name only.
    pub(crate) fn warning(&self) -> Option<String> {
        let [_, _, ..] = self.0.as_slice() else { return None };
        let names: Vec<&str> = self.0.iter().map(|package| package.name.as_str()).collect();
        Some(format!(
            "warning: several packages have a bench target `{TARGET}` (`{}`): of benchmarks with the \
             same name one stands for all; `--package` measures one package",
            names.join("`, `")
        ))
    }
}

fn has_bench(package: &Package) -> bool {
    package.benches.iter().any(|name| name == TARGET)
}

fn no_target(package: Option<&str>, others: &[&Package]) -> String {
    let whose = match package {
        Some(name) => format!("the package `{name}` has"),
        None => "there is".to_owned(),
    };
    let elsewhere: Vec<String> =
        others.iter().map(|package| format!("`--package {}`", package.name)).collect();
    let hint = match elsewhere.as_slice() {
        [] => String::new(),
        some => format!(", but there is with {}", some.join(", ")),
    };
    format!("{whose} no bench target `{TARGET}`{hint}")
}

/// A list of features without some of them.
pub(crate) fn without(list: &str, dropped: &[&str]) -> String {
    names(list).filter(|name| !dropped.contains(name)).collect::<Vec<_>>().join(",")
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

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

    fn metadata(packages: &[Value], default: &[&str]) -> Metadata {
        let default = default.iter().map(|name| format!("path+file:///r/{name}#0.1.0"));
        let metadata = json!({
            "workspace_root": "/r", "target_directory": "/r/target", "packages": packages,
            "workspace_default_members": default.collect::<Vec<_>>(),
        });
        Metadata::read(metadata.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_a_bench_target_of_that_name_counts() {
        let found = metadata(&[package("a", Some("main"))], &["a"]);
        assert!(Benchmarks::of(&found, None).unwrap().have_criterion());
        for bench in [None, Some("other")] {
            let found = metadata(&[package("a", bench)], &["a"]);
            assert_eq!(
                Benchmarks::of(&found, None).unwrap_err(),
                "there is no bench target `main`"
            );
        }
    }

    #[test]
    fn a_package_that_is_not_a_default_member_has_to_be_named() {
        let found = metadata(&[package("a", None), package("b", Some("main"))], &["a"]);
        assert_eq!(
            Benchmarks::of(&found, None).unwrap_err(),
            "there is no bench target `main`, but there is with `--package b`"
        );
        assert!(Benchmarks::of(&found, Some("b")).is_ok());
        assert_eq!(
            Benchmarks::of(&found, Some("a")).unwrap_err(),
            "the package `a` has no bench target `main`, but there is with `--package b`"
        );
    }

    #[test]
    fn several_packages_are_measured_with_a_warning() {
        let bench = |name: &str| package(name, Some("main"));
        let found = metadata(&[bench("a"), bench("b")], &["a", "b"]);
        let warning = Benchmarks::of(&found, None).unwrap().warning().unwrap();
        assert!(
            warning.contains("several packages have a bench target `main` (`a`, `b`)"),
            "{warning}"
        );
        assert_eq!(Benchmarks::of(&found, Some("b")).unwrap().warning(), None);
    }

    #[test]
    fn features_that_a_revision_lacks_are_found() {
        let metadata = metadata(&[package("a", Some("main"))], &["a"]);
        let found = Benchmarks::of(&metadata, None).unwrap();
        assert_eq!(found.unknown_features("default, extra b/c"), []);
        let unknown = found.unknown_features("extra,new exrta");
        let names: Vec<&str> = unknown.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["new", "exrta"]);
        assert_eq!(unknown[1].1, "unknown feature `exrta`, did you mean `extra`?");
        assert_eq!(without("extra,new exrta", &names), "extra");
    }
}
