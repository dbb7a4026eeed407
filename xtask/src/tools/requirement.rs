//! Pure. What a test's command needs before it can run, and the tools that are installed on demand.
//!
//! A shell line cannot be understood in general. This recognises the words that the tests of Rust
//! crates are made of; a requirement that it misses shows as a failure of the test itself.

use crate::plan::placeholder;
use crate::text::shell::is_assignment;

/// Something that has to be there before a test runs. Ordered from cheap to expensive to probe and
/// to install, which is the order in which they are probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
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
fn tool(program: &str) -> Option<Requirement> {
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
fn fetched_database(words: &[&str]) -> Option<Requirement> {
    const LOCAL: [&str; 4] = ["--offline", "--db", "--no-fetch", "-n"];
    let is_local = |word: &&str| LOCAL.contains(&word.split('=').next().unwrap_or_default());
    (!words.iter().any(is_local)).then_some(Requirement::AdvisoryDatabase)
}

/// Subcommands that every cargo has, or that rustup's components bring: they are not probed.
const BUILT_IN: &str = "add b bench build c check clean clippy d doc fetch fix fmt \
     generate-lockfile metadata miri package publish r run rustc rustdoc t test tree update";

/// Other subcommands that tests of crates use; the package has the program's name, `cargo-NAME`.
const PACKAGED: &str = "afl bloat bolero careful check-external-types criterion cyclonedx deny \
     expand fuzz geiger hack license machete make minimal-versions msrv mutants nextest outdated \
     public-api readme semver-checks sort spellcheck tarpaulin udeps vet watch workspaces";

/// Those whose package has another name, with the rest of the line that installs them.
const PACKAGED_ELSEWHERE: [(&str, &str); 3] = [
    ("flamegraph", "flamegraph"),
    ("hfuzz", "honggfuzz"),
    ("kani", "kani-verifier && cargo kani setup"),
];

/// Returns the line that installs a subcommand whose package is known.
pub(crate) fn installation(subcommand: &str) -> Option<String> {
    let elsewhere = PACKAGED_ELSEWHERE.iter().find(|(name, _)| *name == subcommand);
    let is_packaged = PACKAGED.split(' ').any(|name| name == subcommand);
    let package = is_packaged.then(|| format!("cargo-{subcommand}"));
    let package = elsewhere.map(|(_, rest)| (*rest).to_owned()).or(package)?;
    Some(format!("cargo install --locked {package}"))
}

/// Subcommands and the components of a toolchain that bring them.
const COMPONENTS: [(&str, &str); 3] = [("fmt", "rustfmt"), ("clippy", "clippy"), ("miri", "miri")];

/// Returns everything that a command with its `{xtask}` still in place needs, cheap things first.
/// `toolchain` is the value of the step's own `RUSTUP_TOOLCHAIN`.
pub(crate) fn of_line(command: &str, toolchain: Option<&str>) -> Vec<Requirement> {
    let mut needs = Vec::new();
    let mut exported = toolchain.map(str::to_owned);
    for words in simple_commands(command) {
        let mut words = words.iter().map(String::as_str).peekable();
        let is_export = words.next_if_eq(&"export").is_some();
        let mut toolchain = exported.clone();
        while let Some(assignment) = words.next_if(|word| is_assignment(word)) {
            if let Some(name) = assignment.strip_prefix("RUSTUP_TOOLCHAIN=") {
                toolchain = Some(name.to_owned());
            }
        }
        if is_export {
            exported = toolchain;
            continue;
        }
        let words: Vec<&str> = words.collect();
        match words.as_slice() {
            // What follows may need what this installs.
            ["rustup" | "rustup-init", ..] | ["cargo", "install" | "binstall", ..] => break,
            ["cargo", words @ ..] => of_cargo(words, toolchain, &mut needs),
            [placeholder::XTASK, words @ ..] => {
                let own = of_command(words);
                if !own.is_empty() {
                    // The command runs cargo.
                    of_cargo(&[], toolchain, &mut needs);
                }
                needs.extend(own);
            }
            [name, ..] => needs.extend(tool(name)),
            [] => (),
        }
    }
    needs.sort();
    needs.dedup();
    needs
}

fn of_cargo(words: &[&str], toolchain: Option<String>, needs: &mut Vec<Requirement>) {
    let (toolchain, words) = match words {
        [first, rest @ ..] if first.starts_with('+') => (Some(first[1..].to_owned()), rest),
        _ => (toolchain, words),
    };
    // A path, or what a shell would still expand, cannot be probed.
    if toolchain.as_ref().is_some_and(|name| !is_name(name)) {
        return;
    }
    let named = toolchain.clone().map(|name| Requirement::Toolchain { name });
    needs.push(named.unwrap_or(Requirement::ActiveToolchain));
    let mut subcommands = words.iter().copied().take_while(|word| !word.starts_with('-'));
    let Some(subcommand) = subcommands.next() else { return };
    let program = match subcommand {
        // One package has four subcommands.
        "build-all-features" | "check-all-features" | "test-all-features" => "cargo-all-features",
        _ => &format!("cargo-{subcommand}"),
    };
    match tool(program) {
        Some(tool) => needs.push(tool),
        None if is_name(subcommand) && !BUILT_IN.split(' ').any(|name| name == subcommand) => {
            needs.push(Requirement::Subcommand { name: subcommand.to_owned() });
        }
        None => (),
    }
    match subcommand {
        "audit" => needs.extend(fetched_database(words)),
        "llvm-cov" => needs.push(Requirement::LlvmTools),
        _ => (),
    }
    // `cargo all-features clippy` needs what `cargo clippy` needs.
    let inner = if subcommand == "all-features" { subcommands.next() } else { Some(subcommand) };
    let toolchain = || toolchain.clone();
    for (_, name) in COMPONENTS.iter().filter(|(subcommand, _)| Some(*subcommand) == inner) {
        needs.push(Requirement::Component { name, toolchain: toolchain() });
    }
    let target = |triple| Requirement::Target { triple, toolchain: toolchain() };
    needs.extend(targets(words).into_iter().map(target));
}

/// Returns the values of `--target`, before a `--` that ends cargo's own options. A target whose
/// standard library is built too needs none.
fn targets(words: &[&str]) -> Vec<String> {
    let own: Vec<&str> = words.iter().copied().take_while(|word| *word != "--").collect();
    if own.iter().any(|word| word.trim_start_matches("-Z").starts_with("build-std")) {
        return Vec::new();
    }
    let values = own.iter().enumerate().filter_map(|(at, word)| match *word {
        "--target" => own.get(at + 1).copied(),
        _ => word.strip_prefix("--target="),
    });
    let is_triple =
        |word: &&str| word.contains('-') && is_name(word) && word.strip_suffix(".json").is_none();
    values.filter(is_triple).map(str::to_owned).collect()
}

/// Whether a word is a name, and nothing that a shell would still expand.
fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Splits a shell line into simple commands and those into words, without quotes and expansions.
pub(crate) fn simple_commands(line: &str) -> Vec<Vec<String>> {
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
        check_with(command, None, wanted);
    }

    #[track_caller]
    fn check_with(command: &str, toolchain: Option<&str>, wanted: &[&str]) {
        let shown: Vec<String> = of_line(command, toolchain)
            .into_iter()
            .filter(|need| *need != Requirement::ActiveToolchain)
            .map(|need| match need {
                Requirement::ActiveToolchain => unreachable!(),
                Requirement::Subcommand { name } => format!("cargo {name}"),
                Requirement::AdvisoryDatabase => "database".to_owned(),
                Requirement::Toolchain { name } => format!("+{name}"),
                Requirement::Component { name, toolchain } => format!("{name}{}", on(toolchain)),
                Requirement::Target { triple, toolchain } => format!("{triple}{}", on(toolchain)),
                Requirement::LlvmTools => "llvm".to_owned(),
                Requirement::Tool(tool) => tool.package.to_owned(),
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
    fn the_toolchain_of_the_environment_counts() {
        check_with("cargo clippy", Some("nightly"), &["+nightly", "clippy on nightly"]);
        check("RUSTUP_TOOLCHAIN=nightly cargo miri test", &["+nightly", "miri on nightly"]);
        check("export RUSTUP_TOOLCHAIN=nightly; cargo fmt", &["+nightly", "rustfmt on nightly"]);
        check("RUSTUP_TOOLCHAIN=nightly true; cargo fmt", &["rustfmt"]);
        for unknown in ["+$$T", "+$$(cat f)", "+/path"] {
            check(&format!("cargo {unknown} clippy --target a-b"), &[]);
        }
        assert_eq!(of_line("cargo +nightly test", None).len(), 1);
        assert_eq!(of_line("cargo test", None), [Requirement::ActiveToolchain]);
        for command in ["coverage", "audit", "bench"] {
            let needs = of_line(&format!("{{xtask}} {command}"), None);
            assert_eq!(needs[0], Requirement::ActiveToolchain, "{command}");
        }
        assert!(of_line("{xtask} commit-format", None).is_empty());
    }

    #[test]
    fn what_a_command_brings_itself_or_does_without_is_no_need() {
        check("rustup toolchain install x && cargo +x clippy", &[]);
        check("cargo fmt && cargo install cargo-audit && cargo audit", &["rustfmt"]);
        check("cargo build -Z build-std=core --target aarch64-unknown-hermit", &[]);
        check("cargo build -Zbuild-std --target=aarch64-unknown-hermit", &[]);
        check("cargo build --target my-target.json", &[]);
        check("{xtask} audit --offline", &["cargo-audit"]);
        check("{xtask} audit --db=x", &["cargo-audit"]);
        check("cargo audit --no-fetch", &["cargo-audit"]);
    }

    #[test]
    fn a_subcommand_that_cargo_does_not_have_is_a_need() {
        check("cargo fuzz run a", &["cargo fuzz"]);
        check("cargo test-all-features", &["cargo-all-features"]);
        check("cargo $SUBCOMMAND", &[]);
    }

    #[test]
    fn only_a_known_package_is_suggested() {
        let line = |name| installation(name).unwrap_or_default();
        assert_eq!(line("fuzz"), "cargo install --locked cargo-fuzz");
        assert_eq!(line("kani"), "cargo install --locked kani-verifier && cargo kani setup");
        assert_eq!(line("no-such-thing"), "");
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
