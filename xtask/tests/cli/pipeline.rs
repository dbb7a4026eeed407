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
        -  command: RUSTFLAGS="-D warnings" cargo all-features test --target x86_64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features test --target x86_64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: RUSTFLAGS="-D warnings" cargo all-features test --target aarch64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features test --target aarch64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: RUSTFLAGS="-D warnings" cargo all-features test --release --target x86_64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features test --release --target x86_64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media
        -  command: RUSTFLAGS="-D warnings" cargo all-features test --release --target aarch64-unknown-linux-musl
        +  command: RUSTFLAGS="-D warnings" cargo all-features test --release --target aarch64-unknown-linux-musl --workspace --exclude vhost-device-gpu --exclude vhost-device-media"#]]
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

/// A workspace of two crates, one of them in a directory that would be a command.
fn workspace(sandbox: &Sandbox, directories: [&str; 2]) {
    let members = serde_json::to_string(&directories).unwrap();
    sandbox.write("Cargo.toml", format!("[workspace]\nresolver = \"2\"\nmembers = {members}\n"));
    for (name, directory) in ["one", "two"].into_iter().zip(directories) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[features]\nf = []\n"
        );
        sandbox.write(&format!("{directory}/Cargo.toml"), manifest);
        let test = format!("#[test]\nfn test_of_{name}() {{}}\n");
        sandbox.write(&format!("{directory}/src/lib.rs"), test);
    }
}

/// The steps of a run of `pipeline` in selective mode.
#[track_caller]
fn selective_steps(sandbox: &Sandbox, arguments: &[&str]) -> Vec<serde_json::Value> {
    let fixed = ["pipeline", "--workspace-selective", "true", "--format", "json"];
    let run = sandbox.xtask(&[&fixed[..], arguments].concat()).assert_code(0);
    let pipeline: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    pipeline["steps"].as_array().unwrap().clone()
}

#[test]
fn a_directory_with_the_name_of_a_command_is_a_directory() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, ["a $(touch CANARY);b", "two"]);
    let test = r#"{"test_name": "t", "command": "ls {crate_path}"}"#;
    sandbox.write("t.json", format!("{{\"tests\": [{test}]}}"));
    let steps = selective_steps(&sandbox, &["-t", "t.json"]);
    let uploaded = steps[0]["command"].as_str().unwrap();
    assert_eq!(uploaded, "ls 'a $$(touch CANARY);b'");
    // What Buildkite's interpolation leaves for the shell.
    let run = sandbox.run("sh", &["-e", "-c", &uploaded.replace("$$", "$")]).assert_code(0);
    assert_eq!(run.stdout, "Cargo.toml\nsrc\n");
    sandbox.xtask(&["ci", "-t", "t.json", "--workspace-selective"]).assert_code(0);
    assert!(!sandbox.root().join("CANARY").exists());

    let test = r#"{"test_name": "t", "command": "ls \"{crate_path}\""}"#;
    sandbox.write("t.json", format!("{{\"tests\": [{test}]}}"));
    let arguments = ["pipeline", "-t", "t.json", "--workspace-selective", "true"];
    let run = sandbox.xtask(&arguments).assert_code(2);
    let head = "t.json:1:42: error: `{crate_path}` cannot stand in quotes in the test `t`";
    assert!(run.stderr.starts_with(head), "{}", run.stderr);
}

/// The tests that a command line of a step runs, with the real cargo.
fn tests_run_by(sandbox: &Sandbox, command: &str) -> Vec<String> {
    let run = sandbox.run("sh", &["-e", "-c", command]).assert_code(0);
    let tests = run.stdout.lines().filter_map(|line| line.strip_prefix("test test_of_"));
    let mut tests: Vec<String> = tests.map(str::to_owned).collect();
    tests.sort();
    tests
}

#[test]
fn the_steps_of_shipped_tests_are_together_one_whole_run() {
    for directories in [["crates/one", "two x"], ["one", "."]] {
        let mut sandbox = Sandbox::new();
        sandbox.set("CARGO_TARGET_DIR", sandbox.beside("build").to_str().unwrap());
        workspace(&sandbox, directories);
        if directories[1] == "." {
            let manifest = sandbox.read("Cargo.toml");
            let table = "\n[workspace]\nresolver = \"2\"\nmembers = [\"one\"]\n";
            sandbox.write("Cargo.toml", manifest + table);
        }
        for (name, platform) in [("unittests-gnu", "x86_64"), ("unittests-gnu", "riscv64")] {
            for directory in directories {
                sandbox.write(&format!("{directory}/.platform"), platform);
            }
            let of = |steps: Vec<serde_json::Value>, label: String| {
                let step = steps.into_iter().find(|step| step["label"] == label.as_str()).unwrap();
                let command = step["command"].as_str().unwrap().to_owned();
                // The command of an emulated guest is one word, and nothing in it has quotes.
                if platform == "riscv64" { command.trim_matches('\'').to_owned() } else { command }
            };
            let whole = sandbox.xtask(&["pipeline", "--format", "json"]).assert_code(0).stdout;
            let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
            let whole = if directories[1] == "." || platform == "x86_64" {
                of(whole["steps"].as_array().unwrap().clone(), format!("{name}-{platform}"))
            } else {
                "cargo test --workspace --all-features".to_owned()
            };
            let steps = || selective_steps(&sandbox, &[]);
            let one = tests_run_by(&sandbox, &of(steps(), format!("one: {name}-{platform}")));
            let two = tests_run_by(&sandbox, &of(steps(), format!("two: {name}-{platform}")));
            assert!(!one.is_empty() && one.iter().all(|test| test.starts_with("one")), "{one:?}");
            assert!(!two.is_empty() && two.iter().all(|test| test.starts_with("two")), "{two:?}");
            assert_eq!([one, two].concat(), tests_run_by(&sandbox, &whole), "{directories:?}");
        }
    }
}

