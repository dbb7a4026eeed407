//! Pure. `coverage_config_ARCH.json` and `tests/coverage`: the recorded score and how it is
//! measured.

use crate::coverage::score::Score;
use crate::plan::platform::{Platform, unknown_platform};
use crate::text::diagnostic::{Diagnostics, Rejected, Source};
use crate::text::extended_regex;
use crate::text::json;
use crate::text::json::{Entry, Node};
use crate::text::nearest;

const PREFIX: &str = "coverage_config_";
const SUFFIX: &str = ".json";

/// The name of the configuration on machines of that architecture.
pub(crate) fn file_name(architecture: &str) -> String {
    format!("{PREFIX}{architecture}{SUFFIX}")
}

/// Whether a directory below the start can hold the configuration of the crate.
pub(crate) fn is_searched(directory_name: &str) -> bool {
    !directory_name.starts_with('.') && directory_name != "target"
}

/// Why a file that looks like a configuration is read on no machine of the CI.
pub(crate) fn problem_of_name(name: &str) -> Option<String> {
    let architecture = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    match Platform::from_name(architecture) {
        Some(_) => None,
        None => Some(unknown_platform(architecture)),
    }
}

/// Which features a crate is measured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Features {
    All,
    Default,
    /// The default ones and these.
    Chosen(Vec<String>),
}

/// A number of a file, and where it stands: only it is replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) percent: f64,
    start: usize,
    end: usize,
}

impl Number {
    /// The text with another score at this place, and nothing else changed.
    pub(crate) fn replace(&self, text: &str, score: Score) -> String {
        format!("{}{score}{}", &text[..self.start], &text[self.end..])
    }
}

/// What `coverage_config_ARCH.json` says.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) score: Option<Number>,
    /// A valid regular expression; empty excludes nothing.
    pub(crate) exclude_path: String,
    pub(crate) features: Features,
    /// In percentage points.
    pub(crate) tolerance: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            score: None,
            exclude_path: String::new(),
            features: Features::All,
            tolerance: DEFAULT_TOLERANCE,
        }
    }
}

const DEFAULT_TOLERANCE: f64 = 0.5;
const KEYS: [&str; 4] = ["coverage_score", "exclude_path", "crate_features", "max_delta"];

impl Config {
    pub(crate) fn parse(source: &Source, found: &mut Diagnostics) -> Option<Config> {
        let root = json::parse(source, found)?;
        let Some(entries) = root.as_object() else {
            let message = format!("expected an object, not {}", root.describe());
            found.push(source.error(root.offset, message));
            return None;
        };
        let mut reader = Reader { source, found, config: Config::default() };
        for entry in entries {
            reader.entry(entry);
        }
        Some(reader.config)
    }
}

struct Reader<'a> {
    source: &'a Source,
    found: &'a mut Diagnostics,
    config: Config,
}

