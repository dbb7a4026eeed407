//! Pure. Which commits of a branch are checked, and whose are left out.

use std::collections::HashSet;

use anyhow::bail;

use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::fields::{self, Field};

/// One commit as git lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The full id.
    pub(crate) id: String,
    /// As git abbreviates it in this repository.
    pub(crate) short_id: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author_name: String,
    pub(crate) author_address: String,
    pub(crate) message: Vec<u8>,
    /// Whether it belongs to the base and borders on the branch.
    pub(crate) is_boundary: bool,
}

/// Whether a commit is checked, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitStatus {
    Checked,
    Merge,
    /// Its author is on the list of bots.
    Bot,
    /// It has no ancestor in the base: it comes from another repository and cannot be changed.
    Imported,
}

/// The fields of a commit, each terminated by a NUL.
pub(crate) const FORMAT: &str = "%m%x00%H%x00%h%x00%P%x00%an%x00%ae%x00%B%x00";
const FIELDS: usize = 7;

/// Parses the output of `git rev-list --format` with [`FORMAT`], where a line of git's own precedes
/// each commit.
///
/// # Errors
///
/// Fails if the output is truncated (exit code 75).
pub(crate) fn parse(output: &[u8]) -> anyhow::Result<Vec<Commit>> {
    let parts: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    let (records, rest) = parts.as_chunks::<FIELDS>();
    if rest.len() != 1 || !rest[0].trim_ascii().is_empty() {
        bail!("the output of `git rev-list` is truncated");
    }
    Ok(records.iter().map(commit).collect())
}

fn commit(fields: &[&[u8]; FIELDS]) -> Commit {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let [mark, id, short_id, parents, author_name, author_address, message] = fields;
    Commit {
        id: text(id),
        short_id: text(short_id),
        parents: text(parents).split_whitespace().map(str::to_owned).collect(),
        author_name: text(author_name),
        author_address: text(author_address),
        message: message.to_vec(),
        is_boundary: mark.ends_with(b"\n-"),
    }
}

/// The branch's own commits, oldest first. `newest_first` is in topological order and includes the
/// commits of the base that border on the branch.
pub(crate) fn classify<'a>(
    newest_first: &'a [Commit],
    bots: &[String],
) -> Vec<(&'a Commit, CommitStatus)> {
    // After a merge of the base into the branch all its commits are still checked, so what counts is
    // descent from the base, not the chain of first parents.
    let mut rooted: HashSet<&str> = HashSet::new();
    rooted.extend(newest_first.iter().filter(|it| it.is_boundary).map(|it| it.id.as_str()));
    let own = newest_first.iter().rev().filter(|commit| !commit.is_boundary);
    own.map(|commit| {
        let is_rooted = commit.parents.iter().any(|parent| rooted.contains(parent.as_str()));
        if is_rooted {
            rooted.insert(&commit.id);
        }
        let is_bot =
            || bots.iter().any(|address| address.eq_ignore_ascii_case(&commit.author_address));
        let status = match commit.parents.len() {
            _ if !is_rooted => CommitStatus::Imported,
            2.. => CommitStatus::Merge,
            _ if is_bot() => CommitStatus::Bot,
            _ => CommitStatus::Checked,
        };
        (commit, status)
    })
    .collect()
}

/// Bots: their commits cannot be repaired here.
const KNOWN_BOTS: [&str; 3] = [
    "49699333+dependabot[bot]@users.noreply.github.com",
    "27856297+dependabot-preview[bot]@users.noreply.github.com",
    "support@dependabot.com",
];

