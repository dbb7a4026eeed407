//! Whole pipelines: what this repository ships, as Buildkite gets it.
//!
//! `UPDATE_EXPECT=1 cargo test --test cli golden` refreshes the files.

use std::fs;
use std::path::PathBuf;

use expect_test::expect_file;

use crate::support::{Sandbox, checkout};

/// A name, the description (`None` is the shipped one), and the platforms.
const CASES: [(&str, Option<&str>, &str); 4] = [
    ("shipped", None, ""),
    ("shipped-with-riscv64", None, "x86_64\naarch64\nriscv64\n"),
    ("sample-custom-tests", Some("samples/custom-tests.json"), ""),
    ("sample-bench-tests", Some("samples/bench-tests.json"), ""),
];

/// The pipeline of a description, and the consumer that has it.
pub(crate) fn pipeline(description: &str, platforms: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    let template = checkout().join("ci-template/cargo-config.toml");
    sandbox.write(".cargo/config.toml", fs::read(template).unwrap());
    if !platforms.is_empty() {
        sandbox.write(".platform", platforms);
    }
    let text = sandbox.xtask(&["pipeline", "-t", description]).assert_code(0).stdout;
    (sandbox, text)
}

/// Name, consumer and text of every pipeline that is recorded.
pub(crate) fn pipelines() -> impl Iterator<Item = (&'static str, Sandbox, String)> {
    CASES.into_iter().map(|(name, description, platforms)| {
        let path = description.map(|path| checkout().join(path));
        let path = path.as_ref().and_then(|path| path.to_str()).unwrap_or("shipped");
        let (sandbox, text) = pipeline(path, platforms);
        (name, sandbox, text)
    })
}

#[test]
fn shipped_and_sample_pipelines_are_as_recorded() {
    for (name, _, text) in pipelines() {
        expect_file![golden(name)].assert_eq(&text);
    }
}

/// The real agent is the judge of what we generate. It is no part of any toolchain: `.ci/run`
/// installs it where it can be had, and without it the recorded files alone are compared.
#[test]
fn the_real_agent_reads_every_pipeline() {
    if Sandbox::new().run("sh", &["-c", "command -v buildkite-agent"]).code != Some(0) {
        return;
    }
    for (name, sandbox, text) in pipelines() {
        sandbox.write("pipeline.yml", &text);
        let dry_run =
            ["pipeline", "upload", "--dry-run", "--agent-access-token", "none", "pipeline.yml"];
        let run = sandbox.run("buildkite-agent", &dry_run).assert_code(0);
        let read: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let steps = read["steps"].as_array().unwrap().len();
        assert_eq!(steps, text.matches("\n- label: ").count(), "{name}");
    }
}

fn golden(name: &str) -> PathBuf {
    checkout().join("xtask/tests/cli/golden").join(format!("{name}.yml"))
}
