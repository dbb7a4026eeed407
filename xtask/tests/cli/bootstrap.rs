//! The bootstrap step's own command, run as the docker plugin runs it.

use std::fs;

use crate::support::{Sandbox, checkout};

fn template() -> String {
    fs::read_to_string(checkout().join("ci-template/bootstrap.yml")).unwrap()
}

/// The value of a `key: "value"`.
fn value(line: &str) -> String {
    let (_, value) = line.split_once(": ").unwrap();
    serde_json::from_str(value).unwrap_or_else(|_| value.to_owned())
}

fn command() -> String {
    let text = template();
    value(text.lines().find(|line| line.trim_start().starts_with("command: ")).unwrap())
}

/// The variables that the step sets.
pub(crate) fn environment() -> Vec<(String, String)> {
    let text = template();
    let lines = text.lines().skip_while(|line| *line != "    env:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("      "));
    lines.map(|line| (line.split_once(':').unwrap().0.trim().to_owned(), value(line))).collect()
}

/// A consumer whose `cargo xtask` is the built binary and whose agent records what it is given, and
/// which files git says have changed.
fn consumer() -> Sandbox {
    let mut sandbox = Sandbox::new();
    for (name, value) in environment() {
        sandbox.set(&name, &value);
    }
    let binary = env!("CARGO_BIN_EXE_xtask");
    sandbox.stub("cargo", &format!("test \"$1\" = xtask || exit 9\nshift\nexec {binary} \"$@\""));
    let records = "echo \"$@\" > agent-arguments\ncat > agent-input";
    let asks = "git diff --name-only HEAD > agent-changes || exit 5";
    sandbox.stub("buildkite-agent", &format!("{records}\n{asks}"));
    let template = checkout().join("ci-template/cargo-config.toml");
    sandbox.write(".cargo/config.toml", fs::read(template).unwrap());
    sandbox
}

#[test]
fn it_uploads_the_generated_pipeline() {
    let sandbox = consumer();
    sandbox.run("sh", &["-e", "-c", &command()]).assert_code(0);
    assert_eq!(sandbox.read("agent-arguments"), "pipeline upload\n");
    let printed = sandbox.xtask(&["pipeline", "--format", "json"]).assert_code(0).stdout;
    assert_eq!(sandbox.read("agent-input"), printed);
}

#[test]
fn it_loses_no_failure() {
    let mut sandbox = consumer();
    sandbox.set("TESTS_TO_SKIP", "not a list");
    sandbox.run("sh", &["-e", "-c", &command()]).assert_code(2);
    assert!(!sandbox.root().join("agent-input").exists(), "nothing was uploaded");

    let sandbox = consumer();
    sandbox.stub("buildkite-agent", "echo 'no such job' >&2; exit 5");
    let run = sandbox.run("sh", &["-e", "-c", &command()]).assert_code(75);
    assert!(run.stderr.contains("no such job\n"), "{}", run.stderr);
}

#[test]
fn git_names_files_as_they_are() {
    let sandbox = consumer();
    sandbox.write("src/größe.rs", "").git(&["add", "src"]);
    sandbox.run("sh", &["-e", "-c", &command()]).assert_code(0);
    assert_eq!(sandbox.read("agent-changes"), "src/größe.rs\n");
}

#[test]
fn git_names_a_moved_file_at_both_places() {
    let sandbox = consumer();
    sandbox.write("a/file", "Some text.\n").commit_all("Start");
    sandbox.write("b/other", "").git(&["mv", "a/file", "b/file"]);
    sandbox.run("sh", &["-e", "-c", &command()]).assert_code(0);
    assert_eq!(sandbox.read("agent-changes"), "a/file\nb/file\n");
}

#[test]
fn the_container_gets_the_agent_and_the_variables_and_the_agent_time_to_retry() {
    let text = template();
    for line in ["mount-buildkite-agent: true", "propagate-environment: true"] {
        assert!(text.contains(&format!("\n          {line}\n")), "{line}");
    }
    for (name, _) in environment() {
        assert!(text.contains(&format!("\n            - {name}\n")), "{name} stays outside");
    }
    assert!(text.ends_with("\n    timeout_in_minutes: 15\n"));
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
    let refusal = sandbox.run("env", &["GIT_CONFIG_COUNT=0", "git", "status"]);
    assert_ne!(refusal.code, Some(0), "git was expected to refuse: {}", refusal.stdout);
    sandbox.run("sh", &["-e", "-c", &command()]).assert_code(0);
}
