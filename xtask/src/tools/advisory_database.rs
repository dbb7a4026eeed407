//! The advisory database: how it is configured, where it is, whether the server answers, and its
//! repair.
//!
//! cargo-audit reads `audit.toml` itself; a TOML library for its one table would cost a quarter of
//! the build budget. What the few lines at the end cannot read they reject.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;

use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::{directories, files, terminal};
use crate::text::diagnostic::{Failure, Rejected, Source};
use crate::text::sanitize::mask_secrets;

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
        let is_fetched = settings.fetches && !is_offline;
        if is_fetched && !settings.database_url.starts_with("https://") {
            let url = mask_secrets(&settings.database_url);
            bail!(
                Rejected::new(format!("failed to fetch the advisory database `{url}`"))
                    .help("cargo-audit supports `https://` URLs only")
            );
        }
        let configured = settings.database_path.map(|path| cx.project.root.join(path));
        let named = dir.map(|dir| cx.project.resolve(dir)).or(configured);
        Ok(AdvisoryDatabase {
            url: settings.database_url,
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
            let dir = self.dir.display();
            let missing = || {
                Failure::new(format!("there is no advisory database in `{dir}`"))
                    .help("run `cargo xtask audit` once without `--offline`")
            };
            return if self.dir.is_dir() { Ok(()) } else { Err(missing()) };
        }
        let cmd = cx.git().ls_remote(&self.url, &["HEAD"]);
        let reason = match cx.process(cmd).timeout(TIMEOUT).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(_) => String::new(),
            Err(error) => format!(": {error:#}"),
        };
        let message =
            format!("failed to reach the advisory database `{}`{reason}", self.shown_url());
        Err(Failure::new(message).help(
            "check the network, or use a database that was fetched before: `cargo xtask audit --offline`",
        ))
    }

    /// Renames a broken clone, so that it is fetched again. A directory that the user named must be
    /// a clone of the database: a wrong name must not cost files.
    ///
    /// # Errors
    ///
    /// Fails if it is no such clone or cannot be renamed (exit code 75).
    pub(crate) fn move_away(&self) -> anyhow::Result<OldClone> {
        let dir = self.dir.display();
        if !self.is_default_dir && !self.looks_like_a_clone()? {
            let url = self.shown_url();
            let message =
                format!("`{dir}` does not look like a clone of {url}, so it is not removed");
            bail!(Failure::new(message).help("repair it, or use it as it is with `--offline`"));
        }
        terminal::note(&format!("note: fetching the broken advisory database `{dir}` again"));
        let mut name = self.dir.clone().into_os_string();
        name.push(format!(".{}.broken", std::process::id()));
        let moved_to = PathBuf::from(name);
        files::rename_if_exists(&self.dir, &moved_to)?;
        Ok(OldClone { dir: self.dir.clone(), moved_to, is_default_dir: self.is_default_dir })
    }

    /// How old its newest commit is; none if it is a plain copy.
    ///
    /// # Errors
    ///
    /// Fails if git cannot be started (exit code 75).
    pub(crate) fn age_days(&self, cx: &Context) -> anyhow::Result<Option<u64>> {
        let git_dir = self.dir.join(".git");
        let output = cx.process(GitDir(&git_dir).commit_time(&cx.sh)).output()?;
        let seconds: Option<u64> = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(seconds.map(|seconds| now.saturating_sub(seconds) / (24 * 60 * 60)))
    }

    /// For messages; it may contain a password.
    fn shown_url(&self) -> String {
        mask_secrets(&self.url)
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

/// A clone that cargo-audit could not use, kept until a new one has worked.
pub(crate) struct OldClone {
    dir: PathBuf,
    moved_to: PathBuf,
    is_default_dir: bool,
}

impl OldClone {
    /// Removes the old clone if a new one works; one that the user named is kept. Otherwise it was
    /// not at fault and is restored: `--offline` may still use it.
    pub(crate) fn discard_or_restore(&self, is_replaced: bool) {
        let result = match (is_replaced, self.is_default_dir) {
            (true, true) => files::remove_dir(&self.moved_to),
            (true, false) => {
                let kept = self.moved_to.display();
                terminal::note(&format!("note: the old clone is kept: `{kept}`"));
                Ok(())
            }
            (false, _) => files::remove_dir(&self.dir)
                .and_then(|()| files::rename_if_exists(&self.moved_to, &self.dir)),
        };
        if let Err(error) = result {
            terminal::say(&format!("warning: {error:#}"));
        }
    }
}

/// Source: `rustsec::repository::git::DEFAULT_URL`.
pub(crate) const DEFAULT_URL: &str = "https://github.com/RustSec/advisory-db.git";

/// The table `[database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    pub(crate) database_url: String,
    /// As written; cargo-audit expands nothing in it and takes it relative to the root.
    pub(crate) database_path: Option<String>,
    /// Whether the database is fetched before use.
    pub(crate) fetches: bool,
}

