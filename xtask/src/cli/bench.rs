//! Pure. `bench`: usage and options.

use std::path::PathBuf;

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Runs the benchmarks of the change and of its base and shows critcmp's table of both.

Usage: cargo xtask bench [options]

The change is the working tree as it is. The base is the upstream branch, checked out outside of the
tree. Both run `cargo bench --bench main --all-features`. A base that was measured before is not
measured again. Without --fail-above a slowdown is shown and does not fail.

Options:
      --manifest-path PATH        measure the workspace of this Cargo.toml (default: the nearest)
  -p, --package NAME              the package to measure, in a workspace
      --features LIST             the default features and these, instead of all
      --against tip|merge-base    compare with the tip of the base (default), or with the commit at
                                  which the change left it
      --rounds N                  measure base and change N times, in turn, and compare the medians
      --fail-above PCT            fail if a benchmark is slower by more than PCT percent and by more
                                  than the noise of the base (3 rounds unless --rounds is given)
      --fresh                     measure the base even if it was measured before
      --json FILE                 write all results to FILE
      --locked, --offline         passed on to cargo

Environment (empty is unset):
  PACKAGE                         same as --package
  REMOTE, BASE_BRANCH             the base (default: origin and main); Buildkite's variables win
";

/// The options of `bench`.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) manifest_path: Option<PathBuf>,
    pub(crate) package: Option<String>,
    /// As cargo takes them: names with commas or spaces between.
    pub(crate) features: Option<String>,
    pub(crate) against: Against,
    pub(crate) rounds: Option<usize>,
    pub(crate) fail_above_percent: Option<f64>,
    pub(crate) fresh: bool,
    pub(crate) json: Option<PathBuf>,
    /// Passed on to cargo.
    pub(crate) passed_to_cargo: Vec<&'static str>,
}

/// Which commit of the upstream branch is the base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Against {
    /// The tip of the branch: what the change would be merged into.
    #[default]
    Tip,
    /// The commit at which the change left the branch.
    MergeBase,
}

const AGAINST: [(&str, Against); 2] = [("tip", Against::Tip), ("merge-base", Against::MergeBase)];

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let package = args.texts("-p, --package")?;
    if 1 < package.len() {
        return args.error("`--package` takes one package: results of several would mix");
    }
    let package = package.into_iter().next();
    // As cargo does, which takes the option several times.
    let features = Some(args.texts("--features")?).filter(|lists| !lists.is_empty());
    let features = features.map(|lists| lists.join(","));
    let percentage = |text: &str| text.parse().ok().filter(|it: &f64| it.is_finite() && *it >= 0.0);
    let options = Options {
        manifest_path: args.path("--manifest-path")?,
        package,
        features,
        against: args.choice("--against", "base", &AGAINST)?.unwrap_or_default(),
        rounds: args.parsed("--rounds", "a number from 1", |text| text.parse().ok())?,
        fail_above_percent: args.parsed("--fail-above", "a percentage from 0", percentage)?,
        fresh: args.switch("--fresh")?,
        json: args.path("--json")?,
        passed_to_cargo: args.passed_to_cargo()?,
    };
    args.finish()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn every_option_is_parsed() {
        let parse_words = words_parser(parse, USAGE);
        let options = parse_words("--package a --features=x,y --against merge-base").unwrap();
        assert_eq!(options.package.as_deref(), Some("a"));
        assert_eq!(options.features.as_deref(), Some("x,y"));
        assert_eq!(options.against, Against::MergeBase);
        assert_eq!((options.rounds, options.fail_above_percent), (None, None));
        assert_eq!((options.fresh, options.json), (false, None));

        let options = parse_words(
            "--rounds=5 --fail-above 2.5 --fresh --json a.json --manifest-path=s/Cargo.toml",
        )
        .unwrap();
        assert_eq!(options.manifest_path, Some(PathBuf::from("s/Cargo.toml")));
        assert_eq!((options.rounds, options.fail_above_percent), (Some(5), Some(2.5)));
        assert_eq!((options.fresh, options.json), (true, Some(PathBuf::from("a.json"))));
        assert_eq!((options.package, options.against), (None, Against::Tip));
        assert!(options.passed_to_cargo.is_empty());

        let options = parse_words("-p a --offline --locked").unwrap();
        assert_eq!(options.package.as_deref(), Some("a"));
        assert_eq!(options.passed_to_cargo, ["--locked", "--offline"]);
    }

    #[test]
    fn features_add_up_as_they_do_for_cargo() {
        let parse_words = words_parser(parse, USAGE);
        let options = parse_words("--features a,b --features=c").unwrap();
        assert_eq!(options.features.as_deref(), Some("a,b,c"));
    }

    #[test]
    fn invalid_values_are_errors() {
        let parse_words = words_parser(parse, USAGE);
        let error = parse_words("--against top").unwrap_err();
        assert!(error.contains("unknown base `top`, did you mean `tip`?"), "{error}");
        for bad in ["ten", "NaN", "inf", "-1", "10%", "1,5"] {
            let error = parse_words(&format!("--fail-above={bad}")).unwrap_err();
            assert!(error.contains("`--fail-above` takes a percentage"), "{error}");
        }
        for bad in ["-1", "1.5", "x", "99999999999999999999999"] {
            let error = parse_words(&format!("--rounds {bad}")).unwrap_err();
            assert!(error.contains("`--rounds` takes a number from 1"), "{error}");
        }
        assert!(parse_words("--package a --package b").unwrap_err().contains("takes one package"));
        assert!(parse_words("--rounds").unwrap_err().contains("`--rounds` needs a value"));
        assert!(parse_words("somewhere").unwrap_err().contains("unexpected argument `somewhere`"));
        assert!(parse_words("--pakage a").unwrap_err().contains("did you mean `--package`?"));
    }
}
