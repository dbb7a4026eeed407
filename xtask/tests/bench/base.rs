//! Which base is measured, and how it is built.

use std::path::Path;

use crate::measured::{Measured, path_with_critcmp, table};
use crate::support::TempDir;

/// Names a benchmark after what it was built with.
fn name_the_configuration(measured: &Measured) {
    measured.edit(
        "benches/main.rs",
        "c.bench_function(\"read_the_time\"",
        "let flag = if cfg!(by_configuration) { \"flag\" } else { \"no-flag\" };\n    \
         let toolchain = if option_env!(\"RUSTUP_TOOLCHAIN\").is_some_and(|name| name.starts_with('/')) { \"path\" } else { \"default\" };\n    \
         c.bench_function(&format!(\"built-with-{flag}-{toolchain}\")",
    );
}

#[test]
fn the_base_builds_as_the_base_whatever_the_change_configures() {
    let mut measured = Measured::new();
    name_the_configuration(&measured);
    measured.sandbox.commit_all("Name the configuration");
    measured.sandbox.git(&["push", "--quiet", "origin", "change:main"]);

    let sysroot = measured.sandbox.run("rustc", &["--print", "sysroot"]).assert_code(0).stdout;
    let manifest = measured.sandbox.read("Cargo.toml") + "\n[workspace]\nmembers = [\"more\"]\n";
    measured
        .sandbox
        .write("Cargo.toml", manifest)
        .write("more/Cargo.toml", "[package]\nname = \"more\"\nversion = \"0.1.0\"\n")
        .write("more/src/lib.rs", "")
        .write(".cargo/config.toml", "[build]\nrustflags = [\"--cfg\", \"by_configuration\"]\n")
        .write("rust-toolchain.toml", format!("[toolchain]\npath = \"{}\"\n", sysroot.trim()));
    let above = measured.sandbox.beside(".cargo");
    std::fs::create_dir(&above).unwrap();
    std::fs::write(above.join("config.toml"), "").unwrap();
    let cache = TempDir::new();
    measured.sandbox.set("XDG_CACHE_HOME", cache.path().to_str().unwrap());
    let run = measured.bench(&["--package", "rtc-device"]).assert_code(0);
    let warning =
        format!("warning: `{}` applies to the change only", above.join("config.toml").display());
    assert!(run.stderr.contains(&warning), "{}", run.stderr);
    let names = table(&run);
    assert!(names.contains(&"built-with-flag-path".to_owned()), "{names:?}\n{}", run.stderr);
    assert!(names.contains(&"built-with-no-flag-default".to_owned()), "{names:?}\n{}", run.stderr);
}

#[test]
fn the_merge_base_is_where_the_change_left_the_branch() {
    let measured = Measured::new();
    measured.move_the_base(|measured| {
        measured.edit("benches/main.rs", "\"read_the_time\"", "\"read_later\"");
    });
    let tip = measured.bench(&[]).assert_code(0);
    assert!(table(&tip).contains(&"read_later".to_owned()), "{}", tip.stdout);
    let left = measured.bench(&["--against", "merge-base"]).assert_code(0);
    assert!(!table(&left).contains(&"read_later".to_owned()), "{}", left.stdout);
}

#[test]
fn a_remote_that_cannot_be_reached_leaves_the_last_known_branch() {
    let measured = Measured::new();
    std::fs::rename(measured.remote(), measured.sandbox.beside("elsewhere")).unwrap();
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(table(&run)[0], "base change");
    let warning = run.stderr.lines().find(|line| line.starts_with("warning: ")).unwrap();
    assert!(
        warning.contains("using `refs/remotes/origin/main` as it was last fetched"),
        "{warning}"
    );
    assert!(warning.contains("second") || warning.contains("minute"), "{warning}");
}

#[test]
fn a_base_without_the_benchmarks_is_a_note() {
    let measured = Measured::new();
    let without = |measured: &Measured| {
        let manifest = measured.sandbox.read("Cargo.toml");
        let (before, after) = manifest.split_once("[[bench]]").unwrap();
        let after = after.split_once("[package.metadata").unwrap().1;
        let manifest = format!("{before}[package.metadata{after}");
        measured.sandbox.write("Cargo.toml", manifest);
        std::fs::remove_file(measured.sandbox.root().join("benches/main.rs")).unwrap();
    };
    measured.move_the_base(without);
    for (arguments, code) in [(&[][..], 0), (&["--fail-above", "5"], 75)] {
        let run = measured.bench(arguments).assert_code(code);
        assert!(
            run.stderr.contains("note: on origin/main there is no bench target `main`: there is nothing to compare with"),
            "{}",
            run.stderr
        );
        assert_eq!(table(&run)[0], "change");
        assert_eq!(run.stderr.matches("--save-baseline").count(), 1);
        assert_eq!(run.stderr.contains("error: no benchmark was compared"), code == 75);
    }

    measured.sandbox.git(&["switch", "--quiet", "--create", "reverse"]);
    without(&measured);
    let run = measured.bench(&[]).assert_code(1);
    assert!(run.stderr.contains("error: there is no bench target `main`"), "{}", run.stderr);
}

