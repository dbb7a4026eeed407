//! Pure. The findings about a lock file as a contributor reads them, how the workspace depends on
//! each package, and the verdict.

use std::collections::{BTreeSet, HashSet, VecDeque};

use crate::audit::advisory::{Advisory, Finding, NOTICE};
use crate::text::style;

/// How a finding counts for the verdict, as the table says it.
const ERROR: &str = "error";
/// Already present at the base.
const KNOWN: &str = "known";
/// For information.
const NOTE: &str = "note";

/// The findings about a lock file, and the verdict.
#[derive(Debug)]
pub(crate) struct AuditReport {
    rows: Vec<Row>,
    update_options: Option<String>,
}

#[derive(Debug)]
struct Row {
    finding: Finding,
    severity: &'static str,
    /// From a member of the workspace to the package.
    path: Vec<String>,
}

impl AuditReport {
    /// Rates each finding. With those of a base, only new ones are errors. `update_options` lead
    /// `cargo update` to the lock file; there are none if it was generated for this run, with the
    /// newest versions that the manifests allow.
    pub(crate) fn new(
        findings: Vec<Finding>,
        base: Option<&[Finding]>,
        graph: &DependencyGraph,
        update_options: Option<String>,
    ) -> AuditReport {
        let severity = |finding: &Finding| match (&finding.advisory, base) {
            (Some(advisory), _) if advisory.kind == NOTICE => NOTE,
            (_, Some(known)) if known.iter().any(|it| finding.is_same(it)) => KNOWN,
            _ => ERROR,
        };
        let row = |finding: Finding| Row {
            severity: severity(&finding),
            path: graph.path_to(&finding.package, &finding.version).unwrap_or_default(),
            finding,
        };
        AuditReport { rows: findings.into_iter().map(row).collect(), update_options }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The table, a summary and the repair.
    pub(crate) fn render(&self) -> String {
        let header = ["", "advisory", "crate", "fixed in", "dependency path"].map(str::to_owned);
        let (mut cells, what): (Vec<[String; 5]>, Vec<String>) =
            self.rows.iter().map(Row::describe).unzip();
        cells.insert(0, header);
        let table = style::table(&cells, &[]);
        let mut table = table.lines().map(str::to_owned);
        let mut lines = Vec::new();
        if !what.is_empty() {
            lines.extend(table.next());
        }
        for (line, what) in table.zip(&what) {
            lines.extend([line, format!("       {what}")]);
        }
        lines.push(self.summary());
        lines.extend(self.repair());
        lines.join("\n") + "\n"
    }

    fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.rows.iter().filter(|row| row.severity == ERROR).map(|row| &row.finding)
    }

    fn repair(&self) -> Vec<String> {
        let has_fix =
            |it: &&Finding| it.advisory.as_ref().is_none_or(|advisory| !advisory.fixed.is_empty());
        let fixable = self.errors().filter(has_fix);
        let specs: BTreeSet<String> =
            fixable.map(|it| format!("{}@{}", it.package, it.version)).collect();
        let specs = specs.into_iter().collect::<Vec<_>>().join(" ");
        let mut lines = Vec::new();
        match &self.update_options {
            _ if specs.is_empty() => (),
            Some(options) => lines.push(format!(
                "help: to take the newest versions that the manifests allow, run:\n  cargo update{options} {specs}"
            )),
            None => lines.push(
                "help: the manifests on the path allow no newer version; raise their requirements"
                    .to_owned(),
            ),
        }
        // cargo-audit has no list of accepted yanked versions.
        if self.errors().any(|finding| finding.advisory.is_some()) {
            let accept = "help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml";
            lines.push(accept.to_owned());
        }
        lines
    }

    fn summary(&self) -> String {
        let count = |wanted| self.rows.iter().filter(|row| row.severity == wanted).count();
        let errors = match count(ERROR) {
            0 => "no errors".to_owned(),
            1 => "1 error".to_owned(),
            many => format!("{many} errors"),
        };
        let others = [(KNOWN, "already present at the base"), (NOTE, "for information")];
        let others = others.map(|(severity, what)| (count(severity), what)).into_iter();
        let others = others.filter(|(count, _)| *count > 0);
        let others = others.map(|(count, what)| format!("{count} {what}"));
        std::iter::once(errors).chain(others).collect::<Vec<_>>().join(", ")
    }
}

