//! The scripts of `completions` in the shells that they are for.

use std::fs;

use expect_test::{Expect, expect};

use crate::support::{Sandbox, checkout};

/// A consumer in which `cargo NAME` is the built binary, and `complete.SHELL` its script.
fn consumer(name: &str, shell: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    configure(&sandbox, name);
    let script = sandbox.xtask(&["completions", shell]).assert_code(0).stdout;
    sandbox.write(&format!("complete.{shell}"), script);
    sandbox
}

/// `cargo NAME` calls this tool, and `cargo xtask` another one if that is not the name.
fn configure(sandbox: &Sandbox, name: &str) {
    let binary = env!("CARGO_BIN_EXE_xtask");
    // With the real cargo's answers, what it completes by itself would depend on this machine.
    let cargo = format!("test \"$1\" = {name} || exit 9\nshift\nexec {binary} \"$@\"");
    sandbox.stub("cargo", &cargo);
    let ours = checkout().join("xtask/Cargo.toml").display().to_string();
    let other = if name == "xtask" { "" } else { "xtask = \"run --package xtask --\"\n" };
    let config = format!("[alias]\n{other}{name} = \"run --manifest-path {ours} --\"\n");
    sandbox.write(".cargo/config.toml", config);
}

/// Completes each line in bash, which has `setup` before our script, and shows what is offered.
#[track_caller]
fn check_bash(sandbox: &Sandbox, setup: &str, lines: &[&str], expected: &Expect) {
    let mut script = format!(
        "{setup}\n. ./complete.bash\n. ./complete.bash\n{}",
        r#"try() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            COMPREPLY=()
            [[ $(complete -p cargo) =~ -F\ ([^ ]+) ]]
            "${BASH_REMATCH[1]}" cargo "${@: -1}" "${@: -2:1}"
            echo "$*: ${COMPREPLY[*]}"
        }
        "#
    );
    for line in lines {
        script += &format!("try {line}\n");
    }
    let run = sandbox.run("bash", &["--norc", "-c", &script]).assert_code(0);
    assert_eq!(run.stderr, "");
    expected.assert_eq(&run.stdout);
}

