//! Benchmarks: what is measured and when, what the results say, and how they are shown.

pub(crate) mod comparison;
pub(crate) mod known;
pub(crate) mod plot;
pub(crate) mod report;
pub(crate) mod results;
pub(crate) mod schedule;
pub(crate) mod submodule;
pub(crate) mod target;
