//! What cannot be measured, and its messages.

use std::path::Path;

use crate::measured::{Measured, table};

#[track_caller]
fn says(run: &crate::support::Run, text: &str) {
    assert!(run.stderr.contains(text), "no `{text}` in:\n{}", run.stderr);
}

#[test]
fn without_a_remote_nothing_can_be_compared() {
    let measured = Measured::new();
    measured.sandbox.git(&["remote", "remove", "origin"]);
    let run = measured.bench(&[]).assert_code(75);
    says(&run, "failed to find the base `origin/main`");
    says(&run, "REMOTE and BASE_BRANCH name the upstream repository and branch");
    assert!(!run.stderr.contains("cargo bench"), "nothing is measured for nothing");
}

#[test]
fn a_branch_that_does_not_exist_is_named() {
    let mut measured = Measured::new();
    measured.sandbox.set("BASE_BRANCH", "mian");
    let run = measured.bench(&[]).assert_code(2);
    says(&run, "failed to find the base `origin/mian`: there is no such branch");
}

#[test]
fn names_are_never_shell_text_nor_options() {
    let mut measured = Measured::new();
    let legal = ["main;touch${IFS}x", "--upload-pack=x", "$(touch${IFS}x)", "a'b\"c"];
    for name in legal {
        let reference = format!("refs/heads/{name}");
        measured.sandbox.git(&["push", "--quiet", "origin", &format!("HEAD:{reference}")]);
        measured.sandbox.set("BASE_BRANCH", name);
        let run = measured.bench(&[]).assert_code(0);
        assert_eq!(table(&run)[0], "base change", "{name}");
    }
    for (name, code) in [("has spaces", 2), ("ma*", 2), ("", 0), ("../x", 2)] {
        measured.sandbox.set("BASE_BRANCH", name);
        measured.bench(&[]).assert_code(code);
    }
    measured.sandbox.set("BASE_BRANCH", "main");
    for remote in ["--upload-pack=touch x", "ext::sh -c touch% x", "no such remote", "$(touch x)"] {
        measured.sandbox.set("REMOTE", remote);
        measured.bench(&[]).assert_code(75);
    }
    assert!(!measured.sandbox.root().join("x").exists());
}

#[test]
fn a_shallow_clone_has_a_tip_but_no_merge_base() {
    let measured = Measured::new();
    measured.edit("README.md", "Measured", "Changed");
    measured.sandbox.commit_all("Change");
    measured.sandbox.git(&["push", "--quiet", "origin", "change"]);
    let shallow = measured.sandbox.beside("shallow");
    let url = format!("file://{}", measured.remote().display());
    let clone =
        ["clone", "--quiet", "--depth=1", "--branch=change", &url, shallow.to_str().unwrap()];
    measured.sandbox.git(&clone);
    let in_clone = |arguments: &[&str]| {
        let output = measured.command(arguments).current_dir(&shallow).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = in_clone(&[]);
    assert_eq!(code, Some(0), "{said}");
    let boundary = std::fs::read_to_string(shallow.join(".git/shallow")).unwrap();
    let (code, said) = in_clone(&["--against", "merge-base"]);
    // The fetched history of the base may or may not reach the commit that is here.
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("run `git fetch --unshallow`"), "{said}");
    assert_eq!(std::fs::read_to_string(shallow.join(".git/shallow")).unwrap(), boundary);
}

#[test]
fn an_unrelated_history_has_a_tip_but_no_merge_base() {
    let measured = Measured::new();
    measured.sandbox.git(&["checkout", "--quiet", "--orphan", "unrelated"]);
    measured.sandbox.commit_all("Begin again");
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(table(&run)[0], "base change");
    let run = measured.bench(&["--against=merge-base"]).assert_code(2);
    says(&run, "`HEAD` and `origin/main` have no common history");
}

#[test]
fn a_base_that_does_not_compile_is_no_verdict_and_a_change_that_does_not_is_a_failure() {
    let measured = Measured::new();
    let break_it =
        |measured: &Measured| measured.edit("src/lib.rs", "mod registers", "mod regsters");
    measured.move_the_base(break_it);
    let run = measured.bench(&[]).assert_code(75);
    says(&run, "file not found for module `regsters`");
    says(&run, "error: the benchmarks of the base (origin/main, ");
    says(&run, "help: compare with another base: ");
    break_it(&measured);
    let run = measured.bench(&[]).assert_code(1);
    says(&run, "error: the benchmarks of the change do not build\nhelp: ");
    let run = measured.bench(&["--fail-above", "10"]).assert_code(75);
    says(&run, "error: the benchmarks of the base (origin/main, ");
}

