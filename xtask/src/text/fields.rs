//! Pure. The fields of a JSON configuration. Each is asked for by key and type; what is wrong with
//! one is reported here, with its place. A key that nothing asked for is unknown.

use serde_json::{Map, Value};

use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::json::{self, Entry, Node};
use crate::text::nearest;

/// A value, and where findings about it go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) node: &'a Node,
    /// `None` for the whole source and for an item of a list.
    entry: Option<&'a Entry>,
    pub(crate) source: &'a Source,
    pub(crate) found: &'a Diagnostics,
}

/// Reads a whole source.
pub(crate) fn read<T>(
    source: &Source,
    found: &Diagnostics,
    read: impl FnOnce(Field<'_>) -> Option<T>,
) -> Option<T> {
    let node = json::parse(source, found)?;
    read(Field::of(&node, source, found))
}

impl<'a> Field<'a> {
    pub(crate) fn of(node: &'a Node, source: &'a Source, found: &'a Diagnostics) -> Field<'a> {
        Field { node, entry: None, source, found }
    }

    /// Reports an error at the value.
    pub(crate) fn error(self, message: impl Into<String>) {
        self.found.push(self.source.error(self.node.offset, message));
    }

    /// Reports a warning at the value.
    pub(crate) fn warn(self, message: impl Into<String>) {
        self.found.push(self.source.warning(self.node.offset, message));
    }

    /// Reports an error at the byte `at` of a string.
    pub(crate) fn error_in_text(self, at: usize, message: impl Into<String>) {
        self.found.push(self.source.error(self.offset_in_text(at), message));
    }

    /// Where the byte `at` of a string stands in the source, in which escapes are longer.
    pub(crate) fn offset_in_text(self, at: usize) -> usize {
        let start = self.node.offset + 1;
        let raw = &self.source.text[start..];
        // The shortest piece of source that stands for what comes before.
        let is_prefix = |end: &usize| {
            let piece = serde_json::from_str::<String>(&format!("\"{}\"", &raw[..*end]));
            piece.is_ok_and(|piece| piece.len() == at)
        };
        let mut ends = raw.char_indices().map(|(end, _)| end).take(4096);
        start + ends.find(is_prefix).unwrap_or(0)
    }

    /// Reports a finding at the key.
    pub(crate) fn report_key(self, severity: Severity, message: impl Into<String>) {
        self.found.push(self.source.finding(severity, self.key_offset(), message));
    }

    /// Byte offset of the key, or of a value that has none.
    pub(crate) fn key_offset(self) -> usize {
        self.entry.map_or(self.node.offset, |entry| entry.key_offset)
    }

    /// Reports that the value is of another type; gives `None`.
    pub(crate) fn mismatch<T>(self, wanted: &str) -> Option<T> {
        let actual = self.node.describe();
        self.error(match self.entry {
            Some(entry) => format!("`{}` must be {wanted}, not {actual}", entry.key),
            None => format!("expected {wanted}, not {actual}"),
        });
        None
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        self.node.as_str().or_else(|| self.mismatch("a string"))
    }

    pub(crate) fn string(self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn non_empty_string(self) -> Option<String> {
        let text = self.node.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).or_else(|| self.mismatch("a non-empty string"))
    }

    pub(crate) fn minutes(self) -> Option<u64> {
        let minutes = self.node.to_value().as_u64().filter(|minutes| *minutes > 0);
        minutes.or_else(|| self.mismatch("a whole number of minutes, at least 1"))
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        self.node.to_value().as_bool().or_else(|| self.mismatch("true or false"))
    }

    pub(crate) fn percent(self) -> Option<f64> {
        let percent = self.node.to_value().as_f64().filter(|it| (0.0..=100.0).contains(it));
        percent.or_else(|| self.mismatch("a number from 0 to 100"))
    }

    /// The value that a name stands for.
    pub(crate) fn choice<T: Copy>(self, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let choice = nearest::choose(what, self.text()?, choices);
        choice.map_err(|message| self.error(message)).ok()
    }

    pub(crate) fn list(self, wanted: &str) -> Option<impl Iterator<Item = Field<'a>>> {
        let items = self.node.as_array().or_else(|| self.mismatch(wanted))?;
        Some(items.iter().map(move |node| Field { node, entry: None, ..self }))
    }

    pub(crate) fn strings(self, wanted: &str) -> Option<Vec<String>> {
        Some(self.list(wanted)?.filter_map(Field::string).collect())
    }

    pub(crate) fn object(self, wanted: &str) -> Option<Object<'a>> {
        let entries = self.node.as_object().or_else(|| self.mismatch(wanted))?;
        Some(Object { whole: self, entries, known: Vec::new(), blank_is_absent: false })
    }

    /// An object whose keys are not ours.
    pub(crate) fn map(self) -> Option<Map<String, Value>> {
        self.object("an object").map(|object| json::to_map(object.entries))
    }
}

/// An object of which fields are asked for one after another.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    whole: Field<'a>,
    pub(crate) entries: &'a [Entry],
    /// What was asked for.
    pub(crate) known: Vec<&'static str>,
    blank_is_absent: bool,
}

