//! Pure. JSON with positions: every value knows at which byte of its source it starts.
//!
//! `serde_json` reads the text; a `RawValue` borrowed from it is a slice of the source, so its
//! address gives the offset. Objects keep duplicate keys long enough to report them.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::text::diagnostic::{Diagnostics, Source};

/// How many arrays and objects may lie in one another.
const MAX_DEPTH: usize = 128;

/// A JSON value and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Byte offset in the source.
    pub(crate) offset: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Null, a boolean, a number or a string.
    Scalar(Value),
    Array(Vec<Node>),
    /// Keys are unique: of two with one name the last is kept.
    Object(Vec<Entry>),
}

/// One `"key": value` of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Byte offset of the key's opening quote.
    pub(crate) key_offset: usize,
    pub(crate) value: Node,
}

impl Node {
    /// The value without its positions.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Array(items) => items.iter().map(Node::to_value).collect(),
            Kind::Object(entries) => Value::Object(to_map(entries)),
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Kind::Scalar(value) = &self.kind { value.as_str() } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Node]> {
        if let Kind::Array(items) = &self.kind { Some(items) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&[Entry]> {
        if let Kind::Object(entries) = &self.kind { Some(entries) } else { None }
    }

    /// The value of a key; what is no object has none.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.as_object()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Null, an empty string, an empty list and 0 mean "not given" for the keys that have a meaning
    /// of their own; consumers rely on it.
    pub(crate) fn means_absent(&self) -> bool {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => text.is_empty(),
            Kind::Scalar(Value::Number(number)) => number.as_f64() == Some(0.0),
            Kind::Scalar(value) => value.is_null(),
            Kind::Array(items) => items.is_empty(),
            Kind::Object(_) => false,
        }
    }

    /// For error messages: what this is, with its article.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar(Value::Null) => "null".to_owned(),
            Kind::Scalar(Value::Bool(flag)) => format!("the boolean {flag}"),
            Kind::Scalar(Value::Number(number)) => format!("the number {number}"),
            Kind::Scalar(_) => "a string".to_owned(),
            Kind::Array(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        }
    }
}

/// The entries of an object without their positions, in source order.
pub(crate) fn to_map(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.to_value())).collect()
}

/// Reads a whole source. What cannot be read is an error among `found` and gives `None`; a key that
/// occurs twice is a warning.
pub(crate) fn parse(source: &Source, found: &Diagnostics) -> Option<Node> {
    if source.text.starts_with('\u{feff}') {
        found.push(source.error(0, "starts with a byte order mark, which JSON does not allow"));
        return None;
    }
    if let Some(offset) = too_deep(&source.text) {
        let message = format!("nested more than {MAX_DEPTH} levels deep");
        found.push(source.error(offset, message));
        return None;
    }
    let root = serde_json::from_str(&source.text).map_err(|error| {
        let offset = source.offset_of(error.line(), error.column());
        found.push(source.error(offset, format!("not valid JSON: {}", cause(&error))));
    });
    Reader { source, found }.node(root.ok()?)
}

/// Finds nesting that no configuration needs and that only costs time and memory.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0usize, false, false);
    text.bytes().position(|byte| {
        match byte {
            // The character after a backslash ends nothing.
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => depth += 1,
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => (),
        }
        depth > MAX_DEPTH
    })
}

/// The error's sentence without the position that it appends.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(cause, _)| cause).to_owned()
}

struct Reader<'s, 'd> {
    source: &'s Source,
    found: &'d Diagnostics,
}

impl Reader<'_, '_> {
    fn node(&self, raw: &RawValue) -> Option<Node> {
        let text = raw.get();
        let offset = text.as_ptr().addr() - self.source.text.as_ptr().addr();
        let kind = match text.as_bytes().first() {
            Some(b'[') => {
                let items: Vec<&RawValue> = self.accept(offset, serde_json::from_str(text))?;
                let items = items.into_iter().map(|item| self.node(item));
                Kind::Array(items.collect::<Option<_>>()?)
            }
            Some(b'{') => self.object(text, offset)?,
            _ => Kind::Scalar(self.accept(offset, serde_json::from_str(text))?),
        };
        Some(Node { offset, kind })
    }

