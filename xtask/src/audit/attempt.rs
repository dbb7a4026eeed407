//! Pure. What a run of cargo-audit came to.

use crate::audit::advisory;
use crate::audit::advisory::Advisory;

/// One run of `cargo audit --json`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Report(Vec<Advisory>),
    /// It could not fetch or read its database; in its own words.
    NoDatabase(String),
    /// Its database is as the server has it, which has not changed for months.
    StaleDatabase(String),
    /// It refused its configuration or the lock file; in its own words.
    Refused(String),
    /// It ended in a way of which nothing is known.
    Broken(String),
}

/// Decides from what cargo-audit left behind. Its exit code alone says little: it is 1 for
/// vulnerabilities, for a database that cannot be fetched and for a broken configuration.
pub(crate) fn judge(exit_code: Option<i32>, stdout: &str, stderr: &str) -> Attempt {
    if let Some(advisories) = advisory::parse(stdout) {
        return Attempt::Report(advisories);
    }
    let words = stderr.trim().to_owned();
    match exit_code {
        Some(1) if words.contains("repository is stale") => Attempt::StaleDatabase(words),
        Some(1) if words.contains("advisory database") => Attempt::NoDatabase(words),
        Some(1 | 2) => Attempt::Refused(words),
        _ => Attempt::Broken(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "{\"vulnerabilities\":{\"list\":[]},\"warnings\":{}}\n";

    #[test]
    fn a_report_is_a_report_whatever_the_exit_code() {
        // 1 is also said where cargo-audit itself has advisories, below its report.
        let stdout = format!("{CLEAN}Title: cargo-audit is old\n");
        assert_eq!(judge(Some(1), &stdout, "error: This copy"), Attempt::Report(Vec::new()));
        assert_eq!(judge(Some(0), CLEAN, ""), Attempt::Report(Vec::new()));
    }

    #[test]
    fn without_a_report_the_words_say_what_is_wrong() {
        let fetch = "error: couldn't fetch advisory database: git operation failed: x";
        assert_eq!(judge(Some(1), "", fetch), Attempt::NoDatabase(fetch.to_owned()));
        let load = "error: error loading advisory database: I/O operation failed";
        assert_eq!(judge(Some(1), "", load), Attempt::NoDatabase(load.to_owned()));
        let stale = "error: couldn't fetch advisory database: repository is stale (last commit: x)";
        assert_eq!(judge(Some(1), "", stale), Attempt::StaleDatabase(stale.to_owned()));
        let lock = "error: not found: Couldn't load Cargo.lock";
        assert_eq!(judge(Some(2), "", lock), Attempt::Refused(lock.to_owned()));
        assert_eq!(judge(None, "", "killed"), Attempt::Broken("killed".to_owned()));
        assert_eq!(judge(Some(101), "{\"odd\":1}", ""), Attempt::Broken(String::new()));
    }
}
