//! Pure. Helpers that everything may use.

pub(crate) mod diagnostic;
pub(crate) mod extended_regex;
pub(crate) mod fields;
pub(crate) mod fingerprint;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod nearest;
pub(crate) mod percent;
pub(crate) mod sanitize;
pub(crate) mod shell;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod toml;
