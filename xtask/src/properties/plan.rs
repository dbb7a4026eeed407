//! A model beside the code says what each step has to be: one test, one platform and one crate at a
//! time, without plan, rows, merges and placeholders.

use serde_json::{Map, Value, json};

use crate::cli::pipeline::Format;
use crate::pipeline::render::Pipeline;
use crate::plan::Plan;
use crate::plan::description::TestDescription;
use crate::plan::inputs::{Environment, Inputs, Settings};
use crate::plan::platform::Platform;
use crate::plan::workspace::{Crate, Workspace};
use crate::properties::arbitrary::{Random, check};
use crate::properties::{SETTINGS, any_name, any_object, written};
use crate::text::diagnostic::{Diagnostics, Source};

/// A piece of a command.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    TargetPlatform,
    Crate,
    CratePath,
    Xtask,
}

/// A test, and what the variables say about its name.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct TestModel {
    name: String,
    parts: Vec<Part>,
    platforms: Vec<Platform>,
    is_for_workspace: bool,
    timeout_minutes: Option<u64>,
    forwarded: Map<String, Value>,
    is_skipped: bool,
    variable_minutes: Option<u64>,
    has_docker_config: bool,
    has_x86_64_tags: bool,
}

#[derive(Clone, Debug)]
struct CrateModel {
    name: String,
    path: String,
    platforms: Vec<Platform>,
    tests: Vec<TestModel>,
}

/// A consumer and its environment.
#[derive(Clone, Debug)]
struct World {
    tests: Vec<TestModel>,
    crates: Option<Vec<CrateModel>>,
    platforms: Vec<Platform>,
    docker_config: Map<String, Value>,
    x86_64_tags: Map<String, Value>,
    xtask: String,
}

fn any_part(random: &mut Random) -> Part {
    if random.flag() {
        return Part::Text(any_name(random));
    }
    random.pick(&[Part::TargetPlatform, Part::Crate, Part::CratePath, Part::Xtask])
}

fn any_minutes(random: &mut Random) -> u64 {
    1 + random.bits() % 999
}

fn any_test(random: &mut Random) -> TestModel {
    let platforms = random.some_of(&Platform::ALL);
    TestModel {
        name: any_name(random),
        parts: any_parts(&platforms, random),
        is_for_workspace: random.flag(),
        timeout_minutes: random.flag().then(|| any_minutes(random)),
        forwarded: any_object(random),
        is_skipped: random.once_in(10),
        variable_minutes: random.once_in(5).then(|| any_minutes(random)),
        has_docker_config: random.flag(),
        has_x86_64_tags: random.flag(),
        platforms,
    }
}

/// A command that these platforms take: the alias works neither after `cd` nor in an emulated guest.
fn any_parts(platforms: &[Platform], random: &mut Random) -> Vec<Part> {
    let mut parts = random.list(1..5, any_part);
    // Text may open quotes, in which a value that needs quotes cannot stand.
    parts.sort_by_key(|part| matches!(part, Part::Text(_)));
    let rest = parts.split_off(1);
    if parts[0] == Part::Xtask && platforms.contains(&Platform::Riscv64) {
        parts[0] = Part::Text("x".to_owned());
    }
    parts.extend(rest.into_iter().filter(|part| *part != Part::Xtask));
    if platforms.is_empty() {
        parts.retain(|part| *part != Part::TargetPlatform);
    }
    parts.push(Part::Text(";".to_owned()));
    parts
}

fn any_crate(random: &mut Random) -> CrateModel {
    // A value is never searched for placeholders again.
    let name = if random.flag() { "{crate_path}".to_owned() } else { any_name(random) };
    CrateModel {
        name,
        path: random.pick(&["a", "crates/b", "a b/é", "it's", "$c/#d"]).to_owned(),
        platforms: random.some_of(&Platform::ALL),
        tests: random.list(0..2, any_test),
    }
}

fn any_world(random: &mut Random) -> World {
    let mut tests = random.list(0..5, any_test);
    let crates = random.flag().then(|| random.list(0..3, any_crate));
    for test in &mut tests {
        if crates.is_none() || test.is_for_workspace {
            test.parts.retain(|part| !matches!(part, Part::Crate | Part::CratePath));
        }
    }
    World {
        tests,
        crates,
        platforms: random.some_of(&Platform::ALL),
        docker_config: any_object(random),
        x86_64_tags: any_object(random),
        xtask: random.pick(&["cargo xtask", "cargo ci-xtask"]).to_owned(),
    }
}

impl TestModel {
    fn command(&self, value: impl Fn(&Part) -> String) -> String {
        self.parts.iter().map(value).collect()
    }

