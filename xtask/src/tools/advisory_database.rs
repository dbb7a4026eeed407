//! The advisory database: where it is, whether the server answers, and its repair.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;

use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::{files, terminal};
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_secrets;
use crate::tools::audit_settings::AuditSettings;

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
        if files::is_empty_dir(&self.dir) {
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
