//! Pure. A step as this machine runs it, and how that differs from CI.

use serde_json::Value;

use crate::ci::verdict::Verdict;
use crate::plan::placeholder;
use crate::plan::step::Step;
use crate::text::sanitize::{mask_secrets, visible};
use crate::text::shell as shell_text;
use crate::tools::requirement::simple_commands;

/// Everything that a local run of a step needs.
#[derive(Debug, PartialEq)]
pub(crate) struct LocalStep {
    pub(crate) label: String,
    pub(crate) test_name: String,
    /// The text for `sh -e -c`: placeholders filled, `$$` unescaped.
    pub(crate) command: String,
    /// The command with `{xtask}` still in place, to read its requirements from.
    pub(crate) described_command: String,
    /// The command as it is uploaded, for messages.
    pub(crate) uploaded_command: String,
    /// As a person would type it, with the variables that the step sets.
    pub(crate) shown_command: String,
    /// Nothing else may run at the same time.
    pub(crate) is_exclusive: bool,
    /// Variables to set, in this order.
    pub(crate) environment: Vec<(String, String)>,
    /// How a shell would write their values: one that comes from a variable, which may be a secret,
    /// by the variable's name.
    pub(crate) shown: Vec<(String, String)>,
    pub(crate) timeout_minutes: u64,
    /// As the description has it.
    pub(crate) soft_fail: Value,
    /// The verdict of a step that does not run here.
    pub(crate) verdict: Option<Verdict>,
    /// What differs from CI, one sentence each.
    pub(crate) notes: Vec<String>,
    /// Exit status 75 means "could not be determined" only where the whole command is one of ours.
    pub(crate) is_own_command: bool,
}

