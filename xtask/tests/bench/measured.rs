//! A crate with benchmarks that take a moment, in a repository with a remote.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::{Run, Sandbox, checkout};
use crate::tools::path_with;

/// The name of the benchmark that [`Measured::slow_down`] makes slower.
pub(crate) const SLOWED: &str = "read_the_time";

/// The repository, on the branch `change`, which is where the remote's `main` is.
pub(crate) struct Measured {
    pub(crate) sandbox: Sandbox,
    /// Two benchmarks at the same time would wait for each other, and disturb each other.
    _alone: MutexGuard<'static, ()>,
}

impl Measured {
    pub(crate) fn new() -> Measured {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sandbox = Sandbox::new();
        // The dependencies are built once for all tests, and nothing is built in the tree.
        let target_dir = checkout().join("target/tests-bench");
        sandbox.set("CARGO_TARGET_DIR", target_dir.to_str().unwrap());
        let stubs = sandbox.beside("stubs");
        sandbox.set("PATH", &format!("{}:{}", stubs.display(), path_with_critcmp()));
        let sample = checkout().join("samples/rtc-device");
        for file in ["Cargo.toml", "Cargo.lock", ".gitignore", "benches/main.rs"] {
            sandbox.write(file, std::fs::read(sample.join(file)).unwrap());
        }
        for file in ["clock", "lib", "registers", "rtc", "state"] {
            let file = format!("src/{file}.rs");
            sandbox.write(&file, std::fs::read(sample.join(&file)).unwrap());
        }
        sandbox.write("README.md", "# Measured\n");
        let measured = Measured { sandbox, _alone: alone };
        measured.edit("benches/main.rs", "criterion_group!(benches, all);", BRIEF);
        measured.sandbox.commit_all("Add the crate");
        measured.add_remote();
        measured
    }

    fn add_remote(&self) {
        let remote = self.remote();
        let remote = remote.to_str().unwrap();
        self.sandbox.git(&["init", "--quiet", "--bare", "--initial-branch", "main", remote]);
        self.sandbox.git(&["remote", "add", "origin", remote]);
        self.sandbox.git(&["push", "--quiet", "origin", "main"]);
        self.sandbox.git(&["switch", "--quiet", "--create", "change"]);
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.sandbox.beside("remote.git")
    }

    /// Replaces a part of a file, which has to be there.
    #[track_caller]
    pub(crate) fn edit(&self, file: &str, part: &str, by: &str) {
        let text = self.sandbox.read(file);
        assert!(text.contains(part), "{file}: no `{part}`");
        self.sandbox.write(file, text.replace(part, by));
    }

    /// Lets the device read twice where it has read once.
    pub(crate) fn slow_down(&self) {
        let signature =
            "pub fn read(&mut self, offset: u64, data: &mut [u8]) -> Result<(), AccessError> {";
        let twice = format!(
            "{signature}\n        self.read_once(offset, data)?;\n        self.read_once(offset, data)\n    }}\n\n    \
             #[inline(never)]\n    {} {{",
            signature.replace("pub fn read", "fn read_once").trim_end_matches(" {")
        );
        self.edit("src/rtc.rs", signature, &twice);
    }

    /// Changes the remote's `main` as another contributor with this clone's `main` would.
    pub(crate) fn move_the_base(&self, change: impl FnOnce(&Measured)) {
        self.sandbox.git(&["switch", "--quiet", "main"]);
        change(self);
        self.sandbox.commit_all("Move on");
        self.sandbox.git(&["push", "--quiet", "origin", "main"]);
        self.sandbox.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
        self.sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        self.sandbox.git(&["reflog", "expire", "--expire=now", "--all"]);
        self.sandbox.git(&["switch", "--quiet", "change"]);
        self.sandbox.git(&["gc", "--quiet", "--prune=now"]);
    }

    pub(crate) fn bench(&self, arguments: &[&str]) -> Run {
        self.sandbox.xtask(&[&["bench"], arguments].concat())
    }

    /// The command, not yet started, with its output in pipes.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_xtask"));
        command.arg("bench").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The headings and the names of critcmp's table.
pub(crate) fn table(run: &Run) -> Vec<String> {
    let mut lines = run.stdout.lines();
    let headings = lines.next().unwrap_or_default().split_whitespace().skip(1);
    let headings = headings.collect::<Vec<_>>().join(" ");
    let names = lines.skip(1).filter_map(|line| line.split_whitespace().next());
    std::iter::once(headings).chain(names.map(str::to_owned)).collect()
}

/// Long enough to be steady, short enough for a test.
const BRIEF: &str = "criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(20))
        .measurement_time(std::time::Duration::from_millis(100))
        .sample_size(10);
    targets = all
}";

/// The `PATH` of the real tools.
pub(crate) fn path_with_critcmp() -> String {
    path_with("critcmp", "0.1.8")
}
