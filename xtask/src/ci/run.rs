//! Runs the steps, as many side by side as pays.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Output};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use xshell::{Cmd, Shell, cmd};

use crate::ci::jobserver::JobServer;
use crate::ci::local_step::LocalStep;
use crate::ci::log::{self, Log, LogEnd};
use crate::ci::report::{Report, Shown};
use crate::ci::report_files::History;
use crate::ci::schedule::{Board, End, Job, Schedule, build_place, musl_doctests};
use crate::ci::verdict::{Ended, Verdict};
use crate::cli::ci::Options;
use crate::context::Context;
use crate::host::process::{self, Process};
use crate::host::terminal;
use crate::text::diagnostic::Failure;
use crate::text::shell as shell_text;
use crate::tools::llvm;
use crate::tools::requirement::{self, Requirement};
use crate::tools::{InstallPolicy, Installer};

/// How often the time of each test is counted and the live lines are drawn.
const TICK: Duration = Duration::from_millis(100);

/// The end of a test.
struct Finished {
    index: usize,
    result: TestResult,
}

enum TestResult {
    /// It could not run.
    NotRun(Verdict),
    Ran {
        output: anyhow::Result<Output>,
        elapsed: Duration,
        end: End,
        log: LogEnd,
    },
}

/// A run of all steps.
struct Run<'a> {
    cx: &'a Context,
    steps: &'a [LocalStep],
    options: &'a Options,
    setting: Setting<'a>,
    board: Arc<Mutex<Board>>,
    jobserver: Option<JobServer>,
    reports: Vec<Option<Report>>,
    /// Failed while others ran: they get another chance when nothing else does.
    suspects: Vec<usize>,
}

/// What a run depends on besides the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// How many tests run at once.
    pub(crate) limit: usize,
    /// Where the logs go.
    pub(crate) logs: &'a Path,
    pub(crate) history: &'a History,
}

