//! Pure. A picture of a comparison: one row per benchmark, with the base as the measure.
//!
//! Times of nanoseconds and of milliseconds do not fit one scale, so each row is drawn relative to
//! its base: the base's bar always ends at 1.

use std::fmt::Write;

use crate::bench::comparison::{Comparison, Nanoseconds, Row};
use crate::bench::results::Estimate;
use crate::text::sanitize::visible;

const WIDTH: f64 = 900.0;
const ROW_HEIGHT: f64 = 36.0;
const BAR_HEIGHT: f64 = 11.0;
const TOP: f64 = 56.0;
const BARS_AT: f64 = 270.0;
const BARS_WIDTH: f64 = 400.0;
const NAME_CHARS: usize = 38;
/// A bar that would be longer is cut, with a gap near its end; the number beside it says how long
/// it is.
const LONGEST_RATIO: f64 = 4.0;

const BASE_COLOUR: &str = "#9aa5b1";
const CHANGE_COLOUR: &str = "#2f6fb3";
const SLOWER_COLOUR: &str = "#c2410c";

/// The whole picture as SVG.
pub(crate) fn svg(title: &str, comparison: &Comparison) -> String {
    let longest = comparison.rows.iter().map(longest_ratio).fold(1.2, f64::max);
    let scale = Scale { longest: longest.min(LONGEST_RATIO) };
    let height = (0..comparison.rows.len()).fold(TOP + 28.0, |height, _| height + ROW_HEIGHT);
    let mut out = String::new();
    head(&mut out, title, height);
    axis(&mut out, &scale, height);
    let mut top = TOP;
    for row in &comparison.rows {
        draw_row(&mut out, row, &scale, top);
        top += ROW_HEIGHT;
    }
    out.push_str("</svg>\n");
    out
}

/// From multiples of the base to pixels.
struct Scale {
    longest: f64,
}

impl Scale {
    fn x(&self, ratio: f64) -> f64 {
        BARS_AT + BARS_WIDTH * ratio.clamp(0.0, self.longest) / self.longest
    }
}

fn measure(row: &Row) -> f64 {
    row.base.or(row.change).map_or(1.0, |it| it.ns)
}

fn longest_ratio(row: &Row) -> f64 {
    let sides = [row.base, row.change].into_iter().flatten();
    sides.map(|it| it.high_ns / measure(row)).fold(0.0, f64::max)
}

fn head(out: &mut String, title: &str, height: f64) {
    put(
        out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             <text x=\"12\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
            escape(title)
        ),
    );
    let legend = [
        (0.0, BASE_COLOUR, "base"),
        (58.0, CHANGE_COLOUR, "change"),
        (130.0, SLOWER_COLOUR, "change, slower than allowed"),
    ];
    for (offset, colour, name) in legend {
        let x = BARS_AT + offset;
        put(
            out,
            format_args!(
                "<rect x=\"{x}\" y=\"33\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"43\" fill=\"#444444\">{name}</text>\n",
                x + 16.0
            ),
        );
    }
    put(
        out,
        format_args!(
            "<text x=\"{}\" y=\"43\" fill=\"#444444\">├┤ 95 % interval of the median</text>\n",
            BARS_AT + 325.0
        ),
    );
}

/// A vertical line at each half of the base's time, and what it stands for.
fn axis(out: &mut String, scale: &Scale, height: f64) {
    let bottom = height - 22.0;
    let mut ratio = 0.0;
    while ratio <= scale.longest {
        let x = scale.x(ratio);
        let colour = if (ratio - 1.0).abs() < f64::EPSILON { "#555555" } else { "#dddddd" };
        put(
            out,
            format_args!(
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666666\">{ratio}×</text>\n",
                bottom + 15.0
            ),
        );
        ratio += 0.5;
    }
}

