//! Pure. What Buildkite does with a step: its agent interpolates every string, its docker plugin reads
//! settings, and its steps name each other by `key` and `depends_on`.

use serde_json::{Map, Value};

use crate::plan::placeholder::{self, Values};
use crate::text::diagnostic::Severity;
use crate::text::fields::Field;
use crate::text::nearest;
use crate::text::shell;

/// Reports every string of a value, keys included, that has an expansion which Buildkite refuses.
pub(crate) fn check_expansions(field: Field<'_>) {
    let Field { node, source, found, .. } = field;
    for item in node.as_array().unwrap_or_default() {
        check_expansions(Field::of(item, source, found));
    }
    for entry in node.as_object().unwrap_or_default() {
        if let Some((_, message)) = expansion_problem(&entry.key) {
            found.push(source.error(entry.key_offset, message));
        }
        check_expansions(Field::of(&entry.value, source, found));
    }
    if let Some((at, message)) = node.as_str().and_then(expansion_problem) {
        field.error_in_text(at, message);
    }
}

fn expansion_problem(text: &str) -> Option<(usize, String)> {
    const SHOWN_CHARS: usize = 24;
    let at = shell::refused_expansion(text)?;
    let rest = &text[at..];
    let end = rest.find('}').map_or(rest.len(), |end| end + 1);
    let shown: String = rest[..end].chars().take(SHOWN_CHARS).collect();
    let message = format!(
        "Buildkite refuses to expand `{shown}`: write `$$` for a dollar that the shell is to see"
    );
    Some((at, message))
}

/// Settings of the docker plugin that are lists; it ignores those of another shape.
///
/// Source: `plugin.yml` and `hooks/command` of `buildkite-plugins/docker-buildkite-plugin` v5.3.0.
const DOCKER_LISTS: &str = "add-caps add-host additional-groups devices drop-caps env-file environment \
     mounts publish security-opts sysctls tmpfs ulimits volumes";

/// Those that are strings, numbers or booleans.
const DOCKER_SCALARS: &str = "always-pull cpus debug entrypoint expand-volume-vars gpus image init \
     interactive ipc leave-container memory memory-swap memory-swappiness mount-buildkite-agent \
     mount-checkout mount-ssh-agent network pid privileged propagate-aws-auth-tokens \
     propagate-environment propagate-uid-gid pull-retries runtime shm-size skip-checkout \
     storage-opt tty user userns workdir";

/// Reports settings of the docker plugin that it would ignore or refuse.
pub(crate) fn check_docker(settings: Field<'_>) {
    for entry in settings.node.as_object().unwrap_or_default() {
        if let Some((severity, message)) = docker_problem(&entry.key, &entry.value.to_value()) {
            let finding = settings.source.finding(severity, entry.key_offset, message);
            settings.found.push(finding);
        }
    }
}

/// Returns what is wrong with a setting: the plugin would ignore it, or refuse it in the job. A
/// setting that this version of the plugin does not have is a warning.
fn docker_problem(key: &str, value: &Value) -> Option<(Severity, String)> {
    let is_scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    // Of a list, the plugin reads the items before the first empty one.
    let is_item = |value: &Value| is_scalar(value) && value != "";
    let is_list = || value.as_array().is_some_and(|items| items.iter().all(is_item));
    let has = |list: &str| list.split(' ').any(|name| name == key);
    let (is_right, wanted) = match key {
        "command" => (false, "the command of the step alone"),
        "shell" => (value.is_boolean() || is_list(), "a boolean or a list"),
        _ if has(DOCKER_LISTS) => (is_list(), "a list of non-empty strings"),
        _ if has(DOCKER_SCALARS) => (is_scalar(value), "a string, a number or a boolean"),
        _ => {
            let known = DOCKER_LISTS.split(' ').chain(DOCKER_SCALARS.split(' '));
            let hint = nearest::did_you_mean(key, &known.collect::<Vec<_>>());
            let message = format!("the docker plugin has no setting `{key}`{hint}");
            return Some((Severity::Warning, message));
        }
    };
    // What is null is not there.
    let is_right = is_right || value.is_null();
    let message = || format!("the docker plugin takes {wanted} as `{key}`");
    (!is_right).then(|| (Severity::Error, message()))
}

