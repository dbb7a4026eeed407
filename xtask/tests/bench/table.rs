//! What is shown about a change.

use std::process::Stdio;

use serde_json::Value;

use crate::measured::{Measured, table};

const ALL: [&str; 3] = ["read_the_time", "save_and_restore", "set_raise_and_clear_an_alarm"];

#[test]
fn both_sides_stand_in_critcmps_table_and_a_known_base_is_not_measured_again() {
    let measured = Measured::new();
    let first = measured.bench(&[]).assert_code(0);
    let wanted = [&["base change"], &ALL[..]].concat();
    assert_eq!(table(&first), wanted, "{}", first.stdout);
    assert_eq!(first.stderr.matches("--save-baseline").count(), 2, "{}", first.stderr);

    let second = measured.bench(&[]).assert_code(0);
    assert_eq!(table(&second), wanted);
    assert_eq!(second.stderr.matches("--save-baseline").count(), 1, "{}", second.stderr);
    assert!(second.stderr.contains("note: origin/main was measured before"), "{}", second.stderr);

    for arguments in [&["--fresh"][..], &["--rounds", "1"], &["--features", "state"]] {
        let run = measured.bench(arguments).assert_code(0);
        assert_eq!(run.stderr.matches("--save-baseline").count(), 2, "{arguments:?}");
    }
    measured.sandbox.git(&["switch", "--quiet", "--create", "moved"]);
    measured.move_the_base(|measured| measured.edit("README.md", "Measured", "Moved"));
    let moved = measured.bench(&[]).assert_code(0);
    assert_eq!(moved.stderr.matches("--save-baseline").count(), 2, "another commit, another base");
}

#[test]
fn a_reader_that_goes_away_loses_the_table_only() {
    let measured = Measured::new();
    let json = measured.sandbox.beside("result.json");
    let mut command = measured.command(&["--json", json.to_str().unwrap()]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let json: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(json["benchmarks"].as_array().unwrap().len(), ALL.len());
}

#[test]
fn rounds_are_measured_in_turn() {
    let measured = Measured::new();
    let run = measured.bench(&["--rounds", "2"]).assert_code(0);
    let baselines: Vec<&str> = run
        .stderr
        .lines()
        .filter_map(|line| line.split_once("--save-baseline "))
        .map(|(_, rest)| rest.trim_end_matches(')'))
        .collect();
    assert_eq!(baselines, ["base-1", "change-1", "base-2", "change-2"]);
    assert_eq!(table(&run)[0], "base change");
}

#[test]
fn uncommitted_work_is_what_is_measured() {
    let measured = Measured::new();
    measured.edit("benches/main.rs", "\"read_the_time\"", "\"read_the_clock\"");
    let run = measured.bench(&["--features=state"]).assert_code(0);
    assert_eq!(
        table(&run),
        [
            "base change",
            "read_the_clock",
            "read_the_time",
            "save_and_restore",
            "set_raise_and_clear_an_alarm"
        ]
    );
}

#[test]
fn the_json_file_has_both_sides_of_each_benchmark() {
    let measured = Measured::new();
    measured.bench(&["--json", "../result.json", "--against=merge-base"]).assert_code(0);
    let text = std::fs::read_to_string(measured.sandbox.beside("result.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["base"]["name"], "the merge base with origin/main");
    assert_eq!(json["base"]["commit"], measured.sandbox.git(&["rev-parse", "main"]).trim());
    let names: Vec<&str> = json["benchmarks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            for side in ["base", "change"] {
                let [low, median, high] =
                    ["low_ns", "median_ns", "high_ns"].map(|key| row[side][key].as_f64().unwrap());
                assert!(0.0 < low && low <= median && median <= high, "{row}");
            }
            row["name"].as_str().unwrap()
        })
        .collect();
    assert_eq!(names, ALL);
}

#[test]
fn the_page_of_the_build_shows_a_table() {
    let mut measured = Measured::new();
    measured.sandbox.set("BUILDKITE", "true");
    let seen = measured.sandbox.beside("annotation");
    let script = format!("echo \"$@\" > {0}; cat >> {0}", seen.display());
    measured.sandbox.stub("buildkite-agent", &script);
    measured.bench(&[]).assert_code(0);
    let shown = std::fs::read_to_string(seen).unwrap();
    let arch = std::env::consts::ARCH;
    assert!(
        shown.starts_with(&format!("annotate --context=bench-{arch} --style=info\n")),
        "{shown}"
    );
    assert!(shown.contains("**Benchmarks** against `origin/main`"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("| `")).count(), 3, "{shown}");
}
