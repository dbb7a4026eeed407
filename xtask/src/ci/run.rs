//! Runs the steps, as many side by side as pays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xshell::cmd;

use crate::ci::local_step::LocalStep;
use crate::ci::report::{Report, Shown};
use crate::ci::schedule::{Board, Job, Schedule, build_place};
use crate::ci::test::{Ran, Setting, Test};
use crate::ci::verdict::{Ended, Verdict};
use crate::context::Context;
use crate::host::directories::{self, Scratch};
use crate::host::{lock, process, terminal};
use crate::tools::requirement;

/// How often the time of each test is counted and the live lines are drawn.
const TICK: Duration = Duration::from_millis(100);

/// A run of all steps.
struct Run<'a> {
    cx: &'a Context,
    steps: &'a [LocalStep],
    setting: Setting<'a>,
    board: &'a Mutex<Board>,
    makeflags: Option<&'a str>,
    reports: Vec<Option<Report>>,
    /// Failed while others ran, or with another linker: they get another chance without. Whether
    /// others ran stands beside each.
    suspects: Vec<(usize, bool)>,
}

/// Runs every step and reports on each, in the order of the steps; after an interrupt, or a failure
/// with `--fail-fast`, the rest is reported as not run.
pub(crate) fn run_all(cx: &Context, steps: &[LocalStep], setting: Setting<'_>) -> Vec<Report> {
    let is_parallel = setting.limit > 1;
    let has_live_lines = is_parallel && cx.has_live_lines();
    // One cargo alone needs no one to share with.
    let jobserver = is_parallel.then(|| JobServer::create(cx).ok()).flatten();
    let board = Mutex::new(Board::new(steps.len(), has_live_lines, cx.colours_stdout()));
    let mut run = Run {
        cx,
        steps,
        setting,
        board: &board,
        makeflags: jobserver.as_ref().map(|jobserver| &*jobserver.flags),
        reports: vec![None; steps.len()],
        suspects: Vec::new(),
    };
    let before = changed_files(cx);
    let job = |step: &LocalStep| Job {
        place: build_place(&requirement::simple_commands(&step.described_command)),
        expected: setting.history.expected(&step.label),
        is_exclusive: step.is_exclusive,
    };
    let jobs: Vec<Job> = steps.iter().map(job).collect();
    run.run(Schedule::new(&jobs, setting.limit), false);
    run.run_suspects(&jobs);
    for file in changed_files(cx).difference(&before) {
        terminal::say(&format!(
            "warning: a test has changed the tracked file `{file}`; CI throws its checkout away, \
             here the change stays"
        ));
    }
    run.reports.into_iter().flatten().collect()
}

