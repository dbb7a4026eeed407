//! Pure. What a consumer's repository has of this tool: the submodule, the cargo alias, the files that
//! `init` copies, and the coverage configurations; and the toolchain that has to build it.

use std::collections::BTreeMap;

use crate::text::diagnostic::Diagnostic;
use crate::text::{shell, toml};

/// Where this repository is in the consumer's, relative to its root: `inside` if it is there, else
/// the submodule of `.gitmodules` whose path or URL ends in our name, else our name.
pub(crate) fn checkout_path(inside: Option<&str>, gitmodules: Option<&str>) -> String {
    const NAME: &str = "rust-vmm-ci";
    if let Some(path) = inside.filter(|path| !path.is_empty()) {
        return path.to_owned();
    }
    for section in gitmodules.unwrap_or_default().split("[submodule ").skip(1) {
        let pairs = section.lines().filter_map(|line| line.split_once('='));
        let values: BTreeMap<&str, &str> =
            pairs.map(|(key, value)| (key.trim(), value.trim().trim_end_matches('/'))).collect();
        let is_ours = |key: &&str| {
            values.get(key).is_some_and(|it| it.trim_end_matches(".git").ends_with(NAME))
        };
        let path = values.get("path").filter(|_| ["path", "url"].iter().any(is_ours));
        if let Some(path) = path {
            return (*path).to_owned();
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
        let is_separator = |c: char| c.is_whitespace() || c == '=';
        // A path may have white space, which cargo shows as it is.
        let is_ours = |rest: &str| {
            let path = rest.trim_start_matches(is_separator).trim_start_matches("./");
            let after = self.manifests.iter().find_map(|ours| path.strip_prefix(ours));
            after.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        if let Some((_, rest)) = expansion.split_once("--manifest-path") {
            return is_ours(rest);
        }
        let words = cargo_words(expansion);
        let is_xtask = |pair: &[&str]| ["-p", "--package"].contains(&pair[0]) && pair[1] == "xtask";
        self.at_root && words.windows(2).any(is_xtask)
    }
}

/// The words of an alias that are cargo's own, as it splits one string, with `--option=value` in two.
pub(crate) fn cargo_words(expansion: &str) -> Vec<&str> {
    let words = expansion.split(|c: char| c.is_whitespace() || c == '=');
    words.filter(|word| !word.is_empty()).take_while(|word| *word != "--").collect()
}

/// What a cargo configuration says about aliases and the target.
#[derive(Debug, Default)]
pub(crate) struct CargoConfig {
    /// Each with what it stands for, as one line.
    pub(crate) aliases: Vec<(String, String)>,
    /// What cargo builds for unless it is told; empty is the host.
    pub(crate) targets: Vec<String>,
}

impl CargoConfig {
    /// The error is the byte at which a line starts that is not TOML.
    pub(crate) fn parse(text: &str) -> Result<CargoConfig, usize> {
        let mut config = CargoConfig::default();
        for statement in toml::statements(text)? {
            let Some(value) = statement.value else { continue };
            match statement.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["alias", name] => {
                    config.aliases.push((name.to_owned(), toml::strings(value).join(" ")));
                }
                ["build", "target"] => config.targets = toml::strings(value),
                _ => (),
            }
        }
        Ok(config)
    }

    /// The host in the compiler's version, if cargo cannot run there what it builds.
    pub(crate) fn foreign_host(&self, version: &str) -> Option<String> {
        let host = version.lines().find_map(|line| line.strip_prefix("host: "))?;
        // A host with glibc runs what is built for musl.
        let without_abi = |target: &str| target.rsplit_once('-').map(|it| it.0.to_owned());
        let is_native = match self.targets.as_slice() {
            [] => true,
            [target] if target == "host-tuple" || target == host => true,
            [target] => without_abi(target).is_some_and(|it| Some(it) == without_abi(host)),
            // Cargo runs nothing that it builds for several.
            _ => false,
        };
        (!is_native).then(|| host.to_owned())
    }
}

/// The aliases among the commands that `cargo --list` prints, each with what it stands for.
pub(crate) fn listed_aliases(cargo_list: &str) -> Vec<(String, String)> {
    let alias = |line: &str| {
        let (name, rest) = line.trim().split_once(char::is_whitespace)?;
        Some((name.to_owned(), rest.trim().strip_prefix("alias: ")?.to_owned()))
    };
    cargo_list.lines().filter_map(alias).collect()
}

/// The alias for this tool that a cargo configuration decides about, to save asking cargo: one further
/// up may have what is not named here.
pub(crate) fn configured_alias(
    cargo_config: &str,
    ours: &OurAlias,
    checkout: &str,
) -> Option<Alias> {
    let aliases = CargoConfig::parse(cargo_config).ok()?.aliases;
    let has_usual = aliases.iter().any(|(name, _)| name == "xtask");
    let alias = choose_alias(&aliases, ours, checkout);
    Some(alias).filter(|alias| has_usual && alias.problem.is_none())
}

/// How this tool is called.
#[derive(Debug)]
pub(crate) struct Alias {
    /// The command line, a guess where there is a problem.
    pub(crate) command: String,
    /// The name and what it stands for; empty if no alias calls this tool.
    pub(crate) entry: (String, String),
    /// Why no alias calls this tool, and how to add one.
    pub(crate) problem: Option<Diagnostic>,
}

impl Default for Alias {
    fn default() -> Alias {
        Alias { command: USUAL_ALIAS.to_owned(), entry: Default::default(), problem: None }
    }
}

/// Decides which of cargo's aliases to use. `checkout` is where this repository is in the consumer's.
pub(crate) fn choose_alias(aliases: &[(String, String)], ours: &OurAlias, checkout: &str) -> Alias {
    let own = aliases.iter().filter(|(_, expansion)| ours.is_named_by(expansion));
    if let Some(entry) = own.min_by_key(|(name, _)| name != "xtask") {
        let command = format!("cargo {}", shell::quote_for_upload(&entry.0));
        return Alias { command, entry: entry.clone(), problem: None };
    }
    let (message, alias) = match aliases.iter().find(|(name, _)| name == "xtask") {
        Some((_, expansion)) => (
            format!(
                "`{USUAL_ALIAS}` is an alias of another tool (`{expansion}`), and none points to \
                 this one"
            ),
            "one of another name, for example `ci-xtask`,",
        ),
        None => {
            (format!("no cargo alias points to this tool; steps will use `{USUAL_ALIAS}`"), "one")
        }
    };
    let problem = Diagnostic::error(message).help(format!(
        "add {alias} with `cargo run --locked --target-dir target/xtask --manifest-path {} -- init`",
        shell::quote(&format!("{checkout}/xtask/Cargo.toml"))
    ));
    Alias { problem: Some(problem), ..Alias::default() }
}

pub(crate) const CARGO_CONFIG: &str = include_str!("../../../ci-template/cargo-config.toml");
pub(crate) const WEEKLY: &str = include_str!("../../../ci-template/dependabot-weekly.yml");
pub(crate) const MONTHLY: &str = include_str!("../../../ci-template/dependabot-monthly.yml");
pub(crate) const PUBLISH: &str = include_str!("../../../ci-template/publish.yml");
pub(crate) const BOOTSTRAP: &str = include_str!("../../../ci-template/bootstrap.yml");
pub(crate) const HOOK: &str = include_str!("../../../ci-template/commit-msg");

/// What every copy of a template has in its first lines. A file without it is not compared.
const MARK: &str = "Copied from rust-vmm-ci/ci-template/";

/// The files that are copied into a repository, by their names in `ci-template/`.
const TEMPLATES: [(&str, &str); 5] = [
    ("dependabot-weekly.yml", WEEKLY),
    ("dependabot-monthly.yml", MONTHLY),
    ("publish.yml", PUBLISH),
    ("bootstrap.yml", BOOTSTRAP),
    ("commit-msg", HOOK),
];

/// Whether a text says that it was copied from a template.
pub(crate) fn is_copy(text: &str) -> bool {
    template_name(text).is_some()
}

fn template_name(text: &str) -> Option<&str> {
    let (_, rest) = text.lines().take(5).find_map(|line| line.split_once(MARK))?;
    // A sentence goes on after it.
    Some(rest.split_whitespace().next().unwrap_or_default().trim_end_matches('.'))
}

/// Whether a text is a template. Git may have converted the ends of lines.
pub(crate) fn is_same(text: &str, template: &str) -> bool {
    with_line_feeds(text) == template
}

fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// Whether a text was copied from a template and would not be copied so now.
pub(crate) fn is_stale_copy(text: &str, alias: &str) -> bool {
    as_copied_now(text, alias).is_some_and(|now| !is_same(text, &now))
}

/// What a text that was copied from a template would be now.
fn as_copied_now(text: &str, alias: &str) -> Option<String> {
    let name = template_name(text)?;
    let (_, template) = TEMPLATES.into_iter().find(|(it, _)| *it == name)?;
    Some(with_pipeline_options(&with_alias(template, alias), pipeline_options(text)))
}

/// A template for a repository where cargo knows this tool by another name.
pub(crate) fn with_alias(template: &str, alias: &str) -> String {
    template.replace("cargo xtask ", &format!("cargo {alias} "))
}

/// A copy without what the repository puts into it, to find it among the versions of a template. Its
/// first lines name the alias that it was made for.
pub(crate) fn as_shipped(text: &str) -> String {
    let first = text.split_once("`cargo ").and_then(|(_, rest)| rest.split_once(" init`"));
    let alias = first.map_or("xtask", |(alias, _)| alias);
    let text = with_line_feeds(text).replace(&format!("cargo {alias} "), "cargo xtask ");
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

    /// The command line, or why it is a guess.
    fn chosen(cargo_list: &str, ours: &OurAlias) -> String {
        let Alias { command, problem, .. } = choose_alias(&listed_aliases(cargo_list), ours, "ci");
        assert!(problem.is_none() || command == USUAL_ALIAS, "{command}");
        problem.map_or(command, |problem| problem.message)
    }

    #[test]
    fn the_alias_that_is_ours_is_used_whatever_its_name() {
        assert_eq!(
            chosen("    build    Compile\n", &consumer()),
            "no cargo alias points to this tool; steps will use `cargo xtask`"
        );
        assert_eq!(chosen(&format!("    ci-xtask   {OURS}\n"), &consumer()), "cargo ci-xtask");
        assert_eq!(chosen(&format!("    xtask   {OURS}\n"), &consumer()), "cargo xtask");
        let two = format!("    a   {OURS}\n    xtask   {OURS}\n");
        assert_eq!(chosen(&two, &consumer()), "cargo xtask");
    }

    #[test]
    fn another_alias_is_used_where_xtask_is_another_tools() {
        let list = format!(
            "    b      alias: build\n    ci-xtask   {OURS}\n    xtask   alias: run --package xtask --\n"
        );
        assert_eq!(chosen(&list, &consumer()), "cargo ci-xtask");
        let odd = format!("    $(touch${{IFS}}CANARY)   {OURS}\n");
        assert_eq!(chosen(&odd, &consumer()), "cargo '$$(touch$${IFS}CANARY)'");
        assert_eq!(
            chosen("    xtask   alias: run --package xtask --\n", &consumer()),
            "`cargo xtask` is an alias of another tool (`run --package xtask --`), and none points to this one"
        );
    }

    #[test]
    fn cargo_runs_what_it_builds_for_one_target_of_the_hosts_kind() {
        let is_native = |targets: &[&str]| {
            let targets = targets.iter().map(|target| (*target).to_owned()).collect();
            let config = CargoConfig { targets, ..CargoConfig::default() };
            config.foreign_host("rustc 1\nhost: x86_64-unknown-linux-gnu\n").is_none()
        };
        assert!(is_native(&[]));
        for target in ["x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "host-tuple"] {
            assert!(is_native(&[target]), "{target}");
        }
        for target in ["x86_64-unknown-none", "aarch64-unknown-linux-gnu", "x86_64.json"] {
            assert!(!is_native(&[target]), "{target}");
        }
        assert!(!is_native(&["host-tuple", "x86_64-unknown-linux-gnu"]));
    }

    #[test]
    fn in_this_repository_the_package_is_enough() {
        let ours = OurAlias { manifests: vec!["xtask/Cargo.toml".to_owned()], at_root: true };
        let list = "    xtask   alias: run --quiet --locked --package xtask --\n";
        assert_eq!(chosen(list, &ours), "cargo xtask");
    }

    #[test]
    fn a_configuration_with_xtask_needs_no_question() {
        let name = |config| configured_alias(config, &consumer(), "ci").map(|alias| alias.command);
        assert_eq!(name(CARGO_CONFIG).as_deref(), Some("cargo xtask"));
        let list =
            "[alias]\nxtask = [\"run\", \"--manifest-path=rust-vmm-ci/xtask/Cargo.toml\", \"--\"]";
        assert_eq!(name(list).as_deref(), Some("cargo xtask"));
        let wide = "[alias]\nxtask = \"run\t --manifest-path  rust-vmm-ci/xtask/Cargo.toml --\"";
        assert_eq!(name(wide).as_deref(), Some("cargo xtask"));
        let other = "ci-xtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml --\"\n";
        let taken = format!("[alias]\nxtask = \"run -p xtask --\"\n{other}");
        assert_eq!(name(&taken).as_deref(), Some("cargo ci-xtask"));
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
        for (name, template) in TEMPLATES {
            assert_eq!(template_name(template), Some(name));
            let copy = with_pipeline_options(&with_alias(template, "ci-xtask"), "-t a.json");
            assert_eq!(as_copied_now(&copy, "ci-xtask").as_deref(), Some(&*copy));
            assert_ne!(as_copied_now(&format!("{copy}# more\n"), "ci-xtask"), None);
        }
        assert_eq!(as_copied_now("on: push\n", "xtask"), None);
    }

    #[test]
    fn what_a_repository_puts_into_a_copy_can_be_taken_out() {
        let text = with_pipeline_options(&with_alias(BOOTSTRAP, "ci-xtask"), "-t a.json");
        assert!(text.contains("\"cargo ci-xtask pipeline -t a.json --upload"), "{text}");
        assert_eq!(pipeline_options(&text), "-t a.json");
        let older = "    command: \"cargo xtask pipeline -t b.json > p.yml && upload p.yml\"\n";
        assert_eq!(pipeline_options(older), "-t b.json");
        assert_eq!(as_shipped(&text), BOOTSTRAP);
    }
}
