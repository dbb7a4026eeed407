//! Pure. The verdicts of a local run, the table that shows them, and what they mean for the whole
//! run.

use std::time::Duration;

use crate::text::style::{Colour, paint};
use crate::text::table::{Align, Columns};

/// How one test ended.
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
        fix: String,
    },
    /// The run ended before this test's turn.
    NotRun {
        reason: String,
    },
    Interrupted,
}

impl Verdict {
    /// Whether running the test again is what the user wants to do next.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed { .. } | Verdict::SoftFailed { .. })
    }
}

/// How the process of a failed test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
}

impl Ended {
    pub(crate) fn describe(self) -> String {
        match self {
            Ended::Exit(status) => format!("exit {status}"),
            Ended::Signal(signal) => format!("signal {signal}"),
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

/// What the verdicts say about the run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    Passed,
    Failed,
    Undetermined,
}

/// Failed if any test failed; else undetermined if nothing could run, or if this is CI, where
/// nobody looks at the table, and something was unavailable; else passed.
pub(crate) fn total(reports: &[Report], is_ci: bool) -> Total {
    let count =
        |wanted: fn(&Verdict) -> bool| reports.iter().filter(|it| wanted(&it.verdict)).count();
    let failed = count(|verdict| matches!(verdict, Verdict::Failed { .. } | Verdict::Interrupted));
    let unavailable = count(|verdict| matches!(verdict, Verdict::Unavailable { .. }));
    let ran = count(|verdict| matches!(verdict, Verdict::Passed | Verdict::SoftFailed { .. }));
    if failed > 0 {
        Total::Failed
    } else if unavailable > 0 && (is_ci || ran == 0) {
        Total::Undetermined
    } else {
        Total::Passed
    }
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
        let verdict = paint(&columns.cell(1, &verdict), colour(&report.verdict), is_coloured);
        text.push_str(&columns.line(&[label, verdict, time, share]));
        text.push('\n');
    }
    for report in reports {
        if let Some(reason) = reason(&report.verdict) {
            text.push_str(&format!("{}: {reason}\n", report.label));
        }
    }
    text + &summary(reports) + "\n"
}

fn cells(report: &Report) -> [String; 4] {
    let share = |elapsed| share(elapsed, report.timeout_minutes);
    [
        report.label.clone(),
        word(&report.verdict),
        report.elapsed.map(seconds).unwrap_or_default(),
        report.elapsed.map(share).unwrap_or_default(),
    ]
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Failed { ended } => format!("FAILED ({})", ended.describe()),
        Verdict::SoftFailed { ended } => format!("soft-failed ({})", ended.describe()),
        Verdict::Skipped { .. } => "skipped".to_owned(),
        Verdict::Unavailable { .. } => "unavailable".to_owned(),
        Verdict::NotRun { .. } => "not run".to_owned(),
        Verdict::Interrupted => "interrupted".to_owned(),
    }
}

fn reason(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Skipped { reason } => Some(format!("skipped: {reason}")),
        Verdict::Unavailable { reason, fix } if fix.is_empty() => {
            Some(format!("unavailable: {reason}"))
        }
        Verdict::Unavailable { reason, fix } => Some(format!("unavailable: {reason}; {fix}")),
        Verdict::NotRun { reason } => Some(format!("not run: {reason}")),
        Verdict::Passed
        | Verdict::Failed { .. }
        | Verdict::SoftFailed { .. }
        | Verdict::Interrupted => None,
    }
}

fn colour(verdict: &Verdict) -> Colour {
    match verdict {
        Verdict::Passed => Colour::Green,
        Verdict::Failed { .. } | Verdict::Interrupted => Colour::Red,
        Verdict::SoftFailed { .. } | Verdict::Unavailable { .. } => Colour::Yellow,
        Verdict::Skipped { .. } | Verdict::NotRun { .. } => Colour::Dim,
    }
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
    for report in reports {
        let kind = match report.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed { .. } => "failed",
            Verdict::SoftFailed { .. } => "soft-failed",
            Verdict::Skipped { .. } => "skipped",
            Verdict::Unavailable { .. } => "unavailable",
            Verdict::NotRun { .. } => "not run",
            Verdict::Interrupted => "interrupted",
        };
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
            fix: "run `rustup target add x`".to_owned(),
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
    fn colour_changes_nothing_but_colour() {
        let reports = [report("style", Verdict::Passed, Some(1))];
        let coloured = render(&reports, true);
        assert_eq!(
            coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""),
            render(&reports, false)
        );
    }

    #[test]
    fn a_failure_decides_and_unavailable_counts_where_nobody_looks() {
        let passed = report("a", Verdict::Passed, Some(1));
        let missing = report("b", unavailable(), None);
        let failed = report("c", Verdict::Failed { ended: Ended::Exit(1) }, Some(1));
        let soft = report("d", Verdict::SoftFailed { ended: Ended::Exit(1) }, Some(1));
        assert_eq!(total(&[passed.clone(), missing.clone(), failed], false), Total::Failed);
        assert_eq!(total(&[passed.clone(), missing.clone()], false), Total::Passed);
        assert_eq!(total(&[passed.clone(), missing.clone()], true), Total::Undetermined);
        assert_eq!(total(&[missing], false), Total::Undetermined);
        assert_eq!(total(&[soft, passed], true), Total::Passed);
        assert_eq!(total(&[], true), Total::Passed);
    }
}
