//! Pure. The command line that runs a container.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::container::Task;
use crate::text::diagnostic::Rejected;
use crate::text::fingerprint;

/// Where the repository is in the container.
const WORKDIR: &str = "/workdir";
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
pub(crate) fn words(task: &Task, xtask: &str) -> Vec<String> {
    match task {
        // The image has bash; others may not.
        Task::Shell => ["sh", "-c", "exec bash 2>/dev/null || exec sh"].map(str::to_owned).to_vec(),
        Task::Command(words) => words.clone(),
        Task::Ci(arguments) => {
            let words = xtask.split_whitespace().chain(["ci"]).map(str::to_owned);
            words.chain(arguments.iter().cloned()).collect()
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
        options.extend(["--workdir", WORKDIR]);
        let mut arguments: Vec<OsString> = options.into_iter().map(OsString::from).collect();
        arguments.push(bind(self.root, OsStr::new(WORKDIR), "")?);
        if let Some(dir) = self.git_dir {
            arguments.push(bind(dir, dir.as_os_str(), "")?);
        }
        if let Some(dir) = self.ssh_dir {
            arguments.push(bind(dir, OsStr::new("/root/.ssh"), ",readonly")?);
        }
        let target =
            format!("rust-vmm-ci-target-{}", fingerprint(self.root.as_os_str().as_bytes()));
        let target_dir = format!("{WORKDIR}/target");
        for (name, dir) in [("rust-vmm-ci-registry", REGISTRY), (&target, &target_dir)] {
            arguments.push(format!("--mount=type=volume,source={name},target={dir}").into());
        }
        // The checkout belongs to another user than the container's root.
        let git = ["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"];
        for variable in git.map(OsString::from).iter().chain(&self.variables) {
            arguments.extend([OsString::from("--env"), variable.clone()]);
        }
        arguments.push(self.image.into());
        let script = self.script();
        arguments.extend(["sh", "-c", &script].map(OsString::from));
        arguments.push(self.git_dir.map_or_else(|| "sh".into(), Into::into));
        arguments.extend(words.iter().map(OsString::from));
        Ok(arguments)
    }

    /// Runs the words that follow it. A shell that is the first process of a container ignores the
    /// signals that it does not trap, and without a terminal nothing else would pass them on.
    fn script(&self) -> String {
        let run = if self.has_terminal {
            "\"$@\"; status=$?"
        } else {
            "trap 'kill -TERM \"$child\" 2>/dev/null' TERM INT HUP; \"$@\" <&0 & child=$!; \
             while wait \"$child\"; status=$?; kill -0 \"$child\" 2>/dev/null; do :; done"
        };
        // A file that is made within the same tick of the clock as the mark is not newer than it.
        let Some(owner) = &self.owner else { return format!("{run}; exit $status") };
        // The name of the shell is a directory there, which need not be text.
        let git_dir = if self.git_dir.is_some() { " \"$0\"" } else { "" };
        format!(
            "touch -d '1 second ago' /tmp/started; {run}; find {WORKDIR}{git_dir} -path {WORKDIR}/target -prune \
             -o -user 0 -cnewer /tmp/started -exec chown -h {owner} {{}} +; exit $status"
        )
    }
}

/// `--volume` would take a colon in a path for its separator, `--mount` takes a comma for it.
fn bind(source: &Path, target: &OsStr, options: &str) -> Result<OsString, Rejected> {
    if source.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b',' | b'"' | b'\n')) {
        let path = source.display();
        let message =
            format!("`{path}` cannot be mounted: its name has a comma, a quote or a line break");
        return Err(Rejected::new(message).help("rename the directory"));
    }
    let mut argument = OsString::from("--mount=type=bind,source=");
    argument.push(source);
    argument.push(",target=");
    argument.push(target);
    argument.push(options);
    Ok(argument)
}

#[cfg(test)]
mod tests {
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
                sh
                -c
                touch -d '1 second ago' /tmp/started; trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP; "$@" <&0 & child=$!; while wait "$child"; status=$?; kill -0 "$child" 2>/dev/null; do :; done; find /workdir -path /workdir/target -prune -o -user 0 -cnewer /tmp/started -exec chown -h 1000:100 {} +; exit $status
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
                --workdir
                /workdir
                --mount=type=bind,source=/home/me/a crate,target=/workdir
                --mount=type=bind,source=/home/me/main/.git,target=/home/me/main/.git
                --mount=type=bind,source=/home/me/.ssh,target=/root/.ssh,readonly
                --mount=type=volume,source=rust-vmm-ci-registry,target=/root/.cargo/registry
                --mount=type=volume,source=rust-vmm-ci-target-13fa564f89ca999f,target=/workdir/target
                --env
                GIT_CONFIG_COUNT=1
                --env
                GIT_CONFIG_KEY_0=safe.directory
                --env
                GIT_CONFIG_VALUE_0=*
                rustvmm/dev:g1
                sh
                -c
                "$@"; status=$?; exit $status
                /home/me/main/.git
                bash"#]],
        );
    }

    #[test]
    fn a_path_that_the_engines_would_misread_is_refused() {
        let container = Container { root: Path::new("/a,b"), ..container() };
        assert!(container.arguments(&[]).unwrap_err().to_string().contains("comma"));
        let container = Container { root: Path::new("/a:b"), ..container };
        assert!(container.arguments(&[]).is_ok());
    }

    #[test]
    fn ci_runs_under_the_alias_of_the_repository() {
        let task = Task::Ci(vec!["style".to_owned()]);
        assert_eq!(words(&task, "cargo ci-xtask"), ["cargo", "ci-xtask", "ci", "style"]);
    }
}
