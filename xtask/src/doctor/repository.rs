//! Pure. The repository's tree as git lists it, and checks of how the repository is set up, its test
//! descriptions apart: submodules and links, cargo's configuration and alias, the toolchain, the hook,
//! coverage configurations.

use std::collections::BTreeSet;

use crate::plan::consumer::{self, Alias, CargoConfig};
use crate::plan::coverage_config::{self, Config};
use crate::plan::platform::Platform;
use crate::text::diagnostic::{Diagnostic, Diagnostics, Rejected, Severity, Source};
use crate::text::extended_regex;
use crate::text::fields::Field;
use crate::text::toml::{self, Statement};
use crate::text::{has_extension, shell};

/// The tracked files, and untracked ones that are not ignored; relative to the root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Includes symlinks and submodules: git lists a submodule as a single path.
    pub(crate) files: BTreeSet<String>,
    pub(crate) links: BTreeSet<String>,
    pub(crate) submodules: BTreeSet<String>,
    /// Files that may be executed.
    programs: BTreeSet<String>,
}

impl Tree {
    /// Reads the output of `git ls-files --stage --cached --others -z`, which does not tell whether an
    /// untracked path is a link.
    pub(crate) fn parse(output: &[u8], is_link: &dyn Fn(&str) -> bool) -> Tree {
        let mut tree = Tree::default();
        for entry in output.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            let entry = String::from_utf8_lossy(entry);
            let (stage, path) = entry.split_once('\t').unwrap_or_default();
            let (mode, path) = match stage.split(' ').collect::<Vec<_>>()[..] {
                [mode, _object, _number] if mode.parse::<u32>().is_ok() => (mode, path),
                // Untracked files have no mode.
                _ => (if is_link(&entry) { "120000" } else { "" }, &*entry),
            };
            match mode {
                "100755" => _ = tree.programs.insert(path.to_owned()),
                "120000" => _ = tree.links.insert(path.to_owned()),
                "160000" => _ = tree.submodules.insert(path.to_owned()),
                _ => (),
            }
            tree.files.insert(path.to_owned());
        }
        tree
    }

    /// Returns scripts, makefiles and configurations, which may call other files.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = &str> {
        const EXTENSIONS: [&str; 5] = ["bash", "mk", "sh", "yaml", "yml"];
        let is_script = |path: &&str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let is_program = !name.contains('.') && self.programs.contains(*path);
            let is_makefile = ["GNUmakefile", "Makefile", "makefile"].contains(&name);
            is_program || is_makefile || has_extension(name, &EXTENSIONS)
        };
        let files = self.files.iter().filter(|path| !self.links.contains(*path));
        let in_directories =
            [".buildkite", ".github", "scripts"].map(|name| self.in_directory(name));
        let in_directories = in_directories.into_iter().flatten();
        let others = in_directories.filter(|name| !has_extension(name, &["json", "md", "txt"]));
        let scripts: BTreeSet<&str> =
            files.map(String::as_str).filter(is_script).chain(others).collect();
        scripts.into_iter().filter(|path| !self.submodules.contains(*path))
    }

    /// Whether a file has that name, in whatever directory.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|path| path.rsplit('/').next() == Some(name))
    }

    /// Returns the files in directories of that name at any depth, without symlinks.
    pub(crate) fn in_directory(&self, name: &str) -> impl Iterator<Item = &str> {
        let files = self.files.difference(&self.links);
        let is_inside = move |file: &&str| file.split('/').rev().skip(1).any(|part| part == name);
        files.map(String::as_str).filter(is_inside)
    }
}