#[test]
fn a_tests_own_gate_wins_also_if_it_is_empty() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, ["one", "two"]);
    for own in ["null", "[]", "\"\"", "\"docs/**\""] {
        let test = format!(r#"{{"test_name": "t", "command": "c", "if_changed": {own}}}"#);
        sandbox.write("t.json", format!("{{\"tests\": [{test}]}}"));
        let steps = selective_steps(&sandbox, &["-t", "t.json"]);
        let wanted = (own == "\"docs/**\"").then(|| serde_json::json!("docs/**"));
        assert_eq!(steps[0].get("if_changed"), wanted.as_ref(), "{own}");
    }
}

#[test]
fn a_member_by_patch_is_a_dependency() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, ["one", "two"]);
    let root = sandbox.read("Cargo.toml") + "[patch.crates-io]\none = { path = \"one\" }\n";
    let two = sandbox.read("two/Cargo.toml") + "[dependencies]\none = \"0.1\"\n";
    sandbox.write("Cargo.toml", root).write("two/Cargo.toml", two).write("t.json", ONE);
    let steps = selective_steps(&sandbox, &["-t", "t.json", "--dependents", "true"]);
    let gate = steps[1]["if_changed"].as_array().unwrap();
    assert_eq!(gate[..2], ["two/**", "one/**"]);
}

#[test]
fn timeouts_have_a_default_of_the_description_and_of_the_overrides() {
    let sandbox = Sandbox::new();
    sandbox.stub("cargo", "exit 0");
    let minutes = |description: &str, label: &str| {
        let run = sandbox.xtask(&["pipeline", "-t", description, "--format", "json"]);
        let pipeline: serde_json::Value = serde_json::from_str(&run.assert_code(0).stdout).unwrap();
        let steps = pipeline["steps"].as_array().unwrap().clone();
        let step = steps.into_iter().find(|step| step["label"] == label).unwrap();
        step["timeout_in_minutes"].as_u64().unwrap()
    };
    sandbox.write("t.json", r#"{"timeout_in_minutes": 15, "tests": [{"test_name": "a", "command": "c"}, {"test_name": "b", "command": "c", "timeout_in_minutes": 2}]}"#);
    assert_eq!((minutes("t.json", "a"), minutes("t.json", "b")), (15, 2));
    assert_eq!(minutes("shipped", "style"), 5);
    sandbox.write(".buildkite/overrides.json", r#"{"timeout_in_minutes": 9}"#);
    assert_eq!((minutes("shipped", "style"), minutes("shipped", "clippy-x86_64")), (9, 15));
}

#[test]
fn a_description_beside_the_predecessors_pipeline_gets_one_note_on_timeouts() {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let note = "note: tests without a timeout: 1 in `t.json`; the default went from 15 to 5 minutes, \
        `timeout_in_minutes` beside `tests` sets another\n";
    assert_eq!(sandbox.xtask(&["pipeline", "-t", "t.json"]).assert_code(0).stderr, "");
    let script = "steps:\n- command: rust-vmm-ci/.buildkite/autogenerate_pipeline.py\n";
    sandbox.write(".buildkite/pipeline.yml", script);
    assert_eq!(sandbox.xtask(&["pipeline", "-t", "t.json"]).assert_code(0).stderr, note);
}

#[test]
fn a_set_of_steps_that_buildkite_would_refuse_is_an_error_at_its_place() {
    check(
        br#"{"tests": [
{"test_name": "a", "command": "c", "platform": ["x86_64", "aarch64"], "key": "gen"},
{"test_name": "b", "command": "c", "depends_on": "gne"}]}"#,
        &expect![[r#"
            Some(2)
            t.json:2:71: error: the steps `a-x86_64` and `a-aarch64` have the same key `gen`; `{target_platform}` and `{crate}` in a key make it unique
             2 | {"test_name": "a", "command": "c", "platform": ["x86_64", "aarch64"], "key": "gen"},
               |                                                                       ^
            t.json:3:36: error: `depends_on`: no step of the pipeline has the key `gne`, did you mean `gen`?
             3 | {"test_name": "b", "command": "c", "depends_on": "gne"}]}
               |                                    ^
        "#]],
    );
}

#[test]
fn a_killed_cargo_does_not_refuse_the_manifests() {
    let sandbox = Sandbox::new();
    sandbox.stub("cargo", "kill -9 $$").write("t.json", ONE);
    let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--workspace-selective"]).assert_code(75);
    assert_eq!(run.stderr, "error: `cargo metadata` was killed (signal: 9 (SIGKILL))\n");
}
