//! Pure. The globs of `if_changed`, as the Buildkite agent reads them: `*`, `**`, `?`, `{a,b}`,
//! `[abc]`,
//! `[^abc]`, and `\` before a character that stands for itself.
//!
//! Source: the parser of `drjosh.dev/zzglob`, which the agent uses.

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
    fn an_escaped_path_stands_for_itself() {
        assert_eq!(escape("crates/a-b_c.d"), "crates/a-b_c.d");
        assert_eq!(escape("a[1]{x}*"), r"a\[1\]\{x\}\*");
        assert_eq!(problem(&escape("[{")), None);
    }
}
