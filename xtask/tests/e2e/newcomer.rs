//! The first ten minutes: the pipeline, the tests, a mistake.

use crate::consumer::{Layout, consumer};
use crate::support::{Run, Sandbox};

fn cargo_xtask(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.run("cargo", &[&["xtask"], arguments].concat())
}

fn status(sandbox: &Sandbox) -> String {
    sandbox.git(&["status", "--porcelain", "--ignore-submodules=none"])
}

#[test]
fn a_single_crate_sees_its_pipeline_and_runs_its_tests() {
    let sandbox = consumer(Layout::SingleCrate);
    the_pipeline_is_complete(&sandbox);
    the_tests_run(&sandbox);
    a_mistake_is_seen(&sandbox);
}

#[test]
fn a_workspace_with_a_root_package_does_too() {
    let sandbox = consumer(Layout::RootPackageOfAWorkspace);
    the_pipeline_is_complete(&sandbox);
    the_tests_run(&sandbox);
    let run = cargo_xtask(&sandbox, &["ci", "--jobs=1", "unittests-gnu"]);
    let output = format!("{}{}", run.stdout, run.stderr);
    assert!(output.contains("the_clock_is_on_the_bus"), "every member is tested: {output}");
    a_mistake_is_seen(&sandbox);
}

fn the_pipeline_is_complete(sandbox: &Sandbox) {
    let run = cargo_xtask(sandbox, &["pipeline", "--format", "json"]).assert_code(0);
    let pipeline: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let steps = pipeline["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 19);
    let commands: Vec<&str> = steps.iter().map(|step| step["command"].as_str().unwrap()).collect();
    assert!(commands.contains(&"cargo xtask coverage"));

    let custom = cargo_xtask(sandbox, &["pipeline", "-t", ".buildkite/custom-tests.json"]);
    assert!(custom.assert_code(0).stdout.contains("label: build-no-std-x86_64"));
    let linked = "rust-vmm-ci/.buildkite/test_description.json";
    let linked = cargo_xtask(sandbox, &["pipeline", "-t", linked, "--format", "json"]);
    assert_eq!(linked.assert_code(0).stdout, run.stdout, "the old path leads to the shipped tests");
}

fn the_tests_run(sandbox: &Sandbox) {
    let run = cargo_xtask(sandbox, &["ci", "style", "clippy", "unittests-gnu"]).assert_code(0);
    assert!(run.stdout.ends_with("3 passed\n"), "{}", run.stdout);
    let platform = std::env::consts::ARCH;
    for label in ["style", &format!("clippy-{platform}"), &format!("unittests-gnu-{platform}")] {
        let line = run.stdout.lines().find(|line| line.starts_with(&format!("{label} ")));
        assert!(line.unwrap().contains("passed"), "{}", run.stdout);
    }
    assert_eq!(status(sandbox), "", "a run leaves the tree as it found it");
}

fn a_mistake_is_seen(sandbox: &Sandbox) {
    let good = sandbox.read("src/lib.rs");
    sandbox.write("src/lib.rs", format!("{good}\n#[test]\nfn wrong() {{assert_eq!(1, 2);}}\n"));
    let run = cargo_xtask(sandbox, &["ci", "style", "unittests-gnu"]).assert_code(1);
    assert!(run.stdout.contains("2 failed"), "{}", run.stdout);
    assert!(run.stdout.contains("run again: cargo xtask ci style\n"), "{}", run.stdout);
    sandbox.write("src/lib.rs", good);
    assert_eq!(status(sandbox), "");
}
