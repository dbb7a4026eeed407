//! Pure. The pipeline as text: YAML or JSON, written step by step.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::io::Write;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::pipeline::Format;
use crate::plan::{Plan, Row};

/// A plan in the shape that Buildkite takes; `{xtask}` becomes `xtask`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline<'a> {
    pub(crate) plan: &'a Plan<'a>,
    /// Which steps of the plan.
    pub(crate) rows: &'a [Row],
    pub(crate) xtask: &'a str,
}

impl Pipeline<'_> {
    /// Writes the whole pipeline, step by step.
    pub(crate) fn write(&self, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
        let frame = format.frame();
        if self.rows.is_empty() {
            out.write_all(format.list(&[])?.as_bytes())?;
        } else {
            out.write_all(frame.opening.as_bytes())?;
            let mut cache = Cache::default();
            for (number, row) in self.rows.iter().enumerate() {
                let between = if number == 0 { "" } else { frame.between };
                out.write_all(between.as_bytes())?;
                out.write_all(frame.step_opening.as_bytes())?;
                let parts = cache.parts(self, *row, format)?;
                for (number, part) in parts.iter().flatten().enumerate() {
                    let joint = if number == 0 { "" } else { frame.joint };
                    out.write_all(joint.as_bytes())?;
                    out.write_all(part.as_bytes())?;
                }
                out.write_all(frame.step_closing.as_bytes())?;
            }
            out.write_all(frame.closing.as_bytes())?;
        }
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

/// The text between steps, and between the parts of one.
struct Frame {
    opening: &'static str,
    step_opening: &'static str,
    /// Between two keys of a step.
    joint: &'static str,
    step_closing: &'static str,
    between: &'static str,
    closing: &'static str,
}

impl Format {
    fn frame(self) -> Frame {
        match self {
            Format::Yaml => Frame {
                opening: "steps:\n",
                step_opening: "- ",
                joint: "  ",
                step_closing: "",
                between: "",
                closing: "",
            },
            Format::Json => Frame {
                opening: "{\n  \"steps\": [\n",
                step_opening: "    {\n",
                joint: ",\n",
                step_closing: "\n    }",
                between: ",\n",
                closing: "\n  ]\n}",
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
        self.text(&BTreeMap::from([("steps", steps)]))
    }

    /// One key of a step, without what stands before and after it.
    fn key(self, key: &str, value: impl Into<Value>) -> anyhow::Result<Rc<str>> {
        self.keys(&Map::from_iter([(key.to_owned(), value.into())]))
    }

    fn keys(self, keys: &Map<String, Value>) -> anyhow::Result<Rc<str>> {
        let text = self.list(&[keys])?;
        let Frame { opening, step_opening, step_closing, closing, .. } = self.frame();
        let inner = text
            .strip_prefix(opening)
            .and_then(|text| text.strip_prefix(step_opening))
            .and_then(|text| text.strip_suffix(closing))
            .and_then(|text| text.strip_suffix(step_closing));
        Ok(inner.expect("both serializers write a list of one step like this").into())
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

/// The text of what many steps share. In a workspace a test's steps differ in their labels,
/// commands and gates alone, and a crate's in all but its gate: serializing each step by itself takes five times
/// the CPU time.
#[derive(Default)]
struct Cache {
    bodies: HashMap<Row, Rc<str>>,
    gates: HashMap<usize, Rc<str>>,
}

impl Cache {
    /// A gate that follows dependencies may be long, and there is one for each crate.
    const MAX_TEXT_BYTES: usize = 1 << 10;

    /// The parts of a step, in their order.
    fn parts(
        &mut self,
        pipeline: &Pipeline<'_>,
        row: Row,
        format: Format,
    ) -> anyhow::Result<[Option<Rc<str>>; 4]> {
        let step = pipeline.plan.step(row);
        let label = format.key("label", step.label())?;
        let command = format.key("command", step.uploaded_command(pipeline.xtask))?;
        let is_common = !step.is_own && !step.body_names_crate();
        let body = cached(&mut self.bodies, is_common.then(|| row.without_crate()), || {
            format.keys(&step.body())
        })?;
        let gate = match step.member.filter(|_| !step.test.has_own_gate) {
            Some(member) => {
                let key = (!step.is_own).then_some(member);
                Some(cached(&mut self.gates, key, || format.key("if_changed", step.gate()))?)
            }
            None => None,
        };
        Ok([Some(label), Some(command), Some(body), gate])
    }
}

/// What `write` gives, the first time that it is asked for this key. `None` is never remembered.
fn cached<K: Eq + Hash>(
    cache: &mut HashMap<K, Rc<str>>,
    key: Option<K>,
    write: impl FnOnce() -> anyhow::Result<Rc<str>>,
) -> anyhow::Result<Rc<str>> {
    let Some(key) = key else { return write() };
    if let Some(known) = cache.get(&key) {
        return Ok(Rc::clone(known));
    }
    let text = write()?;
    if text.len() <= Cache::MAX_TEXT_BYTES {
        cache.insert(key, Rc::clone(&text));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::description::TestDescription;
    use crate::plan::inputs::Inputs;
    use crate::plan::inputs::tests::inputs;
    use crate::plan::platform::Platform;
    use crate::plan::step::Step;
    use crate::plan::workspace::{Crate, Workspace};
    use crate::text::diagnostic::{Diagnostics, Source};

    const SHARED: &str = r#"{"tests": [
        {"test_name": "alike", "command": "c {target_platform}", "platform": ["x86_64", "aarch64"]},
        {"test_name": "named", "command": "c {crate}", "platform": ["x86_64"]},
        {"test_name": "path", "command": "c {crate_path}"},
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
            let pipeline = Pipeline { plan: &plan, rows: &plan.rows, xtask: "cargo xtask" };
            let steps: Vec<Value> = plan.steps().map(|step| whole(&step)).collect();
            assert!(3 * 5 < steps.len());
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
        let pipeline = Pipeline { plan: &plan, rows: &plan.rows, xtask: "x" };
        let mut cache = Cache::default();
        for row in &plan.rows {
            cache.parts(&pipeline, *row, Format::Json).unwrap();
        }
        // `alike` on two platforms and the other four; the gates of all crates but the first.
        assert_eq!((cache.bodies.len(), cache.gates.len()), (6, 99));
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
