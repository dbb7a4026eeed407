//! Pure. Which added lines no test runs: git's diff and llvm-cov's lines, put together.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use crate::coverage::score::{Lines, Score};

/// Line numbers of each file, by its path relative to the root.
pub(crate) type AddedLines = BTreeMap<String, Vec<RangeInclusive<u32>>>;

/// The added lines of `git diff --unified=0 --src-prefix=a/ --dst-prefix=b/`. What a renamed file
/// kept is not among them.
pub(crate) fn added_lines(diff: &str) -> AddedLines {
    let mut added = AddedLines::new();
    let mut path: Option<String> = None;
    // Lines of a hunk are counted, since an added line may look like a header.
    let mut rest_of_hunk = 0_u32;
    for line in diff.lines() {
        if rest_of_hunk > 0 && line.starts_with(['+', '-']) {
            rest_of_hunk -= 1;
        } else if let Some(name) = line.strip_prefix("+++ ") {
            path = unquote(name).strip_prefix("b/").map(str::to_owned);
        } else if let Some((removed, range)) = hunk(line) {
            rest_of_hunk = removed.saturating_add(count(&range));
            if let Some(path) = path.as_ref().filter(|_| !range.is_empty()) {
                added.entry(path.clone()).or_default().push(range);
            }
        }
    }
    added
}

/// `@@ -1,2 +3,4 @@ ...`: how many lines went, and which came.
fn hunk(line: &str) -> Option<(u32, RangeInclusive<u32>)> {
    let (old, new) = line.strip_prefix("@@ -")?.split_once(" @@")?.0.split_once(" +")?;
    let pair = |text: &str| {
        let (start, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse::<u32>().ok()?, length.parse::<u32>().ok()?))
    };
    let ((_, removed), (start, length)) = (pair(old)?, pair(new)?);
    // An end before the start is an empty range.
    let end = start.saturating_add(length).saturating_sub(1);
    let range = if length == 0 { RangeInclusive::new(1, 0) } else { start..=end };
    Some((removed, range))
}

fn count(range: &RangeInclusive<u32>) -> u32 {
    if range.is_empty() { 0 } else { (range.end() - range.start()).saturating_add(1) }
}

/// Git quotes a name with unusual characters as C does, and ends one that has a space with a tab.
fn unquote(name: &str) -> String {
    let name = name.trim_end_matches('\t');
    let Some(quoted) = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = quoted.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'a') => bytes.push(7),
            Some(b'b') => bytes.push(8),
            Some(b'v') => bytes.push(11),
            Some(b'f') => bytes.push(12),
            Some(digit @ b'0'..=b'3') => {
                let digits = [Some(digit), rest.next(), rest.next()];
                let value = digits.into_iter().flatten().map(|digit| digit.wrapping_sub(b'0') & 7);
                bytes.push(value.fold(0, |value, digit| (value << 3) | digit));
            }
            Some(other) => bytes.push(other),
            None => (),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines of each file that hold code, and whether a test runs them.
pub(crate) type CodeLines = BTreeMap<String, BTreeMap<u32, bool>>;

/// Reads `llvm-cov export -format=lcov`. Paths become relative to the root; files elsewhere stay as
/// they are and match nothing.
pub(crate) fn code_lines(lcov: &str, root: &str) -> CodeLines {
    let mut files = CodeLines::new();
    let mut path = String::new();
    for line in lcov.lines() {
        if let Some(file) = line.strip_prefix("SF:") {
            let relative = file.strip_prefix(root).and_then(|path| path.strip_prefix('/'));
            relative.unwrap_or(file).clone_into(&mut path);
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

/// What the tests do with the added lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Each line once, unlike the totals of llvm-cov.
    pub(crate) lines: Lines,
    pub(crate) uncovered: Vec<Uncovered>,
}

/// Lines in a row that no test runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uncovered {
    path: String,
    lines: RangeInclusive<u32>,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.lines.start(), self.lines.end());
        write!(f, "{}:{start}", self.path)?;
        if start == end { Ok(()) } else { write!(f, "-{end}") }
    }
}

impl Patch {
    /// Lines without code, and files that do not count, do not count here either.
    pub(crate) fn new(added: &AddedLines, code: &CodeLines) -> Patch {
        let mut patch = Patch::default();
        for (path, ranges) in added {
            let Some(lines) = code.get(path) else { continue };
            for (&line, &is_run) in ranges.iter().flat_map(|range| lines.range(range.clone())) {
                patch.lines.counted += 1;
                if is_run {
                    patch.lines.covered += 1;
                } else {
                    patch.note_uncovered(path, line);
                }
            }
        }
        patch
    }

