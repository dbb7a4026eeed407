//! `doctor` in repositories without faults, and in one with every fault of the real ones.

use expect_test::expect;
use serde_json::Value;

use crate::support::{Sandbox, checkout};

/// What an alias for this tool stands for, with options of cargo's.
fn alias(options: &str) -> String {
    let manifest = checkout().join("xtask/Cargo.toml");
    format!("\"run {options} --locked --target-dir t --manifest-path {} --\"", manifest.display())
}

/// A consumer without faults.
fn consumer() -> Sandbox {
    let mut sandbox = Sandbox::new();
    // The hook finding is suppressed in CI.
    sandbox.set("CI", "true");
    sandbox.write(".cargo/config.toml", format!("[alias]\nxtask = {}\n", alias("")));
    sandbox.write(
        "Cargo.toml",
        "[package]\nname = \"sound\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    );
    sandbox.write("src/lib.rs", "");
    let record = r#"{"coverage_score": 90.0, "exclude_path": "src/lib\\.rs"}"#;
    sandbox.write("coverage_config_x86_64.json", record);
    sandbox.commit_all("Set up");
    sandbox
}

/// The findings but for tools, which depend on the machine: check, severity, place and message.
fn findings(sandbox: &Sandbox, code: i32) -> String {
    report(sandbox, code).0
}

/// The findings, and what could not be checked.
fn report(sandbox: &Sandbox, code: i32) -> (String, String) {
    let run = sandbox.xtask(&["doctor", "--json"]).assert_code(code);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |item: &Value| {
        let (file, at) = (text(&item["file"]), [&item["line"], &item["column"]]);
        let at = at.map(|number| number.as_u64().unwrap_or_default());
        let [check, severity, message] =
            ["check", "severity", "message"].map(|key| text(&item[key]));
        format!("{severity} {check} {file}:{}:{} {message}", at[0], at[1])
    };
    let items = report["findings"].as_array().unwrap().iter();
    let lines: Vec<String> = items.filter(|item| item["check"] != "tool").map(line).collect();
    let reasons: Vec<String> = report["unavailable"].as_array().unwrap().iter().map(text).collect();
    (lines.join("\n"), reasons.join("\n"))
}

#[test]
fn a_sound_repository_has_no_findings() {
    let sandbox = consumer();
    assert_eq!(findings(&sandbox, 0), "");
    sandbox.write(".platform", "x86_64\nx86_64\n");
    expect!["warning description .platform:2:1 `x86_64` is already listed"]
        .assert_eq(&findings(&sandbox, 0));
}

#[test]
fn the_faults_of_real_repositories_are_found() {
    let sandbox = consumer();
    sandbox.git(&["mv", "src/lib.rs", "src/main.rs"]);
    sandbox.write("src/lib.rs", "").write("src/mmap/windows.rs", "");
    sandbox.write(".cargo/config", "[alias]\nxtask = \"run --package xtask --\"\n");
    sandbox.write(".platform", "x86_64\nriscv\n");
    let record = "{\"exclude_path\": \"\",\n\"exclude_path\": \"mmap_windows.rs|src/lib\"}";
    sandbox.write("coverage_config_x86_64.json", record);
    sandbox.write("coverage_config_aarch64.json", "{}").write("coverage_config_arm64.json", "{}");
    sandbox.write(
        ".buildkite/custom-tests.json",
        r#"{"tests": [
{"test_name": "a", "command": "ROOT=$PWD; cd $ROOT && pytest test_coverage.py", "if_changed": "src/*"},
{"test_name": "b", "command": "printf x >> Cargo.toml", "weight": 1, "plarform": [], "if_changed": ["gone/**"]}
]}"#,
    );
    sandbox.write(".buildkite/overrides.json", r#"{"tests": {"stlye": {}}}"#);
    sandbox.write(".buildkite/empty.json", r#"{"tests": []}"#);
    sandbox.write(".buildkite/pipeline.yml", "steps:\n- command: x/autogenerate_pipeline.py\n");
    let pipeline = r#"{"steps": [{"command": "x/autogenerate_pipeline.py"}]}"#;
    sandbox.write(".buildkite/pipeline.json", pipeline).write("README.md", "test_run.py\n");
    sandbox.write("Makefile", "a:\n\ttest_run.py\n").write("scripts/ci", "test_run.py\n");
    sandbox.write("tools/ci", "test_run.py\n");
    sandbox.run("chmod", &["+x", "tools/ci"]).assert_code(0);
    sandbox.write("a.sh", "test_run.py\n").write("a.mk", "test_run.py\0\n");
    sandbox.write("a.json", format!("\"test_run.py{}\"", " ".repeat(1 << 20)));
    let shipped = std::fs::read_to_string(checkout().join("ci-template/test_description.json"));
    let copy = shipped.unwrap().replace("cargo fmt", "cargo fmt --quiet");
    sandbox.write(".buildkite/copy.json", copy);
    sandbox.commit_all("Break it all");
    expect![[r"
        error predecessor .buildkite/custom-tests.json:2:31 `test_coverage.py` no longer exists: use `{xtask} coverage` without `cd`, with the options that `{xtask} help coverage` shows
        error variable .buildkite/custom-tests.json:2:46 Buildkite expands `$ROOT` when the step is uploaded, before the command sets it
        error description .buildkite/custom-tests.json:3:70 unknown key `plarform`, did you mean `platform`?
        error description .buildkite/overrides.json:1:12 the shipped description has no test `stlye`, did you mean `style`?
        error predecessor .buildkite/pipeline.json:1:27 `autogenerate_pipeline.py` no longer exists
        error predecessor .buildkite/pipeline.yml:2:14 `autogenerate_pipeline.py` no longer exists
        error cargo-config .cargo/config:1:1 cargo reads this file and ignores `.cargo/config.toml`
        error alias .cargo/config:2:1 `cargo xtask` is an alias of another tool (`run --package xtask --`), and none points to this one
        error description .platform:2:1 unknown platform `riscv`, did you mean `riscv64`?
        error coverage coverage_config_arm64.json:1:1 no CI platform uses this file: unknown platform `arm64`, expected one of `x86_64`, `aarch64` or `riscv64`
        error coverage coverage_config_x86_64.json:1:1 the key `coverage_score` is missing
        warning copy .buildkite/copy.json:6:18 copy of the shipped description (12 of 12 tests); it does not receive updates; changed commands: `style`
        warning timeout .buildkite/copy.json:84:18 no timeout for `doc`: the default is 5 minutes (15 with the Python tool set)
        warning timeout .buildkite/custom-tests.json:2:31 no timeout for `a`: the default is 5 minutes (15 with the Python tool set)
        warning variable .buildkite/custom-tests.json:2:37 Buildkite expands `$PWD` when the step is uploaded; unless set there, it expands to nothing
        warning glob .buildkite/custom-tests.json:2:95 `*` does not match `/`: `src/*` does not match 1 file in subdirectories, such as `src/mmap/windows.rs`
        warning manifest .buildkite/custom-tests.json:3:31 the command edits `Cargo.toml`: on a contributor's machine the change remains, and concurrent tests see it
        warning unknown-key .buildkite/custom-tests.json:3:57 unknown key `weight`, which Buildkite ignores
        warning glob .buildkite/custom-tests.json:3:101 `gone/**` matches no tracked file
        warning predecessor Makefile:2:2 `test_run.py` no longer exists
        warning predecessor a.sh:1:1 `test_run.py` no longer exists
        warning coverage coverage_config_aarch64.json:1:1 no CI platform uses this file: `.platform` does not list `aarch64`
        warning json coverage_config_x86_64.json:2:1 duplicate key `exclude_path`, first on line 1; this value is used
        warning exclude-path coverage_config_x86_64.json:2:18 `exclude_path`: `mmap_windows.rs` matches no tracked source file
        warning predecessor scripts/ci:1:1 `test_run.py` no longer exists
        warning predecessor tools/ci:1:1 `test_run.py` no longer exists
        info tests .buildkite/empty.json:1:1 this description has no tests; its pipeline is empty
    "]]
    .assert_eq(&(findings(&sandbox, 1) + "\n"));
}

#[test]
fn a_copy_of_an_older_template_is_told_from_an_edited_one() {
    let sandbox = consumer();
    let template =
        |name: &str| std::fs::read_to_string(checkout().join("ci-template").join(name)).unwrap();
    let (hook, dependabot) = (template("commit-msg"), template("dependabot-weekly.yml"));
    sandbox.write(".git/hooks/commit-msg", &hook).write(".github/dependabot.yml", &dependabot);
    sandbox.run("chmod", &["+x", ".git/hooks/commit-msg"]).assert_code(0);
    assert_eq!(findings(&sandbox, 0), "");
    // As git may check it out, and a compiled hook.
    sandbox.write(".github/dependabot.yml", dependabot.replace('\n', "\r\n"));
    sandbox.write(".git/hooks/commit-msg", b"\x7fELF\xff");
    assert_eq!(findings(&sandbox, 0), "");

    let hook = format!("{hook}true # as it was\n");
    // A repository of its own, as a submodule is.
    sandbox.write("rust-vmm-ci/ci-template/commit-msg", &hook);
    sandbox.git(&["-C", "rust-vmm-ci", "init", "--quiet"]);
    sandbox.git(&["-C", "rust-vmm-ci", "add", "--all"]);
    sandbox.git(&["-C", "rust-vmm-ci", "commit", "--quiet", "--message", "Start"]);
    sandbox.write(".git/hooks/commit-msg", &hook);
    sandbox.write(".github/dependabot.yml", dependabot.replace("monday", "friday"));
    sandbox.write(".github/workflows/own.yml", "on: push # friday\n");
    expect![[r"
        warning template .git/hooks/commit-msg:1:1 outdated copy of a rust-vmm-ci template
        info template .github/dependabot.yml:1:1 modified copy of a rust-vmm-ci template; it does not receive updates"]]
    .assert_eq(&findings(&sandbox, 0));
}

#[test]
fn a_toolchain_that_is_too_old_is_found_and_not_installed() {
    let sandbox = consumer();
    sandbox.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.8.0\"\n");
    expect!["error toolchain rust-toolchain.toml:2:1 Rust 1.8.0 cannot build this tool, which requires 1.89"]
        .assert_eq(&findings(&sandbox, 1));
    let run = sandbox.xtask(&["doctor"]).assert_code(1);
    assert!(run.stdout.contains("unavailable: the toolchain: `rustc` failed"), "{}", run.stdout);
}

#[test]
fn a_manifest_that_cargo_cannot_read_hides_nothing_else() {
    let sandbox = consumer();
    sandbox.write("Cargo.toml", "[package]\n").write(".platform", "x86-64\n");
    let found = findings(&sandbox, 1);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(
        lines[0],
        "error description .platform:1:1 unknown platform `x86-64`, did you mean `x86_64`?"
    );
    assert!(
        lines[1].starts_with("error description -:0:0 cargo cannot read the workspace"),
        "{found}"
    );
}

#[test]
fn the_descriptions_of_members_are_read_with_their_crates() {
    let sandbox = consumer();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n");
    for name in ["a", "b"] {
        let package = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
        sandbox.write(&format!("{name}/Cargo.toml"), package);
        sandbox.write(&format!("{name}/src/lib.rs"), "");
    }
    let test = r#"{"tests": [{"test_name": "t", "command": "cd {crate_path}", "queu": 1}]}"#;
    sandbox.write("a/.buildkite/test_description.json", test);
    let test = r#"{"tests": [{"test_name": "u", "command": "x {crate} {target_platform}"}]}"#;
    sandbox.write(".buildkite/custom-tests.json", test);
    sandbox.write("b/coverage_config_x86_64.json", r#"{"exclude_path": "b/src|(x"}"#);
    sandbox.write("b/.platform", "x86\n");
    expect![[r"
        error description .buildkite/custom-tests.json:1:42 `{target_platform}` has no value: the test `u` has no `platform`
        error description a/.buildkite/test_description.json:1:61 unknown key `queu`, did you mean `queue`?
        error description b/.platform:1:1 unknown platform `x86`, did you mean `x86_64`?
        error coverage b/coverage_config_x86_64.json:1:25 `exclude_path`: unclosed group
    "]]
    .assert_eq(&(findings(&sandbox, 1) + "\n"));
}

#[test]
fn a_link_for_old_versions_of_cargo_is_no_second_configuration() {
    let sandbox = consumer();
    let link = sandbox.root().join(".cargo/config");
    std::os::unix::fs::symlink("config.toml", &link).unwrap();
    assert_eq!(findings(&sandbox, 0), "");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../Cargo.toml", &link).unwrap();
    assert!(findings(&sandbox, 1).starts_with("error cargo-config .cargo/config:1:1 cargo reads"));
}

#[test]
fn a_build_target_is_an_error_unless_the_alias_names_the_host() {
    let sandbox = consumer();
    let target = "[build]\ntarget = \"aarch64-unknown-none\"\n[alias]\nxtask = ";
    sandbox.write(".cargo/config.toml", target.to_owned() + &alias(""));
    expect!["error build-target .cargo/config.toml:2:1 `cargo xtask` would be built for `aarch64-unknown-none` and cannot run here"]
        .assert_eq(&findings(&sandbox, 1));
    sandbox.write(".cargo/config.toml", target.to_owned() + &alias("--target host-tuple"));
    assert_eq!(findings(&sandbox, 0), "");
}

#[test]
fn an_alias_with_other_options_than_init_gives_it_is_found() {
    let sandbox = consumer();
    sandbox.write(".cargo/config.toml", "[alias]\nxtask = ".to_owned() + &alias("--quiet"));
    expect![
        "warning alias .cargo/config.toml:2:1 the alias `xtask` hides the progress of its build"
    ]
    .assert_eq(&findings(&sandbox, 0));
}

#[test]
fn more_steps_than_buildkite_accepts_are_found() {
    let sandbox = consumer();
    let test = |number| format!(r#"{{"test_name": "t{number}", "command": "true"}}"#);
    let tests: Vec<String> = (0..501).map(test).collect();
    sandbox.write(".buildkite/a.json", format!(r#"{{"tests": [{}]}}"#, tests.join(",")));
    expect!["info steps -:0:0 `.buildkite/a.json` produces 501 steps; Buildkite accepts at most 500 per upload"]
        .assert_eq(&findings(&sandbox, 0));
}

#[test]
fn a_finding_is_shown_with_its_line_and_the_fix() {
    let sandbox = consumer();
    sandbox.write(".cargo/config.toml", "[alias]\nxtask = \"run --package other --\"\n");
    let run = sandbox.xtask(&["doctor"]).assert_code(1);
    let first = run.stdout.split("\n\n").next().unwrap();
    expect![[r#"
        .cargo/config.toml:2:1: error: `cargo xtask` is an alias of another tool (`run --package other --`), and none points to this one
         2 | xtask = "run --package other --"
           | ^
        help: add one of another name, for example `ci-xtask`, with `cargo run --locked --target-dir target/xtask --manifest-path rust-vmm-ci/xtask/Cargo.toml -- init`"#]]
    .assert_eq(first);
    assert!(run.stdout.lines().last().unwrap().starts_with("1 error"), "{}", run.stdout);
}

#[test]
fn submodules_and_links_into_them_are_checked() {
    let sandbox = consumer();
    let other = Sandbox::new();
    other.write("tests.json", "{}");
    other.commit_all("Add a file");
    let url = other.root().display().to_string();
    let allow = ["-c", "protocol.file.allow=always"];
    sandbox.git(&[&allow[..], &["submodule", "add", "--quiet", &url, "rust-vmm-ci"]].concat());
    std::fs::create_dir(sandbox.root().join(".buildkite")).unwrap();
    for (target, link) in [("gone.json", "bad.json"), ("tests.json", "new.json")] {
        sandbox.commit_all("Add the submodule, then a link");
        let target = format!("../rust-vmm-ci/{target}");
        std::os::unix::fs::symlink(target, sandbox.root().join(".buildkite").join(link)).unwrap();
    }
    sandbox.write("rust-vmm-ci/tests.json", "{} ");
    expect![[r"
        error link .buildkite/bad.json:1:1 dangling symlink into the submodule
        warning link .buildkite/new.json:1:1 symlink into the submodule
        warning submodule -:0:0 the submodule `rust-vmm-ci` has uncommitted changes"]]
    .assert_eq(&findings(&sandbox, 1));
    std::fs::rename(sandbox.root().join(".git/modules"), sandbox.beside("modules")).unwrap();
    let (found, reasons) = report(&sandbox, 1);
    expect![[r"
        error link .buildkite/bad.json:1:1 dangling symlink into the submodule
        warning link .buildkite/new.json:1:1 symlink into the submodule
    "]]
    .assert_eq(&(found + "\n"));
    assert!(reasons.contains("not a git repository"), "{reasons}");
    std::fs::rename(sandbox.beside("modules"), sandbox.root().join(".git/modules")).unwrap();
    sandbox.write(".gitmodules", "[submodule \"x\"]\n\tpath\n[x\n");
    expect![[r"
        error link .buildkite/bad.json:1:1 dangling symlink into the submodule
        error submodule .gitmodules:3:1 git cannot read this line
        warning link .buildkite/new.json:1:1 symlink into the submodule
    "]]
    .assert_eq(&(findings(&sandbox, 1) + "\n"));
    sandbox.write(".gitmodules", "");
    expect![[r"
        error link .buildkite/bad.json:1:1 dangling symlink into the submodule
        error submodule -:0:0 `.gitmodules` does not list the submodule `rust-vmm-ci`; clones lack it
        warning link .buildkite/new.json:1:1 symlink into the submodule
        warning submodule -:0:0 the submodule `rust-vmm-ci` has uncommitted changes
    "]]
    .assert_eq(&(findings(&sandbox, 1) + "\n"));
    sandbox.git(&["checkout", "--quiet", ".gitmodules"]);
    sandbox.git(&["submodule", "deinit", "--quiet", "--force", "rust-vmm-ci"]);
    expect![[r"
        error submodule -:0:0 the submodule `rust-vmm-ci` is not checked out
        warning link .buildkite/bad.json:1:1 symlink into the submodule
        warning link .buildkite/new.json:1:1 symlink into the submodule"]]
    .assert_eq(&findings(&sandbox, 1));
}

#[test]
fn a_lost_timeout_is_a_warning_until_there_is_an_alias() {
    let sandbox = consumer();
    let test = r#"{"tests": [{"test_name": "a", "command": "cargo test"}]}"#;
    sandbox.write(".buildkite/a.json", test).write("rust-vmm-ci/file", "");
    let timeout = |code| {
        let found = findings(&sandbox, code);
        found.lines().find_map(|line| Some(line.split_once(" timeout ")?.0.to_owned())).unwrap()
    };
    assert_eq!(timeout(0), "info");
    sandbox.write(".cargo/config.toml", "");
    assert_eq!(timeout(1), "info");
    let call = r#"{"tests": [{"test_name": "b", "command": "pytest x/test_run.py"}]}"#;
    for (file, text) in [(".buildkite/x.sh", "test_run.py"), (".buildkite/x.json", call)] {
        sandbox.write(file, text);
        assert_eq!(timeout(1), "warning", "{file}");
        std::fs::remove_file(sandbox.root().join(file)).unwrap();
    }
    sandbox.commit_all("Add the submodule");
    assert_eq!(timeout(1), "warning");
    sandbox.write(".cargo/config.toml", format!("[alias]\nxtask = {}\n", alias("")));
    assert_eq!(timeout(0), "info");
}

#[test]
fn the_missing_hook_and_the_wrong_directory_are_information() {
    let mut sandbox = consumer();
    sandbox.set("CI", "false");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.arg("doctor").current_dir(sandbox.root().join("src")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let (_, text) = text.split_once("info: ").unwrap();
    let (text, _) = text.rsplit_once("\n\n").unwrap();
    expect![[r"
        no `commit-msg` hook is installed
        help: run `cargo xtask init --hooks`

        info: the cargo alias works only from the root of the repository, not from `src`
        help: cargo resolves the alias's path relative to the current directory"]]
    .assert_eq(text);
    sandbox.write(".cargo/config.toml", format!("[alias]\nci = {}\n", alias("")));
    let run = sandbox.xtask(&["doctor"]).assert_code(0);
    assert!(run.stdout.contains("help: run `cargo ci init --hooks`"), "{}", run.stdout);
    sandbox.write(".git/hooks/commit-msg", "");
    expect!["warning hook -:0:0 git ignores `.git/hooks/commit-msg`, which is not executable"]
        .assert_eq(&findings(&sandbox, 0));
    sandbox.run("chmod", &["+x", ".git/hooks/commit-msg"]).assert_code(0);
    assert_eq!(findings(&sandbox, 0), "");
}

/// A toolchain that has everything but the tools that cargo installs.
fn without_tools() -> Sandbox {
    let mut sandbox = consumer();
    sandbox.set("PATH", &format!("{}:/usr/bin:/bin", sandbox.beside("stubs").display()));
    sandbox.set("CARGO_HOME", sandbox.beside("home").to_str().unwrap());
    sandbox.set("TESTS_TO_SKIP", r#"["coverage"]"#);
    sandbox.git(&["rm", "--quiet", "Cargo.toml"]);
    let install = r#"mkdir -p "$4/bin" && cp "$0" "$4/bin/${5%@*}""#;
    sandbox.stub("cargo", &format!("case \"$1\" in install) {install};; esac"));
    sandbox.stub("rustc", "case \"$1\" in --version) echo rustc 1.90.0;; *) echo /;; esac");
    sandbox
}

#[test]
fn missing_tools_are_warnings_and_can_be_installed() {
    let sandbox = without_tools();
    let run = sandbox.xtask(&["doctor"]).assert_code(0);
    expect![[r"
        warning: `cargo-all-features` is missing; the test `build-gnu` requires it
        help: run `cargo install --locked cargo-all-features@1.12.0`

        warning: `cargo-audit` is missing; the test `cargo-audit` requires it
        help: run `cargo install --locked cargo-audit@0.22.2`

        2 warnings
    "]]
    .assert_eq(&run.stdout);
    let run = sandbox.xtask(&["doctor", "--fix"]).assert_code(0);
    assert_eq!(run.stdout, "no problems found\n");
    assert!(run.stderr.contains("cargo install --locked --root"), "{}", run.stderr);
    assert_eq!(sandbox.xtask(&["doctor"]).assert_code(0).stdout, "no problems found\n");
}

#[test]
fn a_tool_that_cannot_be_installed_is_75_with_fix() {
    let sandbox = without_tools();
    sandbox.stub("cargo", "case \"$1\" in install) exit 1;; esac");
    let test =
        r#"{"tests": [{"test_name": "k", "command": "cargo kani", "timeout_in_minutes": 9}]}"#;
    sandbox.write(".buildkite/k.json", test);
    let run = sandbox.xtask(&["doctor", "--fix"]).assert_code(75);
    expect![[r"
        unavailable: `cargo-all-features` is missing and cannot be installed; the test `build-gnu` requires it; run `cargo install --locked cargo-all-features@1.12.0`

        unavailable: `cargo-audit` is missing and cannot be installed; the test `cargo-audit` requires it; run `cargo install --locked cargo-audit@0.22.2`

        unavailable: there is no `cargo kani`; the test `k` requires it; run `cargo install --locked kani-verifier && cargo kani setup`

        no problems found; some checks could not run
    "]]
    .assert_eq(&run.stdout);
}

#[test]
fn what_could_not_be_checked_is_75() {
    let sandbox = without_tools();
    sandbox.stub("rustc", "exit 1");
    let run = sandbox.xtask(&["doctor", "--fix"]).assert_code(75);
    assert!(run.stdout.contains("unavailable: the toolchain: `rustc` failed"), "{}", run.stdout);
    sandbox.stub("git", "echo broken >&2; exit 128");
    let (found, reasons) = report(&sandbox, 75);
    assert_eq!(found, "");
    let expected = "`git` failed: broken\nthe alias was not checked\nthe toolchain: ";
    assert!(reasons.starts_with(expected), "{reasons}");
}

/// A consumer with one fault that each run has to find, whatever else is broken.
fn faulty() -> Sandbox {
    let sandbox = consumer();
    sandbox.write(".buildkite/empty.json", r#"{"tests": []}"#);
    sandbox
}

const OWN_FAULT: &str =
    "info tests .buildkite/empty.json:1:1 this description has no tests; its pipeline is empty";

#[test]
fn a_file_that_cannot_be_read_hides_nothing_else() {
    for name in [".cargo/config.toml", "rust-toolchain", "coverage_config_x86_64.json", ".platform"]
    {
        let sandbox = faulty();
        _ = std::fs::remove_file(sandbox.root().join(name));
        std::os::unix::fs::symlink(sandbox.root().join(name), sandbox.root().join(name)).unwrap();
        let (found, reasons) = report(&sandbox, 75);
        assert_eq!(found, OWN_FAULT, "{name}");
        // What follows are the words of the C library.
        let reason = format!("cannot read `{name}`: ");
        assert!(reasons.starts_with(&reason), "{name}: {reasons}");
        assert_eq!(reasons.contains("tools were not checked"), name == ".platform", "{reasons}");
    }
    let sandbox = faulty();
    sandbox.write(".gitmodules", b"# \xff");
    std::os::unix::fs::symlink("custom.json", sandbox.root().join(".buildkite/custom.json"))
        .unwrap();
    let (found, reasons) = report(&sandbox, 1);
    expect![[r"
        error link .buildkite/custom.json:1:1 dangling symlink
        error file .gitmodules:1:3 not UTF-8 text
        info tests .buildkite/empty.json:1:1 this description has no tests; its pipeline is empty
    "]]
    .assert_eq(&(found + "\n" + &reasons));
}

#[test]
fn input_that_is_rejected_hides_neither_the_alias_nor_the_tools() {
    let sandbox = faulty();
    sandbox.write(".cargo/config.toml", "[alias]\n").write(".platform/file", "");
    sandbox.write(".buildkite/overrides.json", b"\xff");
    let (found, reasons) = report(&sandbox, 1);
    expect![[r"
        error description .buildkite/overrides.json:1:1 not UTF-8 text
        error alias .cargo/config.toml:1:1 no cargo alias points to this tool; steps will use `cargo xtask`
        error description -:0:0 `.platform` is a directory, expected a file
        info tests .buildkite/empty.json:1:1 this description has no tests; its pipeline is empty
    "]]
    .assert_eq(&(found + "\n" + &reasons));
}

#[test]
fn a_repository_without_hooks_is_checked() {
    let mut sandbox = faulty();
    sandbox.set("CI", "false");
    sandbox.git(&["config", "core.hooksPath", "/dev/null"]);
    assert_eq!(report(&sandbox, 0), (OWN_FAULT.to_owned(), String::new()));
}

#[test]
fn a_cargo_configuration_that_cannot_be_read_is_not_taken_for_missing_tools() {
    let sandbox = consumer();
    sandbox.write(".cargo/config.toml", "[alias\n");
    let run = sandbox.xtask(&["doctor"]).assert_code(1);
    let (error, rest) = run.stdout.split_once("unavailable: ").unwrap();
    assert!(error.contains("could not parse TOML"), "{error}");
    let tools = "unavailable: tools were not checked: cargo cannot read the workspace";
    assert_eq!(rest, format!("the alias was not checked\n\n{tools}\n\n1 error\n"));
    sandbox.write(".cargo/config.toml", b"# \xff");
    let found = findings(&sandbox, 1);
    assert!(found.starts_with("error file .cargo/config.toml:1:3 not UTF-8 text"), "{found}");
    assert!(found.contains("error description -:0:0 cargo cannot read"), "{found}");
}

#[test]
fn wrong_options_are_usage_errors() {
    let sandbox = Sandbox::new();
    let run = sandbox.xtask(&["doctor", "--fixx"]).assert_code(2);
    assert!(run.stderr.contains("did you mean `--fix`?"), "{}", run.stderr);
    sandbox.xtask(&["doctor", "--codeowners", "never"]).assert_code(2);
    let run = sandbox.xtask(&["doctor", "--codeowners"]).assert_code(2);
    assert!(
        run.stderr.contains("no CODEOWNERS file found (`.github/CODEOWNERS`, `CODEOWNERS`"),
        "{}",
        run.stderr
    );
}

#[test]
fn code_owners_are_those_that_github_reads() {
    let sandbox = Sandbox::new();
    sandbox.write("docs/CODEOWNERS", "* @docs\n").write("CODEOWNERS", "* @root\n");
    sandbox.commit_all("Add owners");
    let owners = |warning: &str| {
        let run = sandbox.xtask(&["doctor", "--codeowners"]).assert_code(0);
        assert_eq!(run.stderr, warning);
        run.stdout.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(owners(""), "CODEOWNERS:1");
    sandbox.write(".github/CODEOWNERS", "* @github\n");
    let tip = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.write(".git/shallow", tip);
    let warning = "warning: this is a shallow clone; older activity is missing\n";
    assert_eq!(owners(warning), ".github/CODEOWNERS:1");
}

#[test]
fn code_owners_of_a_repository_without_commits_are_not_matched() {
    let sandbox = Sandbox::empty();
    sandbox.git(&["init", "--quiet"]);
    sandbox.write("CODEOWNERS", "* @someone\n");
    let run = sandbox.xtask(&["doctor", "--codeowners"]).assert_code(0);
    assert_eq!(run.stdout, "not matched to any author:\n  @someone  CODEOWNERS:1\n");
}

#[test]
fn code_owners_are_listed_by_their_last_activity() {
    let mut sandbox = Sandbox::new();
    sandbox.write("CODEOWNERS", "# people\n* @tess-ter @gone @unknown\n/a @org/team @rev-iew\n");
    sandbox.commit_all("Name owners\n\nReviewed-by: Rev Iew <r@example.com>");
    // Committed now, by another person.
    sandbox.set("GIT_AUTHOR_DATE", "2015-01-01T12:00:00Z");
    let author = ["-c", "user.name=x", "commit", "--quiet", "--allow-empty", "--message", "Old"];
    let author = [&author[..], &["--author", "G O <1+gone@users.noreply.github.com>"]].concat();
    sandbox.git(&author);
    let run = sandbox.xtask(&["doctor", "--codeowners"]).assert_code(0);
    let today = sandbox.git(&["log", "-1", "--format=%cs", "HEAD^"]);
    let shown = run.stdout.replace(today.trim(), "<today>");
    expect![[r"
        no commit, review or sign-off for 12 months:
          @gone  CODEOWNERS:2  2015-01-01  commit  G O
        not matched to any author:
          @unknown   CODEOWNERS:2
          @org/team  CODEOWNERS:3    team
        active:
          @tess-ter  CODEOWNERS:2  <today>  commit  Tess Ter
          @rev-iew   CODEOWNERS:3  <today>  review  Rev Iew
    "]]
    .assert_eq(&shown);
    let run = sandbox.xtask(&["doctor", "--codeowners=1200", "--json"]).assert_code(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["months"], 1200);
    assert_eq!(report["owners"][1]["status"], "active");
}
