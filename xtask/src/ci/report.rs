//! Pure. What a local run reports: each test's result with the reason that its output gives, the table
//! of all, and what they mean for the whole run.

use std::ops::Range;
use std::time::Duration;

use crate::ci::local_step::LocalStep;
use crate::ci::verdict::{Ended, Verdict};
use crate::outcome::Outcome;
use crate::text::sanitize;
use crate::text::style::{self, cut, paint};

/// What is known of a test at the end of the run.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) label: String,
    pub(crate) test_name: String,
    /// As it is uploaded.
    pub(crate) command: String,
    pub(crate) verdict: Verdict,
    /// How long the test itself ran; `None` if it did not.
    pub(crate) elapsed: Option<Duration>,
    /// Less than that where it shared the machine with others; its timeout is held against it.
    pub(crate) shared_time: Option<Duration>,
    /// Its doctests were linked by another linker than usual.
    pub(crate) has_faster_linker: bool,
    pub(crate) timeout_minutes: u64,
    /// The file with its output, relative to the root.
    pub(crate) log: Option<String>,
    /// The reason of a failure in one line, as far as its output says it.
    pub(crate) reason: Option<String>,
    /// The lines of its output that show the reason, with their colours.
    pub(crate) excerpt: Vec<String>,
    /// It has Rust tests, and none of them ran.
    pub(crate) ran_no_test: bool,
}

/// How the output of the tests is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    /// All of it as it comes.
    pub(crate) is_streamed: bool,
    /// The log of the service folds groups of lines.
    pub(crate) has_groups: bool,
    pub(crate) is_coloured: bool,
}

impl Report {
    pub(crate) fn new(step: &LocalStep, verdict: Verdict) -> Report {
        Report {
            label: step.label.clone(),
            test_name: step.test_name.clone(),
            command: step.uploaded_command.clone(),
            verdict,
            elapsed: None,
            shared_time: None,
            has_faster_linker: false,
            timeout_minutes: step.timeout_minutes,
            log: None,
            reason: None,
            excerpt: Vec::new(),
            ran_no_test: false,
        }
    }

    /// Takes from the end of the test's output what is worth showing.
    pub(crate) fn read_output(&mut self, output: &str) {
        let lines: Vec<String> = output.lines().map(sanitize::without_escapes).collect();
        self.ran_no_test = self.verdict == Verdict::Passed && ran_no_test(&lines);
        if self.verdict.is_worth_a_rerun() || matches!(self.verdict, Verdict::Unavailable(_)) {
            self.reason = reason_in(&lines).map(|reason| cut_line(&reason));
            let range = excerpt(&lines);
            let shown = |(line, raw): (&String, &str)| match cut_line(line) {
                cut if cut == *line => sanitize::colours_only(raw),
                cut => cut,
            };
            let raw = output.lines().skip(range.start);
            self.excerpt = lines[range].iter().zip(raw).map(shown).collect();
        }
    }

    pub(crate) fn plain_excerpt(&self) -> String {
        sanitize::without_escapes(&self.excerpt.join("\n"))
    }

    /// Whether it failed while others ran, or with another linker: it gets another chance without.
    pub(crate) fn is_suspect(&self) -> bool {
        let (Verdict::Failed(ended) | Verdict::SoftFailed(ended)) = self.verdict else {
            return false;
        };
        ended != Ended::TimedOut && (self.shared_time.is_some() || self.has_faster_linker)
    }

    /// The line about a test that has its verdict, with a counter.
    pub(crate) fn status_line(&self, number: usize, total: usize, is_coloured: bool) -> String {
        let width = total.to_string().len();
        let time = self.elapsed.map(|elapsed| format!("  {}", duration(elapsed)));
        let (kind, colour) = self.verdict.kind();
        // As cargo has it.
        let verb = kind[..1].to_uppercase() + &kind[1..];
        let verb = paint(&format!("{verb:>VERB_COLUMNS$}"), colour, is_coloured);
        format!("{verb} ({number:>width$}/{total}) {}{}", self.label, time.unwrap_or_default())
    }

    /// What is shown of a test when it has ended: the excerpt, unless its output was shown already.
    pub(crate) fn shown_lines(&self, shown: Shown) -> Vec<String> {
        let mut lines = Vec::new();
        if self.ran_no_test {
            lines.push(format!("note: `{}` ran no Rust test at all", self.label));
        }
        if !self.verdict.is_worth_a_rerun() {
            return lines;
        }
        if shown.has_groups {
            lines.push(format!("+++ {}", self.label));
        }
        if !shown.is_streamed {
            let excerpt =
                if shown.is_coloured { self.excerpt.join("\n") } else { self.plain_excerpt() };
            lines.extend(excerpt.lines().map(|line| format!("    {line}")));
        }
        lines.extend(self.log.as_ref().map(|log| format!("    full output: {log}")));
        lines
    }
}

