//! Pure. The comparison of both sides' runs, and whether a benchmark is slower.

use std::fmt;

use crate::bench::results::{Estimate, Results};

/// All results of one side, in the order of the runs.
pub(crate) type Runs = [Results];

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
    /// How much slower the fastest run of the change was than that of the base.
    slowdown_at_best_percent: Option<f64>,
    /// By more than the limit and the noise.
    pub(crate) is_slower: bool,
}

impl Comparison {
    /// Compares the medians of the runs' medians.
    pub(crate) fn of(base: &Runs, change: &Runs, fail_above_percent: Option<f64>) -> Comparison {
        let mut names: Vec<&String> =
            base.iter().chain(change).flat_map(|results| results.benchmarks.keys()).collect();
        names.sort();
        names.dedup();
        let median = |side: &Results, name: &str| Some(side.benchmarks.get(name)?.median);
        let (base_median, change_median) = (Results::median(base), Results::median(change));
        let row = |name: &String| {
            let mut row = Row {
                name: name.clone(),
                base: median(&base_median, name),
                change: median(&change_median, name),
                noise_percent: noise_percent(base, name),
                slowdown_at_best_percent: slowdown_at_best_percent(base, change, name),
                is_slower: false,
            };
            row.is_slower = is_slower(&row, fail_above_percent);
            row
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
    /// Returns how many times as long the change takes as the base.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.change?.ns / self.base?.ns)
    }
}

/// A disturbance makes a run slower, never faster. So the fastest runs say most about the code; the
/// median alone would be wrong on a machine that was busy during half of the runs.
fn is_slower(row: &Row, fail_above_percent: Option<f64>) -> bool {
    let (Some(limit), Some(ratio), Some(noise), Some(at_best)) =
        (fail_above_percent, row.ratio(), row.noise_percent, row.slowdown_at_best_percent)
    else {
        return false;
    };
    limit.max(noise) < at_best.min((ratio - 1.0) * 100.0)
}

fn sorted_medians(runs: &Runs, name: &str) -> Vec<f64> {
    let medians = runs.iter().filter_map(|results| Some(results.benchmarks.get(name)?.median.ns));
    let mut medians: Vec<f64> = medians.collect();
    medians.sort_by(f64::total_cmp);
    medians
}

fn noise_percent(base: &Runs, name: &str) -> Option<f64> {
    match sorted_medians(base, name).as_slice() {
        [] | [_] => None,
        sorted @ [fastest, ..] => Some((sorted[(sorted.len() - 1) / 2] / fastest - 1.0) * 100.0),
    }
}

fn slowdown_at_best_percent(base: &Runs, change: &Runs, name: &str) -> Option<f64> {
    let fastest = |runs: &Runs| sorted_medians(runs, name).first().copied();
    Some((fastest(change)? / fastest(base)? - 1.0) * 100.0)
}

/// A time with three significant digits and the unit that fits it.
pub(crate) struct Nanoseconds(pub(crate) f64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
        let (scale, unit) =
            units.into_iter().find(|(scale, _)| *scale <= self.0).unwrap_or((1.0, "ns"));
        let value = self.0 / scale;
        let decimals = match value {
            value if value < 10.0 => 2,
            value if value < 100.0 => 1,
            _ => 0,
        };
        write!(f, "{value:.decimals$} {unit}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One run per inner list: names and medians in nanoseconds.
    pub(crate) fn runs(medians: &[&[(&str, f64)]]) -> Vec<Results> {
        medians.iter().map(|run| crate::bench::results::tests::results(run)).collect()
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
        let shown = [0.5, 1.0, 12.34, 999.4, 1_000.0, 15_400.0, 2e6, 3.21e9, 4e12]
            .map(|ns| Nanoseconds(ns).to_string());
        assert_eq!(
            shown,
            [
                "0.50 ns", "1.00 ns", "12.3 ns", "999 ns", "1.00 µs", "15.4 µs", "2.00 ms",
                "3.21 s", "4000 s"
            ]
        );
    }
}
