//! Pure. What a consumer's repository has of this tool: the submodule, the cargo alias, the files that
//! `init` copies, and the coverage configurations; and the toolchain that has to build it.

use crate::text::diagnostic::Diagnostic;
use crate::text::{shell, toml};

/// Where this repository is in the consumer's, relative to its root: `inside` if it is there, else
/// the submodule of `.gitmodules` whose path or URL ends in our name, else our name.
pub(crate) fn checkout_path(inside: Option<&str>, gitmodules: Option<&str>) -> String {
    const NAME: &str = "rust-vmm-ci";
    if let Some(path) = inside.filter(|path| !path.is_empty()) {
        return path.to_owned();
    }
    let is_ours =
        |value: &str| value.trim_end_matches('/').trim_end_matches(".git").ends_with(NAME);
    let sections = gitmodules.unwrap_or_default().split("[submodule ").skip(1);
    for section in sections {
        let value_of = |key: &str| {
            let pairs = section.lines().filter_map(|line| line.split_once('='));
            pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim()).next_back()
        };
        let (path, url) = (value_of("path"), value_of("url"));
        if let Some(path) = path.filter(|path| is_ours(path) || url.is_some_and(is_ours)) {
            return path.trim_end_matches('/').to_owned();
        }
    }
    NAME.to_owned()
}

/// What a step says in place of `{xtask}` where nothing else is known.
pub(crate) const USUAL_ALIAS: &str = "cargo xtask";

/// How to recognise an alias as ours, whatever its name.
#[derive(Debug)]
pub(crate) struct OurAlias {
    /// Our manifests as an alias may name them, relative to the root and absolute.
    pub(crate) manifests: Vec<String>,
    /// Whether the root is this repository itself, where `--package xtask` means ours.
    pub(crate) at_root: bool,
}

