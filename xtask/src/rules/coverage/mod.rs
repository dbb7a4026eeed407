//! What coverage is recorded, what is measured, and what is said about both.

pub(crate) mod artifacts;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod extended_regex;
pub(crate) mod llvm_version;
pub(crate) mod patch;
pub(crate) mod report;
pub(crate) mod scope;
pub(crate) mod score;
pub(crate) mod summary;
