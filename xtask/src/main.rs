//! The shared CI of the rust-vmm crates. Arguments in, exit code out.

mod cli;
mod cmd;
mod context;
mod host;
mod outcome;
mod project;
mod rules;

use std::process::ExitCode;

use cli::Command;
use context::Context;
use outcome::Outcome;

fn main() -> ExitCode {
    let result = run();
    if let Err(error) = &result {
        cmd::report_error(error);
    }
    ExitCode::from(outcome::exit_code(&result, Context::interrupted_by()))
}

fn run() -> anyhow::Result<Outcome> {
    let command = cli::parse(std::env::args_os().skip(1).collect())?;
    if let Command::Help(text) = &command {
        return cmd::help::run(text);
    }
    dispatch(&cmd::prepare(Context::from_process()?), &command)
}

fn dispatch(cx: &Context, command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Audit(options) => cmd::audit::run(cx, options),
        Command::Bench(options) => cmd::bench::run(cx, options),
        Command::Ci(options) => cmd::ci::run(cx, options),
        Command::CommitFormat(options) => cmd::commit_format::run(cx, options),
        Command::Coverage(options) => cmd::coverage::run(cx, options),
        Command::Help(text) => cmd::help::run(text),
        Command::Pipeline(options) => cmd::pipeline::run(cx, options),
    }
}
