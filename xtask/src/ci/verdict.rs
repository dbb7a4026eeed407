//! Pure. What a local run finds out about one test.

use serde_json::Value;

use crate::outcome::UNDETERMINED;
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::style::Colour;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed {
        ended: Ended,
    },
    /// Failed beside other tests, and passed alone.
    PassedAlone,
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

    /// Whether the run as a whole has failed by it.
    pub(crate) fn fails_the_run(&self) -> bool {
        matches!(self, Verdict::Failed { .. } | Verdict::Interrupted)
    }

    /// Whether running the test again is what the user wants to do next.
    pub(crate) fn is_worth_a_rerun(&self) -> bool {
        self.fails_the_run() || matches!(self, Verdict::SoftFailed { .. })
    }

    /// Whether the test ran and found nothing.
    pub(crate) fn has_passed(&self) -> bool {
        matches!(self, Verdict::Passed | Verdict::PassedAlone)
    }

    /// Whether the test ran to an end of its own.
    pub(crate) fn has_run(&self) -> bool {
        self.has_passed() || self.is_worth_a_rerun()
    }

    /// Whether `--failed` leaves it out.
    pub(crate) fn is_done(&self) -> bool {
        self.has_passed() || matches!(self, Verdict::SoftFailed { .. } | Verdict::Skipped { .. })
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

    /// Its name and colour.
    pub(crate) fn kind(&self) -> (&'static str, Colour) {
        match self {
            Verdict::Passed => ("passed", Colour::Green),
            Verdict::PassedAlone => ("passed alone", Colour::Yellow),
            Verdict::Failed { ended: Ended::TimedOut } => ("timed out", Colour::Red),
            Verdict::Failed { .. } => ("failed", Colour::Red),
            Verdict::SoftFailed { .. } => ("soft-failed", Colour::Yellow),
            Verdict::Skipped { .. } => ("skipped", Colour::Dim),
            Verdict::Unavailable { .. } => ("unavailable", Colour::Yellow),
            Verdict::NotRun { .. } => ("not run", Colour::Dim),
            Verdict::Interrupted => ("interrupted", Colour::Red),
        }
    }

    pub(crate) fn cell(&self) -> String {
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
    pub(crate) fn describe(self) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_secret_and_one_line() {
        let verdict = Verdict::unavailable("`https://u:p@h/x` cannot be reached\nrun again: x");
        let shown = "unavailable: `https://***@h/x` cannot be reached\u{fffd}run again: x";
        assert_eq!(verdict.reason().unwrap(), shown);
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
        assert!(verdict(Ended::Exit(75), false).fails_the_run());
        let soft = Verdict::of(Ended::Signal(9), &SoftFail::ExitStatuses(vec![137]), false);
        assert_eq!(soft, Verdict::SoftFailed { ended: Ended::Signal(9) });
    }
}
