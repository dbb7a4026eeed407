//! Pure. The tests that run now: their time, their limits, and the lines that show them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ci::report::{Report, duration};
use crate::ci::schedule::OwnTime;
use crate::text::style::{Colour, cut, paint};

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

#[derive(Debug)]
struct Running {
    index: usize,
    label: String,
    expected: Option<Duration>,
    limit: Option<Duration>,
    elapsed: Duration,
    own_time: OwnTime,
    had_company: bool,
    /// Set to have the process killed.
    kill: Arc<AtomicBool>,
}

/// What is known of a test that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) own_time: Duration,
    pub(crate) had_company: bool,
    pub(crate) timed_out: bool,
}

impl Board {
    pub(crate) fn new(total: usize, has_live_lines: bool, is_coloured: bool) -> Board {
        Board { running: Vec::new(), total, finished: 0, has_live_lines, is_coloured }
    }

    pub(crate) fn start(
        &mut self,
        index: usize,
        label: &str,
        expected: Option<Duration>,
        limit: Option<Duration>,
        kill: Arc<AtomicBool>,
    ) {
        for other in &mut self.running {
            other.had_company = true;
        }
        self.running.push(Running {
            index,
            label: label.to_owned(),
            expected,
            limit,
            elapsed: Duration::ZERO,
            own_time: OwnTime::default(),
            had_company: !self.running.is_empty(),
            kill,
        });
    }

    /// Lets time pass. A test that has had more time of its own than its limit is killed.
    pub(crate) fn tick(&mut self, elapsed: Duration) {
        let count = self.running.len();
        for test in &mut self.running {
            test.elapsed += elapsed;
            test.own_time.add(elapsed, count);
            if test.limit.is_some_and(|limit| limit < test.own_time.get()) {
                test.kill.store(true, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn end(&mut self, index: usize) -> End {
        let at = self.running.iter().position(|test| test.index == index);
        let test = self.running.remove(at.expect("a test ends once, after it was started"));
        End {
            own_time: test.own_time.get(),
            had_company: test.had_company,
            timed_out: test.kill.load(Ordering::Relaxed),
        }
    }

    /// The line about a test that has its verdict, with a counter.
    pub(crate) fn finished_line(&mut self, report: &Report) -> String {
        self.finished = (self.finished + 1).min(self.total);
        let width = self.total.to_string().len();
        let counter = format!("({:>width$}/{})", self.finished, self.total);
        let time = report.elapsed.map(|elapsed| format!("  {}", duration(elapsed)));
        let (word, colour) = report.verdict.status();
        let verb = paint(&format!("{word:>VERB_COLUMNS$}"), colour, self.is_coloured);
        format!("{verb} {counter} {}{}", report.label, time.unwrap_or_default())
    }

    /// One line for each test that runs, cut to the width of the terminal.
    pub(crate) fn live_lines(&self, columns: usize) -> Vec<String> {
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
        self.running.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::report::tests::report;
    use crate::ci::verdict::Verdict;

    fn start(board: &mut Board, index: usize, limit_seconds: u64) -> Arc<AtomicBool> {
        let kill = Arc::new(AtomicBool::new(false));
        let limit = Some(Duration::from_secs(limit_seconds));
        board.start(index, &format!("test-{index}"), None, limit, Arc::clone(&kill));
        kill
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
        assert!(end.timed_out && end.had_company);
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
        assert_eq!(board.live_lines(80), ["     Running test-0  1m 30s"]);
        assert_eq!(board.live_lines(20), ["test-0  1m 30s"]);
        assert_eq!(board.live_lines(10), ["test-0  1"]);
        let passed = report("style", Verdict::Passed, Some(300));
        assert_eq!(board.finished_line(&passed), "      Passed ( 1/12) style  0.3 s");
    }
}
