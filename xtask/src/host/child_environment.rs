//! Pure. What child processes must not inherit: variables that `cargo run` and rustup set for us, and
//! those that git sets for its hooks.
//!
//! A test has to see the caller's environment. `RUSTUP_TOOLCHAIN` alone would defeat a test's own
//! toolchain file, and `CARGO_MANIFEST_DIR` confuses build scripts. With `GIT_DIR`, a test that makes
//! a repository in a temporary directory would work on the user's.

use std::collections::BTreeMap;

/// The changes that turn our environment into the caller's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) removed: Vec<String>,
    pub(crate) set: Vec<(String, String)>,
}

/// Set by cargo for the program that it runs.
const SET_BY_CARGO: [&str; 6] = [
    "CARGO",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
];

/// Variables that name a repository, its parts and its view of history.
///
/// Source: `git rev-parse --local-env-vars` without configuration, which is the caller's choice, and
/// `git help git`.
const SET_BY_GIT: &str = "GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_GRAFT_FILE \
     GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE GIT_INTERNAL_SUPER_PREFIX GIT_NAMESPACE \
     GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_QUARANTINE_PATH \
     GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE";

/// Decides from our own environment. `manifest_dir` is where this crate's manifest is: only if
/// cargo ran us, its variables are about us.
pub(crate) fn changes(environment: &BTreeMap<String, String>, manifest_dir: &str) -> Changes {
    let get = |name: &str| environment.get(name).map(String::as_str);
    let by_git = SET_BY_GIT.split(' ').filter(|name| get(name).is_some());
    let mut removed: Vec<String> = by_git.map(str::to_owned).collect();
    let mut set = Vec::new();
    if get("CARGO_MANIFEST_DIR") != Some(manifest_dir) {
        return Changes { removed, set };
    }
    let by_cargo =
        |name: &&String| SET_BY_CARGO.contains(&name.as_str()) || name.starts_with("CARGO_PKG_");
    removed.extend(environment.keys().filter(by_cargo).cloned());
    // The user's own choice (`RUSTUP_TOOLCHAIN=x cargo xtask`, `cargo +x xtask`) stays. Old
    // versions of rustup do not say whose choice it was.
    if !matches!(get("RUSTUP_TOOLCHAIN_SOURCE"), Some("env" | "cli")) {
        removed.push("RUSTUP_TOOLCHAIN".to_owned());
    }
    removed.extend(["RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT"].map(str::to_owned));
    for name in ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
        let Some(value) = get(name) else { continue };
        match without_cargos_entries(value, get("CARGO")) {
            rest if rest.is_empty() => removed.push(name.to_owned()),
            rest => set.push((name.to_owned(), rest)),
        }
    }
    removed.retain(|name| environment.contains_key(name));
    Changes { removed, set }
}

/// Cargo puts its target directory and the toolchain's libraries before what the caller had.
fn without_cargos_entries(value: &str, cargo: Option<&str>) -> String {
    let sysroot = cargo.and_then(|path| path.strip_suffix("/bin/cargo")).unwrap_or("/nowhere");
    let libraries = format!("{sysroot}/lib");
    let is_cargos = |entry: &str| {
        let in_sysroot = entry
            .strip_prefix(&libraries)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("/rustlib"));
        let in_target = ["/debug", "/release", "/deps"].iter().any(|end| entry.ends_with(end));
        in_sysroot || in_target
    };
    let entries = value.split(':').skip_while(|entry| is_cargos(entry));
    entries.collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_of(pairs: &[(&str, &str)]) -> Changes {
        let environment =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        changes(&environment, "/ci/xtask")
    }

    const RUN_BY_CARGO: [(&str, &str); 6] = [
        ("CARGO", "/r/toolchains/stable/bin/cargo"),
        ("CARGO_HOME", "/c"),
        ("CARGO_MANIFEST_DIR", "/ci/xtask"),
        ("CARGO_PKG_NAME", "xtask"),
        ("RUSTUP_TOOLCHAIN", "stable"),
        ("RUST_RECURSION_COUNT", "1"),
    ];

    #[test]
    fn what_cargo_and_rustup_set_is_removed() {
        let removed = changes_of(&RUN_BY_CARGO).removed;
        assert_eq!(
            removed,
            [
                "CARGO",
                "CARGO_MANIFEST_DIR",
                "CARGO_PKG_NAME",
                "RUSTUP_TOOLCHAIN",
                "RUST_RECURSION_COUNT"
            ]
        );
    }

    #[test]
    fn the_users_own_toolchain_stays() {
        for source in ["env", "cli"] {
            let mut pairs = RUN_BY_CARGO.to_vec();
            pairs.push(("RUSTUP_TOOLCHAIN_SOURCE", source));
            assert!(!changes_of(&pairs).removed.contains(&"RUSTUP_TOOLCHAIN".to_owned()));
        }
    }

    #[test]
    fn of_a_library_path_the_callers_part_stays() {
        let cargos = "/t/target/debug:/t/target/debug/deps:/r/toolchains/stable/lib/rustlib/x/lib:/r/toolchains/stable/lib";
        let mut pairs = RUN_BY_CARGO.to_vec();
        pairs.push(("LD_LIBRARY_PATH", cargos));
        assert!(changes_of(&pairs).removed.contains(&"LD_LIBRARY_PATH".to_owned()));
        let mixed = format!("{cargos}:/own/lib:/own/debug");
        pairs.pop();
        pairs.push(("LD_LIBRARY_PATH", &mixed));
        assert_eq!(
            changes_of(&pairs).set,
            [("LD_LIBRARY_PATH".to_owned(), "/own/lib:/own/debug".to_owned())]
        );
    }

    #[test]
    fn where_cargo_did_not_run_us_only_what_git_sets_is_removed() {
        let mut pairs = RUN_BY_CARGO.to_vec();
        pairs[2] = ("CARGO_MANIFEST_DIR", "/other");
        assert_eq!(changes_of(&pairs), Changes::default());
        pairs.extend([("GIT_DIR", "/g"), ("GIT_CONFIG_COUNT", "1"), ("GIT_AUTHOR_NAME", "a")]);
        assert_eq!(changes_of(&pairs).removed, ["GIT_DIR"]);
    }
}
