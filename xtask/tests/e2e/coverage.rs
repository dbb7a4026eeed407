//! `coverage` with the real `cargo llvm-cov`: on the sample crate, and on a crate so small that it
//! builds in a second.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::expect;

use crate::consumer::{self, Layout};
use crate::support::{Run, Sandbox};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// Ten lines of code, of which the tests run eight.
const METER: &str = "\
//! Two functions, of which one is tested.

/// Tested.
pub fn add(one: u32, other: u32) -> u32 {
    let sum = one + other;
    sum
}

/// Not tested.
pub fn half(number: u32) -> u32 { number / 2 }
";

const TEST: &str = "\
#[test]
fn two_and_two() {
    println!(\"this is no data\");
    assert_eq!(meter::add(2, 2), 4);
}
";

fn file() -> String {
    format!("coverage_config_{}.json", std::env::consts::ARCH)
}

/// The configuration with a score, in a form that no program would write.
fn config(score: &str) -> String {
    format!("{{ \"exclude_path\":\"\",\r\n\t\"coverage_score\" : {score} , \"x\": [1,\n2]}}")
}

/// The small crate, committed on `main`, with that score recorded.
fn meter(score: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    let path = format!("{}:{}", sandbox.beside("stubs").display(), consumer::path_with_tools());
    sandbox.set("PATH", &path);
    sandbox.write("Cargo.toml", manifest("meter", ""));
    sandbox.write("src/lib.rs", METER).write("tests/add.rs", TEST);
    sandbox.write(".gitignore", "target\n").write(&file(), config(score));
    sandbox.run("cargo", &["generate-lockfile", "--offline"]).assert_code(0);
    sandbox.commit_all("Add the meter");
    sandbox
}

fn manifest(name: &str, more: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
}

/// The recorded score after `--devel --allow-lower`, which measures whatever was recorded.
fn measure(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.xtask(&["coverage", "--set", "50"]).assert_code(0);
    let run = [&["coverage", "--devel", "--allow-lower"], arguments].concat();
    sandbox.xtask(&run).assert_code(0);
    let text = sandbox.read(&file());
    let (_, rest) = text.split_once("\"coverage_score\" : ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

/// What `cargo llvm-cov` says when somebody runs it by hand, to two decimals, rounded down.
fn by_hand(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let base = ["llvm-cov", "test", "--json", "--summary-only"];
    let run = sandbox.run("cargo", &[&base, arguments].concat()).assert_code(0);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let lines = &report["data"][0]["totals"]["lines"];
    let (covered, count) = (lines["covered"].as_u64().unwrap(), lines["count"].as_u64().unwrap());
    let hundredths = covered * 10_000 / count;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn said(run: &Run) -> String {
    let is_ours = |line: &&str| {
        ["passed: ", "failed: ", "recorded: ", "kept ", "error: ", "warning: ", "note: ", "help: "]
            .iter()
            .any(|start| line.starts_with(start))
    };
    run.stderr.lines().filter(is_ours).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_crate_passes_drops_and_rises() {
    let sandbox = consumer::consumer(Layout::SingleCrate);
    let xtask =
        |arguments: &[&str]| sandbox.run("cargo", &[&["xtask", "coverage"], arguments].concat());
    let original = sandbox.read(&file());
    let (_, rest) = original.split_once("\"coverage_score\": ").unwrap();
    let recorded = rest.split(',').next().unwrap();
    let with = |score: &str| original.replace(recorded, score);

    let run = xtask(&[]).assert_code(0);
    assert_eq!(run.stdout, "", "nothing has to change");
    assert!(said(&run).contains(&format!("the recorded {recorded} %")), "{}", said(&run));
    let cold = said(&run);
    assert_eq!(sandbox.git(&["status", "--short"]), "");
    assert_eq!(by_hand(&sandbox, &["--workspace", "--features=state"]), recorded);

    for profile in ["ci", "devel"] {
        sandbox.write(&file(), with("100"));
        let run = xtask(&["--profile", profile]).assert_code(1);
        assert!(said(&run).contains("more than 0.50 points below the recorded 100.00 %"));
        assert_eq!(sandbox.read(&file()), with("100"));
    }

    sandbox.write(&file(), with("50"));
    let run = xtask(&[]).assert_code(1);
    assert!(said(&run).contains("more than 0.50 points above the recorded 50.00 %"));
    assert_eq!(sandbox.read(&file()), with("50"));
    fs::write(sandbox.beside("patch"), &run.stdout).unwrap();
    sandbox.git(&["apply", sandbox.beside("patch").to_str().unwrap()]);
    assert_eq!(sandbox.read(&file()), with(recorded));
    assert_eq!(said(&xtask(&[]).assert_code(0)), cold, "a warm run counts the same");

    sandbox.write(&file(), with("50"));
    xtask(&["--devel"]).assert_code(0);
    assert_eq!(sandbox.read(&file()), with(recorded), "one number changed, and no other byte");
}

#[test]
fn a_patch_applies_whatever_the_file_looks_like() {
    let sandbox = meter("10");
    sandbox.write("tests/coverage", "10");
    let run = sandbox.xtask(&["coverage"]).assert_code(1);
    fs::write(sandbox.beside("patch"), &run.stdout).unwrap();
    sandbox.git(&["apply", sandbox.beside("patch").to_str().unwrap()]);
    assert_eq!(sandbox.read("tests/coverage"), "80.00");
    assert_eq!(sandbox.read(&file()), config("80.00"));
    assert_eq!(sandbox.xtask(&["coverage"]).assert_code(0).stdout, "");
}

#[test]
fn devel_records_a_rise_in_both_places_and_a_drop_only_if_asked() {
    let sandbox = meter("10");
    sandbox.write("tests/coverage", "10\n");
    sandbox.xtask(&["coverage", "--devel"]).assert_code(0);
    assert_eq!(sandbox.read("tests/coverage"), "80.00\n");
    assert_eq!(sandbox.read(&file()), config("80.00"));
    sandbox.xtask(&["coverage", "--set", "90"]).assert_code(0);
    sandbox.xtask(&["coverage", "--devel"]).assert_code(1);
    assert_eq!(sandbox.read("tests/coverage"), "90.00\n");
    sandbox.xtask(&["coverage", "--devel", "--allow-lower"]).assert_code(0);
    assert_eq!(sandbox.read("tests/coverage"), "80.00\n");
    assert_eq!(sandbox.read(&file()), config("80.00"));
}

#[test]
fn nothing_of_an_earlier_run_is_counted() {
    let sandbox = meter("80");
    sandbox
        .write("tests/half.rs", "#[test]\nfn a_half() {\n    assert_eq!(meter::half(4), 2);\n}\n");
    // A second crate has a test of that name, so cargo llvm-cov would still take the old one.
    sandbox.write("Cargo.toml", manifest("meter", "[workspace]\nmembers = [\"other\"]\n"));
    sandbox.write("other/Cargo.toml", manifest("other", ""));
    sandbox.write("other/src/lib.rs", "").write("other/tests/half.rs", "");
    assert_eq!(measure(&sandbox, &[]), "100.00");
    fs::remove_file(sandbox.root().join("tests/half.rs")).unwrap();
    // Features, flags and versions give executables other names.
    sandbox.write(
        "Cargo.toml",
        manifest("meter", "[workspace]\nmembers = [\"other\"]\n").replace("0.1.0", "0.2.0"),
    );
    let source = METER.replace("    sum\n", "    let more = sum;\n    more\n");
    sandbox.write("src/lib.rs", source);
    let warm = measure(&sandbox, &[]);
    assert_eq!(warm, by_hand(&sandbox, &["--workspace", "--all-features"]));
    fs::remove_dir_all(sandbox.root().join("target")).unwrap();
    assert_eq!(warm, measure(&sandbox, &[]), "as clean as a clean run");
}

#[test]
fn a_workspace_and_its_crates_have_different_totals() {
    let sandbox = meter("50");
    let workspace = "[features]\nextra = []\n\n[workspace]\nmembers = [\"second\"]\n";
    sandbox.write("Cargo.toml", manifest("meter", workspace));
    sandbox.write("second/Cargo.toml", manifest("second", ""));
    sandbox.write("second/src/lib.rs", "/// Not tested.\npub fn nothing() {}\n");
    sandbox.write(&format!("second/{}", file()), config("50"));
    sandbox.run("cargo", &["generate-lockfile", "--offline"]).assert_code(0);

    let workspace = measure(&sandbox, &[]);
    let root = measure(&sandbox, &["--test-scope", "crate"]);
    assert_eq!(workspace, by_hand(&sandbox, &["--workspace", "--all-features"]));
    assert_eq!(root, by_hand(&sandbox, &["--all-features"]));
    assert_ne!(workspace, root);

    sandbox.write("second/tests/it.rs", "#[test]\nfn it() {}\n");
    let run = sandbox.xtask(&["coverage", "--package", "second"]).assert_code(1);
    assert!(said(&run).contains("0.00 % of lines (0 of 1) are covered"), "{}", run.stderr);
    assert!(run.stdout.contains(&format!("+++ b/second/{}", file())), "{}", run.stdout);
}

#[test]
fn excluded_files_and_features_count_as_they_are_written() {
    let sandbox = meter("50");
    let source =
        "#[cfg(feature = \"a\")]\npub mod a;\n#[cfg(feature = \"b\")]\npub mod b;\npub mod c;\n";
    sandbox.write("src/lib.rs", format!("{METER}\n{source}"));
    for name in ["a", "b", "c"] {
        sandbox.write(&format!("src/{name}.rs"), format!("pub fn {name}() {{}}\n"));
    }
    sandbox
        .write("Cargo.toml", manifest("meter", "[features]\ndefault = [\"a\"]\na = []\nb = []\n"));
    let files = |config: &str| {
        sandbox.write(&file(), config);
        let run = sandbox.xtask(&["coverage", "--files"]);
        let names = run.stdout.lines().filter_map(|line| line.split_once("%  src/"));
        let mut names: Vec<String> = names.map(|(_, name)| name.to_owned()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(files(r#"{"coverage_score": 0}"#), "a.rs b.rs c.rs lib.rs");
    assert_eq!(files(r#"{"coverage_score": 0, "crate_features": ""}"#), "a.rs c.rs lib.rs");
    assert_eq!(files(r#"{"coverage_score": 0, "crate_features": "b"}"#), "a.rs b.rs c.rs lib.rs");
    assert_eq!(
        files(r#"{"coverage_score": 0, "exclude_path": "src/[ab]\\.rs|nothing"}"#),
        "c.rs lib.rs"
    );
}

#[test]
fn the_lines_of_a_new_function_are_named_and_no_others() {
    let sandbox = meter("80");
    sandbox.git(&["remote", "add", "origin", "https://nowhere.invalid/r.git"]);
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "main"]);
    let diff = |arguments: &[&str]| sandbox.xtask(&[&["coverage", "--diff"], arguments].concat());

    let run = diff(&[]).assert_code(0);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("no lines of code were added since `origin/main`"));

    // Committed, staged, only in the tree, and not known to git: all of it counts.
    sandbox.git(&["checkout", "--quiet", "-b", "change"]);
    let committed = "\n/// New.\npub fn double(number: u32) -> u32 {\n    number * 2\n}\n";
    sandbox.write("src/lib.rs", format!("{METER}{committed}"));
    sandbox.commit_all("Add double");
    sandbox.write("src/new.rs", "// A comment.\n\npub fn new() {}\n");
    sandbox.write("src/lib.rs", format!("{METER}{committed}\npub mod new;\npub fn tree() {{}}\n"));
    let index = fs::read(sandbox.root().join(".git/index")).unwrap();
    let run = diff(&[]);
    expect![[r"
        src/lib.rs:13-15
        src/lib.rs:18
        src/new.rs:3
    "]]
    .assert_eq(&lines_of(&run));
    assert_eq!(fs::read(sandbox.root().join(".git/index")).unwrap(), index);

    // A test that runs one of them, and a minimum.
    let test = "#[test]\nfn four() {\n    assert_eq!(meter::double(2), 4);\n}\n";
    sandbox.write("tests/double.rs", test);
    let run = diff(&["--min-diff", "60"]);
    assert!(run.stderr.contains("passed: 60.00 % of the lines of code added"), "{}", run.stderr);
    let run = diff(&["main", "--min-diff", "60.01"]).assert_code(1);
    assert!(run.stderr.contains("(3 of 5), the minimum is 60.01 %"), "{}", run.stderr);
    let run = diff(&["HEAD"]);
    assert_eq!(lines_of(&run), "src/lib.rs:18\nsrc/new.rs:3\n");
}

/// The lines of `--diff`, which come after a patch if there is one.
fn lines_of(run: &Run) -> String {
    let lines = run.stdout.split_inclusive('\n');
    lines.filter(|line| line.starts_with("src/")).collect()
}

#[test]
fn a_renamed_file_adds_nothing_known_to_git_or_not() {
    let sandbox = meter("80");
    let long = (0..40).map(|n| format!("pub fn f{n}() {{}}\n")).collect::<Vec<_>>().concat();
    sandbox.write("src/long.rs", &long).write("src/other.rs", long.replace("fn f", "fn g"));
    let modules = |names: &str| format!("{METER}{names}");
    sandbox.write("src/lib.rs", modules("pub mod long;\npub mod other;\n"));
    sandbox.commit_all("Add more");
    sandbox.git(&["mv", "src/long.rs", "src/renamed.rs"]);
    fs::rename(sandbox.root().join("src/other.rs"), sandbox.root().join("src/moved.rs")).unwrap();
    let moved = sandbox.read("src/moved.rs") + "pub fn added() {}\n";
    sandbox.write("src/moved.rs", moved);
    sandbox.write("src/lib.rs", modules("pub mod renamed;\npub mod moved;\n"));
    let run = sandbox.xtask(&["coverage", "--diff", "HEAD"]);
    assert_eq!(lines_of(&run), "src/moved.rs:41\n", "{}", run.stderr);
}

#[test]
fn a_shallow_clone_is_told_how_to_get_deeper() {
    let sandbox = meter("80");
    sandbox.git(&["checkout", "--quiet", "-b", "change"]);
    sandbox.git(&["commit", "--quiet", "--allow-empty", "--message", "Change"]);
    sandbox.git(&["checkout", "--quiet", "main"]);
    sandbox.git(&["commit", "--quiet", "--allow-empty", "--message", "Go on"]);
    let (url, clone) = (format!("file://{}", sandbox.root().display()), sandbox.beside("clone"));
    let options = ["clone", "--quiet", "--depth=1", "--no-single-branch", "--branch=change"];
    sandbox.git(&[&options[..], &[&url, clone.to_str().unwrap()]].concat());
    let mut command = sandbox.command(XTASK);
    let output = command.args(["coverage", "--diff"]).current_dir(&clone).output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("run `git fetch --unshallow`"), "{stderr}");
}

#[test]
fn every_form_of_a_report_is_written_where_it_is_said() {
    let sandbox = meter("80");
    let run = sandbox
        .xtask(&["coverage", "--html", "--lcov", "out.lcov", "--json", "out.json", "--files"]);
    let run = run.assert_code(0);
    let page = run.stdout.lines().last().unwrap();
    assert!(fs::read_to_string(page).unwrap().contains("lib.rs"));
    assert!(sandbox.read("out.lcov").contains("DA:10,0"));
    let json: serde_json::Value = serde_json::from_str(&sandbox.read("out.json")).unwrap();
    assert_eq!(json["type"], "llvm.coverage.json.export");
    expect![[r"
        uncovered  lines  covered  file
                1      5  80.00 %  src/lib.rs
                1      5  80.00 %  all
    "]]
    .assert_eq(run.stdout.strip_suffix(&format!("{page}\n")).unwrap());
    let left = |end: &str| {
        let dir = fs::read_dir(sandbox.root().join("target/xtask-coverage")).unwrap();
        dir.filter(|entry| entry.as_ref().unwrap().path().to_string_lossy().ends_with(end)).count()
    };
    assert_eq!((left(".profraw"), left("coverage.json")), (0, 0));
    let run = sandbox.xtask(&["coverage", "--no-cleanup"]).assert_code(0);
    assert!(left(".profraw") > 0 && left("coverage.json") == 1);
    assert!(run.stderr.contains("target/xtask-coverage/coverage.json"), "{}", run.stderr);
}

#[test]
fn tests_print_to_us_and_read_nothing() {
    let sandbox = meter("80");
    let reads = "#[test]\nfn reads() {\n    let mut text = String::new();\n    \
                 assert_eq!(std::io::stdin().read_line(&mut text).unwrap(), 0);\n}\n";
    sandbox.write("tests/reads.rs", reads);
    let mut command = sandbox.command(XTASK);
    command.arg("coverage").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success(), "our own open input must not be the tests'");
    assert_eq!(stdout, "");
}

#[test]
fn what_a_test_leaves_running_ends_with_the_measurement() {
    let sandbox = meter("80");
    let marker = sandbox.beside("left");
    let test = format!(
        "#[test]\nfn leaves() {{\n    let child = std::process::Command::new(\"sleep\").arg(\"120\").spawn();\n    \
         std::fs::write({marker:?}, child.unwrap().id().to_string()).unwrap();\n}}\n"
    );
    sandbox.write("tests/leaves.rs", test);
    let started = Instant::now();
    let mut command = sandbox.command(XTASK);
    let status = command.arg("coverage").stderr(Stdio::null()).status().unwrap();
    let elapsed = started.elapsed();
    let left = fs::read_to_string(&marker).unwrap();
    assert!(is_gone(&left), "it is still there");
    assert!(status.success());
    assert!(elapsed < Duration::from_secs(100), "{elapsed:?}");
}

#[test]
fn a_test_that_fails_is_shown_and_nothing_is_recorded() {
    let sandbox = meter("10");
    sandbox
        .write("tests/bad.rs", "#[test]\nfn bad() {\n    assert_eq!(1, 2, \"the reason\");\n}\n");
    let run = sandbox.xtask(&["coverage", "--devel"]).assert_code(1);
    assert!(run.stderr.contains("the reason"), "{}", run.stderr);
    assert!(run.stderr.contains("test two_and_two ... ok"), "the others run too\n{}", run.stderr);
    assert_eq!(
        said(&run).lines().last().unwrap(),
        "failed: a test failed, so nothing was measured; see above"
    );
    sandbox.write("tests/bad.rs", "fn bad( {}\n");
    let run = sandbox.xtask(&["coverage", "--devel"]).assert_code(1);
    assert!(said(&run).contains("failed: the tests do not build"), "{}", run.stderr);
    assert_eq!(sandbox.read(&file()), config("10"));
}

#[test]
fn an_interrupt_stops_the_tests_and_touches_nothing() {
    let sandbox = meter("10");
    let marker = sandbox.beside("started");
    let slow = format!(
        "#[test]\nfn slow() {{\n    std::fs::write({marker:?}, std::process::id().to_string()).unwrap();\n    \
         std::thread::sleep(std::time::Duration::from_secs(600));\n}}\n"
    );
    sandbox.write("tests/slow.rs", slow);
    let mut command = sandbox.command(XTASK);
    let mut child = command.args(["coverage", "--devel"]).stderr(Stdio::null()).spawn().unwrap();
    let test = wait_for(&marker);
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(is_gone(&test), "the test still runs");
    assert_eq!(sandbox.read(&file()), config("10"));
    fs::remove_file(sandbox.root().join("tests/slow.rs")).unwrap();
    sandbox.xtask(&["coverage", "--devel"]).assert_code(0);
    assert_eq!(sandbox.read(&file()), config("80.00"));
}

/// Whether a process ends within a moment; one that nobody has asked about since counts as gone.
fn is_gone(id: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let status = fs::read_to_string(Path::new("/proc").join(id).join("status"));
        status.is_ok_and(|status| status.contains("State:\tZ"))
            || !Path::new("/proc").join(id).exists()
    })
}

/// The text of a file, once it is there.
fn wait_for(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match fs::read_to_string(path) {
            Ok(text) if !text.is_empty() => return text,
            _ => assert!(Instant::now() < deadline, "{} never came", path.display()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_runs_at_once_take_turns() {
    let sandbox = meter("80");
    sandbox.xtask(&["coverage"]).assert_code(0);
    let start = || {
        let mut command = sandbox.command(XTASK);
        command.arg("coverage").stderr(Stdio::piped()).spawn().unwrap()
    };
    let outputs = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let mut waited = 0;
    for output in outputs {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains("80.00 % of lines"), "{stderr}");
        waited += stderr.matches("waiting for another coverage run").count();
    }
    assert_eq!(waited, 1);
}

#[test]
fn the_builds_page_shows_the_summary_where_there_is_one() {
    let sandbox = meter("90");
    let page = sandbox.beside("page");
    let script = format!("echo \"$@\" > {0}; cat >> {0}", page.display());
    sandbox.stub("buildkite-agent", &script);
    sandbox.xtask(&["coverage"]).assert_code(1);
    assert!(!page.exists(), "this is no Buildkite job");
    sandbox.run("env", &["BUILDKITE=true", XTASK, "coverage"]).assert_code(1);
    let shown = fs::read_to_string(&page).unwrap();
    let shown = shown.replace(std::env::consts::ARCH, "ARCH").replace(['\r', '\t'], "");
    expect![[r#"
        annotate --context=coverage-ARCH --style=error
        **Coverage on ARCH**

        failed: 80.00 % of lines (4 of 5) are covered, more than 0.50 points below the recorded 90.00 %

        help: add tests: `cargo xtask coverage --diff` lists the new lines that no test runs; if the drop is intended, record it with `cargo xtask coverage --devel --allow-lower`, or apply this patch with `git apply`:

        ```diff
        diff --git a/coverage_config_ARCH.json b/coverage_config_ARCH.json
        --- a/coverage_config_ARCH.json
        +++ b/coverage_config_ARCH.json
        @@ -1,3 +1,3 @@
         { "exclude_path":"",
        -"coverage_score" : 90 , "x": [1,
        +"coverage_score" : 80.00 , "x": [1,
         2]}
        \ No newline at end of file
        ```
    "#]].assert_eq(&shown);
    sandbox.stub("buildkite-agent", "echo no such job >&2; exit 1");
    let run = sandbox.run("env", &["BUILDKITE=true", XTASK, "coverage"]).assert_code(1);
    let warning = "warning: cannot annotate the build: `buildkite-agent` failed: no such job";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

/// A toolchain without LLVM's tools, and a rustup that cannot add them.
fn without_component(sandbox: &Sandbox) {
    let real = Command::new("sh").args(["-c", "command -v rustc"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let script = format!(
        "[ \"$*\" != '--print target-libdir' ] || {{ echo /nowhere/lib; exit; }}\nexec {} \"$@\"",
        real.trim()
    );
    sandbox.stub("rustc", &script).stub("rustup", "echo no network >&2; exit 1");
}

#[test]
fn without_the_component_the_newest_llvm_that_reads_the_profiles_serves() {
    let sandbox = meter("80");
    without_component(&sandbox);
    // The toolchain's own tools under the names that a distribution gives them, with a newer one
    // that reads nothing and an older one.
    let sysroot = sandbox.run("rustc", &["--print", "sysroot"]).assert_code(0).stdout;
    let find = format!("find {}/lib/rustlib -path '*/bin/llvm-cov'", sysroot.trim());
    let found = sandbox.run("sh", &["-c", &find]).stdout;
    let bin = Path::new(found.trim()).parent().unwrap().display();
    for tool in ["llvm-cov", "llvm-profdata"] {
        sandbox.stub(&format!("{tool}-99"), "echo unsupported version >&2; exit 1");
        sandbox.stub(&format!("{tool}-98"), &format!("exec {bin}/{tool} \"$@\""));
        sandbox.stub(&format!("{tool}-9"), "exit 1");
    }
    let run = sandbox.xtask(&["coverage"]).assert_code(0);
    let llvm = format!("LLVM_COV={}/llvm-cov-98 ", sandbox.beside("stubs").display());
    assert!(run.stderr.contains(&llvm), "{}", run.stderr);

    let with = |llvm_cov: &str| {
        let variables =
            [format!("LLVM_COV={llvm_cov}"), format!("LLVM_PROFDATA={bin}/llvm-profdata")];
        let run = sandbox.run("env", &[&variables[0], &variables[1], XTASK, "coverage"]);
        run.assert_code(0).stderr
    };
    let named = format!("{bin}/llvm-cov");
    assert!(with(&named).contains(&format!("LLVM_COV={named} ")));
    let stderr = with("/bin/false");
    assert!(stderr.contains("tools that cannot read the profiles of this toolchain"), "{stderr}");
    assert!(stderr.contains(&llvm), "{stderr}");
}

#[test]
fn where_no_llvm_fits_all_three_ways_are_named() {
    let mut sandbox = meter("80");
    without_component(&sandbox);
    // Nothing on PATH but what finds the configuration.
    for program in ["git", "cargo"] {
        let find = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
        let path = String::from_utf8(find.unwrap().stdout).unwrap();
        sandbox.stub(program, &format!("exec {} \"$@\"", path.trim()));
    }
    let stubs = sandbox.beside("stubs");
    sandbox.set("PATH", stubs.to_str().unwrap());
    let run = sandbox.xtask(&["coverage"]).assert_code(75);
    expect![[r"
        error: the component `llvm-tools` is missing and cannot be installed
        help: run `rustup component add llvm-tools`, or install a package `llvm-N` that can read the profiles of this toolchain, or set LLVM_COV and LLVM_PROFDATA"]].assert_eq(&said(&run));
}

/// A workspace in which a proc macro, a macro that another member re-exports, a build script and a
/// library that it uses all run during the build.
fn build_time_code() -> Sandbox {
    let sandbox = meter("50");
    let members = ["mac", "reexport", "user", "script", "helper"];
    sandbox
        .write("Cargo.toml", manifest("meter", &format!("[workspace]\nmembers = {members:?}\n")));
    let member = |name: &str, more: &str, lib: &str| {
        sandbox.write(&format!("{name}/Cargo.toml"), manifest(name, more));
        sandbox.write(&format!("{name}/src/lib.rs"), lib);
    };
    let mac = "use proc_macro::TokenStream;\n\n#[proc_macro]\n\
               pub fn answer(_: TokenStream) -> TokenStream {\n    \
               let text = \"fn answer() -> u32 { 42 }\";\n    helper::parse(text)\n}\n";
    member(
        "mac",
        "[lib]\nproc-macro = true\n\n[dependencies]\nhelper = { path = \"../helper\" }\n",
        mac,
    );
    let helper = "pub fn parse<T: std::str::FromStr>(text: &str) -> T {\n    \
                  text.parse().unwrap_or_else(|_| panic!(\"not parsed\"))\n}\n\n\
                  pub fn run_by_a_script() -> u32 {\n    1\n}\n";
    member("helper", "", helper);
    member("reexport", "[dependencies]\nmac = { path = \"../mac\" }\n", "pub use mac::answer;\n");
    let user = "reexport::answer!();\n\npub fn get() -> u32 {\n    answer()\n}\n\n\
                #[test]\nfn it() {\n    assert_eq!(get(), 42);\n}\n";
    member("user", "[dependencies]\nreexport = { path = \"../reexport\" }\n", user);
    member(
        "script",
        "[build-dependencies]\nhelper = { path = \"../helper\" }\n",
        "pub fn two() -> u32 { 2 }\n",
    );
    sandbox.write(
        "script/build.rs",
        "fn main() {\n    assert_eq!(helper::run_by_a_script(), 1);\n}\n",
    );
    sandbox.run("cargo", &["generate-lockfile", "--offline"]).assert_code(0);
    sandbox
}

#[test]
fn a_warm_run_counts_what_runs_during_the_build() {
    let sandbox = build_time_code();
    let cold = measure(&sandbox, &[]);
    assert_eq!(cold, by_hand(&sandbox, &["--workspace", "--all-features"]));
    assert_eq!(measure(&sandbox, &[]), cold);
    let touched = sandbox.read("user/src/lib.rs") + "\n// Edited.\n";
    sandbox.write("user/src/lib.rs", touched);
    assert_eq!(measure(&sandbox, &[]), cold);
}

#[test]
fn a_warm_run_is_as_a_cold_one_on_every_layout() {
    // That of a single crate is compared where the sample crate is measured.
    for sandbox in [meter("50"), consumer::consumer(Layout::RootPackageOfAWorkspace)] {
        let table = || sandbox.xtask(&["coverage", "--files"]).stdout;
        let cold = table();
        assert!(cold.contains("lines"), "{cold}");
        assert_eq!(table(), cold);
    }
}

#[test]
fn a_profile_that_a_killed_program_left_is_named_and_left_out() {
    let sandbox = meter("80");
    let leave = "#[test]\nfn leaves_half_a_profile() {\n    \
                 let file = std::env::var_os(\"LLVM_PROFILE_FILE\").unwrap();\n    \
                 let file = std::path::PathBuf::from(file);\n    \
                 std::fs::write(file.with_file_name(\"half.profraw\"), [0x81, 0x72, 0x66]).unwrap();\n    \
                 std::fs::write(file.with_file_name(\"nothing.profraw\"), []).unwrap();\n}\n";
    sandbox.write("tests/leave.rs", leave);
    let run = sandbox.xtask(&["coverage", "--lcov", "out.lcov"]).assert_code(0);
    let note = said(&run).lines().next().unwrap().to_owned();
    assert!(note.starts_with("note: left out 2 of "), "{note}");
    assert!(note.ends_with(": half.profraw, nothing.profraw"), "{note}");
    assert!(sandbox.read("out.lcov").contains("DA:10,0"));
}

#[test]
fn without_a_readable_profile_there_is_no_verdict() {
    let sandbox = meter("0");
    let targets = "[lib]\ntest = false\n\n[[test]]\nname = \"add\"\nharness = false\n";
    sandbox.write("Cargo.toml", manifest("meter", targets));
    // Another program takes the place of the test before it writes its profile.
    let test = "use std::os::unix::process::CommandExt;\n\nfn main() {\n    \
                let file = std::env::var_os(\"LLVM_PROFILE_FILE\").unwrap();\n    \
                let file = std::path::PathBuf::from(file).with_file_name(\"half.profraw\");\n    \
                std::fs::write(file, [0x81, 0x72, meter::add(1, 1) as u8]).unwrap();\n    \
                panic!(\"{}\", std::process::Command::new(\"true\").exec());\n}\n";
    sandbox.write("tests/add.rs", test);
    let run = sandbox.xtask(&["coverage"]).assert_code(75);
    assert_eq!(said(&run), "error: none of 1 profiles could be read");
}

#[test]
fn where_the_checkout_lies_changes_no_score() {
    let sandbox = meter("50");
    let config = "{\"coverage_score\": 50, \"exclude_path\": \"tests|\\\\(a\"}";
    sandbox.write(&file(), config).write("src/tests_of_all.rs", "pub fn excluded() {}\n");
    sandbox.write("src/lib.rs", format!("{METER}\npub mod tests_of_all;\n"));
    let files = |root: &Path| {
        let mut command = sandbox.command(XTASK);
        let output = command.args(["coverage", "--files"]).current_dir(root).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (here, stderr) = files(&sandbox.root());
    assert!(here.contains("80.00 %  src/lib.rs"), "{here}\n{stderr}");
    assert!(!here.contains("tests_of_all") && !stderr.contains("warning"), "{here}\n{stderr}");
    let elsewhere = sandbox.beside("tests/(a $b[c]+ é)/x");
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    let _ = fs::remove_dir_all(sandbox.root().join("target"));
    fs::rename(sandbox.root(), &elsewhere).unwrap();
    assert_eq!(files(&elsewhere).0, here);
    std::os::unix::fs::symlink(&elsewhere, sandbox.root()).unwrap();
    assert_eq!(files(&sandbox.root()).0, here);
    let html = sandbox.xtask(&["coverage", "--lcov", "out.lcov"]);
    assert!(!sandbox.read("out.lcov").contains("tests_of_all"), "{}", html.stderr);
    sandbox.write(&file(), "{\"coverage_score\": 50, \"exclude_path\": \"^/|elsewhere\"}");
    assert!(
        files(&sandbox.root())
            .1
            .contains("`exclude_path` matches no measured file: `^/|elsewhere`")
    );
}

/// A compiler that fails as the script says whenever it compiles the crate.
fn with_compiler(sandbox: &mut Sandbox, script: &str) {
    let wrapper =
        format!("case \" $* \" in *' --crate-name meter '*) {script};; esac\nexec \"$@\"");
    sandbox.stub("wrapper", &wrapper);
    let wrapper = sandbox.beside("stubs").join("wrapper");
    sandbox
        .write(".cargo/config.toml", format!("[build]\nrustc-wrapper = '{}'\n", wrapper.display()));
}

#[test]
fn a_killed_compiler_and_a_full_disk_are_not_the_fault_of_the_code() {
    let mut sandbox = meter("80");
    with_compiler(&mut sandbox, "kill -KILL $$");
    let run = sandbox.xtask(&["coverage"]).assert_code(75);
    assert!(said(&run).contains("error: the build was interrupted: "), "{}", run.stderr);
    assert!(said(&run).contains("signal: 9"), "{}", run.stderr);
    with_compiler(
        &mut sandbox,
        "echo 'error: failed to write: No space left on device' >&2; exit 1",
    );
    let run = sandbox.xtask(&["coverage"]).assert_code(75);
    assert!(said(&run).contains("No space left on device"), "{}", run.stderr);
    // Killed once, as by a system that was short of memory for a moment.
    let once = sandbox.beside("once");
    with_compiler(&mut sandbox, &format!("mkdir {} && kill -KILL $$", once.display()));
    sandbox.xtask(&["coverage"]).assert_code(75);
    sandbox.xtask(&["coverage"]).assert_code(0);
}

#[test]
fn a_run_that_waited_reads_what_the_other_recorded() {
    let sandbox = meter("10");
    sandbox.xtask(&["coverage", "--no-cleanup"]);
    let start = || {
        let mut command = sandbox.command(XTASK);
        command.args(["coverage", "--devel"]).stderr(Stdio::piped()).spawn().unwrap()
    };
    let outputs = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let stderr = outputs.map(|output| {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        stderr
    });
    let stderr = stderr.concat();
    assert_eq!(stderr.matches("recorded: ").count(), 1, "{stderr}");
    assert_eq!(stderr.matches("passed: ").count(), 1, "{stderr}");
    assert_eq!(sandbox.read(&file()), config("80.00"));
}

/// Three crates without a configuration in the root; two have one of their own.
fn three_crates() -> Sandbox {
    let sandbox = meter("0");
    fs::remove_file(sandbox.root().join(file())).unwrap();
    fs::remove_dir_all(sandbox.root().join("src")).unwrap();
    fs::remove_dir_all(sandbox.root().join("tests")).unwrap();
    sandbox.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"2\"\nmembers = [\"one\", \"two\", \"three\"]\n",
    );
    for name in ["one", "two", "three"] {
        sandbox.write(&format!("{name}/Cargo.toml"), manifest(name, "[features]\nextra = []\n"));
        let extra = "\n#[cfg(feature = \"extra\")]\npub fn extra() {}\n";
        sandbox.write(&format!("{name}/src/lib.rs"), format!("{METER}{extra}"));
        sandbox.write(&format!("{name}/tests/add.rs"), TEST.replace("meter", name));
    }
    sandbox.write(&format!("one/{}", file()), "{\"coverage_score\": 66.66}\n");
    sandbox
        .write(&format!("two/{}", file()), "{\"coverage_score\": 90, \"crate_features\": \"\"}\n");
    sandbox.run("cargo", &["generate-lockfile", "--offline"]).assert_code(0);
    sandbox.commit_all("Three crates");
    sandbox
}

#[test]
fn each_crate_of_a_workspace_is_compared_with_its_own_record() {
    let sandbox = three_crates();
    let run = sandbox.xtask(&["coverage"]).assert_code(1);
    let (_, report) = run.stderr.rsplit_once("\ncrate ").unwrap();
    expect![[r"
        crate   lines  covered  recorded
        one    4 of 6  66.66 %   66.66 %  passed
        two    4 of 5  80.00 %   90.00 %  failed: lower
        three  4 of 6  66.66 %      none  no configuration
        failed: 1 of 2 crates: `two`
        help: add tests: `cargo xtask coverage --diff` lists the new lines that no test runs; if the drop is intended, record it with `cargo xtask coverage --devel --allow-lower`, or apply this patch with `git apply`:
    "]].assert_eq(&format!("crate {report}"));
    assert_eq!(run.stderr.matches(" cargo llvm-cov test ").count(), 1, "{}", run.stderr);
    fs::write(sandbox.beside("patch"), &run.stdout).unwrap();
    sandbox.git(&["apply", "--check", sandbox.beside("patch").to_str().unwrap()]);

    sandbox.write(&format!("one/{}", file()), "{\"coverage_score\": 1}\n");
    let run = sandbox.xtask(&["coverage", "--devel", "--allow-lower"]).assert_code(0);
    assert!(run.stderr.contains("passed: all 2 crates"), "{}", run.stderr);
    let (one, two) = (format!("one/{}", file()), format!("two/{}", file()));
    assert_eq!(sandbox.read(&one), "{\"coverage_score\": 66.66}\n");
    assert_eq!(sandbox.read(&two), "{\"coverage_score\": 80.00, \"crate_features\": \"\"}\n");

    let run = sandbox.xtask(&["coverage", "--package", "two"]).assert_code(0);
    assert!(said(&run).starts_with("passed: 80.00 % of lines (4 of 5)"), "{}", run.stderr);
    let run = sandbox.xtask(&["coverage", "--package", "three"]).assert_code(2);
    assert!(said(&run).contains("in `three` or below it"), "{}", run.stderr);
}

#[test]
fn a_workspace_that_is_not_at_the_root_has_its_own_record() {
    let sandbox = meter("80");
    sandbox.write("staging/Cargo.toml", manifest("staged", "[workspace]\n"));
    sandbox
        .write("staging/src/lib.rs", METER.replace("number / 2", "number / 2 }\npub fn more() {"));
    sandbox.write("staging/tests/add.rs", TEST.replace("meter", "staged"));
    let record = format!("staging/{}", file());
    sandbox.write(&record, config("10"));
    let manifest_path = ["--manifest-path", "staging/Cargo.toml"];
    let run = sandbox.xtask(&[&["coverage"], &manifest_path[..]].concat()).assert_code(1);
    assert!(run.stdout.contains(&format!("+++ b/{record}")), "{}", run.stdout);
    assert!(
        run.stderr.contains("coverage --manifest-path staging/Cargo.toml --devel"),
        "{}",
        run.stderr
    );
    sandbox.xtask(&[&["coverage", "--devel"], &manifest_path[..]].concat()).assert_code(0);
    assert_ne!(sandbox.read(&record), config("10"));
    assert_eq!(sandbox.read(&file()), config("80"));
    assert!(sandbox.root().join("staging/target/xtask-coverage").is_dir());

    let mut command = sandbox.command(XTASK);
    command.args(["coverage", "--set", "20"]).current_dir(sandbox.root().join("staging/src"));
    assert!(command.status().unwrap().success());
    assert_eq!(sandbox.read(&record), config("20.00"));
    assert_eq!(sandbox.read(&file()), config("80"));
    for path in ["no/Cargo.toml", "staging", "../Cargo.toml"] {
        sandbox.xtask(&["coverage", "--manifest-path", path]).assert_code(2);
    }
}

#[test]
fn no_setting_of_the_users_changes_which_lines_are_added() {
    let mut sandbox = meter("80");
    sandbox.write("src/lib.rs", format!("{METER}\npub fn added() {{}}\n"));
    sandbox.write("src/new é.rs", "pub fn unknown() {}\n");
    let lines = |sandbox: &Sandbox| {
        let run = sandbox.xtask(&["coverage", "--diff", "HEAD"]);
        let (_, sentence) =
            run.stderr.rsplit_once('\n').map(|(text, _)| text.rsplit_once('\n').unwrap()).unwrap();
        format!("{}{sentence}", lines_of(&run))
    };
    let wanted = lines(&sandbox);
    assert!(wanted.starts_with("src/lib.rs:12\n") && wanted.contains("(0 of 1)"), "{wanted}");
    for (name, value) in [
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.context", "7"),
        ("diff.interHunkContext", "9"),
        ("diff.external", "echo"),
        ("diff.algorithm", "patience"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.relative", "true"),
        ("diff.orderFile", "/nowhere"),
        ("diff.renames", "false"),
        ("diff.wsErrorHighlight", "all"),
        ("diff.colorMoved", "zebra"),
        ("color.ui", "always"),
        ("color.diff", "always"),
        ("core.quotePath", "true"),
        ("core.pager", "false"),
    ] {
        sandbox.git(&["config", name, value]);
    }
    sandbox.set("GIT_DIFF_OPTS", "--unified=5").set("GIT_EXTERNAL_DIFF", "echo");
    sandbox.set("GIT_LITERAL_PATHSPECS", "1").set("GIT_PAGER", "false");
    assert_eq!(lines(&sandbox), wanted);
}

#[test]
fn a_profile_of_a_program_without_an_environment_is_named_and_removed() {
    let sandbox = meter("80");
    let bin = "fn main() {\n    println!(\"{}\", meter::half(4));\n}\n";
    sandbox.write("src/bin/half.rs", bin);
    let test = "#[test]\nfn half() {\n    let program = env!(\"CARGO_BIN_EXE_half\");\n    \
                assert!(std::process::Command::new(program).env_clear().status().unwrap().success());\n}\n";
    sandbox.write("tests/half.rs", test).write("default_mine.profraw", "mine");
    sandbox.commit_all("Add a program");
    let run = sandbox.xtask(&["coverage", "--devel", "--allow-lower"]).assert_code(0);
    let notes = said(&run);
    assert!(
        notes.contains("note: removed profiles that a program wrote")
            && notes.contains("(1 in all)"),
        "{notes}"
    );
    assert!(notes.contains("such as `default_"), "{notes}");
    assert_eq!(sandbox.git(&["status", "--short"]), format!(" M {}\n", file()));
}

#[test]
fn tests_that_a_hook_runs_get_no_variable_of_gits_and_leave_the_repository_alone() {
    let sandbox = meter("80");
    let test = "#[test]\nfn commits() {\n    assert!(std::env::var_os(\"GIT_DIR\").is_none());\n    let dir = std::env::temp_dir().join(format!(\"hook-{}\", std::process::id()));\n    \
                std::fs::create_dir_all(&dir).unwrap();\n    std::fs::write(dir.join(\"x\"), \"x\").unwrap();\n    \
                for arguments in [&[\"init\", \"-q\"][..], &[\"add\", \"x\"], &[\"commit\", \"-q\", \"-m\", \"theirs\"]] {\n        \
                let git = std::process::Command::new(\"git\").args(arguments).current_dir(&dir).status();\n        \
                assert!(git.unwrap().success());\n    }\n    std::fs::remove_dir_all(&dir).unwrap();\n}\n";
    sandbox.write("tests/commits.rs", test);
    sandbox.commit_all("Add a test that commits");
    let worktree = sandbox.beside("linked");
    sandbox.git(&["worktree", "add", "--quiet", "-b", "linked", worktree.to_str().unwrap()]);
    let hook = sandbox.root().join(".git/hooks/pre-push");
    let script = format!("#!/bin/sh\ntest -n \"$GIT_DIR\" && exec '{XTASK}' coverage\n");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, script).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&hook).status().unwrap().success());
    let remote = sandbox.beside("remote");
    sandbox.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    let head = sandbox.git(&["rev-parse", "linked"]);
    let mut push = sandbox.command("git");
    let output = push.args(["push", "--quiet"]).arg(&remote).arg("linked").current_dir(&worktree);
    let output = output.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("passed: 80.00 %"), "{stderr}");
    assert_eq!(sandbox.git(&["rev-parse", "linked"]), head, "{stderr}");
    assert_eq!(sandbox.git(&["config", "core.bare"]), "false\n");
    assert_eq!(sandbox.git(&["-C", worktree.to_str().unwrap(), "status", "--short"]), "");
}
