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
            t.json:2:1: error: not UTF-8 text
             2 | �]}
               | ^
        "]],
    );
}

#[test]
fn thousands_of_findings_on_one_line_take_no_time() {
    let test = r#"{"test_name": "a", "command": "c", "platform": ["x86-64"]}"#;
    let sandbox = Sandbox::new();
    sandbox.write("t.json", format!(r#"{{"tests": [{}]}}"#, vec![test; 20_000].join(",")));
    let run = sandbox.xtask(&["pipeline", "-t", "t.json"]).assert_code(2);
    assert!(run.stderr.ends_with("... and 19950 more\n"));
    assert!(run.stderr.contains("t.json:1:119: error: unknown platform"), "{}", &run.stderr[..900]);
}

#[test]
fn a_missing_file_and_a_directory_are_named() {
    let sandbox = Sandbox::new();
    let run = sandbox.xtask(&["pipeline", "-t", "no/such.json"]).assert_code(2);
    assert_eq!(run.stderr, "error: `no/such.json` does not exist\n");
    sandbox.write("dir/file", "");
    let run = sandbox.xtask(&["pipeline", "-t", "dir"]).assert_code(2);
    assert_eq!(run.stderr, "error: `dir` is a directory, expected a file\n");
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
        (0..450).map(|i| format!(r#"{{"test_name": "t{i}", "command": "c"}}"#)).collect();
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

#[test]
fn a_file_is_written_and_compared() {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let pipeline = ["pipeline", "-t", "t.json"];
    let run = sandbox.xtask(&[&pipeline[..], &["--output", "p.yml"]].concat()).assert_code(0);
    assert_eq!(run.stdout, "");
    let printed = sandbox.xtask(&pipeline).assert_code(0).stdout;
    assert_eq!(sandbox.read("p.yml"), printed);
    let check = [&pipeline[..], &["--check", "p.yml"]].concat();
    assert_eq!(sandbox.xtask(&check).assert_code(0).stdout, "");

    sandbox.write("p.yml", printed.replace("command: c\n", "command: d\n"));
    let run = sandbox.xtask(&check).assert_code(1);
    assert!(run.stdout.contains("-  command: d\n+  command: c\n"), "{}", run.stdout);
    assert!(run.stderr.contains("cargo xtask pipeline --output p.yml"), "{}", run.stderr);
    assert!(sandbox.read("p.yml").contains("command: d\n"), "a check changes nothing");
    for other in ["", &printed[..printed.len() - 1], &format!("{printed}\n")] {
        sandbox.write("p.yml", other);
        sandbox.xtask(&check).assert_code(1);
    }
    let run = sandbox.xtask(&[&pipeline[..], &["--check", "."]].concat()).assert_code(2);
    assert_eq!(run.stderr, "error: `.` is a directory, expected a file\n");
    let run = sandbox.xtask(&[&pipeline[..], &["--check", "none.yml"]].concat()).assert_code(2);
    assert!(run.stderr.contains("`none.yml` does not exist"));
    sandbox.xtask(&[&pipeline[..], &["--output", "no/dir/p.yml"]].concat()).assert_code(75);
}

#[test]
fn a_pipe_is_written_to_and_never_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    sandbox.run("mkfifo", &["pipe"]).assert_code(0);
    let reader = sandbox.command("cat").arg("pipe").stdout(Stdio::piped()).spawn().unwrap();
    sandbox.xtask(&["pipeline", "-t", "t.json", "--output", "pipe"]).assert_code(0);
    let read = reader.wait_with_output().unwrap().stdout;
    let printed = sandbox.xtask(&["pipeline", "-t", "t.json"]).assert_code(0).stdout;
    assert_eq!(String::from_utf8(read).unwrap(), printed);
    sandbox.run("test", &["-p", "pipe"]).assert_code(0);
}

/// What a consumer's copy of the whole shared description was for, as a file of its own.
const VHOST_DEVICE_OVERRIDES: &str = r#"{
  "tests": {
    "build-musl": {
      "extra_args": ["--workspace", "--exclude", "vhost-device-gpu", "--exclude", "vhost-device-media"]
    },
    "unittests-musl": {
      "extra_args": ["--workspace", "--exclude", "vhost-device-gpu", "--exclude", "vhost-device-media"]
    },
    "unittests-musl-release": {
      "extra_args": ["--workspace", "--exclude", "vhost-device-gpu", "--exclude", "vhost-device-media"]
    }
  }
}
"#;

#[test]
fn a_few_lines_of_overrides_replace_a_copy_of_the_description() {
    assert!(VHOST_DEVICE_OVERRIDES.lines().count() < 20);
    let sandbox = Sandbox::new();
    sandbox.write("rust.txt", "").stub("cargo", "exit 0");
    let before = sandbox.xtask(&["pipeline", "--output", "p.yml"]);
    before.assert_code(0);
    sandbox.write(".buildkite/overrides.json", VHOST_DEVICE_OVERRIDES);
    let run = sandbox.xtask(&["pipeline", "--check", "p.yml"]).assert_code(1);
    let changed: Vec<&str> = run
        .stdout
        .lines()
        .filter(|line| {
            line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
        })
        .collect();
    expect![[r#"
        -  command: RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target x86_64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target x86_64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target aarch64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target aarch64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: cargo all-features test --target x86_64-unknown-linux-musl
        +  command: cargo all-features test --target x86_64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: cargo all-features test --target aarch64-unknown-linux-musl
        +  command: cargo all-features test --target aarch64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: cargo all-features test --release --target x86_64-unknown-linux-musl
        +  command: cargo all-features test --release --target x86_64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: cargo all-features test --release --target aarch64-unknown-linux-musl
        +  command: cargo all-features test --release --target aarch64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media"#]]
    .assert_eq(&changed.join("\n"));
}

#[test]
fn overrides_are_for_the_shipped_description_only_and_variables_win() {
    let mut sandbox = Sandbox::new();
    sandbox.stub("cargo", "exit 0").write("t.json", ONE);
    sandbox
        .write(".buildkite/overrides.json", r#"{"tests": {"style": {"timeout_in_minutes": 9}}}"#);
    let style = |sandbox: &Sandbox, description: &str| {
        let arguments = ["pipeline", "-t", description, "--format", "json"];
        let run = sandbox.xtask(&arguments).assert_code(0);
        let pipeline: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let mut steps = pipeline["steps"].as_array().unwrap().clone().into_iter();
        steps.find(|step| step["label"] == "style").map(|step| step["timeout_in_minutes"].clone())
    };
    assert_eq!(style(&sandbox, "shipped"), Some(9.into()));
    assert_eq!(style(&sandbox, "t.json"), None);
    sandbox.set("TIMEOUTS_MIN", r#"{"style": 30}"#);
    assert_eq!(style(&sandbox, "shipped"), Some(30.into()));

    sandbox.write(".buildkite/overrides.json", "{\"tests\": {\n\"stlye\": {}}}");
    sandbox.xtask(&["pipeline", "-t", "t.json"]).assert_code(0);
    let run = sandbox.xtask(&["pipeline"]).assert_code(2);
    let head = ".buildkite/overrides.json:2:1: error: the shipped description has no test `stlye`, did you mean `style`?\n";
    assert!(run.stderr.starts_with(head), "{}", run.stderr);
}

/// An agent that keeps every upload as a file, and puts new steps before earlier ones as Buildkite
/// does.
const RECORDING_AGENT: &str = r#"
test "$*" = "pipeline upload" || exit 9
n=$(ls upload-* 2>/dev/null | wc -l)
cat > upload-$n
test ! -e refuse-$n || { echo "the server said no" >&2; exit 1; }
"#;

#[test]
fn an_upload_has_at_most_500_steps_and_the_build_keeps_the_order_of_the_plan() {
    let sandbox = Sandbox::new();
    sandbox.stub("buildkite-agent", RECORDING_AGENT);
    let tests: Vec<String> = (0..600)
        .map(|i| {
            format!(r#"{{"test_name": "t{i}", "command": "c", "platform": ["x86_64", "aarch64"]}}"#)
        })
        .collect();
    sandbox.write("t.json", format!(r#"{{"tests": [{}]}}"#, tests.join(",")));
    let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--upload"]).assert_code(0);
    assert_eq!(run.stdout, "");
    let labels = |text: &str| {
        let pipeline: serde_json::Value = serde_json::from_str(text).unwrap();
        let steps = pipeline["steps"].as_array().unwrap();
        steps.iter().map(|step| step["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut build: Vec<String> = Vec::new();
    for number in 0..3 {
        let part = labels(&sandbox.read(&format!("upload-{number}")));
        assert!(part.len() <= 500);
        build.splice(0..0, part);
    }
    assert!(!sandbox.root().join("upload-3").exists());
    let printed = sandbox.xtask(&["pipeline", "-t", "t.json", "--format", "json"]).assert_code(0);
    assert_eq!(build, labels(&printed.stdout));
    assert!(printed.stderr.contains("1200 steps are more than the 500"), "{}", printed.stderr);
}

#[test]
fn an_upload_that_fails_is_no_verdict_and_shows_the_agents_words() {
    let sandbox = Sandbox::new();
    sandbox.stub("buildkite-agent", RECORDING_AGENT).write("t.json", ONE).write("refuse-0", "");
    let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--upload"]).assert_code(75);
    assert!(run.stderr.contains("part 1 of 1 (1 steps) was not uploaded: the server said no"));

    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["pipeline", "-t", "t.json", "--upload"])
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot start `buildkite-agent`"));
}

#[test]
fn a_workspace_that_cargo_refuses_is_reported_in_cargos_words() {
    let sandbox = Sandbox::new();
    let selective = ["pipeline", "-t", "t.json", "--workspace-selective", "true"];
    sandbox.write("t.json", ONE).write("Cargo.toml", "[workspace\n");
    let run = sandbox.xtask(&selective).assert_code(2);
    assert_eq!(run.stderr.matches("Cargo.toml:1:11").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("cargo cannot read the workspace"));

    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    for member in ["a", "b"] {
        sandbox.write(&format!("{member}/src/lib.rs"), "");
        sandbox.write(
            &format!("{member}/Cargo.toml"),
            "[package]\nname = \"same\"\nversion = \"0.1.0\"\n",
        );
    }
    let run = sandbox.xtask(&selective).assert_code(2);
    assert!(run.stderr.contains("two packages named `same`"), "{}", run.stderr);

    sandbox
        .write("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n")
        .write("a/Cargo.toml", "[workspace]\n");
    sandbox.xtask(&selective).assert_code(2);
}

#[test]
fn a_crate_path_that_no_member_holds_is_an_error_at_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n");
    sandbox
        .write("a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n")
        .write("a/src/lib.rs", "");
    let selective = ["pipeline", "-t", "t.json", "--workspace-selective", "--format", "json"];
    for (path, code) in [("../a", 2), ("b", 2), ("/a", 2), ("a/", 0), ("./a/benches", 0)] {
        let test = format!(
            r#"{{"test_name": "t", "command": "cd {{crate_path}}", "crate_path": "{path}"}}"#
        );
        sandbox.write("t.json", format!("{{\"tests\": [{test}]}}"));
        let run = sandbox.xtask(&selective).assert_code(code);
        if code == 0 {
            assert!(run.stdout.contains("\"a: t\""), "{}", run.stdout);
            assert!(run.stdout.contains(&format!("cd {path}")), "{}", run.stdout);
        } else {
            let head = "t.json:1:75: error: `crate_path`: no workspace member contains";
            assert!(run.stderr.contains(head), "{}", run.stderr);
        }
    }
}

#[test]
fn a_crates_own_description_is_not_read_twice() {
    let sandbox = Sandbox::new();
    sandbox
        .write("Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n")
        .write("src/lib.rs", "");
    sandbox.write(".buildkite/test_description.json", ONE);
    let run = sandbox.xtask(&[
        "pipeline",
        "-t",
        ".buildkite/test_description.json",
        "--workspace-selective",
        "TRUE",
    ]);
    assert_eq!(run.assert_code(0).stdout.matches("label: ").count(), 1);
}
