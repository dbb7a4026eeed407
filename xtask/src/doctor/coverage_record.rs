//! Pure. Checks of coverage configurations: files that no machine reads, and patterns that exclude
//! nothing.

use crate::plan::platform::Platform;
use crate::text::diagnostic::{Diagnostic, Severity, Source};
use crate::text::extended_regex;
use crate::text::fields::Field;

/// The architecture in the name of a coverage configuration.
pub(crate) fn architecture(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("coverage_config_")?.strip_suffix(".json")
}

/// A configuration of an architecture that no machine of the CI has.
pub(crate) fn unread(
    source: &Source,
    architecture: &str,
    allowed: &[Platform],
) -> Option<Diagnostic> {
    let (severity, reason, help) = match Platform::from_name(architecture) {
        Ok(platform) if allowed.contains(&platform) => return None,
        Ok(platform) => {
            let reason = format!("`.platform` does not list `{platform}`");
            (Severity::Warning, reason, "remove the file, or add the platform")
        }
        Err(unknown) => (Severity::Error, unknown, "rename the file"),
    };
    let message = format!("no CI machine reads this file: {reason}");
    Some(source.finding(severity, 0, message).help(help))
}

/// The coverage test runs on a platform for which nothing is recorded.
pub(crate) fn missing(paths: &[&str], platform: Platform) -> Option<Diagnostic> {
    let is_recorded = paths.iter().any(|path| architecture(path) == Some(platform.name()));
    (!is_recorded).then(|| {
        let message = format!(
            "the test `coverage` runs on {platform}, and there is no `coverage_config_{platform}.json`"
        );
        // `init` makes none at the root beside those of single crates.
        let is_of_crates = !paths.is_empty() && paths.iter().all(|path| path.contains('/'));
        let make = if is_of_crates || platform.is_emulated() {
            "write `{\"coverage_score\": 0}` to it"
        } else {
            "make it with `cargo xtask init`"
        };
        Diagnostic::new(Severity::Warning, message)
            .help(format!("{make} and record the score with `cargo xtask coverage --devel`"))
    })
}

/// What is wrong with `exclude_path`; `sources` are the source files that there are.
pub(crate) fn patterns(file: Field<'_>, sources: &[&str]) -> Option<()> {
    let field = file.object("an object")?.get("exclude_path")?;
    let pattern = field.text().filter(|pattern| !pattern.is_empty())?;
    let problems = extended_regex::problems(pattern);
    if problems.is_empty() {
        let is_dead = |part: &str| !sources.iter().any(|file| extended_regex::matches(part, file));
        let dead = alternatives(pattern).into_iter().filter(|(_, part)| is_dead(part));
        dead.for_each(|(at, part)| excludes_nothing(field, at, part, sources));
    }
    for problem in problems {
        field.error_in_text(problem.offset, format!("`exclude_path`: {}", problem.message));
    }
    Some(())
}

/// The parts between `|` that are in no group and no brackets, with their places.
fn alternatives(pattern: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut depth, mut in_brackets) = (0, 0_usize, false);
    let mut chars = pattern.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if !in_brackets => _ = chars.next(),
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ if in_brackets => (),
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => {
                parts.push((start, &pattern[start..at]));
                start = at + 1;
            }
            _ => (),
        }
    }
    parts.push((start, &pattern[start..]));
    parts
}

fn excludes_nothing(field: Field<'_>, at: usize, part: &str, sources: &[&str]) {
    let message = format!("`exclude_path`: `{part}` matches no tracked source file");
    let finding = field.source.warning(field.offset_in_text(at), message);
    let help = if part.contains(',') {
        Some("alternatives are separated by `|`, not by commas".to_owned())
    } else {
        moved_file(part, sources).map(|file| format!("was `{file}` meant?"))
    };
    field.found.push(Diagnostic { help, ..finding });
}

/// The file that a pattern without operators was once the path of: only `/`, `_` and `-` differ.
fn moved_file<'a>(pattern: &str, sources: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> String { text.replace('\\', "").replace(['_', '-'], "/") };
    let wanted = plain(pattern);
    let mut files = sources.iter().filter(|file| {
        let file = plain(file);
        file == wanted || file.ends_with(&format!("/{wanted}"))
    });
    files.next().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Diagnostics;
    use crate::text::fields;
    use expect_test::{Expect, expect};

    #[test]
    fn the_name_says_which_machine_reads_the_file() {
        assert_eq!(architecture("a/coverage_config_x86_64.json"), Some("x86_64"));
        assert_eq!(architecture("coverage_config_x86_64.json.sample"), None);
        let source = Source::new("coverage_config_arm64.json", "{}");
        let finding = |name: &str| unread(&source, name, &[Platform::X86_64]);
        let misspelt = finding("x86-64").unwrap();
        assert_eq!(misspelt.severity, Severity::Error);
        assert!(misspelt.message.ends_with("did you mean `x86_64`?"), "{}", misspelt.message);
        assert_eq!(finding("aarch64").unwrap().severity, Severity::Warning);
        assert_eq!(finding("x86_64"), None);
    }

    #[test]
    fn a_platform_without_a_record_is_named() {
        let paths = ["a/coverage_config_x86_64.json", "coverage_config_arm64.json"];
        assert_eq!(missing(&paths, Platform::X86_64), None);
        let help = |paths: &[&str]| missing(paths, Platform::Aarch64).unwrap().help.unwrap();
        assert!(help(&paths).starts_with("make it with `cargo xtask init`"));
        assert!(help(&paths[..1]).starts_with("write "));
    }

    #[test]
    fn alternatives_of_a_group_stay_together() {
        let parts = [(0, "a"), (2, r"b\|c"), (7, "(d|e)"), (13, "[|]f")];
        assert_eq!(alternatives(r"a|b\|c|(d|e)|[|]f"), parts);
    }

    #[track_caller]
    fn check(pattern: &str, want: &Expect) {
        let source = Source::new("c.json", format!(r#"{{"exclude_path": "{pattern}"}}"#));
        let found = Diagnostics::default();
        fields::read(&source, &found, |file| {
            patterns(file, &["src/mmap/windows.rs", "src/lib.rs"])
        });
        let line = |it: Diagnostic| {
            format!(
                "{}: {} [{}]",
                it.place.unwrap().column,
                it.message,
                it.help.unwrap_or_default()
            )
        };
        want.assert_eq(&found.into_items().into_iter().map(line).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_pattern_that_excludes_nothing_is_named_with_the_file_that_moved() {
        check("", &expect![[""]]);
        check("^src/(lib|x)\\\\.rs$|windows", &expect![[""]]);
        check(
            "lib|mmap_windows\\\\.rs|unix.rs",
            &expect![[r"
                23: `exclude_path`: `mmap_windows\.rs` matches no tracked source file [was `src/mmap/windows.rs` meant?]
                41: `exclude_path`: `unix.rs` matches no tracked source file []"]],
        );
        check(
            "src/x/,tests/",
            &expect![
                "19: `exclude_path`: `src/x/,tests/` matches no tracked source file [alternatives are separated by `|`, not by commas]"
            ],
        );
        check("src/lib|(x", &expect!["27: `exclude_path`: unclosed group []"]);
    }
}
