//! Pure. The results of a run: the JSON that `critcmp --export` writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The results of one run, by the names of the benchmarks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Results {
    pub(crate) benchmarks: BTreeMap<String, Benchmark>,
}

/// One benchmark of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Benchmark {
    pub(crate) median: Estimate,
    /// Everything that critcmp knows about it.
    exported: Value,
}

/// The time of one iteration in nanoseconds, with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) ns: f64,
    pub(crate) low_ns: f64,
    pub(crate) high_ns: f64,
}

impl Results {
    /// Reads an exported baseline.
    pub(crate) fn parse(text: &str) -> Option<Results> {
        let exported: Value = serde_json::from_str(text).ok()?;
        let benchmarks = exported.get("benchmarks")?.as_object()?.iter();
        let benchmarks = benchmarks
            .map(|(name, entry)| Some((name.clone(), Benchmark::of(entry)?)))
            .collect::<Option<BTreeMap<_, _>>>()?;
        Some(Results { benchmarks })
    }

    /// The text that `critcmp` reads, under another name: the heading of its column.
    pub(crate) fn export_as(&self, name: &str) -> String {
        let benchmarks: Map<String, Value> = self
            .benchmarks
            .iter()
            .map(|(benchmark, it)| (benchmark.clone(), it.named(name, benchmark)))
            .collect();
        serde_json::json!({ "name": name, "benchmarks": benchmarks }).to_string()
    }

    /// Returns the median run of each benchmark; of an even number of runs the faster one.
    pub(crate) fn median(runs: &[Results]) -> Results {
        let names = runs.iter().flat_map(|results| results.benchmarks.keys());
        let median_run = |name: &String| {
            let mut of_name: Vec<&Benchmark> =
                runs.iter().filter_map(|results| results.benchmarks.get(name)).collect();
            of_name.sort_by(|one, other| one.median.ns.total_cmp(&other.median.ns));
            let at = of_name.len().saturating_sub(1) / 2;
            Some((name.clone(), (*of_name.get(at)?).clone()))
        };
        Results { benchmarks: names.filter_map(median_run).collect() }
    }
}

impl Benchmark {
    fn of(entry: &Value) -> Option<Benchmark> {
        let median = entry.get("criterion_estimates_v1")?.get("median")?;
        let interval = median.get("confidence_interval")?;
        Some(Benchmark {
            median: Estimate {
                ns: median.get("point_estimate")?.as_f64()?,
                low_ns: interval.get("lower_bound")?.as_f64()?,
                high_ns: interval.get("upper_bound")?.as_f64()?,
            },
            exported: entry.clone(),
        })
    }

    fn named(&self, baseline: &str, benchmark: &str) -> Value {
        let mut exported = self.exported.clone();
        exported["baseline"] = baseline.into();
        exported["fullname"] = format!("{baseline}/{benchmark}").into();
        exported
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    fn exported(baseline: &str, medians: &[(&str, f64)]) -> Value {
        let estimate = |ns: f64| {
            let (low, high) = (ns * 9.0 / 10.0, ns * 11.0 / 10.0);
            json!({
                "confidence_interval": {"confidence_level": 0.95, "lower_bound": low, "upper_bound": high},
                "point_estimate": ns, "standard_error": 0.1,
            })
        };
        let benchmark = |(name, ns): &(&str, f64)| {
            let value = json!({
                "baseline": baseline, "fullname": format!("{baseline}/{name}"),
                "criterion_benchmark_v1": {"full_id": name},
                "criterion_estimates_v1": {"mean": estimate(*ns), "median": estimate(*ns)},
            });
            ((*name).to_owned(), value)
        };
        let benchmarks: Map<String, Value> = medians.iter().map(benchmark).collect();
        json!({"name": baseline, "benchmarks": benchmarks})
    }

    /// A run with these medians, in nanoseconds, each with an interval of a tenth to both sides.
    pub(crate) fn results(medians: &[(&str, f64)]) -> Results {
        Results::parse(&exported("run", medians).to_string()).unwrap()
    }

    #[test]
    fn a_baseline_can_be_read_and_written_under_another_name() {
        let medians = [("a/b", 2.0)];
        let results = Results::parse(&exported("change-1", &medians).to_string()).unwrap();
        let median = results.benchmarks["a/b"].median;
        assert_eq!(median, Estimate { ns: 2.0, low_ns: 1.8, high_ns: 2.2 });
        let written: Value = serde_json::from_str(&results.export_as("change")).unwrap();
        assert_eq!(written, exported("change", &medians));
    }

    #[test]
    fn the_median_run_of_each_benchmark_represents_all() {
        let runs = [
            results(&[("a", 3.0), ("b", 10.0)]),
            results(&[("a", 1.0), ("b", 20.0)]),
            results(&[("a", 2.0)]),
        ];
        assert_eq!(Results::median(&runs), results(&[("a", 2.0), ("b", 10.0)]));
    }

    #[test]
    fn what_is_no_baseline_is_none() {
        for text in ["", "{}", r#"{"benchmarks": {"a": {}}}"#] {
            assert_eq!(Results::parse(text), None);
        }
    }
}
