//! `doctor`: checks tools and configuration, and reports what is wrong before CI does.

pub(crate) mod code_owners;
pub(crate) mod description;
pub(crate) mod examination;
pub(crate) mod finding;
pub(crate) mod repository;

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use serde_json::Value;

use crate::base;
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
            let findings = examination::examine(cx, fix);
            print(options.json, findings.render(), &findings.to_json())?;
            Ok(match findings.count(Severity::Error) {
                0 if findings.unavailable.is_empty() => Outcome::Pass,
                0 => Outcome::Unavailable,
                _ => Outcome::Fail,
            })
        }
    }
}

fn print(is_json: bool, text: String, json: &Value) -> anyhow::Result<()> {
    let text = if is_json { format!("{json:#}\n") } else { text };
    terminal::write_data(|out| Ok(out.write_all(text.as_bytes())?))
}

/// Lists the code owners by their last activity, which is never a failure.
fn report_code_owners(cx: &Context, months: u32, is_json: bool) -> anyhow::Result<Outcome> {
    const SECONDS_PER_MONTH: u64 = 2_629_746;
    let read = |name: &'static str| {
        let text = files::read_text_if_exists(&cx.project.root.join(name), name).transpose()?;
        Some(text.map(|text| Source::new(name, text)))
    };
    let Some(file) = code_owners::FILES.into_iter().find_map(read).transpose()? else {
        let names = code_owners::FILES.join("`, `");
        bail!(Rejected::new(format!("no CODEOWNERS file found (`{names}`)")));
    };
    if base::is_shallow(cx)? {
        terminal::say("warning: this is a shallow clone; older activity is missing");
    }
    let head = base::commit(cx, "HEAD")?;
    let log = head.map(|_| cx.process(cx.git().history(code_owners::LOG_FORMAT)).read());
    let log = log.transpose()?.unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let since = now.saturating_sub(u64::from(months) * SECONDS_PER_MONTH);
    let report = code_owners::report(&file, &History::parse(&log), months, i64::try_from(since)?);
    print(is_json, code_owners::render(&report, &file.name), &report)?;
    Ok(Outcome::Pass)
}
