//! Pure. The findings, rendered as text and as JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::cli;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Rejected, Severity};
use crate::text::sanitize;

/// The result of all checks.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Each with the name of its check.
    items: Vec<(&'static str, Diagnostic)>,
    /// What could not be checked, and why.
    pub(crate) unavailable: Vec<String>,
}

impl Findings {
    pub(crate) fn extend(
        &mut self,
        check: &'static str,
        diagnostics: impl IntoIterator<Item = Diagnostic>,
    ) {
        self.items.extend(diagnostics.into_iter().map(|diagnostic| (check, diagnostic)));
    }

    /// Adds the findings of `read`.
    pub(crate) fn collect<T>(
        &mut self,
        check: &'static str,
        read: impl FnOnce(&Diagnostics) -> T,
    ) -> T {
        let found = Diagnostics::default();
        let value = read(&found);
        self.extend(check, found.into_items());
        value
    }

    /// Returns a result, or reports why there is none: rejected input as findings of the check, any
    /// other error as what could not be checked.
    pub(crate) fn accept<T>(
        &mut self,
        check: &'static str,
        result: anyhow::Result<T>,
    ) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        match error.downcast::<Rejected>() {
            Ok(rejected) => self.extend(check, rejected.0),
            Err(error) => self.unavailable.push(format!("{error:#}")),
        }
        None
    }

    /// Replaces `cargo xtask` in the help by the alias of this repository.
    pub(crate) fn use_alias(&mut self, alias: &str) {
        for help in self.items.iter_mut().filter_map(|(_, it)| it.help.as_mut()) {
            *help = cli::help_under(alias, help);
        }
    }

    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|(_, diagnostic)| diagnostic.severity == severity).count()
    }

    /// Sorts: errors first, then by file and line. A file may be read several times; of findings that
    /// say the same about a place, the first of those with the highest severity is kept.
    pub(crate) fn sort(&mut self) {
        let what = |Diagnostic { place, message, .. }: &Diagnostic| {
            let place = place.as_ref().map(|it| (it.name.clone(), it.line, it.column));
            (place.is_none(), place, message.clone())
        };
        self.items.sort_by_cached_key(|(_, finding)| (finding.severity, what(finding)));
        let mut known = BTreeSet::new();
        self.items.retain(|(_, finding)| known.insert(what(finding)));
        self.unavailable.sort();
        self.unavailable.dedup();
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for (_, diagnostic) in &self.items {
            text += &format!("{}\n\n", sanitize::visible_lines(&diagnostic.to_string()));
        }
        for reason in &self.unavailable {
            text += &format!("unavailable: {}\n\n", sanitize::visible(reason));
        }
        text + &self.summary() + "\n"
    }

    fn summary(&self) -> String {
        let severities = [Severity::Error, Severity::Warning, Severity::Info];
        let count = |severity: Severity| {
            let count = self.count(severity);
            let plural = if count == 1 { "" } else { "s" };
            (count > 0).then(|| format!("{count} {}{plural}", severity.name()))
        };
        let counts: Vec<String> = severities.into_iter().filter_map(count).collect();
        match (counts.is_empty(), self.unavailable.is_empty()) {
            (true, true) => "no problems found".to_owned(),
            (true, false) => "no problems found; some checks could not run".to_owned(),
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
    use crate::text::diagnostic::Source;
    use expect_test::expect;

    fn findings() -> Findings {
        let source = Source::new("a.json", "{\n  \"a\": 1\n}");
        let mut findings = Findings::default();
        findings.extend("hook", [Diagnostic::new(Severity::Info, "no hook")]);
        let key = source.warning(4, "unknown key").help("remove it\u{1b}[2J");
        findings.extend("key", [key.clone()]);
        findings.extend("json", [Diagnostic { severity: Severity::Info, ..key }]);
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
        findings.unavailable.push("no git".to_owned());
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
        findings.unavailable.push("no git".to_owned());
        assert_eq!(
            findings.render(),
            "unavailable: no git\n\nno problems found; some checks could not run\n"
        );
    }
}
