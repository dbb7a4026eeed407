//! `pipeline --upload`: with a stub of the agent everywhere, with the real agent and a fake of
//! Buildkite's API where there is one.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bootstrap;
use crate::buildkite_api::Api;
use crate::golden;
use crate::support::{Run, Sandbox};

const ONE: &str = r#"{"tests": [{"test_name": "a", "command": "c", "platform": ["x86_64"]}]}"#;

/// An agent that keeps every upload and all meta-data as files. For upload N it says what is in
/// `say-N`, and refuses it if there is a `refuse-N`.
const RECORDING_AGENT: &str = r#"
case "$1 $2" in
"pipeline upload")
    n=$(ls upload-* 2>/dev/null | wc -l)
    cat > upload-$n
    ! test -e say-$n || cat say-$n >&2
    ! test -e refuse-$n || { echo "the server said no" >&2; exit 1; } ;;
"meta-data get") cat "meta-$4" 2>/dev/null || echo "${3#--default=}" ;;
"meta-data set") echo "$4" > "meta-$3" ;;
"annotate "*) echo "$@" > annotation; cat >> annotation ;;
*) exit 9 ;;
esac
"#;

const GATES_OFF: &str = "\u{1b}[31m2026-11-26 16:25:52 ERROR \u{1b}[0m \u{1b}[0mCouldn't determine \
    git diff from upstream, not skipping any pipeline steps: git rev-parse\u{1b}[0m\n";

fn job(description: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.stub("buildkite-agent", RECORDING_AGENT).write("t.json", description);
    sandbox.set("BUILDKITE", "true").set("BUILDKITE_STEP_ID", "s");
    sandbox
}

fn upload(sandbox: &Sandbox) -> Run {
    sandbox.xtask(&["pipeline", "-t", "t.json", "--upload"])
}

