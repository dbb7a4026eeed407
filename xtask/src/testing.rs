//! What unit tests share.

use std::ffi::OsString;

use crate::cli::args::Args;
use crate::text::diagnostic::Rejected;

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

/// Looks names up among these variables.
pub(crate) fn lookup(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |wanted| {
        let pair = variables.iter().find(|(name, _)| *name == wanted);
        pair.map(|(_, value)| (*value).to_owned())
    }
}
