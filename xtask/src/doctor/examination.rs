//! Reads the repository and checks each part of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::context::Context;
use crate::doctor::finding::Findings;
use crate::doctor::repository::Tree;
use crate::doctor::{description, repository};
use crate::host::{cargo, files};
use crate::inputs::{self, Request};
use crate::plan::Plan;
use crate::plan::consumer::{self, Alias};
use crate::plan::description::TestDescription;
use crate::plan::inputs::{Inputs, names_predecessor};
use crate::plan::placeholder;
use crate::plan::platform::Platform;
use crate::project::{Project, RUST_VERSION, SHIPPED_DESCRIPTION};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Rejected, Severity, Source};
use crate::text::fields::Field;
use crate::text::has_extension;
use crate::text::json::{self, Node};
use crate::tools::Installer;
use crate::tools::requirement::{self, Requirement};

/// Checks everything; `fix` installs the tools that are missing.
///
/// # Errors
///
/// Fails if git cannot list the files, or one of them cannot be read (exit code 75).
pub(crate) fn examine(cx: &Context, fix: bool) -> anyhow::Result<Findings> {
    // A check must not install a whole toolchain.
    let cx = &cx.with_variable("RUSTUP_AUTO_INSTALL", "0");
    let entries = cx.process(cx.git().list_entries()).read()?;
    let tree = Tree::parse(&entries);
    let mut examination = Examination {
        cx,
        tree: &tree,
        // A file that cannot be read is a finding of the check that reads it.
        alias: inputs::choose_alias(cx).unwrap_or_default(),
        findings: Findings::default(),
        needs: BTreeMap::new(),
        measured: Vec::new(),
    };
    let compiler = examination.toolchain()?;
    let is_selective = compiler.is_some() && cx.project.root.join("Cargo.toml").exists();
    examination.submodules()?;
    examination.links();
    let selective = is_selective.then(|| examination.inputs(true)).flatten();
    // If cargo rejects the configuration, aliases and tools would be reported as missing.
    let is_refused = is_selective && selective.is_none();
    // If cargo cannot list the crates, the rest is still checked.
    let inputs = selective.or_else(|| examination.inputs(false));
    let platforms = inputs.as_ref().map(allowed_platforms).unwrap_or_default();
    examination.descriptions(inputs)?;
    examination.cargo_configuration(compiler.filter(|_| !is_refused))?;
    examination.hook_and_directory()?;
    examination.coverage_records(&platforms)?;
    if is_refused {
        let reason = "tools were not checked: cargo cannot read the workspace";
        examination.findings.unavailable.push(reason.to_owned());
    } else {
        examination.tools(fix);
    }
    examination.findings.use_alias(&examination.alias.command);
    examination.findings.sort();
    Ok(examination.findings)
}

/// Returns the platforms that the root or any crate allows.
fn allowed_platforms(inputs: &Inputs) -> Vec<Platform> {
    let crates = inputs.workspace.iter().flat_map(|workspace| &workspace.crates);
    let members = crates.flat_map(|member| &member.platforms);
    inputs.platforms.iter().chain(members).copied().collect()
}

struct Examination<'a> {
    cx: &'a Context,
    tree: &'a Tree,
    alias: Alias,
    findings: Findings,
    /// What this machine's tests need, each with the first test that needs it.
    needs: BTreeMap<Requirement, String>,
    /// The platforms on which coverage is measured.
    measured: Vec<Platform>,
}