fn many(tests: usize) -> String {
    let list = (0..tests).map(|i| {
        format!(r#"{{"test_name": "t{i}", "command": "c", "platform": ["x86_64", "aarch64"]}}"#)
    });
    format!(r#"{{"tests": [{}]}}"#, list.collect::<Vec<_>>().join(","))
}

fn labels(steps: &[Value]) -> Vec<&str> {
    steps.iter().map(|step| step["label"].as_str().unwrap()).collect()
}

fn steps(text: &str) -> Vec<Value> {
    let pipeline: Value = serde_json::from_str(text).unwrap();
    pipeline["steps"].as_array().unwrap().clone()
}

#[test]
fn an_upload_has_at_most_500_steps_and_the_build_keeps_the_order_of_the_plan() {
    let sandbox = job(&many(600));
    let run = upload(&sandbox).assert_code(0);
    assert_eq!(run.stdout, "");
    let mut build: Vec<Value> = Vec::new();
    for number in 0..3 {
        let part = steps(&sandbox.read(&format!("upload-{number}")));
        assert!(part.len() <= 500);
        build.splice(0..0, part);
    }
    assert!(!sandbox.root().join("upload-3").exists());
    let printed = sandbox.xtask(&["pipeline", "-t", "t.json", "--format", "json"]).assert_code(0);
    assert_eq!(build, steps(&printed.stdout));
    assert!(printed.stderr.contains("1200 steps are more than the 500"), "{}", printed.stderr);
}

#[test]
fn an_upload_that_fails_is_no_verdict_and_shows_the_agents_words() {
    let sandbox = job(ONE);
    sandbox.write("refuse-0", "");
    let run = upload(&sandbox).assert_code(75);
    assert!(run.stderr.contains("the server said no\n"), "{}", run.stderr);
    let message =
        "error: part 1 of 1 (1 steps) was not uploaded: the agent failed (exit status: 1)";
    assert!(run.stderr.contains(message), "{}", run.stderr);

    let sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let output = sandbox
        .command(env!("CARGO_BIN_EXE_xtask"))
        .args(["pipeline", "-t", "t.json", "--upload"])
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot start `buildkite-agent`"));
}

#[test]
fn the_agents_words_are_shown_as_they_come() {
    let mut sandbox = job(ONE);
    sandbox.set("BUILDKITE_RETRY_COUNT", "0");
    // It goes on only after its words were read.
    let waits = "echo retrying >&2; while ! test -e go; do sleep 0.05; done";
    sandbox.stub("buildkite-agent", &format!("test \"$1\" = pipeline || exit 0\n{waits}"));
    let mut child = start(&sandbox);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    let reader = thread::spawn(move || {
        assert!(lines.any(|line| line == "retrying"));
        lines
    });
    let in_time = within(Duration::from_secs(20), || reader.is_finished());
    sandbox.write("go", "");
    assert!(in_time, "nothing was shown while the agent ran");
    assert!(reader.join().unwrap().any(|line| line == "uploaded part 1 of 1 (1 steps)"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn warnings_and_errors_of_the_agent_are_repeated_and_gates_that_are_off_annotated() {
    let sandbox = job(&many(300));
    let warning = "2026-11-26 16:25:53 WARN   a retry\n2026-11-26 16:25:53 INFO   a fact\n";
    sandbox.write("say-0", GATES_OFF).write("say-1", format!("{warning}{GATES_OFF}"));
    let run = upload(&sandbox).assert_code(0);
    let (_, end) = run.stderr.split_once("the agent's warnings and errors:\n").unwrap();
    assert_eq!(
        end,
        "  2026-11-26 16:25:52 ERROR  Couldn't determine git diff from upstream, not skipping any \
         pipeline steps: git rev-parse\n  2026-11-26 16:25:53 WARN   a retry\n\
         warning: all steps run, whatever the change touches: gates are off\n"
    );
    let annotation = sandbox.read("annotation");
    assert!(annotation.starts_with("annotate --context=pipeline-gates --style=warning\n"));
    assert!(annotation.contains("not skipping any pipeline steps"), "{annotation}");

    let quiet = job(ONE);
    let run = upload(&quiet).assert_code(0);
    assert!(!run.stderr.contains("warnings and errors"), "{}", run.stderr);
    assert!(!quiet.root().join("annotation").exists());
}

#[test]
fn a_job_that_runs_again_uploads_nothing_twice() {
    let uploads = |sandbox: &Sandbox| {
        let exists = |number: &usize| sandbox.root().join(format!("upload-{number}")).exists();
        (0..9).take_while(exists).count()
    };
    let mut sandbox = job(&many(300));
    sandbox.set("BUILDKITE_RETRY_COUNT", "0").write("refuse-1", "");
    upload(&sandbox).assert_code(75);
    assert_eq!(uploads(&sandbox), 2);
    sandbox.set("BUILDKITE_RETRY_COUNT", "1");
    let run = upload(&sandbox).assert_code(75);
    assert_eq!(uploads(&sandbox), 2);
    assert!(run.stderr.contains("error: nothing was uploaded: an earlier attempt of this job"));
    assert!(run.stderr.contains("help: start a new build of the commit"), "{}", run.stderr);
    // Another plan is another upload, and so is that of another step.
    sandbox.write("t.json", ONE);
    upload(&sandbox).assert_code(0);
    assert_eq!(uploads(&sandbox), 3);
    // What is complete is not uploaded again.
    let run = upload(&sandbox).assert_code(0);
    assert!(run.stderr.contains("an earlier attempt of this job uploaded all steps"));
    assert_eq!(uploads(&sandbox), 3);
    sandbox.set("BUILDKITE_STEP_ID", "other");
    upload(&sandbox).assert_code(0);
    assert_eq!(uploads(&sandbox), 4);
}

#[test]
fn without_a_record_nothing_is_uploaded() {
    let sandbox = job(ONE);
    sandbox.stub("buildkite-agent", "test \"$1\" = meta-data || touch uploaded; exit 1");
    let run = upload(&sandbox).assert_code(75);
    assert!(run.stderr.contains("error: nothing was uploaded: "), "{}", run.stderr);
    assert!(!sandbox.root().join("uploaded").exists());
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_uploads_a_thousand_crates_in_the_order_of_the_plan() {
    let mut sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"c/*\"]\nresolver = \"2\"\n");
    for number in 0..1000 {
        let manifest = format!("[package]\nname = \"c{number:04}\"\nversion = \"0.1.0\"\n");
        sandbox.write(&format!("c/c{number:04}/Cargo.toml"), manifest);
        sandbox.write(&format!("c/c{number:04}/src/lib.rs"), "");
    }
    let tests = r#"{"tests": [{"test_name": "u", "command": "c", "platform": ["x86_64", "aarch64"]},
        {"test_name": "v", "command": "{crate}"}, {"test_name": "w", "command": "w"}]}"#;
    sandbox.write("t.json", tests);
    sandbox.commit_all("Start");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let api = Api::start(&[]);
    api.run_job(&mut sandbox, "0");
    let plan = ["pipeline", "-t", "t.json", "--workspace-selective", "true"];
    let run = sandbox.xtask(&[&plan[..], &["--upload"]].concat()).assert_code(0);
    assert!(!run.stderr.contains("more than the 4000"), "{}", run.stderr);
    let printed = sandbox.xtask(&[&plan[..], &["--format", "json"]].concat()).assert_code(0);
    let (build, printed) = (api.build(), steps(&printed.stdout));
    assert_eq!((printed.len(), build.uploads.as_slice()), (4000, &[500; 8][..]));
    assert_eq!(labels(&build.steps), labels(&printed));
    assert!(build.meta_data.values().eq(["complete"].iter()));
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_reports_what_the_server_refuses_and_a_rerun_uploads_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.write("t.json", many(300));
    let api = Api::start(&[200, 422]);
    api.run_job(&mut sandbox, "0");
    let run = upload(&sandbox).assert_code(75);
    assert!(
        run.stderr.contains("error: part 1 of 2 (500 steps) was not uploaded"),
        "{}",
        run.stderr
    );
    let (_, end) = run.stderr.split_once("the agent's warnings and errors:\n").unwrap();
    assert!(end.contains("ERROR") && end.contains("422"), "{end}");
    assert_eq!(api.build().uploads, [100]);
    api.run_job(&mut sandbox, "1");
    let run = upload(&sandbox).assert_code(75);
    assert!(run.stderr.contains("help: start a new build"), "{}", run.stderr);
    assert_eq!(api.build().uploads, [100]);
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_retries_visibly_and_a_rerun_of_a_complete_upload_adds_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let api = Api::start(&[500]);
    api.run_job(&mut sandbox, "0");
    let mut child = start(&sandbox);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("WARN") && line.contains("500")));
    assert!(api.build().uploads.is_empty(), "the retry comes after five seconds");
    assert!(lines.any(|line| line == "uploaded part 1 of 1 (1 steps)"));
    assert!(child.wait().unwrap().success());
    api.run_job(&mut sandbox, "1");
    let run = upload(&sandbox).assert_code(0);
    assert!(run.stderr.contains("uploaded all steps"), "{}", run.stderr);
    assert_eq!(api.build().uploads, [1]);
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_ends_with_a_cancelled_job_and_a_rerun_uploads_nothing() {
    let mut sandbox = Sandbox::new();
    sandbox.write("t.json", ONE);
    let api = Api::start(&[0]);
    api.run_job(&mut sandbox, "0");
    let mut child = start(&sandbox);
    assert!(within(Duration::from_secs(30), || api.build().is_waiting));
    let sent = Instant::now();
    sandbox.run("kill", &["-TERM", &child.id().to_string()]).assert_code(0);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(sent.elapsed() < Duration::from_secs(30));
    // The agent holds the pipe as long as it lives.
    child.stderr.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert!(sent.elapsed() < Duration::from_secs(30), "the agent outlives us");
    api.run_job(&mut sandbox, "1");
    upload(&sandbox).assert_code(75);
    assert!(api.build().uploads.is_empty());
}

/// A workspace whose second crate changed after `origin/main`.
fn changed_workspace(file: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n");
    for member in ["a", "b"] {
        let manifest = format!("[package]\nname = \"{member}\"\nversion = \"0.1.0\"\n");
        sandbox.write(&format!("{member}/Cargo.toml"), manifest);
        sandbox.write(&format!("{member}/src/lib.rs"), "");
    }
    sandbox.write("t.json", r#"{"tests": [{"test_name": "u", "command": "c"}]}"#);
    sandbox.commit_all("Start");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    sandbox.write(file, "x");
    sandbox.commit_all("Change");
    sandbox
}

/// The labels of the steps that run after an upload by the real agent.
fn running(sandbox: &mut Sandbox, api: &Api) -> Vec<String> {
    api.run_job(sandbox, "0");
    for (name, value) in bootstrap::environment() {
        sandbox.set(&name, &value);
    }
    let selective = ["--workspace-selective", "true", "--upload"];
    sandbox.xtask(&[&["pipeline", "-t", "t.json"], &selective[..]].concat()).assert_code(0);
    let build = api.build();
    let runs = build.steps.iter().filter(|step| step.get("skip").is_none());
    runs.map(|step| step["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_keeps_the_gate_of_a_file_with_a_name_beyond_ascii() {
    for file in ["b/plain", "b/src/größe.rs"] {
        let api = Api::start(&[]);
        assert_eq!(running(&mut changed_workspace(file), &api), ["b: u"], "{file}");
        assert!(api.build().annotations.is_empty());
    }
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_runs_the_steps_of_both_crates_when_a_file_moves() {
    let mut sandbox = changed_workspace("b/plain");
    sandbox.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    sandbox.git(&["mv", "b/plain", "a/plain"]);
    sandbox.commit_all("Move");
    assert_eq!(running(&mut sandbox, &Api::start(&[])), ["a: u", "b: u"]);
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_without_a_base_turns_gates_off_and_the_build_says_so() {
    let mut sandbox = changed_workspace("b/plain");
    sandbox.git(&["update-ref", "-d", "refs/remotes/origin/main"]);
    let api = Api::start(&[]);
    assert_eq!(running(&mut sandbox, &api), ["a: u", "b: u"]);
    let build = api.build();
    let [annotation] = build.annotations.as_slice() else { panic!("{:?}", build.annotations) };
    assert_eq!(annotation["style"], "warning");
    let text = annotation["body"].as_str().unwrap();
    assert!(text.contains("not skipping any pipeline steps"), "{text}");
}

/// Texts that a YAML reader may take for something else.
const TRAPS: &str = r#"{"tests": [
    {"test_name": "no", "command": "echo $$HOME \\$A 'a: b' #c", "platform": ["x86_64"]},
    {"test_name": "1e3", "command": "~", "label": "2024-01-01", "soft_fail": [{"exit_status": 1}],
     "env": {"A": "yes", "B": "0x1F", "C": "12:30:45", "D": "", "E": " a ", "F": "|\nb"}},
    {"test_name": "größe", "command": "- a\n- b", "artifact_paths": ["*", "&a"], "priority": -1,
     "retry": {"manual": {"permit_on_passed": true, "reason": "no"}}}
]}"#;

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_reads_what_we_wrote() {
    let check = |name: &str, sandbox: &Sandbox, description: &str| {
        let print = ["pipeline", "-t", description, "--format"];
        let print = |format| sandbox.xtask(&[&print[..], &[format]].concat()).assert_code(0).stdout;
        let mut wrote = Value::from(steps(&print("json")));
        as_the_agent_reads_it(&mut wrote);
        for format in ["json", "yaml"] {
            sandbox.write("pipeline", print(format));
            let read = golden::uploaded(sandbox, &["pipeline"]);
            assert_eq!(Value::from(read), wrote, "{name} as {format}");
        }
    };
    for (name, sandbox, _) in golden::pipelines() {
        check(name, &sandbox, &golden::description(name));
    }
    let sandbox = Sandbox::new();
    sandbox.write("t.json", TRAPS);
    check("traps", &sandbox, "t.json");
}

/// With `$` unescaped and the full names of plugins.
fn as_the_agent_reads_it(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("$$", "$").replace(r"\$", "$"),
        Value::Array(items) => items.iter_mut().for_each(as_the_agent_reads_it),
        Value::Object(map) => {
            *map =
                std::mem::take(map).into_iter().map(|(key, value)| (full(&key), value)).collect();
            map.values_mut().for_each(as_the_agent_reads_it);
        }
        _ => (),
    }
}

fn full(key: &str) -> String {
    key.split_once('#').map_or_else(
        || key.to_owned(),
        |(name, version)| format!("github.com/buildkite-plugins/{name}-buildkite-plugin#{version}"),
    )
}

/// What the agent makes of a command; `None` is a refusal. It sees no variables.
const DOLLAR_FORMS: [(&str, Option<&str>); 29] = [
    ("$$A", Some("$A")),
    (r"\$A", Some("$A")),
    ("$$$$", Some("$$")),
    ("$$(x)", Some("$(x)")),
    ("$(x)", Some("$(x)")),
    ("$", Some("$")),
    ("$?", Some("$?")),
    ("$1", Some("$1")),
    ("$_A", Some("$_A")),
    ("$A.", Some(".")),
    ("${A}", Some("")),
    ("${A_1}", Some("")),
    ("${A:-x y}", Some("x y")),
    ("${A-x}", Some("x")),
    ("${A:-$${B}}", Some("${B}")),
    ("${A:0}", Some("")),
    ("${A:0:2}", Some("")),
    ("${A?unset}", None),
    ("${x%.rs}", None),
    ("${a##*/}", None),
    ("${a[0]}", None),
    ("${1}", None),
    ("${#a[@]}", None),
    ("${a:=b}", None),
    ("${a:+x}", None),
    ("${_A}", None),
    ("${!A}", None),
    ("${a.b}", None),
    ("${a/b/c}", None),
];

#[test]
fn what_the_agent_would_refuse_is_refused_before_the_upload() {
    let sandbox = Sandbox::new();
    for (form, want) in DOLLAR_FORMS {
        let test = serde_json::json!({"test_name": "a", "command": format!("c {form};")});
        sandbox.write("t.json", serde_json::json!({"tests": [test]}).to_string());
        let run = sandbox.xtask(&["pipeline", "-t", "t.json"]);
        // Whether a variable is set is not known before the upload.
        let is_taken = want.is_some() || form == "${A?unset}";
        assert_eq!(run.code, Some(if is_taken { 0 } else { 2 }), "{form}: {}", run.stderr);
    }
}

#[test]
#[ignore = "needs `buildkite-agent`: go install github.com/buildkite/agent/v3@latest"]
fn agent_takes_and_refuses_the_dollar_forms_of_the_table() {
    let sandbox = Sandbox::new();
    for (form, want) in DOLLAR_FORMS {
        let pipeline = serde_json::json!({"steps": [{"command": format!("c {form};")}]});
        sandbox.write("p.json", pipeline.to_string());
        let dry_run = ["pipeline", "upload", "--dry-run", "--agent-access-token", "none", "p.json"];
        let run = sandbox.run("buildkite-agent", &dry_run);
        let got = (run.code == Some(0)).then(|| {
            let command = steps(&run.stdout)[0]["command"].as_str().unwrap().to_owned();
            command["c ".len()..command.len() - 1].to_owned()
        });
        assert_eq!(got.as_deref(), want, "{form}: {}", run.stderr);
    }
}

fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_xtask"));
    command.args(["pipeline", "-t", "t.json", "--upload"]).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn within(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    condition()
}
