//! Pure. The turns of the tests: which starts when, and for those that run their time, their limits
//! and the lines that show them.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ci::report::{VERB_COLUMNS, duration};
use crate::text::style::{Colour, cut, paint};
use crate::tools::requirement::simple_commands;

/// What decides about a test's turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Job {
    /// For the line that shows it.
    pub(crate) label: String,
    /// The build that cargo locks for it, see [`build_place`]; tests of one place run one after
    /// another, since they would only wait for each other.
    pub(crate) place: Option<String>,
    /// How long it took the last time.
    pub(crate) expected: Option<Duration>,
    /// After this time of its own it is killed.
    pub(crate) limit: Option<Duration>,
    /// It measures, or binds a fixed port: nothing else may run.
    pub(crate) is_exclusive: bool,
}

/// The tests that have not started yet, and those that run.
#[derive(Debug)]
pub(crate) struct Schedule {
    jobs: Vec<Job>,
    /// Those that run at once.
    limit: usize,
    /// In the order of their turns.
    pending: Vec<usize>,
    running: Vec<Running>,
}

/// A test whose turn it is.
#[derive(Debug, Default)]
struct Running {
    index: usize,
    /// Until then, what it needs is installed.
    has_started: bool,
    elapsed: Duration,
    /// The time that it would have had on a machine of its own: while `n` tests run, each is taken to
    /// have an `n`th of the machine.
    own_time: Duration,
    had_company: bool,
    /// Set to have the process killed.
    kill: Arc<AtomicBool>,
}

impl Schedule {
    /// Cheap tests come first, then the longest, then those that run alone. Tests that are alike
    /// keep their order.
    pub(crate) fn new(jobs: Vec<Job>, limit: usize) -> Schedule {
        /// A formatting error should show within a second.
        const CHEAP: Duration = Duration::from_secs(5);
        /// For a test that builds and has not run before.
        const UNKNOWN: Duration = Duration::from_secs(120);
        let mut pending: Vec<usize> = (0..jobs.len()).collect();
        if limit > 1 {
            pending.sort_by_key(|&index| {
                let job = &jobs[index];
                let expected = job.expected.or(job.place.is_some().then_some(UNKNOWN));
                let expected_of_long = expected.filter(|expected| *expected > CHEAP);
                (job.is_exclusive, expected_of_long.is_some(), Reverse(expected_of_long))
            });
        }
        Schedule { jobs, limit, pending, running: Vec::new() }
    }

    /// Takes the next test whose turn it is; `None` if one that runs has to end first, or if there
    /// are no more.
    pub(crate) fn start_next(&mut self) -> Option<usize> {
        let jobs = &self.jobs;
        let running: Vec<&Job> = self.running.iter().map(|test| &jobs[test.index]).collect();
        if running.len() >= self.limit || running.iter().any(|job| job.is_exclusive) {
            return None;
        }
        let can_start = |index: &usize| {
            let Job { place, is_exclusive, .. } = &jobs[*index];
            let is_taken = || place.is_some() && running.iter().any(|job| job.place == *place);
            if *is_exclusive { running.is_empty() } else { !is_taken() }
        };
        let at = self.pending.iter().position(can_start)?;
        let index = self.pending.remove(at);
        self.running.push(Running { index, ..Running::default() });
        Some(index)
    }

    /// Runs a test once more, after all others and alone.
    pub(crate) fn repeat_alone(&mut self, index: usize) {
        self.jobs[index].is_exclusive = true;
        self.pending.push(index);
    }

    /// Begins to count a test's time. Returns what is set to have its process killed.
    pub(crate) fn start_clock(&mut self, index: usize) -> Arc<AtomicBool> {
        let at = self.position(index);
        let had_company = self.running.iter().any(|test| test.has_started);
        self.running[at].has_started = true;
        for test in self.running.iter_mut().filter(|test| test.has_started) {
            test.had_company |= had_company;
        }
        Arc::clone(&self.running[at].kill)
    }

