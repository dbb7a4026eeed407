//! The cargo tools that tests need, installed where they are missing.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::support::checkout;

/// `PATH` with a cargo tool. A missing one is built once and kept in this repository's `target`,
/// where `cargo xtask ci` installs it too.
pub(crate) fn path_with(tool: &str, version: &str) -> String {
    // Two tests that miss the same tool would both build it, for minutes.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let root = checkout().join("target/xtask-tools");
    let path = format!("{}:{}", std::env::var("PATH").unwrap(), root.join("bin").display());
    let probe = ["-c", "command -v \"$0\"", tool];
    let has = Command::new("sh").env("PATH", &path).args(probe).output().unwrap();
    if !has.status.success() {
        let spec = format!("{tool}@{version}");
        let install = ["install", "--quiet", "--locked", &spec, "--root"];
        let status = Command::new("cargo").args(install).arg(&root).status().unwrap();
        assert!(status.success(), "{tool} cannot be installed");
    }
    path
}
