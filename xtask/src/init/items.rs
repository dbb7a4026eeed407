//! Pure. Compares each file with what it should be, and decides its new content.

use std::fmt;

use serde_json::Value;

use crate::init::answers::Answers;
use crate::init::facts::{self, Facts, Hook};
use crate::init::predecessor::{self, Conversion};
use crate::plan::consumer::{self, CargoConfig};
use crate::plan::coverage_config::{self, Config};
use crate::plan::inputs::{Evidence, names_predecessor};
use crate::plan::platform::{self, Platform};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Rejected, Source};
use crate::text::{Percent, has_extension, shell, toml};

/// A file that this command is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Relative to the root; hooks are where git keeps them.
    pub(crate) path: String,
    pub(crate) state: State,
    /// What it becomes; `None` leaves it alone.
    pub(crate) text: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum State {
    Current,
    Missing,
    /// It is there without a part of it.
    Lacks(String),
    /// A template as it was in an earlier commit of the submodule.
    Older,
    /// A template that the user changed.
    Edited,
    /// The user's own file in a template's place.
    Own,
    /// Another choice than the file's.
    Other,
    /// It calls the Python tool set; the lines have to be converted by hand.
    Predecessor {
        unconverted: Vec<usize>,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Current => "current",
            State::Missing => "missing",
            State::Lacks(what) => return write!(f, "lacks {what}"),
            State::Older => "older template",
            State::Edited => "edited by you",
            State::Own => "not from the template",
            State::Other => "differs from the given options",
            State::Predecessor { .. } => "relies on the Python tool set",
        })
    }
}

impl Item {
    fn new(path: &str, state: State, text: impl Into<Option<String>>) -> Item {
        Item { path: path.to_owned(), state, text: text.into() }
    }
}

/// Decides about every file.
///
/// # Errors
///
/// Rejects files with invalid content, and those that cannot be changed safely (exit code 2).
pub(crate) fn items(facts: &Facts, answers: &Answers) -> Result<Vec<Item>, Rejected> {
    let found = Diagnostics::default();
    let mut items = Vec::new();
    items.push(config(facts, answers, &found));
    let platforms = platforms(facts, answers, &mut items, &found);
    items.extend(coverage(facts, answers, &platforms));
    items.push(gitignore(facts));
    items.extend(dependabot(facts, answers));
    items.extend(copy(facts, answers, facts::PUBLISH, consumer::PUBLISH, answers.publish));
    items.extend(pipeline_files(facts, answers));
    items.extend(facts.hook.as_ref().and_then(|it| hook(facts, answers, it)));
    items.extend(descriptions(facts, answers, &found));
    for item in items.iter().filter(|item| item.text.is_some()) {
        if item.text.as_ref().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            found.push(Diagnostic::error(format!("`{}` is not UTF-8 text", item.path)));
        }
        if facts.elsewhere.contains(&item.path) {
            let message = format!(
                "`{}` is reached through a symbolic link to outside the repository or into the submodule",
                item.path
            );
            let help = "remove the link, then run this again";
            found.push(Diagnostic::error(message).help(help));
        }
    }
    found.into_warnings()?;
    Ok(items)
}

/// The hook; where it is a link, what it leads to is the user's.
fn hook(facts: &Facts, answers: &Answers, hook: &Hook) -> Option<Item> {
    let item = copy(facts, answers, &hook.path, consumer::HOOK, answers.hooks)?;
    let idle = || State::Lacks("the permission to execute it".to_owned());
    Some(match item.state {
        State::Current if hook.is_not_executable => {
            Item::new(&hook.path, idle(), facts.text(&hook.path).to_owned())
        }
        State::Current => item,
        _ if hook.is_link => Item::new(&hook.path, State::Own, None),
        _ => item,
    })
}