/// Submodules that differ from their recorded commits, by the output of `git status --porcelain=v2`.
pub(crate) fn modified_submodules(status: &str) -> Vec<Diagnostic> {
    let modified = |line: &str| {
        let words: Vec<&str> = line.splitn(9, ' ').collect();
        let [kind, staged, state, .., path] = words.as_slice() else { return None };
        let [b'S', commit, changes, files] = state.as_bytes() else { return None };
        let is_moved = *kind == "1" && staged.ends_with('M') && *commit == b'C';
        let differences = [
            (is_moved, "is at a different commit than recorded"),
            (*changes == b'M', "has uncommitted changes"),
            (*files == b'U', "has untracked files"),
        ];
        let differences = differences.into_iter().filter(|(differs, _)| *differs);
        let differences: Vec<&str> = differences.map(|(_, difference)| difference).collect();
        (!differences.is_empty()).then(|| {
            let message = format!("the submodule `{path}` {}", differences.join(" and "));
            let quoted = shell::quote(path);
            let help = if is_moved {
                format!(
                    "CI uses the recorded commit; record this one with `git add {quoted}`, or go back \
                     with `git submodule update {quoted}`"
                )
            } else {
                "CI uses the recorded commit, without them".to_owned()
            };
            Diagnostic::new(Severity::Warning, message).help(help)
        })
    };
    status.lines().filter_map(modified).collect()
}

/// A `.gitmodules` that git cannot read, by its error message.
pub(crate) fn invalid_gitmodules(source: &Source, error: &str) -> Option<Rejected> {
    let (_, line) = error.split_once("bad config line ")?;
    let line = line.split(' ').next()?.parse().ok()?;
    Some(source.error(source.offset_of(line, 1), "git cannot read this line").into())
}

/// A submodule that `.gitmodules` does not list.
pub(crate) fn unlisted_submodule(path: &str) -> Diagnostic {
    let quoted = shell::quote(path);
    let message = format!("`.gitmodules` does not list the submodule `{path}`; clones lack it");
    Diagnostic::error(message).help(format!(
        "list it with `git submodule add --force <URL> {quoted}`, or remove it with \
         `git rm --cached {quoted}`"
    ))
}

/// A submodule that is not checked out. `is_ours` says that it is this tool's.
pub(crate) fn empty_submodule(path: &str, is_ours: bool) -> Diagnostic {
    let severity = if is_ours { Severity::Error } else { Severity::Warning };
    Diagnostic::new(severity, format!("the submodule `{path}` is not checked out"))
        .help(format!("run `git submodule update --init {}`", shell::quote(path)))
}

/// A symlink to `target` in a submodule; `exists` says whether the target does.
pub(crate) fn link_into_submodule(path: &str, target: &str, exists: bool) -> Diagnostic {
    let (severity, message) = if exists {
        (Severity::Warning, "symlink into the submodule")
    } else {
        (Severity::Error, "dangling symlink into the submodule")
    };
    let help =
        "remove it: this tool needs no symlinks, and `-t shipped` names the shipped description";
    Source::new(path, target).finding(severity, 0, message).help(help)
}

