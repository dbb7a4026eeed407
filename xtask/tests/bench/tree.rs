//! The user's repository stays unchanged, whenever a run ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::measured::{Measured, path_with_critcmp, table};

/// Everything in the repository and in its `.git`, except the objects, which only ever grow: names,
/// modes, times of modification and contents.
fn snapshot(measured: &Measured) -> BTreeMap<String, String> {
    let root = measured.sandbox.root();
    let is_object = |path: &Path| path.starts_with(root.join(".git/objects"));
    let entries = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
    entries
        .filter(|entry| entry.path() != root && !is_object(entry.path()))
        .map(|entry| {
            let path = entry.path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let metadata = fs::symlink_metadata(path).unwrap();
            let content = if metadata.is_symlink() {
                fs::read_link(path).unwrap().display().to_string()
            } else if metadata.is_dir() {
                // Git makes and removes files beside those that it keeps.
                return (name, format!("{:o}", metadata.mode()));
            } else {
                String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
            };
            let (mode, seconds) = (metadata.mode(), metadata.mtime());
            (name, format!("{mode:o} {seconds} {content}"))
        })
        .collect()
}

/// Work of every kind: staged, unstaged, both in one file, untracked, ignored, deleted.
fn with_work_in_progress() -> Measured {
    let measured = Measured::new();
    let sandbox = &measured.sandbox;
    sandbox.write(".gitignore", "/target/\n/scratch/\n*.log\n");
    sandbox.write("notes.md", "committed\n").write("old.md", "going\n");
    sandbox.commit_all("Ignore more");
    sandbox.write("notes.md", "staged\n").write("new.md", "new\n");
    sandbox.git(&["add", "notes.md", "new.md"]);
    sandbox.write("notes.md", "unstaged\n");
    fs::remove_file(sandbox.root().join("old.md")).unwrap();
    sandbox.write("untracked/a b.md", "untracked\n");
    sandbox.write("scratch/x", "ignored\n").write("run.log", "ignored, too\n");
    std::os::unix::fs::symlink("nowhere", sandbox.root().join("link")).unwrap();
    measured.edit("README.md", "Measured", "Being changed");
    let other = sandbox.beside("other");
    sandbox.git(&[
        "clone",
        "--quiet",
        measured.remote().to_str().unwrap(),
        other.to_str().unwrap(),
    ]);
    sandbox.git(&["status"]);
    measured
}

impl Measured {
    /// Pushes from another clone, so that there is something to fetch.
    fn move_the_base_from_elsewhere(&self) {
        let other = self.sandbox.beside("other");
        for arguments in [&["commit", "--allow-empty", "-qm", "Move"][..], &["push", "-q"]] {
            self.sandbox.git(&[&["-C", other.to_str().unwrap()], arguments].concat());
        }
    }

    /// What git says about the tree, without refreshing the index.
    fn status(&self) -> String {
        let all = ["status", "--porcelain=v2", "--branch", "--ignored", "--untracked-files=all"];
        let worktrees = self.sandbox.git(&["worktree", "list"]);
        let status = self.sandbox.git(&[&["--no-optional-locks"], &all[..]].concat());
        let references = self.sandbox.git(&["for-each-ref"]);
        format!("{worktrees}{status}{references}")
    }

    /// Nothing but the measurements of known bases and two lock files stays outside the tree.
    fn leftovers(&self) -> Vec<String> {
        let cache = self.sandbox.beside("home/.cache");
        let entries = walkdir::WalkDir::new(cache).min_depth(3).into_iter().flatten();
        let names = entries.map(|entry| entry.path().to_string_lossy().into_owned());
        names.filter(|name| !name.contains("/known") && !name.ends_with("/bench.lock")).collect()
    }
}

/// A moment of a run, to interrupt it there.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// A command with these words is about to run.
    Before(&'static str, &'static str),
    /// A command with these words has just run, and its end was not noticed yet.
    After(&'static str, &'static str),
    /// This was said for the n-th time.
    Said(&'static str, usize),
}

const MOMENTS: [Moment; 14] = [
    Moment::Before("git", "ls-remote"),
    Moment::After("git", " fetch --quiet"),
    Moment::After("git", " init "),
    Moment::Before("git", " checkout "),
    Moment::After("git", " checkout "),
    Moment::After("git", "ls-tree"),
    Moment::Before("rustc", "--verbose"),
    Moment::Said("Compiling rtc-device", 1),
    Moment::Said("Benchmarking read_the_time: Collecting", 1),
    Moment::Said("Finished `bench`", 2),
    Moment::Said("Benchmarking read_the_time: Collecting", 2),
    Moment::After("critcmp", "--export base"),
    Moment::Before("critcmp", "--color"),
    Moment::After("critcmp", "--color"),
];

