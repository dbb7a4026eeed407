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
        let (sandbox, text) = pipeline(&path(description), platforms);
        (name, sandbox, text)
    })
}

/// What `-t` takes for the recorded pipeline of this name.
pub(crate) fn description(name: &str) -> String {
    let case = CASES.into_iter().find(|case| case.0 == name);
    path(case.and_then(|case| case.1))
}

fn path(description: Option<&str>) -> String {
    let path = description.map(|path| checkout().join(path).to_str().unwrap().to_owned());
    path.unwrap_or_else(|| "shipped".to_owned())
}

#[test]
fn shipped_and_sample_pipelines_are_as_recorded() {
    for (name, _, text) in pipelines() {
        expect_file![golden(name)].assert_eq(&text);
    }
}

/// The real agent is the judge of what we generate. It is no part of any toolchain, so its tests are
/// ignored by default; `.ci/run` names them where it finds an agent or can install one.
#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_reads_every_pipeline() {
    for (name, sandbox, text) in pipelines() {
        sandbox.write("pipeline.yml", &text);
        let steps = uploaded(&sandbox, &["pipeline.yml"]);
        assert_eq!(steps.len(), text.matches("\n- label: ").count(), "{name}");
    }
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_decides_by_our_gates_what_a_change_concerns() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n");
    let depends = "\n[dependencies]\na = { path = \"../a\" }\n";
    for (member, more) in [("a", ""), ("b", depends)] {
        let manifest = format!("[package]\nname = \"{member}\"\nversion = \"0.1.0\"\n{more}");
        sandbox.write(&format!("{member}/Cargo.toml"), manifest);
        sandbox.write(&format!("{member}/src/lib.rs"), "");
    }
    let own = r#"{"tests": [{"test_name": "own", "command": "d"}]}"#;
    sandbox.write("b/.buildkite/test_description.json", own);
    let shared = r#"{"tests": [{"test_name": "u", "command": "c"},
        {"test_name": "all", "command": "c", "scope": "workspace"}]}"#;
    sandbox.write("t.json", shared);
    sandbox.commit_all("Start");
    let run = |changed: &str, dependents: &str| {
        let options = ["--workspace-selective", "true", "--dependents", dependents];
        let write = ["pipeline", "-t", "t.json", "--output", "pipeline.yml"];
        sandbox.xtask(&[&write[..], &options].concat()).assert_code(0);
        sandbox.write("changed", format!("{changed}\n"));
        let decide = ["--apply-if-changed", "--changed-files-path", "changed", "pipeline.yml"];
        let steps = uploaded(&sandbox, &decide).into_iter();
        let runs = steps.filter(|step| step.get("skip").is_none());
        runs.map(|step| step["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(run("a/src/lib.rs", "false"), "a: u, all");
    assert_eq!(run("a/src/lib.rs", "true"), "a: u, b: u, all, b: own");
    assert_eq!(run("b/src/lib.rs", "true"), "b: u, all, b: own");
    assert_eq!(run("docs/x.md", "false"), "all");
    // The submodule itself, as git lists it, and everything else that all crates share.
    for shared in [
        "rust-vmm-ci",
        "Cargo.lock",
        "Cargo.toml",
        ".cargo/config.toml",
        "rust-toolchain.toml",
        "clippy.toml",
        ".rustfmt.toml",
        ".buildkite/overrides.json",
    ] {
        assert_eq!(run(shared, "false"), "a: u, b: u, all", "{shared}");
    }
}

/// The table of our own reading of the agent's grammar is beside it, in `text/shell.rs`.
#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_refuses_the_expansions_that_we_refuse() {
    let sandbox = Sandbox::new();
    let refused = [
        "${x%.rs}",
        "${a##*/}",
        "${a[0]}",
        "${1}",
        "${#a[@]}",
        "${a:=b}",
        "${a:+x}",
        "${_A}",
        "${!A}",
        "${a.b}",
        "${a/b/c}",
        "${a:-${b%c}}",
        "${a:1:x}",
        "${a:-b",
        "x${",
    ];
    let accepted = [
        "$${x%.rs}",
        r"\${a##*/}",
        "$(x)",
        "$1 $% $",
        r"\\${A}",
        "${A:-x y}",
        "${A-}",
        "${A:1}",
        "${A: -1 :2}",
        "${A:-${B:-}}",
        "${é}",
        "$$$$",
        "a$",
    ];
    let all = refused.map(|text| (text, false)).into_iter();
    for (text, is_accepted) in all.chain(accepted.map(|text| (text, true))) {
        let pipeline = serde_json::json!({"steps": [{"command": "c", "env": {"A": text}}]});
        sandbox.write("raw.json", pipeline.to_string());
        let agent = ["pipeline", "upload", "--dry-run", "--agent-access-token", "none", "raw.json"];
        let agent = sandbox.run("buildkite-agent", &agent).code == Some(0);
        let test = serde_json::json!({"test_name": "a", "command": "c", "env": {"A": text}});
        sandbox.write("t.json", serde_json::json!({"tests": [test]}).to_string());
        let ours = sandbox.xtask(&["pipeline", "-t", "t.json"]).code == Some(0);
        assert_eq!((agent, ours), (is_accepted, is_accepted), "{text}");
    }
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_reads_every_character_of_an_upload() {
    let sandbox = Sandbox::new();
    let odd = "\u{7f}\u{80}\u{85}\u{9f}\u{2028}\u{feff}\u{fffe}\u{ffff}é";
    let test = serde_json::json!({"test_name": "a", "command": "c", "env": {"A": odd}});
    sandbox.write("t.json", serde_json::json!({"tests": [test]}).to_string());
    let arguments = ["pipeline", "-t", "t.json", "--format", "json", "--output", "p.json"];
    sandbox.xtask(&arguments).assert_code(0);
    assert_eq!(uploaded(&sandbox, &["p.json"])[0]["env"]["A"], odd);
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_leaves_dollars_of_a_directory_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"$a${b}\"]\n");
    sandbox.write("$a${b}/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\n");
    sandbox.write("$a${b}/src/lib.rs", "");
    sandbox.write("t.json", r#"{"tests": [{"test_name": "t", "command": "cd {crate_path}"}]}"#);
    let arguments = ["pipeline", "-t", "t.json", "--workspace-selective", "true"];
    let run = sandbox.xtask(&[&arguments[..], &["--output", "p.yml"]].concat());
    run.assert_code(0);
    sandbox.commit_all("Start");
    for (changed, runs) in [("$a${b}/src/lib.rs", true), ("docs/x.md", false)] {
        sandbox.write("changed", format!("{changed}\n"));
        let decide = ["--apply-if-changed", "--changed-files-path", "changed", "p.yml"];
        let step = &uploaded(&sandbox, &decide)[0];
        assert_eq!(step["command"], "cd '$a${b}'");
        assert_eq!(step.get("skip").is_none(), runs, "{changed}");
    }
}

/// The steps that a dry run of the real agent would upload.
pub(crate) fn uploaded(sandbox: &Sandbox, arguments: &[&str]) -> Vec<serde_json::Value> {
    let dry_run = ["pipeline", "upload", "--dry-run", "--agent-access-token", "none"];
    let run = sandbox.run("buildkite-agent", &[&dry_run[..], arguments].concat()).assert_code(0);
    let read: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    read["steps"].as_array().unwrap().clone()
}

fn golden(name: &str) -> PathBuf {
    checkout().join("xtask/tests/cli/golden").join(format!("{name}.yml"))
}
