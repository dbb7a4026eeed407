//! External tools: probes what a command needs, installs what is missing where that is allowed, and
//! names the fix where it is not.

pub(crate) mod advisory_database;
pub(crate) mod buildkite_agent;
pub(crate) mod llvm;
pub(crate) mod requirement;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use xshell::{Cmd, Shell, cmd};

use crate::context::Context;
use crate::host::{cargo, files, lock, terminal};
use crate::text::diagnostic::Failure;
use crate::tools::advisory_database::AdvisoryDatabase;
use crate::tools::llvm::Tools;
use crate::tools::requirement::{Requirement, Tool};

/// Provides what commands need.
pub(crate) struct Installer<'a> {
    cx: &'a Context,
    /// Whether what is missing is installed.
    pub(crate) may_install: bool,
    /// LLVM's tools that were found where the toolchain has no component of its own.
    pub(crate) llvm_tools: Option<Tools>,
}

impl<'a> Installer<'a> {
    pub(crate) fn new(cx: &'a Context) -> Installer<'a> {
        Installer { cx, may_install: true, llvm_tools: None }
    }

    /// Provides all that a command needs, in the given order.
    ///
    /// # Errors
    ///
    /// Fails at the first requirement that is missing and is not installed (exit code 75).
    pub(crate) fn ensure_all(&mut self, needs: &[Requirement]) -> Result<(), Failure> {
        needs.iter().try_for_each(|need| self.ensure(need))
    }

    fn ensure(&mut self, need: &Requirement) -> Result<(), Failure> {
        match need {
            Requirement::ActiveToolchain => self.active_toolchain(),
            Requirement::AdvisoryDatabase => self.advisory_database(),
            Requirement::Toolchain { name } => self.toolchain(name),
            Requirement::Component { name, toolchain } => {
                self.component(name, toolchain.as_deref())
            }
            Requirement::Target { triple, toolchain } => self.target(triple, toolchain.as_deref()),
            Requirement::LlvmTools => self.llvm_tools(),
            Requirement::Subcommand { name } => self.subcommand(name),
            Requirement::Tool(tool) => self.tool(tool),
        }
    }

    /// Cheap, and asked before `cargo-audit` is compiled for minutes. A configuration that cannot be
    /// read is left to the command to report.
    fn advisory_database(&self) -> Result<(), Failure> {
        let database = AdvisoryDatabase::configured(self.cx, None, false);
        database.map_or(Ok(()), |database| database.check_reachable(self.cx))
    }

    /// A toolchain file may name one that is not installed; rustup would install it unasked.
    fn active_toolchain(&self) -> Result<(), Failure> {
        if self.cx.find_program("cargo").is_none() {
            return Err(Failure::new("there is no `cargo` on PATH")
                .help("install Rust, as https://rustup.rs says, or correct PATH"));
        }
        let is_there = || {
            let asked = self.cx.process(probe(version(&self.cx.sh, None, None))).read();
            // Whatever else is wrong with cargo, the command reports itself.
            !asked.is_err_and(|error| error.to_string().contains("is not installed"))
        };
        let install = cmd!(self.cx.sh, "rustup toolchain install");
        self.provide("the toolchain of this directory", &is_there, install)
    }

    fn subcommand(&self, name: &str) -> Result<(), Failure> {
        let program = format!("cargo-{name}");
        let is_listed =
            |list: String| list.lines().any(|line| line.split_whitespace().next() == Some(name));
        let list = || self.read(cargo::list(&self.cx.sh));
        if self.has_program(&program) || list().is_some_and(is_listed) {
            return Ok(());
        }
        let help = requirement::installation(name).map(|line| format!("run `{line}`"));
        Err(Failure { message: format!("there is no `cargo {name}`"), help })
    }

    fn toolchain(&self, name: &str) -> Result<(), Failure> {
        if self.read(version(&self.cx.sh, Some(name), None)).is_some() {
            return Ok(());
        }
        Err(Failure::new(format!("there is no toolchain `{name}`"))
            .help(format!("run `rustup toolchain install {name}`")))
    }

    fn component(&self, name: &str, toolchain: Option<&str>) -> Result<(), Failure> {
        let subcommand = name.strip_prefix("rust").unwrap_or(name);
        let is_there = || self.read(version(&self.cx.sh, toolchain, Some(subcommand))).is_some();
        let add = add(&self.cx.sh, "component", name, toolchain);
        self.provide(&format!("the component `{name}`"), &is_there, add)
    }

    fn target(&self, triple: &str, toolchain: Option<&str>) -> Result<(), Failure> {
        let sh = &self.cx.sh;
        let is_there = || {
            let toolchain = toolchain.map(|name| format!("+{name}"));
            let cmd = cmd!(sh, "rustc {toolchain...} --print target-libdir --target {triple}");
            self.read(cmd).is_some_and(|path| Path::new(&path).is_dir())
        };
        let add = add(sh, "target", triple, toolchain);
        self.provide(&format!("the target `{triple}`"), &is_there, add)
    }

    /// The component of the toolchain, else what the user names, else a distribution's own.
    fn llvm_tools(&mut self) -> Result<(), Failure> {
        if llvm::has_component(self.cx) {
            return Ok(());
        }
        self.llvm_tools = llvm::named(self.cx);
        if self.llvm_tools.is_some() {
            return Ok(());
        }
        let add = add(&self.cx.sh, "component", "llvm-tools", None);
        let is_there = || llvm::has_component(self.cx);
        let added = self.provide("the component `llvm-tools`", &is_there, add);
        added.or_else(|missing| {
            self.llvm_tools = llvm::numbered(self.cx);
            let help = format!(
                "{}, or install a package `llvm-N` that can read the profiles of this toolchain, or \
                 set LLVM_COV and LLVM_PROFDATA",
                missing.help.as_deref().unwrap_or_default()
            );
            if self.llvm_tools.is_some() { Ok(()) } else { Err(missing.help(help)) }
        })
    }

    fn tool(&self, Tool { package, version }: &Tool) -> Result<(), Failure> {
        let dir = self.cx.project.tools_dir();
        // In the root directory no toolchain file of the consumer decides who builds the tool.
        let sh = self.cx.sh.clone();
        sh.change_dir("/");
        let install = cmd!(sh, "cargo install --locked --root {dir} {package}@{version}");
        self.provide(&format!("`{package}`"), &|| self.has_program(package), install).map_err(
            |missing| missing.help(format!("run `cargo install --locked {package}@{version}`")),
        )
    }

    /// Installs something, where it is missing and that is allowed.
    fn provide(
        &self,
        what: &str,
        is_there: &dyn Fn() -> bool,
        install: Cmd<'_>,
    ) -> Result<(), Failure> {
        if is_there() {
            return Ok(());
        }
        let help = format!("run `{install}`");
        let missing =
            |reason: &str| Err(Failure::new(format!("{what} is missing{reason}")).help(&help));
        if !self.may_install {
            return missing("");
        }
        let _one_at_a_time = lock(&INSTALLING);
        if is_there() {
            return Ok(());
        }
        terminal::note(&format!("{what} is missing: installing it"));
        match self.cx.process(install).shown().stream().succeeds() {
            Ok(true) if is_there() => return Ok(()),
            Ok(_) => (),
            Err(error) => terminal::report_error(&error),
        }
        missing(" and cannot be installed")
    }

    /// Whether a program is on PATH, among cargo's own or among those installed here.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        let dirs: [PathBuf; 2] = [self.cx.cargo_home(), self.cx.project.tools_dir()];
        self.cx.find_program(name).is_some()
            || dirs.iter().any(|dir| files::is_executable(&dir.join("bin").join(name)))
    }

