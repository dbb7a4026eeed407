//! Pure. TOML as a list of statements and where each stands: enough to read a setting and to add a
//! line, and no judge of what is valid.

/// A header or a `key = value` of a TOML text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// The table's names, and the key's where it is not a header.
    pub(crate) path: Vec<String>,
    /// `None` for a header.
    pub(crate) value: Option<&'a str>,
    /// The byte at which its first line starts.
    pub(crate) start: usize,
    /// The byte after its last line.
    pub(crate) end: usize,
}

/// All statements in the order of the text. The error is the byte at which a line starts that is none,
/// or has no end.
pub(crate) fn statements(text: &str) -> Result<Vec<Statement<'_>>, usize> {
    let mut statements = Vec::new();
    let mut table = Vec::new();
    // A byte order mark.
    let mut start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while start < text.len() {
        let (content_end, end) = extent(&text[start..]).ok_or(start)?;
        let content = text[start..start + content_end].trim();
        let end = start + end;
        if let Some(names) = content.strip_prefix('[') {
            let names = names.trim_start_matches('[').trim_end_matches(']');
            table = path(names).ok_or(start)?;
            statements.push(Statement { path: table.clone(), value: None, start, end });
        } else if !content.is_empty() {
            let at = unquoted(content, '=').ok_or(start)?;
            let key = path(&content[..at]).ok_or(start)?;
            let value = Some(content[at + 1..].trim()).filter(|value| !value.is_empty());
            let value = Some(value.ok_or(start)?);
            let path = [table.clone(), key].concat();
            let entries = value.and_then(|value| entries(&path, value));
            let entries = entries.unwrap_or_else(|| vec![(path, value)]);
            let statement = |(path, value)| Statement { path, value, start, end };
            statements.extend(entries.into_iter().map(statement));
        }
        start = end;
    }
    Ok(statements)
}

/// What is in an inline table; any other value and an empty table have no entries.
fn entries<'a>(path: &[String], value: &'a str) -> Option<Vec<(Vec<String>, Option<&'a str>)>> {
    let mut rest = value.strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (entry, others) = rest.split_at(item_length(rest)?);
        let at = unquoted(entry, '=')?;
        let path = [path, &self::path(&entry[..at])?].concat();
        let value = entry[at + 1..].trim();
        found.extend(entries(&path, value).unwrap_or_else(|| vec![(path, Some(value))]));
        rest = others.trim_start_matches(',').trim_start();
    }
    Some(found).filter(|found| !found.is_empty())
}

/// Where the first item of a list ends: at a comma that is in no brackets, or with the text.
fn item_length(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(c) = text[at..].chars().next() {
        match c {
            ',' if depth == 0 => break,
            '"' | '\'' => {
                at += string_length(&text[at..])?;
                continue;
            }
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.checked_sub(1)?,
            _ => (),
        }
        at += c.len_utf8();
    }
    Some(at)
}

/// The string that a value is.
pub(crate) fn as_string(value: &str) -> Option<String> {
    (string_length(value)? == value.len()).then(|| strings(value).pop())?
}

/// The strings of a value that is one string or a list of them.
pub(crate) fn strings(value: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.find(['"', '\'']) {
        let Some(length) = string_length(&rest[at..]) else { break };
        let literal = &rest[at..at + length];
        // JSON has all escapes of TOML that occur in command lines.
        let content = serde_json::from_str(literal);
        strings.push(content.unwrap_or_else(|_| literal.trim_matches(['"', '\'']).to_owned()));
        rest = &rest[at + length..];
    }
    strings
}

/// Where the content of the first statement ends, and where the next one starts. A blank line and a
/// comment are statements without content.
fn extent(text: &str) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut content_end = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => at += string_length(&text[at..])?,
            '[' | '{' => (depth, at) = (depth + 1, at + 1),
            ']' | '}' => (depth, at) = (depth.checked_sub(1)?, at + 1),
            '#' => {
                content_end = content_end.or((depth == 0).then_some(at));
                at += text[at..].find('\n').unwrap_or(text.len() - at);
            }
            '\n' if depth == 0 => return Some((content_end.unwrap_or(at), at + 1)),
            _ => at += c.len_utf8(),
        }
    }
    (depth == 0).then_some((content_end.unwrap_or(at), at))
}

