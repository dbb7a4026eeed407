//! `coverage`: measures line coverage and compares it with the recorded score.

pub(crate) mod added;
pub(crate) mod artifacts;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod extended_regex;
pub(crate) mod llvm_cov;
pub(crate) mod measure;
pub(crate) mod patch;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod scope;
pub(crate) mod score;
pub(crate) mod summary;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::coverage::measure::{Session, Tested};
use crate::coverage::record::Configuration;

use crate::cli::coverage::{Diff, Options, Profile, ScopeName};
use crate::context::Context;
use crate::coverage::config::Features;
use crate::coverage::diff::{AddedLines, Patch};
use crate::coverage::llvm_cov::{Measurement, Report};
use crate::coverage::scope::{Package, Scope, Workspace};
use crate::coverage::score::{Action, Lines, Permission, Recorded};
use crate::coverage::summary::Summary;
use crate::host::{cargo, files, terminal};
use crate::outcome::Outcome;
use crate::plan::alias;
use crate::text::diagnostic::Rejected;
use crate::text::shell as shell_text;
use crate::tools::buildkite_agent;
use crate::tools::buildkite_agent::Style;
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::llvm::Tools;
use crate::tools::requirement;

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let workspace = workspace(cx)?;
    let scope = scope(cx, options, &workspace)?;
    let start = match (package(options, &workspace)?, &scope) {
        (Some(package), _) | (None, Scope::Crate(package)) => package.directory(),
        (None, Scope::Workspace) => &cx.project.root,
    };
    let mut left_out = vec![workspace.target_directory.as_path()];
    if let Scope::Crate(package) = &scope {
        let others = workspace.packages.iter().filter(|other| other.name != package.name);
        left_out.extend(others.map(Package::directory));
    }
    let place = record::Place { start, left_out: &left_out };
    let configuration = Configuration::find(cx, place, command(options))?;
    if let Some(score) = options.set {
        configuration.write(score)?;
        terminal::say(&format!("{score} % is recorded now: {}", configuration.names()));
        return Ok(Outcome::Pass);
    }
    check_report_files(cx, options)?;
    let recorded = configuration.recorded()?;
    configuration.check_features(&workspace, &scope)?;
    let change = options.diff.as_ref().map(|diff| Change::find(cx, diff)).transpose()?;
    let session = Session::start(cx, measurement(cx, &workspace, &scope, &configuration)?)?;
    let change = change.map(|change| change.with_lines(cx, &session)).transpose()?;

    if let Tested::Failed { reason } = session.test(&workspace)? {
        let sentence = format!("failed: {reason}, so nothing was measured; see above");
        let verdict = Verdict { paragraphs: vec![sentence], ..Verdict::default() };
        return verdict.report(cx, options, None);
    }
    let report = session.summary()?;
    if report.total.counted == 0 {
        bail!(Rejected::new("no line was counted; does `exclude_path` exclude everything?"));
    }
    write_reports(cx, &session, options, &report)?;
    let added = change.map(|change| change.look_at(cx, &session)).transpose()?;
    session.end(options.no_cleanup)?;
    judge(options, &configuration, recorded, report.total)?.report(cx, options, added.as_ref())
}

/// What is said about the score, and whether it is fine.
#[derive(Debug, Default)]
struct Verdict {
    passed: bool,
    paragraphs: Vec<String>,
    /// What would record the score.
    patch: String,
}

impl Verdict {
    /// Says it, together with what there is to say about the added lines.
    fn report(
        self,
        cx: &Context,
        options: &Options,
        added: Option<&Added>,
    ) -> anyhow::Result<Outcome> {
        let minimum = options.diff.as_ref().and_then(|diff| diff.minimum);
        let sentence = added.map(|added| added.patch.sentence(&added.base, minimum));
        let uncovered = added.map(|added| added.patch.uncovered.as_slice()).unwrap_or_default();
        for paragraph in &self.paragraphs {
            terminal::say(paragraph);
        }
        terminal::write_data(|out| {
            out.write_all(self.patch.as_bytes())?;
            uncovered.iter().try_for_each(|lines| Ok(writeln!(out, "{lines}")?))
        })?;
        if let Some(sentence) = &sentence {
            terminal::say(sentence);
        }
        let summary = Summary {
            package: options.package.as_deref(),
            architecture: std::env::consts::ARCH,
            paragraphs: &self.paragraphs,
            patch: &self.patch,
            added: sentence.as_deref().map(|sentence| (sentence, uncovered)),
        };
        let is_enough = added.is_none_or(|added| added.patch.reaches(minimum));
        let passed = self.passed && is_enough;
        let style = if passed { Style::Success } else { Style::Error };
        buildkite_agent::annotate(cx, &summary.context(), style, &summary.markdown());
        Ok(if passed { Outcome::Pass } else { Outcome::Fail })
    }
}

/// What the tests do with the added lines, and since when they are added.
struct Added {
    patch: Patch,
    base: String,
}

