//! Pure. `.buildkite/overrides.json`: what a consumer changes about the shipped tests, instead of
//! keeping a copy of them.
//!
//! For each test a JSON merge patch (RFC 7396) over every entry of that name, `extra_args` for its
//! command, a list of tests to skip, and a timeout for tests that have none.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::plan::description::{Test, TestDescription};
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::fields::{self, Field, Object};
use crate::text::nearest;
use crate::text::shell;

/// The file, read.
#[derive(Debug, Default)]
struct Overrides {
    /// By the name of the test.
    patches: BTreeMap<String, Patch>,
    skipped: Vec<String>,
    timeout_minutes: Option<u64>,
}

/// What changes about the entries of one name.
#[derive(Debug)]
struct Patch {
    /// Byte offset of the name.
    offset: usize,
    changes: Map<String, Value>,
    extra_args: Vec<String>,
    /// Whether nothing is wrong with the patch by itself.
    is_valid: bool,
}

/// Changes the shipped description as a consumer's overrides say.
pub(crate) fn apply(
    shipped: TestDescription,
    overrides: Source,
    found: &Diagnostics,
) -> TestDescription {
    let mut known: Vec<&str> = shipped.tests.iter().map(|test| test.name.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let changes = fields::read(&overrides, found, |file| Overrides::read(file, &known));
    let changes = changes.unwrap_or_default();
    let file: Value = serde_json::from_str(&shipped.source.text).unwrap_or_default();
    // Where one of them gave no test, there are errors already.
    let entries = file["tests"].as_array().into_iter().flatten();
    let with_patch = |(mut test, entry): (Test, &Value)| {
        if let Some(patch) = changes.patches.get(&test.name) {
            test = patch.apply(&test, entry, &overrides, found)?;
        }
        test.is_skipped = changes.skipped.contains(&test.name);
        Some(test)
    };
    TestDescription {
        tests: shipped.tests.into_iter().zip(entries).filter_map(with_patch).collect(),
        timeout_minutes: changes.timeout_minutes.or(shipped.timeout_minutes),
        overrides: Some(overrides),
        ..shipped
    }
}

impl Overrides {
    fn read(file: Field<'_>, known: &[&str]) -> Option<Overrides> {
        const SHAPE: &str = "an object with `tests` (patches by test name) and `skip` (a list)";
        let mut object = file.object(SHAPE)?;
        let patches = object.get("tests").and_then(|tests| tests.object("an object of patches"));
        let patch = |(name, patch): (&str, Field<'_>)| {
            check_name(patch, name, known);
            Some((name.to_owned(), Patch::read(patch)?))
        };
        let patches = patches.iter().flat_map(Object::fields).filter_map(patch).collect();
        let skipped = object.get("skip").and_then(|skip| skip.list("a list of test names"));
        let name = |item: Field<'_>| item.string().inspect(|name| check_name(item, name, known));
        let skipped = skipped.into_iter().flatten().filter_map(name).collect();
        let timeout_minutes = object.get("timeout_in_minutes").and_then(Field::minutes);
        object.finish();
        Some(Overrides { patches, skipped, timeout_minutes })
    }
}

fn check_name(field: Field<'_>, name: &str, known: &[&str]) {
    if !known.contains(&name) {
        let hint = nearest::hint(name, known);
        let message = format!("the shipped description has no test `{name}`{hint}");
        field.report_key(Severity::Error, message);
    }
}

impl Patch {
    fn read(field: Field<'_>) -> Option<Patch> {
        let errors_before = field.found.errors();
        let mut object = field.object("an object")?;
        let extra_args = object.get("extra_args").and_then(|it| it.strings("a list of strings"));
        let extra_args = extra_args.unwrap_or_default();
        let changes = object.rest().map(|(key, it)| (key.to_owned(), it.node.to_value())).collect();
        object.get("command").and_then(Field::non_empty_string);
        if let Some(field) = object.get("test_name") {
            field.report_key(Severity::Error, "a test cannot be renamed here");
        }
        Test::read_keys(&mut object.with_blank_as_absent());
        let is_valid = field.found.errors() == errors_before;
        Some(Patch { offset: field.key_offset(), changes, extra_args, is_valid })
    }

    /// The test with the patch, which `entry` describes without it. The patch's own faults are known
    /// already; what is wrong now comes from both together, and is reported where the patch is.
    fn apply(
        &self,
        test: &Test,
        entry: &Value,
        source: &Source,
        found: &Diagnostics,
    ) -> Option<Test> {
        let mut merged = entry.as_object()?.clone();
        merge(&mut merged, &self.changes);
        let merged = Source::new(source.name.as_str(), Value::from(merged).to_string());
        let findings = Diagnostics::default();
        let patched = fields::read(&merged, &findings, Test::read);
        let errors = findings.into_items().into_iter().filter(|it| it.severity == Severity::Error);
        for error in errors.filter(|_| self.is_valid) {
            found.push(source.error(self.offset, error.message));
        }
        let patched = patched?;
        // Extra arguments are words and no shell text: nothing in them is expanded on the way.
        let words = self.extra_args.iter().map(|argument| shell::quote_for_upload(argument));
        let words = words.collect::<Vec<_>>().join(" ");
        Some(Test {
            command: shell::with_words(&patched.command, &words),
            // Offsets in the merged text mean nothing to a reader.
            command_offset: test.command_offset,
            patch_offset: Some(self.offset),
            ..patched
        })
    }
}

/// RFC 7396: null deletes, objects merge, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match (change, target.get_mut(key)) {
            (Value::Null, _) => _ = target.shift_remove(key),
            (Value::Object(inner), Some(Value::Object(old))) => merge(old, inner),
            (Value::Object(inner), _) => {
                let mut new = Map::new();
                merge(&mut new, inner);
                target.insert(key.clone(), new.into());
            }
            (other, _) => _ = target.insert(key.clone(), other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const SHIPPED: &str = r#"{"tests": [
        {"test_name": "build", "command": "cargo build -- -v", "platform": ["x86_64"],
         "docker_plugin": {"privileged": true, "user": "a"}, "timeout_in_minutes": 15},
        {"test_name": "build", "command": "cargo build --release", "platform": ["riscv64"]},
        {"test_name": "style", "command": "{xtask} x", "queue": "q"}
    ]}"#;

    fn description(overrides: &str, found: &Diagnostics) -> TestDescription {
        let shipped = TestDescription::parse(Source::new("shipped.json", SHIPPED), found);
        apply(shipped, Source::new("overrides.json", overrides), found)
    }

    fn patched(overrides: &str) -> (Vec<Test>, String) {
        let found = Diagnostics::default();
        let tests = description(overrides, &found).tests;
        (tests, found.headlines())
    }

    #[track_caller]
    fn check(overrides: &str, want: &Expect) {
        want.assert_eq(&patched(overrides).1);
    }

    #[test]
    fn a_patch_changes_every_entry_of_its_name() {
        let (tests, found) = patched(
            r#"{"tests": {"build": {"timeout_in_minutes": 20, "soft_fail": true,
                "docker_plugin": {"user": null, "devices": ["/dev/kvm"]}},
                "style": {"queue": null, "env": {"A": "1"}}}}"#,
        );
        assert_eq!(found, "");
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
    fn a_timeout_is_for_tests_that_have_none() {
        let found = Diagnostics::default();
        let overrides =
            r#"{"timeout_in_minutes": 30, "tests": {"style": {"timeout_in_minutes": 40}}}"#;
        let description = description(overrides, &found);
        let minutes: Vec<_> = description.tests.iter().map(|test| test.timeout_minutes).collect();
        assert_eq!((minutes, found.headlines()), (vec![Some(15), None, Some(40)], String::new()));
        assert_eq!(description.timeout_minutes, Some(30));
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
        assert_eq!(found, "");
        let left_out: Vec<bool> = tests.iter().map(|test| test.is_skipped).collect();
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
                overrides.json:3:5: error: the shipped description has no test `buidl`, did you mean `build`?
                overrides.json:4:37: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string
                overrides.json:4:43: error: unknown key `plarform`, did you mean `platform`?
                overrides.json:4:73: error: `extra_args` must be a list of strings, not a string
                overrides.json:4:78: error: a test cannot be renamed here
                overrides.json:5:15: error: both `if` and `conditional` are given, which mean the same: keep one
                overrides.json:7:12: error: the shipped description has no test `stlye`, did you mean `style`?
                overrides.json:7:21: error: expected a string, not the number 7
                overrides.json:8:3: error: unknown key `build`, expected one of `tests`, `skip` or `timeout_in_minutes`
                overrides.json:9:3: error: unknown key `skpi`, did you mean `skip`?"]],
        );
        check(
            "[]",
            &expect![
                "overrides.json:1:1: error: expected an object with `tests` (patches by test name) and `skip` (a list), not a list"
            ],
        );
    }
}
