//! Pure. How steps name each other: `key` and `depends_on`.

use serde_json::{Map, Value};

use crate::plan::placeholder;
use crate::plan::placeholder::Values;

/// The names that Buildkite has for the key of a step.
pub(crate) const KEYS: [&str; 3] = ["key", "id", "identifier"];

pub(crate) const DEPENDS_ON: &str = "depends_on";

/// The texts in which placeholders are filled, besides the command.
pub(crate) fn texts(keys: &Map<String, Value>) -> impl Iterator<Item = &str> {
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
pub(crate) fn fill(keys: &mut Map<String, Value>, values: &Values<'_>) {
    for key in KEYS {
        keys.get_mut(key).into_iter().for_each(|value| fill_text(value, values));
    }
    match keys.get_mut(DEPENDS_ON) {
        Some(Value::Array(items)) => items.iter_mut().for_each(|item| fill_reference(item, values)),
        Some(value) => fill_reference(value, values),
        None => (),
    }
}

fn fill_reference(value: &mut Value, values: &Values<'_>) {
    match value {
        Value::Object(object) => {
            object.get_mut("step").into_iter().for_each(|value| fill_text(value, values));
        }
        value => fill_text(value, values),
    }
}

fn fill_text(value: &mut Value, values: &Values<'_>) {
    if let Value::String(text) = value {
        *text = placeholder::fill_unquoted(text, values);
    }
}
