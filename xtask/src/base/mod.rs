//! Finds the commit that a change is compared with. Writes no reference of the user's.

pub(crate) mod upstream;

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use xshell::Shell;

use crate::base::upstream::Upstream;
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::process::Runner;
use crate::host::{files, terminal};
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_user_info;

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
    let name = mask_user_info(&format!("{}/{}", upstream.remote, upstream.branch));
    let id = match fetch_tip(cx, &upstream) {
        Ok(Some(id)) => id,
        // The remote has answered, so an older state does not count.
        Ok(None) => bail!(
            Rejected::new(format!("failed to find the base `{name}`: there is no such branch"))
                .help(FIX)
        ),
        Err(problem) => last_known_tip(cx, &upstream, &problem)?.ok_or_else(|| {
            Failure::new(format!("failed to find the base `{name}`: {problem:#}")).help(FIX)
        })?,
    };
    Ok(Base { id, name })
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
    if cx.process(cx.git().is_shallow()).read_text()? == "true" {
        let message =
            format!("this clone is shallow and does not reach the merge base with `{}`", tip.name);
        bail!(Failure::new(message).help("run `git fetch --unshallow`"));
    }
    Err(unrelated(&tip.name).into())
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
    let output = cx.process(cx.git().remotes()).output()?;
    let references = upstream.known_references(&String::from_utf8_lossy(&output.stdout));
    for reference in &references {
        if let Some(id) = commit(cx, reference)? {
            let short = reference.trim_start_matches("refs/");
            let short = short.trim_start_matches("remotes/").trim_start_matches("heads/");
            return Ok(Base { id, name: short.to_owned() });
        }
    }
    let remote = mask_user_info(&upstream.remote);
    let message = format!("this clone has no branch `{}` of `{remote}`", upstream.branch);
    bail!(Failure::new(message).help(format!("fetch it, or name a commit; {FIX}")))
}

/// None if the remote has no such branch.
fn fetch_tip(cx: &Context, upstream: &Upstream) -> anyhow::Result<Option<String>> {
    // The branch may move between the query and the fetch; twice is unlikely.
    for _ in 0..2 {
        let Some(id) = remote_tip(cx, upstream)? else { return Ok(None) };
        if commit(cx, &id)?.is_some() {
            return Ok(Some(id));
        }
        let fetch = cx.git().fetch(&upstream.remote, &upstream.reference());
        cx.process(fetch).shown().timeout(FETCH_TIMEOUT).read()?;
        if commit(cx, &id)?.is_some() {
            return Ok(Some(id));
        }
    }
    bail!("the branch moved while it was fetched, twice")
}

fn remote_tip(cx: &Context, upstream: &Upstream) -> anyhow::Result<Option<String>> {
    const NO_SUCH_REFERENCE: i32 = 2;
    let ask = cx.git().ls_remote(&upstream.remote, &upstream.reference());
    let listing = cx.process(ask).timeout(TIMEOUT).read_unless(NO_SUCH_REFERENCE)?;
    Ok(listing.and_then(|listing| upstream.tip_in(&listing).map(str::to_owned)))
}

/// The full id of a commit, if this clone has it.
pub(crate) fn commit(cx: &Context, name: &str) -> anyhow::Result<Option<String>> {
    let output = cx.process(cx.git().commit_id(name)).output()?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(id))
}

fn last_known_tip(
    cx: &Context,
    upstream: &Upstream,
    problem: &anyhow::Error,
) -> anyhow::Result<Option<String>> {
    let remotes = cx.process(cx.git().remotes()).output()?;
    for reference in upstream.tracking_references(&String::from_utf8_lossy(&remotes.stdout)) {
        let Some(id) = commit(cx, &reference)? else { continue };
        let age = cx.process(cx.git().commit_age(&id)).output()?;
        terminal::say(&format!(
            "warning: {problem:#}; using `{reference}` as it was last fetched, a commit of {}",
            String::from_utf8_lossy(&age.stdout).trim()
        ));
        return Ok(Some(id));
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
