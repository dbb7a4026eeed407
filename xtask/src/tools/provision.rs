//! Sees to it that what a command needs is there: probes, installs what is missing if that is
//! allowed, and says what to do where it is not.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use xshell::Cmd;

use crate::context::Context;
use crate::host::{cargo, files, rustup, terminal};
use crate::text::diagnostic::Failure;
use crate::tools::advisory_database::AdvisoryDatabase;
use crate::tools::llvm as llvm_tools;
use crate::tools::llvm::Tools;
use crate::tools::requirement::{Prerequisite, Tool};

/// Whether missing parts may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installing {
    Allowed,
    Forbidden,
}

/// Looks at each prerequisite once.
pub(crate) struct Provision<'a> {
    cx: &'a Context,
    installing: Installing,
    known: HashMap<Prerequisite, Result<(), Failure>>,
    found_llvm_tools: Option<Tools>,
}

impl<'a> Provision<'a> {
    pub(crate) fn new(cx: &'a Context, installing: Installing) -> Provision<'a> {
        Provision { cx, installing, known: HashMap::new(), found_llvm_tools: None }
    }

    /// All that a command needs, in the given order, up to the first that cannot be had.
    pub(crate) fn ensure_all(&mut self, needs: &[Prerequisite]) -> Result<(), Failure> {
        needs.iter().try_for_each(|need| self.ensure(need))
    }

    /// Whether the tools among some prerequisites are there, without doing anything about it.
    pub(crate) fn has_tools(&self, needs: &[Prerequisite]) -> bool {
        needs.iter().all(|need| match need {
            Prerequisite::CargoTool { tool } => self.find_program(tool.package).is_some(),
            _ => true,
        })
    }

    /// Where LLVM's tools are, once they were ensured.
    pub(crate) fn into_llvm_tools(self) -> Option<Tools> {
        self.found_llvm_tools
    }

    fn ensure(&mut self, need: &Prerequisite) -> Result<(), Failure> {
        if let Some(known) = self.known.get(need) {
            return known.clone();
        }
        let answer = match need {
            Prerequisite::ActiveToolchain => self.active_toolchain(),
            Prerequisite::AdvisoryDatabase => self.advisory_database(),
            Prerequisite::Toolchain { name } => self.toolchain(name),
            Prerequisite::Component { name, toolchain } => {
                self.component(name, toolchain.as_deref())
            }
            Prerequisite::Target { triple, toolchain } => self.target(triple, toolchain.as_deref()),
            Prerequisite::LlvmTools => self.llvm_tools(),
            Prerequisite::Subcommand { name } => self.subcommand(name),
            Prerequisite::CargoTool { tool } => self.tool(tool),
        };
        self.known.insert(need.clone(), answer.clone());
        answer
    }

    /// Cheap, and asked before anybody compiles `cargo-audit` for minutes. A configuration that
    /// cannot be read is left to the command to report.
    fn advisory_database(&self) -> Result<(), Failure> {
        let Ok(database) = AdvisoryDatabase::configured(self.cx, None, false) else {
            return Ok(());
        };
        database.check_reachable(self.cx)
    }

    /// A toolchain file may name one that is not installed; rustup would install it unasked.
    fn active_toolchain(&self) -> Result<(), Failure> {
        // Whatever else is wrong with cargo is for its own command to say.
        let is_refused = |output: &Output| {
            let words = String::from_utf8_lossy(&output.stderr);
            !output.status.success() && words.contains("is not installed")
        };
        let ask = || self.ask(cargo::version(&self.cx.sh, None, None));
        let is_there = || !ask().as_ref().is_some_and(is_refused);
        let install = || rustup::install_active_toolchain(&self.cx.sh);
        self.add_with_rustup("the toolchain of this directory", is_there, install)
    }

    fn subcommand(&self, name: &str) -> Result<(), Failure> {
        let program = format!("cargo-{name}");
        let is_listed =
            |list: &str| list.lines().any(|line| line.split_whitespace().next() == Some(name));
        if self.find_program(&program).is_some()
            || self.output_line(cargo::list(&self.cx.sh)).is_some_and(|list| is_listed(&list))
        {
            return Ok(());
        }
        Err(Failure::new(format!("there is no `cargo {name}`"))
            .help(format!("run `cargo install --locked {program}`")))
    }

    fn toolchain(&self, name: &str) -> Result<(), Failure> {
        if self.succeeds(cargo::version(&self.cx.sh, Some(name), None)) {
            return Ok(());
        }
        Err(Failure::new(format!("there is no toolchain `{name}`"))
            .help(format!("run `rustup toolchain install {name}`")))
    }

    fn component(&self, name: &str, toolchain: Option<&str>) -> Result<(), Failure> {
        let subcommand = name.strip_prefix("rust").unwrap_or(name);
        let is_there = || self.succeeds(cargo::version(&self.cx.sh, toolchain, Some(subcommand)));
        let add = || rustup::add_component(&self.cx.sh, name, toolchain);
        self.add_with_rustup(&format!("the component `{name}`"), is_there, add)
    }

    fn target(&self, triple: &str, toolchain: Option<&str>) -> Result<(), Failure> {
        let is_there = || {
            let libdir = self.output_line(cargo::target_libdir(&self.cx.sh, toolchain, triple));
            libdir.is_some_and(|path| Path::new(&path).is_dir())
        };
        let add = || rustup::add_target(&self.cx.sh, triple, toolchain);
        self.add_with_rustup(&format!("the target `{triple}`"), is_there, add)
    }

    /// The component of the toolchain, else what the user names, else a distribution's own.
    fn llvm_tools(&mut self) -> Result<(), Failure> {
        let there = llvm_tools::of_toolchain(self.cx).or_else(|| llvm_tools::named(self.cx));
        if there.is_some() {
            self.found_llvm_tools = there;
            return Ok(());
        }
        let add = || rustup::add_component(&self.cx.sh, "llvm-tools", None);
        let is_there = || llvm_tools::of_toolchain(self.cx).is_some();
        match self.add_with_rustup("the component `llvm-tools`", is_there, add) {
            Ok(()) => {
                self.found_llvm_tools = Some(Tools::OfToolchain);
                Ok(())
            }
            Err(missing) => {
                self.found_llvm_tools = llvm_tools::numbered(self.cx);
                let help = format!(
                    "{}, or install a package `llvm-N` that can read the profiles of this toolchain, \
                     or set LLVM_COV and LLVM_PROFDATA",
                    missing.help.as_deref().unwrap_or_default()
                );
                let is_found = self.found_llvm_tools.is_some();
                if is_found { Ok(()) } else { Err(missing.help(help)) }
            }
        }
    }

    fn tool(&self, tool: &Tool) -> Result<(), Failure> {
        if self.find_program(tool.package).is_some() {
            return Ok(());
        }
        let dir = self.cx.project.tools_dir();
        let spec = format!("{}@{}", tool.package, tool.version);
        let by_hand = format!("run `cargo install --locked {spec}`");
        if self.installing == Installing::Forbidden {
            return Err(Failure::new(format!("`{}` is missing", tool.package)).help(by_hand));
        }
        terminal::say(&format!(
            "`{}` is missing: installing {spec} into {}",
            tool.package,
            dir.display()
        ));
        // In the root directory no toolchain file of the consumer decides who builds the tool.
        let _root = self.cx.sh.push_dir("/");
        if self.succeeds_aloud(cargo::install(&self.cx.sh, tool.package, tool.version, &dir)) {
            return Ok(());
        }
        Err(Failure::new(format!("`{}` is missing and cannot be installed", tool.package))
            .help(by_hand))
    }

    fn add_with_rustup<'c>(
        &self,
        what: &str,
        is_there: impl Fn() -> bool,
        add: impl Fn() -> Cmd<'c>,
    ) -> Result<(), Failure> {
        if is_there() {
            return Ok(());
        }
        let line = add().to_string();
        let missing = |reason: String| Err(Failure::new(reason).help(format!("run `{line}`")));
        if self.installing == Installing::Forbidden {
            return missing(format!("{what} is missing"));
        }
        terminal::say(&format!("{what} is missing: adding it with rustup"));
        if self.succeeds_aloud(add()) && is_there() {
            return Ok(());
        }
        missing(format!("{what} is missing and rustup cannot add it"))
    }

