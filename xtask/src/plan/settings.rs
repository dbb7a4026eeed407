//! Pure. `ci-template/pipeline.json`: what every step has in common.

use serde_json::{Map, Value};

use crate::plan::platform::{Platform, unknown_platform};
use crate::text::diagnostic::{Diagnostics, Source};
use crate::text::json;
use crate::text::json::{Entry, Node};
use crate::text::nearest;

/// Image, agents and defaults of the pipeline.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Name of the container image, without its tag.
    pub(crate) image: String,
    pub(crate) image_tag: String,
    /// What the tag of a platform's own image ends with.
    image_tag_suffix: Map<String, Value>,
    /// The docker plugin with its version, as Buildkite writes it.
    pub(crate) docker_plugin: String,
    /// Settings of the docker plugin that every step has.
    pub(crate) docker_plugin_config: Map<String, Value>,
    /// For tests that do not say otherwise.
    pub(crate) timeout_minutes: u64,
    /// Agent tags that every step has.
    pub(crate) agents: Map<String, Value>,
    agent_platform: Map<String, Value>,
    pub(crate) retry: Value,
}

const KEYS: [&str; 9] = [
    "image",
    "image_tag",
    "image_tag_suffix",
    "docker_plugin",
    "docker_plugin_config",
    "timeout_in_minutes",
    "agents",
    "agent_platform",
    "retry",
];

impl Settings {
    pub(crate) fn parse(source: &Source, found: &mut Diagnostics) -> Option<Settings> {
        let root = json::parse(source, found)?;
        let Some(entries) = root.as_object() else {
            found.push(source.error(root.offset, "expected an object of settings"));
            return None;
        };
        let is_known = |key: &str| KEYS.contains(&key) || key == "$schema";
        for entry in entries.iter().filter(|entry| !is_known(&entry.key)) {
            let message =
                format!("unknown key `{}`{}", entry.key, nearest::hint(&entry.key, &KEYS));
            found.push(source.error(entry.key_offset, message));
        }
        Reader { source, found, root: &root, entries }.settings()
    }

    /// The image of a platform, with its tag.
    pub(crate) fn image_for(&self, platform: Option<Platform>) -> String {
        let suffix = platform.and_then(|platform| self.image_tag_suffix.get(platform.name()));
        let suffix = suffix.and_then(Value::as_str).unwrap_or_default();
        format!("{}:{}{suffix}", self.image, self.image_tag)
    }

    /// The `platform` tag of the agents that run a platform's steps.
    pub(crate) fn agent_platform(&self, platform: Platform) -> &Value {
        &self.agent_platform[platform.name()]
    }
}

struct Reader<'a> {
    source: &'a Source,
    found: &'a mut Diagnostics,
    root: &'a Node,
    entries: &'a [Entry],
}