    fn to_json(&self) -> Value {
        let command = self.command(|part| match part {
            Part::Text(text) => text.clone(),
            Part::TargetPlatform => "{target_platform}".to_owned(),
            Part::Crate => "{crate}".to_owned(),
            Part::CratePath => "{crate_path}".to_owned(),
            Part::Xtask => "{xtask}".to_owned(),
        });
        let platforms: Vec<&str> = self.platforms.iter().map(|platform| platform.name()).collect();
        let mut json = json!({
            "test_name": self.name,
            "command": command,
            "platform": platforms,
            "scope": if self.is_for_workspace { "workspace" } else { "crate" },
            "timeout_in_minutes": self.timeout_minutes,
        });
        json.as_object_mut().unwrap().extend(self.forwarded.clone());
        json
    }
}

fn description(name: &str, tests: &[TestModel], found: &Diagnostics) -> TestDescription {
    let tests: Vec<Value> = tests.iter().map(TestModel::to_json).collect();
    TestDescription::parse(Source::new(name, json!({"tests": tests}).to_string()), found)
}

impl World {
    fn all_tests(&self) -> impl Iterator<Item = &TestModel> {
        let own = self.crates.iter().flatten().flat_map(|member| &member.tests);
        self.tests.iter().chain(own)
    }

    /// The names of the tests for which something is so.
    fn names(&self, holds: impl Fn(&TestModel) -> bool) -> Vec<&str> {
        self.all_tests().filter(|test| holds(test)).map(|test| test.name.as_str()).collect()
    }

    fn minutes_by_name(&self) -> Map<String, Value> {
        let pair = |test: &TestModel| Some((test.name.clone(), test.variable_minutes?.into()));
        self.all_tests().filter_map(pair).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        let docker = self.names(|test| test.has_docker_config);
        let x86_64 = self.names(|test| test.has_x86_64_tags);
        let value = match name {
            "TESTS_TO_SKIP" => json!(self.names(|test| test.is_skipped)),
            "TIMEOUTS_MIN" => self.minutes_by_name().into(),
            "DOCKER_PLUGIN_CONFIG" => json!({"tests": docker, "cfg": self.docker_config}),
            "X86_LINUX_AGENT_TAGS" => json!({"tests": x86_64, "cfg": self.x86_64_tags}),
            _ => return None,
        };
        Some(value.to_string())
    }

    /// What the command reads from files and variables for this world.
    fn inputs(&self) -> Inputs {
        let found = Diagnostics::default();
        let workspace = self.crates.as_ref().map(|crates| {
            let members = crates.iter().map(|member| Crate {
                name: member.name.clone(),
                path: member.path.clone(),
                platforms: member.platforms.clone(),
                own_description: Some(Box::new(description(&member.path, &member.tests, &found))),
                ..Crate::default()
            });
            let crates = members.collect();
            Workspace { crates, checkout: "ci".to_owned(), with_dependents: false }
        });
        let inputs = Inputs {
            settings: Settings::parse(&Source::new("p.json", SETTINGS), &found),
            environment: Environment::from_lookup(|name| self.variable(name), &[], &found),
            platforms: self.platforms.clone(),
            shared: vec![description("t.json", &self.tests, &found)],
            workspace,
        };
        assert!(!found.has_errors(), "{found:?}");
        inputs
    }

    /// The steps that the world asks for, one after another.
    fn steps(&self) -> Vec<Value> {
        let mut steps = Vec::new();
        for test in &self.tests {
            match &self.crates {
                Some(crates) if !test.is_for_workspace => {
                    for member in crates {
                        self.add(test, Some((member, true)), &mut steps);
                    }
                }
                _ => self.add(test, None, &mut steps),
            }
        }
        for member in self.crates.iter().flatten() {
            for test in &member.tests {
                self.add(test, Some((member, false)), &mut steps);
            }
        }
        steps
    }

    fn add(&self, test: &TestModel, member: Option<(&CrateModel, bool)>, steps: &mut Vec<Value>) {
        if self.names(|test| test.is_skipped).contains(&test.name.as_str()) {
            return;
        }
        if test.platforms.is_empty() {
            steps.push(self.step(test, member, None));
        }
        let allowed = member.map_or(&self.platforms, |(member, _)| &member.platforms);
        for platform in test.platforms.iter().filter(|platform| allowed.contains(platform)) {
            steps.push(self.step(test, member, Some(*platform)));
        }
    }

