//! Which files count, how their score compares with the recorded one, and the report.

use anyhow::{Context as _, bail};

use crate::cli::coverage::{Options, Profile};
use crate::context::Context;
use crate::coverage::change::Added;
use crate::coverage::llvm_cov::{File, Lines};
use crate::coverage::record::{Recorded, Subject};
use crate::coverage::report::{Row, Summary};
use crate::coverage::{diff, record, report};
use crate::host::terminal;
use crate::outcome::Outcome;
use crate::plan::metadata::Metadata;
use crate::text::diagnostic::Rejected;
use crate::text::extended_regex;
use crate::tools::buildkite_agent;
use crate::tools::buildkite_agent::Style;

/// The source files that were measured.
pub(crate) struct Measured {
    pub(crate) counted: Vec<File>,
    excluded: Vec<File>,
}

impl Measured {
    /// Excludes files, each by the configuration that is about it. `root` is that of the repository.
    ///
    /// # Errors
    ///
    /// Rejects a configuration that leaves no line (exit code 2).
    pub(crate) fn new(
        files: Vec<File>,
        subjects: &[Subject<'_>],
        workspace: &Metadata,
        root: &str,
    ) -> anyhow::Result<Measured> {
        let mut measured = Measured { counted: files, excluded: Vec::new() };
        for Subject { package, configuration } in subjects {
            let name = package.map(|package| package.name.as_str());
            if let Some(pattern) = &configuration.config.exclude_path {
                let is_excluded = |file: &mut File| {
                    is_in(&file.path, workspace, name)
                        && extended_regex::matches(pattern, diff::relative(&file.path, root))
                };
                let excluded: Vec<File> = measured.counted.extract_if(.., is_excluded).collect();
                if excluded.is_empty() {
                    configuration.warn_of_useless_pattern();
                }
                measured.excluded.extend(excluded);
            }
            if measured.lines(workspace, name).counted == 0 {
                let of = name.map(|name| format!(" of `{name}`")).unwrap_or_default();
                bail!(
                    Rejected::new(format!("no line{of} was counted"))
                        .help("does `exclude_path` exclude every file?")
                );
            }
        }
        Ok(measured)
    }

    /// The lines of a package, or all.
    pub(crate) fn lines(&self, workspace: &Metadata, package: Option<&str>) -> Lines {
        let files = self.counted.iter().filter(|file| is_in(&file.path, workspace, package));
        files.map(|file| file.lines).sum()
    }

    pub(crate) fn excluded(&self) -> Vec<&str> {
        self.excluded.iter().map(|file| file.path.as_str()).collect()
    }
}

fn is_in(path: &str, workspace: &Metadata, package: Option<&str>) -> bool {
    let owner = workspace.owner_of(path.as_ref());
    package.is_none_or(|name| owner.is_ok_and(|owner| owner.name == name))
}

/// How a measured score differs from the recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Within,
    Lower,
    Higher,
}

/// Compares the exact percentage, not the rounded one that is shown.
pub(crate) fn judge(recorded: Recorded, measured: Lines) -> Change {
    // Decimal fractions are not exact in binary: 64.2 - 63.7 is slightly more than 0.5.
    const EPSILON: f64 = 1e-9;
    let change = measured.percent() - recorded.percent;
    // A record is rounded down: what it was rounded from is no change, however small the tolerance.
    let is_rounding = (0.0..0.01 - EPSILON).contains(&change);
    if is_rounding || change.abs() <= recorded.tolerance + EPSILON {
        Change::Within
    } else if change < 0.0 {
        Change::Lower
    } else {
        Change::Higher
    }
}

/// What a change of score leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Pass, and leave the record as it is.
    Keep,
    /// Pass, and record the measured score.
    Record,
    /// Fail, and leave the record as it is.
    Refuse,
}

/// Returns what to do about a change: a lower score is recorded only on request.
pub(crate) fn action(change: Change, profile: Profile) -> Action {
    match (change, profile) {
        (Change::Within, _) => Action::Keep,
        (_, Profile::Ci) | (Change::Lower, Profile::Devel) => Action::Refuse,
        (Change::Higher, _) | (Change::Lower, Profile::DevelAllowingLower) => Action::Record,
    }
}

