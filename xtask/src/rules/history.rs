//! Which commits of a branch are its author's to answer for.

use std::collections::HashSet;

use anyhow::{Context as _, bail};

/// One commit as git lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The full id.
    pub(crate) id: String,
    /// As short as git shows it in this repository.
    pub(crate) short_id: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author_name: String,
    pub(crate) author_address: String,
    pub(crate) message: Vec<u8>,
    /// Whether it is part of the base already and only borders on the branch.
    pub(crate) is_boundary: bool,
}

/// Why a commit is checked or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Checked,
    Merge,
    /// Its author is on the list of bots.
    Bot,
    /// It has no ancestor in the base: it was made elsewhere and merged, and cannot be changed.
    Imported,
}

/// What git prints of each commit, in this order, each part ended by a NUL.
pub(crate) const FORMAT: &str = "%m%x00%H%x00%h%x00%P%x00%an%x00%ae%x00%B%x00";
const FIELDS: usize = 7;

/// Reads what `git rev-list --format` printed with [`FORMAT`]; before each commit stands a line of
/// git's own.
pub(crate) fn parse(output: &[u8]) -> anyhow::Result<Vec<Commit>> {
    let parts: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
    let (records, rest) = parts.as_chunks::<FIELDS>();
    if rest.len() != 1 || !rest[0].trim_ascii().is_empty() {
        bail!("git's list of commits ends in the middle");
    }
    records.iter().map(commit).collect()
}

fn commit(fields: &[&[u8]; FIELDS]) -> anyhow::Result<Commit> {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let [mark, id, short_id, parents, author_name, author_address, message] = fields;
    let mark = mark.rsplit(|byte| *byte == b'\n').next().context("git printed no mark")?;
    Ok(Commit {
        id: text(id),
        short_id: text(short_id),
        parents: text(parents).split_whitespace().map(str::to_owned).collect(),
        author_name: text(author_name),
        author_address: text(author_address),
        message: message.to_vec(),
        is_boundary: mark == b"-",
    })
}

/// The branch's own commits with their fates, oldest first. `newest_first` is in topological order,
/// with the commits of the base that border on the branch.
pub(crate) fn judge<'a>(newest_first: &'a [Commit], bots: &[String]) -> Vec<(&'a Commit, Fate)> {
    // Whoever merged the base into the branch is still checked in full, so what counts is
    // descending from the base, not being reached by first parents.
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
        let fate = match commit.parents.len() {
            _ if !is_rooted => Fate::Imported,
            2.. => Fate::Merge,
            _ if is_bot() => Fate::Bot,
            _ => Fate::Checked,
        };
        (commit, fate)
    })
    .collect()
}