/// The length of the string that a text starts with, quotes included.
pub(crate) fn string_length(text: &str) -> Option<usize> {
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let is_long = quote.len() == 3;
    let mut chars = text.char_indices().skip(quote.len());
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote.starts_with('"') => _ = chars.next(),
            '\n' if !is_long => return None,
            // Up to two quotes before the closing three are text.
            _ if text[at..].starts_with(quote)
                && !(is_long && text[at + 1..].starts_with(quote)) =>
            {
                return Some(at + quote.len());
            }
            _ => (),
        }
    }
    None
}

/// The names of a key or a header: `a."b.c"`.
fn path(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        let end = unquoted(rest, '.');
        let name = rest[..end.unwrap_or(rest.len())].trim();
        let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let bare = || Some(name).filter(|it| !it.is_empty() && it.chars().all(is_bare));
        names.push(as_string(name).or_else(|| bare().map(str::to_owned))?);
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return Some(names),
        }
    }
}

/// Where a character is outside of strings.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            _ if c == wanted => return Some(at),
            '"' | '\'' => at += string_length(&text[at..])?,
            _ => at += c.len_utf8(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, want: &Expect) {
        let line = |Statement { path, value, .. }: &Statement<'_>| match value {
            Some(value) => format!("{} = {value}", path.join(" / ")),
            None => format!("[{}]", path.join(" / ")),
        };
        want.assert_eq(&match statements(text) {
            Ok(statements) => statements.iter().map(line).collect::<Vec<_>>().join("\n"),
            Err(offset) => format!("not understood: {:?}", &text[offset..]),
        });
    }

    #[test]
    fn statements_may_span_lines_and_have_comments() {
        check(
            "# a\n\n[ build ] # b\ntarget = [\n  \"x\", # ] c\n  'y'\n]\r\n['a'.\"b.c\"]\nd.e=\"\"\"\n[f]\n\"x\"\"\"\"\n\"g = h\" = 1 # i\n",
            &expect![[r#"
                [build]
                build / target = [
                  "x", # ] c
                  'y'
                ]
                [a / b.c]
                a / b.c / d / e = """
                [f]
                "x""""
                a / b.c / g = h = 1"#]],
        );
        check("", &expect![""]);
    }

    #[test]
    fn what_has_no_end_says_where_it_starts() {
        for (before, rest) in [
            ("a = 1\n", "b\n"),
            ("\n", "[a\nb = 1\n"),
            ("", "a = \"x\n"),
            ("", "a = [\n1,\n"),
            ("", "=1"),
            ("", "a b = 1"),
            ("", "a =\n"),
            ("a = [[]]\n", "a = 1]\n"),
        ] {
            assert_eq!(statements(&format!("{before}{rest}")), Err(before.len()), "{rest:?}");
        }
    }

    #[test]
    fn an_inline_table_has_its_entries() {
        check(
            "alias = { b = \"build\", 'c'.d = [\"x, {y\", 1], e = { f = 1 }, }\nempty = {}\nodd = { # it's\n}\n",
            &expect![[r#"
                alias / b = "build"
                alias / c / d = ["x, {y", 1]
                alias / e / f = 1
                empty = {}
                odd = { # it's
                }"#]],
        );
    }

    #[test]
    fn every_statement_knows_where_the_next_may_start() {
        let text = "[a]\nb = [\n1]\n\n# c\n[d]";
        let ends: Vec<&str> = statements(text).unwrap().iter().map(|it| &text[..it.end]).collect();
        assert_eq!(ends, ["[a]\n", "[a]\nb = [\n1]\n", text]);
    }

    #[test]
    fn strings_are_read_alone_and_in_lists() {
        assert_eq!(strings(r#""run --x \"y\"""#), [r#"run --x "y""#]);
        assert_eq!(strings("['a b',\n \"c\"]"), ["a b", "c"]);
        assert!(strings("true").is_empty());
    }
}