/// The next step after a score was refused; a patch follows. `command` is how coverage is called.
pub(crate) fn advice(change: Change, command: &str) -> String {
    match change {
        Change::Lower => format!(
            "add tests: `{command} --diff` lists the new lines that no test runs; if the drop is intended, \
             record it with `{command} --devel --allow-lower`, or apply this patch with `git apply`:"
        ),
        Change::Within | Change::Higher => format!(
            "record the new score with `{command} --devel`, or, if this architecture is not available \
             to you, apply this patch with `git apply`:"
        ),
    }
}

/// The result in one sentence: what was measured, and how that compares with the record.
pub(crate) fn sentence(recorded: Recorded, measured: Lines) -> String {
    let Recorded { percent, tolerance } = recorded;
    let relation = match judge(recorded, measured) {
        Change::Within => format!("within {tolerance:.2} points of"),
        Change::Lower => format!("more than {tolerance:.2} points below"),
        Change::Higher => format!("more than {tolerance:.2} points above"),
    };
    format!("{measured} are covered, {relation} the recorded {percent:.2} %")
}

/// The result for the score, in words.
pub(crate) struct Verdict {
    outcome: Outcome,
    word: &'static str,
    /// Several crates.
    table: String,
    paragraphs: Vec<String>,
    /// Records the score, where that is not done.
    patch: String,
}