impl Default for AuditSettings {
    fn default() -> AuditSettings {
        AuditSettings { database_url: DEFAULT_URL.to_owned(), database_path: None, fetches: true }
    }
}

impl AuditSettings {
    /// Parses `audit.toml`.
    ///
    /// # Errors
    ///
    /// Rejects what may concern the database in any form but a `[database]` header with one plain
    /// `key = value` per line (exit code 2).
    pub(crate) fn parse(name: &str, text: &str) -> Result<AuditSettings, Rejected> {
        let mut settings = AuditSettings::default();
        let mut in_database = false;
        for (at, line) in text.lines().map(str::trim).enumerate() {
            let is_understood = if line.starts_with('[') {
                in_database = line.split('#').next().map(str::trim) == Some("[database]");
                in_database || !may_name_database(line)
            } else if in_database && !line.is_empty() && !line.starts_with('#') {
                settings.set(line).is_some()
            } else {
                !may_name_database(line)
            };
            let is_multi_line = line.contains("\"\"\"") || line.contains("'''");
            if !is_understood || is_multi_line {
                // The URL may contain a password, and the error shows the line.
                let source = Source::new(name, mask_secrets(text));
                let offset = source.offset_of(at + 1, 1);
                let error = source.error(offset, "this line is not in the supported part of TOML");
                let help =
                    "write `[database]` on a line of its own, then one `key = value` per line";
                return Err(error.help(help).into());
            }
        }
        Ok(settings)
    }

    fn set(&mut self, line: &str) -> Option<()> {
        let (key, value) = line.split_once('=')?;
        match key.trim() {
            "url" => self.database_url = string(value)?,
            "path" => self.database_path = Some(string(value)?),
            "fetch" => self.fetches = boolean(value)?,
            "stale" => _ = boolean(value)?,
            _ => return None,
        }
        Some(())
    }
}

/// Whether a line outside the table may open it in another form: `["database"]`, `database.url = ..`.
fn may_name_database(line: &str) -> bool {
    let name = line.trim_start_matches(['[', '"', '\'', ' ', '\t']);
    let is_quoted = line.trim_start_matches(['[', ' ', '\t']).starts_with('"');
    name.starts_with("database") || is_quoted && line.contains('\\')
}

fn string(value: &str) -> Option<String> {
    let value = value.trim();
    let quote = value.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let (text, rest) = value[1..].split_once(quote)?;
    let rest = rest.trim_start();
    let ends = rest.is_empty() || rest.starts_with('#');
    (ends && (quote == '\'' || !text.contains('\\'))).then(|| text.to_owned())
}

fn boolean(value: &str) -> Option<bool> {
    value.split('#').next()?.trim().parse().ok()
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
                    path='/d'\nfetch = false\nstale = true\n[output]\nquiet = false\n";
        let text = text.replace("[ database ]", "[database]");
        let url = "https://e.x/db.git".to_owned();
        let path = Some("/d".to_owned());
        assert_eq!(
            parse(&text).unwrap(),
            AuditSettings { database_url: url, database_path: path, fetches: false }
        );
        assert_eq!(parse("").unwrap(), AuditSettings::default());
    }

    #[test]
    fn what_cannot_be_read_is_rejected_with_its_line() {
        for (text, line) in [
            ("database = { path = '/d', stale = false }", 1),
            ("[output]\n\n[ database ]\nurl = \"x\"", 3),
            ("[\"database\"]\n", 1),
            ("[\"data\\u0062ase\"]\n", 1),
            ("database.url = \"x\"", 1),
            ("[database]\nurl = \"\\u0041\"", 2),
            ("[database]\nurl = '''x'''", 2),
            ("[database]\nurl = \"x\" y", 2),
            ("[database]\nfetch = falsely", 2),
            ("[database]\nfetch = \"false\"", 2),
            ("[database]\n\"url\" = \"x\"", 2),
            ("[database]\n<<<<<<< HEAD", 2),
            ("x = \"\"\"\n[database]\n\"\"\"", 1),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("audit.toml:{line}:1: error: ")), "{text}: {error}");
        }
        let error = parse("[database]\nurl = \"https://me:secret@e.x/db\" x").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
