//! What a new user does, with the real tools: a crate, this repository as its submodule, the alias,
//! `cargo xtask`. Run by name (`cargo test --test e2e`): it takes minutes.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be unwrapped is a failure")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;

mod audit;
mod consumer;
mod container;
mod coverage;
mod imported_history;
mod init;
mod newcomer;
mod timeout;
