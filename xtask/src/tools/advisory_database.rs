//! The advisory database: how it is configured, where it is, whether the server answers, and its
//! repair.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;

use crate::context::Context;
use crate::host::git::Git;
use crate::host::{directories, files, terminal};
use crate::text::diagnostic::{Failure, Rejected, Source};
use crate::text::sanitize::mask_secrets;
use crate::text::toml::{self, Statement};

/// The database by cargo-audit's configuration and the command line.
#[derive(Debug)]
pub(crate) struct AdvisoryDatabase {
    pub(crate) url: String,
    /// The directory of its clone.
    pub(crate) dir: PathBuf,
    /// Whether cargo-audit updates it before use.
    pub(crate) is_fetched: bool,
    /// Whether `dir` is cargo-audit's own, which holds nothing else.
    is_default_dir: bool,
}

impl AdvisoryDatabase {
    /// Reads the configuration file that cargo-audit reads: the consumer's, else the user's. `dir`
    /// comes from the command line.
    ///
    /// # Errors
    ///
    /// Rejects an invalid configuration, and a URL that cargo-audit cannot fetch (exit code 2).
    pub(crate) fn configured(
        cx: &Context,
        dir: Option<&Path>,
        is_offline: bool,
    ) -> anyhow::Result<AdvisoryDatabase> {
        let cargo_home = cx.cargo_home();
        let files = [cx.project.root.join(".cargo"), cargo_home.clone()];
        let file = files.map(|dir| dir.join("audit.toml")).into_iter().find(|file| file.exists());
        let settings = match file {
            None => AuditSettings::default(),
            Some(file) => {
                let name = file.display().to_string();
                AuditSettings::parse(&name, &files::read_text(&file, &name)?)?
            }
        };
        let url = settings.url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let is_fetched = settings.fetch.unwrap_or(true) && !is_offline;
        if is_fetched && !url.starts_with("https://") {
            let url = mask_secrets(&url);
            bail!(
                Rejected::new(format!("failed to fetch the advisory database `{url}`"))
                    .help("cargo-audit supports `https://` URLs only")
            );
        }
        let configured = settings.path.map(|path| cx.project.root.join(path));
        let named = dir.map(|dir| cx.project.resolve(dir)).or(configured);
        Ok(AdvisoryDatabase {
            url,
            is_default_dir: named.is_none(),
            dir: named.unwrap_or_else(|| cargo_home.join("advisory-db")),
            is_fetched,
        })
    }

    /// Asks the server for one reference, which tells a broken clone from a broken network.
    ///
    /// # Errors
    ///
    /// Fails if the server does not answer, or offline without a database (exit code 75).
    pub(crate) fn check_reachable(&self, cx: &Context) -> Result<(), Failure> {
        const TIMEOUT: Duration = Duration::from_secs(20);
        if !self.is_fetched {
            if self.dir.is_dir() {
                return Ok(());
            }
            let dir = self.dir.display();
            return Err(Failure::new(format!("there is no advisory database in `{dir}`"))
                .help("run `cargo xtask audit` once without `--offline`"));
        }
        let cmd = cx.git().ls_remote(&self.url, &["HEAD"]);
        let Err(error) = cx.process(cmd).timeout(TIMEOUT).read() else { return Ok(()) };
        let url = mask_secrets(&self.url);
        let message = format!("failed to reach the advisory database `{url}`: {error:#}");
        Err(Failure::new(message).help(
            "check the network, or use a database that was fetched before: `cargo xtask audit --offline`",
        ))
    }

    /// Renames a broken clone, so that it is fetched again, and returns its new name. A directory
    /// that the user named must be a clone of the database: a wrong name must not cost files.
    ///
    /// # Errors
    ///
    /// Fails if it is no such clone or cannot be renamed (exit code 75).
    pub(crate) fn move_away(&self) -> anyhow::Result<PathBuf> {
        let dir = self.dir.display();
        if !self.is_default_dir && !self.looks_like_a_clone()? {
            let url = mask_secrets(&self.url);
            let message =
                format!("`{dir}` does not look like a clone of {url}, so it is not removed");
            bail!(Failure::new(message).help("repair it, or use it as it is with `--offline`"));
        }
        terminal::note(&format!("note: fetching the broken advisory database `{dir}` again"));
        let mut name = self.dir.clone().into_os_string();
        name.push(format!(".{}.broken", std::process::id()));
        let moved_to = PathBuf::from(name);
        files::rename_if_exists(&self.dir, &moved_to)?;
        Ok(moved_to)
    }

    /// Removes the old clone if a new one works; one that the user named is kept. Otherwise it was
    /// not at fault and is restored: `--offline` may still use it.
    pub(crate) fn discard_or_restore(&self, old: &Path, is_replaced: bool) {
        let result = match (is_replaced, self.is_default_dir) {
            (true, true) => files::remove_dir(old),
            (true, false) => {
                terminal::note(&format!("note: the old clone is kept: `{}`", old.display()));
                Ok(())
            }
            (false, _) => {
                files::remove_dir(&self.dir).and_then(|()| files::rename_if_exists(old, &self.dir))
            }
        };
        if let Err(error) = result {
            terminal::say(&format!("warning: {error:#}"));
        }
    }

