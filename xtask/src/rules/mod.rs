//! Pure decisions over values: nothing here runs a process, touches a file or asks for the time.

pub(crate) mod alias;
pub(crate) mod audit;
pub(crate) mod base;
pub(crate) mod bench;
pub(crate) mod child_environment;
pub(crate) mod commit;
pub(crate) mod coverage;
pub(crate) mod deltas;
pub(crate) mod diagnostic;
pub(crate) mod explain;
pub(crate) mod fingerprint;
pub(crate) mod glob;
pub(crate) mod json;
pub(crate) mod local_step;
pub(crate) mod markdown;
pub(crate) mod nearest;
pub(crate) mod overrides;
pub(crate) mod pipeline;
pub(crate) mod placeholder;
pub(crate) mod plan;
pub(crate) mod platform;
pub(crate) mod prerequisite;
#[cfg(test)]
mod properties;
pub(crate) mod selection;
pub(crate) mod settings;
pub(crate) mod shell_text;
pub(crate) mod step;
pub(crate) mod strangers_text;
pub(crate) mod test_description;
pub(crate) mod toml;
pub(crate) mod upload;
pub(crate) mod verdict;
pub(crate) mod workspace;
