//! `container`: runs a command in the container image of the CI.

pub(crate) mod command_line;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use command_line::Container;
use xshell::cmd;

use crate::cli::container::{ENGINES, IN_CONTAINER, Options, Task};
use crate::context::{self, Context};
use crate::host::{files, terminal};
use crate::inputs;
use crate::outcome::Outcome;
use crate::plan::inputs::Settings;
use crate::project::SETTINGS;
use crate::text::diagnostic::{Diagnostics, Failure, Rejected, Source};
use crate::text::shell::quote;
use crate::text::style;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let (program, is_rootless) = match (find_engine(cx, options.engine), options.dry_run) {
        // The command line can be printed where no engine answers.
        (Err(_), true) => (options.engine.unwrap_or(ENGINES[0]), false),
        (engine, _) => engine?,
    };
    let image = options.image.clone().map_or_else(|| shipped_image(cx), Ok)?;
    let git_dir = git_dir_outside(cx)?;
    let ssh_dir = options.ssh.then(|| ssh_dir(cx)).transpose()?;
    if image.starts_with('-') {
        bail!(Rejected::new(format!("invalid image name `{image}`")));
    }
    let owner = files::owner(&cx.project.root).filter(|(user, _)| *user != 0 && !is_rootless);
    let container = Container {
        image: &image,
        root: &cx.project.root,
        git_dir: git_dir.as_deref(),
        // The container's root writes files of the host's root, except where it is the caller.
        owner: owner.map(|(user, group)| format!("{user}:{group}")),
        has_terminal: terminal::is_interactive(),
        has_kvm: Path::new("/dev/kvm").exists(),
        has_selinux: Path::new("/sys/fs/selinux/enforce").exists(),
        is_privileged: options.privileged,
        ssh_dir: ssh_dir.as_deref(),
        variables: variables(cx, options),
    };
    let alias = inputs::own_alias(cx)?;
    let words =
        command_line::words(&options.task, &alias, terminal::output_option(), &cx.project.root);
    let cmd = cx.sh.cmd(program).args(container.arguments(&words)?);
    let process = cx.process(cmd).shown();
    // A directory that the engine makes for the volume would be root's.
    let target = cx.project.root.join("target");
    if options.dry_run {
        let mkdir = format!("mkdir -p {} && ", quote(&target.to_string_lossy()));
        let mkdir = if target.exists() { "" } else { &mkdir };
        terminal::write_data(|out| Ok(writeln!(out, "{mkdir}{}", process.line)?))?;
        return Ok(Outcome::Pass);
    }
    provide_image(cx, program, &image, options.pull)?;
    if !target.exists() {
        files::create_dir(&target)?;
        let owner = files::owner(&cx.project.root).unzip();
        let _ = std::os::unix::fs::chown(&target, owner.0, owner.1);
    }
    // From here on the engine has the terminal, the signals and the exit code.
    Err(process.replace_this_process())
}

/// How long an engine may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The program of the engine that answers, and whether its containers' root is the caller.
fn find_engine(cx: &Context, name: Option<&str>) -> anyhow::Result<(&'static str, bool)> {
    let mut problems = Vec::new();
    for program in ENGINES.into_iter().filter(|it| name.is_none_or(|name| name == *it)) {
        if cx.find_program(program).is_none() {
            problems.push(format!("`{program}` is not installed"));
            continue;
        }
        let format = match program {
            "docker" => "{{.SecurityOptions}}",
            _ => "name={{if .Host.Security.Rootless}}rootless{{end}}",
        };
        let info = cx.process(cmd!(cx.sh, "{program} info --format {format}"));
        match info.timeout(TIMEOUT).read_text() {
            Ok(answer) => return Ok((program, answer.contains("name=rootless"))),
            Err(problem) => problems.push(format!("{problem:#}")),
        }
    }
    bail!(
        Failure::new(format!("no working container engine: {}", problems.join("; ")))
            .help("install docker or podman, start it, and make sure that this user may use it")
    )
}

fn shipped_image(cx: &Context) -> anyhow::Result<String> {
    let found = Diagnostics::default();
    let settings =
        Settings::parse(&Source::new(cx.project.shipped_name("pipeline.json"), SETTINGS), &found);
    found.into_warnings()?;
    // Podman looks short names up in registries that the user has to configure.
    Ok(format!("docker.io/{}", settings.image_for(None)))
}

fn provide_image(cx: &Context, program: &str, image: &str, pull: bool) -> anyhow::Result<()> {
    let inspect = cmd!(cx.sh, "{program} image inspect {image}");
    if !pull && cx.process(inspect).timeout(TIMEOUT).succeeds()? {
        return Ok(());
    }
    if cx.process(cmd!(cx.sh, "{program} pull {image}")).shown().stream().succeeds()? {
        return Ok(());
    }
    bail!(
        Failure::new(format!("failed to pull the image `{image}`"))
            .help("check the network, or use a local image with `--image`")
    )
}

/// The repository's own directory where the mount of the root does not bring it along.
fn git_dir_outside(cx: &Context) -> anyhow::Result<Option<PathBuf>> {
    let root = &cx.project.root;
    if root.join(".git").is_dir() {
        return Ok(None);
    }
    let dir = PathBuf::from(cx.process(cx.git().common_dir()).read_text()?);
    Ok(Some(dir).filter(|dir| !dir.starts_with(root)))
}

fn ssh_dir(cx: &Context) -> Result<PathBuf, Rejected> {
    let dir = cx.lookup("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    dir.filter(|dir| dir.is_dir()).ok_or_else(|| Rejected::new("`--ssh`: `~/.ssh` does not exist"))
}

/// The names of the caller's variables that the tests may see; then those of the command line.
fn variables(cx: &Context, options: &Options) -> Vec<OsString> {
    let single = context::SETTINGS.split(' ').chain(style::COLOUR_VARIABLES);
    let single: Vec<&str> = single.chain(["CI", "RUST_BACKTRACE"]).collect();
    let is_passed_on = |name: &&String| {
        let is_family = name.starts_with("BUILDKITE") || name.starts_with("CARGO_TERM_");
        is_family || single.contains(&name.as_str())
    };
    let names = cx.environment.keys().filter(is_passed_on).map(Into::into);
    let is_ci = matches!(options.task, Task::Ci(_));
    let mark = is_ci.then(|| format!("{IN_CONTAINER}={}", options.rerun()).into());
    names.chain(mark).chain(options.variables.iter().cloned()).collect()
}