impl Row {
    /// The cells of the table and, for a line of its own, what is wrong.
    fn describe(&self) -> ([String; 5], String) {
        let Row { finding, severity, path } = self;
        let (id, fixed, what) = match &finding.advisory {
            None => {
                let what = "this version was yanked from the registry".to_owned();
                ("yanked", "another version".to_owned(), what)
            }
            Some(Advisory { kind, id, title, fixed }) => {
                let fixed = if fixed.is_empty() { "none".to_owned() } else { fixed.join(" or ") };
                let what = format!("{kind}: {title}, https://rustsec.org/advisories/{id}");
                (id.as_str(), fixed, what)
            }
        };
        let package = format!("{} {}", finding.package, finding.version);
        ([(*severity).to_owned(), id.to_owned(), package, fixed, path.join(" > ")], what)
    }
}

/// The packages of a `Cargo.lock` and their dependencies.
#[derive(Debug, Default)]
pub(crate) struct DependencyGraph {
    packages: Vec<Package>,
}

#[derive(Debug, Default)]
struct Package {
    name: String,
    version: String,
    /// Whether it comes from a registry or a repository; members of the workspace do not.
    is_foreign: bool,
    /// `name`, `name version` or `name version (source)`: as much as is needed to be unambiguous.
    dependencies: Vec<String>,
}

impl DependencyGraph {
    /// Reads the file line by line, in the only layout that cargo writes.
    pub(crate) fn parse(text: &str) -> DependencyGraph {
        let package = |table: &str| {
            let mut package = Package::default();
            for line in table.lines().take_while(|line| !line.starts_with('[')) {
                let value = line.split('"').nth(1).unwrap_or_default().to_owned();
                match line.split_once(" = ") {
                    Some(("name", _)) => package.name = value,
                    Some(("version", _)) => package.version = value,
                    Some(("source", _)) => package.is_foreign = true,
                    None if line.starts_with(" \"") => package.dependencies.push(value),
                    _ => (),
                }
            }
            package
        };
        DependencyGraph { packages: text.split("[[package]]").skip(1).map(package).collect() }
    }

    /// The names on the shortest path from a member of the workspace to a package, both included; of
    /// several the first in the order of the file.
    pub(crate) fn path_to(&self, name: &str, version: &str) -> Option<Vec<String>> {
        let roots = self.packages.iter().filter(|package| !package.is_foreign);
        let mut paths: VecDeque<Vec<&Package>> = roots.map(|root| vec![root]).collect();
        let mut seen: HashSet<(&str, &str)> = HashSet::new();
        while let Some(path) = paths.pop_front() {
            let package = path.last()?;
            if package.name == name && package.version == version {
                return Some(path.iter().map(|package| package.name.clone()).collect());
            }
            if !seen.insert((&package.name, &package.version)) {
                continue;
            }
            let next = package.dependencies.iter().filter_map(|it| self.resolve(it));
            paths.extend(next.map(|next| [&path[..], &[next]].concat()));
        }
        None
    }