impl Reader<'_> {
    fn entry(&mut self, entry: &Entry) {
        let value = &entry.value;
        match entry.key.as_str() {
            "coverage_score" => self.config.score = self.score(value),
            "exclude_path" => self.exclude_path(value),
            "crate_features" => self.features(value),
            "max_delta" => self.tolerance(value),
            key => self.unknown(key, entry.key_offset),
        }
    }

    fn unknown(&mut self, key: &str, offset: usize) {
        self.found.push(match nearest::slip_of(key, KEYS) {
            Some(known) => {
                let message = format!("unknown key `{key}`, did you mean `{known}`?");
                self.source.error(offset, message)
            }
            None => self.source.warning(offset, format!("the key `{key}` has no meaning here")),
        });
    }

    fn score(&mut self, node: &Node) -> Option<Number> {
        let percent = self.percent(node, "coverage_score")?;
        let rest = &self.source.text[node.offset..];
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        Some(Number { percent, start: node.offset, end: node.offset + length })
    }

    fn tolerance(&mut self, node: &Node) {
        if let Some(points) = self.percent(node, "max_delta") {
            self.config.tolerance = points;
        }
    }

    fn percent(&mut self, node: &Node, key: &str) -> Option<f64> {
        let value = node.to_value();
        let number = value.as_f64();
        if let Some(percent) = number.filter(|percent| (0.0..=100.0).contains(percent)) {
            return Some(percent);
        }
        let message = format!("`{key}` must be a number from 0 to 100, not {}", node.describe());
        self.found.push(self.source.error(node.offset, message));
        None
    }

    fn exclude_path(&mut self, node: &Node) {
        let Some(pattern) = self.string(node, "exclude_path") else { return };
        let problems =
            if pattern.is_empty() { Vec::new() } else { extended_regex::problems(&pattern) };
        for problem in problems {
            let message = format!("`exclude_path`: {}", problem.message);
            let offset = self.offset_in_string(node, &pattern, problem.offset);
            self.found.push(self.source.error(offset, message));
        }
        self.config.exclude_path = pattern;
    }

    fn features(&mut self, node: &Node) {
        let Some(text) = self.string(node, "crate_features") else { return };
        if let Some(at) = text.find(char::is_whitespace) {
            let message = "`crate_features`: features are separated by commas, without spaces";
            let offset = self.offset_in_string(node, &text, at);
            self.found.push(self.source.error(offset, message));
            return;
        }
        if text.is_empty() {
            self.config.features = Features::Default;
            return;
        }
        let names: Vec<String> = text.split(',').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            let message = "`crate_features`: empty feature name";
            self.found.push(self.source.error(node.offset, message));
        }
        self.config.features = Features::Chosen(names);
    }

    fn string(&mut self, node: &Node, key: &str) -> Option<String> {
        let text = node.as_str().map(str::to_owned);
        if text.is_none() {
            let message = format!("`{key}` must be a string, not {}", node.describe());
            self.found.push(self.source.error(node.offset, message));
        }
        text
    }

    /// Where the byte `at` of a string's value stands in the source, whose escapes are longer.
    fn offset_in_string(&self, node: &Node, value: &str, at: usize) -> usize {
        let inside = node.offset + 1;
        let raw = &self.source.text[inside..];
        let ends = raw.char_indices().map(|(end, _)| end);
        // The shortest piece of source that stands for what comes before.
        let is_prefix = |end: &usize| {
            let piece = serde_json::from_str::<String>(&format!("\"{}\"", &raw[..*end]));
            piece.is_ok_and(|piece| piece.len() == at && value.starts_with(&piece))
        };
        inside + ends.take(4096).find(is_prefix).unwrap_or(0)
    }
}

/// Reads `tests/coverage`: one number, whatever space is around it.
pub(crate) fn parse_score_file(source: &Source, found: &mut Diagnostics) -> Option<Number> {
    let start = source.text.len() - source.text.trim_start().len();
    let text = source.text.trim();
    let number = Score::from_text(text).and_then(|_| {
        let percent = text.parse().ok()?;
        Some(Number { percent, start, end: start + text.len() })
    });
    if number.is_none() {
        found.push(source.error(start, "expected one number from 0 to 100 and nothing else"));
    }
    number
}

/// Returns the recorded score of one or two files, or the two scores that differ in the first two
/// decimals. `tests/coverage` comes first.
pub(crate) fn agree(percents: &[f64]) -> Result<f64, [f64; 2]> {
    match *percents {
        [first, second] if !is_same_to_two_decimals(first, second) => Err([first, second]),
        _ => Ok(percents.first().copied().unwrap_or_default()),
    }
}

fn is_same_to_two_decimals(one: f64, other: f64) -> bool {
    let cut = |percent: f64| (percent * 100.0 + 1e-6).floor();
    let rounded = |percent: f64| (percent * 100.0).round();
    cut(one).total_cmp(&cut(other)).is_eq() || rounded(one).total_cmp(&rounded(other)).is_eq()
}

