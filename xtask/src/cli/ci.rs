//! Pure. `ci`: usage and options.

use std::path::PathBuf;

use crate::cli::args::{Args, Base};
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Runs the tests of the pipeline on this machine, as Buildkite would on a machine of this platform.

Usage: cargo xtask ci [options] [test ...]
       cargo xtask ci [options] test ... -- WORD ...

Names (`style`, or a label such as `clippy-x86_64`) select tests; without names all run. Words
after `--` are added to the commands of the selected tests. A missing cargo tool is installed into
target/xtask-tools, a missing component of the toolchain is added with rustup. A test that cannot
run here is `unavailable`, with the reason and the fix. The logs are in target/ci/logs.

Options:
  -t, --test-description FILE     take the tests from FILE (default: the shipped tests,
                                  `-t shipped`); may be repeated
      --manifest-path PATH        run in the directory of that Cargo.toml, for a workspace that is
                                  not at the root
      --workspace-selective [BOOL]
                                  in a Cargo workspace: run the tests for each member crate
      --skip NAME                 leave a test out; may be repeated
      --failed                    run only the tests that did not pass in the last run
      --changed [BASE]            run the tests for the crates of the workspace that have changed
                                  since BASE (default: the upstream branch), uncommitted changes
                                  included, and for those that depend on them; fetches nothing
      --list                      list the tests and run none
      --json                      with --list: print JSON
  -j, --jobs N                    run up to N tests in parallel (default: the number of processors,
                                  at least 4); 1 streams their output
      --no-timeouts               do not kill tests that exceed their timeout
      --fail-fast                 stop at the first failure
      --report DIR                write junit.xml, ci.json and ci.md to DIR
      --container                 run in the CI's container image (`cargo xtask help container`)
      --no-install                install nothing; a test whose tools are missing is unavailable

The environment variables of `cargo xtask help pipeline` apply here too. If `CI` is set, an
unavailable test, or a run of no test at all, makes the exit code 75.
";

/// The options of `ci`.
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// In order; empty for the shipped tests.
    pub(crate) test_descriptions: Vec<PathBuf>,
    pub(crate) manifest_path: Option<PathBuf>,
    /// Names or labels; empty means all.
    pub(crate) tests: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) workspace_selective: bool,
    pub(crate) action: Action,
    pub(crate) fail_fast: bool,
    pub(crate) no_timeouts: bool,
    pub(crate) no_install: bool,
    /// Only what did not pass the last time.
    pub(crate) failed: bool,
    /// Only what the change since then concerns; each crate has tests of its own.
    pub(crate) changed: Option<Base>,
    pub(crate) jobs: Option<usize>,
    pub(crate) report: Option<PathBuf>,
    /// Added to the commands of the chosen tests.
    pub(crate) extra_words: Vec<String>,
}

/// What to do with the selected tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Action {
    #[default]
    Run,
    List,
    ListAsJson,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let number = |text: &str| text.parse().ok().filter(|number| (1..=1000).contains(number));
    let descriptions = args.values("-t, --test-description")?;
    let mut options = Options {
        test_descriptions: descriptions.into_iter().map(PathBuf::from).collect(),
        skipped: args.texts("--skip")?,
        manifest_path: args.path("--manifest-path")?,
        workspace_selective: args.boolean_option("--workspace-selective")?,
        action: parse_action(&mut args)?,
        fail_fast: args.switch("--fail-fast")?,
        no_timeouts: args.switch("--no-timeouts")?,
        no_install: args.switch("--no-install")?,
        failed: args.switch("--failed")?,
        changed: args.base("--changed")?,
        jobs: args.parsed("-j, --jobs", "a number from 1 to 1000", number)?,
        report: args.path("--report")?,
        ..Options::default()
    };
    options.workspace_selective |= options.changed.is_some();
    if options.manifest_path.is_some() && options.workspace_selective {
        return args.error(
            "`--manifest-path` cannot be combined with `--workspace-selective` or `--changed`",
        );
    }
    (options.tests, options.extra_words) = args.positional_and_rest()?;
    if options.tests.is_empty() {
        // Without a test to add to, the words are names that begin with a dash.
        options.tests = std::mem::take(&mut options.extra_words);
    }
    Ok(options)
}

fn parse_action(args: &mut Args) -> Result<Action, Rejected> {
    match (args.switch("--list")?, args.switch("--json")?) {
        (false, false) => Ok(Action::Run),
        (true, false) => Ok(Action::List),
        (true, true) => Ok(Action::ListAsJson),
        (false, true) => args.error("`--json` goes with `--list`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn names_and_options_mix_in_any_order() {
        let parse_words = words_parser(parse, USAGE);
        let options =
            parse_words("style --skip doc -t a.json --fail-fast true clippy -t b.json -- --odd")
                .unwrap();
        assert_eq!(options.tests, ["style", "clippy"]);
        assert_eq!(options.extra_words, ["--odd"]);
        assert_eq!(parse_words("-- --odd").unwrap().tests, ["--odd"]);
        assert_eq!(options.skipped, ["doc"]);
        assert_eq!(options.test_descriptions, [PathBuf::from("a.json"), PathBuf::from("b.json")]);
        assert!(options.fail_fast);
    }

    #[test]
    fn a_switch_takes_a_boolean_and_nothing_else() {
        let parse_words = words_parser(parse, USAGE);
        assert!(!parse_words("--fail-fast FALSE").unwrap().fail_fast);
        let options = parse_words("--fail-fast style").unwrap();
        assert_eq!((options.fail_fast, options.tests), (true, vec!["style".to_owned()]));
        assert!(
            parse_words("--fail-fast=maybe")
                .unwrap_err()
                .contains("`--fail-fast` takes `true` or `false`, not `maybe`")
        );
        assert!(parse_words("--json").unwrap_err().contains("goes with `--list`"));
    }
}