/// Compares, and records the score where that is wanted.
fn judge(
    options: &Options,
    configuration: &Configuration,
    recorded: Recorded,
    measured: Lines,
) -> anyhow::Result<Verdict> {
    let change = score::judge(recorded, measured);
    let sentence = score::sentence(recorded, measured);
    let score = measured.score();
    let permission =
        Permission { higher: options.profile == Profile::Devel, lower: options.allow_lower };
    let (passed, paragraphs, patch) = match score::action(change, permission) {
        Action::Keep => (true, vec![format!("passed: {sentence}")], String::new()),
        Action::Record => {
            configuration
                .write(score)
                .with_context(|| format!("{sentence}, and {score} % cannot be recorded"))?;
            let names = configuration.names();
            let recorded = format!("{score} % is recorded now, commit it: {names}");
            (true, vec![format!("passed: {sentence}"), recorded], String::new())
        }
        Action::Refuse => {
            let advice = score::advice(change, &command(options));
            (false, vec![format!("failed: {sentence}"), advice], configuration.patch(score))
        }
    };
    Ok(Verdict { passed, paragraphs, patch })
}

/// What repeats this run, for messages: options may follow.
fn command(options: &Options) -> String {
    let package = options.package.as_ref();
    let package = package.map(|name| format!(" --package {}", shell_text::quote(name)));
    format!("{} coverage{}", alias::USUAL, package.unwrap_or_default())
}

/// The change whose lines are looked at.
struct Change {
    start: added::Start,
    added: AddedLines,
}

impl Change {
    /// Fails early, before anybody builds for minutes.
    fn find(cx: &Context, diff: &Diff) -> anyhow::Result<Change> {
        let start = added::start(cx, diff.base.as_deref())?;
        Ok(Change { start, added: AddedLines::new() })
    }

    /// The added lines as they are when the build starts.
    fn with_lines(mut self, cx: &Context, session: &Session<'_>) -> anyhow::Result<Change> {
        let scratch = session.build_dir().join(measure::INDEX);
        self.added = added::added(cx, &self.start, &scratch)?;
        Ok(self)
    }

    fn look_at(self, cx: &Context, session: &Session<'_>) -> anyhow::Result<Added> {
        let lines = session.code_lines(&cx.project.root.to_string_lossy())?;
        Ok(Added { patch: Patch::new(&self.added, &lines), base: self.start.name })
    }
}

fn workspace(cx: &Context) -> anyhow::Result<Workspace> {
    let output = cx.process(cargo::metadata(&cx.sh)).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(Rejected::new(words.trim().trim_start_matches("error: ")));
    }
    Workspace::parse(&String::from_utf8_lossy(&output.stdout))
        .context("cargo's metadata cannot be read")
}

fn package<'w>(options: &Options, workspace: &'w Workspace) -> anyhow::Result<Option<&'w Package>> {
    let package = options.package.as_deref().map(|name| workspace.find(name)).transpose();
    Ok(package.map_err(Rejected::new)?)
}

fn scope(cx: &Context, options: &Options, workspace: &Workspace) -> anyhow::Result<Scope> {
    let package = package(options, workspace)?;
    match (options.scope, package) {
        (Some(ScopeName::Workspace), _) | (None, None) => Ok(Scope::Workspace),
        (_, Some(package)) => Ok(Scope::Crate(package.clone())),
        (Some(ScopeName::Crate), None) => {
            let here = cx.project.resolve(Path::new(""));
            let owner = workspace.owner_of(&here).map_err(Rejected::new)?;
            Ok(Scope::Crate(owner.clone()))
        }
    }
}

fn measurement(
    cx: &Context,
    workspace: &Workspace,
    scope: &Scope,
    configuration: &Configuration,
) -> anyhow::Result<Measurement> {
    let needs = requirement::of_command(&["coverage"]);
    let mut installer = Installer::new(cx, InstallPolicy::Allowed);
    installer.ensure_all(&needs)?;
    let tools = installer.into_llvm_tools();
    let is_named = cx.lookup("LLVM_COV").or_else(|| cx.lookup("LLVM_PROFDATA")).is_some();
    if is_named && tools == Some(Tools::OfToolchain) {
        terminal::note(
            "note: LLVM_COV and LLVM_PROFDATA are not used, the toolchain has LLVM's tools",
        );
    }
    let features = match &configuration.config.features {
        Features::All => vec!["--all-features".to_owned()],
        Features::Default => Vec::new(),
        Features::Chosen(names) => vec![format!("--features={}", names.join(","))],
    };
    Ok(Measurement {
        build_dir: measure::build_dir(workspace),
        tools: tools.and_then(Tools::into_programs),
        scope: match scope {
            Scope::Workspace => {
                let names = workspace.packages.iter().map(|package| package.name.clone());
                llvm_cov::Scope::Workspace { members: names.collect() }
            }
            Scope::Crate(package) => llvm_cov::Scope::Crate { manifest: package.manifest.clone() },
        },
        features,
        exclude_path: configuration.config.exclude_path.clone(),
    })
}

/// A report that cannot be written would be found out after minutes of building.
fn check_report_files(cx: &Context, options: &Options) -> anyhow::Result<()> {
    for path in [&options.lcov, &options.json].into_iter().flatten() {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    Ok(())
}

fn write_reports(
    cx: &Context,
    session: &Session<'_>,
    options: &Options,
    report: &report::Report,
) -> anyhow::Result<()> {
    if options.files {
        let table = report.table(&cx.project.root.to_string_lossy());
        terminal::write_data(|out| Ok(out.write_all(table.as_bytes())?))?;
    }
    if options.html {
        let index = session.write_pages()?;
        terminal::write_data(|out| Ok(writeln!(out, "{}", index.display())?))?;
    }
    if let Some(path) = &options.lcov {
        session.export(Report::Lcov(&cx.project.resolve(path)))?;
    }
    if let Some(path) = &options.json {
        session.export(Report::Json(&cx.project.resolve(path)))?;
    }
    Ok(())
}
