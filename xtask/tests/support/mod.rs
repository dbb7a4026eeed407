//! What the tests share: sandboxes that own their whole world.

#![allow(dead_code, reason = "each test target uses a part of it")]

pub(crate) mod arbitrary;

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// The top of this repository.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The executable under test. Cargo builds it for the tests of its own package; those outside build
/// it themselves, so that it is current.
fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    match option_env!("CARGO_BIN_EXE_xtask") {
        Some(built) => Path::new(built),
        None => BUILT.get_or_init(build),
    }
}

fn build() -> PathBuf {
    let options = ["build", "--locked", "--package", "xtask", "--message-format", "json"];
    let output = Command::new(env!("CARGO"))
        .args(options)
        .current_dir(checkout())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "`cargo {}` failed", options.join(" "));
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut paths = messages.filter_map(|message| Some(message["executable"].as_str()?.into()));
    paths.next().unwrap()
}

/// A directory of its own, removed with everything in it when it goes out of scope.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("xtask-test-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            match fs::create_dir(&path) {
                // A killed test with the same process id has left it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => (),
                created => {
                    created.unwrap();
                    return TempDir(path);
                }
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A test that has failed already must not panic again.
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A throw-away git repository with a home, a `PATH` that starts with stubs, and nothing of the
/// developer's environment but what the real tools need.
pub(crate) struct Sandbox {
    dir: TempDir,
    variables: Vec<(String, String)>,
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn of(output: &Output) -> Run {
        Run {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn assert_code(self, code: i32) -> Run {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

impl Sandbox {
    /// A repository with one commit on the branch `main`.
    pub(crate) fn new() -> Sandbox {
        let sandbox = Sandbox::empty();
        sandbox.start();
        sandbox
    }

    /// Three empty directories.
    pub(crate) fn empty() -> Sandbox {
        let sandbox = Sandbox { dir: TempDir::new(), variables: Vec::new() };
        for dir in ["repository", "home", "stubs"] {
            fs::create_dir(sandbox.dir.path().join(dir)).unwrap();
        }
        sandbox
    }

    /// Makes the repository and its first commit, on the branch `main`.
    pub(crate) fn start(&self) {
        self.git(&["init", "--quiet", "--initial-branch", "main"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "Start"]);
    }

    /// The root of the repository.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("repository")
    }

    /// A place beside the repository.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Sets a variable for everything that runs from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> &mut Sandbox {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Sandbox {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Puts a shell script first on `PATH`.
    pub(crate) fn stub(&self, program: &str, script: &str) -> &Sandbox {
        let path = self.dir.path().join("stubs").join(program);
        // Another process writes the file: what this one has open for writing, a child that another
        // test starts at this moment has too, and then the script cannot run ("text file busy").
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod +x \"$1\"";
        let path = path.to_str().unwrap();
        self.run("sh", &["-c", write, "sh", path, script]).assert_code(0);
        self
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let run = self.run("git", arguments);
        run.assert_code(0).stdout
    }

    pub(crate) fn commit_all(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Runs the built binary in the root.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Run {
        self.run(executable(), arguments)
    }

    /// Runs any program in the root.
    pub(crate) fn run(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Run {
        let output = self.command(program).args(arguments).output();
        Run::of(&output.unwrap())
    }

    /// A command in this world, not yet started.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let path = std::env::var("PATH").unwrap();
        let home = std::env::var("HOME").unwrap();
        let or_in_home =
            |name: &str, dir: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{dir}"));
        // Where the tests run in the background, signals are ignored that they have to send.
        let mut command = Command::new("/usr/bin/env");
        command
            .arg("--default-signal")
            .arg(program)
            .current_dir(self.root())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.beside("stubs").display()))
            .env("HOME", self.beside("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("CARGO_HOME", or_in_home("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", or_in_home("RUSTUP_HOME", ".rustup"))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Tess Ter")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "t@example.com")))
            // Under the coverage test, what the binary does here counts.
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }
}
