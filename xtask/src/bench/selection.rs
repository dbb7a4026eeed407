//! Pure. What is measured, and in which order.

use std::fmt;

use crate::plan::metadata::{Metadata, Package, problem_of_feature};
use crate::text::diagnostic::Rejected;
use crate::text::extended_regex::escape;

/// The bench target that is measured.
pub(crate) const TARGET: &str = "main";

/// What is built and run on a side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) package: Option<String>,
    /// As cargo takes them; None means all.
    pub(crate) features: Option<String>,
    /// `--locked` and `--offline`, as given.
    pub(crate) passed_to_cargo: Vec<&'static str>,
}

impl Selection {
    /// Checks the features that are measured on the change.
    ///
    /// # Errors
    ///
    /// Rejects a feature that no measured package has (exit code 2).
    pub(crate) fn check_features(&self, change: &Benchmarks<'_>) -> Result<(), Rejected> {
        match self.feature_names().find_map(|name| change.problem_of_feature(name)) {
            Some(problem) => {
                Err(Rejected::new(problem).help("`[features]` in Cargo.toml lists the features"))
            }
            None => Ok(()),
        }
    }

    /// Returns what the base can measure of this, and the features that it lacks.
    ///
    /// # Errors
    ///
    /// If it has nothing to compare with, with the reason.
    pub(crate) fn on_base(
        &self,
        change: &Benchmarks<'_>,
        base: &Metadata,
    ) -> Result<(Selection, Vec<&str>), String> {
        let base = Benchmarks::of(base, self.package.as_deref())?;
        if change.have_criterion() && !base.have_criterion() {
            return Err(format!("the bench target `{TARGET}` does not use criterion"));
        }
        let (known, lacking): (Vec<&str>, Vec<&str>) =
            self.feature_names().partition(|name| base.problem_of_feature(name).is_none());
        let mut selection = self.clone();
        selection.features = self.features.as_ref().map(|_| known.join(","));
        // The lock file of the base may be that of the change, which need not fit its manifests.
        selection.passed_to_cargo.retain(|option| *option != "--locked");
        Ok((selection, lacking))
    }

    fn feature_names(&self) -> impl Iterator<Item = &str> {
        let list = self.features.as_deref().unwrap_or_default();
        list.split([',', ' ']).filter(|name| !name.is_empty())
    }
}

/// The packages of a revision whose benchmarks are measured.
#[derive(Debug)]
pub(crate) struct Benchmarks<'m>(Vec<&'m Package>);

impl<'m> Benchmarks<'m> {
    /// Finds the benchmarks of one package, or of cargo's default packages.
    ///
    /// # Errors
    ///
    /// If there is none, with the message.
    pub(crate) fn of(metadata: &'m Metadata, package: Option<&str>) -> Result<Self, String> {
        let chosen = match package {
            Some(name) => vec![metadata.package(name)?],
            None => metadata.default_packages(),
        };
        let with_bench =
            metadata.packages.iter().filter(|it| it.benches.iter().any(|name| name == TARGET));
        let (measured, others): (Vec<&Package>, Vec<&Package>) =
            with_bench.partition(|it| chosen.contains(it));
        if measured.is_empty() {
            return Err(no_target(package, &others));
        }
        Ok(Benchmarks(measured))
    }

    /// Whether `criterion` itself is among the dependencies, and not only a wrapper of it.
    pub(crate) fn have_criterion(&self) -> bool {
        self.0.iter().any(|package| package.depends_on_criterion)
    }

    fn problem_of_feature(&self, name: &str) -> Option<String> {
        problem_of_feature(self.0.iter().copied(), name)
    }

    /// Returns a warning where several packages are measured: criterion tells benchmarks apart by name
    /// only.
    pub(crate) fn warning(&self) -> Option<String> {
        let [_, _, ..] = self.0.as_slice() else { return None };
        let names: Vec<&str> = self.0.iter().map(|package| package.name.as_str()).collect();
        Some(format!(
            "warning: several packages have a bench target `{TARGET}` (`{}`): of benchmarks with the \
             same name only one counts; `--package` measures one package",
            names.join("`, `")
        ))
    }
}

fn no_target(package: Option<&str>, others: &[&Package]) -> String {
    let whose = match package {
        Some(name) => format!("the package `{name}` has"),
        None => "there is".to_owned(),
    };
    let others: Vec<String> = others.iter().map(|it| format!("`--package {}`", it.name)).collect();
    let but = if others.is_empty() { "" } else { ", but there is with " };
    format!("{whose} no bench target `{TARGET}`{but}{}", others.join(", "))
}

/// A side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideName {
    Base,
    Change,
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SideName::Base => "base",
            SideName::Change => "change",
        })
    }
}

/// With fewer rounds a single disturbance of the machine could pass for a slowdown.
pub(crate) const MIN_GATED_ROUNDS: usize = 3;

/// How often each side is measured, and whether a slowdown fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// None means once, the change first.
    pub(crate) rounds: Option<usize>,
    /// A slowdown beyond this many percent, and beyond the noise, is a failure.
    pub(crate) fail_above_percent: Option<f64>,
}

/// More would take days.
const MAX_ROUNDS: usize = 1000;

