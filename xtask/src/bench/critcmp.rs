//! `critcmp`'s command lines. It does not know `CRITERION_HOME`: results are looked for below
//! `criterion` in what `--target-dir` names.

use std::path::{Path, PathBuf};

use xshell::{Cmd, Shell};

/// Everything that is known about one baseline, as JSON on standard output.
pub(crate) fn export<'sh>(sh: &'sh Shell, target_dir: &Path, baseline: &str) -> Cmd<'sh> {
    sh.cmd("critcmp").arg("--target-dir").arg(target_dir).args(["--export", baseline])
}

/// The table of some exported baselines, one column each.
pub(crate) fn compare<'sh>(
    sh: &'sh Shell,
    target_dir: &Path,
    exported: &[PathBuf],
    coloured: bool,
) -> Cmd<'sh> {
    let color = if coloured { "always" } else { "never" };
    sh.cmd("critcmp").arg("--target-dir").arg(target_dir).args(["--color", color]).args(exported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_always_named() {
        let sh = Shell::new().unwrap();
        let dir = Path::new("/t");
        assert_eq!(export(&sh, dir, "base").to_string(), "critcmp --target-dir /t --export base");
        let files = ["/t/base.json", "/t/change.json"].map(PathBuf::from);
        assert_eq!(
            compare(&sh, dir, &files, false).to_string(),
            "critcmp --target-dir /t --color never /t/base.json /t/change.json"
        );
    }
}
