//! Pure. The pipeline as text: YAML or JSON, written step by step.

use std::collections::HashMap;
use std::hash::Hash;
use std::io::Write;
use std::rc::Rc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::cli::pipeline::Format;
use crate::plan::description::Test;
use crate::plan::platform::Platform;
use crate::plan::step::Step;

/// Steps in the shape that Buildkite takes; `{xtask}` becomes `xtask`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline<'a> {
    pub(crate) steps: &'a [Step<'a>],
    pub(crate) xtask: &'a str,
}

impl Pipeline<'_> {
    /// Writes the whole pipeline, step by step.
    pub(crate) fn write(&self, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
        let Frame { opening, joint, between, closing } = format.frame();
        let mut cache = Cache::default();
        for (number, step) in self.steps.iter().enumerate() {
            let before = if number == 0 { opening } else { between };
            let label = format.pair("label", &step.label())?;
            let command = format.pair("command", &step.uploaded_command(self.xtask))?;
            let body = cache.body(format, step)?;
            write!(out, "{before}{label}{joint}{command}{joint}{body}")?;
            if let Some(gate) = cache.gate(format, step)? {
                write!(out, "{joint}{gate}")?;
            }
        }
        let end = if self.steps.is_empty() { &format.list(&[])? } else { closing };
        out.write_all(end.as_bytes())?;
        if format == Format::Json {
            writeln!(out)?;
        }
        Ok(())
    }

    /// The whole pipeline as [`Pipeline::write`] writes it.
    pub(crate) fn text(&self, format: Format) -> anyhow::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.write(format, &mut text)?;
        Ok(text)
    }
}

/// The text around the keys of a pipeline's steps.
struct Frame {
    /// Before the first step.
    opening: &'static str,
    /// Between two keys of a step.
    joint: &'static str,
    between: &'static str,
    /// After the last step.
    closing: &'static str,
}

impl Format {
    fn frame(self) -> Frame {
        match self {
            Format::Yaml => {
                Frame { opening: "steps:\n- ", joint: "  ", between: "- ", closing: "" }
            }
            Format::Json => Frame {
                opening: "{\n  \"steps\": [\n    {\n",
                joint: ",\n",
                between: "\n    },\n    {\n",
                closing: "\n    }\n  ]\n}",
            },
        }
    }

    /// Any value, as the serializer of the format writes it.
    pub(crate) fn text(self, value: &impl Serialize) -> anyhow::Result<String> {
        match self {
            Format::Yaml => {
                // Without block scalars a command stays on one line, as people search for it.
                let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
                Ok(serde_saphyr::to_string_with_options(value, options)?)
            }
            Format::Json => Ok(escape_for_yaml(serde_json::to_string_pretty(value)?)),
        }
    }

    /// A pipeline of these steps, as the serializer of the format writes it.
    fn list(self, steps: &[&Map<String, Value>]) -> anyhow::Result<String> {
        self.text(&Steps(steps))
    }

    /// A key of a step with its text.
    fn pair(self, key: &str, text: &str) -> anyhow::Result<String> {
        Ok(match self {
            // In a list a text is written as it is after a key.
            Format::Yaml => format!("{key}: {}", &self.text(&[text])?["- ".len()..]),
            Format::Json => format!("      \"{key}\": {}", self.text(&text)?),
        })
    }

    /// Some keys of a step, without what stands before and after them.
    fn keys(self, keys: &Map<String, Value>) -> anyhow::Result<Rc<str>> {
        let text = self.list(&[keys])?;
        let Frame { opening, closing, .. } = self.frame();
        let keys = text.strip_prefix(opening).and_then(|text| text.strip_suffix(closing));
        Ok(keys.expect("both serializers write a list of one step like this").into())
    }
}

/// A pipeline of some steps.
struct Steps<'a>(&'a [&'a Map<String, Value>]);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("steps", self.0)])
    }
}

/// The agent reads JSON as YAML, which refuses some characters and takes others for line breaks. All
/// of them are inside of strings, where JSON has an escape for them.
fn escape_for_yaml(json: String) -> String {
    let is_special = |c: char| {
        ('\u{7f}'..='\u{9f}').contains(&c) || "\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".contains(c)
    };
    if !json.contains(is_special) {
        return json;
    }
    let escape =
        |c: char| if is_special(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escape).collect()
}

/// What many steps share: in a workspace a test's steps differ in their labels, commands and gates
/// alone, and a crate's shared tests have one gate.
#[derive(PartialEq, Eq, Hash)]
enum Part {
    Body(*const Test, Option<Platform>),
    Gate(usize),
}

/// Parts as text. To serialize each step by itself takes several times the CPU time.
#[derive(Default)]
struct Cache(HashMap<Part, Rc<str>>);

impl Cache {
    /// A gate that follows dependencies may be long, and there is one for each crate.
    const MAX_TEXT_BYTES: usize = 1 << 10;

    /// The text of a part that is shared, or, without one, of these keys.
    fn text(
        &mut self,
        format: Format,
        part: Option<Part>,
        keys: impl FnOnce() -> Map<String, Value>,
    ) -> anyhow::Result<Rc<str>> {
        if let Some(known) = part.as_ref().and_then(|part| self.0.get(part)) {
            return Ok(Rc::clone(known));
        }
        let text = format.keys(&keys())?;
        if let Some(part) = part.filter(|_| text.len() <= Cache::MAX_TEXT_BYTES) {
            self.0.insert(part, Rc::clone(&text));
        }
        Ok(text)
    }

