//! Pure. The cargo alias under which consumers call this tool.

use crate::text::diagnostic::Diagnostic;
use crate::text::shell;

/// What a step says in place of `{xtask}` where nothing else is known.
pub(crate) const USUAL: &str = "cargo xtask";

/// How to recognise an alias as ours, whatever its name.
#[derive(Debug)]
pub(crate) struct Ours {
    /// Our manifests as an alias may name them, relative to the root and absolute.
    pub(crate) manifests: Vec<String>,
    /// Whether the root is this repository itself, where `--package xtask` means ours.
    pub(crate) at_root: bool,
}

impl Ours {
    /// Whether an alias that stands for this calls this tool.
    pub(crate) fn is_named_by(&self, expansion: &str) -> bool {
        let words = expansion
            .split(|c: char| c.is_whitespace() || "=\"',[]".contains(c))
            .filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let value_of =
            |option: &str| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1]);
        let manifest = value_of("--manifest-path").map(|path| path.trim_start_matches("./"));
        let package = value_of("--package").or_else(|| value_of("-p"));
        match manifest {
            Some(path) => self.manifests.iter().any(|ours| ours == path),
            None => self.at_root && package == Some("xtask"),
        }
    }
}

/// Which alias calls this tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The command line to use.
    Known(String),
    /// `cargo xtask` is somebody else's and no other alias is ours.
    Taken { expansion: String },
    /// There is no alias for this tool.
    Missing,
}

impl Choice {
    /// The command line to use, which may be a guess.
    pub(crate) fn command(self) -> String {
        match self {
            Choice::Known(command) => command,
            Choice::Taken { .. } | Choice::Missing => USUAL.to_owned(),
        }
    }

    /// What is wrong, and how to mend it. `checkout` is where this repository is in the consumer's.
    pub(crate) fn problem(&self, checkout: &str) -> Option<Diagnostic> {
        match self {
            Choice::Known(_) => None,
            Choice::Taken { expansion } => {
                let message = format!(
                    "`{USUAL}` is an alias of another tool (`{expansion}`), and none points to this one"
                );
                Some(Diagnostic::error(message).help(format!(
                    "add one of another name, for example `ci-xtask`, with `{}`",
                    init(checkout)
                )))
            }
            Choice::Missing => {
                let message =
                    format!("no cargo alias points to this tool; steps will use `{USUAL}`");
                Some(Diagnostic::error(message).help(format!("add one with `{}`", init(checkout))))
            }
        }
    }
}

/// Calls `init` where there is no alias yet.
fn init(checkout: &str) -> String {
    format!(
        "cargo run --locked --target-dir target/xtask --manifest-path {checkout}/xtask/Cargo.toml -- init"
    )
}

/// Decides from what `cargo --list` prints.
pub(crate) fn choose(cargo_list: &str, ours: &Ours) -> Choice {
    let aliases: Vec<(&str, &str)> = cargo_list.lines().filter_map(parse_line).collect();
    let usual = aliases.iter().find(|(name, _)| *name == "xtask");
    if usual.is_some_and(|(_, expansion)| ours.is_named_by(expansion)) {
        return Choice::Known(USUAL.to_owned());
    }
    match (aliases.iter().find(|(_, expansion)| ours.is_named_by(expansion)), usual) {
        (Some((name, _)), _) => Choice::Known(format!("cargo {}", shell::quote_for_upload(name))),
        (None, Some((_, expansion))) => Choice::Taken { expansion: (*expansion).to_owned() },
        (None, None) => Choice::Missing,
    }
}

