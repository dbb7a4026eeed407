//! Pure. The command line that runs a container.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::container::Task;
use crate::text::diagnostic::Rejected;
use crate::text::{fingerprint, shell};

/// Where the repository is in the container. What git's files name by path keeps its own.
const WORKDIR: &str = "/workdir";
/// Where the user's `~/.ssh` is, which ssh would not take from another owner.
const SSH: &str = "/run/ssh";
/// Where cargo keeps downloads in the image of the CI.
const REGISTRY: &str = "/root/.cargo/registry";

/// What decides about the command line.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact about the host or an option")]
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) image: &'a str,
    pub(crate) root: &'a Path,
    /// The directory with the objects, where it lies outside of the root (a linked worktree, a
    /// submodule).
    pub(crate) git_dir: Option<&'a Path>,
    /// `USER:GROUP` that gets the files that the container's root makes; `None` where these are the
    /// caller's.
    pub(crate) owner: Option<String>,
    /// Standard input and output are a terminal.
    pub(crate) has_terminal: bool,
    /// `/dev/kvm` exists.
    pub(crate) has_kvm: bool,
    /// The kernel enforces labels, which keep a container from the files of the host.
    pub(crate) has_selinux: bool,
    pub(crate) is_privileged: bool,
    pub(crate) ssh_dir: Option<&'a Path>,
    /// `NAME` or `NAME=VALUE`. The value of the first kind is not on the command line.
    pub(crate) variables: Vec<OsString>,
}

/// The words of the command that runs in the container; `xtask` is how this tool is called there.
/// `output` is the option that says how much it prints. Paths in `root` are made relative.
pub(crate) fn words(task: &Task, xtask: &str, output: Option<&str>, root: &Path) -> Vec<String> {
    let relative = |word: &String| {
        let at = word.find("=/").filter(|_| word.starts_with("--")).map_or(0, |at| at + 1);
        let (option, path) = word.split_at(at);
        let path = Path::new(path).strip_prefix(root).ok().and_then(Path::to_str);
        path.filter(|path| !path.is_empty()).map_or(word.clone(), |it| format!("{option}{it}"))
    };
    match task {
        // The image has bash; others may not.
        Task::Shell => {
            let script = "command -v bash > /dev/null && exec bash; exec sh";
            ["sh", "-c", script].map(str::to_owned).to_vec()
        }
        Task::Command(words) => words.clone(),
        Task::Ci(arguments) => {
            let words = xtask.split_whitespace().chain(["ci"]).chain(output);
            words.map(str::to_owned).chain(arguments.iter().map(relative)).collect()
        }
    }
}

