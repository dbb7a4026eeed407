//! Effects: processes, files, the terminal. Nothing here decides; it does what it is told and
//! reports what happened.

pub(crate) mod buildkite_agent;
pub(crate) mod cargo;
pub(crate) mod cargo_audit;
pub(crate) mod critcmp;
pub(crate) mod criterion;
pub(crate) mod files;
pub(crate) mod git;
pub(crate) mod llvm_cov;
pub(crate) mod llvm_tools;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod rustup;
pub(crate) mod scratch;
pub(crate) mod sh;
pub(crate) mod terminal;
pub(crate) mod tree;
