//! Pure. `container`: usage and options.

use std::ffi::OsString;
use std::path::{Component, PathBuf};

use crate::cli::args::Args;
use crate::cli::ci;
use crate::text::diagnostic::Rejected;
use crate::text::shell::quote;

pub(crate) const USAGE: &str = "\
Runs a command in the container image of the CI, with this repository as the working directory.

Usage: cargo xtask container [options] [[--] command [argument ...]]
       cargo xtask ci --container [options] [options of ci] [test ...]

Without a command it runs a shell. The exit code is that of the command. Named volumes hold the
cargo registry and the target directory, so that later runs reuse downloads and builds. Files that
the command creates in the repository are owned by you.

Options:
      --engine docker|podman      default: docker if it works, else podman
      --image IMAGE               default: the image of ci-template/pipeline.json
      --pull                      pull the image even if it is present locally
      --env NAME[=VALUE]          set a variable in the container; may be given several times
      --privileged                run a privileged container
      --ssh                       copy ~/.ssh into the container
      --dry-run                   print the command line and run nothing

The variables that configure the tests (`cargo xtask help pipeline`), REMOTE, BASE_BRANCH, CI and
those of Buildkite, of cargo's terminal output and of colours are passed through.
";

/// What `container` was asked for.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// The one that answers, where none is named.
    pub(crate) engine: Option<&'static str>,
    pub(crate) image: Option<String>,
    pub(crate) pull: bool,
    /// As the engines take them: `NAME` or `NAME=VALUE`.
    pub(crate) variables: Vec<OsString>,
    pub(crate) privileged: bool,
    pub(crate) ssh: bool,
    pub(crate) dry_run: bool,
    pub(crate) task: Task,
}

impl Options {
    /// The options that run `ci` in the same container once more.
    pub(crate) fn rerun(&self) -> String {
        let mut words = vec!["--container".to_owned()];
        let values = [("--engine", self.engine), ("--image", self.image.as_deref())];
        let values = values.map(|(name, value)| Some((name, value?.to_owned())));
        let variables =
            self.variables.iter().map(|it| ("--env", it.to_string_lossy().into_owned()));
        for (name, value) in values.into_iter().flatten().chain(variables) {
            words.extend([name.to_owned(), quote(&value)]);
        }
        let switches = [("--privileged", self.privileged), ("--ssh", self.ssh)];
        words.extend(switches.into_iter().filter(|(_, is_on)| *is_on).map(|(it, _)| it.to_owned()));
        words.join(" ")
    }
}

/// What runs in the container.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Task {
    #[default]
    Shell,
    Command(Vec<String>),
    /// `ci` with these arguments.
    Ci(Vec<String>),
}

/// The variable that says to `ci` with which options `ci --container` started it.
pub(crate) const IN_CONTAINER: &str = "RUST_VMM_CI_IN_CONTAINER";

/// The programs that run containers, in the order of preference.
pub(crate) const ENGINES: [&str; 2] = ["docker", "podman"];

/// Parses the arguments of `container`.
///
/// # Errors
///
/// Rejects unknown options and engines (exit code 2).
pub(crate) fn parse(mut args: Args) -> Result<Options, Rejected> {
    let options = parse_options(&mut args)?;
    let task = match args.positional()? {
        words if words.is_empty() => Task::Shell,
        words => Task::Command(words),
    };
    Ok(Options { task, ..options })
}

/// Takes the options about the container.
fn parse_options(args: &mut Args) -> Result<Options, Rejected> {
    let engines = ENGINES.map(|program| (program, program));
    Ok(Options {
        engine: args.choice("--engine", "container engine", &engines)?,
        image: args.text("--image")?,
        pull: args.switch("--pull")?,
        variables: args.values("--env")?,
        privileged: args.switch("--privileged")?,
        ssh: args.switch("--ssh")?,
        dry_run: args.switch("--dry-run")?,
        task: Task::default(),
    })
}

/// Parses the arguments of `ci --container`, without `--container`: those of both commands.
///
/// # Errors
///
/// Rejects what `ci` does, before a container starts, and reports that would be lost with it (exit
/// code 2).
pub(crate) fn parse_ci(mut args: Args) -> Result<Options, Rejected> {
    let options = parse_options(&mut args)?;
    let task = Task::Ci(args.texts_as_given()?);
    let report = ci::parse(args)?.report;
    let is_lost = |dir: &PathBuf| {
        let mut parts = dir.components().filter(|part| *part != Component::CurDir);
        !matches!(parts.next(), Some(Component::Normal(first)) if first != "target")
            || parts.any(|part| part == Component::ParentDir)
    };
    if report.as_ref().is_some_and(is_lost) {
        let message = "with `--container`, `--report` takes a directory below the root";
        return Err(Rejected::new(message).help("`target/` is a volume of the container"));
    }
    Ok(Options { task, ..options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::words_parser;

    #[test]
    fn what_follows_the_dashes_is_the_command() {
        let parse_words = words_parser(parse, USAGE);
        let words = |line: &str| parse_words(line).unwrap().task;
        let command =
            |words: &[&str]| Task::Command(words.iter().map(ToString::to_string).collect());
        assert_eq!(words(""), Task::Shell);
        assert_eq!(words("cargo build"), command(&["cargo", "build"]));
        assert_eq!(
            words("--ssh -- cargo build --release"),
            command(&["cargo", "build", "--release"])
        );
    }

    #[test]
    fn ci_takes_the_options_of_both() {
        let parse_words = words_parser(parse_ci, ci::USAGE);
        let options =
            parse_words("--engine podman style --image i:1 --report out --jobs 2").unwrap();
        assert_eq!((options.engine, options.image.as_deref()), (Some("podman"), Some("i:1")));
        assert_eq!(options.rerun(), "--container --engine podman --image i:1");
        let more = parse_words("--env A=*;b --ssh style").unwrap().rerun();
        assert_eq!(more, "--container --env 'A=*;b' --ssh");
        let words = ["style", "--report", "out", "--jobs", "2"].map(str::to_owned);
        assert_eq!(options.task, Task::Ci(words.to_vec()));
        assert!(parse_words("--report ./out").is_ok());
        for lost in ["/tmp/x", "../x", "a/../../x", "target/x"] {
            let error = parse_words(&format!("--report {lost}")).unwrap_err();
            assert!(error.contains("below the root"), "{error}");
        }
        assert!(parse_words("--jobs many").unwrap_err().contains("--jobs"));
    }

    #[test]
    fn an_option_that_is_none_of_ours_is_refused() {
        let parse_words = words_parser(parse, USAGE);
        assert!(parse_words("cargo build --release").unwrap_err().contains("`--release`"));
        assert_eq!(
            parse_words("--engine dokcer").unwrap_err(),
            "error: unknown container engine `dokcer`, did you mean `docker`?\n\
             help: see `cargo xtask help container`"
        );
    }
}
