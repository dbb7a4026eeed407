//! What cargo-audit found: its report, read and shown.

use std::fmt;

use serde_json::Value;

use super::lock_file::LockFile;

/// Why a dependency is in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vulnerability,
    Unmaintained,
    Unsound,
    Yanked,
    /// Something that its author wants users to know; `--deny warnings` lets it pass.
    Notice,
}

impl Kind {
    fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "unmaintained" => Kind::Unmaintained,
            "unsound" => Kind::Unsound,
            "yanked" => Kind::Yanked,
            "notice" => Kind::Notice,
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Vulnerability => "vulnerability",
            Kind::Unmaintained => "unmaintained",
            Kind::Unsound => "unsound",
            Kind::Yanked => "yanked",
            Kind::Notice => "notice",
        })
    }
}

/// One dependency with one thing wrong about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advisory {
    pub(crate) kind: Kind,
    /// `RUSTSEC-2024-0001`; a yanked crate has none.
    pub(crate) id: Option<String>,
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) title: String,
    /// Requirements that a fixed version meets; empty if there is none, or if nothing is known.
    pub(crate) fixed: Vec<String>,
}

impl Advisory {
    /// Whether the base has it too. A yanked crate is a matter of its version.
    fn is_same(&self, other: &Advisory) -> bool {
        let identity = |it: &Advisory| (it.kind, it.id.clone(), it.package.clone());
        let is_yanked = self.kind == Kind::Yanked;
        identity(self) == identity(other) && (!is_yanked || self.version == other.version)
    }

    fn describe(&self) -> String {
        let Advisory { kind, id, title, .. } = self;
        match id {
            Some(id) => format!("{kind}: {title}, https://rustsec.org/advisories/{id}"),
            None => "its authors took this version back".to_owned(),
        }
    }

    fn fixed_in(&self) -> String {
        match (self.kind, self.fixed.as_slice()) {
            (Kind::Yanked, _) => "another version".to_owned(),
            (_, []) => "none".to_owned(),
            (_, some) => some.join(" or "),
        }
    }
}

/// Reads what `cargo audit --json` prints: one line, which more text may follow. Nothing if it is
/// no report.
pub(crate) fn parse(stdout: &str) -> Option<Vec<Advisory>> {
    let line = stdout.lines().find(|line| line.starts_with('{'))?;
    let report: Value = serde_json::from_str(line).ok()?;
    let vulnerabilities = report["vulnerabilities"]["list"].as_array()?;
    let warnings = report["warnings"].as_object()?;
    let mut advisories: Vec<Advisory> = Vec::new();
    for item in vulnerabilities {
        advisories.push(advisory(Kind::Vulnerability, item)?);
    }
    for (name, items) in warnings {
        // A kind that is not known yet is better shown as a notice than not at all.
        let kind = Kind::from_name(name).unwrap_or(Kind::Notice);
        for item in items.as_array()? {
            advisories.push(advisory(kind, item)?);
        }
    }
    Some(advisories)
}

fn advisory(kind: Kind, item: &Value) -> Option<Advisory> {
    let text = |value: &Value| value.as_str().map(visible);
    let fixed = item["versions"]["patched"].as_array();
    Some(Advisory {
        kind,
        id: text(&item["advisory"]["id"]),
        package: text(&item["package"]["name"])?,
        version: text(&item["package"]["version"])?,
        title: text(&item["advisory"]["title"]).unwrap_or_default(),
        fixed: fixed.map(|items| items.iter().filter_map(text).collect()).unwrap_or_default(),
    })
}

/// Text of strangers: control characters could drive a terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What an advisory means for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Fails,
    /// The base has it too.
    Known,
    Informs,
}

/// The advisories about a lock file, and the verdict.
#[derive(Debug)]
pub(crate) struct AuditReport {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    advisory: Advisory,
    effect: Effect,
    /// From a crate of the workspace to the package.
    path: Vec<String>,
}

impl AuditReport {
    /// Judges each advisory. With those of a base, only what the base does not have fails.
    pub(crate) fn new(
        advisories: Vec<Advisory>,
        base: Option<&[Advisory]>,
        lock: &LockFile,
    ) -> AuditReport {
        let effect = |advisory: &Advisory| match base {
            _ if advisory.kind == Kind::Notice => Effect::Informs,
            Some(known) if known.iter().any(|other| advisory.is_same(other)) => Effect::Known,
            _ => Effect::Fails,
        };
        let row = |advisory: Advisory| Row {
            effect: effect(&advisory),
            path: lock.path_to(&advisory.package, &advisory.version).unwrap_or_default(),
            advisory,
        };
        AuditReport { rows: advisories.into_iter().map(row).collect() }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| row.effect == Effect::Fails)
    }

    /// The table for a terminal, with columns as wide as they need to be.
    pub(crate) fn render(&self) -> String {
        let header = ["", "advisory", "crate", "fixed in", "path to it"].map(str::to_owned);
        let cells: Vec<[String; 5]> =
            std::iter::once(header).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; 5] = std::array::from_fn(|column| width(column).unwrap_or(0));
        let line = |cells: &[String; 5]| {
            let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines: Vec<String> = Vec::new();
        if !self.rows.is_empty() {
            lines.push(line(&cells[0]));
        }
        for (row, cells) in self.rows.iter().zip(&cells[1..]) {
            lines.extend([line(cells), format!("       {}", row.advisory.describe())]);
        }
        lines.push(self.summary());
        lines.join("\n") + "\n"
    }

    fn summary(&self) -> String {
        let count = |wanted| self.rows.iter().filter(|row| row.effect == wanted).count();
        let failing = match count(Effect::Fails) {
            0 => "no advisory that fails".to_owned(),
            1 => "1 advisory fails".to_owned(),
            many => format!("{many} advisories fail"),
        };
        let others = [
            (count(Effect::Known), "known to the base"),
            (count(Effect::Informs), "for information"),
        ];
        let others = others.iter().filter(|(count, _)| *count > 0);
        let others = others.map(|(count, what)| format!("{count} {what}"));
        std::iter::once(failing).chain(others).collect::<Vec<_>>().join(", ")
    }
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let Row { advisory, effect, path } = self;
        let severity = match effect {
            Effect::Fails => "error",
            Effect::Known => "known",
            Effect::Informs => "note",
        };
        [
            severity.to_owned(),
            advisory.id.clone().unwrap_or_else(|| advisory.kind.to_string()),
            format!("{} {}", advisory.package, advisory.version),
            advisory.fixed_in(),
            path.join(" > "),
        ]
    }
}