/// The verbs of status lines are aligned as cargo's are.
pub(crate) const VERB_COLUMNS: usize = 12;

/// Failed if any test failed; else undetermined if no test could run, or, in CI, if one was
/// unavailable or none ran; else passed.
pub(crate) fn outcome(reports: &[Report], is_ci: bool) -> Outcome {
    let any = |wanted: fn(&Verdict) -> bool| reports.iter().any(|it| wanted(&it.verdict));
    let is_unavailable = any(|verdict| matches!(verdict, Verdict::Unavailable(_)));
    let has_run = has_run(reports);
    if any(Verdict::fails_the_run) {
        Outcome::Fail
    } else if is_ci && (is_unavailable || !has_run) || is_unavailable && !has_run {
        Outcome::Unavailable
    } else {
        Outcome::Pass
    }
}

/// Whether any test ran to its end and found something out.
pub(crate) fn has_run(reports: &[Report]) -> bool {
    let is_determined = |report: &Report| !matches!(report.verdict, Verdict::Unavailable(_));
    reports.iter().any(|report| report.elapsed.is_some() && is_determined(report))
}

/// The table of all tests. The share of the timeout is shown from a half on.
pub(crate) fn table(reports: &[Report], is_coloured: bool) -> String {
    let cells = |report: &Report| {
        let own_time = report.shared_time.or(report.elapsed).unwrap_or_default();
        let verdict = paint(&report.verdict.cell(), report.verdict.kind().1, is_coloured);
        let time = report.elapsed.map(duration).unwrap_or_default();
        let minutes = report.timeout_minutes;
        let percent = own_time.as_millis() * 100 / (u128::from(minutes.max(1)) * 60_000);
        let share = (percent >= 50).then(|| format!("{percent} % of {minutes} min"));
        [report.label.clone(), verdict, time, share.unwrap_or_default()]
    };
    style::table(&reports.iter().map(cells).collect::<Vec<_>>(), &[2])
}

/// A time for people: `0.3 s`, `2m 30s`.
pub(crate) fn duration(elapsed: Duration) -> String {
    let tenths = (elapsed.as_millis() + 50) / 100;
    match tenths / 600 {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes => format!("{minutes}m {:02}s", tenths % 600 / 10),
    }
}

/// What did not run and why, then what failed and why.
pub(crate) fn reasons(reports: &[Report]) -> Vec<String> {
    let (mut not_run, mut failed) = (Vec::new(), Vec::new());
    for Report { label, verdict, reason, timeout_minutes, .. } in reports {
        let said = reason.as_deref().unwrap_or("no output");
        match verdict {
            Verdict::Failed(Ended::TimedOut) => failed.push(format!(
                "FAILED {label}: killed after its timeout of {timeout_minutes} min: {said}"
            )),
            Verdict::Failed(_) => failed.push(format!("FAILED {label}: {said}")),
            Verdict::SoftFailed(_) => failed.push(format!("soft-failed {label}: {said}")),
            // An interrupted test has no reason of its own.
            _ => not_run.extend(verdict.reason().map(|why| {
                let said = reason.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
                format!("{label}: {why}{said}")
            })),
        }
    }
    not_run.append(&mut failed);
    not_run
}

/// How many tests have which verdict.
pub(crate) fn sentence(reports: &[Report]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (kind, _) in reports.iter().map(|report| report.verdict.kind()) {
        match counts.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if parts.is_empty() { "no test ran".to_owned() } else { parts.join(", ") }
}

/// The most lines of a log that are shown for a failure.
const SHOWN_LINES: usize = 20;
/// The most columns of each: a dump of data would push everything else off the screen.
const SHOWN_COLUMNS: usize = 400;

fn cut_line(line: &str) -> String {
    let cut = cut(line, SHOWN_COLUMNS);
    if cut.len() < line.len() { cut + "..." } else { cut }
}

/// The lines to show of a failed test's output: from the first that looks like a reason, as many as
/// fit, else the last ones.
fn excerpt(lines: &[String]) -> Range<usize> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let lines = &lines[..end];
    let first = |wanted: fn(&str) -> bool| lines.iter().position(|line| wanted(line));
    let start = first(is_error)
        .or_else(|| first(|line| line.ends_with("... FAILED")))
        .or_else(|| first(|line| line.starts_with("warning")));
    let start = start.unwrap_or(end.saturating_sub(SHOWN_LINES));
    start..(start + SHOWN_LINES).min(end)
}

