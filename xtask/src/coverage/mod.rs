//! `coverage`: measures line coverage and compares it with the recorded score.

pub(crate) mod diff;
pub(crate) mod llvm_cov;
pub(crate) mod measure;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod verdict;

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::base;
use crate::cli::coverage::{Diff, Options};
use crate::context::Context;
use crate::coverage::diff::{AddedLines, Patch};
use crate::coverage::llvm_cov::Measurement;
use crate::coverage::measure::Session;
use crate::coverage::record::{Request, Subject};
use crate::coverage::verdict::{Measured, Verdict};
use crate::host::{files, terminal};
use crate::inputs;
use crate::outcome::Outcome;
use crate::text::Percent;
use crate::tools::buildkite_agent::{self, Style};
use crate::tools::llvm::Tools;
use crate::tools::{Installer, requirement};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let sh = inputs::shell_at_manifest(cx, options.manifest_path.as_deref())?;
    let workspace = inputs::metadata(cx, &sh)?;
    sh.change_dir(&workspace.root);
    let request = Request::new(cx, options, &workspace)?;
    if let Some(score) = options.set {
        return set(&request.load(cx)?, score);
    }
    for path in [&options.lcov, &options.json].into_iter().flatten() {
        files::check_destination(&cx.project.resolve(path), &path.display().to_string())?;
    }
    let build_dir = workspace.target_directory.join(measure::BUILD_DIR);
    let _lock = measure::lock(&build_dir)?;
    // Another run may have recorded a score while this one waited.
    let subjects = request.load(cx)?;
    subjects.iter().try_for_each(|subject| subject.check(request.packages()))?;
    let added = options.diff.as_ref().map(|diff| added(cx, diff, &build_dir)).transpose()?;

    let measurement = Measurement {
        sh: &sh,
        build_dir,
        tools: tools(cx)?,
        workspace: &workspace,
        tested: request.tested,
        feature_argument: request.features(&subjects),
        passed_to_cargo: &options.passed_to_cargo,
    };
    let session = Session { cx, measurement };
    session.remove_results()?;
    if let Err(reason) = session.test()? {
        let paragraphs = vec![format!("failed: {reason}, so nothing was measured; see above")];
        let verdict = Verdict { is_failed: true, paragraphs, ..Verdict::default() };
        return report(cx, options, &verdict, None);
    }
    let root = cx.project.root.to_string_lossy();
    let measured = Measured::new(session.files()?, &subjects, &workspace, &root);
    measured.warnings.iter().for_each(|warning| terminal::say(warning));
    let verdict = Verdict::new(&subjects, &measured, options.profile, &request.command)?;
    write_reports(cx, &session, options, &measured)?;
    let mut patch = None;
    if let (Some((base, lines)), Some(diff)) = (added, &options.diff) {
        let code = diff::code_lines(&session.lcov(&measured.excluded)?, &root);
        patch = Some(Patch::new(base, diff.minimum, &lines, &code));
    }
    if options.no_cleanup {
        session.keep_results(&measured.excluded)?;
    } else {
        session.remove_results()?;
    }
    for (subject, score) in &verdict.records {
        subject.write(*score).with_context(|| format!("{score} % cannot be recorded"))?;
    }
    report(cx, options, &verdict, patch.as_ref())
}

