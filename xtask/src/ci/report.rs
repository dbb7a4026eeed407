//! Pure. What a local run reports: each test's result, the table of all, and what they mean for the
//! whole run.

use std::time::Duration;

use crate::ci::local_step::LocalStep;
use crate::ci::reason;
use crate::ci::verdict::{Ended, Verdict};
use crate::outcome::Outcome;
use crate::text::sanitize;
use crate::text::style::{Align, Columns, paint};

/// What is known of a test at the end of the run.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) label: String,
    pub(crate) test_name: String,
    /// As it is uploaded.
    pub(crate) command: String,
    pub(crate) verdict: Verdict,
    /// How long the test itself ran; `None` if it did not.
    pub(crate) elapsed: Option<Duration>,
    /// Less than that where it shared the machine with others; its timeout is held against it.
    pub(crate) own_time: Option<Duration>,
    pub(crate) timeout_minutes: u64,
    /// The file with its output, relative to the root.
    pub(crate) log: Option<String>,
    /// The reason of a failure in one line, as far as its output says it.
    pub(crate) reason: Option<String>,
    /// The lines of its output that show the reason.
    pub(crate) excerpt: Vec<String>,
    /// The same with their colours.
    shown: Vec<String>,
    /// It has Rust tests, and none of them ran.
    pub(crate) ran_no_test: bool,
}

/// How the output of a test is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    /// All of it was shown as it came.
    pub(crate) is_streamed: bool,
    /// The log of the service folds groups of lines.
    pub(crate) has_groups: bool,
    pub(crate) is_coloured: bool,
}

impl Report {
    pub(crate) fn new(step: &LocalStep, verdict: Verdict, elapsed: Option<Duration>) -> Report {
        Report {
            label: step.label.clone(),
            test_name: step.test_name.clone(),
            command: step.uploaded_command.clone(),
            verdict,
            elapsed,
            own_time: None,
            timeout_minutes: step.timeout_minutes,
            log: None,
            reason: None,
            excerpt: Vec::new(),
            shown: Vec::new(),
            ran_no_test: false,
        }
    }

    /// Takes from the end of the test's output what is worth showing.
    pub(crate) fn read_output(&mut self, output: &str) {
        let plain = sanitize::without_escapes(output);
        self.ran_no_test = self.verdict.has_passed() && reason::ran_no_test(&plain);
        if self.verdict.is_worth_a_rerun() || matches!(self.verdict, Verdict::Unavailable { .. }) {
            self.reason = reason::summary(&plain);
            let lines: Vec<String> = output.lines().map(sanitize::without_escapes).collect();
            let range = reason::excerpt(&lines);
            let raw = output.lines().skip(range.start).take(range.len());
            self.shown = raw.map(sanitize::colours_only).collect();
            self.excerpt = lines[range].to_vec();
        }
    }

    /// What is shown of a test when it has ended: the excerpt, unless its output was shown already.
    pub(crate) fn shown_lines(&self, shown: Shown) -> Vec<String> {
        let mut lines = Vec::new();
        if self.ran_no_test {
            lines.push(format!("note: `{}` ran no Rust test at all", self.label));
        }
        if !self.verdict.is_worth_a_rerun() {
            return lines;
        }
        if shown.has_groups {
            lines.push(format!("+++ {}", self.label));
        }
        if !shown.is_streamed {
            let excerpt = if shown.is_coloured { &self.shown } else { &self.excerpt };
            lines.extend(excerpt.iter().map(|line| format!("    {line}")));
        }
        lines.extend(self.log.as_ref().map(|log| format!("    full output: {log}")));
        lines
    }
}

/// Failed if any test failed; else undetermined if no test could run, or, in CI, if one was
/// unavailable or none ran; else passed.
pub(crate) fn outcome(reports: &[Report], is_ci: bool) -> Outcome {
    let any = |wanted: fn(&Verdict) -> bool| reports.iter().any(|it| wanted(&it.verdict));
    let is_unavailable = any(|verdict| matches!(verdict, Verdict::Unavailable { .. }));
    if any(Verdict::fails_the_run) {
        return Outcome::Fail;
    }
    match (is_unavailable, has_run(reports)) {
        (true, false) => Outcome::Unavailable,
        (true, _) | (_, false) if is_ci => Outcome::Unavailable,
        _ => Outcome::Pass,
    }
}

