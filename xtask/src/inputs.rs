//! What `pipeline` and `ci` build their plan from, read once and in one place.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, bail, ensure};
use xshell::Shell;

use crate::context::Context;
use crate::host::git::Git;
use crate::host::{cargo, files, terminal};
use crate::plan::consumer::{self, Alias, OurAlias};
use crate::plan::description::TestDescription;
use crate::plan::inputs::{self as plan_inputs, Environment, Inputs, Settings};
use crate::plan::metadata::Metadata;
use crate::plan::overrides;
use crate::plan::placeholder;
use crate::plan::platform::{self, Platform};
use crate::plan::workspace::{self, Workspace};
use crate::project::{Project, SETTINGS, SHIPPED_DESCRIPTION};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Rejected, Severity, Source};

/// The name on the command line that stands for the shipped description.
const SHIPPED: &str = "shipped";

/// What the command line says about the inputs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request<'a> {
    /// Empty means the shipped one.
    pub(crate) descriptions: &'a [PathBuf],
    pub(crate) platform_file: Option<&'a Path>,
    /// Whether each crate of a workspace gets steps of its own.
    pub(crate) is_selective: bool,
    /// Whether a crate's steps also run when a crate that it depends on changes.
    pub(crate) with_dependents: bool,
}

/// Reads everything that decides about the steps. Findings go to `found`; only what leaves nothing
/// to look at is an error.
pub(crate) fn inputs(
    cx: &Context,
    request: Request<'_>,
    found: &Diagnostics,
) -> anyhow::Result<Inputs> {
    let settings =
        Settings::parse(&Source::new(cx.project.shipped_name("pipeline.json"), SETTINGS), found);
    let platforms = match request.platform_file {
        Some(path) => platform::parse_platform_file(&named_file(cx, path)?, found),
        None => platforms(cx, ".platform", found)?,
    };
    let shipped = [PathBuf::from(SHIPPED)];
    let paths = if request.descriptions.is_empty() { &shipped[..] } else { request.descriptions };
    let shared = paths.iter().map(|path| description(cx, path, found));
    let shared = shared.collect::<anyhow::Result<_>>()?;
    let workspace = request.is_selective.then(|| workspace(cx, request, found)).transpose()?;
    let environment = Environment::default();
    let mut inputs = Inputs { settings, environment, platforms, shared, workspace };
    let names: Vec<&str> = inputs.tests().map(|test| test.name.as_str()).collect();
    inputs.environment = Environment::from_lookup(|name| cx.lookup(name), &names, found);
    if let Some(note) = inputs.note_on_timeouts(has_predecessor(cx)) {
        terminal::note(&format!("note: {note}"));
    }
    Ok(inputs)
}

/// Whether a pipeline of the repository still calls what this tool replaced.
fn has_predecessor(cx: &Context) -> bool {
    // For a note, a file that cannot be read is as good as none.
    let mut texts = Project::PIPELINES.into_iter().filter_map(|name| read(cx, name).ok().flatten());
    texts.any(|text| plan_inputs::names_predecessor(&text))
}

/// Returns a shell in the directory of the manifest that a command is about.
///
/// # Errors
///
/// Rejects a `--manifest-path` that cannot be used (exit code 2).
pub(crate) fn shell_at_manifest(cx: &Context, named: Option<&Path>) -> anyhow::Result<Shell> {
    let sh = cx.sh.clone();
    sh.change_dir(cx.project.manifest_dir(named)?);
    Ok(sh)
}

