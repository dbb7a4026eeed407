//! Pure. The command line: arguments in, a command to run or a text to print out.

pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod ci;
pub(crate) mod commit_format;
pub(crate) mod completions;
pub(crate) mod container;
pub(crate) mod coverage;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod pipeline;

use std::ffi::OsString;

use crate::cli::args::Args;
use crate::text::diagnostic::{Rejected, Verbosity};
use crate::text::nearest;

/// An entry of the table of commands. `J` is the command with its options.
pub(crate) struct Command<J> {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) parse: fn(Args) -> Result<J, Rejected>,
}

/// What the user asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request<J> {
    Run(J, Output),
    /// A text to print.
    Help(String),
}

/// How much is written, and how; what is not given is for the environment to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) verbosity: Option<Verbosity>,
    /// A value of cargo's `term.color`.
    pub(crate) colour: Option<&'static str>,
}

/// Parses the arguments after the program's name.
///
/// # Errors
///
/// Rejects an unknown command, an unknown option and an invalid value (exit code 2).
pub(crate) fn parse<J>(
    commands: &[Command<J>],
    arguments: &[OsString],
) -> Result<Request<J>, Rejected> {
    let (common, words) = arguments.split_at(length_of_common_options(arguments));
    let Some((first, rest)) = words.split_first() else {
        return Ok(Request::Help(overview(commands)));
    };
    let is_version = first == "--version" || first == "-V";
    if is_version || is_help(first) {
        let text = match rest.first() {
            _ if is_version => VERSION.to_owned(),
            Some(topic) if !is_help(topic) => find(commands, &topic.to_string_lossy())?.help(),
            _ => overview(commands),
        };
        return match rest.get(usize::from(!is_version)) {
            Some(word) => Err(usage_error(format!("unexpected argument `{}`", word.display()))),
            None => Ok(Request::Help(text)),
        };
    }
    let rest = [common, rest].concat();
    let command = find(commands, &first.to_string_lossy())?;
    if rest.iter().take_while(|word| *word != "--").any(|word| word != "help" && is_help(word)) {
        return Ok(Request::Help(command.help()));
    }
    let mut args = Args::new(command.name, command.usage, rest);
    let colours = ["auto", "always", "never"].map(|name| (name, name));
    let output = Output {
        verbosity: verbosity(&mut args)?,
        colour: args.choice("--color", "colour", &colours)?,
    };
    Ok(Request::Run((command.parse)(args)?, output))
}

/// As for cargo, options that every command takes may come before it.
fn length_of_common_options(arguments: &[OsString]) -> usize {
    let mut length = 0;
    while let Some(word) = arguments.get(length).and_then(|word| word.to_str()) {
        length += match word {
            "-v" | "--verbose" | "-q" | "--quiet" => 1,
            "--color" if length + 1 < arguments.len() => 2,
            _ if word.starts_with("--color=") => 1,
            _ => break,
        };
    }
    length
}

fn is_help(word: &OsString) -> bool {
    ["help", "--help", "-h"].iter().any(|name| word == name)
}

fn verbosity(args: &mut Args) -> Result<Option<Verbosity>, Rejected> {
    let is_quiet = args.switch("-q")? | args.switch("--quiet")?;
    let is_verbose = args.switch("-v")? | args.switch("--verbose")?;
    match (is_quiet, is_verbose) {
        (true, true) => args.error("`--quiet` contradicts `--verbose`"),
        (true, false) => Ok(Some(Verbosity::Quiet)),
        (false, true) => Ok(Some(Verbosity::Verbose)),
        (false, false) => Ok(None),
    }
}

fn usage_error(message: impl Into<String>) -> Rejected {
    Rejected::new(message).help("see `cargo xtask help`")
}

impl<J> Command<J> {
    /// The text of `help` for the command.
    fn help(&self) -> String {
        format!("{}{COMMON_OPTIONS}", self.usage)
    }
}

const VERSION: &str = concat!("rust-vmm-ci ", env!("CARGO_PKG_VERSION"), "\n");

/// The name of this tool in all texts, for readers who have the usual alias.
const USUAL_NAME: &str = "cargo xtask";

/// A help text for readers who call this tool by another alias.
pub(crate) fn help_under(alias: &str, text: &str) -> String {
    text.replace(USUAL_NAME, alias)
}

/// The text of an error, with the alias in its hints. Other lines may quote the user's files. The
/// alias is only asked for where a hint names this tool.
pub(crate) fn error_under(alias: impl FnOnce() -> String, text: &str) -> String {
    let is_hint = |line: &str| line.starts_with("help: ") && line.contains(USUAL_NAME);
    if !text.lines().any(is_hint) {
        return text.to_owned();
    }
    let alias = alias();
    let rename =
        |line: &str| if is_hint(line) { help_under(&alias, line) } else { line.to_owned() };
    text.split('\n').map(rename).collect::<Vec<_>>().join("\n")
}

