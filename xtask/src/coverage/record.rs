//! What is measured, and its recorded score: everything at once, or each crate that has a record of its
//! own.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::coverage::{Options, ScopeName};
use crate::context::Context;
use crate::coverage::report::patch;
use crate::host::terminal::report_warnings;
use crate::host::{directories, files};
use crate::inputs;
use crate::plan::coverage_config::{self, Config, Number, SCORE_FILE};
use crate::plan::metadata::{Metadata, Package, problem_of_feature};
use crate::text::Percent;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Rejected, Severity, Source};
use crate::text::shell::quote;

/// What the command line asks to be measured.
pub(crate) struct Request<'w> {
    workspace: &'w Metadata,
    /// The one whose record counts; otherwise it is that of the whole workspace.
    package: Option<&'w Package>,
    /// The one whose tests run and whose lines count; otherwise these are all members.
    pub(crate) tested: Option<&'w Package>,
    /// The command line that repeats the run, for messages: options may follow.
    pub(crate) command: String,
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
        let package = match (&options.package, options.scope) {
            (Some(name), _) => Some(workspace.package(name)),
            (None, Some(ScopeName::Crate)) => Some(
                workspace.owner_of(&cx.project.manifest_dir(options.manifest_path.as_deref())?),
            ),
            (None, _) => None,
        };
        let package = package.transpose().map_err(Rejected::new)?;
        let tested = package.filter(|_| options.scope != Some(ScopeName::Workspace));
        let mut command = format!("{} coverage", inputs::own_alias(cx)?);
        if let Some(path) = &options.manifest_path {
            command += &format!(" --manifest-path {}", quote(&path.to_string_lossy()));
        }
        if let Some(package) = package {
            command += &format!(" --package {}", quote(&package.name));
            if tested.is_none() {
                command += " --test-scope workspace";
            }
        }
        Ok(Request { workspace, package, tested, command })
    }

    /// Reads the records. A workspace without one in its root may have one for each crate.
    ///
    /// # Errors
    ///
    /// Rejects a missing, an ambiguous and an invalid configuration (exit code 2).
    pub(crate) fn load(&self, cx: &Context) -> anyhow::Result<Vec<Subject<'w>>> {
        let root = &self.workspace.root;
        let root = if root.starts_with(&cx.project.root) { root } else { &cx.project.root };
        let name = coverage_config::file_name(std::env::consts::ARCH);
        let is_in_root = |name: &str| files::is_plain_file(&root.join(name));
        if self.package.is_none() && !is_in_root(&name) && !is_in_root(SCORE_FILE) {
            let found = Diagnostics::default();
            let mut own = Vec::new();
            for package in &self.workspace.packages {
                own.extend(self.find(cx, package.directory(), Some(package), &found)?);
            }
            if own.len() > 1 {
                report_warnings(&found.into_warnings()?);
                return Ok(own);
            }
        }
        let found = Diagnostics::default();
        let start = self.package.map_or(root.as_path(), Package::directory);
        let subject = self.find(cx, start, self.package, &found)?;
        report_warnings(&found.into_warnings()?);
        let Some(subject) = subject else {
            let message =
                format!("there is no `{name}` in `{}` or below it", cx.project.relative(start));
            bail!(Rejected::new(message).help(format!(
                "write these three lines to `{}` and record the score with `{} --devel`:\n\
                 {{\n  \"coverage_score\": 0\n}}",
                cx.project.relative(&start.join(&name)),
                self.command
            )));
        };
        Ok(vec![Subject { package: None, ..subject }])
    }

    /// Reads the configuration nearest to a directory: that of a package, in which the other packages
    /// are skipped, or the root.
    fn find(
        &self,
        cx: &Context,
        start: &Path,
        package: Option<&'w Package>,
        found: &Diagnostics,
    ) -> anyhow::Result<Option<Subject<'w>>> {
        let is_other = |other: &&Package| package.is_some_and(|it| it.name != other.name);
        let others = self.workspace.packages.iter().filter(is_other).map(Package::directory);
        let skipped: Vec<&Path> = others.chain([&*self.workspace.target_directory]).collect();
        let config_file = nearest(cx, start, &skipped, found)?;
        let home = config_file.as_deref().and_then(Path::parent).unwrap_or(start);
        let score_file = Some(home.join(SCORE_FILE)).filter(|path| files::is_plain_file(path));
        if config_file.is_none() && score_file.is_none() {
            return Ok(None);
        }
        let errors = found.errors();
        let mut subject = Subject { package, command: self.command.clone(), ..Subject::default() };
        if let (Some(package), None) = (package, self.package) {
            subject.command += &format!(" --package {}", quote(&package.name));
        }
        for path in score_file.into_iter().chain(config_file) {
            let name = cx.project.relative(&path);
            let source = Source::new(&*name, files::read_text(&path, &name)?);
            subject.file = name;
            let number = if path.ends_with(SCORE_FILE) {
                coverage_config::parse_score_file(&source, found)
            } else {
                subject.config = Config::parse(&source, found);
                subject.config.score.clone()
            };
            subject.records.extend(number.map(|number| Record { path, source, number }));
        }
        match subject.records.first() {
            Some(record) => subject.recorded = record.number.percent,
            None if found.errors() > errors => (),
            None => {
                let message = format!("{}: the key `coverage_score` is missing", subject.file);
                found.push(Diagnostic::error(message).help("add `\"coverage_score\": 0`"));
            }
        }
        Ok(Some(subject))
    }

    /// The packages whose lines count.
    pub(crate) fn packages(&self) -> &'w [Package] {
        self.tested.map_or(&self.workspace.packages, std::slice::from_ref)
    }

    /// Returns cargo's argument; a crate without a configuration has all its features.
    pub(crate) fn features(&self, subjects: &[Subject<'_>]) -> Option<String> {
        let of = |package: &Package| {
            let is_about = |it: &&Subject<'_>| it.package.is_none_or(|it| it.name == package.name);
            subjects.iter().find(is_about)?.config.features.as_deref()
        };
        let packages = self.packages().iter().map(|package| (package, of(package)));
        coverage_config::argument(&packages.collect::<Vec<_>>())
    }
}