/// Cargo's configuration with the alias.
fn config(facts: &Facts, answers: &Answers, found: &Diagnostics) -> Item {
    let path = facts.config_name();
    let name = &answers.alias;
    if facts.alias().is_some() {
        return Item::new(path, State::Current, None);
    }
    let manifest = format!("{}/xtask/Cargo.toml", facts.checkout);
    let template = consumer::CARGO_CONFIG.trim_start();
    let line = alias_line(template, name, &manifest, facts.host.as_deref());
    let header = template.split_once("xtask =").map_or(template, |(header, _)| header);
    let header = header.replace("`cargo xtask`", &format!("`cargo {name}`"));
    let text = with_alias_line(facts.text(path), &line, &format!("{header}{line}\n"));
    if text.is_none() {
        let message = format!(
            "cannot add the alias `{name}` to `{path}`: its aliases are not in an `[alias]` table"
        );
        let help = format!("add it to the alias table by hand, then run this again: {line}");
        found.push(Diagnostic::error(message).help(help));
    }
    Item::new(path, missing_part(facts, path, format!("the alias `{name}`")), text)
}

/// The state of a file without a part of it.
fn missing_part(facts: &Facts, path: &str, part: String) -> State {
    if facts.files.contains_key(path) { State::Lacks(part) } else { State::Missing }
}

/// The line for the alias table.
///
/// `template` is a configuration with the alias `xtask`; `manifest` is the path that takes the place
/// of the one there; `host` is named where cargo builds for another target unless it is told.
fn alias_line(template: &str, name: &str, manifest: &str, host: Option<&str>) -> String {
    let expansion = CargoConfig::parse(template).unwrap_or_default().aliases.pop();
    let expansion = expansion.unwrap_or_default().1;
    let is_manifest = |word: &str| word.ends_with("Cargo.toml");
    let words = expansion.split_whitespace();
    let mut words: Vec<&str> =
        words.map(|word| if is_manifest(word) { manifest } else { word }).collect();
    words.splice(1..1, host.iter().flat_map(|host| ["--target", host]));
    // Cargo splits a string at white space.
    if shell::quote(manifest) == manifest {
        return format!("{name} = \"{}\"", words.join(" "));
    }
    // TOML takes JSON's strings.
    let words: Vec<String> = words.iter().map(|word| Value::from(*word).to_string()).collect();
    format!("{name} = [{}]", words.join(", "))
}

/// The text with one line more in its alias table. `table` is what is appended where there is none:
/// a header, and the same line. `None` where the table is not written as one: neither
/// `alias = { ... }` nor `alias.name = ...` can be continued by a table.
fn with_alias_line(text: &str, line: &str, table: &str) -> Option<String> {
    let eol = line_ending(text);
    let statements = toml::statements(text).ok()?;
    let is_alias = |path: &[String]| path.first().is_some_and(|name| name == "alias");
    let mut aliases = statements.iter().filter(|statement| is_alias(&statement.path));
    let (at, added) = match aliases.next() {
        None => {
            let is_blank = text.lines().next_back().is_none_or(|line| line.trim().is_empty());
            let gap = if is_blank { "" } else { eol };
            (text.len(), format!("{gap}{}", table.replace('\n', eol)))
        }
        Some(header) if header.path == ["alias"] && header.value.is_none() => {
            // A header below the table, `[alias.x]`, is none of cargo's.
            let entries = aliases.take_while(|entry| entry.value.is_some());
            (entries.last().unwrap_or(header).end, format!("{line}{eol}"))
        }
        Some(_) => return None,
    };
    let (before, after) = text.split_at(at);
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { eol };
    Some(format!("{before}{gap}{added}{after}"))
}

fn platforms(
    facts: &Facts,
    answers: &Answers,
    items: &mut Vec<Item>,
    found: &Diagnostics,
) -> Vec<Platform> {
    let path = facts::PLATFORMS;
    let source = facts.files.get(path).map(|text| Source::new(path, text.as_str()));
    let known = source.map(|source| platform::parse_platform_file(&source, found));
    let wanted = answers.platforms.as_ref().or(known.as_ref());
    let wanted = wanted.map_or(Platform::DEFAULT.to_vec(), Vec::clone);
    let text: String = wanted.iter().flat_map(|platform| [platform.name(), "\n"]).collect();
    items.extend(match known {
        Some(known) if known == wanted => Some(Item::new(path, State::Current, None)),
        Some(_) => Some(Item::new(path, State::Other, text)),
        None => answers.platforms.as_ref().map(|_| Item::new(path, State::Missing, text)),
    });
    wanted
}

