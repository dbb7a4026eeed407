//! Pure. The placeholders of commands: `{target_platform}`, `{crate}`, `{crate_path}` and
//! `{xtask}`.
//!
//! Any other text in braces belongs to the shell and stays as it is. A value never becomes shell
//! text: in a command it is one word, quoted if it needs to be.

use std::borrow::Cow;

use crate::text::shell;

/// What stands for the placeholders of one step; `None` where the step has no such thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) target_platform: Option<&'a str>,
    pub(crate) crate_name: Option<&'a str>,
    pub(crate) crate_path: Option<&'a str>,
    /// The command line of this tool, as the shell shall read it.
    pub(crate) xtask: &'a str,
    /// Whether Buildkite interpolates the command before a shell reads it.
    pub(crate) is_uploaded: bool,
}

impl<'a> Values<'a> {
    /// The value of a placeholder as it is.
    fn get(&self, placeholder: &str) -> Option<&'a str> {
        match placeholder {
            TARGET_PLATFORM => self.target_platform,
            CRATE => self.crate_name,
            CRATE_PATH => self.crate_path,
            XTASK => Some(self.xtask),
            _ => None,
        }
    }

    /// Why placeholders of a command have no value, with each.
    pub(crate) fn missing(
        &self,
        command: &str,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        let reasons = [
            (TARGET_PLATFORM, "has no `platform`"),
            (CRATE, "belongs to no crate, use `--workspace-selective`"),
            (CRATE_PATH, "belongs to no crate and has no `crate_path`"),
        ];
        let is_missing = |name| self.get(name).is_none() && occurs(command, name);
        reasons.into_iter().filter(move |(name, _)| is_missing(name))
    }
}

pub(crate) const TARGET_PLATFORM: &str = "{target_platform}";
pub(crate) const CRATE: &str = "{crate}";
pub(crate) const CRATE_PATH: &str = "{crate_path}";
pub(crate) const XTASK: &str = "{xtask}";

/// Every placeholder.
const ALL: [&str; 4] = [TARGET_PLATFORM, CRATE, CRATE_PATH, XTASK];

/// Replaces the placeholders of a command, in one pass: a value is never searched for placeholders
/// again. One without a value stays, see [`Values::missing`].
pub(crate) fn fill(command: &str, values: &Values<'_>) -> String {
    let word = |part| match values.get(part) {
        None => Cow::from(part),
        // Several words, where it is an alias.
        Some(value) if part == XTASK => value.into(),
        Some(value) if values.is_uploaded => shell::quote_for_upload(value).into(),
        Some(value) => shell::quote(value).into(),
    };
    Parts(command).map(word).collect()
}

/// Replaces the placeholders of a text that no shell reads.
pub(crate) fn fill_unquoted(text: &str, values: &Values<'_>) -> String {
    Parts(text).map(|part| values.get(part).unwrap_or(part)).collect()
}

/// The placeholders of a command whose values need quotes and cannot have them, with the values: in
/// quotes, or where it is not certain that it is outside of any. `command` is what the shell reads.
pub(crate) fn unquotable<'v>(
    command: &str,
    values: &Values<'v>,
) -> impl Iterator<Item = (&'static str, &'v str)> {
    let values = ALL.into_iter().filter_map(|name| Some((name, values.get(name)?)));
    // `{xtask}` is shell text already.
    let values = values.filter(|(name, value)| *name != XTASK && !shell::is_plain(value));
    values.filter(|(name, _)| takes_no_quotes(command, name))
}

/// Whether a word in quotes would not be a word by itself in place of a placeholder. A shell line
/// cannot be understood in general: after a construct in which quotes nest, the answer is yes.
fn takes_no_quotes(command: &str, placeholder: &str) -> bool {
    let mut quote = None;
    let mut is_escaped = false;
    let mut before = ' ';
    for (at, c) in command.char_indices() {
        let rest = &command[at..];
        let nests = match quote {
            Some('\'') => false,
            Some(_) => ["`", "$(", "${"].iter().any(|it| rest.starts_with(it)),
            None if c == '#' => before.is_whitespace() || ";&|(".contains(before),
            None => ["`", "${", "$'", "<<"].iter().any(|it| rest.starts_with(it)),
        };
        if nests && !is_escaped {
            return rest.contains(placeholder);
        }
        if rest.starts_with(placeholder) && (quote.is_some() || is_escaped || before == '$') {
            return true;
        }
        match quote {
            _ if is_escaped => (),
            Some(open) if open == c => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            _ => (),
        }
        is_escaped = !is_escaped && c == '\\' && quote != Some('\'');
        before = c;
    }
    false
}

/// Whether a command has a placeholder.
pub(crate) fn occurs(command: &str, placeholder: &str) -> bool {
    Parts(command).any(|part| part == placeholder)
}

/// Whether `{xtask}` follows a `cd` in the same shell. The alias that it becomes works only from
/// the root, so this cannot run.
pub(crate) fn xtask_follows_cd(command: &str) -> bool {
    command.match_indices(XTASK).any(|(at, _)| changes_directory(&command[..at]))
}