/// A line with which cargo, rustc, a Rust test or a shell's program begins to say what went wrong.
fn is_error(line: &str) -> bool {
    let starts = ["error", "Diff in ", "failed:", "---- "];
    starts.iter().any(|start| line.trim_start().starts_with(start))
        || [" panicked at ", ": error:"].iter().any(|part| line.contains(part))
}

/// The reason in one line: the failed Rust test with its assertion, else what one of our own commands
/// concluded, else the first error with its place, else the last line.
fn reason_in(lines: &[String]) -> Option<String> {
    let last = |is_wanted: fn(&str) -> bool| {
        lines.iter().rev().find(|line| is_wanted(line)).map(|line| line.trim().to_owned())
    };
    failed_rust_test(lines)
        .or_else(|| last(|line| line.starts_with("failed: ")))
        .or_else(|| first_error(lines))
        .or_else(|| last(|line| !line.trim().is_empty()))
}

/// `thread 'tests::five' (7) panicked at src/lib.rs:21:9:` and what follows.
fn failed_rust_test(lines: &[String]) -> Option<String> {
    let at = lines.iter().position(|line| line.contains(" panicked at "))?;
    let (thread, place) = lines[at].split_once(" panicked at ")?;
    let name = thread.split('\'').nth(1)?;
    let place = place.trim_end_matches(':');
    // The column says little, and the name is that of a function anyway.
    let place = place.rsplit_once(':').map_or(place, |(place, _)| place);
    let message = lines[at + 1..].iter().take_while(|line| {
        !line.is_empty() && !line.starts_with("note:") && !line.starts_with("stack backtrace")
    });
    let message: Vec<&str> = message.map(|line| line.trim()).collect();
    let message = match message.as_slice() {
        [first, values @ ..] if first.starts_with("assertion") && !values.is_empty() => {
            let words = first.split_once(" failed: ").map(|(_, words)| words);
            words.into_iter().chain(values.iter().copied()).collect::<Vec<_>>().join(", ")
        }
        [first, ..] => (*first).to_owned(),
        [] => "panicked".to_owned(),
    };
    Some(format!("{name}: {message} ({place})"))
}

/// `error[E0425]: message` and the `--> src/lib.rs:3:5` below it.
fn first_error(lines: &[String]) -> Option<String> {
    let says_nothing = |line: &str| line.contains("could not compile") || line.contains("---- ");
    let is_wanted = |line: &String| is_error(line) && !says_nothing(line);
    let at = lines.iter().position(is_wanted)?;
    let message = lines[at].trim().to_owned();
    let place = lines[at + 1..].iter().take(8).find_map(|line| line.trim().strip_prefix("--> "));
    Some(match place.and_then(|place| place.rsplit_once(':')) {
        Some((place, _)) => format!("{message} ({place})"),
        None => message,
    })
}

