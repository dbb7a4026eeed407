//! `container` with engines that write down what they are told.

use expect_test::expect;

use crate::support::{Run, Sandbox};

/// An engine that answers, has every image and runs nothing.
const ENGINE: &str = r#"case "$1" in
    info) echo name=rootless;;
    image) exit 0;;
    run) for word; do printf '%s\n' "$word"; done > ../told; exit 7;;
esac"#;

fn sandbox(engine: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    // Nothing of the machine's own engines.
    sandbox.set("PATH", &format!("{}:/usr/bin:/bin", sandbox.beside("stubs").display()));
    for program in ["docker", "podman"] {
        sandbox.stub(program, "echo 'no daemon' >&2; exit 1");
    }
    sandbox.stub(engine, ENGINE);
    sandbox
}

fn container(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.xtask(&[&["container"], arguments].concat())
}

fn told(sandbox: &Sandbox) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.beside("told")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_engine_that_answers_runs_the_command_and_gives_the_exit_code() {
    let mut sandbox = sandbox("podman");
    sandbox.set("TESTS_TO_SKIP", "[]").set("SECRET", "s3cret");
    let run =
        container(&sandbox, &["--image", "i:1", "--env", "SECRET", "--", "cargo", "test", "-q"]);
    let run = run.assert_code(7);
    let told = told(&sandbox);
    assert!(told.ends_with(&["cargo", "test", "-q"].map(str::to_owned)), "{told:?}");
    for word in ["i:1", "TESTS_TO_SKIP", "SECRET"] {
        assert!(told.iter().any(|it| it == word), "{word}: {told:?}");
    }
    assert!(!told.iter().any(|it| it == "--tty"), "{told:?}");
    assert!(run.stderr.starts_with("$ podman run "), "{}", run.stderr);
    assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
}

#[test]
fn without_a_command_there_is_a_shell_in_the_image_of_the_ci() {
    let sandbox = sandbox("docker");
    container(&sandbox, &[]).assert_code(7);
    let told = told(&sandbox);
    assert!(told.iter().any(|it| it.starts_with("docker.io/rustvmm/dev:")), "{told:?}");
    assert!(told.last().unwrap().contains("exec bash"), "{told:?}");
}