impl OurAlias {
    /// Whether an alias that stands for this calls this tool.
    pub(crate) fn is_named_by(&self, expansion: &str) -> bool {
        let words = expansion.split(|c: char| c.is_whitespace() || "=\"',[]".contains(c));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
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
pub(crate) enum AliasChoice {
    /// The command line to use.
    Known(String),
    /// `cargo xtask` is another tool's and no other alias is ours.
    Taken { expansion: String },
    /// There is no alias for this tool.
    Missing,
}

impl AliasChoice {
    /// The command line to use, which may be a guess.
    pub(crate) fn command(self) -> String {
        match self {
            AliasChoice::Known(command) => command,
            AliasChoice::Taken { .. } | AliasChoice::Missing => USUAL_ALIAS.to_owned(),
        }
    }

    /// What is wrong, and how to mend it. `checkout` is where this repository is in the consumer's.
    pub(crate) fn problem(&self, checkout: &str) -> Option<Diagnostic> {
        let (message, alias) = match self {
            AliasChoice::Known(_) => return None,
            AliasChoice::Taken { expansion } => (
                format!(
                    "`{USUAL_ALIAS}` is an alias of another tool (`{expansion}`), and none points to \
                     this one"
                ),
                "one of another name, for example `ci-xtask`,",
            ),
            AliasChoice::Missing => (
                format!("no cargo alias points to this tool; steps will use `{USUAL_ALIAS}`"),
                "one",
            ),
        };
        Some(Diagnostic::error(message).help(format!(
            "add {alias} with `cargo run --locked --target-dir target/xtask --manifest-path \
             {checkout}/xtask/Cargo.toml -- init`"
        )))
    }
}

/// Decides from what `cargo --list` prints.
pub(crate) fn choose_alias(cargo_list: &str, ours: &OurAlias) -> AliasChoice {
    let aliases: Vec<(&str, &str)> = cargo_list.lines().filter_map(parse_alias).collect();
    let usual = aliases.iter().find(|(name, _)| *name == "xtask");
    if usual.is_some_and(|(_, expansion)| ours.is_named_by(expansion)) {
        return AliasChoice::Known(USUAL_ALIAS.to_owned());
    }
    match (aliases.iter().find(|(_, expansion)| ours.is_named_by(expansion)), usual) {
        (Some((name, _)), _) => {
            AliasChoice::Known(format!("cargo {}", shell::quote_for_upload(name)))
        }
        (None, Some((_, expansion))) => AliasChoice::Taken { expansion: (*expansion).to_owned() },
        (None, None) => AliasChoice::Missing,
    }
}

/// The name of the alias for this tool that a cargo configuration has on one line, the usual name
/// first. It saves asking cargo; any doubt is `None`.
pub(crate) fn configured_alias<'c>(cargo_config: &'c str, ours: &OurAlias) -> Option<&'c str> {
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

fn parse_alias(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().split_once(char::is_whitespace)?;
    Some((name, rest.trim().strip_prefix("alias: ")?))
}

pub(crate) const CARGO_CONFIG: &str = include_str!("../../../ci-template/cargo-config.toml");
pub(crate) const WEEKLY: &str = include_str!("../../../ci-template/dependabot-weekly.yml");
pub(crate) const MONTHLY: &str = include_str!("../../../ci-template/dependabot-monthly.yml");
pub(crate) const PUBLISH: &str = include_str!("../../../ci-template/publish.yml");
pub(crate) const BOOTSTRAP: &str = include_str!("../../../ci-template/bootstrap.yml");
pub(crate) const HOOK: &str = include_str!("../../../ci-template/commit-msg");

/// What every copy of a template has in its first lines. A file without it is not compared.
const MARK: &str = "Copied from rust-vmm-ci/ci-template/";

/// Whether a text says that it was copied from a template.
pub(crate) fn is_copy(text: &str) -> bool {
    text.lines().take(5).any(|line| line.contains(MARK))
}

/// A template for a repository where cargo knows this tool by another name.
pub(crate) fn with_alias(template: &str, alias: &str) -> String {
    template.replace("cargo xtask ", &format!("cargo {alias} "))
}

/// A copy without what the repository puts into it, to find it among the versions of a template.
pub(crate) fn as_shipped(text: &str, alias: &str) -> String {
    let text = text.replace(&format!("cargo {alias} "), "cargo xtask ");
    match pipeline_options(&text) {
        "" => text,
        options => text.replacen(&format!("{PIPELINE}{options} "), PIPELINE, 1),
    }
}

const PIPELINE: &str = " pipeline ";

/// A bootstrap step whose `pipeline` command has these options.
pub(crate) fn with_pipeline_options(bootstrap: &str, options: &str) -> String {
    let space = if options.is_empty() { "" } else { " " };
    let upload = format!("{PIPELINE}{options}{space}--upload");
    bootstrap.replacen(&format!("{PIPELINE}--upload"), &upload, 1)
}

/// The options of a bootstrap step's `pipeline` command.
pub(crate) fn pipeline_options(bootstrap: &str) -> &str {
    let command = bootstrap.lines().find(|line| line.trim_start().starts_with("command:"));
    let rest = command.and_then(|line| Some(line.split_once(PIPELINE)?.1)).unwrap_or_default();
    // Older copies redirect the output to a file.
    let end = rest.find("--upload").or_else(|| rest.find('>'));
    rest[..end.unwrap_or_default()].trim()
}

/// The architecture in the name of a coverage configuration.
pub(crate) fn coverage_architecture(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("coverage_config_")?.strip_suffix(".json")
}

/// The release in a toolchain file if it is older than `oldest`, and the byte at which its line
/// starts. A file is TOML or the name of a channel alone.
pub(crate) fn old_release(file: &str, oldest: &str) -> Option<(usize, String)> {
    let statements = toml::statements(file).unwrap_or_default();
    let channel = statements.iter().find(|it| it.path == ["toolchain", "channel"]);
    let (at, channel) = if let Some(statement) = channel {
        (statement.start, toml::as_string(statement.value?)?)
    } else {
        let start = file.len() - file.trim_start().len();
        (start, file[start..].lines().next()?.trim_end().to_owned())
    };
    is_older(&channel, oldest).then_some((at, channel))
}

/// Whether a version or a channel is a release, and an older one; a channel that moves has no number.
pub(crate) fn is_older(version: &str, oldest: &str) -> bool {
    let number = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(['.', '-']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    number(version).zip(number(oldest)).is_some_and(|(version, oldest)| version < oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_found_in_the_consumers() {
        assert_eq!(checkout_path(Some("tools/ci"), None), "tools/ci");
        assert_eq!(checkout_path(Some(""), None), "rust-vmm-ci");
        assert_eq!(checkout_path(None, None), "rust-vmm-ci");
        let other = "[submodule \"x\"]\n\tpath = x\n\turl = https://e/x.git\n";
        let ours = "[submodule \"ci\"]\n\turl = https://e/rust-vmm-ci.git\n\tpath = tools/ci\n";
        assert_eq!(checkout_path(None, Some(&format!("{other}{ours}"))), "tools/ci");
        assert_eq!(checkout_path(None, Some(other)), "rust-vmm-ci");
    }

    fn consumer() -> OurAlias {
        OurAlias { manifests: vec!["rust-vmm-ci/xtask/Cargo.toml".to_owned()], at_root: false }
    }

    const OURS: &str =
        "alias: run --quiet --locked --manifest-path rust-vmm-ci/xtask/Cargo.toml --";

    #[test]
    fn the_alias_that_is_ours_is_used_whatever_its_name() {
        assert_eq!(choose_alias("    build    Compile\n", &consumer()), AliasChoice::Missing);
        let other_name = format!("    ci-xtask   {OURS}\n");
        assert_eq!(
            choose_alias(&other_name, &consumer()),
            AliasChoice::Known("cargo ci-xtask".to_owned())
        );
        assert_eq!(
            choose_alias(&format!("    xtask   {OURS}\n"), &consumer()),
            AliasChoice::Known(USUAL_ALIAS.to_owned())
        );
    }

    #[test]
    fn another_alias_is_used_where_xtask_is_another_tools() {
        let list = format!(
            "    b      alias: build\n    ci-xtask   {OURS}\n    xtask   alias: run --package xtask --\n"
        );
        assert_eq!(
            choose_alias(&list, &consumer()),
            AliasChoice::Known("cargo ci-xtask".to_owned())
        );
        let odd = format!("    $(touch${{IFS}}CANARY)   {OURS}\n");
        let quoted = "cargo '$$(touch$${IFS}CANARY)'".to_owned();
        assert_eq!(choose_alias(&odd, &consumer()), AliasChoice::Known(quoted));
        let list = "    xtask   alias: run --package xtask --\n";
        assert_eq!(
            choose_alias(list, &consumer()),
            AliasChoice::Taken { expansion: "run --package xtask --".to_owned() }
        );
    }

    #[test]
    fn in_this_repository_the_package_is_enough() {
        let ours = OurAlias { manifests: vec!["xtask/Cargo.toml".to_owned()], at_root: true };
        let list = "    xtask   alias: run --quiet --locked --package xtask --\n";
        assert_eq!(choose_alias(list, &ours), AliasChoice::Known(USUAL_ALIAS.to_owned()));
    }

    #[test]
    fn a_plain_configuration_needs_no_question() {
        let template = include_str!("../../../ci-template/cargo-config.toml");
        let name = |config| configured_alias(config, &consumer());
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

    #[test]
    fn the_name_of_a_coverage_configuration_says_which_machine_reads_it() {
        assert_eq!(coverage_architecture("a/coverage_config_x86_64.json"), Some("x86_64"));
        assert_eq!(coverage_architecture("coverage_config_x86_64.json.sample"), None);
    }

    #[test]
    fn every_template_that_is_compared_has_the_mark() {
        for template in [WEEKLY, MONTHLY, PUBLISH, BOOTSTRAP, HOOK] {
            assert!(is_copy(template), "{template}");
        }
    }

    #[test]
    fn what_a_repository_puts_into_a_copy_can_be_taken_out() {
        let text = with_pipeline_options(&with_alias(BOOTSTRAP, "ci-xtask"), "-t a.json");
        assert!(text.contains("\"cargo ci-xtask pipeline -t a.json --upload"), "{text}");
        assert_eq!(pipeline_options(&text), "-t a.json");
        let older = "    command: \"cargo xtask pipeline -t b.json > p.yml && upload p.yml\"\n";
        assert_eq!(pipeline_options(older), "-t b.json");
        assert_eq!(as_shipped(&text, "ci-xtask"), BOOTSTRAP);
    }
}
