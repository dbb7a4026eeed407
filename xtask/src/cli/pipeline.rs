//! Pure. `pipeline`: usage and options.

use std::path::PathBuf;

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

pub(crate) const USAGE: &str = "\
Prints the pipeline that Buildkite runs.

Usage: cargo xtask pipeline [options]

Options:
  -t, --test-description FILE     take the tests from FILE (default: the shipped description, which
                                  `shipped` names too); if repeated, the last one wins
  -p, --platform-allowlist FILE   take the platforms from FILE, one a line (default: `.platform` in
                                  the root; without it x86_64 and aarch64)
      --workspace-selective [BOOL]
                                  in a Cargo workspace: steps for each member crate, gated on what
                                  a change touches (default: false)
      --dependents [BOOL]         with --workspace-selective: a crate's steps also run when a crate
                                  of the workspace changes that it depends on (default: false)
      --output FILE               write to FILE instead of standard output
      --check FILE                print nothing but what would change in FILE; exit 1 if anything
      --explain                   print a table for people: step, platform, timeout, gate and why
      --upload                    hand the pipeline to `buildkite-agent pipeline upload`, in parts
                                  of at most 500 steps
      --format yaml|json          the text form (default: yaml)

Environment (JSON where not said otherwise; empty is unset):
  TESTS_TO_SKIP                   list of test names
  TIMEOUTS_MIN                    object of test names and minutes
  DOCKER_PLUGIN_CONFIG            {\"tests\": [names], \"cfg\": {...}}: merged into the docker plugin
  X86_LINUX_AGENT_TAGS            the same form: replaces the agent tags of x86_64 steps
  AARCH64_LINUX_AGENT_TAGS        the same form: replaces the agent tags of aarch64 steps
  DEFAULT_AGENT_TAG_HYPERVISOR    kvm or mshv: for tests that name no hypervisor
";

/// What `pipeline` was asked for.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) test_description: Option<PathBuf>,
    pub(crate) platform_allowlist: Option<PathBuf>,
    pub(crate) workspace_selective: bool,
    pub(crate) dependents: bool,
    pub(crate) format: Format,
    pub(crate) destination: Destination,
}

/// The text form of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Yaml,
    Json,
}

/// What becomes of the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Destination {
    #[default]
    Print,
    Explain,
    Write(PathBuf),
    Check(PathBuf),
    Upload,
}

pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let formats = [("yaml", Format::Yaml), ("json", Format::Json)];
    let format = args.choice("--format", "format", &formats)?;
    let options = Options {
        test_description: args.path("-t, --test-description")?,
        platform_allowlist: args.path("-p, --platform-allowlist")?,
        workspace_selective: args.boolean_option("--workspace-selective")?,
        dependents: args.boolean_option("--dependents")?,
        format: format.unwrap_or_default(),
        destination: parse_destination(&mut args)?,
    };
    if options.dependents && !options.workspace_selective {
        return args.error("`--dependents` goes with `--workspace-selective`");
    }
    let has_text = !matches!(options.destination, Destination::Explain | Destination::Upload);
    if format.is_some() && !has_text {
        return args.error("`--format` has no effect with `--explain` and `--upload`");
    }
    args.finish()?;
    Ok(options)
}

fn parse_destination(args: &mut Args) -> Result<Destination, Rejected> {
    let given = [
        args.path("--output")?.map(Destination::Write),
        args.path("--check")?.map(Destination::Check),
        args.switch("--explain")?.then_some(Destination::Explain),
        args.switch("--upload")?.then_some(Destination::Upload),
    ];
    let mut given = given.into_iter().flatten();
    let destination = given.next().unwrap_or_default();
    match given.next() {
        None => Ok(destination),
        Some(_) => {
            args.error("`--output`, `--check`, `--explain` and `--upload` exclude each other")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn all_spellings_of_an_option_count_and_the_last_one_wins() {
        let parse_words = words_parser(parse, USAGE);
        for line in [
            "-t a -t b",
            "-t a -tb",
            "-t=a -t=b",
            "--test-description a --test-description=b",
            "--test-description=a -t b",
        ] {
            assert_eq!(
                parse_words(line).unwrap().test_description,
                Some(PathBuf::from("b")),
                "{line}"
            );
        }
    }

    #[test]
    fn every_value_of_a_repeated_boolean_is_read() {
        let selective =
            |line: &str| words_parser(parse, USAGE)(line).map(|it| it.workspace_selective);
        let name = "--workspace-selective";
        assert_eq!(selective(&format!("{name} {name}=False")), Ok(false));
        assert!(
            selective(&format!("{name}=flase {name} true")).unwrap_err().contains("not `flase`")
        );
    }

    #[test]
    fn an_unknown_option_names_the_nearest() {
        let parse_words = words_parser(parse, USAGE);
        assert_eq!(
            parse_words("-t a --platfrom-allowlist x").unwrap_err(),
            "error: unknown option `--platfrom-allowlist`, did you mean `--platform-allowlist`?\nhelp: see `cargo xtask help pipeline`"
        );
        assert_eq!(
            parse_words("x").unwrap_err(),
            "error: unexpected argument `x`\nhelp: see `cargo xtask help pipeline`"
        );
        assert!(parse_words("--format xml").unwrap_err().contains("unknown format `xml`"));
        assert!(parse_words("--upload --check x").unwrap_err().contains("exclude each other"));
        assert!(parse_words("-t").unwrap_err().contains("`--test-description` needs a value"));
    }
}
