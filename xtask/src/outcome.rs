//! How a command ends, and the one table of exit codes.

use crate::text::diagnostic::Rejected;

/// The result of a command that ran to its end. An error is not a result: see [`exit_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Fail,
    /// It could not be determined, and the command has said why.
    Unavailable,
}

/// `75` is `EX_TEMPFAIL` of `sysexits.h`: a temporary failure; trying again later may succeed.
pub(crate) const UNDETERMINED: u8 = 75;

/// | code | meaning |
/// |---|---|
/// | 0 | passed |
/// | 1 | a check failed |
/// | 2 | usage or configuration error |
/// | 75 | could not be determined |
/// | 128 + n | interrupted by signal n: 129, 130, 131 or 143 |
///
/// An error is classified by its origin: [`Rejected`] input is the user's to repair; any other error
/// comes from the host or a tool (a missing program, the network, a disk) and says nothing about the
/// user's code.
pub(crate) fn exit_code(result: &anyhow::Result<Outcome>, interrupted_by: Option<i32>) -> u8 {
    if let Some(signal) = interrupted_by {
        return 128 + u8::try_from(signal).unwrap_or(0);
    }
    match result {
        Ok(Outcome::Pass) => 0,
        Ok(Outcome::Fail) => 1,
        Err(error) if error.is::<Rejected>() => 2,
        Ok(Outcome::Unavailable) | Err(_) => UNDETERMINED,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn the_origin_of_an_error_decides_about_the_exit_code() {
        let code = |error: anyhow::Error| exit_code(&Err(error), None);
        let missing = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(code(missing.context("cannot start `git`").unwrap_err()), 75);
        assert_eq!(code(anyhow!("no network")), 75);
        let rejected = anyhow::Error::new(Rejected::new("a misspelt key"));
        assert_eq!(code(rejected.context("while reading the settings")), 2);
        assert_eq!(exit_code(&Ok(Outcome::Fail), None), 1);
        assert_eq!(exit_code(&Ok(Outcome::Pass), None), 0);
        assert_eq!(exit_code(&Ok(Outcome::Unavailable), None), 75);
        assert_eq!(exit_code(&Ok(Outcome::Fail), Some(2)), 130);
    }
}
