//! The one place that starts processes.
//!
//! A child gets the caller's environment, an empty standard input and a process group of its own.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::bail;
use nix::sys::signal::Signal;
use xshell::Cmd;

use crate::host::supervision::{self, Group, GroupEnd};
use crate::host::{lock, terminal};
use crate::text::shell::quote;

/// What all children have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runner {
    /// The user's directory: the line of a command that runs elsewhere names its own.
    pub(crate) shown_from: PathBuf,
    /// Variables that children do not inherit.
    pub(crate) removed: Vec<String>,
    /// Variables that children get instead of ours.
    pub(crate) set: Vec<(String, OsString)>,
}

impl Runner {
    /// A process that is not started yet. By default its command line is shown with `--verbose`
    /// only, with the texts in `shown` as the values of variables, and both of its streams are
    /// captured.
    pub(crate) fn process(&self, cmd: Cmd<'_>, shown: &[(String, String)]) -> Process {
        let mut command = Command::from(cmd);
        let mut line = line_showing(&command, shown);
        if let Some(dir) = command.get_current_dir().filter(|dir| **dir != self.shown_from) {
            line = format!("(cd {} && {line})", quote(&dir.to_string_lossy()));
        }
        // What the command sets itself wins.
        let own: Vec<OsString> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        let is_own = |name: &String| own.iter().any(|own| own == OsStr::new(name));
        for name in self.removed.iter().filter(|name| !is_own(name)) {
            command.env_remove(name);
        }
        let set = self.set.iter().filter(|(name, _)| !is_own(name));
        command.envs(set.map(|(name, value)| (name, value)));
        Process {
            command,
            line,
            is_shown: false,
            stdin: None,
            stdout: Stream::Capture { is_passed_on: false },
            stderr: Some(Stream::Capture { is_passed_on: false }),
            timeout: None,
            is_supervised: false,
            kill: None,
        }
    }
}

/// Where a stream of a child goes.
enum Stream {
    /// Into memory and, if it is passed on, to our standard error as it comes.
    Capture { is_passed_on: bool },
    /// To our standard error: what a tool prints is not data of ours.
    Stderr,
    /// To a function that reads it in a thread of its own.
    Reader(Reader),
}

pub(crate) type Reader = Box<dyn FnOnce(PipeReader) -> io::Result<()> + Send>;

/// A command and how it runs.
#[must_use]
pub(crate) struct Process {
    command: Command,
    /// The command line as it is shown.
    pub(crate) line: String,
    is_shown: bool,
    stdin: Option<Vec<u8>>,
    stdout: Stream,
    /// `None` for the pipe that standard output goes to.
    stderr: Option<Stream>,
    timeout: Option<Duration>,
    is_supervised: bool,
    kill: Option<Arc<AtomicBool>>,
}

impl Process {
    /// Shows the command line also without `--verbose`, and supervises it: for the tool that does a
    /// command's work.
    pub(crate) fn shown(self) -> Self {
        Process { is_shown: true, ..self.supervised() }
    }

    /// Leaves nothing behind of what the process starts, see [`supervision`].
    pub(crate) fn supervised(self) -> Self {
        Process { is_supervised: true, ..self }
    }

    /// Gives the process this standard input.
    pub(crate) fn stdin(self, input: impl Into<Vec<u8>>) -> Self {
        Process { stdin: Some(input.into()), ..self }
    }

    /// Passes standard error on as it comes, instead of capturing it.
    pub(crate) fn stream_stderr(self) -> Self {
        Process { stderr: Some(Stream::Stderr), ..self }
    }

    /// Passes standard error on as it comes, and captures it too.
    pub(crate) fn tee_stderr(self) -> Self {
        Process { stderr: Some(Stream::Capture { is_passed_on: true }), ..self }
    }

    /// Passes both streams on as they come, to our standard error.
    pub(crate) fn stream(self) -> Self {
        Process { stdout: Stream::Stderr, ..self.stream_stderr() }
    }

