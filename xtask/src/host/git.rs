//! Git's command lines. Each allows the root for the process only (`-c safe.directory`): the user's
//! configuration is never written, and a mount that another user owns works.

use std::collections::BTreeSet;
use std::path::Path;

use xshell::{Cmd, Shell, cmd};

/// Variables that change what git prints or how it reads a path, whatever its arguments say.
const OUTPUT_VARIABLES: &str = "GIT_DIFF_OPTS GIT_EXTERNAL_DIFF GIT_GLOB_PATHSPECS \
     GIT_ICASE_PATHSPECS GIT_LITERAL_PATHSPECS GIT_NOGLOB_PATHSPECS";

/// `git`, ready for a subcommand.
fn git<'sh>(sh: &'sh Shell, root: &Path) -> Cmd<'sh> {
    let mut allowed = std::ffi::OsString::from("safe.directory=");
    allowed.push(root);
    // What replace objects show is not what is pushed.
    let cmd = cmd!(sh, "git --no-replace-objects -c {allowed}").env("GIT_TERMINAL_PROMPT", "0");
    OUTPUT_VARIABLES.split(' ').fold(cmd, Cmd::env_remove)
}

/// `git` in a working tree. Its methods are command lines that do not run yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Git<'a> {
    pub(crate) sh: &'a Shell,
    pub(crate) root: &'a Path,
}

impl<'a> Git<'a> {
    fn cmd(self) -> Cmd<'a> {
        git(self.sh, self.root)
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

    /// Succeeds if an object is here; `id` is its full id.
    pub(crate) fn has_object(self, id: &str) -> Cmd<'a> {
        self.cmd().args(["cat-file", "-e", id])
    }

    /// The remote-tracking branches that `refs/remotes/*/HEAD` stand for: the default branches.
    pub(crate) fn remote_heads(self) -> Cmd<'a> {
        self.cmd().args(["for-each-ref", "--format=%(symref)", "refs/remotes/*/HEAD"])
    }

    /// The difference between a file and standard input, tracked or not.
    pub(crate) fn diff_to_stdin(self, file: &Path) -> Cmd<'a> {
        let options = ["diff", "--no-index", "--no-ext-diff", "--no-color", "--"];
        self.cmd().args(options).arg(file).arg("-")
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

    /// The commits at which the history of a shallow clone ends are in this file of the repository.
    pub(crate) fn shallow_file(self) -> Cmd<'a> {
        self.cmd().args(["rev-parse", "--git-path", "shallow"])
    }

    /// The user's settings whose lower-case names match, one per line; the last of a name wins.
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

    /// Where a hook of that name is, whether it exists or not.
    pub(crate) fn hook_path(self, name: &str) -> Cmd<'a> {
        let cmd = self.cmd().args(["rev-parse", "--path-format=absolute", "--git-path"]);
        cmd.arg(format!("hooks/{name}"))
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

    /// The difference between two directories, which need not be in a repository.
    pub(crate) fn diff_directories(self, from: &str, to: &str) -> Cmd<'a> {
        let options = ["diff", "--no-index", "--no-ext-diff", "--no-color", "--no-prefix", "--"];
        self.cmd().args(["-c", "core.quotePath=false"]).args(options).args([from, to])
    }

    /// Whether git ignores a file.
    pub(crate) fn is_ignored(self, name: &Path) -> Cmd<'a> {
        self.cmd().args(["check-ignore", "--quiet", "--"]).arg(name)
    }

    /// The name of a file if a commit has it; `commit` is an id.
    pub(crate) fn list_path(self, commit: &str, name: &Path) -> Cmd<'a> {
        self.cmd().args(["ls-tree", "--name-only", "--full-tree", commit, "--"]).arg(name)
    }

    /// A file as a commit has it; `commit` is an id.
    pub(crate) fn file_at(self, commit: &str, name: &str) -> Cmd<'a> {
        self.cmd().args(["cat-file", "blob"]).arg(format!("{commit}:{name}"))
    }

    /// The URLs of the remotes, a key and a value on each line.
    pub(crate) fn remotes(self) -> Cmd<'a> {
        self.cmd().args(["config", "--get-regexp", r"^remote\..*\.url$"])
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

    /// Where the index of this working tree is.
    pub(crate) fn index_path(self) -> Cmd<'a> {
        self.cmd().args(["rev-parse", "--path-format=absolute", "--git-path", "index"])
    }

    /// Tells an index, not the objects, that files will be added: those of standard input, each ended
    /// by a zero byte.
    pub(crate) fn announce(self) -> Cmd<'a> {
        let cmd = self.cmd().env("GIT_LITERAL_PATHSPECS", "1").args(["add", "--intent-to-add"]);
        cmd.args(["--pathspec-from-file=-", "--pathspec-file-nul"])
    }

    /// The age of a commit, as git words it.
    pub(crate) fn commit_age(self, id: &str) -> Cmd<'a> {
        self.cmd().args(["log", "-1", "--format=%cr", "--end-of-options", id, "--"])
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
}

/// A repository by its own directory, whatever tree belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GitDir<'a>(pub(crate) &'a Path);

impl GitDir<'_> {
    /// With `--git-dir` git does not check who owns the directory.
    fn git<'sh>(&self, sh: &'sh Shell) -> Cmd<'sh> {
        git(sh, self.0).arg("--git-dir").arg(self.0)
    }

    /// Everything that a commit holds; among it the commits that submodules stand at.
    pub(crate) fn list_tree<'sh>(&self, sh: &'sh Shell, id: &str) -> Cmd<'sh> {
        self.git(sh).args(["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", id])
    }

    /// The paths of a commit's submodules by their names: a key, a line end, a value and a zero
    /// byte for each.
    pub(crate) fn submodule_paths<'sh>(&self, sh: &'sh Shell, id: &str) -> Cmd<'sh> {
        let blob = format!("--blob={id}:.gitmodules");
        self.git(sh).args(["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.path$"])
    }

    /// The tags in the form of git's file `packed-refs`.
    pub(crate) fn list_tags<'sh>(&self, sh: &'sh Shell) -> Cmd<'sh> {
        self.git(sh).args(["for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"])
    }

    /// When the last commit was made, in seconds since 1970.
    pub(crate) fn commit_time<'sh>(&self, sh: &'sh Shell) -> Cmd<'sh> {
        self.git(sh).args(["log", "-1", "--format=%ct"])
    }

    /// Succeeds if a commit is here.
    pub(crate) fn has_commit<'sh>(&self, sh: &'sh Shell, id: &str) -> Cmd<'sh> {
        self.git(sh).args(["cat-file", "-e"]).arg(format!("{id}^{{commit}}"))
    }

    /// Reads a commit's tree into an index. `into` is where its files will be.
    pub(crate) fn read_tree<'sh>(
        &self,
        sh: &'sh Shell,
        index: &Path,
        into: &Path,
        id: &str,
    ) -> Cmd<'sh> {
        self.with_index(sh, index, into).args(["read-tree", id])
    }

    /// Writes the files of an index into a directory.
    pub(crate) fn export<'sh>(&self, sh: &'sh Shell, index: &Path, into: &Path) -> Cmd<'sh> {
        self.with_index(sh, index, into).args(["checkout-index", "--all"])
    }

    fn with_index<'sh>(&self, sh: &'sh Shell, index: &Path, into: &Path) -> Cmd<'sh> {
        self.git(sh).arg("--work-tree").arg(into).env("GIT_INDEX_FILE", index)
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
        let git = Git { sh: &sh, root: Path::new("/r") };
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