impl Reader<'_> {
    fn settings(mut self) -> Option<Settings> {
        let image = self.string("image");
        let image_tag = self.string("image_tag");
        let image_tag_suffix = self.by_platform("image_tag_suffix");
        let docker_plugin = self.string("docker_plugin");
        let docker_plugin_config = self.object("docker_plugin_config");
        let timeout_minutes = self.minutes("timeout_in_minutes");
        let agents = self.object("agents");
        let agent_platform = self.by_platform("agent_platform");
        let retry = self.object("retry").map(Value::Object);
        let agent_platform = self.complete(agent_platform?)?;
        Some(Settings {
            image: image?,
            image_tag: image_tag?,
            image_tag_suffix: image_tag_suffix?,
            docker_plugin: docker_plugin?,
            docker_plugin_config: docker_plugin_config?,
            timeout_minutes: timeout_minutes?,
            agents: agents?,
            agent_platform,
            retry: retry?,
        })
    }

    fn required(&mut self, key: &str) -> Option<&Node> {
        let entry = json::find(self.entries, key);
        if entry.is_none() {
            self.found
                .push(self.source.error(self.root.offset, format!("the key `{key}` is missing")));
        }
        entry.map(|entry| &entry.value)
    }

    fn wrong_type<T>(&mut self, key: &str, wanted: &str) -> Option<T> {
        let node = &json::find(self.entries, key)?.value;
        let message = format!("`{key}` must be {wanted}, not {}", node.describe());
        self.found.push(self.source.error(node.offset, message));
        None
    }

    fn string(&mut self, key: &str) -> Option<String> {
        match self.required(key)?.as_str() {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => self.wrong_type(key, "a string that is not empty"),
        }
    }

    fn object(&mut self, key: &str) -> Option<Map<String, Value>> {
        match self.required(key)?.as_object() {
            Some(entries) => Some(json::to_map(entries)),
            None => self.wrong_type(key, "an object"),
        }
    }

    fn minutes(&mut self, key: &str) -> Option<u64> {
        match self.required(key)?.to_value().as_u64() {
            Some(minutes) if minutes > 0 => Some(minutes),
            _ => self.wrong_type(key, "a whole number of minutes, at least 1"),
        }
    }

    /// An object whose keys are platforms and whose values are strings.
    fn by_platform(&mut self, key: &str) -> Option<Map<String, Value>> {
        let map = self.object(key)?;
        let entries = json::find(self.entries, key)?.value.as_object()?;
        for entry in entries {
            if Platform::from_name(&entry.key).is_none() {
                let message = unknown_platform(&entry.key);
                self.found.push(self.source.error(entry.key_offset, message));
            } else if entry.value.as_str().is_none() {
                let message = format!("must be a string, not {}", entry.value.describe());
                self.found.push(self.source.error(entry.value.offset, message));
            }
        }
        Some(map)
    }

    /// A map that has an entry for every platform, so that looking one up cannot fail.
    fn complete(&mut self, map: Map<String, Value>) -> Option<Map<String, Value>> {
        let missing = Platform::NAMES.into_iter().find(|name| !map.contains_key(*name));
        let Some(name) = missing else { return Some(map) };
        let at = json::find(self.entries, "agent_platform").map_or(0, |entry| entry.value.offset);
        self.found.push(self.source.error(at, format!("`agent_platform` lacks `{name}`")));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const SHIPPED: &str = include_str!("../../../ci-template/pipeline.json");

    fn parse(text: &str) -> (Option<Settings>, String) {
        let mut found = Diagnostics::default();
        let settings = Settings::parse(&Source::new("pipeline.json", text), &mut found);
        (settings, found.into_warnings().err().map_or_else(String::new, |error| error.to_string()))
    }

    #[test]
    fn the_shipped_settings_are_valid() {
        let (settings, problem) = parse(SHIPPED);
        assert_eq!(problem, "");
        let settings = settings.unwrap();
        assert_eq!(settings.image_for(None), "rustvmm/dev:g8b11be7");
        assert_eq!(settings.image_for(Some(Platform::Riscv64)), "rustvmm/dev:g8b11be7-riscv");
        assert_eq!(settings.agent_platform(Platform::Aarch64), "arm.metal");
    }

    #[test]
    fn every_fault_of_a_maintainers_edit_is_reported() {
        let edited = SHIPPED
            .replace("\"image_tag\":", "\"imagetag\":")
            .replace("\"timeout_in_minutes\": 5", "\"timeout_in_minutes\": \"5\"")
            .replace("\"aarch64\": \"arm.metal\"", "\"aarch46\": \"arm.metal\"");
        expect![[r#"
            pipeline.json:4:3: error: unknown key `imagetag`, did you mean `image_tag`?
             4 |   "imagetag": "g8b11be7",
               |   ^
            pipeline.json:1:1: error: the key `image_tag` is missing
             1 | {
               | ^
            pipeline.json:8:25: error: `timeout_in_minutes` must be a whole number of minutes, at least 1, not a string
             8 |   "timeout_in_minutes": "5",
               |                         ^
            pipeline.json:12:5: error: unknown platform `aarch46`, did you mean `aarch64`?
             12 |     "aarch46": "arm.metal",
                |     ^
            pipeline.json:10:21: error: `agent_platform` lacks `aarch64`
             10 |   "agent_platform": {
                |                     ^"#]]
        .assert_eq(&parse(&edited).1);
    }
}
