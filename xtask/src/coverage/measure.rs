//! Runs the tests with `cargo llvm-cov` in a build directory that stays warm.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use xshell::Cmd;

use crate::context::Context;
use crate::coverage::artifacts;
use crate::coverage::artifacts::Build;
use crate::coverage::llvm_cov;
use crate::coverage::llvm_cov::{File, Form, Measurement};
use crate::host::{files, terminal};
use crate::plan::metadata::Metadata;

/// The build directory, below cargo's target directory.
const BUILD_DIR: &str = "xtask-coverage";
/// Reports in the build directory; `--no-cleanup` keeps the first.
const SUMMARY: &str = "coverage.json";
const LINES: &str = "coverage.lcov";
/// A scratch file in the build directory.
const INDEX: &str = "index";
/// The pages of `--html`, which stay until the next run that writes them.
const PAGES: &str = "html";

/// Returns the coverage build directory of a workspace.
pub(crate) fn build_dir(workspace: &Metadata) -> PathBuf {
    workspace.target_directory.join(BUILD_DIR)
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

/// A measurement in progress, which has the build directory for itself.
pub(crate) struct Session<'a> {
    cx: &'a Context,
    measurement: Measurement<'a>,
    _lock: files::Lock,
}

impl<'a> Session<'a> {
    /// Waits until the build directory is free and removes the results of an earlier run.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be written (exit code 75).
    pub(crate) fn start(
        cx: &'a Context,
        measurement: Measurement<'a>,
    ) -> anyhow::Result<Session<'a>> {
        let dir = &measurement.build_dir;
        files::create_dir(dir)?;
        let lock = files::lock(&dir.join(".lock"), || {
            terminal::note("waiting for another coverage run to finish");
        });
        let session = Session { cx, _lock: lock?, measurement };
        session.remove_results()?;
        Ok(session)
    }

    /// Builds and runs the tests, and removes the executables of earlier builds.
    ///
    /// # Errors
    ///
    /// Fails if cargo cannot start to build, or is interrupted (exit code 75).
    pub(crate) fn test(&self, workspace: &Metadata) -> anyhow::Result<Tested> {
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
            None => bail!("cargo could not start to build the tests; see above"),
        }
        let present = files::executables_below(self.build_dir());
        for path in artifacts::stale(&present, &build, workspace) {
            files::remove(path).context("an executable of an earlier build would be counted")?;
        }
        Ok(Tested::Passed)
    }

    /// Returns the measured files.
    ///
    /// # Errors
    ///
    /// Fails if llvm-cov cannot read the profiles (exit code 75), as do all reports.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<File>> {
        llvm_cov::parse_summary(&String::from_utf8_lossy(&self.report(Form::Summary, &[])?))
    }

    /// Returns a report in LCOV's format.
    pub(crate) fn lcov(&self, excluded: &[&str]) -> anyhow::Result<String> {
        let path = self.build_dir().join(LINES);
        self.report(Form::Lcov(&path), excluded)?;
        files::read_output(&path)
    }

    /// Writes the pages anew and returns the first.
    pub(crate) fn write_pages(&self, excluded: &[&str]) -> anyhow::Result<PathBuf> {
        let pages = self.build_dir().join(PAGES);
        files::remove_dir(&pages)?;
        self.report(Form::Html(self.build_dir()), excluded)?;
        Ok(pages.join("index.html"))
    }

    /// Makes a report and returns its standard output.
    pub(crate) fn report(&self, form: Form<'_>, excluded: &[&str]) -> anyhow::Result<Vec<u8>> {
        let cmd = llvm_cov::report(&self.cx.sh, &self.measurement, form, excluded);
        self.cx.process(cmd).read()
    }

    /// A path for a scratch file.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.build_dir().join(INDEX)
    }

    /// Writes the report that is kept, and says where it is.
    pub(crate) fn keep_results(&self, excluded: &[&str]) -> anyhow::Result<()> {
        let path = self.build_dir().join(SUMMARY);
        files::write_atomically(&path, &self.report(Form::Summary, excluded)?)?;
        terminal::say(&format!("kept the report {} and the profiles beside it", path.display()));
        Ok(())
    }

    /// Removes everything but the build.
    pub(crate) fn remove_results(&self) -> anyhow::Result<()> {
        let is_result = |name: &str| {
            [".profraw", ".profdata", "-profraw-list"].iter().any(|end| name.ends_with(end))
                || [SUMMARY, LINES, INDEX].contains(&name)
        };
        let dir = self.build_dir();
        let names = files::names_in(dir).into_iter().filter(|name| is_result(name));
        names.map(|name| dir.join(name)).try_for_each(|path| files::remove(&path))
    }

    fn build_dir(&self) -> &Path {
        &self.measurement.build_dir
    }
}

/// Runs a cargo that prints JSON messages and returns these, one a line. All other output of the
/// command, and of the tests that it runs, goes to our standard error.
fn run_with_messages(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<(ExitStatus, String)> {
    let messages: Arc<Mutex<Vec<u8>>> = Arc::default();
    let written = Arc::clone(&messages);
    let process = cx.process(cmd).shown().stream();
    let status = process.stdout_to(move |stdout| split_messages(stdout, &written)).status()?;
    let messages = std::mem::take(&mut *messages.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((status, String::from_utf8_lossy(&messages).into_owned()))
}

/// Collects cargo's messages. After the build everything is passed on as it comes, since a test may
/// print half a line and wait.
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
