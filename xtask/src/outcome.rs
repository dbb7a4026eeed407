//! How a command ends, and the one table of exit codes.

use std::{fmt, io};

use anyhow::Error;

/// The answer of a command that came to an end. An error is no answer: see [`exit_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail,
    /// It could not be found out, and the command has said why.
    Unavailable,
}

/// An error that says nothing about the user's code: a tool is missing, the network is down, a file
/// cannot be written.
#[derive(Debug)]
struct Undetermined(Error);

impl fmt::Display for Undetermined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Undetermined {}

/// Marks an error as "could not be determined".
pub(crate) trait OrUndetermined<T> {
    fn or_undetermined(self) -> anyhow::Result<T>;
}

impl<T, E: Into<Error>> OrUndetermined<T> for Result<T, E> {
    fn or_undetermined(self) -> anyhow::Result<T> {
        self.map_err(|error| Error::new(Undetermined(error.into())))
    }
}

/// `75` is `EX_TEMPFAIL` of `sysexits.h`: come back when the world is different.
pub(crate) const UNDETERMINED: u8 = 75;

/// | code | meaning |
/// |---|---|
/// | 0 | passed |
/// | 1 | a check failed |
/// | 2 | usage or configuration error |
/// | 75 | could not be determined |
/// | 128 + n | interrupted by signal n: 129, 130, 131 or 143 |
///
/// What the operating system refuses (a program that is not there, a file that cannot be written)
/// could not be determined; what is wrong with a file of the user's has words of its own.
pub(crate) fn exit_code(result: &anyhow::Result<Outcome>, interrupted_by: Option<i32>) -> u8 {
    if let Some(signal) = interrupted_by {
        return 128 + u8::try_from(signal).unwrap_or(0);
    }
    match result {
        Ok(Outcome::Pass) => 0,
        Ok(Outcome::Fail) => 1,
        Ok(Outcome::Unavailable) => UNDETERMINED,
        Err(error)
            if error.is::<Undetermined>()
                || error.chain().any(<dyn std::error::Error>::is::<io::Error>) =>
        {
            UNDETERMINED
        }
        Err(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn every_end_has_its_code() {
        assert_eq!(exit_code(&Ok(Outcome::Pass), None), 0);
        assert_eq!(exit_code(&Ok(Outcome::Fail), None), 1);
        assert_eq!(exit_code(&Ok(Outcome::Unavailable), None), 75);
        assert_eq!(exit_code(&Err(anyhow!("a misspelt key")), None), 2);
        let missing = Err(io::Error::from(io::ErrorKind::NotFound)).context("cannot start `git`");
        assert_eq!(exit_code(&missing, None), 75);
        assert_eq!(exit_code(&Ok(Outcome::Fail), Some(2)), 130);
        assert_eq!(exit_code(&Ok(Outcome::Pass), Some(15)), 143);
    }

    #[test]
    fn an_undetermined_error_stays_one_under_more_context() {
        let error: anyhow::Result<Outcome> =
            Err(anyhow!("no network")).or_undetermined().context("cannot fetch");
        assert_eq!(exit_code(&error, None), 75);
        assert_eq!(format!("{:#}", error.unwrap_err()), "cannot fetch: no network");
    }
}