    /// How old its newest commit is; none if it is a plain copy.
    pub(crate) fn age_days(&self, cx: &Context) -> Option<u64> {
        let git_dir = self.dir.join(".git");
        let cmd = Git::with_git_dir(&cx.sh, &git_dir).commit_date("HEAD", "%ct");
        let seconds: u64 = cx.process(cmd).read_text().ok()?.parse().ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Some(now.saturating_sub(seconds) / (24 * 60 * 60))
    }

    fn looks_like_a_clone(&self) -> anyhow::Result<bool> {
        if directories::is_empty_dir(&self.dir) {
            return Ok(true);
        }
        let config = self.dir.join(".git/config");
        let config = files::read_text_if_exists(&config, &config.display().to_string())?;
        Ok(config.is_some_and(|text| text.contains(&self.url)))
    }
}

/// Source: `rustsec::repository::git::DEFAULT_URL`.
const DEFAULT_URL: &str = "https://github.com/RustSec/advisory-db.git";

/// The table `[database]` of `audit.toml`, as far as it is given.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct AuditSettings {
    url: Option<String>,
    /// As written; cargo-audit expands nothing in it and takes it relative to the root.
    path: Option<String>,
    /// Whether the database is fetched before use.
    fetch: Option<bool>,
}

impl AuditSettings {
    /// Parses `audit.toml`. What does not concern the database is for cargo-audit to judge.
    ///
    /// # Errors
    ///
    /// Rejects a table `[database]` that is not one plain `key = value` per line, and a line that is
    /// not TOML (exit code 2).
    pub(crate) fn parse(name: &str, text: &str) -> Result<AuditSettings, Rejected> {
        let mut settings = AuditSettings::default();
        let read = toml::statements(text).and_then(|statements| {
            statements.iter().try_for_each(|it| settings.set(it).ok_or(it.start))
        });
        read.map(|()| settings).map_err(|start| {
            let line = Source::new(name, text).line_at(start);
            // The URL may contain a password, and the error shows the line.
            let source = Source::new(name, mask_secrets(text));
            source
                .error(source.offset_of(line, 1), "this line is not in the supported part of TOML")
                .help("write `[database]` on a line of its own, then one `key = value` per line")
                .into()
        })
    }

    /// Returns none if a statement about the database is not understood.
    fn set(&mut self, statement: &Statement<'_>) -> Option<()> {
        let value = statement.value;
        match statement.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["database", "url"] => self.url = Some(plain_string(value?)?),
            ["database", "path"] => self.path = Some(plain_string(value?)?),
            ["database", "fetch"] => self.fetch = Some(value?.parse().ok()?),
            ["database", "stale"] => (),
            ["database"] if value.is_none() => (),
            ["database", ..] => return None,
            _ => (),
        }
        Some(())
    }
}

/// A string without escapes on one line.
fn plain_string(value: &str) -> Option<String> {
    toml::as_string(value).filter(|text| *text == value[1..value.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AuditSettings, Rejected> {
        AuditSettings::parse("audit.toml", text)
    }

    #[test]
    fn only_the_database_is_read() {
        let text = "[advisories]\nignore = [\n  \"RUSTSEC-2020-0001\", # no database\n]\nurl = \"x\"\n\
                    [ database ] # ours\n\n# why\nurl = \"https://e.x/db.git\" # ours\r\n\
                    path='/d'\n\"fetch\" = false\nstale = true\n[output]\nx = \"\"\"\n[database]\n\"\"\"\n";
        let url = Some("https://e.x/db.git".to_owned());
        let path = Some("/d".to_owned());
        assert_eq!(parse(text).unwrap(), AuditSettings { url, path, fetch: Some(false) });
        assert_eq!(parse("").unwrap(), AuditSettings::default());
        let dotted = "database.path = \"/d\"\n[\"data\\u0062ase\"]\nfetch = true";
        let inline = "database = { path = '/d', stale = false, fetch = true }";
        for text in [dotted, inline] {
            let path = Some("/d".to_owned());
            assert_eq!(parse(text).unwrap(), AuditSettings { url: None, path, fetch: Some(true) });
        }
    }

    #[test]
    fn what_cannot_be_read_is_rejected_with_its_line() {
        for (text, line) in [
            ("database = { path = x, stale = false }", 1),
            ("database = {}", 1),
            ("[output]\n\n[database.x]\nurl = \"x\"", 3),
            ("[database]\nurl = \"\\u0041\"", 2),
            ("[database]\nurl = '''x'''", 2),
            ("[database]\nurl = 'x\"'", 2),
            ("[database]\nurl = \"x\" y", 2),
            ("[database]\nurl = x", 2),
            ("[database]\nfetch = falsely", 2),
            ("[database]\nfetch = \"false\"", 2),
            ("[database]\nurll = \"x\"", 2),
            ("[database]\n<<<<<<< HEAD", 2),
            ("[output]\n[database\n", 2),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("audit.toml:{line}:1: error: ")), "{text}: {error}");
        }
        let error = parse("[database]\nurl = \"https://me:secret@e.x/db\" x").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
