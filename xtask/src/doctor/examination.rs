//! Reads the repository and checks each part of it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context as _;

use crate::context::Context;
use crate::doctor::finding::Findings;
use crate::doctor::repository::Tree;
use crate::doctor::{description, repository};
use crate::host::{cargo, files};
use crate::inputs::{self, Request};
use crate::plan::Plan;
use crate::plan::consumer::{self, Alias};
use crate::plan::coverage_config::{self, SCORE_FILE};
use crate::plan::description::TestDescription;
use crate::plan::inputs::{Evidence, Inputs, names_predecessor};
use crate::plan::placeholder;
use crate::plan::platform::Platform;
use crate::project::{Project, RUST_VERSION, SHIPPED_DESCRIPTION};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Severity, Source};
use crate::text::fields::Field;
use crate::text::has_extension;
use crate::text::json::{self, Node};
use crate::tools::Installer;
use crate::tools::requirement::{self, Requirement};

/// Checks everything; `fix` installs the tools that are missing. What cannot be checked is reported,
/// and the rest is checked all the same.
pub(crate) fn examine(cx: &Context, fix: bool) -> Findings {
    // A check must not install a whole toolchain.
    let cx = &cx.with_variable("RUSTUP_AUTO_INSTALL", "0");
    let mut findings = Findings::default();
    let entries = findings.accept("file", cx.process(cx.git().list_entries()).read());
    let is_link = |path: &str| files::link_target(&cx.project.root.join(path)).is_some();
    let tree = entries.as_deref().map(|it| Tree::parse(it, &is_link)).unwrap_or_default();
    let alias = findings.accept("file", inputs::choose_alias(cx)).unwrap_or_default();
    let (needs, measured) = (BTreeMap::new(), Vec::new());
    let mut examination = Examination { cx, tree: &tree, alias, findings, needs, measured };
    let compiler = examination.toolchain();
    let is_selective = compiler.is_some() && cx.project.root.join("Cargo.toml").exists();
    let selective = is_selective.then(|| examination.inputs(true)).flatten();
    // If cargo rejects the configuration, aliases and tools would be reported as missing.
    let is_refused = is_selective && selective.is_none() && inputs::metadata(cx, &cx.sh).is_err();
    // If cargo cannot list the crates, the rest is still checked.
    let inputs = selective.or_else(|| examination.inputs(false));
    let unplanned = match &inputs {
        _ if is_refused => Some("cargo cannot read the workspace"),
        Some(_) => None,
        None => Some("the tests cannot be planned"),
    };
    if let Some(inputs) = &inputs {
        examination.plan("shipped", inputs);
    }
    examination.cargo_configuration(compiler.filter(|_| !is_refused));
    examination.hook_and_directory();
    if entries.is_some() {
        examination.submodules();
        examination.links();
        let platforms = inputs.as_ref().map(allowed_platforms).unwrap_or_default();
        let workspace = inputs.iter().flat_map(|inputs| &inputs.workspace);
        let crates = workspace.flat_map(|workspace| &workspace.crates);
        let crates: Vec<String> = crates.map(|member| member.path.clone()).collect();
        examination.descriptions(inputs);
        examination.coverage_records(&platforms, &crates);
    }
    if let Some(reason) = unplanned {
        examination.findings.unavailable.push(format!("tools were not checked: {reason}"));
    } else {
        examination.tools(fix);
    }
    examination.findings.use_alias(&examination.alias.command);
    examination.findings.sort();
    examination.findings
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
    fn toolchain(&mut self) -> Option<String> {
        // Rustup reads the first of the two.
        let file = self.read("rust-toolchain").or_else(|| self.read("rust-toolchain.toml"));
        let version = self.cx.process(cargo::compiler_version(&self.cx.sh)).read_text();
        let version = self.findings.accept("toolchain", version.context("the toolchain"));
        let finding = file
            .and_then(|file| repository::old_toolchain_file(&file, RUST_VERSION))
            .or_else(|| repository::old_toolchain(version.as_deref()?, RUST_VERSION));
        self.findings.extend("toolchain", finding);
        version
    }

    /// Checks cargo's configuration, and the alias if the compiler's version is known.
    fn cargo_configuration(&mut self, compiler: Option<String>) {
        let new = self.read(".cargo/config.toml");
        // A symlink to the new name is for old versions of cargo.
        let [old, to] =
            [".cargo/config", ".cargo/config.toml"].map(|it| self.cx.project.root.join(it));
        let is_link = files::link_target(&old) == Some(files::resolved(&to));
        let old = if is_link { None } else { self.read(".cargo/config") };
        let finding = old.as_ref().map(|old| repository::old_cargo_config(old, new.is_some()));
        self.findings.extend("cargo-config", finding);
        let config = old.or(new);
        let Some(version) = compiler else {
            return self.findings.unavailable.push("the alias was not checked".to_owned());
        };
        let (alias, config) = (&self.alias, config.as_ref());
        let problem = alias.problem.clone();
        let problem = problem.map(|problem| repository::at_alias(problem, config));
        self.findings.extend("alias", problem);
        if alias.entry.0.is_empty() {
            return;
        }
        if !self.cx.project.is_own_consumer() {
            self.findings.extend("alias", repository::alias_options(alias, config));
        }
        let target = repository::foreign_build_target(config, alias, &version);
        self.findings.extend("build-target", target);
    }

    fn hook_and_directory(&mut self) {
        let subdirectory = self.cx.project.subdirectory().display().to_string();
        if !subdirectory.is_empty() {
            self.findings.extend("subdirectory", [repository::in_subdirectory(&subdirectory)]);
        }
        let hooks = self.findings.accept("hook", inputs::hooks_dir(self.cx));
        let Some(hooks) = hooks.flatten() else { return };
        let hook = hooks.join("commit-msg");
        if fs::symlink_metadata(&hook).is_ok() {
            let name = self.cx.project.relative(&hook);
            let idle =
                (!files::is_executable(&hook)).then(|| repository::non_executable_hook(&name));
            self.findings.extend("hook", idle);
            // It may be any program.
            if let Ok(bytes) = files::read_bytes(&hook, &name) {
                self.copy_of_template(&Source::new(name, String::from_utf8_lossy(&bytes)));
            }
        } else if !self.cx.is_ci() {
            let is_own = self.cx.project.is_own_consumer();
            self.findings.extend("hook", [repository::missing_hook(is_own)]);
        }
    }

    /// Checks whether a copy of a template is current.
    fn copy_of_template(&mut self, file: &Source) {
        let command = &self.alias.command;
        let alias = command.strip_prefix("cargo ").unwrap_or(command);
        if !self.cx.project.is_own_consumer() && consumer::is_stale_copy(&file.text, alias) {
            let is_older = inputs::was_shipped(self.cx, &file.text);
            let is_older = self.findings.accept("template", is_older);
            let stale = is_older.map(|is_older| repository::stale_copy(file, is_older));
            self.findings.extend("template", stale);
        }
    }

    fn submodules(&mut self) {
        let ours = self.findings.accept("file", inputs::checkout_path(self.cx));
        let listed = self.listed_submodules();
        for path in &self.tree.submodules {
            if listed.as_ref().is_some_and(|listed| !listed.contains(path)) {
                self.findings.extend("submodule", [repository::unlisted_submodule(path)]);
            } else if !self.is_checked_out(path) {
                let is_ours = Some(path) == ours.as_ref();
                self.findings.extend("submodule", [repository::empty_submodule(path, is_ours)]);
            }
        }
        // Without `.gitmodules`, git refuses the status too.
        for path in self.tree.submodules.iter().filter(|_| listed.is_some()) {
            // One at a time: if git cannot read a submodule, it says nothing about the others.
            let status = self.cx.git().submodule_status(&[path.clone()].into());
            let status = self.cx.process(status).read_text();
            let status = self.findings.accept("submodule", status).unwrap_or_default();
            self.findings.extend("submodule", repository::modified_submodules(&status));
        }
    }

    /// Returns the paths in `.gitmodules`.
    fn listed_submodules(&mut self) -> Option<Vec<String>> {
        const NONE: i32 = 1;
        let listed = self.cx.process(self.cx.git().listed_submodules()).read_unless(NONE);
        let listed = listed.or_else(|error| {
            let text = files::read_text(&self.cx.project.root.join(".gitmodules"), ".gitmodules")?;
            let source = Source::new(".gitmodules", text);
            Err(repository::invalid_gitmodules(&source, &format!("{error:#}"))
                .map_or(error, Into::into))
        });
        let listed = self.findings.accept("submodule", listed)?.unwrap_or_default();
        let paths = listed.split('\0').filter_map(|entry| entry.split_once('\n'));
        Some(paths.map(|(_, path)| path.to_owned()).collect())
    }

    fn is_checked_out(&self, submodule: &str) -> bool {
        self.cx.project.root.join(submodule).join(".git").exists()
    }

    fn links(&mut self) {
        let root = &self.cx.project.root;
        for path in &self.tree.links {
            let link = root.join(path);
            let Some(target) = files::link_target(&link) else { continue };
            let leads_to = |it: &&String| target.starts_with(files::resolved(&root.join(it)));
            let submodule = self.tree.submodules.iter().find(leads_to);
            // Before the submodule is checked out, every symlink into it dangles.
            let exists = link.exists() || submodule.is_some_and(|it| !self.is_checked_out(it));
            let target = self.cx.project.relative(&target);
            let finding = match submodule {
                Some(_) => repository::link_into_submodule(path, &target, exists),
                None if path.contains(".buildkite/") && !exists => {
                    Source::new(path, target).error(0, "dangling symlink")
                }
                None => continue,
            };
            self.findings.extend("link", [finding]);
        }
    }

    /// Reads what the shipped tests with the overrides are planned from, as `pipeline` does, with its
    /// errors and warnings.
    fn inputs(&mut self, is_selective: bool) -> Option<Inputs> {
        let request = Request { is_selective, ..Request::default() };
        let read = |found: &Diagnostics| inputs::inputs(self.cx, request, found);
        let inputs = self.findings.collect("description", read);
        self.findings.accept("description", inputs)
    }

    fn descriptions(&mut self, mut inputs: Option<Inputs>) {
        let files = self.tree.in_directory(".buildkite");
        let files = files.filter(|name| has_extension(name, &["json"]));
        let files: Vec<Source> = files.filter_map(|name| self.read(name)).collect();
        let is_named = self.scripts() || files.iter().any(|file| names_predecessor(&file.text));
        let had_predecessor = self.had_predecessor(is_named);
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
                let calls = description::predecessors_calls(&source, self.tree);
                self.findings.extend("predecessor", calls);
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
    }

    /// Whether the descriptions were written for the predecessor, as `init` decides it.
    fn had_predecessor(&self, is_named: bool) -> bool {
        // What cannot be read is reported with the submodules.
        let is_committed = inputs::is_committed(self.cx).unwrap_or_default();
        let has_alias = !self.alias.entry.0.is_empty();
        Evidence { has_alias, is_committed, is_named }.of_predecessor()
    }

    /// Checks scripts and configurations, which may call the predecessor's files; returns whether any
    /// names one.
    fn scripts(&mut self) -> bool {
        const MAX_BYTES: u64 = 1 << 20;
        let mut is_named = false;
        for name in self.tree.scripts() {
            let path = self.cx.project.root.join(name);
            // Some may be binary or deleted.
            let is_small = fs::metadata(&path).is_ok_and(|it| it.len() <= MAX_BYTES);
            let bytes = is_small.then(|| files::read_bytes(&path, name).ok()).flatten();
            let Some(bytes) = bytes.filter(|bytes| !bytes.contains(&0)) else { continue };
            let source = Source::new(name, String::from_utf8_lossy(&bytes));
            is_named |= names_predecessor(&source.text);
            self.copy_of_template(&source);
            // This repository itself measures its predecessor.
            if !self.cx.project.is_own_consumer() {
                let calls = description::predecessors_calls(&source, self.tree);
                self.findings.extend("predecessor", calls);
            }
        }
        is_named
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

    fn coverage_records(&mut self, allowed: &[Platform], crates: &[String]) {
        let files = || self.tree.files.iter().map(String::as_str);
        let sources: Vec<&str> = files().filter(|name| has_extension(name, &["rs"])).collect();
        let record = |name| Some((name, consumer::coverage_architecture(name)?));
        let records: Vec<(&str, &str)> = files().filter_map(record).collect();
        let measured = Platform::ALL.into_iter().filter(|it| self.measured.contains(it));
        let measured = measured.filter(|_| !self.tree.files.contains(SCORE_FILE));
        let missing = measured.flat_map(|it| repository::missing_records(&records, crates, it));
        self.findings.extend("coverage", missing);
        if let Some(file) = self.score_file(SCORE_FILE) {
            self.findings
                .collect("coverage", |found| coverage_config::parse_score_file(&file, found));
        }
        // A file without a valid platform is already an error.
        let allowed = if allowed.is_empty() { &Platform::ALL[..] } else { allowed };
        for (name, architecture) in records {
            let Some(source) = self.read(name) else { continue };
            if let Some(unused) = repository::unused_config(&source, architecture, allowed) {
                self.findings.extend("coverage", [unused]);
                continue;
            }
            let root = self.findings.collect("json", |found| json::parse(&source, found));
            let Some(root) = root else { continue };
            let home = name.strip_suffix(&*coverage_config::file_name(architecture));
            let older = self.score_file(&format!("{}{SCORE_FILE}", home.unwrap_or_default()));
            self.findings.collect("coverage", |found| {
                repository::coverage_config(&source, older.as_ref(), found);
            });
            self.findings.collect("exclude-path", |found| {
                repository::dead_alternatives(Field::of(&root, &source, found), &sources)
            });
        }
    }

    /// Reads a file of the older generation; a directory of that name has tests.
    fn score_file(&mut self, name: &str) -> Option<Source> {
        let is_listed = self.tree.files.contains(name);
        is_listed.then(|| self.read(name)).flatten()
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
                if fix {
                    let help = help.map(|help| format!("; {help}")).unwrap_or_default();
                    self.findings.unavailable.push(message + &help);
                    continue;
                }
                let missing = Diagnostic::new(Severity::Warning, message);
                self.findings.extend("tool", [Diagnostic { help, ..missing }]);
            }
        }
    }

    /// Reads a file if it exists.
    fn read(&mut self, name: &str) -> Option<Source> {
        let text = files::read_text_if_exists(&self.cx.project.root.join(name), name);
        Some(Source::new(name, self.findings.accept("file", text)??))
    }
}

/// Takes the crates' own descriptions, and returns their file names.
fn take_own_descriptions(inputs: &mut Inputs) -> Vec<String> {
    let crates = inputs.workspace.iter_mut().flat_map(|workspace| &mut workspace.crates);
    let own = crates.filter_map(|member| member.own_description.take());
    own.map(|description| description.source.name).collect()
}
