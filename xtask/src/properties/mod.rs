//! Properties of the decisions, for inputs that are not written by hand.

#[path = "../../tests/support/arbitrary.rs"]
mod arbitrary;
mod parsers;
mod patches;
mod plan;

use serde_json::{Map, Value};

use crate::cli::pipeline::Format;
use crate::pipeline::render::Pipeline;
use crate::plan::description::Test;
use crate::properties::arbitrary::{Random, any_text, any_value};
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::{fields, nearest};

const SETTINGS: &str = include_str!("../../../ci-template/pipeline.json");
const SHIPPED: &str = include_str!("../../../ci-template/test_description.json");

fn any_name(random: &mut Random) -> String {
    let name = any_text(random);
    if name.is_empty() { "a".to_owned() } else { name }
}

/// The keys of a test that have a meaning, here or for Buildkite.
fn known_keys() -> Vec<&'static str> {
    let keys = fields::read(&Source::new("", "{}"), &Diagnostics::default(), |file| {
        let mut object = file.object("an object")?;
        Test::read_keys(&mut object);
        Some(object.known)
    });
    [keys.unwrap(), vec!["test_name"]].concat()
}

/// A key that means nothing here and is no slip of one that does.
fn any_forwarded_key(random: &mut Random) -> String {
    let key = any_text(random);
    let known = known_keys();
    let is_near = nearest::is_slip(&key, &known);
    if is_near || known.contains(&key.as_str()) { "k1".to_owned() } else { key }
}

fn any_object(random: &mut Random) -> Map<String, Value> {
    let pairs = random.list(0..3, |random| (any_forwarded_key(random), any_value(random, 3)));
    pairs.into_iter().collect()
}

fn written(pipeline: &Pipeline<'_>, format: Format) -> String {
    let mut text = Vec::new();
    pipeline.write(format, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
