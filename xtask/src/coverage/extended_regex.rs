//! Pure. What is wrong with a POSIX extended regular expression, as LLVM reads it.
//!
//! LLVM takes a broken expression in silence: it then matches nothing. `cargo llvm-cov` appends its
//! own exclusions to the one it is given, so these are lost as well and tests count as code.
//!
//! Source: `llvm/lib/Support/regcomp.c`, whose structure this follows, byte by byte.

/// A fault and the byte at which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Every fault that can be told apart: escapes that mean something else than they seem to, and the
/// first fault of the structure. An empty expression has none; it is not used at all.
pub(crate) fn problems(pattern: &str) -> Vec<Problem> {
    let mut parser = Parser {
        bytes: pattern.as_bytes(),
        at: 0,
        opened: 0,
        closed: Vec::new(),
        problems: Vec::new(),
    };
    if pattern.is_empty() {
        return Vec::new();
    }
    if let Err(problem) = parser.alternatives(0) {
        parser.problems.push(problem);
    }
    parser.problems
}

/// More nesting than this is nobody's pattern.
const MAX_DEPTH: usize = 100;
/// The highest count of `{n}`.
const MAX_COUNT: u32 = 255;

const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit",
];

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Groups so far, and the numbers of those that a back-reference may name.
    opened: usize,
    closed: Vec<usize>,
    problems: Vec<Problem>,
}

type Parsed = Result<(), Problem>;

