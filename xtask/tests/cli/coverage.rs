//! `coverage` as far as nothing is built: configuration that people get wrong, and `--set`, whose
//! file must survive whatever happens.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Instant;

use expect_test::{Expect, expect};

use crate::support::{Run, Sandbox};

const CONFIG: &str =
    "{\n  \"coverage_score\": 85.2,\n  \"exclude_path\": \"\",\n  \"owner\": \"us\"\n}\n";

/// The configuration's name on this machine.
fn file() -> String {
    format!("coverage_config_{}.json", std::env::consts::ARCH)
}

/// A crate that nobody builds, without a configuration.
fn bare() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[package]\nname = \"meter\"\nversion = \"0.1.0\"\n");
    sandbox.write("src/lib.rs", "");
    sandbox
}

/// A workspace of two crates, without a configuration.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"2\"\n");
    for name in ["one", "two"] {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
        sandbox.write(&format!("crates/{name}/Cargo.toml"), manifest);
        sandbox.write(&format!("crates/{name}/src/lib.rs"), "");
    }
    sandbox
}

/// What was said, without the command lines.
fn said(run: &Run) -> String {
    let lines = run.stderr.lines().filter(|line| !line.starts_with("$ "));
    lines.collect::<Vec<_>>().join("\n").replace(&file(), "coverage_config_ARCH.json")
}

#[track_caller]
fn check_config(config: &str, want: &Expect) {
    let sandbox = bare();
    sandbox.write(&file(), config);
    let run = sandbox.xtask(&["coverage"]).assert_code(2);
    assert!(!run.stderr.contains("llvm-cov"), "nothing may be built\n{}", run.stderr);
    assert_eq!(sandbox.read(&file()), config);
    want.assert_eq(&said(&run));
}

