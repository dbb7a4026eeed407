//! A small fake of the part of Buildkite's API that an upload needs, on the loopback interface.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Sandbox;

pub(crate) const JOB: &str = "job-1";

/// A build with one job, whose steps are what the job uploaded.
#[derive(Debug, Default)]
pub(crate) struct Build {
    /// As the build shows them: an upload goes before those of the same step that came earlier.
    pub(crate) steps: Vec<Value>,
    /// The number of steps of each upload that was accepted.
    pub(crate) uploads: Vec<usize>,
    pub(crate) annotations: Vec<Value>,
    pub(crate) meta_data: BTreeMap<String, Value>,
    /// Answers to the next uploads in place of acceptance. 0 is none at all.
    pub(crate) refusals: Vec<u16>,
    /// Whether an upload was begun that is not answered.
    pub(crate) is_waiting: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Api {
    endpoint: String,
    build: Arc<Mutex<Build>>,
}

impl Api {
    pub(crate) fn start(refusals: &[u16]) -> Api {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}/v3", listener.local_addr().unwrap());
        let build = Build { refusals: refusals.to_vec(), ..Build::default() };
        let api = Api { endpoint, build: Arc::new(Mutex::new(build)) };
        let server = api.clone();
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let server = server.clone();
                thread::spawn(move || server.answer(stream.unwrap()));
            }
        });
        api
    }

    pub(crate) fn build(&self) -> MutexGuard<'_, Build> {
        self.build.lock().unwrap()
    }

    /// Makes what runs in the sandbox the job of the build.
    pub(crate) fn run_job(&self, sandbox: &mut Sandbox, attempt: &str) {
        sandbox
            .set("BUILDKITE", "true")
            .set("BUILDKITE_AGENT_ENDPOINT", &self.endpoint)
            .set("BUILDKITE_AGENT_ACCESS_TOKEN", "no-secret-here")
            .set("BUILDKITE_NO_HTTP2", "true")
            .set("BUILDKITE_JOB_ID", JOB)
            .set("BUILDKITE_STEP_ID", "step-1")
            .set("BUILDKITE_RETRY_COUNT", attempt);
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let length = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let path = head[0].split(' ').nth(1).unwrap();
        let (status, more, answer) = self.decide(path, &body);
        if status == 0 {
            // Until the agent gives up.
            thread::sleep(Duration::from_secs(60));
            return;
        }
        let answer = answer.to_string();
        let length = answer.len();
        let text = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{more}\r\n{answer}"
        );
        // An agent that was killed is gone.
        _ = reader.get_mut().write_all(text.as_bytes());
    }

    /// Status, more headers and the answer.
    fn decide(&self, path: &str, body: &Value) -> (u16, String, Value) {
        let mut build = self.build();
        let rest = path.strip_prefix(&format!("/v3/jobs/{JOB}/")).unwrap();
        let key = body["key"].as_str().unwrap_or_default();
        match rest {
            "pipelines?async=true" => {
                if !build.refusals.is_empty() {
                    let status = build.refusals.remove(0);
                    build.is_waiting = status == 0;
                    if status != 200 {
                        return (status, String::new(), json!({"message": "the fake says no"}));
                    }
                }
                let steps = body["pipeline"]["steps"].as_array().unwrap().clone();
                build.uploads.push(steps.len());
                build.steps.splice(0..0, steps);
                let uuid = body["uuid"].as_str().unwrap();
                let location = format!("Location: {}/jobs/{JOB}/pipelines/{uuid}", self.endpoint);
                (202, format!("{location}\r\nRetry-After: 0\r\n"), json!({}))
            }
            "data/set" => {
                build.meta_data.insert(key.to_owned(), body["value"].clone());
                (200, String::new(), json!({}))
            }
            "data/get" => match build.meta_data.get(key) {
                Some(value) => (200, String::new(), json!({"key": key, "value": value})),
                None => (404, String::new(), json!({"message": "no such key"})),
            },
            "annotations" => {
                build.annotations.push(body.clone());
                (200, String::new(), json!({}))
            }
            _ if rest.starts_with("pipelines/") => {
                (200, String::new(), json!({"state": "applied", "message": ""}))
            }
            _ => (404, String::new(), json!({"message": path})),
        }
    }
}
