//! The advisory database: where it is, whether it can be fetched, and its repair.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};

use crate::context::Context;
use crate::host::{files, git, terminal};
use crate::text::diagnostic::Rejected;
use crate::tools::audit_settings::AuditSettings;

/// The database as cargo-audit's configuration and the command line have it.
#[derive(Debug)]
pub(crate) struct AdvisoryDatabase {
    pub(crate) url: String,
    /// Where its clone is.
    pub(crate) dir: PathBuf,
    /// Whether cargo-audit brings it up to date before it is used.
    pub(crate) is_fetched: bool,
    /// Whether `dir` is cargo-audit's own, so that nothing else is in it.
    is_default_dir: bool,
}

impl AdvisoryDatabase {
    /// Reads the configuration file that cargo-audit reads: the consumer's, else the user's. `dir`
    /// is the command line's.
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
                let text = files::read_text(&file, &name)?;
                AuditSettings::parse(&text)
                    .map_err(|line| Rejected::new(format!("{name}:{line}: not valid TOML")))?
            }
        };
        let is_fetched = settings.fetches && !is_offline;
        if is_fetched && !settings.database_url.starts_with("https://") {
            bail!(Rejected::new(format!(
                "the advisory database `{}` cannot be fetched: cargo-audit takes https:// only",
                settings.database_url
            )));
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

    /// Asks the server for one reference: cheap, and all that tells a broken clone from a network
    /// that is down. The error says what is missing.
    pub(crate) fn check_reachable(&self, cx: &Context) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_secs(20);
        if !self.is_fetched {
            let there = self.dir.is_dir();
            let missing =
                || Err(format!("there is no advisory database in `{}`", self.dir.display()));
            return if there { Ok(()) } else { missing() };
        }
        let cmd = git::ls_remote(&cx.sh, &cx.project.root, &self.url, "HEAD");
        match cx.process(cmd).timeout(PATIENCE).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(_) => Err(format!("the advisory database `{}` cannot be reached", self.url)),
            Err(error) => {
                Err(format!("the advisory database `{}` cannot be reached: {error:#}", self.url))
            }
        }
    }

    /// Takes a broken clone out of the way. A directory that somebody named is touched only if it
    /// is a clone of the database: a wrong name must not cost anybody's files.
    pub(crate) fn set_aside(&self) -> anyhow::Result<SetAside> {
        if !self.is_default_dir && !self.looks_like_a_clone()? {
            return Err(anyhow!(
                "`{}` does not look like a clone of {}, so it is not removed; repair it by hand, or \
                 use it as it is with `--offline`",
                self.dir.display(),
                self.url
            ));
        }
        let what = if self.is_default_dir { "removing" } else { "setting aside" };
        terminal::say(&format!("{what} the broken advisory database `{}`", self.dir.display()));
        let mut name = self.dir.clone().into_os_string();
        name.push(format!(".{}.broken", std::process::id()));
        let aside = PathBuf::from(name);
        files::rename_if_exists(&self.dir, &aside)?;
        Ok(SetAside { dir: self.dir.clone(), aside, is_ours: self.is_default_dir })
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

/// A clone that cargo-audit could not use, kept until a new one has proved that it was to blame.
pub(crate) struct SetAside {
    dir: PathBuf,
    aside: PathBuf,
    /// Whether nobody else can have put anything into it.
    is_ours: bool,
}

impl SetAside {
    /// Removes the old clone, or puts it back: something else was wrong, and `--offline` may still
    /// have a use for it.
    pub(crate) fn settle(&self, is_replaced: bool) {
        let settled = match (is_replaced, self.is_ours) {
            (true, true) => files::remove_dir(&self.aside),
            (true, false) => {
                terminal::note(&format!("note: the old clone is kept: `{}`", self.aside.display()));
                Ok(())
            }
            (false, _) => files::remove_dir(&self.dir)
                .and_then(|()| files::rename_if_exists(&self.aside, &self.dir)),
        };
        if let Err(error) = settled {
            terminal::say(&format!("warning: {error:#}"));
        }
    }
}
