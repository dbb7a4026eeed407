//! Pure. Which files count, how their score compares with the recorded one, and what to say about it.

use std::cmp::Ordering;

use anyhow::bail;

use crate::cli::coverage::Profile;
use crate::coverage::diff::{self, Patch};
use crate::coverage::llvm_cov::{File, Lines};
use crate::coverage::record::Subject;
use crate::coverage::report;
use crate::plan::metadata::{Metadata, Package};
use crate::text::Percent;
use crate::text::diagnostic::Rejected;
use crate::text::extended_regex;
use crate::text::sanitize;

/// The source files that were measured.
pub(crate) struct Measured<'w> {
    workspace: &'w Metadata,
    pub(crate) counted: Vec<File>,
    /// The paths of those that do not count.
    pub(crate) excluded: Vec<String>,
    /// About configurations that exclude nothing.
    pub(crate) warnings: Vec<String>,
}

impl<'w> Measured<'w> {
    /// Excludes files, each by the configuration that is about it. `root` is that of the repository.
    pub(crate) fn new(
        counted: Vec<File>,
        subjects: &[Subject<'_>],
        workspace: &'w Metadata,
        root: &str,
    ) -> Measured<'w> {
        let (excluded, warnings) = (Vec::new(), Vec::new());
        let mut measured = Measured { workspace, counted, excluded, warnings };
        for Subject { package, config, file, .. } in subjects {
            let Some(pattern) = &config.exclude_path else { continue };
            let is_excluded = |file: &mut File| {
                is_in(&file.path, workspace, *package)
                    && extended_regex::matches(pattern, diff::relative(&file.path, root))
            };
            let excluded: Vec<File> = measured.counted.extract_if(.., is_excluded).collect();
            if excluded.is_empty() {
                measured.warnings.push(format!(
                    "warning: {file}: `exclude_path` matches no measured file: `{pattern}`"
                ));
            }
            measured.excluded.extend(excluded.into_iter().map(|file| file.path));
        }
        measured
    }

    /// The lines of a package, or all.
    fn lines(&self, package: Option<&Package>) -> Lines {
        let files = self.counted.iter().filter(|file| is_in(&file.path, self.workspace, package));
        files.map(|file| file.lines).sum()
    }
}

fn is_in(path: &str, workspace: &Metadata, package: Option<&Package>) -> bool {
    let is_owner = |package: &Package| {
        workspace.owner_of(path.as_ref()).is_ok_and(|owner| owner.name == package.name)
    };
    package.is_none_or(is_owner)
}

/// Compares with the record; what is within the tolerance is equal. The exact percentage counts, not
/// the rounded one that is shown.
fn judge(subject: &Subject<'_>, measured: Lines) -> Ordering {
    // Decimal fractions are not exact in binary: 64.2 - 63.7 is slightly more than 0.5.
    const EPSILON: f64 = 1e-9;
    let change = measured.percent() - subject.recorded;
    // A record is rounded down: what it was rounded from is no change, however small the tolerance.
    let is_rounding = (0.0..0.01 - EPSILON).contains(&change);
    if is_rounding || change.abs() <= subject.config.tolerance + EPSILON {
        return Ordering::Equal;
    }
    change.total_cmp(&0.0)
}

/// The next step after a score was refused; a patch follows. `command` is how coverage is called.
fn advice(change: Ordering, command: &str) -> String {
    if change.is_lt() {
        format!(
            "add tests: `{command} --diff` lists the new lines that no test runs; if the drop is intended, \
             record it with `{command} --devel --allow-lower`, or apply this patch with `git apply`:"
        )
    } else {
        format!(
            "record the new score with `{command} --devel`, or, if this architecture is not available \
             to you, apply this patch with `git apply`:"
        )
    }
}

/// The result in one sentence: what was measured, and how that compares with the record.
fn sentence(subject: &Subject<'_>, measured: Lines) -> String {
    let Subject { recorded, config, .. } = subject;
    let tolerance = config.tolerance;
    let relation = match judge(subject, measured) {
        Ordering::Equal => format!("within {tolerance:.2} points of"),
        Ordering::Less => format!("more than {tolerance:.2} points below"),
        Ordering::Greater => format!("more than {tolerance:.2} points above"),
    };
    format!("{measured} are covered, {relation} the recorded {recorded:.2} %")
}

/// The result for the score.
#[derive(Default)]
pub(crate) struct Verdict<'s> {
    pub(crate) is_failed: bool,
    /// Several crates.
    pub(crate) table: String,
    /// The result and the next steps, in words.
    pub(crate) paragraphs: Vec<String>,
    /// Records the score, where that is not done.
    pub(crate) patch: String,
    /// The scores to record.
    pub(crate) records: Vec<(&'s Subject<'s>, Percent)>,
}

