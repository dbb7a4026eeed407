//! Pure. `coverage`: usage and options.

use std::path::PathBuf;

use crate::cli::args::{Args, Base};
use crate::text::Percent;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Measures line coverage and compares it with the recorded score.

Usage: cargo xtask coverage [options]

The score is recorded in coverage_config_ARCH.json, or in tests/coverage. Where the root has neither
and several members do, each of these members is compared with its own record. Within the tolerance
(`max_delta`, 0.5 percentage points by default) the test passes and changes no file. A lower score
fails. A higher one fails with `ci` and prints a patch; with `devel` it passes and the new score is
recorded. The build directory below target/ is kept, so that a second run is fast.

Options:
      --profile ci|devel          check only, or also record a higher score (default: ci)
      --devel                     short for `--profile devel`
      --test-scope workspace|crate
                                  all members, or one crate (default: workspace, or crate where
                                  --package names one)
  -p, --package NAME              measure only this member, with its own configuration
      --manifest-path PATH        measure the workspace of this Cargo.toml (default: the nearest)
      --files                     print a table of the source files
      --html                      write HTML pages that show every line, and print the path
      --lcov FILE                 write an LCOV report to FILE
      --json FILE                 write llvm-cov's JSON report to FILE
      --diff [BASE]               list the lines added since BASE that no test runs, uncommitted
                                  changes included; fetches nothing (default: the upstream branch)
      --min-diff PCT              fail if less than PCT percent of the added lines are covered
      --set SCORE                 record SCORE without measuring
      --allow-lower               with `--devel`: record a lower score too
      --no-cleanup                keep the profiles and the report, and print their path
      --locked, --offline         passed on to cargo

REMOTE and BASE_BRANCH name the upstream branch (default: origin and main).
";

/// What `coverage` was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) profile: Profile,
    /// As given; what counts without it depends on the package.
    pub(crate) scope: Option<ScopeName>,
    pub(crate) package: Option<String>,
    pub(crate) manifest_path: Option<PathBuf>,
    pub(crate) files: bool,
    pub(crate) html: bool,
    pub(crate) lcov: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) diff: Option<Diff>,
    pub(crate) set: Option<Percent>,
    pub(crate) no_cleanup: bool,
    /// Passed on to cargo.
    pub(crate) passed_to_cargo: Vec<&'static str>,
}

/// Which scores are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Profile {
    #[default]
    Ci,
    /// A higher one.
    Devel,
    /// A higher and a lower one.
    DevelAllowingLower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeName {
    Workspace,
    Crate,
}

/// What is examined about the added lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Diff {
    pub(crate) base: Base,
    /// How many of the added lines have to be covered, in percent.
    pub(crate) minimum: Option<Percent>,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let profile = profile(&mut args)?;
    let scopes = [("workspace", ScopeName::Workspace), ("crate", ScopeName::Crate)];
    let scope = args.choice("--test-scope", "test scope", &scopes)?;
    let measuring_nothing = Options {
        profile,
        scope,
        package: args.texts("-p, --package")?.pop(),
        manifest_path: args.path("--manifest-path")?,
        set: percent(&mut args, "--set")?,
        ..Options::default()
    };
    let options = Options {
        files: args.switch("--files")?,
        html: args.switch("--html")?,
        lcov: args.path("--lcov")?,
        json: args.path("--json")?,
        no_cleanup: args.switch("--no-cleanup")?,
        passed_to_cargo: args.passed_to_cargo()?,
        diff: diff(&mut args)?,
        ..measuring_nothing.clone()
    };
    if options.set.is_some() && options != measuring_nothing {
        return args.error("`--set` measures nothing and can only be combined with `--package` and `--manifest-path`");
    }
    args.finish()?;
    Ok(options)
}

fn profile(args: &mut Args) -> Result<Profile, Rejected> {
    let profiles = [("ci", Profile::Ci), ("devel", Profile::Devel)];
    let profile = args.choice("--profile", "profile", &profiles)?;
    match (profile, args.switch("--devel")?, args.switch("--allow-lower")?) {
        (Some(Profile::Ci), true, _) => args.error("`--profile ci` contradicts `--devel`"),
        (Some(Profile::Devel), _, true) | (_, true, true) => Ok(Profile::DevelAllowingLower),
        (_, false, true) => args.error("`--allow-lower` requires `--devel`"),
        (_, true, false) => Ok(Profile::Devel),
        (profile, false, false) => Ok(profile.unwrap_or_default()),
    }
}

fn diff(args: &mut Args) -> Result<Option<Diff>, Rejected> {
    let minimum = percent(args, "--min-diff")?;
    let base = args.base("--diff")?;
    let is_asked = base.is_some() || minimum.is_some();
    Ok(is_asked.then(|| Diff { base: base.unwrap_or_default(), minimum }))
}

fn percent(args: &mut Args, name: &'static str) -> Result<Option<Percent>, Rejected> {
    args.parsed(name, "a number from 0 to 100", Percent::from_text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn a_base_is_the_next_word_if_it_is_no_option() {
        let parse_words = words_parser(parse, USAGE);
        let diff = |line: &str| parse_words(line).unwrap().diff;
        let with = |base: Option<&str>, minimum: Option<&str>| {
            let minimum = minimum.and_then(Percent::from_text);
            Some(Diff { base: Base { revision: base.map(str::to_owned) }, minimum })
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
        let parse_words = words_parser(parse, USAGE);
        let options =
            parse_words("--profile devel --test-scope=crate --no-cleanup --devel True").unwrap();
        assert_eq!((options.profile, options.scope), (Profile::Devel, Some(ScopeName::Crate)));
        assert!(options.no_cleanup);
    }

    #[test]
    fn options_that_cargo_has_too_are_spelt_as_there() {
        let parse_words = words_parser(parse, USAGE);
        let options = parse_words("-p a --offline --locked").unwrap();
        assert_eq!(options.package.as_deref(), Some("a"));
        assert_eq!(options.passed_to_cargo, ["--locked", "--offline"]);
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        let parse_words = words_parser(parse, USAGE);
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
        assert_eq!(error("--allow-lower"), "`--allow-lower` requires `--devel`");
        assert_eq!(error("--set 101"), "`--set` takes a number from 0 to 100, not `101`");
        assert_eq!(error("--min-diff x"), "`--min-diff` takes a number from 0 to 100, not `x`");
        assert_eq!(
            error("--set 90 --html"),
            "`--set` measures nothing and can only be combined with `--package` and `--manifest-path`"
        );
        assert_eq!(error("--diff main extra"), "unexpected argument `extra`");
        assert_eq!(error("--diff="), "`--diff` needs a value that is not empty");
        assert_eq!(error("--htlm"), "unknown option `--htlm`, did you mean `--html`?");
    }
}
