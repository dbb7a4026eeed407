//! What a command needs before it can run: cargo subcommands, toolchain parts, a database.
//!
//! A shell line cannot be understood in general. What is looked for are the words that the tests of
//! Rust crates are made of; a need that is not seen shows as a failure of the test itself.

use super::placeholder;

/// Something that has to be there before a test runs. Ordered from cheap to expensive to find out
/// and to repair, which is the order in which they are probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Prerequisite {
    /// The advisory database can be fetched.
    AdvisoryDatabase,
    /// The toolchain after `cargo +`.
    Toolchain { name: String },
    /// A part of the toolchain, such as `clippy`; `toolchain` is what follows `cargo +`.
    Component { name: &'static str, toolchain: Option<String> },
    /// The standard library of a target.
    Target { triple: String, toolchain: Option<String> },
    /// LLVM's tools that read coverage profiles.
    LlvmTools,
    /// A program that is installed by cargo: most are subcommands of it.
    CargoTool { tool: &'static Tool },
}

/// A program that is installed from crates.io where it is missing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tool {
    /// The package, which is also the program's name.
    pub(crate) package: &'static str,
    /// Installed where it is missing; one on PATH is used whatever its version.
    pub(crate) version: &'static str,
    /// What cargo is told to run it; None where it runs by its own name.
    pub(crate) subcommand: Option<&'static str>,
}

/// The tools that are installed on demand.
pub(crate) const TOOLS: [Tool; 4] = [
    Tool { package: "cargo-all-features", version: "1.12.0", subcommand: Some("all-features") },
    Tool { package: "cargo-audit", version: "0.22.2", subcommand: Some("audit") },
    Tool { package: "cargo-llvm-cov", version: "0.9.1", subcommand: Some("llvm-cov") },
    Tool { package: CRITCMP, version: "0.1.8", subcommand: None },
];

/// Compares the results of two benchmark runs.
pub(crate) const CRITCMP: &str = "critcmp";

/// The tool of that subcommand.
pub(crate) fn tool(subcommand: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.subcommand == Some(subcommand))
}

/// The tool that runs by that name.
pub(crate) fn program(name: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.package == name)
}

/// Everything that a command with its `{xtask}` still in place needs, cheap things first.
pub(crate) fn prerequisites(command: &str) -> Vec<Prerequisite> {
    let mut needs = Vec::new();
    for words in simple_commands(command) {
        let mut words = words.iter().map(String::as_str).skip_while(|word| is_assignment(word));
        match words.next() {
            Some("cargo") => cargo_needs(&words.collect::<Vec<_>>(), &mut needs),
            Some(placeholder::XTASK) => own_needs(words.next(), &mut needs),
            Some(name) => needs.extend(program(name).map(|tool| Prerequisite::CargoTool { tool })),
            None => (),
        }
    }
    needs.sort();
    needs.dedup();
    needs
}

fn own_needs(command: Option<&str>, needs: &mut Vec<Prerequisite>) {
    let tool = match command {
        Some("coverage") => {
            needs.push(Prerequisite::LlvmTools);
            tool("llvm-cov")
        }
        Some("audit") => {
            needs.push(Prerequisite::AdvisoryDatabase);
            tool("audit")
        }
        Some("bench") => program(CRITCMP),
        _ => return,
    };
    needs.extend(tool.map(|tool| Prerequisite::CargoTool { tool }));
}

fn cargo_needs(words: &[&str], needs: &mut Vec<Prerequisite>) {
    let (toolchain, words) = match words {
        [first, rest @ ..] if first.starts_with('+') => (Some(first[1..].to_owned()), rest),
        _ => (None, words),
    };
    if let Some(name) = &toolchain {
        needs.push(Prerequisite::Toolchain { name: name.clone() });
    }
    let mut subcommands = words.iter().take_while(|word| !word.starts_with('-'));
    let Some(&subcommand) = subcommands.next() else { return };
    needs.extend(tool(subcommand).map(|tool| Prerequisite::CargoTool { tool }));
    // `cargo all-features clippy` needs what `cargo clippy` needs.
    let inner = if subcommand == "all-features" { subcommands.next() } else { Some(&subcommand) };
    let component = match inner {
        Some(&"fmt") => Some("rustfmt"),
        Some(&"clippy") => Some("clippy"),
        Some(&"miri") => Some("miri"),
        _ => None,
    };
    if let Some(name) = component {
        needs.push(Prerequisite::Component { name, toolchain: toolchain.clone() });
    }
    match subcommand {
        "audit" => needs.push(Prerequisite::AdvisoryDatabase),
        "llvm-cov" => needs.push(Prerequisite::LlvmTools),
        _ => (),
    }
    needs.extend(
        targets(words).map(|triple| Prerequisite::Target { triple, toolchain: toolchain.clone() }),
    );
}