/// Starts a run and returns at that moment.
fn run_up_to(measured: &Measured, moment: Moment, arguments: &[&str]) -> Child {
    let reached = measured.sandbox.beside("reached");
    let _ = fs::remove_file(&reached);
    if let Moment::Before(program, words) | Moment::After(program, words) = moment {
        let wait = format!("touch {}; sleep 1000", reached.display());
        let real = format!("PATH='{}' {program} \"$@\"", path_with_critcmp());
        let script = match moment {
            Moment::Before(..) => format!("case \"$*\" in *'{words}'*) {wait};; esac\n{real}"),
            _ => format!("{real}; code=$?\ncase \"$*\" in *'{words}'*) {wait};; esac\nexit $code"),
        };
        measured.sandbox.stub(program, &script);
    }
    let mut child = measured.command(arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let (mut line, mut said, mut seen) = (String::new(), String::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        assert!(Instant::now() < deadline, "{moment:?} was not reached: {said}");
        match moment {
            Moment::Said(words, count) => {
                line.clear();
                assert!(0 < lines.read_line(&mut line).unwrap(), "{moment:?}: {said}");
                seen += usize::from(line.contains(words));
                said.push_str(&line);
                if seen == count {
                    break;
                }
            }
            _ if reached.exists() => break,
            _ => {
                assert!(child.try_wait().unwrap().is_none(), "{moment:?} was not reached");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    // A full pipe would block the run.
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    child
}

fn signal(measured: &Measured, child: &Child, name: &str) {
    measured.sandbox.run("kill", &[name, &child.id().to_string()]).assert_code(0);
}

fn without_stubs(measured: &Measured) {
    for entry in fs::read_dir(measured.sandbox.beside("stubs")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
}

#[track_caller]
fn assert_tree_unchanged(
    measured: &Measured,
    before: &(BTreeMap<String, String>, String),
    when: &str,
) {
    let now = snapshot(measured);
    let names = before.0.keys().chain(now.keys().filter(|name| !before.0.contains_key(*name)));
    let changed: Vec<&String> =
        names.filter(|name| now.get(*name) != before.0.get(*name)).collect();
    assert!(changed.is_empty(), "{when}: {changed:?} have changed");
    assert_eq!(measured.status(), before.1, "{when}");
}

#[track_caller]
fn assert_unchanged(measured: &Measured, before: &(BTreeMap<String, String>, String), when: &str) {
    assert_tree_unchanged(measured, before, when);
    assert_eq!(measured.leftovers(), Vec::<String>::new(), "{when}");
}

#[test]
fn a_run_changes_nothing() {
    let measured = with_work_in_progress();
    let before = (snapshot(&measured), measured.status());
    measured.bench(&[]).assert_code(0);
    assert_unchanged(&measured, &before, "after a run");
    measured.edit("src/lib.rs", "mod", "broken");
    let before = (snapshot(&measured), measured.status());
    measured.bench(&[]).assert_code(1);
    assert_unchanged(&measured, &before, "after a run that failed");
}

#[test]
fn ctrl_c_changes_nothing_at_any_moment() {
    let measured = with_work_in_progress();
    let before = (snapshot(&measured), measured.status());
    for moment in MOMENTS {
        measured.move_the_base_from_elsewhere();
        let mut child = run_up_to(&measured, moment, &["--fresh"]);
        let started = Instant::now();
        signal(&measured, &child, "-INT");
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{moment:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{moment:?}: {:?}", started.elapsed());
        without_stubs(&measured);
        assert_unchanged(&measured, &before, &format!("interrupted: {moment:?}"));
    }
}

/// Kills a run, and then what it has left running, which would disturb the next one.
fn kill(measured: &Measured, mut child: Child) {
    let children = measured.sandbox.run("pgrep", &["-P", &child.id().to_string()]).stdout;
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    for id in children.split_whitespace() {
        // Each leads a process group of its own. It may have ended by now.
        measured.sandbox.run("kill", &["-KILL", "--", &format!("-{id}")]);
    }
}

#[test]
fn a_run_that_is_killed_changes_nothing_and_the_next_one_works() {
    let measured = with_work_in_progress();
    let before = (snapshot(&measured), measured.status());
    for moment in MOMENTS {
        measured.move_the_base_from_elsewhere();
        let child = run_up_to(&measured, moment, &["--fresh"]);
        kill(&measured, child);
        without_stubs(&measured);
        assert_tree_unchanged(&measured, &before, &format!("killed: {moment:?}"));
        measured.bench(&[]).assert_code(0);
        assert_unchanged(&measured, &before, &format!("the next run: {moment:?}"));
    }
}

#[test]
fn a_base_without_a_lock_file_gets_the_versions_of_the_change() {
    let measured = Measured::new();
    measured.sandbox.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    measured.sandbox.write(".gitignore", "/target/\nCargo.lock\n");
    measured.edit(
        "benches/main.rs",
        "\"read_the_time\"",
        "include_str!(\"../Cargo.lock\").lines().nth(1).unwrap()",
    );
    measured.sandbox.commit_all("Keep no lock file");
    measured.sandbox.git(&["push", "--quiet", "origin", "change:main"]);
    let lock_file = measured.sandbox.read("Cargo.lock").replacen("automatically", "by-hand", 1);
    measured.sandbox.write("Cargo.lock", lock_file);
    let names = table(&measured.bench(&[]).assert_code(0));
    // The names come from the lock file's second line, and both sides have the same.
    assert_eq!(names.len(), 4, "{names:?}");
    fs::remove_file(measured.sandbox.root().join("Cargo.lock")).unwrap();
    measured.bench(&["--fresh"]).assert_code(0);
    assert!(
        measured.sandbox.root().join("Cargo.lock").exists(),
        "cargo makes one, as it always does"
    );
}

#[test]
fn build_scripts_of_the_base_can_ask_git() {
    let measured = Measured::new();
    let script = r#"fn main() {
        let git = |words: &[&str]| {
            let output = std::process::Command::new("git").args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let top = git(&["rev-parse", "--show-toplevel"]);
        assert_eq!(std::path::Path::new(&top), std::env::current_dir().unwrap());
        let dirty = if git(&["status", "--porcelain"]).is_empty() { "clean" } else { "dirty" };
        println!("cargo:rustc-env=DESCRIBED={}-{dirty}", git(&["describe"]));
    }"#;
    measured.sandbox.write("build.rs", script);
    measured.edit("benches/main.rs", "\"read_the_time\"", "env!(\"DESCRIBED\")");
    measured.sandbox.commit_all("Ask git");
    measured.sandbox.git(&["tag", "--annotate", "--message", "First", "v1"]);
    measured.sandbox.git(&["push", "--quiet", "origin", "change:main"]);
    measured.edit("README.md", "Measured", "Changed");
    let names = table(&measured.bench(&[]).assert_code(0));
    for name in ["v1-clean", "v1-dirty"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
}

#[test]
fn a_partial_clone_fetches_the_base_from_its_remote() {
    let measured = Measured::new();
    measured.move_the_base(|measured| measured.edit("README.md", "Measured", "Moved"));
    let partial = measured.sandbox.beside("partial");
    let url = format!("file://{}", measured.remote().display());
    let remote = measured.remote();
    let configure = ["-C", remote.to_str().unwrap(), "config", "uploadpack.allowFilter", "true"];
    measured.sandbox.git(&configure);
    measured.sandbox.git(&["push", "--quiet", "origin", "change"]);
    let clone = ["clone", "--quiet", "--filter=blob:none", "--branch=change", &url];
    measured.sandbox.git(&[&clone[..], &[partial.to_str().unwrap()]].concat());
    let output = measured.command(&[]).current_dir(&partial).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("group "), "{said}");
}

#[test]
fn in_a_hook_benchmarks_that_use_git_leave_the_users_repository_alone() {
    let measured = Measured::new();
    let sandbox = &measured.sandbox;
    let use_git = r#"fn all(c: &mut Criterion) {
    let dir = std::env::temp_dir().join(format!("benchmark-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("x"), "").unwrap();
    for words in ["init -q", "add x", "commit -qm by-a-benchmark"] {
        let mut git = std::process::Command::new("git");
        let git = git.args(words.split(' ')).current_dir(&dir);
        assert!(git.status().unwrap().success());
    }
    std::fs::remove_dir_all(&dir).unwrap();"#;
    measured.edit("benches/main.rs", "fn all(c: &mut Criterion) {", use_git);
    sandbox.commit_all("Use git");
    sandbox.git(&["push", "--quiet", "origin", "change:main"]);
    let linked = sandbox.beside("linked");
    let linked = linked.to_str().unwrap();
    sandbox.git(&["worktree", "add", "--quiet", "-b", "hooked", linked]);
    let log = sandbox.beside("hook.log");
    let hook =
        format!("#!/bin/sh\nexec {} bench > {} 2>&1\n", env!("CARGO_BIN_EXE_xtask"), log.display());
    sandbox.write(".git/hooks/pre-push", hook);
    sandbox.run("chmod", &["+x", ".git/hooks/pre-push"]).assert_code(0);
    let in_linked = |arguments: &[&str]| sandbox.git(&[&["-C", linked], arguments].concat());
    let state = || {
        let config = sandbox.read(".git/config");
        let (head, status) = (in_linked(&["rev-parse", "HEAD"]), in_linked(&["status", "--short"]));
        (config, head, status)
    };
    let before = state();
    let push = sandbox.run("git", &["-C", linked, "push", "--quiet", "origin", "hooked"]);
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(push.code, Some(0), "{log}");
    assert!(log.contains("group "), "{log}");
    assert_eq!(state(), before, "{log}");
}
