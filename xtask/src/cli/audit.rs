//! Pure. `audit`: usage and options.

use std::path::PathBuf;

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Looks up the dependencies in the RustSec advisory database.

Usage: cargo xtask audit [options]

Fails for vulnerable, unmaintained, unsound and yanked dependencies, as `cargo audit --deny
warnings` does, and reads the same `.cargo/audit.toml`. If the root has no Cargo.lock, one is
generated outside the source tree. A broken database is fetched again, once. Without a database
there is no verdict (exit code 75).

Options:
      --only-changed BASE         do not fail on advisories already present at BASE
      --db DIR                    keep the database in DIR
      --offline                   use the database as it is, without network access
";

/// What `audit` was asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) only_changed: Option<String>,
    pub(crate) database: Option<PathBuf>,
    pub(crate) offline: bool,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let only_changed = args.text("--only-changed")?;
    let database = args.path(None, "--db")?;
    let offline = args.switch("--offline")?;
    args.finish()?;
    Ok(Options { only_changed, database, offline })
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
        assert_eq!(options.only_changed.as_deref(), Some("origin/main"));
        assert!(options.offline);
        assert!(parse_words("--ofline").unwrap_err().contains("did you mean `--offline`?"));
        assert!(parse_words("--db").unwrap_err().contains("needs a value"));
        assert!(parse_words("x").unwrap_err().contains("unexpected argument `x`"));
    }
}
