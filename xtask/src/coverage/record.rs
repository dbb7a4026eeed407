//! Finds, reads and writes the recorded score.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::context::Context;
use crate::coverage::config;
use crate::coverage::config::{Agreement, Config, Features, Number};
use crate::coverage::patch;
use crate::coverage::scope::{Scope, Workspace};
use crate::coverage::score::{Recorded, Score};
use crate::host::terminal::report_warnings;
use crate::host::{files, terminal};
use crate::text::diagnostic::Rejected;
use crate::text::diagnostic::{Diagnostics, Source};

/// The configuration of a crate, and every file that records its score.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) config: Config,
    /// The file that says how it is measured, relative to the root.
    file: String,
    /// What is called to change the record, for messages.
    command: String,
    records: Vec<Record>,
    score_in_file: Option<Number>,
}

/// A file that records the score.
#[derive(Debug)]
struct Record {
    path: PathBuf,
    /// Relative to the root.
    name: String,
    text: String,
    number: Number,
}

/// The file of the older generation, relative to the crate.
const SCORE_FILE: &str = "tests/coverage";

/// Where a configuration is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The directory of the crate, or the root.
    pub(crate) start: &'a Path,
    /// Where nothing is looked for: cargo's target directory, and other crates than the measured.
    pub(crate) left_out: &'a [&'a Path],
}

impl Configuration {
    /// Reads what is nearest to the start. `command` is what people call to measure this.
    pub(crate) fn find(
        cx: &Context,
        place: Place<'_>,
        command: String,
    ) -> anyhow::Result<Configuration> {
        let start = place.start;
        let architecture = std::env::consts::ARCH;
        let file_name = config::file_name(architecture);
        let config_file = nearest(cx, place, &file_name)?;
        let home = config_file.as_deref().and_then(Path::parent).unwrap_or(start);
        let score_file = Some(home.join(SCORE_FILE)).filter(|path| files::is_plain_file(path));
        let mut found = Diagnostics::default();
        let mut configuration = Configuration {
            config: Config::default(),
            file: config_file.as_deref().map(|path| relative(cx, path)).unwrap_or_default(),
            command,
            records: Vec::new(),
            score_in_file: None,
        };
        if let Some(path) = &score_file {
            configuration.read_score_file(cx, path, &mut found)?;
        }
        match &config_file {
            Some(path) => configuration.read_config(cx, path, &mut found)?,
            None if score_file.is_some() => (),
            None => {
                bail!(config::missing(&relative(cx, start), architecture, &configuration.command))
            }
        }
        report_warnings(&found.into_warnings()?);
        if configuration.records.is_empty() {
            let name = &configuration.file;
            bail!(
                Rejected::new(format!("{name}: the key `coverage_score` is missing"))
                    .help("add `\"coverage_score\": 0`")
            );
        }
        Ok(configuration)
    }

    /// The score that a measured one is held against.
    pub(crate) fn recorded(&self) -> anyhow::Result<Recorded> {
        match config::agree(self.score_in_file.as_ref(), self.config.score.as_ref()) {
            Agreement::Recorded(percent) => {
                Ok(Recorded { percent, tolerance: self.config.tolerance })
            }
            Agreement::Disagree { file, config } => {
                let names: Vec<&str> =
                    self.records.iter().map(|record| record.name.as_str()).collect();
                let names = names.join(" and ");
                bail!(
                    Rejected::new(format!(
                        "two files record different scores, {file} and {config}: {names}"
                    ))
                    .help(format!("make them agree with `{} --set {file:.2}`", self.command))
                )
            }
            Agreement::Missing => bail!(Rejected::new("no score is recorded")),
        }
    }

    /// Refuses features that no measured crate has: cargo would do so too, as a build that failed.
    pub(crate) fn check_features(
        &self,
        workspace: &Workspace,
        scope: &Scope,
    ) -> anyhow::Result<()> {
        let Features::Chosen(names) = &self.config.features else { return Ok(()) };
        let problem = names.iter().find_map(|name| workspace.problem_of_feature(name, scope));
        match problem {
            Some(problem) => {
                bail!(Rejected::new(format!("{}: `crate_features`: {problem}", self.file)))
            }
            None => Ok(()),
        }
    }

