//! A description with overrides has the steps of the description that one would have written
//! instead.

use serde_json::{Map, Value, json};

use crate::cli::pipeline::Format;
use crate::pipeline::render::Pipeline;
use crate::plan::description::TestDescription;
use crate::plan::inputs::{Environment, Inputs, Settings};
use crate::plan::platform::Platform;
use crate::plan::{Plan, overrides};
use crate::properties::arbitrary::{Random, any_value, check};
use crate::properties::{SETTINGS, written};
use crate::text::diagnostic::{Diagnostics, Source};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A value for a key that a patch and a test both have, often.
fn any_member(random: &mut Random) -> (String, Value) {
    let (keys, value): (&[&str], Value) = match random.below(8) {
        0..3 => (
            &["cache", "k1", "k2"],
            if random.flag() { any_object(random) } else { any_value(random, 3) },
        ),
        3..5 => (&["docker_plugin", "agents", "retry"], any_object(random)),
        5 => (&["timeout_in_minutes"], random.below(99).into()),
        6 => (&["queue", "label", "conditional"], random.pick(&["", "q"]).into()),
        _ => (&["platform"], json!([random.pick(&["riscv64", "x86_64"])])),
    };
    let value = if random.once_in(5) { Value::Null } else { value };
    (random.pick(keys).to_owned(), value)
}

fn any_object(random: &mut Random) -> Value {
    let pairs = random.list(0..3, |random| (random.pick(&["x", "y", "z"]), any_value(random, 3)));
    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn any_members(random: &mut Random) -> Map<String, Value> {
    random.list(0..6, any_member).into_iter().collect()
}

fn any_test(random: &mut Random) -> Value {
    let mut test = any_members(random);
    test.insert("test_name".to_owned(), random.pick(&NAMES).into());
    test.insert("command".to_owned(), "cargo x -- y".into());
    Value::Object(test)
}

/// The pseudo-code of RFC 7396, word by word.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in changes {
        if value.is_null() {
            target.shift_remove(name);
        } else {
            let old = target.get(name).cloned().unwrap_or_default();
            target.insert(name.clone(), merge_patch(old, value));
        }
    }
    Value::Object(target)
}

/// The pipeline as text, so that the order of the keys counts too.
fn pipeline(description: &Value, overrides: Option<&Value>) -> String {
    let found = Diagnostics::default();
    let source = Source::new("t.json", description.to_string());
    let mut description = TestDescription::parse(source, &found);
    if let Some(value) = overrides {
        let overrides = Source::new("o.json", value.to_string());
        description = overrides::apply(description, overrides, &found);
    }
    let inputs = Inputs {
        settings: Settings::parse(&Source::new("p.json", SETTINGS), &found),
        environment: Environment::default(),
        platforms: Platform::ALL.to_vec(),
        shared: vec![description],
        workspace: None,
    };
    let plan = Plan::build(&inputs, &found);
    assert!(!found.has_errors(), "{found:?}");
    written(&Pipeline { steps: &plan.steps, xtask: "cargo xtask" }, Format::Json)
}

#[test]
fn overrides_give_the_steps_of_the_description_that_they_stand_for() {
    check(300, |random| {
        let tests = random.list(1..5, any_test);
        let patches = NAMES.map(|_| random.flag().then(|| any_members(random)));
        let skipped = random.list(0..2, |random| random.pick(&NAMES));
        let has = |name: &str| tests.iter().any(|test| test["test_name"] == name);
        let pairs = NAMES.into_iter().zip(&patches).filter(|(name, _)| has(name));
        let patches: Map<String, Value> = pairs
            .filter_map(|(name, patch)| Some((name.to_owned(), Value::Object(patch.clone()?))))
            .collect();
        let skipped: Vec<&str> = skipped.into_iter().filter(|name| has(name)).collect();
        let merged = tests.iter().filter_map(|test| {
            let name = test["test_name"].as_str()?;
            let patch = patches.get(name).cloned().unwrap_or(json!({}));
            (!skipped.contains(&name)).then(|| merge_patch(test.clone(), &patch))
        });
        let merged: Vec<Value> = merged.collect();
        let overrides = json!({"tests": patches, "skip": skipped});
        assert_eq!(
            pipeline(&json!({"tests": tests}), Some(&overrides)),
            pipeline(&json!({"tests": merged}), None)
        );
    });
}
