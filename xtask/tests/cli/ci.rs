//! `ci` with descriptions whose commands take no time: verdicts, exit codes, signals.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use expect_test::expect;

use crate::support::{Run, Sandbox};

fn sandbox(tests: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("t.json", format!("{{\"tests\": [{tests}]}}"));
    sandbox
}

fn ci(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.xtask(&[&["ci", "-t", "t.json"], arguments].concat())
}

/// One test after another: their output goes where ours goes.
fn serial(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    ci(sandbox, &[&["--jobs=1"], arguments].concat())
}

/// The table and what follows it, with the times replaced: machines are noisy.
fn table(run: &Run) -> String {
    let start = run.stdout.rfind("\n\n").map_or(1, |at| at + 2);
    let masked = |line: &str| {
        let Some(at) = line
            .find(" s")
            .filter(|at| line[..*at].ends_with(|c: char| c.is_ascii_digit()))
            .filter(|at| line[at + 2..].is_empty() || line[at + 2..].starts_with("  "))
        else {
            return line.to_owned();
        };
        let (before, after) = line.split_at(at);
        let digits = before.rfind(' ').unwrap();
        format!("{}0.0{after}", &before[..=digits])
    };
    run.stdout[start..].lines().map(masked).collect::<Vec<_>>().join("\n")
}

const MIXED: &str = r#"
    {"test_name": "good", "command": "echo out; echo err >&2; test \"$$A$$B\" = 12", "env": {"A": 1},
     "docker_plugin": {"environment": ["B=2"]}},
    {"test_name": "bad one", "command": "exit 3"},
    {"test_name": "killed", "command": "kill -9 $$$$"},
    {"test_name": "soft", "command": "exit 4", "soft_fail": [{"exit_status": 4}]},
    {"test_name": "liar", "command": "exit 75"},
    {"test_name": "left-out", "command": "exit 1", "skip": "broken upstream"},
    {"test_name": "many", "command": "exit 1", "parallelism": 4},
    {"test_name": "conditional", "command": "true", "conditional": "build.branch == 'main'"},
    {"test_name": "multi", "command": "true\nfalse\ntrue"}
"#;

