//! Pure. Which tests the command line selects.

use std::collections::HashSet;

use crate::text::nearest;

/// Names or labels of tests; an empty `chosen` selects all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) chosen: &'a [String],
    pub(crate) skipped: &'a [String],
}

impl Selection<'_> {
    pub(crate) fn includes(&self, test_name: &str, label: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|name| name == test_name || name == label);
        (self.chosen.is_empty() || among(self.chosen)) && !among(self.skipped)
    }
}

/// Returns a message for each name that is neither a test nor a label; `tests` are pairs of both.
pub(crate) fn unknown_names(selection: &Selection<'_>, tests: &[(&str, &str)]) -> Vec<String> {
    let is_known = |name: &str| tests.iter().any(|(test, label)| *test == name || *label == name);
    let mut known: Vec<&str> = tests.iter().map(|(test, _)| *test).collect();
    let mut seen = HashSet::new();
    known.retain(|name| seen.insert(*name));
    let unknown = selection.chosen.iter().chain(selection.skipped).filter(|name| !is_known(name));
    unknown
        .map(|name| format!("there is no test `{name}`{}", nearest::hint(name, &known)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: [(&str, &str); 3] =
        [("style", "style"), ("build", "build-x86_64"), ("build", "build-aarch64")];

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tests_are_chosen_and_skipped_by_name_or_label() {
        let (chosen, skipped) = (words("build"), words("build-aarch64"));
        let selection = Selection { chosen: &chosen, skipped: &skipped };
        let labels: Vec<&str> = TESTS
            .iter()
            .filter(|(name, label)| selection.includes(name, label))
            .map(|(_, label)| *label)
            .collect();
        assert_eq!(labels, ["build-x86_64"]);
        let all = Selection { chosen: &[], skipped: &[] };
        assert!(all.includes("style", "style"));
    }

    #[test]
    fn every_unknown_name_is_reported_with_the_nearest() {
        let (chosen, skipped) = (words("stlye build-x86_64"), words("zzz"));
        let selection = Selection { chosen: &chosen, skipped: &skipped };
        assert_eq!(
            unknown_names(&selection, &TESTS),
            [
                "there is no test `stlye`, did you mean `style`?",
                "there is no test `zzz`, expected one of `style` or `build`"
            ]
        );
    }
}
