//! Pure. What cargo-audit reports.

use serde_json::Value;

use crate::text::sanitize::visible;

/// A locked package with a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) package: String,
    pub(crate) version: String,
    /// None if the registry no longer offers this version: it was yanked.
    pub(crate) advisory: Option<Advisory>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advisory {
    /// As cargo-audit names it: `vulnerability`, `unmaintained`, `unsound`, [`NOTICE`].
    pub(crate) kind: String,
    /// `RUSTSEC-2024-0001`.
    pub(crate) id: String,
    pub(crate) title: String,
    /// Requirements that a fixed version meets; empty if there is none.
    pub(crate) fixed: Vec<String>,
}

/// For information; `--deny warnings` includes every kind but this one.
pub(crate) const NOTICE: &str = "notice";

impl Finding {
    /// Whether both report the same problem of the same package, in whatever version. A version is
    /// yanked by itself.
    pub(crate) fn is_same(&self, other: &Finding) -> bool {
        self.package == other.package
            && match (&self.advisory, &other.advisory) {
                (None, None) => self.version == other.version,
                (Some(one), Some(other)) => one.id == other.id,
                _ => false,
            }
    }
}

/// The result of one run of `cargo audit --json`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Report {
        findings: Vec<Finding>,
        /// False if it could not tell of some packages whether they are yanked; it then says so and
        /// exits with 0.
        is_complete: bool,
    },
    /// The database cannot be fetched or read. Here and below: cargo-audit's own message.
    NoDatabase(String),
    /// The database is up to date, but nothing was added to it for months.
    StaleDatabase(String),
    /// The configuration or the lock file is invalid.
    Rejected(String),
    Crashed(String),
}

/// Classifies the output of cargo-audit. Its exit code alone does not suffice: it is 1 for
/// vulnerabilities, for a database that cannot be fetched and for an invalid configuration.
pub(crate) fn classify(exit_code: Option<i32>, stdout: &str, stderr: &str) -> Response {
    let message = stderr.trim().to_owned();
    match (parse(stdout), exit_code) {
        (Some((0, _)), _) => Response::NoDatabase("the advisory database is empty".to_owned()),
        (Some((_, findings)), _) => {
            let is_complete = !stderr.contains("couldn't check if the package is yanked");
            Response::Report { findings, is_complete }
        }
        (_, Some(1)) if message.contains("repository is stale") => Response::StaleDatabase(message),
        (_, Some(1)) if message.contains("advisory database") => Response::NoDatabase(message),
        (_, Some(1 | 2)) => Response::Rejected(message),
        _ => Response::Crashed(message),
    }
}

/// Reads the report: one line of JSON, possibly followed by other text. Returns the size of the
/// database and the findings.
pub(crate) fn parse(stdout: &str) -> Option<(u64, Vec<Finding>)> {
    let line = stdout.lines().find(|line| line.starts_with('{'))?;
    let report: Value = serde_json::from_str(line).ok()?;
    let mut findings: Vec<Finding> = Vec::new();
    for item in report["vulnerabilities"]["list"].as_array()? {
        findings.push(finding(item, "vulnerability")?);
    }
    for (kind, items) in report["warnings"].as_object()? {
        for item in items.as_array()? {
            findings.push(finding(item, kind)?);
        }
    }
    Some((report["database"]["advisory-count"].as_u64()?, findings))
}

