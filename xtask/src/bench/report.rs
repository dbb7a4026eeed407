//! Pure. The forms of a comparison: the lines of the gate, JSON, and Markdown for an annotation.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::Base;
use crate::bench::results::{Comparison, Estimate, Row, nanoseconds};
use crate::bench::selection::{Schedule, Selection, SideName};
use crate::outcome::Outcome;
use crate::text::diagnostic::Failure;
use crate::text::sanitize::visible;

/// The context of the numbers.
pub(crate) struct Heading<'a> {
    pub(crate) base: Base,
    /// Whether the base was measured by an earlier run.
    pub(crate) base_reused: bool,
    /// Relative to the root of the repository.
    pub(crate) workspace: &'a Path,
    /// Of the change.
    pub(crate) selection: Selection,
    pub(crate) schedule: Schedule,
}

/// Returns a note if two compilers build the sides. Each is what `rustc --version --verbose` prints
/// there.
pub(crate) fn different_compilers(change: &str, base: &str) -> Option<String> {
    let version = |text: &str| visible(text.lines().next().unwrap_or_default());
    (change != base).then(|| {
        let (change, base) = (version(change), version(base));
        format!("note: `{change}` builds the change and `{base}` the base")
    })
}

/// Why a side has no results. Cargo has shown more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    DoesNotBuild,
    Fails,
    /// The standard harness runs what this manifest should give to criterion.
    DefaultHarness(PathBuf),
    /// The run passed: no benchmark is compiled in.
    NoResults,
}

/// The next step where the base cannot be measured.
pub(crate) const OTHER_BASE: &str =
    "compare with another base: `--against merge-base`, or REMOTE and BASE_BRANCH";

impl Problem {
    /// The error about a side, with the next step.
    pub(crate) fn failure(&self, side: SideName, base: &Base, has_criterion: bool) -> Failure {
        let whose = match side {
            SideName::Change => "the change".to_owned(),
            SideName::Base => format!("the base ({}, {})", base.name, base.id),
        };
        let help = match (self, side) {
            (Problem::DefaultHarness(manifest), _) => format!(
                "add `harness = false` to the `[[bench]]` section of `main` in `{}`",
                visible(&manifest.display().to_string())
            ),
            (_, SideName::Base) => OTHER_BASE.to_owned(),
            (Problem::DoesNotBuild, _) => "fix what the compiler reports above".to_owned(),
            _ if !has_criterion => {
                "add `criterion` to the `[dev-dependencies]`: only its benchmarks take \
                 `--save-baseline`"
                    .to_owned()
            }
            (Problem::Fails, _) => "fix the failure above".to_owned(),
            (Problem::NoResults, _) => {
                "see which features build a benchmark: `--features`".to_owned()
            }
        };
        Failure::new(format!("the benchmarks of {whose} {self}")).help(help)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::DoesNotBuild => "do not build",
            Problem::Fails => "failed",
            Problem::DefaultHarness(_) => {
                "failed: they run in the standard harness, not in criterion's"
            }
            Problem::NoResults => "left no results",
        })
    }
}

/// A gate that compared nothing has not passed.
pub(crate) fn outcome(comparison: &Comparison, fail_above_percent: Option<f64>) -> Outcome {
    match (comparison.slower().next(), fail_above_percent) {
        (Some(_), _) => Outcome::Fail,
        (None, Some(_)) if comparison.compared() == 0 => Outcome::Unavailable,
        (None, _) => Outcome::Pass,
    }
}

/// Returns what the table does not say: the benchmarks that one side lacks, those that fail the
/// gate, and its verdict.
pub(crate) fn lines(comparison: &Comparison, fail_above_percent: Option<f64>) -> Vec<String> {
    let mut lines = Vec::new();
    for side in [SideName::Base, SideName::Change] {
        let other = |row: &Row| if side == SideName::Base { row.change } else { row.base };
        let rows = comparison.rows.iter().filter(|row| other(row).is_none());
        let names: Vec<String> = rows.map(|row| format!("`{}`", visible(&row.name))).collect();
        // A side that has nothing at all was reported before.
        if !names.is_empty() && names.len() < comparison.rows.len() {
            lines.push(format!("note: only the {side} has {}", names.join(", ")));
        }
    }
    if let Some(limit) = fail_above_percent.filter(|_| comparison.compared() > 0) {
        lines.extend(comparison.slower().map(slower_line));
        lines.push(summary(comparison, limit));
    }
    lines
}

fn summary(comparison: &Comparison, limit: f64) -> String {
    let (slower, compared) = (comparison.slower().count(), comparison.compared());
    if compared == 0 {
        return "no benchmark was compared".to_owned();
    }
    format!("{slower} of {compared} benchmarks slower by more than {limit} % and the noise")
}

