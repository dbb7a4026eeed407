//! Pure. What a command needs before it can run, and the tools that are installed on demand.

/// Something that has to be there before a test runs. Ordered from cheap to expensive to probe and
/// to install, which is the order in which they are probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Requirement {
    /// The toolchain that a toolchain file or the user has chosen.
    ActiveToolchain,
    /// The advisory database can be fetched.
    AdvisoryDatabase,
    /// The toolchain after `cargo +`.
    Toolchain { name: String },
    /// A component of the toolchain, such as `clippy`; `toolchain` is what follows `cargo +`.
    Component { name: &'static str, toolchain: Option<String> },
    /// The standard library of a target.
    Target { triple: String, toolchain: Option<String> },
    /// LLVM's tools that read coverage profiles.
    LlvmTools,
    /// A cargo subcommand that is neither built in nor one of our tools.
    Subcommand { name: String },
    /// A program that is installed by cargo.
    Tool(&'static Tool),
}

/// A program that is installed from crates.io where it is missing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tool {
    /// The package, which is also the program's name.
    pub(crate) package: &'static str,
    /// Installed where it is missing; one on PATH is used whatever its version.
    pub(crate) version: &'static str,
}

const TOOLS: [Tool; 4] = [
    Tool { package: "cargo-all-features", version: "1.12.0" },
    Tool { package: "cargo-audit", version: "0.22.2" },
    Tool { package: "cargo-llvm-cov", version: "0.9.1" },
    Tool { package: "critcmp", version: "0.1.8" },
];

/// Returns the tool that runs by that name.
pub(crate) fn tool(program: &str) -> Option<Requirement> {
    TOOLS.iter().find(|tool| tool.package == program).map(Requirement::Tool)
}

/// Returns the requirements of a command of this tool, cheap ones first. `words` are the command
/// and its arguments.
pub(crate) fn of_command(words: &[&str]) -> Vec<Requirement> {
    let (first, program) = match words.first().copied() {
        Some("coverage") => (Some(Requirement::LlvmTools), "cargo-llvm-cov"),
        Some("audit") => (fetched_database(words), "cargo-audit"),
        Some("bench") => (None, "critcmp"),
        _ => return Vec::new(),
    };
    first.into_iter().chain(tool(program)).collect()
}

/// Returns the database, unless the command is told not to fetch one.
pub(crate) fn fetched_database(words: &[&str]) -> Option<Requirement> {
    const LOCAL: [&str; 4] = ["--offline", "--db", "--no-fetch", "-n"];
    let is_local = |word: &&str| LOCAL.contains(&word.split('=').next().unwrap_or_default());
    (!words.iter().any(is_local)).then_some(Requirement::AdvisoryDatabase)
}
