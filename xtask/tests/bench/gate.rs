//! The gate fails on slowdowns, and on nothing else.

use crate::measured::{Measured, SLOWED};

#[test]
fn the_same_code_passes_ten_times_out_of_ten() {
    let measured = Measured::new();
    // One line more, so that the sides are not the same text.
    measured.edit("README.md", "Measured", "Changed");
    for _ in 0..10 {
        let run = measured.bench(&["--fail-above", "10"]).assert_code(0);
        assert!(run.stderr.contains("0 of 3 benchmarks slower by more than 10 %"));
    }
}

#[test]
fn a_slowdown_fails_and_is_named_with_its_ratio_and_the_noise() {
    let measured = Measured::new();
    measured.slow_down();
    let run = measured.bench(&["--fail-above", "10"]).assert_code(1);
    let line = run.stderr.lines().find(|line| line.starts_with("slower: ")).unwrap();
    assert!(line.starts_with(&format!("slower: `{SLOWED}` takes ")), "{line}");
    assert!(line.contains("the noise of the base is "), "{line}");
    assert!(run.stderr.contains("looks slower, measured again: "), "{}", run.stderr);

    let informed = measured.bench(&[]).assert_code(0);
    assert!(!informed.stderr.contains("slower:"), "without a gate nothing is judged");
}

#[test]
fn a_faster_change_passes() {
    let measured = Measured::new();
    measured.move_the_base(Measured::slow_down);
    measured.bench(&["--fail-above", "10"]).assert_code(0);
}
