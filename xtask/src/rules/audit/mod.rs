//! What an advisory database says about the crates of a lock file.

pub(crate) mod advisory;
pub(crate) mod attempt;
pub(crate) mod lock_file;
pub(crate) mod report;
pub(crate) mod settings;
