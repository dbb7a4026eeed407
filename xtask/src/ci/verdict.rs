//! Pure. The verdicts of a local run, the table that shows them, and what they mean for the whole
//! run.

use std::time::Duration;

use serde_json::Value;

use crate::outcome::{Outcome, UNDETERMINED};
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::style::{Colour, paint};
use crate::text::table::{Align, Columns};

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed {
        ended: Ended,
    },
    /// Failed, and the description says that this does not count.
    SoftFailed {
        ended: Ended,
    },
    Skipped {
        reason: String,
    },
    /// Could not run here; `fix` is what the user can do about it.
    Unavailable {
        reason: String,
        fix: Option<String>,
    },
    /// The run ended before this test's turn.
    NotRun {
        reason: String,
    },
    Interrupted,
}

impl Verdict {
    pub(crate) fn unavailable(reason: impl Into<String>) -> Verdict {
        Verdict::Unavailable { reason: reason.into(), fix: None }
    }

    /// Judges a command that ran. Exit status 75 means "could not be determined" only where the
    /// whole command is one of ours.
    pub(crate) fn of(ended: Ended, soft_fail: &SoftFail, is_own_command: bool) -> Verdict {
        match ended {
            Ended::Exit(0) => Verdict::Passed,
            Ended::Exit(code) if is_own_command && code == i32::from(UNDETERMINED) => {
                Verdict::unavailable("the command above says why")
            }
            ended if soft_fail.covers(ended) => Verdict::SoftFailed { ended },
            ended => Verdict::Failed { ended },
        }
    }

    /// Whether running the test again is what the user wants to do next.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed { .. } | Verdict::SoftFailed { .. })
    }

    /// Why the test did not run, if it did not.
    pub(crate) fn reason(&self) -> Option<String> {
        let (reason, fix) = match self {
            Verdict::Skipped { reason } | Verdict::NotRun { reason } => (reason, None),
            Verdict::Unavailable { reason, fix } => (reason, fix.as_ref()),
            _ => return None,
        };
        let fix = fix.map(|fix| format!("; {fix}")).unwrap_or_default();
        Some(visible(&mask_secrets(&format!("{}: {reason}{fix}", self.kind().0))))
    }

    fn kind(&self) -> (&'static str, Colour) {
        match self {
            Verdict::Passed => ("passed", Colour::Green),
            Verdict::Failed { ended: Ended::TimedOut } => ("timed out", Colour::Red),
            Verdict::Failed { .. } => ("failed", Colour::Red),
            Verdict::SoftFailed { .. } => ("soft-failed", Colour::Yellow),
            Verdict::Skipped { .. } => ("skipped", Colour::Dim),
            Verdict::Unavailable { .. } => ("unavailable", Colour::Yellow),
            Verdict::NotRun { .. } => ("not run", Colour::Dim),
            Verdict::Interrupted => ("interrupted", Colour::Red),
        }
    }

    fn cell(&self) -> String {
        match self {
            Verdict::Failed { ended } => format!("FAILED ({})", ended.describe()),
            Verdict::SoftFailed { ended } => format!("soft-failed ({})", ended.describe()),
            _ => self.kind().0.to_owned(),
        }
    }
}

/// How the process of a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
    /// It exceeded its timeout and was killed.
    TimedOut,
}

impl Ended {
    fn describe(self) -> String {
        match self {
            Ended::Exit(status) => format!("exit {status}"),
            Ended::Signal(signal) => format!("signal {signal}"),
            Ended::TimedOut => "timed out".to_owned(),
        }
    }

    /// The exit status that docker reports; Buildkite has none for a job that timed out.
    fn status(self) -> Option<i32> {
        match self {
            Ended::Exit(status) => Some(status),
            Ended::Signal(signal) => Some(128 + signal),
            Ended::TimedOut => None,
        }
    }
}

/// Which failures do not fail the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SoftFail {
    Never,
    Always,
    /// For these exit statuses only.
    ExitStatuses(Vec<i64>),
}

impl SoftFail {
    /// Reads the value of `soft_fail` as Buildkite does.
    pub(crate) fn from_value(value: Option<&Value>) -> SoftFail {
        match value {
            Some(Value::Bool(true)) => SoftFail::Always,
            Some(Value::String(text)) if text == "true" => SoftFail::Always,
            Some(Value::Array(items)) => {
                let statuses = || items.iter().filter_map(|item| item.get("exit_status"));
                if statuses().any(|status| status == "*") {
                    return SoftFail::Always;
                }
                SoftFail::ExitStatuses(statuses().filter_map(Value::as_i64).collect())
            }
            _ => SoftFail::Never,
        }
    }

