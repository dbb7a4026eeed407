//! `container` with a real podman and an image that is made of this machine's own programs.

use crate::support::{Run, Sandbox};

/// What the image has: a shell, and what the wrapper around a command calls.
const PROGRAMS: &str = "sh find chown id cat env stat sleep mkdir cp";

/// An image below a storage of its own, so that nothing of the machine's is touched.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let storage = sandbox.beside("storage");
    let configuration = sandbox.beside("containers.conf");
    let limits = "default_ulimits = [\"nofile=1000:1000\", \"nproc=1000:1000\"]";
    let text = format!("[engine]\nruntime = \"runc\"\n[containers]\n{limits}\n");
    std::fs::write(&configuration, text).unwrap();
    let storage_conf = sandbox.beside("storage.conf");
    let text = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/graph\"\nrunroot = \"{0}/run\"\n",
        storage.display()
    );
    std::fs::write(&storage_conf, text).unwrap();
    sandbox.set("CONTAINERS_CONF", configuration.to_str().unwrap());
    sandbox.set("CONTAINERS_STORAGE_CONF", storage_conf.to_str().unwrap());
    let script = format!(
        "set -e; mkdir -p ../image/bin ../image/tmp ../image/root ../image/proc ../image/dev ../image/sys
        for program in {PROGRAMS}; do
            path=$(command -v $program); case $path in /*) ;; *) path=/bin/$program;; esac
            cp -L $path ../image/bin/$program
            for library in $(ldd $path | grep -oE '/[^ ]+'); do
                mkdir -p ../image$(dirname $library); cp -nL $library ../image$library
            done
        done
        tar -C ../image -c . | podman import --quiet - localhost/ci:1 > /dev/null"
    );
    let run = sandbox.run("sh", &["-c", &script]);
    assert_eq!(run.code, Some(0), "podman cannot make an image: {}", run.stderr);
    sandbox
}

fn container(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let fixed = ["container", "--engine=podman", "--image=localhost/ci:1"];
    sandbox.xtask(&[&fixed, arguments].concat())
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn a_command_sees_the_repository_and_its_files_belong_to_its_owner() {
    let sandbox = sandbox();
    sandbox.write("input", "text of the host\n");
    sandbox.run("chown", &["-R", "1234:1234", "."]).assert_code(0);
    let script = "cat input; echo $A; echo made > made; echo built > target/built; exit 7";
    let run = container(&sandbox, &["--env=A=b", "--", "sh", "-c", script]).assert_code(7);
    assert_eq!(run.stdout, "text of the host\nb\n");
    let owner = sandbox.run("stat", &["-c", "%u:%g", "made", "input"]).stdout;
    assert_eq!(owner, "1234:1234\n1234:1234\n");
    // Build output stays in a volume, for the next run.
    assert!(!sandbox.root().join("target/built").exists());
    let run = container(&sandbox, &["--", "cat", "target/built"]).assert_code(0);
    assert_eq!(run.stdout, "built\n");
    if std::path::Path::new("/dev/kvm").exists() {
        container(&sandbox, &["--", "sh", "-c", "test -c /dev/kvm"]).assert_code(0);
    }
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn standard_input_arrives_without_a_terminal() {
    let sandbox = sandbox();
    sandbox.write("input", "hello\n");
    let line = format!(
        "{} container --engine=podman --image=localhost/ci:1 -- cat < input",
        env!("CARGO_BIN_EXE_xtask")
    );
    assert_eq!(sandbox.run("sh", &["-c", &line]).assert_code(0).stdout, "hello\n");
}

/// What is typed once the command in the container has made the file `started`.
fn type_to(sandbox: &Sandbox, command: &str, keys: &str) -> Run {
    let line = format!(
        "{} container --engine=podman --image=localhost/ci:1 -- {command}",
        env!("CARGO_BIN_EXE_xtask")
    );
    let typist =
        format!("until [ -e started ]; do sleep 0.1; done; sleep 0.5; printf '{keys}'; sleep 2");
    let script = format!("({typist}) | script --quiet --return --command \"$1\" /dev/null");
    sandbox.run("sh", &["-c", &script, "sh", &line])
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn at_a_terminal_an_interrupt_ends_the_command_and_gives_its_files_back() {
    let sandbox = sandbox();
    sandbox.run("chown", &["-R", "1234:1234", "."]).assert_code(0);
    type_to(&sandbox, "sh -c 'echo > started; sleep 60'", "\\003").assert_code(130);
    let owner = sandbox.run("stat", &["-c", "%u:%g", "started"]).stdout;
    assert_eq!(owner, "1234:1234\n");
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn a_shell_shows_errors_and_passes_its_exit_code_on() {
    let sandbox = sandbox();
    sandbox.write("started", "");
    let run = type_to(&sandbox, "", "cat /none\\nexit 42\\n").assert_code(42);
    assert!(run.stdout.contains("/none: No such file"), "{}", run.stdout);
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn what_git_writes_for_a_linked_worktree_belongs_to_its_owner_too() {
    let sandbox = sandbox();
    sandbox.write("input", "").commit_all("Start");
    let (tree, git_dir) = (sandbox.beside("my tree"), sandbox.root().join(".git"));
    sandbox.git(&["worktree", "add", "--quiet", "--detach", tree.to_str().unwrap()]);
    sandbox.run("chown", &["-R", "1234:1234", ".", tree.to_str().unwrap()]).assert_code(0);
    let script = format!("echo made > '{}/made'", git_dir.display());
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let fixed = ["container", "--engine=podman", "--image=localhost/ci:1", "--", "sh", "-c"];
    let status = command.args(fixed).arg(script).current_dir(&tree).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let owner = sandbox.run("stat", &["-c", "%u:%g", ".git/made"]).stdout;
    assert_eq!(owner, "1234:1234\n");
}

#[test]
#[ignore = "needs podman and runc; .ci/run installs and runs it"]
fn a_signal_ends_the_command_in_the_container() {
    let sandbox = sandbox();
    let script =
        "trap 'echo ended > ended; exit 5' TERM; echo > started; while :; do sleep 0.1; done";
    assert_eq!(signalled(&sandbox, script, "-TERM"), Some(5));
    assert_eq!(sandbox.read("ended"), "ended\n");
    // A shell waits for its child.
    std::fs::remove_file(sandbox.root().join("started")).unwrap();
    assert_eq!(signalled(&sandbox, "echo > started; sleep 60; echo no > ended", "-INT"), Some(130));
    assert_eq!(sandbox.read("ended"), "ended\n");
}

/// The exit code of a shell in the container that gets a signal once it has made the file `started`.
fn signalled(sandbox: &Sandbox, script: &str, signal: &str) -> Option<i32> {
    let fixed = ["container", "--engine=podman", "--image=localhost/ci:1"];
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    let mut child = command.args(fixed).args(["--", "sh", "-c", script]).spawn().unwrap();
    let started = sandbox.root().join("started");
    for _ in 0..600 {
        if started.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // The engine has taken the place of the process that was started.
    sandbox.run("kill", &[signal, &child.id().to_string()]).assert_code(0);
    child.wait().unwrap().code()
}
