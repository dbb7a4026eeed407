//! Pure. Checks of coverage configurations: files that no machine reads, and patterns that exclude
//! nothing.

use crate::doctor::tree;
use crate::plan::platform::{Platform, unknown_platform};
use crate::text::diagnostic::{Diagnostic, Source};
use crate::text::extended_regex;
use crate::text::extended_regex::Problem;
use crate::text::json;
use crate::text::json::Node;

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
    match Platform::from_name(architecture) {
        None => {
            let message =
                format!("no CI machine reads this file: {}", unknown_platform(architecture));
            Some(source.error(0, message).help("rename the file"))
        }
        Some(platform) if !allowed.contains(&platform) => {
            let message =
                format!("no CI machine reads this file: `.platform` does not list `{platform}`");
            Some(source.warning(0, message).help("remove the file, or add the platform"))
        }
        Some(_) => None,
    }
}

/// The coverage test runs on a platform for which nothing is recorded.
pub(crate) fn missing(paths: &[&str], platform: Platform) -> Option<Diagnostic> {
    let is_recorded = paths.iter().any(|path| architecture(path) == Some(platform.name()));
    (!is_recorded).then(|| {
        let message = format!(
            "the test `coverage` runs on {platform}, and there is no `coverage_config_{platform}.json`"
        );
        tree::warning(message).help("`cargo xtask init` creates it")
    })
}

/// What is wrong with `exclude_path`; `sources` are the source files that there are.
pub(crate) fn patterns(source: &Source, root: &Node, sources: &[&str]) -> Vec<Diagnostic> {
    let entry = root.as_object().and_then(|keys| json::find(keys, "exclude_path"));
    let Some(node) = entry.map(|entry| &entry.value) else { return Vec::new() };
    let pattern = node.as_str().unwrap_or_default();
    let problems = match pattern {
        "" => Vec::new(),
        _ => extended_regex::problems(pattern),
    };
    if !problems.is_empty() {
        let error = |problem: Problem| format!("`exclude_path`: {}", problem.message);
        return problems.into_iter().map(|it| source.error(node.offset, error(it))).collect();
    }
    let is_dead = |part: &&str| !sources.iter().any(|file| extended_regex::matches(part, file));
    let dead = alternatives(pattern).into_iter().filter(is_dead);
    dead.map(|part| excludes_nothing(source, node.offset, part, sources)).collect()
}

/// The parts between `|` that are in no group and no brackets.
fn alternatives(pattern: &str) -> Vec<&str> {
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
                parts.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => (),
        }
    }
    parts.push(&pattern[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

fn excludes_nothing(source: &Source, offset: usize, part: &str, sources: &[&str]) -> Diagnostic {
    let message = format!("`exclude_path`: `{part}` matches no tracked source file");
    let diagnostic = source.warning(offset, message);
    if part.contains(',') {
        return diagnostic.help("alternatives are separated by `|`, not by commas");
    }
    match moved_file(part, sources) {
        Some(file) => diagnostic.help(format!("was `{file}` meant?")),
        None => diagnostic,
    }
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
    use crate::text::diagnostic::{Diagnostics, Severity};
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
        assert!(missing(&paths, Platform::Aarch64).is_some());
    }

    #[test]
    fn alternatives_of_a_group_stay_together() {
        assert_eq!(alternatives(r"a|b\|c|(d|e)|[|]f"), ["a", r"b\|c", "(d|e)", "[|]f"]);
        assert_eq!(alternatives(""), Vec::<&str>::new());
    }

    #[track_caller]
    fn check(pattern: &str, want: &Expect) {
        let source = Source::new("c.json", format!(r#"{{"exclude_path": "{pattern}"}}"#));
        let root = json::parse(&source, &mut Diagnostics::default()).unwrap();
        let found = patterns(&source, &root, &["src/mmap/windows.rs", "src/lib.rs"]);
        let line = |it: Diagnostic| format!("{} [{}]", it.message, it.help.unwrap_or_default());
        want.assert_eq(&found.into_iter().map(line).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_pattern_that_excludes_nothing_is_named_with_the_file_that_moved() {
        check("", &expect![[""]]);
        check("^src/(lib|x)\\\\.rs$|windows", &expect![[""]]);
        check(
            "lib|mmap_windows\\\\.rs|unix.rs",
            &expect![[r"
            `exclude_path`: `mmap_windows\.rs` matches no tracked source file [was `src/mmap/windows.rs` meant?]
            `exclude_path`: `unix.rs` matches no tracked source file []"]],
        );
        check(
            "src/x/,tests/",
            &expect![
                "`exclude_path`: `src/x/,tests/` matches no tracked source file [alternatives are separated by `|`, not by commas]"
            ],
        );
        check("src/lib|(x", &expect!["`exclude_path`: unclosed group []"]);
    }
}
