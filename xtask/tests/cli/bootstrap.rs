//! The bootstrap step's own command, run as the docker plugin runs it.

use std::fs;

use crate::support::{Sandbox, checkout};

/// The `command` of `ci-template/bootstrap.yml`. The container has a `/tmp` of its own; here the
/// tests would share it.
fn command(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(checkout().join("ci-template/bootstrap.yml")).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("command: "));
    let value = line.unwrap().trim_start().strip_prefix("command: ").unwrap();
    let command: String =
        serde_json::from_str(value).expect("a double-quoted YAML string without escapes is JSON");
    command.replace("/tmp/", &format!("{}/", sandbox.beside("home").display()))
}

/// A consumer whose `cargo xtask` is the built binary and whose agent records what it is given.
fn consumer() -> Sandbox {
    let sandbox = Sandbox::new();
    let binary = env!("CARGO_BIN_EXE_xtask");
    sandbox.stub("cargo", &format!("test \"$1\" = xtask || exit 9\nshift\nexec {binary} \"$@\""));
    sandbox.stub("buildkite-agent", "echo \"$@\" > agent-arguments\ncat \"$3\" > agent-input");
    // As the step says: the checkout belongs to the agent's user, the container's is root.
    let template = checkout().join("ci-template/cargo-config.toml");
    sandbox.write(".cargo/config.toml", fs::read(template).unwrap());
    sandbox
}

#[test]
fn it_uploads_the_generated_pipeline() {
    let sandbox = consumer();
    sandbox.run("sh", &["-e", "-c", &command(&sandbox)]).assert_code(0);
    assert!(sandbox.read("agent-arguments").starts_with("pipeline upload "));
    let printed = sandbox.xtask(&["pipeline"]).assert_code(0).stdout;
    assert_eq!(sandbox.read("agent-input"), printed);
}

#[test]
fn it_loses_no_failure() {
    let mut sandbox = consumer();
    sandbox.set("TESTS_TO_SKIP", "not a list");
    sandbox.run("sh", &["-e", "-c", &command(&sandbox)]).assert_code(2);
    assert!(!sandbox.root().join("agent-input").exists(), "nothing was uploaded");

    let sandbox = consumer();
    sandbox.stub("buildkite-agent", "echo 'no such job' >&2; exit 5");
    sandbox.run("sh", &["-e", "-c", &command(&sandbox)]).assert_code(5);
}

#[test]
fn it_works_in_a_mount_that_another_user_owns() {
    let sandbox = consumer();
    if !sandbox.run("id", &["-u"]).stdout.starts_with("0\n") {
        // Only root can give files away; for others every repository is their own.
        return;
    }
    let root = sandbox.root();
    sandbox.run("chown", &["-R", "nobody", root.to_str().unwrap()]).assert_code(0);
    let refusal = sandbox.run("git", &["status"]);
    assert_ne!(refusal.code, Some(0), "git was expected to refuse: {}", refusal.stdout);
    sandbox.run("sh", &["-e", "-c", &command(&sandbox)]).assert_code(0);
}
