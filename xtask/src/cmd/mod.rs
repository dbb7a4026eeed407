//! One file per command: gather, ask the rules, act, report.

mod advisory_database;
mod annotation;
pub(crate) mod audit;
mod base;
pub(crate) mod bench;
mod cache;
pub(crate) mod ci;
pub(crate) mod commit_format;
pub(crate) mod coverage;
mod gather;
pub(crate) mod help;
mod llvm_tools;
pub(crate) mod pipeline;
mod provision;

use crate::context::Context;
use crate::host::terminal;
use crate::project;
use crate::rules::child_environment;
use crate::rules::diagnostic::{Diagnostic, Rejected};

/// Sees to it that children get the caller's environment and not what `cargo run` made of it.
pub(crate) fn prepare(mut cx: Context) -> Context {
    let changes = child_environment::changes(cx.environment(), project::MANIFEST_DIR);
    cx.runner.removed = changes.removed;
    cx.runner.set = changes.set.into_iter().map(|(name, value)| (name, value.into())).collect();
    // A tool on PATH is used; those installed here come last.
    if let Some(path) = &cx.path {
        let dirs = std::env::split_paths(path).chain([cx.project.tools_dir().join("bin")]);
        if let Ok(path) = std::env::join_paths(dirs) {
            cx.runner.set.push(("PATH".to_owned(), path));
        }
    }
    cx
}

/// Says what went wrong. Findings about an input carry their own `error:`.
pub(crate) fn report_error(error: &anyhow::Error) {
    if error.is::<Rejected>() {
        terminal::say(&error.to_string());
    } else {
        terminal::say(&format!("error: {error:#}"));
    }
}

fn report_warnings(warnings: &[Diagnostic]) {
    for warning in warnings {
        terminal::say(&warning.to_string());
    }
}
