//! Pure. Trailers: the `Key: value` lines at the end of a commit message, as git reads them.
//!
//! Source: `find_trailer_block_start` in git's `trailer.c`. One rule is wider here: several trailer
//! blocks at the end all count, because some services append a `Co-authored-by:` paragraph below the
//! sign-off.

use std::ops::Range;

/// Written by git itself, and evidence that a paragraph is a trailer block.
const GENERATED: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// The key and the value of a trailer line.
pub(crate) fn parse(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_key.then_some((key, value.trim()))
}

/// The lines (counted from 0) of the trailer block; empty, at the end of the text, if there is none.
pub(crate) fn block(lines: &[&str]) -> Range<usize> {
    let is_blank = |at: usize| lines[at].trim().is_empty();
    let text_end = (0..lines.len()).rev().find(|&at| !is_blank(at)).map_or(0, |at| at + 1);
    let mut start = text_end;
    let mut end = text_end;
    while end > 0 {
        let paragraph = (0..end).rev().find(|&at| is_blank(at)).map_or(0, |at| at + 1);
        // The first paragraph is the title, whatever it looks like.
        if paragraph == 0 || !is_block(&lines[paragraph..end]) {
            break;
        }
        start = paragraph;
        end = (0..paragraph).rev().find(|&at| !is_blank(at)).map_or(0, |at| at + 1);
    }
    start..text_end
}

fn is_block(paragraph: &[&str]) -> bool {
    let mut trailers = 0;
    let mut others = 0;
    let mut is_generated = false;
    let mut previous_counts = false;
    for line in paragraph {
        if GENERATED.iter().any(|prefix| line.starts_with(prefix)) {
            is_generated = true;
            trailers += 1;
            previous_counts = true;
        } else if line.starts_with([' ', '\t']) {
            // It continues the line above.
            others += usize::from(!previous_counts);
        } else {
            previous_counts = parse(line).is_some();
            trailers += usize::from(previous_counts);
            others += usize::from(!previous_counts);
        }
    }
    (trailers > 0 && others == 0) || (is_generated && trailers * 3 >= others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailers(text: &str) -> Vec<&str> {
        let lines: Vec<&str> = text.split('\n').collect();
        lines[block(&lines)].to_vec()
    }

    const SIGNED: &str = "Signed-off-by: A <a@b>";

    #[test]
    fn the_last_paragraph_is_a_block_if_all_of_it_are_trailers() {
        assert_eq!(trailers("T\n\nbody\n\nFixes: 1\nAcked-by: B\n"), ["Fixes: 1", "Acked-by: B"]);
        assert!(trailers("T\n\nbody\n\nnote\nFixes: 1").is_empty());
        assert!(trailers("Fixes: 1").is_empty());
        assert!(trailers("").is_empty());
    }

    #[test]
    fn beside_a_generated_line_some_other_lines_are_tolerated() {
        assert_eq!(trailers(&format!("T\n\nnote here\n{SIGNED}")), ["note here", SIGNED]);
        let four_others = format!("T\n\na\nb\nc\nd\n{SIGNED}");
        assert!(trailers(&four_others).is_empty());
    }

    #[test]
    fn a_continuation_belongs_to_the_line_above() {
        assert_eq!(trailers("T\n\nFixes: 1\n  2\n\t3"), ["Fixes: 1", "  2", "\t3"]);
    }

    #[test]
    fn several_paragraphs_of_trailers_are_one_block() {
        let text = format!("T\n\nbody\n\n{SIGNED}\n\n\nCo-authored-by: B <b@c>\n\n");
        assert_eq!(trailers(&text), [SIGNED, "", "", "Co-authored-by: B <b@c>"]);
    }

    #[test]
    fn keys_have_letters_digits_and_hyphens_only() {
        assert_eq!(parse("Signed-off-by :  A "), Some(("Signed-off-by", "A")));
        assert_eq!(parse("see also: x"), None);
        assert_eq!(parse("x"), None);
        assert_eq!(parse(": x"), None);
    }
}
