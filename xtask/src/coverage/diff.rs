//! Pure. Which added lines no test runs, from git's diff and llvm-cov's lines.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use crate::coverage::llvm_cov::Lines;
use crate::text::Percent;

/// The numbers of added lines of each file, by its path relative to the root.
pub(crate) type AddedLines = BTreeMap<String, Vec<u32>>;

/// Reads the added lines of `git diff --src-prefix=a/ --dst-prefix=b/`. What a renamed file kept is
/// not among them.
pub(crate) fn added_lines(diff: &str) -> AddedLines {
    let mut added = AddedLines::new();
    let mut path: Option<String> = None;
    let mut hunk = Hunk::default();
    for line in diff.lines() {
        // Within a hunk, an added line may look like a header.
        if hunk.old_lines > 0 || hunk.new_lines > 0 {
            if let (Some(number), Some(path)) = (hunk.added(line), &path) {
                added.entry(path.clone()).or_default().push(number);
            }
        } else if let Some(name) = line.strip_prefix("+++ ") {
            path = unquote(name).strip_prefix("b/").map(str::to_owned);
        } else if let Some(next) = Hunk::parse(line) {
            hunk = next;
        }
    }
    added
}

/// The part of a hunk that is still to come.
#[derive(Default)]
struct Hunk {
    old_lines: u32,
    new_lines: u32,
    /// The number of the next line in the new file.
    next: u32,
}

impl Hunk {
    /// Reads `@@ -1,2 +3,4 @@ ...`.
    fn parse(line: &str) -> Option<Hunk> {
        let (old, new) = line.strip_prefix("@@ -")?.split_once(" @@")?.0.split_once(" +")?;
        let pair = |text: &str| {
            let (start, length) = text.split_once(',').unwrap_or((text, "1"));
            Some((start.parse().ok()?, length.parse().ok()?))
        };
        let ((_, old_lines), (next, new_lines)): ((u32, _), _) = (pair(old)?, pair(new)?);
        Some(Hunk { old_lines, new_lines, next })
    }

    /// Goes over a line of the hunk and returns its number if it is an added one.
    fn added(&mut self, line: &str) -> Option<u32> {
        let number = self.next;
        // A remark such as `\ No newline at end of file` is no line of either file.
        let (is_old, is_new) = match line.as_bytes().first() {
            Some(b'+') => (false, true),
            Some(b'-') => (true, false),
            Some(b'\\') => return None,
            _ => (true, true),
        };
        self.old_lines = self.old_lines.saturating_sub(is_old.into());
        self.new_lines = self.new_lines.saturating_sub(is_new.into());
        self.next = self.next.saturating_add(is_new.into());
        (is_new && !is_old).then_some(number)
    }
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

/// The lines that a change adds.
pub(crate) struct Added {
    /// What they are added to, for messages.
    pub(crate) base: String,
    /// How many of them have to be covered.
    pub(crate) minimum: Option<Percent>,
    pub(crate) lines: AddedLines,
}

/// How many of the added lines the tests run.
#[derive(Debug)]
pub(crate) struct Patch {
    base: String,
    minimum: Option<Percent>,
    /// Each line counts once, unlike in the totals of llvm-cov.
    lines: Lines,
    pub(crate) uncovered: Vec<Uncovered>,
}

/// Consecutive lines that no test runs.
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
    pub(crate) fn new(added: Added, code: &CodeLines) -> Patch {
        let Added { base, minimum, lines: added } = added;
        let mut patch = Patch { base, minimum, lines: Lines::default(), uncovered: Vec::new() };
        for (path, numbers) in added {
            let Some(code) = code.get(&path) else { continue };
            for line in numbers {
                let Some(&is_run) = code.get(&line) else { continue };
                patch.lines.counted += 1;
                patch.lines.covered += u64::from(is_run);
                if !is_run {
                    patch.add_uncovered(&path, line);
                }
            }
        }
        patch
    }

    fn add_uncovered(&mut self, path: &str, line: u32) {
        match self.uncovered.last_mut() {
            Some(last) if last.path == path && *last.lines.end() + 1 == line => {
                last.lines = *last.lines.start()..=line;
            }
            _ => self.uncovered.push(Uncovered { path: path.to_owned(), lines: line..=line }),
        }
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
            added_lines(DIFF).iter().map(|(path, lines)| format!("{path} {lines:?}")).collect();
        expect![[r#"
            src/new.rs [4, 5, 11]
            src/é "q".rs [1, 2, 3]"#]]
        .assert_eq(&shown.join("\n"));
    }

    #[test]
    fn lines_around_the_added_ones_are_not_added() {
        let diff = "--- a/a\n+++ b/a\n@@ -1,4 +1,4 @@\n x\n-y\n\\ No newline\n+++ b/z\n\n w\n";
        assert_eq!(added_lines(diff), AddedLines::from([("a".to_owned(), vec![2])]));
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
        let added = Added { base: "main".to_owned(), minimum, lines: lines.collect() };
        Patch::new(added, &code_lines(LCOV, "/r"))
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
        let shown: Vec<String> = patch.uncovered.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["src/a.rs:2-3", "src/a.rs:5", "src/b.rs:1"]);
    }

    #[test]
    fn rows_of_two_files_are_not_joined() {
        let lcov = "SF:/r/a.rs\nDA:1,0\nend_of_record\nSF:/r/b.rs\nDA:2,0\nend_of_record\n";
        let lines = AddedLines::from(["a.rs", "b.rs"].map(|path| (path.to_owned(), vec![1, 2])));
        let added = Added { base: "main".to_owned(), minimum: None, lines };
        assert_eq!(Patch::new(added, &code_lines(lcov, "/r")).uncovered.len(), 2);
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
