//! Pure. What a run shows: the table of files, the patch of a record, and the build's page.

use crate::coverage::diff::{Uncovered, relative};
use crate::coverage::llvm_cov::{File, Lines};
use crate::text::sanitize;
use crate::text::style::{Align, Columns};

/// A table of files, those with the most uncovered lines first, and their sum.
pub(crate) fn table(files: &[File], root: &str) -> String {
    let uncovered = |lines: Lines| lines.counted.saturating_sub(lines.covered);
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by_key(|file| (u64::MAX - uncovered(file.lines), &file.path));
    let row = |name: &str, lines: Lines| {
        let [uncovered, counted] = [uncovered(lines), lines.counted].map(|it| it.to_string());
        [uncovered, counted, format!("{} %", lines.score()), name.to_owned()]
    };
    let total = files.iter().map(|file| file.lines).sum();
    let header = ["uncovered", "lines", "covered", "file"].map(str::to_owned);
    let files = files.iter().map(|file| row(relative(&file.path, root), file.lines));
    let rows: Vec<[String; 4]> =
        [header].into_iter().chain(files).chain([row("all", total)]).collect();
    lines(&rows, &[Align::Right, Align::Right, Align::Right, Align::Left])
}

/// How the score of a crate compares with its record, in words.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    pub(crate) measured: Lines,
    /// In percent; a crate without a configuration has none.
    pub(crate) recorded: Option<f64>,
    pub(crate) result: &'static str,
}

/// A table of crates.
pub(crate) fn crates(rows: &[Row<'_>]) -> String {
    let row = |row: &Row<'_>| {
        let Lines { covered, counted } = row.measured;
        let recorded = row.recorded.map_or("none".to_owned(), |percent| format!("{percent:.2} %"));
        let score = format!("{} %", row.measured.score());
        let lines = format!("{covered} of {counted}");
        [row.name.to_owned(), lines, score, recorded, row.result.to_owned()]
    };
    let header = ["crate", "lines", "covered", "recorded", ""].map(str::to_owned);
    let rows: Vec<[String; 5]> = [header].into_iter().chain(rows.iter().map(row)).collect();
    lines(&rows, &[Align::Left, Align::Right, Align::Right, Align::Right, Align::Left])
}

fn lines<const N: usize>(rows: &[[String; N]], aligns: &[Align; N]) -> String {
    let mut columns = Columns::new(aligns);
    for row in rows {
        columns.fit(row);
    }
    rows.iter().map(|row| columns.line(row) + "\n").collect()
}

/// Lines around the change, as git has it.
const CONTEXT_LINES: usize = 3;

/// A patch that `git apply` takes at the root, for texts that differ in some lines and have equally
/// many. `path` is relative to the root; equal texts give nothing.
pub(crate) fn patch(path: &str, old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let differs = |(old, new): (&&str, &&str)| old != new;
    let Some(first) = old.iter().zip(&new).position(differs) else { return String::new() };
    let last = old.iter().zip(&new).rposition(differs).unwrap_or(first);
    let start = first.saturating_sub(CONTEXT_LINES);
    let end = (last + 1 + CONTEXT_LINES).min(old.len());

    let a = quote(&format!("a/{path}"));
    let b = quote(&format!("b/{path}"));
    let range = format!("{},{}", start + 1, end - start);
    let mut text = format!("diff --git {a} {b}\n--- {a}\n+++ {b}\n@@ -{range} +{range} @@\n");
    let mut add = |sign: char, lines: &[&str]| {
        for line in lines {
            text.push(sign);
            text.push_str(line);
            if !line.ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    add(' ', &old[start..first]);
    add('-', &old[first..=last]);
    add('+', &new[first..=last]);
    add(' ', &old[last + 1..end]);
    text
}

/// A path as git writes it: in quotes, with escapes, if it has characters that would end it.
fn quote(path: &str) -> String {
    let is_plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        _ if c.is_control() => format!("\\{:03o}", u32::from(c)),
        _ => c.to_string(),
    };
    format!("\"{}\"", path.chars().map(escape).collect::<String>())
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// The crate, if only one was measured.
    pub(crate) package: Option<&'a str>,
    pub(crate) architecture: &'a str,
    /// The crates, if several are judged.
    pub(crate) table: &'a str,
    /// The verdict and what to do about it.
    pub(crate) paragraphs: &'a [String],
    /// Empty if nothing has to change.
    pub(crate) patch: &'a str,
    /// The sentence about the added lines, and those that no test runs.
    pub(crate) added: Option<(&'a str, &'a [Uncovered])>,
}

/// Longer lists are of no help, and Buildkite refuses a page of more than a mebibyte.
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
        if !self.table.is_empty() {
            parts.push(sanitize::code_block("text", self.table));
        }
        parts.extend(self.paragraphs.iter().map(|paragraph| format!("{paragraph}\n")));
        if !self.patch.is_empty() {
            parts.push(sanitize::code_block("diff", self.patch));
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
            parts.push(sanitize::code_block("text", &(shown.collect::<String>() + &rest)));
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
    fn the_table_starts_with_what_is_worth_testing() {
        let file = |path: &str, covered, counted| File {
            path: path.to_owned(),
            lines: Lines { covered, counted },
        };
        expect![[r"
            uncovered  lines   covered  file
                   20     30   33.33 %  src/b.rs
                    0     10  100.00 %  src/a.rs
                   20     40   50.00 %  all
        "]]
        .assert_eq(&table(&[file("/r/src/a.rs", 10, 10), file("/r/src/b.rs", 10, 30)], "/r"));
    }

    #[test]
    fn one_line_changes_with_three_around_it() {
        let old = "{\n  \"a\": 1,\n  \"coverage_score\": 85,\n  \"x\": 1,\n  \"y\": 2,\n  \"z\": 3,\n  \"zz\": 4\n}\n";
        expect![[r#"
            diff --git a/c.json b/c.json
            --- a/c.json
            +++ b/c.json
            @@ -1,6 +1,6 @@
             {
               "a": 1,
            -  "coverage_score": 85,
            +  "coverage_score": 90.10,
               "x": 1,
               "y": 2,
               "z": 3,
        "#]]
        .assert_eq(&patch("c.json", old, &old.replace("85", "90.10")));
    }

    #[test]
    fn a_last_line_without_an_end_says_so() {
        expect![[r"
            diff --git a/tests/coverage b/tests/coverage
            --- a/tests/coverage
            +++ b/tests/coverage
            @@ -1,1 +1,1 @@
            -85
            \ No newline at end of file
            +90.00
            \ No newline at end of file
        "]]
        .assert_eq(&patch("tests/coverage", "85", "90.00"));
    }

    #[test]
    fn nothing_changes_nothing() {
        assert_eq!(patch("c", "a\n", "a\n"), "");
    }

    #[test]
    fn a_path_that_would_end_early_is_quoted() {
        assert_eq!(quote("a/é b.json"), "a/é b.json");
        assert_eq!(quote("a/\"x\n"), "\"a/\\\"x\\012\"");
    }

    #[test]
    fn the_page_shows_the_verdict_the_patch_and_the_lines() {
        let diff = "+++ b/src/a.rs\n@@ -0,0 +1,2 @@\n+a\n+b\n";
        let lcov = "SF:/r/src/a.rs\nDA:1,0\nDA:2,0\nend_of_record\n";
        let added = Patch::new(&added_lines(diff), &code_lines(lcov, "/r"));
        let summary = Summary {
            package: Some("a"),
            architecture: "x86_64",
            table: "",
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
