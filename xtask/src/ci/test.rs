//! One test in a thread of its own: what it needs, its command, and its log.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context as _;
use xshell::cmd;

use crate::ci::local_step::LocalStep;
use crate::ci::report::{Report, Shown};
use crate::ci::schedule::{Schedule, musl_doctests};
use crate::ci::verdict::{Ended, Verdict};
use crate::cli;
use crate::cli::ci::Options;
use crate::context::Context;
use crate::host::process::Process;
use crate::host::{files, lock, supervision, terminal};
use crate::inputs;
use crate::plan::consumer::USUAL_ALIAS;
use crate::text::sanitize;
use crate::text::shell as shell_text;
use crate::tools::Installer;
use crate::tools::llvm;
use crate::tools::requirement::{self, Requirement};

/// What the tests of a run have in common.
pub(crate) struct Session<'a> {
    pub(crate) options: &'a Options,
    /// Where the logs go.
    pub(crate) logs: &'a Path,
    pub(crate) schedule: Mutex<Schedule>,
    pub(crate) makeflags: Option<&'a str>,
    pub(crate) shown: Shown,
}

/// A test on its way through a thread of its own.
pub(crate) struct Test<'a> {
    /// A copy: its shell belongs to one thread.
    pub(crate) cx: Context,
    pub(crate) session: &'a Session<'a>,
    pub(crate) step: &'a LocalStep,
    pub(crate) index: usize,
    /// Nothing else runs: it is its second try.
    pub(crate) is_alone: bool,
}

impl Test<'_> {
    /// Provides what the test needs, runs it and reports on it.
    pub(crate) fn run(&self) -> Report {
        match self.prepare() {
            Ok((needs, log)) => self.execute(&needs, log),
            Err(verdict) => Report::new(self.step, verdict),
        }
    }

    /// Provides what the test needs, which is not the test's time; the verdict of one that cannot
    /// run.
    fn prepare(&self) -> Result<(Vec<Requirement>, Log), Verdict> {
        let Test { cx, step, session, .. } = self;
        if let Some(verdict) = &step.verdict {
            return Err(verdict.clone());
        }
        let toolchain = step.environment.iter().find(|(name, _)| name == "RUSTUP_TOOLCHAIN");
        let toolchain = toolchain.map(|(_, value)| value.as_str());
        let needs = requirement::of_line(&step.described_command, toolchain);
        let mut installer = Installer::new(cx);
        installer.may_install = !session.options.no_install;
        installer.ensure_all(&needs).map_err(|missing| {
            let alias = inputs::own_alias(cx).unwrap_or_else(|_| USUAL_ALIAS.to_owned());
            let fix = missing.help.map(|help| format!("; {}", cli::help_under(&alias, &help)));
            Verdict::Unavailable(missing.message + &fix.unwrap_or_default())
        })?;
        let log = Log::create(session.logs, &step.label);
        Ok((needs, log.map_err(|error| Verdict::Unavailable(format!("{error:#}")))?))
    }

    fn execute(&self, needs: &[Requirement], log: Log) -> Report {
        let Test { cx, step, session, .. } = self;
        self.announce(needs);
        let linker = self.faster_linker().filter(|_| !self.is_alone);
        let has_faster_linker = linker.is_some();
        // Something that the test leaves running may still write to it.
        let log = Arc::new(Mutex::new(log));
        let (written, echo) = (Arc::clone(&log), session.shown.is_streamed);
        let kill = lock(&session.schedule).start_clock(self.index);
        let process = self.process(linker).kill_when(Arc::clone(&kill));
        let process = process.output_to(Box::new(move |pipe| copy(pipe, &written, echo)));
        let started = Instant::now();
        let output = process.output();
        let elapsed = started.elapsed();
        let judge = |ended| Verdict::of(ended, &step.soft_fail, step.is_own_command);
        let verdict = match output.map(|output| output.status) {
            _ if supervision::interrupted_by().is_some() => Verdict::Interrupted,
            _ if kill.load(Ordering::Relaxed) => judge(Ended::TimedOut),
            Ok(status) => judge(match status.code() {
                Some(code) => Ended::Exit(code),
                None => Ended::Signal(status.signal().unwrap_or_default()),
            }),
            Err(error) => Verdict::Unavailable(format!("{error:#}")),
        };
        let log = lock(&log);
        if let Some(problem) = &log.problem {
            let label = &step.label;
            terminal::say(&format!("warning: the log of `{label}` is incomplete: {problem}"));
        }
        let mut report = Report {
            elapsed: Some(elapsed),
            has_faster_linker,
            log: Some(cx.project.relative(&log.path)),
            ..Report::new(step, verdict)
        };
        report.read_output(&String::from_utf8_lossy(&log.tail));
        report
    }

    /// Writes a heading where output streams; elsewhere the line at the end of a test says enough.
    fn announce(&self, needs: &[Requirement]) {
        if self.session.shown.is_streamed {
            // Buildkite folds its log at such a line.
            terminal::print(&format!("--- {}", self.step.label));
            terminal::print(&format!("$ {}{}", self.path_prefix(needs), self.step.shown_line()));
        }
        for note in self.step.notes.iter().filter(|_| !terminal::is_quiet()) {
            terminal::print(&format!("note: {}: {note}", self.step.label));
        }
    }

    /// Makes the shown command one to paste: the user's shell does not find what we have installed.
    fn path_prefix(&self, needs: &[Requirement]) -> String {
        let bin = self.cx.project.tools_dir().join("bin");
        let is_ours = |need: &Requirement| matches!(need, Requirement::Tool(tool) if bin.join(tool.package).exists());
        let prefix = || format!("PATH=\"$PATH\":{} ", shell_text::quote(&bin.to_string_lossy()));
        needs.iter().any(is_ours).then(prefix).unwrap_or_default()
    }

    /// The step's command as Buildkite's docker plugin runs it, with the step's variables: the one
    /// kind of text that goes to a shell.
    fn process(&self, linker: Option<(String, &str)>) -> Process {
        let (cx, step, line) = (&self.cx, self.step, &self.step.command);
        let makeflags = self.session.makeflags.map(|flags| ("CARGO_MAKEFLAGS".to_owned(), flags));
        let is_coloured = cx.colours_stdout() && cx.lookup("CARGO_TERM_COLOR").is_none();
        let colour = is_coloured.then(|| ("CARGO_TERM_COLOR".to_owned(), "always"));
        let variables = step.environment.iter().map(|(name, value)| (name, value));
        let cmd = cmd!(cx.sh, "sh -e -c {line}").envs(variables);
        let cmd = cmd.envs([makeflags, colour, linker].into_iter().flatten());
        cx.runner.process(cmd, &step.shown).supervised()
    }

    /// Doctests are linked one by one, and on musl GNU `ld` takes twice as long for each as the
    /// `rust-lld` of the toolchain. A test that fails with it is run once more without.
    fn faster_linker(&self) -> Option<(String, &'static str)> {
        const FLAGS: &str = "-Clinker=rust-lld -Clinker-flavor=ld.lld -Clink-self-contained=yes";
        let target = musl_doctests(&self.step.command)?;
        let name = format!("CARGO_TARGET_{}_RUSTDOCFLAGS", target.to_uppercase().replace('-', "_"));
        let settings = ["RUSTDOCFLAGS", "CARGO_ENCODED_RUSTDOCFLAGS", &name];
        if settings.iter().any(|name| self.cx.lookup(name).is_some()) {
            return None;
        }
        llvm::toolchain_bin(&self.cx)?.join("rust-lld").exists().then_some((name, FLAGS))
    }
}

