//! `commit-format` in real repositories: which commits count, what is said, and whether the repair
//! that it names repairs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use expect_test::{Expect, expect};

use crate::support::{Run, Sandbox, checkout};

const SIGNED: &str = "\n\nSigned-off-by: Tess Ter <t@example.com>\n";

/// A repository that is its own upstream, on a branch at `main`. Its commits always get the same
/// ids.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::empty();
    for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        sandbox.set(name, "2026-01-02T03:04:05Z");
    }
    sandbox.set("REMOTE", ".").start();
    sandbox.git(&["checkout", "--quiet", "-b", "change"]);
    sandbox
}

fn commit(sandbox: &Sandbox, message: &str) {
    let arguments = ["commit", "--quiet", "--allow-empty", "--allow-empty-message"];
    sandbox.git(&[&arguments[..], &["--cleanup", "verbatim", "--message", message]].concat());
}

fn good(sandbox: &Sandbox, title: &str) {
    commit(sandbox, &format!("{title}{SIGNED}"));
}

fn check(sandbox: &Sandbox) -> Run {
    sandbox.xtask(&["commit-format"])
}

#[track_caller]
fn assert_report(sandbox: &Sandbox, code: i32, want: &Expect) {
    want.assert_eq(&check(sandbox).assert_code(code).stdout);
}

/// Merges a history of its own, as moving another repository into this one does.
fn import(sandbox: &Sandbox) {
    sandbox.git(&["checkout", "--quiet", "--orphan", "other"]);
    commit(sandbox, "imported: a title that is much longer than any title should ever be");
    commit(sandbox, "imported: no sign-off");
    sandbox.git(&["checkout", "--quiet", "change"]);
    sandbox.git(&["merge", "--quiet", "--no-edit", "--allow-unrelated-histories", "other"]);
}

