//! Tests that overrun their timeout: the shortest is a minute.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::Sandbox;

fn sandbox(command: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let test =
        serde_json::json!({"test_name": "slow", "command": command, "timeout_in_minutes": 1});
    sandbox.write("t.json", serde_json::json!({ "tests": [test] }).to_string());
    sandbox
}

#[test]
fn a_test_that_overruns_its_timeout_is_killed_with_its_process_tree_and_has_failed() {
    let patient = thread::spawn(|| {
        let sandbox = sandbox("sleep 63");
        let run = sandbox.xtask(&["ci", "-t", "t.json", "--no-timeouts"]).assert_code(0);
        assert!(run.stdout.ends_with("\n1 passed\n"), "{}", run.stdout);
    });
    let sandbox = sandbox("trap '' TERM; setsid sleep 600 & echo $$! > child; sleep 600");
    let started = Instant::now();
    let run = sandbox.xtask(&["ci", "-t", "t.json"]).assert_code(1);
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    assert!(run.stdout.contains("slow  FAILED (timed out)  "), "{}", run.stdout);
    assert!(
        run.stdout.contains("\nrun again: cargo xtask ci -t t.json slow\n1 timed out\n"),
        "{}",
        run.stdout
    );
    let state = sandbox.run("ps", &["-o", "stat=", "-p", sandbox.read("child").trim()]).stdout;
    assert!(state.trim().is_empty() || state.starts_with('Z'), "still there: {state}");
    patient.join().unwrap();
}