fn slower_line(row: &Row) -> String {
    format!(
        "slower: `{}` takes {:.2} times as long as on the base ({}, was {}), the noise of the base is {:.1} %",
        visible(&row.name),
        row.ratio().unwrap_or(f64::NAN),
        time(row.change),
        time(row.base),
        row.noise_percent.unwrap_or(f64::NAN),
    )
}

/// Returns all results as JSON. Times are in nanoseconds.
pub(crate) fn json(heading: &Heading<'_>, comparison: &Comparison) -> String {
    let failed = comparison.slower().next().is_some();
    let value = json!({
        "base": {
            "name": heading.base.name,
            "commit": heading.base.id,
            "reused": heading.base_reused,
        },
        "workspace": heading.workspace.to_string_lossy(),
        "package": heading.selection.package,
        "features": heading.selection.features,
        "rounds": heading.schedule.rounds.unwrap_or(1),
        "fail_above_percent": heading.schedule.fail_above_percent,
        "failed": failed,
        "benchmarks": comparison.rows.iter().map(json_row).collect::<Vec<Value>>(),
    });
    format!("{value:#}\n")
}

fn json_row(row: &Row) -> Value {
    let side = |estimate: Option<Estimate>| {
        estimate.map(|it| json!({"median_ns": it.ns, "low_ns": it.low_ns, "high_ns": it.high_ns}))
    };
    json!({
        "name": row.name,
        "base": side(row.base),
        "change": side(row.change),
        "ratio": row.ratio(),
        "noise_percent": row.noise_percent,
        "slower": row.is_slower,
    })
}

/// Returns a table for an annotation.
pub(crate) fn markdown(heading: &Heading<'_>, comparison: &Comparison) -> String {
    let package = heading.selection.package.as_ref();
    let package = package.map(|name| format!(" of `{name}`")).unwrap_or_default();
    let workspace = visible(&heading.workspace.to_string_lossy()).replace('`', "'");
    let workspace = if workspace.is_empty() { workspace } else { format!(" in `{workspace}`") };
    let reused = if heading.base_reused { ", measured by an earlier run" } else { "" };
    let mut lines = vec![format!(
        "**Benchmarks{package}{workspace}** against `{}` ({}{reused})\n",
        visible(&heading.base.name).replace('`', "'"),
        heading.base.short_id()
    )];
    // First of all, since a page takes only so much.
    if let Some(limit) = heading.schedule.fail_above_percent {
        lines.push(format!("**{}**\n", summary(comparison, limit)));
    }
    lines.push("| benchmark | base | change | ratio | noise |".to_owned());
    lines.push("|---|---:|---:|---:|---:|".to_owned());
    lines.extend(comparison.rows.iter().map(markdown_row));
    lines.join("\n") + "\n"
}

fn markdown_row(row: &Row) -> String {
    let name = visible(&row.name).replace('|', "\\|").replace('`', "'");
    let ratio = row.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let ratio = if row.is_slower { format!("**{ratio}**") } else { ratio };
    let noise = row.noise_percent.map(|noise| format!("{noise:.1} %")).unwrap_or_default();
    format!("| `{name}` | {} | {} | {ratio} | {noise} |", time(row.base), time(row.change))
}

