//! Pure. The files that `init` copies, and how a copy is told from what the user wrote.

pub(crate) const CARGO_CONFIG: &str = include_str!("../../../ci-template/cargo-config.toml");
pub(crate) const WEEKLY: &str = include_str!("../../../ci-template/dependabot-weekly.yml");
pub(crate) const MONTHLY: &str = include_str!("../../../ci-template/dependabot-monthly.yml");
pub(crate) const PUBLISH: &str = include_str!("../../../ci-template/publish.yml");
pub(crate) const BOOTSTRAP: &str = include_str!("../../../ci-template/bootstrap.yml");
pub(crate) const HOOK: &str = include_str!("../../../ci-template/commit-msg");

/// What every copy of a template has in its first lines. A file without it is not compared.
const MARK: &str = "Copied from rust-vmm-ci/ci-template/";

/// Where a file's text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The template as it is now.
    Current,
    /// The template as it was.
    Older,
    /// The template, changed.
    Edited,
    /// The user.
    Own,
}

/// `is_older` tells whether the submodule's history has a file with that text.
pub(crate) fn origin(text: &str, template: &str, is_older: bool) -> Origin {
    match () {
        () if text == template => Origin::Current,
        () if is_older => Origin::Older,
        () if is_copy(text) => Origin::Edited,
        () => Origin::Own,
    }
}

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
    let options = pipeline_options(&text);
    if options.is_empty() {
        text
    } else {
        text.replacen(&format!("{PIPELINE}{options} "), PIPELINE, 1)
    }
}

const PIPELINE: &str = " pipeline ";

/// A bootstrap step whose `pipeline` command has these options.
pub(crate) fn with_pipeline_options(bootstrap: &str, options: &str) -> String {
    let space = if options.is_empty() { "" } else { " " };
    bootstrap.replacen(
        &format!("{PIPELINE}--upload"),
        &format!("{PIPELINE}{options}{space}--upload"),
        1,
    )
}

/// The options of a bootstrap step's `pipeline` command.
pub(crate) fn pipeline_options(bootstrap: &str) -> &str {
    let command = bootstrap.lines().find(|line| line.trim_start().starts_with("command:"));
    let rest = command.and_then(|line| Some(line.split_once(PIPELINE)?.1)).unwrap_or_default();
    // Older copies redirect the output to a file.
    let end = rest.find("--upload").or_else(|| rest.find('>'));
    rest[..end.unwrap_or_default()].trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_that_is_compared_has_the_mark() {
        for template in [WEEKLY, MONTHLY, PUBLISH, BOOTSTRAP, HOOK] {
            assert!(is_copy(template), "{template}");
        }
    }

    #[test]
    fn a_copy_is_told_from_a_file_of_the_users() {
        let edited = WEEKLY.replace("monday", "friday");
        assert_eq!(origin(WEEKLY, WEEKLY, true), Origin::Current);
        assert_eq!(origin("version: 2\n", WEEKLY, true), Origin::Older);
        assert_eq!(origin(&edited, WEEKLY, false), Origin::Edited);
        assert_eq!(origin("version: 2\n", WEEKLY, false), Origin::Own);
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
