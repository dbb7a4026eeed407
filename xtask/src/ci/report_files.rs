//! Pure. The results of a run in files: for tools and for the pages of services (`JUnit` XML, JSON,
//! Markdown), and what the next run remembers of them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::ci::report::{Report, sentence, table};
use crate::ci::verdict::Verdict;
use crate::text::sanitize;

/// `JUnit` XML as Jenkins defines it and as most services read it.
///
/// Source: <https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd>
pub(crate) fn junit(reports: &[Report]) -> String {
    const SUITE: &str = "cargo xtask ci";
    let count =
        |wanted: fn(&Verdict) -> bool| reports.iter().filter(|it| wanted(&it.verdict)).count();
    let total: f64 = reports.iter().map(seconds).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{SUITE}\" \
         tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{total:.3}\">\n",
        reports.len(),
        count(Verdict::fails_the_run),
        count(|verdict| verdict.reason().is_some()),
    );
    for report in reports {
        xml.push_str(&format!(
            "    <testcase classname=\"{SUITE}\" name=\"{}\" time=\"{:.3}\"",
            escape(&report.label),
            seconds(report)
        ));
        match result(report) {
            None => xml.push_str("/>\n"),
            Some(result) => xml.push_str(&format!(">\n      {result}\n    </testcase>\n")),
        }
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// The element that says how a test did not pass.
fn result(report: &Report) -> Option<String> {
    let reason = report.reason.as_deref().unwrap_or_default();
    if report.verdict.fails_the_run() {
        let message = format!("{}: {reason}", report.verdict.cell());
        let excerpt = escape(&report.plain_excerpt());
        return Some(format!("<failure message=\"{}\">{excerpt}</failure>", escape(&message)));
    }
    let reason = report.verdict.reason()?;
    Some(format!("<skipped message=\"{}\"/>", escape(&reason)))
}

/// Text for XML 1.0, which has no characters for most control codes.
fn escape(text: &str) -> String {
    let text = sanitize::visible_lines(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

fn seconds(report: &Report) -> f64 {
    report.elapsed.unwrap_or_default().as_secs_f64()
}

/// One object for each test, in the order of the plan.
pub(crate) fn json(reports: &[Report]) -> Value {
    let entry = |report: &Report| {
        json!({
            "label": report.label,
            "test_name": report.test_name,
            "verdict": report.verdict.kind().0,
            "seconds": report.elapsed.as_ref().map(Duration::as_secs_f64),
            "timeout_in_minutes": report.timeout_minutes,
            "command": report.command,
            "log": report.log,
            "reason": report.reason.clone().or_else(|| report.verdict.reason()),
        })
    };
    json!({ "tests": reports.iter().map(entry).collect::<Vec<Value>>() })
}

/// A summary for the page of a build: the sentence, the table, and what failed.
pub(crate) fn markdown(reports: &[Report]) -> String {
    let (sentence, table) = (sentence(reports), table(reports, false));
    let mut text = sanitize::headed_code_block(&sanitize::escape_markdown(&sentence), &table);
    for report in reports.iter().filter(|report| report.verdict.fails_the_run()) {
        let reason = report.reason.as_deref().unwrap_or("no reason in its output");
        text.push_str(&format!(
            "\n`{}`: {}\n\n",
            sanitize::code_span(&report.label),
            sanitize::escape_markdown(reason)
        ));
        text.push_str(&sanitize::code_block("text", &report.plain_excerpt()));
    }
    text
}

/// The last result of each test, by label: `{"seconds": 1.5, "passed": true}`.
#[derive(Debug, Default)]
pub(crate) struct History(Map<String, Value>);

impl History {
    /// What an earlier run has written. What cannot be read is forgotten: nothing but the order of
    /// the tests depends on it.
    pub(crate) fn parse(text: &str) -> History {
        History(serde_json::from_str(text).unwrap_or_default())
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{:#}\n", Value::Object(self.0.clone()))
    }

    /// How long a test took the last time that it ran.
    pub(crate) fn expected(&self, label: &str) -> Option<Duration> {
        Duration::try_from_secs_f64(self.0.get(label)?["seconds"].as_f64()?).ok()
    }

    /// Whether a test did not pass the last time.
    pub(crate) fn has_failed(&self, label: &str) -> bool {
        self.0.get(label).is_some_and(|last| last["passed"] == false)
    }

    /// Notes the results of a run; a test that did not run keeps its time.
    pub(crate) fn record(&mut self, reports: &[Report]) {
        for Report { label, verdict, elapsed, .. } in reports {
            let last = self.expected(label);
            // An interrupt says nothing about how long a test takes.
            let elapsed = elapsed.filter(|_| *verdict != Verdict::Interrupted);
            let seconds = elapsed.or(last).as_ref().map(Duration::as_secs_f64);
            let passed = !verdict.fails_the_run()
                && !matches!(verdict, Verdict::Unavailable(_) | Verdict::NotRun(_));
            let result = json!({ "seconds": seconds, "passed": passed });
            self.0.insert(label.clone(), result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::report::tests::report;
    use crate::ci::verdict::Ended;
    use expect_test::expect;

    fn reports() -> Vec<Report> {
        let mut failed = report("u<nit>", Verdict::Failed(Ended::Exit(1)), Some(250));
        failed.reason = Some("a: left:\u{1b}\"1\" & `b`".to_owned());
        failed.excerpt = vec!["panicked\u{1b}[31m".to_owned(), "]]>".to_owned()];
        let missing = Verdict::Unavailable("no network".to_owned());
        vec![report("style", Verdict::Passed, Some(1500)), failed, report("audit", missing, None)]
    }

    #[test]
    fn junit_escapes_what_xml_would_take_for_markup() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites>
              <testsuite name="cargo xtask ci" tests="3" failures="1" errors="0" skipped="1" time="1.750">
                <testcase classname="cargo xtask ci" name="style" time="1.500"/>
                <testcase classname="cargo xtask ci" name="u&lt;nit&gt;" time="0.250">
                  <failure message="FAILED (exit 1): a: left:�&quot;1&quot; &amp; `b`">panicked
            ]]&gt;</failure>
                </testcase>
                <testcase classname="cargo xtask ci" name="audit" time="0.000">
                  <skipped message="unavailable: no network"/>
                </testcase>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&junit(&reports()));
    }

    #[test]
    fn markdown_shows_the_table_and_what_failed() {
        expect![[r#"
            **1 passed, 1 failed, 1 unavailable**

            ```text
            style   passed           1.5 s
            u<nit>  FAILED (exit 1)  0.3 s
            audit   unavailable
            ```

            `u<nit>`: a: left: "1" \& \`b\`

            ```text
            panicked
            ]]>
            ```
        "#]]
        .assert_eq(&markdown(&reports()));
    }

    #[test]
    fn json_has_an_entry_for_each_test() {
        let value = json(&reports());
        assert_eq!(value["tests"][0]["verdict"], "passed");
        assert_eq!(value["tests"][0]["seconds"], 1.5);
        assert_eq!(value["tests"][2]["reason"], "unavailable: no network");
    }

    #[test]
    fn times_and_failures_are_remembered_and_a_test_that_did_not_run_keeps_its_time() {
        let mut history = History::default();
        let failed = Verdict::Failed(Ended::Exit(1));
        history.record(&[report("a", Verdict::Passed, Some(1500)), report("b", failed, Some(10))]);
        let reason = String::new();
        history.record(&[report("a", Verdict::NotRun(reason), None)]);
        let history = History::parse(&history.to_text());
        assert_eq!(history.expected("a"), Some(Duration::from_millis(1500)));
        assert!(history.has_failed("a") && history.has_failed("b") && !history.has_failed("c"));
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
