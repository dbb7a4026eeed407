//! The benchmarks of a real crate against a real remote, with the real tools. Run by name (`cargo
//! test --test bench`): it takes minutes.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped is a failure")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;

mod bad_input;
mod base;
mod gate;
mod measured;
mod table;
mod tree;
