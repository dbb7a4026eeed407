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

use crate::plan::description::{self, TestDescription};
use crate::plan::settings::Settings;
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::nearest;

/// Whether this is a valid test description.
pub fn accepts_description(text: &str) -> bool {
    let mut found = Diagnostics::default();
    TestDescription::parse(Source::new("t.json", text), &mut found);
    is_clean(&found)
}

/// Whether these are valid overrides of a shipped description that has the test `a`.
pub fn accepts_overrides(text: &str) -> bool {
    let mut found = Diagnostics::default();
    let shipped =
        Source::new("t.json", r#"{"tests": [{"test_name": "a", "command": "c", "queue": "q"}]}"#);
    TestDescription::parse_shipped(shipped, Some(Source::new("o.json", text)), &mut found);
    is_clean(&found)
}

/// Whether these are valid settings of the pipeline.
pub fn accepts_settings(text: &str) -> bool {
    let mut found = Diagnostics::default();
    Settings::parse(&Source::new("p.json", text), &mut found);
    is_clean(&found)
}

/// Returns the keys of a test that have a meaning, here or for Buildkite.
pub fn known_keys() -> Vec<&'static str> {
    description::known_keys().collect()
}

/// Whether the key is passed on to Buildkite as it is, and is no slip of a known one.
pub fn is_free_key(key: &str) -> bool {
    let is_known = description::known_keys().any(|known| known == key);
    !is_known && nearest::slip_of(key, description::known_keys()).is_none()
}

/// Whether nothing is wrong that a schema could tell: it cannot know which tests there are.
fn is_clean(found: &Diagnostics) -> bool {
    let is_unknown_name =
        |message: &str| message.starts_with("the shipped description has no test");
    let errors = found.items.iter().filter(|item| item.severity == Severity::Error);
    errors.filter(|error| !is_unknown_name(&error.message)).count() == 0
}
