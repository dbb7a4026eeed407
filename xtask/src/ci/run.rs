//! Runs the steps, as many side by side as pays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xshell::cmd;

use crate::ci::local_step::LocalStep;
use crate::ci::report::{Report, Shown};
use crate::ci::report_files::History;
use crate::ci::schedule::{Job, Schedule, build_place};
use crate::ci::test::{Session, Test};
use crate::ci::verdict::Verdict;
use crate::cli::ci::Options;
use crate::context::Context;
use crate::host::directories::{self, Scratch};
use crate::host::{lock, process, supervision, terminal};

/// How often the time of each test is counted and the live lines are drawn.
const TICK: Duration = Duration::from_millis(100);

/// A run of all steps.
struct Run<'a> {
    cx: &'a Context,
    session: &'a Session<'a>,
    steps: &'a [LocalStep],
    /// Those of the tests that have run so far.
    reports: Vec<Option<Report>>,
}

/// Runs every step and reports on each, in the order of the steps; after an interrupt, or a failure
/// with `--fail-fast`, the rest is reported as not run.
pub(crate) fn run_all(
    cx: &Context,
    options: &Options,
    steps: &[LocalStep],
    history: &History,
    logs: &Path,
) -> Vec<Report> {
    // Tests wait and link, so more than there are processors pay.
    let limit = options.jobs.unwrap_or(processors().max(4));
    let is_parallel = limit > 1;
    // One cargo alone needs no one to share with.
    let jobserver = is_parallel.then(|| JobServer::create(cx).ok()).flatten();
    let time = |step: &LocalStep| Duration::from_secs(step.timeout_minutes.saturating_mul(60));
    let job = |step: &LocalStep| Job {
        label: step.label.clone(),
        place: build_place(&step.described_command),
        expected: history.expected(&step.label),
        limit: (!options.no_timeouts).then(|| time(step)),
        is_exclusive: step.is_exclusive,
    };
    let session = Session {
        options,
        logs,
        schedule: Mutex::new(Schedule::new(steps.iter().map(job).collect(), limit)),
        makeflags: jobserver.as_ref().map(|jobserver| &*jobserver.flags),
        shown: Shown {
            is_streamed: !is_parallel && !terminal::is_quiet(),
            has_groups: cx.is_buildkite(),
            is_coloured: cx.colours_stdout(),
        },
    };
    let before = changed_files(cx);
    let mut run = Run { cx, session: &session, steps, reports: vec![None; steps.len()] };
    run.run(is_parallel && cx.has_live_lines());
    for file in changed_files(cx).difference(&before) {
        terminal::say(&format!(
            "warning: a test has changed the tracked file `{file}`; CI throws its checkout away, \
             here the change stays"
        ));
    }
    run.reports.into_iter().flatten().collect()
}

impl<'a> Run<'a> {
    fn run(&mut self, has_live_lines: bool) {
        let (sender, receiver) = mpsc::channel();
        let session = self.session;
        thread::scope(|scope| {
            let (_open, ended) = mpsc::channel();
            scope.spawn(move || count_time(session, has_live_lines, &ended));
            let mut running = 0;
            loop {
                self.cancel();
                while let Some(test) = self.start_next() {
                    running += 1;
                    let sender = sender.clone();
                    scope.spawn(move || {
                        // The receiver outlives every thread of its scope.
                        let _ = sender.send((test.index, test.run()));
                    });
                }
                if running == 0 {
                    break;
                }
                if let Ok((index, mut report)) = receiver.recv_timeout(TICK) {
                    running -= 1;
                    report.shared_time = lock(&session.schedule).end(index);
                    self.finish(index, report);
                }
            }
        });
    }

    /// Reports what does not start any more. A suspect has its report already, and no failure takes
    /// its other chance away.
    fn cancel(&mut self) {
        let is_interrupted = supervision::interrupted_by().is_some();
        let mut verdicts = self.reports.iter().flatten().map(|report| &report.verdict);
        let reason = if is_interrupted {
            "interrupted"
        } else if self.session.options.fail_fast && verdicts.any(Verdict::fails_the_run) {
            "a test failed before and `--fail-fast` was given"
        } else {
            return;
        };
        let is_kept = |index: usize| self.reports[index].is_some() && !is_interrupted;
        let cancelled = lock(&self.session.schedule).cancel(&is_kept);
        for index in cancelled {
            if self.reports[index].is_none() {
                let verdict = Verdict::NotRun(reason.to_owned());
                self.finish(index, Report::new(&self.steps[index], verdict));
            }
        }
    }

