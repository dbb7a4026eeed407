//! What the schemas and the code accept is the same.

use std::cell::Cell;

use schema_tests::{accepts_description, accepts_overrides, accepts_settings, known_keys};
use serde_json::{Map, Value, json};

use crate::support::arbitrary::{Random, check};
use crate::{Schema, parsed, template};

const SCHEMA: &str = "test_description.schema.json";

#[test]
fn the_schema_describes_every_key_of_a_test() {
    let schema = parsed(&template(SCHEMA));
    let described = |pointer| schema.pointer(pointer).unwrap().as_object().unwrap().keys();
    let mut described: Vec<&str> = described("/$defs/test/properties")
        .chain(described("/$defs/keys/properties"))
        .map(String::as_str)
        .collect();
    // Refused here, and for that reason described.
    let of_other_kinds = ["block", "group", "input", "manual", "trigger", "wait"];
    let mut known: Vec<&str> = [known_keys(), vec!["extra_args"], of_other_kinds.to_vec()].concat();
    described.sort_unstable();
    known.sort_unstable();
    assert_eq!(described, known);
}

/// What a value of any key may look like. No whole number is written as a fraction: JSON Schema
/// takes 5.0 for an integer, the code asks for 5.
fn any_value(random: &mut Random) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => random.flag().into(),
        2 => random.pick(&[json!({}), json!({"a": null})]),
        3 => random.pick(&[json!([[], {}]), json!(["a", {"b": 1}]), json!([7])]),
        4 => random.pick(&[json!(0.0), json!(-0.0), json!(0.5), json!(u64::MAX)]),
        5 => random.pick(&[-3, -1, 0, 1, 5, 20]).into(),
        6..10 => {
            let words = ["", "a", "kvm", "mshv", "xen", "crate", "workspace", "x86_64"];
            random.pick(&words).into()
        }
        _ => any_platforms(random),
    }
}

fn any_platforms(random: &mut Random) -> Value {
    let names = ["x86_64", "aarch64", "riscv64", "x86_64", "riscv64", "arm"];
    let names = random.list(0..5, |random| random.pick(&names));
    if random.flag() {
        return names.into();
    }
    names.into_iter().map(|name| (name.to_owned(), json!("tag"))).collect::<Map<_, _>>().into()
}

/// Changes up to five keys of an object: another value, or none.
fn mutated(mut object: Value, keys: &[&str], random: &mut Random) -> Value {
    let members = object.as_object_mut().unwrap();
    for _ in 0..random.pick(&[0, 1, 1, 2, 2, 5]) {
        let key = random.pick(keys);
        if random.once_in(10) {
            members.remove(key);
        } else {
            members.insert(key.to_owned(), any_value(random));
        }
    }
    object
}

fn any_test(random: &mut Random) -> Value {
    // Two of many keys seldom meet by chance.
    let more = ["nobodys_key", "if", "conditional", "if", "conditional", "wait", "block"];
    let more = [&more[..], &["concurrency", "concurrency_group"].repeat(2)].concat();
    let keys = [known_keys(), more].concat();
    mutated(json!({"test_name": "a", "command": "c"}), &keys, random)
}

fn any_description(random: &mut Random) -> Value {
    match random.below(11) {
        0..9 => json!({"tests": random.list(0..3, any_test)}),
        9 => mutated(json!({}), &["tests", "$schema", "test", "timeout_in_minutes"], random),
        _ => any_value(random),
    }
}

fn any_overrides(random: &mut Random) -> Value {
    match random.below(13) {
        0..9 => {
            let keys = [known_keys(), vec!["nobodys_key", "extra_args"]].concat();
            json!({"tests": {"a": mutated(json!({}), &keys, random)}})
        }
        9..12 => {
            mutated(json!({}), &["tests", "skip", "$schema", "sikp", "timeout_in_minutes"], random)
        }
        _ => any_value(random),
    }
}

fn any_settings(random: &mut Random) -> Value {
    if random.once_in(16) {
        return any_value(random);
    }
    let keys = ["$schema", "image", "image_tag", "image_tag_suffix", "docker_plugin"];
    let more = ["timeout_in_minutes", "agents", "agent_platform", "retry", "imagetag"];
    let keys = [&keys[..], &["docker_plugin_config"], &more].concat();
    mutated(parsed(&template("pipeline.json")), &keys, random)
}

/// Checks that the part of the schema that a JSON pointer names agrees with the code.
#[track_caller]
fn check_agreement(pointer: &str, value: fn(&mut Random) -> Value, code_accepts: fn(&str) -> bool) {
    let schema = Schema::shipped(&format!("{SCHEMA}#{pointer}"));
    let (accepted, rejected) = (Cell::new(0), Cell::new(0));
    check(4000, |random| {
        let value = value(random);
        let faults = schema.faults(&value);
        let count = if faults.is_empty() { &accepted } else { &rejected };
        count.set(count.get() + 1);
        assert_eq!(faults.is_empty(), code_accepts(&value.to_string()), "{value}\n{faults}");
    });
    // Or the agreement would mean nothing.
    assert!(accepted.get() > 100, "{accepted:?} accepted");
    assert!(rejected.get() > 100, "{rejected:?} rejected");
}

#[test]
fn schema_and_code_accept_the_same_descriptions() {
    check_agreement("", any_description, accepts_description);
}

#[test]
fn schema_and_code_accept_the_same_overrides() {
    check_agreement("/$defs/overrides", any_overrides, accepts_overrides);
}

#[test]
fn schema_and_code_accept_the_same_settings() {
    check_agreement("/$defs/pipeline", any_settings, accepts_settings);
}
