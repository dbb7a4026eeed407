//! Pure. The turns of the tests: which starts when, and for those that run their time, their limits
//! and the lines that show them.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ci::report::{Report, duration};
use crate::text::style::{Colour, cut, paint};

/// What decides about a test's turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Job {
    /// The build that cargo locks for it, see [`build_place`]; tests of one place run one after
    /// another, since they would only wait for each other.
    pub(crate) place: Option<String>,
    /// How long it took the last time.
    pub(crate) expected: Option<Duration>,
    /// It measures, or binds a fixed port: nothing else may run.
    pub(crate) is_exclusive: bool,
}

impl Job {
    /// A formatting error should show within a second.
    const CHEAP: Duration = Duration::from_secs(5);
    /// For a test that builds and has not run before.
    const UNKNOWN: Duration = Duration::from_secs(120);

    fn expected(&self) -> Duration {
        let default = if self.place.is_some() { Job::UNKNOWN } else { Duration::ZERO };
        self.expected.unwrap_or(default)
    }
}

/// The tests that have not started yet, and those that run.
#[derive(Debug)]
pub(crate) struct Schedule<'a> {
    jobs: &'a [Job],
    /// Those that run at once.
    limit: usize,
    /// In the order of their turns.
    pending: Vec<usize>,
    running: Vec<usize>,
}

impl<'a> Schedule<'a> {
    /// Cheap tests come first, then the longest, then those that run alone. Tests that are alike
    /// keep their order.
    pub(crate) fn new(jobs: &'a [Job], limit: usize) -> Schedule<'a> {
        let mut pending: Vec<usize> = (0..jobs.len()).collect();
        if limit > 1 {
            pending.sort_by_key(|&index| {
                let job = &jobs[index];
                let is_long = job.expected() > Job::CHEAP;
                let longest_first = Reverse(if is_long { job.expected() } else { Duration::ZERO });
                (job.is_exclusive, is_long, longest_first)
            });
        }
        Schedule { jobs, limit, pending, running: Vec::new() }
    }

    /// One test and no other.
    pub(crate) fn only(jobs: &'a [Job], index: usize) -> Schedule<'a> {
        Schedule { jobs, limit: 1, pending: vec![index], running: Vec::new() }
    }

    /// Takes the next test whose turn it is; `None` if one that runs has to end first, or if there
    /// are no more.
    pub(crate) fn start_next(&mut self) -> Option<usize> {
        let is_alone = |index: &usize| self.jobs[*index].is_exclusive;
        if self.running.len() >= self.limit || self.running.iter().any(is_alone) {
            return None;
        }
        let can_start = |index: &usize| {
            let job = &self.jobs[*index];
            let is_taken =
                |running: &usize| job.place.is_some() && job.place == self.jobs[*running].place;
            if job.is_exclusive {
                self.running.is_empty()
            } else {
                !self.running.iter().any(is_taken)
            }
        };
        let at = self.pending.iter().position(can_start)?;
        let index = self.pending.remove(at);
        self.running.push(index);
        Some(index)
    }

    pub(crate) fn end(&mut self, index: usize) {
        self.running.retain(|running| *running != index);
    }

    /// The tests that have not started; none starts any more.
    pub(crate) fn cancel(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.pending)
    }
}

/// The build directory that the commands of a line lock while cargo compiles in it: profile, target
/// and kind of build. `None` for a line that builds nothing, or nothing that is recognised.
///
/// Cargo locks `target/<triple>/<profile>`; checking and documenting share that lock, but little of
/// what they produce, and hold it for a short time.
pub(crate) fn build_place(commands: &[Vec<String>]) -> Option<String> {
    commands.iter().find_map(|words| place_of_command(words))
}

/// The musl target whose doctests a line runs, if it does and chooses no flags for rustdoc itself.
pub(crate) fn musl_doctests(line: &str) -> Option<&str> {
    if !line.contains("cargo ") || !line.contains(" test") || line.contains("RUSTDOCFLAGS") {
        return None;
    }
    let words = || line.split_whitespace();
    let after = words().zip(words().skip(1)).find(|(word, _)| *word == "--target").map(|it| it.1);
    let target = words().find_map(|word| word.strip_prefix("--target=")).or(after)?;
    target.ends_with("-linux-musl").then_some(target)
}

fn place_of_command(words: &[String]) -> Option<String> {
    let words = words.iter().skip_while(|word| word.as_str() != "cargo" && *word != "{xtask}");
    let words: Vec<&str> = words.map(String::as_str).take_while(|word| *word != "--").collect();
    let (program, words) = words.split_first()?;
    let mut names = words.iter().filter(|word| !word.starts_with(['+', '-']));
    let subcommand = match names.next().copied()? {
        "all-features" => names.next().copied()?,
        other => other.trim_end_matches("-all-features"),
    };
    if *program == "{xtask}" {
        return ["coverage", "bench"].contains(&subcommand).then(|| subcommand.to_owned());
    }
    let kind = match subcommand {
        "build" | "b" | "test" | "t" | "run" | "r" | "bench" | "rustc" => "build",
        "check" | "c" | "clippy" => "check",
        "doc" | "d" | "rustdoc" => "doc",
        "llvm-cov" => "coverage",
        _ => return None,
    };
    let value = |option: &str| {
        let joined = words.iter().find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
        joined.or_else(|| words.windows(2).find(|it| it[0] == option).map(|it| it[1]))
    };
    let is_release = words.iter().any(|word| ["--release", "-r"].contains(word));
    let profile = value("--profile").unwrap_or(if is_release { "release" } else { "dev" });
    Some(format!("{profile} {} {kind}", value("--target").unwrap_or("host")))
}

/// The verbs of status lines are aligned as cargo's are.
const VERB_COLUMNS: usize = 12;

/// What runs, and how many tests there are.
#[derive(Debug)]
pub(crate) struct Board {
    running: Vec<Running>,
    total: usize,
    finished: usize,
    pub(crate) has_live_lines: bool,
    is_coloured: bool,
}

/// A test that runs, and what is known of it when it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    index: usize,
    label: String,
    expected: Option<Duration>,
    limit: Option<Duration>,
    elapsed: Duration,
    /// The time that it would have had on a machine of its own: while `n` tests run, each is taken to
    /// have an `n`th of the machine.
    pub(crate) own_time: Duration,
    pub(crate) had_company: bool,
    /// Set to have the process killed.
    kill: Arc<AtomicBool>,
}