impl LocalStep {
    /// Derives the local form of a step. `{xtask}` becomes `xtask_path` here and `xtask_alias` in an
    /// uploaded step; `lookup` is the caller's environment.
    pub(crate) fn of(
        step: &Step<'_>,
        xtask_path: &str,
        xtask_alias: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> LocalStep {
        // Only the description has escapes: a `$` in our own path is literal.
        let unescaped = shell_text::unescape_dollars(&step.command());
        let xtask = shell_text::quote(xtask_path);
        let (mut environment, mut shown) = (Vec::new(), Vec::new());
        for (name, text) in variables(step) {
            let value = shell_text::interpolate(&text, lookup);
            let word = if shell_text::has_variable(&text) {
                shell_text::double_quote(&text)
            } else {
                shell_text::quote(&value)
            };
            shown.push((name.clone(), word));
            environment.push((name, value));
        }
        let described_command = step.filled_command(placeholder::XTASK);
        LocalStep {
            label: visible(&step.label()),
            test_name: step.test.name.clone(),
            command: placeholder::fill(&unescaped, &step.placeholders(&xtask)),
            uploaded_command: step.filled_command(xtask_alias),
            shown_command: placeholder::fill(&unescaped, &step.placeholders(xtask_alias)),
            is_exclusive: step.test.is_exclusive,
            environment,
            shown,
            timeout_minutes: step.timeout_minutes(),
            soft_fail: step.test.forwarded.get("soft_fail").cloned().unwrap_or_default(),
            verdict: verdict(step),
            notes: notes(step),
            is_own_command: is_own_command(&described_command),
            described_command,
        }
    }

    /// The command with its variables, for people to read and to copy.
    pub(crate) fn shown_line(&self) -> String {
        let variables = self.shown.iter().map(|(name, text)| format!("{name}={text} "));
        visible(&mask_secrets(&(variables.collect::<String>() + &self.shown_command)))
    }

    /// Adds words to the command, before its first ` -- `, else at its end.
    pub(crate) fn add_words(&mut self, words: &[String]) {
        let quoted: Vec<String> = words.iter().map(|word| shell_text::quote(word)).collect();
        for line in [&mut self.command, &mut self.shown_command] {
            *line = shell_text::with_words(line, &quoted.join(" "));
        }
    }

    /// Why the system cannot run the command, here or in CI.
    pub(crate) fn problem(&self) -> Option<String> {
        // Source: `MAX_ARG_STRLEN` of execve(2), which a terminating NUL counts towards.
        const MAX_BYTES: usize = 131_071;
        let variables = self.environment.iter();
        let variables = variables
            .map(|(name, value)| (format!("the variable `{name}`"), format!("{name}={value}")));
        let texts = std::iter::once(("the command".to_owned(), self.command.clone()));
        texts.chain(variables).find_map(|(what, text)| {
            if text.contains('\0') {
                Some(format!("{what} contains a NUL character, which the system cannot pass on"))
            } else if MAX_BYTES < text.len() {
                let length = text.len();
                Some(format!("{what} has {length} bytes, the system takes at most {MAX_BYTES}"))
            } else {
                None
            }
        })
    }
}

/// Whether a command is one call of this tool and nothing else.
fn is_own_command(command: &str) -> bool {
    let commands = simple_commands(command.trim());
    let [words] = commands.as_slice() else { return false };
    let program = words.iter().find(|word| !shell_text::is_assignment(word));
    program.is_some_and(|program| program == placeholder::XTASK)
}

/// Returns the step's `env` and what the docker plugin's `environment` sets. An entry without `=`
/// passes a variable on, which happens here by itself.
fn variables(step: &Step<'_>) -> Vec<(String, String)> {
    let docker = step.docker_plugin();
    let entries = docker.get("environment").and_then(Value::as_array).into_iter().flatten();
    let entries = entries.filter_map(|entry| entry.as_str()?.split_once('='));
    let env = step.test.forwarded.get("env").and_then(Value::as_object).into_iter().flatten();
    let env = env.filter(|(name, _)| entries.clone().all(|(it, _)| it != *name));
    let env = env.filter_map(|(name, value)| Some((name.clone(), scalar_text(value)?)));
    env.chain(entries.clone().map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The verdict that is known without running the step.
fn verdict(step: &Step<'_>) -> Option<Verdict> {
    let value = |key: &str| step.test.forwarded.get(key);
    let skip_reason = match value("skip") {
        Some(Value::Bool(true)) => Some("the description says `skip`"),
        Some(Value::String(reason)) => Some(&**reason).filter(|it| !["", "false"].contains(it)),
        _ => None,
    };
    if let Some(reason) = skip_reason {
        return Some(Verdict::Skipped(reason.to_owned()));
    }
    let jobs = value("parallelism").and_then(scalar_text);
    let key = if value("matrix").is_some_and(|matrix| !matrix.is_null()) {
        "matrix"
    } else if jobs.and_then(|jobs| jobs.parse::<i64>().ok()).is_some_and(|jobs| jobs > 1) {
        "parallelism"
    } else {
        return None;
    };
    Some(Verdict::Unavailable(format!(
        "`{key}` makes several jobs of the step, which only Buildkite does"
    )))
}

/// Settings of the docker plugin that change what a command sees, and have no effect here.
const NOTED: [&str; 6] =
    ["workdir", "shell", "entrypoint", "env-file", "mount-checkout", "skip-checkout"];

fn notes(step: &Step<'_>) -> Vec<String> {
    let test = step.test;
    let mut notes = Vec::new();
    let condition = |key: &str, text: &str| {
        format!("runs in CI only if `{key}` holds ({text}), which cannot be decided here")
    };
    if let Some(text) = &test.conditional {
        notes.push(condition("conditional", text));
    }
    for key in ["if", "branches"] {
        if let Some(value) = test.forwarded.get(key).filter(|value| !value.is_null()) {
            let shown = scalar_text(value).unwrap_or_else(|| value.to_string());
            notes.push(condition(key, &shown));
        }
    }
    if test.forwarded.get("depends_on").is_some_and(|value| !value.is_null()) {
        notes.push("runs in CI only after the steps that `depends_on` names".to_owned());
    }
    if test.hypervisor == Some("mshv") {
        notes.push("runs on a machine with the hypervisor `mshv` in CI".to_owned());
    }
    let docker = step.docker_plugin();
    let usual = step.inputs.settings.image_for(step.platform);
    let image = docker.get("image").and_then(Value::as_str).filter(|image| *image != usual);
    notes.extend(image.map(|image| format!("runs in the image `{image}` in CI")));
    for key in NOTED.into_iter().filter(|key| docker.contains_key(*key)) {
        notes.push(format!("the docker plugin's `{key}` has no effect here"));
    }
    if !test.plugins.is_empty() {
        notes.push("the plugins after docker run in CI only".to_owned());
    }
    if test.forwarded.contains_key("commands") {
        notes.push("`commands` is not run here, `command` is".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::inputs::tests::inputs;
    use crate::plan::platform::Platform;
    use crate::text::diagnostic::Diagnostics;

    fn local(test: &str) -> LocalStep {
        let inputs = inputs(
            &format!(r#"{{"tests": [{{"test_name": "t", {test}}}]}}"#),
            &[Platform::X86_64],
            &[],
        );
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let step = plan.steps[0];
        LocalStep::of(&step, "/a b/xtask", "cargo xtask", &|name| Some(format!("<{name}>")))
    }

    #[test]
    fn the_command_names_this_executable_and_is_unescaped() {
        let step = local(r#""command": "A=$$PWD {xtask} audit""#);
        assert_eq!(step.command, "A=$PWD '/a b/xtask' audit");
        assert_eq!(step.uploaded_command, "A=$$PWD cargo xtask audit");
    }

    #[test]
    fn env_and_the_docker_plugins_environment_are_set() {
        let step = local(
            r#""command": "c", "env": {"A": "$$1 $X", "B": 2, "C": null}, "docker_plugin": {"environment": ["D=e=f", "HOME"]}"#,
        );
        let pairs: Vec<String> =
            step.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["A=$1 <X>", "B=2", "D=e=f"]);
        assert_eq!(step.shown_line(), r#"A="\$1 $X" B=2 D=e=f c"#);
    }

    #[test]
    fn what_only_buildkite_can_do_is_unavailable_and_a_condition_is_noted() {
        assert!(matches!(
            local(r#""command": "c", "matrix": ["a"]"#).verdict,
            Some(Verdict::Unavailable(_))
        ));
        assert!(matches!(
            local(r#""command": "c", "parallelism": 2"#).verdict,
            Some(Verdict::Unavailable(_))
        ));
        assert_eq!(local(r#""command": "c", "parallelism": 1"#).verdict, None);
        assert_eq!(
            local(r#""command": "c", "skip": "broken upstream""#).verdict,
            Some(Verdict::Skipped("broken upstream".to_owned()))
        );
        assert_eq!(local(r#""command": "c", "conditional": "a == 'b'""#).notes.len(), 1);
    }

    #[test]
    fn only_a_single_call_of_this_tool_is_an_own_command() {
        for (command, own) in [
            ("{xtask} coverage --devel", true),
            ("A=b {xtask} audit --db 'a;b'\\n", true),
            ("{xtask} audit; exit 75", false),
            ("{xtask} audit || exit 75", false),
            ("! {xtask} audit", false),
            ("exit 75", false),
            ("echo {xtask} audit", false),
        ] {
            assert_eq!(
                local(&format!(r#""command": "{command}""#)).is_own_command,
                own,
                "{command}"
            );
        }
    }
}