#[test]
fn a_killed_compiler_and_a_full_disk_are_not_the_fault_of_the_change() {
    let mut measured = Measured::new();
    let wrapper = measured.sandbox.beside("stubs").join("wrapper");
    measured.sandbox.set("RUSTC_WRAPPER", wrapper.to_str().unwrap());
    let once = format!("mkdir {} && kill -KILL $$", measured.sandbox.beside("once").display());
    let full_disk = "echo 'error: failed to write: No space left on device' >&2; exit 1";
    for (script, said) in [
        ("kill -KILL $$", "error: the build was interrupted: process didn't exit successfully: "),
        (full_disk, "error: the build was interrupted: error: failed to write: No space left"),
        // As by a system that was short of memory for a moment.
        (&once, "error: the build failed at first and then succeeded"),
    ] {
        let is_crate = "case \" $* \" in *' --crate-name rtc_device '*)";
        measured.sandbox.stub("wrapper", &format!("{is_crate} {script};; esac\nexec \"$@\""));
        says(&measured.bench(&[]).assert_code(75), said);
    }
}

#[test]
fn a_benchmark_that_panics_fails_on_the_change_only() {
    let measured = Measured::new();
    let panic = |measured: &Measured| {
        measured.edit("benches/main.rs", "assert!(line.get());", "panic!(\"no alarm\");");
    };
    measured.move_the_base(panic);
    let run = measured.bench(&[]).assert_code(75);
    says(&run, "no alarm");
    panic(&measured);
    says(&measured.bench(&[]).assert_code(1), "error: the benchmarks of the change failed\nhelp: ");
}

#[test]
fn a_manifest_of_the_base_that_cannot_be_read_is_no_verdict() {
    let measured = Measured::new();
    measured.move_the_base(|measured| {
        measured.edit("Cargo.toml", "[package]", "[package");
    });
    says(&measured.bench(&[]).assert_code(75), "on the base: ");
    measured.edit("Cargo.toml", "[package]", "[package");
    measured.bench(&[]).assert_code(2);
}

#[test]
fn benchmarks_without_criterion_are_a_failure_that_says_so() {
    let measured = Measured::new();
    measured.edit("Cargo.toml", "criterion = { version = \"0.7\", default-features = false }", "");
    measured.sandbox.write("benches/main.rs", "fn main() {}\n");
    measured.sandbox.run("cargo", &["update", "--workspace", "--quiet"]).assert_code(0);
    let run = measured.bench(&[]).assert_code(1);
    says(&run, "help: add `criterion` to the `[dev-dependencies]`");
}

#[test]
fn a_target_with_the_standard_harness_names_the_missing_line() {
    let measured = Measured::new();
    measured.edit("Cargo.toml", "harness = false\n", "");
    let run = measured.bench(&[]).assert_code(1);
    says(&run, "error: the benchmarks of the change failed: they run in the standard harness");
    let manifest = measured.sandbox.root().join("Cargo.toml");
    let help = "help: add `harness = false` to the `[[bench]]` section of `main` in `";
    says(&run, &format!("{help}{}`", manifest.display()));
}

#[test]
fn a_gate_that_compares_nothing_has_no_verdict_and_names_what_is_missing() {
    let measured = Measured::new();
    // A benchmark that ends the process hides those after it.
    measured.edit(
        "benches/main.rs",
        "    set_raise_and_clear_an_alarm(c);",
        "    std::process::exit(0);",
    );
    let run = measured.bench(&["--fail-above", "1000"]).assert_code(0);
    says(&run, "note: only the base has `save_and_restore`, `set_raise_and_clear_an_alarm`");
    says(&run, "0 of 1 benchmarks slower");
    measured.edit("benches/main.rs", "\"read_the_time\"", "\"read_the_clock\"");
    let run = measured.bench(&["--fail-above", "1000"]).assert_code(75);
    says(&run, "note: only the change has `read_the_clock`");
    says(&run, "error: no benchmark was compared, so `--fail-above` has no verdict\nhelp: ");
}

#[test]
fn unknown_packages_and_features_name_the_nearest() {
    let measured = Measured::new();
    let run = measured.bench(&["--package", "rtc-devise"]).assert_code(1);
    says(&run, "there is no package `rtc-devise`, did you mean `rtc-device`?");
    let run = measured.bench(&["--features", "stat"]).assert_code(2);
    says(&run, "unknown feature `stat`, did you mean `state`?");
    let run = measured.bench(&["--json", "no/such/directory.json"]).assert_code(2);
    says(&run, "error: the directory of `no/such/directory.json` does not exist\nhelp: ");
    measured.bench(&["--fail-above", "ten"]).assert_code(2);
}