#[test]
fn without_a_configuration_three_lines_are_offered() {
    let run = bare().xtask(&["coverage"]).assert_code(2);
    expect![[r#"
        error: there is no `coverage_config_ARCH.json` in `.` or below it
        help: write these three lines to `coverage_config_ARCH.json` and record the score with `cargo xtask coverage --devel`:
            {
              "coverage_score": 0
            }"#]].assert_eq(&said(&run));
}

#[test]
fn a_score_is_a_number_up_to_100() {
    check_config(
        "{\"coverage_score\": 100.5}",
        &expect![[r#"
        coverage_config_ARCH.json:1:20: error: `coverage_score` must be a number from 0 to 100, not the number 100.5
         1 | {"coverage_score": 100.5}
           |                    ^"#]],
    );
    check_config(
        "{\"coverage_score\": -1}",
        &expect![[r#"
        coverage_config_ARCH.json:1:20: error: `coverage_score` must be a number from 0 to 100, not the number -1
         1 | {"coverage_score": -1}
           |                    ^"#]],
    );
    check_config(
        "{\"coverage_score\": \"85\"}",
        &expect![[r#"
        coverage_config_ARCH.json:1:20: error: `coverage_score` must be a number from 0 to 100, not a string
         1 | {"coverage_score": "85"}
           |                    ^"#]],
    );
    check_config(
        "{\"exclude_path\": \"\"}",
        &expect![[r#"
            error: coverage_config_ARCH.json: the key `coverage_score` is missing
            help: add `"coverage_score": 0`"#]],
    );
    check_config(
        "{\"coverage_score\": 85,}",
        &expect![[r#"
        coverage_config_ARCH.json:1:23: error: not valid JSON: key must be a string
         1 | {"coverage_score": 85,}
           |                       ^"#]],
    );
    check_config(
        "[]",
        &expect![[r"
        coverage_config_ARCH.json:1:1: error: expected an object, not a list
         1 | []
           | ^"]],
    );
}

#[test]
fn every_fault_of_a_configuration_is_reported_at_once() {
    check_config(
        "{\n  \"coverage_score\": 85,\n  \"exclude_path\": \"a\\\\d|(b\",\n  \"crate_features\": \"x, y\",\n  \
         \"max_delta\": \"1\",\n  \"crate_feature\": \"z\"\n}\n",
        &expect![[r#"
            coverage_config_ARCH.json:3:21: error: `exclude_path`: LLVM reads `\d` as a plain `d`; write `[0-9]`
             3 |   "exclude_path": "a\\d|(b",
               |                     ^
            coverage_config_ARCH.json:3:25: error: `exclude_path`: unclosed group
             3 |   "exclude_path": "a\\d|(b",
               |                         ^
            coverage_config_ARCH.json:4:24: error: `crate_features`: features are separated by commas, without spaces
             4 |   "crate_features": "x, y",
               |                        ^
            coverage_config_ARCH.json:5:16: error: `max_delta` must be a number from 0 to 100, not a string
             5 |   "max_delta": "1",
               |                ^
            coverage_config_ARCH.json:6:3: error: unknown key `crate_feature`, did you mean `crate_features`?
             6 |   "crate_feature": "z"
               |   ^"#]],
    );
}

#[test]
fn a_feature_that_no_crate_has_is_found_before_anything_is_built() {
    check_config(
        "{\"coverage_score\": 85, \"crate_features\": \"stat\"}",
        &expect!["error: coverage_config_ARCH.json: `crate_features`: unknown feature `stat`"],
    );
}

#[test]
fn of_a_key_that_stands_twice_the_last_wins_with_a_warning() {
    let sandbox = bare();
    sandbox.write(&file(), "{\"coverage_score\": 85,\n\"coverage_score\": 86}");
    let run = sandbox.xtask(&["coverage", "--set", "90"]).assert_code(0);
    expect![[r#"
        coverage_config_ARCH.json:2:1: warning: duplicate key `coverage_score`, first on line 1; this value is used
         2 | "coverage_score": 86}
           | ^
        recorded: 90.00 % in `coverage_config_ARCH.json`"#]].assert_eq(&said(&run));
    assert_eq!(sandbox.read(&file()), "{\"coverage_score\": 85,\n\"coverage_score\": 90.00}");
}

#[test]
fn two_places_that_disagree_are_repaired_by_one_command() {
    let sandbox = bare();
    sandbox.write(&file(), CONFIG).write("tests/coverage", "84\n");
    let run = sandbox.xtask(&["coverage"]).assert_code(2);
    expect![[r#"
        coverage_config_ARCH.json:4:3: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
         4 |   "owner": "us"
           |   ^
        error: two files record different scores, 84 and 85.2: tests/coverage and coverage_config_ARCH.json
        help: make them agree with `cargo xtask coverage --set 84.00`"#]].assert_eq(&said(&run));
    sandbox.xtask(&["coverage", "--set", "84.00"]).assert_code(0);
    assert_eq!(sandbox.read("tests/coverage"), "84.00\n");
    assert_eq!(sandbox.read(&file()), CONFIG.replace("85.2", "84.00"));
}

#[test]
fn a_directory_called_coverage_is_something_else() {
    let sandbox = bare();
    sandbox.write(&file(), CONFIG).write("tests/coverage/main.rs", "");
    sandbox.xtask(&["coverage", "--set", "90.129"]).assert_code(0);
    assert_eq!(sandbox.read(&file()), CONFIG.replace("85.2", "90.12"));
}

#[test]
fn the_older_file_is_enough() {
    let sandbox = bare();
    sandbox.write("tests/coverage", "85.2");
    sandbox.xtask(&["coverage", "--set", "90"]).assert_code(0);
    assert_eq!(sandbox.read("tests/coverage"), "90.00");
    sandbox.write("tests/coverage", "85 %\n");
    let run = sandbox.xtask(&["coverage"]).assert_code(2);
    expect![[r"
        tests/coverage:1:1: error: expected one number from 0 to 100 and nothing else
         1 | 85 %
           | ^"]]
    .assert_eq(&said(&run));
}

#[test]
fn the_nearest_configuration_counts_and_never_somebody_elses() {
    let sandbox = bare();
    let foreign = "{\"coverage_score\": 1}";
    for dir in ["target/a", ".hidden", "rust-vmm-ci", "b/target"] {
        sandbox.write(&format!("{dir}/{}", file()), foreign);
    }
    sandbox.write("rust-vmm-ci/.git", "gitdir: elsewhere\n");
    sandbox.write(&format!("deep/er/est/{}", file()), foreign);
    sandbox.write(&format!("x/y/{}", file()), CONFIG);
    let elsewhere = sandbox.beside("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join(file()), foreign).unwrap();
    symlink(&elsewhere, sandbox.root().join("link")).unwrap();
    sandbox.xtask(&["coverage", "--set", "90"]).assert_code(0);
    assert_eq!(sandbox.read(&format!("x/y/{}", file())), CONFIG.replace("85.2", "90.00"));
    assert_eq!(fs::read_to_string(elsewhere.join(file())).unwrap(), foreign);
}

#[test]
fn a_link_and_a_misspelt_architecture_are_not_read_and_not_ignored() {
    let sandbox = bare();
    sandbox.write("coverage_config_x86-64.json", CONFIG);
    sandbox.write("real.json", CONFIG);
    symlink("real.json", sandbox.root().join(file())).unwrap();
    let run = sandbox.xtask(&["coverage"]).assert_code(2);
    expect![[r#"
        warning: `coverage_config_x86-64.json`: unknown platform `x86-64`, did you mean `x86_64`?
        warning: `coverage_config_ARCH.json`: symbolic links are not followed
        error: there is no `coverage_config_ARCH.json` in `.` or below it
        help: write these three lines to `coverage_config_ARCH.json` and record the score with `cargo xtask coverage --devel`:
            {
              "coverage_score": 0
            }"#]].assert_eq(&said(&run));
}

#[test]
fn two_at_the_same_depth_ask_for_a_package() {
    let sandbox = workspace();
    for name in ["one", "two"] {
        sandbox.write(&format!("crates/{name}/{}", file()), CONFIG);
    }
    let run = sandbox.xtask(&["coverage", "--set", "1"]).assert_code(2);
    expect![[r#"
        crates/one/coverage_config_ARCH.json:4:3: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
         4 |   "owner": "us"
           |   ^
        crates/two/coverage_config_ARCH.json:4:3: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
         4 |   "owner": "us"
           |   ^
        error: several crates have a configuration: crates/one/coverage_config_ARCH.json, crates/two/coverage_config_ARCH.json
        help: name one of them with `--package`"#]].assert_eq(&said(&run));
    sandbox.xtask(&["coverage", "--set", "1", "--package", "two"]).assert_code(0);
    assert_eq!(sandbox.read(&format!("crates/one/{}", file())), CONFIG);
    assert_eq!(sandbox.read(&format!("crates/two/{}", file())), CONFIG.replace("85.2", "1.00"));
    let run = sandbox.xtask(&["coverage", "--package", "tow"]).assert_code(2);
    expect!["error: there is no package `tow`, did you mean `two`?"].assert_eq(&said(&run));
    let run = sandbox.xtask(&["coverage", "--package", "one", "--test-scope", "crat"]);
    expect![[r"
        error: unknown test scope `crat`, did you mean `crate`?
        help: see `cargo xtask help coverage`"]]
    .assert_eq(&said(&run.assert_code(2)));
}

#[test]
fn the_crate_of_the_current_directory_has_its_own_configuration() {
    let sandbox = workspace();
    sandbox.write(&file(), CONFIG);
    sandbox.write(&format!("crates/two/{}", file()), CONFIG);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    command.args(["coverage", "--set", "1", "--test-scope", "crate"]);
    let output = command.current_dir(sandbox.root().join("crates/two/src")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.read(&file()), CONFIG);
    assert_eq!(sandbox.read(&format!("crates/two/{}", file())), CONFIG.replace("85.2", "1.00"));
}

#[test]
fn a_root_package_is_not_judged_by_the_record_of_another_member() {
    let sandbox = workspace();
    let root = sandbox.read("Cargo.toml") + "[package]\nname = \"root\"\nversion = \"0.1.0\"\n";
    sandbox.write("Cargo.toml", root).write("src/lib.rs", "");
    let config = format!("crates/one/{}", file());
    sandbox.write(&config, CONFIG);
    let run = sandbox.xtask(&["coverage", "--package", "root", "--set", "50"]).assert_code(2);
    assert!(said(&run).contains("there is no `coverage_config_ARCH.json`"), "{}", run.stderr);
    assert_eq!(sandbox.read(&config), CONFIG);
    // Of the whole workspace it is the nearest.
    sandbox.xtask(&["coverage", "--set", "50"]).assert_code(0);
    assert_eq!(sandbox.read(&config), CONFIG.replace("85.2", "50.00"));
}

#[test]
fn a_virtual_workspace_has_no_crate_at_its_root() {
    let sandbox = workspace();
    sandbox.write(&file(), CONFIG);
    let run = sandbox.xtask(&["coverage", "--test-scope", "crate"]).assert_code(2);
    expect!["error: which crate? name it with `--package`: one, two"].assert_eq(&said(&run));
}

#[test]
fn a_base_that_is_not_here_is_found_before_anything_is_built() {
    let sandbox = bare();
    sandbox.write(&file(), CONFIG);
    let run = sandbox.xtask(&["coverage", "--diff", "no;such"]).assert_code(2);
    expect![[r#"
        coverage_config_ARCH.json:4:3: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
         4 |   "owner": "us"
           |   ^
        error: there is no commit `no;such` in this clone
        help: fetch it, or name another revision, for example `origin/main`"#]]
    .assert_eq(&said(&run));
    let run = sandbox.run(
        "env",
        &["REMOTE=up", "BASE_BRANCH=dev", env!("CARGO_BIN_EXE_xtask"), "coverage", "--diff"],
    );
    expect![[r#"
        coverage_config_ARCH.json:4:3: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
         4 |   "owner": "us"
           |   ^
        error: this clone has no branch `dev` of `up`
        help: fetch it, or name a commit; REMOTE and BASE_BRANCH name the upstream repository and branch"#]].assert_eq(&said(&run.assert_code(75)));
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_anything_is_built() {
    let sandbox = bare();
    sandbox.write(&file(), CONFIG);
    for option in ["--lcov", "--json"] {
        let run = sandbox.xtask(&["coverage", option, "no/such/file"]).assert_code(2);
        assert!(said(&run).ends_with("error: the directory of `no/such/file` does not exist"));
    }
}

#[test]
fn a_root_without_a_manifest_is_cargos_to_explain() {
    let sandbox = Sandbox::new();
    sandbox.write(&file(), CONFIG);
    let run = sandbox.xtask(&["coverage"]).assert_code(2);
    assert!(run.stderr.contains("could not find `Cargo.toml`"), "{}", run.stderr);
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new_file() {
    const NEW_WANTED: u32 = 10;
    let sandbox = bare();
    let wanted = CONFIG.replace("85.2", "90.00");
    let command = || {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
        command.args(["coverage", "--set", "90"]).stderr(Stdio::null());
        command
    };
    sandbox.write(&file(), CONFIG);
    let start = Instant::now();
    assert!(command().status().unwrap().success());
    let whole_run = start.elapsed();
    assert_eq!(sandbox.read(&file()), wanted);

    // Killed later and later, until the new file is usually there: the moment of the change is
    // among these, however slow the machine is.
    let (mut old, mut new) = (0, 0);
    for step in 0.. {
        let delay = whole_run * step / 50;
        assert!(delay < whole_run * 20, "{old} runs left the old file, {new} the new one");
        sandbox.write(&file(), CONFIG);
        let mut child = command().spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        match sandbox.read(&file()) {
            text if text == CONFIG => old += 1,
            text if text == wanted => new += 1,
            text => panic!("after {delay:?}: {text:?}"),
        }
        if new == NEW_WANTED {
            break;
        }
    }
    assert!(old > 0, "no run was killed before the change");
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_old_file() {
    let sandbox = bare();
    sandbox.write(&file(), CONFIG);
    // No file may grow, as on a full disk; without the trap the signal alone would end us.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$@\" 2> /dev/stderr";
    let xtask = env!("CARGO_BIN_EXE_xtask");
    let run = sandbox.run("sh", &["-c", script, "sh", xtask, "coverage", "--set", "90"]);
    assert!(said(&run.assert_code(75)).contains("File too large"));
    assert_eq!(sandbox.read(&file()), CONFIG);
    assert_eq!(
        sandbox.git(&["status", "--short"]),
        format!("?? Cargo.toml\n?? {}\n?? src/\n", file())
    );
}
