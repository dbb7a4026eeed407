//! Text on its way to a shell: quoting, and what Buildkite does to `$` before a shell sees it.

/// One word of a POSIX shell, quoted always: `a'b` gives `'a'\''b'`.
pub(crate) fn quote_always(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One word of a POSIX shell, quoted only if it needs to be.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote_always(text) }
}

/// What Buildkite's interpolation makes of the escapes `$$` and `\$`, each of which stands for one
/// literal `$`. Variables stay: the shell of a local run expands them from the same environment.
///
/// Source: the grammar of `github.com/buildkite/interpolate`.
pub(crate) fn unescape_dollars(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\']) {
        let (before, from) = rest.split_at(at);
        unescaped.push_str(before);
        // An escaped backslash stays as it is, and does not escape a dollar that follows.
        let (text, length) = match from.as_bytes() {
            [b'$' | b'\\', b'$', ..] => ("$", 2),
            [b'\\', b'\\', ..] => (r"\\", 2),
            _ => (&from[..1], 1),
        };
        unescaped.push_str(text);
        rest = &from[length..];
    }
    unescaped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

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