impl<'s> Verdict<'s> {
    /// Compares with the records; `command` is how coverage is called.
    ///
    /// # Errors
    ///
    /// Rejects a configuration that leaves no line (exit code 2).
    pub(crate) fn new(
        subjects: &'s [Subject<'_>],
        measured: &Measured<'_>,
        profile: Profile,
        command: &str,
    ) -> anyhow::Result<Verdict<'s>> {
        if let [only] = subjects {
            return Ok(compare(only, measured.lines(None), profile, command)?.1);
        }
        let mut all = Verdict::default();
        let mut rows = Vec::new();
        let mut failed = Vec::new();
        for package in &measured.workspace.packages {
            let name = &package.name;
            let lines = measured.lines(Some(package));
            let (mut recorded, mut result) = ("none".to_owned(), "no configuration");
            if let Some(subject) = subjects.iter().find(|it| it.package == Some(package)) {
                let (word, verdict) = compare(subject, lines, profile, command)?;
                recorded = format!("{:.2} %", subject.recorded);
                result = word;
                for advice in verdict.paragraphs.into_iter().skip(1) {
                    if !all.paragraphs.contains(&advice) {
                        all.paragraphs.push(advice);
                    }
                }
                all.patch += &verdict.patch;
                all.records.extend(verdict.records);
                failed.extend(verdict.is_failed.then(|| format!("`{name}`")));
            }
            let Lines { covered, counted } = lines;
            let (counts, score) =
                (format!("{covered} of {counted}"), format!("{} %", lines.score()));
            rows.push([name.clone(), counts, score, recorded, result.to_owned()]);
        }
        all.table = report::crates(rows);
        all.is_failed = !failed.is_empty();
        let count = subjects.len();
        let result = match failed.len() {
            0 => format!("passed: all {count} crates"),
            some => format!("failed: {some} of {count} crates: {}", failed.join(", ")),
        };
        all.paragraphs.insert(0, result);
        Ok(all)
    }
}

/// Compares with one record; the result also in a word or two.
fn compare<'s>(
    subject: &'s Subject<'_>,
    measured: Lines,
    profile: Profile,
    command: &str,
) -> anyhow::Result<(&'static str, Verdict<'s>)> {
    if measured.counted == 0 {
        let message = format!("{}: no line was counted", subject.file);
        bail!(Rejected::new(message).help("does `exclude_path` exclude every file?"));
    }
    let change = judge(subject, measured);
    let sentence = sentence(subject, measured);
    let mut verdict = Verdict::default();
    // A lower score is recorded only on request.
    let word = match (change, profile) {
        (Ordering::Equal, _) => {
            verdict.paragraphs.push(format!("passed: {sentence}"));
            "passed"
        }
        (_, Profile::Ci) | (Ordering::Less, Profile::Devel) => {
            verdict.is_failed = true;
            verdict.paragraphs =
                vec![format!("failed: {sentence}"), format!("help: {}", advice(change, command))];
            verdict.patch = subject.patch(measured.score());
            if change.is_lt() { "failed: lower" } else { "failed: higher" }
        }
        (Ordering::Greater, _) | (Ordering::Less, Profile::DevelAllowingLower) => {
            verdict.paragraphs = vec![
                format!("recorded: {measured} are covered, was {:.2} %", subject.recorded),
                format!("help: commit {}", subject.names()),
            ];
            verdict.records.push((subject, measured.score()));
            "recorded"
        }
    };
    Ok((word, verdict))
}

/// The place on the build's page, and its title; crates and architectures have one each.
pub(crate) fn place(package: Option<&str>, architecture: &str) -> (String, String) {
    let of = package.map(|name| format!(" of `{name}`")).unwrap_or_default();
    let package = package.map(|name| format!("-{name}")).unwrap_or_default();
    let title = format!("Coverage{of} on {architecture}");
    (format!("coverage{package}-{architecture}"), title)
}

/// Longer lists are of no help on the build's page.
const MAX_LIST_BYTES: usize = 16 << 10;

