//! The pipeline as text: YAML or JSON, written step by step.

use std::io::Write;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::nearest;
use super::plan::{Plan, Row};

/// The text form of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Yaml,
    Json,
}

impl Format {
    pub(crate) fn from_name(name: &str) -> Result<Format, String> {
        match name {
            "yaml" => Ok(Format::Yaml),
            "json" => Ok(Format::Json),
            other => {
                Err(format!("unknown format `{other}`{}", nearest::hint(other, &["yaml", "json"])))
            }
        }
    }
}

/// A plan in the shape that Buildkite takes; `{xtask}` becomes `xtask`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline<'a> {
    pub(crate) plan: &'a Plan<'a>,
    /// Which steps of the plan.
    pub(crate) rows: &'a [Row],
    pub(crate) xtask: &'a str,
}

impl Pipeline<'_> {
    /// Writes the whole pipeline; no more than one step is held in memory.
    pub(crate) fn write(&self, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
        match format {
            Format::Yaml => {
                // Without block scalars a command stays on one line, as people search for it.
                let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
                serde_saphyr::to_io_writer_with_options(&mut { &mut *out }, self, options)?;
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Pipeline<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("steps", &Steps(*self))?;
        map.end()
    }
}

struct Steps<'a>(Pipeline<'a>);

impl Serialize for Steps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Pipeline { plan, rows, xtask } = self.0;
        let mut list = serializer.serialize_seq(Some(rows.len()))?;
        for row in rows {
            list.serialize_element(&plan.step(*row).render(xtask))?;
        }
        list.end()
    }
}