impl Schedule {
    /// Checks the options of the command line.
    ///
    /// # Errors
    ///
    /// If there are too many or too few rounds (exit code 2).
    pub(crate) fn new(
        rounds: Option<usize>,
        fail_above_percent: Option<f64>,
    ) -> Result<Schedule, Rejected> {
        let rounds = rounds.or(fail_above_percent.map(|_| MIN_GATED_ROUNDS));
        let message = match (rounds, fail_above_percent) {
            (Some(rounds), _) if !(1..=MAX_ROUNDS).contains(&rounds) => {
                format!("`--rounds` takes a number from 1 to {MAX_ROUNDS}")
            }
            (Some(rounds), Some(_)) if rounds < MIN_GATED_ROUNDS => format!(
                "`--fail-above` needs `--rounds {MIN_GATED_ROUNDS}` or more to tell a slowdown from noise"
            ),
            _ => return Ok(Schedule { rounds, fail_above_percent }),
        };
        Err(Rejected::new(message).help("see `cargo xtask help bench`"))
    }

    /// Returns the runs in their order. A gate has one run of the base more than rounds, so that every run
    /// of the change lies between two of the base: what disturbs two runs of the change disturbs
    /// the base, too.
    pub(crate) fn runs(&self) -> Vec<SideName> {
        let Some(rounds) = self.rounds else { return vec![SideName::Change, SideName::Base] };
        let mut runs = [SideName::Base, SideName::Change].repeat(rounds);
        if self.fail_above_percent.is_some() {
            runs.push(SideName::Base);
        }
        runs
    }

    /// Returns further runs that confirm a slowdown, in stages; all runs so far count each time.
    /// Each stage doubles the number of rounds: on a machine so busy that every other run takes twice
    /// as long, the first runs alone would be wrong about one benchmark in six, and these stages
    /// about one in three thousand.
    pub(crate) fn confirmations(&self) -> Vec<Vec<SideName>> {
        let (Some(rounds), Some(_)) = (self.rounds, self.fail_above_percent) else {
            return Vec::new();
        };
        [rounds, 2 * rounds]
            .map(|rounds| [SideName::Change, SideName::Base].repeat(rounds))
            .to_vec()
    }
}

/// Returns a regular expression that these benchmarks match and no others, as criterion takes it. None where
/// it would be longer than a command line takes: then all of them are measured.
pub(crate) fn filter<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    // Linux takes arguments of 128 KiB, and criterion expressions that need 10 MiB when compiled.
    const LIMIT_BYTES: usize = 16 << 10;
    let escaped: Vec<String> = names.map(escape).collect();
    let filter = format!("^(?:{})$", escaped.join("|"));
    (filter.len() <= LIMIT_BYTES).then_some(filter)
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
        let of = |list: &str| Selection { features: Some(list.to_owned()), ..Selection::default() };
        let selection = of("default, extra b/c");
        assert_eq!(selection.on_base(&found, &metadata).unwrap().1, [""; 0]);
        let selection = of("extra,new exrta");
        let (on_base, lacking) = selection.on_base(&found, &metadata).unwrap();
        assert_eq!(lacking, ["new", "exrta"]);
        assert_eq!(on_base.features.as_deref(), Some("extra"));
        let error = of("extra exrta").check_features(&found).unwrap_err().to_string();
        assert!(error.contains("unknown feature `exrta`, did you mean `extra`?"), "{error}");
    }

    fn letters(rounds: Option<usize>, fail_above_percent: Option<f64>) -> String {
        let schedule = Schedule::new(rounds, fail_above_percent).unwrap();
        let letter = |side: &SideName| if *side == SideName::Base { 'b' } else { 'c' };
        schedule.runs().iter().map(letter).collect()
    }

    #[test]
    fn sides_alternate() {
        assert_eq!(letters(None, None), "cb");
        assert_eq!(letters(Some(2), None), "bcbc");
        assert_eq!(letters(None, Some(10.0)), "bcbcbcb");
        assert_eq!(letters(Some(4), Some(10.0)), "bcbcbcbcb");
    }

    #[test]
    fn a_gate_confirms_slowdowns() {
        let stages = |schedule: Schedule| -> Vec<usize> {
            schedule.confirmations().iter().map(Vec::len).collect()
        };
        assert_eq!(stages(Schedule::new(None, Some(10.0)).unwrap()), [6, 12]);
        assert_eq!(stages(Schedule::new(Some(5), None).unwrap()), [0; 0]);
        let first = &Schedule::new(None, Some(10.0)).unwrap().confirmations()[0];
        assert_eq!(first[..2], [SideName::Change, SideName::Base], "the base ran last");
    }

    #[test]
    fn a_filter_takes_names_literally() {
        let names = ["read", "a/b (1.5)"].into_iter();
        assert_eq!(filter(names).unwrap(), r"^(?:read|a/b \(1\.5\))$");
        assert_eq!(
            filter(std::iter::repeat_n("a name", 3000)),
            None,
            "too long for a command line"
        );
    }

    #[test]
    fn too_few_rounds_are_refused() {
        let message =
            |rounds, percent| Schedule::new(Some(rounds), percent).unwrap_err().to_string();
        assert!(message(0, None).contains("from 1"));
        assert!(message(usize::MAX, None).contains("to 1000"));
        assert!(message(2, Some(5.0)).contains("`--rounds 3` or more"));
    }

    #[test]
    fn a_gate_has_rounds() {
        let rounds = |given, percent| Schedule::new(given, percent).unwrap().rounds;
        assert_eq!(rounds(None, None), None);
        assert_eq!(rounds(Some(1), None), Some(1));
        assert_eq!(rounds(None, Some(1.0)), Some(MIN_GATED_ROUNDS));
    }
}