/// What cargo says about the workspace of a shell's current directory.
///
/// # Errors
///
/// If cargo cannot be asked, is killed or answers something unexpected (exit code 75), or if it refuses
/// the manifests (2).
pub(crate) fn metadata(cx: &Context, sh: &Shell) -> anyhow::Result<Metadata> {
    let (sender, receiver) = mpsc::channel();
    let pass_on = move |stdout| sender.send(stdout).map_err(io::Error::other);
    let cargo = cx.process(cargo::metadata(sh)).stdout_to(Box::new(pass_on));
    let (output, metadata) = thread::scope(|scope| {
        let cargo = scope.spawn(|| cargo.output());
        // Read as it comes: ten thousand crates make ten megabytes.
        let metadata = receiver.recv().map(Metadata::read);
        (cargo.join(), metadata)
    });
    let output = output.expect("no panic while cargo runs")?;
    ensure!(output.status.code().is_some(), "`cargo metadata` was killed ({})", output.status);
    if !output.status.success() {
        let directory = sh.current_dir();
        let words = String::from_utf8_lossy(&output.stderr);
        let words = words.trim().trim_start_matches("error: ");
        let message =
            format!("cargo cannot read the workspace of `{}`: {words}", directory.display());
        bail!(Rejected::new(message));
    }
    metadata?.context("`cargo metadata` printed something unexpected")
}

/// The workspace, each member with its own files.
fn workspace(cx: &Context, request: Request<'_>, found: &Diagnostics) -> anyhow::Result<Workspace> {
    let packages = metadata(cx, &cx.sh)?.packages;
    let mut crates = workspace::crates(packages, &cx.project.root).map_err(Rejected::new)?;
    // A description that the command line names is shared; its crate does not read it once more.
    let given = request.descriptions.iter().map(|path| cx.project.resolve(path));
    let shared = given.chain([cx.project.shipped_description()]);
    let shared: Vec<PathBuf> = shared.filter_map(|path| path.canonicalize().ok()).collect();
    for member in &mut crates {
        let [platform_file, description] = Project::member_files(&member.path);
        member.platforms = platforms(cx, &platform_file, found)?;
        let Some(text) = usable(read(cx, &description), found)? else { continue };
        let path = cx.project.root.join(&description).canonicalize();
        if !path.is_ok_and(|path| shared.contains(&path)) {
            let source = Source::new(description, text);
            member.own_description = Some(Box::new(TestDescription::parse(source, found)));
        }
    }
    Ok(Workspace { crates, checkout: checkout_path(cx)?, with_dependents: request.with_dependents })
}

/// Where this repository is in the consumer's, relative to its root.
pub(crate) fn checkout_path(cx: &Context) -> anyhow::Result<String> {
    let inside = cx.project.checkout_in_root();
    Ok(consumer::checkout_path(inside.as_deref(), read(cx, ".gitmodules")?.as_deref()))
}

/// Where git looks for hooks. `None` is for none: another file, such as `/dev/null`, is in the
/// directory's place.
pub(crate) fn hooks_dir(cx: &Context) -> anyhow::Result<Option<PathBuf>> {
    let dir = PathBuf::from(cx.process(cx.git().git_path("hooks")).read_text()?);
    Ok(Some(dir).filter(|dir| dir.is_dir() || !dir.exists()))
}

/// Whether this repository is part of the consumer's last commit.
pub(crate) fn is_committed(cx: &Context) -> anyhow::Result<bool> {
    let name = format!("HEAD:{}", checkout_path(cx)?);
    cx.process(cx.git().object_id(&name)).succeeds()
}

/// What stands for `{xtask}` in an uploaded step. Cargo is asked only if a test needs it.
pub(crate) fn alias(cx: &Context, inputs: &Inputs) -> anyhow::Result<String> {
    if !inputs.tests().any(|test| placeholder::occurs(&test.command, placeholder::XTASK)) {
        return Ok(consumer::USUAL_ALIAS.to_owned());
    }
    let Alias { command, problem, .. } = choose_alias(cx)?;
    if let Some(problem) = problem {
        terminal::report_warnings(&[Diagnostic { severity: Severity::Warning, ..problem }]);
    }
    Ok(command)
}

/// How this tool is called here, for messages.
pub(crate) fn own_alias(cx: &Context) -> anyhow::Result<String> {
    Ok(choose_alias(cx)?.command)
}

/// As [`own_alias`], outside of any command. Where it cannot be found out, it is the usual one: a
/// help text must not need a repository or cargo.
pub(crate) fn own_alias_or_usual() -> String {
    let alias = Context::from_process().and_then(|cx| own_alias(&cx));
    alias.unwrap_or_else(|_| consumer::USUAL_ALIAS.to_owned())
}

