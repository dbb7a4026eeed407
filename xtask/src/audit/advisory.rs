//! Pure. What cargo-audit found.

use std::fmt;

use serde_json::Value;

use crate::text::sanitize::visible;

/// Why a dependency is in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vulnerability,
    Unmaintained,
    Unsound,
    Yanked,
    /// Something that its author wants users to know; `--deny warnings` lets it pass.
    Notice,
    /// A kind of warning that this program does not know yet; `--deny warnings` means it too.
    Other,
}

impl Kind {
    fn of_warning(name: &str) -> Kind {
        match name {
            "unmaintained" => Kind::Unmaintained,
            "unsound" => Kind::Unsound,
            "yanked" => Kind::Yanked,
            "notice" => Kind::Notice,
            _ => Kind::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Vulnerability => "vulnerability",
            Kind::Unmaintained => "unmaintained",
            Kind::Unsound => "unsound",
            Kind::Yanked => "yanked",
            Kind::Notice => "notice",
            Kind::Other => "warning",
        })
    }
}

/// One dependency with one thing wrong about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advisory {
    pub(crate) kind: Kind,
    /// `RUSTSEC-2024-0001`; a yanked crate has none.
    pub(crate) id: Option<String>,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) title: String,
    /// Requirements that a fixed version meets; empty if there is none, or if nothing is known.
    pub(crate) fixed: Vec<String>,
}

impl Advisory {
    /// Whether this is the same thing about the same crate. A yanked crate is a matter of its version.
    pub(crate) fn is_same(&self, other: &Advisory) -> bool {
        let identity = |it: &Advisory| (it.kind, it.id.clone(), it.package.clone());
        let is_yanked = self.kind == Kind::Yanked;
        identity(self) == identity(other) && (!is_yanked || self.version == other.version)
    }

    /// What it is about, in one line.
    pub(crate) fn describe(&self) -> String {
        let Advisory { kind, id, title, .. } = self;
        match id {
            Some(id) => format!("{kind}: {title}, https://rustsec.org/advisories/{id}"),
            None => "its authors took this version back".to_owned(),
        }
    }

    /// Whether another version of the crate does not have it.
    pub(crate) fn has_fix(&self) -> bool {
        self.kind == Kind::Yanked || !self.fixed.is_empty()
    }

    /// Which versions do not have it.
    pub(crate) fn fixed_in(&self) -> String {
        match (self.kind, self.fixed.as_slice()) {
            (Kind::Yanked, _) => "another version".to_owned(),
            (_, []) => "none".to_owned(),
            (_, some) => some.join(" or "),
        }
    }
}

/// Reads what `cargo audit --json` prints: one line, which more text may follow. Nothing if it is
/// no report.
pub(crate) fn parse(stdout: &str) -> Option<Vec<Advisory>> {
    let line = stdout.lines().find(|line| line.starts_with('{'))?;
    let report: Value = serde_json::from_str(line).ok()?;
    let vulnerabilities = report["vulnerabilities"]["list"].as_array()?;
    let warnings = report["warnings"].as_object()?;
    let mut advisories: Vec<Advisory> = Vec::new();
    for item in vulnerabilities {
        advisories.push(advisory(Kind::Vulnerability, item)?);
    }
    for (name, items) in warnings {
        let kind = Kind::of_warning(name);
        for item in items.as_array()? {
            advisories.push(advisory(kind, item)?);
        }
    }
    Some(advisories)
}

fn advisory(kind: Kind, item: &Value) -> Option<Advisory> {
    let text = |value: &Value| value.as_str().map(visible);
    let fixed = item["versions"]["patched"].as_array();
    Some(Advisory {
        kind,
        id: text(&item["advisory"]["id"]),
        package: text(&item["package"]["name"])?,
        version: text(&item["package"]["version"])?,
        title: text(&item["advisory"]["title"]).unwrap_or_default(),
        fixed: fixed.map(|items| items.iter().filter_map(text).collect()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As cargo-audit 0.22 prints it, shortened.
    const REPORT: &str = r#"{"database":{"advisory-count":2},"vulnerabilities":{"found":true,"count":1,"list":[
        {"advisory":{"id":"RUSTSEC-2024-9001","title":"Bad\u001b thing"},"versions":{"patched":[">=0.2.150","^0.1.9"]},
         "package":{"name":"libc","version":"0.2.140"}}]},
        "warnings":{"yanked":[{"kind":"yanked","package":{"name":"a","version":"1.0.0"},"advisory":null,"versions":null}],
        "notice":[{"package":{"name":"b","version":"1.0.0"},"advisory":{"id":"N","title":"T"},"versions":{"patched":[]}}],
        "novel":[{"package":{"name":"c","version":"1.0.0"},"advisory":{"id":"X","title":"U"},"versions":null}]}}"#;

    fn report() -> Vec<Advisory> {
        parse(&REPORT.replace('\n', "")).unwrap()
    }

    #[test]
    fn vulnerabilities_come_first_and_strangers_text_drives_no_terminal() {
        let report = report();
        let kinds: Vec<Kind> = report.iter().map(|advisory| advisory.kind).collect();
        assert_eq!(kinds, [Kind::Vulnerability, Kind::Yanked, Kind::Notice, Kind::Other]);
        assert_eq!(
            report[0],
            Advisory {
                kind: Kind::Vulnerability,
                id: Some("RUSTSEC-2024-9001".to_owned()),
                package: "libc".to_owned(),
                version: "0.2.140".to_owned(),
                title: "Bad\u{fffd} thing".to_owned(),
                fixed: vec![">=0.2.150".to_owned(), "^0.1.9".to_owned()],
            }
        );
        assert_eq!(report[1].id, None);
    }

    #[test]
    fn what_is_not_a_whole_report_is_none() {
        for text in ["", "{}", "error", "{\"vulnerabilities\":{\"list\":[{}]},\"warnings\":{}}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_advisory_is_the_same_in_another_version_and_a_yanked_crate_is_not() {
        let with_version =
            |advisory: &Advisory| Advisory { version: "9.9.9".to_owned(), ..advisory.clone() };
        let report = report();
        assert!(report[0].is_same(&with_version(&report[0])));
        assert!(!report[1].is_same(&with_version(&report[1])));
        assert!(!report[0].is_same(&report[2]));
    }
}
