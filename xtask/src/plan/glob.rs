//! Pure. The globs of `if_changed`, as the Buildkite agent reads them: `*`, `**`, `?`, `{a,b}`,
//! `[abc]`,
//! `[^abc]`, and `\` before a character that stands for itself.
//!
//! Source: the parser of `drjosh.dev/zzglob`, which the agent uses.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::text::shell;

/// Why the agent would refuse a glob.
pub(crate) fn problem(glob: &str) -> Option<&'static str> {
    let mut open_braces = 0_usize;
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '{' => open_braces += 1,
            '}' => open_braces = open_braces.saturating_sub(1),
            '[' => {
                // A class ends at the first bracket that is not escaped.
                let mut closed = false;
                while let Some(inner) = chars.next() {
                    match inner {
                        '\\' => _ = chars.next(),
                        ']' => {
                            closed = true;
                            break;
                        }
                        _ => (),
                    }
                }
                if !closed {
                    return Some("`[` is not closed");
                }
            }
            _ => (),
        }
    }
    (open_braces > 0).then_some("`{` is not closed")
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
    path.starts_with(&glob[..literal])
        && problem(glob).is_none()
        && alternatives(glob).iter().any(|glob| matches_one(glob, path))
}

/// More alternatives than this are left out: every pair of braces multiplies them.
const MAX_ALTERNATIVES: usize = 1000;

/// The globs without braces that a glob stands for.
fn alternatives(glob: &str) -> Vec<String> {
    let mut waiting = vec![glob.to_owned()];
    let mut done = Vec::new();
    while let Some(glob) = waiting.pop() {
        match braces(&glob) {
            Some((before, choices, after)) if done.len() + waiting.len() < MAX_ALTERNATIVES => {
                waiting.extend(choices.iter().map(|choice| format!("{before}{choice}{after}")));
            }
            Some(_) => (),
            None => done.push(glob),
        }
    }
    done
}

/// The first pair of braces: what is before it, its choices, and what is after it.
fn braces(glob: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut open = None;
    let mut depth = 0;
    let mut choice_start = 0;
    let mut choices = Vec::new();
    let mut in_class = false;
    let mut chars = glob.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => (),
            '{' => {
                depth += 1;
                if depth == 1 {
                    open = Some(at);
                    choice_start = at + 1;
                }
            }
            ',' if depth == 1 => {
                choices.push(&glob[choice_start..at]);
                choice_start = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&glob[choice_start..at]);
                return Some((&glob[..open?], choices, &glob[at + 1..]));
            }
            '}' if depth > 1 => depth -= 1,
            _ => (),
        }
    }
    None
}

/// Walks over the glob with the set of places in the path that it can have come to.
fn matches_one(glob: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("**/") {
            after_any(&mut reached, &path, |before| before == '/');
            3
        } else if rest.starts_with("**") {
            after_any(&mut reached, &path, |_| true);
            2
        } else if c == '*' {
            for at in 0..path.len() {
                reached[at + 1] |= reached[at] && path[at] != '/';
            }
            1
        } else {
            let (one, length) = one_character(rest);
            for at in (0..path.len()).rev() {
                reached[at + 1] = reached[at] && one.matches(path[at]);
            }
            reached[0] = false;
            length
        };
        rest = &rest[length..];
    }
    reached[path.len()]
}

/// From the first place on, every place after a character of that kind is reached.
fn after_any(reached: &mut [bool], path: &[char], is_end: impl Fn(char) -> bool) {
    let Some(first) = reached.iter().position(|is_reached| *is_reached) else { return };
    for at in first..path.len() {
        reached[at + 1] |= is_end(path[at]);
    }
}

/// What stands for one character.
enum One<'a> {
    Any,
    Exactly(char),
    /// The inside of brackets, and whether it is what does not match.
    Class(&'a str, bool),
}

impl One<'_> {
    fn matches(&self, c: char) -> bool {
        match self {
            One::Any => c != '/',
            One::Exactly(wanted) => c == *wanted,
            One::Class(inside, negated) => c != '/' && in_class(inside, c) != *negated,
        }
    }
}

/// The first element of a glob and its length.
fn one_character(glob: &str) -> (One<'_>, usize) {
    let mut chars = glob.chars();
    let first = chars.next().unwrap_or_default();
    match first {
        '?' => (One::Any, 1),
        '\\' => {
            let escaped = chars.next().unwrap_or('\\');
            (One::Exactly(escaped), 1 + if glob.len() > 1 { escaped.len_utf8() } else { 0 })
        }
        '[' => {
            let end = end_of_class(glob).unwrap_or(glob.len());
            let inside = &glob[1..end];
            let negated = inside.starts_with('^');
            (One::Class(inside.trim_start_matches('^'), negated), (end + 1).min(glob.len()))
        }
        _ => (One::Exactly(first), first.len_utf8()),
    }
}

fn end_of_class(glob: &str) -> Option<usize> {
    let mut chars = glob.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            ']' => return Some(at),
            _ => (),
        }
    }
    None
}

fn in_class(inside: &str, wanted: char) -> bool {
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
        if c == wanted {
            return true;
        }
    }
    false
}

/// A path as a glob that matches it and nothing else.
pub(crate) fn escape(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for c in path.chars() {
        if r"\*?{}[],~".contains(c) {
            glob.push('\\');
        }
        glob.push(c);
    }
    glob
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
            ("[^a]", "/", false),
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