/// Which alias of cargo's calls this tool.
pub(crate) fn choose_alias(cx: &Context) -> anyhow::Result<Alias> {
    let checkout = checkout_path(cx)?;
    let mut manifests = cx.project.own_manifests();
    // Started from elsewhere, and the alias names the consumer's own submodule.
    manifests.push(format!("{checkout}/xtask/Cargo.toml"));
    let ours = OurAlias { manifests, at_root: cx.project.is_own_consumer() };
    let is_alias = |name: &String| name.starts_with("CARGO_ALIAS_");
    let is_all =
        !cx.environment.keys().any(is_alias) && !cx.project.root.join(".cargo/config").exists();
    let config = read(cx, ".cargo/config.toml")?.filter(|_| is_all);
    if let Some(alias) = config.and_then(|it| consumer::configured_alias(&it, &ours, &checkout)) {
        return Ok(alias);
    }
    let list = cx.process(cargo::list(&cx.sh)).read_text().unwrap_or_default();
    Ok(consumer::choose_alias(&consumer::listed_aliases(&list), &ours, &checkout))
}

/// Whether a copy of a template is as some commit of this repository shipped it.
///
/// # Errors
///
/// Fails if git cannot be asked (exit code 75).
pub(crate) fn was_shipped(cx: &Context, copy: &str) -> anyhow::Result<bool> {
    let checkout = cx.project.root.join(checkout_path(cx)?);
    let _there = cx.sh.push_dir(&checkout);
    let git = Git::new(&cx.sh, &checkout);
    let hash = git.hash_object();
    let id = cx.process(hash).stdin(consumer::as_shipped(copy)).read_text()?;
    // Git refuses to look for an object that it does not have.
    if !cx.process(git.has_object(&id)).succeeds()? {
        return Ok(false);
    }
    let commit = git.commit_with_object(&id, &Project::TEMPLATES);
    Ok(!cx.process(commit).read()?.is_empty())
}

/// A description that the command line names.
fn description(cx: &Context, path: &Path, found: &Diagnostics) -> anyhow::Result<TestDescription> {
    if path.as_os_str() != SHIPPED {
        return Ok(TestDescription::parse(named_file(cx, path)?, found));
    }
    let name = cx.project.shipped_name("test_description.json");
    let source = Source::new(name, SHIPPED_DESCRIPTION);
    // What the consumer changes about the shipped tests is not for other descriptions.
    let shipped = TestDescription { is_shipped: true, ..TestDescription::parse(source, found) };
    Ok(match usable(read(cx, Project::OVERRIDES), found)? {
        Some(text) => overrides::apply(shipped, Source::new(Project::OVERRIDES, text), found),
        None => shipped,
    })
}

/// A file that the command line names.
fn named_file(cx: &Context, path: &Path) -> anyhow::Result<Source> {
    let name = path.display().to_string();
    let text = files::read_text(&cx.project.resolve(path), &name)?;
    Ok(Source::new(name, text))
}

/// The platforms of a file of the consumer's.
fn platforms(cx: &Context, name: &str, found: &Diagnostics) -> anyhow::Result<Vec<Platform>> {
    let text = usable(read(cx, name), found)?;
    let Some(text) = text else { return Ok(Platform::DEFAULT.to_vec()) };
    Ok(platform::parse_platform_file(&Source::new(name, text), found))
}

/// A file of the consumer's that need not exist; its name is relative to the root.
fn read(cx: &Context, name: &str) -> anyhow::Result<Option<String>> {
    files::read_text_if_exists(&cx.project.root.join(name), name)
}

/// The text of a file; if it is rejected, that is among `found`, and the file counts as missing.
fn usable(
    text: anyhow::Result<Option<String>>,
    found: &Diagnostics,
) -> anyhow::Result<Option<String>> {
    text.or_else(|error| {
        error.downcast::<Rejected>()?.0.into_iter().for_each(|finding| found.push(finding));
        Ok(None)
    })
}
