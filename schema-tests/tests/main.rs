//! The schemas of our files, and the pipelines that we write, judged by readers of other authors.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped is a failure")]

#[path = "../../xtask/tests/support/mod.rs"]
mod support;

mod agreement;
mod binary;
mod buildkite;
mod yaml;

use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use crate::support::checkout;

/// A schema, or a part of one, compiled.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// The location is a path, and may end with `#` and a JSON pointer to a part.
    fn new(location: &str) -> Schema {
        let mut schemas = Schemas::new();
        let index = Compiler::new().compile(location, &mut schemas).unwrap();
        Schema { schemas, index }
    }

    /// A schema that this repository ships.
    fn shipped(name: &str) -> Schema {
        Schema::new(template(name).to_str().unwrap())
    }

    /// What is wrong with a value; empty if nothing is.
    fn faults(&self, value: &Value) -> String {
        self.schemas.validate(value, self.index).err().map_or(String::new(), |it| it.to_string())
    }
}

fn template(name: &str) -> std::path::PathBuf {
    checkout().join("ci-template").join(name)
}

fn parsed(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