/// Runs every step and reports on each, in the order of the steps; after an interrupt, or a failure
/// with `--fail-fast`, the rest is reported as not run.
pub(crate) fn run_all<'a>(
    cx: &'a Context,
    steps: &'a [LocalStep],
    options: &'a Options,
    setting: Setting<'a>,
) -> Vec<Report> {
    let is_parallel = setting.limit > 1;
    let has_live_lines = is_parallel && terminal::is_stdout_terminal() && !terminal::is_quiet();
    let mut run = Run {
        cx,
        steps,
        options,
        setting,
        board: Arc::new(Mutex::new(Board::new(steps.len(), has_live_lines, cx.colours_stdout()))),
        // One cargo alone needs no one to share with.
        jobserver: is_parallel.then(|| JobServer::create(cx).ok()).flatten(),
        reports: steps.iter().map(|_| None).collect(),
        suspects: Vec::new(),
    };
    let before = changed_files(cx);
    let jobs: Vec<Job> = steps.iter().map(|step| job(step, setting.history)).collect();
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

fn job(step: &LocalStep, history: &History) -> Job {
    Job {
        place: build_place(&requirement::simple_commands(&step.described_command)),
        expected: history.expected(&step.label),
        is_exclusive: step.is_exclusive,
    }
}

impl<'a> Run<'a> {
    fn run(&mut self, mut schedule: Schedule<'_>, is_second_try: bool) {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let ticker = Ticker::start(scope, &self.board);
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
                        let result = test.run();
                        // The receiver outlives every thread of its scope.
                        let _ = sender.send(Finished { index, result });
                    });
                }
                if running == 0 {
                    break;
                }
                if let Ok(Finished { index, result }) = receiver.recv_timeout(TICK) {
                    running -= 1;
                    schedule.end(index);
                    self.finish(index, result, is_second_try);
                }
            }
            ticker.stop();
        });
    }

    /// No verdict depends on what ran beside a test.
    fn run_suspects(&mut self, jobs: &[Job]) {
        for index in std::mem::take(&mut self.suspects) {
            if Context::interrupted_by().is_some() {
                break;
            }
            if !terminal::is_quiet() {
                let label = &self.steps[index].label;
                terminal::print(&format!(
                    "note: `{label}` failed beside other tests, running it alone"
                ));
            }
            self.run(Schedule::only(jobs, index), true);
            if let Some(report) = &mut self.reports[index]
                && report.verdict == Verdict::Passed
            {
                report.verdict = Verdict::PassedAlone;
            }
        }
    }

    fn reason_to_stop(&self) -> Option<&'static str> {
        let mut verdicts = self.reports.iter().flatten().map(|report| &report.verdict);
        if Context::interrupted_by().is_some() {
            Some("interrupted")
        } else if self.options.fail_fast && verdicts.any(Verdict::fails_the_run) {
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
            logs: self.setting.logs,
            expected: self.setting.history.expected(&self.steps[index].label),
            policy: if self.options.no_install {
                InstallPolicy::Forbidden
            } else {
                InstallPolicy::Allowed
            },
            has_timeout: !self.options.no_timeouts,
            is_streamed: self.setting.limit == 1 && !terminal::is_quiet(),
            is_alone,
            board: Arc::clone(&self.board),
            makeflags: self.jobserver.as_ref().map(JobServer::flags),
        }
    }

    fn finish(&mut self, index: usize, result: TestResult, is_second_try: bool) {
        let step = &self.steps[index];
        let (output, elapsed, end, log) = match result {
            TestResult::NotRun(verdict) => return self.report(index, verdict, None),
            TestResult::Ran { output, elapsed, end, log } => (output, elapsed, end, log),
        };
        let verdict = match output {
            _ if Context::interrupted_by().is_some() => Verdict::Interrupted,
            _ if end.timed_out => step.judge(Ended::TimedOut),
            Ok(output) => step.judge(ended(output.status)),
            Err(error) => Verdict::unavailable(format!("{error:#}")),
        };
        let is_suspect = verdict.is_worth_a_rerun()
            && verdict != Verdict::Interrupted
            && end.had_company
            && !end.timed_out;
        if is_suspect && !is_second_try {
            self.suspects.push(index);
        }
        self.report(index, verdict, Some(elapsed));
        let root = &self.cx.project.root;
        let report = self.reports[index].as_mut().expect("it was reported just now");
        report.own_time = Some(if end.had_company { end.own_time } else { elapsed });
        report.log = Some(log.path.strip_prefix(root).unwrap_or(&log.path).display().to_string());
        report.read_output(&log.tail);
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
        let line = lock(&self.board).finished_line(&report);
        if !terminal::is_quiet() || report.verdict.fails_the_run() {
            terminal::print(&line);
        }
        self.reports[index] = Some(report);
    }
}

/// A test on its way through a thread of its own.
struct Test<'a> {
    cx: Context,
    step: &'a LocalStep,
    index: usize,
    logs: &'a Path,
    expected: Option<Duration>,
    policy: InstallPolicy,
    has_timeout: bool,
    is_streamed: bool,
    /// Nothing else runs: it is its second try.
    is_alone: bool,
    board: Arc<Mutex<Board>>,
    makeflags: Option<String>,
}