impl<'a> Run<'a> {
    fn run(&mut self, mut schedule: Schedule<'_>, is_second_try: bool) {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let board = self.board;
            let (_open, ended) = mpsc::channel();
            scope.spawn(move || count_time(board, &ended));
            let mut running = 0;
            loop {
                if let Some(reason) = self.reason_to_stop().filter(|_| !is_second_try) {
                    for index in schedule.cancel() {
                        self.report(index, Verdict::NotRun { reason: reason.to_owned() }, None);
                    }
                }
                while let Some(index) = schedule.start_next() {
                    running += 1;
                    let (test, sender) = (self.test(index, is_second_try), sender.clone());
                    scope.spawn(move || {
                        // The receiver outlives every thread of its scope.
                        let _ = sender.send((index, test.run()));
                    });
                }
                if running == 0 {
                    break;
                }
                if let Ok((index, result)) = receiver.recv_timeout(TICK) {
                    running -= 1;
                    schedule.end(index);
                    self.finish(index, result, is_second_try);
                }
            }
        });
    }

    /// No verdict depends on what ran beside a test.
    fn run_suspects(&mut self, jobs: &[Job]) {
        for (index, had_company) in std::mem::take(&mut self.suspects) {
            if Context::interrupted_by().is_some() {
                break;
            }
            if !terminal::is_quiet() {
                let label = &self.steps[index].label;
                let next = if had_company {
                    "beside other tests, running it alone"
                } else {
                    "with `rust-lld` for its doctests, running it with the usual linker"
                };
                terminal::print(&format!("note: `{label}` failed {next}"));
            }
            self.run(Schedule::only(jobs, index), true);
            if let Some(report) = &mut self.reports[index]
                && report.verdict == Verdict::Passed
                && had_company
            {
                report.verdict = Verdict::PassedAlone;
            }
        }
    }

    fn reason_to_stop(&self) -> Option<&'static str> {
        let mut verdicts = self.reports.iter().flatten().map(|report| &report.verdict);
        if Context::interrupted_by().is_some() {
            Some("interrupted")
        } else if self.setting.options.fail_fast && verdicts.any(Verdict::fails_the_run) {
            Some("a test failed before and `--fail-fast` was given")
        } else {
            None
        }
    }

    /// A test with all that a thread of its own needs.
    fn test(&self, index: usize, is_alone: bool) -> Test<'a> {
        Test {
            cx: self.cx.clone(),
            step: &self.steps[index],
            index,
            setting: self.setting,
            board: self.board,
            makeflags: self.makeflags,
            is_alone,
        }
    }

    fn finish(&mut self, index: usize, result: Result<Ran, Verdict>, is_second_try: bool) {
        let step = &self.steps[index];
        let Ran { output, elapsed, end, has_faster_linker, log } = match result {
            Ok(ran) => ran,
            Err(verdict) => return self.report(index, verdict, None),
        };
        let verdict = match output {
            _ if Context::interrupted_by().is_some() => Verdict::Interrupted,
            _ if end.timed_out() => step.judge(Ended::TimedOut),
            Ok(output) => step.judge(ended(output.status)),
            Err(error) => Verdict::unavailable(format!("{error:#}")),
        };
        let is_suspect = verdict.is_worth_a_rerun()
            && verdict != Verdict::Interrupted
            && (end.had_company || has_faster_linker)
            && !end.timed_out();
        if is_suspect && !is_second_try {
            self.suspects.push((index, end.had_company));
        }
        self.report(index, verdict, Some(elapsed));
        let root = &self.cx.project.root;
        let report = self.reports[index].as_mut().expect("it was reported just now");
        report.own_time = Some(if end.had_company { end.own_time } else { elapsed });
        let log = lock(&log);
        if let Some(problem) = &log.problem {
            let label = &report.label;
            terminal::say(&format!("warning: the log of `{label}` is incomplete: {problem}"));
        }
        report.log = Some(log.path.strip_prefix(root).unwrap_or(&log.path).display().to_string());
        report.read_output(&String::from_utf8_lossy(&log.tail));
        let lines = report.shown_lines(Shown {
            is_streamed: self.setting.limit == 1,
            has_groups: self.cx.is_buildkite(),
            is_coloured: self.cx.colours_stdout(),
        });
        // What a suspect has to say is shown when it has failed alone too.
        for line in lines.into_iter().filter(|_| !is_suspect || is_second_try) {
            terminal::print(&line);
        }
    }

    /// Notes a verdict, and says so in a line.
    fn report(&mut self, index: usize, verdict: Verdict, elapsed: Option<Duration>) {
        let step = &self.steps[index];
        let report = Report::new(step, verdict, elapsed);
        let line = lock(self.board).finished_line(&report);
        if !terminal::is_quiet() || report.verdict.fails_the_run() {
            terminal::print(&line);
        }
        self.reports[index] = Some(report);
    }
}

/// Counts the time of the tests that run, and draws the live lines, until the sender is dropped.
fn count_time(board: &Mutex<Board>, ended: &Receiver<()>) {
    let mut last = Instant::now();
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        let mut board = lock(board);
        board.tick(now - last);
        last = now;
        if board.has_live_lines {
            terminal::show_live(&board.live_lines(process::terminal_size()));
        }
    }
    terminal::show_live(&[]);
}

fn ended(status: ExitStatus) -> Ended {
    match status.code() {
        Some(code) => Ended::Exit(code),
        None => Ended::Signal(status.signal().unwrap_or_default()),
    }
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
        let path = scratch.dir().join("fifo");
        ensure!(!path.to_string_lossy().contains(char::is_whitespace), "a blank in the path");
        cx.process(cmd!(cx.sh, "mkfifo {path}")).read()?;
        let mut pipe = File::options().read(true).write(true).open(&path)?;
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        pipe.write_all(&vec![b'+'; processors - 1])?;
        let flags = format!("-j --jobserver-auth=fifo:{}", path.display());
        Ok(JobServer { flags, _pipe: pipe, _scratch: scratch })
    }
}
