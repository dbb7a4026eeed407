//! Finds the commit that a change is compared with. Writes no reference of the user's.

use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::context::Context;
use crate::host::terminal;
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_secrets;
use crate::text::shell::quote;

/// For a remote that does not answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Long, because the history may be new to this clone.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

const FIX: &str = "REMOTE and BASE_BRANCH name the upstream repository and branch";

/// The commit that a change is compared with.
#[derive(Debug)]
pub(crate) struct Base {
    /// The full id; this clone has the commit.
    pub(crate) id: String,
    /// For messages: `origin/main`.
    pub(crate) name: String,
}

impl Base {
    /// Enough of the id to recognise the commit.
    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// Resolves the upstream branch and fetches its commit if it is missing. Without a network, uses the
/// last known commit, with a warning that says how old it is.
///
/// # Errors
///
/// Rejects a branch that the remote does not have (exit code 2). Fails if the remote does not answer
/// and the branch was never fetched (exit code 75).
pub(crate) fn find(cx: &Context) -> anyhow::Result<Base> {
    let upstream = Upstream::from_lookup(|name| cx.lookup(name));
    let failed = |why: &str| format!("failed to find the base `{}`: {why}", shown(&upstream));
    let problem = match fetch_tip(cx, &upstream) {
        Ok(Some(base)) => return Ok(base),
        // The remote has answered, so an older state does not count.
        Ok(None) => bail!(Rejected::new(failed("there is no such branch")).help(FIX)),
        Err(problem) => format!("{problem:#}"),
    };
    let Some((reference, base)) = last_fetched(cx, &upstream, &[])? else {
        bail!(Failure::new(failed(&problem)).help(FIX));
    };
    let age = cx.process(cx.git().commit_date(&base.id, "%cr")).read_text()?;
    terminal::say(&format!(
        "warning: {problem}; using `{reference}` as it was last fetched, a commit of {age}"
    ));
    Ok(base)
}

/// The commit of a revision that the command line names.
///
/// # Errors
///
/// Rejects a revision that does not exist (exit code 2). Fails if git cannot answer, or if the clone
/// is too shallow to know (exit code 75).
pub(crate) fn named(cx: &Context, name: &str) -> anyhow::Result<Base> {
    let problem = || {
        Failure::new(format!("git failed to resolve `{name}`"))
            .help(format!("`git rev-parse {}` must succeed", quote(name)))
    };
    if let Some(id) = commit(cx, name).with_context(problem)? {
        return Ok(Base { id, name: name.to_owned() });
    }
    if is_shallow(cx)? {
        bail!(
            Failure::new(format!("this clone is shallow and has no commit `{name}`"))
                .help("run `git fetch --unshallow`, or fetch that commit")
        );
    }
    bail!(
        Rejected::new(format!("there is no commit `{name}` in this clone"))
            .help("fetch it, or name another revision, for example `origin/main`")
    )
}

/// Where the change of the working tree begins, and how messages call it: the newest common ancestor
/// of `HEAD` with a revision, or with the upstream branch as this clone knows it.
///
/// # Errors
///
/// As [`named`], [`find_offline`] and [`merge_base`].
pub(crate) fn of_change(cx: &Context, revision: Option<&str>) -> anyhow::Result<(String, String)> {
    let base = revision.map_or_else(|| find_offline(cx), |name| named(cx, name))?;
    let merge_base = merge_base(cx, &base)?;
    let shown = format!("`{}` (at {})", base.name, merge_base.short_id());
    Ok((merge_base.id, shown))
}

/// The newest common ancestor of `HEAD` and a commit.
///
/// # Errors
///
/// Rejects a commit without one (exit code 2). Fails if the clone is too shallow (exit code 75).
pub(crate) fn merge_base(cx: &Context, tip: &Base) -> anyhow::Result<Base> {
    const NO_COMMON_ANCESTOR: i32 = 1;
    let merge_base = cx.git().merge_base("HEAD", &tip.id);
    if let Some(id) = cx.process(merge_base).read_unless(NO_COMMON_ANCESTOR)? {
        return Ok(Base { id, name: format!("the merge base with {}", tip.name) });
    }
    if is_shallow(cx)? {
        let message =
            format!("this clone is shallow and does not reach the merge base with `{}`", tip.name);
        bail!(Failure::new(message).help("run `git fetch --unshallow`"));
    }
    Err(unrelated(&tip.name).into())
}

/// Whether the history of this clone is cut off.
///
/// # Errors
///
/// Fails if git cannot answer (exit code 75).
pub(crate) fn is_shallow(cx: &Context) -> anyhow::Result<bool> {
    Ok(cx.process(cx.git().is_shallow()).read_text()? == "true")
}

/// The error for a base that shares no history with `HEAD`.
pub(crate) fn unrelated(base: &str) -> Rejected {
    Rejected::new(format!("`HEAD` and `{base}` have no common history")).help(FIX)
}

/// The upstream branch as it was last fetched, without network access.
///
/// # Errors
///
/// Fails if it was never fetched (exit code 75).
pub(crate) fn find_offline(cx: &Context) -> anyhow::Result<Base> {
    let upstream = Upstream::from_lookup(|name| cx.lookup(name));
    let of_origin = format!("refs/remotes/origin/{}", upstream.branch);
    if let Some((_, base)) = last_fetched(cx, &upstream, &[of_origin, upstream.reference()])? {
        return Ok(base);
    }
    let remote = mask_secrets(&upstream.remote);
    let message = format!("this clone has no branch `{}` of `{remote}`", upstream.branch);
    bail!(Failure::new(message).help(format!("fetch it, or name a commit; {FIX}")))
}

/// None if the remote has neither the branch nor, where none is named, a default branch.
fn fetch_tip(cx: &Context, upstream: &Upstream) -> anyhow::Result<Option<Base>> {
    const NO_SUCH_REFERENCE: i32 = 2;
    // The branch may move between the query and the fetch; twice is unlikely.
    for _ in 0..2 {
        let query = cx.git().ls_remote(&upstream.remote, &["HEAD", &upstream.reference()]);
        let listing = cx.process(query).timeout(TIMEOUT).read_unless(NO_SUCH_REFERENCE)?;
        let listing = listing.unwrap_or_default();
        let Some(id) = upstream.tip_in(&listing).map(str::to_owned) else {
            let Some(default) = upstream.default_branch(&listing) else { return Ok(None) };
            note_default(upstream, &shown(&default));
            return fetch_tip(cx, &default);
        };
        if commit(cx, &id)?.is_none() {
            let fetch = cx.git().fetch(&upstream.remote, &upstream.reference());
            cx.process(fetch).shown().timeout(FETCH_TIMEOUT).read()?;
        }
        if commit(cx, &id)?.is_some() {
            return Ok(Some(Base { id, name: shown(upstream) }));
        }
    }
    bail!("the branch moved while it was fetched, twice")
}

/// The remote-tracking branch and its commit, else one of the other references.
fn last_fetched(
    cx: &Context,
    upstream: &Upstream,
    others: &[String],
) -> anyhow::Result<Option<(String, Base)>> {
    let text =
        |cmd| anyhow::Ok(String::from_utf8_lossy(&cx.process(cmd).output()?.stdout).into_owned());
    let remotes = text(cx.git().settings(r"^remote\..*\.url$"))?;
    // Each `HEAD` stands for the default branch of its remote.
    let heads = text(cx.git().references("refs/remotes/*/HEAD", "%(symref)"))?;
    for reference in upstream.tracking_references(&remotes, &heads).iter().chain(others) {
        let Some(id) = commit(cx, reference)? else { continue };
        let prefixes = ["refs/remotes/", "refs/heads/"];
        let name = prefixes.iter().find_map(|prefix| reference.strip_prefix(prefix));
        let name = name.unwrap_or(reference).to_owned();
        if !upstream.is_branch(reference) {
            note_default(upstream, &name);
        }
        return Ok(Some((reference.clone(), Base { id, name })));
    }
    Ok(None)
}

fn note_default(upstream: &Upstream, name: &str) {
    let remote = mask_secrets(&upstream.remote);
    let branch = &upstream.branch;
    terminal::note(&format!(
        "note: `{remote}` has no branch `{branch}`; the base is its default branch `{name}`"
    ));
}

fn shown(upstream: &Upstream) -> String {
    mask_secrets(&format!("{}/{}", upstream.remote, upstream.branch))
}

/// The full id of a commit, if this clone has it.
///
/// # Errors
///
/// Fails if git cannot answer, or if only the commit of a reference is missing (exit code 75).
pub(crate) fn commit(cx: &Context, name: &str) -> anyhow::Result<Option<String>> {
    const NO_SUCH_REVISION: i32 = 1;
    if let Some(id) = cx.process(cx.git().commit_id(name)).read_unless(NO_SUCH_REVISION)? {
        return Ok(Some(id));
    }
    // The answer for a damaged repository is the same; an id always stands for itself.
    let object = cx.process(cx.git().object_id(name)).read_unless(NO_SUCH_REVISION)?;
    if let Some(object) = object
        && object != name
        && !cx.process(cx.git().has_object(&object)).succeeds()?
    {
        bail!(Failure::new(format!("git failed to read `{name}`")).help("run `git fsck`"));
    }
    Ok(None)
}

/// The upstream branch that a change is compared with: a remote and its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Upstream {
    /// The name of a remote, or a URL.
    remote: String,
    branch: String,
    /// Whether no variable names the branch, so that the default branch of the remote may replace it.
    is_assumed: bool,
    /// The default branch by Buildkite's settings.
    pipeline_default: Option<String>,
}

