//! Pure. `coverage_config_ARCH.json` and `tests/coverage`: the recorded score and how it is
//! measured.

use crate::plan::consumer::coverage_architecture;
use crate::plan::metadata::Package;
use crate::plan::platform::Platform;
use crate::text::Percent;
use crate::text::diagnostic::{Diagnostics, Severity, Source};
use crate::text::extended_regex;
use crate::text::fields::{self, Field};

/// The file of the older generation, relative to the crate.
pub(crate) const SCORE_FILE: &str = "tests/coverage";

/// The name of the configuration on machines of that architecture.
pub(crate) fn file_name(architecture: &str) -> String {
    format!("coverage_config_{architecture}.json")
}

/// Why a file that looks like a configuration is read on no machine of the CI.
pub(crate) fn problem_of_name(name: &str) -> Option<String> {
    Platform::from_name(coverage_architecture(name)?).err()
}

/// A number of a file, and where it stands: only it is replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    pub(crate) percent: f64,
    /// Byte offset.
    pub(crate) start: usize,
    end: usize,
}

impl Number {
    /// The text with another score at this place, and nothing else changed.
    pub(crate) fn replace(&self, text: &str, score: Percent) -> String {
        format!("{}{score}{}", &text[..self.start], &text[self.end..])
    }
}

/// What `coverage_config_ARCH.json` says.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) score: Option<Number>,
    /// A valid regular expression: the source files that do not count.
    pub(crate) exclude_path: Option<String>,
    /// The default features and these; `None` means all.
    pub(crate) features: Option<Vec<String>>,
    /// In percentage points.
    pub(crate) tolerance: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { score: None, exclude_path: None, features: None, tolerance: 0.5 }
    }
}

impl Config {
    /// Reads a configuration; what cannot be used is an error among `found`.
    pub(crate) fn parse(source: &Source, found: &Diagnostics) -> Config {
        fields::read(source, found, Config::read).unwrap_or_default()
    }

    fn read(file: Field<'_>) -> Option<Config> {
        let default = Config::default();
        let mut object = file.object("an object")?;
        let mut get = |key| object.get(key);
        let config = Config {
            score: get("coverage_score").and_then(score),
            exclude_path: get("exclude_path").and_then(exclude_path),
            features: get("crate_features").and_then(features),
            tolerance: get("max_delta").and_then(Field::percent).unwrap_or(default.tolerance),
        };
        object
            .finish_with(|is_slip| Some(if is_slip { Severity::Error } else { Severity::Warning }));
        Some(config)
    }
}

fn score(field: Field<'_>) -> Option<Number> {
    let percent = field.percent()?;
    let start = field.node.offset;
    let rest = &field.source.text[start..];
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    Some(Number { percent, start, end: start + length })
}

fn exclude_path(field: Field<'_>) -> Option<String> {
    let pattern = field.text().filter(|pattern| !pattern.is_empty())?;
    for problem in extended_regex::problems(pattern) {
        field.error_in_text(problem.offset, format!("`exclude_path`: {}", problem.message));
    }
    Some(pattern.to_owned())
}

fn features(field: Field<'_>) -> Option<Vec<String>> {
    let text = field.text()?;
    if let Some(at) = text.find(char::is_whitespace) {
        field.error_in_text(
            at,
            "`crate_features`: features are separated by commas, without spaces",
        );
        return None;
    }
    if text.is_empty() {
        return Some(Vec::new());
    }
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        field.error("`crate_features`: empty feature name");
    }
    Some(names)
}

/// Returns cargo's argument for packages that each choose their features, if it needs one.
pub(crate) fn argument(packages: &[(&Package, Option<&[String]>)]) -> Option<String> {
    let (_, first) = packages.first()?;
    let is_common = packages.iter().all(|(_, names)| names == first);
    let names: Vec<String> = match first {
        None if is_common => return Some("--all-features".to_owned()),
        Some(names) if is_common => names.to_vec(),
        _ => packages.iter().flat_map(|(package, names)| of_package(package, *names)).collect(),
    };
    (!names.is_empty()).then(|| format!("--features={}", names.join(",")))
}