    fn object(&self, text: &str, offset: usize) -> Option<Kind> {
        let RawEntries(pairs) = self.accept(offset, serde_json::from_str(text))?;
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (raw_key, raw_value) in pairs {
            let key_offset = raw_key.get().as_ptr().addr() - self.source.text.as_ptr().addr();
            let key: String = self.accept(key_offset, serde_json::from_str(raw_key.get()))?;
            let value = self.node(raw_value)?;
            let index = *seen.entry(key.clone()).or_insert(entries.len());
            let Some(first) = entries.get_mut(index) else {
                entries.push(Entry { key, key_offset, value });
                continue;
            };
            let line = self.source.line_at(first.key_offset);
            let message =
                format!("duplicate key `{key}`, first on line {line}; this value is used");
            self.found.push(self.source.warning(key_offset, message));
            *first = Entry { key, key_offset, value };
        }
        Some(Kind::Object(entries))
    }

    /// What the first pass let through and the second does not: half a surrogate pair in a string,
    /// a number beyond all bounds.
    fn accept<T>(&self, offset: usize, read: Result<T, serde_json::Error>) -> Option<T> {
        read.map_err(|error| {
            let message = format!("not valid JSON: {}", cause(&error));
            self.found.push(self.source.error(offset, message));
        })
        .ok()
    }
}

/// The entries of an object as slices of the source, duplicates included.
struct RawEntries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawEntries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(RawEntries(pairs))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(text: &str) -> (Option<Node>, String) {
        let found = Diagnostics::default();
        let node = parse(&Source::new("f", text), &found);
        (node, found.headlines())
    }

    #[test]
    fn values_are_those_of_serde_json() {
        let text = r#" {"a": [1, 1.5, -2e3, true, null, "\u00e9\n"], "b": {"c": {}}, "": ""} "#;
        let (node, found) = parse_text(text);
        assert_eq!(node.unwrap().to_value(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(found, "");
    }

    #[test]
    fn every_value_knows_where_it_starts() {
        let text = "{\n \"a\" : [ 10 , \"x\" ] }";
        let node = parse_text(text).0.unwrap();
        let entry = &node.as_object().unwrap()[0];
        assert_eq!(entry.key_offset, text.find("\"a\"").unwrap());
        let items = entry.value.as_array().unwrap();
        assert_eq!(items[0].offset, text.find("10").unwrap());
        assert_eq!(items[1].offset, text.find("\"x\"").unwrap());
    }

    #[test]
    fn of_two_equal_keys_the_last_wins_with_a_warning_that_gives_both_lines() {
        let (node, found) = parse_text("{\"a\": 1,\n\"b\": 0, \"\\u0061\": 2}");
        assert_eq!(node.unwrap().to_value()["a"], 2);
        assert_eq!(found, "f:2:9: warning: duplicate key `a`, first on line 1; this value is used");
    }

    #[test]
    fn what_is_not_json_is_reported_with_its_position() {
        assert_eq!(parse_text("{\"a\":\n }").1, "f:2:2: error: not valid JSON: expected value");
        assert!(parse_text("").1.starts_with("f:1:1: error: not valid JSON: EOF"));
        assert!(parse_text("[1] x").1.starts_with("f:1:5: error: not valid JSON: trailing"));
        assert!(parse_text(r#"["\ud800"]"#).1.starts_with("f:1:2: error: not valid JSON"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let (node, found) = parse_text(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
        assert!(node.is_none());
        assert_eq!(found, "f:1:129: error: nested more than 128 levels deep");
        let deepest = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert!(parse_text(&deepest).0.is_some());
        let text = format!(r#"["\\", "\"{}"]"#, "[".repeat(200));
        assert!(parse_text(&text).0.is_some(), "brackets in strings do not nest");
    }
}
