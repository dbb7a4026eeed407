//! How a command ends, and the one table of exit codes.

use crate::text::diagnostic::{Failure, Rejected};

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

/// Adds a next step to an error of a command that has none; nothing is to do after an interrupt.
pub(crate) fn with_next_step(
    error: anyhow::Error,
    command: &str,
    interrupted_by: Option<i32>,
) -> anyhow::Error {
    if interrupted_by.is_some() {
        return error;
    }
    match error.downcast::<Rejected>() {
        Ok(rejected) if rejected.0.iter().any(|finding| finding.help.is_some()) => rejected.into(),
        Ok(rejected) => rejected.help(format!("see `cargo xtask help {command}`")).into(),
        Err(error) if error.downcast_ref().is_some_and(|it: &Failure| it.help.is_some()) => error,
        Err(error) => Failure::new(format!("{error:#}"))
            .help("run the last command that `--verbose` shows by hand")
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn an_error_keeps_its_next_step_and_its_origin_or_gets_a_step() {
        let help = |error: anyhow::Error, signal: Option<i32>| {
            let error = with_next_step(error, "audit", signal);
            let failure = error.downcast_ref::<Failure>().and_then(|failure| failure.help.clone());
            failure.or_else(|| error.downcast_ref::<Rejected>()?.0.last()?.help.clone())
        };
        assert_eq!(help(Failure::new("x").help("y").into(), None).as_deref(), Some("y"));
        assert_eq!(help(Rejected::new("x").help("y").into(), None).as_deref(), Some("y"));
        let see = Some("see `cargo xtask help audit`");
        assert_eq!(help(Rejected::new("x").into(), None).as_deref(), see);
        assert!(help(anyhow!("disk full"), None).is_some());
        assert_eq!(help(anyhow!("interrupted"), Some(2)), None);
    }

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
