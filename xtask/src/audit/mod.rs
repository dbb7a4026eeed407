//! `audit`: looks up the dependencies in the advisory database.

pub(crate) mod advisory;
mod lock_file;
pub(crate) mod report;

use std::path::Path;

use anyhow::{Context as _, bail};
use xshell::{Cmd, cmd};

use crate::audit::advisory::{Finding, Response};
use crate::audit::lock_file::{Workspace, network_help};
use crate::audit::report::{AuditReport, DependencyGraph};
use crate::base;
use crate::cli::args::Base;
use crate::cli::audit::Options;
use crate::context::Context;
use crate::host::directories::Scratch;
use crate::host::{files, supervision, terminal};
use crate::outcome;
use crate::outcome::Outcome;
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_secrets;
use crate::tools::advisory_database::AdvisoryDatabase;
use crate::tools::buildkite_agent;
use crate::tools::{Installer, requirement};

/// An advisory database to which nothing was added for so long misses new advisories.
const MAX_AGE_DAYS: u64 = 90;

/// Looks the dependencies up in the advisory database.
///
/// # Errors
///
/// Rejects a revision that does not exist, an invalid configuration or manifest, and a lock file that
/// does not fit the manifests (exit code 2). Anything that keeps cargo-audit from its work is exit
/// code 75. Each error has a next step.
pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    audit(cx, options)
        .map_err(|error| outcome::with_next_step(error, "audit", supervision::interrupted_by()))
}

fn audit(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let base = options.only_changed.as_ref().map(|base| commit(cx, base)).transpose()?;
    let database = AdvisoryDatabase::configured(cx, options.database.as_deref(), options.offline)?;
    if cx.project.root.join("audit.toml").exists() {
        terminal::warn(
            "cargo-audit does not read `audit.toml` in the root",
            "move it to `.cargo/audit.toml`",
        );
    }
    install_cargo_audit(cx, &database)?;
    let scratch = cx.cache_dir().and_then(|dir| Scratch::new(&dir, "audit"))?;
    let workspace = Workspace::find(cx, options, &scratch)?;
    let lock_file = workspace.lock_file(base.as_deref())?;
    let audit = Audit { cx, options, database: &database };
    let findings = audit.findings(&lock_file)?;
    if !database.is_fetched {
        report_age(database.age_days(cx));
    }
    let known = match &base {
        None => None,
        Some(id) => match workspace.lock_file_of(id)? {
            Some(lock_file) => Some(audit.known_findings(&lock_file)?),
            None => Some(Vec::new()),
        },
    };
    let lock = files::read_text(&lock_file, &lock_file.display().to_string())?;
    let is_generated = lock_file.starts_with(&scratch.dir);
    let update_options = (!is_generated).then(|| workspace.manifest_option());
    let graph = DependencyGraph::parse(&lock);
    let report = AuditReport::new(findings, known.as_deref(), &graph, update_options);
    let has_failed = report.has_failed();
    buildkite_agent::report_check(cx, "cargo-audit", "advisories", has_failed, &report.render())
}

/// The id of the commit that the command line names.
fn commit(cx: &Context, base: &Base) -> anyhow::Result<String> {
    Ok(match &base.revision {
        None => base::merge_base(cx, &base::find(cx)?)?.id,
        Some(name) => base::named(cx, name)?.id,
    })
}

fn report_age(days: Option<u64>) {
    match days {
        None => terminal::note("note: the age of the advisory database is unknown"),
        Some(days) if days > MAX_AGE_DAYS => terminal::warn(
            &format!("the advisory database is {days} days old and lacks newer advisories"),
            "run once without `--offline`",
        ),
        Some(days) => terminal::note(&format!("note: the advisory database is {days} days old")),
    }
}

/// Installs cargo-audit if it is missing. As that takes minutes, it checks first that there is a
/// database.
fn install_cargo_audit(cx: &Context, database: &AdvisoryDatabase) -> anyhow::Result<()> {
    let mut installer = Installer::new(cx);
    if !installer.has_program("cargo-audit") {
        database.check_reachable(cx)?;
    }
    Ok(installer.ensure_all(&requirement::of_command(&["audit", "--offline"]))?)
}

struct Audit<'a> {
    cx: &'a Context,
    options: &'a Options,
    database: &'a AdvisoryDatabase,
}

impl Audit<'_> {
    /// The findings about the packages of a lock file. A broken database is fetched again, once.
    fn findings(&self, lock_file: &Path) -> anyhow::Result<Vec<Finding>> {
        let mut response = self.respond(lock_file, self.database.is_fetched)?;
        if let Response::NoDatabase(message) = &response
            && self.database.is_fetched
        {
            terminal::say(message);
            self.database.check_reachable(self.cx)?;
            let old = self.database.move_away()?;
            let again = self.respond(lock_file, true);
            let is_replaced = matches!(again, Ok(Response::Report { .. }));
            self.database.discard_or_restore(&old, is_replaced);
            response = again?;
        }
        if matches!(response, Response::Report { is_complete: false, .. }) {
            bail!(
                Failure::new(
                    "cargo-audit could not check whether all packages are yanked, see above"
                )
                .help(network_help(self.options))
            );
        }
        report(response, self.options)
    }

    /// As above, with the database as it is by now. Packages that only the base has do not matter, so
    /// they need not be looked up in the registry.
    fn known_findings(&self, lock_file: &Path) -> anyhow::Result<Vec<Finding>> {
        report(self.respond(lock_file, false)?, self.options)
    }

    fn respond(&self, lock_file: &Path, is_fetched: bool) -> anyhow::Result<Response> {
        if is_fetched && !self.database.dir.exists() {
            let dir = self.database.dir.display();
            terminal::note(&format!("fetching the advisory database into `{dir}`"));
        }
        let process = self.cx.process(self.command(lock_file, is_fetched)).shown();
        let output = process.timeout(self.options.timeout).output();
        let failure = Failure::new("cargo-audit gave no verdict").help(network_help(self.options));
        let output = output.context(failure)?;
        let stderr = mask_secrets(&String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8_lossy(&output.stdout);
        let response = advisory::classify(output.status.code(), &stdout, &stderr);
        if matches!(response, Response::Report { .. }) && !stderr.trim().is_empty() {
            terminal::say(stderr.trim());
        }
        Ok(response)
    }

    fn command(&self, lock_file: &Path, is_fetched: bool) -> Cmd<'_> {
        let sh = &self.cx.sh;
        let mut cmd = cmd!(sh, "cargo audit --deny warnings --json --file {lock_file}");
        if self.options.database.is_some() {
            cmd = cmd.arg("--db").arg(&self.database.dir);
        }
        if is_fetched { cmd } else { cmd.arg("--no-fetch") }
    }
}

fn report(response: Response, options: &Options) -> anyhow::Result<Vec<Finding>> {
    let (problem, help) = match response {
        Response::Report { findings, .. } => return Ok(findings),
        Response::Rejected(message) => bail!(
            Rejected::new(format!("cargo-audit rejects its input: {message}"))
                .help("repair `.cargo/audit.toml` or the lock file, whichever it names")
        ),
        Response::NoDatabase(message) => {
            (format!("no usable advisory database: {message}"), network_help(options))
        }
        Response::StaleDatabase(message) => (
            format!("no usable advisory database: {message}"),
            "`[database] stale = true` in .cargo/audit.toml accepts it",
        ),
        Response::Crashed(message) => (
            format!("cargo-audit exited early: {message}"),
            "`cargo install --locked --force cargo-audit` installs it again",
        ),
    };
    bail!(Failure::new(problem).help(help))
}