impl Container<'_> {
    /// The arguments of `docker` or `podman`.
    ///
    /// # Errors
    ///
    /// Rejects paths that the engines cannot mount (exit code 2).
    pub(crate) fn arguments(&self, words: &[String]) -> Result<Vec<OsString>, Rejected> {
        let mut options = vec!["run", "--rm", "--interactive"];
        options.extend(self.has_terminal.then_some("--tty"));
        let kvm = self.has_kvm.then_some("--device=/dev/kvm");
        options.extend(if self.is_privileged { Some("--privileged") } else { kvm });
        options.push("--security-opt=seccomp=unconfined");
        // Relabelling, which `:z` would do, changes the user's files.
        options.extend(self.has_selinux.then_some("--security-opt=label=disable"));
        // An image's own would get the words as its arguments.
        options.push("--entrypoint=sh");
        let workdir = self.workdir()?;
        options.extend(["--workdir", workdir]);
        let mut arguments: Vec<OsString> = options.into_iter().map(OsString::from).collect();
        arguments.push(bind(self.root, workdir, "")?);
        if let Some(dir) = self.git_dir {
            arguments.push(bind(dir, mountable(dir)?, "")?);
        }
        if let Some(dir) = self.ssh_dir {
            arguments.push(bind(dir, SSH, ",readonly")?);
        }
        let target =
            format!("rust-vmm-ci-target-{}", fingerprint(self.root.as_os_str().as_bytes()));
        let target_dir = format!("{workdir}/target");
        for (name, dir) in [("rust-vmm-ci-registry", REGISTRY), (&target, &target_dir)] {
            arguments.push(format!("--mount=type=volume,source={name},target={dir}").into());
        }
        // The checkout belongs to another user than the container's root.
        let git = ["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"];
        for variable in git.map(OsString::from).iter().chain(&self.variables) {
            arguments.extend([OsString::from("--env"), variable.clone()]);
        }
        arguments.push(self.image.into());
        let script = self.script()?;
        arguments.extend(["-c", &script, "sh"].map(OsString::from));
        arguments.extend(words.iter().map(OsString::from));
        Ok(arguments)
    }

    /// Where the repository is in the container: `.git` of a linked worktree or a submodule leads to
    /// another directory, which leads back.
    fn workdir(&self) -> Result<&str, Rejected> {
        if self.git_dir.is_some() { mountable(self.root) } else { Ok(WORKDIR) }
    }

    /// Runs the words that follow it, and gives the files that root made to the owner of the repository.
    fn script(&self) -> Result<String, Rejected> {
        // A process in the background gets `/dev/null` as its input and ignores two signals, unless
        // it is told otherwise. The first process of a container ignores signals that it does not
        // trap. At a terminal all processes get an interrupt, as they do here without one, since a
        // shell waits for its child; an interactive shell ignores SIGTERM.
        let traps = if self.has_terminal {
            "trap : INT QUIT; trap 'kill -TERM $child; kill -HUP $child' TERM HUP"
        } else {
            "trap 'kill -s INT -- -1' INT; trap 'kill -TERM $child' TERM HUP"
        };
        let ssh =
            format!("mkdir -p /root/.ssh; cp -R {SSH}/. /root/.ssh; chown -R 0:0 /root/.ssh; ");
        let ssh = self.ssh_dir.map(|_| ssh).unwrap_or_default();
        let run = format!(
            "{ssh}exec 3<&0; env --default-signal sh -c : 2> /dev/null && set -- env --default-signal -- \"$@\"; \
             {traps}; \"$@\" <&3 3<&- & child=$!; \
             while wait $child; status=$?; kill -0 $child 2> /dev/null; do :; done; "
        );
        let Some(owner) = &self.owner else { return Ok(format!("{run}exit $status")) };
        let dirs = self.git_dir.map(mountable).transpose()?;
        let dirs = [".", &dirs.map(shell::quote).unwrap_or_default()].join(" ");
        Ok(format!(
            "{run}find {dirs} -path ./target -prune -o -user 0 -exec chown -h {owner} {{}} +; exit $status"
        ))
    }
}

/// A path that the engines can mount.
///
/// # Errors
///
/// Rejects what they would misread (exit code 2): `--volume` would take a colon for its separator,
/// `--mount` takes a comma for it, and both only take text.
fn mountable(path: &Path) -> Result<&str, Rejected> {
    let text = path.to_str().filter(|text| !text.contains([',', '"', '\n']));
    text.ok_or_else(|| {
        let path = path.display();
        let message = format!(
            "cannot mount `{path}`: its path has a comma, a quote or a line break, or is not UTF-8"
        );
        Rejected::new(message).help("rename the directory")
    })
}

