//! Tests that `ci-template/test_description.schema.json` and the code accept the same.

use std::cell::Cell;

use boon::{Compiler, SchemaIndex, Schemas};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::plan::description::{TestDescription, known_keys};
use crate::plan::settings::Settings;
use crate::properties::{SETTINGS, check};
use crate::text::diagnostic::{Diagnostics, Severity, Source};

const SCHEMA: &str = include_str!("../../../ci-template/test_description.schema.json");

/// A part of the schema, compiled.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// `fragment` is a JSON pointer into the schema; an empty one is the test description.
    fn new(fragment: &str) -> Schema {
        let mut compiler = Compiler::new();
        compiler.add_resource("schema.json", parsed(SCHEMA)).unwrap();
        let mut schemas = Schemas::new();
        let index = compiler.compile(&format!("schema.json#{fragment}"), &mut schemas).unwrap();
        Schema { schemas, index }
    }

    fn accepts(&self, value: &Value) -> bool {
        self.schemas.validate(value, self.index).is_ok()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Whether nothing is wrong that a schema could tell: it cannot know which tests there are.
fn is_clean(found: &Diagnostics) -> bool {
    let is_unknown_name =
        |message: &str| message.starts_with("the shipped description has no test");
    let errors = found.items.iter().filter(|item| item.severity == Severity::Error);
    errors.filter(|error| !is_unknown_name(&error.message)).count() == 0
}

fn code_accepts_description(value: &Value) -> bool {
    let mut found = Diagnostics::default();
    TestDescription::parse(Source::new("t.json", value.to_string()), &mut found);
    is_clean(&found)
}

fn code_accepts_overrides(value: &Value) -> bool {
    let mut found = Diagnostics::default();
    let shipped =
        Source::new("t.json", r#"{"tests": [{"test_name": "a", "command": "c", "queue": "q"}]}"#);
    let overrides = Source::new("o.json", value.to_string());
    TestDescription::parse_shipped(shipped, Some(overrides), &mut found);
    is_clean(&found)
}

fn code_accepts_settings(value: &Value) -> bool {
    let mut found = Diagnostics::default();
    Settings::parse(&Source::new("p.json", value.to_string()), &mut found);
    is_clean(&found)
}

#[test]
fn the_schema_describes_every_key_of_a_test() {
    let schema = parsed(SCHEMA);
    let described = |pointer| schema.pointer(pointer).unwrap().as_object().unwrap().keys();
    let mut described: Vec<&str> = described("/$defs/test/properties")
        .chain(described("/$defs/keys/properties"))
        .map(String::as_str)
        .collect();
    // Refused here, and for that reason described.
    let mut known: Vec<&str> = known_keys().chain(["extra_args"]).collect();
    described.sort_unstable();
    known.sort_unstable();
    assert_eq!(described, known);
}

/// What a value of any key may look like. No whole number is written as a fraction: JSON Schema
/// takes 5.0 for an integer, the code asks for 5.
fn any_value() -> impl Strategy<Value = Value> {
    let platforms = select(&["x86_64", "aarch64", "riscv64", "x86_64", "riscv64", "arm"][..]);
    let of_platforms = prop::collection::vec(platforms, 0..5);
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!({"a": null})),
        Just(json!([[], {}])),
        Just(json!(["a", {"b": 1}])),
        Just(json!([7])),
        Just(json!(0.0)),
        Just(json!(-0.0)),
        Just(json!(u64::MAX)),
        any::<bool>().prop_map(Value::from),
        (-3..20).prop_map(Value::from),
        Just(json!(0.5)),
        select(&["", "a", "kvm", "mshv", "xen", "crate", "workspace", "x86_64"][..])
            .prop_map(Value::from),
        of_platforms.clone().prop_map(Value::from),
        of_platforms.prop_map(|names| names
            .into_iter()
            .map(|name| (name.to_owned(), json!("tag")))
            .collect::<Map<_, _>>()
            .into()),
    ]
}

/// Changes up to five keys of an object: another value, or none.
fn mutated(
    object: Value,
    keys: Vec<&'static str>,
    value: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Value> {
    let change = (select(keys), prop::option::weighted(0.9, value));
    prop::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut object = object.as_object().unwrap().clone();
        for (key, value) in changes {
            match value {
                Some(value) => object.insert(key.to_owned(), value),
                None => object.remove(key),
            };
        }
        Value::Object(object)
    })
}

fn any_test() -> impl Strategy<Value = Value> {
    // Two of many keys seldom meet by chance.
    let keys = known_keys().chain(["nobodys_key", "if", "conditional", "if", "conditional"]);
    let keys = keys.collect();
    mutated(json!({"test_name": "a", "command": "c"}), keys, any_value())
}

fn any_description() -> impl Strategy<Value = Value> {
    let tests = prop::collection::vec(any_test(), 0..3).prop_map(|tests| json!({"tests": tests}));
    let others = mutated(json!({}), vec!["tests", "$schema", "test"], any_value());
    prop_oneof![9 => tests, 1 => others, 1 => any_value()]
}

fn any_overrides() -> impl Strategy<Value = Value> {
    let keys = known_keys().chain(["nobodys_key", "extra_args"]).collect();
    let patch = mutated(json!({}), keys, any_value());
    let patches = patch.prop_map(|patch| json!({"tests": {"a": patch}}));
    let others = mutated(json!({}), vec!["tests", "skip", "$schema", "sikp"], any_value());
    prop_oneof![9 => patches, 3 => others, 1 => any_value()]
}

fn any_settings() -> impl Strategy<Value = Value> {
    let shipped = parsed(SETTINGS);
    let keys = ["$schema", "image", "image_tag", "image_tag_suffix", "docker_plugin"]
        .into_iter()
        .chain(["docker_plugin_config", "timeout_in_minutes", "agents", "agent_platform", "retry"])
        .chain(["imagetag"]);
    prop_oneof![15 => mutated(shipped, keys.collect(), any_value()), 1 => any_value()]
}

#[track_caller]
fn check_agreement(
    fragment: &str,
    values: &impl Strategy<Value = Value>,
    code_accepts: fn(&Value) -> bool,
) {
    let schema = Schema::new(fragment);
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    check(700, values, |value| {
        let is_accepted = schema.accepts(&value);
        let count = if is_accepted { &accepted } else { &refused };
        count.set(count.get() + 1);
        prop_assert_eq!(is_accepted, code_accepts(&value), "{}", value);
        Ok(())
    });
    // Or the agreement would mean nothing.
    assert!(accepted.get() > 100, "{accepted:?} accepted");
    assert!(refused.get() > 100, "{refused:?} refused");
}

#[test]
fn schema_and_code_accept_the_same_descriptions() {
    check_agreement("", &any_description(), code_accepts_description);
}

#[test]
fn schema_and_code_accept_the_same_overrides() {
    check_agreement("/$defs/overrides", &any_overrides(), code_accepts_overrides);
}

#[test]
fn schema_and_code_accept_the_same_settings() {
    check_agreement("/$defs/pipeline", &any_settings(), code_accepts_settings);
}
