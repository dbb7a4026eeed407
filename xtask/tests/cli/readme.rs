//! The README's commands, as pasted.

use std::fs;

use crate::support::{Sandbox, checkout, set_up_block};

/// Runs the first block in a repository with these files, and returns the aliases that cargo sees.
fn aliases_after_set_up(files: &[(&str, &str)]) -> String {
    let sandbox = Sandbox::new();
    let template = fs::read(checkout().join("ci-template/cargo-config.toml")).unwrap();
    sandbox.write("rust-vmm-ci/ci-template/cargo-config.toml", template);
    for (name, text) in files {
        sandbox.write(name, text);
    }
    let (first, rest) =
        set_up_block().split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(first.starts_with("git submodule add https://"), "{first}");
    sandbox.run("sh", &["-ec", &rest]).assert_code(0);
    sandbox.run("cargo", &["--list"]).assert_code(0).stdout
}

#[test]
fn the_first_block_adds_the_alias_to_every_configuration() {
    let other = "[build]\nrustflags = []\n\n[alias]\nx = \"metadata\"\n\n[net]\nretry = 2";
    for files in [
        &[][..],
        &[(".cargo/config.toml", other)],
        &[(".cargo/config.toml", "[net]\nretry = 2")],
        &[(".cargo/config", other)],
        &[(".cargo/config", "[net]\nretry = 2"), (".cargo/config.toml", other)],
    ] {
        let aliases = aliases_after_set_up(files);
        let alias = "alias: run --quiet --locked --target-dir target/xtask --manifest-path \
                     rust-vmm-ci/xtask/Cargo.toml --";
        assert!(aliases.contains(alias), "{files:?}\n{aliases}");
        let has_other = files.first().is_some_and(|(_, text)| text.contains("[alias]"));
        assert_eq!(aliases.contains("alias: metadata"), has_other, "{files:?}\n{aliases}");
    }
}

#[test]
fn the_first_block_leaves_an_alias_of_that_name_alone() {
    let taken = "[alias]\nxtask = \"run --package xtask --\"\n";
    let aliases = aliases_after_set_up(&[(".cargo/config.toml", taken)]);
    assert!(aliases.contains("alias: run --package xtask --"), "{aliases}");
}
