//! `coverage`: measures line coverage and compares it with the recorded score.

use std::path::Path;

use anyhow::{anyhow, bail};

use super::coverage_config::Configuration;
use super::coverage_measure::{self, Session, Tested};
use super::llvm_tools::Tools;
use super::provision::{Installing, Missing, Provision};
use crate::cli::coverage::{Options, Profile, ScopeName};
use crate::context::Context;
use crate::host::llvm_cov::{Measurement, Report};
use crate::host::{cargo, terminal};
use crate::outcome::{OrUndetermined, Outcome};
use crate::rules::coverage_config::Features;
use crate::rules::coverage_scope::{Package, Scope, Workspace};
use crate::rules::coverage_score::{self, Change, Lines};
use crate::rules::{placeholder, prerequisite};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    let workspace = workspace(cx)?;
    let package = package(options, &workspace)?;
    let start = package.map_or(cx.project.root.as_path(), Package::directory);
    let configuration = Configuration::find(cx, start, &workspace.target_directory)?;
    if let Some(score) = options.set {
        configuration.write(score)?;
        terminal::say(&format!("{} records {score} % now", configuration.names()));
        return Ok(Outcome::Pass);
    }
    let scope = scope(cx, options, &workspace)?;
    let recorded = configuration.recorded()?;
    let measurement = measurement(cx, &workspace, &scope, &configuration)?;
    let session = Session::start(cx, measurement)?;
    if let Tested::Failed { reason } = session.test(&workspace)? {
        terminal::say(&format!("failed: {reason}, so nothing was measured; see above"));
        return Ok(Outcome::Fail);
    }
    let report = session.summary(options.no_cleanup)?;
    if report.total.counted == 0 {
        bail!("no line was counted; does `exclude_path` exclude everything?");
    }
    write_reports(cx, &session, options)?;
    if options.files {
        let root = cx.project.root.to_string_lossy();
        terminal::write_data(|out| Ok(out.write_all(report.table(&root).as_bytes())?))
            .or_undetermined()?;
    }
    if options.no_cleanup {
        terminal::say(&format!("profiles and report are in {}", session.build_dir().display()));
    } else {
        session.remove_results()?;
    }
    let sentence = coverage_score::sentence(recorded, report.total);
    let change = coverage_score::judge(recorded, report.total);
    conclude(options, &configuration, report.total, change, &sentence)
}

fn conclude(
    options: &Options,
    configuration: &Configuration,
    measured: Lines,
    change: Change,
    sentence: &str,
) -> anyhow::Result<Outcome> {
    let score = measured.score();
    let is_recorded = match change {
        Change::Within => {
            terminal::say(&format!("passed: {sentence}"));
            return Ok(Outcome::Pass);
        }
        Change::Lower => options.allow_lower,
        Change::Higher => options.profile == Profile::Devel,
    };
    if is_recorded {
        configuration.write(score)?;
        let names = configuration.names();
        terminal::say(&format!("passed: {sentence}; {names} records {score} % now: commit it"));
        return Ok(Outcome::Pass);
    }
    terminal::say(&format!("failed: {sentence}"));
    let package = options.package.as_ref();
    let package = package.map(|name| format!(" --package {name}")).unwrap_or_default();
    terminal::say(&match change {
        Change::Lower => format!(
            "add tests: `cargo xtask coverage{package} --diff` lists the new lines that no test runs; \
             if the drop is meant, record it with `cargo xtask coverage{package} --devel --allow-lower`, \
             or apply this patch with `git apply`:"
        ),
        Change::Within | Change::Higher => format!(
            "record the new score with `cargo xtask coverage{package} --devel`, or apply this patch with `git apply`:"
        ),
    });
    let patch = configuration.patch(score);
    terminal::write_data(|out| Ok(out.write_all(patch.as_bytes())?)).or_undetermined()?;
    Ok(Outcome::Fail)
}

fn workspace(cx: &Context) -> anyhow::Result<Workspace> {
    let output = cx.runner.read(cargo::metadata(&cx.sh)).or_undetermined()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim().trim_start_matches("error: "));
    }
    Workspace::parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| anyhow!("cargo's metadata cannot be read"))
        .or_undetermined()
}

fn package<'w>(options: &Options, workspace: &'w Workspace) -> anyhow::Result<Option<&'w Package>> {
    let package = options.package.as_deref().map(|name| workspace.find(name)).transpose();
    package.map_err(|message| anyhow!(message))
}

fn scope(cx: &Context, options: &Options, workspace: &Workspace) -> anyhow::Result<Scope> {
    let package = package(options, workspace)?;
    match (options.scope, package) {
        (Some(ScopeName::Workspace), _) | (None, None) => Ok(Scope::Workspace),
        (_, Some(package)) => Ok(Scope::Crate(package.clone())),
        (Some(ScopeName::Crate), None) => {
            let here = cx.project.resolve(Path::new("."));
            let owner = workspace.owner_of(&here).map_err(|message| anyhow!(message))?;
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
    let needs = prerequisite::prerequisites(&format!("{} coverage", placeholder::XTASK));
    let mut provision = Provision::new(cx, Installing::Allowed);
    if let Err(Missing { reason, fix }) = provision.ensure_all(&needs) {
        return Err(anyhow!("{reason}; {fix}")).or_undetermined();
    }
    let features = match &configuration.config.features {
        Features::All => vec!["--all-features".to_owned()],
        Features::Default => Vec::new(),
        Features::Chosen(names) => vec![format!("--features={}", names.join(","))],
    };
    Ok(Measurement {
        build_dir: coverage_measure::build_dir(workspace),
        tools: provision.into_llvm_tools().and_then(Tools::into_programs),
        manifest: match scope {
            Scope::Workspace => None,
            Scope::Crate(package) => Some(package.manifest.clone()),
        },
        features,
        exclude_path: configuration.config.exclude_path.clone(),
    })
}

fn write_reports(cx: &Context, session: &Session<'_>, options: &Options) -> anyhow::Result<()> {
    if options.html {
        session.export(Report::Html(session.build_dir()))?;
        let index = session.build_dir().join("html/index.html");
        terminal::write_data(|out| Ok(writeln!(out, "{}", index.display())?)).or_undetermined()?;
    }
    if let Some(path) = &options.lcov {
        session.export(Report::Lcov(&cx.project.resolve(path)))?;
    }
    if let Some(path) = &options.json {
        session.export(Report::Json(&cx.project.resolve(path)))?;
    }
    Ok(())
}
