//! Pure. Which side runs when.

use std::fmt;

use crate::text::diagnostic::Rejected;

/// A side of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideName {
    Base,
    Change,
}

impl fmt::Display for SideName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SideName::Base => "base",
            SideName::Change => "change",
        })
    }
}

/// With fewer rounds a single disturbance of the machine could pass for a slowdown.
pub(crate) const MIN_GATED_ROUNDS: usize = 3;

/// How often each side is measured, and whether a slowdown fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// None means once, the change first.
    pub(crate) rounds: Option<usize>,
    /// A slowdown beyond this many percent, and beyond the noise, is a failure.
    pub(crate) fail_above_percent: Option<f64>,
}

/// More would take days.
const MAX_ROUNDS: usize = 1000;

impl Schedule {
    /// Checks what the command line says.
    ///
    /// # Errors
    ///
    /// If there are too many or too few rounds (exit code 2).
    pub(crate) fn new(
        rounds: Option<usize>,
        fail_above_percent: Option<f64>,
    ) -> Result<Schedule, Rejected> {
        let message = match (rounds, fail_above_percent) {
            (Some(rounds), _) if !(1..=MAX_ROUNDS).contains(&rounds) => {
                format!("`--rounds` takes a number from 1 to {MAX_ROUNDS}")
            }
            (Some(rounds), Some(_)) if rounds < MIN_GATED_ROUNDS => format!(
                "`--fail-above` needs `--rounds {MIN_GATED_ROUNDS}` or more to tell a slowdown from noise"
            ),
            (None, Some(_)) => {
                return Ok(Schedule { rounds: Some(MIN_GATED_ROUNDS), fail_above_percent });
            }
            _ => return Ok(Schedule { rounds, fail_above_percent }),
        };
        Err(Rejected::new(message).help("see `cargo xtask help bench`"))
    }

    /// Whether an earlier measurement of the base may stand in for one of this run.
    pub(crate) fn may_reuse_base(&self) -> bool {
        self.rounds.is_none()
    }

    /// The runs in their order. A gate has one run of the base more than rounds, so that every run
    /// of the change lies between two of the base: what disturbs two runs of the change disturbs
    /// the base, too.
    pub(crate) fn runs(&self) -> Vec<SideName> {
        let Some(rounds) = self.rounds else { return vec![SideName::Change, SideName::Base] };
        let mut runs = [SideName::Base, SideName::Change].repeat(rounds);
        if self.fail_above_percent.is_some() {
            runs.push(SideName::Base);
        }
        runs
    }

    /// Further runs that confirm a slowdown, in stages; all runs so far count each time. Each stage doubles the number of rounds: on a
    /// machine so busy that every other run takes twice as long, the first runs alone would be
    /// wrong about one benchmark in six, and these stages about one in three thousand.
    pub(crate) fn confirmations(&self) -> Vec<Vec<SideName>> {
        let (Some(rounds), Some(_)) = (self.rounds, self.fail_above_percent) else {
            return Vec::new();
        };
        [rounds, 2 * rounds]
            .map(|rounds| [SideName::Change, SideName::Base].repeat(rounds))
            .to_vec()
    }
}

/// A regular expression that these benchmarks match and no others, as criterion takes it. None where
/// it would be longer than a command line takes: then all of them are measured.
pub(crate) fn filter<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    // Linux takes arguments of 128 KiB, and criterion expressions that need 10 MiB when compiled.
    const LIMIT_BYTES: usize = 16 << 10;
    let escaped: Vec<String> = names.map(escape).collect();
    let filter = format!("^(?:{})$", escaped.join("|"));
    (filter.len() <= LIMIT_BYTES).then_some(filter)
}

fn escape(name: &str) -> String {
    let mut escaped = String::new();
    for c in name.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(rounds: Option<usize>, fail_above_percent: Option<f64>) -> String {
        let schedule = Schedule::new(rounds, fail_above_percent).unwrap();
        let letter = |side: &SideName| if *side == SideName::Base { 'b' } else { 'c' };
        schedule.runs().iter().map(letter).collect()
    }

    #[test]
    fn sides_alternate() {
        assert_eq!(letters(None, None), "cb");
        assert_eq!(letters(Some(2), None), "bcbc");
        assert_eq!(letters(None, Some(10.0)), "bcbcbcb");
        assert_eq!(letters(Some(4), Some(10.0)), "bcbcbcbcb");
    }

    #[test]
    fn a_gate_confirms_slowdowns() {
        let stages = |schedule: Schedule| -> Vec<usize> {
            schedule.confirmations().iter().map(Vec::len).collect()
        };
        assert_eq!(stages(Schedule::new(None, Some(10.0)).unwrap()), [6, 12]);
        assert_eq!(stages(Schedule::new(Some(5), None).unwrap()), [0; 0]);
        let first = &Schedule::new(None, Some(10.0)).unwrap().confirmations()[0];
        assert_eq!(first[..2], [SideName::Change, SideName::Base], "the base ran last");
    }

    #[test]
    fn a_filter_takes_names_literally() {
        let names = ["read", "a/b (1.5)"].into_iter();
        assert_eq!(filter(names).unwrap(), r"^(?:read|a/b \(1\.5\))$");
        assert_eq!(
            filter(std::iter::repeat_n("a name", 3000)),
            None,
            "too long for a command line"
        );
    }

    #[test]
    fn too_few_rounds_are_refused() {
        let message =
            |rounds, percent| Schedule::new(Some(rounds), percent).unwrap_err().to_string();
        assert!(message(0, None).contains("from 1"));
        assert!(message(usize::MAX, None).contains("to 1000"));
        assert!(message(2, Some(5.0)).contains("`--rounds 3` or more"));
    }

    #[test]
    fn only_a_single_run_may_reuse_a_known_base() {
        assert!(Schedule::new(None, None).unwrap().may_reuse_base());
        assert!(!Schedule::new(Some(1), None).unwrap().may_reuse_base());
        assert!(!Schedule::new(None, Some(1.0)).unwrap().may_reuse_base());
    }
}
