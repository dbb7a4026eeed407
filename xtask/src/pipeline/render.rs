//! Pure. The pipeline as text: YAML or JSON, written step by step.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::pipeline::Format;
use crate::plan::step::Step;
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
            let mut writer = Writer { pipeline: *self, format, parts: Parts::default() };
            for (number, row) in self.rows.iter().enumerate() {
                let between = if number == 0 { "" } else { frame.between };
                out.write_all(between.as_bytes())?;
                writer.step(*row, out)?;
            }
            out.write_all(frame.closing.as_bytes())?;
        }
        if format == Format::Json {
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The text between steps, and between the parts of one.
struct Frame {
    opening: &'static str,
    step_opening: &'static str,
    label_key: &'static str,
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
                label_key: "label: ",
                joint: "  ",
                step_closing: "",
                between: "",
                closing: "",
            },
            Format::Json => Frame {
                opening: "{\n  \"steps\": [\n",
                step_opening: "    {\n",
                label_key: "      \"label\": ",
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
            Format::Json => Ok(serde_json::to_string_pretty(value)?),
        }
    }

    /// A pipeline of these steps, as the serializer of the format writes it.
    fn list(self, steps: &[&Map<String, Value>]) -> anyhow::Result<String> {
        self.text(&BTreeMap::from([("steps", steps)]))
    }

    /// A label as the value of its key.
    fn label(self, label: &str) -> anyhow::Result<String> {
        match self {
            // In a list a text is written as it is after a key.
            Format::Yaml => Ok(self.text(&[label])?.split_off("- ".len())),
            Format::Json => self.text(&label),
        }
    }

    /// Some keys of a step, without what stands before and after them.
    fn part(self, keys: &Map<String, Value>) -> anyhow::Result<Box<str>> {
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

/// Parts of steps as text. In a workspace a test's steps differ in their labels and gates alone,
/// and serializing the rest again for each crate would take ten times as long as everything else.
#[derive(Default)]
struct Parts {
    /// `None` where the command differs between crates.
    bodies: HashMap<Row, Option<Rc<str>>>,
    gates: HashMap<(usize, bool), Rc<str>>,
    gates_bytes: usize,
}

impl Parts {
    /// Gates that follow dependencies may be long, and there is one for each crate.
    const MAX_GATES_BYTES: usize = 1 << 23;
}

struct Writer<'a> {
    pipeline: Pipeline<'a>,
    format: Format,
    parts: Parts,
}

impl Writer<'_> {
    fn step(&mut self, row: Row, out: &mut dyn Write) -> anyhow::Result<()> {
        let step = self.pipeline.plan.step(row);
        let frame = self.format.frame();
        out.write_all(frame.step_opening.as_bytes())?;
        out.write_all(frame.label_key.as_bytes())?;
        out.write_all(self.format.label(&step.label())?.as_bytes())?;
        out.write_all(frame.joint.as_bytes())?;
        out.write_all(self.body(row, &step)?.as_bytes())?;
        if let Some(gate) = self.gate(&step)? {
            out.write_all(frame.joint.as_bytes())?;
            out.write_all(gate.as_bytes())?;
        }
        out.write_all(frame.step_closing.as_bytes())?;
        Ok(())
    }

    fn body(&mut self, row: Row, step: &Step<'_>) -> anyhow::Result<Rc<str>> {
        let key = row.without_crate();
        if let Some(Some(known)) = self.parts.bodies.get(&key) {
            return Ok(Rc::clone(known));
        }
        let body: Rc<str> = self.format.part(&step.body(self.pipeline.xtask))?.into();
        // Only a shared test has more than one step on a platform.
        let is_shared = step.member.is_some() && !step.is_own;
        if is_shared && !self.parts.bodies.contains_key(&key) {
            let is_common = !step.command_names_crate();
            self.parts.bodies.insert(key, is_common.then(|| Rc::clone(&body)));
        }
        Ok(body)
    }

    fn gate(&mut self, step: &Step<'_>) -> anyhow::Result<Option<Rc<str>>> {
        let Some(member) = step.member.filter(|_| !step.has_own_gate()) else { return Ok(None) };
        let key = (member, step.is_own);
        if let Some(known) = self.parts.gates.get(&key) {
            return Ok(Some(Rc::clone(known)));
        }
        let Some(gate) = step.gate() else { return Ok(None) };
        let keys = Map::from_iter([("if_changed".to_owned(), gate)]);
        let gate: Rc<str> = self.format.part(&keys)?.into();
        if !step.is_own && self.parts.gates_bytes + gate.len() < Parts::MAX_GATES_BYTES {
            self.parts.gates_bytes += gate.len();
            self.parts.gates.insert(key, Rc::clone(&gate));
        }
        Ok(Some(gate))
    }
}