impl Test<'_> {
    fn run(&self) -> TestResult {
        let step = self.step;
        if let Some(verdict) = &step.verdict {
            return TestResult::NotRun(verdict.clone());
        }
        let toolchain = step.environment.iter().find(|(name, _)| name == "RUSTUP_TOOLCHAIN");
        let toolchain = toolchain.map(|(_, value)| value.as_str());
        let needs = requirement::of_line(&step.described_command, toolchain);
        // What has to be installed first is not the test's time.
        let mut installer = Installer::new(&self.cx, self.policy);
        if let Err(Failure { message: reason, help: fix }) = installer.ensure_all(&needs) {
            return TestResult::NotRun(Verdict::Unavailable { reason, fix });
        }
        let log = match Log::create(self.logs, &step.label) {
            Ok(log) => Arc::new(Mutex::new(log)),
            Err(error) => return TestResult::NotRun(Verdict::unavailable(format!("{error:#}"))),
        };
        self.announce(&needs);
        let kill = Arc::new(AtomicBool::new(false));
        let limit = self.has_timeout.then(|| step.timeout());
        lock(&self.board).start(self.index, &step.label, self.expected, limit, Arc::clone(&kill));
        let (written, echo) = (Arc::clone(&log), self.is_streamed);
        let process = self.process().kill_when(kill);
        let process = process.output_to(move |pipe| log::copy(pipe, &written, echo));
        let started = Instant::now();
        let output = process.output();
        let elapsed = started.elapsed();
        let end = lock(&self.board).end(self.index);
        // Something that the test left running may still hold the pipe and so the log.
        let log = lock(&log).end();
        TestResult::Ran { output, elapsed, end, log }
    }

    /// Writes a heading where output streams; elsewhere the line at the end of a test says enough.
    fn announce(&self, needs: &[Requirement]) {
        if self.is_streamed {
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
        if needs.iter().any(is_ours) {
            format!("PATH=\"$PATH\":{} ", shell_text::quote(&bin.to_string_lossy()))
        } else {
            String::new()
        }
    }

    fn process(&self) -> Process {
        let (cx, step) = (&self.cx, self.step);
        let mut cmd = command(&cx.sh, step);
        if let Some(flags) = &self.makeflags {
            cmd = cmd.env("CARGO_MAKEFLAGS", flags);
        }
        if cx.colours_stdout() && cx.lookup("CARGO_TERM_COLOR").is_none() {
            cmd = cmd.env("CARGO_TERM_COLOR", "always");
        }
        if let Some((name, flags)) = self.faster_linker().filter(|_| !self.is_alone) {
            cmd = cmd.env(name, flags);
        }
        cx.runner.process_showing(cmd, &step.shown).supervised()
    }

    /// Doctests are linked one by one, and on musl GNU `ld` takes twice as long for each as the
    /// `rust-lld` of the toolchain. A test that fails with it is run once more without.
    fn faster_linker(&self) -> Option<(String, &'static str)> {
        const FLAGS: &str = "-Clinker=rust-lld -Clinker-flavor=ld.lld -Clink-self-contained=yes";
        let target = musl_doctests(&self.step.command)?;
        let name = format!("CARGO_TARGET_{}_RUSTDOCFLAGS", target.to_uppercase().replace('-', "_"));
        let is_set = |name: &str| self.cx.lookup(name).is_some();
        if is_set("RUSTDOCFLAGS") || is_set("CARGO_ENCODED_RUSTDOCFLAGS") || is_set(&name) {
            return None;
        }
        llvm::toolchain_bin(&self.cx)?.join("rust-lld").exists().then_some((name, FLAGS))
    }
}

/// Counts the time of the tests that run, and draws the live lines.
struct Ticker<'scope> {
    stop: Sender<()>,
    thread: thread::ScopedJoinHandle<'scope, ()>,
}

impl<'scope> Ticker<'scope> {
    fn start(scope: &'scope Scope<'scope, '_>, board: &Arc<Mutex<Board>>) -> Ticker<'scope> {
        let (stop, stopped) = mpsc::channel();
        let board = Arc::clone(board);
        let thread = scope.spawn(move || {
            let mut last = Instant::now();
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                let mut board = lock(&board);
                board.tick(now - last);
                last = now;
                if board.has_live_lines {
                    terminal::show_live(&board.live_lines(process::terminal_width()));
                }
            }
            terminal::show_live(&[]);
        });
        Ticker { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        // A panic of the thread is the scope's to report.
        let _ = self.thread.join();
    }
}

/// What a panicking thread was about to note is missing, and nothing else.
fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The step's command as Buildkite's docker plugin runs it, with the step's variables: the one kind
/// of text that goes to a shell.
fn command<'sh>(sh: &'sh Shell, step: &LocalStep) -> Cmd<'sh> {
    let line = &step.command;
    cmd!(sh, "sh -e -c {line}").envs(step.environment.iter().map(|(name, value)| (name, value)))
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
    cx.process(cx.git().changed_files("HEAD")).read_names().unwrap_or_default()
}
