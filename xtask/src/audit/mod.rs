//! `audit`: looks up the dependencies in the advisory database.

pub(crate) mod advisory;
pub(crate) mod attempt;
pub(crate) mod cargo_audit;
pub(crate) mod lock_file;
pub(crate) mod lock_graph;
pub(crate) mod report;

use std::path::Path;

use anyhow::{anyhow, bail};

use crate::audit::advisory::Advisory;
use crate::audit::attempt::Attempt;
use crate::audit::cargo_audit::Source;
use crate::audit::lock_graph::LockFile;
use crate::audit::report::{AuditReport, LockOrigin};
use crate::cli::audit::Options;
use crate::context::Context;
use crate::host::scratch::Scratch;
use crate::host::{files, terminal};
use crate::outcome::Outcome;
use crate::text::diagnostic::Rejected;
use crate::tools::advisory_database::AdvisoryDatabase;
use crate::tools::annotation;
use crate::tools::provision::{Installing, Provision};
use crate::tools::requirement as prerequisite;
use crate::tools::requirement::Prerequisite;
use crate::{base, cache};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let base = options.only_changed.as_deref().map(|name| commit(cx, name)).transpose()?;
    let database = AdvisoryDatabase::configured(cx, options.database.as_deref(), options.offline)?;
    provide(cx, &database)?;
    let scratch = cache::dir(cx).and_then(|dir| Scratch::new(&dir, "audit"))?;
    let lock_file = lock_file::of_working_tree(cx, base.as_deref(), &scratch)?;
    let audit = Audit { cx, database: &database, named_dir: options.database.is_some() };
    let own = audit.advisories(&lock_file)?;
    let known = match &base {
        None => None,
        Some(id) => match lock_file::of_commit(cx, id, &scratch)? {
            Some(lock_file) => Some(audit.advisories_offline(&lock_file)?),
            None => Some(Vec::new()),
        },
    };
    let lock = packages(&lock_file)?;
    let is_made = lock_file.starts_with(scratch.dir());
    let origin = if is_made { LockOrigin::Made } else { LockOrigin::Tree };
    let report = AuditReport::new(own, known.as_deref(), &lock, origin);
    let text = report.render();
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    let outcome = if report.has_failed() { Outcome::Fail } else { Outcome::Pass };
    annotation::show_check(cx, "cargo-audit", outcome, "advisories", &text);
    Ok(outcome)
}

/// The packages of a lock file that cargo-audit has read already; they only say how the workspace
/// comes to a crate.
fn packages(lock_file: &Path) -> anyhow::Result<LockFile> {
    let name = lock_file.display().to_string();
    let text = files::read_text(lock_file, &name)?;
    Ok(LockFile::parse(&text).unwrap_or_else(|line| {
        terminal::say(&format!("{name}:{line}: warning: not understood, so paths are not shown"));
        LockFile::default()
    }))
}

/// The id of the commit that a name on the command line stands for.
fn commit(cx: &Context, name: &str) -> anyhow::Result<String> {
    match base::commit(cx, name)? {
        Some(id) => Ok(id),
        None => bail!(Rejected::new(format!(
            "`--only-changed {name}`: there is no such commit in this clone"
        ))),
    }
}

/// Sees to it that cargo-audit is there. It takes minutes to build, so first it is made sure that
/// there is a database for it.
fn provide(cx: &Context, database: &AdvisoryDatabase) -> anyhow::Result<()> {
    let mut provision = Provision::new(cx, Installing::Allowed);
    let mut needs = prerequisite::of_own("audit");
    needs.retain(|need| *need != Prerequisite::AdvisoryDatabase);
    if !provision.has_tools(&needs) {
        database.check_reachable(cx).map_err(|reason| anyhow!(reason))?;
    }
    Ok(provision.ensure_all(&needs)?)
}

struct Audit<'a> {
    cx: &'a Context,
    database: &'a AdvisoryDatabase,
    /// Whether the directory of the database is the command line's.
    named_dir: bool,
}

impl Audit<'_> {
    /// The advisories about the packages of a lock file. A broken database is fetched again, once.
    fn advisories(&self, lock_file: &Path) -> anyhow::Result<Vec<Advisory>> {
        let attempt = self.attempt(lock_file, self.database.is_fetched)?;
        match &attempt {
            Attempt::NoDatabase(words) if self.database.is_fetched => terminal::say(words),
            _ => return conclude(attempt),
        }
        self.database.check_reachable(self.cx).map_err(|reason| {
            anyhow!("{reason}; `--offline` takes the database as it was last fetched")
        })?;
        let broken = self.database.set_aside()?;
        let again = self.attempt(lock_file, true).and_then(conclude);
        broken.settle(again.is_ok());
        again
    }

    /// As above, with the database as it is by now.
    fn advisories_offline(&self, lock_file: &Path) -> anyhow::Result<Vec<Advisory>> {
        conclude(self.attempt(lock_file, false)?)
    }

    fn attempt(&self, lock_file: &Path, is_fetched: bool) -> anyhow::Result<Attempt> {
        let dir = self.named_dir.then_some(self.database.dir.as_path());
        if is_fetched && !self.database.dir.exists() {
            let dir = self.database.dir.display();
            terminal::say(&format!("fetching the advisory database into `{dir}`, once"));
        }
        let cmd = cargo_audit::audit(&self.cx.sh, lock_file, Source { dir, is_fetched });
        let output = self.cx.process(cmd).shown().output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let attempt = attempt::judge(output.status.code(), &stdout, &stderr);
        if matches!(attempt, Attempt::Report(_)) && !stderr.trim().is_empty() {
            terminal::say(stderr.trim());
        }
        Ok(attempt)
    }
}

fn conclude(attempt: Attempt) -> anyhow::Result<Vec<Advisory>> {
    match attempt {
        Attempt::Report(advisories) => Ok(advisories),
        Attempt::NoDatabase(words) => Err(anyhow!("there is no verdict: {words}")),
        Attempt::StaleDatabase(words) => Err(anyhow!(
            "there is no verdict: {words}; `[database] stale = true` in .cargo/audit.toml accepts it"
        )),
        Attempt::Refused(words) => {
            bail!(Rejected::new(format!("cargo-audit refuses its input: {words}")))
        }
        Attempt::Broken(words) => Err(anyhow!("cargo-audit broke off: {words}")),
    }
}