    /// Has standard output read by a function in a thread of its own. Something that the process
    /// leaves running may hold the pipe open for ever, so the function is not waited for long.
    pub(crate) fn stdout_to(self, reader: Reader) -> Self {
        Process { stdout: Stream::Reader(reader), ..self }
    }

    /// As [`Process::stdout_to`], with standard error in the same pipe, so that the order of what is
    /// written to both stays.
    pub(crate) fn output_to(self, reader: Reader) -> Self {
        Process { stderr: None, ..self.stdout_to(reader) }
    }

    /// Kills the process as soon as this is set.
    pub(crate) fn kill_when(self, flag: Arc<AtomicBool>) -> Self {
        Process { kill: Some(flag), ..self }
    }

    /// Kills the process after this time; without a limit it may run for ever.
    pub(crate) fn timeout(self, limit: Duration) -> Self {
        Process { timeout: Some(limit), ..self }
    }

    /// Runs the process to its end.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be started, exceeds its time limit or waits for the terminal
    /// (exit code 75). What its exit status means is the caller's to decide.
    pub(crate) fn output(mut self) -> anyhow::Result<Output> {
        terminal::command_line(&self.line, self.is_shown);
        let program = self.program();
        if self.is_supervised {
            self.command = supervision::supervised(&self.command)?;
        }
        self.command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let is_shared =
            matches!(self.stdout, Stream::Stderr) || matches!(self.stderr, Some(Stream::Stderr));
        let _shared = is_shared.then(terminal::share);
        let (out, stdout) = self.stdout.open()?;
        let (err, stderr) = match self.stderr {
            Some(stream) => stream.open()?,
            None => (out.try_clone()?, Pipe::default()),
        };
        self.command.stdout(out).stderr(err);
        let (group, mut child) = Group::spawn(&mut self.command)?;
        // What the command keeps of the pipes would hold them open.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.stdin) {
            // A child may answer before it has read everything. One that does not read at all
            // reports that by its exit status.
            thread::spawn(move || stdin.write_all(&input));
        }
        let end = group.ended(self.timeout, self.kill.as_deref());
        if end != GroupEnd::Ended {
            if self.is_supervised { group.stop() } else { group.kill() }
        }
        let status = child.wait()?;
        let limit = self.timeout.unwrap_or_default().as_secs();
        match end {
            GroupEnd::Ended => Ok(Output { status, stdout: stdout.take(), stderr: stderr.take() }),
            GroupEnd::Killed => bail!("`{program}` was killed"),
            GroupEnd::TimedOut => bail!("`{program}` did not finish within {limit} s"),
            GroupEnd::WantsTerminal => bail!("`{program}` asked for input at the terminal"),
        }
    }

    /// Runs the process to its end.
    ///
    /// # Errors
    ///
    /// As [`Process::output`].
    pub(crate) fn status(self) -> anyhow::Result<ExitStatus> {
        Ok(self.output()?.status)
    }

    fn program(&self) -> String {
        self.command.get_program().to_string_lossy().into_owned()
    }

    /// Becomes the program: it gets the terminal, the signals and the exit code. Returns only if
    /// that fails.
    pub(crate) fn replace_this_process(mut self) -> anyhow::Error {
        terminal::command_line(&self.line, self.is_shown);
        let program = self.program();
        anyhow::Error::new(self.command.exec()).context(format!("cannot start `{program}`"))
    }

    /// Runs the process to its end; whether it exited with 0.
    ///
    /// # Errors
    ///
    /// As [`Process::output`].
    pub(crate) fn succeeds(self) -> anyhow::Result<bool> {
        Ok(self.status()?.success())
    }

    /// Runs the process and returns what it wrote to standard output.
    ///
    /// # Errors
    ///
    /// As [`Process::output`], and if the process fails: what it printed (exit code 75).
    pub(crate) fn read(self) -> anyhow::Result<Vec<u8>> {
        let program = self.program();
        succeeded(&program, self.output()?)
    }

    /// As [`Process::read`], as text without white space around it.
    pub(crate) fn read_text(self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&self.read()?).trim().to_owned())
    }

    /// As [`Process::read`], for a list of names that are each ended by a zero byte.
    pub(crate) fn read_names(self) -> anyhow::Result<BTreeSet<String>> {
        let list = self.read()?;
        let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// As [`Process::read_text`], for a process that says by this exit status that there is nothing
    /// to write.
    pub(crate) fn read_unless(self, nothing: i32) -> anyhow::Result<Option<String>> {
        let program = self.program();
        let output = self.output()?;
        if output.status.code() == Some(nothing) {
            return Ok(None);
        }
        let text = succeeded(&program, output)?;
        Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()))
    }
}

