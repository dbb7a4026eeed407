//! Pure. What the user wants: the defaults, the options of the command line, and what is asked.

use crate::cli::init::{Key, Mode};
use crate::init::facts::{DEPENDABOT, Facts, HooksDir, PLATFORMS, PUBLISH};
use crate::plan::consumer::{MONTHLY, WEEKLY};
use crate::plan::platform::Platform;
use crate::text::Percent;
use crate::text::diagnostic::{Diagnostic, Rejected};
use crate::text::nearest;

#[expect(clippy::struct_excessive_bools, reason = "each is the answer to a question of its own")]
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    /// The name of the alias: the one that is there, or a new one.
    pub(crate) alias: String,
    /// `None` leaves the platform file alone.
    pub(crate) platforms: Option<Vec<Platform>>,
    /// What a new configuration records, as it is written into the file; `None` is what is measured.
    pub(crate) coverage_score: Option<String>,
    /// The template of the file; `None` is no file of ours.
    pub(crate) dependabot: Option<&'static str>,
    pub(crate) publish: bool,
    pub(crate) hooks: bool,
    pub(crate) bootstrap: bool,
    /// A conversion that was asked for is made although this tool is in use already.
    pub(crate) convert: Option<bool>,
    pub(crate) overwrite: bool,
}

/// How often Dependabot looks for updates, with the template of each.
const INTERVALS: [(&str, Option<&str>); 3] =
    [("weekly", Some(WEEKLY)), ("monthly", Some(MONTHLY)), ("none", None)];

/// The answer that has the coverage measured.
pub(crate) const MEASURE: &str = "measure";

/// A question, and what an empty answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) key: Key,
    pub(crate) text: String,
    pub(crate) default: String,
}

impl Answers {
    /// What `--yes` does. With `--check`, optional files that do not exist are not expected.
    pub(crate) fn defaults(facts: &Facts, mode: Mode) -> Answers {
        let is_check = mode == Mode::Check;
        let has = |name: &str| facts.files.contains_key(name);
        let dependabot = DEPENDABOT.into_iter().find_map(|name| facts.files.get(name));
        Answers {
            alias: facts.alias().map_or_else(|| facts.free_alias(), str::to_owned),
            platforms: (!is_check && !has(PLATFORMS)).then(|| Platform::DEFAULT.to_vec()),
            coverage_score: None,
            dependabot: match dependabot {
                Some(text) if !text.contains("weekly") => Some(MONTHLY),
                None if is_check => None,
                _ => Some(WEEKLY),
            },
            publish: has(PUBLISH)
                || (!is_check && facts.is_publishable && facts.publishers().is_empty()),
            hooks: facts
                .hook
                .as_ref()
                .is_some_and(|hook| has(&hook.path) || (!is_check && hook.dir != HooksDir::Shared)),
            bootstrap: false,
            convert: None,
            overwrite: false,
        }
    }

    /// Applies the options of the command line.
    ///
    /// # Errors
    ///
    /// Rejects every value that cannot be used, with its option (exit code 2).
    pub(crate) fn apply(&mut self, facts: &Facts, given: &[(Key, String)]) -> Result<(), Rejected> {
        let problem = |(key, text): &(Key, String)| {
            let problem = self.set(facts, *key, text).err()?;
            let (name, _) = Key::NAMED.iter().find(|(_, it)| it == key)?;
            Some(Diagnostic::error(format!("`{name}`: {problem}")))
        };
        let problems: Vec<Diagnostic> = given.iter().filter_map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Rejected(problems)) }
    }

    /// Applies one answer, of the command line or typed. The error says what is wrong with it.
    pub(crate) fn set(&mut self, facts: &Facts, key: Key, text: &str) -> Result<(), String> {
        let text = text.trim();
        match key {
            Key::Alias => self.alias = facts.alias_named(text)?,
            Key::Platforms => self.platforms = Some(platforms(text)?),
            Key::CoverageScore => self.coverage_score = score(text)?,
            Key::Dependabot => self.dependabot = nearest::choose("interval", text, &INTERVALS)?,
            Key::Publish => self.publish = boolean(text)?,
            Key::Hooks => self.hooks = boolean(text)?,
            Key::Bootstrap => self.bootstrap = boolean(text)?,
            Key::Convert => self.convert = Some(boolean(text)?),
            Key::Overwrite => self.overwrite = boolean(text)?,
        }
        Ok(())
    }

    /// What is asked on a terminal: choices that the command line has not made.
    pub(crate) fn questions(&self, facts: &Facts, given: &[(Key, String)]) -> Vec<Question> {
        let mut questions = Vec::new();
        let mut ask = |key: Key, text: String, default: String| {
            if given.iter().all(|(it, _)| *it != key) {
                questions.push(Question { key, text, default });
            }
        };
        let yes_or_no = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
        if facts.alias().is_none() && self.alias != "xtask" {
            let text = "name of the cargo alias for this tool (`xtask` is taken)";
            ask(Key::Alias, text.to_owned(), self.alias.clone());
        }
        if self.platforms.is_some() {
            let text = "platforms to test (x86_64, aarch64, riscv64)".to_owned();
            ask(Key::Platforms, text, "x86_64,aarch64".to_owned());
        }
        if !DEPENDABOT.iter().any(|name| facts.files.contains_key(*name)) {
            let text = "Dependabot updates (weekly, monthly, none)".to_owned();
            ask(Key::Dependabot, text, "weekly".to_owned());
        }
        if !facts.files.contains_key(PUBLISH) {
            let publishers = match facts.publishers().as_slice() {
                [] => String::new(),
                [one] => format!(" ({one} publishes already)"),
                others => format!(" ({} publish already)", others.join(", ")),
            };
            let text = format!("add a workflow that publishes tagged versions{publishers}?");
            ask(Key::Publish, text, yes_or_no(self.publish));
        }
        if let Some(hook) = facts.hook.as_ref().filter(|hook| !facts.files.contains_key(&hook.path))
        {
            let shared =
                if hook.dir == HooksDir::Shared { ", shared with other repositories" } else { "" };
            let text =
                format!("install a hook that checks commit messages ({}{shared})?", hook.path);
            ask(Key::Hooks, text, yes_or_no(self.hooks));
        }
        questions
    }
}

