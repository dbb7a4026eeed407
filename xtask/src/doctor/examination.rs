//! Reads the repository and checks each part of it.

use std::path::PathBuf;

use crate::cli::pipeline::Selective;
use crate::context::Context;
use crate::doctor::entries::TestEntry;
use crate::doctor::finding::Findings;
use crate::doctor::tree::{Link, Tree};
use crate::doctor::{coverage_record, description, entries, set_up, tree};
use crate::host::{cargo, files};
use crate::inputs as gather;
use crate::inputs::Request;
use crate::plan::placeholder;
use crate::plan::platform::Platform;
use crate::plan::{Inputs, Plan};
use crate::project::{RUST_VERSION, SHIPPED_DESCRIPTION};
use crate::text::diagnostic::{Diagnostic, Diagnostics, Failure, Rejected, Severity, Source};
use crate::text::json::Node;
use crate::tools::installer::{InstallPolicy, Installer};
use crate::tools::requirement::Requirement;
use crate::tools::test_command;

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
        findings: Findings::default(),
        has_cargo: true,
        has_crates: false,
        needs: Vec::new(),
        planned: Vec::new(),
        platforms: Vec::new(),
        measured: Vec::new(),
    };
    examination.toolchain()?;
    examination.submodules()?;
    examination.links();
    examination.descriptions()?;
    examination.cargo_configuration()?;
    examination.hints()?;
    examination.coverage_records()?;
    examination.tools(fix);
    examination.findings.sort();
    Ok(examination.findings)
}

struct Examination<'a> {
    cx: &'a Context,
    tree: &'a Tree,
    findings: Findings,
    /// Whether cargo answers here; its toolchain may be missing.
    has_cargo: bool,
    /// Whether it knows the crates of the workspace.
    has_crates: bool,
    /// What the tests of this machine need, and the first test that does.
    needs: Vec<(Requirement, String)>,
    /// The descriptions that are read with the shipped one, because they are a crate's own.
    planned: Vec<String>,
    /// All that some crate or the root allows.
    platforms: Vec<Platform>,
    /// Those on which the coverage is measured.
    measured: Vec<Platform>,
}

