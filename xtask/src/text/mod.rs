//! Pure. Helpers that everything may use; the smallest are here: extensions of files,
//! fingerprints and percentages.

pub(crate) mod diagnostic;
pub(crate) mod extended_regex;
pub(crate) mod fields;
pub(crate) mod json;
pub(crate) mod nearest;
pub(crate) mod sanitize;
pub(crate) mod shell;
pub(crate) mod style;
pub(crate) mod toml;

use std::fmt;
use std::path::Path;

/// Whether the name of a file ends with a dot and one of these.
pub(crate) fn has_extension(name: &str, extensions: &[&str]) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

/// FNV-1a with 64 bits, as 16 hexadecimal digits. Good for names of files; to be sure, compare the text
/// too. <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(crate) fn fingerprint(text: &[u8]) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash =
        text.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

/// From 0.00 to 100.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Percent {
    hundredths: u32,
}

impl Percent {
    const MAX_HUNDREDTHS: u32 = 10_000;

    /// A part of a whole, rounded down.
    pub(crate) fn of(part: u64, whole: u64) -> Percent {
        let hundredths =
            u128::from(part) * u128::from(Self::MAX_HUNDREDTHS) / u128::from(whole.max(1));
        Percent { hundredths: u32::try_from(hundredths).unwrap_or(Self::MAX_HUNDREDTHS) }
    }

    /// Reads a decimal number from 0 to 100; what follows the second decimal is cut off.
    pub(crate) fn from_text(text: &str) -> Option<Percent> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(decimals) || whole.len() > 9 {
            return None;
        }
        let cut: String = decimals.chars().chain("00".chars()).take(2).collect();
        let hundredths = format!("{whole}{cut}").parse().ok()?;
        let is_over = hundredths > Self::MAX_HUNDREDTHS
            || (hundredths == Self::MAX_HUNDREDTHS && decimals.bytes().any(|b| b != b'0'));
        (!is_over).then_some(Percent { hundredths })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.hundredths / 100, self.hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_are_those_of_the_algorithms_authors() {
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"a"), "af63dc4c8601ec8c");
        assert_eq!(fingerprint(b"foobar"), "85944171f73967e8");
    }

    #[test]
    fn a_part_is_rounded_down_with_whole_numbers() {
        assert_eq!(Percent::of(2, 3).to_string(), "66.66");
        assert_eq!(Percent::of(1_999_999, 2_000_000).to_string(), "99.99");
        assert_eq!(Percent::of(5, 5).to_string(), "100.00");
        // 0.57 * 100 is 56.99999999999999 in floating point.
        assert_eq!(Percent::of(57, 100).to_string(), "57.00");
        assert_eq!(Percent::of(0, 0).to_string(), "0.00");
        assert_eq!(Percent::of(u64::MAX, u64::MAX).to_string(), "100.00");
    }

    #[test]
    fn a_written_one_is_a_plain_decimal_number_up_to_100() {
        let read = |text| Percent::from_text(text).map(|it| it.to_string());
        assert_eq!(read("85").as_deref(), Some("85.00"));
        assert_eq!(read("85.299").as_deref(), Some("85.29"));
        assert_eq!(read("0.5").as_deref(), Some("0.50"));
        assert_eq!(read("100.000").as_deref(), Some("100.00"));
        for text in
            ["100.001", "101", "-1", "", ".", "5.", ".5", "1e2", "NaN", "85 %", "99999999999"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