/// Places a finding at the first statement of cargo's configuration that fits.
fn at(
    config: Option<&Source>,
    fits: impl Fn(&Statement<'_>) -> bool,
    finding: Diagnostic,
) -> Diagnostic {
    let place = config.and_then(|config| {
        let statements = toml::statements(&config.text).ok()?;
        let start = statements.iter().find(|it| fits(it))?.start;
        config.error(start, "").place
    });
    Diagnostic { place, ..finding }
}

/// Places the problem of the alias at the line that sets `xtask`, or else at the alias table.
pub(crate) fn at_alias(problem: Diagnostic, config: Option<&Source>) -> Diagnostic {
    let finding = at(config, |it| it.path == ["alias", "xtask"], problem);
    if finding.place.is_some() { finding } else { at(config, |it| it.path == ["alias"], finding) }
}

/// Checks that the alias for this tool has the options that `init` gives it.
pub(crate) fn alias_options(alias: &Alias, config: Option<&Source>) -> Option<Diagnostic> {
    let (name, expansion) = &alias.entry;
    let words = consumer::cargo_words(expansion);
    let has = |option: &str| words.contains(&option);
    let is_quiet = has("--quiet") || has("-q");
    let is_locked = has("--locked") || has("--frozen");
    let flaws = [
        (is_quiet, "hides the progress of its build", "remove `--quiet`"),
        (!is_locked, "may change `Cargo.lock`", "add `--locked`"),
        (!has("--target-dir"), "builds into the submodule", "add `--target-dir target/xtask`"),
    ];
    let flaws = flaws.into_iter().filter(|(is_flaw, ..)| *is_flaw);
    let (problems, fixes): (Vec<&str>, Vec<&str>) = flaws.map(|(_, flaw, fix)| (flaw, fix)).unzip();
    let message = format!("the alias `{name}` {}", problems.join(", "));
    let finding = Diagnostic::new(Severity::Warning, message).help(fixes.join(", "));
    let finding = at(config, |it| it.path == ["alias", name], finding);
    (!problems.is_empty()).then_some(finding)
}

/// The deprecated `.cargo/config`.
pub(crate) fn old_cargo_config(old: &Source, has_new: bool) -> Diagnostic {
    if has_new {
        let message = "cargo reads this file and ignores `.cargo/config.toml`";
        let help = "move its content to `.cargo/config.toml` and remove it";
        return old.error(0, message).help(help);
    }
    let message = "`.cargo/config` is deprecated; with it, cargo ignores `.cargo/config.toml`";
    old.warning(0, message).help("run `git mv .cargo/config .cargo/config.toml`")
}

/// A `[build] target`, or a `--target` of the alias, that this tool would be built for and cannot run
/// here. `version` is the output of `rustc --version --verbose`.
pub(crate) fn foreign_build_target(
    config: Option<&Source>,
    alias: &Alias,
    version: &str,
) -> Option<Diagnostic> {
    let (name, expansion) = &alias.entry;
    let mut cargo = config.and_then(|it| CargoConfig::parse(&it.text).ok()).unwrap_or_default();
    let words = consumer::cargo_words(expansion);
    let own = words.windows(2).find(|pair| pair[0] == "--target");
    if let Some(pair) = own {
        cargo.targets = vec![pair[1].to_owned()];
    }
    let host = cargo.foreign_host(version)?;
    let message = format!(
        "`{}` would be built for `{}` and cannot run here",
        alias.command,
        cargo.targets.join("`, `")
    );
    let key = if own.is_some() { ["alias", name] } else { ["build", "target"] };
    let finding = Diagnostic::error(message).help(format!(
        "use `--target host-tuple` in the alias, or `--target {host}` with cargo older than 1.91"
    ));
    Some(at(config, |it| it.path == key, finding))
}

fn toolchain_help(oldest: &str) -> String {
    format!("use Rust {oldest} or newer, or set `RUSTUP_TOOLCHAIN=stable`")
}

/// A toolchain file with a release that is too old to build this tool.
pub(crate) fn old_toolchain_file(file: &Source, oldest: &str) -> Option<Diagnostic> {
    let (at, release) = consumer::old_release(&file.text, oldest)?;
    let message = format!("Rust {release} cannot build this tool, which requires {oldest}");
    Some(file.error(at, message).help(toolchain_help(oldest)))
}

/// A toolchain that is too old, by the output of `rustc --version`.
pub(crate) fn old_toolchain(version: &str, oldest: &str) -> Option<Diagnostic> {
    let number = version.strip_prefix("rustc ")?.split([' ', '-', '\n']).next()?;
    consumer::is_older(number, oldest).then(|| {
        let message =
            format!("the active toolchain is Rust {number}, but this tool requires {oldest}");
        Diagnostic::error(message).help(toolchain_help(oldest))
    })
}

/// The hook that checks commit messages is missing. `is_own` says that this is the rust-vmm-ci
/// repository itself, which `init` rejects.
pub(crate) fn missing_hook(is_own: bool) -> Diagnostic {
    let command = if is_own {
        "install -D -m 755 ci-template/commit-msg \"$(git rev-parse --git-path hooks)/commit-msg\""
    } else {
        "cargo xtask init --hooks"
    };
    Diagnostic::new(Severity::Info, "no `commit-msg` hook is installed")
        .help(format!("run `{command}`"))
}

/// A hook that cannot be executed.
pub(crate) fn non_executable_hook(name: &str) -> Diagnostic {
    let message = format!("git ignores `{name}`, which is not executable");
    let help = format!("run `chmod +x {}`", shell::quote(name));
    Diagnostic::new(Severity::Warning, message).help(help)
}

/// A copy of a template that differs from it; `is_older` says that an earlier commit of the submodule
/// shipped it so.
pub(crate) fn stale_copy(copy: &Source, is_older: bool) -> Diagnostic {
    let (severity, message, help) = if is_older {
        let message = "outdated copy of a rust-vmm-ci template";
        (Severity::Warning, message, "update it with `cargo xtask init`")
    } else {
        let message = "modified copy of a rust-vmm-ci template; it does not receive updates";
        let help = "to keep it, remove the line that names the template; to replace it, run \
                    `cargo xtask init --overwrite`";
        (Severity::Info, message, help)
    };
    copy.finding(severity, 0, message).help(help)
}

/// The command was started in a subdirectory, where the alias does not work.
pub(crate) fn in_subdirectory(directory: &str) -> Diagnostic {
    let message = format!(
        "the cargo alias works only from the root of the repository, not from `{directory}`"
    );
    Diagnostic::new(Severity::Info, message)
        .help("cargo resolves the alias's path relative to the current directory")
}

/// A coverage configuration for an architecture on which CI does not run.
pub(crate) fn unused_config(
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
    let message = format!("no CI platform uses this file: {reason}");
    Some(source.finding(severity, 0, message).help(help))
}

/// What lacks a configuration on a platform where coverage is measured: the root, or single crates
/// where others have their own. `records` are the paths of the coverage configurations, each with its
/// architecture; `crates` are the directories of the members.
pub(crate) fn missing_records(
    records: &[(&str, &str)],
    crates: &[String],
    platform: Platform,
) -> Vec<Diagnostic> {
    let name = coverage_config::file_name(platform.name());
    let of_crates = !records.is_empty() && records.iter().all(|(path, _)| path.contains('/'));
    let paths: Vec<String> = if records.iter().all(|(_, it)| *it != platform.name()) {
        vec![name]
    } else if of_crates {
        crates.iter().map(|member| format!("{member}/{name}")).collect()
    } else {
        Vec::new()
    };
    let is_missing = |path: &String| records.iter().all(|(it, _)| it != path);
    let missing = paths.into_iter().filter(is_missing);
    // `init` creates none beside those of crates.
    let make = if of_crates || platform.is_emulated() {
        "write `{\"coverage_score\": 0}` to it"
    } else {
        "create it with `cargo xtask init`"
    };
    let finding = |path: String| {
        let message = format!("`{path}` is missing, but `coverage` runs on {platform}");
        Diagnostic::new(Severity::Warning, message)
            .help(format!("{make} and record the score with `cargo xtask coverage --devel`"))
    };
    missing.map(finding).collect()
}

/// Checks a coverage configuration as `coverage` reads it, and the file of the older generation beside
/// it.
pub(crate) fn coverage_config(source: &Source, older: Option<&Source>, found: &Diagnostics) {
    let score = Config::parse(source, found).score;
    let recorded = older.and_then(|file| coverage_config::parse_score_file(file, found));
    if let (Some(score), Some(file), Some(recorded)) = (&score, older, recorded) {
        let one = (&*file.name, recorded.percent);
        if let Some(conflict) = coverage_config::conflict(one, (&source.name, score.percent)) {
            let error = source.error(score.start, conflict);
            found.push(error.help("write the same score to both"));
        }
    } else if score.is_none() && older.is_none() && !found.has_errors() {
        let error = source.error(0, "the key `coverage_score` is missing");
        found.push(error.help("add `\"coverage_score\": 0`"));
    }
}

/// Finds alternatives of a valid `exclude_path` that match nothing; `sources` are the tracked source
/// files.
pub(crate) fn dead_alternatives(file: Field<'_>, sources: &[&str]) -> Option<()> {
    let field = file.object("an object")?.get("exclude_path")?;
    let pattern = field.node.as_str().filter(|it| extended_regex::problems(it).is_empty())?;
    let is_dead = |(_, part): &(usize, &str)| {
        let text = required_text(part);
        let mut candidates = sources.iter().filter(|file| file.contains(text));
        !candidates.any(|file| extended_regex::matches(part, file))
    };
    let dead: Vec<(usize, &str)> = alternatives(pattern).into_iter().filter(is_dead).collect();
    dead.first()?;
    let sources: Vec<(String, &str)> = sources.iter().map(|file| (plain(file), *file)).collect();
    for (at, part) in dead {
        dead_alternative(field, at, part, &sources);
    }
    Some(())
}

/// Returns the alternatives that are not in a group or brackets, with their offsets.
fn alternatives(pattern: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for end in pattern.match_indices('|').map(|(at, _)| at).chain([pattern.len()]) {
        // A part that ends within a group or brackets is invalid.
        if extended_regex::problems(&pattern[start..end]).is_empty() {
            parts.push((start, &pattern[start..end]));
            start = end + 1;
        }
    }
    parts
}

/// Returns a text that each match of an alternative has, by which most files are told apart.
fn required_text(part: &str) -> &str {
    // What is before the first group or bracket, and behind the last.
    let ends = [part.split(['(', '[']).next(), part.rsplit([')', ']']).next()];
    let is_operator = |c| r"\^$.*?+{}])|".contains(c);
    let texts = ends.into_iter().flatten().flat_map(|end| end.split_inclusive(is_operator));
    let texts = texts.map(|text| {
        let mut chars = text.trim_end_matches(is_operator).chars();
        if text.ends_with(['*', '?']) {
            chars.next_back();
        }
        chars.as_str()
    });
    texts.max_by_key(|text| text.len()).unwrap_or_default()
}

fn dead_alternative(field: Field<'_>, at: usize, part: &str, sources: &[(String, &str)]) {
    let message = format!("`exclude_path`: `{part}` matches no tracked source file");
    let finding = field.source.warning(field.offset_in_text(at), message);
    let help = if part.contains(',') {
        Some("alternatives are separated by `|`, not by commas".to_owned())
    } else {
        moved_file(part, sources).map(|file| format!("did you mean `{file}`?"))
    };
    field.found.push(Diagnostic { help, ..finding });
}

/// Returns the file that a pattern without operators used to name; `sources` have their plain names.
fn moved_file<'a>(pattern: &str, sources: &[(String, &'a str)]) -> Option<&'a str> {
    let wanted = plain(pattern);
    sources.iter().find(|(plain, _)| plain.ends_with(&wanted)).map(|(_, file)| *file)
}