    fn body(&mut self, format: Format, step: &Step<'_>) -> anyhow::Result<Rc<str>> {
        let is_shared = !step.is_own && !step.body_names_crate();
        let part = is_shared.then(|| Part::Body(std::ptr::from_ref(step.test), step.platform));
        self.text(format, part, || step.body())
    }

    fn gate(&mut self, format: Format, step: &Step<'_>) -> anyhow::Result<Option<Rc<str>>> {
        let Some(member) = step.member_index().filter(|_| !step.test.has_own_gate) else {
            return Ok(None);
        };
        let part = (!step.is_own).then_some(Part::Gate(member));
        let key = || step.gate().map(|gate| ("if_changed".to_owned(), gate));
        self.text(format, part, || key().into_iter().collect()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::description::TestDescription;
    use crate::plan::inputs::Inputs;
    use crate::plan::inputs::tests::inputs;
    use crate::plan::platform::Platform;
    use crate::plan::workspace::{Crate, Workspace};
    use crate::text::diagnostic::{Diagnostics, Source};
    use std::collections::BTreeMap;

    const SHARED: &str = r#"{"tests": [
        {"test_name": "alike", "command": "c {target_platform}", "platform": ["x86_64", "aarch64"]},
        {"test_name": "named", "command": "c {crate}", "platform": ["x86_64"]},
        {"test_name": "path", "command": "c {crate_path}"},
        {"test_name": "keyed", "command": "c", "key": "k-{crate}"},
        {"test_name": "gated", "command": "c", "if_changed": "docs/**"},
        {"test_name": "all", "command": "c", "scope": "workspace"}
    ]}"#;

    fn workspace(crates: usize, dependencies: &[usize]) -> Workspace {
        let own = r#"{"tests": [{"test_name": "own", "command": "o {crate}"}]}"#;
        let member = |index: usize| Crate {
            skips_all_features: false,
            name: format!("crate-{index:03}"),
            path: format!("crates/crate-{index:03}"),
            platforms: Platform::DEFAULT.to_vec(),
            dependencies: if index == 0 { dependencies.to_vec() } else { Vec::new() },
            own_description: (index < 2).then(|| {
                TestDescription::parse(Source::new("own.json", own), &Diagnostics::default()).into()
            }),
        };
        Workspace {
            crates: (0..crates).map(member).collect(),
            checkout: "rust-vmm-ci".to_owned(),
            with_dependents: true,
        }
    }

    fn whole(step: &Step<'_>) -> Value {
        let mut keys = Map::from_iter([("label".to_owned(), step.label().into())]);
        keys.insert("command".to_owned(), step.uploaded_command("cargo xtask").into());
        keys.extend(step.body());
        keys.extend(step.gate().map(|gate| ("if_changed".to_owned(), gate)));
        Value::Object(keys)
    }

    fn in_workspace(workspace: Workspace) -> Inputs {
        let mut inputs = inputs(SHARED, &Platform::DEFAULT, &[]);
        inputs.workspace = Some(workspace);
        inputs
    }

    #[test]
    fn a_step_written_from_the_cache_is_the_step_written_by_itself() {
        // With a hundred dependencies a gate is too long for the cache.
        let all: Vec<usize> = (1..100).collect();
        for workspace in [workspace(3, &[]), workspace(100, &all)] {
            let inputs = in_workspace(workspace);
            let plan = Plan::build(&inputs, &Diagnostics::default());
            let pipeline = Pipeline { steps: &plan.steps, xtask: "cargo xtask" };
            let steps: Vec<Value> = plan.steps.iter().map(whole).collect();
            assert!(3 * 6 < steps.len());
            for format in [Format::Json, Format::Yaml] {
                let want = format.text(&BTreeMap::from([("steps", &steps)])).unwrap();
                let mut text = Vec::new();
                pipeline.write(format, &mut text).unwrap();
                assert_eq!(String::from_utf8(text).unwrap().trim_end(), want.trim_end());
            }
        }
    }

    #[test]
    fn what_steps_share_is_serialized_once_and_long_gates_are_not_kept() {
        let all: Vec<usize> = (1..100).collect();
        let inputs = in_workspace(workspace(100, &all));
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let mut cache = Cache::default();
        for step in &plan.steps {
            cache.body(Format::Json, step).unwrap();
            cache.gate(Format::Json, step).unwrap();
        }
        // `alike` on two platforms, all others but `keyed` once; the gates of all crates but the first.
        assert_eq!(cache.0.len(), 6 + 99);
    }

    #[test]
    fn characters_that_yaml_refuses_are_escaped_in_json() {
        let text = "a\u{7f}\u{85}\u{9f}\u{2028}\u{feff}\u{fffe}\u{ffff}\u{a0}é";
        let json = Format::Json.text(&text).unwrap();
        assert_eq!(
            json,
            r#""a\u007f\u0085\u009f\u2028\ufeff\ufffe\uffff"#.to_owned() + "\u{a0}é\""
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