/// Whether any test ran to its end.
pub(crate) fn has_run(reports: &[Report]) -> bool {
    reports.iter().any(|report| report.elapsed.is_some())
}

/// The table of all tests. The share of the timeout is shown from a half on.
pub(crate) fn table(reports: &[Report], is_coloured: bool) -> String {
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Left]);
    let rows: Vec<[String; 4]> = reports.iter().map(cells).collect();
    for row in &rows {
        columns.fit(row);
    }
    let mut text = String::new();
    for (report, [label, verdict, time, share]) in reports.iter().zip(rows) {
        // Painted only now: the codes take no room on a terminal.
        let verdict = paint(&columns.cell(1, &verdict), report.verdict.kind().1, is_coloured);
        text += &format!(
            "{}\n",
            columns.line(&[columns.cell(0, &label), verdict, columns.cell(2, &time), share])
        );
    }
    text
}

fn cells(report: &Report) -> [String; 4] {
    let share = report.own_time.and_then(|time| share(time, report.timeout_minutes));
    [
        report.label.clone(),
        report.verdict.cell(),
        report.elapsed.map(duration).unwrap_or_default(),
        share.unwrap_or_default(),
    ]
}

/// A time for people: `0.3 s`, `2m 30s`.
pub(crate) fn duration(elapsed: Duration) -> String {
    let tenths = (elapsed.as_millis() + 50) / 100;
    match tenths / 600 {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes => format!("{minutes}m {:02}s", tenths % 600 / 10),
    }
}

fn share(own_time: Duration, timeout_minutes: u64) -> Option<String> {
    let percent = own_time.as_millis() * 100 / (u128::from(timeout_minutes.max(1)) * 60_000);
    (percent >= 50).then(|| format!("{percent} % of {timeout_minutes} min"))
}

/// What did not run and why, then what failed and why.
pub(crate) fn reasons(reports: &[Report]) -> Vec<String> {
    let not_run = reports.iter().filter_map(|report| {
        let said = || report.reason.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        Some(format!("{}: {}{}", report.label, report.verdict.reason()?, said()))
    });
    // An interrupted test has no reason of its own.
    let failed = reports.iter().filter(|report| {
        report.verdict.is_worth_a_rerun() && report.verdict != Verdict::Interrupted
    });
    let failed = failed.map(|report| {
        let reason = report.reason.as_deref().unwrap_or("no output");
        let verb = if report.verdict.fails_the_run() { "FAILED" } else { "soft-failed" };
        match report.verdict {
            Verdict::Failed { ended: Ended::TimedOut } => format!(
                "FAILED {}: killed after its timeout of {} min: {reason}",
                report.label, report.timeout_minutes
            ),
            _ => format!("{verb} {}: {reason}", report.label),
        }
    });
    not_run.chain(failed).collect()
}

