//! The one place that starts processes.
//!
//! Every child is the leader of a process group of its own, so that an interrupt can stop it with
//! all that it started. It gets the caller's environment and an empty standard input.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;
use xshell::Cmd;

use crate::host::terminal;

/// Runs commands in the caller's environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runner {
    /// Where the user is: the line of a command that runs elsewhere says so.
    pub(crate) shown_from: PathBuf,
    /// Variables that children do not inherit.
    pub(crate) removed: Vec<String>,
    /// Variables that children get instead of ours.
    pub(crate) set: Vec<(String, OsString)>,
}

impl Runner {
    /// Runs a command, shows its command line and lets it write to the terminal: all of it to our
    /// standard error, since it is not data of ours.
    pub(crate) fn run(&self, cmd: Cmd<'_>) -> anyhow::Result<ExitStatus> {
        let mut command = self.command(cmd);
        command.stdout(io::stderr());
        let (_group, mut child) = Group::spawn(&mut command)?;
        Ok(child.wait()?)
    }

    /// As [`Runner::run`], for a command of which nothing may remain: what it has left in its group
    /// is ended with it, as the end of a container does. One that wants to talk to the terminal,
    /// which is no child's, would be stopped for ever: it is ended, too.
    pub(crate) fn run_whole(&self, cmd: Cmd<'_>) -> anyhow::Result<ExitStatus> {
        let mut command = self.command(cmd);
        let (group, mut child) = Group::spawn(&mut command)?;
        if wants_terminal(group.id) {
            terminal::say("the command wants to read from or write to the terminal: it is ended");
        }
        group.kill(Signal::SIGKILL);
        Ok(child.wait()?)
    }

    /// Runs a command, shows its command line and returns what it wrote to both streams.
    pub(crate) fn read(&self, cmd: Cmd<'_>) -> anyhow::Result<Output> {
        let mut command = self.command(cmd);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (_group, child) = Group::spawn(&mut command)?;
        Ok(child.wait_with_output()?)
    }

    /// As [`Runner::read`], but what the command says on standard error goes to ours.
    pub(crate) fn read_data(&self, cmd: Cmd<'_>) -> anyhow::Result<Output> {
        let mut command = self.command(cmd);
        command.stdout(Stdio::piped());
        let (_group, child) = Group::spawn(&mut command)?;
        Ok(child.wait_with_output()?)
    }

    /// As [`Runner::run`], for a cargo that prints JSON messages: returns these, one a line. What
    /// else the command and the tests that it runs print goes to our standard error.
    pub(crate) fn run_with_messages(&self, cmd: Cmd<'_>) -> anyhow::Result<(ExitStatus, String)> {
        let mut command = self.command(cmd);
        command.stdout(Stdio::piped());
        let (_group, mut child) = Group::spawn(&mut command)?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let reader = child.stdout.take().map(|stdout| {
            let messages = Arc::clone(&messages);
            thread::spawn(move || split_messages(stdout, &messages))
        });
        let status = child.wait()?;
        // Something that a test left running may hold the pipe open for ever; cargo's own messages
        // came before any test.
        wait_briefly(reader.as_ref());
        let bytes = std::mem::take(&mut *lock(&messages));
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// As [`Runner::read`], with something on the command's standard input.
    pub(crate) fn feed(&self, cmd: Cmd<'_>, input: &[u8]) -> anyhow::Result<Output> {
        let mut command = self.command(cmd);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (_group, mut child) = Group::spawn(&mut command)?;
        let stdin = child.stdin.take();
        thread::scope(|scope| {
            // A child that answers before it has read everything must not wait for us. One that
            // does not read at all is its own matter: its exit status tells.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            Ok(child.wait_with_output()?)
        })
    }

    /// As [`Runner::read`], but gives up after `limit`: a network may answer never.
    pub(crate) fn read_within(&self, cmd: Cmd<'_>, limit: Duration) -> anyhow::Result<Output> {
        let mut command = self.command(cmd);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = program_of(&command);
        let (group, mut child) = Group::spawn(&mut command)?;
        let (stdout, stderr) =
            (Collected::of(child.stdout.take()), Collected::of(child.stderr.take()));
        let (sender, ended) = mpsc::channel();
        let id = group.id;
        // These threads are not waited for: whoever left the group may hold up the child's end.
        thread::spawn(move || {
            // Ssh asks for a passphrase there, and would wait for ever.
            let asks = wants_terminal(id);
            if asks {
                let _ = killpg(id, Signal::SIGKILL);
            }
            sender.send((asks, child.wait()))
        });
        match ended.recv_timeout(limit) {
            Ok((false, status)) => {
                Ok(Output { status: status?, stdout: stdout.take(), stderr: stderr.take() })
            }
            Ok((true, _)) => {
                bail!("`{program}` wanted to ask something at the terminal, which is not its own")
            }
            Err(_) => {
                group.kill(Signal::SIGKILL);
                bail!("`{program}` gave no answer within {} s", limit.as_secs())
            }
        }
    }

    /// As [`Runner::read`], also after an interrupt, and not to be interrupted: puts things back in
    /// order, so that it must take little time.
    pub(crate) fn clean_up(&self, cmd: Cmd<'_>) -> anyhow::Result<Output> {
        let mut command = self.command(cmd);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let _unfinished = Unfinished::begin();
        command.output().with_context(|| cannot_start(&program_of(&command)))
    }

    /// The same, with one more variable that children get.
    pub(crate) fn with_variable(&self, name: &str, value: impl Into<OsString>) -> Runner {
        let mut runner = self.clone();
        runner.set.push((name.to_owned(), value.into()));
        runner
    }

    /// A command as it is started; its line is shown, so that anyone can run it by hand.
    fn command(&self, cmd: Cmd<'_>) -> Command {
        let mut command = Command::from(cmd);
        let elsewhere = command.get_current_dir().filter(|dir| **dir != self.shown_from);
        let line = mask_user_info(&command_line(&command));
        terminal::say(&match elsewhere {
            Some(dir) => format!("$ (cd {} && {line})", quote(&dir.to_string_lossy())),
            None => format!("$ {line}"),
        });
        // What the command sets itself is what its line says.
        let own: Vec<OsString> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        let is_own = |name: &String| own.iter().any(|own| own == OsStr::new(name));
        for name in self.removed.iter().filter(|name| !is_own(name)) {
            command.env_remove(name);
        }
        let set = self.set.iter().filter(|(name, _)| !is_own(name));
        command.envs(set.map(|(name, value)| (name, value)));
        command.env(NESTED, "1");
        command.stdin(Stdio::null());
        command
    }
}

/// A command as a POSIX shell would take it, with the variables that it sets itself.
pub(crate) fn command_line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let set = variables
        .map(|(name, value)| format!("{}={}", name.display(), quote(&value.to_string_lossy())));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| quote(&word.to_string_lossy()));
    set.chain(words).collect::<Vec<_>>().join(" ")
}

