//! Pure. `.buildkite/commit-format.json`: whose commits are left out.

use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::fields::{self, Field};

/// Bots: their commits cannot be repaired here.
const KNOWN_BOTS: [&str; 3] = [
    "49699333+dependabot[bot]@users.noreply.github.com",
    "27856297+dependabot-preview[bot]@users.noreply.github.com",
    "support@dependabot.com",
];

/// The author addresses that are left out, compared as a whole and without regard to case.
/// `source` is the consumer's file, which adds to the list.
pub(crate) fn bots(source: Option<&Source>, found: &Diagnostics) -> Vec<String> {
    let mut bots: Vec<String> = KNOWN_BOTS.map(str::to_owned).to_vec();
    bots.extend(
        source.and_then(|source| fields::read(source, found, addresses)).unwrap_or_default(),
    );
    bots
}

fn addresses(file: Field<'_>) -> Option<Vec<String>> {
    let mut object = file.object("an object")?;
    let bots = object.get("bots");
    object.finish();
    let address = |item: Field<'_>| {
        let address = item.string()?;
        if !address.contains('@') {
            item.error(format!("`{address}` is not an e-mail address; patterns are not supported"));
        }
        Some(address)
    };
    Some(bots?.list("a list of e-mail addresses")?.filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, want: &Expect) {
        let found = Diagnostics::default();
        let bots = bots(Some(&Source::new("f.json", text)), &found);
        let has_errors = found.has_errors();
        let added = bots[KNOWN_BOTS.len()..].join("\n");
        want.assert_eq(&if has_errors { found.headlines() } else { added });
    }

    #[test]
    fn addresses_are_added_to_the_known_ones() {
        assert_eq!(bots(None, &Diagnostics::default()), KNOWN_BOTS);
        check(r#"{"bots": ["bot@example.com"]}"#, &expect!["bot@example.com"]);
        check("{}", &expect![""]);
    }

    #[test]
    fn everything_that_is_not_an_address_is_an_error() {
        check(
            r#"{"bot": [], "bots": ["dependabot", 1]}"#,
            &expect![[r"
                f.json:1:2: error: unknown key `bot`, did you mean `bots`?
                f.json:1:22: error: `dependabot` is not an e-mail address; patterns are not supported
                f.json:1:36: error: expected a string, not the number 1"]],
        );
        check(
            r#"{"bots": "a@b"}"#,
            &expect!["f.json:1:10: error: `bots` must be a list of e-mail addresses, not a string"],
        );
        check("[]", &expect!["f.json:1:1: error: expected an object, not a list"]);
        check("", &expect!["f.json:1:1: error: not valid JSON: EOF while parsing a value"]);
    }
}
