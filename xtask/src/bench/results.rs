//! Pure. The results of the runs, and whether a benchmark is slower than on the base.

use std::collections::{BTreeMap, BTreeSet};

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
        let benchmark = |(name, exported): (&String, &Value)| {
            let median = &exported["criterion_estimates_v1"]["median"];
            let interval = &median["confidence_interval"];
            let median = Estimate {
                ns: median["point_estimate"].as_f64()?,
                low_ns: interval["lower_bound"].as_f64()?,
                high_ns: interval["upper_bound"].as_f64()?,
            };
            Some((name.clone(), Benchmark { median, exported: exported.clone() }))
        };
        let benchmarks = exported["benchmarks"].as_object()?.iter().map(benchmark);
        Some(Results { benchmarks: benchmarks.collect::<Option<_>>()? })
    }

    /// The text that `critcmp` reads, under another name: the heading of its column.
    pub(crate) fn export_as(&self, name: &str) -> String {
        let benchmark = |(benchmark, it): (&String, &Benchmark)| {
            let mut exported = it.exported.clone();
            exported["baseline"] = name.into();
            exported["fullname"] = format!("{name}/{benchmark}").into();
            (benchmark.clone(), exported)
        };
        let benchmarks: Map<String, Value> = self.benchmarks.iter().map(benchmark).collect();
        serde_json::json!({ "name": name, "benchmarks": benchmarks }).to_string()
    }

    /// Returns the median run of each benchmark.
    pub(crate) fn median(runs: &[Results]) -> Results {
        let names = runs.iter().flat_map(|results| results.benchmarks.keys());
        let median = |name: &String| Some((name.clone(), (*median(&sorted(runs, name))?).clone()));
        Results { benchmarks: names.filter_map(median).collect() }
    }
}

/// The runs of one benchmark, the fastest first.
fn sorted<'r>(runs: &'r [Results], name: &str) -> Vec<&'r Benchmark> {
    let mut sorted: Vec<&Benchmark> =
        runs.iter().filter_map(|results| results.benchmarks.get(name)).collect();
    sorted.sort_by(|one, other| one.median.ns.total_cmp(&other.median.ns));
    sorted
}

/// The median run; of an even number the faster one.
fn median<'s, 'r>(sorted: &'s [&'r Benchmark]) -> Option<&'s &'r Benchmark> {
    sorted.get(sorted.len().saturating_sub(1) / 2)
}

/// Every benchmark of either side, sorted by name.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) rows: Vec<Row>,
}

/// One benchmark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Of the median run; None where the side does not have the benchmark.
    pub(crate) base: Option<Estimate>,
    pub(crate) change: Option<Estimate>,
    /// How much slower the base's median run was than its fastest; None with a single run.
    pub(crate) noise_percent: Option<f64>,
    /// By more than the limit and the noise.
    pub(crate) is_slower: bool,
}

impl Comparison {
    /// Compares the medians of the runs' medians.
    pub(crate) fn of(
        base: &[Results],
        change: &[Results],
        fail_above_percent: Option<f64>,
    ) -> Comparison {
        let names: BTreeSet<&String> =
            base.iter().chain(change).flat_map(|results| results.benchmarks.keys()).collect();
        let row = |name: &String| {
            Row::of(name, &sorted(base, name), &sorted(change, name), fail_above_percent)
        };
        Comparison { rows: names.into_iter().map(row).collect() }
    }

    /// Returns how many benchmarks can be judged: those that both sides have, the base more than once.
    pub(crate) fn compared(&self) -> usize {
        let is_compared = |row: &&Row| row.ratio().is_some() && row.noise_percent.is_some();
        self.rows.iter().filter(is_compared).count()
    }

    pub(crate) fn slower(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_slower)
    }
}

impl Row {
    /// Compares the runs of one benchmark, the fastest first.
    fn of(name: &str, base: &[&Benchmark], change: &[&Benchmark], limit: Option<f64>) -> Row {
        let slowdown_percent = |time: Option<&&Benchmark>, than: Option<&&Benchmark>| {
            Some((time?.median.ns / than?.median.ns - 1.0) * 100.0)
        };
        let noise = slowdown_percent(median(base), base.first()).filter(|_| base.len() > 1);
        // A disturbance makes a run slower, never faster. So the fastest runs say most about the
        // code; the median alone would be wrong on a machine that was busy during half of the runs.
        let at_median = slowdown_percent(median(change), median(base));
        let at_best = slowdown_percent(change.first(), base.first());
        let is_slower = match (limit, noise, at_median, at_best) {
            (Some(limit), Some(noise), Some(at_median), Some(at_best)) => {
                limit.max(noise) < at_median.min(at_best)
            }
            _ => false,
        };
        let [base, change] = [base, change].map(|runs| median(runs).map(|run| run.median));
        Row { name: name.to_owned(), base, change, noise_percent: noise, is_slower }
    }

