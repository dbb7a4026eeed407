//! Pure. Which added lines no test runs, from git's diff and llvm-cov's lines.

use std::collections::BTreeMap;

use crate::coverage::llvm_cov::Lines;
use crate::text::Percent;

/// The numbers of added lines of each file, by its path relative to the root.
pub(crate) type AddedLines = BTreeMap<String, Vec<u32>>;

/// Reads the added lines of `git diff --unified=0 --src-prefix=a/ --dst-prefix=b/`. What a renamed
/// file kept is not among them.
pub(crate) fn added_lines(diff: &str) -> AddedLines {
    let mut added = AddedLines::new();
    let mut path = String::new();
    // A remark such as `\ No newline at end of file` is no line of either file.
    let mut lines = diff.lines().filter(|line| !line.starts_with('\\'));
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("+++ ") {
            path = new_path(name);
        } else if let Some((removed, start, count)) = hunk(line) {
            // Within a hunk, a line may look like a header.
            lines.by_ref().take(removed).for_each(drop);
            for (number, _) in (start..=u32::MAX).zip(lines.by_ref().take(count)) {
                added.entry(path.clone()).or_default().push(number);
            }
        }
    }
    added
}

/// Git ends a name that has a space with a tab. With `core.quotePath=false` it quotes names as JSON
/// does, but for control characters that no source file has in its name.
fn new_path(name: &str) -> String {
    let name = name.trim_end_matches('\t');
    let name = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
    name.strip_prefix("b/").unwrap_or(&name).to_owned()
}

/// Reads `@@ -1,2 +3,4 @@ ...`: how many lines are removed, and the number of the first added one and
/// how many there are.
fn hunk(line: &str) -> Option<(usize, u32, usize)> {
    let (old, new) = line.strip_prefix("@@ -")?.split_once(" @@")?.0.split_once(" +")?;
    let ranges = [old, new].map(|range| range.split_once(',').unwrap_or((range, "1")));
    let [(_, removed), (start, added)] = ranges;
    Some((removed.parse().ok()?, start.parse().ok()?, added.parse().ok()?))
}

/// The lines of each file that hold code, and whether a test runs them.
pub(crate) type CodeLines = BTreeMap<String, BTreeMap<u32, bool>>;

/// A path relative to the root, if it is below it.
pub(crate) fn relative<'a>(path: &'a str, root: &str) -> &'a str {
    path.strip_prefix(root).and_then(|path| path.strip_prefix('/')).unwrap_or(path)
}

/// Reads `llvm-cov export -format=lcov`. Paths become relative to the root; those of files elsewhere
/// stay absolute.
pub(crate) fn code_lines(lcov: &str, root: &str) -> CodeLines {
    let mut files = CodeLines::new();
    let mut path = String::new();
    for line in lcov.lines() {
        if let Some(file) = line.strip_prefix("SF:") {
            relative(file, root).clone_into(&mut path);
        } else if let Some((number, runs)) = line.strip_prefix("DA:").and_then(data) {
            let is_run = files.entry(path.clone()).or_default().entry(number).or_default();
            *is_run |= runs;
        }
    }
    files
}

/// `LINE,COUNT`, with more behind in some versions.
fn data(record: &str) -> Option<(u32, bool)> {
    let mut fields = record.split(',');
    Some((fields.next()?.parse().ok()?, fields.next()? != "0"))
}

/// How many of the lines that a change adds the tests run.
#[derive(Debug)]
pub(crate) struct Patch {
    /// What they are added to, for messages.
    base: String,
    /// How many of them have to be covered.
    minimum: Option<Percent>,
    /// Each line counts once, unlike in the totals of llvm-cov.
    lines: Lines,
    /// Where no test runs them; consecutive lines are one place.
    pub(crate) uncovered: Vec<String>,
}

impl Patch {
    /// Lines without code, and files that do not count, do not count here either.
    pub(crate) fn new(
        base: String,
        minimum: Option<Percent>,
        added: &AddedLines,
        code: &CodeLines,
    ) -> Patch {
        let mut patch = Patch { base, minimum, lines: Lines::default(), uncovered: Vec::new() };
        for (path, numbers) in added {
            let Some(code) = code.get(path) else { continue };
            let mut uncovered = Vec::new();
            for number in numbers {
                let Some(is_run) = code.get(number) else { continue };
                patch.lines.counted += 1;
                patch.lines.covered += u64::from(*is_run);
                uncovered.extend((!is_run).then_some(*number));
            }
            let places = uncovered.chunk_by(|line, next| line + 1 == *next);
            patch.uncovered.extend(places.map(|place| match place {
                [first, .., last] => format!("{path}:{first}-{last}"),
                _ => format!("{path}:{}", place[0]),
            }));
        }
        patch
    }

    /// Whether the minimum is reached, if there is one; a change without code has nothing to cover.
    pub(crate) fn passes(&self) -> bool {
        self.lines.counted == 0 || self.minimum.is_none_or(|it| it <= self.lines.score())
    }

