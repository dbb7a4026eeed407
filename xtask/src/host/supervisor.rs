//! A process of ours between this tool and a command that runs the user's code. It is the command's
//! parent and ends with it, and nothing that the command has started outlives it.
//!
//! Three mechanisms of Linux make that true, and each needs a process of its own to set it in:
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
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getppid};

use crate::host::signals::{self, Group, GroupEnd};
use crate::host::{files, terminal};
use crate::outcome::UNDETERMINED;

/// The first argument of a supervisor; no command has this name.
const ROLE: &str = "--supervise";

/// After a signal to stop, the command gets this time, less than this tool waits for its supervisor.
const GRACE: Duration = Duration::from_secs(2);

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
        let program = program.to_string_lossy();
        return Err(io::Error::from(ErrorKind::NotFound))
            .with_context(|| format!("cannot start `{program}`"));
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
    signals::watch(GRACE)?;
    prctl::set_child_subreaper(true)?;
    prctl::set_pdeathsig(Signal::SIGTERM)?;
    if getppid() != parent {
        bail!("the process that started this one has ended");
    }
    let (group, mut child) = Group::spawn(Command::new(program).args(arguments))?;
    let command = Pid::from_raw(child.id().cast_signed());
    thread::spawn(move || reap_until_end_of(command));
    if group.ended(None) == GroupEnd::WantsTerminal {
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
    let is_child = |stat: &str| {
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
        fields.and_then(|mut fields| fields.nth(1)) == Some(own.as_str())
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let child = |entry: std::fs::DirEntry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        is_child(&String::from_utf8_lossy(&stat)).then(|| Pid::from_raw(id))
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