/// A log file holds no more than this, so that a test without an end does not fill the disk.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// From the end of the output the reason of a failure is read.
const MAX_TAIL_BYTES: usize = 256 << 10;
/// Without a line break a piece of this length counts as a line.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Where the output of one test goes.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    /// Why something of the output is missing in the file.
    problem: Option<io::Error>,
    /// The end of the output, with its colours.
    tail: Vec<u8>,
}

impl Log {
    /// Creates the file of a test; one of an earlier run is replaced.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be created (exit code 75).
    fn create(dir: &Path, label: &str) -> anyhow::Result<Log> {
        let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let name: String = label.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let path = dir.join(format!("{name}.log"));
        files::create_dir(dir)?;
        let file =
            File::create(&path).with_context(|| format!("cannot create `{}`", path.display()));
        Ok(Log { file: file?, path, written: 0, problem: None, tail: Vec::new() })
    }

    /// A disk that is full must not stop the test: what cannot be written is missing in the file.
    fn push(&mut self, line: &[u8]) {
        self.tail.extend_from_slice(line);
        if self.tail.len() > 2 * MAX_TAIL_BYTES {
            self.tail.drain(..self.tail.len() - MAX_TAIL_BYTES);
        }
        let plain = sanitize::without_escapes(&String::from_utf8_lossy(line));
        let room = MAX_FILE_BYTES.saturating_sub(self.written);
        if plain.len() as u64 <= room {
            if let Err(error) = self.file.write_all(plain.as_bytes()) {
                self.problem.get_or_insert(error);
            }
        } else if room > 0 {
            let _ = writeln!(self.file, "\n[cut here: more than {} MiB]", MAX_FILE_BYTES >> 20);
            self.written = MAX_FILE_BYTES;
        }
        self.written = (self.written + plain.len() as u64).min(MAX_FILE_BYTES);
    }
}

/// Copies the output of a test to its log as it comes, and to standard output where that is wanted.
fn copy(mut pipe: PipeReader, log: &Mutex<Log>, echo: bool) -> io::Result<()> {
    let mut line = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    loop {
        let count = pipe.read(&mut chunk)?;
        if echo {
            io::stdout().write_all(&chunk[..count])?;
            io::stdout().flush()?;
        }
        line.extend_from_slice(&chunk[..count]);
        let end = match line.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if count == 0 || line.len() > MAX_LINE_BYTES => line.len(),
            None => 0,
        };
        if end > 0 {
            lock(log).push(&line[..end]);
            line.drain(..end);
        }
        if count == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_noted_and_stops_nothing() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut log = Log { path: PathBuf::new(), file, written: 0, problem: None, tail: vec![] };
        log.push(b"one\n");
        log.push(b"two\n");
        assert_eq!(log.problem.unwrap().kind(), io::ErrorKind::StorageFull);
        assert_eq!(log.tail, b"one\ntwo\n");
    }
}
