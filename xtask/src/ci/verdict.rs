//! Pure. What a local run finds out about one test.

use serde_json::Value;

use crate::outcome::UNDETERMINED;
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::style::Colour;

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Failed(Ended),
    /// Failed beside other tests, and passed alone.
    PassedAlone,
    /// Failed, and the description says that this does not count.
    SoftFailed(Ended),
    /// Why.
    Skipped(String),
    /// Could not run here: why, and what the user can do about it.
    Unavailable(String),
    /// The run ended before this test's turn: why.
    NotRun(String),
    Interrupted,
}

impl Verdict {
    /// Judges a command that ran. `soft_fail` is the step's. Exit status 75 means "could not be
    /// determined" only where the whole command is one of ours.
    pub(crate) fn of(ended: Ended, soft_fail: &Value, is_own_command: bool) -> Verdict {
        match ended {
            Ended::Exit(0) => Verdict::Passed,
            Ended::Exit(code) if is_own_command && code == i32::from(UNDETERMINED) => {
                Verdict::Unavailable("could not be determined (exit status 75)".to_owned())
            }
            ended if ended.is_soft(soft_fail) => Verdict::SoftFailed(ended),
            ended => Verdict::Failed(ended),
        }
    }

    /// Whether the run as a whole has failed by it.
    pub(crate) fn fails_the_run(&self) -> bool {
        matches!(self, Verdict::Failed(_) | Verdict::Interrupted)
    }

    /// Whether running the test again is what the user wants to do next.
    pub(crate) fn is_worth_a_rerun(&self) -> bool {
        self.fails_the_run() || matches!(self, Verdict::SoftFailed(_))
    }

    /// Why the test did not run to an end of its own, if it did not.
    pub(crate) fn reason(&self) -> Option<String> {
        let (Verdict::Skipped(reason) | Verdict::Unavailable(reason) | Verdict::NotRun(reason)) =
            self
        else {
            return None;
        };
        Some(visible(&mask_secrets(&format!("{}: {reason}", self.kind().0))))
    }

    /// Its name and colour.
    pub(crate) fn kind(&self) -> (&'static str, Colour) {
        match self {
            Verdict::Passed => ("passed", Colour::Green),
            Verdict::PassedAlone => ("passed alone", Colour::Yellow),
            Verdict::Failed(Ended::TimedOut) => ("timed out", Colour::Red),
            Verdict::Failed(_) => ("failed", Colour::Red),
            Verdict::SoftFailed(_) => ("soft-failed", Colour::Yellow),
            Verdict::Skipped(_) => ("skipped", Colour::Dim),
            Verdict::Unavailable(_) => ("unavailable", Colour::Yellow),
            Verdict::NotRun(_) => ("not run", Colour::Dim),
            Verdict::Interrupted => ("interrupted", Colour::Red),
        }
    }

    pub(crate) fn cell(&self) -> String {
        match self {
            Verdict::Failed(ended) => format!("FAILED ({})", ended.describe()),
            Verdict::SoftFailed(ended) => format!("soft-failed ({})", ended.describe()),
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

    /// Whether the value of `soft_fail`, as Buildkite reads it, lets the step fail without the run.
    fn is_soft(self, soft_fail: &Value) -> bool {
        // The exit status that docker reports; Buildkite has none for a job that timed out.
        let status = match self {
            Ended::Exit(status) => Some(status),
            Ended::Signal(signal) => Some(128 + signal),
            Ended::TimedOut => None,
        };
        match soft_fail {
            Value::Array(items) => {
                let mut statuses = items.iter().filter_map(|item| item.get("exit_status"));
                statuses.any(|it| it == "*" || status.is_some_and(|status| *it == status))
            }
            value => *value == true || value == "true",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_secret_and_one_line() {
        let reason = "`https://u:p@h/x` cannot be reached\nrun again: x".to_owned();
        let shown = "unavailable: `https://***@h/x` cannot be reached\u{fffd}run again: x";
        assert_eq!(Verdict::Unavailable(reason).reason().unwrap(), shown);
    }

    #[test]
    fn soft_fail_is_read_as_buildkite_reads_it() {
        for (text, wanted) in [
            ("true", [true, true, true, true]),
            (r#""true""#, [true, true, true, true]),
            (r#""false""#, [false, false, false, false]),
            ("null", [false, false, false, false]),
            (r#"[{"exit_status": "*"}]"#, [true, true, true, true]),
            (r#"[{"exit_status": 3}]"#, [true, false, false, false]),
            (r#"[{"exit_status": 137}, {"exit_status": 4}]"#, [false, true, true, false]),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let ends = [Ended::Exit(3), Ended::Exit(4), Ended::Signal(9), Ended::TimedOut];
            assert_eq!(ends.map(|ended| ended.is_soft(&value)), wanted, "{text}");
        }
    }

    #[test]
    fn exit_status_75_is_unavailable_only_for_our_own_commands() {
        let verdict = |ended, is_own| Verdict::of(ended, &Value::Null, is_own);
        assert_eq!(verdict(Ended::Exit(0), false), Verdict::Passed);
        assert!(matches!(verdict(Ended::Exit(75), true), Verdict::Unavailable(_)));
        assert!(verdict(Ended::Exit(75), false).fails_the_run());
        let soft = serde_json::json!([{"exit_status": 137}]);
        let verdict = Verdict::of(Ended::Signal(9), &soft, false);
        assert_eq!(verdict, Verdict::SoftFailed(Ended::Signal(9)));
    }
}
