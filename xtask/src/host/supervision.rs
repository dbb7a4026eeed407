//! Supervision of the processes that we have started: their groups, the signals that end them, and
//! the supervisor of a command.
//!
//! Every child is the leader of a process group of its own, so that an interrupt can stop it with
//! all that it started.
//!
//! A supervisor is a process of ours between this tool and a command that runs the user's code. It is
//! the command's parent and ends with it, and nothing that the command has started outlives it. Three
//! mechanisms of Linux make that true, and each needs a process of its own to set it in:
//!
//! - As a *subreaper*, the supervisor becomes the parent of every descendant whose own parent has
//!   ended, whatever session or group it moved to, so that it finds and kills all of them. This tool
//!   could be the subreaper itself, but then it could not tell which command left a process behind.
//! - With a *parent-death signal* it learns that this tool was killed, SIGKILL included.
//! - The command's exit status becomes the supervisor's, signals included.
//!
//! Setting a parent-death signal between `fork` and `exec` would need unsafe code, `setpriv` is not
//! everywhere, and neither reaches the command's own children; cgroups need privileges.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getppid};
use signal_hook::iterator::Signals;

use crate::host::{files, lock, terminal};
use crate::outcome::UNDETERMINED;

/// The processes that an interrupt has to stop, and the signal that came.
struct Running {
    groups: Vec<Pid>,
    signal: Option<Signal>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { groups: Vec::new(), signal: None });

/// A started child's process group, registered until the child has ended.
pub(crate) struct Group {
    id: Pid,
}

impl Group {
    /// Starts a child; after an interrupt nothing new is started.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<(Group, Child)> {
        let mut running = lock(&RUNNING);
        let program = command.get_program().to_string_lossy().into_owned();
        if let Some(signal) = running.signal {
            bail!("cannot start `{program}`: interrupted by {signal}");
        }
        let child = command.process_group(0).spawn();
        let child = child.with_context(|| format!("cannot start `{program}`"))?;
        let id = Pid::from_raw(child.id().cast_signed());
        running.groups.push(id);
        Ok((Group { id }, child))
    }

    /// How the group's leader ends within `limit`, or before `kill` is set; it is left to be waited
    /// for.
    pub(crate) fn ended(&self, limit: Option<Duration>, kill: Option<&AtomicBool>) -> GroupEnd {
        const POLL: Duration = Duration::from_millis(20);
        let (sender, receiver) = mpsc::channel();
        let id = self.id;
        thread::spawn(move || sender.send(wants_terminal(id)));
        let started = Instant::now();
        loop {
            match receiver.recv_timeout(POLL) {
                Ok(false) | Err(RecvTimeoutError::Disconnected) => return GroupEnd::Ended,
                Ok(true) => return GroupEnd::WantsTerminal,
                Err(RecvTimeoutError::Timeout) => (),
            }
            if kill.is_some_and(|it| it.load(Relaxed)) {
                return GroupEnd::Killed;
            }
            if limit.is_some_and(|it| it < started.elapsed()) {
                return GroupEnd::TimedOut;
            }
        }
    }

    pub(crate) fn kill(&self) {
        // A group that is gone needs no signal.
        let _ = killpg(self.id, Signal::SIGKILL);
    }

    /// Asks a supervisor to end its command, and kills it if it takes too long.
    pub(crate) fn stop(&self) {
        let _ = killpg(self.id, Signal::SIGTERM);
        if self.ended(Some(GRACE.first), None) != GroupEnd::Ended {
            self.kill();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = lock(&RUNNING);
        running.groups.retain(|group| *group != self.id);
        if running.signal.is_some() {
            // The leader has ended; this kills what ignored the signal.
            self.kill();
        }
    }
}

/// How a group's leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupEnd {
    Ended,
    /// It was stopped when it tried to use the terminal, which a background group may not.
    WantsTerminal,
    TimedOut,
    /// The caller asked for its end.
    Killed,
}

/// Waits until a group's leader has ended, and leaves it to be waited for, or until it was stopped
/// because it is in the background of its terminal.
fn wants_terminal(id: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(id), flags) {
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) => return true,
            // It was stopped on purpose, and may be continued.
            Ok(WaitStatus::Stopped(..)) => thread::sleep(Duration::from_millis(100)),
            Err(Errno::EINTR) => (),
            Ok(_) | Err(_) => return false,
        }
    }
}

/// The signal that asked us to stop, if one did.
pub(crate) fn interrupted_by() -> Option<i32> {
    lock(&RUNNING).signal.map(|signal| signal as i32)
}

