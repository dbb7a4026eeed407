//! Pure. POSIX extended regular expressions over paths, as `exclude_path` has them.
//!
//! LLVM accepts an invalid expression without a word and then matches nothing, also not what
//! `cargo llvm-cov` excludes by default. So the expression is read and matched here, by LLVM's rules,
//! and LLVM is given the paths that match.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::text::sanitize::with_backslashes;

/// An error in an expression and the byte at which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Returns every misleading escape of an expression and the first error in its structure.
pub(crate) fn problems(pattern: &str) -> Vec<Problem> {
    let mut matcher = Matcher { pattern, at: 0, text: &[], problems: Vec::new() };
    let end = matcher.alternatives(0, &Positions::new());
    matcher.problems.extend(end.err());
    matcher.problems
}

/// Whether some part of a path matches a valid expression.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let text: Vec<char> = path.chars().collect();
    let mut matcher = Matcher { pattern, at: 0, text: &text, problems: Vec::new() };
    let ends = matcher.alternatives(0, &(0..=text.len()).collect());
    ends.is_ok_and(|ends| !ends.is_empty())
}

/// Returns an expression that matches a text alone, for LLVM and for Rust's `regex`.
pub(crate) fn escape(text: &str) -> String {
    with_backslashes(text, r"\^$.|?*+()[]{}")
}

/// Places in the text at which a match can be. Sets of them take a bounded time; trying one way after
/// the other would not.
type Positions = BTreeSet<usize>;

/// Each level may double the time of a match.
const MAX_DEPTH: usize = 10;

/// Reads an expression once and matches it on the way: each part takes the places where it can start
/// and returns those where it can end.
struct Matcher<'a> {
    pattern: &'a str,
    at: usize,
    text: &'a [char],
    problems: Vec<Problem>,
}

fn fail<T>(offset: usize, message: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { offset, message: message.into() })
}