    /// Where the score stands, for messages.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> =
            self.records.iter().map(|record| format!("`{}`", record.name)).collect();
        names.join(" and ")
    }

    /// Records a score everywhere, if the files are as they were read.
    pub(crate) fn write(&self, score: Score) -> anyhow::Result<()> {
        for record in &self.records {
            let now = files::read_text(&record.path, &record.name)?;
            ensure!(
                now == record.text,
                "`{}` changed meanwhile; record the score with `{} --set {score}`",
                record.name,
                self.command
            );
        }
        for record in &self.records {
            let text = record.number.replace(&record.text, score);
            if text != record.text {
                files::write_atomically(&record.path, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// What [`Configuration::write`] would change, as a patch.
    pub(crate) fn patch(&self, score: Score) -> String {
        let patches = self.records.iter().map(|record| {
            let text = record.number.replace(&record.text, score);
            patch::patch(&record.name, &record.text, &text)
        });
        patches.collect()
    }

    fn read_config(
        &mut self,
        cx: &Context,
        path: &Path,
        found: &mut Diagnostics,
    ) -> anyhow::Result<()> {
        let source = read(cx, path)?;
        if let Some(config) = Config::parse(&source, found) {
            self.config = config;
        }
        if let Some(number) = self.config.score.clone() {
            self.add(path, source, number);
        }
        Ok(())
    }

    fn read_score_file(
        &mut self,
        cx: &Context,
        path: &Path,
        found: &mut Diagnostics,
    ) -> anyhow::Result<()> {
        let source = read(cx, path)?;
        self.score_in_file = config::parse_score_file(&source, found);
        if let Some(number) = self.score_in_file.clone() {
            self.add(path, source, number);
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, source: Source, number: Number) {
        let Source { name, text, .. } = source;
        self.records.push(Record { path: path.to_path_buf(), name, text, number });
    }
}

fn read(cx: &Context, path: &Path) -> anyhow::Result<Source> {
    let name = relative(cx, path);
    let text = files::read_text(path, &name)?;
    Ok(Source::new(name, text))
}

/// The configuration at the smallest depth below `start`; the older file in `start` itself comes
/// before one that is deeper.
fn nearest(cx: &Context, place: Place<'_>, file_name: &str) -> anyhow::Result<Option<PathBuf>> {
    let Place { start, left_out } = place;
    let checkout = &cx.project.checkout;
    let is_searched = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        config::is_searched(&name) && path != checkout && !left_out.contains(&path.as_path())
    };
    let mut directories = vec![start.to_path_buf()];
    while !directories.is_empty() {
        for directory in &directories {
            report_names(cx, directory, file_name);
        }
        let candidates = directories.iter().map(|directory| directory.join(file_name));
        let candidates: Vec<PathBuf> =
            candidates.filter(|path| files::is_plain_file(path)).collect();
        match candidates.as_slice() {
            [] if directories == [start] && files::is_plain_file(&start.join(SCORE_FILE)) => break,
            [] => {
                let below = directories.iter().flat_map(|path| files::directories_in(path));
                directories = below.filter(is_searched).collect();
            }
            [only] => return Ok(Some(only.clone())),
            several => {
                let names: Vec<String> = several.iter().map(|path| relative(cx, path)).collect();
                bail!(
                    Rejected::new(format!(
                        "several crates have a configuration: {}",
                        names.join(", ")
                    ))
                    .help("name one of them with `--package`")
                );
            }
        }
    }
    Ok(None)
}

/// Names that were meant for a configuration and are none.
fn report_names(cx: &Context, directory: &Path, file_name: &str) {
    for name in files::names_in(directory) {
        let path = directory.join(&name);
        let problem = match name == file_name {
            true if files::is_plain_file(&path) => None,
            true => Some("is a link, which is not followed".to_owned()),
            false => config::problem_of_name(&name),
        };
        if let Some(problem) = problem {
            terminal::say(&format!("warning: `{}`: {problem}", relative(cx, &path)));
        }
    }
}

/// A path as people write it at the root.
pub(crate) fn relative(cx: &Context, path: &Path) -> String {
    let relative = path.strip_prefix(&cx.project.root).unwrap_or(path);
    match relative.display().to_string() {
        root if root.is_empty() => ".".to_owned(),
        relative => relative,
    }
}