/// Adds the variables of the step's `env` to those that the docker plugin passes to the container.
pub(crate) fn pass_on_env(env: Option<&Value>, docker: &mut Map<String, Value>) {
    let Some(Value::Object(env)) = env else { return };
    // What the plugin takes as switched on.
    let is_on =
        |it: &Value| *it == true || *it == 1 || ["true", "on", "1"].iter().any(|on| it == on);
    if docker.get("propagate-environment").is_some_and(is_on) {
        return;
    }
    let listed = docker.entry("environment").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(listed) = listed else { return };
    for name in env.keys() {
        let is_same = |entry: &Value| {
            entry.as_str().is_some_and(|it| it.split('=').next() == Some(name.as_str()))
        };
        if !listed.iter().any(is_same) {
            listed.push(name.as_str().into());
        }
    }
}

/// The names that Buildkite has for the key of a step.
pub(crate) const KEYS: [&str; 3] = ["key", "id", "identifier"];

pub(crate) const DEPENDS_ON: &str = "depends_on";

/// The texts in which placeholders are filled, besides the command.
pub(crate) fn reference_texts(keys: &Map<String, Value>) -> impl Iterator<Item = &str> {
    own_keys(keys).chain(dependencies(keys))
}

/// The keys that a step gives itself.
pub(crate) fn own_keys(keys: &Map<String, Value>) -> impl Iterator<Item = &str> {
    KEYS.iter().filter_map(|key| keys.get(*key)?.as_str())
}

/// The keys that a step depends on: one, or a list of keys and of objects with a `step`.
pub(crate) fn dependencies(keys: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let value = keys.get(DEPENDS_ON);
    let items =
        value.map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    items.into_iter().flatten().filter_map(|item| item.get("step").unwrap_or(item).as_str())
}

/// Fills the placeholders of keys, where no shell reads them.
pub(crate) fn fill_references(keys: &mut Map<String, Value>, values: &Values<'_>) {
    for key in KEYS.iter().chain([&DEPENDS_ON]) {
        keys.get_mut(*key).into_iter().for_each(|value| fill(value, values));
    }
}

fn fill(value: &mut Value, values: &Values<'_>) {
    match value {
        Value::String(text) => *text = placeholder::fill_unquoted(text, values),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::Object(item) => item.get_mut("step").into_iter().for_each(|key| fill(key, values)),
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plugin_would_ignore_or_refuse_is_a_problem() {
        let problem = |key: &str, value: &str| {
            let problem = docker_problem(key, &serde_json::from_str(value).unwrap());
            problem.map(|(_, message)| message).unwrap_or_default()
        };
        for (key, value) in [
            ("environment", r#"["A", "B=1"]"#),
            ("privileged", "true"),
            ("memory", "512"),
            ("volumes", "null"),
            ("shell", "false"),
            ("shell", r#"["/bin/bash", "-c"]"#),
        ] {
            assert_eq!(problem(key, value), "", "{key}");
        }
        let list = "the docker plugin takes a list of non-empty strings as `environment`";
        for value in [r#"{"A": "1"}"#, r#""A""#, r#"["A", ""]"#, r#"[["A"]]"#] {
            assert_eq!(problem("environment", value), list, "{value}");
        }
        assert!(problem("privileged", "[true]").contains("a string, a number or a boolean"));
        assert!(problem("shell", r#""sh""#).contains("a boolean or a list"));
        assert!(problem("command", r#"["x"]"#).contains("the command of the step alone"));
        assert_eq!(
            problem("enviroment", "[]"),
            "the docker plugin has no setting `enviroment`, did you mean `environment`?"
        );
    }

    #[test]
    fn the_names_of_env_reach_the_container_once() {
        let passed_on = |docker: &str| {
            let env = serde_json::from_str(r#"{"A": "1", "B": "2"}"#).unwrap();
            let mut docker = serde_json::from_str(docker).unwrap();
            pass_on_env(Some(&env), &mut docker);
            serde_json::to_string(&docker).unwrap()
        };
        assert_eq!(passed_on("{}"), r#"{"environment":["A","B"]}"#);
        assert_eq!(
            passed_on(r#"{"environment":["B=3","C"]}"#),
            r#"{"environment":["B=3","C","A"]}"#
        );
        let everything = r#"{"propagate-environment":true}"#;
        assert_eq!(passed_on(everything), everything);
    }
}