    fn resolve(&self, dependency: &str) -> Option<&Package> {
        let mut words = dependency.split(' ');
        let (name, version) = (words.next()?, words.next());
        let is_meant =
            |it: &&Package| it.name == name && version.is_none_or(|version| it.version == version);
        self.packages.iter().find(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const LOCK: &str = r#"
version = 4

[[package]]
name = "direct"
version = "1.0.0"
source = "registry+https://example.com"
dependencies = [
 "deep 0.1.0",
]

[[package]]
name = "deep"
version = "0.1.0"
source = "registry+https://example.com"

[[package]]
name = "deep"
version = "0.2.0"
source = "registry+https://example.com"

[[package]]
name = "device"
version = "0.1.0"
dependencies = [
 "direct",
 "lonely 9.9.9",
]

[[package]]
name = "vmm"
version = "0.1.0"
dependencies = [
 "deep 0.2.0 (registry+https://example.com)",
 "device",
]

[metadata]
x = "y"
"#;

    fn yanked(package: &str, version: &str) -> Finding {
        Finding { package: package.to_owned(), version: version.to_owned(), advisory: None }
    }

    fn advisory(kind: &str, package: &str, version: &str) -> Finding {
        let advisory = Advisory {
            kind: kind.to_owned(),
            id: format!("RUSTSEC-2024-{}", package.len()),
            title: "Something".to_owned(),
            fixed: if package == "deep" { vec![">=0.2".to_owned()] } else { Vec::new() },
        };
        Finding { advisory: Some(advisory), ..yanked(package, version) }
    }

    #[track_caller]
    fn check(
        findings: &[Finding],
        base: Option<&[Finding]>,
        update_options: Option<&str>,
        has_failed: bool,
        want: &Expect,
    ) {
        let graph = DependencyGraph::parse(LOCK);
        let report =
            AuditReport::new(findings.to_vec(), base, &graph, update_options.map(str::to_owned));
        want.assert_eq(&report.render());
        assert_eq!(report.has_failed(), has_failed);
    }

    #[test]
    fn each_finding_shows_its_crate_the_path_to_it_and_the_fix() {
        let findings = [
            advisory("vulnerability", "deep", "0.1.0"),
            advisory("unmaintained", "direct", "1.0.0"),
            yanked("direct", "1.0.0"),
            advisory("notice", "gone", "1.0.0"),
        ];
        check(
            &findings,
            None,
            Some(""),
            true,
            &expect![[r"
                   advisory        crate         fixed in         dependency path
            error  RUSTSEC-2024-4  deep 0.1.0    >=0.2            device > direct > deep
                   vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            error  RUSTSEC-2024-6  direct 1.0.0  none             device > direct
                   unmaintained: Something, https://rustsec.org/advisories/RUSTSEC-2024-6
            error  yanked          direct 1.0.0  another version  device > direct
                   this version was yanked from the registry
            note   RUSTSEC-2024-4  gone 1.0.0    none
                   notice: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            3 errors, 1 for information
            help: to take the newest versions that the manifests allow, run:
              cargo update deep@0.1.0 direct@1.0.0
            help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml
        "]],
        );
    }

    #[test]
    fn with_a_base_only_new_findings_fail() {
        let known = advisory("vulnerability", "deep", "0.1.0");
        let new = advisory("unmaintained", "direct", "1.0.0");
        let both = [known.clone(), new];
        check(
            &both,
            Some(&both[..1]),
            None,
            true,
            &expect![[r"
                   advisory        crate         fixed in  dependency path
            known  RUSTSEC-2024-4  deep 0.1.0    >=0.2     device > direct > deep
                   vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            error  RUSTSEC-2024-6  direct 1.0.0  none      device > direct
                   unmaintained: Something, https://rustsec.org/advisories/RUSTSEC-2024-6
            1 error, 1 already present at the base
            help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml
        "]],
        );
        check(
            &both[..1],
            Some(&both),
            None,
            false,
            &expect![[r"
                   advisory        crate       fixed in  dependency path
            known  RUSTSEC-2024-4  deep 0.1.0  >=0.2     device > direct > deep
                   vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            no errors, 1 already present at the base
        "]],
        );
        check(
            &both[..1],
            None,
            None,
            true,
            &expect![[r"
                   advisory        crate       fixed in  dependency path
            error  RUSTSEC-2024-4  deep 0.1.0  >=0.2     device > direct > deep
                   vulnerability: Something, https://rustsec.org/advisories/RUSTSEC-2024-4
            1 error
            help: the manifests on the path allow no newer version; raise their requirements
            help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml
        "]],
        );
    }

    #[test]
    fn without_findings_there_is_no_table() {
        check(
            &[],
            None,
            Some(""),
            false,
            &expect![[r"
            no errors
        "]],
        );
    }

    #[test]
    fn the_shortest_path_to_the_right_version_is_found() {
        let graph = DependencyGraph::parse(LOCK);
        let path = |name, version| graph.path_to(name, version).map(|names| names.join(" > "));
        assert_eq!(path("deep", "0.1.0").unwrap(), "device > direct > deep");
        assert_eq!(path("deep", "0.2.0").unwrap(), "vmm > deep");
        assert_eq!(path("vmm", "0.1.0").unwrap(), "vmm");
        assert_eq!(path("deep", "0.3.0"), None);
    }

    #[test]
    fn a_cycle_ends() {
        // Development dependencies may depend on their dependent.
        let text = "[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n]\n\
                    [[package]]\nname = \"b\"\nversion = \"1\"\nsource = \"x\"\n\
                    dependencies = [\n \"a\",\n]\n";
        assert_eq!(DependencyGraph::parse(text).path_to("c", "1"), None);
        assert_eq!(DependencyGraph::parse(text).path_to("b", "1").unwrap(), ["a", "b"]);
    }
}