impl Examination<'_> {
    fn toolchain(&mut self) -> anyhow::Result<()> {
        // Rustup reads the first of the two.
        for name in ["rust-toolchain", "rust-toolchain.toml"] {
            if let Some(file) = self.read(name)? {
                let finding = set_up::old_toolchain_file(&file, RUST_VERSION);
                self.findings.extend("toolchain", finding);
                break;
            }
        }
        match self.cx.process(cargo::compiler_version(&self.cx.sh)).read_text() {
            Ok(version) if self.findings.count(Severity::Error) == 0 => {
                self.findings.extend("toolchain", set_up::old_toolchain(&version, RUST_VERSION));
            }
            Ok(_) => (),
            Err(error) => {
                self.has_cargo = false;
                self.findings.push_unavailable(format!("the toolchain: {error:#}"));
            }
        }
        Ok(())
    }

    /// Whether cargo answers, but not here: with a configuration that it cannot read, aliases and
    /// tools would only seem to be missing.
    fn is_refused(&self) -> bool {
        self.has_cargo && !self.has_crates && self.cx.project.manifest().exists()
    }

    fn cargo_configuration(&mut self) -> anyhow::Result<()> {
        let new = self.read(".cargo/config.toml")?;
        // A link to the new name serves old versions of cargo.
        let is_link = self.tree.links.iter().any(|link| link == ".cargo/config");
        let old = if is_link { None } else { self.read(".cargo/config")? };
        if let Some(old) = &old {
            let finding = set_up::old_cargo_config(old, new.is_some());
            self.findings.push("cargo-config", finding);
        }
        let read = old.as_ref().or(new.as_ref());
        if self.has_cargo && !self.is_refused() {
            let alias = gather::choose_alias(self.cx)?;
            let checkout = gather::checkout_path(self.cx)?;
            self.findings.extend("alias", set_up::alias(&alias, read, &checkout));
        }
        let target = read.and_then(|it| set_up::foreign_build_target(it, std::env::consts::ARCH));
        self.findings.extend("build-target", target);
        Ok(())
    }

    /// Information for people.
    fn hints(&mut self) -> anyhow::Result<()> {
        let subdirectory = self.cx.project.subdirectory().display().to_string();
        if !subdirectory.is_empty() {
            self.findings.push("subdirectory", set_up::in_subdirectory(&subdirectory));
        }
        let hook = self.cx.git().hook_path("commit-msg");
        let hook = PathBuf::from(self.cx.process(hook).read_text()?);
        if !self.cx.is_ci() && !hook.exists() {
            let is_own = self.cx.project.is_own_consumer();
            let checkout = if is_own { ".".to_owned() } else { gather::checkout_path(self.cx)? };
            self.findings.push("hook", set_up::missing_hook(&checkout));
        }
        Ok(())
    }

    fn submodules(&mut self) -> anyhow::Result<()> {
        if self.tree.submodules.is_empty() {
            return Ok(());
        }
        let (root, ours) = (&self.cx.project.root, gather::checkout_path(self.cx)?);
        for path in &self.tree.submodules {
            if !root.join(path).join(".git").exists() {
                let finding = set_up::empty_submodule(path, *path == ours);
                self.findings.push("submodule", finding);
            }
        }
        let status = self.cx.git().submodule_status(&self.tree.submodules);
        let status = self.cx.process(status).read_text()?;
        self.findings.extend("submodule", tree::modified_submodules(&status));
        Ok(())
    }

    fn links(&mut self) {
        for path in &self.tree.links {
            let full = self.cx.project.root.join(path);
            let Some(target) = files::link_target(&full) else { continue };
            let link = Link { path, target: &target, leads_somewhere: full.exists() };
            let Some(submodule) = link.submodule(self.tree) else { continue };
            // Before the submodule is there, every link into it leads nowhere.
            let is_there = self.cx.project.root.join(submodule).join(".git").exists();
            let link = Link { leads_somewhere: link.leads_somewhere || !is_there, ..link };
            self.findings.push("link", link.finding());
        }
    }

    fn descriptions(&mut self) -> anyhow::Result<()> {
        let scripts = self.scripts();
        let files = self.json_files()?;
        let mut texts = scripts.iter().chain(files.iter().map(|(source, _)| source));
        let is_inherited = texts.any(|it| description::names_predecessor(&it.text));
        let default_minutes = self.shipped().unwrap_or_default();
        for (source, root) in &files {
            self.entries(source, root);
            let is_overrides = source.name == self.cx.project.overrides_file().1;
            if is_overrides || !description::is_description(&source.name, root) {
                continue;
            }
            self.plan(&source.name, description::needs_crates(root));
            let lost = description::lost_minutes(source, root, default_minutes, is_inherited);
            self.findings.extend("timeout", lost);
            self.findings.extend("tests", description::without_tests(source, root));
            let shipped = Source::new("shipped", SHIPPED_DESCRIPTION);
            let shipped = self.findings.read_json(&shipped);
            let copy = shipped.and_then(|it| description::copy_of_shipped(source, root, &it));
            self.findings.extend("copy", copy);
        }
        Ok(())
    }

    /// What configures the tests; a file that is not JSON is a finding by itself.
    fn json_files(&mut self) -> anyhow::Result<Vec<(Source, Node)>> {
        let mut files = Vec::new();
        let names = self.tree.in_directory(".buildkite");
        for name in names.filter(|name| tree::has_ending(name, "json")) {
            let Some(source) = self.read(name)? else { continue };
            let root = self.findings.read_json(&source);
            files.extend(root.map(|root| (source, root)));
        }
        Ok(files)
    }

    /// Scripts and pipelines, which may call the predecessor's files.
    fn scripts(&mut self) -> Vec<Source> {
        let directories = [".buildkite", ".github"].map(|name| self.tree.in_directory(name));
        let is_script =
            |name: &&str| !tree::has_ending(name, "json") && !tree::has_ending(name, "md");
        let names: Vec<&str> = directories.into_iter().flatten().filter(is_script).collect();
        let mut scripts = Vec::new();
        for name in names {
            let path = self.cx.project.root.join(name);
            // Among them may be pictures, and files that are gone.
            let Ok(bytes) = files::read_bytes(&path, name) else { continue };
            let source = Source::new(name, String::from_utf8_lossy(&bytes));
            self.findings.extend("predecessor", description::predecessors_calls(&source));
            scripts.push(source);
        }
        scripts
    }

    fn entries(&mut self, source: &Source, root: &Node) {
        for test in TestEntry::all(root) {
            self.findings.extend("unknown-key", entries::unknown_keys(source, &test));
            self.findings.extend("glob", entries::globs(source, &test, self.tree));
            self.findings.extend("variable", entries::variables(source, &test));
            self.findings.extend("manifest", entries::edited_manifest(source, &test));
        }
    }

    /// The shipped tests with the overrides, for each crate; what a test without a timeout has.
    fn shipped(&mut self) -> Option<u64> {
        let is_selective = self.has_cargo && self.cx.project.manifest().exists();
        let selective = is_selective.then(|| self.inputs(&[], true)).flatten();
        // Where cargo cannot list the crates, the rest is checked all the same.
        let is_selective = selective.is_some();
        self.has_crates = is_selective;
        let inputs = selective.or_else(|| self.inputs(&[], false))?;
        self.platforms.extend(&inputs.platforms);
        let crates = inputs.workspace.iter().flat_map(|workspace| &workspace.crates);
        self.platforms.extend(crates.flat_map(|member| &member.platforms));
        let own = &inputs.descriptions[inputs.shared..];
        self.planned = own.iter().map(|own| own.source.name.clone()).collect();
        self.plan_of("shipped", &inputs, is_selective, true);
        Some(inputs.settings.timeout_minutes)
    }

    fn plan(&mut self, name: &str, is_selective: bool) {
        let is_planned = self.planned.iter().any(|planned| planned == name);
        // Without the crates every placeholder would be one more error.
        if is_planned || (is_selective && !self.has_crates) {
            return;
        }
        let path = self.cx.project.root.join(name);
        if let Some(inputs) = self.inputs(&[path], is_selective) {
            self.plan_of(name, &inputs, is_selective, false);
        }
    }

    /// Reads descriptions as `pipeline` does, with its errors and warnings.
    fn inputs(&mut self, descriptions: &[PathBuf], enabled: bool) -> Option<Inputs> {
        let selective = Selective { enabled, with_dependents: false };
        let request = Request { descriptions, platform_file: None, selective };
        let mut found = Diagnostics::default();
        let inputs = gather::inputs(self.cx, request, &mut found);
        self.push_all(found.items);
        match inputs {
            Ok(inputs) => Some(inputs),
            Err(error) => {
                match error.downcast::<Rejected>() {
                    Ok(rejected) => self.push_all(rejected.0),
                    Err(error) => self.findings.push_unavailable(format!("{error:#}")),
                }
                None
            }
        }
    }

    /// Adds findings of the readers, which name files of the root by absolute paths.
    fn push_all(&mut self, mut diagnostics: Vec<Diagnostic>) {
        let root = format!("{}/", self.cx.project.root.display());
        for place in diagnostics.iter_mut().filter_map(|item| item.place.as_mut()) {
            if let Some(name) = place.name.strip_prefix(&root) {
                place.name = name.to_owned();
            }
        }
        self.findings.extend("description", diagnostics);
    }

    fn plan_of(&mut self, name: &str, inputs: &Inputs, is_selective: bool, is_shipped: bool) {
        let mut found = Diagnostics::default();
        let plan = Plan::build(inputs, &mut found);
        // One list of names in a variable serves all descriptions.
        let is_variable = |name: &str| !name.contains(['.', '/']);
        found.items.retain(|item| {
            is_shipped
                || item.severity == Severity::Error
                || !item.place.as_ref().is_some_and(|place| is_variable(&place.name))
        });
        self.push_all(found.items);
        let too_many = description::too_many_steps(name, plan.rows.len(), is_selective);
        self.findings.extend("steps", too_many);
        let is_coverage = |command: &str| command.contains("{xtask} coverage");
        let measuring = plan.steps().filter(|step| is_coverage(&step.test.command));
        self.measured.extend(measuring.filter_map(|step| step.platform));
        let here = Platform::from_name(std::env::consts::ARCH);
        for step in plan.steps().filter(|step| step.platform.is_none() || step.platform == here) {
            let environment = step.test.forwarded.get("env");
            let toolchain = environment.and_then(|env| env.get("RUSTUP_TOOLCHAIN")?.as_str());
            let command = step.filled_command(placeholder::XTASK);
            let needs = test_command::requirements(&command, toolchain).into_iter();
            self.needs.extend(needs.map(|need| (need, step.test.name.clone())));
        }
    }

    fn coverage_records(&mut self) -> anyhow::Result<()> {
        let is_record = |name: &&String| coverage_record::architecture(name).is_some();
        let names: Vec<&str> =
            self.tree.files.iter().filter(is_record).map(String::as_str).collect();
        let sources: Vec<&str> = self
            .tree
            .files
            .iter()
            .map(String::as_str)
            .filter(|name| tree::is_source(name))
            .collect();
        for platform in Platform::ALL.into_iter().filter(|it| self.measured.contains(it)) {
            let finding = coverage_record::missing(&names, platform);
            if !self.tree.has("tests/coverage") {
                self.findings.extend("coverage", finding);
            }
        }
        for name in names {
            let Some(source) = self.read(name)? else { continue };
            let architecture = coverage_record::architecture(name).unwrap_or_default();
            // Where no platform could be read, that is an error already.
            let platforms =
                if self.platforms.is_empty() { &Platform::ALL[..] } else { &self.platforms };
            let unread = coverage_record::unread(&source, architecture, platforms);
            self.findings.extend("coverage", unread);
            let Some(root) = self.findings.read_json(&source) else { continue };
            let finding = coverage_record::patterns(&source, &root, &sources);
            self.findings.extend("exclude-path", finding);
        }
        Ok(())
    }

    /// Everything that the tests of this machine need.
    fn tools(&mut self, fix: bool) {
        if self.is_refused() {
            let reason = "tools were not probed: cargo cannot read the workspace";
            return self.findings.push_unavailable(reason);
        }
        self.needs.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.needs.dedup_by(|(one, _), (other, _)| one == other);
        let policy = if fix { InstallPolicy::Allowed } else { InstallPolicy::Forbidden };
        let mut installer = Installer::new(self.cx, policy);
        // The database needs the network.
        let is_local = |need: &Requirement| *need != Requirement::AdvisoryDatabase;
        for (need, test) in self.needs.iter().filter(|(need, _)| is_local(need)) {
            if let Err(Failure { message, help }) = installer.ensure_all(std::slice::from_ref(need))
            {
                let missing = tree::warning(format!("{message}, which the test `{test}` needs"));
                self.findings.push("tool", Diagnostic { help, ..missing });
            }
        }
    }

    /// Reads a file that need not exist.
    fn read(&mut self, name: &str) -> anyhow::Result<Option<Source>> {
        match files::read_text_if_exists(&self.cx.project.root.join(name), name) {
            Ok(text) => Ok(text.map(|text| Source::new(name, text))),
            Err(error) => match error.downcast::<Rejected>() {
                Ok(rejected) => {
                    self.findings.extend("file", rejected.0);
                    Ok(None)
                }
                Err(error) => Err(error),
            },
        }
    }
}
