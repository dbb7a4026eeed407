//! The change's `Cargo.lock`. Cargo writes it where it is missing or stale; here it is put back as
//! it was, and the base gets the same versions where it has none of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::bench::session::Session;
use crate::host::{cargo, files, terminal};
use crate::text::fingerprint::fingerprint;

/// The lock file while the benchmarks run.
pub(crate) struct LockFile {
    text: Option<String>,
}

/// What is written down before cargo may write the file.
struct Journal {
    path: PathBuf,
    /// Which repository this is about: another one may have come to the same place.
    repository: String,
    /// The last commit; None where there was none.
    head: Option<String>,
    /// None where there was no file.
    before: Option<String>,
    /// Of what cargo made of it; None until that is known.
    made: Option<String>,
}

impl LockFile {
    /// Sees to it that the file fits the manifests, so that cargo has no reason to write it later.
    pub(crate) fn settle(session: &Session<'_>, workspace: &Path) -> anyhow::Result<LockFile> {
        let path = workspace.join("Cargo.lock");
        let read = || files::read_text_if_exists(&path, "Cargo.lock");
        let cx = session.cx;
        let is_current = session.runner.process(cargo::resolve(&cx.sh, true)).output()?;
        if is_current.status.success() {
            return Ok(LockFile { text: read()? });
        }
        let mut journal = Journal {
            path: path.clone(),
            repository: repository(session),
            head: head(session)?,
            before: read()?,
            made: None,
        };
        session.begin()?;
        journal.write(session)?;
        let status =
            session.runner.process(cargo::resolve(&cx.sh, false)).shown().stream().status()?;
        let text = read()?;
        journal.made = text.as_ref().map(|text| fingerprint(text.as_bytes()));
        journal.write(session)?;
        if !status.success() {
            return Err(anyhow::anyhow!("the dependencies of the change cannot be had"));
        }
        Ok(LockFile { text })
    }

    /// Gives a base that keeps no lock file the versions of the change.
    pub(crate) fn lend_to(&self, base: &Path) -> anyhow::Result<()> {
        let path = base.join("Cargo.lock");
        match &self.text {
            Some(text) if !path.exists() => files::write_atomically(&path, text.as_bytes()),
            _ => Ok(()),
        }
    }
}

/// Puts the file back as it was, unless somebody else has written it since. Where that cannot be
/// told, what is there now is kept beside our own files.
pub(crate) fn restore(session: &Session<'_>) -> anyhow::Result<()> {
    let Some(journal) = Journal::read(session)? else { return Ok(()) };
    if journal.repository != repository(session) {
        return files::remove(&Journal::file(session));
    }
    let now = files::read_text_if_exists(&journal.path, "Cargo.lock")?;
    let is_killed = journal.made.is_none() && now != journal.before;
    if is_killed && is_committed(session, &journal)? {
        terminal::note("note: `Cargo.lock` was committed meanwhile, it stays as it is");
        return files::remove(&Journal::file(session));
    }
    if let Some(text) = now.as_ref().filter(|_| is_killed) {
        let kept = session.dir.join("Cargo.lock.replaced");
        files::write_atomically(&kept, text.as_bytes())?;
        terminal::note(&format!(
            "note: `Cargo.lock` is put back; what was there is `{}`",
            kept.display()
        ));
    }
    let now = now.map(|text| fingerprint(text.as_bytes()));
    let is_ours = now == journal.made && !is_committed(session, &journal)?;
    if now.is_some() && (is_killed || is_ours) {
        match &journal.before {
            Some(text) => files::write_atomically(&journal.path, text.as_bytes())?,
            None => files::remove(&journal.path)?,
        }
    } else if now != journal.before.as_ref().map(|text| fingerprint(text.as_bytes())) {
        terminal::note("note: `Cargo.lock` was written meanwhile, it stays as it is");
    }
    files::remove(&Journal::file(session))
}

/// Whether somebody has committed the file as it is now since it was written down.
fn is_committed(session: &Session<'_>, journal: &Journal) -> anyhow::Result<bool> {
    if head(session)? == journal.head {
        return Ok(false);
    }
    let cx = session.cx;
    let path = &journal.path;
    let is_known = session.runner.process(cx.git().is_tracked(path)).clean_up()?;
    let is_same = session.runner.process(cx.git().is_unchanged(path)).clean_up()?;
    Ok(is_known.status.success() && is_same.status.success())
}

fn head(session: &Session<'_>) -> anyhow::Result<Option<String>> {
    let cx = session.cx;
    let output = session.runner.process(cx.git().commit_id("HEAD")).clean_up()?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(id))
}

fn repository(session: &Session<'_>) -> String {
    files::identity(&session.cx.project.root.join(".git")).unwrap_or_default()
}

impl Journal {
    fn file(session: &Session<'_>) -> PathBuf {
        session.dir.join("bench-lock-file.json")
    }

    fn write(&self, session: &Session<'_>) -> anyhow::Result<()> {
        let Some(path) = self.path.to_str() else {
            bail!("`{}` is not UTF-8 text", self.path.display());
        };
        let text = json!({
            "path": path,
            "repository": self.repository,
            "head": self.head,
            "before": self.before,
            "made": self.made,
        });
        let file = Self::file(session);
        files::write_atomically(&file, text.to_string().as_bytes())
    }

    fn read(session: &Session<'_>) -> anyhow::Result<Option<Journal>> {
        let file = Self::file(session);
        let name = file.display().to_string();
        let Some(text) = files::read_text_if_exists(&file, &name)? else { return Ok(None) };
        let value: Value = serde_json::from_str(&text).with_context(|| format!("`{name}`"))?;
        let member = |key: &str| value[key].as_str().map(str::to_owned);
        let path = member("path").with_context(|| format!("`{name}` names no path"))?;
        Ok(Some(Journal {
            path: path.into(),
            repository: member("repository").unwrap_or_default(),
            head: member("head"),
            before: member("before"),
            made: member("made"),
        }))
    }
}