/// How long children have to end after a signal to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grace {
    first: Duration,
    /// After another signal, which means that the first took too long.
    again: Duration,
}

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the running children, which are killed after
/// `grace`, and the thread that waits for them carries on to report. Without children, the process
/// ends.
pub(crate) fn watch(grace: Grace) -> anyhow::Result<()> {
    let ignored = ignored_signals();
    let watched = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
    // A signal that the caller has set to be ignored (`nohup`) stays ignored.
    let watched = watched.into_iter().filter(|signal| ignored & (1 << (*signal as u32 - 1)) == 0);
    // Handlers end with `exec`, so that a child takes signals as it would without us. A mask would be
    // inherited, and block the signals in the child.
    let watched = watched.map(|signal| signal as i32);
    let mut signals = Signals::new(watched).context("cannot watch for signals")?;
    thread::spawn(move || {
        let known = signals.forever().filter_map(|number| Signal::try_from(number).ok());
        known.for_each(|signal| stop_children(signal, grace));
    });
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

/// More than a supervisor gives its command: one that is killed leaves processes behind. Even after
/// another signal it is more than [`COMMAND_GRACE`] from the first: a closed terminal sends two, which
/// become one while they are pending.
pub(crate) const GRACE: Grace =
    Grace { first: Duration::from_secs(5), again: Duration::from_secs(3) };

fn stop_children(signal: Signal, grace: Grace) {
    let mut running = lock(&RUNNING);
    let is_second = running.signal.is_some();
    running.signal.get_or_insert(signal);
    // No thread waits for a process, so none would notice the signal.
    let idle = running.groups.is_empty();
    for group in &running.groups {
        let _ = killpg(*group, signal);
    }
    drop(running);
    thread::spawn(move || {
        thread::sleep(match (idle, is_second) {
            (true, _) => grace.first / 4,
            (false, true) => grace.again,
            (false, false) => grace.first,
        });
        let running = lock(&RUNNING);
        if idle && running.groups.is_empty() {
            end_process(signal);
        }
        for group in &running.groups {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    });
}

#[expect(clippy::exit, reason = "no thread waits for a child, so none would notice the signal")]
fn end_process(signal: Signal) -> ! {
    std::process::exit(128 + signal as i32)
}

/// The first argument of a supervisor; no command has this name.
const ROLE: &str = "--supervise";

/// What a supervisor gives its command.
const COMMAND_GRACE: Grace =
    Grace { first: Duration::from_secs(2), again: Duration::from_millis(500) };

/// Returns the same command, run by a supervisor. The thread that starts it has to outlive it: the
/// parent-death signal is sent when that thread ends.
///
/// # Errors
///
/// Fails if there is no such program, which the supervisor's exit status could not tell from a
/// failure of the program (exit code 75).
pub(crate) fn supervised(command: &Command) -> anyhow::Result<Command> {
    let program = command.get_program();
    let path = command.get_envs().find(|(name, _)| *name == "PATH").map(|(_, value)| value);
    let path = path.map_or_else(|| std::env::var_os("PATH"), |path| path.map(OsStr::to_owned));
    // Without a PATH, the C library looks here.
    let path = path.unwrap_or_else(|| "/bin:/usr/bin".into());
    if !program.as_bytes().contains(&b'/') && files::find_program(&path, program).is_none() {
        bail!("cannot start `{}`: there is no such program", program.display());
    }
    // Not by path: a command may rebuild this very executable.
    let mut supervisor = Command::new("/proc/self/exe");
    supervisor.arg(ROLE).arg(std::process::id().to_string());
    supervisor.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => supervisor.env(name, value),
            None => supervisor.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        supervisor.current_dir(dir);
    }
    Ok(supervisor)
}

/// Runs a command as its supervisor if this process was started as one.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != ROLE {
        return None;
    }
    let status = supervise(arguments);
    Some(status.map_or_else(
        |error| {
            terminal::report_error(&error);
            ExitCode::from(UNDETERMINED)
        },
        end_as,
    ))
}

fn supervise(mut arguments: impl Iterator<Item = OsString>) -> anyhow::Result<ExitStatus> {
    let parent = arguments.next().and_then(|id| id.to_str()?.parse().ok());
    let parent = parent.map(Pid::from_raw).context("a supervisor is started by this tool only")?;
    let program = arguments.next().context("a supervisor needs a command")?;
    watch(COMMAND_GRACE)?;
    prctl::set_child_subreaper(true)?;
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    if getppid() != parent {
        bail!("the process that started this one has ended");
    }
    let (group, mut child) = Group::spawn(Command::new(program).args(arguments))?;
    let command = Pid::from_raw(child.id().cast_signed());
    thread::spawn(move || reap_until_end_of(command));
    if group.ended(None, None) == GroupEnd::WantsTerminal {
        terminal::say("the command wants to use the terminal, so it was killed");
        group.kill();
    }
    let status = child.wait()?;
    drop(group);
    end_descendants();
    Ok(status)
}

/// Reaps descendants that became our children, as init does: a test may wait for one to be gone.
fn reap_until_end_of(command: Pid) {
    loop {
        match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(status) if status.pid().is_some_and(|child| child != command) => {
                let _ = waitpid(status.pid(), Some(WaitPidFlag::WNOHANG));
            }
            Err(Errno::EINTR) => (),
            Ok(_) | Err(_) => return,
        }
    }
}

/// Kills every child until there is none: the children of each become ours.
fn end_descendants() {
    const TIMEOUT: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + TIMEOUT;
    loop {
        for child in children() {
            // One that is gone needs no signal.
            let _ = kill(child, Signal::SIGKILL);
        }
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return,
            Ok(WaitStatus::StillAlive) if deadline < Instant::now() => {
                let left: Vec<String> = children().iter().map(Pid::to_string).collect();
                terminal::say(&format!("warning: cannot end the processes {}", left.join(", ")));
                return;
            }
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(2)),
            Ok(_) | Err(_) => (),
        }
    }
}

/// Source: the fourth field of `proc(5)`'s `stat`; the second may contain anything but ends with
/// the last parenthesis.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let child = |entry: std::fs::DirEntry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
        (parent == own).then(|| Pid::from_raw(id))
    };
    entries.filter_map(child).collect()
}

/// Ends this process as its command has ended.
fn end_as(status: ExitStatus) -> ExitCode {
    if let Some(signal) = status.signal() {
        // The command has left a core dump already, if it was to leave one.
        let _ = prctl::set_dumpable(false);
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        let _ = Signal::try_from(signal).and_then(nix::sys::signal::raise);
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(UNDETERMINED))
}
