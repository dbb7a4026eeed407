//! Whatever happens, the user's repository is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::measured::{Measured, path_with_critcmp};

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
    /// As somebody else's clone would, so that there is something to fetch.
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

    /// Nothing but the store of known bases and two lock files stays outside the tree.
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
    /// A command with these words has just run, and nobody knows yet.
    After(&'static str, &'static str),
    /// This was said for the n-th time.
    Said(&'static str, usize),
}

const MOMENTS: [Moment; 15] = [
    Moment::Before("git", "ls-remote"),
    Moment::After("git", " fetch --quiet"),
    Moment::Before("cargo", "tree --quiet"),
    Moment::Before("git", "worktree add"),
    Moment::After("git", "worktree add"),
    Moment::After("git", "ls-tree"),
    Moment::Before("rustc", "--verbose"),
    Moment::Said("Compiling rtc-device", 1),
    Moment::Said("Benchmarking read_the_time: Collecting", 1),
    Moment::Said("Finished `bench`", 2),
    Moment::Said("Benchmarking read_the_time: Collecting", 2),
    Moment::After("critcmp", "--export base"),
    Moment::Before("critcmp", "--color"),
    Moment::Before("git", "worktree remove"),
    Moment::After("git", "worktree remove"),
];

/// Starts a run and returns when the moment has come.
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
        assert!(Instant::now() < deadline, "{moment:?} does not come: {said}");
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
                assert!(child.try_wait().unwrap().is_none(), "{moment:?} did not come");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    // Somebody has to read what is still said.
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
fn assert_unchanged(measured: &Measured, before: &(BTreeMap<String, String>, String), when: &str) {
    let now = snapshot(measured);
    let names = before.0.keys().chain(now.keys().filter(|name| !before.0.contains_key(*name)));
    let changed: Vec<&String> =
        names.filter(|name| now.get(*name) != before.0.get(*name)).collect();
    assert!(changed.is_empty(), "{when}: {changed:?} have changed");
    assert_eq!(measured.status(), before.1, "{when}");
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
        if let Moment::Before(_, "worktree remove") | Moment::After(_, "worktree remove") = moment {
            // Tidying up is not interrupted, and here it would take its time.
            without_stubs(&measured);
            measured
                .sandbox
                .run("sh", &["-c", "pkill -P $(pgrep -P $0) sleep", &child.id().to_string()]);
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{moment:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{moment:?}: {:?}", started.elapsed());
        without_stubs(&measured);
        assert_unchanged(&measured, &before, &format!("interrupted: {moment:?}"));
    }
}

#[test]
fn the_next_run_puts_in_order_what_a_killed_one_has_left() {
    let measured = with_work_in_progress();
    let before = (snapshot(&measured), measured.status());
    for moment in MOMENTS {
        measured.move_the_base_from_elsewhere();
        let mut child = run_up_to(&measured, moment, &["--fresh"]);
        signal(&measured, &child, "-KILL");
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        without_stubs(&measured);
        measured.bench(&[]).assert_code(0);
        assert_unchanged(&measured, &before, &format!("killed: {moment:?}"));
    }
}

#[test]
fn a_killed_run_whose_cache_is_gone_is_put_in_order_as_well() {
    let measured = with_work_in_progress();
    let before = (snapshot(&measured), measured.status());
    let moment = Moment::Said("Compiling rtc-device", 1);
    let mut child = run_up_to(&measured, moment, &["--fresh"]);
    signal(&measured, &child, "-KILL");
    child.wait().unwrap();
    // As a container does that had the tree from outside: its processes and its home are gone.
    let marked = format!("pkill -KILL -f '{}'", measured.sandbox.beside("").display());
    measured.sandbox.run("sh", &["-c", &marked]);
    fs::remove_dir_all(measured.sandbox.beside("home/.cache")).unwrap();
    measured.bench(&[]).assert_code(0);
    assert_unchanged(&measured, &before, "killed, and the cache is gone");
}

#[test]
fn a_lock_file_that_cargo_makes_as_it_was_committed_is_put_back() {
    let measured = Measured::new();
    let committed = measured.sandbox.read("Cargo.lock");
    let stale = committed.replace(
        "name = \"rtc-device\"\nversion = \"0.1.0\"",
        "name = \"rtc-device\"\nversion = \"0.0.9\"",
    );
    assert_ne!(stale, committed);
    measured.sandbox.write("Cargo.lock", &stale);
    measured.bench(&[]).assert_code(0);
    assert_eq!(measured.sandbox.read("Cargo.lock"), stale);
    let lock_file = measured.sandbox.root().join("Cargo.lock");
    fs::remove_file(&lock_file).unwrap();
    measured.bench(&[]).assert_code(0);
    assert!(!lock_file.exists());
}

#[test]
fn a_lock_file_that_git_ignores_is_as_it_was() {
    let measured = Measured::new();
    measured.sandbox.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    measured.sandbox.write(".gitignore", "/target/\nCargo.lock\n");
    measured.sandbox.commit_all("Keep no lock file");
    measured.sandbox.git(&["push", "--quiet", "origin", "change:main"]);
    let lock_file = measured.sandbox.root().join("Cargo.lock");
    let current = fs::read_to_string(&lock_file).unwrap();
    let stale = current.replace(
        "name = \"rtc-device\"\nversion = \"0.1.0\"",
        "name = \"rtc-device\"\nversion = \"0.0.9\"",
    );
    assert_ne!(stale, current);
    for text in [Some(current), Some(stale), None] {
        match &text {
            Some(text) => fs::write(&lock_file, text).unwrap(),
            None => fs::remove_file(&lock_file).unwrap(),
        }
        measured.sandbox.git(&["status"]);
        let before = (snapshot(&measured), measured.status());
        let what = text.as_deref().map_or("missing", |_| "there");
        measured.bench(&[]).assert_code(0);
        assert_unchanged_but_times(&measured, &before, &format!("{what}, after a run"));

        let moment = Moment::Said("Benchmarking read_the_time: Collecting", 1);
        let mut child = run_up_to(&measured, moment, &[]);
        signal(&measured, &child, "-INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_unchanged_but_times(&measured, &before, &format!("{what}, interrupted"));

        let mut child = run_up_to(&measured, moment, &[]);
        signal(&measured, &child, "-KILL");
        child.wait().unwrap();
        measured.bench(&[]).assert_code(0);
        assert_unchanged_but_times(&measured, &before, &format!("{what}, killed"));
    }
}

/// Commits a manifest that the lock file does not fit, so that cargo has to write it, and kills the
/// run right after cargo has done so, when only the file itself tells what cargo made of it.
fn killed_after_cargo_has_written(measured: &Measured) -> (String, String) {
    measured.edit("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"");
    measured.sandbox.commit_all("Raise the version");
    let committed = measured.sandbox.read("Cargo.lock");
    let reached = measured.sandbox.beside("reached");
    let script = format!(
        "PATH='{}' cargo \"$@\"; code=$?\n\
         case \"$*\" in *--locked*) ;; *tree*) touch {}; sleep 1000;; esac\nexit $code",
        path_with_critcmp(),
        reached.display()
    );
    measured.sandbox.stub("cargo", &script);
    let mut child = measured.command(&[]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached.exists() {
        assert!(Instant::now() < deadline, "cargo does not write the lock file");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(measured, &child, "-KILL");
    child.wait().unwrap();
    without_stubs(measured);
    let written = measured.sandbox.read("Cargo.lock");
    assert_ne!(written, committed);
    (committed, written)
}

#[test]
fn a_lock_file_that_a_killed_run_has_written_is_put_back_and_kept() {
    let measured = Measured::new();
    let (committed, written) = killed_after_cargo_has_written(&measured);
    let edited = format!("{written}# by hand\n");
    measured.sandbox.write("Cargo.lock", &edited);
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(measured.sandbox.read("Cargo.lock"), committed);
    let (_, kept) = run.stderr.split_once("`Cargo.lock` is put back; what was there is `").unwrap();
    let kept = kept.split_once('`').unwrap().0;
    assert_eq!(fs::read_to_string(kept).unwrap(), edited, "nothing of the user's is lost");
}

#[test]
fn a_lock_file_that_was_committed_after_a_killed_run_stays() {
    let measured = Measured::new();
    let (_, written) = killed_after_cargo_has_written(&measured);
    measured.sandbox.commit_all("Take the lock file along");
    let run = measured.bench(&[]).assert_code(0);
    assert!(run.stderr.contains("`Cargo.lock` was committed meanwhile"), "{}", run.stderr);
    assert_eq!(measured.sandbox.read("Cargo.lock"), written);
}

/// A lock file that cargo had to write is put back, but not its time.
#[track_caller]
fn assert_unchanged_but_times(
    measured: &Measured,
    before: &(BTreeMap<String, String>, String),
    when: &str,
) {
    let now = snapshot(measured);
    let lock_file = |files: &BTreeMap<String, String>| {
        files.get("Cargo.lock").map(|text| text.splitn(3, ' ').nth(2).unwrap().to_owned())
    };
    assert_eq!(lock_file(&now), lock_file(&before.0), "{when}");
    let mut expected = before.0.clone();
    if let Some(text) = now.get("Cargo.lock") {
        expected.insert("Cargo.lock".to_owned(), text.clone());
    }
    assert_unchanged(measured, &(expected, before.1.clone()), when);
}
