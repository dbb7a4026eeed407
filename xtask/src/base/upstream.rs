//! Pure. The upstream branch that a change is compared with.

/// A remote and its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The name of a remote, or a URL.
    pub(crate) remote: String,
    pub(crate) branch: String,
    /// Whether no variable names the branch, so that the default branch of the remote may replace it.
    is_assumed: bool,
    /// The default branch by Buildkite's settings.
    pipeline_default: Option<String>,
}

impl Upstream {
    /// Buildkite's variables come first, then the user's, then `origin` and `main`. A variable that is
    /// set and empty is unset.
    pub(crate) fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Upstream {
        let first = |names: &[&str]| {
            names.iter().copied().filter_map(&lookup).find(|value| !value.is_empty())
        };
        let branch = first(&["BUILDKITE_PULL_REQUEST_BASE_BRANCH", "BASE_BRANCH"]);
        Upstream {
            remote: first(&["BUILDKITE_REPO", "REMOTE"]).unwrap_or_else(|| "origin".to_owned()),
            is_assumed: branch.is_none(),
            branch: branch.unwrap_or_else(|| "main".to_owned()),
            pipeline_default: first(&["BUILDKITE_PIPELINE_DEFAULT_BRANCH"]),
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

    /// The default branch of the remote, if the branch is only assumed. `ls_remote` is the output of
    /// `git ls-remote --symref`.
    pub(crate) fn default_branch(&self, ls_remote: &str) -> Option<Upstream> {
        let of_remote = ls_remote
            .lines()
            .find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let branch = of_remote.or(self.pipeline_default.as_deref());
        let branch = branch.filter(|name| self.is_assumed && *name != self.branch)?;
        Some(Upstream { branch: branch.to_owned(), is_assumed: false, ..self.clone() })
    }

    /// The remote-tracking references of the branch, or else of the default branch, most likely first.
    /// `remotes` is the output of `git config --get-regexp '^remote\..*\.url$'`: the remote may be given
    /// as a URL. `heads` are the targets of the references `refs/remotes/*/HEAD`, one per line.
    pub(crate) fn tracking_references(&self, remotes: &str, heads: &str) -> Vec<String> {
        let by_url = remotes.lines().filter_map(|line| {
            let (key, url) = line.split_once(' ')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
            is_same_repository(url, &self.remote).then_some(name)
        });
        let names = std::iter::once(self.remote.as_str()).chain(by_url);
        let prefixes: Vec<String> = names.map(|name| format!("refs/remotes/{name}/")).collect();
        let of =
            |branch: &str| prefixes.iter().map(|it| format!("{it}{branch}")).collect::<Vec<_>>();
        let mut references = of(&self.branch);
        if self.is_assumed {
            let is_ours = |head: &&str| prefixes.iter().any(|it| head.starts_with(it.as_str()));
            references.extend(heads.lines().filter(is_ours).map(str::to_owned));
            references.extend(self.pipeline_default.iter().flat_map(|branch| of(branch)));
        }
        references
    }

    /// Whether a reference is that of the branch itself, and not of the default branch.
    pub(crate) fn is_branch(&self, reference: &str) -> bool {
        let name = reference.strip_suffix(&self.branch);
        name.is_some_and(|prefix| prefix.ends_with('/'))
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

    fn upstream(variables: &[(&str, &str)]) -> Upstream {
        Upstream::from_lookup(lookup(variables))
    }

    #[test]
    fn buildkites_variables_win_and_empty_is_unset() {
        #[track_caller]
        fn check(variables: &[(&str, &str)], remote: &str, branch: &str) {
            let upstream = upstream(variables);
            assert_eq!((upstream.remote.as_str(), upstream.branch.as_str()), (remote, branch));
        }
        check(&[], "origin", "main");
        check(&[("REMOTE", "upstream"), ("BASE_BRANCH", "dev")], "upstream", "dev");
        let empty = ("BUILDKITE_PULL_REQUEST_BASE_BRANCH", "");
        let variables = [("BUILDKITE_REPO", "url"), ("REMOTE", "x"), empty, ("BASE_BRANCH", "dev")];
        check(&variables, "url", "dev");
    }

    #[test]
    fn the_default_branch_replaces_only_an_assumed_one() {
        let branch = |variables: &[(&str, &str)], ls_remote: &str| {
            upstream(variables).default_branch(ls_remote).map(|it| it.branch)
        };
        let answer = "ref: refs/heads/master\tHEAD\n11\tHEAD\n";
        assert_eq!(branch(&[], answer).as_deref(), Some("master"));
        let pipeline = ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "trunk");
        assert_eq!(branch(&[pipeline], answer).as_deref(), Some("master"));
        assert_eq!(branch(&[pipeline], "11\tHEAD\n").as_deref(), Some("trunk"));
        assert_eq!(branch(&[("BASE_BRANCH", "main")], answer), None);
        assert_eq!(branch(&[], "ref: refs/heads/main\tHEAD\n"), None);
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
        let printed = "11\trefs/heads/a/refs/heads/main\n22\trefs/heads/main\n";
        assert_eq!(upstream(&[]).tip_in(printed), Some("22"));
        assert_eq!(upstream(&[]).tip_in("11\trefs/heads/a/refs/heads/main\n"), None);
    }

    #[test]
    fn a_clone_knows_a_branch_by_the_name_of_its_remote() {
        let remotes = "remote.origin.url https://y\nremote.up.url https://x/r.git\n";
        let heads = "refs/remotes/origin/trunk\nrefs/remotes/up/master\n";
        let url = ("REMOTE", "https://x/r.git");
        let assumed = upstream(&[url, ("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "dev")]);
        assert_eq!(
            assumed.tracking_references(remotes, heads),
            [
                "refs/remotes/https://x/r.git/main",
                "refs/remotes/up/main",
                "refs/remotes/up/master",
                "refs/remotes/https://x/r.git/dev",
                "refs/remotes/up/dev",
            ]
        );
        let named = upstream(&[("BASE_BRANCH", "main")]);
        assert_eq!(named.tracking_references("", heads), ["refs/remotes/origin/main"]);
        assert!(named.is_branch("refs/remotes/origin/main"));
        assert!(!named.is_branch("refs/remotes/origin/domain"));
    }
}
