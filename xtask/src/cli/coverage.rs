//! Pure. `coverage`: usage and options.

use std::path::PathBuf;

use crate::cli::args::{Args, OptionalValue};
use crate::coverage::score::Score;
use crate::text::diagnostic::Rejected;
use crate::text::nearest;

pub(crate) const USAGE: &str = "\
Measures how many lines the tests run and compares that with the recorded score.

Usage: cargo xtask coverage [options]

The score is recorded in coverage_config_ARCH.json, or in tests/coverage. Within the tolerance
(`max_delta`, 0.5 points by default) the test passes and no file is touched. A lower score fails. A
higher one fails with `ci` and prints a patch; with `devel` it passes and the new score is written.
The build directory below target/ stays, so that a second run is quick.

Options:
      --profile ci|devel          strict, or ready to record a higher score (default: ci)
      --devel                     short for `--profile devel`
      --test-scope workspace|crate
                                  all members, or one crate (default: workspace, or crate where
                                  --package names one)
      --package NAME              take the configuration of that member, and measure it alone
      --files                     print a table of the source files
      --html                      write pages that show every line, and print where
      --lcov FILE                 write FILE in the form of lcov
      --json FILE                 write FILE in the form of llvm-cov's JSON
      --diff [BASE]               list the lines added since BASE that no test runs; uncommitted
                                  work counts, nothing is fetched (default: the upstream branch)
      --min-diff PCT              fail if less than PCT percent of the added lines are covered
      --set SCORE                 record SCORE without measuring
      --allow-lower               with devel: record a lower score too
      --no-cleanup                keep profiles and report, and print where

REMOTE and BASE_BRANCH name the upstream branch (default: origin and main).
";

/// What `coverage` was asked for.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) profile: Profile,
    /// As given; what counts without it depends on the package.
    pub(crate) scope: Option<ScopeName>,
    pub(crate) package: Option<String>,
    pub(crate) files: bool,
    pub(crate) html: bool,
    pub(crate) lcov: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) diff: Option<Diff>,
    pub(crate) set: Option<Score>,
    pub(crate) allow_lower: bool,
    pub(crate) no_cleanup: bool,
}

/// Whether a higher score is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    #[default]
    Ci,
    Devel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeName {
    Workspace,
    Crate,
}

/// What the added lines are looked at for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Diff {
    /// A revision; without one the upstream branch.
    pub(crate) base: Option<String>,
    /// How many of the added lines have to be covered, in percent.
    pub(crate) minimum: Option<Score>,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let profile = profile(&mut args)?;
    let scope = args.text("--test-scope")?;
    let scope = match scope.as_deref() {
        None => None,
        Some("workspace") => Some(ScopeName::Workspace),
        Some("crate") => Some(ScopeName::Crate),
        Some(other) => {
            let hint = nearest::hint(other, &["workspace", "crate"]);
            return args.error(format!("unknown test scope `{other}`{hint}"));
        }
    };
    let options = Options {
        profile,
        scope,
        package: args.text("--package")?,
        files: args.switch("--files")?,
        html: args.switch("--html")?,
        lcov: args.path(None, "--lcov")?,
        json: args.path(None, "--json")?,
        set: percent(&mut args, "--set")?,
        allow_lower: args.switch("--allow-lower")?,
        no_cleanup: args.switch("--no-cleanup")?,
        diff: diff(&mut args)?,
    };
    if options.allow_lower && options.profile == Profile::Ci {
        return args.error("`--allow-lower` goes with `--devel`: `ci` records nothing");
    }
    if options.set.is_some() && !measures_nothing(&options) {
        return args.error("`--set` measures nothing, so it goes with `--package` alone");
    }
    args.finish()?;
    Ok(options)
}

fn measures_nothing(options: &Options) -> bool {
    let alone = Options {
        set: options.set,
        package: options.package.clone(),
        profile: options.profile,
        scope: options.scope,
        ..Options::default()
    };
    *options == alone
}

