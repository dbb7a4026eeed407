//! Runs the tests with `cargo llvm-cov` in a build directory that stays warm.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::host::llvm_cov::{self, Measurement, Report};
use crate::host::{files, terminal, tree};
use crate::outcome::OrUndetermined;
use crate::rules::coverage_artifacts::{self, Build, Executable};
use crate::rules::coverage_report;
use crate::rules::coverage_scope::Workspace;

/// Below cargo's target directory.
const BUILD_DIR: &str = "xtask-coverage";
/// The report that `--no-cleanup` keeps beside the profiles.
const KEPT_REPORT: &str = "coverage.json";

/// Where the coverage build of a workspace is.
pub(crate) fn build_dir(workspace: &Workspace) -> PathBuf {
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
        files::create_dir(dir).or_undetermined()?;
        let lock = files::lock(&dir.join(".lock"), || {
            terminal::say("waiting for another coverage run to end");
        });
        let session = Session { cx, _lock: lock.or_undetermined()?, measurement };
        session.remove_results()?;
        Ok(session)
    }

    /// Builds and runs the tests; executables of an earlier build are gone afterwards.
    pub(crate) fn test(&self, workspace: &Workspace) -> anyhow::Result<Tested> {
        let cmd = llvm_cov::test(&self.cx.sh, &self.measurement);
        let (status, messages) = self.cx.runner.run_with_messages(cmd).or_undetermined()?;
        if Context::interrupted_by().is_some() {
            bail!("interrupted");
        }
        let build = Build::parse(&messages);
        match build.succeeded {
            Some(true) if status.success() => (),
            Some(true) => return Ok(Tested::Failed { reason: "a test failed" }),
            Some(false) => return Ok(Tested::Failed { reason: "the tests do not build" }),
            None => {
                return Err(anyhow::anyhow!("cargo could not build the tests; see above"))
                    .or_undetermined();
            }
        }
        self.remove_stale(&build, workspace)?;
        Ok(Tested::Passed)
    }

    /// The totals and the files. With `keep` the report stays beside the profiles.
    pub(crate) fn summary(&self, keep: bool) -> anyhow::Result<coverage_report::Report> {
        let cmd = llvm_cov::report(&self.cx.sh, &self.measurement, Report::Summary);
        let output = self.cx.runner.read(cmd).or_undetermined()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(anyhow::anyhow!("llvm-cov cannot report: {}", words.trim()))
                .or_undetermined();
        }
        if keep {
            let path = self.measurement.build_dir.join(KEPT_REPORT);
            files::write_atomically(&path, &output.stdout).or_undetermined()?;
        }
        let text = String::from_utf8_lossy(&output.stdout);
        coverage_report::Report::parse(&text).or_undetermined()
    }

    /// Writes a report of another form.
    pub(crate) fn export(&self, report: Report<'_>) -> anyhow::Result<()> {
        let cmd = llvm_cov::report(&self.cx.sh, &self.measurement, report);
        let output = self.cx.runner.read(cmd).or_undetermined()?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        Err(anyhow::anyhow!("llvm-cov cannot report: {}", words.trim())).or_undetermined()
    }

    pub(crate) fn build_dir(&self) -> &Path {
        &self.measurement.build_dir
    }

    /// Removes profiles and reports, and leaves the build.
    pub(crate) fn remove_results(&self) -> anyhow::Result<()> {
        let is_result = |name: &str| {
            name.ends_with(".profraw")
                || name.ends_with(".profdata")
                || name.ends_with("-profraw-list")
                || name == KEPT_REPORT
        };
        let dir = &self.measurement.build_dir;
        for name in files::names_in(dir).iter().filter(|name| is_result(name)) {
            files::remove(&dir.join(name)).or_undetermined()?;
        }
        Ok(())
    }

    fn remove_stale(&self, build: &Build, workspace: &Workspace) -> anyhow::Result<()> {
        let present = tree::executables_below(&self.measurement.build_dir).into_iter();
        let present: Vec<Executable> =
            present.map(|file| Executable { path: file.path, identity: file.identity }).collect();
        for file in coverage_artifacts::stale(&present, build, workspace) {
            files::remove(&file.path)
                .with_context(|| "a test of an earlier build would be counted")
                .or_undetermined()?;
        }
        Ok(())
    }
}