/// Whether a log has Rust tests and none of them ran: a filter that matches nothing passes.
fn ran_no_test(lines: &[String]) -> bool {
    let tests = lines.iter().filter_map(|line| line.trim().strip_prefix("running "));
    let mut counts =
        tests.filter_map(|it| it.split_once(" test")).map(|(count, _)| count).peekable();
    counts.peek().is_some() && counts.all(|count| count == "0")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use expect_test::expect;

    pub(crate) fn report(label: &str, verdict: Verdict, elapsed_ms: Option<u64>) -> Report {
        let elapsed = elapsed_ms.map(Duration::from_millis);
        Report {
            label: label.to_owned(),
            test_name: label.to_owned(),
            command: "true".to_owned(),
            verdict,
            elapsed,
            shared_time: None,
            has_faster_linker: false,
            timeout_minutes: 5,
            log: None,
            reason: None,
            excerpt: Vec::new(),
            ran_no_test: false,
        }
    }

    fn unavailable() -> Verdict {
        Verdict::Unavailable("no musl target; run `rustup target add x`".to_owned())
    }

    #[test]
    fn the_table_shows_verdict_time_and_share_of_the_timeout() {
        let reports = [
            report("style", Verdict::Passed, Some(349)),
            report("unittests-gnu-x86_64", Verdict::Failed(Ended::Exit(101)), Some(150_000)),
            report("miri", Verdict::SoftFailed(Ended::Signal(9)), Some(59_960)),
            report("build-musl-x86_64", unavailable(), None),
            report("later", Verdict::NotRun("`--fail-fast`".to_owned()), None),
            report("slow", Verdict::Interrupted, Some(1)),
        ];
        expect![[r"
            style                 passed                   0.3 s
            unittests-gnu-x86_64  FAILED (exit 101)       2m 30s  50 % of 5 min
            miri                  soft-failed (signal 9)  1m 00s
            build-musl-x86_64     unavailable
            later                 not run
            slow                  interrupted              0.0 s
        "]]
        .assert_eq(&table(&reports, false));
        expect![[r"
            build-musl-x86_64: unavailable: no musl target; run `rustup target add x`
            later: not run: `--fail-fast`
            FAILED unittests-gnu-x86_64: no output
            soft-failed miri: no output"]]
        .assert_eq(&reasons(&reports).join("\n"));
        assert_eq!(
            sentence(&reports),
            "1 passed, 1 failed, 1 soft-failed, 1 unavailable, 1 not run, 1 interrupted"
        );
    }

    #[test]
    fn the_output_of_a_failure_gives_its_reason_and_the_lines_to_show() {
        let failed = Verdict::Failed(Ended::Exit(101));
        let mut report = report("unittests", failed, Some(10));
        report.log = Some("target/ci/logs/unittests.log".to_owned());
        report.read_output("   Compiling a\n\x1b[1merror\x1b[0m: no `x`\n --> src/a.rs:3:5\n");
        expect!["FAILED unittests: error: no `x` (src/a.rs:3)"]
            .assert_eq(&reasons(std::slice::from_ref(&report)).join("\n"));
        expect![[r"
            +++ unittests
                \x1b[1merror\x1b[0m: no `x`
                 --> src/a.rs:3:5
                full output: target/ci/logs/unittests.log"]]
        .assert_eq(
            &report
                .shown_lines(Shown { has_groups: true, is_coloured: true, ..Shown::default() })
                .join("\n")
                .replace('\x1b', r"\x1b"),
        );
        let mut empty = self::report("filtered", Verdict::Passed, Some(10));
        empty.read_output("running 0 tests\n");
        expect!["note: `filtered` ran no Rust test at all"]
            .assert_eq(&empty.shown_lines(Shown::default()).join("\n"));
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let failed = Verdict::Failed(Ended::Exit(1));
        let mut report = report("dump", failed, Some(10));
        report.read_output(&format!("\x1b[31m{}\x1b[0m", "x".repeat(100_000)));
        let cut = "x".repeat(400) + "...";
        assert_eq!(report.reason.as_ref(), Some(&cut));
        let coloured = Shown { is_coloured: true, ..Shown::default() };
        for shown in [Shown::default(), coloured] {
            assert_eq!(report.shown_lines(shown), [format!("    {cut}")]);
        }
    }

    #[test]
    fn a_status_line_counts_the_finished() {
        let passed = report("style", Verdict::Passed, Some(300));
        assert_eq!(passed.status_line(1, 12, false), "      Passed ( 1/12) style  0.3 s");
        let missing = report("musl", unavailable(), None);
        assert_eq!(missing.status_line(12, 12, false), " Unavailable (12/12) musl");
    }

    #[test]
    fn what_failed_in_company_or_with_another_linker_is_a_suspect() {
        let failed = |ended| report("a", Verdict::Failed(ended), Some(1));
        let beside = |ended| Report { shared_time: Some(Duration::ZERO), ..failed(ended) };
        assert!(!failed(Ended::Exit(1)).is_suspect());
        assert!(beside(Ended::Exit(1)).is_suspect());
        assert!(!beside(Ended::TimedOut).is_suspect());
        assert!(Report { has_faster_linker: true, ..failed(Ended::Signal(9)) }.is_suspect());
        assert!(!Report { verdict: Verdict::Interrupted, ..beside(Ended::Exit(1)) }.is_suspect());
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let reports = [report("style", Verdict::Passed, Some(1))];
        let coloured = table(&reports, true);
        assert_eq!(coloured.replace("\x1b[32m", "").replace("\x1b[0m", ""), table(&reports, false));
    }

    #[test]
    fn a_failure_decides_and_unavailable_counts_in_ci() {
        let passed = report("a", Verdict::Passed, Some(1));
        let missing = report("b", unavailable(), None);
        let failed = report("c", Verdict::Failed(Ended::Exit(1)), Some(1));
        let soft = report("d", Verdict::SoftFailed(Ended::Exit(1)), Some(1));
        assert_eq!(outcome(&[passed.clone(), missing.clone(), failed], false), Outcome::Fail);
        assert_eq!(outcome(&[passed.clone(), missing.clone()], false), Outcome::Pass);
        assert_eq!(outcome(&[passed.clone(), missing.clone()], true), Outcome::Unavailable);
        assert_eq!(outcome(std::slice::from_ref(&missing), false), Outcome::Unavailable);
        // It ran, and its own exit status was 75.
        let undetermined = Report { elapsed: Some(Duration::ZERO), ..missing };
        assert_eq!(outcome(&[undetermined], false), Outcome::Unavailable);
        assert_eq!(outcome(&[soft, passed], true), Outcome::Pass);
        let skipped = report("e", Verdict::Skipped("x".to_owned()), None);
        assert_eq!(outcome(&[], true), Outcome::Unavailable);
        let skipped = [skipped];
        assert_eq!(outcome(&skipped, true), Outcome::Unavailable);
        assert_eq!(outcome(&skipped, false), Outcome::Pass);
        assert_eq!(outcome(&[], false), Outcome::Pass);
    }

    fn lines(log: &str) -> Vec<String> {
        log.lines().map(str::to_owned).collect()
    }

    fn excerpt(log: &str) -> Vec<String> {
        lines(log)[super::excerpt(&lines(log))].to_vec()
    }

    fn reason_in(log: &str) -> Option<String> {
        super::reason_in(&lines(log))
    }

    const TEST: &str = "\
running 2 tests
test tests::four ... ok
test tests::five ... FAILED

failures:

---- tests::five stdout ----

thread 'tests::five' (4711) panicked at src/lib.rs:21:9:
assertion `left == right` failed
  left: 10
 right: 11
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

test result: FAILED. 1 passed; 1 failed
error: test failed, to rerun pass `--lib`
";

    #[test]
    fn a_rust_test_is_named_with_its_assertion() {
        assert_eq!(reason_in(TEST).unwrap(), "tests::five: left: 10, right: 11 (src/lib.rs:21)");
        let plain = "thread 'a' panicked at src/a.rs:1:2:\nno such thing\nnote: x\n";
        assert_eq!(reason_in(plain).unwrap(), "a: no such thing (src/a.rs:1)");
        let explained = TEST.replace("right` failed", "right` failed: no luck");
        assert_eq!(
            reason_in(&explained).unwrap(),
            "tests::five: no luck, left: 10, right: 11 (src/lib.rs:21)"
        );
        assert_eq!(excerpt(TEST)[0], "---- tests::five stdout ----");
        assert_eq!(excerpt("a\ntest b ... FAILED\nc\n")[0], "test b ... FAILED");
    }

    #[test]
    fn a_compiler_error_is_named_with_its_place() {
        let log = "   Compiling a v0.1.0\nwarning: unused\nerror[E0425]: cannot find value `x`\n \
                   --> src/lib.rs:3:5\n  |\nerror: could not compile `a`\n";
        assert_eq!(reason_in(log).unwrap(), "error[E0425]: cannot find value `x` (src/lib.rs:3)");
        assert_eq!(excerpt(log)[0], "error[E0425]: cannot find value `x`");
    }

    #[test]
    fn without_a_known_word_the_end_is_shown() {
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        let log = lines.join("\n");
        assert_eq!(excerpt(&log)[0], "line 80");
        assert_eq!(excerpt(&log)[19], "line 99");
        assert_eq!(reason_in(&log).unwrap(), "line 99");
        let log = "test a::error_is_shown ... ok\nfailed: 90.00 % of lines\nhelp: apply\n+ {\n }\n";
        assert_eq!(reason_in(log).unwrap(), "failed: 90.00 % of lines");
        let log = "Diff in /r/src/lib.rs:3:\n-a\n+b\n";
        assert_eq!(reason_in(log).unwrap(), "Diff in /r/src/lib.rs:3:");
        assert_eq!(reason_in(""), None);
        assert!(excerpt("\n\n").is_empty());
    }

    #[test]
    fn a_run_without_tests_is_noticed() {
        assert!(ran_no_test(&lines("running 0 tests\n\nrunning 0 tests\n")));
        assert!(!ran_no_test(&lines("running 0 tests\nrunning 1 test\n")));
        assert!(!ran_no_test(&lines("running 0 tests\nrunning 3 tests\n")));
        assert!(!ran_no_test(&lines("   Compiling a\n")));
    }
}