/// Whether the start of a command has changed the directory for what follows it.
pub(crate) fn changes_directory(command: &str) -> bool {
    let mut quote = None;
    let ends_command = |c: char| {
        match quote {
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => (),
        }
        // Text in quotes is no command, whatever it looks like.
        quote.is_none() && ";&|(){\n!".contains(c)
    };
    // A subshell starts where its parent is, and what it does ends with it.
    let mut outer = Vec::new();
    let mut moved = false;
    for part in command.split_inclusive(ends_command) {
        moved |= part.trim_start().strip_prefix("cd").is_some_and(|it| it.starts_with([' ', '\t']));
        if part.ends_with('(') {
            outer.push(moved);
        } else if part.ends_with(')') {
            moved = outer.pop().unwrap_or(moved);
        }
    }
    moved
}

/// Cuts a command into `{...}` groups and the text between them.
struct Parts<'c>(&'c str);

impl<'c> Iterator for Parts<'c> {
    type Item = &'c str;

    fn next(&mut self) -> Option<&'c str> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let end = if let Some(inner) = text.strip_prefix('{') {
            match inner.find(['{', '}']) {
                Some(at) if inner[at..].starts_with('}') => at + 2,
                Some(at) => at + 1,
                None => text.len(),
            }
        } else {
            text.find('{').unwrap_or(text.len())
        };
        let (part, rest) = text.split_at(end);
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_in_one_pass() {
        let values = Values {
            target_platform: Some("x86_64"),
            crate_name: Some("{xtask}"),
            crate_path: Some("a/b"),
            xtask: "cargo xtask",
            is_uploaded: true,
        };
        assert_eq!(fill_unquoted("{crate}-{crate_path}", &values), "{xtask}-a/b");
        let filled = fill(
            "{xtask} x -p {crate} {{crate_path}} ${HOME} {other} {target_platform}-musl {",
            &values,
        );
        assert_eq!(filled, "cargo xtask x -p '{xtask}' {a/b} ${HOME} {other} x86_64-musl {");
    }

    /// A new placeholder is a new field here, so that it has to be judged.
    #[test]
    fn the_value_of_every_placeholder_is_one_word() {
        let hostile = "a $(touch CANARY);b'";
        let quoted = r"'a $(touch CANARY);b'\'''";
        let values = |is_uploaded, xtask| Values {
            target_platform: Some(hostile),
            crate_name: Some(hostile),
            crate_path: Some(hostile),
            // Quoted by those who know whether it is one word.
            xtask,
            is_uploaded,
        };
        let upload_quoted = shell::quote_for_upload(hostile);
        for placeholder in ALL {
            for (is_uploaded, wanted) in [(false, quoted), (true, upload_quoted.as_str())] {
                let filled = fill(&format!("cd {placeholder};x"), &values(is_uploaded, wanted));
                assert_eq!(filled, format!("cd {wanted};x"), "{placeholder}");
            }
        }
        let dollar =
            |is_uploaded| Values { crate_path: Some("$c"), is_uploaded, ..Values::default() };
        assert_eq!(fill("{crate_path}", &dollar(false)), "'$c'");
        assert_eq!(fill("{crate_path}", &dollar(true)), "'$$c'");
    }

    #[test]
    fn a_value_that_needs_quotes_is_refused_where_it_cannot_have_them() {
        let values = Values { crate_path: Some("a b"), ..Values::default() };
        for (command, is_refused) in [
            ("cd {crate_path} && x", false),
            (r#"echo 'x' "y" \' {crate_path}/z {crate}"#, false),
            ("A=$(cd {crate_path} && pwd)", false),
            ("echo $x $ {crate_path}; echo \"${HOME}\"", false),
            ("cd \"{crate_path}\"", true),
            ("cd '{crate_path}'", true),
            (r"cd \{crate_path}", true),
            ("cd ${crate_path}", true),
            ("cd $crate{crate_path}$ $", false),
            ("x \"$(echo \"{crate_path}\")\"", true),
            ("x `echo {crate_path}`", true),
            ("cat <<E\n{crate_path}\nE", true),
            ("x # it's\ncd {crate_path}", true),
            ("x ${y:-'}'} {crate_path}", true),
            (r"x $'\'' {crate_path}", true),
        ] {
            let refused: Vec<_> = unquotable(command, &values).collect();
            let wanted = if is_refused { &[(CRATE_PATH, "a b")][..] } else { &[] };
            assert_eq!(refused, wanted, "{command}");
        }
        let plain = Values { crate_path: Some("a/b"), ..Values::default() };
        assert_eq!(unquotable("\"{crate_path}\"", &plain).count(), 0);
    }

    #[test]
    fn a_placeholder_without_a_value_is_missing() {
        let values = Values { crate_path: Some("a"), ..Values::default() };
        let missing = values.missing("{xtask} {crate} {crate} {crate_path} {target_platform} {y}");
        let names: Vec<&str> = missing.map(|(name, _)| name).collect();
        assert_eq!(names, ["{target_platform}", "{crate}"]);
        assert_eq!(fill("{crate}", &values), "{crate}");
    }

    #[test]
    fn xtask_after_a_change_of_directory_is_seen() {
        for command in [
            "cd sub && {xtask} x",
            "ROOT=$$PWD; cd  a\n{xtask} x",
            "if cd a; then {xtask}",
            "cd a && (b; {xtask})",
        ] {
            assert_eq!(xtask_follows_cd(command), !command.starts_with("if"), "{command}");
        }
        for command in [
            "{xtask} x && cd sub",
            "(cd sub && make) && {xtask} x",
            "echo cd x; {xtask} y",
            "abcd e; {xtask}",
            "echo 'x; cd y' \"; cd z\" && {xtask} x",
            "A=$(cd x && pwd) {xtask}",
        ] {
            assert!(!xtask_follows_cd(command), "{command}");
        }
    }
}
