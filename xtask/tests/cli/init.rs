//! `init` in throw-away repositories: what it writes, what it leaves alone, and what it refuses.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use expect_test::expect;

use crate::support::{Run, Sandbox, checkout};

/// A crate with the submodule, which is not used yet.
fn new_consumer() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .write("Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.2.3\"\nedition = \"2021\"\n");
    sandbox.write("src/lib.rs", "");
    sandbox.write(".gitignore", "/target\n");
    let submodule =
        "[submodule \"rust-vmm-ci\"]\n\tpath = rust-vmm-ci\n\turl = ../rust-vmm-ci.git\n";
    sandbox.write(".gitmodules", submodule);
    // A repository of its own, as a submodule is.
    sandbox.write("rust-vmm-ci/xtask/Cargo.toml", "");
    let older = "rust-vmm-ci/ci-template/dependabot-weekly.yml";
    sandbox.write(older, "version: 2 # as it was\n");
    sandbox.write("rust-vmm-ci/other.yml", "steps: [] # no template\n");
    sandbox.git(&["-C", "rust-vmm-ci", "init", "--quiet"]);
    sandbox.git(&["-C", "rust-vmm-ci", "add", "--all"]);
    sandbox.git(&["-C", "rust-vmm-ci", "commit", "--quiet", "--message", "Start"]);
    fs::remove_file(sandbox.root().join(older)).unwrap();
    sandbox
}

/// A crate that has used this tool since `init --yes`.
fn consumer() -> Sandbox {
    let sandbox = new_consumer();
    init(&sandbox, &["--yes"]).assert_code(0);
    sandbox
}

/// `init`, which measures no coverage: what builds is tested with the real tools.
fn init(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let is_new = !sandbox.root().join("coverage_config_x86_64.json").exists();
    let score: &[&str] = if is_new { &["--coverage-score=0"] } else { &[] };
    sandbox.xtask(&[&["init"], score, arguments].concat())
}

fn template(name: &str) -> String {
    fs::read_to_string(checkout().join("ci-template").join(name)).unwrap()
}

