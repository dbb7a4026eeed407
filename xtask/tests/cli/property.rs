//! The binary with files that nobody would write by hand. What the rules make of them is proved
//! beside the rules; here are the ways from a file to the rules and from there to a shell.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::support::{Sandbox, checkout};

/// The same cases in every run; `PROPTEST_RNG_SEED` makes others.
#[track_caller]
fn check<S: Strategy>(cases: u32, values: &S, holds: impl Fn(S::Value)) {
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = None;
    // Each step of shrinking runs processes.
    config.max_shrink_iters = 50;
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    let result = TestRunner::new(config).run(values, |value| {
        holds(value);
        Ok(())
    });
    if let Err(counterexample) = result {
        panic!("{counterexample}");
    }
}

/// A workspace of one crate with every file that `pipeline` reads.
fn consumer() -> Sandbox {
    let sandbox = Sandbox::new();
    let config = std::fs::read_to_string(checkout().join("ci-template/cargo-config.toml")).unwrap();
    let overrides = r#"{"tests": {"style": {"queue": "q"}}, "skip": ["doc"]}"#;
    let test = r#"{"tests": [{"test_name": "a", "command": "c", "platform": ["x86_64"]}]}"#;
    sandbox
        .write(".cargo/config.toml", config)
        .write(".gitmodules", "[submodule \"ci\"]\n\tpath = ci\n\turl = https://e/rust-vmm-ci\n")
        .write(".platform", "x86_64\nriscv64\n")
        .write(".buildkite/overrides.json", overrides)
        .write("Cargo.toml", "[workspace]\nmembers = [\"a\"]\nresolver = \"2\"\n")
        .write("a/Cargo.toml", "[package]\nname = \"a\"\n[dependencies]\n")
        .write("a/src/lib.rs", "")
        .write("a/.platform", "aarch64\n")
        .write("a/.buildkite/test_description.json", test)
        .write("t.json", test);
    sandbox
}

const FILES: [&str; 8] = [
    ".cargo/config.toml",
    ".gitmodules",
    ".platform",
    ".buildkite/overrides.json",
    "Cargo.toml",
    "a/.platform",
    "a/.buildkite/test_description.json",
    "t.json",
];

/// What makes readers stumble.
const STONES: [&str; 12] =
    ["", "\u{0}", "\"", "{", "}", "\n", "é", "x86_64", "null", "[[", "\\ud800", "#"];

#[test]
fn arbitrary_bytes_in_any_file_are_a_pipeline_or_a_message() {
    let stone = prop_oneof![
        select(&STONES[..]).prop_map(|word| word.as_bytes().to_vec()),
        vec(any::<u8>(), 1..5),
    ];
    let edits = vec((any::<Index>(), any::<Index>(), stone), 1..4);
    let sandbox = consumer();
    sandbox.xtask(&["pipeline", "--workspace-selective"]).assert_code(0);
    check(40, &(select(&FILES[..]), edits, any::<bool>()), |(file, edits, is_selective)| {
        let usual = sandbox.read(file);
        let mut bytes = usual.clone().into_bytes();
        for (at, length, stone) in edits {
            let start = at.index(bytes.len() + 1);
            let end = (start + length.index(bytes.len() + 1)).min(bytes.len());
            bytes.splice(start..end, stone);
        }
        sandbox.write(file, &bytes);
        let arguments: &[&str] = match file {
            "t.json" => &["pipeline", "-t", "t.json"],
            _ if is_selective => &["pipeline", "--workspace-selective", "--dependents"],
            _ => &["pipeline"],
        };
        let run = sandbox.xtask(arguments);
        sandbox.write(file, usual);
        let bytes = String::from_utf8_lossy(&bytes);
        match run.code {
            Some(0) => {
                let pipeline: Value = yaml_serde::from_str(&run.stdout).unwrap();
                assert!(pipeline["steps"].is_array(), "{file}: {bytes:?}\n{run:?}");
            }
            Some(2) => {
                assert_eq!(run.stdout, "", "{file}: {bytes:?}");
                assert_ne!(run.stderr, "", "{file}: {bytes:?}");
            }
            _ => panic!("{file}: {bytes:?}\n{run:?}"),
        }
    });
}

/// The words that a shell makes of a command that prints them.
fn words_in_a_shell(sandbox: &Sandbox, command: &str) -> Vec<String> {
    let run = sandbox.run("sh", &["-e", "-c", command]).assert_code(0);
    let mut words: Vec<String> = run.stdout.split('\0').map(str::to_owned).collect();
    assert_eq!(words.pop().as_deref(), Some(""));
    words
}

#[test]
fn extra_arguments_reach_the_program_as_they_were_written() {
    let sandbox = consumer();
    let word = prop_oneof![
        r"[ -~]{0,8}",
        r#"[a$`'"\\{}~*?!#&;|<> \n\t-]{0,6}"#,
        select(
            &["{crate}", "$HOME", "$$HOME", "--", "-n", "", "é\u{1f980}", "$(false)", "\r\n"][..]
        )
        .prop_map(str::to_owned),
    ];
    let overrides = |arguments: &Value, platform: &str| {
        let patch = json!({
            "command": "printf '%s\\0' first -- last",
            "platform": [platform],
            "extra_args": arguments,
        });
        json!({"tests": {"style": patch}}).to_string()
    };
    check(16, &vec(word, 0..4), |arguments| {
        // Placeholders are for our own text; in these words they would be filled.
        let arguments: Vec<String> =
            arguments.into_iter().filter(|word| !word.contains("{crate}")).collect();
        for (platform, is_quoted_once_more) in [("x86_64", false), ("riscv64", true)] {
            sandbox.write(".buildkite/overrides.json", overrides(&json!(arguments), platform));
            let run = sandbox.xtask(&["pipeline", "--format", "json"]).assert_code(0);
            let pipeline: Value = serde_json::from_str(&run.stdout).unwrap();
            let steps = pipeline["steps"].as_array().unwrap();
            let label = format!("style-{platform}");
            let step = steps.iter().find(|step| step["label"] == label.as_str()).unwrap();
            // As the upload does.
            let mut command = step["command"].as_str().unwrap().replace("$$", "$");
            if is_quoted_once_more {
                command = words_in_a_shell(&sandbox, &format!("printf '%s\\0' {command}")).concat();
            }
            let mut words = vec!["first".to_owned()];
            words.extend(arguments.clone());
            words.extend(["--", "last"].map(str::to_owned));
            assert_eq!(words_in_a_shell(&sandbox, &command), words, "{command:?}");
        }
    });
}
