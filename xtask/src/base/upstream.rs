//! Pure. The upstream branch that a change is compared with.

/// A remote and its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The name of a remote, or a URL.
    pub(crate) remote: String,
    pub(crate) branch: String,
}

impl Upstream {
    /// Buildkite's variables come first, then the user's, then `origin` and `main`. A variable that is
    /// set and empty is unset.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Upstream {
        let first = |names: [&str; 2], default: &str| {
            let set = names.into_iter().filter_map(&lookup).find(|value| !value.is_empty());
            set.unwrap_or_else(|| default.to_owned())
        };
        Upstream {
            remote: first(["BUILDKITE_REPO", "REMOTE"], "origin"),
            branch: first(["BUILDKITE_PULL_REQUEST_BASE_BRANCH", "BASE_BRANCH"], "main"),
        }
    }

    /// The full name of the branch, which cannot be mistaken for an option or a tag.
    pub(crate) fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// The commit of the branch in the output of `git ls-remote`, which lists every reference that ends
    /// in the name.
    pub(crate) fn tip_in<'a>(&self, ls_remote: &'a str) -> Option<&'a str> {
        let pairs = ls_remote.lines().filter_map(|line| line.split_once('\t'));
        pairs.into_iter().find(|(_, name)| *name == self.reference()).map(|(id, _)| id)
    }

    /// The remote-tracking references of the branch. `remotes` is the output of
    /// `git config --get-regexp '^remote\..*\.url$'`: the remote may be given as a URL.
    pub(crate) fn tracking_references(&self, remotes: &str) -> Vec<String> {
        let by_url = remotes.lines().filter_map(|line| {
            let (key, url) = line.split_once(' ')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
            is_same_repository(url, &self.remote).then_some(name)
        });
        let names = std::iter::once(self.remote.as_str()).chain(by_url);
        names.map(|name| format!("refs/remotes/{name}/{}", self.branch)).collect()
    }

    /// Every reference that may stand for the branch in a clone, most likely first.
    pub(crate) fn known_references(&self, remotes: &str) -> Vec<String> {
        let of_origin = format!("refs/remotes/origin/{}", self.branch);
        let mut references: Vec<String> = Vec::new();
        for reference in self.tracking_references(remotes).into_iter().chain([of_origin]) {
            if !references.contains(&reference) {
                references.push(reference);
            }
        }
        references.push(self.reference());
        references
    }
}

/// Whether two URLs lead to the same repository: hosts serve each under several, and Buildkite's may
/// differ from the clone's.
fn is_same_repository(one: &str, other: &str) -> bool {
    one == other || repository(one) == repository(other)
}

/// Host and path of a URL, without what may differ: scheme, user and suffix.
fn repository(url: &str) -> String {
    let (is_url, rest) = match url.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, url),
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // `host:path` is the short form for ssh; after a scheme, the colon precedes a port.
    let address = format!("{host}{path}");
    let address = if is_url { address } else { address.replacen(':', "/", 1) };
    let address = address.trim_end_matches('/');
    address.strip_suffix(".git").unwrap_or(address).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lookup;

    fn base(variables: &[(&str, &str)]) -> (String, String) {
        let upstream = Upstream::from_lookup(lookup(variables));
        (upstream.remote, upstream.branch)
    }

    #[test]
    fn buildkites_variables_win_and_empty_is_unset() {
        let pair = |remote: &str, branch: &str| (remote.to_owned(), branch.to_owned());
        assert_eq!(base(&[]), pair("origin", "main"));
        assert_eq!(
            base(&[("REMOTE", "upstream"), ("BASE_BRANCH", "dev")]),
            pair("upstream", "dev")
        );
        assert_eq!(
            base(&[
                ("BUILDKITE_REPO", "url"),
                ("REMOTE", "x"),
                ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", ""),
                ("BASE_BRANCH", "dev")
            ]),
            pair("url", "dev")
        );
    }

    #[test]
    fn a_repository_has_several_urls() {
        let same = [
            "https://github.com/rust-vmm/vm-memory.git",
            "https://github.com/rust-vmm/vm-memory/",
            "https://user:secret@github.com/rust-vmm/vm-memory",
            "git@github.com:rust-vmm/vm-memory.git",
            "ssh://git@github.com/rust-vmm/vm-memory.git",
            "git://github.com/rust-vmm/vm-memory",
        ];
        for url in same {
            assert!(is_same_repository(url, same[0]), "{url}");
        }
        for url in [
            "https://github.com/somebody/vm-memory.git",
            "https://gitlab.com/rust-vmm/vm-memory.git",
            "https://github.com:8443/rust-vmm/vm-memory.git",
            "/rust-vmm/vm-memory.git",
            "origin",
        ] {
            assert!(!is_same_repository(url, same[0]), "{url}");
        }
        assert!(is_same_repository("/tmp/a/r.git", "/tmp/a/r"));
    }

    #[test]
    fn only_the_reference_of_that_very_name_counts() {
        let upstream = Upstream { remote: "origin".to_owned(), branch: "main".to_owned() };
        let printed = "11\trefs/heads/a/refs/heads/main\n22\trefs/heads/main\n";
        assert_eq!(upstream.tip_in(printed), Some("22"));
        assert_eq!(upstream.tip_in("11\trefs/heads/a/refs/heads/main\n"), None);
    }

    #[test]
    fn a_clone_knows_a_branch_by_the_name_of_its_remote() {
        let upstream = Upstream { remote: "https://x/r.git".to_owned(), branch: "main".to_owned() };
        let remotes = "remote.origin.url https://y\nremote.up.url https://x/r.git\n";
        assert_eq!(
            upstream.known_references(remotes),
            [
                "refs/remotes/https://x/r.git/main",
                "refs/remotes/up/main",
                "refs/remotes/origin/main",
                "refs/heads/main",
            ]
        );
        let upstream = Upstream { remote: "origin".to_owned(), branch: "main".to_owned() };
        assert_eq!(upstream.known_references(""), ["refs/remotes/origin/main", "refs/heads/main"]);
    }
}
