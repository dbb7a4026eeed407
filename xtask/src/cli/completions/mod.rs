//! Pure. `completions`: usage, options, and the scripts, made from the table of commands.

use crate::cli::args::Args;
use crate::cli::{Command, help_under};
use crate::text::diagnostic::Rejected;
use crate::text::nearest;
use crate::text::shell;

pub(crate) const USAGE: &str = "\
Prints the completions of `cargo xtask` for a shell.

Usage: cargo xtask completions bash|zsh|fish

They complete commands, options, their values and the names of tests. What completes the rest of
cargo stays in place. Write them to a file that the shell reads when it starts:

  bash  cargo xtask completions bash > ~/.cargo-xtask.bash
        echo '. ~/.cargo-xtask.bash' >> ~/.bashrc
  zsh   cargo xtask completions zsh > ~/.cargo-xtask.zsh
        echo '. ~/.cargo-xtask.zsh' >> ~/.zshrc   # after compinit
  fish  cargo xtask completions fish > ~/.config/fish/conf.d/cargo-xtask.fish
";

/// Each with the template of its script.
const SHELLS: [(&str, &str); 3] = [
    ("bash", include_str!("completions.bash")),
    ("zsh", include_str!("completions.zsh")),
    ("fish", include_str!("completions.fish")),
];

/// Parses the arguments of `completions`, and returns the template for the shell.
///
/// # Errors
///
/// Rejects anything but the name of one shell (exit code 2).
pub(crate) fn parse(args: &Args) -> Result<&'static str, Rejected> {
    let template = match args.positional()?.as_slice() {
        [name] => nearest::choose("shell", name, &SHELLS),
        _ => Err("expected one shell: `bash`, `zsh` or `fish`".to_owned()),
    };
    template.or_else(|message| args.error(message))
}

/// The script for a shell; `alias` is how this tool is called, `cargo xtask` usually.
pub(crate) fn script<J>(template: &str, commands: &[Command<J>], alias: &str) -> String {
    let name = alias.strip_prefix("cargo ").unwrap_or(alias);
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let id: String = format!("_cargo_{name}").chars().map(word).collect();
    // Compiles this tool where that was not done yet.
    let tests = format!(
        r#"cargo {name} ci --list --json 2> /dev/null | sed -n 's/^ *"test_name": "\(.*\)",$/\1/p'"#
    );
    let rows = help_under(alias, &rows(commands).join("\n"));
    template
        .replace("{alias}", alias)
        .replace("{name}", name)
        .replace("{id}", &id)
        .replace("{tests}", &tests)
        .replace("{rows}", &shell::quote_always(&rows))
}

/// The table that the scripts read, a row each: `command|word|values|description`. A row without a
/// word says what the arguments of the command are. Values are words, or `:files`, `:tests` or
/// `:any`; an option without any is a switch.
fn rows<J>(commands: &[Command<J>]) -> Vec<String> {
    let names = commands.iter().map(|command| command.name).chain(["help"]);
    let names = names.collect::<Vec<_>>().join(" ");
    let first = commands.iter().map(|command| format!("|{}||{}", command.name, command.summary));
    let help = ["|help||print the help of a command".to_owned(), format!("help||{names}|")];
    let of_commands = commands.iter().flat_map(|command| rows_of(command.name, &command.help()));
    first.chain(help).chain(of_commands).collect()
}

/// The rows of one command, from its help text.
fn rows_of(command: &str, help: &str) -> Vec<String> {
    let usage = help.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
    let takes_tests = usage.contains("[test ...]");
    let argument = match usage.rsplit(' ').next() {
        Some(choices) if choices.contains('|') => choices.replace('|', " "),
        _ if takes_tests => ":tests".to_owned(),
        _ => String::new(),
    };
    let mut rows = vec![format!("{command}||{argument}|")];
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let text = line.trim_start();
        if !text.starts_with('-') || indent(line) > OPTION_INDENT {
            continue;
        }
        let (option, description) = text.split_once("  ").unwrap_or((text, ""));
        let mut description = description.trim().to_owned();
        while let Some(rest) = lines.next_if(|line| indent(line) > OPTION_INDENT) {
            description += " ";
            description += rest.trim();
        }
        let description = description.trim_start();
        let words: Vec<&str> = option.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let value = words.iter().find(|word| !word.starts_with('-'));
        let values = value.map(|value| values(value, takes_tests)).unwrap_or_default();
        for name in words.iter().filter(|word| word.starts_with('-')) {
            rows.push(format!("{command}|{name}|{values}|{description}"));
        }
    }
    rows
}

/// Where an option starts in a help text, at most.
const OPTION_INDENT: usize = "      ".len();

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What an option takes, from its help text: `FILE`, `[BOOL]`, `ci|devel`.
fn values(value: &str, takes_tests: bool) -> String {
    match value.trim_matches(['[', ']']) {
        "BOOL" => "true false".to_owned(),
        "FILE" | "DIR" | "PATH" => ":files".to_owned(),
        "NAME" if takes_tests => ":tests".to_owned(),
        choices if choices.contains('|') => choices.replace('|', " "),
        _ => ":any".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use crate::testing::words_parser;
    use expect_test::expect;

    const COMMANDS: [Command<()>; 1] =
        [Command { name: "ci", summary: "run it", usage: cli::ci::USAGE, parse: |_| Ok(()) }];

    #[test]
    fn one_shell_is_named() {
        let parse_words = words_parser(|args| parse(&args), USAGE);
        assert_eq!(parse_words("zsh"), Ok(SHELLS[1].1));
        assert!(parse_words("fsh").unwrap_err().contains("did you mean `zsh`?"));
        for line in ["", "bash zsh"] {
            assert!(parse_words(line).unwrap_err().contains("expected one shell"), "{line}");
        }
    }

    #[test]
    fn a_help_text_gives_a_row_for_each_spelling() {
        let help = "\
Usage: cargo xtask x [options] a|b
Options:
  -t, --test FILE            read
                             --it all
      --rather-long [BOOL]
                             on `|` off
      --base [REV]           since
      --kind x|y             which
      --env NAME[=VALUE]     set
      --on                   switch on
";
        expect![[r"
            x||a b|
            x|-t|:files|read --it all
            x|--test|:files|read --it all
            x|--rather-long|true false|on `|` off
            x|--base|:any|since
            x|--kind|x y|which
            x|--env|:any|set
            x|--on||switch on"]]
        .assert_eq(&rows_of("x", help).join("\n"));
    }

    #[test]
    fn names_of_tests_are_known_to_ci() {
        let rows = rows(&COMMANDS);
        for row in ["|ci||run it", "help||ci help|", "ci||:tests|"] {
            assert!(rows.iter().any(|other| other == row), "{row} in {rows:?}");
        }
        assert!(rows.iter().any(|row| row.starts_with("ci|--skip|:tests|")), "{rows:?}");
        assert!(rows.iter().any(|row| row.starts_with("ci|-q||")), "{rows:?}");
    }

    /// Between single quotes, every shell but fish takes a backslash as it is.
    #[test]
    fn no_help_text_has_a_backslash() {
        assert!(!rows(&crate::COMMANDS).concat().contains('\\'));
    }

    #[test]
    fn no_placeholder_is_left_in_a_script() {
        for (_, template) in SHELLS {
            let script = script(template, &COMMANDS, "cargo ci-xtask");
            for placeholder in ["{id}", "{name}", "{alias}", "{tests}", "{rows}"] {
                assert!(!script.contains(placeholder), "{placeholder} in {script}");
            }
            assert!(script.contains("_cargo_ci_xtask_rows"), "{script}");
        }
    }
}
