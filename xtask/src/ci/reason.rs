//! Pure. What a failed test's output says about the reason.

use std::ops::Range;

/// The most lines of a log that are shown for a failure.
const SHOWN_LINES: usize = 20;

/// The lines to show of a failed test's output: from the first that looks like a reason, as many as
/// fit, else the last ones.
pub(crate) fn excerpt(lines: &[String]) -> Range<usize> {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let lines = &lines[..end];
    let start = lines.iter().position(|line| is_error(line)).or_else(|| {
        let is_warning = |line: &String| line.starts_with("warning");
        lines.iter().position(is_warning)
    });
    let start = start.unwrap_or(end.saturating_sub(SHOWN_LINES));
    start..(start + SHOWN_LINES).min(end)
}

/// A line with which cargo, rustc, a Rust test or a shell's program begins to say what went wrong.
fn is_error(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("error")
        || line.starts_with("---- ")
        || line.starts_with("Diff in ")
        || line.contains(" panicked at ")
        || line.ends_with("... FAILED")
        || line.contains(": error:")
        || line.starts_with("failed:")
}

/// The reason in one line: the failed Rust test with its assertion, else the first error with its
/// place, else the last line.
pub(crate) fn summary(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    rust_test(&lines).or_else(|| error(&lines)).or_else(|| {
        lines.iter().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    })
}

/// `thread 'tests::five' (7) panicked at src/lib.rs:21:9:` and what follows.
fn rust_test(lines: &[&str]) -> Option<String> {
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
            values.join(", ")
        }
        [first, ..] => (*first).to_owned(),
        [] => "panicked".to_owned(),
    };
    Some(format!("{name}: {message} ({place})"))
}

/// `error[E0425]: message` and the `--> src/lib.rs:3:5` below it.
fn error(lines: &[&str]) -> Option<String> {
    let is_message = |line: &&str| {
        let line = line.trim_start();
        (line.starts_with("error") || line.contains(": error:"))
            && !line.contains("could not compile")
    };
    let at = lines.iter().position(is_message)?;
    let message = lines[at].trim().to_owned();
    let place = lines[at + 1..].iter().take(8).find_map(|line| line.trim().strip_prefix("--> "));
    Some(match place.and_then(|place| place.rsplit_once(':')) {
        Some((place, _)) => format!("{message} ({place})"),
        None => message,
    })
}

/// Whether a log has Rust tests and none of them ran: a filter that matches nothing passes.
pub(crate) fn ran_no_test(log: &str) -> bool {
    let mut counts =
        log.lines().filter_map(|line| line.trim().strip_prefix("running ")?.strip_suffix(" tests"));
    let has_single = log.lines().any(|line| line.trim() == "running 1 test");
    !has_single
        && counts.next().is_some_and(|count| count == "0")
        && counts.all(|count| count == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(log: &str) -> Vec<String> {
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        lines[super::excerpt(&lines)].to_vec()
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
        assert_eq!(summary(TEST).unwrap(), "tests::five: left: 10, right: 11 (src/lib.rs:21)");
        let plain = "thread 'a' panicked at src/a.rs:1:2:\nno such thing\nnote: x\n";
        assert_eq!(summary(plain).unwrap(), "a: no such thing (src/a.rs:1)");
        assert_eq!(excerpt(TEST)[0], "test tests::five ... FAILED");
    }

    #[test]
    fn a_compiler_error_is_named_with_its_place() {
        let log = "   Compiling a v0.1.0\nwarning: unused\nerror[E0425]: cannot find value `x`\n \
                   --> src/lib.rs:3:5\n  |\nerror: could not compile `a`\n";
        assert_eq!(summary(log).unwrap(), "error[E0425]: cannot find value `x` (src/lib.rs:3)");
        assert_eq!(excerpt(log)[0], "error[E0425]: cannot find value `x`");
    }

    #[test]
    fn without_a_known_word_the_end_is_shown() {
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        let log = lines.join("\n");
        assert_eq!(excerpt(&log)[0], "line 80");
        assert_eq!(excerpt(&log)[19], "line 99");
        assert_eq!(summary(&log).unwrap(), "line 99");
        assert_eq!(summary(""), None);
        assert!(excerpt("\n\n").is_empty());
    }

    #[test]
    fn a_run_without_tests_is_noticed() {
        assert!(ran_no_test("running 0 tests\n\nrunning 0 tests\n"));
        assert!(!ran_no_test("running 0 tests\nrunning 1 test\n"));
        assert!(!ran_no_test("running 0 tests\nrunning 3 tests\n"));
        assert!(!ran_no_test("   Compiling a\n"));
    }
}