fn fault<T>(offset: usize, message: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { offset, message: message.into() })
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn second(&self) -> Option<u8> {
        self.bytes.get(self.at + 1).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn eat_two(&mut self, pair: [u8; 2]) -> bool {
        let is_there = self.bytes[self.at..].starts_with(&pair);
        self.at += if is_there { 2 } else { 0 };
        is_there
    }

    /// `a|b|c`, up to the `)` that ends a group, or the end.
    fn alternatives(&mut self, depth: usize) -> Parsed {
        loop {
            let start = self.at;
            while let Some(byte) = self.peek() {
                if byte == b'|' || (byte == b')' && depth > 0) {
                    break;
                }
                self.piece(depth)?;
            }
            if self.at == start {
                return fault(start, "an empty alternative; LLVM takes none");
            }
            if !self.eat(b'|') {
                return Ok(());
            }
        }
    }

    /// One atom and what says how often.
    fn piece(&mut self, depth: usize) -> Parsed {
        let start = self.at;
        let byte = self.bytes[start];
        self.at += 1;
        match byte {
            b'(' => self.group(start, depth)?,
            b')' => return fault(start, "this parenthesis closes nothing"),
            b'*' | b'+' | b'?' => return fault(start, nothing_to_repeat(byte)),
            b'{' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                return fault(start, nothing_to_repeat(byte));
            }
            b'[' => self.bracket(start)?,
            b'\\' => self.escape(start)?,
            _ => (),
        }
        let repetition = self.at;
        if !self.repetition()? {
            return Ok(());
        }
        if byte == b'^' {
            return fault(repetition, nothing_to_repeat(self.bytes[repetition]));
        }
        let again = self.at;
        if self.repetition()? {
            return fault(
                again,
                "a repetition of a repetition; LLVM knows no lazy or possessive one",
            );
        }
        Ok(())
    }

    fn group(&mut self, start: usize, depth: usize) -> Parsed {
        if depth >= MAX_DEPTH {
            return fault(start, "nested too deeply");
        }
        if self.peek() == Some(b'?') {
            return fault(start, "`(?` is not POSIX: there are plain groups only");
        }
        self.opened += 1;
        let number = self.opened;
        if self.peek().is_some_and(|byte| byte != b')') {
            self.alternatives(depth + 1)?;
        }
        if !self.eat(b')') {
            return fault(start, "this group is not closed");
        }
        self.closed.push(number);
        Ok(())
    }

    fn escape(&mut self, start: usize) -> Parsed {
        let Some(escaped) = self.peek() else {
            return fault(start, "a backslash at the end escapes nothing");
        };
        self.at += 1;
        match escaped {
            b'1'..=b'9' if !self.closed.contains(&usize::from(escaped - b'0')) => {
                fault(start, format!("there is no group {} before this", escaped - b'0'))
            }
            _ => {
                self.note_escape(start, escaped);
                Ok(())
            }
        }
    }

    /// An escaped letter is that letter for LLVM, which nobody means.
    fn note_escape(&mut self, offset: usize, escaped: u8) {
        let instead = match escaped {
            b'd' => "write `[0-9]`",
            b'D' => "write `[^0-9]`",
            b'w' => "write `[[:alnum:]_]`",
            b'W' => "write `[^[:alnum:]_]`",
            b's' => "write `[[:space:]]`",
            b'S' => "write `[^[:space:]]`",
            b'b' | b'B' => "there are no word boundaries",
            b'0' | b'A'..=b'Z' | b'a'..=b'z' => "leave the backslash out if that is meant",
            _ => return,
        };
        let escaped = char::from(escaped);
        let message = format!("LLVM reads `\\{escaped}` as a plain `{escaped}`; {instead}");
        self.problems.push(Problem { offset, message });
    }

    /// `*`, `+`, `?` or `{n,m}`, if one stands here.
    fn repetition(&mut self) -> Result<bool, Problem> {
        let start = self.at;
        match self.peek() {
            Some(b'*' | b'+' | b'?') => self.at += 1,
            Some(b'{') if self.second().is_some_and(|byte| byte.is_ascii_digit()) => {
                self.at += 1;
                self.bounds(start)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn bounds(&mut self, start: usize) -> Parsed {
        let least = self.count();
        let most = if self.eat(b',') {
            let is_given = self.peek().is_some_and(|byte| byte.is_ascii_digit());
            if is_given { self.count() } else { MAX_COUNT }
        } else {
            least
        };
        if !self.bytes[self.at..].contains(&b'}') {
            return fault(start, "this brace is not closed");
        }
        if !self.eat(b'}') || least > most || most > MAX_COUNT {
            return fault(start, format!("not a count of repetitions; the highest is {MAX_COUNT}"));
        }
        Ok(())
    }

    fn count(&mut self) -> u32 {
        let mut count: u32 = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            count = count.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            self.at += 1;
        }
        count
    }

    /// `[...]`: here a backslash is a plain character.
    fn bracket(&mut self, start: usize) -> Parsed {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"[:<:]]") || rest.starts_with(b"[:>:]]") {
            self.at += 6;
            return Ok(());
        }
        self.eat(b'^');
        if !self.eat(b']') {
            self.eat(b'-');
        }
        while self.peek().is_some_and(|byte| byte != b']')
            && !self.bytes[self.at..].starts_with(b"-]")
        {
            self.bracket_term(start)?;
        }
        self.eat(b'-');
        if !self.eat(b']') {
            return fault(start, "this bracket is not closed");
        }
        Ok(())
    }

    fn bracket_term(&mut self, start: usize) -> Parsed {
        let term = self.at;
        if self.peek() == Some(b'-') && self.second().is_some() {
            return fault(term, "a range without a start; write a plain `-` first or last");
        }
        if self.eat_two(*b"[:") {
            return self.class(start, term);
        }
        if self.eat_two(*b"[=") {
            return self.named(*b"=]", start, term).map(|_| ());
        }
        if self.peek() == Some(b'\\') {
            let escaped = self.second().filter(u8::is_ascii_alphanumeric);
            if let Some(escaped) = escaped {
                self.note_escape(term, escaped);
            }
        }
        let first = self.bracket_symbol(start)?;
        let is_range = self.peek() == Some(b'-') && self.second().is_some_and(|byte| byte != b']');
        if !is_range {
            return Ok(());
        }
        self.at += 1;
        let last = if self.eat(b'-') { b'-' } else { self.bracket_symbol(start)? };
        if first > last {
            return fault(term, "this range ends before it starts");
        }
        Ok(())
    }

    fn class(&mut self, start: usize, term: usize) -> Parsed {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        if self.peek().is_none() {
            return fault(start, "this bracket is not closed");
        }
        if !CLASSES.contains(&name.as_str()) || !self.eat_two(*b":]") {
            let known = CLASSES.join(", ");
            return fault(term, format!("not a character class; there are {known}"));
        }
        Ok(())
    }

    fn bracket_symbol(&mut self, start: usize) -> Result<u8, Problem> {
        let term = self.at;
        if self.eat_two(*b"[.") {
            return self.named(*b".]", start, term);
        }
        let Some(byte) = self.peek() else {
            return fault(start, "this bracket is not closed");
        };
        self.at += 1;
        Ok(byte)
    }

    /// `[.x.]` and `[=x=]`. LLVM knows some names of characters too; a character needs none.
    fn named(&mut self, end: [u8; 2], start: usize, term: usize) -> Result<u8, Problem> {
        let Some(byte) = self.peek() else {
            return fault(start, "this bracket is not closed");
        };
        self.at += 1;
        if !self.eat_two(end) {
            return fault(term, "not a single character; write it without a name");
        }
        Ok(byte)
    }
}