/// The author addresses that are left out, compared as a whole and without regard to case.
/// `source` is `.buildkite/commit-format.json`, which adds to the list.
pub(crate) fn bots(source: Option<&Source>, found: &Diagnostics) -> Vec<String> {
    let added = source.and_then(|source| fields::read(source, found, addresses));
    [KNOWN_BOTS.map(str::to_owned).to_vec(), added.unwrap_or_default()].concat()
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

    fn commit(id: &str, parents: &str) -> Commit {
        let (is_boundary, id) = match id.strip_prefix('-') {
            Some(id) => (true, id),
            None => (false, id),
        };
        Commit {
            id: id.to_owned(),
            short_id: id.to_owned(),
            parents: parents.split_whitespace().map(str::to_owned).collect(),
            author_name: "A".to_owned(),
            author_address: format!("{id}@example.com"),
            message: Vec::new(),
            is_boundary,
        }
    }

    /// `graph` is newest first, `id: parents`, with `-` before the commits of the base.
    #[track_caller]
    fn check(graph: &[&str], want: &str) {
        let pairs = graph.iter().map(|line| line.split_once(':').unwrap());
        let commits: Vec<Commit> = pairs.map(|(id, parents)| commit(id, parents)).collect();
        let bots = ["BOT@example.com".to_owned()];
        let shown = classify(&commits, &bots);
        let shown: Vec<String> =
            shown.iter().map(|(commit, status)| format!("{} {status:?}", commit.id)).collect();
        assert_eq!(shown.join(", "), want);
    }

    #[test]
    fn a_plain_branch_is_checked_oldest_first() {
        check(&["c:b", "b:a", "-a:"], "b Checked, c Checked");
    }

    #[test]
    fn a_branch_that_merged_the_base_is_checked_in_full() {
        // a1 and a2 are the base's, b1 was made before a2 was merged.
        check(&["b2:m", "m:b1 a2", "b1:a1", "-a2:a1", "-a1:"], "b1 Checked, m Merge, b2 Checked");
    }

    #[test]
    fn history_without_a_root_in_the_base_is_imported() {
        check(
            &["b2:m", "m:a i2", "i2:i1", "i1:", "-a:"],
            "i1 Imported, i2 Imported, m Merge, b2 Checked",
        );
        // A merge inside the imported history is a part of it.
        check(
            &["m:a j", "j:i1 i2", "i2:", "i1:", "-a:"],
            "i1 Imported, i2 Imported, j Imported, m Merge",
        );
    }

    #[test]
    fn bots_match_by_the_whole_address() {
        check(&["bot:x", "x:a", "-a:"], "x Checked, bot Bot");
        check(&["robot:x", "x:a", "-a:"], "x Checked, robot Checked");
    }

    #[test]
    fn messages_of_any_bytes_are_parsed() {
        let output = b"commit 22\n>\x0022\x002\x001\x00A B\x00a@b\x00T\n\nx\xff\ncommit 9\n\x00\n\
                       commit -11\n-\x0011\x001\x00\x00C\x00c@d\x00S\n\x00\n";
        let commits = parse(output).unwrap();
        assert_eq!(commits[0].message, b"T\n\nx\xff\ncommit 9\n");
        assert_eq!(
            (commits[0].id.as_str(), &commits[0].parents[..]),
            ("22", &["1".to_owned()][..])
        );
        assert_eq!((commits[1].is_boundary, commits[1].parents.len()), (true, 0));
        assert_eq!(parse(b"").unwrap(), []);
        assert!(parse(&output[..output.len() - 9]).is_err());
    }

    #[track_caller]
    fn check_bots(text: &str, want: &Expect) {
        let found = Diagnostics::default();
        let bots = bots(Some(&Source::new("f.json", text)), &found);
        let has_errors = found.has_errors();
        let added = bots[KNOWN_BOTS.len()..].join("\n");
        want.assert_eq(&if has_errors { found.headlines() } else { added });
    }

    #[test]
    fn addresses_are_added_to_the_known_ones() {
        assert_eq!(bots(None, &Diagnostics::default()), KNOWN_BOTS);
        check_bots(r#"{"bots": ["bot@example.com"]}"#, &expect!["bot@example.com"]);
        check_bots("{}", &expect![""]);
    }

    #[test]
    fn everything_that_is_not_an_address_is_an_error() {
        check_bots(
            r#"{"bot": [], "bots": ["dependabot", 1]}"#,
            &expect![[r"
                f.json:1:2: error: unknown key `bot`, did you mean `bots`?
                f.json:1:22: error: `dependabot` is not an e-mail address; patterns are not supported
                f.json:1:36: error: expected a string, not the number 1"]],
        );
        check_bots(
            r#"{"bots": "a@b"}"#,
            &expect!["f.json:1:10: error: `bots` must be a list of e-mail addresses, not a string"],
        );
        check_bots("[]", &expect!["f.json:1:1: error: expected an object, not a list"]);
        check_bots("", &expect!["f.json:1:1: error: not valid JSON: EOF while parsing a value"]);
    }
}