/// The error about a crate without a configuration, with the smallest one that works.
pub(crate) fn missing(directory: &str, architecture: &str, command: &str) -> Rejected {
    let name = file_name(architecture);
    Rejected::new(format!("there is no `{name}` in `{directory}` or below it")).help(format!(
        "write these three lines to `{name}` and record the score with `{command} --devel`:\n\
         {{\n  \"coverage_score\": 0\n}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn parse(text: &str) -> (Option<Config>, String) {
        let mut found = Diagnostics::default();
        let config = Config::parse(&Source::new("c.json", text), &mut found);
        let shown: Vec<String> = found.items.iter().map(ToString::to_string).collect();
        (config, shown.join("\n"))
    }

    #[track_caller]
    fn check(text: &str, want: &Expect) {
        want.assert_eq(&parse(text).1);
    }

    #[test]
    fn crate_features_have_three_states() {
        let features = |text| parse(text).0.unwrap().features;
        assert_eq!(features("{}"), Features::All);
        assert_eq!(features(r#"{"crate_features": ""}"#), Features::Default);
        assert_eq!(
            features(r#"{"crate_features": "a,b"}"#),
            Features::Chosen(vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn integers_and_floats_are_scores() {
        let score = |text| parse(text).0.unwrap().score.unwrap().percent;
        assert!((score(r#"{"coverage_score": 0}"#) - 0.0).abs() < 1e-9);
        assert!((score(r#"{"coverage_score": 93.2}"#) - 93.2).abs() < 1e-9);
        assert!((score(r#"{"coverage_score": 1e2}"#) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_score_is_reported() {
        check(
            "{\"coverage_score\": 100.1}",
            &expect![[r#"
                c.json:1:20: error: `coverage_score` must be a number from 0 to 100, not the number 100.1
                 1 | {"coverage_score": 100.1}
                   |                    ^"#]],
        );
        for (text, what) in [("-1", "the number -1"), ("\"85\"", "a string"), ("null", "null")] {
            let (_, problem) = parse(&format!("{{\"coverage_score\": {text}}}"));
            assert!(problem.contains(&format!("not {what}")), "{problem}");
        }
    }

    #[test]
    fn spaces_between_features_are_an_error_with_the_column() {
        check(
            "{\"crate_features\": \"a, b\"}",
            &expect![[r#"
                c.json:1:23: error: `crate_features`: features are separated by commas, without spaces
                 1 | {"crate_features": "a, b"}
                   |                       ^"#]],
        );
        assert!(parse(r#"{"crate_features": "a,,b"}"#).1.contains("empty feature name"));
    }

    #[test]
    fn a_fault_of_the_pattern_is_shown_where_it_stands_in_the_file() {
        check(
            "{\n  \"exclude_path\": \"a\\\\.rs|(b\"\n}",
            &expect![[r#"
                c.json:2:27: error: `exclude_path`: unclosed group
                 2 |   "exclude_path": "a\\.rs|(b"
                   |                           ^"#]],
        );
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_a_foreign_one_a_warning() {
        check(
            "{\"coverage_scores\": 1,\n\"owner\": \"me\"}",
            &expect![[r#"
                c.json:1:2: error: unknown key `coverage_scores`, did you mean `coverage_score`?
                 1 | {"coverage_scores": 1,
                   |  ^
                c.json:2:1: warning: the key `owner` has no meaning here
                 2 | "owner": "me"}
                   | ^"#]],
        );
    }

    #[test]
    fn only_the_number_is_replaced() {
        let check = |text: &str, want: &str| {
            let number = parse(text).0.unwrap().score.unwrap();
            assert_eq!(number.replace(text, Score::from_text("90.1").unwrap()), want);
        };
        check(
            "{\r\n\t\"x\" : [1,2],\"coverage_score\" :85.123456,\n \"exclude_path\":\"\"}",
            "{\r\n\t\"x\" : [1,2],\"coverage_score\" :90.10,\n \"exclude_path\":\"\"}",
        );
        check("{\"coverage_score\":1E1}\n\n", "{\"coverage_score\":90.10}\n\n");
        check(
            "{\"coverage_score\": 1, \"coverage_score\": 2 }",
            "{\"coverage_score\": 1, \"coverage_score\": 90.10 }",
        );
    }

    #[test]
    fn a_score_file_holds_one_number() {
        let read = |text: &str| {
            let mut found = Diagnostics::default();
            parse_score_file(&Source::new("tests/coverage", text), &mut found)
                .map(|number| number.replace(text, Score::from_text("90").unwrap()))
        };
        assert_eq!(read("85.2\n").as_deref(), Some("90.00\n"));
        assert_eq!(read(" 85").as_deref(), Some(" 90.00"));
        for text in ["", "\n", "85 %", "85 86", "-1", "101", "{\"coverage_score\": 1}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn two_places_must_agree_to_two_decimals() {
        assert_eq!(agree(&[85.0]), Ok(85.0));
        assert_eq!(agree(&[85.12, 85.129]), Ok(85.12));
        assert_eq!(agree(&[85.13, 85.129]), Ok(85.13));
        assert_eq!(agree(&[85.12, 85.13]), Err([85.12, 85.13]));
    }

    #[test]
    fn a_file_for_an_architecture_that_does_not_exist_is_noticed() {
        assert_eq!(problem_of_name("coverage_config_x86_64.json"), None);
        assert_eq!(problem_of_name("Cargo.toml"), None);
        assert_eq!(
            problem_of_name("coverage_config_x86-64.json").as_deref(),
            Some("unknown platform `x86-64`, did you mean `x86_64`?")
        );
    }
}
