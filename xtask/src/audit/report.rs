//! Pure. The advisories about a lock file as a contributor reads them, and the verdict.

use std::collections::BTreeSet;

use crate::audit::advisory::{Advisory, Kind};
use crate::audit::lock_graph::LockFile;

/// What an advisory means for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Fails,
    /// The base has it too.
    Known,
    Informs,
}

/// Where the lock file comes from, which decides how an advisory is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockOrigin {
    /// It is a file of the source tree.
    Tree,
    /// It was made for this run, with the newest versions that the manifests allow.
    Made,
}

/// The advisories about a lock file, and the verdict.
#[derive(Debug)]
pub(crate) struct AuditReport {
    rows: Vec<Row>,
    origin: LockOrigin,
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
        origin: LockOrigin,
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
        AuditReport { rows: advisories.into_iter().map(row).collect(), origin }
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
        lines.extend(self.repair());
        lines.join("\n") + "\n"
    }

    /// What to do about those that fail.
    fn repair(&self) -> Vec<String> {
        let failing = || self.rows.iter().filter(|row| row.effect == Effect::Fails);
        let repairable = failing().map(|row| &row.advisory).filter(|it| it.has_fix());
        let specs = repairable.map(|it| format!("{}@{}", it.package, it.version));
        let specs: BTreeSet<String> = specs.collect();
        let specs = specs.into_iter().collect::<Vec<_>>().join(" ");
        let mut lines = Vec::new();
        if !specs.is_empty() && self.origin == LockOrigin::Tree {
            lines.push(format!(
                "to take the newest versions that are allowed, run:\n  cargo update {specs}"
            ));
        } else if !specs.is_empty() {
            lines.push("the manifests on the path allow nothing newer".to_owned());
        }
        // A yanked version has no id, and cargo-audit has no list of such versions.
        if failing().any(|row| row.advisory.id.is_some()) {
            let to_accept =
                "to accept one, add it to `ignore` of `[advisories]` in .cargo/audit.toml";
            lines.push(to_accept.to_owned());
        }
        lines
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

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const LOCK: &str = "
[[package]]
name = \"device\"
version = \"0.1.0\"
dependencies = [\"direct\"]
[[package]]
name = \"direct\"
version = \"1.0.0\"
source = \"x\"
dependencies = [\"deep\"]
[[package]]
name = \"deep\"
version = \"0.1.0\"
source = \"x\"
";

    fn advisory(kind: Kind, package: &str, version: &str) -> Advisory {
        Advisory {
            kind,
            id: (kind != Kind::Yanked).then(|| format!("RUSTSEC-2024-{}", package.len())),
            package: package.to_owned(),
            version: version.to_owned(),
            title: "Something".to_owned(),
            fixed: if package == "deep" { vec![">=0.2".to_owned()] } else { Vec::new() },
        }
    }

    #[track_caller]
    fn check(
        advisories: &[Advisory],
        base: Option<&[Advisory]>,
        origin: LockOrigin,
        has_failed: bool,
        want: &Expect,
    ) {
        let lock = LockFile::parse(LOCK).unwrap();
        let report = AuditReport::new(advisories.to_vec(), base, &lock, origin);
        want.assert_eq(&report.render());
        assert_eq!(report.has_failed(), has_failed);
    }

    #[test]
    fn each_advisory_shows_its_crate_the_way_to_it_and_the_fix() {
        let advisories = [
            advisory(Kind::Vulnerability, "deep", "0.1.0"),
            advisory(Kind::Unmaintained, "direct", "1.0.0"),
            advisory(Kind::Yanked, "direct", "1.0.0"),
            advisory(Kind::Notice, "gone", "1.0.0"),
        ];
        check(
            &advisories,
            None,
            LockOrigin::Tree,
            true,
            &expect![[r"
                       advisory        crate         fixed in         path to it
                error  RUSTSEC-2024-4  deep 0.1.0    >=0.2            device > direct > deep
                       vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
                error  RUSTSEC-2024-6  direct 1.0.0  none             device > direct
                       unmaintained: Something, https://rustsec.org/advisories/RUSTSEC-2024-6
                error  yanked          direct 1.0.0  another version  device > direct
                       its authors took this version back
                note   RUSTSEC-2024-4  gone 1.0.0    none
                       notice: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
                3 advisories fail, 1 for information
                to take the newest versions that are allowed, run:
                  cargo update deep@0.1.0 direct@1.0.0
                to accept one, add it to `ignore` of `[advisories]` in .cargo/audit.toml
            "]],
        );
    }

    #[test]
    fn with_a_base_only_what_is_new_fails() {
        let known = advisory(Kind::Vulnerability, "deep", "0.1.0");
        let new = advisory(Kind::Unmaintained, "direct", "1.0.0");
        let both = [known.clone(), new];
        check(
            &both,
            Some(&both[..1]),
            LockOrigin::Made,
            true,
            &expect![[r"
                       advisory        crate         fixed in  path to it
                known  RUSTSEC-2024-4  deep 0.1.0    >=0.2     device > direct > deep
                       vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
                error  RUSTSEC-2024-6  direct 1.0.0  none      device > direct
                       unmaintained: Something, https://rustsec.org/advisories/RUSTSEC-2024-6
                1 advisory fails, 1 known to the base
                to accept one, add it to `ignore` of `[advisories]` in .cargo/audit.toml
            "]],
        );
        check(
            &both[..1],
            Some(&both),
            LockOrigin::Made,
            false,
            &expect![[r"
                   advisory        crate       fixed in  path to it
            known  RUSTSEC-2024-4  deep 0.1.0  >=0.2     device > direct > deep
                   vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            no advisory that fails, 1 known to the base
        "]],
        );
    }

    #[test]
    fn without_advisories_there_is_no_table() {
        check(
            &[],
            None,
            LockOrigin::Tree,
            false,
            &expect![[r"
            no advisory that fails
        "]],
        );
    }
}
