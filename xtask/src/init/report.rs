//! Pure. What `init` says: findings of a check, warnings, and what comes next.

use crate::cli::init::Key;
use crate::init::answers::{self, Answers, Question};
use crate::init::facts::{self, Facts};
use crate::init::items::{self, Item, State};
use crate::plan::consumer;
use crate::text::shell::quote;

/// A line for each file that is not as it should be.
pub(crate) fn drift(items: &[Item]) -> String {
    let drifted = items.iter().filter(|it| !matches!(it.state, State::Current | State::Own));
    drifted.flat_map(|Item { path, state, .. }| [path.clone(), format!(": {state}\n")]).collect()
}

/// What is asked about the files that the other answers lead to: whether to measure the coverage, and
/// whether to replace files that are in a template's place.
pub(crate) fn questions(
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
    given: &[(Key, String)],
) -> Vec<Question> {
    let unmeasured = items::unmeasured(facts, answers, items);
    let coverage = unmeasured.contains(&facts.architecture).then(|| Question {
        key: Key::CoverageScore,
        text: "line coverage to record, in percent, or `measure` to build and test now".to_owned(),
        default: answers::MEASURE.to_owned(),
    });
    let differs = |item: &&Item| matches!(item.state, State::Edited | State::Own);
    let paths: Vec<&str> = items.iter().filter(differs).map(|item| &*item.path).collect();
    let overwrite = (!paths.is_empty()).then(|| Question {
        key: Key::Overwrite,
        text: format!("replace files that differ from the template ({})?", paths.join(", ")),
        default: "no".to_owned(),
    });
    let questions = coverage.into_iter().chain(overwrite);
    questions.filter(|question| given.iter().all(|(key, _)| *key != question.key)).collect()
}

/// What the user has to know besides the files that change.
pub(crate) fn warnings(
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
    given: &[(Key, String)],
    needed: &str,
) -> Vec<String> {
    let mut warnings = without_effect(facts, items, given);
    let configs = [facts::CONFIG, facts::OLD_CONFIG];
    if configs.iter().all(|name| facts.files.contains_key(*name)) {
        warnings.push(format!("cargo ignores `{}`, because `{}` exists", configs[0], configs[1]));
    }
    if let Some((file, release)) = facts.old_toolchain(needed) {
        warnings.push(format!(
            "`{file}` pins Rust {release}, but this tool requires {needed}: update it, or set \
             `RUSTUP_TOOLCHAIN=stable` for every call, in the pipeline's settings too"
        ));
    }
    if let Some(host) = facts.host.as_ref().filter(|_| facts.alias().is_none()) {
        warnings.push(format!(
            "`build.target` differs from the host, so the alias passes `--target {host}` and works on \
             this architecture only; with cargo 1.91 or newer, use `--target host-tuple`"
        ));
    }
    if !facts.names.contains(".gitmodules") {
        let checkout = &facts.checkout;
        warnings.push(format!(
            "`{checkout}` is not in `.gitmodules`: CI and other clones will not have it"
        ));
    }
    for (path, _) in facts.links.iter().filter(|(_, leads_to_file)| !**leads_to_file) {
        warnings.push(format!("`{path}` is a dangling symbolic link into the submodule"));
    }
    warnings.extend(items.iter().flat_map(|item| remarks(facts, &answers.alias, item)));
    warnings.extend(publishing(facts, items));
    warnings
}

/// What to say about several workflows that publish.
fn publishing(facts: &Facts, items: &[Item]) -> Option<String> {
    let publishers = facts.publishers();
    let count = publishers.len();
    if count > 0 && items.iter().any(|item| item.path == facts::PUBLISH) {
        return Some(format!("other workflows publish crates too: {}", publishers.join(", ")));
    }
    let is_news = count > 1 && facts.alias().is_none();
    is_news
        .then(|| format!("{count} workflows publish crates; `--publish` adds one for all of them"))
}

/// Options that nothing follows from, because what they are about exists.
fn without_effect(facts: &Facts, items: &[Item], given: &[(Key, String)]) -> Vec<String> {
    let is_new = |is_it: &dyn Fn(&str) -> bool| {
        items.iter().any(|item| item.state == State::Missing && is_it(&item.path))
    };
    let exists = |names: &[&str]| names.iter().any(|name| facts.files.contains_key(*name));
    let has_no_effect = |(key, value): &&(Key, String)| match key {
        Key::CoverageScore => !is_new(&|path| consumer::coverage_architecture(path).is_some()),
        Key::Bootstrap => value == "true" && !items.iter().any(|it| it.path == facts::PIPELINE),
        Key::Dependabot => value == "none" && exists(&facts::DEPENDABOT),
        Key::Publish => value == "false" && exists(&[facts::PUBLISH]),
        // `core.hooksPath` is no directory.
        Key::Hooks => value == "true" && facts.hook.is_none(),
        _ => false,
    };
    let name = |key: &Key| Key::NAMED.iter().find(|(_, it)| it == key).map(|(name, _)| *name);
    let idle = given.iter().filter(has_no_effect).filter_map(|(key, _)| name(key));
    idle.map(|name| format!("`{name}` has no effect: no file is created or removed for it"))
        .collect()
}

