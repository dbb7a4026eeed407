//! Pure. `doctor`: usage and options.

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Checks tools and configuration, and reports what is wrong before CI does.

Usage: cargo xtask doctor [options]

Each finding has its file and line, and the fix if one is known. Exits with 1 if there are errors;
warnings and information do not fail. Only `--fix` uses the network.

Options:
      --fix                       install missing tools that this machine's tests need
      --json                      print the findings as JSON
      --codeowners [MONTHS]       instead of checking, list code owners without a commit, review
                                  or sign-off in this clone's history for that long (default: 12)
";

/// The options of `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) task: Task,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Examine { fix: bool },
    CodeOwners { months: u32 },
}

/// Parses the arguments of `doctor`.
///
/// # Errors
///
/// Rejects unknown options, an invalid number of months, and `--fix` beside `--codeowners`
/// (exit code 2).
pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let json = args.switch("--json")?;
    let fix = args.switch("--fix")?;
    let task = match args.optional_value("--codeowners", "12")? {
        Some(_) if fix => return args.error("`--fix` contradicts `--codeowners`"),
        Some(text) => Task::CodeOwners { months: months(&args, &text)? },
        None => Task::Examine { fix },
    };
    args.finish()?;
    Ok(Options { json, task })
}

fn months(args: &Args, text: &str) -> Result<u32, Rejected> {
    match text.parse::<u32>() {
        // Longer than git exists.
        Ok(months) if (1..=1200).contains(&months) => Ok(months),
        _ => args.error(format!("invalid number of months `{text}`, expected 1 to 1200")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn months_may_be_left_out() {
        let parse_words = words_parser(parse, USAGE);
        let owners = |months| Ok(Options { json: false, task: Task::CodeOwners { months } });
        assert_eq!(parse_words("--codeowners"), owners(12));
        assert_eq!(parse_words("--codeowners 6"), owners(6));
        assert_eq!(parse_words("--codeowners=24"), owners(24));
        let fix = Options { json: true, task: Task::Examine { fix: true } };
        assert_eq!(parse_words("--codeowners --json --fix").ok(), None);
        assert_eq!(parse_words("--json --fix"), Ok(fix));
    }

    #[test]
    fn an_invalid_number_of_months_is_rejected() {
        let parse_words = words_parser(parse, USAGE);
        for value in ["0", "x", "-1", "1.5", "99999"] {
            let error = parse_words(&format!("--codeowners={value}")).unwrap_err();
            assert!(error.contains(&format!("invalid number of months `{value}`")), "{error}");
        }
        assert!(parse_words("file").unwrap_err().contains("unexpected argument `file`"));
    }
}
