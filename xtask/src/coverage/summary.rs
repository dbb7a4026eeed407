//! Pure. The result of a coverage run for the build's page.

use crate::coverage::diff::Uncovered;
use crate::text::markdown;

/// What there is to say.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// The crate, if only one was measured.
    pub(crate) package: Option<&'a str>,
    pub(crate) architecture: &'a str,
    /// The verdict and what to do about it.
    pub(crate) paragraphs: &'a [String],
    /// Empty if nothing has to change.
    pub(crate) patch: &'a str,
    /// The sentence about the added lines, and those that no test runs.
    pub(crate) added: Option<(&'a str, &'a [Uncovered])>,
}

/// Longer lists help nobody, and Buildkite refuses a page of more than a mebibyte.
const SHOWN: usize = 500;

impl Summary<'_> {
    /// Names the place on the build's page; crates and architectures have one each.
    pub(crate) fn context(&self) -> String {
        let package = self.package.map(|name| format!("-{name}")).unwrap_or_default();
        format!("coverage{package}-{}", self.architecture)
    }

    pub(crate) fn markdown(&self) -> String {
        let package = self.package.map(|name| format!(" of `{name}`")).unwrap_or_default();
        let mut parts = vec![format!("**Coverage{package} on {}**\n", self.architecture)];
        parts.extend(self.paragraphs.iter().map(|paragraph| format!("{paragraph}\n")));
        if !self.patch.is_empty() {
            parts.push(markdown::fenced("diff", self.patch));
        }
        let (sentence, uncovered) = self.added.unwrap_or_default();
        if !sentence.is_empty() {
            parts.push(format!("{sentence}\n"));
        }
        if !uncovered.is_empty() {
            let shown = uncovered.iter().take(SHOWN).map(|lines| format!("{lines}\n"));
            let more = uncovered.len().saturating_sub(SHOWN);
            let rest = if more == 0 { String::new() } else { format!("and {more} more\n") };
            parts.push("No test runs these lines:\n".to_owned());
            parts.push(markdown::fenced("text", &(shown.collect::<String>() + &rest)));
        }
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::diff::{Patch, added_lines, code_lines};
    use expect_test::expect;

    #[test]
    fn the_page_shows_the_verdict_the_patch_and_the_lines() {
        let diff = "+++ b/src/a.rs\n@@ -0,0 +1,2 @@\n+a\n+b\n";
        let lcov = "SF:/r/src/a.rs\nDA:1,0\nDA:2,0\nend_of_record\n";
        let added = Patch::new(&added_lines(diff), &code_lines(lcov, "/r"));
        let summary = Summary {
            package: Some("a"),
            architecture: "x86_64",
            paragraphs: &["failed: too low".to_owned(), "add tests".to_owned()],
            patch: "--- a/c\n+++ b/c\n",
            added: Some(("0.00 % of the added lines are covered", &added.uncovered)),
        };
        assert_eq!(summary.context(), "coverage-a-x86_64");
        expect![[r"
            **Coverage of `a` on x86_64**

            failed: too low

            add tests

            ```diff
            --- a/c
            +++ b/c
            ```

            0.00 % of the added lines are covered

            No test runs these lines:

            ```text
            src/a.rs:1-2
            ```
        "]]
        .assert_eq(&summary.markdown());
    }
}
