//! `coverage`: measures line coverage and compares it with the recorded score.

pub(crate) mod artifacts;
pub(crate) mod change;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod llvm_cov;
pub(crate) mod measure;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod score;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::cli::coverage::{Options, ScopeName};
use crate::context::Context;
use crate::coverage::change::{Added, Change};
use crate::coverage::config::{Config, Features};
use crate::coverage::llvm_cov::{File, Form, Measurement, Scope};
use crate::coverage::measure::{Session, Tested};
use crate::coverage::record::{Configuration, Place};
use crate::coverage::report::Summary;
use crate::coverage::score::{Action, Lines, Recorded};
use crate::host::{files, terminal};
use crate::inputs;
use crate::outcome::Outcome;
use crate::plan::alias;
use crate::plan::metadata::{Metadata, Package};
use crate::text::diagnostic::Rejected;
use crate::text::extended_regex;
use crate::text::shell;
use crate::tools::buildkite_agent;
use crate::tools::buildkite_agent::Style;
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::llvm::Tools;
use crate::tools::requirement;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let workspace = inputs::metadata(cx, &cx.sh)?;
    let scope = scope(cx, options, &workspace)?;
    let configuration = configuration(cx, options, &workspace, scope)?;
    if let Some(score) = options.set {
        configuration.write(score)?;
        terminal::say(&format!("recorded: {score} % in {}", configuration.names()));
        return Ok(Outcome::Pass);
    }
    for path in [&options.lcov, &options.json].into_iter().flatten() {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    let recorded = configuration.recorded()?;
    configuration.check_features(scope.packages())?;
    let mut change = options.diff.as_ref().map(|diff| Change::find(cx, diff)).transpose()?;

    let measurement = measurement(cx, &workspace, scope, &configuration.config)?;
    let session = Session::start(cx, measurement)?;
    if let Some(change) = &mut change {
        change.read(cx, &session.scratch())?;
    }
    if let Tested::Failed { reason } = session.test(&workspace)? {
        let sentence = format!("failed: {reason}, so nothing was measured; see above");
        return Verdict::failed(vec![sentence], String::new()).report(cx, options, None);
    }
    let root = cx.project.root.to_string_lossy();
    let measured = Measured::new(session.files()?, &configuration.config, &root);
    let lines = measured.lines();
    if lines.counted == 0 {
        bail!(Rejected::new("no line was counted").help("does `exclude_path` exclude every file?"));
    }
    write_reports(cx, &session, options, &measured)?;
    let code = change.is_some().then(|| session.lcov(&measured.excluded())).transpose()?;
    let code = code.map(|lcov| diff::code_lines(&lcov, &root)).unwrap_or_default();
    let added = change.map(|change| change.judge(&code));
    if options.no_cleanup {
        session.keep_results(&measured.excluded())?;
    } else {
        session.remove_results()?;
    }
    judge(options, &configuration, recorded, lines)?.report(cx, options, added.as_ref())
}

/// The source files that were measured.
struct Measured {
    counted: Vec<File>,
    excluded: Vec<File>,
}

impl Measured {
    fn new(files: Vec<File>, config: &Config, root: &str) -> Measured {
        let is_excluded = |file: &File| {
            let path = diff::relative(&file.path, root);
            config
                .exclude_path
                .as_ref()
                .is_some_and(|pattern| extended_regex::matches(pattern, path))
        };
        let (excluded, counted) = files.into_iter().partition(is_excluded);
        Measured { counted, excluded }
    }

    fn lines(&self) -> Lines {
        self.counted.iter().map(|file| file.lines).sum()
    }

    fn excluded(&self) -> Vec<&str> {
        self.excluded.iter().map(|file| file.path.as_str()).collect()
    }
}

/// Compares with the record, and updates it where that is wanted.
fn judge(
    options: &Options,
    configuration: &Configuration,
    recorded: Recorded,
    measured: Lines,
) -> anyhow::Result<Verdict> {
    let change = score::judge(recorded, measured);
    let sentence = score::sentence(recorded, measured);
    let score = measured.score();
    Ok(match score::action(change, options.profile) {
        Action::Keep => Verdict::passed(vec![format!("passed: {sentence}")]),
        Action::Record => {
            configuration.write(score).with_context(|| format!("{score} % cannot be recorded"))?;
            Verdict::passed(vec![
                format!("recorded: {measured} are covered, was {:.2} %", recorded.percent),
                format!("help: commit {}", configuration.names()),
            ])
        }
        Action::Refuse => {
            let advice = score::advice(change, &command(options));
            let paragraphs = vec![format!("failed: {sentence}"), format!("help: {advice}")];
            Verdict::failed(paragraphs, configuration.patch(score))
        }
    })
}

/// The result for the score, in words.
struct Verdict {
    outcome: Outcome,
    paragraphs: Vec<String>,
    /// Records the score, where that is not done.
    patch: String,
}

impl Verdict {
    fn passed(paragraphs: Vec<String>) -> Verdict {
        Verdict { outcome: Outcome::Pass, paragraphs, patch: String::new() }
    }

    fn failed(paragraphs: Vec<String>, patch: String) -> Verdict {
        Verdict { outcome: Outcome::Fail, paragraphs, patch }
    }