impl Verdict {
    /// Compares with the records, and updates them where that is wanted.
    ///
    /// # Errors
    ///
    /// Fails if a record cannot be written (exit code 75).
    pub(crate) fn new(
        cx: &Context,
        options: &Options,
        subjects: &[Subject<'_>],
        workspace: &Metadata,
        measured: &Measured,
    ) -> anyhow::Result<Verdict> {
        match subjects {
            [only] => judge_one(cx, options, only, measured.lines(workspace, None)),
            several => judge_each(cx, options, several, workspace, measured),
        }
    }

    fn passed(word: &'static str, paragraphs: Vec<String>) -> Verdict {
        let (table, patch) = (String::new(), String::new());
        Verdict { outcome: Outcome::Pass, word, table, paragraphs, patch }
    }

    pub(crate) fn failed(paragraphs: Vec<String>, patch: String) -> Verdict {
        let table = String::new();
        Verdict { outcome: Outcome::Fail, word: "failed", table, paragraphs, patch }
    }

    /// Reports it together with the result for the added lines.
    pub(crate) fn report(
        self,
        cx: &Context,
        options: &Options,
        added: Option<&Added>,
    ) -> anyhow::Result<Outcome> {
        let uncovered = added.map(|added| added.uncovered.as_slice()).unwrap_or_default();
        if !self.table.is_empty() {
            terminal::write_lines(self.table.trim_end());
        }
        for paragraph in &self.paragraphs {
            terminal::say(paragraph);
        }
        terminal::write_data(|out| {
            out.write_all(self.patch.as_bytes())?;
            uncovered.iter().try_for_each(|lines| Ok(writeln!(out, "{lines}")?))
        })?;
        if let Some(added) = added {
            terminal::say(&added.sentence);
        }
        let passed = self.outcome == Outcome::Pass && added.is_none_or(|added| added.passed);
        let summary = Summary {
            package: options.package.as_deref(),
            architecture: std::env::consts::ARCH,
            table: &self.table,
            paragraphs: &self.paragraphs,
            patch: &self.patch,
            added: added.map(|added| (added.sentence.as_str(), uncovered)),
        };
        let style = if passed { Style::Success } else { Style::Error };
        buildkite_agent::annotate(cx, &summary.context(), style, &summary.markdown());
        Ok(if passed { Outcome::Pass } else { Outcome::Fail })
    }
}

/// Compares with one record.
fn judge_one(
    cx: &Context,
    options: &Options,
    subject: &Subject<'_>,
    measured: Lines,
) -> anyhow::Result<Verdict> {
    let configuration = &subject.configuration;
    let recorded = configuration.recorded()?;
    let change = judge(recorded, measured);
    let sentence = sentence(recorded, measured);
    let score = measured.score();
    Ok(match action(change, options.profile) {
        Action::Keep => Verdict::passed("passed", vec![format!("passed: {sentence}")]),
        Action::Record => {
            configuration.write(score).with_context(|| format!("{score} % cannot be recorded"))?;
            let paragraphs = vec![
                format!("recorded: {measured} are covered, was {:.2} %", recorded.percent),
                format!("help: commit {}", configuration.names()),
            ];
            Verdict::passed("recorded", paragraphs)
        }
        Action::Refuse => {
            let advice = advice(change, &record::command(cx, options)?);
            let paragraphs = vec![format!("failed: {sentence}"), format!("help: {advice}")];
            let verdict = Verdict::failed(paragraphs, configuration.patch(score));
            let word = if change == Change::Lower { "failed: lower" } else { "failed: higher" };
            Verdict { word, ..verdict }
        }
    })
}

/// Compares each crate with its own record.
fn judge_each(
    cx: &Context,
    options: &Options,
    subjects: &[Subject<'_>],
    workspace: &Metadata,
    measured: &Measured,
) -> anyhow::Result<Verdict> {
    let mut all = Verdict::passed("passed", Vec::new());
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for package in &workspace.packages {
        let name = package.name.as_str();
        let measured = measured.lines(workspace, Some(name));
        let mut row = Row { name, measured, recorded: None, result: "no configuration" };
        if let Some(subject) = subjects.iter().find(|subject| subject.package == Some(package)) {
            let verdict = judge_one(cx, options, subject, measured)?;
            row.recorded = Some(subject.configuration.recorded()?.percent);
            row.result = verdict.word;
            for advice in verdict.paragraphs.into_iter().skip(1) {
                if !all.paragraphs.contains(&advice) {
                    all.paragraphs.push(advice);
                }
            }
            all.patch += &verdict.patch;
            failed.extend((verdict.outcome == Outcome::Fail).then(|| format!("`{name}`")));
        }
        rows.push(row);
    }
    all.table = report::crates(&rows);
    if failed.is_empty() {
        all.paragraphs.insert(0, format!("passed: all {} crates", subjects.len()));
    } else {
        all.outcome = Outcome::Fail;
        let (count, names) = (failed.len(), failed.join(", "));
        all.paragraphs.insert(0, format!("failed: {count} of {} crates: {names}", subjects.len()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(covered: u64, counted: u64) -> Lines {
        Lines { covered, counted }
    }

    fn recorded(percent: f64) -> Recorded {
        Recorded { percent, tolerance: 0.5 }
    }

    #[test]
    fn the_tolerance_counts_on_both_sides_and_includes_its_ends() {
        assert_eq!(judge(recorded(85.0), lines(845, 1000)), Change::Within);
        assert_eq!(judge(recorded(85.0), lines(8449, 10_000)), Change::Lower);
        assert_eq!(judge(recorded(85.0), lines(855, 1000)), Change::Within);
        assert_eq!(judge(recorded(85.0), lines(8551, 10_000)), Change::Higher);
        assert_eq!(judge(recorded(64.2), lines(637, 1000)), Change::Within);
        // What was just recorded is within, however strict the configuration.
        let strict = Recorded { percent: 66.66, tolerance: 0.0 };
        assert_eq!(judge(strict, lines(2, 3)), Change::Within);
        assert_eq!(judge(strict, lines(6667, 10_000)), Change::Higher);
    }

    #[test]
    fn the_exact_percentage_decides_and_not_the_shown_one() {
        let slightly_more = lines(85_504, 100_000);
        assert_eq!(slightly_more.score().to_string(), "85.50");
        assert_eq!(judge(recorded(85.0), slightly_more), Change::Higher);
    }

    #[test]
    fn a_drop_is_recorded_only_where_that_is_allowed() {
        let profiles = [Profile::Ci, Profile::Devel, Profile::DevelAllowingLower];
        let row = |change| profiles.map(|profile| action(change, profile));
        assert_eq!(row(Change::Within), [Action::Keep; 3]);
        assert_eq!(row(Change::Higher), [Action::Refuse, Action::Record, Action::Record]);
        assert_eq!(row(Change::Lower), [Action::Refuse, Action::Refuse, Action::Record]);
    }

    #[test]
    fn the_sentence_states_the_rule() {
        let say = |measured| sentence(recorded(85.0), measured);
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
}
