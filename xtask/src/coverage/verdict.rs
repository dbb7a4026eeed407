//! Compares measured scores with their records, and reports the result.

use anyhow::Context as _;

use crate::cli::coverage::Options;
use crate::context::Context;
use crate::coverage::change::Added;
use crate::coverage::report::{Row, Summary};
use crate::coverage::score::{Action, Change, Lines};
use crate::coverage::subject::{Measured, Subject};
use crate::coverage::{report, score, subject};
use crate::host::terminal;
use crate::outcome::Outcome;
use crate::plan::metadata::Metadata;
use crate::tools::buildkite_agent;
use crate::tools::buildkite_agent::Style;

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
            [only] => judge(cx, options, only, measured.lines(workspace, None)),
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
fn judge(
    cx: &Context,
    options: &Options,
    subject: &Subject<'_>,
    measured: Lines,
) -> anyhow::Result<Verdict> {
    let configuration = &subject.configuration;
    let recorded = configuration.recorded()?;
    let change = score::judge(recorded, measured);
    let sentence = score::sentence(recorded, measured);
    let score = measured.score();
    Ok(match score::action(change, options.profile) {
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
            let advice = score::advice(change, &subject::command(cx, options)?);
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
            let verdict = judge(cx, options, subject, measured)?;
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
