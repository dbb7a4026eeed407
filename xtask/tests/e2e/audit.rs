//! `audit` with the real cargo-audit and a local advisory database.
//!
//! cargo-audit fetches over https only, so git's `insteadOf` leads its usual address to a repository
//! in the sandbox; both git and the git library of cargo-audit heed it.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use expect_test::expect;

use crate::consumer::copy_tracked;
use crate::support::{Run, Sandbox, checkout};
use crate::tools::path_with;

const URL: &str = "https://github.com/RustSec/advisory-db.git";

/// The sample crate, and a database with an advisory about a crate that its lock file has.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("PATH", &path_with("cargo-audit", "0.22.2"));
    for (name, dir) in [("CARGO_HOME", "cargo-home"), ("XDG_CACHE_HOME", "cache")] {
        let dir = sandbox.beside(dir);
        fs::create_dir(&dir).unwrap();
        sandbox.set(name, dir.to_str().unwrap());
    }
    // A version that is yanked one day must not change these tests.
    let settings = "[yanked]\nenabled = false\nupdate_index = false\n";
    fs::write(sandbox.beside("cargo-home/audit.toml"), settings).unwrap();
    copy_tracked(&checkout().join("samples/rtc-device"), &sandbox.root());
    sandbox.commit_all("Add the sample crate");

    let database = sandbox.beside("database");
    fs::create_dir_all(database.join("crates")).unwrap();
    git_in(&sandbox, "database", &["init", "--quiet", "--initial-branch", "main"]);
    advise(&sandbox, "anes", "<0.1.0");
    redirect(&sandbox, &format!("file://{}", database.display()));
    sandbox
}

fn git_in(sandbox: &Sandbox, dir: &str, arguments: &[&str]) -> String {
    let dir = sandbox.beside(dir);
    sandbox.git(&[&["-C", dir.to_str().unwrap()], arguments].concat())
}

/// Publishes an advisory about a crate that lists one requirement as fixed.
fn advise(sandbox: &Sandbox, package: &str, fixed: &str) {
    let dir = sandbox.beside("database").join("crates").join(package);
    fs::create_dir_all(&dir).unwrap();
    let number = 9000 + package.bytes().map(usize::from).sum::<usize>();
    let text = format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2024-{number}\"\npackage = \"{package}\"\n\
         date = \"2024-01-02\"\ncategories = [\"memory-corruption\"]\n\n\
         [versions]\npatched = [\"{fixed}\"]\n```\n\n# A bad thing in {package}\n\nText.\n"
    );
    fs::write(dir.join(format!("RUSTSEC-2024-{number}.md")), text).unwrap();
    git_in(sandbox, "database", &["add", "--all"]);
    git_in(sandbox, "database", &["commit", "--quiet", "--message", "Advise"]);
}

/// Redirects the usual URL of the database.
fn redirect(sandbox: &Sandbox, url: &str) {
    let text = format!("[url \"{url}\"]\n\tinsteadOf = {URL}\n");
    fs::write(sandbox.beside("home/.gitconfig"), text).unwrap();
}

fn clone_of_database(sandbox: &Sandbox) -> PathBuf {
    sandbox.beside("cargo-home/advisory-db")
}

fn audit(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    sandbox.xtask(&[&["audit"], arguments].concat())
}

