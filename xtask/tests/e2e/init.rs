//! From a new crate to a green `ci` with the commands of the README and those that `init` prints.

use std::path::Path;

use crate::consumer::{path_with_tools, snapshot};
use crate::support::{Run, Sandbox, checkout};

/// What the README says to run first, with a snapshot of this repository in the place of its URL.
fn getting_started(snapshot: &Path) -> Vec<String> {
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Your crate in five minutes\n").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let url = "https://github.com/rust-vmm/rust-vmm-ci.git";
    let add = format!(
        "git -c protocol.file.allow=always submodule add {} rust-vmm-ci",
        snapshot.display()
    );
    let line = |line: &str| match line.strip_prefix("git submodule add ") {
        Some(rest) => add.clone() + rest.strip_prefix(url).unwrap(),
        // There is no terminal to answer at.
        None if line.ends_with(" init") => format!("{line} --yes"),
        None => line.to_owned(),
    };
    block.lines().map(line).collect()
}

fn sh(sandbox: &Sandbox, line: &str) -> Run {
    sandbox.run("sh", &["-e", "-c", line])
}

fn status(sandbox: &Sandbox) -> String {
    sandbox.git(&["status", "--porcelain", "--ignore-submodules=none"])
}

#[test]
fn a_new_crate_is_green_after_the_commands_of_the_readme() {
    let mut sandbox = Sandbox::new();
    sandbox.set("PATH", &path_with_tools());
    sandbox.run("cargo", &["init", "--quiet", "--lib", "--name", "a"]).assert_code(0);
    sandbox.run("cargo", &["generate-lockfile"]).assert_code(0);
    sandbox.commit_all("Add a crate");
    let origin = sandbox.beside("origin.git");
    sandbox.git(&[
        "init",
        "--quiet",
        "--bare",
        "--initial-branch",
        "main",
        origin.to_str().unwrap(),
    ]);
    sandbox.git(&["remote", "add", "origin", origin.to_str().unwrap()]);
    sandbox.git(&["push", "--quiet", "origin", "main"]);

    let snapshot = snapshot(&sandbox.beside("snapshot"));
    let mut init = None;
    for line in getting_started(&snapshot) {
        init = Some(sh(&sandbox, &line).assert_code(0));
    }
    let said = init.unwrap().stderr;
    let (_, next) = said.split_once("\nnext:\n").unwrap();
    let mut table = String::new();
    for line in next.lines() {
        let run = sh(&sandbox, line).assert_code(0);
        if line.ends_with(" ci") {
            table = run.stdout;
        }
    }
    for test in ["style", "commit-format", "coverage-"] {
        let line = table.lines().find(|line| line.starts_with(test));
        assert!(line.is_some_and(|line| line.contains("passed")), "{test}: {table}");
    }
    assert_eq!(status(&sandbox), "", "everything is committed and the submodule is clean");
    sh(&sandbox, "cargo xtask init --check").assert_code(0);
    for config in ["coverage_config_x86_64.json", "coverage_config_aarch64.json"] {
        assert!(sandbox.read(config).contains(": 100.00,"), "{config}");
    }
}
