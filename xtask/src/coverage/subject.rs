//! What is measured and judged: everything at once, or each crate that has a record of its own.

use std::path::Path;

use anyhow::bail;

use crate::cli::coverage::{Options, ScopeName};
use crate::context::Context;
use crate::coverage::config::{self, Features};
use crate::coverage::diff;
use crate::coverage::llvm_cov::{File, Scope};
use crate::coverage::record::{Configuration, Files, Place};
use crate::coverage::score::Lines;
use crate::inputs;
use crate::plan::metadata::{Metadata, Package};
use crate::text::diagnostic::Rejected;
use crate::text::extended_regex;
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

/// The source files that were measured.
pub(crate) struct Measured {
    pub(crate) counted: Vec<File>,
    excluded: Vec<File>,
}

impl Measured {
    /// Excludes files, each by the configuration that is about it. `root` is that of the repository.
    ///
    /// # Errors
    ///
    /// Rejects a configuration that leaves no line (exit code 2).
    pub(crate) fn new(
        files: Vec<File>,
        subjects: &[Subject<'_>],
        workspace: &Metadata,
        root: &str,
    ) -> anyhow::Result<Measured> {
        let mut measured = Measured { counted: files, excluded: Vec::new() };
        for Subject { package, configuration } in subjects {
            let name = package.map(|package| package.name.as_str());
            if let Some(pattern) = &configuration.config.exclude_path {
                let is_excluded = |file: &mut File| {
                    is_in(&file.path, workspace, name)
                        && extended_regex::matches(pattern, diff::relative(&file.path, root))
                };
                let excluded: Vec<File> = measured.counted.extract_if(.., is_excluded).collect();
                if excluded.is_empty() {
                    configuration.warn_of_useless_pattern();
                }
                measured.excluded.extend(excluded);
            }
            if measured.lines(workspace, name).counted == 0 {
                let of = name.map(|name| format!(" of `{name}`")).unwrap_or_default();
                bail!(
                    Rejected::new(format!("no line{of} was counted"))
                        .help("does `exclude_path` exclude every file?")
                );
            }
        }
        Ok(measured)
    }

    /// The lines of a package, or all.
    pub(crate) fn lines(&self, workspace: &Metadata, package: Option<&str>) -> Lines {
        let files = self.counted.iter().filter(|file| is_in(&file.path, workspace, package));
        files.map(|file| file.lines).sum()
    }

    pub(crate) fn excluded(&self) -> Vec<&str> {
        self.excluded.iter().map(|file| file.path.as_str()).collect()
    }
}

fn is_in(path: &str, workspace: &Metadata, package: Option<&str>) -> bool {
    let owner = workspace.owner_of(path.as_ref());
    package.is_none_or(|name| owner.is_ok_and(|owner| owner.name == name))
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