#[test]
fn an_advisory_fails_and_a_fixed_version_passes() {
    let sandbox = sandbox();
    let run = audit(&sandbox, &[]).assert_code(1);
    expect![[r"
               advisory           crate       fixed in  dependency path
        error  RUSTSEC-2024-9423  anes 0.1.6  <0.1.0    rtc-device > criterion > anes
               vulnerability: A bad thing in anes, https://rustsec.org/advisories/RUSTSEC-2024-9423
        1 error
        help: to take the newest versions that the manifests allow, run:
          cargo update anes@0.1.6
        help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml
    "]]
    .assert_eq(&run.stdout);
    advise(&sandbox, "anes", ">=0.1.0");
    let run = audit(&sandbox, &[]).assert_code(0);
    assert_eq!(run.stdout, "no errors\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_the_consumer_ignores_stays_ignored() {
    let sandbox = sandbox();
    sandbox.write(".cargo/audit.toml", "[advisories]\nignore = [\"RUSTSEC-2024-9423\"]\n");
    audit(&sandbox, &[]).assert_code(0);
    sandbox.write(".cargo/audit.toml", "[advisories]\nignroe = []\n");
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("cargo-audit rejects its input"), "{}", run.stderr);
    assert!(run.stderr.contains("ignroe"), "{}", run.stderr);
    sandbox.write(".cargo/audit.toml", "[advisories\n");
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("audit.toml:1:1: error: "), "{}", run.stderr);
}

/// Replaces the sample by a crate with a single dependency, which was yanked.
fn depend_on_yanked(sandbox: &Sandbox) {
    let manifest = "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                    [dependencies]\nlibc = \"=0.2.165\"\n";
    let lock = "version = 3\n\n[[package]]\nname = \"libc\"\nversion = \"0.2.165\"\n\
                source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                checksum = \"fcb4d3d38eab6c5239a362fa8bae48c03baf980a6e7079f063942d563ef3533e\"\n\n\
                [[package]]\nname = \"one\"\nversion = \"0.1.0\"\ndependencies = [\n \"libc\",\n]\n";
    sandbox.write("Cargo.toml", manifest).write("Cargo.lock", lock);
    fs::remove_dir_all(sandbox.root().join("benches")).unwrap();
}

#[test]
fn a_yanked_crate_fails() {
    let sandbox = sandbox();
    fs::remove_file(sandbox.beside("cargo-home/audit.toml")).unwrap();
    depend_on_yanked(&sandbox);
    let run = audit(&sandbox, &[]).assert_code(1);
    expect![[r"
               advisory  crate         fixed in         dependency path
        error  yanked    libc 0.2.165  another version  one > libc
               this version was yanked from the registry
        1 error
        help: to take the newest versions that the manifests allow, run:
          cargo update libc@0.2.165
    "]]
    .assert_eq(&run.stdout);
}

#[test]
fn without_the_registry_nobody_knows_what_is_yanked() {
    let sandbox = sandbox();
    fs::remove_file(sandbox.beside("cargo-home/audit.toml")).unwrap();
    let manifest = "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
                    [dependencies]\nitoa = \"=1.0.1\"\n";
    sandbox.write("Cargo.toml", manifest);
    fs::remove_dir_all(sandbox.root().join("benches")).unwrap();
    fs::remove_file(sandbox.root().join("Cargo.lock")).unwrap();
    // With vendored sources cargo resolves, but there is no index for cargo-audit.
    let vendor = sandbox.run("cargo", &["vendor"]).assert_code(0);
    fs::remove_dir_all(sandbox.beside("cargo-home/registry")).unwrap();
    let vendored = sandbox.root().join("vendor");
    let configuration = vendor.stdout.replace("\"vendor\"", &format!("{vendored:?}"));
    fs::write(sandbox.beside("cargo-home/config.toml"), configuration).unwrap();
    let database = sandbox.beside("database");
    let run = audit(&sandbox, &["--offline", "--db", database.to_str().unwrap()]).assert_code(75);
    assert_eq!(run.stdout, "");
    let problem = "error: cargo-audit could not check whether all packages are yanked, see above\n\
                   help: run it once without `--offline`\n";
    assert!(run.stderr.ends_with(problem), "{}", run.stderr);
}

#[test]
fn a_lock_file_that_does_not_fit_the_manifests_is_an_error() {
    let sandbox = sandbox();
    let lock = sandbox.read("Cargo.lock");
    let header: String = lock.split_inclusive('\n').take(3).collect();
    let anes = lock.find("[[package]]\nname = \"anes\"").unwrap();
    let next = anes + 1 + lock[anes + 1..].find("[[package]]").unwrap();
    let without_anes = format!("{}{}", &lock[..anes], &lock[next..]);
    for wrong in ["", &header, &without_anes] {
        sandbox.write("Cargo.lock", wrong);
        let run = audit(&sandbox, &[]).assert_code(2);
        let problem = "error: Cargo.lock does not fit the manifests\n\
                       help: run `cargo update --workspace` and commit Cargo.lock\n";
        assert!(run.stderr.ends_with(problem), "{}", run.stderr);
        assert_eq!(sandbox.read("Cargo.lock"), wrong);
    }
    let checksum = lock.find("checksum = \"").unwrap() + "checksum = \"".len();
    sandbox.write("Cargo.lock", format!("{}{}{}", &lock[..checksum], "00", &lock[checksum + 2..]));
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("error: cargo rejects Cargo.lock: "), "{}", run.stderr);
    sandbox.write("Cargo.lock", &lock);
    audit(&sandbox, &[]).assert_code(1);
    let manifest = sandbox.read("Cargo.toml") + "\n[dependencies]\nitoa = \"=1.0.1\"\n";
    sandbox.write("Cargo.toml", manifest);
    audit(&sandbox, &[]).assert_code(2);
    audit(&sandbox, &["--offline"]).assert_code(2);
}

#[test]
fn an_empty_database_is_no_database() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.beside("empty/crates")).unwrap();
    audit(&sandbox, &[]).assert_code(1);
    let run = audit(&sandbox, &["--offline", "--db", "../empty"]).assert_code(75);
    assert_eq!(run.stdout, "");
    let problem = "error: no usable advisory database: the advisory database is empty\n\
                   help: run it once without `--offline`\n";
    assert!(run.stderr.ends_with(problem), "{}", run.stderr);
    fs::remove_dir_all(sandbox.beside("database/crates")).unwrap();
    fs::create_dir_all(sandbox.beside("database/crates")).unwrap();
    fs::write(sandbox.beside("database/crates/keep"), "").unwrap();
    git_in(&sandbox, "database", &["add", "--all"]);
    git_in(&sandbox, "database", &["commit", "--quiet", "--message", "Remove all"]);
    fs::remove_dir_all(clone_of_database(&sandbox)).unwrap();
    audit(&sandbox, &[]).assert_code(75);
}

