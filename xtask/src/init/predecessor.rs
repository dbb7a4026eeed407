//! Pure. Test descriptions and pipeline files that call the Python tool set, converted.

use serde_json::Value;

use crate::init::facts::Facts;
use crate::plan::consumer;
use crate::plan::description::{REPLACED_FILES, replaced_calls};
use crate::plan::inputs::FORMER_MINUTES;
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::json::{self, Node};
use crate::text::shell::is_assignment;
use crate::text::toml;

/// The new text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    pub(crate) text: String,
    /// Lines, counted from 1, whose command has to be converted by hand.
    pub(crate) left: Vec<usize>,
}

/// A test description with commands of this tool. With `relied_on_default`, it also gets the timeout
/// that tests without one had before. What is no test description is `None`.
pub(crate) fn description(
    source: &Source,
    relied_on_default: bool,
    facts: &Facts,
    found: &Diagnostics,
) -> Option<Conversion> {
    let root = json::parse(source, found)?;
    let tests = root.get("tests")?.as_array()?;
    // Other files may have a list of that name.
    tests.iter().find(|test| test.get("command").is_some())?;
    let mut conversion = Conversion { text: source.text.clone(), left: Vec::new() };
    let mut is_old = relied_on_default;
    // From the end, so that offsets stay right.
    for test in tests.iter().rev() {
        let Some(node) = test.get("command") else { continue };
        let Some(command) = node.as_str() else { continue };
        let Some(name) = replaced(command, facts) else { continue };
        is_old = true;
        let dir = test.get("crate_path").and_then(Node::as_str);
        match converted(command, name, dir, facts) {
            Some(new) if !runs_on_riscv64(test) => replace_string(&mut conversion.text, node, &new),
            _ => conversion.left.push(source.line_at(node.offset)),
        }
    }
    conversion.left.reverse();
    let has_timeout =
        |node: &Node| node.get("timeout_in_minutes").is_some_and(|it| !it.means_absent());
    // A key that is there without a value would be there twice.
    let has_key = root.get("timeout_in_minutes").is_some();
    if is_old && !has_key && !tests.iter().all(has_timeout) {
        insert_default_timeout(&mut conversion.text, &root);
    }
    Some(conversion)
}

const GENERATOR: &str = "autogenerate_pipeline.py";

/// What a step that does nothing but start the generator may say besides its command: the bootstrap
/// step says it too.
const STEP_KEYS: &str = "steps label name command commands retry automatic agents os platform \
    plugins image always-pull timeout_in_minutes";

/// A pipeline file that starts the generator, as the bootstrap step with the same options. `None`
/// where the generator is not called. A file that says anything else keeps its text.
pub(crate) fn pipeline_file(text: &str, bootstrap: &str) -> Option<Conversion> {
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.starts_with('#')).collect();
    let (number, call) = lines.iter().find(|(_, line)| line.contains(GENERATOR))?;
    let is_known = |line: &str| {
        let line = line.trim_start_matches("- ");
        let key = line.split(':').next().unwrap_or_default();
        let is_key = line.contains(':') && STEP_KEYS.split(' ').any(|known| known == key);
        is_key
            || line.is_empty()
            || line.starts_with("docker#")
            || line == call.trim_start_matches("- ")
    };
    let steps = text.lines().filter(|line| line.trim_start().starts_with('-'));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outermost = steps.clone().map(indent).min();
    let is_alone = steps.filter(|line| Some(indent(line)) == outermost).count() == 1;
    let options = generator_options(call)
        .filter(|_| is_alone && lines.iter().all(|(_, line)| is_known(line)));
    Some(match options {
        Some(options) => Conversion {
            text: consumer::with_pipeline_options(bootstrap, &options),
            left: Vec::new(),
        },
        None => Conversion { text: text.to_owned(), left: vec![*number] },
    })
}

