//! What is measured, and its recorded score: everything at once, or each crate that has a record of its
//! own.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::coverage::{Options, ScopeName};
use crate::context::Context;
use crate::coverage::config::{self, Config, Features, Number};
use crate::coverage::llvm_cov::Scope;
use crate::coverage::report::patch;
use crate::host::terminal::report_warnings;
use crate::host::{directories, files, terminal};
use crate::inputs;
use crate::plan::metadata::{Metadata, Package, problem_of_feature};
use crate::text::Percent;
use crate::text::diagnostic::{Diagnostics, Failure, Rejected, Source};
use crate::text::shell::quote;

/// What one record is about.
pub(crate) struct Subject<'w> {
    /// Everything that is measured, if there is only one subject.
    pub(crate) package: Option<&'w Package>,
    pub(crate) configuration: Configuration,
}

/// Returns whose tests run and whose lines count.
///
/// # Errors
///
/// Rejects a package that does not exist, and a directory without one (exit code 2).
pub(crate) fn scope<'w>(
    cx: &Context,
    options: &Options,
    workspace: &'w Metadata,
) -> anyhow::Result<Scope<'w>> {
    match (options.scope, package(options, workspace)?) {
        (Some(ScopeName::Workspace), _) | (None, None) => Ok(Scope::Workspace(&workspace.packages)),
        (_, Some(package)) => Ok(Scope::Crate(package)),
        (Some(ScopeName::Crate), None) => {
            let here = cx.project.manifest_dir(options.manifest_path.as_deref())?;
            Ok(Scope::Crate(workspace.owner_of(&here).map_err(Rejected::new)?))
        }
    }
}

/// Reads the configurations. A workspace without one in its root may have one for each crate.
///
/// # Errors
///
/// Rejects a missing, an ambiguous and an invalid configuration (exit code 2).
pub(crate) fn load<'w>(
    cx: &Context,
    options: &Options,
    workspace: &'w Metadata,
    scope: Scope<'w>,
) -> anyhow::Result<Vec<Subject<'w>>> {
    let root = if workspace.root.starts_with(&cx.project.root) {
        &workspace.root
    } else {
        &cx.project.root
    };
    let (start, skipped) = match (package(options, workspace)?, scope) {
        (None, Scope::Workspace(packages)) => {
            let own = each(cx, options, workspace, packages, root)?;
            if own.len() > 1 {
                return Ok(own);
            }
            (root.as_path(), vec![workspace.target_directory.as_path()])
        }
        (Some(package), Scope::Workspace(_)) => {
            (package.directory(), vec![workspace.target_directory.as_path()])
        }
        (_, Scope::Crate(package)) => (package.directory(), outside(workspace, package)),
    };
    let command = command(cx, options)?;
    let Some(files) = Files::find(cx, Place { start, skipped: &skipped })? else {
        let (directory, architecture) = (cx.project.relative(start), std::env::consts::ARCH);
        bail!(config::missing(&directory, architecture, &command));
    };
    let configuration = Configuration::read(cx, files, command)?;
    Ok(vec![Subject { package: None, configuration }])
}

/// The command line that repeats a run, for messages: options may follow.
pub(crate) fn command(cx: &Context, options: &Options) -> anyhow::Result<String> {
    let manifest = options.manifest_path.as_ref().map(|path| path.to_string_lossy());
    let manifest = manifest.map(|path| format!(" --manifest-path {}", quote(&path)));
    let package = options.package.as_ref().map(|name| format!(" --package {}", quote(name)));
    let [manifest, package] = [manifest, package].map(Option::unwrap_or_default);
    Ok(format!("{} coverage{manifest}{package}", inputs::own_alias(cx)?))
}

/// Returns cargo's arguments; a crate without a configuration has all its features.
pub(crate) fn features(subjects: &[Subject<'_>], scope: Scope<'_>) -> Vec<String> {
    let of = |name: &str| {
        let is_about = |subject: &&Subject<'_>| subject.package.is_none_or(|it| it.name == name);
        let subject = subjects.iter().find(is_about);
        subject.map_or(&Features::All, |subject| &subject.configuration.config.features)
    };
    let packages = scope.packages().iter().map(|package| (package, of(&package.name)));
    config::arguments(&packages.collect::<Vec<_>>())
}

fn each<'w>(
    cx: &Context,
    options: &Options,
    workspace: &Metadata,
    packages: &'w [Package],
    root: &Path,
) -> anyhow::Result<Vec<Subject<'w>>> {
    if packages.len() < 2 || Files::are_in(root) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for package in packages {
        let skipped = outside(workspace, package);
        let files = Files::find(cx, Place { start: package.directory(), skipped: &skipped })?;
        found.extend(files.map(|files| (package, files)));
    }
    if found.len() < 2 {
        return Ok(Vec::new());
    }
    let read = |(package, files): (&'w Package, Files)| {
        let command = format!("{} --package {}", command(cx, options)?, quote(&package.name));
        let configuration = Configuration::read(cx, files, command)?;
        Ok(Subject { package: Some(package), configuration })
    };
    found.into_iter().map(read).collect()
}