fn bind(source: &Path, target: &str, options: &str) -> Result<OsString, Rejected> {
    let source = mountable(source)?;
    Ok(format!("--mount=type=bind,source={source},target={target}{options}").into())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use expect_test::{Expect, expect};

    use super::*;

    fn container() -> Container<'static> {
        Container {
            image: "rustvmm/dev:g1",
            root: Path::new("/home/me/a crate"),
            git_dir: None,
            owner: Some("1000:100".to_owned()),
            has_terminal: false,
            has_kvm: true,
            has_selinux: false,
            is_privileged: false,
            ssh_dir: None,
            variables: vec!["CI".into(), "A=b".into()],
        }
    }

    #[track_caller]
    fn check(container: &Container<'_>, words: &[&str], expected: &Expect) {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let arguments = container.arguments(&words).unwrap();
        let lines: Vec<&str> = arguments.iter().map(|it| it.to_str().unwrap()).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_command_runs_in_the_repository_and_leaves_files_of_the_caller() {
        check(
            &container(),
            &["cargo", "build"],
            &expect![[r#"
                run
                --rm
                --interactive
                --device=/dev/kvm
                --security-opt=seccomp=unconfined
                --entrypoint=sh
                --workdir
                /workdir
                --mount=type=bind,source=/home/me/a crate,target=/workdir
                --mount=type=volume,source=rust-vmm-ci-registry,target=/root/.cargo/registry
                --mount=type=volume,source=rust-vmm-ci-target-13fa564f89ca999f,target=/workdir/target
                --env
                GIT_CONFIG_COUNT=1
                --env
                GIT_CONFIG_KEY_0=safe.directory
                --env
                GIT_CONFIG_VALUE_0=*
                --env
                CI
                --env
                A=b
                rustvmm/dev:g1
                -c
                exec 3<&0; env --default-signal sh -c : 2> /dev/null && set -- env --default-signal -- "$@"; trap 'kill -s INT -- -1' INT; trap 'kill -TERM $child' TERM HUP; "$@" <&3 3<&- & child=$!; while wait $child; status=$?; kill -0 $child 2> /dev/null; do :; done; find .  -path ./target -prune -o -user 0 -exec chown -h 1000:100 {} +; exit $status
                sh
                cargo
                build"#]],
        );
    }

    #[test]
    fn a_shell_gets_the_terminal_and_what_was_asked_for() {
        let container = Container {
            git_dir: Some(Path::new("/home/me/main/.git")),
            owner: None,
            has_terminal: true,
            has_kvm: false,
            has_selinux: true,
            ssh_dir: Some(Path::new("/home/me/.ssh")),
            variables: Vec::new(),
            ..container()
        };
        check(
            &container,
            &["bash"],
            &expect![[r#"
                run
                --rm
                --interactive
                --tty
                --security-opt=seccomp=unconfined
                --security-opt=label=disable
                --entrypoint=sh
                --workdir
                /home/me/a crate
                --mount=type=bind,source=/home/me/a crate,target=/home/me/a crate
                --mount=type=bind,source=/home/me/main/.git,target=/home/me/main/.git
                --mount=type=bind,source=/home/me/.ssh,target=/run/ssh,readonly
                --mount=type=volume,source=rust-vmm-ci-registry,target=/root/.cargo/registry
                --mount=type=volume,source=rust-vmm-ci-target-13fa564f89ca999f,target=/home/me/a crate/target
                --env
                GIT_CONFIG_COUNT=1
                --env
                GIT_CONFIG_KEY_0=safe.directory
                --env
                GIT_CONFIG_VALUE_0=*
                rustvmm/dev:g1
                -c
                mkdir -p /root/.ssh; cp -R /run/ssh/. /root/.ssh; chown -R 0:0 /root/.ssh; exec 3<&0; env --default-signal sh -c : 2> /dev/null && set -- env --default-signal -- "$@"; trap : INT QUIT; trap 'kill -TERM $child; kill -HUP $child' TERM HUP; "$@" <&3 3<&- & child=$!; while wait $child; status=$?; kill -0 $child 2> /dev/null; do :; done; exit $status
                sh
                bash"#]],
        );
    }

    #[test]
    fn a_path_that_the_engines_would_misread_is_refused() {
        let container = Container { root: Path::new("/a,b"), ..container() };
        assert!(container.arguments(&[]).unwrap_err().to_string().contains("comma"));
        let container = Container { root: Path::new(OsStr::from_bytes(b"/\xff")), ..container };
        assert!(container.arguments(&[]).unwrap_err().to_string().contains("UTF-8"));
        let container = Container { root: Path::new("/a:b"), ..container };
        assert!(container.arguments(&[]).is_ok());
    }

    #[test]
    fn ci_runs_under_the_alias_of_the_repository() {
        let task = Task::Ci(vec!["style".to_owned()]);
        let root = Path::new("/r");
        let ci = words(&task, "cargo ci-xtask", None, root);
        assert_eq!(ci, ["cargo", "ci-xtask", "ci", "style"]);
        let task = Task::Ci(
            ["-t", "/r/a.json", "--test-description=/r/b.json", "/x"].map(str::to_owned).to_vec(),
        );
        let ci = words(&task, "cargo xtask", Some("--quiet"), root);
        assert_eq!(
            ci,
            ["cargo", "xtask", "ci", "--quiet", "-t", "a.json", "--test-description=b.json", "/x"]
        );
    }
}