/// One word for a shell; `xshell` shows words as they are, which cannot be pasted.
fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `https://user:secret@host` becomes `https://***@host`: logs of CI are public.
pub(crate) fn mask_user_info(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        masked.push_str(before);
        let end =
            after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(user_info) => {
                masked.push_str("***");
                &after[user_info..]
            }
            None => after,
        };
    }
    masked + rest
}

/// Cargo's messages go into the list; from the first byte after the build everything is passed on
/// as it comes, since a test may print half a line and wait.
fn split_messages(stdout: ChildStdout, messages: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(b"{\"reason\":") {
            lock(messages).extend_from_slice(&line);
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

/// What a child writes to a pipe, as far as it has come.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<io::Result<()>>>,
}

impl Collected {
    fn of<R: Read + Send + 'static>(pipe: Option<R>) -> Collected {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut chunk = [0; 8192];
                loop {
                    match pipe.read(&mut chunk)? {
                        0 => return Ok(()),
                        count => lock(&shared).extend_from_slice(&chunk[..count]),
                    }
                }
            })
        });
        Collected { bytes, reader }
    }

    /// After the child has ended. Something that it has left running may hold the pipe for ever.
    fn take(self) -> Vec<u8> {
        wait_briefly(self.reader.as_ref());
        std::mem::take(&mut *lock(&self.bytes))
    }
}

/// What a panicking thread was about to add is missing, and nothing else.
fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_briefly<T>(reader: Option<&JoinHandle<T>>) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while reader.is_some_and(|reader| !reader.is_finished()) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

fn program_of(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn cannot_start(program: &str) -> String {
    format!("cannot start `{program}`")
}

/// As long as this lasts, an interrupt ends what runs, and not this process while nothing runs: it
/// has something to put in order.
#[derive(Debug)]
pub(crate) struct Unfinished(());

impl Unfinished {
    pub(crate) fn begin() -> Unfinished {
        running().unfinished += 1;
        Unfinished(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        running().unfinished -= 1;
    }
}

/// The processes that an interrupt has to stop, and the signal that came.
struct Running {
    groups: Vec<Pid>,
    /// How many have something to put in order, see [`Unfinished`].
    unfinished: usize,
    signal: Option<Signal>,
}

static RUNNING: Mutex<Running> =
    Mutex::new(Running { groups: Vec::new(), unfinished: 0, signal: None });

impl Running {
    /// Whether nobody waits for a process, and so nobody would notice an interrupt.
    fn is_idle(&self) -> bool {
        self.groups.is_empty() && self.unfinished == 0
    }
}

fn running() -> MutexGuard<'static, Running> {
    // The list stays usable, whatever a panicking thread was doing.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A started child's process group, registered until the child has ended.
struct Group {
    id: Pid,
}

impl Group {
    /// Starts a child; after an interrupt nothing new is started.
    fn spawn(command: &mut Command) -> anyhow::Result<(Group, Child)> {
        Self::try_spawn(command).with_context(|| cannot_start(&program_of(command)))
    }

    fn try_spawn(command: &mut Command) -> anyhow::Result<(Group, Child)> {
        let mut running = running();
        if let Some(signal) = running.signal {
            bail!("interrupted by {signal}");
        }
        let child = command.process_group(0).spawn()?;
        let id = Pid::from_raw(child.id().cast_signed());
        running.groups.push(id);
        Ok((Group { id }, child))
    }

    fn kill(&self, signal: Signal) {
        // A group that is gone needs no signal.
        let _ = killpg(self.id, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = running();
        running.groups.retain(|group| *group != self.id);
        if running.signal.is_some() {
            // The leader has ended; whoever of its group ignored the signal ends now.
            self.kill(Signal::SIGKILL);
        }
    }
}

/// Waits until a process has ended, and leaves it to be waited for, or until it was stopped because
/// it is in the background of its terminal.
fn wants_terminal(id: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(id), flags) {
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) => return true,
            // Somebody stopped it on purpose, and may let it go on.
            Ok(WaitStatus::Stopped(..)) => thread::sleep(Duration::from_millis(100)),
            Err(nix::errno::Errno::EINTR) => (),
            Ok(_) | Err(_) => return false,
        }
    }
}