#[test]
fn a_base_whose_benchmarks_are_not_compiled_in_is_a_note() {
    let measured = Measured::new();
    measured.move_the_base(|measured| {
        measured.sandbox.write("benches/main.rs", "use criterion as _;\nfn main() {}\n");
    });
    let run = measured.bench(&[]).assert_code(0);
    assert!(
        run.stderr.contains("note: the benchmarks of the base left no results"),
        "{}",
        run.stderr
    );
    assert_eq!(table(&run)[0], "change");
    measured.sandbox.write("benches/main.rs", "use criterion as _;\nfn main() {}\n");
    let run = measured.bench(&[]).assert_code(1);
    assert!(run.stderr.contains("error: the benchmarks of the change left no results"));
}

#[test]
fn a_base_that_does_not_know_the_package_or_the_feature_is_a_note() {
    let measured = Measured::new();
    measured.edit("Cargo.toml", "name = \"rtc-device\"", "name = \"rtc-device-next\"");
    measured.edit("Cargo.toml", "[lib]\n", "[lib]\nname = \"rtc_device\"\n");
    let run = measured.bench(&["--package", "rtc-device-next"]).assert_code(0);
    assert!(
        run.stderr.contains("note: on origin/main there is no package `rtc-device-next`"),
        "{}",
        run.stderr
    );

    measured.sandbox.git(&["checkout", "--quiet", "."]);
    measured.edit("Cargo.toml", "state = []", "state = []\nfast = []");
    let run = measured.bench(&["--features", "state,fast"]).assert_code(0);
    assert!(
        run.stderr.contains("note: the base is measured without `fast`, which it lacks"),
        "{}",
        run.stderr
    );
    assert_eq!(table(&run)[0], "base change");
}