    /// The next test with all that a thread of its own needs.
    fn start_next(&self) -> Option<Test<'a>> {
        let index = lock(&self.session.schedule).start_next()?;
        let (step, first) = (&self.steps[index], &self.reports[index]);
        if let Some(first) = first.as_ref().filter(|_| !terminal::is_quiet()) {
            let next = if first.shared_time.is_some() {
                "beside other tests, running it alone"
            } else {
                "with `rust-lld` for its doctests, running it with the usual linker"
            };
            terminal::print(&format!("note: `{}` failed {next}", step.label));
        }
        let is_alone = first.is_some();
        Some(Test { cx: self.cx.clone(), session: self.session, step, index, is_alone })
    }

    /// Notes what is known of a test, and says so.
    fn finish(&mut self, index: usize, mut report: Report) {
        let first = self.reports[index].take();
        if report.verdict == Verdict::Passed && first.is_some_and(|it| it.shared_time.is_some()) {
            report.verdict = Verdict::PassedAlone;
        }
        let Shown { is_coloured, .. } = self.session.shown;
        if !terminal::is_quiet() || report.verdict.fails_the_run() {
            let count = self.reports.iter().flatten().count() + 1;
            terminal::print(&report.status_line(count, self.steps.len(), is_coloured));
        }
        if report.is_suspect() {
            // What it has to say is shown when it has failed alone too.
            lock(&self.session.schedule).repeat_alone(index);
        } else {
            for line in report.shown_lines(self.session.shown) {
                terminal::print(&line);
            }
        }
        self.reports[index] = Some(report);
    }
}

/// Counts the time of the tests that run, and draws the live lines, until the sender is dropped.
fn count_time(session: &Session<'_>, has_live_lines: bool, ended: &Receiver<()>) {
    let mut last = Instant::now();
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        let mut schedule = lock(&session.schedule);
        schedule.tick(now - last);
        last = now;
        if has_live_lines {
            let size = process::terminal_size();
            terminal::show_live(&schedule.live_lines(size, session.shown.is_coloured));
        }
    }
    terminal::show_live(&[]);
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The tracked files that differ from the last commit. Where git cannot tell, none do: no verdict
/// depends on it.
fn changed_files(cx: &Context) -> BTreeSet<String> {
    cx.process(cx.git().changed_files(&["HEAD"])).read_names().unwrap_or_default()
}

/// One job server for every cargo that runs at the same time: without it each would start as many
/// compilers as there are processors. A pipe with a token for each compiler that may run besides the
/// one of each cargo. It is there as long as this value.
///
/// Source: <https://www.gnu.org/software/make/manual/html_node/POSIX-Jobserver.html>; cargo is a
/// client where `CARGO_MAKEFLAGS` names one.
struct JobServer {
    /// The value of `CARGO_MAKEFLAGS`.
    flags: String,
    /// Held open, so that the tokens stay in the pipe.
    _pipe: File,
    _scratch: Scratch,
}

impl JobServer {
    /// # Errors
    ///
    /// Fails if the pipe cannot be made, or if its path has a blank, which clients do not take.
    fn create(cx: &Context) -> anyhow::Result<JobServer> {
        let scratch = Scratch::new(&directories::temporary_dir(), "jobserver")?;
        let path = scratch.dir.join("fifo");
        ensure!(!path.to_string_lossy().contains(char::is_whitespace), "a blank in the path");
        cx.process(cmd!(cx.sh, "mkfifo {path}")).read()?;
        let mut pipe = File::options().read(true).write(true).open(&path)?;
        pipe.write_all(&vec![b'+'; processors() - 1])?;
        let flags = format!("-j --jobserver-auth=fifo:{}", path.display());
        Ok(JobServer { flags, _pipe: pipe, _scratch: scratch })
    }
}
