//! A repository that has this one as its submodule, and the alias.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Sandbox, checkout};
use crate::tools::path_with;

/// Where the sample crate goes in the consumer.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    /// The repository is the crate.
    SingleCrate,
    /// The crate is the root package of a workspace with one more member.
    RootPackageOfAWorkspace,
}

/// A consumer with the sample crate, the submodule and the alias, everything committed.
pub(crate) fn consumer(layout: Layout) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("PATH", &path_with_tools());
    copy_tracked(&checkout().join("samples/rtc-device"), &sandbox.root());
    if let Layout::RootPackageOfAWorkspace = layout {
        let manifest = sandbox.read("Cargo.toml") + "\n[workspace]\nmembers = [\"bus\"]\n";
        sandbox.write("Cargo.toml", manifest);
        sandbox.write(
            "bus/Cargo.toml",
            "[package]\nname = \"bus\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [dependencies]\nrtc-device = { path = \"..\" }\n",
        );
        sandbox.write(
            "bus/src/lib.rs",
            "//! A bus.\n\n/// The address of the clock.\npub const CLOCK: u64 = 0x1000;\n\n\
             #[test]\nfn the_clock_is_on_the_bus() {\n    assert_eq!(CLOCK, 0x1000);\n}\n",
        );
        sandbox.run("cargo", &["update", "--workspace", "--quiet"]).assert_code(0);
    }
    let snapshot = snapshot(&sandbox.beside("snapshot"));
    let url = snapshot.to_str().unwrap();
    let allow = ["-c", "protocol.file.allow=always"];
    sandbox.git(&[&allow[..], &["submodule", "--quiet", "add", url, "rust-vmm-ci"]].concat());
    let template = checkout().join("ci-template/cargo-config.toml");
    sandbox.write(".cargo/config.toml", fs::read(template).unwrap());
    sandbox.commit_all("Add the sample crate");
    sandbox
}

/// A repository with this working tree as it is: tracked and untracked files, not just the last
/// commit.
pub(crate) fn snapshot(dir: &Path) -> PathBuf {
    copy_tracked(&checkout(), dir);
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Tess Ter", "-c", "user.email=t@example.com"];
        let status = Command::new("git").current_dir(dir).args(identity).args(arguments).status();
        assert!(status.unwrap().success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Snapshot"]);
    dir.to_path_buf()
}

/// Copies what git tracks or would track.
pub(crate) fn copy_tracked(from: &Path, to: &Path) {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(from).args(list).output().unwrap();
    assert!(output.status.success());
    for name in String::from_utf8(output.stdout).unwrap().split_terminator('\0') {
        let (source, target) = (from.join(name), to.join(name));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        match fs::symlink_metadata(&source) {
            Ok(meta) if meta.is_symlink() => {
                std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
            }
            Ok(_) => _ = fs::copy(source, target).unwrap(),
            // Tracked and deleted in the working tree.
            Err(_) => (),
        }
    }
}

/// `PATH` with the cargo tools that the consumer's tests need.
pub(crate) fn path_with_tools() -> String {
    path_with("cargo-all-features", "1.12.0");
    path_with("cargo-llvm-cov", "0.9.1")
}
