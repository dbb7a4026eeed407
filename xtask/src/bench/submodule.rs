//! Pure. The submodules of a commit.

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

/// The name of the submodule at a path, which is where its repository is kept. `paths` is what
/// `git config -z --get-regexp '^submodule\..*\.path$'` prints.
pub(crate) fn name_of<'a>(path: &[u8], paths: &'a [u8]) -> Option<&'a [u8]> {
    paths.split(|byte| *byte == 0).find_map(|entry| {
        let line_end = entry.iter().position(|byte| *byte == b'\n')?;
        let (key, value) = (&entry[..line_end], &entry[line_end + 1..]);
        let name = key.strip_prefix(b"submodule.")?.strip_suffix(b".path")?;
        let parts = || name.split(|byte| *byte == b'/');
        // Git refuses such names, too: they would lead out of the directory of all submodules.
        let leads_out = name.is_empty() || parts().any(|part| part == b"..");
        (value == path && !leads_out).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submodule_has_a_name_that_may_differ_from_its_path() {
        let paths = b"submodule.dep.path\nmoved\x00submodule.a.path b.path\nc d\x00\
            submodule.../../x.path\nevil\x00";
        assert_eq!(name_of(b"moved", paths), Some(&b"dep"[..]));
        assert_eq!(name_of(b"c d", paths), Some(&b"a.path b"[..]));
        assert_eq!(name_of(b"dep", paths), None);
        assert_eq!(name_of(b"evil", paths), None);
    }

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