fn time(estimate: Option<Estimate>) -> String {
    estimate.map(|it| nanoseconds(it.ns)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::runs;
    use expect_test::expect;

    fn comparison() -> Comparison {
        let base = runs(&[&[("a|b", 100.0), ("gone", 5.0)], &[("a|b", 125.0)], &[("a|b", 150.0)]]);
        let change = runs(&[&[("a|b", 210.0), ("new", 2e6)]]);
        Comparison::of(&base, &change, Some(10.0))
    }

    /// A form of the comparison below a heading.
    fn shown(form: fn(&Heading<'_>, &Comparison) -> String, comparison: &Comparison) -> String {
        let id = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let heading = Heading {
            base: Base { id, name: "origin/main".to_owned() },
            base_reused: false,
            workspace: Path::new("staging"),
            selection: Selection { package: Some("vm-memory".to_owned()), ..Selection::default() },
            schedule: Schedule { rounds: Some(3), fail_above_percent: Some(10.0) },
        };
        form(&heading, comparison)
    }

    #[test]
    fn compilers_that_differ_are_named() {
        let change = "rustc 1.90.0 (1159e78c4 2025-09-14)\nbinary: rustc\n";
        let base = "rustc 1.89.0 (29483883e 2025-08-04)\nbinary: rustc\n";
        assert_eq!(different_compilers(change, change), None);
        assert_eq!(
            different_compilers(change, base).unwrap(),
            "note: `rustc 1.90.0 (1159e78c4 2025-09-14)` builds the change and \
             `rustc 1.89.0 (29483883e 2025-08-04)` the base"
        );
    }

    #[test]
    fn the_gate_names_what_is_slower_and_what_one_side_lacks() {
        expect![[r"
            note: only the base has `gone`
            note: only the change has `new`
            slower: `a|b` takes 1.68 times as long as on the base (210 ns, was 125 ns), the noise of the base is 25.0 %
            1 of 1 benchmarks slower by more than 10 % and the noise"]]
        .assert_eq(&lines(&comparison(), Some(10.0)).join("\n"));
        assert_eq!(outcome(&comparison(), Some(10.0)), Outcome::Fail);
        let same = runs(&[&[("a", 1.0)], &[("a", 1.0)]]);
        let same = Comparison::of(&same, &same, Some(2.5));
        expect!["0 of 1 benchmarks slower by more than 2.5 % and the noise"]
            .assert_eq(&lines(&same, Some(2.5)).join("\n"));
        assert_eq!(outcome(&same, Some(2.5)), Outcome::Pass);
    }

    #[test]
    fn a_gate_that_compared_nothing_has_no_verdict() {
        let [old, new] = ["old", "new"].map(|name| runs(&[&[(name, 1.0)], &[(name, 1.0)]]));
        let renamed = Comparison::of(&old, &new, Some(10.0));
        expect![[r"
            note: only the base has `old`
            note: only the change has `new`"]]
        .assert_eq(&lines(&renamed, Some(10.0)).join("\n"));
        assert_eq!(outcome(&renamed, Some(10.0)), Outcome::Unavailable);
        assert_eq!(outcome(&renamed, None), Outcome::Pass);
        assert!(shown(markdown, &renamed).contains("**no benchmark was compared**"));
        for base in [&[][..], &new[..1]] {
            let unknown = Comparison::of(base, &new, Some(10.0));
            assert_eq!(outcome(&unknown, Some(10.0)), Outcome::Unavailable);
        }
    }

    #[test]
    fn every_problem_names_a_next_step() {
        let base = Base { id: "0123".to_owned(), name: "origin/main".to_owned() };
        let of_change = |problem: Problem, has_criterion| {
            problem.failure(SideName::Change, &base, has_criterion)
        };
        let failure = of_change(Problem::DefaultHarness("/r/Cargo.toml".into()), true);
        assert!(
            failure
                .message
                .ends_with("failed: they run in the standard harness, not in criterion's")
        );
        let help = "add `harness = false` to the `[[bench]]` section of `main` in `/r/Cargo.toml`";
        assert_eq!(failure.help.as_deref(), Some(help));
        let failure = Problem::DoesNotBuild.failure(SideName::Base, &base, true);
        assert_eq!(failure.message, "the benchmarks of the base (origin/main, 0123) do not build");
        assert_eq!(failure.help.as_deref(), Some(OTHER_BASE));
        for (has_criterion, help) in [(true, "fix the failure above"), (false, "add `criterion`")] {
            let found = of_change(Problem::Fails, has_criterion).help.unwrap();
            assert!(found.starts_with(help), "{found}");
        }
    }

    #[test]
    fn the_page_of_a_build_shows_a_table() {
        expect![[r"
            **Benchmarks of `vm-memory` in `staging`** against `origin/main` (0123456789ab)

            **1 of 1 benchmarks slower by more than 10 % and the noise**

            | benchmark | base | change | ratio | noise |
            |---|---:|---:|---:|---:|
            | `a\|b` | 125 ns | 210 ns | **1.68** | 25.0 % |
            | `gone` | 5.00 ns |  |  |  |
            | `new` |  | 2.00 ms |  |  |
        "]]
        .assert_eq(&shown(markdown, &comparison()));
    }

    #[test]
    fn programs_get_everything() {
        expect![[r#"
            {
              "base": {
                "name": "origin/main",
                "commit": "0123456789abcdef0123456789abcdef01234567",
                "reused": false
              },
              "workspace": "staging",
              "package": "vm-memory",
              "features": null,
              "rounds": 3,
              "fail_above_percent": 10.0,
              "failed": true,
              "benchmarks": [
                {
                  "name": "a|b",
                  "base": {
                    "median_ns": 125.0,
                    "low_ns": 112.5,
                    "high_ns": 137.5
                  },
                  "change": {
                    "median_ns": 210.0,
                    "low_ns": 189.0,
                    "high_ns": 231.0
                  },
                  "ratio": 1.68,
                  "noise_percent": 25.0,
                  "slower": true
                }
              ]
            }
        "#]]
        .assert_eq(&shown(json, &{
            let mut comparison = comparison();
            comparison.rows.truncate(1);
            comparison
        }));
    }
}
