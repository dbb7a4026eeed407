//! Arbitrary values for property tests.
//!
//! In place of a library, which `cargo xtask ci` would compile in each of its configurations: with
//! what these tests instantiate of it, proptest took 26 s of CPU time in a release build.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

/// Checks a property of `cases` arbitrary inputs. They are the same in every run, so that CI judges
/// the change and not the dice; `PROPERTY_SEED` selects others.
#[track_caller]
pub(crate) fn check(cases: u64, property: impl Fn(&mut Random)) {
    let first = std::env::var("PROPERTY_SEED").map_or(0, |seed| seed.parse().unwrap());
    let seeds = first..first + cases;
    let fails = |seed: u64, choices: u32| {
        let mut random = Random { state: seed, choices_left: choices };
        catch_unwind(AssertUnwindSafe(|| property(&mut random))).is_err()
    };
    let Some(seed) = seeds.clone().find(|seed| fails(*seed, u32::MAX)) else { return };
    // The fewer choices are arbitrary, the smaller is the input. Nothing is done with the result:
    // the small input's own panic is the message.
    let _ = (0..12).any(|exponent| seeds.clone().any(|seed| fails(seed, 1 << exponent)));
    panic!("PROPERTY_SEED={seed} fails; the panic before this one is that of the smallest input");
}

/// A source of arbitrary choices (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Random {
    state: u64,
    /// After this many, each choice is the first one: 0, no elements, the first of a list.
    choices_left: u32,
}

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        let Some(left) = self.choices_left.checked_sub(1) else { return 0 };
        self.choices_left = left;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % end as u64).unwrap()
    }

    /// True once in `cases`.
    pub(crate) fn once_in(&mut self, cases: usize) -> bool {
        self.below(cases) == cases - 1
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.once_in(2)
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    pub(crate) fn list<T>(
        &mut self,
        lengths: Range<usize>,
        mut element: impl FnMut(&mut Random) -> T,
    ) -> Vec<T> {
        let length = lengths.start + self.below(lengths.len());
        (0..length).map(|_| element(self)).collect()
    }

    /// Any number of the items, in any order.
    pub(crate) fn some_of<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut rest = items.to_vec();
        let count = self.below(rest.len() + 1);
        (0..count).map(|_| rest.swap_remove(self.below(rest.len()))).collect()
    }

    /// A text of these characters.
    pub(crate) fn text(
        &mut self,
        alphabet: impl IntoIterator<Item = char>,
        lengths: Range<usize>,
    ) -> String {
        let alphabet: Vec<char> = alphabet.into_iter().collect();
        self.list(lengths, |random| random.pick(&alphabet)).into_iter().collect()
    }
}

/// Words that a YAML reader may take for something else, or that end a line or a quotation.
const TRAPS: [&str; 60] = [
    "yes",
    "No",
    "ON",
    "off",
    "y",
    "true",
    "False",
    "null",
    "~",
    "NULL",
    "",
    " ",
    "  a",
    "a  ",
    "\t",
    "1",
    "-1",
    "+1",
    "1.0",
    "1e3",
    ".5",
    "5.",
    "0x1F",
    "0o17",
    "017",
    "0b1",
    "1_000",
    "12:30:45",
    ".inf",
    "-.INF",
    ".NaN",
    "2024-01-01",
    "2001-12-14t21:59:43.10-05:00",
    "=",
    "<<",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!!str a",
    "!a",
    "%TAG",
    "@a",
    "`a`",
    "|",
    ">",
    "'",
    "\"",
    "[a]",
    "{a: b}",
    "---",
    "...",
    "a\nb",
    "a\\",
    "\u{feff}a",
];

/// Anything that a JSON string can hold.
pub(crate) fn any_text(random: &mut Random) -> String {
    let text = match random.below(8) {
        0..3 => random.pick(&TRAPS).to_owned(),
        3..5 => random.text("abcxyz ${}'\"\\|&;()<>*#:-".chars(), 0..17),
        5 => format!("{}{}", random.pick(&TRAPS), random.pick(&TRAPS)),
        6 => {
            let odd = ('\0'..=' ').chain('~'..='\u{a0}').chain('\u{2028}'..='\u{2029}');
            random.text(odd.chain(['\u{feff}', '\u{fffe}', '\u{ffff}', 'a']), 0..5)
        }
        _ => random.list(0..20, any_char).into_iter().collect(),
    };
    // Most of what follows is an expansion that Buildkite refuses.
    text.replace("${", "$ {")
}

fn any_char(random: &mut Random) -> char {
    let end = random.pick(&[0x80, 0x800, 0x1_0000, 0x11_0000]);
    let number = u32::try_from(random.below(end)).unwrap();
    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Any JSON value, of at most `depth` lists and objects within each other.
pub(crate) fn any_value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => random.flag().into(),
        2 => (random.bits() >> random.below(64)).into(),
        3 => (random.bits().cast_signed() >> random.below(64)).into(),
        4 => f64::from_bits(random.bits()).into(),
        5 => any_text(random).into(),
        6 => random.list(0..3, |random| any_value(random, depth - 1)).into(),
        _ => {
            let pairs =
                random.list(0..3, |random| (any_text(random), any_value(random, depth - 1)));
            Value::Object(pairs.into_iter().collect())
        }
    }
}