/// Records a score without measuring.
fn set(subjects: &[Subject<'_>], score: Percent) -> anyhow::Result<Outcome> {
    let [subject] = subjects else {
        let names = subjects.iter().map(|subject| subject.file.clone());
        bail!(record::several(&names.collect::<Vec<_>>()));
    };
    subject.write(score)?;
    terminal::say(&format!("recorded: {score} % in {}", subject.names()));
    Ok(Outcome::Pass)
}

/// Returns the base for messages, and the lines that the working tree adds to it, untracked files
/// included: since the merge base of `HEAD` with a revision, or with the upstream branch as this clone
/// knows it.
///
/// # Errors
///
/// Rejects a revision that does not exist (exit code 2). Fails if this clone does not have the
/// upstream branch or the merge base (exit code 75).
fn added(cx: &Context, options: &Diff, build_dir: &Path) -> anyhow::Result<(String, AddedLines)> {
    let (commit, base) = base::of_change(cx, options.base.revision.as_deref())?;
    let new_files = cx.process(cx.git().untracked(&["*.rs"])).read()?;
    let mut diff = cx.git().diff(&commit);
    // Git's own index stays as it is.
    let scratch = build_dir.join(measure::INDEX);
    if !new_files.is_empty() {
        // Announced in an index, a new file takes part in the search for renames.
        let index = cx.process(cx.git().git_path("index")).read_text()?;
        // A git that was killed may have left its lock.
        files::remove(&scratch.with_extension("lock"))?;
        files::copy(Path::new(&index), &scratch)?;
        let announce = cx.git().announce().env("GIT_INDEX_FILE", &scratch);
        cx.process(announce).stdin(new_files).read()?;
        diff = diff.env("GIT_INDEX_FILE", &scratch);
    }
    let diff = cx.process(diff).read();
    files::remove(&scratch)?;
    Ok((base, diff::added_lines(&String::from_utf8_lossy(&diff?))))
}

/// Provides cargo-llvm-cov and returns LLVM's tools, if they are not the toolchain's.
fn tools(cx: &Context) -> anyhow::Result<Option<Tools>> {
    let mut installer = Installer::new(cx);
    installer.ensure_all(&requirement::of_command(&["coverage"]))?;
    let tools = installer.llvm_tools;
    let is_named = cx.lookup("LLVM_COV").or_else(|| cx.lookup("LLVM_PROFDATA")).is_some();
    if tools.is_none() && is_named {
        terminal::note(
            "note: LLVM_COV and LLVM_PROFDATA are not used, the toolchain has LLVM's tools",
        );
    }
    Ok(tools)
}

fn write_reports(
    cx: &Context,
    session: &Session<'_>,
    options: &Options,
    measured: &Measured<'_>,
) -> anyhow::Result<()> {
    if options.files {
        let table = report::table(&measured.counted, &cx.project.root.to_string_lossy());
        terminal::write_data(|out| Ok(out.write_all(table.as_bytes())?))?;
    }
    if options.html {
        let index = session.write_pages(&measured.excluded)?;
        terminal::write_data(|out| Ok(writeln!(out, "{}", index.display())?))?;
    }
    for (form, path) in [("--lcov", &options.lcov), ("--json", &options.json)] {
        if let Some(path) = path {
            session.write(form, &cx.project.resolve(path), &measured.excluded)?;
        }
    }
    Ok(())
}

/// Says the result, and puts it on the build's page.
fn report(
    cx: &Context,
    options: &Options,
    verdict: &Verdict<'_>,
    added: Option<&Patch>,
) -> anyhow::Result<Outcome> {
    if !verdict.table.is_empty() {
        terminal::write_lines(verdict.table.trim_end());
    }
    verdict.paragraphs.iter().for_each(|paragraph| terminal::say(paragraph));
    terminal::write_data(|out| {
        out.write_all(verdict.patch.as_bytes())?;
        let mut uncovered = added.iter().flat_map(|added| &added.uncovered);
        uncovered.try_for_each(|lines| Ok(writeln!(out, "{lines}")?))
    })?;
    if let Some(added) = added {
        terminal::say(&added.sentence());
    }
    let passed = !verdict.is_failed && added.is_none_or(Patch::passes);
    let (style, outcome) =
        if passed { (Style::SUCCESS, Outcome::Pass) } else { (Style::ERROR, Outcome::Fail) };
    let (place, title) = verdict::place(options.package.as_deref(), std::env::consts::ARCH);
    buildkite_agent::annotate(cx, &place, style, &verdict::page(&title, verdict, added));
    Ok(outcome)
}
