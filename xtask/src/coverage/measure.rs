//! Runs the tests with `cargo llvm-cov` in a build directory that stays warm.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use xshell::Cmd;

use crate::context::Context;
use crate::coverage::artifacts;
use crate::coverage::artifacts::{Build, Executable};
use crate::coverage::diff;
use crate::coverage::diff::CodeLines;
use crate::coverage::llvm_cov;
use crate::coverage::llvm_cov::{Measurement, Report};
use crate::coverage::report;
use crate::coverage::scope::Workspace;
use crate::host::{files, terminal};

/// Below cargo's target directory.
const BUILD_DIR: &str = "xtask-coverage";
/// What a run leaves beside its build: `--no-cleanup` keeps it.
const SUMMARY: &str = "coverage.json";
const LINES: &str = "coverage.lcov";
/// A scratch file of a run.
pub(crate) const INDEX: &str = "index";
/// The pages of `--html`, which stay until the next run that writes them.
const PAGES: &str = "html";

/// Where the coverage build of a workspace is.
pub(crate) fn build_dir(workspace: &Workspace) -> PathBuf {
    workspace.target_directory.join(BUILD_DIR)
}

/// Runs a cargo that prints JSON messages and returns these, one a line. What else the command and
/// the tests that it runs print goes to our standard error.
fn run_with_messages(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<(ExitStatus, String)> {
    let messages: Arc<Mutex<Vec<u8>>> = Arc::default();
    let written = Arc::clone(&messages);
    let process = cx.process(cmd).shown().stream();
    let status = process.stdout_to(move |stdout| split_messages(stdout, &written)).status()?;
    let messages = std::mem::take(&mut *messages.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((status, String::from_utf8_lossy(&messages).into_owned()))
}

/// Cargo's messages go into the list; from the first byte after the build everything is passed on
/// as it comes, since a test may print half a line and wait.
fn split_messages(stdout: ChildStdout, messages: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(b"{\"reason\":") {
            messages.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&line);
        } else {
            io::stderr().write_all(&line)?;
        }
        if line.starts_with(b"{\"reason\":\"build-finished\"") {
            break;
        }
        line.clear();
    }
    io::copy(&mut stdout, &mut io::stderr()).map(drop)
}

/// How the tests ended.
#[derive(Debug)]
pub(crate) enum Tested {
    Passed,
    /// A test failed, or does not build; the output says which.
    Failed {
        reason: &'static str,
    },
}

/// A measurement that is under way: nobody else uses the build directory.
pub(crate) struct Session<'a> {
    cx: &'a Context,
    measurement: Measurement,
    _lock: files::Lock,
}

impl<'a> Session<'a> {
    /// Waits until the build directory is free and removes what an earlier run measured.
    pub(crate) fn start(cx: &'a Context, measurement: Measurement) -> anyhow::Result<Session<'a>> {
        let dir = &measurement.build_dir;
        files::create_dir(dir)?;
        let lock = files::lock(&dir.join(".lock"), || {
            terminal::note("waiting for another coverage run to end");
        });
        let session = Session { cx, _lock: lock?, measurement };
        session.remove_results()?;
        Ok(session)
    }

    /// Builds and runs the tests; executables of an earlier build are gone afterwards.
    pub(crate) fn test(&self, workspace: &Workspace) -> anyhow::Result<Tested> {
        let cmd = llvm_cov::test(&self.cx.sh, &self.measurement);
        let (status, messages) = run_with_messages(self.cx, cmd)?;
        if Context::interrupted_by().is_some() {
            bail!("interrupted");
        }
        let build = Build::parse(&messages);
        match build.succeeded {
            Some(true) if status.success() => (),
            Some(true) => return Ok(Tested::Failed { reason: "a test failed" }),
            Some(false) => return Ok(Tested::Failed { reason: "the tests do not build" }),
            None => {
                return Err(anyhow!("cargo could not start to build the tests; see above"));
            }
        }
        self.remove_stale(&build, workspace)?;
        Ok(Tested::Passed)
    }

    /// The totals and the files.
    pub(crate) fn summary(&self) -> anyhow::Result<report::Report> {
        let output = self.read(self.report(Report::Summary))?;
        let path = self.build_dir().join(SUMMARY);
        files::write_atomically(&path, &output)?;
        report::Report::parse(&String::from_utf8_lossy(&output))
    }

    /// The lines that hold code, by their path relative to `root`.
    pub(crate) fn code_lines(&self, root: &str) -> anyhow::Result<CodeLines> {
        let path = self.build_dir().join(LINES);
        self.export(Report::Lcov(&path))?;
        let text = files::read_text(&path, LINES)?;
        Ok(diff::code_lines(&text, root))
    }

    /// Writes the pages anew and returns the first.
    pub(crate) fn write_pages(&self) -> anyhow::Result<PathBuf> {
        let pages = self.build_dir().join(PAGES);
        files::remove_dir(&pages)?;
        self.export(Report::Html(self.build_dir()))?;
        Ok(pages.join("index.html"))
    }

    /// Writes a report to a file.
    pub(crate) fn export(&self, report: Report<'_>) -> anyhow::Result<()> {
        self.read(self.report(report)).map(drop)
    }

    pub(crate) fn build_dir(&self) -> &Path {
        &self.measurement.build_dir
    }

    /// Removes what was measured, or says where it is.
    pub(crate) fn end(&self, keep: bool) -> anyhow::Result<()> {
        if !keep {
            return self.remove_results();
        }
        let report = self.build_dir().join(SUMMARY);
        terminal::say(&format!("kept the report {} and the profiles beside it", report.display()));
        Ok(())
    }

    fn report(&self, report: Report<'_>) -> Cmd<'a> {
        llvm_cov::report(&self.cx.sh, &self.measurement, report)
    }

    fn read(&self, cmd: Cmd<'_>) -> anyhow::Result<Vec<u8>> {
        let output = self.cx.process(cmd).output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(anyhow!("llvm-cov cannot report: {}", words.trim()))
    }

    fn remove_results(&self) -> anyhow::Result<()> {
        let is_result = |name: &str| {
            [".profraw", ".profdata", "-profraw-list"].iter().any(|end| name.ends_with(end))
                || [SUMMARY, LINES, INDEX].contains(&name)
        };
        let dir = self.build_dir();
        for name in files::names_in(dir).iter().filter(|name| is_result(name)) {
            files::remove(&dir.join(name))?;
        }
        Ok(())
    }

    fn remove_stale(&self, build: &Build, workspace: &Workspace) -> anyhow::Result<()> {
        let present = files::executables_below(self.build_dir()).into_iter();
        let present: Vec<Executable> =
            present.map(|(path, identity)| Executable { path, identity }).collect();
        for file in artifacts::stale(&present, build, workspace) {
            files::remove(&file.path)
                .context("an executable of an earlier build would be counted")?;
        }
        Ok(())
    }
}
