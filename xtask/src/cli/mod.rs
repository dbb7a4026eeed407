//! Pure. The command line: arguments in, one [`Command`] out.

pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod ci;
pub(crate) mod commit_format;
pub(crate) mod coverage;
pub(crate) mod pipeline;

use std::ffi::OsString;

use crate::cli::args::Args;

use crate::text::diagnostic::{Rejected, Verbosity};
use crate::text::nearest;

/// What the user asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Audit(audit::Options),
    Bench(bench::Options),
    Ci(ci::Options),
    CommitFormat(commit_format::Options),
    Coverage(coverage::Options),
    Pipeline(pipeline::Options),
    Help(String),
}

/// Everything about a command but its work.
struct Entry {
    name: &'static str,
    summary: &'static str,
    usage: &'static str,
    parse: fn(Args) -> Result<Command, Rejected>,
}

const COMMANDS: [Entry; 6] = [
    Entry {
        name: "audit",
        summary: "look up the dependencies in the advisory database",
        usage: audit::USAGE,
        parse: |args| audit::parse(args).map(Command::Audit),
    },
    Entry {
        name: "bench",
        summary: "measure the change and its base",
        usage: bench::USAGE,
        parse: |args| bench::parse(args).map(Command::Bench),
    },
    Entry {
        name: "ci",
        summary: "run the tests of the pipeline on this machine",
        usage: ci::USAGE,
        parse: |args| ci::parse(args).map(Command::Ci),
    },
    Entry {
        name: "commit-format",
        summary: "check the messages of the branch's commits",
        usage: commit_format::USAGE,
        parse: |args| commit_format::parse(args).map(Command::CommitFormat),
    },
    Entry {
        name: "coverage",
        summary: "compare the line coverage with the recorded score",
        usage: coverage::USAGE,
        parse: |args| coverage::parse(args).map(Command::Coverage),
    },
    Entry {
        name: "pipeline",
        summary: "print the pipeline that Buildkite runs",
        usage: pipeline::USAGE,
        parse: |args| pipeline::parse(args).map(Command::Pipeline),
    },
];

/// Parses the arguments after the program's name.
///
/// # Errors
///
/// Rejects what no command or option is (exit code 2).
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<(Command, Verbosity), Rejected> {
    let mut words = arguments.into_iter();
    let Some(first) = words.next() else { return Err(usage_error("no command given")) };
    let rest: Vec<OsString> = words.collect();
    let first = first.to_string_lossy();
    if ["help", "--help", "-h"].contains(&first.as_ref()) {
        return Ok((Command::Help(help(&rest)?), Verbosity::Normal));
    }
    let entry = entry(&first)?;
    let mut own = rest.iter().take_while(|word| *word != "--");
    if own.any(|word| word == "--help" || word == "-h") {
        return Ok((Command::Help(entry.help()), Verbosity::Normal));
    }
    let mut args = Args::new(entry.name, entry.usage, rest);
    let verbosity = verbosity(&mut args)?;
    Ok(((entry.parse)(args)?, verbosity))
}

/// The text of `help` with its arguments.
fn help(arguments: &[OsString]) -> Result<String, Rejected> {
    if let Some(word) = arguments.get(1) {
        return Err(usage_error(format!("unexpected argument `{}`", word.to_string_lossy())));
    }
    match arguments.first().filter(|word| !["help", "--help", "-h"].iter().any(|it| word == it)) {
        Some(topic) => Ok(entry(&topic.to_string_lossy())?.help()),
        None => Ok(overview()),
    }
}

fn verbosity(args: &mut Args) -> Result<Verbosity, Rejected> {
    let mut given = |short: &'static str, long: &'static str| -> Result<bool, Rejected> {
        Ok(args.switch(short)? | args.switch(long)?)
    };
    match (given("-q", "--quiet")?, given("-v", "--verbose")?) {
        (true, true) => args.error("`--quiet` contradicts `--verbose`"),
        (true, false) => Ok(Verbosity::Quiet),
        (false, true) => Ok(Verbosity::Verbose),
        (false, false) => Ok(Verbosity::Normal),
    }
}

fn usage_error(message: impl Into<String>) -> Rejected {
    Rejected::new(message).help("see `cargo xtask help`")
}

impl Entry {
    /// The text of `help` for the command.
    fn help(&self) -> String {
        format!("{}{COMMON_OPTIONS}", self.usage)
    }
}

/// What every command takes.
const COMMON_OPTIONS: &str = "
Common options:
  -v, --verbose                   show every command line that runs
  -q, --quiet                     show only results, errors and warnings
  -h, --help                      print this help
";

fn entry(name: &str) -> Result<&'static Entry, Rejected> {
    COMMANDS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = COMMANDS.iter().map(|entry| entry.name).chain(["help"]).collect();
        usage_error(format!("unknown command `{name}`{}", nearest::hint(name, &names)))
    })
}

/// The text of `cargo xtask help`; the README shows it too, and a test keeps them equal.
fn overview() -> String {
    let mut text = "The shared CI of the rust-vmm crates.\n\nUsage: cargo xtask <command> [options]\n\nCommands:\n".to_owned();
    let lines = COMMANDS.iter().map(|entry| (entry.name, entry.summary));
    for (name, summary) in lines.chain([("help [command]", "say what a command does and takes")]) {
        text += &format!("  {name:<14} {summary}\n");
    }
    text.push_str(
        "\nExit codes: 0 passed, 1 a check failed, 2 usage or configuration error,\n\
         75 could not be determined, 130 or 143 interrupted.\n\
         `cargo xtask` works from the root of the repository.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Command, String> {
        let parsed = parse(line.split_whitespace().map(OsString::from).collect());
        parsed.map(|(command, _)| command).map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        assert_eq!(
            parse_words("pipelin").unwrap_err(),
            "error: unknown command `pipelin`, did you mean `pipeline`?\nhelp: see `cargo xtask help`"
        );
        assert_eq!(
            parse_words("").unwrap_err(),
            "error: no command given\nhelp: see `cargo xtask help`"
        );
    }

    #[test]
    fn help_is_found_anywhere_before_a_double_dash() {
        for entry in &COMMANDS {
            let wanted = Command::Help(entry.help());
            assert_eq!(parse_words(&format!("help {}", entry.name)), Ok(wanted));
            assert!(matches!(parse_words(&format!("{} --help", entry.name)), Ok(Command::Help(_))));
            assert!(matches!(
                parse_words(&format!("{} x -h --bad", entry.name)),
                Ok(Command::Help(_))
            ));
        }
    }

    #[test]
    fn every_usage_starts_with_its_command() {
        for entry in &COMMANDS {
            assert!(entry.usage.contains(&format!("Usage: cargo xtask {}", entry.name)));
            assert!(entry.usage.lines().all(|line| line.chars().count() <= 100), "{}", entry.name);
        }
    }
}
