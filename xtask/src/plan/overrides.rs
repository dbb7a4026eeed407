//! Pure. `.buildkite/overrides.json`: what a consumer changes about the shipped tests, instead of
//! keeping
//! a copy of them.
//!
//! For each test a JSON merge patch (RFC 7396) over every entry of that name, `extra_args` for its
//! command, and a list of tests to skip.

use crate::plan::description::check_keys;
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::json;
use crate::text::json::{Entry, Kind, Node};
use crate::text::nearest;
use crate::text::shell as shell_text;

/// The file, read and found valid for the tests that it was checked against.
#[derive(Debug)]
pub(crate) struct Overrides {
    pub(crate) source: Source,
    patches: Vec<Patch>,
    skipped: Vec<String>,
}

/// What changes about the entries of one name.
#[derive(Debug)]
pub(crate) struct Patch {
    test_name: String,
    /// Byte offset of the name.
    pub(crate) offset: usize,
    entries: Vec<Entry>,
    extra_args: Vec<String>,
    /// Whether nothing is wrong with the patch by itself.
    pub(crate) is_valid: bool,
}

impl Overrides {
    /// Reads the file; `known` are the names of the tests that there are.
    pub(crate) fn parse(source: Source, known: &[&str], found: &mut Diagnostics) -> Overrides {
        let (patches, skipped) =
            Reader { source: &source, known, found }.read().unwrap_or_default();
        Overrides { source, patches, skipped }
    }

    pub(crate) fn patch(&self, test_name: &str) -> Option<&Patch> {
        self.patches.iter().find(|patch| patch.test_name == test_name)
    }

    pub(crate) fn skips(&self, test_name: &str) -> bool {
        self.skipped.iter().any(|name| name == test_name)
    }
}

impl Patch {
    /// An entry of the description as it is with the patch. Everything keeps or gets the place of
    /// the entry that was patched.
    pub(crate) fn apply(&self, entry: &Node) -> Node {
        merged(Some(entry), &self.entries, entry.offset)
    }

    /// Whether the command is not the description's own.
    pub(crate) fn changes_command(&self) -> bool {
        json::find(&self.entries, "command").is_some() || !self.extra_args.is_empty()
    }

    /// The command with the extra arguments before its first ` -- `, else at its end. They are
    /// words and no shell text, so that nothing in them is expanded on the way.
    pub(crate) fn extend_command(&self, command: &str) -> String {
        if self.extra_args.is_empty() {
            return command.to_owned();
        }
        // For Buildkite `\\$` is an escape of its own, so the two must not stand side by side.
        let escaped = |argument: &String| {
            shell_text::quote(argument).replace('$', "$$").replace(r"\$$", r"\''$$")
        };
        let words: Vec<String> = self.extra_args.iter().map(escaped).collect();
        let words = words.join(" ");
        match command.split_once(" -- ") {
            Some((before, after)) => format!("{before} {words} -- {after}"),
            None => format!("{command} {words}"),
        }
    }
}

/// RFC 7396: null deletes, objects merge, everything else replaces.
fn merged(target: Option<&Node>, patch: &[Entry], offset: usize) -> Node {
    let mut entries: Vec<Entry> =
        target.and_then(Node::as_object).map(<[Entry]>::to_vec).unwrap_or_default();
    for change in patch {
        let at = entries.iter().position(|entry| entry.key == change.key);
        let value = match &change.value.kind {
            Kind::Scalar(value) if value.is_null() => {
                if let Some(at) = at {
                    entries.remove(at);
                }
                continue;
            }
            Kind::Object(inner) => merged(at.map(|at| &entries[at].value), inner, offset),
            Kind::Scalar(_) | Kind::Array(_) => moved(&change.value, offset),
        };
        match at {
            Some(at) => entries[at].value = value,
            None => entries.push(Entry { key: change.key.clone(), key_offset: offset, value }),
        }
    }
    Node { offset, kind: Kind::Object(entries) }
}

/// A value of another source, at a place of this one. Nothing in a list is merged, so a null in it
/// deletes nothing.
fn moved(node: &Node, offset: usize) -> Node {
    let moved_entry = |entry: &Entry| Entry {
        key: entry.key.clone(),
        key_offset: offset,
        value: moved(&entry.value, offset),
    };
    let kind = match &node.kind {
        Kind::Scalar(value) => Kind::Scalar(value.clone()),
        Kind::Array(items) => Kind::Array(items.iter().map(|item| moved(item, offset)).collect()),
        Kind::Object(entries) => Kind::Object(entries.iter().map(moved_entry).collect()),
    };
    Node { offset, kind }
}