#[test]
fn submodules_of_the_base_come_from_this_clone() {
    let measured = Measured::new();
    let sandbox = &measured.sandbox;
    let upstream = sandbox.beside("constants");
    let constants = upstream.to_str().unwrap();
    let in_constants = |arguments: &[&str]| sandbox.git(&[&["-C", constants], arguments].concat());
    sandbox.git(&["init", "--quiet", "--initial-branch", "main", constants]);
    let write_constant = |name: &str| {
        std::fs::write(upstream.join("name.txt"), name).unwrap();
        in_constants(&["add", "."]);
        in_constants(&["commit", "--quiet", "--message", name]);
    };
    write_constant("first");
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        constants,
        "data/names",
    ];
    sandbox.git(&add);
    measured.edit(
        "benches/main.rs",
        "\"read_the_time\"",
        "include_str!(\"../data/names/name.txt\").trim()",
    );
    sandbox.commit_all("Name the benchmark elsewhere");
    sandbox.git(&["push", "--quiet", "origin", "change:main"]);

    write_constant("second");
    sandbox.git(&["-C", "data/names", "pull", "--quiet"]);
    std::fs::rename(&upstream, sandbox.beside("gone")).unwrap();
    let configuration = sandbox.read(".git/config");
    let run = measured.bench(&[]).assert_code(0);
    let names = table(&run);
    assert!(
        names.contains(&"first".to_owned()) && names.contains(&"second".to_owned()),
        "{names:?}"
    );
    assert_eq!(sandbox.read(".git/config"), configuration);

    sandbox.git(&["mv", "data/names", "data/moved"]);
    measured.edit("benches/main.rs", "data/names", "data/moved");
    let run = measured.bench(&["--fresh"]).assert_code(0);
    assert!(table(&run).contains(&"first".to_owned()), "{}", run.stderr);

    sandbox.git(&["submodule", "--quiet", "deinit", "--force", "data/moved"]);
    std::fs::remove_dir_all(sandbox.root().join(".git/modules")).unwrap();
    sandbox.write("data/moved/name.txt", "third");
    let run = measured.bench(&["--fresh"]).assert_code(75);
    assert!(
        run.stderr.contains("note: the base is built without its submodule `data/names`"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_workspace_below_the_root_is_measured_on_both_sides() {
    let measured = Measured::new();
    let sandbox = &measured.sandbox;
    for file in ["Cargo.toml", "Cargo.lock", "benches/main.rs", "src"] {
        let to = sandbox.root().join("staging").join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        sandbox.run("cp", &["-r", file, to.to_str().unwrap()]).assert_code(0);
    }
    let staged = [("rtc-device", "staged"), ("[lib]", "[lib]\nname = \"rtc_device\"")];
    for (part, by) in staged {
        measured.edit("staging/Cargo.toml", part, by);
    }
    measured.edit("staging/Cargo.lock", "rtc-device", "staged");
    measured.edit("staging/benches/main.rs", "\"read_the_time\"", "\"before\"");
    sandbox.commit_all("Stage a crate");
    sandbox.git(&["push", "--quiet", "origin", "change:main"]);
    measured.edit("staging/benches/main.rs", "\"before\"", "\"after\"");
    let names =
        ["base change", "after", "before", "save_and_restore", "set_raise_and_clear_an_alarm"];
    let run = measured.bench(&["--manifest-path", "staging/Cargo.toml"]).assert_code(0);
    assert_eq!(table(&run), names, "{}", run.stderr);
    let mut command = measured.command(&[]);
    let output = command.current_dir(sandbox.root().join("staging")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("was measured before"), "the nearest manifest is the same: {said}");
    let run = measured.bench(&[]).assert_code(0);
    assert!(table(&run).contains(&"read_the_time".to_owned()), "{}", run.stderr);
    measured.bench(&["--manifest-path", "nowhere/Cargo.toml"]).assert_code(2);
}

/// Renames a benchmark on the change, so that the names tell which sources were measured.
fn rename_on_the_change(measured: &Measured) {
    measured.edit("benches/main.rs", "\"read_the_time\"", "\"read_the_clock\"");
}

#[test]
fn both_sides_are_built_apart_where_cargo_shares_its_build_directory() {
    let mut measured = Measured::new();
    rename_on_the_change(&measured);
    let shared = measured.sandbox.beside("shared");
    measured.sandbox.set("CARGO_BUILD_BUILD_DIR", shared.to_str().unwrap());
    let run = measured.bench(&[]).assert_code(0);
    let names = table(&run);
    for name in ["read_the_clock", "read_the_time"] {
        assert!(names.contains(&name.to_owned()), "{names:?}\n{}", run.stderr);
    }
    for note in ["only the base has `read_the_time`", "only the change has `read_the_clock`"] {
        assert!(run.stderr.contains(note), "{}", run.stderr);
    }
    assert!(!shared.exists());
}

#[test]
fn an_executable_that_may_be_the_other_sides_is_not_measured() {
    let measured = Measured::new();
    rename_on_the_change(&measured);
    // As a wrapper of cargo might do it.
    let shared = measured.sandbox.beside("shared");
    let script = format!(
        "PATH='{}'\ncase \"$1\" in bench) shift; set -- bench \"$@\"; CARGO_BUILD_BUILD_DIR={};; esac\n\
         export CARGO_BUILD_BUILD_DIR\nexec cargo \"$@\"",
        path_with_critcmp(),
        shared.display()
    );
    measured.sandbox.stub("cargo", &script);
    let run = measured.bench(&[]).assert_code(75);
    let error = "error: the benchmarks may be those of the other side: `";
    assert!(run.stderr.contains(error), "{}", run.stderr);
    assert!(run.stderr.contains("\nhelp: "), "{}", run.stderr);
}

#[test]
fn a_base_measured_by_another_version_is_measured_again() {
    let measured = Measured::new();
    measured.bench(&[]).assert_code(0);
    let entries = measured.sandbox.beside("home/.cache/rust-vmm-ci");
    let mut entries = walkdir::WalkDir::new(entries).into_iter().map(Result::unwrap);
    let is_entry = |path: &Path| path.parent().is_some_and(|dir| dir.ends_with("known"));
    let entry = entries.find(|entry| is_entry(entry.path())).unwrap().into_path();
    let text = std::fs::read_to_string(&entry).unwrap();
    assert!(text.contains(r#"version "2""#), "{text}");
    std::fs::write(&entry, text.replace(r#"version "2""#, r#"version "1""#)).unwrap();
    let run = measured.bench(&[]).assert_code(0);
    assert_eq!(run.stderr.matches("--save-baseline").count(), 2, "{}", run.stderr);
}
