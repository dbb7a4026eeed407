//! Finds the commit that a change is compared with, without writing a reference of the user's.

pub(crate) mod reference;

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use xshell::Shell;

use crate::base::reference::{Against, Base};
use crate::context::Context;
use crate::host::git::GitDir;
use crate::host::process::Runner;
use crate::host::{files, git, terminal};
use crate::text::diagnostic::{Failure, Rejected};
use crate::text::sanitize::mask_user_info;

/// A remote may answer slowly; one that does not answer at all must not stop a run for ever.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A base that this clone has never seen may be a long history.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(600);

const FIX: &str = "REMOTE and BASE_BRANCH name the upstream repository and branch";

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
    let base = Base::from_lookup(|name| cx.lookup(name));
    let name = mask_user_info(&format!("{}/{}", base.remote, base.branch));
    let id = match fetch_tip(cx, &base) {
        Ok(Some(id)) => id,
        // The remote has answered: an older state would be the answer to another question.
        Ok(None) => bail!(
            Rejected::new(format!("the base `{name}` cannot be found: there is no such branch"))
                .help(FIX)
        ),
        Err(problem) => last_known_tip(cx, &base, &problem)?.ok_or_else(|| {
            Failure::new(format!("the base `{name}` cannot be found: {problem:#}")).help(FIX)
        })?,
    };
    Ok(Found { id, name })
}

/// As [`find`], or the commit at which `HEAD` left that branch.
pub(crate) fn find_against(cx: &Context, against: Against) -> anyhow::Result<Found> {
    let tip = find(cx)?;
    match against {
        Against::Tip => Ok(tip),
        Against::MergeBase => merge_base(cx, &tip),
    }
}

/// The last commit that `HEAD` and a commit have in common.
pub(crate) fn merge_base(cx: &Context, tip: &Found) -> anyhow::Result<Found> {
    const NOTHING_IN_COMMON: i32 = 1;
    let root = &cx.project.root;
    let merge_base = git::merge_base(&cx.sh, root, "HEAD", &tip.id);
    if let Some(id) = cx.process(merge_base).read_unless(NOTHING_IN_COMMON)? {
        return Ok(Found { id, name: format!("the merge base with {}", tip.name) });
    }
    if cx.process(git::is_shallow(&cx.sh, root)).read_text()? == "true" {
        let message =
            format!("this clone is shallow and does not reach the merge base with `{}`", tip.name);
        bail!(Failure::new(message).help("run `git fetch --unshallow`"));
    }
    Err(unrelated(&tip.name).into())
}

/// The error for a base that `HEAD` does not descend from at all.
pub(crate) fn unrelated(base: &str) -> Rejected {
    Rejected::new(format!("`HEAD` and `{base}` have no common history")).help(FIX)
}

/// The branch as this clone last saw it. The network is not asked.
pub(crate) fn find_offline(cx: &Context) -> anyhow::Result<Found> {
    let root = &cx.project.root;
    let base = Base::from_lookup(|name| cx.lookup(name));
    let output = cx.process(git::remotes(&cx.sh, root)).output()?;
    let references = base.known_references(&String::from_utf8_lossy(&output.stdout));
    for reference in &references {
        if let Some(id) = commit(cx, reference)? {
            let short = reference.trim_start_matches("refs/");
            let short = short.trim_start_matches("remotes/").trim_start_matches("heads/");
            return Ok(Found { id, name: short.to_owned() });
        }
    }
    let remote = mask_user_info(&base.remote);
    let message = format!("this clone knows no branch `{}` of `{remote}`", base.branch);
    bail!(Failure::new(message).help(format!("fetch it, or name a commit; {FIX}")))
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
        cx.process(fetch).shown().timeout(FETCH_TIMEOUT).read()?;
        if commit(cx, &id)?.is_some() {
            return Ok(Some(id));
        }
    }
    bail!("the branch moves faster than it can be fetched")
}

fn remote_tip(cx: &Context, base: &Base) -> anyhow::Result<Option<String>> {
    const NO_SUCH_REFERENCE: i32 = 2;
    let ask = git::ls_remote(&cx.sh, &cx.project.root, &base.remote, &base.reference());
    let listing = cx.process(ask).timeout(TIMEOUT).read_unless(NO_SUCH_REFERENCE)?;
    Ok(listing.and_then(|listing| base.tip_in(&listing).map(str::to_owned)))
}

/// The id of the commit that a name stands for, if this clone has it.
pub(crate) fn commit(cx: &Context, name: &str) -> anyhow::Result<Option<String>> {
    let output = cx.process(git::commit_id(&cx.sh, &cx.project.root, name)).output()?;
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(id))
}

fn last_known_tip(
    cx: &Context,
    base: &Base,
    problem: &anyhow::Error,
) -> anyhow::Result<Option<String>> {
    let root = &cx.project.root;
    let remotes = cx.process(git::remotes(&cx.sh, root)).output()?;
    for reference in base.tracking_references(&String::from_utf8_lossy(&remotes.stdout)) {
        let Some(id) = commit(cx, &reference)? else { continue };
        let age = cx.process(git::commit_age(&cx.sh, root, &id)).output()?;
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
        runner.process(step).read()?;
    }
    Ok(())
}
