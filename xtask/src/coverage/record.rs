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
use crate::host::{directories, files};
use crate::inputs;
use crate::plan::metadata::{Metadata, Package, problem_of_feature};
use crate::text::Percent;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Rejected, Severity, Source};
use crate::text::shell::quote;

/// What the command line asks to be measured.
pub(crate) struct Request<'w> {
    workspace: &'w Metadata,
    /// The one that `--package` names.
    package: Option<&'w Package>,
    /// Whose tests run and whose lines count.
    pub(crate) scope: Scope<'w>,
    /// The command line that repeats the run, for messages: options may follow.
    pub(crate) command: String,
}

/// What one record is about.
pub(crate) struct Subject<'w> {
    /// Everything that is measured, if there is only one subject.
    pub(crate) package: Option<&'w Package>,
    pub(crate) configuration: Configuration,
}

impl<'w> Request<'w> {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// Rejects a package that does not exist, and a directory without one (exit code 2).
    pub(crate) fn new(
        cx: &Context,
        options: &Options,
        workspace: &'w Metadata,
    ) -> anyhow::Result<Request<'w>> {
        let package = options.package.as_deref().map(|name| workspace.package(name));
        let package = package.transpose().map_err(Rejected::new)?;
        let scope = match (options.scope, package) {
            (Some(ScopeName::Workspace), _) | (None, None) => Scope::Workspace(&workspace.packages),
            (_, Some(package)) => Scope::Crate(package),
            (Some(ScopeName::Crate), None) => {
                let here = cx.project.manifest_dir(options.manifest_path.as_deref())?;
                Scope::Crate(workspace.owner_of(&here).map_err(Rejected::new)?)
            }
        };
        let mut command = format!("{} coverage", inputs::own_alias(cx)?);
        if let Some(path) = &options.manifest_path {
            command += &format!(" --manifest-path {}", quote(&path.to_string_lossy()));
        }
        if let Some(name) = &options.package {
            command += &format!(" --package {}", quote(name));
        }
        Ok(Request { workspace, package, scope, command })
    }

    /// Reads the configurations. A workspace without one in its root may have one for each crate.
    ///
    /// # Errors
    ///
    /// Rejects a missing, an ambiguous and an invalid configuration (exit code 2).
    pub(crate) fn load(&self, cx: &Context) -> anyhow::Result<Vec<Subject<'w>>> {
        let target = self.workspace.target_directory.as_path();
        let (start, skipped) = match (self.scope, self.package) {
            (Scope::Crate(package), _) => (package.directory(), self.outside(package)),
            (Scope::Workspace(_), Some(package)) => (package.directory(), vec![target]),
            (Scope::Workspace(packages), None) => {
                let root = &self.workspace.root;
                let root = if root.starts_with(&cx.project.root) { root } else { &cx.project.root };
                if packages.len() > 1 && !Files::are_in(root) {
                    let own = self.load_each(cx, packages)?;
                    if own.len() > 1 {
                        return Ok(own);
                    }
                }
                (root.as_path(), vec![target])
            }
        };
        let Some(files) = Files::find(cx, start, &skipped)? else {
            let (directory, architecture) = (cx.project.relative(start), std::env::consts::ARCH);
            bail!(config::missing(&directory, architecture, &self.command));
        };
        let configuration = Configuration::read(cx, files, self.command.clone())?;
        Ok(vec![Subject { package: None, configuration }])
    }

    /// Reads the configuration of each crate that has one, unless only one has.
    fn load_each(&self, cx: &Context, packages: &'w [Package]) -> anyhow::Result<Vec<Subject<'w>>> {
        let mut found = Vec::new();
        for package in packages {
            let files = Files::find(cx, package.directory(), &self.outside(package))?;
            found.extend(files.map(|files| (package, files)));
        }
        if found.len() < 2 {
            return Ok(Vec::new());
        }
        let read = |(package, files): (&'w Package, Files)| {
            let command = format!("{} --package {}", self.command, quote(&package.name));
            let configuration = Configuration::read(cx, files, command)?;
            Ok(Subject { package: Some(package), configuration })
        };
        found.into_iter().map(read).collect()
    }

    /// Where a package has no configuration: the target directory and the other packages.
    fn outside(&self, package: &Package) -> Vec<&'w Path> {
        let others = self.workspace.packages.iter().filter(|other| other.name != package.name);
        let target = self.workspace.target_directory.as_path();
        others.map(Package::directory).chain([target]).collect()
    }

    /// Returns cargo's argument; a crate without a configuration has all its features.
    pub(crate) fn features(&self, subjects: &[Subject<'_>]) -> Option<String> {
        let of = |name: &str| {
            let is_about = |it: &&Subject<'_>| it.package.is_none_or(|it| it.name == name);
            let subject = subjects.iter().find(is_about);
            subject.map_or(&Features::All, |subject| &subject.configuration.config.features)
        };
        let packages = self.scope.packages().iter().map(|package| (package, of(&package.name)));
        config::argument(&packages.collect::<Vec<_>>())
    }
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
    pub(crate) file: String,
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

/// The files of a configuration.
struct Files {
    config: Option<PathBuf>,
    score: Option<PathBuf>,
    /// Warnings of files that only look like a configuration.
    found: Diagnostics,
}

impl Files {
    /// Finds the configuration nearest to the start: the directory of a crate, or the root. Some
    /// directories below are skipped.
    ///
    /// # Errors
    ///
    /// Rejects an ambiguous one (exit code 2).
    fn find(cx: &Context, start: &Path, skipped: &[&Path]) -> anyhow::Result<Option<Files>> {
        let found = Diagnostics::default();
        let config = nearest(cx, start, skipped, &found)?;
        let home = config.as_deref().and_then(Path::parent).unwrap_or(start);
        let score = Some(home.join(SCORE_FILE)).filter(|path| files::is_plain_file(path));
        if config.is_none() && score.is_none() {
            report_warnings(&found.into_warnings()?);
            return Ok(None);
        }
        Ok(Some(Files { config, score, found }))
    }

    /// Whether a directory itself has a configuration.
    fn are_in(directory: &Path) -> bool {
        let config = config::file_name(std::env::consts::ARCH);
        [&config, SCORE_FILE].iter().any(|name| files::is_plain_file(&directory.join(name)))
    }
}

impl Configuration {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Rejects an invalid one (exit code 2).
    fn read(cx: &Context, files: Files, command: String) -> anyhow::Result<Configuration> {
        let Files { config: config_file, score, found } = files;
        let mut config = Config::default();
        let mut records = Vec::new();
        let mut file = String::new();
        if let Some(path) = score {
            let source = read(cx, &path)?;
            file.clone_from(&source.name);
            let number = config::parse_score_file(&source, &found);
            records.extend(number.map(|number| Record { path, source, number }));
        }
        if let Some(path) = config_file {
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
            let names: Vec<&str> = self.records.iter().map(|it| it.source.name.as_str()).collect();
            let (problem, names) = ("two files record different scores", names.join(" and "));
            Rejected::new(format!("{problem}, {file} and {config}: {names}"))
                .help(format!("make them agree with `{} --set {file:.2}`", self.command))
        })?;
        Ok(Recorded { percent, tolerance: self.config.tolerance })
    }

    /// Checks that the features exist: cargo would report an unknown one as a failed build.
    ///
    /// # Errors
    ///
    /// Rejects a feature that no measured crate has (exit code 2).
    pub(crate) fn check_features(&self, packages: &[Package]) -> anyhow::Result<()> {
        let Features::Chosen(names) = &self.config.features else { return Ok(()) };
        if let Some(problem) = names.iter().find_map(|name| problem_of_feature(packages, name)) {
            bail!(Rejected::new(format!("{}: `crate_features`: {problem}", self.file)));
        }
        Ok(())
    }

    /// The files that record the score, for messages.
    pub(crate) fn names(&self) -> String {
        let names = self.records.iter().map(|record| format!("`{}`", record.source.name));
        names.collect::<Vec<_>>().join(" and ")
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
    start: &Path,
    skipped: &[&Path],
    found: &Diagnostics,
) -> anyhow::Result<Option<PathBuf>> {
    let file_name = config::file_name(std::env::consts::ARCH);
    let is_searched = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Neither hidden nor cargo's.
        !name.starts_with('.')
            && name != "target"
            && *path != cx.project.checkout
            && !skipped.contains(&path.as_path())
    };
    let mut directories = vec![start.to_path_buf()];
    while !directories.is_empty() {
        for directory in &directories {
            warn_of_misleading_names(cx, directory, &file_name, found);
        }
        let candidates = directories.iter().map(|directory| directory.join(&file_name));
        let mut candidates: Vec<PathBuf> =
            candidates.filter(|path| files::is_plain_file(path)).collect();
        if candidates.len() > 1 {
            let names: Vec<String> =
                candidates.iter().map(|path| cx.project.relative(path)).collect();
            bail!(several(&names));
        }
        if !candidates.is_empty() || (directories == [start] && Files::are_in(start)) {
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

/// Warns of names that are not read although they look like a configuration's.
fn warn_of_misleading_names(cx: &Context, directory: &Path, file_name: &str, found: &Diagnostics) {
    for name in directories::names_in(directory) {
        let path = directory.join(&name);
        let problem = if name == file_name {
            (!files::is_plain_file(&path)).then(|| "symbolic links are not followed".to_owned())
        } else {
            config::problem_of_name(&name)
        };
        if let Some(problem) = problem {
            let message = format!("`{}`: {problem}", cx.project.relative(&path));
            found.push(Diagnostic::new(Severity::Warning, message));
        }
    }
}