/// Where a package has no configuration: the target directory and the other packages.
fn outside<'w>(workspace: &'w Metadata, package: &Package) -> Vec<&'w Path> {
    let others = workspace.packages.iter().filter(|other| other.name != package.name);
    others.map(Package::directory).chain([workspace.target_directory.as_path()]).collect()
}

fn package<'w>(options: &Options, workspace: &'w Metadata) -> anyhow::Result<Option<&'w Package>> {
    let package = options.package.as_deref().map(|name| workspace.package(name)).transpose();
    Ok(package.map_err(Rejected::new)?)
}

/// What a measured score is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) percent: f64,
    /// How far the measured score may differ, up or down, in percentage points.
    pub(crate) tolerance: f64,
}

/// The configuration of a crate, and every file that records its score.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) config: Config,
    /// The name of the file that it was read from.
    file: String,
    /// The command line that measures this, for messages.
    command: String,
    records: Vec<Record>,
}

/// A file that records the score.
#[derive(Debug)]
struct Record {
    path: PathBuf,
    /// The name, relative to the root, and the text.
    source: Source,
    number: Number,
}

/// The file of the older generation, relative to the crate.
const SCORE_FILE: &str = "tests/coverage";

/// Where a configuration is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The directory of the crate, or the root.
    pub(crate) start: &'a Path,
    /// Directories that are skipped: cargo's target directory, and crates that are not measured.
    pub(crate) skipped: &'a [&'a Path],
}

/// The files of a configuration.
#[derive(Debug)]
pub(crate) struct Files {
    config: Option<PathBuf>,
    score: Option<PathBuf>,
    /// About files that only look like a configuration.
    warnings: Vec<String>,
}

impl Files {
    /// Finds the configuration nearest to the start.
    ///
    /// # Errors
    ///
    /// Rejects an ambiguous one (exit code 2).
    pub(crate) fn find(cx: &Context, place: Place<'_>) -> anyhow::Result<Option<Files>> {
        let mut warnings = Vec::new();
        let config = nearest(cx, place, &mut warnings)?;
        let home = config.as_deref().and_then(Path::parent).unwrap_or(place.start);
        let score = Some(home.join(SCORE_FILE)).filter(|path| files::is_plain_file(path));
        if config.is_none() && score.is_none() {
            report(&warnings);
            return Ok(None);
        }
        Ok(Some(Files { config, score, warnings }))
    }

    /// Whether a directory itself has a configuration.
    pub(crate) fn are_in(directory: &Path) -> bool {
        let config = config::file_name(std::env::consts::ARCH);
        [&config, SCORE_FILE].iter().any(|name| files::is_plain_file(&directory.join(name)))
    }
}

