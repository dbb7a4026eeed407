//! Pure. The command line: arguments in, one [`Command`] out.

pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod ci;
pub(crate) mod commit_format;
pub(crate) mod coverage;
pub(crate) mod pipeline;

use std::ffi::OsString;
use std::fmt;

use crate::cli::args::Args;

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

/// A command line that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UsageError {
    message: String,
    /// The command whose help shows what is valid.
    command: Option<&'static str>,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let help = self.command.map(|name| format!(" {name}")).unwrap_or_default();
        write!(f, "{}; see `cargo xtask help{help}`", self.message)
    }
}

impl std::error::Error for UsageError {}

/// Everything about a command but its work.
struct Entry {
    name: &'static str,
    summary: &'static str,
    usage: &'static str,
    parse: fn(Args) -> Result<Command, UsageError>,
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

/// Understands the arguments after the program's name.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Command, UsageError> {
    let mut words = arguments.into_iter();
    let Some(first) = words.next() else {
        return Err(UsageError { message: "a command is missing".to_owned(), command: None });
    };
    let rest: Vec<OsString> = words.collect();
    let first = first.to_string_lossy();
    if ["help", "--help", "-h"].contains(&first.as_ref()) {
        if let Some(word) = rest.get(1) {
            let message = format!("`help` does not take `{}`", word.to_string_lossy());
            return Err(UsageError { message, command: None });
        }
        let topic = rest.first().filter(|word| *word != "--help" && *word != "-h");
        return match topic {
            Some(topic) => {
                entry(&topic.to_string_lossy()).map(|entry| Command::Help(entry.usage.to_owned()))
            }
            None => Ok(Command::Help(overview())),
        };
    }
    let entry = entry(&first)?;
    let own = rest.iter().take_while(|word| *word != "--");
    if own.into_iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Command::Help(entry.usage.to_owned()));
    }
    (entry.parse)(Args::new(entry.name, entry.usage, rest))
}

fn entry(name: &str) -> Result<&'static Entry, UsageError> {
    COMMANDS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = COMMANDS.iter().map(|entry| entry.name).chain(["help"]).collect();
        let message = format!("unknown command `{name}`{}", nearest::hint(name, &names));
        UsageError { message, command: None }
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
        parse(line.split_whitespace().map(OsString::from).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        assert_eq!(
            parse_words("pipelin").unwrap_err(),
            "unknown command `pipelin`, did you mean `pipeline`?; see `cargo xtask help`"
        );
        assert_eq!(parse_words("").unwrap_err(), "a command is missing; see `cargo xtask help`");
    }

    #[test]
    fn help_is_found_anywhere_before_a_double_dash() {
        for entry in &COMMANDS {
            let wanted = Command::Help(entry.usage.to_owned());
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
