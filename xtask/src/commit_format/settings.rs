//! Pure. `.buildkite/commit-format.json`: whose commits are left out.

use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::{json, nearest};

/// Whose commits nobody can be asked to repair.
const KNOWN_BOTS: [&str; 3] = [
    "49699333+dependabot[bot]@users.noreply.github.com",
    "27856297+dependabot-preview[bot]@users.noreply.github.com",
    "support@dependabot.com",
];

/// The author addresses that are left out, compared as a whole and without regard to case.
/// `source` is the consumer's file, which adds to the list.
pub(crate) fn bots(source: Option<&Source>, found: &mut Diagnostics) -> Vec<String> {
    let mut bots: Vec<String> = KNOWN_BOTS.map(str::to_owned).to_vec();
    let Some(source) = source else { return bots };
    let Some(root) = json::parse(source, found) else { return bots };
    let Some(entries) = root.as_object() else {
        found.push(
            source.error(root.offset, format!("expected an object, not {}", root.describe())),
        );
        return bots;
    };
    for entry in entries {
        if entry.key != "bots" {
            let hint = nearest::hint(&entry.key, &["bots"]);
            let message = format!("unknown key `{}`{hint}", entry.key);
            found.push(source.error(entry.key_offset, message));
            continue;
        }
        let Some(items) = entry.value.as_array() else {
            let message =
                format!("`bots` is a list of e-mail addresses, not {}", entry.value.describe());
            found.push(source.error(entry.value.offset, message));
            continue;
        };
        for item in items {
            match item.as_str() {
                Some(address) if address.contains('@') => bots.push(address.to_owned()),
                Some(text) => {
                    let message = format!("`{text}` is no e-mail address; a part does not match");
                    found.push(source.error(item.offset, message));
                }
                None => {
                    let message = format!("an e-mail address is a string, not {}", item.describe());
                    found.push(source.error(item.offset, message));
                }
            }
        }
    }
    bots
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, want: &Expect) {
        let mut found = Diagnostics::default();
        let bots = bots(Some(&Source::new("f.json", text)), &mut found);
        let mut lines: Vec<String> = bots[KNOWN_BOTS.len()..].to_vec();
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        lines.extend(found.items.iter().map(|item| first_line(item.to_string())));
        want.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn addresses_are_added_to_the_known_ones() {
        assert_eq!(bots(None, &mut Diagnostics::default()), KNOWN_BOTS);
        check(r#"{"bots": ["bot@example.com"]}"#, &expect!["bot@example.com"]);
        check("{}", &expect![""]);
    }

    #[test]
    fn everything_that_is_not_an_address_is_an_error() {
        check(
            r#"{"bot": [], "bots": ["dependabot", 1]}"#,
            &expect![[r"
                f.json:1:2: error: unknown key `bot`, did you mean `bots`?
                f.json:1:22: error: `dependabot` is no e-mail address; a part does not match
                f.json:1:36: error: an e-mail address is a string, not the number 1"]],
        );
        check(
            r#"{"bots": "a@b"}"#,
            &expect!["f.json:1:10: error: `bots` is a list of e-mail addresses, not a string"],
        );
        check("[]", &expect!["f.json:1:1: error: expected an object, not a list"]);
        check("", &expect!["f.json:1:1: error: not valid JSON: EOF while parsing a value"]);
    }
}
