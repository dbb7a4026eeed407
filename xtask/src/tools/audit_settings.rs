//! Pure. `audit.toml`: where cargo-audit gets its advisory database from.

use crate::text::toml;

/// Where cargo-audit gets its database where nobody says otherwise.
///
/// Source: `rustsec::repository::git::DEFAULT_URL`.
pub(crate) const DEFAULT_URL: &str = "https://github.com/RustSec/advisory-db.git";

/// The part of cargo-audit's configuration that is about the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    pub(crate) database_url: String,
    /// As it is written; cargo-audit expands nothing in it and takes it relative to the root.
    pub(crate) database_path: Option<String>,
    /// Whether the database is fetched before it is used.
    pub(crate) fetches: bool,
}

impl Default for AuditSettings {
    fn default() -> AuditSettings {
        AuditSettings { database_url: DEFAULT_URL.to_owned(), database_path: None, fetches: true }
    }
}

impl AuditSettings {
    /// Reads the text of `audit.toml`. cargo-audit checks the file itself and refuses unknown keys;
    /// the error is the line that is no TOML.
    pub(crate) fn parse(text: &str) -> Result<AuditSettings, usize> {
        let mut settings = AuditSettings::default();
        for entry in toml::entries(text)? {
            let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
            match (path.as_slice(), entry.value) {
                (["database", "url"], toml::Value::Text(url)) => settings.database_url = url,
                (["database", "path"], toml::Value::Text(path)) => {
                    settings.database_path = Some(path);
                }
                (["database", "fetch"], toml::Value::Other(word)) => {
                    settings.fetches = word != "false";
                }
                _ => (),
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_is_read() {
        let text = "[advisories]\nignore = [\"RUSTSEC-2020-0001\"]\nurl = \"x\"\n\
                    [database]\nurl = \"https://e.x/db.git\" # ours\nfetch = false\nstale = true\n";
        let settings = AuditSettings::parse(text).unwrap();
        let url = "https://e.x/db.git".to_owned();
        assert_eq!(
            settings,
            AuditSettings { database_url: url, database_path: None, fetches: false }
        );
        let inline = AuditSettings::parse("database = { path = '/d', stale = false }").unwrap();
        assert_eq!(inline.database_path.as_deref(), Some("/d"));
        assert_eq!(AuditSettings::parse("").unwrap(), AuditSettings::default());
        assert_eq!(AuditSettings::parse("[database\n"), Err(1));
    }
}
