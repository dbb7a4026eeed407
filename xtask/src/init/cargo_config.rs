//! Pure. The alias in cargo's configuration: what is there, and the one line that is added.

use crate::text::shell;
use crate::text::toml;

/// What a cargo configuration says about aliases and the target.
#[derive(Debug, Default)]
pub(crate) struct CargoConfig {
    /// Each with what it stands for, as one line.
    pub(crate) aliases: Vec<(String, String)>,
    /// What cargo builds for unless it is told; empty is the host.
    pub(crate) targets: Vec<String>,
}

impl CargoConfig {
    /// The error is the byte at which a line starts that is not TOML.
    pub(crate) fn parse(text: &str) -> Result<CargoConfig, usize> {
        let mut config = CargoConfig::default();
        for statement in toml::statements(text)? {
            let Some(value) = statement.value else { continue };
            match statement.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["alias", name] => {
                    config.aliases.push((name.to_owned(), toml::strings(value).join(" ")));
                }
                ["build", "target"] => config.targets = toml::strings(value),
                _ => (),
            }
        }
        Ok(config)
    }
}

/// The line for the alias table.
///
/// `template` is a configuration with the alias `xtask`; `manifest` is the path that takes the place
/// of the one there; `host` is named where cargo builds for another target unless it is told.
pub(crate) fn alias_line(template: &str, name: &str, manifest: &str, host: Option<&str>) -> String {
    let expansion = CargoConfig::parse(template).unwrap_or_default().aliases.pop();
    let expansion = expansion.unwrap_or_default().1;
    let mut words: Vec<&str> = expansion.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == "--manifest-path") {
        words[at + 1] = manifest;
    }
    for word in host.iter().flat_map(|host| [*host, "--target"]) {
        words.insert(1, word);
    }
    // Cargo splits a string at white space.
    if shell::quote(manifest) == manifest {
        return format!("{name} = \"{}\"", words.join(" "));
    }
    let words: Vec<String> = words.iter().map(|word| basic_string(word)).collect();
    format!("{name} = [{}]", words.join(", "))
}

fn basic_string(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// The text with one line more in its alias table. `table` is what is appended where there is none:
/// a header, and the same line. `None` where the table is not written as one: neither
/// `alias = { ... }` nor `alias.name = ...` can be continued by a table.
pub(crate) fn with_alias(text: &str, line: &str, table: &str) -> Option<String> {
    let eol = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let statements = toml::statements(text).ok()?;
    let is_alias = |path: &[String]| path.first().is_some_and(|name| name == "alias");
    let mut aliases = statements.iter().filter(|statement| is_alias(&statement.path));
    let (at, added) = match aliases.next() {
        None => {
            let is_blank = text.lines().next_back().is_none_or(|line| line.trim().is_empty());
            let gap = if is_blank { "" } else { eol };
            (text.len(), format!("{gap}{}", table.replace('\n', eol)))
        }
        Some(header) if header.path == ["alias"] && header.value.is_none() => {
            // A header below the table, `[alias.x]`, is none of cargo's.
            let entries = aliases.take_while(|entry| entry.value.is_some());
            (entries.last().unwrap_or(header).end, format!("{line}{eol}"))
        }
        Some(_) => return None,
    };
    let (before, after) = text.split_at(at);
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { eol };
    Some(format!("{before}{gap}{added}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const TEMPLATE: &str = "[alias]\nxtask = \"run --locked --manifest-path ci/Cargo.toml --\"\n";

    #[track_caller]
    fn check(text: &str, want: &Expect) {
        let new = with_alias(text, "xtask = \"x\"", "# Ours.\n[alias]\nxtask = \"x\"\n");
        want.assert_eq(&new.unwrap_or_else(|| "by hand\n".to_owned()));
    }

    #[test]
    fn a_table_gets_one_line_after_its_last() {
        check(
            "[alias] # short\nb = \"build\"\n\n# Why.\n[build]\njobs = 1\n",
            &expect![[r#"
                [alias] # short
                b = "build"
                xtask = "x"

                # Why.
                [build]
                jobs = 1
            "#]],
        );
        check(
            "[alias]\nb = [\n  \"build\",\n]\nc = [\n\"check\"]",
            &expect![[r#"
                [alias]
                b = [
                  "build",
                ]
                c = [
                "check"]
                xtask = "x"
            "#]],
        );
        check(
            "[alias]\nb = [\n  [\"build\"]\n]\n",
            &expect![[r#"
                [alias]
                b = [
                  ["build"]
                ]
                xtask = "x"
            "#]],
        );
        assert_eq!(
            with_alias("[alias]\r\nb = \"b\"\r\n", "x = \"y\"", "").unwrap(),
            "[alias]\r\nb = \"b\"\r\nx = \"y\"\r\n"
        );
    }

    #[test]
    fn a_text_without_the_table_gets_one_at_its_end() {
        check(
            "",
            &expect![[r#"
                # Ours.
                [alias]
                xtask = "x"
            "#]],
        );
        assert!(with_alias("a = 1\n\n", "", "[alias]\n").unwrap().ends_with("1\n\n[alias]\n"));
        check(
            "[build]\njobs = 1",
            &expect![[r#"
                [build]
                jobs = 1

                # Ours.
                [alias]
                xtask = "x"
            "#]],
        );
    }

    #[test]
    fn a_header_in_a_string_is_text() {
        check(
            "a = \"\"\"\n[alias]\n\"\"\"\n",
            &expect![[r#"
                a = """
                [alias]
                """

                # Ours.
                [alias]
                xtask = "x"
            "#]],
        );
    }

    #[test]
    fn what_is_in_doubt_is_left_to_the_user() {
        for text in [
            "alias = { b = \"build\" }\n",
            "alias = {}\n",
            "alias.b = \"build\"\n",
            "[alias.b]\nc = 1\n",
            "[alias\n",
        ] {
            check(text, &expect!["by hand\n"]);
        }
    }

    #[test]
    fn the_line_names_the_manifest_and_where_it_is_needed_the_host() {
        assert_eq!(
            alias_line(TEMPLATE, "ci-xtask", "tools/ci/Cargo.toml", None),
            r#"ci-xtask = "run --locked --manifest-path tools/ci/Cargo.toml --""#
        );
        assert_eq!(
            alias_line(TEMPLATE, "xtask", "a \"b\"/Cargo.toml", Some("x86_64-unknown-linux-gnu")),
            r#"xtask = ["run", "--target", "x86_64-unknown-linux-gnu", "--locked", "--manifest-path", "a \"b\"/Cargo.toml", "--"]"#
        );
    }

    #[test]
    fn aliases_and_targets_are_read_in_every_form() {
        let text = "alias.b = \"build\"\n[build]\ntarget = [\"a\", \"b\"]\n[alias]\nc = [\"run\", \"-p\", \"c\"]\n";
        let config = CargoConfig::parse(text).unwrap();
        let alias = |name: &str, line: &str| (name.to_owned(), line.to_owned());
        assert_eq!(config.aliases, [alias("b", "build"), alias("c", "run -p c")]);
        assert_eq!(config.targets, ["a", "b"]);
        assert_eq!(CargoConfig::parse("a\n").unwrap_err(), 0);
    }
}
