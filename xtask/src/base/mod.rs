//! Finds the commit that a change is compared with. Writes no reference of the user's.

pub(crate) mod upstream;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use xshell::Shell;

use crate::base::upstream::Upstream;
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::process::Runner;
use crate::host::{files, terminal};
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

/// Resolves the upstream branch and fetches its commit if it is missing. Without a network, uses the
/// last known commit, with a warning that says how old it is.
///
/// # Errors
///
/// Rejects a branch that the remote does not have (exit code 2). Fails if the remote does not answer
/// and the branch was never fetched (exit code 75).
pub(crate) fn find(cx: &Context) -> anyhow::Result<Base> {
    let upstream = Upstream::from_lookup(|name| cx.lookup(name));
    let name = shown(&upstream);
    match fetch_tip(cx, &upstream) {
        Ok(Some(base)) => Ok(base),
        // The remote has answered, so an older state does not count.
        Ok(None) => bail!(
            Rejected::new(format!("failed to find the base `{name}`: there is no such branch"))
                .help(FIX)
        ),
        Err(problem) => match last_fetched(cx, &upstream)? {
            Some((reference, base)) => {
                let age = cx.git().commit_age(&base.id);
                let age = cx.process(age).read_text()?;
                terminal::say(&format!(
                    "warning: {problem:#}; using `{reference}` as it was last fetched, a commit of {age}"
                ));
                Ok(base)
            }
            None => bail!(
                Failure::new(format!("failed to find the base `{name}`: {problem:#}")).help(FIX)
            ),
        },
    }
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
    let base = match revision {
        Some(name) => named(cx, name)?,
        None => find_offline(cx)?,
    };
    let id = merge_base(cx, &base)?.id;
    let shown = format!("`{}` (at {})", base.name, id.get(..12).unwrap_or(&id));
    Ok((id, shown))
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
    if let Some((_, base)) = last_fetched(cx, &upstream)? {
        return Ok(base);
    }
    let of_origin = format!("refs/remotes/origin/{}", upstream.branch);
    for reference in [of_origin, upstream.reference()] {
        if let Some(id) = commit(cx, &reference)? {
            return Ok(Base { id, name: short_name(&reference) });
        }
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

/// The remote-tracking branch and its commit.
fn last_fetched(cx: &Context, upstream: &Upstream) -> anyhow::Result<Option<(String, Base)>> {
    let text =
        |cmd| anyhow::Ok(String::from_utf8_lossy(&cx.process(cmd).output()?.stdout).into_owned());
    let remotes = text(cx.git().remotes())?;
    let heads = text(cx.git().remote_heads())?;
    for reference in upstream.tracking_references(&remotes, &heads) {
        let Some(id) = commit(cx, &reference)? else { continue };
        let name = short_name(&reference);
        if !upstream.is_branch(&reference) {
            note_default(upstream, &name);
        }
        return Ok(Some((reference, Base { id, name })));
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

fn short_name(reference: &str) -> String {
    let short = reference.strip_prefix("refs/remotes/").unwrap_or(reference);
    short.strip_prefix("refs/heads/").unwrap_or(short).to_owned()
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

/// Writes the files of a commit to a directory, with an index of its own.
pub(crate) fn export(
    sh: &Shell,
    runner: &Runner,
    from: GitDir<'_>,
    index: &Path,
    into: &Path,
    id: &str,
) -> anyhow::Result<()> {
    files::create_dir(into)?;
    for step in [from.read_tree(sh, index, into, id), from.export(sh, index, into)] {
        runner.process(step).read()?;
    }
    Ok(())
}
