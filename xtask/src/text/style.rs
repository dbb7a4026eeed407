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

#[cfg(test)]
mod tests {
    #[test]
    fn variables_decide_before_the_terminal_does() {
        let is_coloured = |variables: &[(&str, &str)], is_terminal| {
            let value = |name: &str| variables.iter().find(|(it, _)| *it == name);
            super::is_coloured(|name| value(name).map(|(_, it)| (*it).to_owned()), is_terminal)
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
}
