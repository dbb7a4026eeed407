//! Git's command lines. Each allows the root for the process only (`-c safe.directory`): the user's
//! configuration is never written, and a mount that another user owns works.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use xshell::{Cmd, Shell, cmd};

/// Variables that change what git prints or how it reads a path, whatever its arguments say.
const OUTPUT_VARIABLES: &str = "GIT_DIFF_OPTS GIT_EXTERNAL_DIFF GIT_GLOB_PATHSPECS \
     GIT_ICASE_PATHSPECS GIT_LITERAL_PATHSPECS GIT_NOGLOB_PATHSPECS";

/// `git` in a working tree. Its methods are command lines that do not run yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Git<'a> {
    sh: &'a Shell,
    root: &'a Path,
    repository: Option<&'a Path>,
}

impl<'a> Git<'a> {
    /// `git` in a working tree.
    pub(crate) fn new(sh: &'a Shell, root: &'a Path) -> Git<'a> {
        Git { sh, root, repository: None }
    }

    /// `git` with a repository by its own directory, whatever tree belongs to it. Git does not check
    /// who owns the directory.
    pub(crate) fn with_git_dir(sh: &'a Shell, git_dir: &'a Path) -> Git<'a> {
        Git { repository: Some(git_dir), ..Git::new(sh, git_dir) }
    }

    /// Ready for a subcommand.
    fn cmd(self) -> Cmd<'a> {
        let mut allowed = OsString::from("safe.directory=");
        allowed.push(self.root);
        // What replace objects show is not what is pushed.
        let cmd = cmd!(self.sh, "git --no-replace-objects -c {allowed}");
        let cmd = cmd.env("GIT_TERMINAL_PROMPT", "0");
        let cmd = OUTPUT_VARIABLES.split(' ').fold(cmd, Cmd::env_remove);
        self.repository.into_iter().fold(cmd, |cmd, dir| cmd.arg("--git-dir").arg(dir))
    }

    /// The ids of a remote's references, and what its `HEAD` stands for.
    pub(crate) fn ls_remote(self, remote: &str, references: &[&str]) -> Cmd<'a> {
        self.cmd().args(["ls-remote", "--exit-code", "--symref", "--"]).arg(remote).args(references)
    }

    /// Fetches a remote's reference. No reference and no `FETCH_HEAD` of the user's is written: the
    /// commit is known by its id. Without `--refmap=` git would move the user's tracking branch, and
    /// with automatic maintenance it might repack the repository.
    pub(crate) fn fetch(self, remote: &str, reference: &str) -> Cmd<'a> {
        self.cmd()
            .args(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"])
            .args(["--no-recurse-submodules", "--no-auto-maintenance", "--refmap="])
            .args(["--", remote, reference])
    }

    /// The id of the object that a name stands for; exits with 1 if there is none.
    pub(crate) fn object_id(self, name: &str) -> Cmd<'a> {
        self.cmd().args(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(name)
    }

    /// The commit that a name stands for; exits with 1 if there is none.
    pub(crate) fn commit_id(self, name: &str) -> Cmd<'a> {
        self.object_id(&format!("{name}^{{commit}}"))
    }

    /// Succeeds if an object is here; `id` is its full id, or a commit's with `^{commit}`.
    pub(crate) fn has_object(self, id: &str) -> Cmd<'a> {
        self.cmd().args(["cat-file", "-e", id])
    }

    /// The references that match a pattern, each on a line in a format.
    pub(crate) fn references(self, pattern: &str, format: &str) -> Cmd<'a> {
        self.cmd().arg("for-each-ref").arg(format!("--format={format}")).arg(pattern)
    }

    /// The commits of `HEAD` that are not in `base`, newest first, with the commits of the base that
    /// border on them. Messages are bytes as they are stored, converted to UTF-8 if their commit names
    /// an encoding.
    pub(crate) fn list_commits(self, base: &str, format: &str) -> Cmd<'a> {
        let format = format!("--format={format}");
        let excluded = format!("^{base}");
        self.cmd()
            .args(["-c", "i18n.logOutputEncoding=UTF-8", "rev-list", "--topo-order", "--boundary"])
            .args([format, excluded])
            .args(["HEAD", "--"])
    }

    /// Where a file of the repository is, whether it exists or not: the `index`, one of the `hooks`, or
    /// `shallow`, which has the commits at which the history of a shallow clone ends.
    pub(crate) fn git_path(self, name: &str) -> Cmd<'a> {
        self.cmd().args(["rev-parse", "--path-format=absolute", "--git-path", name])
    }

    /// The settings whose lower-case names match, a key and a value on each line; the last of a name
    /// wins.
    pub(crate) fn settings(self, names: &str) -> Cmd<'a> {
        self.cmd().args(["config", "--get-regexp", names])
    }

    /// Tracked files and untracked ones that are not ignored, each followed by a zero byte.
    pub(crate) fn list_files(self) -> Cmd<'a> {
        self.cmd().args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    }

    /// The same with mode and object of what is tracked, which tell links and submodules from files.
    pub(crate) fn list_entries(self) -> Cmd<'a> {
        self.list_files().arg("--stage")
    }

    /// How the submodules at these paths differ from what the index records, one per line.
    pub(crate) fn submodule_status(self, paths: &BTreeSet<String>) -> Cmd<'a> {
        self.cmd()
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(["-c", "core.quotePath=false", "status", "--porcelain=v2"])
            .args(["--ignore-submodules=none", "--untracked-files=no", "--"])
            .args(paths)
    }

    /// All commits that branches and remote branches reach, newest first, each followed by a zero
    /// byte. Names and e-mail addresses are those of the mailmap.
    pub(crate) fn history(self, format: &str) -> Cmd<'a> {
        self.cmd()
            .args(["-c", "i18n.logOutputEncoding=UTF-8", "log", "-z", "--date-order"])
            .arg(format!("--format={format}"))
            .args(["HEAD", "--branches", "--remotes", "--"])
    }

    /// The id that standard input has as a file.
    pub(crate) fn hash_object(self) -> Cmd<'a> {
        self.cmd().args(["hash-object", "--stdin"])
    }

    /// The difference between two directories or files, which need not be in a repository; `-` is
    /// standard input.
    pub(crate) fn diff_paths(self, from: &Path, to: &Path) -> Cmd<'a> {
        let options = ["--no-index", "--no-ext-diff", "--no-color", "--no-prefix", "--"];
        let cmd = self.cmd().args(["-c", "core.quotePath=false", "diff", "-O/dev/null"]);
        cmd.args(options).args([from, to])
    }

    /// Whether git ignores a file.
    pub(crate) fn is_ignored(self, name: &Path) -> Cmd<'a> {
        self.cmd().args(["check-ignore", "--quiet", "--"]).arg(name)
    }

    /// The pattern that decides whether git ignores a file, after the file that has it and the line:
    /// `.gitignore:1:/target`. Exits with 1 if there is none.
    pub(crate) fn ignoring_pattern(self, name: &str) -> Cmd<'a> {
        self.cmd().args(["check-ignore", "--verbose", "--", name])
    }

    /// A commit that added or removed an object at one of these paths, whatever branch it is on.
    pub(crate) fn commit_with_object(self, id: &str, paths: &[&str]) -> Cmd<'a> {
        let find = format!("--find-object={id}");
        self.cmd().args(["log", "--all", "--max-count=1", "--format=%H", &find, "--"]).args(paths)
    }

    /// The name of a file if a commit has it; `commit` is an id.
    pub(crate) fn list_path(self, commit: &str, name: &Path) -> Cmd<'a> {
        self.cmd().args(["ls-tree", "--name-only", "--full-tree", commit, "--"]).arg(name)
    }

    /// A file as a commit has it; `commit` is an id.
    pub(crate) fn file_at(self, commit: &str, name: &str) -> Cmd<'a> {
        self.cmd().args(["cat-file", "blob"]).arg(format!("{commit}:{name}"))
    }

    /// What the working tree changes since a commit. Every setting of the user's that changes the
    /// output is overridden. Nothing is written, not even fresher times in the index.
    pub(crate) fn diff(self, id: &str) -> Cmd<'a> {
        let cmd = self.cmd().env("GIT_OPTIONAL_LOCKS", "0");
        cmd.args(["-c", "core.quotePath=false", "diff", "-O/dev/null", "--patch", "--text"])
            .args(["--unified=0", "--inter-hunk-context=0", "--no-function-context"])
            .args(["--diff-algorithm=myers", "--indent-heuristic", "--find-renames", "-l0"])
            .args(["--no-ext-diff", "--no-textconv", "--no-color", "--no-relative"])
            .args(["--src-prefix=a/", "--dst-prefix=b/", "--line-prefix="])
            .args(["--ws-error-highlight=none", "--ignore-submodules=all", id, "--"])
    }

    /// Untracked files of these names that are not ignored, each followed by a zero byte.
    pub(crate) fn untracked(self, names: &[&str]) -> Cmd<'a> {
        self.cmd().args(["ls-files", "--others", "--exclude-standard", "-z", "--"]).args(names)
    }

    /// Tells an index, not the objects, that files will be added: those of standard input, each ended
    /// by a zero byte.
    pub(crate) fn announce(self) -> Cmd<'a> {
        let cmd = self.cmd().env("GIT_LITERAL_PATHSPECS", "1").args(["add", "--intent-to-add"]);
        cmd.args(["--pathspec-from-file=-", "--pathspec-file-nul"])
    }

    /// When a commit was made: `%cr` is its age as git words it, `%ct` the seconds since 1970.
    pub(crate) fn commit_date(self, id: &str, format: &str) -> Cmd<'a> {
        let format = format!("--format={format}");
        self.cmd().args(["log", "-1", &format, "--end-of-options", id, "--"])
    }

    /// The newest commit that two commits have in common.
    pub(crate) fn merge_base(self, one: &str, other: &str) -> Cmd<'a> {
        self.cmd().args(["merge-base", "--end-of-options", one, other])
    }

    /// Prints `true` for a shallow clone.
    pub(crate) fn is_shallow(self) -> Cmd<'a> {
        self.cmd().args(["rev-parse", "--is-shallow-repository"])
    }

    /// Makes a repository without hooks in the root, for objects of the kind that `commit` is of.
    pub(crate) fn init(self, commit: &str) -> Cmd<'a> {
        let format = if commit.len() == 40 { "sha1" } else { "sha256" };
        // Tags are written as a file that other formats of references do not have.
        let cmd = self.cmd().env("GIT_DEFAULT_REF_FORMAT", "files");
        let cmd = cmd.args(["init", "--quiet", "--template="]);
        cmd.arg(format!("--object-format={format}")).arg("--").arg(self.root)
    }

    /// Writes the files of a commit into the root of its repository.
    pub(crate) fn check_out(self, commit: &str) -> Cmd<'a> {
        let options = ["checkout", "--quiet", "--force", "--detach", "--no-recurse-submodules"];
        self.cmd().arg("-C").arg(self.root).args(options).args([commit, "--"])
    }

    /// The tracked files that are not as a commit has them, in another commit or in the working tree,
    /// each ended by a zero byte; a submodule is one file.
    pub(crate) fn changed_files(self, commits: &[&str]) -> Cmd<'a> {
        let options = ["diff", "--name-only", "-z", "--no-ext-diff", "--no-renames"];
        let cmd = self.cmd().env("GIT_OPTIONAL_LOCKS", "0").args(options);
        cmd.args(["--no-relative", "--ignore-submodules=untracked"]).args(commits).arg("--")
    }

    /// Succeeds if a file is in the index.
    pub(crate) fn is_tracked(self, file: &Path) -> Cmd<'a> {
        self.cmd().args(["ls-files", "--error-unmatch", "--"]).arg(file)
    }

    /// The directory that all worktrees of a repository share.
    pub(crate) fn common_dir(self) -> Cmd<'a> {
        let options = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
        self.cmd().arg("-C").arg(self.root).args(options)
    }

    /// Everything that a commit holds; among it the commits that submodules stand at.
    pub(crate) fn list_tree(self, id: &str) -> Cmd<'a> {
        self.cmd().args(["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", id])
    }

    /// The paths of a commit's submodules by their names: a key, a line end, a value and a zero
    /// byte for each.
    pub(crate) fn submodule_paths(self, id: &str) -> Cmd<'a> {
        let blob = format!("--blob={id}:.gitmodules");
        self.cmd().args(["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.path$"])
    }

    /// The same of the working tree's `.gitmodules`; exits with 1 if there are none.
    pub(crate) fn listed_submodules(self) -> Cmd<'a> {
        let options = ["config", "-z", "--file", ".gitmodules"];
        self.cmd().args(options).args(["--get-regexp", r"^submodule\..*\.path$"])
    }

    /// Writes the files of a commit into a directory, with an index of its own.
    pub(crate) fn export(self, id: &str, index: &Path, into: &Path) -> Cmd<'a> {
        let cmd = self.cmd().arg("--work-tree").arg(into).env("GIT_INDEX_FILE", index);
        let cmd = cmd.args(["read-tree", "--reset", "-u", "--no-sparse-checkout"]);
        cmd.args(["--no-recurse-submodules", id])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::command_line;

    fn line(cmd: Cmd<'_>) -> String {
        command_line(&cmd.into())
    }

    #[test]
    fn hostile_names_are_arguments_and_never_options() {
        let sh = Shell::new().unwrap();
        let git = Git::new(&sh, Path::new("/r"));
        assert_eq!(
            line(git.fetch("--upload-pack=x", "refs/heads/main;touch${IFS}x")),
            "GIT_TERMINAL_PROMPT=0 git --no-replace-objects -c safe.directory=/r fetch --quiet --no-tags --no-write-fetch-head --no-recurse-submodules \
             --no-auto-maintenance --refmap= -- --upload-pack=x 'refs/heads/main;touch${IFS}x'"
        );
        assert_eq!(
            line(git.commit_id("-x")),
            "GIT_TERMINAL_PROMPT=0 git --no-replace-objects -c safe.directory=/r rev-parse --verify --quiet --end-of-options '-x^{commit}'"
        );
    }
}
