//! `doctor`: checks tools and configuration, and reports what is wrong before CI does.

pub(crate) mod code_owners;
pub(crate) mod coverage_record;
pub(crate) mod description;
pub(crate) mod entries;
pub(crate) mod examination;
pub(crate) mod finding;
pub(crate) mod set_up;
pub(crate) mod tree;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use serde_json::Value;

use crate::cli::doctor::{Options, Task};
use crate::context::Context;
use crate::doctor::code_owners::History;
use crate::host::{files, terminal};
use crate::outcome::Outcome;
use crate::text::diagnostic::{Rejected, Severity, Source};

pub(crate) fn run(cx: &Context, options: &Options) -> anyhow::Result<Outcome> {
    match options.task {
        Task::CodeOwners { months } => report_code_owners(cx, months, options.json),
        Task::Examine { fix } => {
            let findings = examination::examine(cx, fix)?;
            print(options.json, || findings.render(), || findings.to_json())?;
            Ok(match findings.count(Severity::Error) {
                0 if findings.is_complete() => Outcome::Pass,
                0 => Outcome::Unavailable,
                _ => Outcome::Fail,
            })
        }
    }
}

fn print(is_json: bool, text: impl Fn() -> String, json: impl Fn() -> Value) -> anyhow::Result<()> {
    terminal::write_data(|out| {
        if is_json {
            return Ok(writeln!(out, "{:#}", json())?);
        }
        Ok(out.write_all(text().as_bytes())?)
    })
}

/// Lists the code owners by their last activity. That informs and cannot fail.
fn report_code_owners(cx: &Context, months: u32, is_json: bool) -> anyhow::Result<Outcome> {
    const SECONDS_PER_MONTH: u64 = 2_629_746;
    let Some(file) = code_owners_file(cx)? else {
        bail!(Rejected::new(format!("there is no {}", code_owners::FILES.join(" and no "))));
    };
    if cx.process(cx.git().is_shallow()).read_text()? == "true" {
        terminal::say("warning: this clone is shallow: older activity is not in it");
    }
    let log = cx.process(cx.git().history(code_owners::LOG_FORMAT)).read()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let since = now.saturating_sub(u64::from(months) * SECONDS_PER_MONTH);
    let history = History::parse(&log);
    let report = code_owners::report(&file, &history, months, i64::try_from(since)?);
    print(is_json, || report.render(), || report.to_json())?;
    Ok(Outcome::Pass)
}

fn code_owners_file(cx: &Context) -> anyhow::Result<Option<Source>> {
    for name in code_owners::FILES {
        if let Some(text) = files::read_text_if_exists(&cx.project.root.join(name), name)? {
            return Ok(Some(Source::new(name, text)));
        }
    }
    Ok(None)
}
