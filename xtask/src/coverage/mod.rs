//! `coverage`: measures line coverage and compares it with the recorded score.

pub(crate) mod change;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod llvm_cov;
pub(crate) mod measure;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod verdict;

use std::path::PathBuf;

use anyhow::bail;

use crate::cli::coverage::Options;
use crate::context::Context;
use crate::coverage::change::Change;
use crate::coverage::llvm_cov::{Form, Measurement};
use crate::coverage::measure::{Session, Tested};
use crate::coverage::record::Subject;
use crate::coverage::verdict::{Measured, Verdict};
use crate::host::{files, terminal};
use crate::inputs;
use crate::outcome::Outcome;
use crate::text::Percent;
use crate::tools::llvm::Tools;
use crate::tools::requirement;
use crate::tools::{InstallPolicy, Installer};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let sh = inputs::shell_at_manifest(cx, options.manifest_path.as_deref())?;
    let workspace = inputs::metadata(cx, &sh)?;
    sh.change_dir(&workspace.root);
    let scope = record::scope(cx, options, &workspace)?;
    if let Some(score) = options.set {
        return set(&record::load(cx, options, &workspace, scope)?, score);
    }
    for path in [&options.lcov, &options.json].into_iter().flatten() {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    let build_dir = measure::build_dir(&workspace);
    let _lock = measure::lock(&build_dir)?;
    // Another run may have recorded a score while this one waited.
    let subjects = record::load(cx, options, &workspace, scope)?;
    for subject in &subjects {
        subject.configuration.recorded()?;
        let package = subject.package.map(std::slice::from_ref);
        subject.configuration.check_features(package.unwrap_or(scope.packages()))?;
    }
    let mut change = options.diff.as_ref().map(|diff| Change::find(cx, diff)).transpose()?;

    let measurement = Measurement {
        build_dir,
        tools: tools(cx)?,
        scope,
        features: record::features(&subjects, scope),
        passed_to_cargo: &options.passed_to_cargo,
    };
    let session = Session::start(cx, &sh, &workspace, measurement)?;
    if let Some(change) = &mut change {
        change.read(cx, &session.scratch())?;
    }
    if let Tested::Failed { reason } = session.test()? {
        let sentence = format!("failed: {reason}, so nothing was measured; see above");
        return Verdict::failed(vec![sentence], String::new()).report(cx, options, None);
    }
    let root = cx.project.root.to_string_lossy();
    let measured = Measured::new(session.files()?, &subjects, &workspace, &root)?;
    write_reports(cx, &session, options, &measured)?;
    let code = change.is_some().then(|| session.lcov(&measured.excluded())).transpose()?;
    let code = code.map(|lcov| diff::code_lines(&lcov, &root)).unwrap_or_default();
    let added = change.map(|change| change.judge(&code));
    if options.no_cleanup {
        session.keep_results(&measured.excluded())?;
    } else {
        session.remove_results()?;
    }
    Verdict::new(cx, options, &subjects, &workspace, &measured)?.report(cx, options, added.as_ref())
}

/// Records a score without measuring.
fn set(subjects: &[Subject<'_>], score: Percent) -> anyhow::Result<Outcome> {
    let [Subject { configuration, .. }] = subjects else {
        let names: Vec<String> =
            subjects.iter().map(|it| it.configuration.file().to_owned()).collect();
        bail!(record::several(&names));
    };
    configuration.write(score)?;
    terminal::say(&format!("recorded: {score} % in {}", configuration.names()));
    Ok(Outcome::Pass)
}

/// Provides cargo-llvm-cov and returns LLVM's tools, if they are not the toolchain's.
fn tools(cx: &Context) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    let mut installer = Installer::new(cx, InstallPolicy::Allowed);
    installer.ensure_all(&requirement::of_command(&["coverage"]))?;
    if let Some(Tools::Programs { llvm_cov, llvm_profdata }) = installer.into_llvm_tools() {
        return Ok(Some((llvm_cov, llvm_profdata)));
    }
    if cx.lookup("LLVM_COV").or_else(|| cx.lookup("LLVM_PROFDATA")).is_some() {
        terminal::note(
            "note: LLVM_COV and LLVM_PROFDATA are not used, the toolchain has LLVM's tools",
        );
    }
    Ok(None)
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
