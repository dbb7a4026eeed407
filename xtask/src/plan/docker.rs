//! Pure. The settings of Buildkite's docker plugin.
//!
//! Source: `plugin.yml` and `hooks/command` of `buildkite-plugins/docker-buildkite-plugin` v5.3.0,
//! which finds its settings in variables and ignores those of another shape.

use serde_json::{Map, Value};

use crate::text::diagnostic::Severity;
use crate::text::fields::Field;
use crate::text::nearest;

const LISTS: &str = "add-caps add-host additional-groups devices drop-caps env-file environment \
     mounts publish security-opts sysctls tmpfs ulimits volumes";

const SCALARS: &str = "always-pull cpus debug entrypoint expand-volume-vars gpus image init \
     interactive ipc leave-container memory memory-swap memory-swappiness mount-buildkite-agent \
     mount-checkout mount-ssh-agent network pid privileged propagate-aws-auth-tokens \
     propagate-environment propagate-uid-gid pull-retries runtime shm-size skip-checkout \
     storage-opt tty user userns workdir";

/// Reports settings that the plugin would ignore or refuse.
pub(crate) fn check(settings: Field<'_>) {
    for entry in settings.node.as_object().unwrap_or_default() {
        if let Some((severity, message)) = problem(&entry.key, &entry.value.to_value()) {
            let finding = settings.source.finding(severity, entry.key_offset, message);
            settings.found.push(finding);
        }
    }
}

/// Returns what is wrong with a setting: the plugin would ignore it, or refuse it in the job. A
/// setting that this version of the plugin does not have is a warning.
fn problem(key: &str, value: &Value) -> Option<(Severity, String)> {
    let is_scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    // Of a list, the plugin reads the items before the first empty one.
    let is_item = |value: &Value| is_scalar(value) && value != "";
    let is_list = || value.as_array().is_some_and(|items| items.iter().all(is_item));
    let has = |list: &str| list.split(' ').any(|name| name == key);
    let (is_right, wanted) = match key {
        "command" => (false, "the command of the step alone"),
        "shell" => (value.is_boolean() || is_list(), "a boolean or a list"),
        _ if has(LISTS) => (is_list(), "a list of non-empty strings"),
        _ if has(SCALARS) => (is_scalar(value), "a string, a number or a boolean"),
        _ => {
            let hint = nearest::nearest(key, LISTS.split(' ').chain(SCALARS.split(' ')));
            let hint = hint.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
            let message = format!("the docker plugin has no setting `{key}`{hint}");
            return Some((Severity::Warning, message));
        }
    };
    // What is null is not there.
    let is_right = is_right || value.is_null();
    let message = || format!("the docker plugin takes {wanted} as `{key}`");
    (!is_right).then(|| (Severity::Error, message()))
}

/// Adds the variables of the step's `env` to those that the plugin passes to the container.
pub(crate) fn pass_on(env: Option<&Value>, docker: &mut Map<String, Value>) {
    let Some(Value::Object(env)) = env else { return };
    if is_on(docker.get("propagate-environment")) {
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

/// Whether the plugin takes a setting as switched on.
fn is_on(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => ["true", "on", "1"].contains(&text.as_str()),
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plugin_would_ignore_or_refuse_is_a_problem() {
        let problem = |key: &str, value: &str| {
            let problem = problem(key, &serde_json::from_str(value).unwrap());
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
            pass_on(Some(&env), &mut docker);
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
