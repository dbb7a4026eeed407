//! The command lines of `cargo llvm-cov`.

use std::path::{Path, PathBuf};

use xshell::{Cmd, Shell, cmd};

/// Whose tests run and whose lines count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Workspace {
        /// The names of its packages.
        members: Vec<String>,
    },
    Crate {
        manifest: PathBuf,
    },
}

/// What all command lines of one measurement have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// Built and measured there, apart from every other build.
    pub(crate) build_dir: PathBuf,
    /// `llvm-cov` and `llvm-profdata`, where the toolchain's own are not there.
    pub(crate) tools: Option<(PathBuf, PathBuf)>,
    pub(crate) scope: Scope,
    /// Cargo's own arguments, such as `--all-features`.
    pub(crate) features: Vec<String>,
    /// Source files that do not count; empty excludes none.
    pub(crate) exclude_path: String,
}

/// What is reported of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report<'a> {
    /// JSON on standard output: totals and files.
    Summary,
    /// Pages below that directory, in `html`.
    Html(&'a Path),
    Lcov(&'a Path),
    /// JSON with every region.
    Json(&'a Path),
}

/// Builds and runs the tests and leaves their profiles in the build directory. Cargo's messages say
/// which executables belong to this build.
pub(crate) fn test<'sh>(sh: &'sh Shell, measurement: &Measurement) -> Cmd<'sh> {
    let features = &measurement.features;
    let cmd = in_build_dir(cmd!(sh, "cargo llvm-cov test"), measurement).args([
        "--no-report",
        "--no-fail-fast",
        "--message-format=json-render-diagnostics",
    ]);
    match &measurement.scope {
        Scope::Workspace { .. } => cmd.arg("--workspace"),
        Scope::Crate { manifest } => in_crate(cmd, manifest),
    }
    .args(features)
}

/// Reports on the profiles in the build directory, without building or running anything.
pub(crate) fn report<'sh>(
    sh: &'sh Shell,
    measurement: &Measurement,
    report: Report<'_>,
) -> Cmd<'sh> {
    let cmd = in_build_dir(cmd!(sh, "cargo llvm-cov report"), measurement);
    let cmd = match report {
        Report::Summary => cmd.args(["--json", "--summary-only"]),
        Report::Html(dir) => cmd.arg("--html").args(["--output-dir".as_ref(), dir]),
        Report::Lcov(file) => cmd.arg("--lcov").args(["--output-path".as_ref(), file]),
        Report::Json(file) => cmd.arg("--json").args(["--output-path".as_ref(), file]),
    };
    let cmd = match &measurement.scope {
        // `--workspace` is known here since 0.9 only; without the names, only the root package would
        // be reported.
        Scope::Workspace { members } => {
            cmd.args(members.iter().map(|name| format!("--package={name}")))
        }
        Scope::Crate { manifest } => in_crate(cmd, manifest),
    };
    let pattern = &measurement.exclude_path;
    cmd.args((!pattern.is_empty()).then(|| format!("--ignore-filename-regex={pattern}")))
}

/// The crate is named by its manifest: features of a member that is named by `--package` are
/// refused in the root of a virtual workspace with the old resolver.
fn in_crate<'sh>(cmd: Cmd<'sh>, manifest: &Path) -> Cmd<'sh> {
    cmd.args(["--manifest-path".as_ref(), manifest])
}

fn in_build_dir<'sh>(cmd: Cmd<'sh>, measurement: &Measurement) -> Cmd<'sh> {
    let cmd = cmd
        .env("CARGO_LLVM_COV_TARGET_DIR", &measurement.build_dir)
        .env_remove("CARGO_LLVM_COV_BUILD_DIR")
        // It would ask on a terminal whether to install what is missing.
        .env_remove("CARGO_LLVM_COV_SETUP");
    match &measurement.tools {
        Some((llvm_cov, llvm_profdata)) => {
            cmd.env("LLVM_COV", llvm_cov).env("LLVM_PROFDATA", llvm_profdata)
        }
        None => cmd.env_remove("LLVM_COV").env_remove("LLVM_PROFDATA"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;

    fn measurement() -> Measurement {
        Measurement {
            build_dir: "/r/target/x".into(),
            tools: None,
            scope: Scope::Workspace { members: vec!["a".to_owned(), "b".to_owned()] },
            features: Vec::new(),
            exclude_path: String::new(),
        }
    }

    #[test]
    fn a_workspace_is_tested_with_all_features() {
        let sh = Shell::new().unwrap();
        let measurement =
            Measurement { features: vec!["--all-features".to_owned()], ..measurement() };
        assert_eq!(
            command_line(&test(&sh, &measurement).into()),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x cargo llvm-cov test --no-report --no-fail-fast \
             --message-format=json-render-diagnostics --workspace --all-features"
        );
    }

    #[test]
    fn a_crate_is_named_by_its_manifest_and_a_pattern_is_no_option() {
        let sh = Shell::new().unwrap();
        let measurement = Measurement {
            scope: Scope::Crate { manifest: "/r/a b/Cargo.toml".into() },
            tools: Some(("/bin/llvm-cov-19".into(), "/bin/llvm-profdata-19".into())),
            exclude_path: "-x|$(touch y)".to_owned(),
            ..measurement()
        };
        assert_eq!(
            command_line(&report(&sh, &measurement, Report::Summary).into()),
            "CARGO_LLVM_COV_TARGET_DIR=/r/target/x LLVM_COV=/bin/llvm-cov-19 LLVM_PROFDATA=/bin/llvm-profdata-19 \
             cargo llvm-cov report --json --summary-only --manifest-path '/r/a b/Cargo.toml' \
             '--ignore-filename-regex=-x|$(touch y)'"
        );
    }

    #[test]
    fn every_form_of_a_report_has_its_place() {
        let sh = Shell::new().unwrap();
        let line = |form| command_line(&report(&sh, &measurement(), form).into());
        let end = |form| line(form).split_once("report ").unwrap().1.to_owned();
        assert_eq!(
            end(Report::Html("/d".as_ref())),
            "--html --output-dir /d --package=a --package=b"
        );
        assert_eq!(
            end(Report::Lcov("/f".as_ref())),
            "--lcov --output-path /f --package=a --package=b"
        );
        assert_eq!(
            end(Report::Json("/f".as_ref())),
            "--json --output-path /f --package=a --package=b"
        );
    }
}
