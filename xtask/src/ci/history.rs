//! Pure. What the last run is remembered by: how long each test took, and which did not pass.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ci::report::Report;

/// The last result of each test, by label.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct History(BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    seconds: Option<f64>,
    passed: bool,
}

impl History {
    /// What an earlier run has written. What cannot be read is forgotten: nothing but the order of
    /// the tests depends on it.
    pub(crate) fn parse(text: &str) -> History {
        let root: Value = serde_json::from_str(text).unwrap_or_default();
        let entries = root.as_object().into_iter().flatten().map(|(label, value)| {
            let entry = Entry {
                seconds: value["seconds"].as_f64().filter(|it| it.is_finite() && *it >= 0.0),
                passed: value["passed"].as_bool().unwrap_or(true),
            };
            (label.clone(), entry)
        });
        History(entries.collect())
    }

    pub(crate) fn to_text(&self) -> String {
        let entry = |(label, entry): (&String, &Entry)| {
            (label.clone(), json!({ "seconds": entry.seconds, "passed": entry.passed }))
        };
        let entries: serde_json::Map<String, Value> = self.0.iter().map(entry).collect();
        format!("{:#}\n", Value::Object(entries))
    }

    /// How long a test took the last time that it ran.
    pub(crate) fn expected(&self, label: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.0.get(label)?.seconds?).ok()
    }

    /// The tests that did not pass the last time.
    pub(crate) fn not_passed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, entry)| !entry.passed).map(|(label, _)| label.as_str())
    }

    /// Notes the results of a run; a test that did not run keeps its time.
    pub(crate) fn record(&mut self, reports: &[Report]) {
        for report in reports {
            let known = self.0.get(&report.label).and_then(|entry| entry.seconds);
            let seconds = report.elapsed.map(|elapsed| elapsed.as_secs_f64()).or(known);
            let passed = report.verdict.is_done();
            self.0.insert(report.label.clone(), Entry { seconds, passed });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::report::tests::report;
    use crate::ci::verdict::{Ended, Verdict};

    #[test]
    fn times_and_failures_are_remembered_and_a_test_that_did_not_run_keeps_its_time() {
        let mut history = History::default();
        let failed = Verdict::Failed { ended: Ended::Exit(1) };
        history.record(&[report("a", Verdict::Passed, Some(1500)), report("b", failed, Some(10))]);
        let reason = String::new();
        history.record(&[report("a", Verdict::NotRun { reason }, None)]);
        let history = History::parse(&history.to_text());
        assert_eq!(history.expected("a"), Some(Duration::from_millis(1500)));
        assert_eq!(history.not_passed().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(history.expected("c"), None);
    }

    #[test]
    fn what_is_not_a_history_is_forgotten() {
        for text in
            ["", "[]", "{\"a\": 1}", "{\"a\": {\"seconds\": -1}}", "{\"a\": {\"seconds\": 1e300}}"]
        {
            assert_eq!(History::parse(text).expected("a"), None, "{text}");
        }
    }
}
