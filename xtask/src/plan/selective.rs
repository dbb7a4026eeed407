//! Pure. What the shipped tests do where each crate has steps of its own: each tests its crate alone,
//! so that the sum of the steps is the work of one run of the whole workspace.
//!
//! The description has one line for each test, which is for a whole workspace.

use crate::plan::workspace::{Chunk, Crate};

const ALL_FEATURES: &str = "cargo all-features ";

/// The command of a shipped test for one crate, with placeholders; `None` if it does not select
/// packages. `root` is given for a package at the root.
///
/// cargo-all-features has no `--package`: it takes the package of its directory, and at the root of
/// a workspace every member, of which there a chunk can be chosen.
pub(crate) fn for_crate(command: &str, root: Option<Chunk>) -> Option<String> {
    let (command, arguments) = match command.split_once(" -- ") {
        Some((command, arguments)) => (command, format!(" -- {arguments}")),
        None => (command, String::new()),
    };
    let words = without_selection(command).join(" ");
    let alone = if let Some((before, after)) = words.split_once(ALL_FEATURES) {
        match root {
            Some(Chunk { of: 1, .. }) => words,
            Some(Chunk { number, of }) => {
                format!("{before}{ALL_FEATURES}--n-chunks {of} --chunk {number} {after}")
            }
            None => format!("cd {{crate_path}} && {words}"),
        }
    } else {
        let at = command.find(" --workspace")?;
        let (before, after) = (&command[..at], &command[at..]);
        let after = without_selection(after).join(" ");
        format!("{before} --package {{crate}}{after}")
    };
    Some(alone + &arguments)
}

/// Whether a shipped test has something to test in a crate.
pub(crate) fn tests_crate(command: &str, member: &Crate) -> bool {
    let is_skipped = member.skips_all_features && command.contains(ALL_FEATURES);
    let is_excluded =
        || command.contains("--exclude") && excluded(command).any(|name| name == member.name);
    !is_skipped && !is_excluded()
}

/// The packages that a command excludes.
fn excluded(command: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = command.split(' ').collect();
    let after = words.windows(2).filter(|pair| pair[0] == "--exclude").map(|pair| pair[1]);
    let joined = words.iter().filter_map(|word| word.strip_prefix("--exclude="));
    after.chain(joined).collect::<Vec<_>>().into_iter()
}

/// The words of a command but for those that select packages of a workspace.
fn without_selection(command: &str) -> Vec<&str> {
    let mut words = command.split(' ');
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--workspace" => (),
            "--exclude" => _ = words.next(),
            _ if word.starts_with("--exclude=") => (),
            _ => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const CHUNK: Option<Chunk> = Some(Chunk { number: 2, of: 3 });

    #[test]
    fn each_shipped_command_is_for_one_crate() {
        let shipped = include_str!("../../../ci-template/test_description.json");
        let shipped: serde_json::Value = serde_json::from_str(shipped).unwrap();
        let mut lines = Vec::new();
        for test in shipped["tests"].as_array().unwrap() {
            if test["scope"] == "workspace" {
                continue;
            }
            let command = test["command"].as_str().unwrap();
            lines.push(for_crate(command, None).unwrap());
            lines.push(for_crate(command, CHUNK).unwrap());
        }
        expect![[r#"
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 build --release --all-targets
            RUSTFLAGS="-D warnings" cargo build --release --package {crate} --all-targets --all-features
            RUSTFLAGS="-D warnings" cargo build --release --package {crate} --all-targets --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 build --release --all-targets --target {target_platform}-unknown-linux-musl
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test
            RUSTFLAGS="-D warnings" cargo test --package {crate} --all-features
            RUSTFLAGS="-D warnings" cargo test --package {crate} --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --target {target_platform}-unknown-linux-musl
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --release
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --release
            RUSTFLAGS="-D warnings" cargo test --release --package {crate} --all-features
            RUSTFLAGS="-D warnings" cargo test --release --package {crate} --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --release --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --release --target {target_platform}-unknown-linux-musl
            cd {crate_path} && cargo all-features clippy --all-targets -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo all-features --n-chunks 3 --chunk 2 clippy --all-targets -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo clippy --package {crate} --all-targets --all-features -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo clippy --package {crate} --all-targets --all-features -- -D warnings -D clippy::undocumented_unsafe_blocks"#]].assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_single_crate_and_other_commands_stay() {
        let single = Some(Chunk { number: 1, of: 1 });
        let command = "A=b cargo all-features test -- --nocapture";
        assert_eq!(for_crate(command, single).as_deref(), Some(command));
        assert_eq!(for_crate("cargo test -- --workspace", None), None);
        assert_eq!(for_crate("make", None), None);
    }

    #[test]
    fn what_a_consumer_excludes_is_not_tested_and_not_named() {
        let command = "cargo all-features test --workspace --exclude gpu --exclude=media -- -q";
        assert_eq!(
            for_crate(command, None).unwrap(),
            "cd {crate_path} && cargo all-features test -- -q"
        );
        let member =
            |name: &str| Crate { name: name.to_owned(), path: ".".to_owned(), ..Crate::default() };
        let is_tested = |name: &str| tests_crate(command, &member(name));
        assert_eq!(["gpu", "media", "other"].map(is_tested), [false, false, true]);
        let skipped = Crate { skips_all_features: true, ..member("other") };
        assert!(!tests_crate(command, &skipped) && tests_crate("cargo test", &skipped));
    }
}