/// What the user has to do about one file.
fn remarks(facts: &Facts, alias: &str, Item { path, state, text }: &Item) -> Vec<String> {
    let checkout = &facts.checkout;
    let origin = match state {
        State::Predecessor { unconverted } => {
            let line = |line: &usize| {
                format!("{path}:{line}: convert this by hand, see {checkout}/docs/migration.md")
            };
            return unconverted.iter().map(line).collect();
        }
        State::Edited if text.is_none() => "is an edited copy of the template",
        // Once is enough.
        State::Own if text.is_none() && facts.alias().is_none() => "was not made from the template",
        _ => return Vec::new(),
    };
    let is_dependabot = facts::DEPENDABOT.contains(&path.as_str());
    let next = if *state == State::Own && facts.is_hook(path) {
        format!("to check messages, add to it: cargo {alias} commit-format --message-file \"$1\"")
    } else if is_dependabot && !facts.text(path).contains("gitsubmodule") {
        "`--overwrite` replaces it; without a `gitsubmodule` entry Dependabot does not update \
         rust-vmm-ci"
            .to_owned()
    } else {
        "`--overwrite` replaces it".to_owned()
    };
    vec![format!("`{path}` {origin}; {next}")]
}

/// How it is after the files are written.
#[derive(Debug, Default)]
pub(crate) struct After<'a> {
    /// Architectures whose coverage was not measured; 0 is recorded.
    pub(crate) to_measure: Vec<&'a str>,
    /// Git ignores one of the files.
    pub(crate) is_ignored: bool,
    /// The oldest Rust that builds this tool.
    pub(crate) needed: &'static str,
}

/// The commands that come next, and comments on what is done in other places.
pub(crate) fn next_steps(
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
    after: &After<'_>,
) -> Vec<String> {
    let is_new = facts.alias().is_none() || !facts.is_committed;
    let toolchain = facts.old_toolchain(after.needed).map(|_| "RUSTUP_TOOLCHAIN=stable ");
    let xtask = format!("{}cargo {}", toolchain.unwrap_or_default(), answers.alias);
    let in_tree = |item: &&Item| item.text.is_some() && facts.is_in_tree(&item.path);
    let mut paths: Vec<&str> = items.iter().filter(in_tree).map(|item| &*item.path).collect();
    if is_new {
        let gitmodules = facts.names.get(".gitmodules").map(String::as_str);
        // The alias may have been added by hand.
        let config = Some(facts.config_name()).filter(|it| !paths.contains(it));
        let config = config.filter(|it| facts.files.contains_key(*it));
        paths.extend(config.into_iter().chain(gitmodules).chain([facts.checkout.as_str()]));
    }
    let mut lines = Vec::new();
    if facts.config_name() == facts::OLD_CONFIG && !facts.files.contains_key(facts::CONFIG) {
        // Cargo warns about the old name at every call.
        lines.push(format!("git mv {} {}", facts::OLD_CONFIG, facts::CONFIG));
        let renamed = paths.iter_mut().filter(|path| **path == facts::OLD_CONFIG);
        renamed.for_each(|path| *path = facts::CONFIG);
    }
    let paths: Vec<String> = paths.into_iter().map(quote).collect();
    let (here, others): (Vec<&str>, Vec<&str>) =
        after.to_measure.iter().partition(|it| **it == facts.architecture);
    if !here.is_empty() {
        lines.push(format!("{xtask} coverage --devel   # records the current coverage"));
    }
    if !paths.is_empty() {
        let force = if after.is_ignored { "--force " } else { "" };
        lines.push(format!("git add {force}{}", paths.join(" ")));
        let verb = if is_new { "Use" } else { "Update the files from" };
        lines.push(format!("git commit -s -m '{verb} rust-vmm-ci'"));
    }
    lines.push(format!("{xtask} ci"));
    lines.extend(others.into_iter().map(|it| format!("# on {it}: {xtask} coverage --devel")));
    lines.extend(steps_elsewhere(facts, items));
    lines
}