    /// A program on PATH, among cargo's own or among those installed here.
    fn find_program(&self, name: &str) -> Option<PathBuf> {
        let dirs = [self.cx.cargo_home(), self.cx.project.tools_dir()].into_iter();
        let mut elsewhere = dirs.map(|dir| dir.join("bin").join(name));
        self.cx
            .find_program(name)
            .or_else(|| elsewhere.find(|candidate| files::is_executable(candidate)))
    }

    fn succeeds(&self, probe: Cmd<'_>) -> bool {
        self.probe(probe).is_some()
    }

    fn probe(&self, cmd: Cmd<'_>) -> Option<Output> {
        self.ask(cmd).filter(|output| output.status.success())
    }

    /// Asking must not install a whole toolchain.
    fn ask(&self, cmd: Cmd<'_>) -> Option<Output> {
        self.cx.process(cmd.env("RUSTUP_AUTO_INSTALL", "0")).output().ok()
    }

    fn succeeds_aloud(&self, cmd: Cmd<'_>) -> bool {
        match self.cx.process(cmd).shown().stream().status() {
            Ok(status) => status.success(),
            Err(error) => {
                terminal::say(&format!("{error:#}"));
                false
            }
        }
    }

    fn output_line(&self, cmd: Cmd<'_>) -> Option<String> {
        let text = String::from_utf8(self.probe(cmd)?.stdout).ok()?;
        Some(text.trim().to_owned())
    }
}