    /// Reports it together with the result for the added lines.
    fn report(
        self,
        cx: &Context,
        options: &Options,
        added: Option<&Added>,
    ) -> anyhow::Result<Outcome> {
        let uncovered = added.map(|added| added.uncovered.as_slice()).unwrap_or_default();
        for paragraph in &self.paragraphs {
            terminal::say(paragraph);
        }
        terminal::write_data(|out| {
            out.write_all(self.patch.as_bytes())?;
            uncovered.iter().try_for_each(|lines| Ok(writeln!(out, "{lines}")?))
        })?;
        if let Some(added) = added {
            terminal::say(&added.sentence);
        }
        let passed = self.outcome == Outcome::Pass && added.is_none_or(|added| added.passed);
        let summary = Summary {
            package: options.package.as_deref(),
            architecture: std::env::consts::ARCH,
            paragraphs: &self.paragraphs,
            patch: &self.patch,
            added: added.map(|added| (added.sentence.as_str(), uncovered)),
        };
        let style = if passed { Style::Success } else { Style::Error };
        buildkite_agent::annotate(cx, &summary.context(), style, &summary.markdown());
        Ok(if passed { Outcome::Pass } else { Outcome::Fail })
    }
}

/// The command line that repeats this run, for messages: options may follow.
fn command(options: &Options) -> String {
    let package = options.package.as_ref();
    let package = package.map(|name| format!(" --package {}", shell::quote(name)));
    format!("{} coverage{}", alias::USUAL, package.unwrap_or_default())
}

fn package<'w>(options: &Options, workspace: &'w Metadata) -> anyhow::Result<Option<&'w Package>> {
    let package = options.package.as_deref().map(|name| workspace.package(name)).transpose();
    Ok(package.map_err(Rejected::new)?)
}

fn scope<'w>(
    cx: &Context,
    options: &Options,
    workspace: &'w Metadata,
) -> anyhow::Result<Scope<'w>> {
    let package = package(options, workspace)?;
    match (options.scope, package) {
        (Some(ScopeName::Workspace), _) | (None, None) => Ok(Scope::Workspace(&workspace.packages)),
        (_, Some(package)) => Ok(Scope::Crate(package)),
        (Some(ScopeName::Crate), None) => {
            let here = cx.project.resolve(Path::new(""));
            Ok(Scope::Crate(workspace.owner_of(&here).map_err(Rejected::new)?))
        }
    }
}

fn configuration(
    cx: &Context,
    options: &Options,
    workspace: &Metadata,
    scope: Scope<'_>,
) -> anyhow::Result<Configuration> {
    let start = match (package(options, workspace)?, scope) {
        (Some(package), _) | (None, Scope::Crate(package)) => package.directory(),
        (None, Scope::Workspace(_)) => &cx.project.root,
    };
    let mut skipped = vec![workspace.target_directory.as_path()];
    if let Scope::Crate(package) = scope {
        let others = workspace.packages.iter().filter(|other| other.name != package.name);
        skipped.extend(others.map(Package::directory));
    }
    Configuration::find(cx, Place { start, skipped: &skipped }, command(options))
}

fn measurement<'w>(
    cx: &Context,
    workspace: &Metadata,
    scope: Scope<'w>,
    config: &Config,
) -> anyhow::Result<Measurement<'w>> {
    let mut installer = Installer::new(cx, InstallPolicy::Allowed);
    installer.ensure_all(&requirement::of_command(&["coverage"]))?;
    let tools = match installer.into_llvm_tools() {
        Some(Tools::Programs { llvm_cov, llvm_profdata }) => Some((llvm_cov, llvm_profdata)),
        Some(Tools::OfToolchain) | None => None,
    };
    let is_named = cx.lookup("LLVM_COV").or_else(|| cx.lookup("LLVM_PROFDATA")).is_some();
    if is_named && tools.is_none() {
        terminal::note(
            "note: LLVM_COV and LLVM_PROFDATA are not used, the toolchain has LLVM's tools",
        );
    }
    Ok(Measurement {
        build_dir: measure::build_dir(workspace),
        tools,
        scope,
        features: match &config.features {
            Features::All => vec!["--all-features".to_owned()],
            Features::Default => Vec::new(),
            Features::Chosen(names) => vec![format!("--features={}", names.join(","))],
        },
    })
}

fn write_reports(
    cx: &Context,
    session: &Session<'_>,
    options: &Options,
    measured: &Measured,
) -> anyhow::Result<()> {
    let excluded = measured.excluded();
    if options.files {
        let table = report::table(&measured.counted, &cx.project.root.to_string_lossy());
        terminal::write_data(|out| Ok(out.write_all(table.as_bytes())?))?;
    }
    if options.html {
        let index = session.write_pages(&excluded)?;
        terminal::write_data(|out| Ok(writeln!(out, "{}", index.display())?))?;
    }
    if let Some(path) = &options.lcov {
        session.report(Form::Lcov(&cx.project.resolve(path)), &excluded)?;
    }
    if let Some(path) = &options.json {
        session.report(Form::Json(&cx.project.resolve(path)), &excluded)?;
    }
    Ok(())
}