/// The values of `--target`, before a `--` that ends cargo's own options.
fn targets(words: &[&str]) -> impl Iterator<Item = String> {
    let own: Vec<&str> = words.iter().copied().take_while(|word| *word != "--").collect();
    let separate =
        own.windows(2).filter(|pair| pair[0] == "--target").map(|pair| pair[1].to_owned());
    let joined = own.iter().filter_map(|word| word.strip_prefix("--target=")).map(str::to_owned);
    let triples: Vec<String> = separate.chain(joined).filter(|triple| is_triple(triple)).collect();
    triples.into_iter()
}

/// Whether a word is a target's name and nothing that a shell would still expand.
fn is_triple(word: &str) -> bool {
    word.contains('-') && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    word.contains('=') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The words of each simple command of a shell line; quotes are removed, nothing is expanded.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => word.get_or_insert_default().extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => word.get_or_insert_default().extend(chars.by_ref().take_while(|c| *c != '"')),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            _ if c.is_whitespace() || ";&|()".contains(c) => {
                if let (Some(word), Some(words)) = (word.take(), commands.last_mut()) {
                    words.push(word);
                }
                if c == '\n' || !c.is_whitespace() {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let (Some(word), Some(words)) = (word, commands.last_mut()) {
        words.push(word);
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, wanted: &[&str]) {
        let shown: Vec<String> = prerequisites(command)
            .into_iter()
            .map(|need| match need {
                Prerequisite::AdvisoryDatabase => "database".to_owned(),
                Prerequisite::Toolchain { name } => format!("+{name}"),
                Prerequisite::Component { name, toolchain } => format!("{name}{}", on(toolchain)),
                Prerequisite::Target { triple, toolchain } => format!("{triple}{}", on(toolchain)),
                Prerequisite::LlvmTools => "llvm".to_owned(),
                Prerequisite::CargoTool { tool } => tool.package.to_owned(),
            })
            .collect();
        assert_eq!(shown, wanted, "{command}");
    }

    fn on(toolchain: Option<String>) -> String {
        toolchain.map(|name| format!(" on {name}")).unwrap_or_default()
    }

    #[test]
    fn the_commands_of_the_shipped_description_are_understood() {
        check("cargo fmt --all -- --check --target x-y", &["rustfmt"]);
        check(
            "RUSTFLAGS=\"-D warnings\" cargo all-features build --release --target x86_64-unknown-linux-musl",
            &["x86_64-unknown-linux-musl", "cargo-all-features"],
        );
        check(
            "cargo all-features clippy --all-targets -- -D warnings",
            &["clippy", "cargo-all-features"],
        );
        check("{xtask} coverage", &["llvm", "cargo-llvm-cov"]);
        check("{xtask} commit-format", &[]);
        check("{xtask} bench --rounds 3", &["critcmp"]);
        check("cargo doc --workspace --no-deps", &[]);
    }

    #[test]
    fn what_is_cheap_to_find_out_comes_first() {
        check("{xtask} audit", &["database", "cargo-audit"]);
        check("cargo audit -q; cargo fmt", &["database", "rustfmt", "cargo-audit"]);
    }

    #[test]
    fn the_commands_of_consumers_are_understood() {
        check(
            "RUST_BACKTRACE=1 MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-backtrace=full' cargo +nightly miri test",
            &["+nightly", "miri on nightly"],
        );
        check(
            "printf '\ndenylist=[\"rawfd\"]' >> Cargo.toml; RUSTFLAGS=\"-D warnings\" cargo all-features check --target=x86_64-pc-windows-gnu",
            &["x86_64-pc-windows-gnu", "cargo-all-features"],
        );
        check("cd a && (cargo build --target $T || cargo clippy)", &["clippy"]);
        check("echo cargo fmt", &[]);
        check("cargo bench -- --save-baseline a && critcmp a b", &["critcmp"]);
    }
}
