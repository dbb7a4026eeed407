//! Pure. Reads the parts of a TOML text that decide something here: strings, and lists of strings.
//!
//! Other values are kept as they are written. What is not TOML ends the reading with its line.

/// A value and the names that lead to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which table it is in, counted in the order of the headers; 0 is before the first.
    pub(crate) table: usize,
    /// The header's names and the key's: `["database", "url"]`.
    pub(crate) path: Vec<String>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<Value>),
    /// A number, a boolean or a date.
    Other(String),
}

impl Value {
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::List(_) | Value::Other(_) => None,
        }
    }
}

/// All values in the order of the text. The error is the line, counted from 1, that is not
/// understood.
pub(crate) fn entries(text: &str) -> Result<Vec<Entry>, usize> {
    let mut reader = Reader { text, at: 0, depth: 0, table: 0, entries: Vec::new() };
    match reader.document() {
        Some(()) => Ok(reader.entries),
        None => Err(text[..reader.at].bytes().filter(|byte| *byte == b'\n').count() + 1),
    }
}

/// Deeper nesting is refused: reading it would take the stack.
const MAX_DEPTH: usize = 64;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    table: usize,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        let mut header = Vec::new();
        loop {
            self.skip_blank();
            match self.rest().chars().next() {
                None => return Some(()),
                Some('[') => header = self.header()?,
                Some(_) => self.entry(&header)?,
            }
            self.end_of_line()?;
        }
    }

    fn header(&mut self) -> Option<Vec<String>> {
        let (open, close) = if self.rest().starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
        self.take(open)?;
        let names = self.names()?;
        self.take(close)?;
        self.table += 1;
        Some(names)
    }

    fn entry(&mut self, header: &[String]) -> Option<()> {
        let path = [header.to_vec(), self.names()?].concat();
        self.take("=")?;
        self.skip_spaces();
        self.value(path)
    }

    fn value(&mut self, path: Vec<String>) -> Option<()> {
        if self.rest().starts_with('{') {
            return self.inline_table(&path);
        }
        let value = self.plain_value()?;
        self.entries.push(Entry { table: self.table, path, value });
        Some(())
    }

    fn inline_table(&mut self, path: &[String]) -> Option<()> {
        self.open("{")?;
        loop {
            self.skip_blank();
            if self.take("}").is_some() {
                self.depth -= 1;
                return Some(());
            }
            self.entry(path)?;
            self.skip_blank();
            if self.take(",").is_none() && !self.rest().starts_with('}') {
                return None;
            }
        }
    }

    fn plain_value(&mut self) -> Option<Value> {
        match self.rest().chars().next()? {
            '"' | '\'' => self.string().map(Value::Text),
            '[' => self.list(),
            _ => {
                let end = self.rest().find([',', ']', '}', '#', '\n']);
                let word = &self.rest()[..end.unwrap_or(self.rest().len())];
                let value = Value::Other(word.trim_end().to_owned());
                self.at += word.len();
                (value != Value::Other(String::new())).then_some(value)
            }
        }
    }

    fn list(&mut self) -> Option<Value> {
        self.open("[")?;
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            if self.take("]").is_some() {
                self.depth -= 1;
                return Some(Value::List(items));
            }
            // Tables in a list say nothing that is asked for here.
            if self.rest().starts_with('{') {
                let known = self.entries.len();
                self.inline_table(&[])?;
                self.entries.truncate(known);
            } else {
                items.push(self.plain_value()?);
            }
            self.skip_blank();
            if self.take(",").is_none() && !self.rest().starts_with(']') {
                return None;
            }
        }
    }

    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        loop {
            self.skip_spaces();
            names.push(match self.rest().chars().next()? {
                '"' | '\'' => self.string()?,
                _ => self.bare_name()?,
            });
            self.skip_spaces();
            if self.take(".").is_none() {
                return Some(names);
            }
        }
    }

    fn bare_name(&mut self) -> Option<String> {
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let name = &self.rest()[..self.rest().find(is_end).unwrap_or(self.rest().len())];
        let name = name.to_owned();
        self.at += name.len();
        (!name.is_empty()).then_some(name)
    }

    fn string(&mut self) -> Option<String> {
        let quote =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|it| self.rest().starts_with(it))?;
        let is_long = quote.len() > 1;
        let text = &self.rest()[quote.len()..];
        // A line's end right after the opening quotes is not part of the text.
        let text = if is_long { text.strip_prefix('\n').unwrap_or(text) } else { text };
        let raw = &text[..end_of_string(text, quote)?];
        if !is_long && raw.contains('\n') {
            return None;
        }
        let value = if quote.starts_with('"') { unescaped(raw)? } else { raw.to_owned() };
        self.at = self.text.len() - text.len() + raw.len() + quote.len();
        Some(value)
    }

    fn end_of_line(&mut self) -> Option<()> {
        self.skip_spaces();
        let is_end = self.rest().is_empty() || self.rest().starts_with(['\n', '\r', '#']);
        is_end.then_some(())
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    /// Blanks, ends of lines and comments.
    fn skip_blank(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn open(&mut self, bracket: &str) -> Option<()> {
        self.depth += 1;
        self.take(bracket).filter(|()| self.depth <= MAX_DEPTH)
    }

    fn take(&mut self, token: &str) -> Option<()> {
        self.rest().starts_with(token).then(|| self.at += token.len())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

/// Where the closing quote is.
fn end_of_string(text: &str, quote: &str) -> Option<usize> {
    let has_escapes = quote.starts_with('"');
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && has_escapes {
            chars.next();
            continue;
        }
        let Some(after) = text[at..].strip_prefix(quote) else { continue };
        // Before the closing three quotes there may be one or two that are text.
        if quote.len() == 1 || !after.starts_with(&quote[..1]) {
            return Some(at);
        }
    }
    None
}

fn unescaped(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        let digits = match chars.next()? {
            'u' => 4,
            'U' => 8,
            // A line's end and the blanks of the next line, in a string of several lines.
            c if c.is_whitespace() => {
                chars = chars.as_str().trim_start().chars();
                continue;
            }
            c => {
                text.push(escaped(c)?);
                continue;
            }
        };
        let number: String = chars.by_ref().take(digits).collect();
        text.push(char::from_u32(u32::from_str_radix(&number, 16).ok()?)?);
    }
    Some(text)
}

fn escaped(c: char) -> Option<char> {
    Some(match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'e' => '\u{1b}',
        '"' | '\\' => c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn describe(Entry { table, path, value }: &Entry) -> String {
        format!("{table} {}: {value:?}", path.join(" / "))
    }

    #[track_caller]
    fn check(text: &str, want: &Expect) {
        let lines: Vec<String> = match entries(text) {
            Ok(entries) => entries.iter().map(describe).collect(),
            Err(line) => vec![format!("line {line} is not understood")],
        };
        want.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn strings_of_all_kinds_are_read() {
        check(
            "a = \"x # \\\"\\u00e9\\n\" # c\n'b c' = 'C:\\d'\nd.\"e f\".g = \"\"\"\nl1\n\"\"l2\"\"\"\"\nh = '''i'''\nj = \"\"\"k \\\n   l\"\"\"",
            &expect![[r#"
                0 a: Text("x # \"é\n")
                0 b c: Text("C:\\d")
                0 d / e f / g: Text("l1\n\"\"l2\"")
                0 h: Text("i")
                0 j: Text("k l")"#]],
        );
    }

    #[test]
    fn tables_are_numbered_and_lists_may_span_lines() {
        check(
            "v = 3\n[[package]]\nname = \"a\"\ndependencies = [\n \"b\", # why\n \"c 1.0\",\n]\n\n[[package]]\nname = \"b\"\n[ x . y ]\nz = { url = \"u\", n = [1, {q = 2}], w.e = true }\n",
            &expect![[r#"
                0 v: Other("3")
                1 package / name: Text("a")
                1 package / dependencies: List([Text("b"), Text("c 1.0")])
                2 package / name: Text("b")
                3 x / y / z / url: Text("u")
                3 x / y / z / n: List([Other("1")])
                3 x / y / z / w / e: Other("true")"#]],
        );
        check("", &expect![""]);
        check("# only\r\na = 1\r\n", &expect![[r#"0 a: Other("1")"#]]);
    }

    #[test]
    fn endless_nesting_is_refused() {
        for brackets in ["[", "{a="] {
            assert_eq!(entries(&format!("a = {}", brackets.repeat(100_000))), Err(1));
        }
        let shallow = format!("a = {}{}\n", "[".repeat(64), "]".repeat(64)).repeat(3);
        assert_eq!(entries(&shallow).map(|entries| entries.len()), Ok(3));
    }

    #[test]
    fn what_is_not_toml_names_its_line() {
        for (text, line) in [
            ("a = 1\nb", 2),
            ("a = \"x", 1),
            ("a = \"x\ny\"", 1),
            ("[a", 1),
            ("\n\na = [1", 3),
            ("a = {b = 1", 1),
            ("a = 1 b = 2\n[", 2),
            ("a =\nb = 1", 1),
            ("a = \"\\q\"", 1),
            ("= 1", 1),
        ] {
            assert_eq!(entries(text), Err(line), "{text:?}");
        }
    }
}
