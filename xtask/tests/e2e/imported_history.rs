//! `commit-format` on the public history of a repository that imported four others.

use std::process::Command;

use crate::support::Sandbox;

/// Where the first repository began, before anything was imported.
const FIRST: &str = "2641369";
/// The state that the figures below are about.
const LAST: &str = "873e0d1eff103e59b226dae05dcb2666646f65cd";
/// What was imported, from its first commit to its last.
const IMPORTED: (&str, &str) = ("24214881744485aef452446b07797bbd1ffa2c5d", "46524d9");

/// A clone. `RUST_VMM_REPOSITORY` names another place than GitHub, for machines that cannot reach
/// it.
fn clone() -> Sandbox {
    const URL: &str = "https://github.com/rust-vmm/rust-vmm.git";
    let url = std::env::var("RUST_VMM_REPOSITORY").unwrap_or_else(|_| URL.to_owned());
    let mut sandbox = Sandbox::empty();
    let status = Command::new("git")
        .args(["clone", "--quiet", "--", &url])
        .arg(sandbox.root())
        .status()
        .unwrap();
    assert!(status.success(), "{url} cannot be cloned; RUST_VMM_REPOSITORY may name another place");
    sandbox.set("REMOTE", ".").set("BASE_BRANCH", "base");
    sandbox
}

fn report(sandbox: &Sandbox, base: &str, head: &str) -> (Option<i32>, String) {
    sandbox.git(&["checkout", "--quiet", "--detach", head]);
    sandbox.git(&["branch", "--force", "base", base]);
    let run = sandbox.xtask(&["commit-format"]);
    (run.code, run.stdout)
}

#[test]
#[ignore = "needs GitHub, or RUST_VMM_REPOSITORY: a clone of rust-vmm/rust-vmm"]
fn imported_commits_have_no_findings_and_the_repositorys_own_do() {
    let sandbox = clone();
    let (code, text) = report(&sandbox, FIRST, LAST);
    assert_eq!(code, Some(0), "{text}");
    let summary = "51 commits since ./base checked, none failed; left out: 9 merges, 3 by bots, 1077 imported\n";
    assert!(text.ends_with(summary), "{text}");
    let own = text.lines().filter(|line| line.contains("warning: ")).collect::<Vec<_>>();
    assert_eq!(own.len(), 2, "{text}");
    assert!(text.contains("df10124 event-manager: remove .cargo/"), "{text}");

    // The imported commits have findings in plenty for those who could still change them.
    let (code, text) = report(&sandbox, IMPORTED.0, IMPORTED.1);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("46 of 179 commits since ./base failed; left out: 15 by bots"), "{text}");
}
