//! Pure. How text looks on a terminal: whether it is coloured, the colours, and columns that are as
//! wide as their widest cell.

use crate::text::sanitize::without_escapes;

/// The colours that terminals of every age have, with their codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
    Dim = 2,
}

/// The text in a colour, if output is coloured.
pub(crate) fn paint(text: &str, colour: Colour, is_coloured: bool) -> String {
    if !is_coloured {
        return text.to_owned();
    }
    format!("\x1b[{}m{text}\x1b[0m", colour as u8)
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

/// A table, one row a line. The columns of these numbers are aligned to the right.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let mut columns = Columns { right: right.to_vec(), ..Columns::default() };
    for row in rows {
        columns.fit(row);
    }
    rows.iter().map(|row| columns.line(row) + "\n").collect()
}

/// The columns of a table of many rows, which need not be held in memory: first all are fitted, then
/// each is written.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    right: Vec<usize>,
    /// In columns of a terminal.
    widths: Vec<usize>,
}

impl Columns {
    /// Makes room for a row.
    pub(crate) fn fit(&mut self, cells: &[String]) {
        self.widths.resize(cells.len().max(self.widths.len()), 0);
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(self::width(cell));
        }
    }

    /// One row, without blanks at its end.
    pub(crate) fn line(&self, cells: &[String]) -> String {
        let padded = cells.iter().zip(&self.widths).enumerate().map(|(at, (cell, width))| {
            let padding = " ".repeat(width.saturating_sub(self::width(cell)));
            if self.right.contains(&at) { padding + cell } else { format!("{cell}{padding}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

/// How many columns of a terminal a text takes: East Asian characters and pictures take two,
/// combining marks and colours none.
///
/// Source: the wide ranges of Unicode's `EastAsianWidth.txt`, in coarse blocks.
fn width(text: &str) -> usize {
    without_escapes(text).chars().map(char_width).sum()
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// As much of a text as fits into some columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let mut left = Some(columns);
    let fits = |c: &char| {
        left = left.and_then(|left| left.checked_sub(char_width(*c)));
        left.is_some()
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lookup;

    #[test]
    fn variables_decide_before_the_terminal_does() {
        let decided =
            |variables: &[(&str, &str)], is_terminal| is_coloured(lookup(variables), is_terminal);
        assert!(decided(&[], true));
        assert!(!decided(&[], false));
        assert!(!decided(&[("TERM", "dumb")], true));
        assert!(!decided(&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], true));
        assert!(decided(&[("FORCE_COLOR", "1")], false));
        assert!(!decided(&[("CLICOLOR_FORCE", "0")], false));
        assert!(decided(&[("CARGO_TERM_COLOR", "always")], false));
        assert!(!decided(&[("CARGO_TERM_COLOR", "never")], true));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "10", "x"], ["größer", "9", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, &[1]), "a       10  x\ngrößer   9\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(width("日本e\u{301}🦀"), 7);
        assert_eq!(cut("日本語", 5), "日本");
        let rows = [["日本", "x"], ["abcde", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, &[]), "日本   x\nabcde  y\n");
    }

    #[test]
    fn colours_take_no_room() {
        let rows =
            [[paint("a", Colour::Red, true), "x".to_owned()], ["bcd", "y"].map(str::to_owned)];
        assert_eq!(table(&rows, &[]), "\x1b[31ma\x1b[0m    x\nbcd  y\n");
    }

    #[test]
    fn progress_is_shown_where_cargo_shows_it() {
        let is_shown =
            |variables: &[(&str, &str)], is_terminal| has_progress(lookup(variables), is_terminal);
        assert!(is_shown(&[], true));
        assert!(!is_shown(&[], false));
        assert!(!is_shown(&[("TERM", "dumb")], true));
        assert!(!is_shown(&[("CI", "true")], true));
        assert!(!is_shown(&[("CARGO_TERM_PROGRESS_WHEN", "never")], true));
        assert!(is_shown(&[("CARGO_TERM_PROGRESS_WHEN", "always"), ("CI", "true")], false));
    }
}