/// What the build's page shows about a run, below the title.
pub(crate) fn page(title: &str, verdict: &Verdict<'_>, added: Option<&Patch>) -> String {
    let Verdict { table, paragraphs, patch, .. } = verdict;
    let mut parts = vec![format!("**{title}**\n")];
    if !table.is_empty() {
        parts.push(sanitize::code_block("text", table));
    }
    parts.extend(paragraphs.iter().map(|paragraph| format!("{paragraph}\n")));
    if !patch.is_empty() {
        parts.push(sanitize::code_block("diff", patch));
    }
    if let Some(added) = added {
        parts.push(format!("{}\n", added.sentence()));
        if !added.uncovered.is_empty() {
            let list = added.uncovered.join("\n");
            let list = sanitize::cut_to_lines(&list, MAX_LIST_BYTES);
            parts.push(sanitize::headed_code_block("No test runs these lines", &list));
        }
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::diff::{added_lines, code_lines};
    use expect_test::expect;

    fn lines(covered: u64, counted: u64) -> Lines {
        Lines { covered, counted }
    }

    fn recorded(percent: f64) -> Subject<'static> {
        let mut subject = Subject::default();
        subject.recorded = percent;
        subject
    }

    #[test]
    fn the_tolerance_counts_on_both_sides_and_includes_its_ends() {
        assert_eq!(judge(&recorded(85.0), lines(845, 1000)), Ordering::Equal);
        assert_eq!(judge(&recorded(85.0), lines(8449, 10_000)), Ordering::Less);
        assert_eq!(judge(&recorded(85.0), lines(855, 1000)), Ordering::Equal);
        assert_eq!(judge(&recorded(85.0), lines(8551, 10_000)), Ordering::Greater);
        assert_eq!(judge(&recorded(64.2), lines(637, 1000)), Ordering::Equal);
        // What was just recorded is within, however strict the configuration.
        let mut strict = recorded(66.66);
        strict.config.tolerance = 0.0;
        assert_eq!(judge(&strict, lines(2, 3)), Ordering::Equal);
        assert_eq!(judge(&strict, lines(6667, 10_000)), Ordering::Greater);
    }

    #[test]
    fn the_exact_percentage_decides_and_not_the_shown_one() {
        let slightly_more = lines(85_504, 100_000);
        assert_eq!(slightly_more.score().to_string(), "85.50");
        assert_eq!(judge(&recorded(85.0), slightly_more), Ordering::Greater);
    }

    #[test]
    fn a_drop_is_recorded_only_where_that_is_allowed() {
        let subject = recorded(50.0);
        let row = |covered| {
            [Profile::Ci, Profile::Devel, Profile::DevelAllowingLower].map(|profile| {
                let (word, verdict) =
                    compare(&subject, lines(covered, 10), profile, "coverage").unwrap();
                assert_eq!(verdict.is_failed, word.starts_with("failed"));
                assert_eq!(verdict.records.len(), usize::from(word == "recorded"));
                word
            })
        };
        assert_eq!(row(5), ["passed"; 3]);
        assert_eq!(row(6), ["failed: higher", "recorded", "recorded"]);
        assert_eq!(row(4), ["failed: lower", "failed: lower", "recorded"]);
    }

    #[test]
    fn the_sentence_states_the_rule() {
        let say = |measured| sentence(&recorded(85.0), measured);
        assert_eq!(
            say(lines(851, 1000)),
            "85.10 % of lines (851 of 1000) are covered, within 0.50 points of the recorded 85.00 %"
        );
        assert_eq!(
            say(lines(2, 3)),
            "66.66 % of lines (2 of 3) are covered, more than 0.50 points below the recorded 85.00 %"
        );
        assert_eq!(
            say(lines(3, 3)),
            "100.00 % of lines (3 of 3) are covered, more than 0.50 points above the recorded 85.00 %"
        );
    }

    #[test]
    fn the_page_shows_the_verdict_the_patch_and_the_lines() {
        let diff = "+++ b/src/a.rs\n@@ -0,0 +1,2 @@\n+a\n+b\n";
        let lcov = "SF:/r/src/a.rs\nDA:1,0\nDA:2,0\nend_of_record\n";
        let added = added_lines(diff);
        let added = Patch::new("main".to_owned(), None, &added, &code_lines(lcov, "/r"));
        let verdict = Verdict {
            paragraphs: vec!["failed: too low".to_owned(), "add tests".to_owned()],
            patch: "--- a/c\n+++ b/c\n".to_owned(),
            ..Verdict::default()
        };
        let (place, title) = place(Some("a"), "x86_64");
        assert_eq!(place, "coverage-a-x86_64");
        expect![[r"
            **Coverage of `a` on x86_64**

            failed: too low

            add tests

            ```diff
            --- a/c
            +++ b/c
            ```

            0.00 % of the lines of code added since main are covered (0 of 2)

            **No test runs these lines**

            ```text
            src/a.rs:1-2
            ```
        "]]
        .assert_eq(&page(&title, &verdict, Some(&added)));
    }
}