#[test]
fn the_whole_ci_runs_inside_with_the_options_that_were_given() {
    let sandbox = sandbox("docker");
    let run =
        sandbox.xtask(&["ci", "--container", "--fail-fast", "--skip=doc", "style", "--", "x"]);
    run.assert_code(7);
    let words = ["cargo", "xtask", "ci", "--fail-fast", "--skip=doc", "style", "--", "x"];
    assert!(told(&sandbox).ends_with(&words.map(str::to_owned)));
    // What is to be run again is run there.
    let told = told(&sandbox);
    let mark = told.iter().find(|word| word.starts_with("RUST_VMM_CI_")).unwrap();
    let mut inside = Sandbox::new();
    let (name, value) = mark.split_once('=').unwrap();
    inside.set(name, value);
    inside.write("t.json", r#"{"tests": [{"test_name": "a", "command": "false"}]}"#);
    let run = inside.xtask(&["ci", "-t", "t.json"]).assert_code(1);
    assert!(
        run.stdout.contains("run again: cargo xtask ci --container -t t.json a\n"),
        "{}",
        run.stdout
    );
    let run = sandbox.xtask(&["ci", "--container", "--fial-fast"]).assert_code(2);
    assert!(run.stderr.contains("did you mean `--fail-fast`?"), "{}", run.stderr);
}

#[test]
fn where_no_engine_answers_each_says_why() {
    let sandbox = sandbox("other");
    let run = container(&sandbox, &["--", "true"]).assert_code(75);
    expect![[r"
        error: no working container engine: `docker` failed: no daemon; `podman` failed: no daemon
        help: install docker or podman, start it, and make sure that this user may use it
    "]]
    .assert_eq(&run.stderr);
}

#[test]
fn an_image_that_cannot_be_pulled_is_no_verdict() {
    let sandbox = sandbox("docker");
    let engine = "case \"$1\" in info) ;; *) echo \"$*\" >&2; exit 1;; esac";
    sandbox.stub("docker", engine);
    let run = container(&sandbox, &["--image", "no/such:1", "--", "true"]).assert_code(75);
    expect![[r"
        $ docker pull no/such:1
        pull no/such:1
        error: failed to pull the image `no/such:1`
        help: check the network, or use a local image with `--image`
    "]]
    .assert_eq(&run.stderr);
}

#[test]
fn a_dry_run_prints_a_line_to_copy_and_needs_no_engine() {
    let sandbox = sandbox("other");
    let run = container(&sandbox, &["--engine", "docker", "--dry-run", "--", "echo", "a b"]);
    let run = run.assert_code(0);
    let target = sandbox.root().join("target");
    let mkdir = format!("mkdir -p {} && docker run ", target.display());
    assert!(run.stdout.starts_with(&mkdir), "{}", run.stdout);
    assert!(run.stdout.ends_with(" echo 'a b'\n"), "{}", run.stdout);
    assert!(!target.exists());
}

#[test]
fn every_option_reaches_the_engine() {
    let mut sandbox = sandbox("docker");
    std::fs::create_dir_all(sandbox.beside("home/.ssh")).unwrap();
    sandbox.set("BUILDKITE_BRANCH", "b").set("CARGO_TERM_COLOR", "always");
    container(&sandbox, &["--privileged", "--ssh", "--", "true"]).assert_code(7);
    let told = told(&sandbox);
    let ssh = format!("source={},target=/run/ssh,readonly", sandbox.beside("home/.ssh").display());
    for word in [
        "--privileged",
        &format!("--mount=type=bind,{ssh}"),
        "BUILDKITE_BRANCH",
        "CARGO_TERM_COLOR",
    ] {
        assert!(told.iter().any(|it| it == word), "{word}: {told:?}");
    }
    let run = container(&sandbox, &["--image=--help", "--", "true"]).assert_code(2);
    assert!(run.stderr.contains("invalid image name `--help`"), "{}", run.stderr);
}

#[test]
fn an_image_that_is_here_is_pulled_only_on_request() {
    let sandbox = sandbox("docker");
    sandbox.stub("docker", "echo \"$1\" >> ../told; [ \"$1\" != pull ]");
    container(&sandbox, &["--", "true"]).assert_code(0);
    assert_eq!(told(&sandbox), ["info", "image", "run"]);
    container(&sandbox, &["--pull", "--", "true"]).assert_code(75);
    assert_eq!(told(&sandbox)[3..], ["info", "pull"]);
}

#[test]
fn files_are_given_back_unless_root_is_the_caller() {
    let sandbox = sandbox("docker");
    // Only root can, and only root has to: another user's files are not root's.
    sandbox.run("chown", &["-R", "1234:1234", "."]);
    let owner = sandbox.run("stat", &["-c", "%u:%g", "."]).assert_code(0).stdout;
    let told_with = |answer: &str| {
        let engine = "case $1 in info) echo ANSWER;; run) for word; do printf '%s\\n' \"$word\"; done > ../told;; esac";
        sandbox.stub("docker", &engine.replace("ANSWER", answer));
        container(&sandbox, &["--", "true"]).assert_code(0);
        told(&sandbox).join("\n")
    };
    assert!(told_with("name=seccomp").contains(&format!("chown -h {} ", owner.trim())));
    assert!(!told_with("name=rootless").contains("chown -h"));
}

#[test]
fn a_linked_worktree_brings_the_repository_that_it_belongs_to() {
    let sandbox = sandbox("docker");
    let tree = sandbox.beside("tree");
    sandbox.git(&["worktree", "add", "--quiet", tree.to_str().unwrap()]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["container", "--dry-run", "--engine=docker"]).current_dir(&tree);
    let line = String::from_utf8(output.output().unwrap().stdout).unwrap();
    let git_dir = sandbox.root().join(".git").display().to_string();
    assert!(line.contains(&format!("source={git_dir},target={git_dir}")), "{line}");
}