    fn step(
        &self,
        test: &TestModel,
        member: Option<(&CrateModel, bool)>,
        platform: Option<Platform>,
    ) -> Value {
        let settings: Value = serde_json::from_str(SETTINGS).unwrap();
        let name = test.name.as_str();
        let prefix = member.map_or(String::new(), |(member, _)| format!("{}: ", member.name));
        let suffix = platform.map_or(String::new(), |platform| format!("-{platform}"));
        let own_minutes = test.timeout_minutes.map(Value::from);
        let minutes = self.minutes_by_name().get(name).cloned().or(own_minutes);
        let mut step = json!({
            "label": format!("{prefix}{name}{suffix}"),
            "command": self.command(test, member, platform),
            "retry": settings["retry"],
            "agents": self.agents(name, platform),
            "plugins": [{ settings["docker_plugin"].as_str().unwrap(): self.docker(name, platform) }],
            "timeout_in_minutes": minutes.unwrap_or(settings["timeout_in_minutes"].clone()),
        });
        let keys = step.as_object_mut().unwrap();
        keys.extend(test.forwarded.clone());
        if let Some((CrateModel { path, .. }, is_shared)) = member {
            let mut gate = vec![format!("{}/**", path.replace('$', "$$"))];
            if is_shared {
                let common = ["Cargo.toml", ".buildkite/**", "ci/**", "ci"];
                gate.extend(common.map(str::to_owned));
                gate.extend(["Cargo.lock", ".cargo/**", "rust-toolchain*"].map(str::to_owned));
                gate.extend(["clippy.toml", ".clippy.toml"].map(str::to_owned));
                gate.extend(["rustfmt.toml", ".rustfmt.toml"].map(str::to_owned));
            }
            keys.insert("if_changed".to_owned(), gate.into());
        }
        step
    }

    fn command(
        &self,
        test: &TestModel,
        member: Option<(&CrateModel, bool)>,
        platform: Option<Platform>,
    ) -> String {
        let command = test.command(|part| match part {
            Part::Text(words) => words.clone(),
            Part::TargetPlatform => platform.unwrap().name().to_owned(),
            Part::Crate => word(&member.unwrap().0.name),
            Part::CratePath => word(&member.unwrap().0.path),
            Part::Xtask => self.xtask.clone(),
        });
        match platform {
            Some(Platform::Riscv64) => format!("'{}'", command.replace('\'', r"'\''")),
            _ => command,
        }
    }

    fn agents(&self, name: &str, platform: Option<Platform>) -> Value {
        let has_tags = self.names(|test| test.has_x86_64_tags).contains(&name);
        match platform {
            Some(Platform::X86_64) if has_tags => self.x86_64_tags.clone().into(),
            Some(Platform::X86_64) => {
                json!({"os": "linux", "platform": "x86_64.metal", "hypervisor": "kvm"})
            }
            Some(Platform::Aarch64) => {
                json!({"os": "linux", "platform": "arm.metal", "hypervisor": "kvm"})
            }
            Some(Platform::Riscv64) => json!({"os": "linux", "platform": "x86_64.metal"}),
            None => json!({"os": "linux", "hypervisor": "kvm"}),
        }
    }

    fn docker(&self, name: &str, platform: Option<Platform>) -> Value {
        let settings: Value = serde_json::from_str(SETTINGS).unwrap();
        let suffix = if platform == Some(Platform::Riscv64) { "-riscv" } else { "" };
        let [image, tag] = ["image", "image_tag"].map(|key| settings[key].as_str().unwrap());
        let mut docker =
            Map::from_iter([("image".to_owned(), Value::from(format!("{image}:{tag}{suffix}")))]);
        docker.extend(settings["docker_plugin_config"].as_object().unwrap().clone());
        if self.names(|test| test.has_docker_config).contains(&name) {
            docker.extend(self.docker_config.clone());
        }
        docker.into()
    }
}

/// A value in a command: quoted if it needs to be, and with dollars for Buildkite.
fn word(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\'', r"'\''").replace('$', "$$").replace(r"\$$", r"\''$$");
    format!("'{escaped}'")
}

/// Compared as text: the pipeline is written in parts, and has to be as the serializer of the
/// format writes the whole, with its keys in order.
#[test]
fn yaml_and_json_have_the_steps_that_were_asked_for_and_no_other_word() {
    check(500, |random| {
        let world = any_world(random);
        let inputs = world.inputs();
        let found = Diagnostics::default();
        let plan = Plan::build(&inputs, &found);
        assert!(!found.has_errors(), "{found:?}");
        let pipeline = Pipeline { steps: &plan.steps, xtask: &world.xtask };
        let wanted = json!({"steps": world.steps()});
        assert_eq!(written(&pipeline, Format::Yaml), Format::Yaml.text(&wanted).unwrap());
        let json = Format::Json.text(&wanted).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), wanted);
        assert_eq!(written(&pipeline, Format::Json), format!("{json}\n"));
    });
}
