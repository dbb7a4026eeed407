//! Properties of the rules, for inputs that nobody would write by hand.

mod parsers;
mod patches;
mod plan;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{Map, Value};

use crate::pipeline::render::{Format, Pipeline};
use crate::plan::description::known_keys;
use crate::text::nearest;

const SETTINGS: &str = include_str!("../../../ci-template/pipeline.json");
const SHIPPED: &str = include_str!("../../../ci-template/test_description.json");

/// Checks a property of `cases` values. They are the same in every run, so that CI judges the change
/// and not the dice; `PROPTEST_RNG_SEED` makes others.
#[track_caller]
pub(crate) fn check<S: Strategy>(
    cases: u32,
    values: &S,
    holds: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut config = ProptestConfig::with_cases(cases);
    config.failure_persistence = None;
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    if let Err(counterexample) = TestRunner::new(config).run(values, holds) {
        panic!("{counterexample}");
    }
}

/// Words that a YAML reader may take for something else, or that end a line or a quotation.
const TRAPS: [&str; 60] = [
    "yes",
    "No",
    "ON",
    "off",
    "y",
    "true",
    "False",
    "null",
    "~",
    "NULL",
    "",
    " ",
    "  a",
    "a  ",
    "\t",
    "1",
    "-1",
    "+1",
    "1.0",
    "1e3",
    ".5",
    "5.",
    "0x1F",
    "0o17",
    "017",
    "0b1",
    "1_000",
    "12:30:45",
    ".inf",
    "-.INF",
    ".NaN",
    "2024-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "=",
    "<<",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!!str a",
    "!a",
    "%TAG",
    "@a",
    "`a`",
    "|",
    ">",
    "'",
    "\"",
    "[a]",
    "{a: b}",
    "---",
    "...",
    "a\nb",
    "a\\",
    "\u{feff}a",
];

/// Anything that a JSON string can hold.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&TRAPS[..]).prop_map(str::to_owned),
        2 => "[a-z ${}'\"\\\\|&;()<>*#:-]{0,16}",
        1 => (select(&TRAPS[..]), select(&TRAPS[..])).prop_map(|(one, other)| format!("{one}{other}")),
        1 => "[\u{0}-\u{20}\u{7e}-\u{a0}\u{2028}-\u{2029}\u{fffe}-\u{ffff}a]{0,4}",
        1 => any::<String>(),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    any_text().prop_filter("a name is not empty", |name| !name.is_empty())
}

/// Any JSON value.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<()>().prop_map(|()| Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((any_text(), inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A key that means nothing here and is no slip of one that does.
fn any_forwarded_key() -> impl Strategy<Value = String> {
    let is_free = |key: &String| {
        nearest::slip_of(key, known_keys()).is_none() && known_keys().all(|known| known != key)
    };
    any_text().prop_filter("near to a known key", is_free)
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    vec((any_forwarded_key(), any_value()), 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

fn written(pipeline: &Pipeline<'_>, format: Format) -> String {
    let mut text = Vec::new();
    pipeline.write(format, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