fn report(warnings: &[String]) {
    for warning in warnings {
        terminal::say(&format!("warning: {warning}"));
    }
}

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Rejects an invalid one (exit code 2).
    pub(crate) fn read(
        cx: &Context,
        files: Files,
        command: String,
    ) -> anyhow::Result<Configuration> {
        report(&files.warnings);
        let found = Diagnostics::default();
        let mut config = Config::default();
        let mut records = Vec::new();
        if let Some(path) = files.score {
            let source = read(cx, &path)?;
            let number = config::parse_score_file(&source, &found);
            records.extend(number.map(|number| Record { path, source, number }));
        }
        let mut file = String::new();
        if let Some(path) = files.config {
            let source = read(cx, &path)?;
            file.clone_from(&source.name);
            config = Config::parse(&source, &found);
            let number = config.score.clone();
            records.extend(number.map(|number| Record { path, source, number }));
        }
        report_warnings(&found.into_warnings()?);
        if records.is_empty() {
            bail!(
                Rejected::new(format!("{file}: the key `coverage_score` is missing"))
                    .help("add `\"coverage_score\": 0`")
            );
        }
        Ok(Configuration { config, file, command, records })
    }

    /// Returns the score that a measured one is compared with.
    ///
    /// # Errors
    ///
    /// Rejects two files that record different scores (exit code 2).
    pub(crate) fn recorded(&self) -> anyhow::Result<Recorded> {
        let percents: Vec<f64> = self.records.iter().map(|record| record.number.percent).collect();
        let percent = config::agree(&percents).map_err(|[file, config]| {
            let names: Vec<&str> =
                self.records.iter().map(|record| record.source.name.as_str()).collect();
            let names = names.join(" and ");
            Rejected::new(format!(
                "two files record different scores, {file} and {config}: {names}"
            ))
            .help(format!("make them agree with `{} --set {file:.2}`", self.command))
        })?;
        Ok(Recorded { percent, tolerance: self.config.tolerance })
    }

    /// Warns of an `exclude_path` that excludes nothing.
    pub(crate) fn warn_of_useless_pattern(&self) {
        let pattern = self.config.exclude_path.as_deref().unwrap_or_default();
        terminal::say(&format!(
            "warning: {}: `exclude_path` matches no measured file: `{pattern}`",
            self.file
        ));
    }

    /// Checks that the features exist: cargo would report an unknown one as a failed build.
    ///
    /// # Errors
    ///
    /// Rejects a feature that no measured crate has (exit code 2).
    pub(crate) fn check_features(&self, packages: &[Package]) -> anyhow::Result<()> {
        let Features::Chosen(names) = &self.config.features else { return Ok(()) };
        match names.iter().find_map(|name| problem_of_feature(packages, name)) {
            Some(problem) => {
                bail!(Rejected::new(format!("{}: `crate_features`: {problem}", self.file)))
            }
            None => Ok(()),
        }
    }

    /// The files that record the score, for messages.
    pub(crate) fn names(&self) -> String {
        let names = self.records.iter().map(|record| format!("`{}`", record.source.name));
        names.collect::<Vec<_>>().join(" and ")
    }

    /// The name of the file that it was read from, for messages.
    pub(crate) fn file(&self) -> &str {
        self.records.last().map_or(&self.file, |record| &record.source.name)
    }

    /// Records a score in all its files.
    ///
    /// # Errors
    ///
    /// Fails if a file has changed since it was read or cannot be written (exit code 75).
    pub(crate) fn write(&self, score: Percent) -> anyhow::Result<()> {
        for Record { path, source, .. } in &self.records {
            if files::read_text(path, &source.name)? != source.text {
                let help = format!("record the score with `{} --set {score}`", self.command);
                let message = format!("`{}` has changed during the run", source.name);
                return Err(Failure::new(message).help(help).into());
            }
        }
        for Record { path, source, number } in &self.records {
            let text = number.replace(&source.text, score);
            if text != source.text {
                files::write_atomically(path, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Returns what [`Configuration::write`] would change, as a patch.
    pub(crate) fn patch(&self, score: Percent) -> String {
        let patches = self.records.iter().map(|Record { source, number, .. }| {
            patch(&source.name, &source.text, &number.replace(&source.text, score))
        });
        patches.collect()
    }
}

fn read(cx: &Context, path: &Path) -> anyhow::Result<Source> {
    let name = cx.project.relative(path);
    let text = files::read_text(path, &name)?;
    Ok(Source::new(name, text))
}

/// Returns the configuration at the smallest depth below the start. The older file in the start
/// itself comes before one that is deeper.
fn nearest(
    cx: &Context,
    place: Place<'_>,
    warnings: &mut Vec<String>,
) -> anyhow::Result<Option<PathBuf>> {
    let file_name = config::file_name(std::env::consts::ARCH);
    let is_searched = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        config::is_searched(&name)
            && *path != cx.project.checkout
            && !place.skipped.contains(&path.as_path())
    };
    let mut directories = vec![place.start.to_path_buf()];
    while !directories.is_empty() {
        for directory in &directories {
            warnings.extend(misleading_names(cx, directory, &file_name));
        }
        let candidates = directories.iter().map(|directory| directory.join(&file_name));
        let mut candidates: Vec<PathBuf> =
            candidates.filter(|path| files::is_plain_file(path)).collect();
        if candidates.len() > 1 {
            let names: Vec<String> =
                candidates.iter().map(|path| cx.project.relative(path)).collect();
            bail!(several(&names));
        }
        if !candidates.is_empty() || (directories == [place.start] && Files::are_in(place.start)) {
            return Ok(candidates.pop());
        }
        let below = directories.iter().flat_map(|path| directories::directories_in(path));
        directories = below.filter(is_searched).collect();
    }
    Ok(None)
}

/// The error about several configurations where one is needed.
pub(crate) fn several(names: &[String]) -> Rejected {
    Rejected::new(format!("several crates have a configuration: {}", names.join(", ")))
        .help("name one of them with `--package`")
}

/// Warnings of names that are not read although they look like a configuration's.
fn misleading_names(cx: &Context, directory: &Path, file_name: &str) -> Vec<String> {
    let problem = |name: String| {
        let path = directory.join(&name);
        let problem = match name == file_name {
            true if files::is_plain_file(&path) => None,
            true => Some("symbolic links are not followed".to_owned()),
            false => config::problem_of_name(&name),
        };
        Some(format!("`{}`: {}", cx.project.relative(&path), problem?))
    };
    directories::names_in(directory).into_iter().filter_map(problem).collect()
}
