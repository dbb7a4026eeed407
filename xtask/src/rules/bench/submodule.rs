//! The submodules of a commit.

/// Where a commit wants a commit of another repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Submodule {
    pub(crate) id: String,
    /// Relative to the top, as bytes: a path need not be text.
    pub(crate) path: Vec<u8>,
}

/// Picks them from the output of `git ls-tree -r -z`.
pub(crate) fn submodules(listing: &[u8]) -> Vec<Submodule> {
    listing
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let entry = entry.strip_prefix(b"160000 commit ")?;
            let tab = entry.iter().position(|byte| *byte == b'\t')?;
            let id = std::str::from_utf8(&entry[..tab]).ok()?.to_owned();
            Some(Submodule { id, path: entry[tab + 1..].to_vec() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_entries_of_their_kind_are_submodules() {
        let listing = b"100644 blob 11\tCargo.toml\x00160000 commit 22\tdeps/a b\x00160000 commit 33\tx\ty\xff\x00";
        assert_eq!(
            submodules(listing),
            [
                Submodule { id: "22".to_owned(), path: b"deps/a b".to_vec() },
                Submodule { id: "33".to_owned(), path: b"x\ty\xff".to_vec() },
            ]
        );
        assert_eq!(submodules(b""), []);
    }
}
