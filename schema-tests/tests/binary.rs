//! What the schemas and the binary accept is the same.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Sandbox, checkout};
use crate::{Schema, parsed, template};

/// A consumer whose alias is ours, so that cargo need not be asked for it.
pub(crate) fn consumer() -> Sandbox {
    let sandbox = Sandbox::new();
    let config = fs::read(template("cargo-config.toml")).unwrap();
    sandbox.write(".cargo/config.toml", config);
    sandbox
}

fn with_keys(keys: &Value) -> Value {
    let mut test = json!({"test_name": "a", "command": "c"});
    for (key, value) in keys.as_object().unwrap() {
        test[key] = value.clone();
    }
    json!({"tests": [test]})
}

/// Asserts that schema and binary agree about each value; the binary says 2 to a bad one.
#[track_caller]
fn check(schema: &Schema, code: i32, values: Vec<Value>, run: impl Fn(&Value) -> Option<i32>) {
    let mut offences = Vec::new();
    for value in values {
        let faults = schema.faults(&value);
        if faults.is_empty() != (code == 0) {
            offences.push(format!("schema: {value}: {faults:?}"));
        }
        let got = run(&value);
        if got != Some(code) {
            offences.push(format!("binary: {value}: {got:?}"));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

fn check_descriptions(code: i32, values: Vec<Value>) {
    let sandbox = consumer();
    check(&Schema::shipped("test_description.schema.json"), code, values, |value| {
        sandbox.write("t.json", value.to_string());
        sandbox.xtask(&["pipeline", "-t", "t.json"]).code
    });
}

fn check_overrides(code: i32, values: Vec<Value>) {
    let sandbox = consumer();
    check(&Schema::shipped("overrides.schema.json"), code, values, |value| {
        sandbox.write(".buildkite/overrides.json", value.to_string());
        sandbox.xtask(&["pipeline"]).code
    });
}

#[test]
fn every_file_of_ours_names_its_schema_and_is_valid() {
    let sandbox = consumer();
    let mut descriptions = Vec::new();
    for folder in ["ci-template", "samples"] {
        let files = walkdir::WalkDir::new(checkout().join(folder)).sort_by_file_name();
        let paths = files.into_iter().map(|entry| entry.unwrap().into_path());
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_json = path.extension().is_some_and(|end| end == "json");
            is_json && !name.ends_with(".schema.json") && !name.starts_with("coverage_config")
        };
        for path in paths.filter(is_ours) {
            let value = parsed(&path);
            let schema = Path::new(value["$schema"].as_str().unwrap()).file_name().unwrap();
            let faults = Schema::shipped(schema.to_str().unwrap()).faults(&value);
            assert_eq!(faults, "", "{}", path.display());
            if value["tests"].is_array() {
                sandbox.xtask(&["pipeline", "-t", path.to_str().unwrap()]).assert_code(0);
                descriptions.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(
        descriptions,
        ["test_description.json", "bench-tests.json", "custom-tests.json", "custom-tests.json"]
    );
}

#[test]
fn bad_descriptions_are_refused_by_schema_and_binary() {
    let mut bad = vec![
        json!([]),
        json!("tests"),
        json!({}),
        json!({"test": []}),
        json!({"tests": null}),
        json!({"tests": {}}),
        json!({"tests": ""}),
        json!({"tests": [7]}),
        json!({"tests": [[]]}),
        json!({"tests": [{}]}),
        json!({"tests": [{"test_name": "a"}]}),
        json!({"tests": [{"command": "c"}]}),
        json!({"tests": [{"test_name": "a", "command": "c"}, {"test_name": "b"}]}),
        with_keys(&json!({"if": "a", "conditional": "b"})),
        with_keys(&json!({"if_changed": true})),
        with_keys(&json!({"if_changed": ["a/**", 7]})),
        with_keys(&json!({"if_changed": {"include": "a/**", "exclude": [1.5]}})),
        with_keys(&json!({"platform": ["x86-64"]})),
        with_keys(&json!({"platform": ["x86_64", null]})),
        with_keys(&json!({"platform": ["X86_64"]})),
        with_keys(&json!({"hypervisor": "xen"})),
        with_keys(&json!({"hypervisor": "KVM"})),
        with_keys(&json!({"scope": "crates"})),
        with_keys(&json!({"timeout_in_minutes": -1})),
        with_keys(&json!({"timeout_in_minutes": 1.5})),
        with_keys(&json!({"plugins": [7]})),
        with_keys(&json!({"plugins": [["a"]]})),
    ];
    for key in ["test_name", "command"] {
        let wrong =
            [json!(null), json!(""), json!([]), json!(0), json!(5), json!(["a"]), json!({})];
        bad.extend(wrong.map(|value| with_keys(&json!({ key: value }))));
    }
    for key in ["queue", "conditional", "crate_path", "label", "hypervisor", "scope"] {
        let wrong = [json!(5), json!(true), json!(["a"]), json!({})];
        bad.extend(wrong.map(|value| with_keys(&json!({ key: value }))));
    }
    for key in ["docker_plugin", "agents", "retry"] {
        let wrong = [json!(5), json!(true), json!(["a"]), json!("a")];
        bad.extend(wrong.map(|value| with_keys(&json!({ key: value }))));
    }
    for (key, also) in
        [("platform", json!({})), ("plugins", json!(false)), ("timeout_in_minutes", json!(["a"]))]
    {
        let wrong = [json!(true), json!("15"), also];
        bad.extend(wrong.map(|value| with_keys(&json!({ key: value }))));
    }
    check_descriptions(2, bad);
}

#[test]
fn odd_but_good_descriptions_are_taken_by_schema_and_binary() {
    let mut good = vec![
        json!({"tests": []}),
        json!({"tests": [], "$schema": "x", "version": 2}),
        with_keys(&json!({"platform": ["riscv64", "aarch64", "x86_64", "x86_64"]})),
        with_keys(&json!({"hypervisor": "mshv", "queue": "q", "scope": "workspace"})),
        with_keys(&json!({"docker_plugin": {}, "agents": {}, "retry": {}, "plugins": {}})),
        with_keys(&json!({"plugins": ["a#v1", {"b#v2": null}]})),
        with_keys(&json!({"plugins": {"a#v1": null, "b#v2": {"c": 1}}})),
        with_keys(&json!({"retry": {"automatic": [{"exit_status": -1, "limit": 2}]}})),
        with_keys(&json!({"timeout_in_minutes": 100_000})),
        with_keys(&json!({"if": "a", "conditional": ""})),
        with_keys(&json!({"if": "", "conditional": "a"})),
        with_keys(&json!({"if": null, "if_changed": null})),
        with_keys(&json!({"if_changed": {"include": "a/**", "exclude": ["a/b", ""]}})),
        with_keys(&json!({"crate": 5})),
        with_keys(&json!({"soft_fail": "true", "env": null, "if_changed": ["a/**"]})),
        with_keys(&json!({"anybodys_key": [{"a": [null]}], "": 1})),
        json!({"tests": [{"test_name": " ", "command": "\n"}]}),
    ];
    for key in [
        "platform",
        "hypervisor",
        "queue",
        "timeout_in_minutes",
        "docker_plugin",
        "conditional",
        "scope",
        "crate",
        "crate_path",
        "label",
        "retry",
        "agents",
        "plugins",
    ] {
        let absent = [json!(null), json!(""), json!([]), json!(0)];
        good.extend(absent.map(|value| with_keys(&json!({ key: value }))));
    }
    check_descriptions(0, good);
}

#[test]
fn bad_overrides_are_refused_by_schema_and_binary() {
    let patch = |patch: Value| json!({"tests": {"style": patch}});
    check_overrides(
        2,
        vec![
            json!([]),
            json!({"test": {}}),
            json!({"tests": []}),
            json!({"tests": null}),
            json!({"skip": "style"}),
            json!({"skip": null}),
            json!({"skip": [7]}),
            patch(json!(null)),
            patch(json!("cargo fmt")),
            patch(json!({"test_name": "other"})),
            patch(json!({"command": null})),
            patch(json!({"command": ["c"]})),
            patch(json!({"platform": ["mips"]})),
            patch(json!({"hypervisor": "xen"})),
            patch(json!({"timeout_in_minutes": "20"})),
            patch(json!({"extra_args": "--exclude x"})),
            patch(json!({"extra_args": null})),
            patch(json!({"extra_args": ["--jobs", 7]})),
            patch(json!({"if": "a", "conditional": "b"})),
        ],
    );
}

#[test]
fn odd_but_good_overrides_are_taken_by_schema_and_binary() {
    check_overrides(
        0,
        vec![
            json!({}),
            json!({"$schema": "x", "tests": {}, "skip": []}),
            json!({"skip": ["style", "style"]}),
            json!({"tests": {"style": {}}}),
            json!({"tests": {"style": {"queue": null, "env": {"A": null}, "soft_fail": null}}}),
            json!({"tests": {"style": {"command": "true", "platform": ["riscv64"]}}}),
            json!({"tests": {"build-musl": {"extra_args": []}}}),
            json!({"tests": {"build-musl": {"extra_args": ["--exclude", "", "a b"]}}}),
            json!({"tests": {"coverage": {"docker_plugin": {"privileged": null}}}, "skip": ["doc"]}),
        ],
    );
}
