//! The real binary in throw-away repositories: what is quick enough for every `cargo test`.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped is a failure")]

#[path = "../support/mod.rs"]
mod support;

mod bootstrap;
mod buildkite_api;
mod ci;
mod commit_format;
mod completions;
mod container;
mod coverage;
mod doctor;
mod golden;
mod init;
mod pipeline;
mod policy;
mod property;
mod upload;
