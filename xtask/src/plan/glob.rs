//! Pure. The globs of `if_changed`, as the Buildkite agent reads them: `*`, `**`, `?`, `{a,b}`,
//! `[abc]`, `[^abc]`, and `\` before a character that stands for itself.
//!
//! Source: the parser of `drjosh.dev/zzglob`, which the agent uses.

use std::collections::BTreeSet;
use std::str::Chars;

use serde_json::Value;

use crate::text::sanitize::with_backslashes;
use crate::text::shell;

/// Why the agent would refuse a glob.
pub(crate) fn problem(glob: &str) -> Option<&'static str> {
    Matcher::new(glob, &[]).sequence(0, vec![true]).err()
}

/// Whether the agent runs a step with this gate for a change of these paths: one that `include` names
/// and `exclude` does not. It runs what it cannot decide about, and so does what holds a variable.
pub(crate) fn gate_matches(gate: &Value, paths: &BTreeSet<String>) -> bool {
    let (include, exclude) = match gate {
        Value::Object(gate) => match gate.get("include") {
            Some(include) => (include, gate.get("exclude").unwrap_or(&Value::Null)),
            None => return true,
        },
        include => (include, &Value::Null),
    };
    let (Some(include), Some(exclude)) = (globs(include), globs(exclude)) else { return true };
    let is_among = |globs: &[String], path: &str| globs.iter().any(|glob| matches(glob, path));
    paths.iter().any(|path| !is_among(&exclude, path) && is_among(&include, path))
}

/// The globs of a gate, as they are after the upload. None if the agent would refuse one.
fn globs(value: &Value) -> Option<Vec<String>> {
    let glob = |value: &Value| {
        let glob = value.as_str().filter(|glob| !shell::has_variable(glob))?;
        Some(shell::unescape_dollars(glob)).filter(|glob| problem(glob).is_none())
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) => values.iter().map(glob).collect(),
        value => Some(vec![glob(value)?]),
    }
}

/// Whether a glob matches a path; an invalid one matches nothing.
pub(crate) fn matches(glob: &str, path: &str) -> bool {
    // Most pairs differ in their first characters, and a workspace has many of both.
    let literal = glob.find(['\\', '*', '?', '{', '[']).unwrap_or(glob.len());
    if !path.starts_with(&glob[..literal]) {
        return false;
    }
    let path: Vec<char> = path.chars().collect();
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    let ends = Matcher::new(glob, &path).sequence(0, reached);
    ends.is_ok_and(|ends| ends[path.len()])
}

/// Deeper than anything that people write, and shallow enough for the stack.
const MAX_DEPTH: usize = 128;

/// Reads a glob once and matches it on the way, with the set of places in the path that it can have
/// come to.
struct Matcher<'a> {
    rest: Chars<'a>,
    path: &'a [char],
    /// Whether `**/` stands for no directory, too: at the start, and after a `/`.
    is_between_directories: bool,
}

impl<'a> Matcher<'a> {
    fn new(glob: &'a str, path: &'a [char]) -> Matcher<'a> {
        Matcher { rest: glob.chars(), path, is_between_directories: true }
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let rest = self.rest.as_str().strip_prefix(wanted);
        self.rest = rest.map_or(self.rest.clone(), str::chars);
        rest.is_some()
    }

    /// The places reached at the end of the glob, or at what ends an alternative.
    fn sequence(
        &mut self,
        depth: usize,
        mut reached: Vec<bool>,
    ) -> Result<Vec<bool>, &'static str> {
        while depth == 0 || !self.rest.as_str().starts_with([',', '}']) {
            let Some(c) = self.rest.next() else { break };
            let is_between_directories = std::mem::take(&mut self.is_between_directories);
            match c {
                '*' if is_between_directories && self.eat("*/") => {
                    self.skip(&mut reached, |before| before == '/');
                }
                '*' if self.eat("*") => self.skip(&mut reached, |_| true),
                '*' => {
                    for at in 0..self.path.len() {
                        reached[at + 1] |= reached[at] && self.path[at] != '/';
                    }
                }
                '{' => reached = self.alternatives(depth, &reached)?,
                '?' => self.step(&mut reached, |c| c != '/'),
                '[' => {
                    let is_negated = self.eat("^");
                    let class = self.class()?;
                    self.step(&mut reached, |c| class.contains(&c) != is_negated);
                }
                '\\' => {
                    let escaped = self.rest.next().unwrap_or('\\');
                    self.is_between_directories = escaped == '/';
                    self.step(&mut reached, |c| c == escaped);
                }
                literal => {
                    self.is_between_directories = literal == '/';
                    self.step(&mut reached, |c| c == literal);
                }
            }
        }
        Ok(reached)
    }

    /// `a,b}`: the places that one of them reaches.
    fn alternatives(&mut self, depth: usize, from: &[bool]) -> Result<Vec<bool>, &'static str> {
        if depth == MAX_DEPTH {
            return Err("`{` is nested too deeply");
        }
        let mut all = vec![false; from.len()];
        loop {
            let ends = self.sequence(depth + 1, from.to_vec())?;
            all.iter_mut().zip(ends).for_each(|(all, end)| *all |= end);
            self.is_between_directories = false;
            match self.rest.next() {
                Some(',') => (),
                Some(_) => return Ok(all),
                None => return Err("`{` is not closed"),
            }
        }
    }

    /// The characters of a class, which ends at the first bracket that is not escaped.
    fn class(&mut self) -> Result<Vec<char>, &'static str> {
        let mut class = Vec::new();
        loop {
            match self.rest.next() {
                Some(']') => return Ok(class),
                Some('\\') => class.extend(self.rest.next()),
                Some(c) => class.push(c),
                None => return Err("`[` is not closed"),
            }
        }
    }

    /// From every place, one character further.
    fn step(&self, reached: &mut [bool], takes: impl Fn(char) -> bool) {
        for at in (0..self.path.len()).rev() {
            reached[at + 1] = reached[at] && takes(self.path[at]);
        }
        reached[0] = false;
    }

    /// From the first place on, to every place after a character of that kind.
    fn skip(&self, reached: &mut [bool], is_end: impl Fn(char) -> bool) {
        let first = reached.iter().position(|is_reached| *is_reached);
        for at in first.into_iter().flat_map(|first| first..self.path.len()) {
            reached[at + 1] |= is_end(self.path[at]);
        }
    }
}