/// Every file of the tree and of the hooks with its content.
fn tree(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let files = walkdir::WalkDir::new(sandbox.root()).sort_by_file_name();
    let is_of_interest = |path: &str| !path.contains(".git/") || path.contains("commit-msg");
    let files = files.into_iter().map(|entry| entry.unwrap().into_path());
    let files = files.filter(|path| path.is_file() && is_of_interest(&path.to_string_lossy()));
    files.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_new_consumer_gets_every_file_and_the_next_steps() {
    let sandbox = new_consumer();
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    expect![[r"
        new file: .cargo/config.toml
        new file: .platform
        new file: coverage_config_x86_64.json
        new file: coverage_config_aarch64.json
        new file: .github/dependabot.yml
        new file: .github/workflows/publish.yml
        new file: .git/hooks/commit-msg
        wrote 7 files
        next:
          git add .cargo/config.toml .platform coverage_config_x86_64.json coverage_config_aarch64.json .github/dependabot.yml .github/workflows/publish.yml .gitmodules rust-vmm-ci
          git commit -s -m 'Use rust-vmm-ci'
          cargo xtask ci
          # in Buildkite: make rust-vmm-ci/ci-template/bootstrap.yml the steps of the pipeline
          # on crates.io: register .github/workflows/publish.yml as a trusted publisher (rust-vmm-ci/docs/init.md)
    "]]
    .assert_eq(&run.stderr);
    assert_eq!(sandbox.read(".cargo/config.toml"), template("cargo-config.toml").trim_start());
    assert_eq!(sandbox.read(".github/dependabot.yml"), template("dependabot-weekly.yml"));
    assert_eq!(sandbox.read(".platform"), "x86_64\naarch64\n");
    assert!(sandbox.read("coverage_config_x86_64.json").contains("\"coverage_score\": 0.00,"));
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    assert_eq!(fs::metadata(&hook).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_to_string(hook).unwrap(), template("commit-msg"));
}

/// `init` where `coverage` needs a tool that is missing.
#[test]
fn a_coverage_that_cannot_be_measured_is_left_for_later() {
    let sandbox = new_consumer();
    sandbox.stub("cargo-llvm-cov", "exit 1");
    let run = sandbox.xtask(&["init", "--yes"]).assert_code(0);
    let warning = "\nwarning: the line coverage could not be measured: 0 is recorded\nnext:\n  cargo \
                   xtask coverage --devel   # records the current coverage\n  git add ";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert!(sandbox.read("coverage_config_x86_64.json").contains("\"coverage_score\": 0,"));
}

#[test]
fn another_architecture_starts_with_the_known_score() {
    let sandbox = new_consumer();
    let record = "{\"coverage_score\": 85.5, \"exclude_path\": \"x\"}\n";
    sandbox.write("coverage_config_aarch64.json", record);
    sandbox.xtask(&["init", "--yes"]).assert_code(0);
    assert_eq!(sandbox.read("coverage_config_x86_64.json"), record);
    // Where the shipped tests measure nothing, one that is missing is a choice.
    fs::remove_file(sandbox.root().join("coverage_config_aarch64.json")).unwrap();
    init(&sandbox, &["--check"]).assert_code(0);
    fs::rename(
        sandbox.root().join("coverage_config_x86_64.json"),
        sandbox.root().join("coverage_config_aarch64.json"),
    )
    .unwrap();
    sandbox.xtask(&["init", "--yes", "--coverage-score", "70"]).assert_code(0);
    assert_eq!(sandbox.read("coverage_config_x86_64.json"), record.replace("85.5", "70.00"));
}

#[test]
fn a_second_run_changes_nothing_and_a_check_passes() {
    let sandbox = consumer();
    let before = tree(&sandbox);
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    assert_eq!(run.stderr, "nothing to change\n");
    assert_eq!(init(&sandbox, &["--check"]).assert_code(0).stdout, "");
    assert_eq!(tree(&sandbox), before);
}

#[test]
fn a_dry_run_prints_a_patch_and_writes_nothing() {
    let sandbox = new_consumer();
    sandbox.write(".cargo/config.toml", "[alias]\nb = \"build\"\n");
    let before = tree(&sandbox);
    let run = init(&sandbox, &["--dry-run", "--hooks"]).assert_code(0);
    assert_eq!(tree(&sandbox), before);
    let patch = sandbox.beside("patch");
    fs::write(&patch, &run.stdout).unwrap();
    sandbox.git(&["apply", patch.to_str().unwrap()]);
    init(&sandbox, &["--check"]).assert_code(0);
    assert!(sandbox.read(".cargo/config.toml").starts_with("[alias]\nb = \"build\"\nxtask = \""));
}

#[test]
fn a_check_tells_older_copies_from_edited_and_missing_ones() {
    let sandbox = consumer();
    let publish = sandbox.read(".github/workflows/publish.yml");
    sandbox.write(".github/workflows/publish.yml", publish.replace("ubuntu-latest", "mine"));
    sandbox.write(".github/dependabot.yml", "version: 2 # as it was\n");
    fs::remove_file(sandbox.root().join("coverage_config_x86_64.json")).unwrap();
    sandbox.write(".gitignore", "");
    // The submodule's history has more than templates.
    sandbox.write(".buildkite/pipeline.yml", "steps: [] # no template\n");
    let run = init(&sandbox, &["--check"]).assert_code(1);
    expect![[r"
        coverage_config_x86_64.json: missing
        .gitignore: lacks `/target`
        .github/dependabot.yml: older template
        .github/workflows/publish.yml: edited by you
    "]]
    .assert_eq(&run.stdout);
    // What is the user's stays until they say otherwise.
    init(&sandbox, &["--yes"]).assert_code(0);
    assert_eq!(
        init(&sandbox, &["--check"]).stdout,
        ".github/workflows/publish.yml: edited by you\n"
    );
    init(&sandbox, &["--yes", "--overwrite"]).assert_code(0);
    assert_eq!(init(&sandbox, &["--check"]).assert_code(0).stdout, "");
}

#[test]
fn cargo_finds_the_alias_whatever_its_configuration_was() {
    let other = "[build]\nrustflags = []\n\n[alias]\nx = \"metadata\"\n\n[net]\nretry = 2";
    for files in [
        &[][..],
        &[(".cargo/config.toml", other)],
        &[(".cargo/config.toml", "[net]\nretry = 2")],
        &[(".cargo/config", other)],
        &[(".cargo/config", "[net]\nretry = 2"), (".cargo/config.toml", other)],
    ] {
        let sandbox = new_consumer();
        for (name, text) in files {
            sandbox.write(name, text);
        }
        init(&sandbox, &["--yes"]).assert_code(0);
        let aliases = sandbox.run("cargo", &["--list"]).assert_code(0).stdout;
        let alias = "alias: run --locked --target-dir target/xtask --manifest-path \
                     rust-vmm-ci/xtask/Cargo.toml --";
        assert!(aliases.contains(alias), "{files:?}\n{aliases}");
        let has_other = files.first().is_some_and(|(_, text)| text.contains("[alias]"));
        assert_eq!(aliases.contains("alias: metadata"), has_other, "{files:?}\n{aliases}");
    }
}

#[test]
fn an_alias_of_that_name_stays_and_ours_gets_another() {
    let sandbox = new_consumer();
    sandbox.write(".cargo/config", "[alias]\nxtask = \"run --package xtask --\"\n");
    let run = init(&sandbox, &["--yes", "--bootstrap"]).assert_code(0);
    expect![[r#"
        [alias]
        xtask = "run --package xtask --"
        ci-xtask = "run --locked --target-dir target/xtask --manifest-path rust-vmm-ci/xtask/Cargo.toml --"
    "#]]
    .assert_eq(&sandbox.read(".cargo/config"));
    for line in ["git mv .cargo/config .cargo/config.toml", "cargo ci-xtask ci"] {
        assert!(run.stderr.contains(&format!("\n  {line}\n")), "{}", run.stderr);
    }
    assert!(
        sandbox.read(".buildkite/pipeline.yml").contains("\"cargo ci-xtask pipeline --upload\"")
    );
    init(&sandbox, &["--check"]).assert_code(0);
    let run = init(&sandbox, &["--yes", "--alias", "other"]).assert_code(2);
    let error = "error: `--alias`: the alias `ci-xtask` already runs this tool\n";
    assert!(run.stderr.ends_with(error), "{}", run.stderr);

    sandbox.write(".cargo/config.toml", "");
    let run = init(&sandbox, &["--check"]).assert_code(0);
    let warning = "warning: cargo ignores `.cargo/config.toml`, because `.cargo/config` exists";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn where_cargo_builds_for_another_target_the_alias_names_the_host() {
    let sandbox = new_consumer();
    sandbox.write(".cargo/config.toml", "[build]\ntarget = \"thumbv7m-none-eabi\"\n");
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    let version = sandbox.run("rustc", &["-vV"]).stdout;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let config = sandbox.read(".cargo/config.toml");
    assert!(config.contains(&format!("xtask = \"run --target {host} --locked")), "{config}");
    assert!(run.stderr.contains("`build.target` differs from the host"), "{}", run.stderr);
}

#[test]
fn the_python_tool_set_is_converted_and_the_rest_is_named() {
    let sandbox = new_consumer();
    let bench = "{\n  \"tests\": [\n    {\"test_name\": \"bench\", \"command\": \"pytest ci/test_benchmark.py -s\"},\n    \
                 {\"test_name\": \"c\", \"command\": \"make; pytest ci/test_coverage.py\"}\n  ]\n}\n";
    sandbox.write(".buildkite/bench.json", bench);
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    assert!(
        run.stderr.contains("-    {\"test_name\": \"bench\", \"command\": \"pytest"),
        "{}",
        run.stderr
    );
    let by_hand = "warning: .buildkite/bench.json:4: convert this by hand";
    assert!(run.stderr.contains(by_hand), "{}", run.stderr);
    let converted = bench
        .replace("pytest ci/test_benchmark.py -s", "{xtask} bench")
        .replace("{\n  \"tests", "{\n  \"timeout_in_minutes\": 15,\n  \"tests");
    assert_eq!(sandbox.read(".buildkite/bench.json"), converted);
    let check = init(&sandbox, &["--check"]).assert_code(1);
    assert_eq!(check.stdout, ".buildkite/bench.json: relies on the Python tool set\n");
}

#[test]
fn a_workspace_that_is_not_at_the_root_is_named_by_its_manifest() {
    let sandbox = new_consumer();
    sandbox.write("staging/Cargo.toml", "[workspace]\n").write("other/Cargo.toml", "[package]\n");
    let test = |dir: &str| {
        let command = format!("cd {dir} && pytest ../rust-vmm-ci/test_coverage.py");
        format!(
            "{{\"test_name\": \"{dir}\", \"timeout_in_minutes\": 9, \"command\": \"{command}\"}}"
        )
    };
    let tests = format!("{{\"tests\": [{},\n{}]}}\n", test("staging"), test("other"));
    sandbox.write(".buildkite/custom.json", tests);
    let stderr = init(&sandbox, &["--yes"]).assert_code(0).stderr;
    assert!(stderr.contains(".buildkite/custom.json:2: convert this by hand"), "{stderr}");
    let converted = "\"command\": \"{xtask} coverage --manifest-path staging/Cargo.toml\"";
    assert!(sandbox.read(".buildkite/custom.json").contains(converted), "{stderr}");
}

#[test]
fn only_descriptions_that_relied_on_fifteen_minutes_get_them() {
    let tests = "{\"tests\": [{\"test_name\": \"a\", \"command\": \"true\"}]}\n";
    let sandbox = new_consumer();
    sandbox.write(".buildkite/custom.json", tests).write(".buildkite/settings.json", "// none\n");
    init(&sandbox, &["--yes"]).assert_code(0);
    assert_eq!(
        sandbox.read(".buildkite/custom.json"),
        tests,
        "a new consumer had no other default"
    );

    let sandbox = new_consumer();
    sandbox.write(".buildkite/custom.json", tests).commit_all("Use the Python tool set");
    init(&sandbox, &["--yes"]).assert_code(0);
    assert!(sandbox.read(".buildkite/custom.json").starts_with("{\"timeout_in_minutes\": 15,"));
}

#[test]
fn a_toolchain_file_that_is_too_old_is_a_warning_with_a_way_out() {
    let sandbox = consumer();
    sandbox.write("rust-toolchain", "1.74.0\n");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["init", "--check"]).env("RUSTUP_TOOLCHAIN", "stable").output();
    let output = output.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("`rust-toolchain` pins Rust 1.74.0"), "{stderr}");
    assert!(stderr.contains("RUSTUP_TOOLCHAIN=stable"), "{stderr}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn hooks_go_where_git_looks_for_them() {
    let sandbox = new_consumer();
    sandbox.git(&["config", "core.hooksPath", ".githooks"]);
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    assert_eq!(sandbox.read(".githooks/commit-msg"), template("commit-msg"));
    assert!(run.stderr.contains(" .githooks/commit-msg "), "it is tracked: {}", run.stderr);

    let sandbox = new_consumer();
    let shared = sandbox.beside("home/hooks");
    sandbox.git(&["config", "core.hooksPath", shared.to_str().unwrap()]);
    init(&sandbox, &["--yes"]).assert_code(0);
    assert!(!shared.exists(), "other repositories use it too");
    init(&sandbox, &["--yes", "--hooks"]).assert_code(0);
    assert!(shared.join("commit-msg").exists());

    let sandbox = new_consumer();
    sandbox.write(".git/hooks/commit-msg", "#!/bin/sh\n");
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    assert_eq!(sandbox.read(".git/hooks/commit-msg"), "#!/bin/sh\n");
    assert!(
        run.stderr.contains("add to it: cargo xtask commit-format --message-file \"$1\"\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_hook_that_is_a_link_or_cannot_run_is_seen() {
    let sandbox = consumer();
    let hook = sandbox.root().join(".git/hooks/commit-msg");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o644)).unwrap();
    let drift = init(&sandbox, &["--check"]).assert_code(1).stdout;
    assert_eq!(drift, ".git/hooks/commit-msg: lacks the permission to execute it\n");
    init(&sandbox, &["--yes"]).assert_code(0);
    init(&sandbox, &["--check"]).assert_code(0);

    fs::remove_file(&hook).unwrap();
    let template = "../../rust-vmm-ci/dependabot.yml";
    std::os::unix::fs::symlink(template, &hook).unwrap();
    for text in ["", "#!/bin/sh\n"] {
        sandbox.write("rust-vmm-ci/dependabot.yml", text);
        init(&sandbox, &["--yes", "--hooks"]).assert_code(0);
        assert_eq!(sandbox.read("rust-vmm-ci/dependabot.yml"), text);
    }

    for dir in ["/dev/null", "rust-vmm-ci/xtask"] {
        let sandbox = new_consumer();
        sandbox.git(&["config", "core.hooksPath", dir]);
        let run = init(&sandbox, &["--yes", "--hooks"]).assert_code(0);
        assert!(run.stderr.starts_with("warning: `--hooks` has no effect"), "{}", run.stderr);
    }
}

#[test]
fn an_edit_during_a_question_is_not_lost() {
    let sandbox = new_consumer();
    let config = "[net]\nretry = 1\n";
    let edit = |question| {
        if question == 5 {
            sandbox.write(".cargo/config.toml", config);
        }
    };
    let keys = ["\n", "\n", "\n", "\n", "0\n", "\n"];
    interactive_with(&sandbox, &keys, edit).assert_code(75);
    assert_eq!(sandbox.read(".cargo/config.toml"), config);
    assert!(!sandbox.root().join(".platform").exists());

    let sandbox = new_consumer();
    let link = |question| {
        if question == 5 {
            std::os::unix::fs::symlink("../outside", sandbox.root().join(".platform")).unwrap();
        }
    };
    interactive_with(&sandbox, &keys, link).assert_code(75);
    assert!(!sandbox.beside("outside").exists());
}

#[test]
fn what_a_link_leads_out_to_is_not_written() {
    for (link, target) in
        [(".cargo", "rust-vmm-ci"), (".github", "rust-vmm-ci"), (".cargo", "../beside")]
    {
        let sandbox = new_consumer();
        fs::create_dir(sandbox.beside("beside")).unwrap();
        std::os::unix::fs::symlink(target, sandbox.root().join(link)).unwrap();
        let stderr = refused(&sandbox, &["--yes"]);
        assert!(stderr.contains("is reached through a symbolic link"), "{stderr}");
    }
}

#[test]
fn a_configuration_that_git_ignores_is_not_replaced() {
    let sandbox = new_consumer();
    let record = "{\"coverage_score\": 85.5}\n";
    sandbox.write(".gitignore", "/target\n*.json\n.cargo\n");
    sandbox.write("coverage_config_x86_64.json", record);
    let run = sandbox.xtask(&["init", "--yes"]).assert_code(0);
    assert_eq!(sandbox.read("coverage_config_x86_64.json"), record);
    assert!(run.stderr.contains("  git add --force "), "{}", run.stderr);
    assert!(!run.stderr.contains("coverage_config_x86_64.json"), "{}", run.stderr);
}

#[test]
fn the_root_is_found_from_below_and_said() {
    let sandbox = new_consumer();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["init", "--yes"]).current_dir(sandbox.root().join("src")).output();
    let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
    let root = fs::canonicalize(sandbox.root()).unwrap();
    let line = format!("using the repository root `{}`\n", root.display());
    assert!(stderr.starts_with(&line), "{stderr}");
    assert!(sandbox.root().join(".platform").exists());
}

/// Runs with a bad input; nothing may be written, and the error is returned.
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let before = tree(sandbox);
    let run = init(sandbox, arguments).assert_code(2);
    assert_eq!(tree(sandbox), before, "nothing is half-written");
    run.stderr
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    expect![[r"
        error: cannot ask questions without a terminal
        help: pass `--yes` to accept the defaults, or `--dry-run` to print the changes
    "]]
    .assert_eq(&refused(&new_consumer(), &[]));
}

#[test]
fn files_that_do_not_parse_are_named_with_their_line() {
    let sandbox = new_consumer();
    sandbox.write(".cargo/config.toml", "[alias]\nb\n");
    expect![[r"
        .cargo/config.toml:2:1: error: invalid TOML
         2 | b
           | ^
    "]]
    .assert_eq(&refused(&sandbox, &["--yes"]));

    let sandbox = new_consumer();
    sandbox.write("Cargo.toml", "[package\n");
    let stderr = refused(&sandbox, &["--yes"]);
    assert!(stderr.contains("Cargo.toml:1"), "{stderr}");
    assert!(stderr.contains("error: cargo cannot read the workspace"), "{stderr}");

    let sandbox = new_consumer();
    sandbox.stub("cargo", "printf 'error: no toolchain\\nhelp: install it\\n' >&2; exit 1");
    let stderr = refused(&sandbox, &["--yes"]);
    assert!(stderr.contains("error: cargo cannot read the workspace"), "{stderr}");
    assert!(stderr.contains(": no toolchain\n    help: install it\n"), "{stderr}");

    let sandbox = new_consumer();
    sandbox.write(".platform", b"x86_64\n\xff\n");
    assert!(refused(&sandbox, &["--yes"]).contains(".platform:2:1: error: not UTF-8 text"));
}

#[test]
fn a_table_that_is_not_plain_gets_its_line_by_hand() {
    let sandbox = new_consumer();
    sandbox.write(".cargo/config.toml", "alias = { b = \"build\" }\n");
    expect![[r#"
        error: cannot add the alias `xtask` to `.cargo/config.toml`: its aliases are not in an `[alias]` table
        help: add it to the alias table by hand, then run this again: xtask = "run --locked --target-dir target/xtask --manifest-path rust-vmm-ci/xtask/Cargo.toml --"
    "#]]
    .assert_eq(&refused(&sandbox, &["--yes"]));
    let line = "xtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml --\"";
    sandbox.write(".cargo/config.toml", format!("alias = {{ {line} }}\n"));
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    let add = run.stderr.lines().find(|line| line.starts_with("  git add ")).unwrap();
    assert!(add.ends_with(" .cargo/config.toml .gitmodules rust-vmm-ci"), "{add}");
}

#[test]
fn what_is_read_only_is_refused_before_anything_is_written() {
    for path in [".gitignore", "."] {
        let sandbox = new_consumer();
        sandbox.write(".gitignore", "");
        let of = sandbox.root().join(path);
        let before = fs::metadata(&of).unwrap().permissions();
        fs::set_permissions(&of, fs::Permissions::from_mode(before.mode() & 0o555)).unwrap();
        let stderr = refused(&sandbox, &["--yes"]);
        fs::set_permissions(&of, before).unwrap();
        assert!(stderr.ends_with("`: read-only\n"), "{stderr}");
    }
}

#[test]
fn a_directory_in_a_files_place_and_a_link_into_the_submodule_are_refused() {
    let sandbox = new_consumer();
    fs::create_dir(sandbox.root().join(".platform")).unwrap();
    assert_eq!(
        refused(&sandbox, &["--yes"]),
        "error: `.platform` is a directory, expected a file\n"
    );

    let sandbox = new_consumer();
    fs::create_dir(sandbox.root().join(".github")).unwrap();
    let link = sandbox.root().join(".github/dependabot.yml");
    std::os::unix::fs::symlink("../rust-vmm-ci/gone.yml", link).unwrap();
    expect![[r"
        error: `.github/dependabot.yml` is reached through a symbolic link to outside the repository or into the submodule
        help: remove the link, then run this again
    "]]
    .assert_eq(&refused(&sandbox, &["--yes"]));
}

#[test]
fn a_link_is_named_only_where_the_submodule_lost_its_file() {
    let sandbox = new_consumer();
    for (target, link) in [("xtask/Cargo.toml", "good"), ("gone", "bad")] {
        let target = format!("rust-vmm-ci/{target}");
        std::os::unix::fs::symlink(target, sandbox.root().join(link)).unwrap();
    }
    let stderr = init(&sandbox, &["--check"]).assert_code(1).stderr;
    let warning = "warning: `bad` is a dangling symbolic link into the submodule\n";
    assert!(stderr.starts_with(warning), "{stderr}");
}

#[test]
fn without_the_submodule_it_says_how_to_get_it() {
    let stderr = refused(&Sandbox::new(), &["--yes"]);
    let error = "error: the submodule `rust-vmm-ci` is missing or empty\n";
    assert!(stderr.starts_with(error), "{stderr}");
    assert!(stderr.contains("git submodule add https://"), "{stderr}");
    let sandbox = new_consumer();
    fs::remove_dir_all(sandbox.root().join("rust-vmm-ci")).unwrap();
    let stderr = refused(&sandbox, &["--yes"]);
    assert!(stderr.contains("`git submodule update --init rust-vmm-ci`"), "{stderr}");
}

#[test]
fn odd_paths_are_written_to_and_named() {
    let sandbox = new_consumer();
    let modules = sandbox.read(".gitmodules").replace("path = rust-vmm-ci", "path = my ci:x");
    sandbox.write(".gitmodules", modules);
    fs::rename(sandbox.root().join("rust-vmm-ci"), sandbox.root().join("my ci:x")).unwrap();
    let run = init(&sandbox, &["--yes"]).assert_code(0);
    let config = sandbox.read(".cargo/config.toml");
    assert!(
        config.contains("\"--manifest-path\", \"my ci:x/xtask/Cargo.toml\", \"--\"]"),
        "{config}"
    );
    assert!(run.stderr.contains(" .gitmodules 'my ci:x'\n"), "{}", run.stderr);
    assert_eq!(init(&sandbox, &["--yes"]).assert_code(0).stderr, "nothing to change\n");

    let name = std::ffi::OsStr::from_bytes(b"\xff.json");
    let sandbox = new_consumer();
    fs::create_dir(sandbox.root().join(".buildkite")).unwrap();
    fs::write(sandbox.root().join(".buildkite").join(name), "{}").unwrap();
    let stderr = refused(&sandbox, &["--yes"]);
    assert!(
        stderr.contains("the file name `.buildkite/\u{fffd}.json` is not valid UTF-8"),
        "{stderr}"
    );
}

/// `init` on a terminal, with these keys typed one after another.
fn interactive(sandbox: &Sandbox, keys: &[&str]) -> Run {
    interactive_with(sandbox, keys, |_| ())
}

/// As [`interactive`]; `before` gets the number of each question before its answer is typed.
fn interactive_with(sandbox: &Sandbox, keys: &[&str], mut before: impl FnMut(usize)) -> Run {
    let line = format!("{} init", env!("CARGO_BIN_EXE_xtask"));
    let mut command = sandbox.command("script");
    let options = ["--quiet", "--return", "--command", &line, "/dev/null"];
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut keys = keys.iter();
    let mut answered = 0;
    // A key that comes before its question would be an answer to another one.
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stdout.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..count]);
        if answered < String::from_utf8_lossy(&shown).matches("]: ").count() {
            before(answered);
            answered += 1;
            stdin.write_all(keys.next().expect("no more questions than keys").as_bytes()).unwrap();
        }
    }
    let stdout = String::from_utf8_lossy(&shown).into_owned();
    assert_eq!(keys.next(), None, "fewer questions than keys: {stdout}");
    Run { code: child.wait().unwrap().code(), stdout, stderr: String::new() }
}

#[test]
fn on_a_terminal_every_answer_counts_and_a_wrong_one_is_asked_again() {
    let sandbox = new_consumer();
    let keys = ["x86\n", "x86_64\n", "monthly\n", "no\n", "\n", "85.5\n", "\n"];
    let run = interactive(&sandbox, &keys).assert_code(0);
    assert!(run.stdout.contains("unknown platform `x86`"), "{}", run.stdout);
    assert_eq!(sandbox.read(".platform"), "x86_64\n");
    assert!(sandbox.read("coverage_config_x86_64.json").contains(": 85.50,"));
    assert_eq!(sandbox.read(".github/dependabot.yml"), template("dependabot-monthly.yml"));
    assert!(!sandbox.root().join(".github/workflows").exists());
    assert!(sandbox.root().join(".git/hooks/commit-msg").exists());
}

#[test]
fn an_interrupt_at_any_question_writes_nothing() {
    std::thread::scope(|scope| {
        for questions in 0..6 {
            scope.spawn(move || {
                let sandbox = new_consumer();
                let before = tree(&sandbox);
                let keys: Vec<&str> = (0..questions).map(|_| "\n").chain(["\u{3}"]).collect();
                let run = interactive(&sandbox, &keys);
                assert_eq!(run.code, Some(130), "{}", run.stdout);
                assert_eq!(tree(&sandbox), before, "after {questions} questions");
            });
        }
    });
    let sandbox = new_consumer();
    let before = tree(&sandbox);
    let run = interactive(&sandbox, &["\n", "\n", "\n", "\n", "\n", "no\n"]).assert_code(0);
    assert!(run.stdout.contains("nothing was written"), "{}", run.stdout);
    assert_eq!(tree(&sandbox), before);
}

#[test]
fn the_publishing_workflow_finds_the_crate_of_a_tag() {
    let sandbox = new_consumer();
    let template = template("publish.yml");
    let (_, script) = template.split_once("        run: |\n").unwrap();
    let lines = script.lines().take_while(|line| line.starts_with("          "));
    let script = lines.collect::<Vec<_>>().join("\n");
    let find = |tag: &str| {
        let mut command = sandbox.command("bash");
        // As GitHub runs it with `shell: bash`.
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script]).env("TAG", tag);
        let run = command.env("GITHUB_OUTPUT", "/dev/stderr").output().unwrap();
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    assert_eq!(find("v1.2.3"), (Some(0), "name=a\n".to_owned()));
    assert_eq!(find("a-v1.2.3"), (Some(0), "name=a\n".to_owned()));
    assert_eq!(find("v1.2.4").0, Some(1));
    let manifest = sandbox.read("Cargo.toml");
    sandbox.write("Cargo.toml", format!("{manifest}\n[workspace]\nmembers = [\"a-v2\", \"p\"]\n"));
    sandbox.write("a-v2/Cargo.toml", "[package]\nname = \"a-v2\"\nversion = \"1.2.3\"\n");
    sandbox.write("a-v2/src/lib.rs", "");
    let private = "[package]\nname = \"p\"\nversion = \"1.2.3\"\npublish = false\n";
    sandbox.write("p/Cargo.toml", private).write("p/src/lib.rs", "");
    assert_eq!(find("a-v2-v1.2.3").1, "name=a-v2\n");
    for tag in ["v1.2.3", "p-v1.2.3", "b-v1.2.3", "a-v2"] {
        assert_eq!(find(tag).0, Some(1), "{tag}");
    }
    // Another registry is not this workflow's.
    let own = sandbox.read("a-v2/Cargo.toml") + "publish = [\"internal\"]\n";
    sandbox.write("a-v2/Cargo.toml", own);
    assert_eq!(find("a-v2-v1.2.3").0, Some(1));
    assert_eq!(find("v1.2.3").1, "name=a\n");
    sandbox.write("Cargo.toml", "[package\n");
    assert!(!find("v1.2.3").1.contains("publishable"), "cargo says what is wrong");
}