/// The name of the alias for this tool that a cargo configuration has on one line, the usual name
/// first. It saves asking cargo; any doubt is `None`.
pub(crate) fn configured<'c>(cargo_config: &'c str, ours: &Ours) -> Option<&'c str> {
    let mut sections = cargo_config.lines().map(str::trim).skip_while(|line| *line != "[alias]");
    let in_section = sections.by_ref().skip(1).take_while(|line| !line.starts_with('['));
    let aliases = in_section.filter_map(|line| line.split_once('='));
    let aliases: Vec<(&str, &str)> = aliases.map(|(name, value)| (name.trim(), value)).collect();
    let count = |wanted: &str| aliases.iter().filter(|(name, _)| *name == wanted).count();
    let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let ours = aliases.iter().filter(|(_, value)| ours.is_named_by(value)).map(|(name, _)| *name);
    let ours: Vec<&str> = ours.filter(|name| is_plain(name) && count(name) == 1).collect();
    let usual = ours.iter().find(|name| **name == "xtask");
    // Where `xtask` is not named here, a configuration further up may have it.
    let other = ours.first().filter(|_| count("xtask") > 0);
    usual.or(other).copied()
}

fn parse_line(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().split_once(char::is_whitespace)?;
    Some((name, rest.trim().strip_prefix("alias: ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer() -> Ours {
        Ours { manifests: vec!["rust-vmm-ci/xtask/Cargo.toml".to_owned()], at_root: false }
    }

    const OURS: &str =
        "alias: run --quiet --locked --manifest-path rust-vmm-ci/xtask/Cargo.toml --";

    #[test]
    fn the_alias_that_is_ours_is_used_whatever_its_name() {
        assert_eq!(choose("    build    Compile\n", &consumer()), Choice::Missing);
        let other_name = format!("    ci-xtask   {OURS}\n");
        assert_eq!(choose(&other_name, &consumer()), Choice::Known("cargo ci-xtask".to_owned()));
        assert_eq!(
            choose(&format!("    xtask   {OURS}\n"), &consumer()),
            Choice::Known(USUAL.to_owned())
        );
    }

    #[test]
    fn another_alias_is_used_where_xtask_is_somebody_elses() {
        let list = format!(
            "    b      alias: build\n    ci-xtask   {OURS}\n    xtask   alias: run --package xtask --\n"
        );
        assert_eq!(choose(&list, &consumer()), Choice::Known("cargo ci-xtask".to_owned()));
        let odd = format!("    $(touch${{IFS}}CANARY)   {OURS}\n");
        let quoted = "cargo '$$(touch$${IFS}CANARY)'".to_owned();
        assert_eq!(choose(&odd, &consumer()), Choice::Known(quoted));
        let list = "    xtask   alias: run --package xtask --\n";
        assert_eq!(
            choose(list, &consumer()),
            Choice::Taken { expansion: "run --package xtask --".to_owned() }
        );
    }

    #[test]
    fn in_this_repository_the_package_is_enough() {
        let ours = Ours { manifests: vec!["xtask/Cargo.toml".to_owned()], at_root: true };
        let list = "    xtask   alias: run --quiet --locked --package xtask --\n";
        assert_eq!(choose(list, &ours), Choice::Known(USUAL.to_owned()));
    }

    #[test]
    fn a_plain_configuration_needs_no_question() {
        let template = include_str!("../../../ci-template/cargo-config.toml");
        let name = |config| configured(config, &consumer());
        assert_eq!(name(template), Some("xtask"));
        let list =
            "[alias]\nxtask = [\"run\", \"--manifest-path=rust-vmm-ci/xtask/Cargo.toml\", \"--\"]";
        assert_eq!(name(list), Some("xtask"));
        let other = "ci-xtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml --\"\n";
        let taken = format!("[alias]\nxtask = \"run -p xtask --\"\n{other}");
        assert_eq!(name(&taken), Some("ci-xtask"));
        let alone = format!("[alias]\n{other}");
        assert_eq!(name(&alone), None, "`xtask` may be ours elsewhere");
        assert_eq!(name("[alias]\nxtask = \"run -p xtask --\"\n"), None);
        assert_eq!(
            name("[build]\nxtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml\"\n"),
            None
        );
        assert_eq!(name(""), None);
    }
}