/// The options of the generator in a line that starts it and uploads what it prints, and does nothing
/// else.
fn generator_options(line: &str) -> Option<String> {
    let line = line.trim_start_matches("- ");
    let line = line.strip_prefix("command:").unwrap_or(line).trim();
    let is_quoted = |quote: &char| line.starts_with(*quote) && line.ends_with(*quote);
    let line =
        ['"', '\''].iter().find(|it| is_quoted(it)).map_or(line, |it| line.trim_matches(*it));
    if line.contains(['"', '\'', '\\', '$', '`', ';']) {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let words = words.strip_prefix(&["python3"][..]).unwrap_or(&words);
    let at = words.iter().position(|word| ["|", ">"].contains(word))?;
    let [program, options @ ..] = &words[..at] else { return None };
    let upload = ["buildkite-agent", "pipeline", "upload"];
    let is_upload = match &words[at..] {
        ["|", rest @ ..] => *rest == upload,
        [">", file, "&&", rest @ .., read] => file == read && *rest == upload,
        _ => false,
    };
    (is_upload && program.ends_with(GENERATOR)).then(|| options.join(" "))
}

fn runs_on_riscv64(test: &Node) -> bool {
    let platforms = test.get("platform").and_then(Node::as_array).unwrap_or_default();
    platforms.iter().any(|platform| platform.as_str() == Some("riscv64"))
}

/// The command that does the work of the file of the Python tool set that is called. A repository may
/// have files of these names.
fn replaced(command: &str, facts: &Facts) -> Option<&'static str> {
    let mut calls = replaced_calls(command).filter(|(_, file, _)| !facts.has_file(file));
    calls.next().map(|(_, _, name)| name)
}

/// A command of the form `[ROOT=..] [&& cd DIR] && pytest FILE [options]`; any other is `None`.
fn converted(command: &str, name: &str, crate_path: Option<&str>, facts: &Facts) -> Option<String> {
    if REPLACED_FILES.iter().map(|(file, _)| command.matches(file).count()).sum::<usize>() > 1 {
        return None;
    }
    let segments: Vec<&str> = command.split("&&").map(str::trim).collect();
    let (call, before) = segments.split_last()?;
    let mut dir = None;
    for segment in before {
        match segment.strip_prefix("cd ") {
            Some(to) => dir = Some(to.trim().trim_matches('"')),
            // It only helps to find the file.
            None if segment.starts_with("ROOT=") && !segment.contains(' ') => (),
            None => return None,
        }
    }
    let scope = match (dir, crate_path) {
        _ if !["coverage", "bench"].contains(&name) => String::new(),
        (None, _) => String::new(),
        (Some("{crate_path}"), None) => " --package {crate}".to_owned(),
        (Some("{crate_path}"), Some(dir)) | (Some(dir), _) => facts.scope_of(dir)?,
    };
    let (variables, options) = arguments(call, name)?;
    Some(format!("{variables}{{xtask}} {name}{scope}{options}"))
}

/// The variables before a call of a Python file and the options that still have a meaning.
fn arguments(call: &str, name: &str) -> Option<(String, String)> {
    // `pytest $(find . -name x.py)` without the search.
    let call = match call.split_once("$(find ") {
        Some((before, rest)) => &format!("{before}{}", rest.split_once(')')?.1),
        None => call,
    };
    // What is left to a shell is not ours to judge.
    if call.contains(['|', ';', '>', '<', '`', '(', '&']) {
        return None;
    }
    let (mut variables, mut options) = (String::new(), String::new());
    let mut words = call.split_whitespace().peekable();
    while let Some(word) = words.next_if(|word| is_assignment(word)) {
        variables += &format!("{word} ");
    }
    while let Some(word) = words.next() {
        let key = word.split('=').next().unwrap_or_default();
        let is_value = |word: &&str| !word.starts_with('-') && !is_program(word);
        match key {
            "-s" | "-v" | "-q" | "-vv" | "-m" => (),
            "--profile" | "--test-scope" | "--no-cleanup" if name == "coverage" => {
                options += &format!(" {word}");
                if !word.contains('=') && key != "--no-cleanup" {
                    options += &format!(" {}", words.next_if(is_value)?);
                }
            }
            _ if is_program(word) => (),
            _ => return None,
        }
    }
    Some((variables, options))
}

fn is_program(word: &str) -> bool {
    let names = ["pytest", "python", "python3"];
    names.contains(&word) || REPLACED_FILES.iter().any(|(file, _)| word.ends_with(file))
}