#[test]
fn every_test_runs_and_the_table_has_every_verdict() {
    let sandbox = sandbox(MIXED);
    let run = serial(&sandbox, &[]).assert_code(1);
    expect![[r"
        good         passed                0.0 s
        bad one      FAILED (exit 3)       0.0 s
        killed       FAILED (signal 9)     0.0 s
        soft         soft-failed (exit 4)  0.0 s
        liar         FAILED (exit 75)      0.0 s
        left-out     skipped
        many         unavailable
        conditional  passed                0.0 s
        multi        FAILED (exit 1)       0.0 s
        left-out: skipped: broken upstream
        many: unavailable: `parallelism` makes several jobs of the step, which only Buildkite does
        FAILED bad one: no output
        FAILED killed: no output
        soft-failed soft: no output
        FAILED liar: no output
        FAILED multi: no output
        run again: cargo xtask ci -t t.json 'bad one'
        run again: cargo xtask ci -t t.json killed
        run again: cargo xtask ci -t t.json soft
        run again: cargo xtask ci -t t.json liar
        run again: cargo xtask ci -t t.json multi
        all that failed: cargo xtask ci -t t.json --failed
        2 passed, 4 failed, 1 soft-failed, 1 skipped, 1 unavailable"]]
    .assert_eq(&table(&run));
    assert!(run.stdout.contains("\nout\n"), "a test's output is passed on: {}", run.stdout);
    assert!(run.stdout.contains("\nerr\n"), "in one stream, as a terminal shows it");
    assert!(run.stdout.contains("note: conditional: runs in CI only if `conditional` holds"));
    assert!(!run.stdout.contains('\x1b'), "a pipe gets plain text");
}

#[test]
fn what_could_not_be_found_out_has_its_own_exit_code() {
    let mut sandbox = sandbox(
        r#"{"test_name": "fine", "command": "true"},
           {"test_name": "many", "command": "true", "matrix": ["a"]}"#,
    );
    ci(&sandbox, &[]).assert_code(0);
    ci(&sandbox, &["many"]).assert_code(75);
    sandbox.set("CI", "true");
    ci(&sandbox, &[]).assert_code(75);
    ci(&sandbox, &["fine"]).assert_code(0);
}

#[test]
fn tests_are_selected_by_name_and_label() {
    let sandbox = sandbox(
        r#"{"test_name": "a", "command": "true", "platform": ["x86_64", "aarch64", "riscv64"]},
           {"test_name": "b", "command": "true"}, {"test_name": "c", "command": "false"}"#,
    );
    sandbox.write(".platform", "x86_64\naarch64\n");
    let here = format!("a-{}", std::env::consts::ARCH);
    let run = ci(&sandbox, &["b", &here]).assert_code(0);
    assert!(table(&run).ends_with("2 passed"));
    ci(&sandbox, &["--skip", "c"]).assert_code(0);
    let run = ci(&sandbox, &["bb", "--skip", "d"]).assert_code(2);
    expect![[r"
        error: there is no test `bb`, expected one of `a`, `b` or `c`
        error: there is no test `d`, expected one of `a`, `b` or `c`
    "]]
    .assert_eq(&run.stderr);
    let elsewhere = if here == "a-x86_64" { "a-aarch64" } else { "a-x86_64" };
    let run = ci(&sandbox, &[elsewhere]).assert_code(2);
    assert!(run.stderr.contains("none of the named tests has a step on this machine"));
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let sandbox = sandbox(
        r#"{"test_name": "a", "command": "false"}, {"test_name": "b", "command": "touch ran"}"#,
    );
    let run = serial(&sandbox, &["--fail-fast"]).assert_code(1);
    assert!(table(&run).contains("b: not run: a test failed before"));
    assert!(!sandbox.root().join("ran").exists());
}

#[test]
fn several_descriptions_and_the_variables_count() {
    let mut sandbox = sandbox(r#"{"test_name": "a", "command": "false"}"#);
    sandbox.write("u.json", r#"{"tests": [{"test_name": "b", "command": "true"}]}"#);
    sandbox.set("TESTS_TO_SKIP", r#"["a"]"#).set("TIMEOUTS_MIN", r#"{"b": 7}"#);
    let run = ci(&sandbox, &["-t", "u.json"]).assert_code(0);
    assert!(run.stdout.contains("b  passed"), "{}", run.stdout);
    let run = ci(&sandbox, &["-t", "u.json", "--list"]).assert_code(0);
    assert_eq!(run.stdout, "b    7 min  true\n");
}

#[test]
fn the_list_shows_the_uploaded_form_and_runs_nothing() {
    let sandbox = sandbox(r#"{"test_name": "a", "command": "touch ran; echo $$X"}"#);
    let run = ci(&sandbox, &["--list"]).assert_code(0);
    assert_eq!(run.stdout, "a    5 min  touch ran; echo $$X\n");
    let run = ci(&sandbox, &["--list", "--json"]).assert_code(0);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(list[0]["command"], "touch ran; echo $$X");
    assert!(!sandbox.root().join("ran").exists());
}

#[test]
fn xtask_is_this_very_executable_and_its_exit_75_is_unavailable() {
    let sandbox = sandbox(
        r#"{"test_name": "list", "command": "{xtask} ci -t t.json --list"},
           {"test_name": "nested", "command": "{xtask} ci -t u.json"}"#,
    );
    sandbox.write("u.json", r#"{"tests": [{"test_name": "m", "command": "true", "matrix": []}]}"#);
    let run = serial(&sandbox, &[]).assert_code(0);
    assert!(run.stdout.contains("list    passed"));
    assert!(table(&run).contains("nested  unavailable"), "{}", run.stdout);
}

#[test]
fn children_do_not_see_what_cargo_run_adds() {
    let mut sandbox = sandbox(r#"{"test_name": "env", "command": "env"}"#);
    sandbox
        .set("CARGO", "/r/bin/cargo")
        .set("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
        .set("CARGO_PKG_NAME", "xtask")
        .set("RUSTUP_TOOLCHAIN", "nightly")
        .set("LD_LIBRARY_PATH", "/x/target/debug:/r/lib:/mine")
        .set("MINE", "kept");
    let run = serial(&sandbox, &[]).assert_code(0);
    let has = |name: &str| run.stdout.lines().any(|line| line.starts_with(&format!("{name}=")));
    let removed = ["CARGO", "CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "RUSTUP_TOOLCHAIN"];
    for name in removed.into_iter().chain(["XTASK_NESTED"]) {
        assert!(!has(name), "{name} is passed on:\n{}", run.stdout);
    }
    assert!(run.stdout.contains("LD_LIBRARY_PATH=/mine\n"));
    assert!(has("MINE") && has("CARGO_HOME"));
}

/// Starts a run and returns it once the test is under way.
fn started(sandbox: &Sandbox) -> Child {
    let child = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "-t", "t.json", "--jobs=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !sandbox.root().join("started").exists() {
        assert!(Instant::now() < deadline, "the test did not start");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

fn send(sandbox: &Sandbox, signal: &str, process: &str) {
    sandbox.run("kill", &[&format!("-{signal}"), process.trim()]).assert_code(0);
}

/// Sends a signal once the test is under way and returns exit code, output and what it took.
fn interrupted(sandbox: &Sandbox, signal: &str) -> (Option<i32>, String, Duration) {
    let child = started(sandbox);
    let sent = Instant::now();
    send(sandbox, signal, &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), stdout, sent.elapsed())
}

#[test]
fn an_interrupt_stops_every_child_and_still_prints_the_table() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let sandbox = sandbox(
            r#"{"test_name": "slow", "command": "(sleep 300 & echo $! > grandchild; touch started; wait) & wait"},
               {"test_name": "later", "command": "touch later"}"#,
        );
        let (status, stdout, took) = interrupted(&sandbox, signal);
        assert_eq!(status, Some(code), "{stdout}");
        assert!(took < Duration::from_secs(60), "{took:?}");
        assert!(stdout.contains("slow   interrupted"), "{stdout}");
        assert!(stdout.contains("later  not run"), "{stdout}");
        assert!(!sandbox.root().join("later").exists());
        assert_has_ended(&sandbox, "grandchild");
    }
}

#[test]
fn two_signals_that_reach_a_supervisor_as_one_leave_no_process() {
    let sandbox = sandbox(
        r#"{"test_name": "stubborn", "command": "trap '' HUP; echo $$$$ > child; echo $PPID > supervisor; touch started; while :; do sleep 1; done"}"#,
    );
    let mut child = started(&sandbox);
    // Signals of one kind that are pending are one signal.
    let supervisor = sandbox.read("supervisor");
    send(&sandbox, "STOP", &supervisor);
    for _ in 0..2 {
        send(&sandbox, "HUP", &child.id().to_string());
        thread::sleep(Duration::from_millis(200));
    }
    send(&sandbox, "CONT", &supervisor);
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert_has_ended(&sandbox, "child");
}

#[test]
fn a_test_takes_signals_as_it_would_without_us() {
    // The C library has uses of its own for the higher ones.
    let show = "grep -E '^Sig(Blk|Ign|Cgt):' /proc/self/status | grep -oE '^Sig...|.{7}$'";
    let sandbox = sandbox(&format!(r#"{{"test_name": "show", "command": "{show} > seen"}}"#));
    // Dash would clear the mask that it inherits.
    let bash = sandbox.run("sh", &["-c", "command -v bash"]).assert_code(0).stdout;
    std::fs::create_dir_all(sandbox.beside("stubs")).unwrap();
    std::os::unix::fs::symlink(bash.trim(), sandbox.beside("stubs/sh")).unwrap();
    ci(&sandbox, &[]).assert_code(0);
    assert_eq!(sandbox.read("seen"), sandbox.run("sh", &["-c", show]).stdout);
}

#[test]
fn a_step_that_sets_what_cargo_sets_for_us_gets_its_own() {
    let mut sandbox = sandbox(
        r#"{"test_name": "own", "command": "echo $$CARGO-$$RUSTUP_TOOLCHAIN-$$HERE",
            "env": {"CARGO": "mine"}, "docker_plugin": {"environment": ["RUSTUP_TOOLCHAIN=x", "HERE=$PLACE/y"]}}"#,
    );
    let manifest_dir = env!("CARGO_MANIFEST_DIR");
    sandbox.set("CARGO_MANIFEST_DIR", manifest_dir).set("CARGO", "/c").set("PLACE", "/p");
    sandbox.set("RUSTUP_TOOLCHAIN", "from-rustup");
    let run = serial(&sandbox, &[]).assert_code(0);
    assert!(run.stdout.contains("\nmine-x-/p/y\n"), "{}", run.stdout);
}

#[test]
fn a_test_that_changes_a_tracked_file_is_named() {
    let sandbox = sandbox(
        r#"{"test_name": "edits", "command": "echo more >> tracked; echo new > other"},
           {"test_name": "reads", "command": "true"}"#,
    );
    sandbox.write("tracked", "text\n").commit_all("Track");
    let run = ci(&sandbox, &[]).assert_code(0);
    let warnings: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings,
        [
            "warning: a test has changed the tracked file `tracked`; CI throws its checkout away, here \
          the change stays"
        ]
    );
}

#[test]
fn an_interrupt_reaches_what_a_nested_command_has_started() {
    let sandbox = sandbox(r#"{"test_name": "outer", "command": "{xtask} ci -t inner.json"}"#);
    // It ignores the signal, and only SIGKILL ends it.
    let stubborn = "trap '' INT; echo $$ > inner; touch started; while :; do sleep 1; done";
    let inner = serde_json::json!({"tests": [{"test_name": "inner", "platform": [std::env::consts::ARCH],
        "command": stubborn.replace('$', "$$")}]});
    sandbox.write("inner.json", inner.to_string());
    let (status, stdout, _) = interrupted(&sandbox, "INT");
    assert_eq!(status, Some(130), "{stdout}");
    assert_has_ended(&sandbox, "inner");
}

#[test]
fn what_a_consumer_calls_this_tool_is_what_it_reads() {
    let sandbox = sandbox(r#"{"test_name": "f", "label": "-f", "command": "false"}"#);
    let manifest = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let config = format!(
        "[alias]\nxtask = \"run -p their-own --\"\nci-xtask = \"run --manifest-path {manifest} --\"\n"
    );
    sandbox.write(".cargo/config.toml", config);
    let run = ci(&sandbox, &[]).assert_code(1);
    assert!(
        run.stdout.contains("run again: cargo ci-xtask ci -t t.json -- -f\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn a_subcommand_that_cargo_does_not_have_makes_a_test_unavailable() {
    let sandbox = sandbox(r#"{"test_name": "fuzz", "command": "cargo no-such-thing run"}"#);
    let run = ci(&sandbox, &[]).assert_code(75);
    let reason = "fuzz: unavailable: there is no `cargo no-such-thing`";
    assert!(run.stdout.contains(reason), "{}", run.stdout);
}

#[test]
fn what_a_test_leaves_behind_ends_with_it() {
    for daemon in ["sleep 300", "setsid sleep 300"] {
        let command = format!("(trap '' TERM HUP; {daemon} & echo $! > child)");
        let sandbox = sandbox(&format!(r#"{{"test_name": "bg", "command": "{command}"}}"#));
        let started = Instant::now();
        ci(&sandbox, &[]).assert_code(0);
        assert!(started.elapsed() < Duration::from_secs(60), "the child held our pipe");
        assert_has_ended(&sandbox, "child");
    }
}

#[test]
fn what_a_test_has_started_ends_when_this_tool_is_killed() {
    let sandbox = sandbox(
        r#"{"test_name": "slow", "command": "setsid sleep 300 & echo $! > child; touch started; wait"}"#,
    );
    interrupted(&sandbox, "KILL");
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(&sandbox, "child") && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    assert_has_ended(&sandbox, "child");
}

#[test]
fn a_test_sees_what_it_has_left_behind_disappear() {
    let command = "(sleep 0.1 & echo $! > orphan); sleep 2; ! kill -0 `cat orphan`";
    let sandbox = sandbox(&format!(r#"{{"test_name": "orphan", "command": "{command}"}}"#));
    ci(&sandbox, &[]).assert_code(0);
}

/// Whether the process whose id is in a file still runs: a zombie does not.
fn is_alive(sandbox: &Sandbox, file: &str) -> bool {
    let state = sandbox.run("ps", &["-o", "stat=", "-p", sandbox.read(file).trim()]).stdout;
    !(state.trim().is_empty() || state.starts_with('Z'))
}

#[track_caller]
fn assert_has_ended(sandbox: &Sandbox, file: &str) {
    assert!(!is_alive(sandbox, file), "the process of `{file}` is still there");
}

#[test]
fn run_from_a_hook_a_test_that_uses_git_leaves_the_users_repository_alone() {
    let sandbox = sandbox(
        r#"{"test_name": "git", "command": "d=`mktemp -d`; cd $$d; git init -q; git config user.name x; echo x > x; git add x; git commit -q -m inner; cd /; rm -r $$d"}"#,
    );
    sandbox.write(".gitignore", "/target\n").commit_all("Describe the test");
    let remote = sandbox.beside("remote.git");
    sandbox.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let linked = sandbox.beside("linked");
    sandbox.git(&["worktree", "add", "--quiet", "-b", "topic", linked.to_str().unwrap()]);
    let hook = format!("#!/bin/sh\nexec {} ci -t t.json\n", env!("CARGO_BIN_EXE_xtask"));
    sandbox.write(".git/hooks/pre-push", hook);
    sandbox.run("chmod", &["+x", ".git/hooks/pre-push"]).assert_code(0);
    let in_linked =
        |arguments: &[&str]| sandbox.git(&[&["-C", linked.to_str().unwrap()], arguments].concat());
    let head = in_linked(&["rev-parse", "HEAD"]);
    in_linked(&["push", "--quiet", "origin", "topic"]);
    assert_eq!(in_linked(&["rev-parse", "HEAD"]), head, "the commit is on the user's branch");
    assert_eq!(in_linked(&["status", "--porcelain"]), "");
    assert_eq!(sandbox.git(&["config", "--get", "core.bare"]), "false\n");
}

#[test]
fn a_test_that_wants_the_terminal_is_ended_and_has_failed() {
    let sandbox = sandbox(r#"{"test_name": "asks", "command": "read answer < /dev/tty"}"#);
    // `script` gives the run a terminal of its own.
    let line = format!("{} ci -t t.json; echo code=$?", env!("CARGO_BIN_EXE_xtask"));
    let run = sandbox.run("script", &["--quiet", "--command", &line, "/dev/null"]);
    assert!(run.stdout.contains("code=1"), "{}", run.stdout);
    assert!(run.stdout.contains("FAILED (signal 9)"), "{}", run.stdout);
}

#[test]
fn a_known_test_without_a_step_is_not_called_unknown() {
    let mut sandbox =
        sandbox(r#"{"test_name": "a", "command": "true"}, {"test_name": "b", "command": "true"}"#);
    sandbox.set("TESTS_TO_SKIP", r#"["a"]"#);
    let run = ci(&sandbox, &["a"]).assert_code(2);
    assert!(run.stderr.contains("`a` has no step here: TESTS_TO_SKIP"), "{}", run.stderr);
    ci(&sandbox, &["b", "--skip", "a"]).assert_code(0);
}

#[test]
fn absurd_minutes_and_odd_paths_break_nothing() {
    let mut sandbox = sandbox(r#"{"test_name": "a", "command": "true"}"#);
    sandbox.set("TIMEOUTS_MIN", r#"{"a": 18446744073709551615}"#);
    ci(&sandbox, &[]).assert_code(0);
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "-t", "t.json"])
        .env_remove("PATH")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let invalid = std::os::unix::ffi::OsStrExt::from_bytes(b"[\"a\xff\"]");
    let invalid: &std::ffi::OsStr = invalid;
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["pipeline", "-t", "t.json"])
        .env("TESTS_TO_SKIP", invalid)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_signal_that_the_caller_ignores_stops_nothing() {
    let sandbox = sandbox(r#"{"test_name": "slow", "command": "touch started; sleep 1"}"#);
    let line = format!("trap '' HUP; exec {} ci -t t.json", env!("CARGO_BIN_EXE_xtask"));
    let mut child =
        sandbox.command("sh").args(["-c", &line]).stdout(Stdio::null()).spawn().unwrap();
    while !sandbox.root().join("started").exists() {
        thread::sleep(Duration::from_millis(10));
    }
    sandbox.run("kill", &["-HUP", &child.id().to_string()]).assert_code(0);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_tool_that_is_missing_and_may_not_be_installed_makes_a_test_unavailable() {
    let sandbox = sandbox(
        r#"{"test_name": "fmt", "command": "cargo fmt --check"},
           {"test_name": "features", "command": "cargo all-features check"}"#,
    );
    // A cargo without formatter and without anything installed beside it.
    sandbox.stub("cargo", "echo \"error: no such command: \\`$1\\`\" >&2; exit 101");
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "-t", "t.json", "--no-install", "--jobs=1"])
        .env("PATH", format!("{}:/usr/bin:/bin", sandbox.beside("stubs").display()))
        .env("CARGO_HOME", sandbox.beside("home"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    let stdout = String::from_utf8(output.stdout).unwrap();
    expect![[r"
        fmt       unavailable
        features  unavailable
        fmt: unavailable: the component `rustfmt` is missing; run `rustup component add rustfmt`
        features: unavailable: `cargo-all-features` is missing; run `cargo install --locked cargo-all-features@1.12.0`
        2 unavailable
    "]]
    .assert_eq(&stdout[stdout.rfind("\n\n").unwrap() + 2..]);
}

#[test]
fn a_target_directory_that_cannot_be_written_is_no_verdict() {
    let sandbox = sandbox(r#"{"test_name": "features", "command": "cargo all-features check"}"#);
    // A file where the directory should be stops root too.
    sandbox.write("target/xtask-tools", "not a directory");
    let path = std::env::var("PATH").unwrap();
    let dirs = path
        .split(':')
        .filter(|dir| !std::path::Path::new(dir).join("cargo-all-features").exists());
    let path = dirs.collect::<Vec<_>>().join(":");
    // The real cargo home may have the tool, so the stub stands in for cargo's own refusal.
    sandbox.stub("cargo", "echo 'error: Not a directory (os error 20)' >&2; exit 101");
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "-t", "t.json"])
        .env("PATH", format!("{}:{path}", sandbox.beside("stubs").display()))
        .env("CARGO_HOME", sandbox.beside("home"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("`cargo-all-features` is missing and cannot be installed"), "{stdout}");
    assert_eq!(sandbox.read("target/xtask-tools"), "not a directory");
}

#[test]
fn a_run_of_no_test_is_no_verdict_in_ci() {
    for tests in ["", r#"{"test_name": "a", "command": "true", "skip": true}"#] {
        let mut sandbox = sandbox(tests);
        let run = ci(&sandbox, &[]).assert_code(0);
        assert!(run.stderr.contains("warning: no test ran, so nothing was checked\n"), "{run:?}");
        sandbox.set("CI", "true");
        ci(&sandbox, &[]).assert_code(75);
    }
}

#[test]
fn the_fix_of_a_reason_names_the_alias() {
    let mut sandbox = sandbox(r#"{"test_name": "audit", "command": "{xtask} audit"}"#);
    sandbox.set("CARGO_HOME", sandbox.beside("home").to_str().unwrap());
    sandbox.stub("cargo-audit", "echo cargo-audit 0.22.0");
    let manifest = crate::support::checkout().join("xtask/Cargo.toml");
    let alias = format!("[alias]\nci-xtask = \"run --manifest-path {} --\"\n", manifest.display());
    sandbox.write(".cargo/config.toml", alias);
    sandbox.write(".cargo/audit.toml", "[database]\nurl = \"https://127.0.0.1:1/db.git\"\n");
    let run = ci(&sandbox, &[]).assert_code(75);
    assert!(run.stdout.contains("`cargo ci-xtask audit --offline`"), "{}", run.stdout);
}

#[test]
fn without_cargo_a_test_that_needs_it_is_unavailable() {
    let sandbox = sandbox(r#"{"test_name": "doc", "command": "cargo doc"}"#);
    for program in ["sh", "git"] {
        let path = sandbox.run("sh", &["-c", "command -v \"$0\"", program]).stdout;
        std::os::unix::fs::symlink(path.trim(), sandbox.beside("stubs").join(program)).unwrap();
    }
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "-t", "t.json"])
        .env("PATH", sandbox.beside("stubs"))
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stdout}");
    assert!(stdout.contains("doc: unavailable: there is no `cargo` on PATH; install "), "{stdout}");
}

#[test]
fn what_no_system_can_run_is_rejected_with_its_place() {
    for (test, problem) in [
        (r#""command": "echo a\u0000b""#, "the command contains a NUL character"),
        (r#""command": "true", "env": {"X": "a\u0000"}"#, "the variable `X` contains a NUL"),
    ] {
        let run = ci(&sandbox(&format!(r#"{{"test_name": "a", {test}}}"#)), &[]).assert_code(2);
        assert!(run.stderr.starts_with("t.json:1:"), "{}", run.stderr);
        assert!(run.stderr.contains(problem), "{}", run.stderr);
    }
    let long = format!(r#"{{"test_name": "a", "command": "true {}"}}"#, "x".repeat(131_072));
    let run = ci(&sandbox(&long), &[]).assert_code(2);
    assert!(run.stderr.contains("the command has 131077 bytes"), "{}", run.stderr);
}

#[test]
fn foreign_text_cannot_drive_the_terminal_or_forge_a_line() {
    let sandbox = sandbox(
        r#"{"test_name": "a\u001b[2J\nrun again: rm -rf x", "command": "false", "timeout_in_minute": 1},
           {"test_name": "b", "command": "true", "skip": "c\u009b2J\nrun again: x"}"#,
    );
    let run = ci(&sandbox, &["no\u{1b}\nrun again: y"]).assert_code(2);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
        assert!(!text.contains("\nrun again: "), "{text}");
    }
    sandbox.write(
        "t.json",
        r#"{"tests": [{"test_name": "a\u001b[2J\nrun again: rm -rf x", "command": "false"},
            {"test_name": "b", "command": "true", "skip": "c\u009b2J\nrun again: x"}]}"#,
    );
    let run = ci(&sandbox, &[]).assert_code(1);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
    }
    assert_eq!(run.stdout.matches("\nrun again: ").count(), 1, "{}", run.stdout);
    let again = "run again: cargo xtask ci -t t.json 'a\u{fffd}[2J\u{fffd}run again: rm -rf x'\n";
    assert!(run.stdout.contains(again), "{}", run.stdout);
}

#[test]
fn the_value_of_a_variable_is_not_shown_and_neither_are_secrets_in_urls() {
    let mut sandbox = sandbox(
        r#"{"test_name": "a", "command": "echo https://u:p@h/x?token=t 2>&1 >/dev/null",
            "env": {"TOKEN": "$SECRET/x", "PLAIN": "1"}}"#,
    );
    sandbox.set("SECRET", "s3cret");
    let run = serial(&sandbox, &[]).assert_code(0);
    assert!(
        run.stdout.starts_with(
            "--- a\n$ TOKEN=\"$SECRET/x\" PLAIN=1 echo https://***@h/x?*** 2>&1 >/dev/null\n"
        ),
        "{}",
        run.stdout
    );
    assert!(!format!("{run:?}").contains("s3cret"));
}

#[test]
fn only_regular_files_of_a_reasonable_size_are_read() {
    let sandbox = Sandbox::new();
    sandbox.run("mkfifo", &["fifo"]).assert_code(0);
    std::os::unix::fs::symlink("/dev/zero", sandbox.root().join("zero")).unwrap();
    sandbox.write("large", vec![b' '; (16 << 20) + 1]);
    sandbox.write("deep", "[".repeat(1 << 20));
    for (file, problem) in [
        ("fifo", "error: `fifo` is not a regular file\n"),
        ("zero", "error: `zero` is not a regular file\n"),
        ("large", "error: `large` is larger than 16 MiB\n"),
        ("deep", "deep:1:129: error: nested more than 128 levels deep\n"),
    ] {
        let run = sandbox.xtask(&["pipeline", "-t", file]).assert_code(2);
        assert!(run.stderr.starts_with(problem), "{}", run.stderr);
    }
}

#[test]
fn scratch_files_of_a_killed_run_are_removed() {
    let sandbox = Sandbox::new();
    // No process has the highest id.
    sandbox.write(".p.yml.4194305.new", "half").write(".p.yml.1.new", "of a process that lives");
    sandbox.xtask(&["pipeline", "--output", "p.yml"]).assert_code(0);
    assert!(!sandbox.root().join(".p.yml.4194305.new").exists());
    assert!(sandbox.root().join(".p.yml.1.new").exists());
}

#[test]
fn with_a_manifest_path_the_tests_run_in_its_directory() {
    let sandbox = sandbox(r#"{"test_name": "a", "command": "pwd; false"}"#);
    sandbox.write("staging/Cargo.toml", "[workspace]\n");
    let path = "staging/Cargo.toml";
    let run = serial(&sandbox, &["--manifest-path", path]).assert_code(1);
    let dir = sandbox.root().join("staging").canonicalize().unwrap();
    assert!(run.stdout.contains(&format!("\n{}\n", dir.display())), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("ci -t t.json --manifest-path {path} a\n")), "{run:?}");
    ci(&sandbox, &["--manifest-path", "t.json"]).assert_code(2);
    ci(&sandbox, &["--manifest-path", path, "--workspace-selective", "true"]).assert_code(2);
}

#[test]
fn what_arrives_in_the_container_is_listed_and_what_the_plugin_ignores_is_rejected() {
    let sandbox = sandbox(r#"{"test_name": "a", "command": "true", "env": {"MODE": "fast"}}"#);
    let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--format", "json"]).assert_code(0);
    let pipeline: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let docker = pipeline["steps"][0]["plugins"][0].as_object().unwrap().values().next().unwrap();
    assert_eq!(docker["environment"], serde_json::json!(["MODE"]));
    sandbox.write(
        "t.json",
        r#"{"tests": [{"test_name": "a", "command": "true",
        "docker_plugin": {"environment": {"A": "1"}, "enviroment": ["A"]}}]}"#,
    );
    let run = ci(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains(
        "t.json:2:27: error: the docker plugin takes a list of non-empty strings as `environment`"
    ));
    assert!(run.stderr.contains("warning: the docker plugin has no setting `enviroment`, did you"));
}

#[test]
fn a_dependency_on_another_step_is_noted() {
    let sandbox = sandbox(r#"{"test_name": "a", "command": "true", "depends_on": "b"}"#);
    let run = ci(&sandbox, &[]).assert_code(0);
    assert!(
        run.stdout.contains("note: a: runs in CI only after the steps that `depends_on` names\n")
    );
}

#[test]
fn tests_that_share_nothing_run_side_by_side() {
    // Each waits for the other: one after another, both would fail.
    let meet = |mine: &str, other: &str| {
        let wait =
            format!("for i in `seq 100`; do test -e {other} && exit; sleep 0.1; done; exit 1");
        format!(r#"{{"test_name": "{mine}", "command": "touch {mine}; {wait}"}}"#)
    };
    let both = [meet("a", "b"), meet("b", "a")].join(",");
    ci(&sandbox(&both), &["--jobs", "2"]).assert_code(0);
    let alone = |name: &str| {
        format!(r#"{{"test_name": "{name}", "command": "mkdir l && sleep 0.3 && rmdir l"}}"#)
    };
    serial(&sandbox(&[alone("a"), alone("b")].join(",")), &[]).assert_code(0);
    let run = ci(&sandbox(&both), &["--jobs", "0"]).assert_code(2);
    assert!(run.stderr.contains("--jobs"), "{}", run.stderr);
}

#[test]
fn the_output_of_tests_side_by_side_does_not_mix() {
    let lines = |name: &str| {
        format!(
            r#"{{"test_name": "{name}",
                "command": "for i in 1 2 3; do echo {name}-$$i; sleep 0.05; done; exit 1"}}"#
        )
    };
    let sandbox = sandbox(&[lines("a"), lines("b")].join(","));
    let run = ci(&sandbox, &["--jobs", "2"]).assert_code(1);
    for name in ["a", "b"] {
        let block = format!(
            "    {name}-1\n    {name}-2\n    {name}-3\n    full output: target/ci/logs/{name}.log"
        );
        assert!(run.stdout.contains(&block), "{}", run.stdout);
        let log = sandbox.read(&format!("target/ci/logs/{name}.log"));
        assert!(log.contains(&format!("{name}-1\n{name}-2\n{name}-3\n")), "{log}");
    }
}

#[test]
fn what_fails_only_beside_others_has_passed_alone() {
    let sandbox = sandbox(
        r#"{"test_name": "flaky", "command": "test -e once || { touch once; sleep 0.5; exit 1; }"},
           {"test_name": "broken", "command": "echo run >> runs; sleep 0.2; exit 3"}"#,
    );
    let run = ci(&sandbox, &["--jobs", "2"]).assert_code(1);
    assert!(table(&run).contains("flaky   passed alone"), "{}", run.stdout);
    assert!(table(&run).contains("broken  FAILED (exit 3)"), "{}", run.stdout);
    assert_eq!(sandbox.read("runs"), "run\nrun\n");
    // One after another there is nothing that it could have been beside.
    let run = serial(&sandbox, &["broken"]).assert_code(1);
    assert_eq!(sandbox.read("runs"), "run\nrun\nrun\n", "{}", run.stdout);
}

#[test]
fn what_fails_only_with_our_linker_has_passed_also_one_after_another() {
    let sandbox = sandbox(
        r#"{"test_name": "t", "command": "echo run >> runs; if env | grep -q rust-lld; then exit 1; fi # cargo x test --target x86_64-unknown-linux-musl"}"#,
    );
    let run = serial(&sandbox, &[]).assert_code(0);
    let runs = sandbox.read("runs").lines().count();
    // Not every toolchain has that linker.
    let said = run.stdout.contains("running it with the usual linker");
    assert_eq!(runs, if said { 2 } else { 1 }, "{}", run.stdout);
    assert!(table(&run).contains("t  passed"), "{}", run.stdout);
    assert!(!run.stdout.contains("passed alone"), "{}", run.stdout);
}

#[test]
fn failed_runs_what_did_not_pass_the_last_time() {
    let sandbox = sandbox(
        r#"{"test_name": "good", "command": "echo good >> runs"},
           {"test_name": "bad", "command": "echo bad >> runs; test -e fixed"}"#,
    );
    serial(&sandbox, &[]).assert_code(1);
    let list = serial(&sandbox, &["--failed", "--list"]).assert_code(0);
    assert!(list.stdout.starts_with("bad ") && list.stdout.lines().count() == 1, "{}", list.stdout);
    sandbox.write("fixed", "");
    serial(&sandbox, &["--failed"]).assert_code(0);
    assert_eq!(sandbox.read("runs"), "good\nbad\nbad\n");
    let run = serial(&sandbox, &["--failed"]).assert_code(0);
    assert_eq!(sandbox.read("runs"), "good\nbad\nbad\n", "{}", run.stdout);
}

/// Another run at the same time keeps the record, and words are not in it.
#[test]
fn without_a_record_the_line_for_all_names_the_tests() {
    let sandbox = sandbox(
        r#"{"test_name": "a", "command": "echo"}, {"test_name": "b", "command": "exit 2 #"}, {"test_name": "c", "command": "exit 3 #"}"#,
    );
    let rerun = "all that failed: cargo xtask ci -t t.json";
    let check = |arguments: &[&str], wanted: &str| {
        let run = serial(&sandbox, arguments).assert_code(1);
        assert!(run.stdout.contains(&format!("{rerun} {wanted}\n")), "{}", run.stdout);
    };
    check(&[], "--failed");
    check(&["b", "c", "--", "x y"], "b c -- 'x y'");
    let lock = std::fs::File::open(sandbox.root().join("target/ci/lock")).unwrap();
    lock.lock().unwrap();
    check(&[], "b c");
}

#[test]
fn what_a_change_does_not_concern_is_left_out_with_the_reason() {
    let sandbox = sandbox(
        r#"{"test_name": "t", "command": "echo {crate} >> target/runs"},
           {"test_name": "docs", "command": "echo docs >> target/runs", "if_changed": "docs/**",
            "scope": "workspace"},
           {"test_name": "all", "command": "echo all >> target/runs", "scope": "workspace"}"#,
    );
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"c\"]\nresolver = \"2\"\n");
    sandbox.write(".gitignore", "target\n");
    for (name, dependencies) in
        [("a", ""), ("b", "[dev-dependencies]\na = { path = \"../a\" }\n"), ("c", "")]
    {
        let package =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        sandbox.write(&format!("{name}/Cargo.toml"), package + dependencies);
        sandbox.write(&format!("{name}/src/lib.rs"), "");
    }
    sandbox.commit_all("base");
    sandbox.git(&["branch", "upstream"]);
    let runs = |arguments: &[&str]| {
        let _ = std::fs::remove_file(sandbox.root().join("target/runs"));
        sandbox.write("target/x", "");
        let run = serial(&sandbox, &[&["--changed", "upstream"], arguments].concat());
        let runs = std::fs::read_to_string(sandbox.root().join("target/runs")).unwrap_or_default();
        (runs.replace('\n', " "), run)
    };
    let (ran, run) = runs(&[]);
    run.assert_code(0);
    assert_eq!(ran, "all ");
    // Not committed; and what is not tracked yet.
    sandbox.write("a/src/lib.rs", "// edited\n");
    let (ran, run) = runs(&[]);
    let run = run.assert_code(0);
    assert_eq!(ran, "a b all ");
    expect![[r"
        files changed since `upstream` (at ID): 1
        crates left out, because the change touches neither them nor what they depend on: c
        tests left out, because nothing that their `if_changed` names has changed: docs"]]
    .assert_eq(
        &notes(&run).replace(sandbox.git(&["rev-parse", "--short=12", "upstream"]).trim(), "ID"),
    );
    sandbox.commit_all("a change");
    sandbox.write("c/src/new file.rs", "");
    assert_eq!(runs(&[]).0, "a b c all ");
    // CI would still see the commit.
    sandbox.git(&["checkout", "upstream", "--", "a"]);
    assert_eq!(runs(&[]).0, "a b c all ");
    sandbox.git(&["checkout", "HEAD", "--", "a"]);
    // A name does not bring back what the change leaves out, and that is no error.
    sandbox.git(&["branch", "-f", "upstream"]);
    let (ran, run) = runs(&["docs"]);
    run.assert_code(0);
    assert_eq!(ran, "");
    // What is in no crate counts for all; a test's own gate asks for its own files.
    sandbox.write("docs/x.md", "");
    assert_eq!(runs(&[]).0, "a b c docs all ");
    // Git says where a file was, not only where it is.
    sandbox.commit_all("docs");
    sandbox.git(&["branch", "-f", "upstream"]);
    sandbox.git(&["mv", "c/src/new file.rs", "a/src/moved.rs"]);
    sandbox.git(&["config", "diff.renames", "copies"]);
    assert_eq!(runs(&[]).0, "a b c all ");
    let run = ci(&sandbox, &["--changed=none"]).assert_code(2);
    assert!(run.stderr.contains("there is no commit `none` in this clone"), "{}", run.stderr);
    ci(&sandbox, &["--changed", "--manifest-path", "a/Cargo.toml"]).assert_code(2);
}

#[test]
fn colours_and_verbosity_follow_the_options_and_then_cargos_variables() {
    let sandbox = sandbox(
        r#"{"test_name": "t", "command": "echo \"<$$CARGO_TERM_COLOR>\"; exit 1"},
           {"test_name": "slow", "command": "sleep 1"}"#,
    );
    let run = |variables: &[&str], options: &[&str]| {
        let xtask = env!("CARGO_BIN_EXE_xtask");
        let common = ["-u", "NO_COLOR", "-u", "CARGO_TERM_COLOR"];
        sandbox
            .run("env", &[&common, variables, &[xtask], &["ci", "-t", "t.json"], options].concat())
    };
    let is_red = |run: &Run| run.stdout.contains("\x1b[31m");
    let plain = run(&[], &["t"]).assert_code(1);
    assert!(!is_red(&plain) && plain.stdout.contains("<>"), "{}", plain.stdout);
    let always = run(&["NO_COLOR=1"], &["--color", "always", "t"]).assert_code(1);
    assert!(is_red(&always) && always.stdout.contains("<always>"), "{}", always.stdout);
    let never = run(&["FORCE_COLOR=1"], &["--color=never", "t"]).assert_code(1);
    assert!(!is_red(&never) && never.stdout.contains("<never>"), "{}", never.stdout);
    let quiet = run(&["CARGO_TERM_QUIET=true"], &["t"]);
    assert_eq!(table(&quiet), table(&run(&[], &["-q", "t"])));
    assert!(quiet.stdout.len() < plain.stdout.len(), "{}", quiet.stdout);
    let has_plumbing = |run: &Run| run.stderr.contains("git ");
    assert!(has_plumbing(&run(&["CARGO_TERM_VERBOSE=true"], &["t"])));
    assert!(!has_plumbing(&run(&["CARGO_TERM_VERBOSE=true"], &["-q", "t"])));
    let is_live = |run: &Run| run.stdout.contains("Running slow");
    assert!(is_live(&run(&["CARGO_TERM_PROGRESS_WHEN=always"], &["slow"])));
    assert!(!is_live(&run(&[], &["slow"])));
    let run = run(&[], &["--color", "sometimes"]).assert_code(2);
    assert!(run.stderr.contains("expected one of `auto`, `always` or `never`"), "{}", run.stderr);
}

/// The notes of a run, a line each.
fn notes(run: &Run) -> String {
    let notes = run.stderr.lines().filter_map(|line| line.strip_prefix("note: "));
    notes.collect::<Vec<_>>().join("\n")
}

#[test]
fn logs_of_a_second_run_at_the_same_time_go_with_the_next() {
    let sandbox = sandbox(r#"{"test_name": "a", "command": "true"}"#);
    // No process has this id: it is above the largest that Linux gives.
    sandbox.write("target/ci/logs-4194305/a.log", "");
    ci(&sandbox, &[]).assert_code(0);
    assert!(!sandbox.root().join("target/ci/logs-4194305").exists());
    assert!(sandbox.root().join("target/ci/logs/a.log").exists());
}

#[test]
fn words_after_the_dashes_reach_the_command() {
    let sandbox = sandbox(
        r#"{"test_name": "a", "command": "printf '%s,' one -- two"},
           {"test_name": "b", "command": "printf '%s,' one"}"#,
    );
    let run = serial(&sandbox, &["a", "--", "x y", "$HOME"]).assert_code(0);
    assert!(run.stdout.contains("one,x y,$HOME,--,two,"), "{}", run.stdout);
    let run = serial(&sandbox, &["b", "--", "z"]).assert_code(0);
    assert!(run.stdout.contains("one,z,"), "{}", run.stdout);
}

#[test]
fn a_report_says_the_same_in_three_formats() {
    let mut sandbox = sandbox(
        r#"{"test_name": "a", "command": "echo 'error: <no> & \"x\"'; exit 1"},
           {"test_name": "b", "command": "true", "skip": "later"},
           {"test_name": "c", "command": "true"}"#,
    );
    let summary = sandbox.beside("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    sandbox.set("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
    ci(&sandbox, &["--report", "out"]).assert_code(1);
    let xml = sandbox.read("out/junit.xml");
    assert!(xml.contains(r#"tests="3" failures="1" errors="0" skipped="1""#), "{xml}");
    assert!(xml.contains("error: &lt;no&gt; &amp; &quot;x&quot;"), "{xml}");
    let json: serde_json::Value = serde_json::from_str(&sandbox.read("out/ci.json")).unwrap();
    let verdicts: Vec<&serde_json::Value> =
        json["tests"].as_array().unwrap().iter().map(|test| &test["verdict"]).collect();
    assert_eq!(verdicts, ["failed", "skipped", "passed"]);
    let markdown = sandbox.read("out/ci.md");
    assert!(markdown.contains("FAILED (exit 1)"), "{markdown}");
    assert_eq!(std::fs::read_to_string(&summary).unwrap(), format!("before\n{markdown}"));
}

#[test]
fn a_report_that_cannot_be_written_hides_no_failure() {
    let sandbox = sandbox(
        r#"{"test_name": "bad", "command": "exit 3"}, {"test_name": "good", "command": "true"}"#,
    );
    sandbox.write("file", "");
    let error = "error: cannot create `";
    let run = ci(&sandbox, &["--report", "file/out"]).assert_code(1);
    assert!(run.stderr.contains(error), "{}", run.stderr);
    let run = ci(&sandbox, &["good", "--report", "file/out"]).assert_code(75);
    assert!(run.stderr.contains(error), "{}", run.stderr);
}

/// As on a terminal that was closed.
#[test]
fn reports_are_written_where_the_table_cannot_be() {
    let sandbox = sandbox(r#"{"test_name": "bad", "command": "exit 3"}"#);
    let line = format!("{} ci -t t.json --report out > /dev/full", env!("CARGO_BIN_EXE_xtask"));
    sandbox.run("sh", &["-c", &line]).assert_code(1);
    assert!(sandbox.read("out/junit.xml").contains("failures=\"1\""));
}

#[test]
fn the_list_is_what_is_uploaded_for_this_platform() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "t.json",
        r#"{"tests": [{"test_name": "x", "command": "echo $$A \"${B:-{repo_name}}\" {target_platform}",
            "platform": ["x86_64", "aarch64"], "working_dir": "/w"},
           {"test_name": "y", "command": "{xtask} audit", "docker_plugin": {"environment": ["C=$D"]}}]}"#,
    );
    for descriptions in [&[][..], &["-t", "t.json"]] {
        let list = |arguments: &[&str]| -> serde_json::Value {
            let run = sandbox.xtask(&[arguments, descriptions].concat()).assert_code(0);
            serde_json::from_str(&run.stdout).unwrap()
        };
        let (uploaded, listed) =
            (list(&["pipeline", "--format=json"]), list(&["ci", "--list", "--json"]));
        let pairs = |entries: &serde_json::Value| -> Vec<(String, String)> {
            let text = |entry: &serde_json::Value, key| entry[key].as_str().unwrap().to_owned();
            let entries = entries.as_array().unwrap().iter();
            entries.map(|entry| (text(entry, "label"), text(entry, "command"))).collect()
        };
        let other = if std::env::consts::ARCH == "x86_64" { "-aarch64" } else { "-x86_64" };
        let mut uploaded = pairs(&uploaded["steps"]);
        uploaded.retain(|(label, _)| !label.ends_with(other));
        assert_eq!(pairs(&listed), uploaded);
        assert!(!uploaded.is_empty());
    }
}

#[test]
fn nothing_runs_beside_an_exclusive_test() {
    let alone = |name: &str| {
        format!(
            r#"{{"test_name": "{name}", "exclusive": true,
                "command": "mkdir l; echo {name} >> runs; sleep 0.3; rmdir l"}}"#
        )
    };
    let sandbox = sandbox(&[alone("a"), alone("b"), alone("c")].join(","));
    ci(&sandbox, &["--jobs", "3"]).assert_code(0);
    assert_eq!(sandbox.read("runs").lines().count(), 3, "one failed beside another");
}