    /// Lets time pass. A test that has had more time of its own than its limit is killed.
    pub(crate) fn tick(&mut self, elapsed: Duration) {
        let count = self.running.iter().filter(|test| test.has_started).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        for test in self.running.iter_mut().filter(|test| test.has_started) {
            test.elapsed += elapsed;
            test.own_time += elapsed / count;
            if self.jobs[test.index].limit.is_some_and(|limit| limit < test.own_time) {
                test.kill.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Ends a test's turn. Returns its own time if it has shared the machine.
    pub(crate) fn end(&mut self, index: usize) -> Option<Duration> {
        let test = self.running.remove(self.position(index));
        test.had_company.then_some(test.own_time)
    }

    /// Takes away the tests that have not had their turn, unless they are kept.
    pub(crate) fn cancel(&mut self, is_kept: &dyn Fn(usize) -> bool) -> Vec<usize> {
        self.pending.extract_if(.., |index| !is_kept(*index)).collect()
    }

    fn position(&self, index: usize) -> usize {
        let at = self.running.iter().position(|test| test.index == index);
        at.expect("a test ends once, after its turn has come")
    }

    /// One line for each test that runs, cut to the rows and columns of the terminal: what has left
    /// the screen cannot be erased.
    pub(crate) fn live_lines(&self, size: (usize, usize), is_coloured: bool) -> Vec<String> {
        // The cursor stands below the last line. The last column stays free: a full line would wrap
        // on some terminals.
        let (rows, columns) = (size.0.saturating_sub(1), size.1.saturating_sub(1));
        let line = |test: &Running| {
            let Job { label, expected, .. } = &self.jobs[test.index];
            let of = expected.map(|expected| format!(" of about {}", duration(expected)));
            let text = format!("{label}  {}{}", duration(test.elapsed), of.unwrap_or_default());
            if columns < 2 * VERB_COLUMNS {
                return cut(&text, columns);
            }
            let verb = format!("{:>VERB_COLUMNS$} ", "Running");
            let text = cut(&text, columns - verb.len());
            paint(&verb, Colour::Cyan, is_coloured) + &text
        };
        let is_too_long = self.running.len() > rows;
        let shown = if is_too_long { rows.saturating_sub(1) } else { rows };
        let mut lines: Vec<String> = self.running.iter().take(shown).map(line).collect();
        if is_too_long {
            lines.push(cut(&format!("and {} more", self.running.len() - shown), columns));
        }
        lines
    }
}

/// The build directory that the commands of a line lock while cargo compiles in it: profile, target
/// and kind of build. `None` for a line that builds nothing, or nothing that is recognised.
///
/// Cargo locks `target/<triple>/<profile>`; checking and documenting share that lock, but little of
/// what they produce, and hold it for a short time.
pub(crate) fn build_place(line: &str) -> Option<String> {
    simple_commands(line).iter().find_map(|words| place_of_command(words))
}

/// The musl target whose doctests a line runs, if it does and chooses no flags for rustdoc itself.
pub(crate) fn musl_doctests(line: &str) -> Option<&str> {
    if !line.contains("cargo ") || !line.contains(" test") || line.contains("RUSTDOCFLAGS") {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    value_of("--target", &words).filter(|target| target.ends_with("-linux-musl"))
}

fn value_of<'w>(option: &str, words: &[&'w str]) -> Option<&'w str> {
    let joined = words.iter().find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
    joined.or_else(|| words.windows(2).find(|it| it[0] == option).map(|it| it[1]))
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
    let is_release = words.iter().any(|word| ["--release", "-r"].contains(word));
    let profile = value_of("--profile", words);
    let profile = profile.unwrap_or(if is_release { "release" } else { "dev" });
    Some(format!("{profile} {} {kind}", value_of("--target", words).unwrap_or("host")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(place: &str, expected: Option<u64>) -> Job {
        Job {
            place: Some(place.to_owned()).filter(|place| !place.is_empty()),
            expected: expected.map(Duration::from_secs),
            ..Job::default()
        }
    }

    #[test]
    fn cheap_tests_start_first_and_then_the_longest() {
        let jobs = vec![job("a", Some(30)), job("", None), job("b", Some(90)), job("c", None)];
        let mut schedule = Schedule::new(jobs, 9);
        let order: Vec<usize> = std::iter::from_fn(|| schedule.start_next()).collect();
        assert_eq!(order, [1, 3, 2, 0]);
    }

    #[test]
    fn one_at_a_time_keeps_the_order_of_the_plan() {
        let jobs = vec![job("a", Some(30)), job("", None), job("b", Some(90))];
        let mut schedule = Schedule::new(jobs, 1);
        assert_eq!(schedule.start_next(), Some(0));
        assert_eq!(schedule.start_next(), None);
        schedule.end(0);
        assert_eq!(schedule.start_next(), Some(1));
    }

    #[test]
    fn tests_of_one_build_wait_for_each_other_and_take_no_lane() {
        let jobs = vec![job("a", Some(90)), job("a", Some(60)), job("b", Some(30))];
        let mut schedule = Schedule::new(jobs, 2);
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
        let jobs = vec![alone.clone(), job("a", Some(60)), alone];
        let mut schedule = Schedule::new(jobs, 4);
        assert_eq!(schedule.start_next(), Some(1));
        assert_eq!(schedule.start_next(), None);
        schedule.end(1);
        assert_eq!(schedule.start_next(), Some(0));
        assert_eq!(schedule.start_next(), None);
        assert_eq!(schedule.cancel(&|index| index < 2), [2]);
    }

    #[test]
    fn the_place_is_profile_target_and_kind() {
        let place = build_place;
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

    #[test]
    fn a_suspect_runs_again_after_the_others_and_is_not_cancelled() {
        let jobs = vec![job("a", Some(1)), job("b", Some(2)), job("b", Some(3))];
        let mut schedule = Schedule::new(jobs, 2);
        assert_eq!([schedule.start_next(), schedule.start_next()], [Some(0), Some(1)]);
        schedule.end(0);
        schedule.repeat_alone(0);
        assert_eq!(schedule.start_next(), None);
        schedule.end(1);
        assert_eq!(schedule.start_next(), Some(2));
        schedule.repeat_alone(1);
        assert!(schedule.cancel(&|_| true).is_empty());
        assert_eq!(schedule.start_next(), None);
        schedule.end(2);
        assert_eq!([schedule.start_next(), schedule.start_next()], [Some(0), None]);
        schedule.end(0);
        assert_eq!(schedule.start_next(), Some(1));
    }

    /// Tests that run, with a limit of 10 s for the first and 100 s for the others.
    fn running(count: usize) -> Schedule {
        let seconds = |index| if index == 0 { 10 } else { 100 };
        let limit = |index| Some(Duration::from_secs(seconds(index)));
        let job =
            |index| Job { label: format!("test-{index}"), limit: limit(index), ..Job::default() };
        let mut schedule = Schedule::new((0..count).map(job).collect(), count);
        while schedule.start_next().is_some() {}
        schedule
    }

    #[test]
    fn a_test_is_killed_when_its_own_time_is_over() {
        let mut schedule = running(3);
        let kill = schedule.start_clock(0);
        let other = schedule.start_clock(1);
        schedule.tick(Duration::from_secs(20));
        assert!(!kill.load(Ordering::Relaxed), "half of 20 s are its own");
        schedule.tick(Duration::from_secs(1));
        assert!(kill.load(Ordering::Relaxed));
        assert!(!other.load(Ordering::Relaxed));
        assert_eq!(schedule.end(0), Some(Duration::from_millis(10_500)));
        schedule.tick(Duration::from_secs(1));
        assert_eq!(schedule.end(1), Some(Duration::from_millis(11_500)));
        assert_eq!(schedule.end(2), None, "it was not started");
    }

    #[test]
    fn who_ran_alone_all_the_time_had_no_company() {
        let mut schedule = running(3);
        schedule.start_clock(0);
        assert_eq!(schedule.end(0), None);
        schedule.start_clock(1);
        schedule.start_clock(2);
        assert!(schedule.end(1).is_some() && schedule.end(2).is_some());
    }

    #[test]
    fn lines_fit_the_terminal() {
        let mut schedule = running(5);
        let lines = |schedule: &Schedule, size| schedule.live_lines(size, false);
        schedule.start_clock(0);
        schedule.tick(Duration::from_secs(90));
        assert_eq!(lines(&schedule, (24, 80))[0], "     Running test-0  1m 30s");
        assert_eq!(lines(&schedule, (24, 20))[0], "test-0  1m 30s");
        assert_eq!(lines(&schedule, (24, 10))[0], "test-0  1");
        assert_eq!(lines(&schedule, (6, 20)).len(), 5);
        let few = ["test-0  1m 30s", "test-1  0.0 s", "and 3 more"];
        assert_eq!(lines(&schedule, (4, 20)), few);
        assert_eq!(lines(&schedule, (1, 20)), ["and 5 more"]);
    }
}