impl<'a> Object<'a> {
    /// Takes null, an empty string, an empty list and 0 for "not given".
    pub(crate) fn with_blank_as_absent(self) -> Object<'a> {
        Object { blank_is_absent: true, ..self }
    }

    pub(crate) fn get(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let (_, field) = self.fields().find(|(name, _)| *name == key)?;
        (!(self.blank_is_absent && field.node.means_absent())).then_some(field)
    }

    /// As [`Object::get`]; reports a missing field.
    pub(crate) fn require(&mut self, key: &'static str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            self.whole.error(format!("the key `{key}` is missing"));
        }
        field
    }

    /// Every field with its key.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> + use<'a> {
        let whole = self.whole;
        self.entries.iter().map(move |entry| {
            (entry.key.as_str(), Field { node: &entry.value, entry: Some(entry), ..whole })
        })
    }

    /// The fields that were not asked for.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.fields().filter(|(key, _)| !self.known.contains(key))
    }

    /// Refuses keys that were not asked for.
    pub(crate) fn finish(&self) {
        self.finish_with(|_| Some(Severity::Error));
    }

    /// Reports keys that were not asked for. Their severity, if they are reported at all, may depend
    /// on whether they look like a slip of one that was.
    pub(crate) fn finish_with(&self, severity: impl Fn(bool) -> Option<Severity>) {
        // Editors find the schema of a file by that key.
        let is_ours = |key: &str| key != "$schema" || self.whole.entry.is_some();
        for (key, field) in self.rest().filter(|(key, _)| is_ours(key)) {
            let is_slip = nearest::is_slip(key, &self.known);
            if let Some(severity) = severity(is_slip) {
                let hint = nearest::hint(key, &self.known);
                field.report_key(severity, format!("unknown key `{key}`{hint}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, read_file: impl FnOnce(Field<'_>) -> Option<()>, want: &Expect) {
        let found = Diagnostics::default();
        read(&Source::new("f", text), &found, read_file);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn a_value_of_another_type_is_named_by_its_key() {
        check(
            r#"{"a": 1, "b": 0, "c": 101, "d": "", "e": ["x", 2], "f": "z"}"#,
            |file| {
                let mut object = file.object("an object")?;
                assert_eq!(object.get("a")?.text(), None);
                assert_eq!(object.get("b")?.minutes(), None);
                assert_eq!(object.get("c")?.percent(), None);
                assert_eq!(object.get("d")?.non_empty_string(), None);
                assert_eq!(object.get("e")?.strings("a list")?, ["x"]);
                assert_eq!(object.get("f")?.choice("letter", &[("x", 1), ("y", 2)]), None);
                object.finish();
                None
            },
            &expect![[r"
                f:1:7: error: `a` must be a string, not the number 1
                f:1:15: error: `b` must be a whole number of minutes, at least 1, not the number 0
                f:1:23: error: `c` must be a number from 0 to 100, not the number 101
                f:1:33: error: `d` must be a non-empty string, not a string
                f:1:48: error: expected a string, not the number 2
                f:1:57: error: unknown letter `z`, expected one of `x` or `y`"]],
        );
        check(
            "[]",
            |file| file.map().map(drop),
            &expect!["f:1:1: error: expected an object, not a list"],
        );
    }

    #[test]
    fn what_was_not_asked_for_is_unknown() {
        let text = r#"{"$schema": "s", "mapp": 1, "other": {"$schema": 2}}"#;
        check(
            text,
            |file| {
                let mut object = file.object("an object")?;
                assert!(object.require("map").is_none());
                let inner = object.get("other")?.object("an object")?;
                inner.finish();
                object.finish();
                None
            },
            &expect![[r"
                f:1:1: error: the key `map` is missing
                f:1:18: error: unknown key `mapp`, did you mean `map`?
                f:1:39: error: unknown key `$schema`"]],
        );
        check(
            text,
            |file| {
                let mut object = file.object("an object")?;
                assert!(object.get("map").is_none());
                object.finish_with(|is_slip| is_slip.then_some(Severity::Warning));
                None
            },
            &expect!["f:1:18: warning: unknown key `mapp`, did you mean `map`?"],
        );
    }

    #[test]
    fn blank_values_are_absent_where_that_is_wanted() {
        let text = r#"{"a": null, "b": "", "c": [], "d": 0, "e": {}}"#;
        check(
            text,
            |file| {
                let mut object = file.object("an object")?.with_blank_as_absent();
                let given = ["a", "b", "c", "d", "e"].map(|key| object.get(key).is_some());
                assert_eq!(given, [false, false, false, false, true]);
                assert!(file.object("an object")?.get("a").is_some());
                None
            },
            &expect![""],
        );
    }

    #[test]
    fn a_place_inside_of_a_string_counts_escapes() {
        check(
            r#"["a\u0062\\c"]"#,
            |file| {
                file.list("a list")?.for_each(|item| item.error_in_text(3, "here"));
                None
            },
            &expect!["f:1:12: error: here"],
        );
    }
}
