//! What a commit message has to be, and which commits have to have one.

pub(crate) mod history;
pub(crate) mod message;
pub(crate) mod message_file;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod trailer;
