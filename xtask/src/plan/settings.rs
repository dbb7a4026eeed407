//! Pure. `ci-template/pipeline.json`: what every step has in common.

use serde_json::{Map, Value};

use crate::plan::platform::Platform;
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::fields::{self, Field, Object};

/// Image, agents and defaults of the pipeline.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Name of the container image, without its tag.
    image: String,
    image_tag: String,
    /// What the tag of a platform's own image ends with.
    image_tag_suffix: ByPlatform,
    /// The docker plugin with its version, as Buildkite writes it.
    pub(crate) docker_plugin: String,
    /// Settings of the docker plugin that every step has.
    pub(crate) docker_plugin_config: Map<String, Value>,
    /// For tests that do not say otherwise.
    pub(crate) timeout_minutes: u64,
    /// Agent tags that every step has.
    pub(crate) agents: Map<String, Value>,
    agent_platform: ByPlatform,
    pub(crate) retry: Map<String, Value>,
}

/// A text for each platform that has one.
type ByPlatform = [Option<String>; Platform::NAMED.len()];

impl Settings {
    /// Reads the settings; those that cannot be used are missing, and an error among `found`.
    pub(crate) fn parse(source: &Source, found: &Diagnostics) -> Settings {
        fields::read(source, found, Settings::read).unwrap_or_default()
    }

    fn read(file: Field<'_>) -> Option<Settings> {
        let mut object = file.object("an object")?;
        let mut get = |key| object.require(key);
        let settings = Settings {
            image: get("image").and_then(Field::non_empty_string).unwrap_or_default(),
            image_tag: get("image_tag").and_then(Field::non_empty_string).unwrap_or_default(),
            image_tag_suffix: get("image_tag_suffix")
                .and_then(|field| by_platform(field, Object::get))
                .unwrap_or_default(),
            docker_plugin: get("docker_plugin")
                .and_then(Field::non_empty_string)
                .unwrap_or_default(),
            docker_plugin_config: get("docker_plugin_config")
                .and_then(Field::map)
                .unwrap_or_default(),
            timeout_minutes: get("timeout_in_minutes").and_then(Field::minutes).unwrap_or_default(),
            agents: get("agents").and_then(Field::map).unwrap_or_default(),
            agent_platform: get("agent_platform")
                .and_then(|field| by_platform(field, Object::require))
                .unwrap_or_default(),
            retry: get("retry").and_then(Field::map).unwrap_or_default(),
        };
        object.finish();
        Some(settings)
    }

    /// The image of a platform, with its tag.
    pub(crate) fn image_for(&self, platform: Option<Platform>) -> String {
        let suffix =
            platform.and_then(|platform| self.image_tag_suffix[platform as usize].as_deref());
        format!("{}:{}{}", self.image, self.image_tag, suffix.unwrap_or_default())
    }

    /// The `platform` tag of the agents that run a platform's steps.
    pub(crate) fn agent_platform(&self, platform: Platform) -> Option<&str> {
        self.agent_platform[platform as usize].as_deref()
    }
}

fn by_platform<'a>(
    field: Field<'a>,
    get: fn(&mut Object<'a>, &'static str) -> Option<Field<'a>>,
) -> Option<ByPlatform> {
    let mut object = field.object("an object")?;
    let texts = Platform::NAMED.map(|(name, _)| get(&mut object, name)?.string());
    object.finish();
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const SHIPPED: &str = include_str!("../../../ci-template/pipeline.json");

    fn parse(text: &str) -> (Settings, String) {
        let found = Diagnostics::default();
        let settings = Settings::parse(&Source::new("pipeline.json", text), &found);
        (settings, found.into_warnings().err().map_or_else(String::new, |error| error.to_string()))
    }

    #[test]
    fn the_shipped_settings_are_valid() {
        let (settings, problem) = parse(SHIPPED);
        assert_eq!(problem, "");
        assert_eq!(settings.image_for(None), "rustvmm/dev:g8b11be7");
        assert_eq!(settings.image_for(Some(Platform::Riscv64)), "rustvmm/dev:g8b11be7-riscv");
        assert_eq!(settings.agent_platform(Platform::Aarch64), Some("arm.metal"));
    }

    #[test]
    fn every_fault_of_a_maintainers_edit_is_reported() {
        let edited = SHIPPED
            .replace("\"image_tag\":", "\"imagetag\":")
            .replace("\"timeout_in_minutes\": 5", "\"timeout_in_minutes\": \"5\"")
            .replace("\"aarch64\": \"arm.metal\"", "\"aarch46\": \"arm.metal\"");
        expect![[r#"
            pipeline.json:1:1: error: the key `image_tag` is missing
             1 | {
               | ^
            pipeline.json:4:3: error: unknown key `imagetag`, did you mean `image_tag`?
             4 |   "imagetag": "g8b11be7",
               |   ^
            pipeline.json:8:25: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string
             8 |   "timeout_in_minutes": "5",
               |                         ^
            pipeline.json:10:21: error: the key `aarch64` is missing
             10 |   "agent_platform": {
                |                     ^
            pipeline.json:12:5: error: unknown key `aarch46`, did you mean `aarch64`?
             12 |     "aarch46": "arm.metal",
                |     ^"#]]
        .assert_eq(&parse(&edited).1);
    }
}