impl Upstream {
    /// Buildkite's variables come first, then the user's, then `origin` and `main`. A variable that is
    /// set and empty is unset.
    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Upstream {
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
    fn reference(&self) -> String {
        format!("refs/heads/{}", self.branch)
    }

    /// The commit of the branch in the output of `git ls-remote`, which lists every reference that ends
    /// in the name.
    fn tip_in<'a>(&self, ls_remote: &'a str) -> Option<&'a str> {
        let mut pairs = ls_remote.lines().filter_map(|line| line.split_once('\t'));
        pairs.find(|(_, name)| *name == self.reference()).map(|(id, _)| id)
    }

    /// The default branch of the remote, if the branch is only assumed. `ls_remote` is the output of
    /// `git ls-remote --symref`.
    fn default_branch(&self, ls_remote: &str) -> Option<Upstream> {
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
    fn tracking_references(&self, remotes: &str, heads: &str) -> Vec<String> {
        let by_url = remotes.lines().filter_map(|line| {
            let (key, url) = line.split_once(' ')?;
            let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
            (repository(url) == repository(&self.remote)).then_some(name)
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
    fn is_branch(&self, reference: &str) -> bool {
        reference.ends_with(&format!("/{}", self.branch))
    }
}

/// Host and path of a URL, without what may differ, since hosts serve a repository under several and
/// Buildkite's may not be the clone's: scheme, user and suffix.
fn repository(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // `host:path` is the short form for ssh; after a scheme, the colon precedes a port.
    let separator = if scheme.is_empty() { "/" } else { ":" };
    let address = format!("{}{path}", host.replacen(':', separator, 1));
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
            assert_eq!(repository(url), repository(same[0]), "{url}");
        }
        for url in [
            "https://github.com/somebody/vm-memory.git",
            "https://gitlab.com/rust-vmm/vm-memory.git",
            "https://github.com:8443/rust-vmm/vm-memory.git",
            "/rust-vmm/vm-memory.git",
            "origin",
        ] {
            assert_ne!(repository(url), repository(same[0]), "{url}");
        }
        assert_eq!(repository("/tmp/a/r.git"), repository("/tmp/a/r"));
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