fn profile(args: &mut Args) -> Result<Profile, Rejected> {
    let profile = match args.text("--profile")?.as_deref() {
        None => None,
        Some("ci") => Some(Profile::Ci),
        Some("devel") => Some(Profile::Devel),
        Some(other) => {
            let hint = nearest::hint(other, &["ci", "devel"]);
            return args.error(format!("unknown profile `{other}`{hint}"));
        }
    };
    match (profile, args.switch("--devel")?) {
        (Some(Profile::Ci), true) => args.error("`--profile ci` contradicts `--devel`"),
        (_, true) => Ok(Profile::Devel),
        (profile, false) => Ok(profile.unwrap_or_default()),
    }
}

fn diff(args: &mut Args) -> Result<Option<Diff>, Rejected> {
    let minimum = percent(args, "--min-diff")?;
    let base = match args.optional_value("--diff")? {
        OptionalValue::NotGiven if minimum.is_none() => return Ok(None),
        OptionalValue::NotGiven | OptionalValue::WithoutValue => None,
        OptionalValue::Value(base) => match base.into_string() {
            Ok(base) => Some(base),
            Err(base) => {
                let message = format!("`--diff` takes UTF-8 text, not {}", base.display());
                return args.error(message);
            }
        },
    };
    Ok(Some(Diff { base, minimum }))
}

fn percent(args: &mut Args, name: &'static str) -> Result<Option<Score>, Rejected> {
    let Some(text) = args.text(name)? else { return Ok(None) };
    match Score::from_text(&text) {
        Some(score) => Ok(Some(score)),
        None => args.error(format!("`{name}` takes a number from 0 to 100, not `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::tests::parse_line;

    fn parse_words(line: &str) -> Result<Options, String> {
        parse_line("coverage", USAGE, parse, line)
    }

    #[test]
    fn a_base_is_the_next_word_if_it_is_no_option() {
        let diff = |line: &str| parse_words(line).unwrap().diff;
        let with = |base: Option<&str>, minimum: Option<&str>| {
            let minimum = minimum.and_then(Score::from_text);
            Some(Diff { base: base.map(str::to_owned), minimum })
        };
        assert_eq!(diff(""), None);
        assert_eq!(diff("--diff"), with(None, None));
        assert_eq!(diff("--diff v1.0"), with(Some("v1.0"), None));
        assert_eq!(diff("--diff=-x --html"), with(Some("-x"), None));
        assert_eq!(diff("--diff --min-diff 80"), with(None, Some("80")));
        assert_eq!(diff("--min-diff=80 --diff main"), with(Some("main"), Some("80")));
        assert_eq!(diff("--min-diff 80"), with(None, Some("80")));
    }

    #[test]
    fn options_of_the_predecessor_keep_their_names() {
        let options =
            parse_words("--profile devel --test-scope=crate --no-cleanup --devel True").unwrap();
        assert_eq!((options.profile, options.scope), (Profile::Devel, Some(ScopeName::Crate)));
        assert!(options.no_cleanup);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let error = |line: &str| {
            let message = parse_words(line).unwrap_err();
            message.lines().next().unwrap().trim_start_matches("error: ").to_owned()
        };
        assert_eq!(
            error("--profile release"),
            "unknown profile `release`, expected one of `ci` or `devel`"
        );
        assert_eq!(
            error("--test-scope crates"),
            "unknown test scope `crates`, did you mean `crate`?"
        );
        assert_eq!(error("--profile ci --devel"), "`--profile ci` contradicts `--devel`");
        assert_eq!(
            error("--allow-lower"),
            "`--allow-lower` goes with `--devel`: `ci` records nothing"
        );
        assert_eq!(error("--set 101"), "`--set` takes a number from 0 to 100, not `101`");
        assert_eq!(error("--min-diff x"), "`--min-diff` takes a number from 0 to 100, not `x`");
        assert_eq!(
            error("--set 90 --html"),
            "`--set` measures nothing, so it goes with `--package` alone"
        );
        assert_eq!(error("--diff main extra"), "unexpected argument `extra`");
        assert_eq!(error("--htlm"), "unknown option `--htlm`, did you mean `--html`?");
    }
}