/// The signal that asked us to stop, if one did.
pub(crate) fn interrupted_by() -> Option<i32> {
    running().signal.map(|signal| signal as i32)
}

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT stop the running children, and whoever waits for them
/// carries on to report; without children, the process ends.
pub(crate) fn watch_signals() -> anyhow::Result<()> {
    let ignored = ignored_signals();
    let watched = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
    // What the caller told us to ignore (`nohup`) stays ignored.
    let watched = watched.into_iter().filter(|signal| ignored & (1 << (*signal as u32 - 1)) == 0);
    // Handlers end with `exec`, so that a child takes signals as it would without us. A mask would
    // stay: a child that inherits it does not hear a signal, nor do its own tests.
    let watched = watched.map(|signal| signal as i32);
    let mut signals = Signals::new(watched).context("cannot watch for signals")?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let known = signals.forever().filter_map(|number| Signal::try_from(number).ok());
            known.for_each(stop_children);
        })
        .context("cannot start a thread")?;
    Ok(())
}

/// A bit for each signal that this process ignores, the lowest for signal 1.
///
/// Source: `SigIgn` of `proc(5)`. Where it cannot be read, nothing counts as ignored.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Children of ours may be ours themselves: a test of `ci` may be another command of this tool. They
/// know it by this variable, and lose patience earlier, so that what they started ends before they
/// are ended themselves.
const NESTED: &str = "XTASK_NESTED";

fn stop_children(signal: Signal) {
    let is_nested = std::env::var_os(NESTED).is_some();
    let patience = Duration::from_millis(if is_nested { 2_000 } else { 5_000 });
    let mut running = running();
    let is_second = running.signal.is_some();
    running.signal.get_or_insert(signal);
    let idle = running.is_idle();
    for group in &running.groups {
        let _ = killpg(*group, if is_second && is_nested { Signal::SIGKILL } else { signal });
    }
    drop(running);
    thread::spawn(move || {
        // Whoever asks twice is in a hurry.
        thread::sleep(if idle || is_second { patience / 10 } else { patience });
        let running = self::running();
        if idle && running.is_idle() {
            end_process(signal);
        }
        for group in &running.groups {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    });
}

#[expect(clippy::exit, reason = "nobody is waiting for a child, so nobody would notice the signal")]
fn end_process(signal: Signal) -> ! {
    std::process::exit(128 + signal as i32)
}

/// Kills every process of an earlier run of ours that is still there: those whose environment has
/// this variable with this value. Returns how many there were.
pub(crate) fn kill_all_with_variable(name: &str, value: &OsStr) -> usize {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut entry = OsString::from(format!("{name}="));
    entry.push(value);
    let deadline = Instant::now() + PATIENCE;
    let found = processes_with(&entry);
    let mut left = found.clone();
    while !left.is_empty() && Instant::now() < deadline {
        for process in &left {
            // One that is gone needs no signal.
            let _ = kill(*process, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(10));
        left = processes_with(&entry);
    }
    found.len()
}

/// Where there is no `/proc` none are found. A process that has ended has no environment.
fn processes_with(entry: &OsStr) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let has_entry = |environment: &[u8]| {
        environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
    };
    entries
        .filter_map(|process| {
            let process = process.ok()?;
            let id: i32 = process.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(process.path().join("environ")).ok()?;
            has_entry(&environment).then(|| Pid::from_raw(id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_in_urls_is_masked() {
        assert_eq!(
            mask_user_info(
                "git fetch https://me:s3cret@example.com/a.git 'ssh://git@h/x' https://h/p@q"
            ),
            "git fetch https://***@example.com/a.git 'ssh://***@h/x' https://h/p@q"
        );
        assert_eq!(mask_user_info("cargo test"), "cargo test");
    }
}