fn platforms(text: &str) -> Result<Vec<Platform>, String> {
    let names = text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty());
    let mut platforms = Vec::new();
    for name in names {
        let platform = Platform::from_name(name)?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    if platforms.is_empty() { Err("no platform given".to_owned()) } else { Ok(platforms) }
}

fn score(text: &str) -> Result<Option<String>, String> {
    if text == MEASURE {
        return Ok(None);
    }
    let percent = Percent::from_text(text).map(|percent| Some(percent.to_string()));
    percent.ok_or_else(|| format!("expected `{MEASURE}` or a number from 0 to 100, not `{text}`"))
}

pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" => Ok(true),
        "false" | "no" | "n" => Ok(false),
        _ => Err(format!("expected `yes` or `no`, not `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::facts::Hook;

    fn new_consumer() -> Facts {
        let hook = Hook { path: ".git/hooks/commit-msg".to_owned(), ..Hook::default() };
        Facts {
            checkout: "rust-vmm-ci".to_owned(),
            hook: Some(hook),
            is_publishable: true,
            ..Facts::default()
        }
    }

    fn with_files(names: &[&str]) -> Facts {
        let text = "cargo publish".to_owned();
        let files = names.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
        Facts { files, ..new_consumer() }
    }

    fn keys(facts: &Facts, given: &[(Key, &str)]) -> Vec<Key> {
        let given: Vec<(Key, String)> =
            given.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
        let answers = Answers::defaults(facts, Mode::Ask);
        answers.questions(facts, &given).into_iter().map(|question| question.key).collect()
    }

    #[test]
    fn only_open_choices_are_asked() {
        use Key::{Dependabot, Hooks, Platforms, Publish};
        let facts = new_consumer();
        assert_eq!(keys(&facts, &[]), [Platforms, Dependabot, Publish, Hooks]);
        assert_eq!(keys(&facts, &[(Dependabot, "none"), (Hooks, "no")]), [Platforms, Publish]);
        let done = with_files(&[PLATFORMS, DEPENDABOT[1], PUBLISH, ".git/hooks/commit-msg"]);
        assert_eq!(keys(&done, &[]), []);
        let member = vec![("xtask".to_owned(), "x".to_owned())];
        assert_eq!(keys(&Facts { crates: member, ..done }, &[]), [Key::Alias]);
    }

    #[test]
    fn a_second_workflow_that_publishes_is_not_the_default() {
        let facts = with_files(&[".github/workflows/release.yml"]);
        assert!(!Answers::defaults(&facts, Mode::Yes).publish);
        assert!(Answers::defaults(&new_consumer(), Mode::Yes).publish);
    }

    #[test]
    fn a_check_asks_for_nothing_that_is_a_choice() {
        let answers = Answers::defaults(&new_consumer(), Mode::Check);
        assert_eq!(answers.platforms, None);
        assert_eq!(answers.dependabot, None);
        assert!(!answers.publish && !answers.hooks);
        assert_eq!(answers.alias, "xtask");
    }

    #[test]
    fn a_directory_of_hooks_that_others_share_is_not_written_to_by_default() {
        let mut facts = new_consumer();
        facts.hook = Some(Hook {
            path: "/h/hooks/commit-msg".to_owned(),
            dir: HooksDir::Shared,
            ..Hook::default()
        });
        assert!(!Answers::defaults(&facts, Mode::Yes).hooks);
    }

    #[test]
    fn every_value_that_cannot_be_used_is_reported() {
        let facts = new_consumer();
        let given = [
            (Key::Platforms, "x86-64,aarch64"),
            (Key::CoverageScore, "101"),
            (Key::Dependabot, "daily"),
            (Key::Hooks, "perhaps"),
            (Key::Alias, "a b"),
        ];
        let given = given.map(|(key, text)| (key, text.to_owned()));
        let problems = Answers::defaults(&facts, Mode::Yes).apply(&facts, &given).unwrap_err();
        expect_test::expect![[r"
            error: `--platforms`: unknown platform `x86-64`, did you mean `x86_64`?
            error: `--coverage-score`: expected `measure` or a number from 0 to 100, not `101`
            error: `--dependabot`: unknown interval `daily`, expected one of `weekly`, `monthly` or `none`
            error: `--hooks`: expected `yes` or `no`, not `perhaps`
            error: `--alias`: invalid alias name `a b`"]]
        .assert_eq(&problems.to_string());
    }

    #[test]
    fn answers_are_taken_as_people_type_them() {
        let facts = new_consumer();
        let mut answers = Answers::defaults(&facts, Mode::Ask);
        answers.set(&facts, Key::Platforms, " riscv64, x86_64,riscv64\n").unwrap();
        assert_eq!(answers.platforms.as_deref(), Some(&[Platform::Riscv64, Platform::X86_64][..]));
        answers.set(&facts, Key::Publish, "N\n").unwrap();
        assert!(!answers.publish);
        answers.set(&facts, Key::CoverageScore, "85.5").unwrap();
        assert_eq!(answers.coverage_score.as_deref(), Some("85.50"));
        answers.set(&facts, Key::CoverageScore, "measure").unwrap();
        assert_eq!(answers.coverage_score, None);
    }
}