/// Puts another string in the place of one, whose quotes and escapes go with it.
fn replace_string(text: &mut String, node: &Node, new: &str) {
    // TOML has JSON's strings.
    let length = toml::string_length(&text[node.offset..]).unwrap_or_default();
    text.replace_range(node.offset..node.offset + length, &Value::from(new).to_string());
}

/// As the first key, in the layout of the one that was.
fn insert_default_timeout(text: &mut String, root: &Node) {
    let start = root.offset + 1;
    let rest = &text[start..];
    let space = rest[..rest.len() - rest.trim_start().len()].to_owned();
    text.insert_str(start, &format!("{space}\"timeout_in_minutes\": {FORMER_MINUTES},"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn facts() -> Facts {
        let member = ("event_manager".to_owned(), "event-manager".to_owned());
        let names = ["tests/test_run.py".to_owned()].into();
        Facts { crates: vec![member], names, ..Facts::default() }
    }

    fn command(command: &str, crate_path: Option<&str>) -> Option<String> {
        converted(command, replaced(command, &facts())?, crate_path, &facts())
    }

    #[test]
    fn calls_of_the_python_files_become_commands() {
        let find = "$(find . -type f -name \"test_commit_format.py\")";
        for (old, new) in [
            ("pytest rust-vmm-ci/integration_tests/test_benchmark.py -s", "{xtask} bench"),
            (&format!("pytest {find}"), "{xtask} commit-format"),
            (
                "PACKAGE=a python3 -m pytest --profile devel ci/test_coverage.py --no-cleanup",
                "PACKAGE=a {xtask} coverage --profile devel --no-cleanup",
            ),
            (
                "cd event-manager && pytest -s ../x/test_benchmark.py",
                "{xtask} bench --package event_manager",
            ),
            (
                "ROOT=$$PWD && cd {crate_path} && pytest --test-scope=crate $(find \"$$ROOT\" -path \"*/test_coverage.py\")",
                "{xtask} coverage --package {crate} --test-scope=crate",
            ),
        ] {
            assert_eq!(command(old, None).as_deref(), Some(new), "{old}");
        }
        let own = command("cd {crate_path} && pytest x/test_benchmark.py", Some("event-manager"));
        assert_eq!(own.as_deref(), Some("{xtask} bench --package event_manager"));
    }

    #[test]
    fn what_else_a_command_does_is_not_guessed() {
        for old in [
            "make && pytest x/test_coverage.py",
            "pytest x/test_coverage.py | tee log",
            "pytest x/test_coverage.py --maxfail=2",
            "cd elsewhere && pytest x/test_coverage.py",
            "pytest x/test_coverage.py; rm x",
            "pytest $(cat x) x/test_coverage.py",
            "A=$(b) pytest x/test_coverage.py",
            "pytest x/test_commit_format.py x/test_coverage.py",
            "pytest x/my_test_coverage.py",
            "pytest tests/test_run.py",
        ] {
            assert_eq!(command(old, None), None, "{old}");
        }
    }

    #[track_caller]
    fn check(text: &str, relied_on_default: bool, want: &Expect) {
        let found = Diagnostics::default();
        let source = Source::new("t.json", text);
        let shown = match description(&source, relied_on_default, &facts(), &found) {
            Some(Conversion { text, left }) => format!("{text}{left:?}"),
            None => "no description".to_owned(),
        };
        want.assert_eq(&shown);
    }

    #[test]
    fn only_the_command_and_the_default_timeout_change() {
        let text = "{\n    \"tests\": [\n        {\n            \"test_name\": \"b\",\n            \"command\": \"pytest x/test_benchmark.py -s\"\n        },\n        {\"test_name\":\"é\",\"command\":\"make \\\"x\\\" && pytest test_run.py\", \"timeout_in_minutes\": 20}\n    ]\n}\n";
        check(
            text,
            false,
            &expect![[r#"
                {
                    "timeout_in_minutes": 15,
                    "tests": [
                        {
                            "test_name": "b",
                            "command": "{xtask} bench"
                        },
                        {"test_name":"é","command":"make \"x\" && pytest test_run.py", "timeout_in_minutes": 20}
                    ]
                }
                []"#]],
        );
    }

    #[test]
    fn a_description_without_python_gets_the_timeout_only_if_it_relied_on_it() {
        let text = r#"{"tests": [{"test_name": "a", "command": "true"}]}"#;
        check(text, false, &expect![[r#"{"tests": [{"test_name": "a", "command": "true"}]}[]"#]]);
        check(
            text,
            true,
            &expect![[
                r#"{"timeout_in_minutes": 15,"tests": [{"test_name": "a", "command": "true"}]}[]"#
            ]],
        );
        let told = r#"{"timeout_in_minutes": 5, "tests": [{"test_name": "a", "command": "true"}]}"#;
        check(
            told,
            true,
            &expect![[
                r#"{"timeout_in_minutes": 5, "tests": [{"test_name": "a", "command": "true"}]}[]"#
            ]],
        );
        let none =
            r#"{"timeout_in_minutes": null, "tests": [{"test_name": "a", "command": "true"}]}"#;
        check(
            none,
            true,
            &expect![[
                r#"{"timeout_in_minutes": null, "tests": [{"test_name": "a", "command": "true"}]}[]"#
            ]],
        );
        for other in [r#"{"tests": []}"#, r#"{"tests": [{"name": "a"}]}"#, "[1]"] {
            check(other, true, &expect!["no description"]);
        }
    }

    #[test]
    fn commands_on_riscv64_are_left() {
        check(
            r#"{"tests": [{"test_name": "a", "timeout_in_minutes": 1, "command": "pytest x/test_coverage.py", "platform": ["riscv64"]}]}"#,
            false,
            &expect![[
                r#"{"tests": [{"test_name": "a", "timeout_in_minutes": 1, "command": "pytest x/test_coverage.py", "platform": ["riscv64"]}]}[1]"#
            ]],
        );
    }

    #[test]
    fn a_pipeline_file_of_one_step_becomes_the_bootstrap_step_with_its_options() {
        let bootstrap =
            "steps:\n  - label: new\n    command: \"cargo xtask pipeline > p && upload\"\n";
        let old = "steps:\n  - label: x\n    command: \"rust-vmm-ci/.buildkite/autogenerate_pipeline.py -t a.json | buildkite-agent pipeline upload\"\n";
        let new = pipeline_file(old, bootstrap).unwrap();
        assert_eq!(new.text, bootstrap.replace("pipeline --upload", "pipeline -t a.json --upload"));
        assert_eq!(pipeline_file("steps: []\n", bootstrap), None);
        let comment = "# autogenerate_pipeline.py\nsteps:\n  - command: make\n";
        assert_eq!(pipeline_file(comment, bootstrap), None);
    }

    #[test]
    fn a_pipeline_file_that_says_more_keeps_its_text() {
        let generator = "x/autogenerate_pipeline.py | buildkite-agent pipeline upload";
        let step = format!(
            "steps:\n  - label: x\n    command: \"{generator}\"\n    agents:\n      os: linux\n"
        );
        let is_converted = |text: &str| pipeline_file(text, "steps:\n").unwrap().left.is_empty();
        let list = format!("steps:\n- commands:\n    - {generator}\n  timeout_in_minutes: 5\n");
        let file =
            step.replace("| buildkite", "> p.yml && buildkite").replace("upload", "upload p.yml");
        for plain in [&step, &list, &file] {
            assert!(is_converted(plain), "{plain}");
        }
        for more in [
            &format!("{step}      queue: special\n"),
            &format!("{step}  - wait\n"),
            &format!("{step}  - label: \"# 2\"\n"),
            &format!("env:\n  TESTS_TO_SKIP: []\n{step}"),
            &step.replace("x/auto", "TESTS_TO_SKIP='[]' x/auto"),
            &step.replace(" |", " -t 'my tests.json' |"),
            &step.replace("x/auto", "./setup.sh && x/auto"),
            &list.replace("- x", "- make\n    - x"),
        ] {
            assert!(!is_converted(more), "{more}");
        }
    }
}