#[test]
fn ten_commits_of_every_kind() {
    let sandbox = sandbox();
    good(&sandbox, "A good one");
    good(&sandbox, "A title that goes on and on until it is longer than sixty characters");
    commit(
        &sandbox,
        "No blank line\nSo this looks like a title of two lines\n\nSigned-off-by: Tess Ter <t@example.com>\n",
    );
    commit(&sandbox, "No sign-off\n\nOnly a reason.\n");
    commit(
        &sandbox,
        "Several faults at once, the first of which is this very long title\nand more\n\n\
         This line of the body is much wider than the seventy-five columns that it should have.\n\n\
         Signed-off-by: Tess\n",
    );
    let bot = "--author=dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>";
    sandbox.git(&["commit", "--quiet", "--allow-empty", bot, "--message", "Bump it"]);
    good(&sandbox, "fixup! A title that goes on and on until it is longer than sixty characters");
    good(
        &sandbox,
        "Revert \"A title that goes on and on until it is longer than sixty characters\"",
    );
    import(&sandbox);
    assert_report(
        &sandbox,
        1,
        &expect![[r#"
            f4bc0c1 A title that goes on and on until it is longer than sixty characters (Tess Ter)
              line 1: error: the title has 68 characters, the limit is 60 [title-length]
                help: shorten it and move the details to the body
            e5409bd No blank line (Tess Ter)
              line 2: error: the line after the title is not blank [blank-line]
                help: leave the second line blank; if the title continues there, shorten it
            df4482c No sign-off (Tess Ter)
              line 3: error: there is no `Signed-off-by:` line [sign-off]
                help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
            80fdf01 Several faults at once, the first of which is this very long title (Tess Ter)
              line 1: error: the title has 66 characters, the limit is 60 [title-length]
                help: shorten it and move the details to the body
              line 2: error: the line after the title is not blank [blank-line]
                help: leave the second line blank; if the title continues there, shorten it
              line 4: warning: the line has 86 characters, more than 75 [body-width]
                help: wrap the text
              line 6: error: `Signed-off-by: Tess` lacks a name or an e-mail address [sign-off]
                help: write `Signed-off-by: Name <address>`
            17b6be8 fixup! A title that goes on and on until it is longer than sixty charact... (Tess Ter)
              line 1: warning: the commit is meant to be squashed into another one [autosquash]
                help: run `git rebase --interactive --autosquash` onto the base
            4 of 7 commits since ./main failed; left out: 1 merge, 1 by a bot, 2 imported
            help: to repair them, run:
              GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (f4bc0c1|e5409bd|df4482c|80fdf01)/reword \2/'" git rebase -i --rebase-merges f4bc0c1~1
        "#]],
    );
}

/// Runs the command that the report names; in the editor every message becomes a good one.
fn repair(sandbox: &Sandbox) -> String {
    let report = check(sandbox).assert_code(1).stdout;
    let command = report.split("run:\n").nth(1).unwrap().trim().to_owned();
    let editor = sandbox.beside("editor");
    let script = format!(
        "#!/bin/sh\nhead -c 20 \"$1\" | head -1 > title\n{{ cat title; printf '{}'; }} > \"$1\"\nrm title\n",
        SIGNED.replace('\n', "\\n")
    );
    fs::write(&editor, script).unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("GIT_EDITOR={} {command}", editor.display());
    sandbox.run("sh", &["-e", "-c", &command]).assert_code(0);
    command
}

fn add_file(sandbox: &Sandbox, name: &str, message: &str) {
    sandbox.write(name, name);
    sandbox.git(&["add", name]);
    commit(sandbox, message);
}

#[test]
fn the_named_command_opens_the_right_commits() {
    let sandbox = sandbox();
    add_file(&sandbox, "a", &format!("First{SIGNED}"));
    add_file(&sandbox, "b", "Second, without a sign-off");
    add_file(&sandbox, "c", &format!("Third{SIGNED}"));
    add_file(&sandbox, "d", &format!("Fourth\nstill the title{SIGNED}"));
    let before = sandbox.git(&["rev-parse", "HEAD^{tree}", "HEAD~3"]);
    repair(&sandbox);
    check(&sandbox).assert_code(0);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD^{tree}", "HEAD~3"]), before);
    let titles = sandbox.git(&["log", "--format=%s", "main.."]);
    assert_eq!(titles, "Fourth\nThird\nSecond, without a si\nFirst\n");
}

#[test]
fn missing_sign_offs_are_added_without_an_editor() {
    let sandbox = sandbox();
    add_file(&sandbox, "a", "First");
    add_file(&sandbox, "b", &format!("Second{SIGNED}"));
    let command = repair(&sandbox);
    assert!(command.contains("git rebase --signoff "), "{command}");
    check(&sandbox).assert_code(0);
    assert_eq!(sandbox.git(&["log", "--format=%s", "main.."]), "Second\nFirst\n");
}

#[test]
fn early_commits_of_a_branch_that_merged_the_base_are_checked_and_repaired() {
    let sandbox = sandbox();
    add_file(&sandbox, "a", "Before the merge");
    sandbox.git(&["checkout", "--quiet", "main"]);
    add_file(&sandbox, "m", "Somebody else's, unsigned and already upstream");
    let upstream = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["checkout", "--quiet", "change"]);
    sandbox.git(&["merge", "--quiet", "--no-edit", "main"]);
    add_file(&sandbox, "b", &format!("After the merge{SIGNED}"));
    let report = check(&sandbox).assert_code(1).stdout;
    assert!(report.contains("Before the merge"), "{report}");
    assert!(report.contains("1 of 2 commits since ./main failed; left out: 1 merge"), "{report}");

    let tree = sandbox.git(&["rev-parse", "HEAD^{tree}"]);
    repair(&sandbox);
    check(&sandbox).assert_code(0);
    assert_eq!(sandbox.git(&["rev-parse", "HEAD^{tree}"]), tree);
    assert_eq!(sandbox.git(&["rev-parse", "main", "HEAD~1^2"]), format!("{upstream}{upstream}"));
}

#[test]
fn without_commits_there_is_nothing_to_check() {
    let sandbox = sandbox();
    assert_report(
        &sandbox,
        0,
        &expect![[r"
            there are no commits to check since ./main
        "]],
    );
    sandbox.git(&["checkout", "--quiet", "--detach"]);
    check(&sandbox).assert_code(0);

    let mut unborn = Sandbox::empty();
    unborn.set("REMOTE", ".").git(&["init", "--quiet"]);
    let run = check(&unborn).assert_code(0);
    assert!(run.stderr.contains("there are no commits yet"), "{}", run.stderr);
}

#[test]
fn a_repository_that_git_cannot_read_is_no_pass() {
    type Damage = fn(&Sandbox);
    let damages: [Damage; 4] = [
        |sandbox| _ = sandbox.write(".git/HEAD", "garbage\n"),
        |sandbox| _ = sandbox.write(".git/config", "[core\n"),
        |sandbox| fs::remove_dir_all(sandbox.root().join(".git/objects")).unwrap(),
        |sandbox| {
            fs::remove_dir_all(sandbox.root().join(".git")).unwrap();
            sandbox.write(".git", "gitdir: /nowhere/.git/worktrees/here\n");
        },
    ];
    for damage in damages {
        let sandbox = sandbox();
        commit(&sandbox, "No sign-off");
        damage(&sandbox);
        let run = check(&sandbox).assert_code(75);
        assert!(run.stderr.contains("error: `git` failed: "), "{}", run.stderr);
    }
}

#[test]
fn without_git_there_is_no_verdict() {
    let sandbox = sandbox();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let output = command.arg("commit-format").env("PATH", "/nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("error: cannot start `git`"), "{said}");
}

#[test]
fn a_detached_head_is_checked_as_a_branch_is() {
    let sandbox = sandbox();
    sandbox.git(&["checkout", "--quiet", "--detach"]);
    commit(&sandbox, "No sign-off");
    check(&sandbox).assert_code(1);
}

#[test]
fn outside_of_a_repository_the_answer_is_a_usage_error() {
    let run = check(&Sandbox::empty()).assert_code(2);
    assert!(run.stderr.contains("is not inside a git repository"), "{}", run.stderr);
}

#[test]
fn a_shallow_clone_says_how_to_deepen_it() {
    let origin = sandbox();
    good(&origin, "First");
    good(&origin, "Second");
    let url = format!("file://{}", origin.root().display());
    let clone = Sandbox::empty();
    clone.git(&["clone", "--quiet", "--depth=1", "--branch=change", &url, "."]);
    let run = check(&clone).assert_code(75);
    let said = &run.stderr[run.stderr.find("error: ").unwrap()..];
    expect![[r"
        error: this clone is shallow and its history ends before the branch left `origin/main`
        help: run `git fetch --deepen=100`, or `git fetch --unshallow`
    "]]
    .assert_eq(said);
    clone.git(&["fetch", "--quiet", "--deepen=100"]);
    check(&clone).assert_code(0);
}

#[test]
fn without_a_common_history_the_base_is_the_wrong_one() {
    let mut sandbox = sandbox();
    sandbox.git(&["checkout", "--quiet", "--orphan", "pages"]);
    good(&sandbox, "Pages");
    sandbox.git(&["checkout", "--quiet", "change"]);
    sandbox.set("BASE_BRANCH", "pages");
    let run = check(&sandbox).assert_code(2);
    expect!["error: `HEAD` and `./pages` have no common history\nhelp: REMOTE and BASE_BRANCH name the upstream repository and branch\n"].assert_eq(&run.stderr);
}

#[test]
fn a_base_that_does_not_exist_is_a_setting_to_repair() {
    let mut sandbox = sandbox();
    sandbox.set("BASE_BRANCH", "mian");
    let run = check(&sandbox).assert_code(2);
    expect![[r"
        error: failed to find the base `./mian`: there is no such branch
        help: REMOTE and BASE_BRANCH name the upstream repository and branch
    "]]
    .assert_eq(&run.stderr);
    sandbox.set("REMOTE", "nowhere");
    let run = check(&sandbox).assert_code(75);
    expect![[r"
        error: failed to find the base `nowhere/mian`: `git` failed: fatal: 'nowhere' does not appear to be a git repository fatal: Could not read from remote repository. Please make sure you have the correct access rights and the repository exists.
        help: REMOTE and BASE_BRANCH name the upstream repository and branch
    "]].assert_eq(&run.stderr);
}

#[test]
fn without_a_network_the_last_known_base_serves() {
    let upstream = sandbox();
    upstream.git(&["checkout", "--quiet", "main"]);
    let mut clone = Sandbox::empty();
    clone.git(&["clone", "--quiet", upstream.root().to_str().unwrap(), "."]);
    commit(&clone, "No sign-off");
    clone.git(&["remote", "set-url", "origin", "/nowhere"]);
    let run = check(&clone).assert_code(1);
    let warning = "using `refs/remotes/origin/main` as it was last fetched, a commit of ";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
    assert!(run.stdout.contains("1 of 1 commit since origin/main failed"), "{}", run.stdout);
    clone.set("BASE_BRANCH", "unseen");
    check(&clone).assert_code(75);
}

/// A clone of a repository whose only branch is `master`, with a commit of its own.
fn clone_of_master() -> (Sandbox, Sandbox) {
    let upstream = Sandbox::empty();
    upstream.git(&["init", "--quiet", "--initial-branch", "master"]);
    good(&upstream, "First");
    let clone = Sandbox::empty();
    clone.git(&["clone", "--quiet", upstream.root().to_str().unwrap(), "."]);
    clone.git(&["checkout", "--quiet", "-b", "change"]);
    commit(&clone, "No sign-off");
    (upstream, clone)
}

#[test]
fn without_main_the_default_branch_of_the_remote_is_the_base() {
    let (upstream, mut clone) = clone_of_master();
    let note =
        "note: `origin` has no branch `main`; the base is its default branch `origin/master`\n";
    let run = check(&clone).assert_code(1);
    assert_eq!(run.stderr, note);
    assert!(run.stdout.contains("1 of 1 commit since origin/master failed"), "{}", run.stdout);
    // Without a network the clone knows it, too.
    clone.git(&["remote", "set-url", "origin", "/nowhere"]);
    let run = check(&clone).assert_code(1);
    assert!(run.stderr.contains(note), "{}", run.stderr);
    assert!(run.stdout.contains("1 of 1 commit since origin/master failed"), "{}", run.stdout);
    // A detached `HEAD` stands for no branch.
    clone.git(&["remote", "set-url", "origin", upstream.root().to_str().unwrap()]);
    upstream.git(&["checkout", "--quiet", "--detach"]);
    check(&clone).assert_code(2);
    clone.set("BUILDKITE_PIPELINE_DEFAULT_BRANCH", "master");
    assert_eq!(check(&clone).assert_code(1).stderr, note);
    // A branch that is named is not replaced.
    clone.set("BASE_BRANCH", "main");
    let run = check(&clone).assert_code(2);
    assert!(run.stderr.contains("failed to find the base `origin/main`"), "{}", run.stderr);
}

#[test]
fn replace_objects_do_not_hide_what_is_pushed() {
    let sandbox = sandbox();
    commit(&sandbox, "No sign-off");
    let bad = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["commit", "--quiet", "--amend", "--allow-empty", "--signoff", "--no-edit"]);
    let good = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["reset", "--quiet", bad.trim()]);
    sandbox.git(&["replace", bad.trim(), good.trim()]);
    assert!(sandbox.git(&["log", "-1"]).contains("Signed-off-by"), "the replacement is in effect");
    check(&sandbox).assert_code(1);
}

#[test]
fn a_branch_whose_commit_is_missing_is_damaged_and_not_unborn() {
    let sandbox = sandbox();
    commit(&sandbox, "No sign-off");
    let id = sandbox.git(&["rev-parse", "HEAD"]);
    let (dir, name) = id.trim().split_at(2);
    fs::remove_file(sandbox.root().join(".git/objects").join(dir).join(name)).unwrap();
    let run = check(&sandbox).assert_code(75);
    assert_eq!(run.stderr, "error: git failed to read `HEAD`\nhelp: run `git fsck`\n");
}

#[test]
fn a_passphrase_that_ssh_asks_for_is_not_waited_for() {
    let upstream = sandbox();
    upstream.git(&["checkout", "--quiet", "main"]);
    let clone = Sandbox::empty();
    clone.git(&["clone", "--quiet", upstream.root().to_str().unwrap(), "."]);
    clone.git(&["remote", "set-url", "origin", "ssh://host/repository"]);
    clone.stub("ssh", "read answer < /dev/tty");
    // `script` gives the run a terminal of its own.
    let line = format!("{} commit-format; echo code=$?", env!("CARGO_BIN_EXE_xtask"));
    let run = clone.run("script", &["--quiet", "--command", &line, "/dev/null"]);
    let reason = "warning: `git` asked for input at the terminal; using `refs/remotes/origin/main` as it was last fetched";
    assert!(run.stdout.contains(reason), "{}", run.stdout);
    assert!(run.stdout.contains("code=0"), "{}", run.stdout);
}

#[test]
fn names_are_never_taken_for_options_or_for_shell_text() {
    let mut sandbox = sandbox();
    sandbox.git(&["branch", "main;touch${IFS}x", "main"]);
    good(&sandbox, "First");
    sandbox.set("BASE_BRANCH", "main;touch${IFS}x");
    check(&sandbox).assert_code(0);
    sandbox.set("REMOTE", "--upload-pack=touch x;");
    check(&sandbox).assert_code(75);
    sandbox.set("REMOTE", ".").set("BASE_BRANCH", "-x");
    check(&sandbox).assert_code(2);
    assert!(!sandbox.root().join("x").exists());
}

#[test]
fn a_repository_that_another_user_owns_is_read_and_no_configuration_is_written() {
    let mut sandbox = sandbox();
    let origin = sandbox.beside("origin");
    sandbox.git(&["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()]);
    sandbox.set("REMOTE", origin.to_str().unwrap());
    good(&sandbox, "First");
    if sandbox.run("id", &["-u"]).stdout.trim() != "0" {
        // Only root can give files away; for others every repository is their own.
        return;
    }
    let root = sandbox.root();
    sandbox.run("chown", &["-R", "nobody", root.to_str().unwrap()]).assert_code(0);
    assert_ne!(sandbox.run("git", &["status"]).code, Some(0), "git was expected to refuse");
    let run = check(&sandbox);
    assert!(fs::read_dir(sandbox.beside("home")).unwrap().next().is_none());
    run.assert_code(0);
}

#[test]
fn messages_of_any_bytes_are_read() {
    let sandbox = sandbox();
    // Git itself would repair the message; other programs do not.
    let ids = sandbox.git(&["rev-parse", "HEAD^{tree}", "HEAD"]);
    let (tree, parent) = ids.trim().split_once('\n').unwrap();
    let who = "T <t@example.com> 1767323045 +0000";
    let head = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n");
    let object = sandbox.beside("object");
    fs::write(&object, [head.as_bytes(), b"Caf\xe9", SIGNED.as_bytes()].concat()).unwrap();
    let id = sandbox.git(&["hash-object", "-t", "commit", "-w", object.to_str().unwrap()]);
    sandbox.git(&["reset", "--quiet", "--soft", id.trim()]);

    commit(&sandbox, &format!("Carriage returns{SIGNED}").replace('\n', "\r\n"));
    let message = sandbox.beside("message");
    let long = format!("Ten megabytes\n\n{}{SIGNED}", "line of text\n".repeat(800_000));
    fs::write(&message, long).unwrap();
    let file = format!("--file={}", message.display());
    sandbox.git(&["commit", "--quiet", "--allow-empty", "--cleanup=verbatim", &file]);
    commit(&sandbox, "");
    assert_report(
        &sandbox,
        1,
        &expect![[r#"
            b666766 Caf� (T)
              line 1: warning: the message is not UTF-8 text [encoding]
                help: write the message as UTF-8
            e752028 (no title) (Tess Ter)
              line 1: error: the title is missing [title-missing]
                help: start the message with a one-line title
              line 1: error: there is no `Signed-off-by:` line [sign-off]
                help: end the message with `Signed-off-by: Name <address>`, as `git commit -s` does
            1 of 4 commits since ./main failed
            help: to repair them, run:
              GIT_SEQUENCE_EDITOR="sed -i.bak -E 's/^p(ick)? (e752028)/reword \2/'" git rebase -i e752028~1
        "#]],
    );
}

#[test]
fn a_message_in_a_named_encoding_is_read_in_that_encoding() {
    let sandbox = sandbox();
    sandbox.git(&["config", "i18n.commitEncoding", "ISO-8859-1"]);
    let message = sandbox.beside("message");
    // 60 characters; read as UTF-8 they would be none.
    fs::write(&message, [&[0xe9; 60][..], SIGNED.as_bytes()].concat()).unwrap();
    let file = format!("--file={}", message.display());
    sandbox.git(&["commit", "--quiet", "--allow-empty", &file]);
    assert_report(
        &sandbox,
        0,
        &expect![[r"
        1 commit since ./main checked, none failed
    "]],
    );
}

#[test]
fn more_bots_may_be_named() {
    let sandbox = sandbox();
    sandbox.git(&[
        "commit",
        "--quiet",
        "--allow-empty",
        "--author=R <robot@example.com>",
        "-m",
        "x",
    ]);
    check(&sandbox).assert_code(1);
    sandbox.write(".buildkite/commit-format.json", r#"{"bots": ["robot@example.com"]}"#);
    assert_report(
        &sandbox,
        0,
        &expect![[r"
            there are no commits to check since ./main; left out: 1 by a bot
        "]],
    );
    sandbox.write(".buildkite/commit-format.json", r#"{"bots": ["bot@example.com"]}"#);
    check(&sandbox).assert_code(1);
    sandbox.write(".buildkite/commit-format.json", r#"{"bts": []}"#);
    let run = check(&sandbox).assert_code(2);
    assert!(run.stderr.contains("unknown key `bts`, did you mean `bots`?"), "{}", run.stderr);
}

#[test]
fn a_failure_is_shown_on_the_page_of_the_build() {
    let mut sandbox = sandbox();
    sandbox.stub("buildkite-agent", "echo \"$@\" > ../arguments; cat > ../page");
    good(&sandbox, "First");
    sandbox.set("BUILDKITE", "true");
    check(&sandbox).assert_code(0);
    assert!(!sandbox.beside("page").exists(), "nothing to show");
    commit(&sandbox, "Second");
    check(&sandbox).assert_code(1);
    let page = fs::read_to_string(sandbox.beside("page")).unwrap();
    assert!(page.contains("line 1: error: there is no `Signed-off-by:` line"), "{page}");
    repair(&sandbox);
    sandbox.set("BUILDKITE_RETRY_COUNT", "1");
    check(&sandbox).assert_code(0);
    let arguments = fs::read_to_string(sandbox.beside("arguments")).unwrap();
    assert_eq!(arguments, "annotate --context=commit-format --style=success\n");
}

/// A repository whose `commit-msg` hook is the shipped one and whose `cargo xtask` is the binary.
fn with_hook() -> Sandbox {
    let sandbox = sandbox();
    let binary = env!("CARGO_BIN_EXE_xtask");
    let script = format!(
        "test -e .cargo/config.toml || exit 101\ntest \"$1\" = xtask || exit 9\nshift\nexec {binary} \"$@\""
    );
    sandbox.stub("cargo", &script);
    let template = fs::read(checkout().join("ci-template/cargo-config.toml")).unwrap();
    sandbox.write(".cargo/config.toml", template);
    install_hook(&sandbox.root().join(".git/hooks"));
    sandbox
}

fn install_hook(hooks: &std::path::Path) {
    fs::create_dir_all(hooks).unwrap();
    let hook = hooks.join("commit-msg");
    fs::copy(checkout().join("ci-template/commit-msg"), &hook).unwrap();
    fs::set_permissions(hook, fs::Permissions::from_mode(0o755)).unwrap();
}

fn try_commit(sandbox: &Sandbox, dir: &str, message: &str) -> Run {
    let arguments = ["-C", dir, "commit", "--quiet", "--allow-empty", "--message", message];
    sandbox.run("git", &arguments)
}

#[test]
fn the_hook_refuses_and_accepts() {
    let sandbox = with_hook();
    let refused = try_commit(&sandbox, ".", "No sign-off").assert_code(1);
    assert!(refused.stderr.contains("there is no `Signed-off-by:` line"), "{}", refused.stderr);
    assert_eq!(sandbox.git(&["log", "--format=%s"]), "Start\n");
    let accepted = try_commit(&sandbox, ".", &format!("Good{SIGNED}")).assert_code(0);
    assert_eq!(accepted.stderr, "");
    let wide = "a line of text that is wider than it should be ".repeat(2);
    let warned = try_commit(&sandbox, ".", &format!("Only a warning\n\n{wide}{SIGNED}"));
    assert!(warned.assert_code(0).stderr.contains("line 3: warning: the line has 93 characters"));
    // A fixup is meant to be squashed later.
    let fixup = try_commit(&sandbox, ".", &format!("fixup! Good{SIGNED}")).assert_code(0);
    assert_eq!(fixup.stderr, "");
}

#[test]
fn the_command_that_the_hook_names_repeats_the_commit() {
    let mut sandbox = with_hook();
    sandbox.write("a file", "1").write("other", "1").git(&["add", "--all"]);
    try_commit(&sandbox, ".", &format!("Good{SIGNED}")).assert_code(0);
    sandbox.write("a file", "2").write("other", "2");
    sandbox.set("GIT_EDITOR", "sed -i '$a\\\nSigned-off-by: T <t@e>'");
    for (options, committed) in [
        (&["--all", "--message", "All"][..], "a file\nother\n"),
        (&["--amend", "-am", "Amended"], "a file\nother\n"),
        (&["-m", "One", "--", "a file"], "a file\n"),
    ] {
        let parent = sandbox.git(&["rev-parse", "HEAD"]);
        let count = sandbox.git(&["rev-list", "--count", "HEAD"]);
        sandbox.write("a file", &parent).write("other", &parent);
        let refused =
            sandbox.run("git", &[&["commit", "--quiet"], options].concat()).assert_code(1);
        let command = refused.stderr.split("run:\n").nth(1).unwrap().trim();
        sandbox.run("sh", &["-e", "-c", command]).assert_code(0);
        let base = if options.contains(&"--amend") { "HEAD~1" } else { parent.trim() };
        let changed = sandbox.git(&["diff", "--name-only", base, "HEAD"]);
        assert_eq!(changed, committed, "{command}");
        let is_amended = sandbox.git(&["rev-list", "--count", "HEAD"]) == count;
        assert_eq!(is_amended, options.contains(&"--amend"), "{command}");
        sandbox.git(&["reset", "--quiet", "--hard"]);
    }
}

/// Commits with the hook and without it; both must give the same message, and the hook must say what
/// `commit-format` says about the commit.
#[track_caller]
fn check_hook(sandbox: &Sandbox, git: &[&str], options: &[&str], is_good: bool) {
    let commit = [&["commit", "--quiet", "--allow-empty"], options].concat();
    let with_hook = sandbox.run("git", &[git, &commit].concat());
    sandbox.run("git", &[git, &commit, &["--no-verify"]].concat()).assert_code(0);
    let message = sandbox.git(&["log", "-1", "--format=%B"]);
    let in_ci = check(sandbox).code;
    assert_eq!(in_ci, Some(i32::from(!is_good)), "{git:?} {options:?}\n{message}");
    assert_eq!(with_hook.code, in_ci, "{git:?} {options:?}\n{message}\n{}", with_hook.stderr);
    sandbox.git(&["reset", "--quiet", "--soft", "main"]);
}

#[test]
fn the_hook_reads_a_message_as_git_will() {
    let mut sandbox = with_hook();
    // `--verbose` adds the diff below a scissors line; it is wider than any limit.
    sandbox.write("file", format!("{}\n", "x y".repeat(100))).git(&["add", "file"]);
    let good = "Title\\n\\nBody\\n\\nSigned-off-by: T <t@e>\\n";
    // Writes a message above a part of what git prepared.
    let editor = |text: &str, kept: &str| {
        format!(
            "f() {{ {{ printf '{text}'; sed -n '{kept}' \"$1\"; }} > ../m; cat ../m > \"$1\"; }}; f"
        )
    };
    sandbox.set("GIT_EDITOR", &editor(good, "p"));
    for cleanup in ["default", "strip", "scissors"] {
        for options in [&["-v"][..], &[], &["--no-verbose"], &["--no-status"]] {
            check_hook(&sandbox, &["-c", &format!("commit.cleanup={cleanup}")], options, true);
            check_hook(&sandbox, &[], &[options, &["--cleanup", cleanup]].concat(), true);
        }
    }
    for cleanup in ["whitespace", "verbatim"] {
        let setting = format!("commit.cleanup={cleanup}");
        let no_template: &[&str] = &["-v", "--no-status"];
        for options in [no_template, &["--cleanup=strip"]] {
            check_hook(&sandbox, &["-c", &setting], options, true);
        }
        // Unless the author removes them, git's comments stay below the sign-off.
        check_hook(&sandbox, &["-c", &setting], &[], false);
    }
    sandbox.set("GIT_EDITOR", &editor(good, "/ >8 /,$p"));
    for cleanup in ["whitespace", "verbatim"] {
        check_hook(&sandbox, &["-c", &format!("commit.cleanup={cleanup}")], &["-v"], true);
    }
    check_hook(&sandbox, &["-c", "commit.verbose=true"], &[], true);

    let heading = "Title\\n\\n# heading\\n\\nSigned-off-by: T <t@e>\\n";
    sandbox.set("GIT_EDITOR", &editor(heading, "p"));
    check_hook(&sandbox, &["-c", "core.commentChar=auto"], &["-v"], true);
    check_hook(&sandbox, &["-c", "core.commentChar=;"], &[], true);

    // The comment character differs from the first characters of all lines.
    let message = sandbox.beside("message");
    let text = "Title\n\n# heading\n; text\n\nSigned-off-by: T <t@e>\n";
    fs::write(&message, text).unwrap();
    let file = format!("--file={}", message.display());
    sandbox.set("GIT_EDITOR", "true");
    for options in [&["--edit", "-v"][..], &["--edit"], &["--cleanup=strip"], &[]] {
        check_hook(&sandbox, &["-c", "core.commentChar=auto"], &[options, &[&file]].concat(), true);
    }
    let title = "#12: Repair it\n\nSigned-off-by: T <t@e>";
    check_hook(&sandbox, &[], &["--message", title], true);
    let two_lines = "# no title\nTitle\n\nSigned-off-by: T <t@e>";
    check_hook(&sandbox, &[], &["--message", two_lines], false);
    check_hook(&sandbox, &[], &["--cleanup=strip", "--message", two_lines], true);
    // An alias runs another process of git.
    let alias = ["-c", "alias.save=commit -v --cleanup=verbatim --quiet --allow-empty"];
    let run = sandbox.run("git", &[&alias[..], &["save", "--message", title]].concat());
    assert_eq!(run.assert_code(0).stderr, "");
}

#[test]
fn a_hook_that_builds_the_tool_says_so() {
    let sandbox = with_hook();
    sandbox.stub("sleep", "test $1 = 3");
    sandbox.stub("cargo", "/bin/sleep 1");
    let run = try_commit(&sandbox, ".", "Title").assert_code(0);
    assert_eq!(run.stderr, "commit-msg: still checking; the first call builds the tool\n");
}

#[test]
fn the_hook_keeps_the_callers_configuration() {
    let mut sandbox = with_hook();
    let message = "; no title\nTitle\n\nSigned-off-by: T <t@e>";
    let options = ["--cleanup=strip", "--message", message];
    check_hook(&sandbox, &[], &options, false);
    check_hook(&sandbox, &["-c", "core.commentChar=;"], &options, true);
    sandbox.set("GIT_CONFIG_COUNT", "1");
    sandbox.set("GIT_CONFIG_KEY_0", "core.commentChar").set("GIT_CONFIG_VALUE_0", ";");
    check_hook(&sandbox, &[], &options, true);
}

#[test]
fn without_the_command_the_hook_refuses_only_what_is_wrong_in_every_case() {
    let sandbox = with_hook();
    // As a program that manages hooks would run it.
    let hooks = sandbox.root().join(".git/hooks");
    fs::rename(hooks.join("commit-msg"), hooks.join("real")).unwrap();
    fs::write(hooks.join("commit-msg"), "#!/bin/sh\n.git/hooks/real \"$1\"\nexit $?\n").unwrap();
    fs::set_permissions(hooks.join("commit-msg"), fs::Permissions::from_mode(0o755)).unwrap();
    let title = "#12: Repair it\n\nSigned-off-by: T <t@e>";
    let arguments = ["commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", title];
    sandbox.run("git", &arguments).assert_code(0);
    let refused = try_commit(&sandbox, ".", "No sign-off").assert_code(1);
    let command = refused.stderr.split("run:\n").nth(1).unwrap().trim();
    assert!(command.starts_with("git commit --edit --file=/"), "{command}");
}

#[test]
fn the_hook_and_ci_read_the_same_encoding() {
    let sandbox = with_hook();
    let message = sandbox.beside("message");
    fs::write(&message, [&[0xe9; 60][..], SIGNED.as_bytes()].concat()).unwrap();
    let file = format!("--file={}", message.display());
    let commit = ["commit", "--quiet", "--allow-empty", &file];
    let latin =
        sandbox.run("git", &[&["-c", "i18n.commitEncoding=ISO-8859-1"], &commit[..]].concat());
    assert_eq!(latin.assert_code(0).stderr, "");
    assert!(!check(&sandbox).assert_code(0).stdout.contains("UTF-8"));
    // Where no encoding is named, git takes what is not UTF-8 for Latin-1, and says so.
    let unnamed = sandbox.run("git", &commit).assert_code(0);
    assert!(!unnamed.stderr.contains("[encoding]"), "{}", unnamed.stderr);
    assert!(!check(&sandbox).assert_code(0).stdout.contains("UTF-8"));
}

#[test]
fn a_git_that_fails_is_not_taken_for_a_repository_without_a_merge() {
    let sandbox = with_hook();
    let real = sandbox.run("sh", &["-c", "command -v git"]).stdout;
    let script = format!(
        "case \"$*\" in *rev-parse*MERGE_HEAD*) echo broken >&2; exit 128 ;; esac\nexec {} \"$@\"",
        real.trim()
    );
    sandbox.stub("git", &script);
    // Git puts its own directory before all others.
    let hooks = sandbox.root().join(".git/hooks");
    fs::rename(hooks.join("commit-msg"), hooks.join("real")).unwrap();
    let stubs = sandbox.beside("stubs");
    let hook = format!("#!/bin/sh\nPATH={}:$PATH exec .git/hooks/real \"$1\"\n", stubs.display());
    fs::write(hooks.join("commit-msg"), hook).unwrap();
    fs::set_permissions(hooks.join("commit-msg"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = try_commit(&sandbox, ".", "No sign-off").assert_code(0);
    assert_eq!(run.stderr, "broken\ncommit-msg: the message could not be checked\n");
}

#[test]
fn the_hook_lets_merges_through() {
    let sandbox = with_hook();
    try_commit(&sandbox, ".", &format!("One{SIGNED}")).assert_code(0);
    sandbox.git(&["checkout", "--quiet", "main"]);
    try_commit(&sandbox, ".", &format!("Two{SIGNED}")).assert_code(0);
    sandbox.git(&["merge", "--quiet", "--no-edit", "change"]);
    assert_eq!(sandbox.git(&["rev-list", "--count", "--merges", "HEAD"]), "1\n");
    sandbox.git(&["commit", "--quiet", "--amend", "--no-edit", "--allow-empty"]);
    try_commit(&sandbox, ".", "Merge nothing").assert_code(0);
    try_commit(&sandbox, ".", "Merge nothing, after what is no merge").assert_code(1);
}

#[test]
fn the_hook_works_in_a_second_worktree_and_in_a_submodule() {
    let sandbox = with_hook();
    let second = sandbox.beside("second");
    let second = second.to_str().unwrap();
    sandbox.git(&["worktree", "add", "--quiet", "-b", "more", second]);
    try_commit(&sandbox, second, "No sign-off").assert_code(1);
    try_commit(&sandbox, second, &format!("Good{SIGNED}")).assert_code(0);

    sandbox.commit_all(&format!("Add the alias{SIGNED}"));
    let upper = Sandbox::new();
    let url = sandbox.root();
    let allow = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
    upper.git(&[&allow[..], &[url.to_str().unwrap(), "inner"]].concat());
    install_hook(&upper.root().join(".git/modules/inner/hooks"));
    let inner = upper.root().join("inner");
    let inner = inner.to_str().unwrap();
    try_commit(&sandbox, inner, "No sign-off").assert_code(1);
    try_commit(&sandbox, inner, &format!("Good{SIGNED}")).assert_code(0);
}

#[test]
fn without_the_tool_the_commit_is_made() {
    let sandbox = with_hook();
    sandbox.stub("cargo", "exit 101");
    let run = try_commit(&sandbox, ".", "No sign-off").assert_code(0);
    assert!(run.stderr.contains("the message could not be checked"), "{}", run.stderr);
}

#[test]
fn text_beside_a_sign_off_counts_as_git_counts_it() {
    let sandbox = sandbox();
    for (text, is_trailer) in [
        ("Body\n\nSigned-off-by: T <t@e>\n", true),
        ("Body\nSigned-off-by: T <t@e>\n", true),
        ("One\ntwo\nthree\nSigned-off-by: T <t@e>\n", true),
        ("One\ntwo\nthree\nfour\nSigned-off-by: T <t@e>\n", false),
        ("One\ntwo\nthree\nfour\nSigned-off-by: T <t@e>\nReviewed-by: U <u@e>\n", true),
        ("Signed-off-by: T <t@e>\nThanks to all.\n", true),
        ("Signed-off-by: T <t@e>\n\nThanks to all.\n", false),
        ("See also: x\n  Signed-off-by: T <t@e>\n", false),
        ("(cherry picked from commit 1)\nSigned-off-by: T <t@e>\n", true),
    ] {
        let message = format!("Title\n\n{text}");
        fs::write(sandbox.beside("message"), &message).unwrap();
        let trailers = sandbox.git(&["interpret-trailers", "--parse", "../message"]);
        assert_eq!(trailers.contains("Signed-off-by: T"), is_trailer, "git: {text}");
        let run = sandbox.xtask(&["commit-format", "--message-file", "../message"]);
        assert_eq!(run.code, Some(i32::from(!is_trailer)), "{text}");
    }
}

#[test]
fn conflicts_that_a_cherry_pick_left_are_named() {
    let sandbox = sandbox();
    add_file(&sandbox, "a", &format!("Add a{SIGNED}"));
    sandbox.git(&["checkout", "--quiet", "-b", "other", "main"]);
    sandbox.write("a", "other");
    sandbox.git(&["add", "a"]);
    commit(&sandbox, &format!("Add another a{SIGNED}"));
    sandbox.run("git", &["cherry-pick", "change"]).assert_code(1);
    sandbox.git(&["add", "a"]);
    sandbox.git(&["commit", "--quiet", "--no-edit", "--cleanup=whitespace"]);
    let stdout = check(&sandbox).assert_code(1).stdout;
    let finding = "line 5: error: the list of conflicts up to line 6 was left in the message";
    assert!(stdout.contains(finding), "{stdout}");
    assert!(!stdout.contains("[sign-off]"), "{stdout}");
    sandbox.git(&["commit", "--quiet", "--amend", "--no-edit", "--cleanup=strip"]);
    check(&sandbox).assert_code(0);
}

#[test]
fn commits_that_are_meant_to_be_squashed_are_a_warning() {
    let sandbox = sandbox();
    good(&sandbox, "fixup! First");
    let stdout = check(&sandbox).assert_code(0).stdout;
    let warning = "line 1: warning: the commit is meant to be squashed into another one [autosquash]\n    \
                   help: run `git rebase --interactive --autosquash` onto the base\n";
    assert!(stdout.contains(warning), "{stdout}");
}

#[test]
fn the_documentation_installs_the_hook_where_there_are_no_hooks() {
    let sandbox = sandbox();
    std::os::unix::fs::symlink(checkout(), sandbox.root().join("rust-vmm-ci")).unwrap();
    fs::remove_dir_all(sandbox.root().join(".git/hooks")).unwrap();
    let text = fs::read_to_string(checkout().join("docs/commit-format.md")).unwrap();
    let command = text.lines().find(|line| line.starts_with("install ")).unwrap();
    sandbox.run("sh", &["-c", command]).assert_code(0);
    let mode = fs::metadata(sandbox.root().join(".git/hooks/commit-msg")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o755);
}

#[test]
fn a_message_file_that_is_not_there_is_a_usage_error() {
    let run = sandbox().xtask(&["commit-format", "--message-file", "nothing"]).assert_code(2);
    assert!(run.stderr.contains("`nothing` does not exist"), "{}", run.stderr);
}