    fn note_uncovered(&mut self, path: &str, line: u32) {
        match self.uncovered.last_mut() {
            Some(last) if last.path == path && *last.lines.end() + 1 == line => {
                last.lines = *last.lines.start()..=line;
            }
            _ => self.uncovered.push(Uncovered { path: path.to_owned(), lines: line..=line }),
        }
    }

    /// Whether at least so much is covered, if anything is wanted; a change without code has
    /// nothing to cover.
    pub(crate) fn reaches(&self, minimum: Option<Score>) -> bool {
        self.lines.counted == 0 || minimum.is_none_or(|minimum| minimum <= self.lines.score())
    }

    /// The result in one sentence.
    pub(crate) fn sentence(&self, base: &str, minimum: Option<Score>) -> String {
        let Lines { covered, counted } = self.lines;
        if counted == 0 {
            return format!("no line of code was added since {base}");
        }
        let score = self.lines.score();
        let result = format!(
            "{score} % of the lines of code added since {base} are covered ({covered} of {counted})"
        );
        match minimum {
            None => result,
            Some(minimum) if self.reaches(Some(minimum)) => {
                format!("passed: {result}, at least the {minimum} % that are wanted")
            }
            Some(minimum) => format!("failed: {result}, less than the {minimum} % that are wanted"),
        }
    }
}

#[cfg(test)]
mod tests {
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
diff --git \"a/src/\\303\\251 \\\"q\\\".rs\" \"b/src/\\303\\251 \\\"q\\\".rs\"
new file mode 100644
--- /dev/null
+++ \"b/src/\\303\\251 \\\"q\\\".rs\"
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
            added_lines(DIFF).iter().map(|(path, ranges)| format!("{path} {ranges:?}")).collect();
        expect![[r#"
            src/new.rs [4..=5, 11..=11]
            src/é "q".rs [1..=3]"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn a_file_that_was_only_renamed_adds_nothing() {
        let diff =
            "diff --git a/a.rs b/b.rs\nsimilarity index 100%\nrename from a.rs\nrename to b.rs\n";
        assert_eq!(added_lines(diff), AddedLines::new());
    }

    const LCOV: &str = "SF:/r/src/a.rs\nFN:1,x\nDA:1,5\nDA:2,0\nDA:3,0\nDA:5,0\nDA:7,1\nLF:5\nend_of_record\n\
                        SF:/r/src/b.rs\nDA:1,0\nend_of_record\nSF:/elsewhere/c.rs\nDA:1,0\nend_of_record\n";

    fn patch(added: &[(&str, &[RangeInclusive<u32>])]) -> Patch {
        let added = added.iter().map(|(path, ranges)| ((*path).to_owned(), ranges.to_vec()));
        Patch::new(&added.collect(), &code_lines(LCOV, "/r"))
    }

    #[test]
    fn only_added_lines_with_code_count_and_rows_are_joined() {
        let patch = patch(&[
            ("src/a.rs", &[1..=5, 7..=9]),
            ("src/b.rs", &[1..=1]),
            ("tests/excluded.rs", &[1..=100]),
            ("README.md", &[1..=1]),
        ]);
        assert_eq!(patch.lines, Lines { covered: 2, counted: 6 });
        let shown: Vec<String> = patch.uncovered.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["src/a.rs:2-3", "src/a.rs:5", "src/b.rs:1"]);
    }

    #[test]
    fn rows_of_two_files_are_not_joined() {
        let lcov = "SF:/r/a.rs\nDA:1,0\nend_of_record\nSF:/r/b.rs\nDA:2,0\nend_of_record\n";
        let added =
            AddedLines::from([("a.rs".to_owned(), vec![1..=9]), ("b.rs".to_owned(), vec![1..=9])]);
        assert_eq!(Patch::new(&added, &code_lines(lcov, "/r")).uncovered.len(), 2);
    }

    #[test]
    fn the_minimum_is_of_the_added_lines() {
        let third = patch(&[("src/a.rs", &[1..=3])]);
        let minimum = Score::from_text;
        assert!(third.reaches(minimum("33.33")) && third.reaches(None));
        assert!(!third.reaches(minimum("33.34")));
        assert!(patch(&[]).reaches(minimum("100")));
        let sentences = [
            third.sentence("main", minimum("80")),
            third.sentence("main", minimum("33")),
            third.sentence("main", None),
            patch(&[]).sentence("main", minimum("80")),
        ];
        expect![[r"
            failed: 33.33 % of the lines of code added since main are covered (1 of 3), less than the 80.00 % that are wanted
            passed: 33.33 % of the lines of code added since main are covered (1 of 3), at least the 33.00 % that are wanted
            33.33 % of the lines of code added since main are covered (1 of 3)
            no line of code was added since main"]].assert_eq(&sentences.join("\n"));
    }
}
