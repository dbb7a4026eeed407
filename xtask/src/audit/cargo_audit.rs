//! cargo-audit's command lines.

use std::path::Path;

use xshell::{Cmd, Shell, cmd};

/// Where the advisories come from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// A directory instead of the configured one.
    pub(crate) dir: Option<&'a Path>,
    /// Whether the database is brought up to date first.
    pub(crate) is_fetched: bool,
}

/// Looks up the packages of a lock file. The report is one line of JSON on standard output.
pub(crate) fn audit<'sh>(sh: &'sh Shell, lock_file: &Path, source: Source<'_>) -> Cmd<'sh> {
    let mut cmd = cmd!(sh, "cargo audit --deny warnings --json --file {lock_file}");
    if let Some(dir) = source.dir {
        cmd = cmd.arg("--db").arg(dir);
    }
    if source.is_fetched { cmd } else { cmd.arg("--no-fetch") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_the_configured_one_unless_told() {
        let sh = Shell::new().unwrap();
        let line = |source| audit(&sh, Path::new("Cargo.lock"), source).to_string();
        assert_eq!(
            line(Source { dir: None, is_fetched: true }),
            "cargo audit --deny warnings --json --file Cargo.lock"
        );
        assert_eq!(
            line(Source { dir: Some(Path::new("/db")), is_fetched: false }),
            "cargo audit --deny warnings --json --file Cargo.lock --db /db --no-fetch"
        );
    }
}
