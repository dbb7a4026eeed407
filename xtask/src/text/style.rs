//! Pure. Whether output is coloured, and the colours.

/// The colours that terminals of every age have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Dim,
}

/// The text in a colour, if output is coloured.
pub(crate) fn paint(text: &str, colour: Colour, is_coloured: bool) -> String {
    if !is_coloured {
        return text.to_owned();
    }
    let code = match colour {
        Colour::Red => 31,
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Cyan => 36,
        Colour::Dim => 2,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// The variables that decide about colours, besides `TERM`.
pub(crate) const COLOUR_VARIABLES: [&str; 4] =
    ["CARGO_TERM_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "NO_COLOR"];

/// Decides from the environment and from whether the stream is a terminal, once for each stream.
///
/// Sources: <https://no-color.org>, <https://bixense.com/clicolors>, and cargo's `term.color`.
pub(crate) fn is_coloured(lookup: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    let is_set = |name: &str| lookup(name).is_some_and(|value| value != "0");
    match lookup("CARGO_TERM_COLOR").as_deref() {
        _ if lookup("NO_COLOR").is_some() => false,
        _ if is_set("FORCE_COLOR") || is_set("CLICOLOR_FORCE") => true,
        Some("always") => true,
        Some("never") => false,
        _ => is_terminal && lookup("TERM").as_deref() != Some("dumb"),
    }
}

/// Decides whether lines that change are shown: where cargo shows its progress bar.
///
/// Source: cargo's `term.progress.when`.
pub(crate) fn has_progress(lookup: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    match lookup("CARGO_TERM_PROGRESS_WHEN").as_deref() {
        Some("always") => true,
        Some("never") => false,
        _ => is_terminal && lookup("CI").is_none() && lookup("TERM").as_deref() != Some("dumb"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::lookup;

    #[test]
    fn variables_decide_before_the_terminal_does() {
        let is_coloured = |variables: &[(&str, &str)], is_terminal| {
            super::is_coloured(lookup(variables), is_terminal)
        };
        assert!(is_coloured(&[], true));
        assert!(!is_coloured(&[], false));
        assert!(!is_coloured(&[("TERM", "dumb")], true));
        assert!(!is_coloured(&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], true));
        assert!(is_coloured(&[("FORCE_COLOR", "1")], false));
        assert!(!is_coloured(&[("CLICOLOR_FORCE", "0")], false));
        assert!(is_coloured(&[("CARGO_TERM_COLOR", "always")], false));
        assert!(!is_coloured(&[("CARGO_TERM_COLOR", "never")], true));
    }

    #[test]
    fn progress_is_shown_where_cargo_shows_it() {
        let has_progress = |variables: &[(&str, &str)], is_terminal| {
            super::has_progress(lookup(variables), is_terminal)
        };
        assert!(has_progress(&[], true));
        assert!(!has_progress(&[], false));
        assert!(!has_progress(&[("TERM", "dumb")], true));
        assert!(!has_progress(&[("CI", "true")], true));
        assert!(!has_progress(&[("CARGO_TERM_PROGRESS_WHEN", "never")], true));
        assert!(has_progress(&[("CARGO_TERM_PROGRESS_WHEN", "always"), ("CI", "true")], false));
    }
}