/// A path as a glob that matches it and nothing else.
pub(crate) fn escape(path: &str) -> String {
    with_backslashes(path, r"\*?{}[],~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_would_refuse_is_known() {
        for good in
            ["src/**", "go.{mod,sum}", "{a,{b,c}}/[^x]*.rs", r"\{a", r"[\]]", "a}", "", "**"]
        {
            assert_eq!(problem(good), None, "{good}");
        }
        assert_eq!(problem("src/{a,b"), Some("`{` is not closed"));
        assert_eq!(problem("src/[ab"), Some("`[` is not closed"));
        assert_eq!(problem(r"src/[ab\]"), Some("`[` is not closed"));
    }

    #[test]
    fn a_gate_asks_for_one_path_that_is_included_and_not_excluded() {
        let paths: BTreeSet<String> = ["a/x.rs", "a/$y.md"].map(str::to_owned).into();
        for (gate, wanted) in [
            (r#""a/*""#, true),
            (r#""b/*""#, false),
            (r#"["b/*", "a/x.rs"]"#, true),
            (r#"{"include": "a/**", "exclude": ["**/*.rs", "a/$$*"]}"#, false),
            (r#"{"include": ["a/**"], "exclude": "**/*.rs"}"#, true),
            (r#"{"include": null}"#, false),
            // What cannot be decided runs.
            (r#"{"exclude": "**"}"#, true),
            (r#"["b/*", 1]"#, true),
            (r#""b/$X""#, true),
            (r#""b/[""#, true),
        ] {
            let gate: Value = serde_json::from_str(gate).unwrap();
            assert_eq!(gate_matches(&gate, &paths), wanted, "{gate}");
        }
        assert!(!gate_matches(&"**".into(), &BTreeSet::new()));
    }

    #[test]
    fn a_star_stays_between_slashes_and_two_stars_cross_them() {
        for (glob, path, wanted) in [
            ("a/*", "a/b", true),
            ("a/*", "a/src/b", false),
            ("a/**", "a/src/b", true),
            ("a/**", "a", false),
            ("**", "a/b", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("**/*.rs", "lib.rs", true),
            ("**/*.rs", "a/b.rs", true),
            ("*.rs", "a/b.rs", false),
            ("go.{mod,sum}", "go.sum", true),
            ("{a,{b,c}/d}/e", "c/d/e", true),
            ("{a,{b,c}/d}/e", "b/e", false),
            ("?[ab]", "éb", true),
            ("[^a]", "a", false),
            ("[^a]", "/", true),
            ("a**/b", "ab", false),
            ("a**/b", "ax/b", true),
            ("{**/a,b}", "a", false),
            ("{**/a,b}", "x/a", true),
            ("{x/**/a,b}", "x/a", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("a[", "a[", false),
            ("", "", true),
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
        ] {
            assert_eq!(matches(glob, path), wanted, "{glob} {path}");
        }
        assert!(!matches(&"{a,b}".repeat(100), "a"));
        assert!(matches(&"{a,b}".repeat(100), &"ab".repeat(50)));
        assert_eq!(problem(&"{".repeat(100_000)), Some("`{` is nested too deeply"));
        assert!(!matches(&"*a".repeat(1000), &"a".repeat(999)));
    }

    #[test]
    fn an_escaped_path_stands_for_itself() {
        assert_eq!(escape("crates/a-b_c.d"), "crates/a-b_c.d");
        assert_eq!(escape("a[1]{x}*"), r"a\[1\]\{x\}\*");
        assert_eq!(problem(&escape("[{")), None);
        assert!(matches(&escape("a[1]{x}*,~\\"), "a[1]{x}*,~\\"));
    }
}
