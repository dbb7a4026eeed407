//! Pure. Covered lines, their score, and how it compares with the recorded one.

use std::fmt;

use crate::cli::coverage::Profile;
use crate::text::Percent;

/// The sum over all functions, as llvm-cov counts: a line of two functions counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) covered: u64,
    pub(crate) counted: u64,
}

impl Lines {
    /// Covered lines in percent; 0 where there are none to cover, as llvm-cov has it.
    #[expect(clippy::cast_precision_loss, reason = "no crate has 2^53 lines")]
    pub(crate) fn percent(self) -> f64 {
        if self.counted == 0 {
            return 0.0;
        }
        self.covered as f64 * 100.0 / self.counted as f64
    }

    /// The percentage, rounded down, so that the record is never above what was measured.
    pub(crate) fn score(self) -> Percent {
        Percent::of(self.covered, self.counted)
    }
}

impl std::iter::Sum for Lines {
    fn sum<I: Iterator<Item = Lines>>(lines: I) -> Lines {
        lines.fold(Lines::default(), |sum, lines| Lines {
            covered: sum.covered + lines.covered,
            counted: sum.counted + lines.counted,
        })
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of lines ({} of {})", self.score(), self.covered, self.counted)
    }
}

/// What a measured score is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) percent: f64,
    /// How far the measured score may differ, up or down, in percentage points.
    pub(crate) tolerance: f64,
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
