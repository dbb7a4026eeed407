//! Pure. `init`: usage and options.

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Sets up rust-vmm-ci in this repository, or brings the setup up to date.

Usage: cargo xtask init [options]

On a terminal it asks for what it cannot detect, shows the changes, and asks for confirmation. It
never replaces files that you wrote without asking, and never takes over an existing alias.

Modes:
      --yes                       ask nothing: take the defaults and write
      --dry-run                   print the changes as a patch and write nothing
      --check                     write nothing; list files that are missing, outdated or edited,
                                  and exit with 1 if there are any

Answers:
      --alias NAME                name of the cargo alias (default: xtask, or ci-xtask if taken)
      --platforms LIST            for `.platform`, separated by commas (default: x86_64,aarch64)
      --coverage-score SCORE|measure
                                  for a new coverage configuration (default: measure)
      --dependabot weekly|monthly|none
                                  Dependabot updates (default: weekly)
      --publish[=BOOL]            a GitHub workflow that publishes tagged versions (default: true,
                                  unless a workflow publishes already)
      --hooks[=BOOL]              a commit-msg hook in this clone (default: true)
      --bootstrap[=BOOL]          `.buildkite/pipeline.yml` with the bootstrap step (default: false)
      --convert[=BOOL]            replace calls of the Python tool set in test descriptions and
                                  pipeline files (default: true)
      --overwrite[=BOOL]          replace files that differ from the template (default: false)
";

/// What `init` was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// What was answered on the command line, as it was written.
    pub(crate) answers: Vec<(Key, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Ask,
    Yes,
    DryRun,
    Check,
}

/// A question that `init` may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Alias,
    Platforms,
    CoverageScore,
    Dependabot,
    Publish,
    Hooks,
    Bootstrap,
    Convert,
    Overwrite,
}

impl Key {
    /// Each with its option.
    pub(crate) const NAMED: [(&str, Key); 9] = [
        ("--alias", Key::Alias),
        ("--platforms", Key::Platforms),
        ("--coverage-score", Key::CoverageScore),
        ("--dependabot", Key::Dependabot),
        ("--publish", Key::Publish),
        ("--hooks", Key::Hooks),
        ("--bootstrap", Key::Bootstrap),
        ("--convert", Key::Convert),
        ("--overwrite", Key::Overwrite),
    ];

    /// Whether the answer is yes or no.
    pub(crate) fn is_boolean(self) -> bool {
        Key::Publish <= self
    }
}

/// Parses the arguments of `init`.
///
/// # Errors
///
/// Rejects unknown options and two modes at once (exit code 2).
pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let mut mode = Mode::Ask;
    for (name, given) in
        [("--yes", Mode::Yes), ("--dry-run", Mode::DryRun), ("--check", Mode::Check)]
    {
        match (args.switch(name)?, mode) {
            (false, _) => (),
            // A script that always says `--yes` may ask for a dry run.
            (true, Mode::Ask | Mode::Yes) => mode = given,
            (true, _) => return args.error("`--check` contradicts `--dry-run`"),
        }
    }
    let mut answers = Vec::new();
    for (name, key) in Key::NAMED {
        let answer =
            if key.is_boolean() { args.optional_value(name, "true")? } else { args.text(name)? };
        answers.extend(answer.map(|answer| (key, answer)));
    }
    args.finish()?;
    Ok(Options { mode, answers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Options, String> {
        let words = line.split_whitespace().map(Into::into).collect();
        parse(Args::new("init", USAGE, words)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_answer_is_an_option() {
        let options = parse_words("--publish --hooks=false --platforms x86_64 --convert True");
        let options = options.unwrap();
        assert_eq!(options.mode, Mode::Ask);
        let answers: Vec<_> = options.answers.iter().map(|(key, text)| (*key, &**text)).collect();
        assert_eq!(
            answers,
            [
                (Key::Platforms, "x86_64"),
                (Key::Publish, "true"),
                (Key::Hooks, "false"),
                (Key::Convert, "True"),
            ]
        );
        for (name, _) in Key::NAMED {
            assert!(USAGE.contains(&format!("      {name}")), "{name} is not in the usage text");
        }
    }

    #[test]
    fn a_dry_run_wins_over_yes_and_two_modes_contradict() {
        assert_eq!(parse_words("--yes --dry-run").unwrap().mode, Mode::DryRun);
        assert_eq!(parse_words("--check --yes").unwrap().mode, Mode::Check);
        assert!(parse_words("--check --dry-run").unwrap_err().contains("contradicts"));
        assert!(parse_words("--platfroms x").unwrap_err().contains("did you mean `--platforms`?"));
    }
}