/// New configurations at the root: the first time for each platform whose coverage can be measured,
/// later for those where the shipped tests measure it. Where each crate has its own, one at the root
/// would change what they mean; where `tests/coverage` records the score, it would contradict it.
fn coverage(facts: &Facts, answers: &Answers, platforms: &[Platform]) -> Vec<Item> {
    let is_config = |path: &&String| consumer::coverage_architecture(path).is_some();
    let mut configs = facts.names.iter().filter(is_config).peekable();
    let is_elsewhere = configs.peek().is_some() && configs.all(|path| path.contains('/'));
    if is_elsewhere || facts.names.contains("tests/coverage") || !facts.names.contains("Cargo.toml")
    {
        return Vec::new();
    }
    // What was recorded for one architecture is the best guess for another.
    let recorded = recorded(facts);
    let text = recorded.unwrap_or("{\n  \"coverage_score\": 0,\n  \"exclude_path\": \"\"\n}\n");
    let text = with_score(text, answers.coverage_score.as_deref());
    let is_wanted = |platform: &&Platform| {
        !platform.is_emulated() && (recorded.is_none() || facts.measured.contains(platform))
    };
    let measured = platforms.iter().filter(is_wanted);
    let measured = measured.map(|platform| coverage_config::file_name(platform.name()));
    let item = |path: String| {
        let is_there = facts.files.contains_key(&path);
        let state = if is_there { State::Current } else { State::Missing };
        Item::new(&path, state, (!is_there).then(|| text.clone()))
    };
    measured.map(item).collect()
}

/// A coverage configuration with another score, where one is given.
fn with_score(text: &str, score: Option<&str>) -> String {
    let percent = score.and_then(Percent::from_text);
    let config = Config::parse(&Source::new("", text), &Diagnostics::default());
    let new = config.score.zip(percent).map(|(number, percent)| number.replace(text, percent));
    new.unwrap_or_else(|| text.to_owned())
}

/// A coverage configuration at the root.
fn recorded(facts: &Facts) -> Option<&str> {
    let mut files = facts.files.iter();
    let (_, text) = files.find(|(path, _)| consumer::coverage_architecture(path).is_some())?;
    Some(text)
}

/// The architectures whose new configuration records what has to be measured.
pub(crate) fn unmeasured<'a>(facts: &Facts, answers: &Answers, items: &'a [Item]) -> Vec<&'a str> {
    let is_open = answers.coverage_score.is_none() && recorded(facts).is_none();
    let new = items.iter().filter(|item| is_open && item.text.is_some());
    new.filter_map(|item| consumer::coverage_architecture(&item.path)).collect()
}

fn gitignore(facts: &Facts) -> Item {
    const LINE: &str = "/target";
    let path = facts::GITIGNORE;
    let text = facts.text(path);
    if facts.ignores_target {
        return Item::new(path, State::Current, None);
    }
    let eol = line_ending(text);
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { eol };
    let state = missing_part(facts, path, format!("`{LINE}`"));
    Item::new(path, state, format!("{text}{gap}{LINE}{eol}"))
}

