//! Pure. Text on its way to a shell: quoting, and what Buildkite does to `$` before a shell sees
//! it.

/// One word of a POSIX shell, quoted always: `a'b` gives `'a'\''b'`.
pub(crate) fn quote_always(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One word of a POSIX shell, quoted only if it needs to be.
pub(crate) fn quote(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quote_always(text) }
}

/// Whether a text is one word of a POSIX shell as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

/// As [`quote`], for a command that Buildkite interpolates before the shell reads it.
pub(crate) fn quote_for_upload(text: &str) -> String {
    // For Buildkite `\\$` is an escape of its own, so the two must not stand side by side.
    quote(text).replace('$', "$$").replace(r"\$$", r"\''$$")
}

/// Nested deeper than anything that people write, and shallow enough for the stack.
const MAX_EXPANSION_DEPTH: usize = 64;

/// Returns where the first expansion starts that Buildkite's interpolation refuses. One such
/// expansion makes the agent refuse the whole upload.
///
/// After `${` it takes a name and `}`, `:-text}`, `-text}`, `?text}`, `:integer}` or
/// `:integer:integer}`. Source: the parser of `github.com/buildkite/interpolate`.
pub(crate) fn refused_expansion(text: &str) -> Option<usize> {
    after_text(text, 0).err().map(|refused| text.len() - refused.len())
}

/// What follows a text that ends at the `}` of the expansion around it. The error starts with a refused
/// expansion.
fn after_text(mut rest: &str, depth: usize) -> Result<&str, &str> {
    while let Some(first) = rest.chars().next().filter(|c| depth == 0 || *c != '}') {
        rest = match rest.as_bytes() {
            [b'\\', b'\\' | b'$', ..] | [b'$', b'$' | b'(', ..] => &rest[2..],
            [b'$', b'{', ..] => after_expansion(rest, depth)?,
            _ => &rest[first.len_utf8()..],
        };
    }
    Ok(rest)
}

/// What follows the expansion that a text starts with.
fn after_expansion(text: &str, depth: usize) -> Result<&str, &str> {
    let inner = &text["${".len()..];
    if depth == MAX_EXPANSION_DEPTH || !inner.starts_with(char::is_alphabetic) {
        return Err(text);
    }
    let operation = inner.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    let word = [":-", "-", "?"].iter().find_map(|operator| operation.strip_prefix(*operator));
    let rest = if let Some(word) = word {
        after_text(word, depth + 1)?
    } else if let Some(numbers) = operation.strip_prefix(':') {
        let is_number = |number: &str| number.trim().parse::<i64>().is_ok();
        let end = numbers.find('}').filter(|end| numbers[..*end].splitn(2, ':').all(is_number));
        &numbers[end.ok_or(text)?..]
    } else {
        operation
    };
    rest.strip_prefix('}').ok_or(text)
}

/// What Buildkite's interpolation makes of the escapes `$$` and `\$`, each of which stands for one
/// literal `$`. Variables stay: the shell of a local run expands them from the same environment.
///
/// Source: the grammar of `github.com/buildkite/interpolate`.
pub(crate) fn unescape_dollars(text: &str) -> String {
    replaced(text, |_| None)
}

/// Replaces the escapes, and what `value` makes of a text that starts with a dollar or a backslash:
/// the value, and the length of what it stands for.
fn replaced(text: &str, mut value: impl FnMut(&str) -> Option<(String, usize)>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, from) = rest.split_at(at);
        result.push_str(before);
        // An escaped backslash stays as it is, and does not escape a dollar that follows.
        let (text, length) = match from.as_bytes() {
            [b'$' | b'\\', b'$', ..] => ("$".to_owned(), 2),
            [b'\\', b'\\', ..] => (r"\\".to_owned(), 2),
            _ => value(from).unwrap_or_else(|| (from[..1].to_owned(), 1)),
        };
        result.push_str(&text);
        rest = &from[length..];
    }
    result + rest
}

/// A command line with more words before its first ` -- `, else at its end.
pub(crate) fn with_words(line: &str, words: &str) -> String {
    match line.split_once(" -- ") {
        _ if words.is_empty() => line.to_owned(),
        Some((before, after)) => format!("{before} {words} -- {after}"),
        None => format!("{line} {words}"),
    }
}

/// Whether a word before a command sets a variable for it.
pub(crate) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_variable(name))
}

fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit()) && name.chars().all(is_part)
}