#[test]
fn a_bare_repository_is_refused() {
    let measured = Measured::new();
    let output = measured.command(&[]).current_dir(measured.remote()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("is not inside a git repository"), "{said}");
}

#[test]
fn a_worktree_of_a_bare_repository_is_measured() {
    let measured = Measured::new();
    let linked = measured.sandbox.beside("linked");
    let (remote, dir) = (measured.remote(), linked.to_str().unwrap().to_owned());
    let in_bare = |arguments: &[&str]| {
        measured.sandbox.git(&[&["-C", remote.to_str().unwrap()], arguments].concat())
    };
    in_bare(&["worktree", "add", "--quiet", "-b", "linked", &dir]);
    in_bare(&["remote", "add", "origin", remote.to_str().unwrap()]);
    let output = measured.command(&[]).current_dir(&linked).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("group "), "{said}");
    assert_eq!(in_bare(&["worktree", "list"]).lines().count(), 2, "the bare one and the user's");
}

#[test]
fn a_repository_of_another_user_is_measured_without_touching_the_users_configuration() {
    let mut measured = Measured::new();
    // Git's own switch for testing what it does in a directory that another user owns.
    measured.sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    measured.sandbox.run("git", &["status"]).assert_code(128);
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(table(&run)[0], "base change");
    assert!(!measured.sandbox.beside("home/.gitconfig").exists());
    measured.sandbox.set("GIT_TEST_ASSUME_DIFFERENT_OWNER", "0");
    assert_eq!(measured.sandbox.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn in_a_hook_gits_own_variables_do_no_harm() {
    let mut measured = Measured::new();
    let git_dir = measured.sandbox.root().join(".git");
    let index = std::fs::read(git_dir.join("index")).unwrap();
    measured.sandbox.set("GIT_DIR", git_dir.to_str().unwrap());
    measured.sandbox.set("GIT_INDEX_FILE", git_dir.join("index").to_str().unwrap());
    measured.sandbox.set("GIT_WORK_TREE", measured.sandbox.root().to_str().unwrap());
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(table(&run)[0], "base change");
    assert_eq!(std::fs::read(git_dir.join("index")).unwrap(), index);
}

#[test]
fn a_cache_directory_inside_the_tree_or_not_to_be_written_is_not_used() {
    let mut measured = Measured::new();
    let inside = measured.sandbox.root().join("target/cache");
    let file = measured.sandbox.beside("file");
    std::fs::write(&file, "").unwrap();
    let temporary = measured.sandbox.beside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    measured.sandbox.set("TMPDIR", temporary.to_str().unwrap());
    let link = measured.sandbox.beside("link");
    std::os::unix::fs::symlink(measured.sandbox.root(), &link).unwrap();
    for cache in [inside.as_path(), link.as_path(), file.as_path(), Path::new("/proc/no")] {
        measured.sandbox.set("XDG_CACHE_HOME", cache.to_str().unwrap());
        let run = measured.bench(&["--fresh"]).assert_code(0);
        assert!(run.stderr.contains(temporary.to_str().unwrap()), "{}", run.stderr);
    }
    assert!(!inside.exists());
    assert!(!measured.sandbox.root().join("rust-vmm-ci").exists());
}

#[test]
fn without_critcmp_and_a_network_it_is_missing() {
    let mut measured = Measured::new();
    // Only the directories that cargo, git and a linker need.
    let cargo = measured.sandbox.run("sh", &["-c", "dirname $(command -v cargo)"]).stdout;
    let home = measured.sandbox.beside("empty");
    std::fs::create_dir_all(home.join("bin")).unwrap();
    for program in ["cargo", "rustc"] {
        let real = Path::new(cargo.trim()).join(program);
        std::os::unix::fs::symlink(real, home.join("bin").join(program)).unwrap();
    }
    measured.sandbox.set("PATH", &format!("{}:/usr/bin:/bin", home.join("bin").display()));
    measured.sandbox.set("CARGO_HOME", home.to_str().unwrap());
    measured.sandbox.set("CARGO_NET_OFFLINE", "true");
    let run = measured.bench(&[]).assert_code(75);
    says(
        &run,
        "error: `critcmp` is missing and cannot be installed\nhelp: run `cargo install --locked critcmp@0.1.8`",
    );
}