fn nothing_to_repeat(byte: u8) -> String {
    format!("`{}` has nothing before it to repeat", char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn shown(pattern: &str) -> Vec<String> {
        let found = problems(pattern).into_iter();
        found.map(|problem| format!("{}: {}", problem.offset, problem.message)).collect()
    }

    #[test]
    fn patterns_in_use_are_fine() {
        for pattern in [
            "",
            "utilities/",
            r".*bindings\.rs",
            "tests/integration_tests.rs,tests/json.rs",
            "mmap_windows.rs|loader_gen",
            r"(a|b)\1",
            "[]a-c.^$*-]x",
            "[^]]|[[:alpha:]_][[=a=][.b.]]|a{2,}b{2,3}c{4}",
            "a{x|{",
            "()$*",
            "é+",
            r"[\.]",
        ] {
            assert_eq!(shown(pattern), Vec::<String>::new(), "{pattern}");
        }
    }

    #[test]
    fn every_fault_has_its_place() {
        let patterns = [
            "a|(b",
            "a)",
            "a[b",
            "*a",
            "a|+",
            "^*",
            "a**",
            "a.*?",
            "(?i)a",
            "(?:a)",
            "a|",
            "|a",
            "(a|)",
            "a||b",
            r"a\",
            r"\2(a)",
            "a{1",
            "a{2,1}",
            "a{256}",
            "a{1x}",
            "{1}",
            "[b-a]",
            "[a-b-c]",
            "[[:alfa:]]",
            "[[:alpha:]",
            "[[.xx.]]",
            "[^]",
            "[a-",
        ];
        let lines = patterns.map(|pattern| format!("{pattern:12} {}", shown(pattern).join("; ")));
        expect![[r"
            a|(b         2: this group is not closed
            a)           1: this parenthesis closes nothing
            a[b          1: this bracket is not closed
            *a           0: `*` has nothing before it to repeat
            a|+          2: `+` has nothing before it to repeat
            ^*           1: `*` has nothing before it to repeat
            a**          2: a repetition of a repetition; LLVM knows no lazy or possessive one
            a.*?         3: a repetition of a repetition; LLVM knows no lazy or possessive one
            (?i)a        0: `(?` is not POSIX: there are plain groups only
            (?:a)        0: `(?` is not POSIX: there are plain groups only
            a|           2: an empty alternative; LLVM takes none
            |a           0: an empty alternative; LLVM takes none
            (a|)         3: an empty alternative; LLVM takes none
            a||b         2: an empty alternative; LLVM takes none
            a\           1: a backslash at the end escapes nothing
            \2(a)        0: there is no group 2 before this
            a{1          1: this brace is not closed
            a{2,1}       1: not a count of repetitions; the highest is 255
            a{256}       1: not a count of repetitions; the highest is 255
            a{1x}        1: not a count of repetitions; the highest is 255
            {1}          0: `{` has nothing before it to repeat
            [b-a]        1: this range ends before it starts
            [a-b-c]      4: a range without a start; write a plain `-` first or last
            [[:alfa:]]   1: not a character class; there are alnum, alpha, blank, cntrl, digit, graph, lower, print, punct, space, upper, xdigit
            [[:alpha:]   0: this bracket is not closed
            [[.xx.]]     1: not a single character; write it without a name
            [^]          0: this bracket is not closed
            [a-          0: this bracket is not closed"]].assert_eq(&lines.join("\n"));
    }

    #[test]
    fn an_escaped_letter_is_not_what_it_seems_and_all_are_reported() {
        expect![[r"
            0: LLVM reads `\d` as a plain `d`; write `[0-9]`
            8: LLVM reads `\w` as a plain `w`; write `[[:alnum:]_]`
            11: LLVM reads `\s` as a plain `s`; write `[[:space:]]`
            15: LLVM reads `\w` as a plain `w`; write `[[:alnum:]_]`
            19: LLVM reads `\b` as a plain `b`; there are no word boundaries
            22: LLVM reads `\q` as a plain `q`; leave the backslash out if that is meant
            24: this group is not closed"]]
        .assert_eq(&shown(r"\d+\.rs|\w*\s|[\w-]\b|\q(").join("\n"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        assert!(shown(&"(".repeat(100_000))[0].contains("nested too deeply"));
    }
}
