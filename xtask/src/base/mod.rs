//! Finds the commit that a change is compared with, without writing a reference of the user's.

pub(crate) mod reference;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{anyhow, bail};
use xshell::Shell;

use crate::base::reference::{Against, Base};
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::process::Runner;
use crate::host::{files, git, process, terminal};
use crate::outcome::OrUndetermined;

/// A remote may answer slowly; one that does not answer at all must not stop a run for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A base that this clone has never seen may be a long history.
pub(crate) const PATIENCE_TO_FETCH: Duration = Duration::from_secs(600);

/// The upstream branch as it is now, or as this clone last saw it.
#[derive(Debug)]
pub(crate) struct Found {
    /// The full id of the commit, which this clone has.
    pub(crate) id: String,
    /// For messages: `origin/main`.
    pub(crate) name: String,
}

/// Asks the remote where its branch is and fetches the commit if it is not here. Without a network
/// the last known state serves, with a line that says how old it is.
pub(crate) fn find(cx: &Context) -> anyhow::Result<Found> {
    const FIX: &str = "REMOTE and BASE_BRANCH name the upstream repository and branch";
    let base = Base::from_lookup(|name| cx.lookup(name));
    let name = process::mask_user_info(&format!("{}/{}", base.remote, base.branch));
    let id = match fetch_tip(cx, &base) {
        Ok(Some(id)) => id,
        // The remote has answered: an older state would be the answer to another question.
        Ok(None) => bail!("the base `{name}` cannot be found: there is no such branch; {FIX}"),
        Err(problem) => match last_known_tip(cx, &base, &problem)? {
            Some(id) => id,
            None => {
                return Err(anyhow!("the base `{name}` cannot be found: {problem:#}; {FIX}"))
                    .or_undetermined();
            }
        },
    };
    Ok(Found { id, name })
}

/// As [`find`], or the commit at which `HEAD` left that branch.
pub(crate) fn find_against(cx: &Context, against: Against) -> anyhow::Result<Found> {
    let tip = find(cx)?;
    match against {
        Against::Tip => Ok(tip),
        Against::MergeBase => merge_base(cx, &tip).or_undetermined(),
    }
}

/// The last commit that `HEAD` and a commit have in common.
pub(crate) fn merge_base(cx: &Context, tip: &Found) -> anyhow::Result<Found> {
    const NOTHING_IN_COMMON: i32 = 1;
    let root = &cx.project.root;
    let output = cx.runner.read(git::merge_base(&cx.sh, root, "HEAD", &tip.id))?;
    if output.status.code() != Some(NOTHING_IN_COMMON) {
        let output = succeeded(output)?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        return Ok(Found { id, name: format!("the merge base with {}", tip.name) });
    }
    let shallow = cx.runner.read(git::is_shallow(&cx.sh, root))?;
    if shallow.stdout.starts_with(b"true") {
        bail!(
            "this clone is shallow and does not reach the merge base with `{}`, run `git fetch --unshallow`",
            tip.name
        );
    }
    bail!("`HEAD` and `{}` have no commit in common", tip.name)
}

/// The branch as this clone last saw it. The network is not asked.
pub(crate) fn find_offline(cx: &Context) -> anyhow::Result<Found> {
    let root = &cx.project.root;
    let base = Base::from_lookup(|name| cx.lookup(name));
    let output = cx.runner.read(git::remotes(&cx.sh, root)).or_undetermined()?;
    let references = base.known_references(&String::from_utf8_lossy(&output.stdout));
    for reference in &references {
        if let Some(id) = commit(cx, reference).or_undetermined()? {
            let short = reference.trim_start_matches("refs/");
            let short = short.trim_start_matches("remotes/").trim_start_matches("heads/");
            return Ok(Found { id, name: short.to_owned() });
        }
    }
    let remote = process::mask_user_info(&base.remote);
    Err(anyhow!(
        "this clone knows no branch `{}` of `{remote}`; fetch it, name a commit, or set REMOTE and \
         BASE_BRANCH to the upstream repository and branch",
        base.branch
    ))
    .or_undetermined()
}

/// Nothing if the remote has no such branch.
fn fetch_tip(cx: &Context, base: &Base) -> anyhow::Result<Option<String>> {
    // The branch may move between the question and the fetch; a second time it will not.
    for _ in 0..2 {
        let Some(id) = remote_tip(cx, base)? else { return Ok(None) };
        if commit(cx, &id)?.is_some() {
            return Ok(Some(id));
        }
        let fetch = git::fetch(&cx.sh, &cx.project.root, &base.remote, &base.reference());
        succeeded(cx.runner.read_within(fetch, PATIENCE_TO_FETCH)?)?;
        if commit(cx, &id)?.is_some() {
            return Ok(Some(id));
        }
    }
    bail!("the branch moves faster than it can be fetched")
}

fn remote_tip(cx: &Context, base: &Base) -> anyhow::Result<Option<String>> {
    const NO_SUCH_REFERENCE: i32 = 2;
    let ask = git::ls_remote(&cx.sh, &cx.project.root, &base.remote, &base.reference());
    let output = cx.runner.read_within(ask, PATIENCE)?;
    if output.status.code() == Some(NO_SUCH_REFERENCE) {
        return Ok(None);
    }
    let output = succeeded(output)?;
    Ok(base.tip_in(&String::from_utf8_lossy(&output.stdout)).map(str::to_owned))
}

/// The id of the commit that a name stands for, if this clone has it.
pub(crate) fn commit(cx: &Context, name: &str) -> anyhow::Result<Option<String>> {
    let output = cx.runner.read(git::commit_id(&cx.sh, &cx.project.root, name))?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(id))
}

fn last_known_tip(
    cx: &Context,
    base: &Base,
    problem: &anyhow::Error,
) -> anyhow::Result<Option<String>> {
    let root = &cx.project.root;
    let remotes = cx.runner.read(git::remotes(&cx.sh, root))?;
    for reference in base.tracking_references(&String::from_utf8_lossy(&remotes.stdout)) {
        let Some(id) = commit(cx, &reference)? else { continue };
        let age = cx.runner.read(git::commit_age(&cx.sh, root, &id))?;
        terminal::say(&format!(
            "warning: {problem:#}; using `{reference}` as this clone last saw it, a commit of {}",
            String::from_utf8_lossy(&age.stdout).trim()
        ));
        return Ok(Some(id));
    }
    Ok(None)
}

/// Writes the files of a commit into a directory, by way of an index of its own.
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
        succeeded(runner.read(step)?)?;
    }
    Ok(())
}

/// The output of a git command, or git's own words if it failed.
pub(crate) fn succeeded(output: Output) -> anyhow::Result<Output> {
    if output.status.success() {
        return Ok(output);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    bail!("git failed: {}", words.trim().replace('\n', " "))
}