    /// The result in one sentence.
    pub(crate) fn sentence(&self) -> String {
        let Patch { base, lines: Lines { covered, counted }, .. } = self;
        if *counted == 0 {
            return format!("no lines of code were added since {base}");
        }
        let score = self.lines.score();
        let result = format!(
            "{score} % of the lines of code added since {base} are covered ({covered} of {counted})"
        );
        let Some(minimum) = self.minimum else { return result };
        let verdict = if self.passes() { "passed" } else { "failed" };
        format!("{verdict}: {result}, the minimum is {minimum} %")
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use expect_test::expect;

    const DIFF: &str = "\
diff --git a/src/old.rs b/src/new.rs
similarity index 90%
rename from src/old.rs
rename to src/new.rs
index 111..222 100644
--- a/src/old.rs
+++ b/src/new.rs
@@ -3,0 +4,2 @@ fn context()
+++ b/not/a/header.rs
+@@ -1 +1,9 @@
@@ -9 +11 @@
-let x = 1;
+let x = 2;
diff --git a/src/gone.rs b/src/gone.rs
deleted file mode 100644
--- a/src/gone.rs
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
diff --git \"a/src/é \\\"q\\\".rs\" \"b/src/é \\\"q\\\".rs\"
new file mode 100644
--- /dev/null
+++ \"b/src/é \\\"q\\\".rs\"
@@ -0,0 +1,3 @@
+a
+b
+c
\\ No newline at end of file
diff --git a/x.png b/x.png
Binary files a/x.png and b/x.png differ
";

    #[test]
    fn added_lines_are_those_behind_the_plus_of_a_hunk() {
        let shown: Vec<String> =
            added_lines(DIFF).iter().map(|(path, lines)| format!("{path} {lines:?}")).collect();
        expect![[r#"
            src/new.rs [4, 5, 11]
            src/é "q".rs [1, 2, 3]"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn a_remark_is_no_line_and_a_line_is_no_header() {
        let diff =
            "--- a/a\n+++ b/a b\t\n@@ -2 +2,2 @@\n-y\n\\ No newline\n+++ b/z\n\\ No newline\n+\n";
        assert_eq!(added_lines(diff), AddedLines::from([("a b".to_owned(), vec![2, 3])]));
    }

    #[test]
    fn a_file_that_was_only_renamed_adds_nothing() {
        let diff =
            "diff --git a/a.rs b/b.rs\nsimilarity index 100%\nrename from a.rs\nrename to b.rs\n";
        assert_eq!(added_lines(diff), AddedLines::new());
    }

    const LCOV: &str = "SF:/r/src/a.rs\nFN:1,x\nDA:1,5\nDA:2,0\nDA:3,0\nDA:5,0\nDA:7,1\nLF:5\nend_of_record\n\
                        SF:/r/src/b.rs\nDA:1,0\nend_of_record\nSF:/elsewhere/c.rs\nDA:1,0\nend_of_record\n";

    fn patch(added: &[(&str, RangeInclusive<u32>)], minimum: Option<&str>) -> Patch {
        let lines = added.iter().map(|(path, lines)| ((*path).to_owned(), lines.clone().collect()));
        let minimum = minimum.and_then(Percent::from_text);
        Patch::new("main".to_owned(), minimum, &lines.collect(), &code_lines(LCOV, "/r"))
    }

    #[test]
    fn only_added_lines_with_code_count_and_rows_are_joined() {
        let added = [
            ("src/a.rs", 1..=9),
            ("src/b.rs", 1..=1),
            ("tests/excluded.rs", 1..=100),
            ("README.md", 1..=1),
        ];
        let patch = patch(&added, None);
        assert_eq!(patch.lines, Lines { covered: 2, counted: 6 });
        assert_eq!(patch.uncovered, ["src/a.rs:2-3", "src/a.rs:5", "src/b.rs:1"]);
    }

    #[test]
    fn rows_of_two_files_are_not_joined() {
        let lcov = "SF:/r/a.rs\nDA:1,0\nend_of_record\nSF:/r/b.rs\nDA:2,0\nend_of_record\n";
        let lines = AddedLines::from(["a.rs", "b.rs"].map(|path| (path.to_owned(), vec![1, 2])));
        let patch = Patch::new("main".to_owned(), None, &lines, &code_lines(lcov, "/r"));
        assert_eq!(patch.uncovered.len(), 2);
    }

    #[test]
    fn the_minimum_is_of_the_added_lines() {
        let third = |minimum| patch(&[("src/a.rs", 1..=3)], minimum);
        assert!(third(Some("33.33")).passes() && third(None).passes());
        assert!(!third(Some("33.34")).passes());
        assert!(patch(&[], Some("100")).passes());
        let sentences = [
            third(Some("80")).sentence(),
            third(Some("33")).sentence(),
            third(None).sentence(),
            patch(&[], Some("80")).sentence(),
        ];
        expect![[r"
            failed: 33.33 % of the lines of code added since main are covered (1 of 3), the minimum is 80.00 %
            passed: 33.33 % of the lines of code added since main are covered (1 of 3), the minimum is 33.00 %
            33.33 % of the lines of code added since main are covered (1 of 3)
            no lines of code were added since main"]].assert_eq(&sentences.join("\n"));
    }
}
