//! What xtask accepts, for comparison with what the schemas accept.
//!
//! The modules are xtask's own: a binary cannot be a dependency, and the pipeline's settings are
//! compiled into it, so that they cannot be tested from outside.

// A test build would have their unit tests, which run in the other workspace.
#![cfg(not(test))]

#[allow(dead_code, reason = "xtask uses the rest")]
#[path = "../../xtask/src/plan/mod.rs"]
mod plan;
#[allow(dead_code, reason = "xtask uses the rest")]
#[path = "../../xtask/src/text/mod.rs"]
mod text;

use crate::plan::description::{Test, TestDescription};
use crate::plan::inputs::Settings;
use crate::plan::overrides;
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::{fields, nearest};

/// Whether this is a valid test description.
pub fn accepts_description(text: &str) -> bool {
    let found = Diagnostics::default();
    TestDescription::parse(Source::new("t.json", text), &found);
    is_clean(found)
}

/// Whether these are valid overrides of a shipped description that has the test `a`.
pub fn accepts_overrides(text: &str) -> bool {
    let found = Diagnostics::default();
    let shipped = r#"{"tests": [{"test_name": "a", "command": "c", "queue": "q"}]}"#;
    let shipped = TestDescription::parse(Source::new("t.json", shipped), &found);
    overrides::apply(shipped, Source::new("o.json", text), &found);
    is_clean(found)
}

/// Whether these are valid settings of the pipeline.
pub fn accepts_settings(text: &str) -> bool {
    let found = Diagnostics::default();
    Settings::parse(&Source::new("p.json", text), &found);
    is_clean(found)
}

/// Returns the keys of a test that have a meaning, here or for Buildkite.
pub fn known_keys() -> Vec<&'static str> {
    let keys = fields::read(&Source::new("", "{}"), &Diagnostics::default(), |file| {
        let mut object = file.object("an object")?;
        Test::read_keys(&mut object);
        Some(object.known)
    });
    [keys.unwrap_or_default(), vec!["test_name"]].concat()
}

/// Whether the key is passed on to Buildkite as it is, and is no slip of a known one.
pub fn is_free_key(key: &str) -> bool {
    let known = known_keys();
    !known.contains(&key) && !nearest::is_slip(key, &known)
}

/// Whether nothing is wrong that a schema could tell: it cannot know which tests there are.
fn is_clean(found: Diagnostics) -> bool {
    let is_unknown_name =
        |message: &str| message.starts_with("the shipped description has no test");
    let is_error = |severity| severity == Severity::Error;
    let mut errors = found.into_items().into_iter().filter(|item| is_error(item.severity));
    errors.all(|error| is_unknown_name(&error.message))
}
