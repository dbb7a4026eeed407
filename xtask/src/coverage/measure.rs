//! Runs the tests with `cargo llvm-cov` in a build directory that stays warm.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{self, Sender};

use anyhow::{Context as _, bail, ensure};
use xshell::Cmd;

use crate::context::Context;
use crate::coverage::llvm_cov::{self, Build, File, Measurement};
use crate::host::{cargo, directories, files, supervision, terminal};
use crate::text::diagnostic::Failure;

/// The build directory, below cargo's target directory.
pub(crate) const BUILD_DIR: &str = "xtask-coverage";
/// The report in the build directory that `--no-cleanup` keeps.
const SUMMARY: &str = "coverage.json";
/// A scratch file in the build directory, for an index of git's.
pub(crate) const INDEX: &str = "index";
/// The pages of `--html`, which stay until the next run that writes them.
const PAGES: &str = "html";

/// Waits until the build directory is free.
///
/// # Errors
///
/// Fails if the directory cannot be written (exit code 75).
pub(crate) fn lock(build_dir: &Path) -> anyhow::Result<files::Lock> {
    files::create_dir(build_dir)?;
    files::lock(&build_dir.join(".lock"), "waiting for another coverage run to finish")
}

/// A measurement in progress. The build directory is locked.
pub(crate) struct Session<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) measurement: Measurement<'a>,
}