fn draw_row(out: &mut String, row: &Row, scale: &Scale, top: f64) {
    let short = shorten(&row.name);
    put(
        out,
        format_args!(
            "<g><title>{}</title><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
            escape(&row.name),
            BARS_AT - 10.0,
            top + 21.0,
            escape(&short)
        ),
    );
    let change_colour = if row.is_slower { SLOWER_COLOUR } else { CHANGE_COLOUR };
    let bars = [(row.base, BASE_COLOUR, 5.0), (row.change, change_colour, 18.0)];
    for (estimate, colour, offset) in bars {
        if let Some(estimate) = estimate {
            draw_bar(
                out,
                estimate,
                &Bar { measure: measure(row), colour, top: top + offset },
                scale,
            );
        }
    }
    let weight = if row.is_slower { "bold" } else { "normal" };
    put(
        out,
        format_args!(
            "<text x=\"{}\" y=\"{}\" font-weight=\"{weight}\" fill=\"#222222\">{}</text></g>\n",
            BARS_AT + BARS_WIDTH + 12.0,
            top + 21.0,
            numbers(row)
        ),
    );
}

struct Bar<'a> {
    /// What is 1 in this row, in nanoseconds.
    measure: f64,
    colour: &'a str,
    top: f64,
}

fn draw_bar(out: &mut String, estimate: Estimate, bar: &Bar<'_>, scale: &Scale) {
    let x = |ns: f64| scale.x(ns / bar.measure);
    let end = x(estimate.ns);
    put(
        out,
        format_args!(
            "<rect x=\"{BARS_AT}\" y=\"{}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{}\"/>\n",
            bar.top,
            end - BARS_AT,
            bar.colour,
        ),
    );
    if scale.longest < estimate.ns / bar.measure {
        let (x, y) = (end - 12.0, bar.top + BAR_HEIGHT + 1.0);
        put(out, format_args!("<path d=\"M{x:.1} {y}l4 -13h4l-4 13z\" fill=\"#ffffff\"/>\n"));
        return;
    }
    let middle = bar.top + BAR_HEIGHT / 2.0;
    let (low, high, top) = (x(estimate.low_ns), x(estimate.high_ns), middle - 3.0);
    put(
        out,
        format_args!(
            "<path d=\"M{low:.1} {middle}H{high:.1}M{low:.1} {top}v6M{high:.1} {top}v6\" stroke=\"#111111\"/>\n",
        ),
    );
}

fn numbers(row: &Row) -> String {
    let time = |estimate: Estimate| Nanoseconds(estimate.ns).to_string();
    match (row.base, row.change, row.ratio()) {
        (Some(base), Some(change), Some(ratio)) => {
            format!("{} → {} ({ratio:.2}×)", time(base), time(change))
        }
        (Some(base), ..) => format!("{}, gone", time(base)),
        (None, Some(change), _) => format!("{}, new", time(change)),
        (None, None, _) => String::new(),
    }
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS {
        return name.to_owned();
    }
    // The end of a name tells benchmarks of one group apart.
    let tail: Vec<char> = name.chars().rev().take(NAME_CHARS - 1).collect();
    std::iter::once('…').chain(tail.into_iter().rev()).collect()
}

fn escape(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes every text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::comparison::tests::runs;

    #[test]
    fn every_benchmark_has_a_row_and_a_bar_for_each_side_that_has_it() {
        let base = runs(&[&[("a", 100.0), ("gone", 5.0)], &[("a", 100.0)]]);
        let change = runs(&[&[("a", 200.0), ("new <1>", 2e6)]]);
        let picture = svg("change & base", &Comparison::of(&base, &change, Some(10.0)));
        assert_eq!(picture.matches("<g>").count(), 3);
        assert_eq!(picture.matches("<path ").count(), 4);
        assert_eq!(picture.matches(SLOWER_COLOUR).count(), 2, "the legend and one bar");
        assert!(picture.contains("change &amp; base"));
        assert!(picture.contains("100 ns → 200 ns (2.00×)"));
        assert!(picture.contains("new &lt;1&gt;"));
        assert!(picture.contains("5.00 ns, gone"));
    }

    #[test]
    fn nothing_is_drawn_beyond_the_longest_bar() {
        let base = runs(&[&[("a", 1.0)]]);
        let change = runs(&[&[("a", 1000.0)]]);
        let picture = svg("t", &Comparison::of(&base, &change, None));
        assert!(picture.contains(&format!("width=\"{BARS_WIDTH:.1}\"")));
        assert!(picture.contains("(1000.00×)"));
        assert!(picture.contains("l4 -13h4l-4 13z"), "the cut is seen");
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shorten(&"x".repeat(38)), "x".repeat(38));
        assert_eq!(shorten(&format!("{}/end", "x".repeat(38))), format!("…{}/end", "x".repeat(33)));
    }
}