/// What is done on other sites.
fn steps_elsewhere(facts: &Facts, items: &[Item]) -> Vec<String> {
    let checkout = &facts.checkout;
    let publishes =
        items.iter().any(|item| item.path == facts::PUBLISH && item.state == State::Missing);
    let steps = [
        facts.alias().is_none().then(|| {
            format!("# in Buildkite: make {checkout}/ci-template/bootstrap.yml the steps of the pipeline")
        }),
        publishes.then(|| {
            let file = facts::PUBLISH;
            format!("# on crates.io: register {file} as a trusted publisher ({checkout}/docs/init.md)")
        }),
    ];
    steps.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::consumer::CargoConfig;
    use expect_test::expect;

    fn written(path: &str, state: State) -> Item {
        Item { path: path.to_owned(), state, text: Some(String::new()) }
    }

    fn facts(files: &[(&str, &str)]) -> Facts {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Facts {
            checkout: "rust-vmm-ci".to_owned(),
            architecture: "x86_64",
            names: [".gitmodules".to_owned()].into(),
            files: files.collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn a_file_that_is_the_users_is_no_drift() {
        let mut own = written("a", State::Own);
        own.text = None;
        let items = [own, written("b", State::Older), written("c", State::Current)];
        assert_eq!(drift(&items), "b: older template\n");
    }

    #[test]
    fn what_could_not_be_measured_comes_next() {
        let facts = facts(&[(facts::OLD_CONFIG, ""), ("rust-toolchain", "1.74\n")]);
        let to_measure = vec!["x86_64", "aarch64"];
        let after = After { to_measure, needed: "1.70", ..After::default() };
        let answers = Answers::defaults(&facts, crate::cli::init::Mode::Yes);
        let here = written("coverage_config_x86_64.json", State::Missing);
        let config = written(facts::OLD_CONFIG, State::Missing);
        expect![[r"
            git mv .cargo/config .cargo/config.toml
            cargo xtask coverage --devel   # records the current coverage
            git add .cargo/config.toml coverage_config_x86_64.json .gitmodules rust-vmm-ci
            git commit -s -m 'Use rust-vmm-ci'
            cargo xtask ci
            # on aarch64: cargo xtask coverage --devel
            # in Buildkite: make rust-vmm-ci/ci-template/bootstrap.yml the steps of the pipeline"]]
        .assert_eq(&next_steps(&facts, &answers, &[config, here], &after).join("\n"));
        let after = After { is_ignored: true, needed: "1.89", ..After::default() };
        let steps = next_steps(&facts, &answers, &[], &after).join("\n");
        assert!(!steps.contains("coverage --devel"), "{steps}");
        assert!(steps.contains("git add --force "), "{steps}");
        assert!(steps.contains("\nRUSTUP_TOOLCHAIN=stable cargo xtask ci\n"), "{steps}");
    }

    #[test]
    fn what_the_user_has_to_do_is_said() {
        let mut facts = facts(&[
            (".github/workflows/release.yml", "cargo publish"),
            (facts::DEPENDABOT[0], "updates: []\n"),
            ("rust-toolchain", "1.74\n"),
        ]);
        facts.host = Some("x86_64-unknown-linux-gnu".to_owned());
        facts.cargo_config = CargoConfig::parse("build.target = \"t\"\n").unwrap();
        facts.links.insert("CI.md".to_owned(), false);
        facts.names.clear();
        let answers = Answers::defaults(&facts, crate::cli::init::Mode::Yes);
        let given = [(Key::CoverageScore, "85".to_owned()), (Key::Dependabot, "none".to_owned())];
        let kept = |path: &str, state: State| Item { text: None, ..written(path, state) };
        let items = [
            written(facts::CONFIG, State::Missing),
            written(facts::PUBLISH, State::Missing),
            kept(facts::DEPENDABOT[0], State::Own),
            kept("a", State::Edited),
            written("b.json", State::Predecessor { unconverted: vec![3] }),
        ];
        expect![[r"
            `--coverage-score` has no effect: no file is created or removed for it
            `--dependabot` has no effect: no file is created or removed for it
            `rust-toolchain` pins Rust 1.74, but this tool requires 1.89: update it, or set `RUSTUP_TOOLCHAIN=stable` for every call, in the pipeline's settings too
            `build.target` differs from the host, so the alias passes `--target x86_64-unknown-linux-gnu` and works on this architecture only; with cargo 1.91 or newer, use `--target host-tuple`
            `rust-vmm-ci` is not in `.gitmodules`: CI and other clones will not have it
            `CI.md` is a dangling symbolic link into the submodule
            `.github/dependabot.yml` was not made from the template; `--overwrite` replaces it; without a `gitsubmodule` entry Dependabot does not update rust-vmm-ci
            `a` is an edited copy of the template; `--overwrite` replaces it
            b.json:3: convert this by hand, see rust-vmm-ci/docs/migration.md
            other workflows publish crates too: .github/workflows/release.yml"]]
        .assert_eq(&warnings(&facts, &answers, &items, &given, "1.89").join("\n"));
    }
}