#[test]
fn an_offline_database_says_how_old_it_is() {
    let mut sandbox = sandbox();
    audit(&sandbox, &[]).assert_code(1);
    let run = audit(&sandbox, &["--offline"]).assert_code(1);
    assert!(run.stderr.contains("note: the advisory database is 0 days old\n"), "{}", run.stderr);
    sandbox.set("GIT_COMMITTER_DATE", "2024-01-02T03:04:05Z");
    let amend = ["commit", "--quiet", "--amend", "--allow-empty", "--message", "Old"];
    git_in(&sandbox, "cargo-home/advisory-db", &amend);
    let run = audit(&sandbox, &["--offline", "--quiet"]).assert_code(1);
    assert!(run.stderr.contains(" days old and lacks newer advisories\nhelp: "), "{}", run.stderr);
    let database = sandbox.beside("database");
    fs::remove_dir_all(database.join(".git")).unwrap();
    let run = audit(&sandbox, &["--offline", "--db", database.to_str().unwrap()]).assert_code(1);
    assert!(run.stderr.contains("the age of the advisory database is unknown"), "{}", run.stderr);
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let sandbox = sandbox();
    // It takes connections and says nothing.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let configuration = format!(
        "[source.crates-io]\nreplace-with = \"silent\"\n[source.silent]\nregistry = \"sparse+{url}\"\n"
    );
    fs::write(sandbox.beside("cargo-home/config.toml"), configuration).unwrap();
    let started = Instant::now();
    let run = audit(&sandbox, &["--timeout", "2"]).assert_code(75);
    let problem =
        "error: cargo could not check the lock file: `cargo` did not finish within 2 s\nhelp: ";
    assert!(run.stderr.contains(problem), "{}", run.stderr);
    fs::remove_file(sandbox.root().join("Cargo.lock")).unwrap();
    let run = audit(&sandbox, &["--timeout", "2"]).assert_code(75);
    let problem =
        "error: cargo failed to generate a lock file: `cargo` did not finish within 2 s\nhelp: ";
    assert!(run.stderr.contains(problem), "{}", run.stderr);

    // A crate without dependencies needs no registry, but an advisory database.
    let manifest = "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    sandbox.write("Cargo.toml", manifest);
    fs::remove_dir_all(sandbox.root().join("benches")).unwrap();
    redirect(&sandbox, &url);
    let run = audit(&sandbox, &["--timeout", "2"]).assert_code(75);
    let problem = "error: cargo-audit gave no verdict: `cargo` did not finish within 2 s\nhelp: ";
    assert!(run.stderr.contains(problem), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(60));
    redirect(&sandbox, &format!("file://{}", sandbox.beside("database").display()));
    audit(&sandbox, &[]).assert_code(0);
}

