//! External tools: what a command needs, probing, pinned installation.

pub(crate) mod advisory_database;
pub(crate) mod audit_settings;
pub(crate) mod buildkite_agent;
pub(crate) mod installer;
pub(crate) mod llvm;
pub(crate) mod requirement;
pub(crate) mod test_command;
pub(crate) mod toolchain;
