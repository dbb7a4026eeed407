//! Effects that capabilities share: processes, files, git, cargo, the terminal.

pub(crate) mod cargo;
pub(crate) mod directories;
pub(crate) mod files;
pub(crate) mod git;
pub(crate) mod process;
pub(crate) mod supervision;
pub(crate) mod terminal;