/// What one record is about: its configuration, and every file that records the score.
#[derive(Debug, Default)]
pub(crate) struct Subject<'w> {
    /// Everything that is measured, if there is only one subject.
    pub(crate) package: Option<&'w Package>,
    pub(crate) config: Config,
    /// The name of the file that it was read from.
    pub(crate) file: String,
    /// The recorded score, in percent.
    pub(crate) recorded: f64,
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

impl Subject<'_> {
    /// Checks that two files record the same score, and that the features exist: cargo would report an
    /// unknown one as a failed build.
    ///
    /// # Errors
    ///
    /// Rejects scores that differ, and a feature that no measured crate has (exit code 2).
    pub(crate) fn check(&self, measured: &[Package]) -> anyhow::Result<()> {
        let score = self.records.iter().map(|it| (&*it.source.name, it.number.percent));
        if let [one, other] = score.collect::<Vec<_>>()[..]
            && let Some(conflict) = coverage_config::conflict(one, other)
        {
            let help = format!("make them agree with `{} --set {:.2}`", self.command, one.1);
            bail!(Rejected::new(conflict).help(help));
        }
        let packages = self.package.map_or(measured, std::slice::from_ref);
        let mut names = self.config.features.iter().flatten();
        if let Some(problem) = names.find_map(|name| problem_of_feature(packages, name)) {
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
            files::write_atomically(path, number.replace(&source.text, score).as_bytes())?;
        }
        Ok(())
    }

    /// Returns what [`Subject::write`] would change, as a patch.
    pub(crate) fn patch(&self, score: Percent) -> String {
        let patches = self.records.iter().map(|Record { source, number, .. }| {
            patch(&source.name, &source.text, &number.replace(&source.text, score))
        });
        patches.collect()
    }
}

/// Returns the configuration at the smallest depth below the start. The older file in the start
/// itself comes before one that is deeper. Warns of names that are not read although they look like
/// a configuration's.
fn nearest(
    cx: &Context,
    start: &Path,
    skipped: &[&Path],
    found: &Diagnostics,
) -> anyhow::Result<Option<PathBuf>> {
    let file_name = coverage_config::file_name(std::env::consts::ARCH);
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
        let names = directories.iter().flat_map(|directory| {
            directories::names_in(directory).into_iter().map(|name| (directory.join(&name), name))
        });
        let mut candidates = Vec::new();
        for (path, name) in names {
            let problem = match coverage_config::problem_of_name(&name) {
                _ if name == file_name && files::is_plain_file(&path) => {
                    candidates.push(path);
                    continue;
                }
                _ if name == file_name => "symbolic links are not followed".to_owned(),
                Some(problem) => problem,
                None => continue,
            };
            let message = format!("`{}`: {problem}", cx.project.relative(&path));
            found.push(Diagnostic::new(Severity::Warning, message));
        }
        if candidates.len() > 1 {
            let names = candidates.iter().map(|path| cx.project.relative(path));
            bail!(several(&names.collect::<Vec<_>>()));
        }
        if !candidates.is_empty() || files::is_plain_file(&start.join(SCORE_FILE)) {
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