#[test]
fn a_base_that_git_cannot_tell_is_undetermined() {
    let sandbox = sandbox();
    sandbox.write("file", "").commit_all("Again");
    let clone = sandbox.beside("shallow");
    let url = format!("file://{}", sandbox.root().display());
    sandbox.git(&["clone", "--quiet", "--depth=1", &url, clone.to_str().unwrap()]);
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    command.current_dir(&clone).args(["audit", "--only-changed", "HEAD~1"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("error: this clone is shallow and has no commit `HEAD~1`\nhelp: "),
        "{stderr}"
    );

    let configuration = sandbox.read(".git/config");
    sandbox.write(".git/config", "[core\n");
    let run = audit(&sandbox, &["--only-changed", "HEAD"]).assert_code(75);
    let problem = "error: git failed to resolve `HEAD`: `git` failed: ";
    assert!(run.stderr.contains(problem), "{}", run.stderr);
    assert!(run.stderr.ends_with("help: `git rev-parse HEAD` must succeed\n"), "{}", run.stderr);
    sandbox.write(".git/config", configuration);
    // Without a revision the upstream branch is the base.
    sandbox.git(&["clone", "--quiet", "--bare", ".", sandbox.beside("upstream").to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", "../upstream"]);
    let run = audit(&sandbox, &["--only-changed"]).assert_code(0);
    assert!(run.stdout.contains("known  RUSTSEC-2024-9423"), "{}", run.stdout);
}

#[test]
fn a_password_in_the_configuration_is_not_printed() {
    let sandbox = sandbox();
    for (line, code) in [
        ("url = \"https://me:s3cret@localhost:1/db.git\"\nstale = false", 75),
        ("url = \"http://me:s3cret@localhost:1/db.git\"\nstale = false", 2),
        ("url = \"https://me:s3cret@localhost:1/db.git\" x", 2),
    ] {
        sandbox.write(".cargo/audit.toml", format!("[database]\n{line}\n"));
        let run = audit(&sandbox, &["--verbose"]).assert_code(code);
        assert!(run.stderr.contains("***@localhost"), "{}", run.stderr);
        assert!(!run.stderr.contains("s3cret"), "{}", run.stderr);
    }
}

#[test]
fn a_configuration_where_cargo_audit_does_not_read_it_is_a_warning() {
    let sandbox = sandbox();
    sandbox.write("audit.toml", "[advisories]\nignore = [\"RUSTSEC-2024-9423\"]\n");
    let run = audit(&sandbox, &[]).assert_code(1);
    let warning = "warning: cargo-audit does not read `audit.toml` in the root\n\
                   help: move it to `.cargo/audit.toml`\n";
    assert!(run.stderr.starts_with(warning), "{}", run.stderr);
}

#[test]
fn a_lock_file_is_generated_outside_the_tree() {
    let sandbox = sandbox();
    sandbox.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    fs::remove_file(sandbox.root().join("Cargo.lock")).unwrap();
    sandbox.write(".gitignore", "/target\nCargo.lock\n").commit_all("Ignore the lock file");
    // Git lists a repository inside the tree in a way of its own.
    sandbox.git(&["init", "--quiet", "nested"]);
    sandbox.git(&["-C", "nested", "commit", "--quiet", "--allow-empty", "--message", "Nested"]);
    let run = audit(&sandbox, &[]).assert_code(1);
    assert!(run.stdout.contains("rtc-device > criterion > "), "{}", run.stdout);
    assert!(
        run.stdout.contains("the manifests on the path allow no newer version"),
        "{}",
        run.stdout
    );
    assert_eq!(sandbox.git(&["status", "--porcelain", "--ignored"]), "?? nested/\n");
    let left: Vec<_> = walk(&sandbox.beside("cache"));
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing is left behind");
}

fn walk(dir: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_broken_database_is_repaired_and_the_verdict_given() {
    let sandbox = sandbox();
    let clone = clone_of_database(&sandbox);
    audit(&sandbox, &[]).assert_code(1);

    fs::remove_dir_all(&clone).unwrap();
    fs::create_dir(&clone).unwrap();
    audit(&sandbox, &[]).assert_code(1);

    let refs = clone.join(".git/refs");
    fs::remove_dir_all(&refs).unwrap();
    fs::create_dir(&refs).unwrap();
    _ = fs::remove_file(clone.join(".git/packed-refs"));
    audit(&sandbox, &[]).assert_code(1);

    for object in walk(&clone.join(".git/objects")) {
        sandbox.run("chmod", &["u+w", object.to_str().unwrap()]).assert_code(0);
        let half = fs::read(&object).unwrap();
        fs::write(&object, &half[..half.len() / 2]).unwrap();
    }
    let run = audit(&sandbox, &[]).assert_code(1);
    assert!(run.stderr.contains("fetching the broken advisory database"), "{}", run.stderr);

    fs::write(clone.join(".git/HEAD"), "nonsense").unwrap();
    audit(&sandbox, &[]).assert_code(1);
}

#[test]
fn without_a_database_there_is_no_verdict() {
    let sandbox = sandbox();
    redirect(&sandbox, "file:///nowhere");
    let run = audit(&sandbox, &[]).assert_code(75);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("failed to reach the advisory database"), "{}", run.stderr);
    // The server may be gone after there was a clone, which then has to survive.
    redirect(&sandbox, &format!("file://{}", sandbox.beside("database").display()));
    audit(&sandbox, &[]).assert_code(1);
    redirect(&sandbox, "file:///nowhere");
    audit(&sandbox, &[]).assert_code(75);
    let run = audit(&sandbox, &["--offline"]).assert_code(1);
    assert!(run.stdout.contains("RUSTSEC-2024-9423"), "{}", run.stdout);
}

#[test]
fn a_database_that_is_broken_at_its_source_is_put_back() {
    let sandbox = sandbox();
    audit(&sandbox, &[]).assert_code(1);
    let advisory = sandbox.beside("database/crates/anes/RUSTSEC-2024-9423.md");
    fs::write(advisory, "no advisory").unwrap();
    git_in(&sandbox, "database", &["commit", "--quiet", "--all", "--message", "Break"]);
    let run = audit(&sandbox, &[]).assert_code(75);
    assert!(run.stderr.contains("no usable advisory database"), "{}", run.stderr);
    let left = fs::read_dir(sandbox.beside("cargo-home")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut databases: Vec<String> = names.filter(|name| name.starts_with("advisory-db")).collect();
    databases.sort();
    assert_eq!(databases, ["advisory-db", "advisory-db..lock"]);
}

#[test]
fn a_directory_may_be_named_and_a_directory_that_is_no_clone_is_never_removed() {
    let sandbox = sandbox();
    audit(&sandbox, &["--db", "../elsewhere"]).assert_code(1);
    assert!(sandbox.beside("elsewhere/.git").exists());
    assert!(!clone_of_database(&sandbox).exists());
    fs::write(sandbox.beside("elsewhere/.git/HEAD"), "nonsense").unwrap();
    audit(&sandbox, &["--db", "../elsewhere"]).assert_code(1);

    // A plain directory serves as well, where nothing is fetched.
    fs::remove_dir_all(sandbox.beside("elsewhere/.git")).unwrap();
    audit(&sandbox, &["--db", "../elsewhere", "--offline"]).assert_code(1);
    let run = audit(&sandbox, &["--db", "../elsewhere"]).assert_code(75);
    assert!(run.stderr.contains("does not look like a clone"), "{}", run.stderr);
    assert!(sandbox.beside("elsewhere/crates").exists());
    audit(&sandbox, &["--db", "../nothing", "--offline"]).assert_code(75);
}

#[test]
fn only_what_a_change_adds_fails() {
    let sandbox = sandbox();
    audit(&sandbox, &["--only-changed", "HEAD"]).assert_code(0);
    let manifest = sandbox.read("Cargo.toml") + "\n[dependencies]\nitoa = \"=1.0.1\"\n";
    sandbox.write("Cargo.toml", manifest);
    sandbox.run("cargo", &["update", "--workspace", "--quiet"]).assert_code(0);
    advise(&sandbox, "itoa", ">=1.0.2");
    let run = audit(&sandbox, &["--only-changed", "HEAD"]).assert_code(1);
    expect![[r"
               advisory           crate       fixed in  dependency path
        known  RUSTSEC-2024-9423  anes 0.1.6  <0.1.0    rtc-device > criterion > anes
               vulnerability: A bad thing in anes, https://rustsec.org/advisories/RUSTSEC-2024-9423
        error  RUSTSEC-2024-9429  itoa 1.0.1  >=1.0.2   rtc-device > itoa
               vulnerability: A bad thing in itoa, https://rustsec.org/advisories/RUSTSEC-2024-9429
        1 error, 1 already present at the base
        help: to take the newest versions that the manifests allow, run:
          cargo update itoa@1.0.1
        help: to accept an advisory, add it to `ignore` of `[advisories]` in .cargo/audit.toml
    "]]
    .assert_eq(&run.stdout);

    // A base without a lock file gets one of its own.
    sandbox.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    sandbox.write(".gitignore", "/target\nCargo.lock\n").commit_all("Add a dependency");
    audit(&sandbox, &["--only-changed", "HEAD"]).assert_code(0);
    // The tree's own, which may be old, does not count then, and stays as it is.
    let lock_file = sandbox.read("Cargo.lock");
    sandbox.write("Cargo.lock", "old");
    audit(&sandbox, &["--only-changed", "HEAD"]).assert_code(0);
    assert_eq!(sandbox.read("Cargo.lock"), "old");
    sandbox.write("Cargo.lock", lock_file);
    // A base before there was any Rust has no advisories.
    audit(&sandbox, &["--only-changed", "HEAD~2"]).assert_code(1);
    let run = audit(&sandbox, &["--only-changed", "nothing"]).assert_code(2);
    assert!(run.stderr.contains("there is no commit `nothing` in this clone"));
}

#[test]
fn what_cannot_be_audited_is_a_configuration_error() {
    let sandbox = sandbox();
    sandbox.write("Cargo.lock", "<<<<<<< HEAD\n");
    audit(&sandbox, &[]).assert_code(2);
    fs::remove_file(sandbox.root().join("Cargo.lock")).unwrap();
    sandbox.write("Cargo.toml", "[package\n");
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("cargo failed to read the manifests"), "{}", run.stderr);
    fs::remove_file(sandbox.root().join("Cargo.toml")).unwrap();
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("there is no Cargo.toml"), "{}", run.stderr);
    sandbox.write(".cargo/audit.toml", "[database]\nurl = \"file:///x\"\nstale = false\n");
    let run = audit(&sandbox, &[]).assert_code(2);
    assert!(run.stderr.contains("cargo-audit supports `https://` URLs only"), "{}", run.stderr);
}

#[test]
fn a_workspace_that_is_not_at_the_root_has_its_own_lock_file() {
    let sandbox = sandbox();
    sandbox.git(&["clone", "--quiet", ".", "staging"]);
    fs::remove_dir_all(sandbox.root().join("staging/.git")).unwrap();
    let manifest = "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
    sandbox.write("Cargo.toml", format!("{manifest}\n[workspace]\nexclude = [\"staging\"]\n"));
    let lock = "version = 3\n\n[[package]]\nname = \"one\"\nversion = \"0.1.0\"\n";
    sandbox.write("Cargo.lock", lock);
    fs::remove_dir_all(sandbox.root().join("benches")).unwrap();
    sandbox.commit_all("Add a workspace");
    audit(&sandbox, &[]).assert_code(0);
    let staging: &[&str] = &["--manifest-path", "staging/Cargo.toml"];
    let run = audit(&sandbox, staging).assert_code(1);
    let repair = "  cargo update --manifest-path staging/Cargo.toml anes@0.1.6\n";
    assert!(run.stdout.contains(repair), "{}", run.stdout);
    sandbox.run("sh", &["-c", &format!("{} --dry-run", repair.trim())]).assert_code(0);
    let run = audit(&sandbox, &[staging, &["--only-changed", "HEAD"]].concat()).assert_code(0);
    assert!(run.stdout.contains("known  RUSTSEC-2024-9423"), "{}", run.stdout);
    sandbox.git(&["rm", "--quiet", "--cached", "staging/Cargo.lock"]);
    sandbox.git(&["commit", "--quiet", "--message", "Remove it"]);
    let run = audit(&sandbox, &[staging, &["--only-changed", "HEAD"]].concat()).assert_code(0);
    assert!(run.stdout.contains("rtc-device > criterion > anes"), "{}", run.stdout);
    sandbox.write("staging/Cargo.lock", "");
    let run = audit(&sandbox, staging).assert_code(2);
    let repair = "help: run `cargo update --workspace --manifest-path staging/Cargo.toml` and ";
    assert!(run.stderr.contains(repair), "{}", run.stderr);
    let run = audit(&sandbox, &["--manifest-path", "nowhere/Cargo.toml"]).assert_code(2);
    let problem = "error: the manifest path `nowhere/Cargo.toml` is not a `Cargo.toml`";
    assert!(run.stderr.contains(problem), "{}", run.stderr);
}

#[test]
fn a_failure_is_shown_on_the_page_of_the_build() {
    let mut sandbox = sandbox();
    sandbox.stub("buildkite-agent", "echo \"$@\" > ../arguments; cat > ../page");
    // The stubs come first only if PATH is not set anew.
    let stubs = sandbox.beside("stubs");
    let path = format!("{}:{}", stubs.display(), path_with("cargo-audit", "0.22.2"));
    sandbox.set("PATH", &path).set("BUILDKITE", "true");
    audit(&sandbox, &[]).assert_code(1);
    let page = fs::read_to_string(sandbox.beside("page")).unwrap();
    assert!(page.contains("error  RUSTSEC-2024-9423  anes 0.1.6"), "{page}");
    let arguments = fs::read_to_string(sandbox.beside("arguments")).unwrap();
    assert_eq!(arguments, "annotate --context=cargo-audit --style=error\n");
}
