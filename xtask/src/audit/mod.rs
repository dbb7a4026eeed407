//! `audit`: looks up the dependencies in the advisory database.

pub(crate) mod advisory;
pub(crate) mod dependency_graph;
mod lock_file;
mod report;

use std::path::Path;

use anyhow::{anyhow, bail};
use xshell::{Cmd, cmd};

use crate::audit::advisory::{Finding, Response};
use crate::audit::dependency_graph::DependencyGraph;
use crate::audit::report::{AuditReport, LockOrigin};
use crate::base;
use crate::cli::audit::Options;
use crate::context::Context;
use crate::host::scratch::Scratch;
use crate::host::{files, terminal};
use crate::outcome::Outcome;
use crate::text::diagnostic::{Failure, Rejected};
use crate::tools::advisory_database::AdvisoryDatabase;
use crate::tools::buildkite_agent;
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::requirement;

/// # Errors
///
/// Rejects a revision that does not exist and an invalid configuration, lock file or manifest (exit
/// code 2). Anything that keeps cargo-audit from its work is exit code 75.
pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let base = options.only_changed.as_deref().map(|name| commit(cx, name)).transpose()?;
    let database = AdvisoryDatabase::configured(cx, options.database.as_deref(), options.offline)?;
    install_cargo_audit(cx, &database)?;
    let scratch = cx.cache_dir().and_then(|dir| Scratch::new(&dir, "audit"))?;
    let lock_file = lock_file::of_working_tree(cx, base.as_deref(), &scratch)?;
    let audit = Audit { cx, database: &database, named_dir: options.database.is_some() };
    let findings = audit.findings(&lock_file)?;
    let known = match &base {
        None => None,
        Some(id) => match lock_file::of_commit(cx, id, &scratch)? {
            // The database is up to date by now.
            Some(lock_file) => Some(report(audit.respond(&lock_file, false)?)?),
            None => Some(Vec::new()),
        },
    };
    let lock = files::read_text(&lock_file, &lock_file.display().to_string())?;
    let is_generated = lock_file.starts_with(scratch.dir());
    let origin = if is_generated { LockOrigin::Generated } else { LockOrigin::Tree };
    let report =
        AuditReport::new(findings, known.as_deref(), &DependencyGraph::parse(&lock), origin);
    let text = report.render();
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    let outcome = if report.has_failed() { Outcome::Fail } else { Outcome::Pass };
    buildkite_agent::show_check(cx, "cargo-audit", outcome, "advisories", &text);
    Ok(outcome)
}

/// The id of the commit that the command line names.
fn commit(cx: &Context, name: &str) -> anyhow::Result<String> {
    match base::commit(cx, name)? {
        Some(id) => Ok(id),
        None => bail!(Rejected::new(format!(
            "`--only-changed {name}`: there is no such commit in this clone"
        ))),
    }
}

/// Installs cargo-audit if it is missing. As that takes minutes, it checks first that there is a
/// database.
fn install_cargo_audit(cx: &Context, database: &AdvisoryDatabase) -> anyhow::Result<()> {
    let mut installer = Installer::new(cx, InstallPolicy::Allowed);
    let needs = requirement::of_command(&["audit", "--offline"]);
    if !installer.has_tools(&needs) {
        database.check_reachable(cx)?;
    }
    Ok(installer.ensure_all(&needs)?)
}

struct Audit<'a> {
    cx: &'a Context,
    database: &'a AdvisoryDatabase,
    /// Whether the command line names the directory of the database.
    named_dir: bool,
}

impl Audit<'_> {
    /// The findings about the packages of a lock file. A broken database is fetched again, once.
    fn findings(&self, lock_file: &Path) -> anyhow::Result<Vec<Finding>> {
        let response = self.respond(lock_file, self.database.is_fetched)?;
        match &response {
            Response::NoDatabase(message) if self.database.is_fetched => terminal::say(message),
            _ => return report(response),
        }
        self.database.check_reachable(self.cx)?;
        let old = self.database.move_away()?;
        let findings = self.respond(lock_file, true).and_then(report);
        old.discard_or_restore(findings.is_ok());
        findings
    }

    fn respond(&self, lock_file: &Path, is_fetched: bool) -> anyhow::Result<Response> {
        if is_fetched && !self.database.dir.exists() {
            let dir = self.database.dir.display();
            terminal::note(&format!("fetching the advisory database into `{dir}`"));
        }
        let output = self.cx.process(self.command(lock_file, is_fetched)).shown().output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let response = advisory::classify(output.status.code(), &stdout, &stderr);
        if matches!(response, Response::Report(_)) && !stderr.trim().is_empty() {
            terminal::say(stderr.trim());
        }
        Ok(response)
    }

    fn command(&self, lock_file: &Path, is_fetched: bool) -> Cmd<'_> {
        let sh = &self.cx.sh;
        let mut cmd = cmd!(sh, "cargo audit --deny warnings --json --file {lock_file}");
        if self.named_dir {
            cmd = cmd.arg("--db").arg(&self.database.dir);
        }
        if is_fetched { cmd } else { cmd.arg("--no-fetch") }
    }
}

fn report(response: Response) -> anyhow::Result<Vec<Finding>> {
    match response {
        Response::Report(findings) => Ok(findings),
        Response::NoDatabase(message) => Err(anyhow!("no usable advisory database: {message}")),
        Response::StaleDatabase(message) => bail!(
            Failure::new(format!("no usable advisory database: {message}"))
                .help("`[database] stale = true` in .cargo/audit.toml accepts it")
        ),
        Response::Rejected(message) => {
            bail!(Rejected::new(format!("cargo-audit rejects its input: {message}")))
        }
        Response::Crashed(message) => Err(anyhow!("cargo-audit exited early: {message}")),
    }
}
