//! The shared CI of the rust-vmm crates. Arguments in, exit code out.

mod audit;
mod base;
mod bench;
mod cache;
mod ci;
mod cli;
mod commit_format;
mod context;
mod coverage;
mod host;
mod inputs;
mod outcome;
mod pipeline;
mod plan;
mod project;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
mod text;
mod tools;

use std::process::ExitCode;

use crate::cli::Command;
use crate::context::Context;
use crate::host::terminal;
use crate::outcome::Outcome;

fn main() -> ExitCode {
    let result = run();
    if let Err(error) = &result {
        terminal::report_error(error);
    }
    ExitCode::from(outcome::exit_code(&result, Context::interrupted_by()))
}

fn run() -> anyhow::Result<Outcome> {
    let (command, verbosity) = cli::parse(std::env::args_os().skip(1).collect())?;
    terminal::set_verbosity(verbosity);
    if let Command::Help(text) = &command {
        return help(text);
    }
    dispatch(&context::prepare(Context::from_process()?), &command)
}

fn dispatch(cx: &Context, command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Audit(options) => audit::run(cx, options),
        Command::Bench(options) => bench::run(cx, options),
        Command::Ci(options) => ci::run(cx, options),
        Command::CommitFormat(options) => commit_format::run(cx, options),
        Command::Coverage(options) => coverage::run(cx, options),
        Command::Help(text) => help(text),
        Command::Pipeline(options) => pipeline::run(cx, options),
    }
}

/// The text goes to standard output, because it is what was asked for.
fn help(text: &str) -> anyhow::Result<Outcome> {
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    Ok(Outcome::Pass)
}