    /// Returns how many times as long the change takes as the base.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.change?.ns / self.base?.ns)
    }
}

/// A time with three significant digits and the unit that fits it.
pub(crate) fn nanoseconds(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (scale, unit) = units.into_iter().find(|(scale, _)| *scale <= ns).unwrap_or((1.0, "ns"));
    let value = ns / scale;
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
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

    /// One run per inner list: names and medians in nanoseconds.
    pub(crate) fn runs(medians: &[&[(&str, f64)]]) -> Vec<Results> {
        medians.iter().map(|run| results(run)).collect()
    }

    fn of_one(base: &[f64], change: &[f64], fail_above_percent: Option<f64>) -> Row {
        let side = |medians: &[f64]| -> Vec<Results> {
            medians.iter().flat_map(|median| runs(&[&[("a", *median)]])).collect()
        };
        Comparison::of(&side(base), &side(change), fail_above_percent).rows.remove(0)
    }

    #[test]
    fn only_a_slowdown_beyond_the_limit_and_the_noise_counts() {
        let quiet = [100.0, 101.0, 102.0, 101.0];
        assert!(of_one(&quiet, &[200.0, 210.0, 190.0], Some(10.0)).is_slower);
        assert!(!of_one(&quiet, &[108.0, 109.0, 107.0], Some(10.0)).is_slower, "below the limit");
        assert!(!of_one(&quiet, &[200.0, 210.0, 190.0], None).is_slower, "no limit");
        let noisy = [100.0, 130.0, 131.0, 132.0];
        assert!(!of_one(&noisy, &[127.0, 150.0, 150.0], Some(10.0)).is_slower, "below the noise");
        assert!(of_one(&noisy, &[140.0, 190.0, 190.0], Some(10.0)).is_slower);
    }

    #[test]
    fn runs_that_were_disturbed_change_nothing() {
        let quiet = [100.0, 101.0, 102.0, 101.0];
        let row = of_one(&quiet, &[101.0, 900.0, 100.0], Some(10.0));
        assert_eq!((row.is_slower, row.ratio()), (false, Some(1.0)));
        let row = of_one(&quiet, &[101.0, 900.0, 900.0], Some(10.0));
        assert!(!row.is_slower, "one run as fast as the base is enough");
        let disturbed = [100.0, 101.0, 400.0, 500.0];
        assert!(of_one(&disturbed, &[200.0, 210.0, 800.0], Some(10.0)).is_slower);
    }

    #[test]
    fn a_faster_change_never_fails() {
        assert!(!of_one(&[100.0, 100.0], &[1.0], Some(0.0)).is_slower);
    }

    #[test]
    fn a_single_run_of_the_base_tells_nothing_about_noise() {
        let row = of_one(&[100.0], &[150.0], None);
        assert_eq!((row.noise_percent, row.ratio()), (None, Some(1.5)));
    }

    #[test]
    fn a_benchmark_that_one_side_lacks_has_a_row_without_a_ratio() {
        let base = runs(&[&[("gone", 1.0), ("kept", 1.0)]]);
        let change = runs(&[&[("kept", 2.0), ("new", 3.0)]]);
        let rows = Comparison::of(&base, &change, Some(1.0)).rows;
        let shown: Vec<_> = rows.iter().map(|row| (&*row.name, row.ratio())).collect();
        assert_eq!(shown, [("gone", None), ("kept", Some(2.0)), ("new", None)]);
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let shown = [0.5, 1.0, 12.34, 999.4, 1_000.0, 15_400.0, 2e6, 3.21e9, 4e12].map(nanoseconds);
        assert_eq!(
            shown,
            [
                "0.50 ns", "1.00 ns", "12.3 ns", "999 ns", "1.00 µs", "15.4 µs", "2.00 ms",
                "3.21 s", "4000 s"
            ]
        );
    }
}
