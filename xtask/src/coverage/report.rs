//! Pure. The tables of files and of crates, and the patch of a record.

use crate::coverage::diff::relative;
use crate::coverage::llvm_cov::{File, Lines};
use crate::text::style;

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
    let rows = [header].into_iter().chain(files).chain([row("all", total)]);
    style::table(&rows.collect::<Vec<_>>(), &[0, 1, 2])
}

/// A table of crates.
pub(crate) fn crates(rows: Vec<[String; 5]>) -> String {
    let header = ["crate", "lines", "covered", "recorded", ""].map(str::to_owned);
    style::table(&[vec![header], rows].concat(), &[1, 2, 3])
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
    if path.chars().all(is_plain) { path.to_owned() } else { format!("{path:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(quote("a/\"x\n"), "\"a/\\\"x\\n\"");
    }
}