#[test]
fn bash_completes_commands_options_values_and_tests() {
    let sandbox = consumer("xtask", "bash");
    sandbox.write("out.yml", "");
    let own = "_cargo() { COMPREPLY=(\"own-$2\"); }; complete -F _cargo cargo";
    let lines = [
        "cargo xta",
        "cargo bu",
        "cargo xtask co",
        "cargo +stable xtask coverage --pro",
        "cargo xtask coverage --profile ''",
        "cargo xtask coverage --profile = d",
        "cargo xtask ci sty",
        "cargo xtask ci --skip unittests-musl",
        "cargo xtask pipeline --output ou",
        "cargo xtask help cov",
        "cargo xtask completions ''",
        "cargo xtask container -- --pri",
        "cargo xtask bench --package ''",
    ];
    let expected = expect![[r"
        cargo xta: own-xta
        cargo bu: own-bu
        cargo xtask co: commit-format completions container coverage
        cargo +stable xtask coverage --pro: --profile
        cargo xtask coverage --profile : ci devel
        cargo xtask coverage --profile = d: devel
        cargo xtask ci sty: style
        cargo xtask ci --skip unittests-musl: unittests-musl unittests-musl-release
        cargo xtask pipeline --output ou: out.yml
        cargo xtask help cov: coverage
        cargo xtask completions : bash zsh fish
        cargo xtask container -- --pri: 
        cargo xtask bench --package : 
    "]];
    check_bash(&sandbox, own, &lines, &expected);
}

#[test]
fn two_aliases_complete_side_by_side() {
    let sandbox = consumer("ci-xtask", "bash");
    let other = "_cargo_xtask() { COMPREPLY=(other); }; complete -F _cargo_xtask cargo";
    let lines = ["cargo ci-xtask cov", "cargo xtask cov"];
    let expected = expect![[r"
        cargo ci-xtask cov: coverage
        cargo xtask cov: other
    "]];
    check_bash(&sandbox, other, &lines, &expected);
}

/// A name is a word for the user's shell, not code.
#[test]
fn the_name_of_a_test_is_never_run() {
    let sandbox = consumer("xtask", "bash");
    let listed = r#"    \"test_name\": \"a\$(touch run) b\","#;
    sandbox.stub("cargo", &format!("echo \"{listed}\""));
    let expected = expect![[r"
        cargo xtask ci a: a\$\(touch\ run\)\ b
    "]];
    check_bash(&sandbox, "", &["cargo xtask ci a"], &expected);
    assert!(!sandbox.root().join("run").exists());
}

/// Needs bash-completion, which loads what completes cargo when it is needed first.
#[test]
#[ignore = "needs the package bash-completion"]
fn bash_completion_still_finds_what_completes_cargo() {
    let sandbox = consumer("xtask", "bash");
    let file = sandbox.beside("home/.local/share/bash-completion/completions/cargo");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "_own() { COMPREPLY=(own); }; complete -F _own cargo\n").unwrap();
    let lines = ["cargo bu", "cargo xtask cov", "cargo bu"];
    let expected = expect![[r"
        cargo bu: own
        cargo xtask cov: coverage
        cargo bu: own
    "]];
    let setup = ". /usr/share/bash-completion/bash_completion";
    check_bash(&sandbox, setup, &lines, &expected);
}

/// Types each line and a tab into an interactive zsh and shows what the line became.
#[test]
#[ignore = "needs zsh"]
fn zsh_completes_as_bash_does() {
    let sandbox = consumer("xtask", "zsh");
    sandbox.write("out.yml", "");
    sandbox.write(
        "rc.zsh",
        "PS1=\nautoload -U compinit\ncompinit -u -D\n\
         own() { compadd -- own-build }\ncompdef own cargo\n\
         . ./complete.zsh\n. ./complete.zsh\n\
         show() { print -r -- \"$BUFFER|\" >> shown; BUFFER= }\nzle -N show\nbindkey '^O' show\n\
         touch ready\n",
    );
    sandbox.write(
        "type.zsh",
        "zmodload zsh/zpty\nzpty typist 'zsh -f -i'\nzpty -w -n typist $'. ./rc.zsh\\n'\n\
         for i in {1..200}; do [[ -f ready ]] && break; sleep 0.05; done\n\
         for line in \"$@\"; do zpty -w -n typist \"$line\"$'\\t\\x0f'; done\n\
         for i in {1..400}; do\n\
             [[ -f shown ]] && (($(wc -l < shown) >= $#)) && break\n    sleep 0.05\n\
         done\nzpty -d typist\ncat shown\n",
    );
    let lines = [
        "cargo own",
        "cargo xtask cov",
        "cargo +stable xtask coverage --prof",
        "cargo xtask coverage --profile d",
        "cargo xtask coverage --profile=d",
        "cargo xtask ci sty",
        "cargo xtask ci --skip unittests-musl-r",
        "cargo xtask pipeline --output ou",
        "cargo xtask help cov",
        "cargo xtask completions f",
        "cargo xtask container -- --pri",
    ];
    let arguments = [&["-f", "type.zsh"], &lines[..]].concat();
    let run = sandbox.run("zsh", &arguments).assert_code(0);
    expect![[r"
        cargo own-build |
        cargo xtask coverage |
        cargo +stable xtask coverage --profile |
        cargo xtask coverage --profile devel |
        cargo xtask coverage --profile=devel |
        cargo xtask ci style |
        cargo xtask ci --skip unittests-musl-release |
        cargo xtask pipeline --output out.yml |
        cargo xtask help coverage |
        cargo xtask completions fish |
        cargo xtask container -- --pri|
    "]]
    .assert_eq(&run.stdout);
}

/// fish knows by itself what completes cargo.
#[test]
#[ignore = "needs fish"]
fn fish_completes_as_bash_does() {
    let sandbox = consumer("xtask", "fish");
    sandbox.write("out.yml", "");
    let lines = [
        "cargo build --relea",
        "cargo xtask cov",
        "cargo +stable xtask coverage --prof",
        "cargo xtask coverage --profile d",
        "cargo xtask coverage --profile=d",
        "cargo xtask ci sty",
        "cargo xtask ci --skip=unittests-musl-r",
        "cargo xtask pipeline --output ou",
        "cargo xtask help cov",
        "cargo xtask completions f",
        "cargo xtask container -- --pri",
    ];
    let script = "source complete.fish\nfor line in $argv; echo \"$line:\" \
                  (complete -C $line | string replace -r '\\t.*' ''); end";
    let run = sandbox.run("fish", &[&["-c", script], &lines[..]].concat()).assert_code(0);
    expect![[r"
        cargo build --relea: --release
        cargo xtask cov: coverage
        cargo +stable xtask coverage --prof: --profile
        cargo xtask coverage --profile d: devel
        cargo xtask coverage --profile=d: --profile=devel
        cargo xtask ci sty: style
        cargo xtask ci --skip=unittests-musl-r: --skip=unittests-musl-release
        cargo xtask pipeline --output ou: out.yml
        cargo xtask help cov: coverage
        cargo xtask completions f: fish
        cargo xtask container -- --pri:
    "]]
    .assert_eq(&run.stdout);
}

#[test]
fn help_and_hints_name_the_alias() {
    let sandbox = consumer("ci-xtask", "bash");
    let help = sandbox.xtask(&["help"]).assert_code(0).stdout;
    assert!(help.contains("Usage: cargo ci-xtask <command>"), "{help}");
    assert!(!help.contains("cargo xtask"), "{help}");
    let help = sandbox.xtask(&["ci", "--help"]).assert_code(0).stdout;
    assert!(help.contains("(`cargo ci-xtask help container`)"), "{help}");
    let run = sandbox.xtask(&["ci", "--falied"]).assert_code(2);
    assert!(run.stderr.ends_with("help: see `cargo ci-xtask help ci`\n"), "{}", run.stderr);
}

#[test]
fn help_and_completions_need_neither_a_repository_nor_cargo() {
    let mut sandbox = Sandbox::empty();
    sandbox.set("PATH", "/nowhere");
    for arguments in
        [&["help"][..], &[], &["--version"], &["ci", "--help"], &["completions", "zsh"]]
    {
        let run = sandbox.xtask(arguments).assert_code(0);
        assert_eq!(run.stderr, "", "{arguments:?}");
        assert!(!run.stdout.is_empty(), "{arguments:?}");
    }
    let run = sandbox.xtask(&["cii"]).assert_code(2);
    assert_eq!(
        run.stderr,
        "error: unknown command `cii`, did you mean `ci`?\nhelp: see `cargo xtask help`\n"
    );
}
