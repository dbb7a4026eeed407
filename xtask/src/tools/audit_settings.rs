//! Pure. `audit.toml`: where cargo-audit gets its advisory database from.
//!
//! cargo-audit reads the file itself; a TOML library for this one table would cost a quarter of the
//! build budget. What these few lines cannot read they reject.

use crate::text::diagnostic::{Rejected, Source};
use crate::text::sanitize::mask_secrets;

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
    (ends(rest) && (quote == '\'' || !text.contains('\\'))).then(|| text.to_owned())
}

fn boolean(value: &str) -> Option<bool> {
    let value = value.trim();
    let (is_true, rest) = match value.strip_prefix("true") {
        Some(rest) => (true, rest),
        None => (false, value.strip_prefix("false")?),
    };
    ends(rest).then_some(is_true)
}

fn ends(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
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