fn of_package(package: &Package, names: Option<&[String]>) -> Vec<String> {
    let names = names.unwrap_or(&package.features);
    names.iter().map(|name| format!("{}/{name}", package.name)).collect()
}

/// Reads `tests/coverage`: one number, whatever space is around it.
pub(crate) fn parse_score_file(source: &Source, found: &Diagnostics) -> Option<Number> {
    let start = source.text.len() - source.text.trim_start().len();
    let text = source.text.trim();
    let Some(percent) = Percent::from_text(text).and_then(|_| text.parse().ok()) else {
        found.push(source.error(start, "expected one number from 0 to 100 and nothing else"));
        return None;
    };
    Some(Number { percent, start, end: start + text.len() })
}

/// Why two files, each with its score, cannot record one: the scores differ.
pub(crate) fn conflict(one: (&str, f64), other: (&str, f64)) -> Option<String> {
    (!agree(one.1, other.1)).then(|| {
        let scores = format!("two files record different scores, {} and {}", one.1, other.1);
        format!("{scores}: {} and {}", one.0, other.0)
    })
}

/// Whether two scores are the same in the first two decimals, cut off or rounded.
fn agree(one: f64, other: f64) -> bool {
    let cut = |percent: f64| (percent * 100.0 + 1e-6).floor();
    let rounded = |percent: f64| (percent * 100.0).round();
    cut(one).total_cmp(&cut(other)).is_eq() || rounded(one).total_cmp(&rounded(other)).is_eq()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn parse(text: &str) -> (Config, String) {
        let found = Diagnostics::default();
        let config = Config::parse(&Source::new("c.json", text), &found);
        let shown: Vec<String> = found.into_items().iter().map(ToString::to_string).collect();
        (config, shown.join("\n"))
    }

    #[track_caller]
    fn check(text: &str, want: &Expect) {
        want.assert_eq(&parse(text).1);
    }

    #[test]
    fn crate_features_have_three_states() {
        let features = |text| parse(text).0.features;
        assert_eq!(features("{}"), None);
        assert_eq!(features(r#"{"crate_features": ""}"#), Some(vec![]));
        let both = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(features(r#"{"crate_features": "a,b"}"#), Some(both));
    }

    #[test]
    fn each_crate_of_a_workspace_has_its_own_features() {
        let package = |name: &str, features: &[&str]| Package {
            name: name.to_owned(),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
            ..Package::default()
        };
        let (a, b) = (package("a", &["x", "y"]), package("b", &["z"]));
        let z = ["z".to_owned()];
        let (default, chosen) = (Some(&[][..]), Some(&z[..]));
        let argument = |of_a, of_b| argument(&[(&a, of_a), (&b, of_b)]).unwrap_or_default();
        assert_eq!(argument(None, None), "--all-features");
        assert_eq!(argument(None, default), "--features=a/x,a/y");
        assert_eq!(argument(default, chosen), "--features=b/z");
        assert_eq!(argument(chosen, chosen), "--features=z");
        assert_eq!(argument(default, default), "");
    }

    #[test]
    fn integers_and_floats_are_scores() {
        let score = |text| parse(text).0.score.unwrap().percent;
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
                c.json:2:1: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`
                 2 | "owner": "me"}
                   | ^"#]],
        );
    }

    #[test]
    fn only_the_number_is_replaced() {
        let check = |text: &str, want: &str| {
            let number = parse(text).0.score.unwrap();
            assert_eq!(number.replace(text, Percent::from_text("90.1").unwrap()), want);
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
            let found = Diagnostics::default();
            parse_score_file(&Source::new("tests/coverage", text), &found)
                .map(|number| number.replace(text, Percent::from_text("90").unwrap()))
        };
        assert_eq!(read("85.2\n").as_deref(), Some("90.00\n"));
        assert_eq!(read(" 85").as_deref(), Some(" 90.00"));
        for text in ["", "\n", "85 %", "85 86", "-1", "101", "{\"coverage_score\": 1}"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn two_places_must_agree_to_two_decimals() {
        assert!(agree(85.12, 85.129));
        assert!(agree(85.13, 85.129));
        assert!(!agree(85.12, 85.13));
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
