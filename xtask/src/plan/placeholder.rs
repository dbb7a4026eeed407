//! Pure. The placeholders of commands: `{target_platform}`, `{crate}`, `{crate_path}` and
//! `{xtask}`.
//!
//! Any other text in braces belongs to the shell and stays as it is.

/// What may stand for the placeholders of one step; `None` where the step has no such thing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) target_platform: Option<&'a str>,
    pub(crate) crate_name: Option<&'a str>,
    pub(crate) crate_path: Option<&'a str>,
    pub(crate) xtask: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// What stands for a placeholder, if anything does.
    fn get(&self, placeholder: &str) -> Option<&'a str> {
        match placeholder {
            "{target_platform}" => self.target_platform,
            "{crate}" => self.crate_name,
            "{crate_path}" => self.crate_path,
            XTASK => self.xtask,
            _ => None,
        }
    }
}

pub(crate) const XTASK: &str = "{xtask}";

/// Replaces the placeholders, in one pass: a value is never searched for placeholders again. One
/// without a value stays, and `missing` tells beforehand which those are.
pub(crate) fn fill(command: &str, values: &Values<'_>) -> String {
    let mut filled = String::with_capacity(command.len());
    for part in Parts(command) {
        filled.push_str(values.get(part).unwrap_or(part));
    }
    filled
}

/// Whether a command has a placeholder whose value depends on the crate.
pub(crate) fn names_crate(command: &str) -> bool {
    Parts(command).any(|part| matches!(part, "{crate}" | "{crate_path}"))
}

/// The placeholders that occur in a command and have no value.
pub(crate) fn missing<'c>(command: &'c str, values: &Values<'_>) -> Vec<&'c str> {
    const ALL: [&str; 4] = ["{target_platform}", "{crate}", "{crate_path}", XTASK];
    let parts = Parts(command).filter(|part| ALL.contains(part));
    let mut names: Vec<&str> = parts.filter(|part| values.get(part).is_none()).collect();
    names.sort_unstable();
    names.dedup();
    names
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
            xtask: Some("cargo xtask"),
        };
        let filled = fill(
            "{xtask} x -p {crate} {{crate_path}} ${HOME} {other} {target_platform}-musl {",
            &values,
        );
        assert_eq!(filled, "cargo xtask x -p {xtask} {a/b} ${HOME} {other} x86_64-musl {");
    }

    #[test]
    fn a_placeholder_without_a_value_is_missing() {
        let values = Values { xtask: Some("x"), ..Values::default() };
        assert_eq!(
            missing("{xtask} {crate} {crate} {target_platform} {y}", &values),
            ["{crate}", "{target_platform}"]
        );
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
