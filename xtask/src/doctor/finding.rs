//! Pure. The findings, as text for people and as JSON for tools.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::text::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::text::json as json_text;
use crate::text::json::Node;
use crate::text::sanitize;

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    items: Vec<Finding>,
    /// A file may be read several times, and each finding is reported once.
    known: HashSet<(Option<PlaceKey>, String)>,
    /// What could not be checked, and why.
    unavailable: Vec<String>,
}

/// File, line and column.
type PlaceKey = (String, usize, usize);

/// A finding and the name of the check that made it.
#[derive(Debug)]
struct Finding {
    check: &'static str,
    diagnostic: Diagnostic,
}

impl Findings {
    pub(crate) fn push(&mut self, check: &'static str, diagnostic: Diagnostic) {
        let key = (place_key(&diagnostic), diagnostic.message.clone());
        if self.known.insert(key) {
            self.items.push(Finding { check, diagnostic });
        }
    }

    pub(crate) fn extend(
        &mut self,
        check: &'static str,
        diagnostics: impl IntoIterator<Item = Diagnostic>,
    ) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(check, diagnostic));
    }

    pub(crate) fn push_unavailable(&mut self, reason: impl Into<String>) {
        self.unavailable.push(reason.into());
    }

    /// The values of a JSON file; what is wrong with its text is a finding.
    pub(crate) fn read_json(&mut self, source: &Source) -> Option<Node> {
        let mut found = Diagnostics::default();
        let root = json_text::parse(source, &mut found);
        self.extend("json", found.items);
        root
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|item| item.diagnostic.severity == severity).count()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.unavailable.is_empty()
    }

    /// Errors first, then by file and line.
    pub(crate) fn sort(&mut self) {
        self.items.sort_by(|one, other| {
            let key = |finding: &Finding| {
                let place = place_key(&finding.diagnostic);
                (finding.diagnostic.severity, place.is_none(), place)
            };
            key(one).cmp(&key(other))
        });
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for Finding { diagnostic, .. } in &self.items {
            for line in diagnostic.to_string().lines() {
                text += &sanitize::visible(line);
                text.push('\n');
            }
            text.push('\n');
        }
        for reason in &self.unavailable {
            text += &format!("unavailable: {}\n\n", sanitize::visible(reason));
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let part = |severity, one: &str, many: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let parts = [
            part(Severity::Error, "error", "errors"),
            part(Severity::Warning, "warning", "warnings"),
            part(Severity::Info, "info", "infos"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match (parts.is_empty(), self.is_complete()) {
            (true, true) => "no problems found\n".to_owned(),
            (true, false) => "no problems found in what could be checked\n".to_owned(),
            (false, _) => format!("{}\n", parts.join(", ")),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let entry = |Finding { check, diagnostic }: &Finding| {
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

fn place_key(diagnostic: &Diagnostic) -> Option<PlaceKey> {
    let place = diagnostic.place.as_ref()?;
    Some((place.name.clone(), place.line, place.column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn findings() -> Findings {
        let source = Source::new("a.json", "{\n  \"a\": 1\n}");
        let mut findings = Findings::default();
        findings
            .push("hook", Diagnostic { severity: Severity::Info, ..Diagnostic::error("no hook") });
        findings.push("key", source.warning(4, "unknown key").help("remove it\u{1b}[2J"));
        findings.push("json", source.warning(4, "unknown key").help("remove it\u{1b}[2J"));
        findings.push("tool", Diagnostic::error("broken"));
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
