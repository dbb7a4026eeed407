//! A description with overrides has the steps of the description that somebody would have written
//! instead.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::plan::description::TestDescription;
use crate::plan::environment::Overrides;
use crate::plan::platform::Platform;
use crate::plan::settings::Settings;
use crate::plan::{Inputs, Plan};
use crate::properties::{SETTINGS, any_value, check};
use crate::text::diagnostic::{Diagnostics, Source};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A value for a key that a patch and a test both have, often.
fn any_member() -> impl Strategy<Value = (String, Value)> {
    let inner = || vec((select(&["x", "y", "z"][..]), any_value()), 0..3);
    let object = || {
        inner().prop_map(|pairs| {
            Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        })
    };
    let member = |keys: &'static [&'static str], value: BoxedStrategy<Value>| {
        (select(keys), prop_oneof![1 => Just(Value::Null), 4 => value])
            .prop_map(|(key, value)| (key.to_owned(), value))
    };
    prop_oneof![
        3 => member(&["env", "k1", "k2"], prop_oneof![any_value(), object()].boxed()),
        2 => member(&["docker_plugin", "agents", "retry"], object().boxed()),
        1 => member(&["timeout_in_minutes"], (0..99).prop_map(Value::from).boxed()),
        1 => member(&["queue", "label", "conditional"], select(&["", "q"][..]).prop_map(Value::from).boxed()),
        1 => member(&["platform"], select(&["riscv64", "x86_64"][..]).prop_map(|name| json!([name])).boxed()),
    ]
}

fn any_members() -> impl Strategy<Value = Map<String, Value>> {
    vec(any_member(), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

prop_compose! {
    fn any_test()(name in select(&NAMES[..]), members in any_members()) -> Value {
        let mut test = members;
        test.insert("test_name".to_owned(), name.into());
        test.insert("command".to_owned(), "cargo x -- y".into());
        Value::Object(test)
    }
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

fn steps(description: &Value, overrides: Option<&Value>) -> Vec<String> {
    let mut found = Diagnostics::default();
    let overrides = overrides.map(|value| Source::new("o.json", value.to_string()));
    let source = Source::new("t.json", description.to_string());
    let inputs = Inputs {
        settings: Settings::parse(&Source::new("p.json", SETTINGS), &mut found).unwrap(),
        overrides: Overrides::default(),
        platforms: Platform::ALL.to_vec(),
        descriptions: vec![TestDescription::parse_shipped(source, overrides, &mut found)],
        shared: 1,
        workspace: None,
    };
    let plan = Plan::build(&inputs, &mut found);
    assert!(!found.has_errors(), "{found:?}");
    // As text, so that the order of the keys counts too.
    plan.steps().map(|step| json!(step.render("cargo xtask")).to_string()).collect()
}

#[test]
fn overrides_give_the_steps_of_the_description_that_they_stand_for() {
    let patches = NAMES.map(|_| prop::option::of(any_members()));
    let skipped = proptest::sample::subsequence(&NAMES[..], 0..2);
    let worlds = (vec(any_test(), 1..5), patches, skipped);
    check(300, &worlds, |(tests, patches, skipped)| {
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
        prop_assert_eq!(
            steps(&json!({"tests": tests}), Some(&overrides)),
            steps(&json!({"tests": merged}), None)
        );
        Ok(())
    });
}
