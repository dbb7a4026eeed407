//! Pure. When a base that was measured before need not be measured again.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use crate::bench::results::Results;
use crate::text::fingerprint::fingerprint;

/// Everything that a measurement of the base depends on.
#[derive(Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) commit: &'a str,
    pub(crate) package: Option<&'a str>,
    pub(crate) features: Option<&'a str>,
    /// What `rustc --version --verbose` says in the base's directory.
    pub(crate) compiler: &'a str,
    pub(crate) lock_file: &'a str,
    /// The user's own cargo configuration.
    pub(crate) cargo_config: &'a str,
    pub(crate) machine: &'a str,
    /// The submodules that could not be filled.
    pub(crate) missing_submodules: &'a [String],
    pub(crate) variables: Vec<(&'a str, &'a str)>,
}

/// Whether a variable of the environment changes what is built.
pub(crate) fn matters(variable: &str) -> bool {
    const NAMES: [&str; 13] = [
        "AR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CC",
        "CFLAGS",
        "CXX",
        "CXXFLAGS",
        "LD_PRELOAD",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
    ];
    // Those with a target's name behind them are of the `cc` crate.
    const PREFIXES: [&str; 12] = [
        "AR_",
        "CARGO_BUILD_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "CC_",
        "CFLAGS_",
        "CXXFLAGS_",
        "CXX_",
        "HOST_",
        "RUSTFLAGS_",
        "TARGET_",
    ];
    NAMES.contains(&variable)
        || (PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
            && !["CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_JOBS", "CARGO_TARGET_DIR"]
                .contains(&variable))
}

impl Circumstances<'_> {
    /// All of them as one text: two that are equal describe the same measurement.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("commit {}\n", self.commit);
        let mut put = |name: &str, value: &str| {
            writeln!(text, "{name} {value:?}").expect("a string takes every text");
        };
        put("package", self.package.unwrap_or("(the default)"));
        put("features", self.features.unwrap_or("(all)"));
        put("compiler", self.compiler);
        put("Cargo.lock", &fingerprint(self.lock_file.as_bytes()));
        put("cargo configuration", &fingerprint(self.cargo_config.as_bytes()));
        put("machine", self.machine);
        for path in self.missing_submodules {
            put("without submodule", path);
        }
        for (name, value) in &self.variables {
            put(name, value);
        }
        text
    }
}

/// What is stored about a base.
#[derive(Debug, PartialEq)]
pub(crate) struct Known {
    pub(crate) circumstances: String,
    pub(crate) results: Results,
}

impl Known {
    /// Where it is stored, below the directory of all of them.
    pub(crate) fn file_name(circumstances: &str) -> String {
        format!("{}.json", fingerprint(circumstances.as_bytes()))
    }

    pub(crate) fn to_text(&self) -> String {
        let results = self.results.export_as("base");
        json!({"circumstances": self.circumstances, "results": results}).to_string()
    }

    /// None for what is of other circumstances, or cannot be read.
    pub(crate) fn parse(text: &str, circumstances: &str) -> Option<Results> {
        let stored: serde_json::Value = serde_json::from_str(text).ok()?;
        if stored.get("circumstances")?.as_str()? != circumstances {
            return None;
        }
        Results::parse(stored.get("results")?.as_str()?)
    }
}

/// How long ago something was, for people.
pub(crate) fn ago(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "less than a minute ago".to_owned(),
        1..120 => format!("{minutes} min ago"),
        120..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 60 / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::comparison::tests::runs;

    fn circumstances() -> Circumstances<'static> {
        Circumstances {
            commit: "abc",
            package: None,
            features: None,
            compiler: "rustc 1.90.0",
            lock_file: "version = 4",
            cargo_config: "",
            machine: "m",
            missing_submodules: &[],
            variables: vec![("RUSTFLAGS", "-C target-cpu=native")],
        }
    }

    #[test]
    fn each_circumstance_counts() {
        let usual = circumstances().text();
        let others = [
            Circumstances { commit: "abd", ..circumstances() },
            Circumstances { package: Some("p"), ..circumstances() },
            Circumstances { features: Some(""), ..circumstances() },
            Circumstances { compiler: "rustc 1.91.0", ..circumstances() },
            Circumstances { lock_file: "version = 3", ..circumstances() },
            Circumstances { cargo_config: "[build]", ..circumstances() },
            Circumstances { machine: "n", ..circumstances() },
            Circumstances { missing_submodules: &["a".to_owned()], ..circumstances() },
            Circumstances { variables: vec![], ..circumstances() },
        ];
        for other in others {
            assert_ne!(other.text(), usual);
        }
        assert_eq!(circumstances().text(), usual);
    }

    #[test]
    fn what_was_stored_can_be_read_for_the_same_circumstances_only() {
        let results = runs(&[&[("a", 1.5)]]).remove(0);
        let known = Known { circumstances: circumstances().text(), results: results.clone() };
        let text = known.to_text();
        let read = Known::parse(&text, &known.circumstances).unwrap();
        assert_eq!(read.benchmarks["a"].median, results.benchmarks["a"].median);
        assert_eq!(Known::parse(&text, "other"), None);
        assert_eq!(Known::parse(&text[..text.len() / 2], &known.circumstances), None);
    }

    #[test]
    fn only_variables_that_change_the_build_matter() {
        for name in ["RUSTFLAGS", "CARGO_PROFILE_BENCH_LTO", "CC_x86_64_unknown_linux_musl"] {
            assert!(matters(name), "{name}");
        }
        for name in ["PATH", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "CARGO_BUILD_JOBS"] {
            assert!(!matters(name), "{name}");
        }
    }

    #[test]
    fn ages_are_rounded_down() {
        let shown = [59, 60, 7_199, 7_200, 172_799, 172_800].map(|s| ago(Duration::from_secs(s)));
        assert_eq!(
            shown,
            [
                "less than a minute ago",
                "1 min ago",
                "119 min ago",
                "2 h ago",
                "47 h ago",
                "2 days ago"
            ]
        );
    }
}
