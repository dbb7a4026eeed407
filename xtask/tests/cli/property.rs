//! The binary with files that nobody would write by hand. What the rules make of them is proved
//! beside the rules; here are the ways from a file to the rules and from there to a shell.

use serde_json::{Value, json};

use crate::support::arbitrary::{Random, check};
use crate::support::{Sandbox, checkout};

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

fn any_stone(random: &mut Random) -> Vec<u8> {
    if random.flag() {
        return random.pick(&STONES).into();
    }
    random.list(1..5, |random| random.bits().to_le_bytes()[0])
}

#[test]
fn arbitrary_bytes_in_any_file_are_a_pipeline_or_a_message() {
    let sandbox = consumer();
    sandbox.xtask(&["pipeline", "--workspace-selective"]).assert_code(0);
    check(40, |random| {
        let file = random.pick(&FILES);
        let usual = sandbox.read(file);
        let mut bytes = usual.clone().into_bytes();
        for _ in 0..=random.below(3) {
            let start = random.below(bytes.len() + 1);
            let end = start + random.below(bytes.len() - start + 1);
            bytes.splice(start..end, any_stone(random));
        }
        sandbox.write(file, &bytes);
        let arguments: &[&str] = match file {
            "t.json" => &["pipeline", "-t", "t.json"],
            _ if random.flag() => &["pipeline", "--workspace-selective", "--dependents"],
            _ => &["pipeline"],
        };
        let run = sandbox.xtask(&[arguments, &["--format", "json"]].concat());
        sandbox.write(file, usual);
        let bytes = String::from_utf8_lossy(&bytes);
        match run.code {
            Some(0) => {
                let pipeline: Value = serde_json::from_str(&run.stdout).unwrap();
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

/// A word that a shell takes for something else. Placeholders are for our own text, and would be
/// filled.
fn any_word(random: &mut Random) -> String {
    match random.below(3) {
        0 => random.text((' '..='~').filter(|character| *character != '}'), 0..9),
        1 => random.text("a$`'\"\\{}~*?!#&;|<> \n\t-".chars(), 0..7),
        _ => {
            let words =
                ["$HOME", "$$HOME", r"\$HOME", "--", "-n", "", "é\u{1f980}", "$(false)", "\r\n"];
            random.pick(&words).to_owned()
        }
    }
}

/// The command after the upload, which takes `$$` and `\$` for a plain `$`.
fn uploaded(command: &str) -> String {
    let mut characters = command.chars().peekable();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        let is_escape = character == '$' || character == '\\';
        text.push(characters.next_if(|next| is_escape && *next == '$').unwrap_or(character));
    }
    text
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
    let overrides = |arguments: &Value, platform: &str| {
        let patch = json!({
            "command": "printf '%s\\0' first -- last",
            "platform": [platform],
            "extra_args": arguments,
        });
        json!({"tests": {"style": patch}}).to_string()
    };
    check(16, |random| {
        let arguments = random.list(0..4, any_word);
        for (platform, is_quoted_once_more) in [("x86_64", false), ("riscv64", true)] {
            sandbox.write(".buildkite/overrides.json", overrides(&json!(arguments), platform));
            let run = sandbox.xtask(&["pipeline", "--format", "json"]).assert_code(0);
            let pipeline: Value = serde_json::from_str(&run.stdout).unwrap();
            let steps = pipeline["steps"].as_array().unwrap();
            let label = format!("style-{platform}");
            let step = steps.iter().find(|step| step["label"] == label.as_str()).unwrap();
            let mut command = uploaded(step["command"].as_str().unwrap());
            if is_quoted_once_more {
                command = words_in_a_shell(&sandbox, &format!("printf '%s\\0' {command}")).concat();
            }
            let mut words = vec!["first".to_owned()];
            words.extend(arguments.iter().cloned());
            words.extend(["--", "last"].map(str::to_owned));
            assert_eq!(words_in_a_shell(&sandbox, &command), words, "{command:?}");
        }
    });
}