impl Matcher<'_> {
    fn rest(&self) -> &str {
        &self.pattern[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let is_there = self.rest().starts_with(wanted);
        self.at += if is_there { wanted.len_utf8() } else { 0 };
        is_there
    }

    /// `a|b|c`, up to the `)` that ends a group, or the end.
    fn alternatives(&mut self, depth: usize, from: &Positions) -> Result<Positions, Problem> {
        let mut all = Positions::new();
        loop {
            let start = self.at;
            let mut ends = from.clone();
            let is_over = |rest: &str| {
                rest.is_empty() || rest.starts_with('|') || (depth > 0 && rest.starts_with(')'))
            };
            while !is_over(self.rest()) {
                ends = self.piece(depth, &ends)?;
            }
            if self.at == start {
                return fail(start, "empty alternative; LLVM does not accept one");
            }
            all.extend(ends);
            if !self.eat('|') {
                return Ok(all);
            }
        }
    }

    /// One atom and its repetition.
    fn piece(&mut self, depth: usize, from: &Positions) -> Result<Positions, Problem> {
        let start = self.at;
        let mut last = self.atom(depth, from)?;
        let repetition = self.at;
        let sign = self.rest().chars().next().filter(|c| "*+?".contains(*c));
        let Some(sign) = sign else { return Ok(last) };
        if &self.pattern[start..repetition] == "^" {
            return fail(repetition, "`^` cannot be repeated");
        }
        let mut all = if sign == '+' { Positions::new() } else { from.clone() };
        while !last.is_subset(&all) {
            all.append(&mut last);
            if sign != '?' {
                self.at = start;
                last = self.atom(depth, &all)?;
            }
        }
        self.at = repetition + 1;
        if self.rest().starts_with(['*', '+', '?']) {
            return fail(self.at, "POSIX has no lazy or possessive repetition");
        }
        Ok(all)
    }

    fn atom(&mut self, depth: usize, from: &Positions) -> Result<Positions, Problem> {
        let start = self.at;
        let takes: Box<dyn Fn(char) -> bool> = match self.next().unwrap_or_default() {
            '(' => return self.group(start, depth, from),
            ')' => return fail(start, "unmatched closing parenthesis"),
            sign @ ('*' | '+' | '?') => {
                return fail(start, format!("`{sign}` has nothing to repeat"));
            }
            '{' if self.rest().starts_with(|c: char| c.is_ascii_digit()) => {
                return fail(start, "counted repetition is not supported; write it out");
            }
            '^' => return Ok(from.iter().copied().filter(|at| *at == 0).collect()),
            '$' => return Ok(from.iter().copied().filter(|at| *at == self.text.len()).collect()),
            '.' => Box::new(|_| true),
            '[' => {
                let is_negated = self.eat('^');
                let ranges = self.bracket(start)?;
                Box::new(move |c| ranges.iter().any(|range| range.contains(&c)) != is_negated)
            }
            '\\' => {
                let Some(escaped) = self.next() else {
                    return fail(start, "a backslash at the end escapes nothing");
                };
                self.check_escape(start, escaped);
                Box::new(move |c| c == escaped)
            }
            plain => Box::new(move |c| c == plain),
        };
        let is_taken = |at: &&usize| self.text.get(**at).is_some_and(|c| takes(*c));
        Ok(from.iter().filter(is_taken).map(|at| at + 1).collect())
    }

    fn group(
        &mut self,
        start: usize,
        depth: usize,
        from: &Positions,
    ) -> Result<Positions, Problem> {
        if depth >= MAX_DEPTH {
            return fail(start, "nested too deeply");
        }
        if self.rest().starts_with('?') {
            return fail(start, "`(?` is not POSIX; only plain groups are supported");
        }
        let is_last = self.rest().is_empty();
        let ends = if is_last { Positions::new() } else { self.alternatives(depth + 1, from)? };
        if self.eat(')') { Ok(ends) } else { fail(start, "unclosed group") }
    }

    /// An escaped letter is that letter for LLVM, which is never what is meant.
    fn check_escape(&mut self, offset: usize, escaped: char) {
        let instead = match escaped {
            'd' => "; write `[0-9]`",
            'w' => "; write `[[:alnum:]_]`",
            's' => "; write `[[:space:]]`",
            '1'..='9' => "; back-references are not supported",
            _ if escaped.is_ascii_alphanumeric() => "",
            _ => return,
        };
        let message = format!("LLVM reads `\\{escaped}` as a plain `{escaped}`{instead}");
        self.problems.push(Problem { offset, message });
    }

    /// `[...]`, in which a backslash is a plain character and a `]` at the start too.
    fn bracket(&mut self, start: usize) -> Result<Vec<RangeInclusive<char>>, Problem> {
        let mut ranges = Vec::new();
        while ranges.is_empty() || !self.eat(']') {
            let term = self.at;
            let Some(low) = self.next() else { return fail(start, "unclosed bracket") };
            if low == '[' && self.rest().starts_with([':', '.', '=']) {
                ranges.extend_from_slice(self.class(term)?);
                continue;
            }
            let next = self.rest().chars().next().filter(char::is_ascii_alphanumeric);
            if let Some(escaped) = next.filter(|_| low == '\\') {
                self.check_escape(term, escaped);
            }
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            let high = if is_range && self.eat('-') { self.next() } else { Some(low) };
            match high {
                None => return fail(start, "unclosed bracket"),
                Some(high) if high < low => return fail(term, "this range ends before it starts"),
                Some(high) => ranges.push(low..=high),
            }
        }
        Ok(ranges)
    }

    fn class(&mut self, term: usize) -> Result<&'static [RangeInclusive<char>], Problem> {
        let end = self.rest().find(":]").map_or(self.pattern.len(), |at| self.at + at + 2);
        self.at = end;
        Ok(match &self.pattern[term..end] {
            "[:alnum:]" => &['0'..='9', 'A'..='Z', 'a'..='z'],
            "[:alpha:]" => &['A'..='Z', 'a'..='z'],
            "[:digit:]" => &['0'..='9'],
            "[:lower:]" => &['a'..='z'],
            "[:space:]" => &['\t'..='\r', ' '..=' '],
            "[:upper:]" => &['A'..='Z'],
            _ => return fail(term, "unsupported character class; write a range such as `[a-f]`"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn shown(pattern: &str) -> String {
        let found = problems(pattern)
            .into_iter()
            .map(|problem| format!("{}: {}", problem.offset, problem.message));
        found.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_pattern_matches_as_llvms_own() {
        let matched = |pattern: &str| {
            assert_eq!(shown(pattern), "");
            let paths =
                ["src/lib.rs", "src/bindings.rs", "src/mmap_windows.rs", "utilities/a-b.rs", "é]x"];
            let matched = paths.into_iter().filter(|path| matches(pattern, path));
            matched.collect::<Vec<_>>().join(" ")
        };
        let patterns = [
            "utilities/",
            r".*bindings\.rs",
            "tests/integration_tests.rs,tests/json.rs",
            "mmap_windows.rs|loader_gen",
            "^src/[^lm].*$",
            "rs$|lib",
            "(a|b)-b",
            "é+[]]x?x",
            "[[:upper:]]|[a-]-",
            "^(((s|r)*c?)*)*/l(i|o)b|x{",
            "src/(lib|bind(ings)?)[.]",
            "lib.?rs$",
        ];
        let lines = patterns.map(|pattern| format!("{pattern:40} {}", matched(pattern)));
        expect![[r"
            utilities/                               utilities/a-b.rs
            .*bindings\.rs                           src/bindings.rs
            tests/integration_tests.rs,tests/json.rs 
            mmap_windows.rs|loader_gen               src/mmap_windows.rs
            ^src/[^lm].*$                            src/bindings.rs
            rs$|lib                                  src/lib.rs src/bindings.rs src/mmap_windows.rs utilities/a-b.rs
            (a|b)-b                                  utilities/a-b.rs
            é+[]]x?x                                 é]x
            [[:upper:]]|[a-]-                        utilities/a-b.rs
            ^(((s|r)*c?)*)*/l(i|o)b|x{               src/lib.rs
            src/(lib|bind(ings)?)[.]                 src/lib.rs src/bindings.rs
            lib.?rs$                                 src/lib.rs
        "]]
        .assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn every_error_has_its_place() {
        let patterns = r"a|(b a) a[b *a a|+ ^* a** a.*? (?i)a a| |a (a|) a||b a\ (a)\1 a{2,1} {1}
            [b-a] [[:alfa:]] [[.x.]] [[:alpha: [^] [a-";
        let patterns = patterns.split_whitespace();
        let lines = patterns.map(|pattern| format!("{pattern:12} {}", shown(pattern)));
        expect![[r"
            a|(b         2: unclosed group
            a)           1: unmatched closing parenthesis
            a[b          1: unclosed bracket
            *a           0: `*` has nothing to repeat
            a|+          2: `+` has nothing to repeat
            ^*           1: `^` cannot be repeated
            a**          2: POSIX has no lazy or possessive repetition
            a.*?         3: POSIX has no lazy or possessive repetition
            (?i)a        0: `(?` is not POSIX; only plain groups are supported
            a|           2: empty alternative; LLVM does not accept one
            |a           0: empty alternative; LLVM does not accept one
            (a|)         3: empty alternative; LLVM does not accept one
            a||b         2: empty alternative; LLVM does not accept one
            a\           1: a backslash at the end escapes nothing
            (a)\1        3: LLVM reads `\1` as a plain `1`; back-references are not supported
            a{2,1}       1: counted repetition is not supported; write it out
            {1}          0: counted repetition is not supported; write it out
            [b-a]        1: this range ends before it starts
            [[:alfa:]]   1: unsupported character class; write a range such as `[a-f]`
            [[.x.]]      1: unsupported character class; write a range such as `[a-f]`
            [[:alpha:    1: unsupported character class; write a range such as `[a-f]`
            [^]          0: unclosed bracket
            [a-          0: unclosed bracket
        "]]
        .assert_eq(&(lines.collect::<Vec<_>>().join("\n") + "\n"));
    }

    #[test]
    fn an_escaped_letter_is_not_what_it_seems_and_all_are_reported() {
        expect![[r"
            0: LLVM reads `\d` as a plain `d`; write `[0-9]`
            8: LLVM reads `\w` as a plain `w`; write `[[:alnum:]_]`
            11: LLVM reads `\s` as a plain `s`; write `[[:space:]]`
            15: LLVM reads `\w` as a plain `w`; write `[[:alnum:]_]`
            19: LLVM reads `\b` as a plain `b`
            22: LLVM reads `\q` as a plain `q`
            24: unclosed group
        "]]
        .assert_eq(&(shown(r"\d+\.rs|\w*\s|[\w-]\b|\q(") + "\n"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        assert!(shown(&"(".repeat(100_000)).contains("nested too deeply"));
        let nested = (0..MAX_DEPTH).fold("a*".to_owned(), |inner, _| format!("({inner})*"));
        assert!(!matches(&format!("^{nested}$"), &("a".repeat(500) + "b")));
    }
}
