//! Pure. `audit`: usage and options.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::{Args, Base};
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Looks up the dependencies in the RustSec advisory database.

Usage: cargo xtask audit [options]

Fails for vulnerable, unmaintained, unsound and yanked dependencies, as `cargo audit --deny
warnings` does, and reads the same `.cargo/audit.toml`. A Cargo.lock that does not fit the manifests
is an error; if there is none, one is generated outside the source tree. A broken database is
fetched again, once. Without a database there is no verdict (exit code 75).

Options:
      --manifest-path PATH        audit the workspace of this Cargo.toml (default: the root)
      --only-changed [BASE]       do not fail on advisories already present at BASE (default: where
                                  HEAD left the upstream branch)
      --db DIR                    keep the database in DIR
      --offline                   use the database as it is, without network access
      --timeout SECONDS           time limit for each step that uses the network (default: 120)
";

/// The options of `audit`.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) manifest_path: Option<PathBuf>,
    /// Compare with the advisories of a revision; the upstream branch stands for the merge base.
    pub(crate) only_changed: Option<Base>,
    pub(crate) database: Option<PathBuf>,
    pub(crate) offline: bool,
    pub(crate) timeout: Duration,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let seconds = |text: &str| text.parse().ok().filter(|it| (1..=86_400).contains(it));
    let timeout = args.parsed("--timeout", "a number from 1 to 86400", seconds)?;
    let options = Options {
        manifest_path: args.path("--manifest-path")?,
        only_changed: args.base("--only-changed")?,
        database: args.path("--db")?,
        offline: args.switch("--offline")?,
        timeout: Duration::from_secs(timeout.unwrap_or(120)),
    };
    args.finish()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn options_are_read() {
        let parse_words = words_parser(parse, USAGE);
        let options = parse_words("--db d --only-changed origin/main --offline true").unwrap();
        assert_eq!(options.database, Some(PathBuf::from("d")));
        assert_eq!(options.only_changed, Some(Base { revision: Some("origin/main".to_owned()) }));
        assert!(options.offline);
        let options =
            parse_words("--only-changed --timeout=7 --manifest-path a/Cargo.toml").unwrap();
        assert_eq!(options.manifest_path, Some(PathBuf::from("a/Cargo.toml")));
        assert_eq!(options.only_changed, Some(Base::default()));
        assert_eq!(options.timeout, Duration::from_secs(7));
        for bad in ["0", "-1", "x", "1.5", "99999999999999999999999"] {
            let error = parse_words(&format!("--timeout={bad}")).unwrap_err();
            assert!(error.contains("`--timeout` takes a number from 1 to 86400"), "{error}");
        }
        assert!(parse_words("--ofline").unwrap_err().contains("did you mean `--offline`?"));
        assert!(parse_words("--db").unwrap_err().contains("needs a value"));
        assert!(parse_words("x").unwrap_err().contains("unexpected argument `x`"));
    }
}
