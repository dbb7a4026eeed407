//! What a run of cargo-audit came to.

use super::advisory::{self, Advisory};

/// One run of `cargo audit --json`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Report(Vec<Advisory>),
    /// It could not fetch or read its database; in its own words.
    NoDatabase(String),
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
        Some(1) if words.contains("advisory database") => Attempt::NoDatabase(words),
        Some(1 | 2) => Attempt::Refused(words),
        _ => Attempt::Broken(words),
    }
}
