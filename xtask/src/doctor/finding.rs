//! Pure. The findings, as text for people and as JSON for tools.

use serde_json::{Value, json};

use crate::text::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::text::fields::{self, Field};
use crate::text::sanitize;

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Each with the name of the check that made it.
    items: Vec<(&'static str, Diagnostic)>,
    /// What could not be checked, and why.
    unavailable: Vec<String>,
}

impl Findings {
    pub(crate) fn extend(
        &mut self,
        check: &'static str,
        diagnostics: impl IntoIterator<Item = Diagnostic>,
    ) {
        self.items.extend(diagnostics.into_iter().map(|diagnostic| (check, diagnostic)));
    }

    /// Adds what a check of a JSON file finds.
    pub(crate) fn read(
        &mut self,
        check: &'static str,
        source: &Source,
        read: impl FnOnce(Field<'_>) -> Option<()>,
    ) {
        let found = Diagnostics::default();
        fields::read(source, &found, read);
        self.extend(check, found.into_items());
    }

    pub(crate) fn push_unavailable(&mut self, reason: impl Into<String>) {
        self.unavailable.push(reason.into());
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|(_, diagnostic)| diagnostic.severity == severity).count()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.unavailable.is_empty()
    }

    /// Sorts: errors first, then by file and line. A file may be read several times; of equal
    /// findings the first is kept.
    pub(crate) fn sort(&mut self) {
        let key = |(_, diagnostic): &(&str, Diagnostic)| {
            let Diagnostic { severity, place, message, .. } = diagnostic;
            let place = place.as_ref().map(|it| (it.name.clone(), it.line, it.column));
            (*severity, place.is_none(), place, message.clone())
        };
        self.items.sort_by_cached_key(key);
        self.items.dedup_by_key(|item| key(item));
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (_, diagnostic) in &self.items {
            for line in diagnostic.to_string().lines() {
                text += &sanitize::visible(line);
                text.push('\n');
            }
            text.push('\n');
        }
        for reason in &self.unavailable {
            text += &format!("unavailable: {}\n\n", sanitize::visible(reason));
        }
        text + &self.summary() + "\n"
    }

    fn summary(&self) -> String {
        let severities = [Severity::Error, Severity::Warning, Severity::Info];
        let counts = severities.map(|severity| match (self.count(severity), severity.name()) {
            (0, _) => String::new(),
            (1, name) => format!("1 {name}"),
            (count, name) => format!("{count} {name}s"),
        });
        let counts: Vec<String> = counts.into_iter().filter(|count| !count.is_empty()).collect();
        match (counts.is_empty(), self.is_complete()) {
            (true, true) => "no problems found".to_owned(),
            (true, false) => "no problems found in what could be checked".to_owned(),
            (false, _) => counts.join(", "),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let entry = |(check, diagnostic): &(&str, Diagnostic)| {
            let place = diagnostic.place.as_ref();
            json!({
                "check": check,
                "severity": diagnostic.severity.name(),
                "file": place.map(|place| &place.name),
                "line": place.map(|place| place.line),
                "column": place.map(|place| place.column),
                "message": diagnostic.message,
                "help": diagnostic.help,
            })
        };
        json!({
            "findings": self.items.iter().map(entry).collect::<Vec<Value>>(),
            "unavailable": self.unavailable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn findings() -> Findings {
        let source = Source::new("a.json", "{\n  \"a\": 1\n}");
        let mut findings = Findings::default();
        findings.extend("hook", [Diagnostic::new(Severity::Info, "no hook")]);
        let key = source.warning(4, "unknown key").help("remove it\u{1b}[2J");
        findings.extend("key", [key.clone()]);
        findings.extend("json", [key]);
        findings.extend("tool", [Diagnostic::error("broken")]);
        findings.sort();
        findings
    }

    #[test]
    fn errors_come_first_and_nothing_is_reported_twice() {
        expect![[r#"
            error: broken

            a.json:2:3: warning: unknown key
             2 |   "a": 1
               |   ^
            help: remove it�[2J

            info: no hook

            1 error, 1 warning, 1 info
        "#]]
        .assert_eq(&findings().render());
    }

    #[test]
    fn tools_get_the_same_as_json() {
        let mut findings = findings();
        findings.push_unavailable("no git");
        let json = findings.to_json();
        assert_eq!(json["findings"][1]["check"], "key");
        assert_eq!(json["findings"][1]["line"], 2);
        assert_eq!(json["findings"][1]["column"], 3);
        assert_eq!(json["findings"][0]["file"], Value::Null);
        assert_eq!(json["unavailable"][0], "no git");
    }

    #[test]
    fn what_could_not_be_checked_is_reported() {
        let mut findings = Findings::default();
        assert_eq!(findings.render(), "no problems found\n");
        findings.push_unavailable("no git");
        assert_eq!(
            findings.render(),
            "unavailable: no git\n\nno problems found in what could be checked\n"
        );
    }
}