impl Examination<'_> {
    /// Returns the compiler's version; its toolchain may be missing.
    fn toolchain(&mut self) -> anyhow::Result<Option<String>> {
        // Rustup reads the first of the two.
        let file = match self.read("rust-toolchain")? {
            Some(file) => Some(file),
            None => self.read("rust-toolchain.toml")?,
        };
        let version = self.cx.process(cargo::compiler_version(&self.cx.sh)).read_text();
        let version = version
            .map_err(|error| self.findings.unavailable.push(format!("the toolchain: {error:#}")))
            .ok();
        let finding = file
            .and_then(|file| repository::old_toolchain_file(&file, RUST_VERSION))
            .or_else(|| repository::old_toolchain(version.as_deref()?, RUST_VERSION));
        self.findings.extend("toolchain", finding);
        Ok(version)
    }

    /// Checks cargo's configuration, and the alias if the compiler's version is known.
    fn cargo_configuration(&mut self, compiler: Option<String>) -> anyhow::Result<()> {
        let new = self.read(".cargo/config.toml")?;
        // A symlink to the new name is for old versions of cargo.
        let is_link = self.tree.links.contains(".cargo/config");
        let old = if is_link { None } else { self.read(".cargo/config")? };
        let finding = old.as_ref().map(|old| repository::old_cargo_config(old, new.is_some()));
        self.findings.extend("cargo-config", finding);
        let config = old.or(new);
        let Some(version) = compiler else { return Ok(()) };
        let (alias, config) = (&self.alias, config.as_ref());
        let problem = alias.problem.clone();
        let problem = problem.map(|problem| repository::at_alias(problem, config));
        self.findings.extend("alias", problem);
        if alias.entry.0.is_empty() {
            return Ok(());
        }
        if !self.cx.project.is_own_consumer() {
            self.findings.extend("alias", repository::alias_options(alias, config));
        }
        let target = repository::foreign_build_target(config, alias, &version);
        self.findings.extend("build-target", target);
        Ok(())
    }

    fn hook_and_directory(&mut self) -> anyhow::Result<()> {
        let subdirectory = self.cx.project.subdirectory().display().to_string();
        if !subdirectory.is_empty() {
            self.findings.extend("subdirectory", [repository::in_subdirectory(&subdirectory)]);
        }
        let hook = self.cx.git().git_path("hooks/commit-msg");
        let hook = PathBuf::from(self.cx.process(hook).read_text()?);
        if hook.exists() {
            let hook = self.read(&self.cx.project.relative(&hook))?;
            hook.map(|hook| self.copy_of_template(&hook)).transpose()?;
        } else if !self.cx.is_ci() {
            let is_own = self.cx.project.is_own_consumer();
            self.findings.extend("hook", [repository::missing_hook(is_own)]);
        }
        Ok(())
    }

    /// Checks whether a copy of a template is current.
    fn copy_of_template(&mut self, file: &Source) -> anyhow::Result<()> {
        if !consumer::is_copy(&file.text) || self.cx.project.is_own_consumer() {
            return Ok(());
        }
        let command = &self.alias.command;
        let alias = command.strip_prefix("cargo ").unwrap_or(command);
        if consumer::as_copied_now(&file.text, alias).is_some_and(|now| now != file.text) {
            let is_older = inputs::was_shipped(self.cx, &file.text)?;
            self.findings.extend("template", [repository::stale_copy(file, is_older)]);
        }
        Ok(())
    }

    fn submodules(&mut self) -> anyhow::Result<()> {
        let ours = inputs::checkout_path(self.cx)?;
        let empty = self.tree.submodules.iter().filter(|path| !self.is_checked_out(path));
        let empty: Vec<Diagnostic> =
            empty.map(|path| repository::empty_submodule(path, *path == ours)).collect();
        self.findings.extend("submodule", empty);
        let status = self.cx.git().submodule_status(&self.tree.submodules);
        let status = self.cx.process(status).read_text()?;
        self.findings.extend("submodule", repository::modified_submodules(&status));
        Ok(())
    }

    fn is_checked_out(&self, submodule: &str) -> bool {
        self.cx.project.root.join(submodule).join(".git").exists()
    }

    fn links(&mut self) {
        let root = &self.cx.project.root;
        for path in &self.tree.links {
            let Some(target) = files::link_target(&root.join(path)) else { continue };
            let leads_to = |it: &&String| target.starts_with(files::resolved(&root.join(it)));
            let Some(submodule) = self.tree.submodules.iter().find(leads_to) else { continue };
            // Before the submodule is checked out, every symlink into it dangles.
            let exists = target.exists() || !self.is_checked_out(submodule);
            let target = self.cx.project.relative(&target);
            let finding = repository::link_into_submodule(path, &target, exists);
            self.findings.extend("link", [finding]);
        }
    }

    /// Reads what the shipped tests with the overrides are planned from, as `pipeline` does, with its
    /// errors and warnings.
    fn inputs(&mut self, is_selective: bool) -> Option<Inputs> {
        let request = Request { is_selective, ..Request::default() };
        let read = |found: &Diagnostics| inputs::inputs(self.cx, request, found).map(Some);
        let inputs = self.findings.collect("description", read);
        let inputs = inputs.or_else(|error| self.reject("description", error).map(|()| None));
        inputs.map_err(|error| self.findings.unavailable.push(format!("{error:#}"))).ok()?
    }

    /// Adds the findings of rejected input. Returns any other error.
    fn reject(&mut self, check: &'static str, error: anyhow::Error) -> anyhow::Result<()> {
        self.findings.extend(check, error.downcast::<Rejected>()?.0);
        Ok(())
    }

    fn descriptions(&mut self, mut inputs: Option<Inputs>) -> anyhow::Result<()> {
        let scripts = self.scripts()?;
        let files = self.tree.in_directory(".buildkite");
        let files = files.filter(|name| has_extension(name, &["json"]));
        let files = files.filter_map(|name| self.read(name).transpose());
        let files = files.collect::<anyhow::Result<Vec<Source>>>()?;
        let mut texts = scripts.iter().chain(&files).map(|source| &source.text);
        let had_predecessor = texts.any(|text| names_predecessor(text));
        if let Some(inputs) = &mut inputs {
            self.plan("shipped", inputs);
        }
        let planned: Vec<String> = inputs.as_mut().map(take_own_descriptions).unwrap_or_default();
        let mut workspace = inputs.as_mut().and_then(|inputs| inputs.workspace.take());
        let shipped = Source::new("shipped", SHIPPED_DESCRIPTION);
        let shipped = TestDescription::parse(shipped, &Diagnostics::default());
        for source in files {
            let root = self.findings.collect("json", |found| json::parse(&source, found));
            let Some(root) = root else { continue };
            let name = source.name.clone();
            if name == Project::OVERRIDES {
                self.check_tests(&source, &root);
                continue;
            }
            if !description::is_description(&name, &root) {
                continue;
            }
            self.findings.extend("tests", description::without_tests(&source, &root));
            let read = |found: &Diagnostics| TestDescription::parse(source, found);
            let description = self.findings.collect("description", read);
            self.check_tests(&description.source, &root);
            let copy = description::copy_of_shipped(&description, &shipped);
            self.findings.extend("copy", copy);
            let Some(inputs) = &mut inputs else { continue };
            let minutes = inputs.settings.timeout_minutes;
            let lost = description::lost_timeout(&description, minutes, had_predecessor);
            self.findings.extend("timeout", lost);
            let is_selective = description::needs_crates(&description);
            // Without the crates every placeholder would be one more error.
            if planned.contains(&name) || (is_selective && workspace.is_none()) {
                continue;
            }
            inputs.shared = vec![description];
            inputs.workspace = workspace.take_if(|_| is_selective);
            self.plan(&name, inputs);
            workspace = workspace.or(inputs.workspace.take());
        }
        Ok(())
    }

    /// Scripts and pipelines, which may call the predecessor's files.
    fn scripts(&mut self) -> anyhow::Result<Vec<Source>> {
        let directories = [".buildkite", ".github"].map(|name| self.tree.in_directory(name));
        let is_script = |name: &&str| !has_extension(name, &["json", "md"]);
        let mut scripts = Vec::new();
        for name in directories.into_iter().flatten().filter(is_script) {
            // Some may be binary or deleted.
            let bytes = files::read_bytes(&self.cx.project.root.join(name), name);
            let Ok(bytes) = bytes else { continue };
            let source = Source::new(name, String::from_utf8_lossy(&bytes));
            self.findings.extend("predecessor", description::predecessors_calls(&source));
            self.copy_of_template(&source)?;
            scripts.push(source);
        }
        Ok(scripts)
    }

    /// Checks single keys. Of equal findings the reader's own, which come first, are kept.
    fn check_tests(&mut self, source: &Source, root: &Node) {
        for (check, read) in description::TEST_CHECKS {
            self.findings.collect(check, |found| {
                for test in description::tests(Field::of(root, source, found)) {
                    read(test, self.tree);
                }
            });
        }
    }

    /// Plans the steps, and adds what those for this machine need.
    fn plan(&mut self, name: &str, inputs: &Inputs) {
        let plan = self.findings.collect("description", |found| Plan::build(inputs, found));
        let is_selective = inputs.workspace.is_some();
        let too_many = description::too_many_steps(name, plan.steps.len(), is_selective);
        self.findings.extend("steps", too_many);
        let here = Platform::from_name(std::env::consts::ARCH).ok();
        for step in &plan.steps {
            if step.test.command.contains("{xtask} coverage") {
                self.measured.extend(step.platform);
            }
            if step.platform.is_some() && step.platform != here {
                continue;
            }
            let environment = step.test.forwarded.get("env");
            let toolchain = environment.and_then(|env| env.get("RUSTUP_TOOLCHAIN")?.as_str());
            let command = step.filled_command(placeholder::XTASK);
            for need in requirement::of_line(&command, toolchain) {
                self.needs.entry(need).or_insert_with(|| step.test.name.clone());
            }
        }
    }

    fn coverage_records(&mut self, allowed: &[Platform]) -> anyhow::Result<()> {
        let files = || self.tree.files.iter().map(String::as_str);
        let sources: Vec<&str> = files().filter(|name| has_extension(name, &["rs"])).collect();
        let record = |name| Some((name, consumer::coverage_architecture(name)?));
        let records: Vec<(&str, &str)> = files().filter_map(record).collect();
        let measured = Platform::ALL.into_iter().filter(|it| self.measured.contains(it));
        let measured = measured.filter(|_| !self.tree.files.contains("tests/coverage"));
        let missing = measured.filter_map(|it| repository::missing_record(&records, it));
        self.findings.extend("coverage", missing);
        // A file without a valid platform is already an error.
        let allowed = if allowed.is_empty() { &Platform::ALL[..] } else { allowed };
        for (name, architecture) in records {
            let Some(source) = self.read(name)? else { continue };
            let unused = repository::unused_config(&source, architecture, allowed);
            self.findings.extend("coverage", unused);
            let root = self.findings.collect("json", |found| json::parse(&source, found));
            let Some(root) = root else { continue };
            self.findings.collect("exclude-path", |found| {
                repository::exclude_path(Field::of(&root, &source, found), &sources)
            });
        }
        Ok(())
    }

    /// Everything that the tests of this machine need.
    fn tools(&mut self, fix: bool) {
        let mut installer = Installer::new(self.cx);
        installer.may_install = fix;
        // The database needs the network.
        self.needs.remove(&Requirement::AdvisoryDatabase);
        for (need, test) in &self.needs {
            let needed = installer.ensure_all(std::slice::from_ref(need));
            if let Err(Failure { message, help }) = needed {
                let message = format!("{message}; the test `{test}` requires it");
                let missing = Diagnostic::new(Severity::Warning, message);
                self.findings.extend("tool", [Diagnostic { help, ..missing }]);
            }
        }
    }

    /// Reads a file if it exists.
    fn read(&mut self, name: &str) -> anyhow::Result<Option<Source>> {
        let text = files::read_text_if_exists(&self.cx.project.root.join(name), name);
        let text = text.or_else(|error| self.reject("file", error).map(|()| None))?;
        Ok(text.map(|text| Source::new(name, text)))
    }
}

/// Takes the crates' own descriptions, and returns their file names.
fn take_own_descriptions(inputs: &mut Inputs) -> Vec<String> {
    let crates = inputs.workspace.iter_mut().flat_map(|workspace| &mut workspace.crates);
    let own = crates.filter_map(|member| member.own_description.take());
    own.map(|description| description.source.name).collect()
}