fn succeeded(program: &str, output: Output) -> anyhow::Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = words.split_whitespace().collect();
    let words = if words.is_empty() { "see above".to_owned() } else { words.join(" ") };
    bail!("`{program}` failed: {words}")
}

impl Stream {
    /// What the child writes to, and what reads that.
    fn open(self) -> io::Result<(OwnedFd, Pipe)> {
        let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
        let captured = Arc::clone(&bytes);
        let read: Reader = match self {
            Stream::Stderr => {
                return Ok((io::stderr().as_fd().try_clone_to_owned()?, Pipe::default()));
            }
            Stream::Capture { is_passed_on } => {
                Box::new(move |pipe| capture(pipe, &captured, is_passed_on))
            }
            Stream::Reader(read) => read,
        };
        let (pipe, writer) = io::pipe()?;
        Ok((writer.into(), Pipe { bytes, reader: Some(thread::spawn(move || read(pipe))) }))
    }
}

fn capture(mut pipe: PipeReader, bytes: &Mutex<Vec<u8>>, is_passed_on: bool) -> io::Result<()> {
    let mut chunk = [0; 8192];
    loop {
        let count = pipe.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        lock(bytes).extend_from_slice(&chunk[..count]);
        if is_passed_on {
            let _ = io::stderr().write_all(&chunk[..count]);
        }
    }
}

/// A command as a POSIX shell would take it, with the variables that it sets itself.
#[cfg(test)]
pub(crate) fn command_line(command: &Command) -> String {
    line_showing(command, &[])
}

/// As [`command_line`]; `shown` has shell words instead of values that are not to be shown.
fn line_showing(command: &Command, shown: &[(String, String)]) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let set = variables.map(|(name, value)| {
        let shown = shown.iter().find(|(it, _)| *name == **it).map(|(_, text)| text.clone());
        format!("{}={}", name.display(), shown.unwrap_or_else(|| quote(&value.to_string_lossy())))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quote(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// How many rows and columns the terminal of standard output has; 24 and 80 where that is unknown.
pub(crate) fn terminal_size() -> (usize, usize) {
    static KNOWN: Mutex<(usize, usize)> = Mutex::new((24, 80));
    static HAS_CHANGED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let flag = Arc::new(AtomicBool::new(true));
        // If that fails, the first answer stays.
        let _ = signal_hook::flag::register(Signal::SIGWINCH as i32, Arc::clone(&flag));
        flag
    });
    let mut known = lock(&KNOWN);
    if HAS_CHANGED.swap(false, Ordering::Relaxed) {
        *known = asked_terminal_size().unwrap_or(*known);
    }
    *known
}

/// Asks `stty`, since the system call is out of reach of safe code.
fn asked_terminal_size() -> Option<(usize, usize)> {
    let terminal = std::fs::File::open("/dev/tty").ok()?;
    let output = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let (rows, columns) = text.trim().split_once(' ')?;
    let size = (rows.parse().ok()?, columns.parse().ok()?);
    (size.0 > 0 && size.1 > 0).then_some(size)
}

/// A pipe that a thread reads, as far as it has come.
#[derive(Default)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<io::Result<()>>>,
}

impl Pipe {
    /// After the child has ended. Something that it has left running may hold the pipe for ever.
    fn take(self) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.reader.as_ref().is_some_and(|it| !it.is_finished()) && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(1));
        }
        std::mem::take(&mut *lock(&self.bytes))
    }
}
