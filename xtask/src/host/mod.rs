//! Effects that capabilities share: processes, files, git, cargo, the terminal.

pub(crate) mod cargo;
pub(crate) mod child_environment;
pub(crate) mod files;
pub(crate) mod git;
pub(crate) mod process;
pub(crate) mod scratch;
pub(crate) mod signals;
pub(crate) mod supervisor;
pub(crate) mod terminal;
