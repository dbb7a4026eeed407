//! Pure. What llvm-cov exports: totals and files.

use anyhow::Context as _;
use serde_json::Value;

use crate::coverage::score::Lines;

/// The summary of one report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) total: Lines,
    pub(crate) files: Vec<File>,
}

/// A source file and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// As the compiler recorded it: an absolute path.
    pub(crate) path: String,
    pub(crate) lines: Lines,
}

impl Report {
    /// Reads `llvm-cov export -format=text -summary-only`.
    pub(crate) fn parse(json: &str) -> anyhow::Result<Report> {
        let export: Value = serde_json::from_str(json).context("llvm-cov printed no JSON")?;
        let data = &export["data"][0];
        let total = lines(&data["totals"]).context("llvm-cov's JSON has no totals of lines")?;
        let files = data["files"].as_array().into_iter().flatten();
        let file = |file: &Value| {
            let path = file["filename"].as_str()?.to_owned();
            Some(File { path, lines: lines(&file["summary"])? })
        };
        let files: Option<Vec<File>> = files.map(file).collect();
        let files = files.context("llvm-cov's JSON has a file without lines")?;
        Ok(Report { total, files })
    }

    /// A table for people: the file with the most uncovered lines first.
    pub(crate) fn table(&self, root: &str) -> String {
        let mut files: Vec<&File> = self.files.iter().collect();
        let uncovered = |lines: Lines| lines.counted.saturating_sub(lines.covered);
        files.sort_by_key(|file| (u64::MAX - uncovered(file.lines), &file.path));
        let header = format!("{:>9} {:>8} {:>9}  file\n", "uncovered", "lines", "covered");
        let row = |name: &str, lines: Lines| {
            let score = format!("{} %", lines.score());
            format!("{:>9} {:>8} {score:>9}  {name}\n", uncovered(lines), lines.counted)
        };
        let rows = files.into_iter().map(|file| {
            let relative = file.path.strip_prefix(root).map(|path| path.trim_start_matches('/'));
            row(relative.unwrap_or(&file.path), file.lines)
        });
        header + &rows.collect::<String>() + &row("all", self.total)
    }
}

fn lines(summary: &Value) -> Option<Lines> {
    let lines = &summary["lines"];
    Some(Lines { covered: lines["covered"].as_u64()?, counted: lines["count"].as_u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const JSON: &str = r#"{"data":[{"files":[
        {"filename":"/r/src/a.rs","summary":{"lines":{"count":10,"covered":10,"percent":100.0}}},
        {"filename":"/r/src/b.rs","summary":{"lines":{"count":30,"covered":10,"percent":33.3}}}
      ],"totals":{"functions":{"count":1,"covered":1},"lines":{"count":40,"covered":20,"percent":50.0}}}],
      "type":"llvm.coverage.json.export","version":"3.0.1"}"#;

    #[test]
    fn totals_are_lines_and_not_functions() {
        assert_eq!(Report::parse(JSON).unwrap().total, Lines { covered: 20, counted: 40 });
        assert!(Report::parse("{}").is_err());
        assert!(Report::parse("error: no").is_err());
    }

    #[test]
    fn the_table_starts_with_what_is_worth_testing() {
        expect![[r"
            uncovered    lines   covered  file
                   20       30   33.33 %  src/b.rs
                    0       10  100.00 %  src/a.rs
                   20       40   50.00 %  all
        "]]
        .assert_eq(&Report::parse(JSON).unwrap().table("/r"));
    }
}
