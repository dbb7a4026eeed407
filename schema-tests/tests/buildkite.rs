//! Generated pipelines, judged by the JSON Schema that Buildkite publishes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Schema;
use crate::binary::consumer;
use crate::support::{Sandbox, checkout};

/// The schema is Buildkite's and no part of this repository, so a plain run counts this as
/// ignored. `.ci/run` names the files where it finds them.
#[test]
#[ignore = "needs BUILDKITE_SCHEMA (a file) and PIPELINE_CASES (a folder of recorded consumers)"]
fn generated_pipelines_are_what_buildkite_takes() {
    let variable = |name: &str| {
        let value = std::env::var_os(name);
        PathBuf::from(value.unwrap_or_else(|| panic!("{name} is not set")))
    };
    let schema = Schema::new(variable("BUILDKITE_SCHEMA").to_str().unwrap());
    let control = "steps: [{label: a, command: c, timeout_in_minutes: soon}]";
    assert!(offence(&schema, "control", control).is_some(), "the schema refuses nothing");
    let mut pipelines = recorded_pipelines();
    pipelines.push(("sample-crate".to_owned(), sample_crates_pipeline()));
    let own = pipelines.len();
    for file in fs::read_dir(variable("PIPELINE_CASES")).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("real-") {
            pipelines.push((name, recorded_consumers_pipeline(&path)));
        }
    }
    assert!(pipelines.len() > own, "no recorded consumer");
    let offences: Vec<String> =
        pipelines.iter().filter_map(|(name, text)| offence(&schema, name, text)).collect();
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

fn offence(schema: &Schema, name: &str, pipeline: &str) -> Option<String> {
    let faults = schema.faults(&yaml_serde::from_str(pipeline).unwrap());
    (!faults.is_empty()).then(|| format!("{name}: {faults}"))
}

/// Name and text of each golden pipeline; another test keeps them current.
fn recorded_pipelines() -> Vec<(String, String)> {
    let files = fs::read_dir(checkout().join("xtask/tests/cli/golden")).unwrap();
    let files = files.map(|file| file.unwrap());
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

fn sample_crates_pipeline() -> String {
    let description = checkout().join("samples/rtc-device/.buildkite/custom-tests.json");
    let arguments = ["pipeline", "-t", description.to_str().unwrap()];
    consumer().xtask(&arguments).assert_code(0).stdout
}

/// The pipeline of a consumer of the conformance suite: a JSON file with the consumer's `files`,
/// `links`, the `args` and the `env`.
fn recorded_consumers_pipeline(case: &Path) -> String {
    let case: Value = serde_json::from_str(&fs::read_to_string(case).unwrap()).unwrap();
    let pairs = |key: &str| {
        let object = case[key].as_object().cloned().unwrap_or_default();
        object.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
    };
    let mut sandbox = Sandbox::new();
    for (path, text) in pairs("files") {
        sandbox.write(&path, text);
    }
    for (path, target) in pairs("links") {
        let link = sandbox.root().join(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    for (name, value) in pairs("env") {
        sandbox.set(&name, &value);
    }
    let arguments = case["args"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let arguments: Vec<&str> = std::iter::once("pipeline").chain(arguments).collect();
    sandbox.xtask(&arguments).assert_code(0).stdout
}