/// How many tests have which verdict.
pub(crate) fn sentence(reports: &[Report]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (kind, _) in reports.iter().map(|report| report.verdict.kind()) {
        match counts.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if parts.is_empty() { "no test ran".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use expect_test::expect;

    pub(crate) fn report(label: &str, verdict: Verdict, elapsed_ms: Option<u64>) -> Report {
        let elapsed = elapsed_ms.map(Duration::from_millis);
        Report {
            label: label.to_owned(),
            test_name: label.to_owned(),
            command: "true".to_owned(),
            verdict,
            elapsed,
            own_time: elapsed,
            timeout_minutes: 5,
            log: None,
            reason: None,
            excerpt: Vec::new(),
            shown: Vec::new(),
            ran_no_test: false,
        }
    }

    fn unavailable() -> Verdict {
        Verdict::Unavailable {
            reason: "no musl target".to_owned(),
            fix: Some("run `rustup target add x`".to_owned()),
        }
    }

    #[test]
    fn the_table_shows_verdict_time_and_share_of_the_timeout() {
        let reports = [
            report("style", Verdict::Passed, Some(349)),
            report(
                "unittests-gnu-x86_64",
                Verdict::Failed { ended: Ended::Exit(101) },
                Some(150_000),
            ),
            report("miri", Verdict::SoftFailed { ended: Ended::Signal(9) }, Some(59_960)),
            report("build-musl-x86_64", unavailable(), None),
            report("later", Verdict::NotRun { reason: "`--fail-fast`".to_owned() }, None),
            report("slow", Verdict::Interrupted, Some(1)),
        ];
        expect![[r"
            style                 passed                   0.3 s
            unittests-gnu-x86_64  FAILED (exit 101)       2m 30s  50 % of 5 min
            miri                  soft-failed (signal 9)  1m 00s
            build-musl-x86_64     unavailable
            later                 not run
            slow                  interrupted              0.0 s
        "]]
        .assert_eq(&table(&reports, false));
        expect![[r"
            build-musl-x86_64: unavailable: no musl target; run `rustup target add x`
            later: not run: `--fail-fast`
            FAILED unittests-gnu-x86_64: no output
            soft-failed miri: no output"]]
        .assert_eq(&reasons(&reports).join("\n"));
        assert_eq!(
            sentence(&reports),
            "1 passed, 1 failed, 1 soft-failed, 1 unavailable, 1 not run, 1 interrupted"
        );
    }

    #[test]
    fn the_output_of_a_failure_gives_its_reason_and_the_lines_to_show() {
        let failed = Verdict::Failed { ended: Ended::Exit(101) };
        let mut report = report("unittests", failed, Some(10));
        report.log = Some("target/ci/logs/unittests.log".to_owned());
        report.read_output("   Compiling a\n\x1b[1merror\x1b[0m: no `x`\n --> src/a.rs:3:5\n");
        expect!["FAILED unittests: error: no `x` (src/a.rs:3)"]
            .assert_eq(&reasons(std::slice::from_ref(&report)).join("\n"));
        expect![[r"
            +++ unittests
                \x1b[1merror\x1b[0m: no `x`
                 --> src/a.rs:3:5
                full output: target/ci/logs/unittests.log"]]
        .assert_eq(
            &report
                .shown_lines(Shown { has_groups: true, is_coloured: true, ..Shown::default() })
                .join("\n")
                .replace('\x1b', r"\x1b"),
        );
        let mut empty = self::report("filtered", Verdict::Passed, Some(10));
        empty.read_output("running 0 tests\n");
        expect!["note: `filtered` ran no Rust test at all"]
            .assert_eq(&empty.shown_lines(Shown::default()).join("\n"));
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let reports = [report("style", Verdict::Passed, Some(1))];
        let coloured = table(&reports, true);
        assert_eq!(coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""), table(&reports, false));
    }

    #[test]
    fn a_failure_decides_and_unavailable_counts_in_ci() {
        let passed = report("a", Verdict::Passed, Some(1));
        let missing = report("b", unavailable(), None);
        let failed = report("c", Verdict::Failed { ended: Ended::Exit(1) }, Some(1));
        let soft = report("d", Verdict::SoftFailed { ended: Ended::Exit(1) }, Some(1));
        assert_eq!(outcome(&[passed.clone(), missing.clone(), failed], false), Outcome::Fail);
        assert_eq!(outcome(&[passed.clone(), missing.clone()], false), Outcome::Pass);
        assert_eq!(outcome(&[passed.clone(), missing.clone()], true), Outcome::Unavailable);
        assert_eq!(outcome(&[missing], false), Outcome::Unavailable);
        assert_eq!(outcome(&[soft, passed], true), Outcome::Pass);
        let skipped = report("e", Verdict::Skipped { reason: "x".to_owned() }, None);
        assert_eq!(outcome(&[], true), Outcome::Unavailable);
        let skipped = [skipped];
        assert_eq!(outcome(&skipped, true), Outcome::Unavailable);
        assert_eq!(outcome(&skipped, false), Outcome::Pass);
        assert_eq!(outcome(&[], false), Outcome::Pass);
    }
}
