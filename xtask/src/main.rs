//! The shared CI of the rust-vmm crates. Arguments in, exit code out.

// A consumer may export `RUSTFLAGS="-D warnings"`, and a compiler that is newer than this code may
// warn of anything in it. Our own checks (clippy, tests) see every warning.
#![cfg_attr(not(any(test, clippy)), allow(warnings))]

mod audit;
mod base;
mod bench;
mod ci;
mod cli;
mod commit_format;
mod container;
mod context;
mod coverage;
mod doctor;
mod host;
mod init;
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

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::args::Args;
use crate::cli::{Command, Request};
use crate::context::Context;
use crate::host::{supervision, terminal};
use crate::outcome::Outcome;
use crate::text::diagnostic::Rejected;

/// A command with its options, ready to run.
type Job = Box<dyn FnOnce() -> anyhow::Result<Outcome>>;

/// Every command. Dispatch, `help` and the README come from this table.
const COMMANDS: [Command<Job>; 10] = [
    Command {
        name: "audit",
        summary: "look up the dependencies in the advisory database",
        usage: cli::audit::USAGE,
        parse: |args| Ok(job(cli::audit::parse(args)?, audit::run)),
    },
    Command {
        name: "bench",
        summary: "benchmark the change and its base",
        usage: cli::bench::USAGE,
        parse: |args| Ok(job(cli::bench::parse(args)?, bench::run)),
    },
    Command {
        name: "ci",
        summary: "run the tests of the pipeline on this machine",
        usage: cli::ci::USAGE,
        parse: ci_job,
    },
    Command {
        name: "commit-format",
        summary: "check the messages of the branch's commits",
        usage: cli::commit_format::USAGE,
        parse: |args| Ok(job(cli::commit_format::parse(args)?, commit_format::run)),
    },
    Command {
        name: "completions",
        summary: "print the completions for a shell",
        usage: cli::completions::USAGE,
        parse: |args| {
            let template = cli::completions::parse(&args)?;
            Ok(Box::new(move || {
                print(&cli::completions::script(template, &COMMANDS, &inputs::own_alias_or_usual()))
            }))
        },
    },
    Command {
        name: "container",
        summary: "run a command, a shell or `ci` in the CI's container image",
        usage: cli::container::USAGE,
        parse: |args| Ok(job(cli::container::parse(args)?, container::run)),
    },
    Command {
        name: "coverage",
        summary: "compare the line coverage with the recorded score",
        usage: cli::coverage::USAGE,
        parse: |args| Ok(job(cli::coverage::parse(args)?, coverage::run)),
    },
    Command {
        name: "doctor",
        summary: "check tools and configuration",
        usage: cli::doctor::USAGE,
        parse: |args| Ok(job(cli::doctor::parse(args)?, doctor::run)),
    },
    Command {
        name: "init",
        summary: "make a repository a consumer, or bring one up to date",
        usage: cli::init::USAGE,
        parse: |args| Ok(job(cli::init::parse(args)?, init::run)),
    },
    Command {
        name: "pipeline",
        summary: "print the pipeline that Buildkite runs",
        usage: cli::pipeline::USAGE,
        parse: |args| Ok(job(cli::pipeline::parse(args)?, pipeline::run)),
    },
];

/// With `--container` the rest of the arguments is for the `ci` inside.
fn ci_job(mut args: Args) -> Result<Job, Rejected> {
    Ok(if args.switch("--container")? {
        job(cli::container::parse_ci(args)?, container::run)
    } else {
        job(cli::ci::parse(args)?, ci::run)
    })
}

fn main() -> ExitCode {
    if let Some(code) = supervision::run_if_asked() {
        return code;
    }
    let result = run();
    if let Err(error) = &result {
        let text = terminal::error_text(error);
        terminal::write_lines(&cli::error_under(inputs::own_alias_or_usual, &text));
    }
    ExitCode::from(outcome::exit_code(&result, supervision::interrupted_by()))
}

fn run() -> anyhow::Result<Outcome> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match cli::parse(&COMMANDS, &arguments)? {
        Request::Run(job, output) => {
            terminal::set_output(output.verbosity, output.colour);
            job()
        }
        // Standard output: the text is what was asked for.
        Request::Help(text) => print(&cli::help_under(&inputs::own_alias_or_usual(), &text)),
    }
}

fn print(text: &str) -> anyhow::Result<Outcome> {
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))?;
    Ok(Outcome::Pass)
}

fn job<O: 'static>(options: O, run: fn(&Context, &O) -> anyhow::Result<Outcome>) -> Job {
    Box::new(move || run(&Context::from_process()?, &options))
}
