//! What unit tests share.

use std::ffi::OsString;

use crate::cli::args::Args;
use crate::text::diagnostic::{Diagnostics, Rejected};

/// Returns a parser for lines of words, from that of a command's arguments and its usage.
pub(crate) fn words_parser<T>(
    parse: fn(Args) -> Result<T, Rejected>,
    usage: &'static str,
) -> impl Fn(&str) -> Result<T, String> {
    let (_, synopsis) = usage.split_once("Usage: cargo xtask ").unwrap();
    let command = synopsis.split_whitespace().next().unwrap();
    move |line| {
        let words = line.split_whitespace().map(OsString::from).collect();
        parse(Args::new(command, usage, words)).map_err(|error| error.to_string())
    }
}

impl Diagnostics {
    /// The first line of each finding.
    pub(crate) fn headlines(self) -> String {
        let items = self.into_items().into_iter().map(|item| item.to_string());
        let first_line = |text: String| text.lines().next().unwrap_or_default().to_owned();
        items.map(first_line).collect::<Vec<_>>().join("\n")
    }
}

/// Looks names up among these variables.
pub(crate) fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |wanted| {
        let pair = variables.iter().find(|(name, _)| *name == wanted);
        pair.map(|(_, value)| (*value).to_owned())
    }
}
