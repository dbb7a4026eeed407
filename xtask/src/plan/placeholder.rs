//! Pure. The placeholders of commands: `{target_platform}`, `{crate}`, `{crate_path}` and
//! `{xtask}`.
//!
//! Any other text in braces belongs to the shell and stays as it is.

/// What stands for the placeholders of one step; `None` where the step has no such thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) target_platform: Option<&'a str>,
    pub(crate) crate_name: Option<&'a str>,
    pub(crate) crate_path: Option<&'a str>,
    pub(crate) xtask: &'a str,
}

impl<'a> Values<'a> {
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

/// Replaces the placeholders, in one pass: a value is never searched for placeholders again. One
/// without a value stays, see [`Values::missing`].
pub(crate) fn fill(command: &str, values: &Values<'_>) -> String {
    let mut filled = String::with_capacity(command.len());
    for part in Parts(command) {
        filled.push_str(values.get(part).unwrap_or(part));
    }
    filled
}

/// Whether a command has a placeholder.
pub(crate) fn occurs(command: &str, placeholder: &str) -> bool {
    Parts(command).any(|part| part == placeholder)
}

/// Whether `{xtask}` follows a `cd` in the same shell. The alias that it becomes works only from
/// the root, so this cannot run.
pub(crate) fn xtask_follows_cd(command: &str) -> bool {
    let mut moved = vec![false];
    let mut at_command = true;
    let mut quote = None;
    let mut rest = command;
    while let Some(first) = rest.chars().next() {
        if quote.is_some() && !rest.starts_with(XTASK) {
            // Text in quotes is no command, whatever it looks like.
            quote = quote.filter(|open| *open != first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if quote.is_none() && (first == '\'' || first == '"') {
            quote = Some(first);
        }
        if rest.starts_with(XTASK) && moved.last() == Some(&true) {
            return true;
        }
        if at_command
            && rest.strip_prefix("cd").is_some_and(|after| after.starts_with([' ', '\t']))
            && let Some(current) = moved.last_mut()
        {
            *current = true;
        }
        match first {
            // A subshell starts where its parent is, and what it does ends with it.
            '(' => moved.push(moved.last().copied().unwrap_or_default()),
            ')' if moved.len() > 1 => _ = moved.pop(),
            _ => (),
        }
        at_command = match first {
            ' ' | '\t' => at_command,
            _ => ";&|({\n!".contains(first),
        };
        rest = &rest[first.len_utf8()..];
    }
    false
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
        };
        let filled = fill(
            "{xtask} x -p {crate} {{crate_path}} ${HOME} {other} {target_platform}-musl {",
            &values,
        );
        assert_eq!(filled, "cargo xtask x -p {xtask} {a/b} ${HOME} {other} x86_64-musl {");
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
