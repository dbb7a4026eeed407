//! `pipeline` with input that people get wrong, and with readers that go away.

use std::process::Stdio;

use expect_test::{Expect, expect};

use crate::support::Sandbox;

const ONE: &str = r#"{"tests": [{"test_name": "a", "command": "c", "platform": ["x86_64"]}]}"#;

/// Exit code and standard error of `pipeline -t t.json`.
#[track_caller]
fn check(description: &[u8], want: &Expect) {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", description);
    let run = sandbox.xtask(&["pipeline", "-t", "t.json"]);
    assert_eq!(run.stdout, "", "a run that fails prints no data");
    want.assert_eq(&format!("{:?}\n{}", run.code, run.stderr));
}

#[test]
fn what_is_not_json_has_a_place() {
    check(
        b"{\"tests\": [\n  {\"test_name\": \"a\", \"command\": }\n]}",
        &expect![[r#"
            Some(2)
            t.json:2:33: error: not valid JSON: expected value
             2 |   {"test_name": "a", "command": }
               |                                 ^
        "#]],
    );
    check(
        b"{\"tests\": [\n\xff]}",
        &expect![[r"
            Some(2)
            error: t.json:2:1: error: not UTF-8 text
        "]],
    );
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let sandbox = Sandbox::new();
    let run = sandbox.xtask(&["pipeline", "-t", "no/such.json"]).assert_code(2);
    assert_eq!(run.stderr, "error: `no/such.json` does not exist\n");
    sandbox.write("dir/file", "");
    let run = sandbox.xtask(&["pipeline", "-t", "dir"]).assert_code(2);
    assert_eq!(run.stderr, "error: `dir` is a directory, a file is needed\n");
}

#[test]
fn outside_of_a_repository_there_is_nothing_to_test() {
    let sandbox = Sandbox::new();
    let outside = sandbox.beside("home");
    let output =
        sandbox.command(env!("CARGO_BIN_EXE_xtask")).arg("pipeline").current_dir(&outside).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("is not inside a git repository"), "{stderr}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    // More than a pipe holds, so that the writer notices.
    let tests: Vec<String> =
        (0..5000).map(|i| format!(r#"{{"test_name": "t{i}", "command": "c"}}"#)).collect();
    sandbox.write("t.json", format!(r#"{{"tests": [{}]}}"#, tests.join(",")));
    for format in ["yaml", "json"] {
        let mut child = sandbox
            .command(env!("CARGO_BIN_EXE_xtask"))
            .args(["pipeline", "-t", "t.json", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    }
}

#[test]
fn a_full_disk_is_no_verdict() {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["pipeline", "-t", "t.json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
}

#[test]
fn paths_are_relative_to_the_current_directory() {
    let sandbox = Sandbox::new();
    sandbox.write("sub/t.json", ONE).write(".platform", "x86_64\n");
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["pipeline", "-t", "t.json"])
        .current_dir(sandbox.root().join("sub"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn another_tools_alias_is_never_taken_for_ours() {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", r#"{"tests": [{"test_name": "a", "command": "{xtask} audit"}]}"#);
    let command_of = |sandbox: &Sandbox| {
        let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--format", "json"]).assert_code(0);
        let pipeline: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        (pipeline["steps"][0]["command"].as_str().unwrap().to_owned(), run.stderr)
    };
    sandbox.write(".cargo/config.toml", "[alias]\nxtask = \"run --package xtask --\"\n");
    let (command, warning) = command_of(&sandbox);
    assert_eq!(command, "cargo xtask audit");
    assert!(
        warning.contains("is an alias of another tool (`run --package xtask --`)"),
        "{warning}"
    );

    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    sandbox.write(
        ".cargo/config.toml",
        format!(
            "[alias]\nxtask = \"run --package xtask --\"\n\
             ci-xtask = \"run --quiet --manifest-path {manifest} --\"\n"
        ),
    );
    let (command, _) = command_of(&sandbox);
    assert_eq!(command, "cargo ci-xtask audit");
}