/// What every command takes.
const COMMON_OPTIONS: &str = "
Common options:
  -v, --verbose                   show every command line that runs
  -q, --quiet                     show only results, errors and warnings
      --color WHEN                auto, always or never (default: auto)
  -h, --help                      print this help
";

fn find<'c, J>(commands: &'c [Command<J>], name: &str) -> Result<&'c Command<J>, Rejected> {
    commands.iter().find(|command| command.name == name).ok_or_else(|| {
        let names: Vec<&str> = commands.iter().map(|it| it.name).chain(["help"]).collect();
        usage_error(format!("unknown command `{name}`{}", nearest::hint(name, &names)))
    })
}

/// The text of `cargo xtask help`; the README shows it too, and a test keeps them equal.
fn overview<J>(commands: &[Command<J>]) -> String {
    let rows = commands.iter().map(|command| (command.name, command.summary));
    let rows = rows.chain([("help [command]", "print the help of a command")]);
    let line = |(name, summary)| format!("  {name:<14} {summary}\n");
    let lines = rows.map(line).collect::<Vec<_>>().concat();
    format!(
        "\
The shared CI of the rust-vmm crates.

Usage: cargo xtask <command> [options]

Commands:
{lines}
Options:
  -V, --version  print the version

Exit codes: 0 passed, 1 a check failed, 2 usage or configuration error,
75 could not be determined, 130 or 143 interrupted.
`cargo xtask` works from the root of the repository.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: [Command<Vec<String>>; 1] = [Command {
        name: "pipeline",
        summary: "print",
        usage: "Usage: cargo xtask pipeline\n",
        parse: |args| args.positional(),
    }];

    fn parse_line(line: &str) -> Result<Request<Vec<String>>, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(&COMMANDS, &words).map_err(|error| error.to_string())
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        assert_eq!(
            parse_line("pipelin").unwrap_err(),
            "error: unknown command `pipelin`, did you mean `pipeline`?\nhelp: see `cargo xtask help`"
        );
        assert!(parse_line("help help me").unwrap_err().contains("unexpected argument `me`"));
    }

    #[test]
    fn without_a_command_the_table_is_printed() {
        for line in ["", "-v", "help", "help help", "--help"] {
            assert_eq!(parse_line(line), Ok(Request::Help(overview(&COMMANDS))), "{line}");
        }
    }

    #[test]
    fn the_version_stands_alone() {
        for line in ["--version", "-V", "-q -V"] {
            assert_eq!(parse_line(line), Ok(Request::Help(VERSION.to_owned())), "{line}");
        }
        assert!(parse_line("-V x").unwrap_err().contains("unexpected argument `x`"));
    }

    #[test]
    fn hints_name_the_alias_and_quoted_files_stay() {
        let text = "error: bad\n 1 | cargo xtask x\nhelp: see `cargo xtask help`";
        assert_eq!(
            error_under(|| "cargo ci-xtask".to_owned(), text),
            "error: bad\n 1 | cargo xtask x\nhelp: see `cargo ci-xtask help`"
        );
        assert_eq!(
            error_under(|| unreachable!("no hint"), "error: cargo xtask"),
            "error: cargo xtask"
        );
    }

    #[test]
    fn help_is_found_anywhere_before_a_double_dash() {
        let help = Ok(Request::Help(COMMANDS[0].help()));
        for line in ["help pipeline", "pipeline --help", "pipeline x -h --bad"] {
            assert_eq!(parse_line(line), help, "{line}");
        }
        let words = vec!["help".to_owned(), "-h".to_owned()];
        assert_eq!(parse_line("pipeline help -- -h"), Ok(Request::Run(words, Output::default())));
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        let quiet = Output { verbosity: Some(Verbosity::Quiet), colour: None };
        assert_eq!(parse_line("pipeline -q"), Ok(Request::Run(Vec::new(), quiet)));
        assert_eq!(parse_line("-q pipeline"), Ok(Request::Run(Vec::new(), quiet)));
        let coloured = Output { verbosity: quiet.verbosity, colour: Some("always") };
        for line in [
            "--color always -q pipeline",
            "-q --color=always pipeline",
            "-q pipeline --color always",
        ] {
            assert_eq!(parse_line(line), Ok(Request::Run(Vec::new(), coloured)), "{line}");
        }
        assert!(parse_line("pipeline -q --verbose").unwrap_err().contains("contradicts"));
    }
}