impl Running {
    pub(crate) fn timed_out(&self) -> bool {
        self.kill.load(Ordering::Relaxed)
    }
}

impl Board {
    pub(crate) fn new(total: usize, has_live_lines: bool, is_coloured: bool) -> Board {
        Board { running: Vec::new(), total, finished: 0, has_live_lines, is_coloured }
    }

    /// Returns what is set to have the test's process killed.
    pub(crate) fn start(
        &mut self,
        index: usize,
        label: &str,
        expected: Option<Duration>,
        limit: Option<Duration>,
    ) -> Arc<AtomicBool> {
        for other in &mut self.running {
            other.had_company = true;
        }
        let kill = Arc::default();
        self.running.push(Running {
            index,
            label: label.to_owned(),
            expected,
            limit,
            elapsed: Duration::ZERO,
            own_time: Duration::ZERO,
            had_company: !self.running.is_empty(),
            kill: Arc::clone(&kill),
        });
        kill
    }

    /// Lets time pass. A test that has had more time of its own than its limit is killed.
    pub(crate) fn tick(&mut self, elapsed: Duration) {
        let count = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        for test in &mut self.running {
            test.elapsed += elapsed;
            test.own_time += elapsed / count;
            if test.limit.is_some_and(|limit| limit < test.own_time) {
                test.kill.store(true, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn end(&mut self, index: usize) -> Running {
        let at = self.running.iter().position(|test| test.index == index);
        self.running.remove(at.expect("a test ends once, after it was started"))
    }

    /// The line about a test that has its verdict, with a counter.
    pub(crate) fn finished_line(&mut self, report: &Report) -> String {
        self.finished = (self.finished + 1).min(self.total);
        let width = self.total.to_string().len();
        let counter = format!("({:>width$}/{})", self.finished, self.total);
        let time = report.elapsed.map(|elapsed| format!("  {}", duration(elapsed)));
        let (kind, colour) = report.verdict.kind();
        // As cargo has it.
        let verb = kind[..1].to_uppercase() + &kind[1..];
        let verb = paint(&format!("{verb:>VERB_COLUMNS$}"), colour, self.is_coloured);
        format!("{verb} {counter} {}{}", report.label, time.unwrap_or_default())
    }

    /// One line for each test that runs, cut to the rows and columns of the terminal: what has left
    /// the screen cannot be erased.
    pub(crate) fn live_lines(&self, (rows, columns): (usize, usize)) -> Vec<String> {
        let line = |test: &Running| {
            let of = test.expected.map(|expected| format!(" of about {}", duration(expected)));
            let text =
                format!("{}  {}{}", test.label, duration(test.elapsed), of.unwrap_or_default());
            // The last column stays free: a full line would wrap on some terminals.
            let room = columns.saturating_sub(1);
            if room < 2 * VERB_COLUMNS {
                return cut(&text, room);
            }
            let verb = format!("{:>VERB_COLUMNS$} ", "Running");
            let text = cut(&text, room - verb.len());
            paint(&verb, Colour::Cyan, self.is_coloured) + &text
        };
        // The cursor stands below the last line.
        let room = rows.saturating_sub(1);
        let is_too_long = self.running.len() > room;
        let shown = if is_too_long { room.saturating_sub(1) } else { room };
        let mut lines: Vec<String> = self.running.iter().take(shown).map(line).collect();
        if is_too_long {
            lines.push(cut(
                &format!("and {} more", self.running.len() - shown),
                columns.saturating_sub(1),
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::report::tests::report;
    use crate::ci::verdict::Verdict;

    fn job(place: &str, expected: Option<u64>) -> Job {
        Job {
            place: Some(place.to_owned()).filter(|place| !place.is_empty()),
            expected: expected.map(Duration::from_secs),
            is_exclusive: false,
        }
    }

    #[test]
    fn cheap_tests_start_first_and_then_the_longest() {
        let jobs = [job("a", Some(30)), job("", None), job("b", Some(90)), job("c", None)];
        let mut schedule = Schedule::new(&jobs, 9);
        let order: Vec<usize> = std::iter::from_fn(|| schedule.start_next()).collect();
        assert_eq!(order, [1, 3, 2, 0]);
    }

    #[test]
    fn one_at_a_time_keeps_the_order_of_the_plan() {
        let jobs = [job("a", Some(30)), job("", None), job("b", Some(90))];
        let mut schedule = Schedule::new(&jobs, 1);
        assert_eq!(schedule.start_next(), Some(0));
        assert_eq!(schedule.start_next(), None);
        schedule.end(0);
        assert_eq!(schedule.start_next(), Some(1));
    }

    #[test]
    fn tests_of_one_build_wait_for_each_other_and_take_no_lane() {
        let jobs = [job("a", Some(90)), job("a", Some(60)), job("b", Some(30))];
        let mut schedule = Schedule::new(&jobs, 2);
        assert_eq!(schedule.start_next(), Some(0));
        assert_eq!(schedule.start_next(), Some(2));
        schedule.end(2);
        assert_eq!(schedule.start_next(), None);
        schedule.end(0);
        assert_eq!(schedule.start_next(), Some(1));
    }

    #[test]
    fn an_exclusive_test_runs_when_nothing_else_does() {
        let alone = Job { is_exclusive: true, ..job("", Some(1)) };
        let jobs = [alone.clone(), job("a", Some(60)), alone];
        let mut schedule = Schedule::new(&jobs, 4);
        assert_eq!(schedule.start_next(), Some(1));
        assert_eq!(schedule.start_next(), None);
        schedule.end(1);
        assert_eq!(schedule.start_next(), Some(0));
        assert_eq!(schedule.start_next(), None);
        assert_eq!(schedule.cancel(), [2]);
    }

    #[test]
    fn the_place_is_profile_target_and_kind() {
        let place = |line: &str| {
            let words = line.split(' ').map(str::to_owned).collect();
            build_place(&[words])
        };
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(
            place("cargo all-features build --release --all-targets"),
            of("release host build")
        );
        assert_eq!(place("A=b cargo +nightly test --release"), of("release host build"));
        assert_eq!(place("cargo test --target x-musl"), of("dev x-musl build"));
        assert_eq!(place("cargo clippy --all-targets -- --release"), of("dev host check"));
        assert_eq!(place("cargo doc --profile=ci"), of("ci host doc"));
        assert_eq!(place("{xtask} coverage --package a"), of("coverage"));
        assert_eq!(place("cargo fmt --all"), None);
        assert_eq!(place("{xtask} commit-format"), None);
        assert_eq!(place("make test"), None);
    }

    #[test]
    fn the_doctests_of_a_musl_target_are_recognised() {
        let target = "x86_64-unknown-linux-musl";
        assert_eq!(
            musl_doctests(&format!("cargo all-features test --target {target}")),
            Some(target)
        );
        assert_eq!(musl_doctests(&format!("cargo test --target={target} --release")), Some(target));
        for line in [
            format!("cargo build --target {target}"),
            format!("RUSTDOCFLAGS=-Dx cargo test --target {target}"),
            "cargo test".to_owned(),
            "cargo test --target x86_64-unknown-linux-gnu".to_owned(),
        ] {
            assert_eq!(musl_doctests(&line), None, "{line}");
        }
    }

    fn start(board: &mut Board, index: usize, limit_seconds: u64) -> Arc<AtomicBool> {
        let limit = Some(Duration::from_secs(limit_seconds));
        board.start(index, &format!("test-{index}"), None, limit)
    }

    #[test]
    fn a_test_is_killed_when_its_own_time_is_over() {
        let mut board = Board::new(2, false, false);
        let kill = start(&mut board, 0, 10);
        let other = start(&mut board, 1, 100);
        board.tick(Duration::from_secs(20));
        assert!(!kill.load(Ordering::Relaxed), "half of 20 s are its own");
        board.tick(Duration::from_secs(1));
        assert!(kill.load(Ordering::Relaxed));
        assert!(!other.load(Ordering::Relaxed));
        let end = board.end(0);
        assert!(end.timed_out() && end.had_company);
        board.tick(Duration::from_secs(1));
        assert_eq!(board.end(1).own_time, Duration::from_millis(11_500));
    }

    #[test]
    fn who_ran_alone_all_the_time_had_no_company() {
        let mut board = Board::new(2, false, false);
        start(&mut board, 0, 10);
        assert!(!board.end(0).had_company);
        start(&mut board, 1, 10);
        start(&mut board, 0, 10);
        assert!(board.end(1).had_company && board.end(0).had_company);
    }

    #[test]
    fn lines_fit_the_terminal_and_count_the_finished() {
        let mut board = Board::new(12, true, false);
        start(&mut board, 0, 10);
        board.tick(Duration::from_secs(90));
        assert_eq!(board.live_lines((24, 80)), ["     Running test-0  1m 30s"]);
        assert_eq!(board.live_lines((24, 20)), ["test-0  1m 30s"]);
        assert_eq!(board.live_lines((24, 10)), ["test-0  1"]);
        let passed = report("style", Verdict::Passed, Some(300));
        assert_eq!(board.finished_line(&passed), "      Passed ( 1/12) style  0.3 s");
        for index in 1..5 {
            start(&mut board, index, 10);
        }
        assert_eq!(board.live_lines((6, 20)).len(), 5);
        let lines = ["test-0  1m 30s", "test-1  0.0 s", "and 3 more"];
        assert_eq!(board.live_lines((4, 20)), lines);
        assert_eq!(board.live_lines((1, 20)), ["and 5 more"]);
    }
}