/// What Buildkite makes of a value that no shell reads: besides its escapes, `$NAME`, `${NAME}` and
/// `${NAME:-default}` are replaced. Anything else that starts with a dollar stays.
pub(crate) fn interpolate(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> String {
    replaced(text, |from| {
        let (name, default, length) = variable(from)?;
        let value = lookup(name).filter(|value| !value.is_empty());
        Some((value.unwrap_or_else(|| default.unwrap_or_default().to_owned()), length))
    })
}

/// The variables that Buildkite replaces and where they start. One with a default is meant.
pub(crate) fn variables(text: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    replaced(text, |from| {
        let (name, default, _) = variable(from)?;
        if default.is_none() {
            names.push((text.len() - from.len(), name.to_owned()));
        }
        None
    });
    names
}

/// Whether the value depends on a variable.
pub(crate) fn has_variable(text: &str) -> bool {
    interpolate(text, &|_| None) != interpolate(text, &|_| Some("x".to_owned()))
}

/// A value as a shell would write it, its variables still in place.
pub(crate) fn double_quote(text: &str) -> String {
    let escaped = text.replace("$$", r"\$").replace("$(", r"\$(");
    format!("\"{}\"", escaped.replace('"', r#"\""#).replace('`', r"\`"))
}

/// The variable that a text starts with: its name, its default, and how much of the text they take.
fn variable(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let text = text.strip_prefix('$')?;
    let (name, default, length) = if let Some(inner) = text.strip_prefix('{') {
        let (inner, _) = inner.split_once('}')?;
        let (name, default) =
            inner.split_once(":-").map_or((inner, None), |(name, text)| (name, Some(text)));
        (name, default, inner.len() + "${}".len())
    } else {
        let after = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let length = text.len() - after.len();
        (&text[..length], None, length + "$".len())
    };
    is_variable(name).then_some((name, default, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lookup;

    #[test]
    fn variables_without_an_escape_or_a_default_are_found() {
        let found = variables(r"$A $$B \$C ${D} ${E:-1} $(f) $1 \\$G $");
        let found: Vec<(usize, &str)> = found.iter().map(|(at, it)| (*at, it.as_str())).collect();
        assert_eq!(found, [(0, "A"), (11, "D"), (34, "G")]);
    }

    #[test]
    fn variables_of_a_value_are_replaced_as_buildkite_does() {
        let lookup = lookup(&[("HOME", "/h")]);
        let interpolated = |text: &str| interpolate(text, &lookup);
        assert_eq!(interpolated("a $HOME/x ${HOME}y"), "a /h/x /hy");
        assert_eq!(interpolated("${NO:-d e}|${HOME:-d}|$NO|"), "d e|/h||");
        assert_eq!(interpolated(r"$$HOME \$HOME $\$HOME"), "$HOME $HOME $$HOME");
        assert_eq!(interpolated(r"$(x) ${a b} $ \n é${"), r"$(x) ${a b} $ \n é${");
    }

    #[test]
    fn an_assignment_has_a_name_before_it() {
        for (word, wanted) in [
            ("A=b", true),
            ("_1=", true),
            ("1A=b", false),
            ("=x", false),
            ("A", false),
            ("a-b=c", false),
        ] {
            assert_eq!(is_assignment(word), wanted, "{word}");
        }
    }

    #[test]
    fn words_are_quoted_as_posix_says() {
        assert_eq!(quote("cargo"), "cargo");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("$HOME;`x`"), "'$HOME;`x`'");
        assert_eq!(quote_always("cargo"), "'cargo'");
    }

    #[test]
    fn a_word_for_an_upload_arrives_as_it_is() {
        for word in ["plain", "a $(touch X);b", r"\$x", r"it's \\$HOME", "$$", r"a\"] {
            let uploaded = quote_for_upload(word);
            let arrived = interpolate(&uploaded, &|_| Some("expanded".to_owned()));
            assert_eq!(unquoted(&arrived), word, "{uploaded}");
        }
    }

    /// What a shell makes of single quotes and backslashes.
    fn unquoted(mut text: &str) -> String {
        let mut result = String::new();
        while let Some(c) = text.chars().next() {
            text = &text[c.len_utf8()..];
            let (piece, rest) = match c {
                '\'' => text.split_once('\'').unwrap(),
                '\\' => text.split_at(1),
                _ => ("", text),
            };
            let is_plain = c != '\'' && c != '\\';
            result.extend(is_plain.then_some(c));
            result.push_str(piece);
            text = rest;
        }
        result
    }

    /// The real agent judges the same table, see the golden tests.
    #[test]
    fn expansions_that_buildkite_refuses_are_found() {
        for (text, wanted) in [
            ("${x%.rs}", Some(0)),
            ("a ${a##*/}", Some(2)),
            ("${a[0]} ${b", Some(0)),
            ("${1}", Some(0)),
            ("${#a[@]}", Some(0)),
            ("${a:=b}", Some(0)),
            ("${a:+x}", Some(0)),
            ("${_A}", Some(0)),
            ("${!A}", Some(0)),
            ("${a.b}", Some(0)),
            ("${a/b/c}", Some(0)),
            ("${a:-${b%c}}", Some(5)),
            ("${a:1:x}", Some(0)),
            ("${a:-b", Some(0)),
            ("é${", Some(2)),
            ("$${x%.rs} \\${a##*/} $(x) $1 $% $ $", None),
            (r"\\${A} $A_b ${A} ${A:-x y} ${A-} ${A?no} ${A:1} ${A: -1 :2} ${A:-${B:-}}", None),
            ("${é}", None),
        ] {
            assert_eq!(refused_expansion(text), wanted, "{text}");
        }
        assert_eq!(refused_expansion(&"${a:-".repeat(100_000)), Some(5 * 64));
    }

    #[test]
    fn both_escapes_of_a_dollar_stand_for_one() {
        assert_eq!(
            unescape_dollars("ROOT=$$PWD && echo $(x) ${A} \\$X"),
            "ROOT=$PWD && echo $(x) ${A} $X"
        );
        assert_eq!(unescape_dollars("$$$$"), "$$");
        assert_eq!(unescape_dollars(r"\\$$a \\\$b"), r"\\$a \\$b");
        assert_eq!(unescape_dollars(r"printf '\n' é $"), r"printf '\n' é $");
    }
}