impl Session<'_> {
    /// Builds and runs the tests, and removes the executables of earlier builds. Returns the reason
    /// if a test fails or does not build; the output says which.
    ///
    /// # Errors
    ///
    /// Fails if the build does not start, or is killed or interrupted (exit code 75).
    pub(crate) fn test(&self) -> anyhow::Result<Result<(), &'static str>> {
        let names = llvm_cov::rerun(self.measurement.workspace);
        let dirs: Vec<PathBuf> = directories::directories_below(self.build_dir(), 6).collect();
        for dir in dirs.iter().filter(|dir| llvm_cov::is_fingerprint(dir, &names)) {
            files::remove_dir(dir)?;
        }
        let strays = self.stray_profiles();
        let (status, messages) = run_with_messages(self.cx, self.measurement.test())?;
        self.remove_stray_profiles(&strays)?;
        ensure!(supervision::interrupted_by().is_none(), "interrupted");
        let build = Build::parse(&messages);
        match build.succeeded {
            Some(true) if status.success() => (),
            Some(true) => return Ok(Err("a test failed")),
            Some(false) => {
                let again = self.measurement.test().args(["--", "--list"]);
                cargo::check_failed_build(self.cx.process(again))?;
                return Ok(Err("the tests do not build"));
            }
            None => bail!(
                Failure::new("cargo failed before it could build the tests; see above")
                    .help("`cargo fetch` must succeed here")
            ),
        }
        let present = directories::executables_below(self.build_dir());
        for path in llvm_cov::stale(&present, &build, self.measurement.workspace) {
            files::remove(path).context("an executable of an earlier build would be counted")?;
        }
        Ok(Ok(()))
    }

    /// Profiles that a program leaves in its directory if it does not get `LLVM_PROFILE_FILE`.
    fn stray_profiles(&self) -> Vec<PathBuf> {
        let is_stray = |name: &str| name.starts_with("default_") && name.ends_with(".profraw");
        let target_dir = &self.measurement.workspace.target_directory;
        let files = directories::files_below(&self.cx.project.root, target_dir);
        files.filter(|it| it.file_name().and_then(OsStr::to_str).is_some_and(is_stray)).collect()
    }

    fn remove_stray_profiles(&self, before: &[PathBuf]) -> anyhow::Result<()> {
        let mut new = self.stray_profiles();
        new.retain(|path| !before.contains(path));
        new.sort();
        let Some(first) = new.first() else { return Ok(()) };
        terminal::note(&format!(
            "note: removed profiles that a program wrote without `LLVM_PROFILE_FILE` in its environment, \
             such as `{}` ({} in all); the lines that it ran do not count\n\
             help: pass `LLVM_PROFILE_FILE` on to it",
            self.cx.project.relative(first),
            new.len()
        ));
        new.iter().try_for_each(|path| files::remove(path))
    }

    /// Returns the measured files, and names the profiles that are left out.
    ///
    /// # Errors
    ///
    /// Fails if llvm-cov cannot read any profile (exit code 75).
    pub(crate) fn files(&self) -> anyhow::Result<Vec<File>> {
        let names = directories::names_in(self.build_dir()).into_iter();
        let profiles: Vec<String> = names.filter(|name| name.ends_with(".profraw")).collect();
        let output =
            self.cx.process(self.measurement.report(&[]).args(llvm_cov::SUMMARY)).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        let unreadable = llvm_cov::unreadable_profiles(&stderr);
        let is_unreadable = |name: &&String| {
            let path = self.build_dir().join(name);
            path.metadata().is_ok_and(|it| it.len() == 0)
                || unreadable.contains(&*path.to_string_lossy())
        };
        let left_out: Vec<&str> =
            profiles.iter().filter(is_unreadable).map(String::as_str).collect();
        let all = profiles.len();
        ensure!(left_out.len() < all, "none of {all} profiles could be read");
        ensure!(output.status.success(), "llvm-cov failed: {}", stderr.trim());
        if !left_out.is_empty() {
            terminal::note(&format!(
                "note: left out {} of {all} profiles that cannot be read, as a killed program leaves them: {}",
                left_out.len(),
                left_out.join(", ")
            ));
        }
        llvm_cov::parse_summary(&String::from_utf8_lossy(&output.stdout))
    }

    /// Returns a report in LCOV's format.
    pub(crate) fn lcov(&self, excluded: &[String]) -> anyhow::Result<String> {
        self.cx.process(self.measurement.report(excluded).arg("--lcov")).read_text()
    }

    /// Writes a report in the form that an option chooses.
    pub(crate) fn write(&self, form: &str, to: &Path, excluded: &[String]) -> anyhow::Result<()> {
        let report = self.measurement.report(excluded).args([form, "--output-path"]).arg(to);
        self.cx.process(report).read().map(drop)
    }

    /// Writes the pages anew and returns the first.
    pub(crate) fn write_pages(&self, excluded: &[String]) -> anyhow::Result<PathBuf> {
        let pages = self.build_dir().join(PAGES);
        files::remove_dir(&pages)?;
        let report = self.measurement.report(excluded).args(["--html", "--output-dir"]);
        self.cx.process(report.arg(self.build_dir())).read()?;
        Ok(pages.join("index.html"))
    }

    /// Writes the report that is kept, and says where it is.
    pub(crate) fn keep_results(&self, excluded: &[String]) -> anyhow::Result<()> {
        let path = self.build_dir().join(SUMMARY);
        let report = self.measurement.report(excluded).args(llvm_cov::SUMMARY);
        files::write_atomically(&path, &self.cx.process(report).read()?)?;
        terminal::say(&format!("kept the report {} and the profiles beside it", path.display()));
        Ok(())
    }

    /// Removes the results of this run, or of an earlier one: everything but the build.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be removed (exit code 75).
    pub(crate) fn remove_results(&self) -> anyhow::Result<()> {
        let is_result = |name: &str| {
            [".profraw", ".profdata", "-profraw-list"].iter().any(|end| name.ends_with(end))
                || [SUMMARY, INDEX].contains(&name)
        };
        let dir = self.build_dir();
        let names = directories::names_in(dir).into_iter().filter(|name| is_result(name));
        names.map(|name| dir.join(name)).try_for_each(|path| files::remove(&path))
    }

    fn build_dir(&self) -> &Path {
        &self.measurement.build_dir
    }
}

/// Runs a cargo that prints JSON messages and returns these, one a line. All other output of the
/// command, and of the tests that it runs, goes to our standard error.
fn run_with_messages(cx: &Context, cmd: Cmd<'_>) -> anyhow::Result<(ExitStatus, String)> {
    let (sender, messages) = mpsc::channel();
    let split = Box::new(move |stdout| split_messages(stdout, &sender));
    let status = cx.process(cmd).shown().stream().stdout_to(split).status()?;
    Ok((status, messages.try_iter().collect()))
}

/// Sends cargo's messages on. After the build everything is passed on as it comes, since a test may
/// print half a line and wait.
fn split_messages(stdout: PipeReader, messages: &Sender<String>) -> io::Result<()> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(b"{\"reason\":") {
            // Without a receiver, what is left of the output still goes on.
            let _ = messages.send(String::from_utf8_lossy(&line).into_owned());
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