    /// What a probe prints, if it succeeds.
    fn read(&self, cmd: Cmd<'_>) -> Option<String> {
        self.cx.process(probe(cmd)).read_text().ok()
    }
}

/// Held while something is installed: two tests that miss the same tool would both build it.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A probe must not install a whole toolchain.
fn probe(cmd: Cmd<'_>) -> Cmd<'_> {
    cmd.env("RUSTUP_AUTO_INSTALL", "0")
}

/// `toolchain` is what follows `cargo +`.
fn version<'sh>(sh: &'sh Shell, toolchain: Option<&str>, subcommand: Option<&str>) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("+{name}"));
    cmd!(sh, "cargo {toolchain...} {subcommand...} --version")
}

/// `kind` is `component` or `target`.
fn add<'sh>(sh: &'sh Shell, kind: &str, name: &str, toolchain: Option<&str>) -> Cmd<'sh> {
    let toolchain = toolchain.map(|name| format!("--toolchain={name}"));
    cmd!(sh, "rustup {kind} add {toolchain...} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_added_to_the_toolchain_that_the_command_names() {
        let sh = Shell::new().unwrap();
        assert_eq!(
            add(&sh, "component", "miri", Some("nightly")).to_string(),
            "rustup component add --toolchain=nightly miri"
        );
        assert_eq!(
            add(&sh, "target", "x86_64-unknown-linux-musl", None).to_string(),
            "rustup target add x86_64-unknown-linux-musl"
        );
    }
}