/// A path or pattern without what differs if a file is moved: `/`, `_` and `-`.
fn plain(text: &str) -> String {
    format!("/{}", text.replace('\\', "").replace(['_', '-'], "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostic::Diagnostics;
    use crate::text::fields;
    use expect_test::{Expect, expect};

    #[test]
    fn an_alias_that_is_taken_is_shown_at_its_line() {
        let config =
            Source::new("c.toml", "[build]\nx = 1\n[alias]\nxtask = \"run -p xtask --\"\n");
        let problem = || Diagnostic::error("taken").help("add one");
        expect![[r#"
            c.toml:4:1: error: taken
             4 | xtask = "run -p xtask --"
               | ^
            help: add one"#]]
        .assert_eq(&at_alias(problem(), Some(&config)).to_string());
        let line = |text| Some(at_alias(problem(), Some(&Source::new("c.toml", text))).place?.line);
        assert_eq!(line("\n[alias]\nb = \"build\"\n"), Some(2));
        assert_eq!(line("[env]\nxtask-dir = \"x\"\n[alias]\n\"xtask\" = \"x\"\n"), Some(4));
        assert_eq!(line("[env]\nxtask = \"x\"\n"), None);
        assert_eq!(line("\nalias = { xtask = \"x\" }\n"), Some(2));
        assert_eq!(line("[build]\n"), None);
    }

    fn alias(name: &str, expansion: &str) -> Alias {
        let ours = consumer::OurAlias { manifests: vec!["m".to_owned()], at_root: false };
        let expansion = format!("run {expansion} --manifest-path m -- --quiet");
        consumer::choose_alias(&[(name.to_owned(), expansion)], &ours, "rust-vmm-ci")
    }

    #[test]
    fn an_alias_with_other_options_than_init_gives_it_is_shown_with_these() {
        let config = Source::new("c.toml", "[alias]\nci = \"run\"\n");
        let finding = |expansion| alias_options(&alias("ci", expansion), Some(&config));
        expect![[r#"
            c.toml:2:1: warning: the alias `ci` hides the progress of its build, may change `Cargo.lock`, builds into the submodule
             2 | ci = "run"
               | ^
            help: remove `--quiet`, add `--locked`, add `--target-dir target/xtask`"#]]
        .assert_eq(&finding("-q").unwrap().to_string());
        expect![[r#"
            c.toml:2:1: warning: the alias `ci` hides the progress of its build
             2 | ci = "run"
               | ^
            help: remove `--quiet`"#]]
        .assert_eq(&finding("--quiet --frozen --target-dir=t").unwrap().to_string());
        assert_eq!(finding("--locked --target-dir t"), None);
    }

    #[test]
    fn the_old_configuration_hides_the_new_one() {
        let old = Source::new(".cargo/config", "[build]\n");
        expect![[r"
            .cargo/config:1:1: error: cargo reads this file and ignores `.cargo/config.toml`
             1 | [build]
               | ^
            help: move its content to `.cargo/config.toml` and remove it"]]
        .assert_eq(&old_cargo_config(&old, true).to_string());
        expect![[r"
            .cargo/config:1:1: warning: `.cargo/config` is deprecated; with it, cargo ignores `.cargo/config.toml`
             1 | [build]
               | ^
            help: run `git mv .cargo/config .cargo/config.toml`"]]
        .assert_eq(&old_cargo_config(&old, false).to_string());
    }

    #[test]
    fn a_target_that_the_alias_cannot_run_is_named() {
        let finding = |text: &str, options: &str| {
            let config = Source::new("c.toml", text);
            let version = "rustc 1.90.0\nhost: x86_64-unknown-linux-gnu\n";
            foreign_build_target(Some(&config), &alias("ci", options), version)
        };
        let bare = "[build]\ntarget = \"thumbv7em-none-eabi\" # why\n";
        expect![[r#"
            c.toml:2:1: error: `cargo ci` would be built for `thumbv7em-none-eabi` and cannot run here
             2 | target = "thumbv7em-none-eabi" # why
               | ^
            help: use `--target host-tuple` in the alias, or `--target x86_64-unknown-linux-gnu` with cargo older than 1.91"#]]
        .assert_eq(&finding(bare, "").unwrap().to_string());
        assert!(finding("build = { target = 'thumbv7em-none-eabi' }\n", "").is_some());
        for native in ["host-tuple", "x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"] {
            assert_eq!(finding(&format!("build.target = '{native}'\n"), ""), None, "{native}");
            assert_eq!(finding(bare, &format!("--target={native}")), None, "{native}");
        }
        let inline = "\nalias = { ci = \"\" }\n";
        expect![[r#"
            c.toml:2:1: error: `cargo ci` would be built for `aarch64-unknown-linux-gnu` and cannot run here
             2 | alias = { ci = "" }
               | ^
            help: use `--target host-tuple` in the alias, or `--target x86_64-unknown-linux-gnu` with cargo older than 1.91"#]]
        .assert_eq(&finding(inline, "--target aarch64-unknown-linux-gnu").unwrap().to_string());
        assert_eq!(finding("[other]\ntarget = \"thumbv7em-none-eabi\"\n", ""), None);
    }

    #[test]
    fn a_toolchain_that_is_too_old_is_named() {
        let line = |text: &str| {
            let file = Source::new("rust-toolchain.toml", text);
            Some(old_toolchain_file(&file, "1.89")?.place?.line)
        };
        assert_eq!(line("1.70.0\n"), Some(1));
        assert_eq!(line("[toolchain]\nchannel = \"1.88\" # why\n"), Some(2));
        for fine in [
            "[toolchain]\nchannel = \"1.89.0\"",
            "stable",
            "channel = \"nightly-2024-01-01\"",
            "2.0",
            "",
        ] {
            assert_eq!(line(fine), None, "{fine}");
        }
        assert!(old_toolchain("rustc 1.88.0-nightly (abc 2025-01-01)\n", "1.89").is_some());
        assert!(old_toolchain("rustc 1.90.0 (abc)", "1.89").is_none());
        assert!(old_toolchain("", "1.89").is_none());
    }

    const ENTRIES: &str = "100644 0123 0\tsrc/lib.rs\x00100644 0123 2\tc\x00100644 0123 3\tc\x00\
        120000 0123 0\ta/link\x00160000 0123 0\trust-vmm-ci\x00new file\x00a\tb c d\x00.buildkite/x/y.json\x00\
        .buildkite/new.json\x00";

    #[test]
    fn links_and_submodules_are_told_from_files() {
        let tree = Tree::parse(ENTRIES.as_bytes(), &|path| path == ".buildkite/new.json");
        assert_eq!(tree.in_directory(".buildkite").collect::<Vec<_>>(), [".buildkite/x/y.json"]);
        assert_eq!(tree.in_directory("a").count(), 0);
        assert_eq!(
            tree.files.into_iter().collect::<Vec<_>>(),
            [
                ".buildkite/new.json",
                ".buildkite/x/y.json",
                "a\tb c d",
                "a/link",
                "c",
                "new file",
                "rust-vmm-ci",
                "src/lib.rs"
            ]
        );
        assert_eq!(
            (tree.links, tree.submodules),
            (
                [".buildkite/new.json".to_owned(), "a/link".to_owned()].into(),
                ["rust-vmm-ci".to_owned()].into()
            )
        );
    }

    #[test]
    fn a_submodule_is_compared_with_its_record() {
        let status = "1 .M SCMU 160000 160000 160000 1 2 rust-vmm-ci\n\
                      1 .M S.M. 160000 160000 160000 1 2 a b\n\
                      1 M. SC.. 160000 160000 160000 1 2 staged\n\
                      1 .M N... 100644 100644 100644 1 2 file\n";
        let found: Vec<String> =
            modified_submodules(status).iter().map(ToString::to_string).collect();
        expect![[r"
            warning: the submodule `rust-vmm-ci` is at a different commit than recorded and has uncommitted changes and has untracked files
            help: CI uses the recorded commit; record this one with `git add rust-vmm-ci`, or go back with `git submodule update rust-vmm-ci`
            warning: the submodule `a b` has uncommitted changes
            help: CI uses the recorded commit, without them"]]
        .assert_eq(&found.join("\n"));
    }

    #[test]
    fn a_config_that_no_platform_uses_is_named() {
        let source = Source::new("coverage_config_arm64.json", "{}");
        let finding = |name: &str| unused_config(&source, name, &[Platform::X86_64]);
        let misspelt = finding("x86-64").unwrap();
        assert_eq!(misspelt.severity, Severity::Error);
        assert!(misspelt.message.ends_with("did you mean `x86_64`?"), "{}", misspelt.message);
        assert_eq!(finding("aarch64").unwrap().severity, Severity::Warning);
        assert_eq!(finding("x86_64"), None);
    }

    #[test]
    fn a_platform_without_a_record_is_named() {
        let records =
            [("a/coverage_config_x86_64.json", "x86_64"), ("coverage_config_arm64.json", "arm64")];
        assert_eq!(missing_records(&records, &[], Platform::X86_64), []);
        let help = |records| missing_records(records, &[], Platform::Aarch64).pop()?.help;
        assert!(help(&records).unwrap().starts_with("create it with `cargo xtask init`"));
        assert!(help(&records[..1]).unwrap().starts_with("write "));
        // Each crate's own step needs one where others have theirs.
        let crates = ["a", "b"].map(str::to_owned);
        let missing = missing_records(&records[..1], &crates, Platform::X86_64);
        let message = "`b/coverage_config_x86_64.json` is missing, but `coverage` runs on x86_64";
        assert_eq!(missing.iter().map(|it| &*it.message).collect::<Vec<_>>(), [message]);
        assert_eq!(missing_records(&records, &crates, Platform::X86_64), []);
    }

    #[track_caller]
    fn check_config(config: &str, older: Option<&str>, want: &Expect) {
        let found = Diagnostics::default();
        let older = older.map(|text| Source::new("tests/coverage", text));
        coverage_config(&Source::new("c.json", config), older.as_ref(), &found);
        want.assert_eq(&found.headlines());
    }

    #[test]
    fn what_coverage_rejects_is_an_error() {
        check_config(
            r#"{"coverage_scor": "x", "max_delta": -1, "owner": 1}"#,
            None,
            &expect![[r"
                c.json:1:2: error: unknown key `coverage_scor`, did you mean `coverage_score`?
                c.json:1:37: error: `max_delta` must be a number from 0 to 100, not the number -1
                c.json:1:41: warning: unknown key `owner`, expected one of `coverage_score`, `exclude_path`, `crate_features` or `max_delta`"]],
        );
        check_config(
            r#"{"coverage_score": 101}"#,
            None,
            &expect![
                "c.json:1:20: error: `coverage_score` must be a number from 0 to 100, not the number 101"
            ],
        );
        check_config(
            "{}",
            None,
            &expect!["c.json:1:1: error: the key `coverage_score` is missing"],
        );
        check_config("{}", Some("85.2"), &expect![[""]]);
        check_config(r#"{"coverage_score": 85.129}"#, Some("85.12"), &expect![[""]]);
        check_config(
            r#"{"coverage_score": 85.13}"#,
            Some("85.12"),
            &expect![
                "c.json:1:20: error: two files record different scores, 85.12 and 85.13: tests/coverage and c.json"
            ],
        );
        check_config(
            r#"{"coverage_score": 85}"#,
            Some("85 %"),
            &expect![
                "tests/coverage:1:1: error: expected one number from 0 to 100 and nothing else"
            ],
        );
    }

    #[test]
    fn alternatives_of_a_group_stay_together() {
        let parts = [(0, "a"), (2, r"b\|c"), (7, "(d|e)"), (13, "[|]f")];
        assert_eq!(alternatives(r"a|b\|c|(d|e)|[|]f"), parts);
    }

    #[test]
    fn files_are_told_apart_by_a_text_that_each_match_has() {
        for (part, text) in [
            (r"^src/mmap_x\.rs$", "src/mmap_x"),
            (r"a\*?long", "long"),
            ("abcd*e", "abc"),
            ("abc?d", "ab"),
            ("ab+", "ab"),
            ("a(bcd|e)fgh", "fgh"),
            ("(bcd|ef)?", ""),
            ("ab[cde])]?f", "ab"),
            (".*[x]", ""),
        ] {
            assert_eq!(required_text(part), text, "{part}");
        }
    }

    #[track_caller]
    fn check(pattern: &str, want: &Expect) {
        let source = Source::new("c.json", format!(r#"{{"exclude_path": "{pattern}"}}"#));
        let found = Diagnostics::default();
        fields::read(&source, &found, |file| {
            dead_alternatives(file, &["src/mmap/windows.rs", "src/lib.rs"])
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
                23: `exclude_path`: `mmap_windows\.rs` matches no tracked source file [did you mean `src/mmap/windows.rs`?]
                41: `exclude_path`: `unix.rs` matches no tracked source file []"]],
        );
        check(
            "src/x/,tests/",
            &expect![
                "19: `exclude_path`: `src/x/,tests/` matches no tracked source file [alternatives are separated by `|`, not by commas]"
            ],
        );
        check("src/lib|(x", &expect![[""]]);
    }
}