    /// Whether a failure leaves the result of the run as it is.
    fn covers(&self, ended: Ended) -> bool {
        match self {
            SoftFail::Never => false,
            SoftFail::Always => true,
            SoftFail::ExitStatuses(list) => {
                ended.status().is_some_and(|status| list.contains(&i64::from(status)))
            }
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) label: String,
    pub(crate) verdict: Verdict,
    /// How long the test itself ran; `None` if it did not.
    pub(crate) elapsed: Option<Duration>,
    pub(crate) timeout_minutes: u64,
}

/// Failed if any test failed; else undetermined if no test could run, or, in CI, if one was
/// unavailable or none ran; else passed.
pub(crate) fn outcome(reports: &[Report], is_ci: bool) -> Outcome {
    let any = |wanted: fn(&Verdict) -> bool| reports.iter().any(|it| wanted(&it.verdict));
    let is_unavailable = any(|verdict| matches!(verdict, Verdict::Unavailable { .. }));
    if any(|verdict| matches!(verdict, Verdict::Failed { .. } | Verdict::Interrupted)) {
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

/// The table and, below it, why something did not run.
pub(crate) fn render(reports: &[Report], is_coloured: bool) -> String {
    const TITLES: [&str; 4] = ["test", "verdict", "time", "of its timeout"];
    let mut columns = Columns::new(&[Align::Left, Align::Left, Align::Right, Align::Left]);
    let rows: Vec<[String; 4]> = reports.iter().map(cells).collect();
    columns.fit(&TITLES);
    for row in &rows {
        columns.fit(row);
    }
    let mut text = format!("{}\n", columns.line(&TITLES));
    for (report, [label, verdict, time, share]) in reports.iter().zip(rows) {
        // Painted only now: the codes take no room on a terminal.
        let verdict = paint(&columns.cell(1, &verdict), report.verdict.kind().1, is_coloured);
        text += &format!("{}\n", columns.line(&[label, verdict, time, share]));
    }
    for report in reports {
        if let Some(reason) = report.verdict.reason() {
            text += &format!("{}: {reason}\n", report.label);
        }
    }
    text + &summary(reports) + "\n"
}

fn cells(report: &Report) -> [String; 4] {
    let share = |elapsed| share(elapsed, report.timeout_minutes);
    [
        report.label.clone(),
        report.verdict.cell(),
        report.elapsed.map(seconds).unwrap_or_default(),
        report.elapsed.map(share).unwrap_or_default(),
    ]
}

fn seconds(elapsed: Duration) -> String {
    let tenths = (elapsed.as_millis() + 50) / 100;
    match tenths / 600 {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes => format!("{minutes}m {:02}s", tenths % 600 / 10),
    }
}

fn share(elapsed: Duration, timeout_minutes: u64) -> String {
    let percent = elapsed.as_millis() * 100 / (u128::from(timeout_minutes.max(1)) * 60_000);
    format!("{percent:>3} % of {timeout_minutes} min")
}

fn summary(reports: &[Report]) -> String {
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
mod tests {
    use super::*;
    use expect_test::expect;

    fn report(label: &str, verdict: Verdict, elapsed_ms: Option<u64>) -> Report {
        Report {
            label: label.to_owned(),
            verdict,
            elapsed: elapsed_ms.map(Duration::from_millis),
            timeout_minutes: 5,
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
        ];
        expect![[r"
            test                  verdict                   time  of its timeout
            style                 passed                   0.3 s    0 % of 5 min
            unittests-gnu-x86_64  FAILED (exit 101)       2m 30s   50 % of 5 min
            miri                  soft-failed (signal 9)  1m 00s   19 % of 5 min
            build-musl-x86_64     unavailable
            later                 not run
            build-musl-x86_64: unavailable: no musl target; run `rustup target add x`
            later: not run: `--fail-fast`
            1 passed, 1 failed, 1 soft-failed, 1 unavailable, 1 not run
        "]]
        .assert_eq(&render(&reports, false));
    }

    #[test]
    fn a_reason_has_no_secret_and_one_line() {
        let verdict = Verdict::unavailable("`https://u:p@h/x` cannot be reached\nrun again: x");
        let shown = "unavailable: `https://***@h/x` cannot be reached\u{fffd}run again: x";
        assert_eq!(verdict.reason().unwrap(), shown);
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let reports = [report("style", Verdict::Passed, Some(1))];
        let coloured = render(&reports, true);
        assert_eq!(
            coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""),
            render(&reports, false)
        );
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

    #[test]
    fn soft_fail_is_read_as_buildkite_reads_it() {
        for (text, wanted) in [
            ("true", SoftFail::Always),
            (r#""true""#, SoftFail::Always),
            (r#""false""#, SoftFail::Never),
            (r#"[{"exit_status": "*"}]"#, SoftFail::Always),
            (r#"[{"exit_status": 3}]"#, SoftFail::ExitStatuses(vec![3])),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(SoftFail::from_value(Some(&value)), wanted);
        }
        assert!(SoftFail::ExitStatuses(vec![3]).covers(Ended::Exit(3)));
        assert!(!SoftFail::ExitStatuses(vec![3]).covers(Ended::Exit(4)));
    }

    #[test]
    fn exit_status_75_is_unavailable_only_for_our_own_commands() {
        let verdict = |ended, is_own| Verdict::of(ended, &SoftFail::Never, is_own);
        assert_eq!(verdict(Ended::Exit(0), false), Verdict::Passed);
        assert!(matches!(verdict(Ended::Exit(75), true), Verdict::Unavailable { .. }));
        assert!(verdict(Ended::Exit(75), false).is_failure());
        let soft = Verdict::of(Ended::Signal(9), &SoftFail::ExitStatuses(vec![137]), false);
        assert_eq!(soft, Verdict::SoftFailed { ended: Ended::Signal(9) });
    }
}