fn line_ending(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn dependabot(facts: &Facts, answers: &Answers) -> Option<Item> {
    let template = answers.dependabot?;
    let existing = facts::DEPENDABOT.into_iter().find(|path| facts.files.contains_key(*path));
    let path = existing.unwrap_or(facts::DEPENDABOT[0]);
    let other = if template == consumer::WEEKLY { consumer::MONTHLY } else { consumer::WEEKLY };
    let copy_of = |template| consumer::with_alias(template, &answers.alias);
    if consumer::is_same(facts.text(path), &copy_of(other)) {
        return Some(Item::new(path, State::Other, copy_of(template)));
    }
    copy(facts, answers, path, template, true)
}

/// A copy of a template, which is made if it is wanted and missing.
fn copy(
    facts: &Facts,
    answers: &Answers,
    path: &str,
    template: &str,
    is_wanted: bool,
) -> Option<Item> {
    let template = consumer::with_alias(template, &answers.alias);
    let Some(text) = facts.files.get(path) else {
        return is_wanted.then(|| Item::new(path, State::Missing, template));
    };
    let is_replaced = is_wanted && answers.overwrite;
    let (state, is_written) = match () {
        () if consumer::is_same(text, &template) => (State::Current, false),
        () if facts.older.contains(path) => (State::Older, true),
        () if consumer::is_copy(text) => (State::Edited, is_replaced),
        () => (State::Own, is_replaced),
    };
    Some(Item::new(path, state, is_written.then_some(template)))
}

/// The bootstrap step where it is kept in the repository, or the generator of the Python tool set.
fn pipeline_files(facts: &Facts, answers: &Answers) -> Vec<Item> {
    let bootstrap = consumer::with_alias(consumer::BOOTSTRAP, &answers.alias);
    let mut items = Vec::new();
    if answers.bootstrap && !facts.files.contains_key(facts::PIPELINE) {
        items.push(Item::new(facts::PIPELINE, State::Missing, bootstrap.clone()));
    }
    let is_pipeline =
        |path: &str| path.contains(".buildkite/") && has_extension(path, &["yml", "yaml"]);
    for (path, text) in facts.files.iter().filter(|(path, _)| is_pipeline(path)) {
        if let Some(conversion) = predecessor::pipeline_file(text, &bootstrap) {
            items.extend(former(answers, path, text, conversion));
        } else if consumer::is_copy(text) || facts.older.contains(path) {
            let options = consumer::pipeline_options(text);
            let template = consumer::with_pipeline_options(consumer::BOOTSTRAP, options);
            items.extend(copy(facts, answers, path, &template, true));
        }
    }
    items
}

/// Test descriptions that call the Python tool set, or that relied on its default timeout.
fn descriptions(facts: &Facts, answers: &Answers, found: &Diagnostics) -> Vec<Item> {
    let evidence = Evidence {
        has_alias: facts.alias().is_some(),
        is_committed: facts.is_committed,
        is_named: facts.calls_predecessor(),
    };
    let relied = answers.convert == Some(true) || evidence.of_predecessor();
    let own = facts.descriptions().filter(|(path, _)| !facts.links.contains_key(*path));
    let mut items = Vec::new();
    for (path, text) in own.filter(|_| answers.convert != Some(false)) {
        let source = Source::new(path.as_str(), text.as_str());
        // A file that cannot be read and has nothing to convert is not this command's business.
        let ignored = Diagnostics::default();
        let found = if names_predecessor(text) { found } else { &ignored };
        let conversion = predecessor::description(&source, relied, facts, found);
        items.extend(conversion.and_then(|it| former(answers, path, text, it)));
    }
    items
}

fn former(answers: &Answers, path: &str, old: &str, conversion: Conversion) -> Option<Item> {
    let Conversion { text, left } = conversion;
    let (is_changed, is_open) = (text != old, !left.is_empty());
    let text = (is_changed && answers.convert != Some(false)).then_some(text);
    let state = if names_predecessor(old) {
        State::Predecessor { unconverted: left }
    } else {
        State::Lacks("the timeout of 15 minutes that its tests had".to_owned())
    };
    (is_changed || is_open).then(|| Item::new(path, state, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::init::Mode;
    use crate::init::facts::Hook;
    use expect_test::{Expect, expect};

    fn repository(files: &[(&str, &str)]) -> Facts {
        let files: Vec<_> = [("Cargo.toml", ""), (facts::GITIGNORE, "/target\n")]
            .iter()
            .chain(files)
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let config = files.iter().find(|(name, _)| name == facts::CONFIG);
        Facts {
            checkout: "rust-vmm-ci".to_owned(),
            names: files.iter().map(|(name, _)| name.clone()).collect(),
            cargo_config: CargoConfig::parse(config.map_or("", |(_, text)| text)).unwrap(),
            files: files.into_iter().collect(),
            hook: Some(Hook { path: ".git/hooks/commit-msg".to_owned(), ..Hook::default() }),
            measured: vec![Platform::X86_64],
            is_publishable: true,
            ignores_target: true,
            ..Facts::default()
        }
    }

    fn decide(facts: &Facts, change: impl FnOnce(&mut Answers)) -> Result<Vec<Item>, Rejected> {
        let mut answers = Answers::defaults(facts, Mode::Yes);
        change(&mut answers);
        items(facts, &answers)
    }

    fn describe(items: &[Item]) -> String {
        let line = |Item { path, state, text, .. }: &Item| {
            let becomes = if text.is_some() { "written" } else { "left" };
            format!("{path}: {state}, {becomes}")
        };
        items.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    fn check(facts: &Facts, change: impl FnOnce(&mut Answers), want: &Expect) {
        want.assert_eq(&match decide(facts, change) {
            Ok(items) => describe(&items),
            Err(problem) => problem.to_string(),
        });
    }

    #[test]
    fn a_new_consumer_gets_every_file() {
        check(
            &repository(&[]),
            |_| (),
            &expect![[r"
                .cargo/config.toml: missing, written
                .platform: missing, written
                coverage_config_x86_64.json: missing, written
                coverage_config_aarch64.json: missing, written
                .gitignore: current, left
                .github/dependabot.yml: missing, written
                .github/workflows/publish.yml: missing, written
                .git/hooks/commit-msg: missing, written"]],
        );
    }

    #[test]
    fn what_was_written_needs_no_second_time() {
        let mut facts = repository(&[]);
        let first = decide(&facts, |answers| answers.bootstrap = true).unwrap();
        for item in first {
            facts.names.insert(item.path.clone());
            facts.files.extend(item.text.map(|text| (item.path, text)));
        }
        facts.cargo_config = CargoConfig::parse(&facts.files[facts::CONFIG]).unwrap();
        let second = decide(&facts, |_| ()).unwrap();
        assert!(second.iter().all(|item| item.state == State::Current), "{}", describe(&second));
        assert_eq!(second.len(), 8);
    }

    #[test]
    fn files_of_the_users_stay_unless_they_may_be_replaced() {
        let edited = consumer::WEEKLY.replace("monday", "friday");
        let mut facts = repository(&[
            (facts::DEPENDABOT[1], &edited),
            (facts::PUBLISH, "on: push\n"),
            (".git/hooks/commit-msg", "#!/bin/sh\n"),
        ]);
        let files = |items: &[Item]| describe(&items[items.len() - 3..]);
        let kept = files(&decide(&facts, |_| ()).unwrap());
        expect![[r"
            .github/dependabot.yaml: edited by you, left
            .github/workflows/publish.yml: not from the template, left
            .git/hooks/commit-msg: not from the template, left"]]
        .assert_eq(&kept);
        let replaced = files(&decide(&facts, |answers| answers.overwrite = true).unwrap());
        assert_eq!(replaced, kept.replace("left", "written"));
        facts.older.insert(facts::PUBLISH.to_owned());
        let updated = files(&decide(&facts, |_| ()).unwrap());
        assert!(updated.contains("publish.yml: older template, written"), "{updated}");
    }

    #[test]
    fn another_interval_replaces_an_unchanged_copy() {
        let facts = repository(&[(facts::DEPENDABOT[0], consumer::MONTHLY)]);
        let of = |items: Vec<Item>| items.into_iter().find(|it| it.path == facts::DEPENDABOT[0]);
        assert_eq!(of(decide(&facts, |_| ()).unwrap()).unwrap().state, State::Current);
        let weekly = decide(&facts, |answers| answers.dependabot = Some(consumer::WEEKLY)).unwrap();
        assert_eq!(of(weekly).unwrap().text.as_deref(), Some(consumer::WEEKLY));
        assert_eq!(of(decide(&facts, |it| it.dependabot = None).unwrap()), None);
    }

    #[test]
    fn a_configuration_of_each_crate_is_not_overruled_by_one_at_the_root() {
        let coverage = |files: &[(&str, &str)]| {
            let items = decide(&repository(files), |_| ()).unwrap();
            describe(&items).lines().filter(|line| line.contains("coverage")).count()
        };
        assert_eq!(coverage(&[]), 2);
        assert_eq!(coverage(&[("a/coverage_config_x86_64.json", "{}")]), 0);
        assert_eq!(coverage(&[("tests/coverage", "85")]), 0);
        assert_eq!(coverage(&[(facts::PLATFORMS, "x86_64\nriscv64\n")]), 1);
        let both = [("coverage_config_x86_64.json", "{}"), ("a/coverage_config_x86_64.json", "{}")];
        assert_eq!(coverage(&both), 1);
    }

    #[test]
    fn what_cannot_be_changed_without_doubt_is_all_reported_at_once() {
        let mut facts = repository(&[
            (facts::CONFIG, "alias = { b = \"build\" }\n"),
            (facts::PLATFORMS, "x86-64\n"),
            (".buildkite/a.json", "test_run.py\n"),
            (".buildkite/other.json", "{\n"),
        ]);
        facts.elsewhere.insert(facts::DEPENDABOT[0].to_owned());
        check(
            &facts,
            |_| (),
            &expect![[r#"
                error: cannot add the alias `xtask` to `.cargo/config.toml`: its aliases are not in an `[alias]` table
                help: add it to the alias table by hand, then run this again: xtask = "run --locked --target-dir target/xtask --manifest-path rust-vmm-ci/xtask/Cargo.toml --"
                error: `.github/dependabot.yml` is reached through a symbolic link to outside the repository or into the submodule
                help: remove the link, then run this again
                .platform:1:1: error: unknown platform `x86-64`, did you mean `x86_64`?
                 1 | x86-64
                   | ^
                .buildkite/a.json:1:2: error: not valid JSON: expected ident
                 1 | test_run.py
                   |  ^"#]],
        );
    }

    #[test]
    fn the_python_tool_set_is_converted_unless_told_otherwise() {
        let pytest = r#"{"tests": [{"test_name": "b", "command": "pytest x/test_benchmark.py"}]}"#;
        let plain = r#"{"tests": [{"test_name": "b", "command": "true"}]}"#;
        let generator = "steps:\n  - command: \"x/autogenerate_pipeline.py | buildkite-agent pipeline upload\"\n";
        let files = [
            (".buildkite/b.json", pytest),
            (".buildkite/c.json", plain),
            (".buildkite/p.yml", generator),
            (".buildkite/windows.yml", "steps: []\n"),
        ];
        let former = |facts: &Facts, change: fn(&mut Answers)| {
            let text = describe(&decide(facts, change).unwrap());
            text.lines().filter(|line| line.contains(".buildkite")).collect::<Vec<_>>().join("\n")
        };
        expect![[r"
            .buildkite/p.yml: relies on the Python tool set, written
            .buildkite/b.json: relies on the Python tool set, written
            .buildkite/c.json: lacks the timeout of 15 minutes that its tests had, written"]]
        .assert_eq(&former(&repository(&files), |_| ()));
        assert!(!former(&repository(&files), |it| it.convert = Some(false)).contains("written"));
        // Once this tool is in use, five minutes are what a description asks for.
        let config = "[alias]\nxtask = \"run --manifest-path rust-vmm-ci/xtask/Cargo.toml\"\n";
        let files = [&files[..], &[(facts::CONFIG, config)]].concat();
        assert!(!former(&repository(&files), |_| ()).contains("c.json"));
    }

    #[test]
    fn every_text_says_the_name_of_the_alias() {
        let mut facts = repository(&[]);
        facts.crates.push(("xtask".to_owned(), "xtask".to_owned()));
        let items = decide(&facts, |answers| answers.bootstrap = true).unwrap();
        for item in items {
            assert!(!item.text.unwrap_or_default().contains("cargo xtask"), "{}", item.path);
        }
    }

    const TEMPLATE: &str = "[alias]\nxtask = \"run --locked --manifest-path ci/Cargo.toml --\"\n";

    #[track_caller]
    fn check_alias(text: &str, want: &Expect) {
        let new = with_alias_line(text, "xtask = \"x\"", "# OurAlias.\n[alias]\nxtask = \"x\"\n");
        want.assert_eq(&new.unwrap_or_else(|| "by hand\n".to_owned()));
    }

    #[test]
    fn a_table_gets_one_line_after_its_last() {
        check_alias(
            "[alias] # short\nb = \"build\"\n\n# Why.\n[build]\njobs = 1\n",
            &expect![[r#"
                [alias] # short
                b = "build"
                xtask = "x"

                # Why.
                [build]
                jobs = 1
            "#]],
        );
        check_alias(
            "[alias]\nb = [\n  \"build\",\n]\nc = [\n\"check\"]",
            &expect![[r#"
                [alias]
                b = [
                  "build",
                ]
                c = [
                "check"]
                xtask = "x"
            "#]],
        );
        check_alias(
            "[alias]\nb = [\n  [\"build\"]\n]\n",
            &expect![[r#"
                [alias]
                b = [
                  ["build"]
                ]
                xtask = "x"
            "#]],
        );
        assert_eq!(
            with_alias_line("[alias]\r\nb = \"b\"\r\n", "x = \"y\"", "").unwrap(),
            "[alias]\r\nb = \"b\"\r\nx = \"y\"\r\n"
        );
    }

    #[test]
    fn a_text_without_the_table_gets_one_at_its_end() {
        check_alias(
            "",
            &expect![[r#"
                # OurAlias.
                [alias]
                xtask = "x"
            "#]],
        );
        assert!(with_alias_line("a = 1\n\n", "", "[alias]\n").unwrap().ends_with("1\n\n[alias]\n"));
        check_alias(
            "[build]\njobs = 1",
            &expect![[r#"
                [build]
                jobs = 1

                # OurAlias.
                [alias]
                xtask = "x"
            "#]],
        );
    }

    #[test]
    fn a_header_in_a_string_is_text() {
        check_alias(
            "a = \"\"\"\n[alias]\n\"\"\"\n",
            &expect![[r#"
                a = """
                [alias]
                """

                # OurAlias.
                [alias]
                xtask = "x"
            "#]],
        );
    }

    #[test]
    fn what_is_in_doubt_is_left_to_the_user() {
        for text in [
            "alias = { b = \"build\" }\n",
            "alias = {}\n",
            "alias.b = \"build\"\n",
            "[alias.b]\nc = 1\n",
            "[alias\n",
        ] {
            check_alias(text, &expect!["by hand\n"]);
        }
    }

    #[test]
    fn the_line_names_the_manifest_and_where_it_is_needed_the_host() {
        assert_eq!(
            alias_line(TEMPLATE, "ci-xtask", "tools/ci/Cargo.toml", None),
            r#"ci-xtask = "run --locked --manifest-path tools/ci/Cargo.toml --""#
        );
        assert_eq!(
            alias_line(TEMPLATE, "xtask", "a \"b\"/Cargo.toml", Some("x86_64-unknown-linux-gnu")),
            r#"xtask = ["run", "--target", "x86_64-unknown-linux-gnu", "--locked", "--manifest-path", "a \"b\"/Cargo.toml", "--"]"#
        );
    }
}
