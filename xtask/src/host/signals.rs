//! The process groups that we have started, and the signals that end them.
//!
//! Every child is the leader of a process group of its own, so that an interrupt can stop it with
//! all that it started.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use signal_hook::iterator::Signals;

/// The processes that an interrupt has to stop, and the signal that came.
struct Running {
    groups: Vec<Pid>,
    signal: Option<Signal>,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { groups: Vec::new(), signal: None });

impl Running {
    /// Whether no thread waits for a process, so that none would notice an interrupt.
    fn is_idle(&self) -> bool {
        self.groups.is_empty()
    }
}

fn running() -> MutexGuard<'static, Running> {
    // The list stays usable, whatever a panicking thread was doing.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A started child's process group, registered until the child has ended.
pub(crate) struct Group {
    id: Pid,
}

impl Group {
    /// Starts a child; after an interrupt nothing new is started.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<(Group, Child)> {
        Self::try_spawn(command)
            .with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))
    }

    /// How the group's leader ends within `limit`; it is left to be waited for.
    pub(crate) fn ended(&self, limit: Option<Duration>) -> GroupEnd {
        let (sender, receiver) = mpsc::channel();
        let id = self.id;
        thread::spawn(move || sender.send(wants_terminal(id)));
        let wants_terminal = match limit {
            Some(limit) => receiver.recv_timeout(limit).map_err(drop),
            None => receiver.recv().map_err(drop),
        };
        match wants_terminal {
            Ok(false) => GroupEnd::Ended,
            Ok(true) => GroupEnd::WantsTerminal,
            Err(()) => GroupEnd::TimedOut,
        }
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

    pub(crate) fn kill(&self) {
        // A group that is gone needs no signal.
        let _ = killpg(self.id, Signal::SIGKILL);
    }

    /// Asks a supervisor to end its command, and kills it if it takes too long.
    pub(crate) fn stop(&self) {
        let _ = killpg(self.id, Signal::SIGTERM);
        if self.ended(Some(GRACE)) != GroupEnd::Ended {
            self.kill();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = running();
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
            Err(nix::errno::Errno::EINTR) => (),
            Ok(_) | Err(_) => return false,
        }
    }
}

/// The signal that asked us to stop, if one did.
pub(crate) fn interrupted_by() -> Option<i32> {
    running().signal.map(|signal| signal as i32)
}

/// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT go to the running children, which are killed after
/// `grace`, and the thread that waits for them carries on to report. Without children, the process
/// ends.
pub(crate) fn watch(grace: Duration) -> anyhow::Result<()> {
    let ignored = ignored_signals();
    let watched = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
    // A signal that the caller has set to be ignored (`nohup`) stays ignored.
    let watched = watched.into_iter().filter(|signal| ignored & (1 << (*signal as u32 - 1)) == 0);
    // Handlers end with `exec`, so that a child takes signals as it would without us. A mask would be
    // inherited, and block the signals in the child.
    let watched = watched.map(|signal| signal as i32);
    let mut signals = Signals::new(watched).context("cannot watch for signals")?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let known = signals.forever().filter_map(|number| Signal::try_from(number).ok());
            known.for_each(|signal| stop_children(signal, grace));
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

/// After a signal to stop, children get this time, more than a supervisor gives its command.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

fn stop_children(signal: Signal, grace: Duration) {
    let mut running = running();
    let is_second = running.signal.is_some();
    running.signal.get_or_insert(signal);
    let idle = running.is_idle();
    for group in &running.groups {
        let _ = killpg(*group, signal);
    }
    drop(running);
    thread::spawn(move || {
        // A second signal means that the first took too long.
        thread::sleep(if idle || is_second { grace / 4 } else { grace });
        let running = self::running();
        if idle && running.is_idle() {
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