struct Reader<'a> {
    source: &'a Source,
    known: &'a [&'a str],
    found: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<(Vec<Patch>, Vec<String>)> {
        const KEYS: [&str; 3] = ["tests", "skip", "$schema"];
        let root = json::parse(self.source, self.found)?;
        let Some(entries) = root.as_object() else {
            let message = format!(
                "expected an object with `tests` (patches by test name) and `skip` (a list), not {}",
                root.describe()
            );
            self.error(root.offset, message);
            return None;
        };
        for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str())) {
            let message = if self.known.contains(&entry.key.as_str()) {
                format!("the patch of the test `{}` belongs into `tests`", entry.key)
            } else {
                format!("unknown key `{}`{}", entry.key, nearest::hint(&entry.key, &KEYS[..2]))
            };
            self.error(entry.key_offset, message);
        }
        let patches = json::find(entries, "tests").map(|entry| self.patches(&entry.value));
        let skipped = json::find(entries, "skip").map(|entry| self.skipped(&entry.value));
        Some((patches.unwrap_or_default(), skipped.unwrap_or_default()))
    }

    fn error(&mut self, offset: usize, message: String) {
        self.found.push(self.source.error(offset, message));
    }

    fn check_name(&mut self, name: &str, offset: usize) {
        if !self.known.contains(&name) {
            let hint = nearest::hint(name, self.known);
            self.error(offset, format!("the shipped description has no test `{name}`{hint}"));
        }
    }

    fn patches(&mut self, node: &Node) -> Vec<Patch> {
        let Some(entries) = node.as_object() else {
            let message = format!("`tests` must be an object of patches, not {}", node.describe());
            self.error(node.offset, message);
            return Vec::new();
        };
        entries.iter().filter_map(|entry| self.patch(entry)).collect()
    }

    fn patch(&mut self, entry: &Entry) -> Option<Patch> {
        let errors_before = self.found.errors();
        self.check_name(&entry.key, entry.key_offset);
        let Some(all) = entry.value.as_object() else {
            let message = format!(
                "the patch of `{}` must be an object, not {}",
                entry.key,
                entry.value.describe()
            );
            self.error(entry.value.offset, message);
            return None;
        };
        let (extra, entries): (Vec<Entry>, Vec<Entry>) =
            all.iter().cloned().partition(|entry| entry.key == "extra_args");
        if let Some(name) = json::find(&entries, "test_name") {
            self.error(name.key_offset, "a test cannot be renamed here".to_owned());
        }
        check_keys(self.source, &entry.key, &entries, self.found);
        let extra_args: Vec<String> =
            extra.iter().flat_map(|extra| self.strings(&extra.value)).collect();
        Some(Patch {
            test_name: entry.key.clone(),
            offset: entry.key_offset,
            entries,
            extra_args,
            is_valid: self.found.errors() == errors_before,
        })
    }

    fn skipped(&mut self, node: &Node) -> Vec<String> {
        let Some(items) = node.as_array() else {
            self.error(node.offset, format!("`skip` must be a list, not {}", node.describe()));
            return Vec::new();
        };
        for item in items {
            if let Some(name) = item.as_str() {
                self.check_name(name, item.offset);
            }
        }
        self.strings(node)
    }

    fn strings(&mut self, node: &Node) -> Vec<String> {
        let Some(items) = node.as_array() else {
            self.error(node.offset, format!("expected a list of strings, not {}", node.describe()));
            return Vec::new();
        };
        let mut strings = Vec::new();
        for item in items {
            match item.as_str() {
                Some(text) => strings.push(text.to_owned()),
                None => {
                    self.error(item.offset, format!("expected a string, not {}", item.describe()));
                }
            }
        }
        strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::description::{Test, TestDescription};
    use expect_test::{Expect, expect};

    const SHIPPED: &str = r#"{"tests": [
        {"test_name": "build", "command": "cargo build -- -v", "platform": ["x86_64"],
         "docker_plugin": {"privileged": true, "user": "a"}, "timeout_in_minutes": 15},
        {"test_name": "build", "command": "cargo build --release", "platform": ["riscv64"]},
        {"test_name": "style", "command": "{xtask} x", "queue": "q"}
    ]}"#;

    fn patched(overrides: &str) -> (Vec<Test>, Vec<String>) {
        let mut found = Diagnostics::default();
        let overrides = Source::new("overrides.json", overrides);
        let shipped = Source::new("shipped.json", SHIPPED);
        let tests = TestDescription::parse_shipped(shipped, Some(overrides), &mut found).tests;
        let head = |text: String| text.lines().next().unwrap_or_default().to_owned();
        (tests, found.items.iter().map(|item| head(item.to_string())).collect())
    }

    #[track_caller]
    fn check(overrides: &str, want: &Expect) {
        want.assert_eq(&patched(overrides).1.join("\n"));
    }

    #[test]
    fn a_patch_changes_every_entry_of_its_name() {
        let (tests, found) = patched(
            r#"{"tests": {"build": {"timeout_in_minutes": 20, "soft_fail": true,
                "docker_plugin": {"user": null, "devices": ["/dev/kvm"]}},
                "style": {"queue": null, "env": {"A": "1"}}}}"#,
        );
        assert_eq!(found, Vec::<String>::new());
        let docker = |test: &Test| serde_json::to_string(&test.docker_plugin).unwrap();
        assert_eq!(docker(&tests[0]), r#"{"privileged":true,"devices":["/dev/kvm"]}"#);
        assert_eq!(docker(&tests[1]), r#"{"devices":["/dev/kvm"]}"#);
        for test in &tests[..2] {
            assert_eq!(test.timeout_minutes, Some(20));
            assert_eq!(test.forwarded["soft_fail"], true);
        }
        assert_eq!(tests[2].queue, None);
        assert_eq!(tests[2].forwarded["env"]["A"], "1");
    }

    #[test]
    fn a_null_inside_of_a_list_deletes_nothing() {
        let (tests, _) = patched(r#"{"tests": {"style": {"matrix": [{"a": null}, null]}}}"#);
        assert_eq!(tests[2].forwarded["matrix"].to_string(), r#"[{"a":null},null]"#);
    }

    #[test]
    fn extra_arguments_are_words_before_the_first_double_dash() {
        let (tests, _) =
            patched(r#"{"tests": {"build": {"extra_args": ["--exclude", "a b", "$X"]}}}"#);
        assert_eq!(tests[0].command, "cargo build --exclude 'a b' '$$X' -- -v");
        assert_eq!(tests[1].command, "cargo build --release --exclude 'a b' '$$X'");
    }

    #[test]
    fn skipped_tests_stay_known_and_give_no_step() {
        let (tests, found) = patched(r#"{"skip": ["build"]}"#);
        assert_eq!(found, Vec::<String>::new());
        let left_out: Vec<bool> = tests.iter().map(|test| test.is_left_out).collect();
        assert_eq!(left_out, [true, true, false]);
    }

    #[test]
    fn every_fault_has_its_place_in_the_overrides() {
        check(
            r#"{
  "tests": {
    "buidl": {},
    "build": {"timeout_in_minutes": "20", "plarform": [], "extra_args": "x", "test_name": "y"},
    "style": {"if": "a", "conditional": "b"}
  },
  "skip": ["stlye", 7],
  "build": {},
  "skpi": []
}"#,
            &expect![[r"
                overrides.json:8:3: error: the patch of the test `build` belongs into `tests`
                overrides.json:9:3: error: unknown key `skpi`, did you mean `skip`?
                overrides.json:3:5: error: the shipped description has no test `buidl`, did you mean `build`?
                overrides.json:4:78: error: a test cannot be renamed here
                overrides.json:4:37: error: `timeout_in_minutes` must be a whole number of minutes, not a string
                overrides.json:4:43: error: unknown key `plarform`, did you mean `platform`?
                overrides.json:4:73: error: expected a list of strings, not a string
                overrides.json:5:15: error: the test `style` has both `if` and `conditional`, which mean the same: keep one
                overrides.json:7:12: error: the shipped description has no test `stlye`, did you mean `style`?
                overrides.json:7:21: error: expected a string, not the number 7"]],
        );
        check(
            "[]",
            &expect![
                "overrides.json:1:1: error: expected an object with `tests` (patches by test name) and `skip` (a list), not a list"
            ],
        );
    }
}