fn finding(item: &Value, kind: &str) -> Option<Finding> {
    let text = |value: &Value| value.as_str().map(visible);
    let patched = item["versions"]["patched"].as_array();
    let advisory = match kind {
        "yanked" => None,
        _ => Some(Advisory {
            kind: visible(kind),
            id: text(&item["advisory"]["id"])?,
            title: text(&item["advisory"]["title"]).unwrap_or_default(),
            fixed: patched.into_iter().flatten().filter_map(text).collect(),
        }),
    };
    let (package, version) = (text(&item["package"]["name"])?, text(&item["package"]["version"])?);
    Some(Finding { package, version, advisory })
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

    fn report() -> Vec<Finding> {
        parse(&REPORT.replace('\n', "")).unwrap().1
    }

    #[test]
    fn vulnerabilities_come_first_and_control_characters_are_replaced() {
        let report = report();
        let kind = |finding: &Finding| finding.advisory.as_ref().map(|it| it.kind.clone());
        let kinds: Vec<String> = report.iter().filter_map(kind).collect();
        assert_eq!(kinds, ["vulnerability", "notice", "novel"]);
        assert_eq!(report[1].advisory, None);
        assert_eq!(
            report[0],
            Finding {
                package: "libc".to_owned(),
                version: "0.2.140".to_owned(),
                advisory: Some(Advisory {
                    kind: "vulnerability".to_owned(),
                    id: "RUSTSEC-2024-9001".to_owned(),
                    title: "Bad\u{fffd} thing".to_owned(),
                    fixed: vec![">=0.2.150".to_owned(), "^0.1.9".to_owned()],
                }),
            }
        );
    }

    #[test]
    fn an_incomplete_report_is_none() {
        for text in ["", "{}", "error", "{\"vulnerabilities\":{\"list\":[{}]},\"warnings\":{}}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_advisory_is_the_same_in_another_version_and_a_yanked_crate_is_not() {
        let with_version =
            |finding: &Finding| Finding { version: "9.9.9".to_owned(), ..finding.clone() };
        let report = report();
        assert!(report[0].is_same(&with_version(&report[0])));
        assert!(!report[1].is_same(&with_version(&report[1])));
        assert!(!report[0].is_same(&report[2]));
    }

    const CLEAN: &str =
        "{\"database\":{\"advisory-count\":7},\"vulnerabilities\":{\"list\":[]},\"warnings\":{}}\n";

    #[test]
    fn a_report_is_a_report_whatever_the_exit_code() {
        // 1 also means that there are advisories about cargo-audit itself, below its report.
        let stdout = format!("{CLEAN}Title: cargo-audit is old\n");
        let report = Response::Report { findings: Vec::new(), is_complete: true };
        assert_eq!(classify(Some(1), &stdout, "error: This copy"), report);
        assert_eq!(classify(Some(0), CLEAN, ""), report);
    }

    #[test]
    fn a_report_that_does_not_know_what_is_yanked_is_incomplete() {
        let stderr = "error: couldn't check if the package is yanked: not found: x\n";
        let report = Response::Report { findings: Vec::new(), is_complete: false };
        assert_eq!(classify(Some(0), CLEAN, stderr), report);
    }

    #[test]
    fn an_empty_database_is_none() {
        let empty = CLEAN.replace('7', "0");
        assert!(matches!(classify(Some(0), &empty, ""), Response::NoDatabase(_)));
        assert!(matches!(
            classify(Some(0), &CLEAN.replace("advisory-count", "x"), ""),
            Response::Crashed(_)
        ));
    }

    #[test]
    fn without_a_report_the_message_decides() {
        let fetch = "error: couldn't fetch advisory database: git operation failed: x";
        assert_eq!(classify(Some(1), "", fetch), Response::NoDatabase(fetch.to_owned()));
        let load = "error: error loading advisory database: I/O operation failed";
        assert_eq!(classify(Some(1), "", load), Response::NoDatabase(load.to_owned()));
        let stale = "error: couldn't fetch advisory database: repository is stale (last commit: x)";
        assert_eq!(classify(Some(1), "", stale), Response::StaleDatabase(stale.to_owned()));
        let lock = "error: not found: Couldn't load Cargo.lock";
        assert_eq!(classify(Some(2), "", lock), Response::Rejected(lock.to_owned()));
        assert_eq!(classify(None, "", "killed"), Response::Crashed("killed".to_owned()));
        assert_eq!(classify(Some(101), "{\"odd\":1}", ""), Response::Crashed(String::new()));
    }
}
