//! Pure. What `init` says: findings of a check, warnings, and what comes next.

use crate::cli::init::Key;
use crate::init::answers::{self, Answers, Question};
use crate::init::facts::{self, Facts};
use crate::init::items::{self, Item, State};
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
    let coverage = items::unmeasured(facts, answers, items).map(|_| Question {
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
pub(crate) fn warnings(facts: &Facts, items: &[Item], needed: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    let configs = [facts::CONFIG, facts::OLD_CONFIG];
    if configs.iter().all(|name| facts.files.contains_key(*name)) {
        warnings.push(format!("cargo ignores `{}`, because `{}` exists", configs[0], configs[1]));
    }
    if let Some((file, release)) = facts.old_toolchain(needed) {
        warnings.push(format!(
            "`{file}` pins Rust {release}, but this tool needs {needed}: update it, or set \
             `RUSTUP_TOOLCHAIN=stable` for every call, in CI too"
        ));
    }
    if let Some(host) = facts.host.as_ref().filter(|_| facts.alias().is_none()) {
        warnings.push(format!(
            "`build.target` is not the host, so the alias names `{host}`: it does not work on \
             other architectures; with cargo 1.91 or newer `--target host-tuple` does"
        ));
    }
    if !facts.names.contains(".gitmodules") {
        let checkout = &facts.checkout;
        warnings
            .push(format!("`{checkout}` is not a submodule: CI and other clones do not get it"));
    }
    for (path, _) in facts.links.iter().filter(|(_, leads_to_file)| !**leads_to_file) {
        warnings.push(format!("`{path}` links to a file that the submodule no longer has"));
    }
    warnings.extend(items.iter().flat_map(|item| remarks(facts, item)));
    let publishers = facts.publishers();
    let is_written = |item: &Item| item.path == facts::PUBLISH && item.text.is_some();
    if !publishers.is_empty() && items.iter().any(is_written) {
        let others = publishers.join(" ");
        warnings.push(format!("these workflows publish too, remove them: git rm {others}"));
    } else if publishers.len() > 1 {
        let count = publishers.len();
        warnings.push(format!("{count} workflows publish; `--publish` writes one for all crates"));
    }
    warnings
}

/// What the user has to do about one file.
fn remarks(facts: &Facts, Item { path, state, text }: &Item) -> Vec<String> {
    let origin = match state {
        State::Former { left } => {
            let line = |line: &usize| {
                format!("{path}:{line}: convert this command by hand, see docs/migration.md")
            };
            return left.iter().map(line).collect();
        }
        State::Edited if text.is_none() => "is an edited copy of the template",
        State::Own if text.is_none() => "does not come from the template",
        _ => return Vec::new(),
    };
    let is_dependabot = facts::DEPENDABOT.contains(&path.as_str());
    let next = if *state == State::Own && facts.is_hook(path) {
        format!("call {} from it", quote(&format!("{}/ci-template/commit-msg", facts.checkout)))
    } else if is_dependabot && !facts.text(path).contains("gitsubmodule") {
        "`--overwrite` replaces it; without `gitsubmodule` updates rust-vmm-ci is never updated"
            .to_owned()
    } else {
        "`--overwrite` replaces it".to_owned()
    };
    vec![format!("`{path}` {origin} and was kept; {next}")]
}

/// The commands that come next; with `to_measure`, the score that is recorded is none yet.
pub(crate) fn next_steps(
    facts: &Facts,
    answers: &Answers,
    items: &[Item],
    to_measure: bool,
) -> Vec<String> {
    let (alias, is_new) = (&answers.alias, facts.alias().is_none());
    let in_tree = |item: &&Item| item.text.is_some() && facts.is_in_tree(&item.path);
    let mut paths: Vec<&str> = items.iter().filter(in_tree).map(|item| &*item.path).collect();
    if is_new {
        let gitmodules = facts.names.get(".gitmodules").map(String::as_str);
        paths.extend(gitmodules.into_iter().chain([facts.checkout.as_str()]));
    }
    let mut lines = Vec::new();
    if facts.config_name() == facts::OLD_CONFIG && !facts.files.contains_key(facts::CONFIG) {
        // Cargo warns about the old name at every call.
        lines.push(format!("git mv {} {}", facts::OLD_CONFIG, facts::CONFIG));
        let renamed = paths.iter_mut().filter(|path| **path == facts::OLD_CONFIG);
        renamed.for_each(|path| *path = facts::CONFIG);
    }
    let paths: Vec<String> = paths.into_iter().map(quote).collect();
    if to_measure {
        lines.push(format!("cargo {alias} coverage --devel   # records the current coverage"));
    }
    if !paths.is_empty() {
        lines.push(format!("git add {}", paths.join(" ")));
        let verb = if is_new { "Use" } else { "Update the files from" };
        lines.push(format!("git commit -s -m '{verb} rust-vmm-ci'"));
    }
    lines.push(format!("cargo {alias} ci"));
    lines
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
        let facts = facts(&[(facts::OLD_CONFIG, "")]);
        let answers = Answers::defaults(&facts, crate::cli::init::Mode::Yes);
        let here = written("coverage_config_x86_64.json", State::Missing);
        let config = written(facts::OLD_CONFIG, State::Missing);
        expect![[r"
            git mv .cargo/config .cargo/config.toml
            cargo xtask coverage --devel   # records the current coverage
            git add .cargo/config.toml coverage_config_x86_64.json .gitmodules rust-vmm-ci
            git commit -s -m 'Use rust-vmm-ci'
            cargo xtask ci"]]
        .assert_eq(&next_steps(&facts, &answers, &[config, here], true).join("\n"));
        let steps = next_steps(&facts, &answers, &[], false).join("\n");
        assert!(!steps.contains("coverage --devel"), "{steps}");
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
        let kept = |path: &str, state: State| Item { text: None, ..written(path, state) };
        let items = [
            written(facts::CONFIG, State::Missing),
            written(facts::PUBLISH, State::Missing),
            kept(facts::DEPENDABOT[0], State::Own),
            kept("a", State::Edited),
            written("b.json", State::Former { left: vec![3] }),
        ];
        expect![[r"
            `rust-toolchain` pins Rust 1.74, but this tool needs 1.89: update it, or set `RUSTUP_TOOLCHAIN=stable` for every call, in CI too
            `build.target` is not the host, so the alias names `x86_64-unknown-linux-gnu`: it does not work on other architectures; with cargo 1.91 or newer `--target host-tuple` does
            `rust-vmm-ci` is not a submodule: CI and other clones do not get it
            `CI.md` links to a file that the submodule no longer has
            `.github/dependabot.yml` does not come from the template and was kept; `--overwrite` replaces it; without `gitsubmodule` updates rust-vmm-ci is never updated
            `a` is an edited copy of the template and was kept; `--overwrite` replaces it
            b.json:3: convert this command by hand, see docs/migration.md
            these workflows publish too, remove them: git rm .github/workflows/release.yml"]]
        .assert_eq(&warnings(&facts, &items, "1.89").join("\n"));
    }
}
