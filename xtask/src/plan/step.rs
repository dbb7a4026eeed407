//! Pure. One step as Buildkite gets it.
//!
//! Where each crate has steps of its own, a shipped test tests its crate alone, so that the sum of the
//! steps is the work of one run of the whole workspace. The description has one line for each test,
//! which is for a whole workspace.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::plan::buildkite;
use crate::plan::description::{Test, TestDescription};
use crate::plan::inputs::Inputs;
use crate::plan::placeholder::{self, Values};
use crate::plan::platform::Platform;
use crate::plan::workspace::{Chunk, Crate};
use crate::text::diagnostic::{Diagnostic, Severity};
use crate::text::shell as shell_text;

/// A test on a platform, with all that decides what the step looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) inputs: &'a Inputs,
    pub(crate) description: &'a TestDescription,
    pub(crate) test: &'a Test,
    pub(crate) platform: Option<Platform>,
    /// Index of the crate that the step is for. A plan may have a hundred thousand steps, so it is
    /// not wider than it has to be.
    pub(crate) member: Option<u32>,
    /// Whether the test is one of the crate's own description.
    pub(crate) is_own: bool,
}

impl<'a> Step<'a> {
    pub(crate) fn label(&self) -> String {
        if let Some(label) = &self.test.label {
            return label.clone();
        }
        let prefix = self.member().map(|member| format!("{}: ", member.name)).unwrap_or_default();
        let suffix = self.platform.map(|platform| format!("-{platform}")).unwrap_or_default();
        format!("{prefix}{}{suffix}", self.test.name)
    }

    /// A finding about the test, which stands at `offset` unless the overrides change the test.
    pub(crate) fn finding(&self, severity: Severity, offset: usize, message: String) -> Diagnostic {
        match (&self.description.overrides, self.test.patch_offset) {
            (Some(source), Some(offset)) => source.finding(severity, offset, message),
            _ => self.description.source.finding(severity, offset, message),
        }
    }

    /// What a change has to touch for the step to run; `None` if nothing is asked. A test's own
    /// gate wins.
    pub(crate) fn gate(&self) -> Option<Value> {
        if self.test.has_own_gate {
            return self.test.forwarded.get("if_changed").cloned();
        }
        let workspace = self.inputs.workspace.as_ref()?;
        let member = self.member_index()?;
        let gate =
            if self.is_own { workspace.own_gate(member) } else { workspace.shared_gate(member) };
        Some(gate.into())
    }

    pub(crate) fn member(&self) -> Option<&'a Crate> {
        Some(&self.inputs.workspace.as_ref()?.crates[self.member_index()?])
    }

    pub(crate) fn member_index(&self) -> Option<usize> {
        self.member.map(|index| index as usize)
    }

    pub(crate) fn timeout_minutes(&self) -> u64 {
        let Step { inputs, description, test, .. } = self;
        let variable = inputs.environment.timeouts_minutes.get(&test.name).copied();
        let own = test.timeout_minutes.or(description.timeout_minutes);
        variable.or(own).unwrap_or(inputs.settings.timeout_minutes)
    }

    /// The test's command with its placeholders filled.
    pub(crate) fn filled_command(&self, xtask: &str) -> String {
        let values = Values { is_uploaded: true, ..self.placeholders(xtask) };
        placeholder::fill(&self.command(), &values)
    }

    /// The test's command with its placeholders. Where each crate has steps of its own, that of a
    /// shipped test is for the crate alone.
    pub(crate) fn command(&self) -> Cow<'a, str> {
        let command = self.test.command.as_str();
        let alone = || {
            let workspace =
                self.inputs.workspace.as_ref().filter(|_| self.description.is_shipped)?;
            for_crate(command, workspace.chunk(self.member_index()?))
        };
        alone().map_or(command.into(), Cow::from)
    }

    /// What the placeholders of the command stand for.
    pub(crate) fn placeholders<'v>(&self, xtask: &'v str) -> Values<'v>
    where
        'a: 'v,
    {
        let own_path = self.test.crate_path.as_deref();
        Values {
            target_platform: self.platform.map(Platform::name),
            crate_name: self.member().map(|member| &*member.name),
            crate_path: own_path.or(self.member().map(|member| &*member.path)),
            xtask,
            is_uploaded: false,
        }
    }

    /// The settings of the docker plugin.
    pub(crate) fn docker_plugin(&self) -> Map<String, Value> {
        let settings = &self.inputs.settings;
        let mut docker = Map::new();
        docker.insert("image".to_owned(), settings.image_for(self.platform).into());
        docker.extend(settings.docker_plugin_config.clone());
        docker.extend(self.test.docker_plugin.clone());
        if let Some(cfg) = self.inputs.environment.docker_plugin.get(&self.test.name) {
            docker.extend(cfg.clone());
        }
        // The environment does not reach an emulated guest.
        if !self.platform.is_some_and(Platform::is_emulated) {
            buildkite::pass_on_env(self.test.forwarded.get("env"), &mut docker);
        }
        docker
    }

    /// What lies between the command and the computed gate: the same for all crates, unless its keys
    /// name them.
    pub(crate) fn body(&self) -> Map<String, Value> {
        let test = self.test;
        let mut body = Map::new();
        let retry = test.retry.as_ref().unwrap_or(&self.inputs.settings.retry);
        body.insert("retry".to_owned(), retry.clone().into());
        body.insert("agents".to_owned(), Value::Object(self.agents()));
        body.insert("plugins".to_owned(), Value::Array(self.plugins()));
        body.insert("timeout_in_minutes".to_owned(), self.timeout_minutes().into());
        if let Some(condition) = &test.conditional {
            body.insert("if".to_owned(), condition.as_str().into());
        }
        body.extend(test.forwarded.clone());
        buildkite::fill_references(&mut body, &self.placeholders(""));
        body
    }

    /// Whether the body differs between crates.
    pub(crate) fn body_names_crate(&self) -> bool {
        const NAMES: [&str; 2] = [placeholder::CRATE, placeholder::CRATE_PATH];
        let names = |text: &str| NAMES.iter().any(|name| placeholder::occurs(text, name));
        buildkite::reference_texts(&self.test.forwarded).any(names)
    }

    /// A riscv64 command is one argument of the image's entry point, which parses it once more in
    /// the guest: quoted as a POSIX word, it arrives as it was written.
    pub(crate) fn uploaded_command(&self, xtask: &str) -> String {
        let command = self.filled_command(xtask);
        match self.platform {
            Some(platform) if platform.is_emulated() => shell_text::quote_always(&command),
            _ => command,
        }
    }

    fn agents(&self) -> Map<String, Value> {
        if let Some(tags) = self.inputs.environment.agents(&self.test.name, self.platform) {
            return tags.clone();
        }
        let mut agents = self.inputs.settings.agents.clone();
        if let Some(platform) = self.platform {
            let tag = &self.inputs.settings.agent_platform[platform as usize];
            agents.insert("platform".to_owned(), tag.as_deref().into());
        }
        // An emulated guest has no hypervisor of the host's to ask for.
        if !self.platform.is_some_and(Platform::is_emulated) {
            let hypervisor = self.test.hypervisor.or(self.inputs.environment.hypervisor);
            agents.insert("hypervisor".to_owned(), hypervisor.unwrap_or("kvm").into());
        }
        if let Some(queue) = &self.test.queue {
            agents.insert("queue".to_owned(), queue.as_str().into());
        }
        agents.extend(self.test.agents.clone());
        agents
    }

    fn plugins(&self) -> Vec<Value> {
        let name = self.inputs.settings.docker_plugin.as_str();
        let docker = json!({ name: self.docker_plugin() });
        std::iter::once(docker).chain(self.test.plugins.iter().cloned()).collect()
    }
}

const ALL_FEATURES: &str = "cargo all-features ";

/// The command of a shipped test for one crate, with placeholders; `None` if it does not select
/// packages. `root` is given for a package at the root.
///
/// cargo-all-features has no `--package`: it takes the package of its directory, and at the root of
/// a workspace every member, of which there a chunk can be chosen.
fn for_crate(command: &str, root: Option<Chunk>) -> Option<String> {
    let (line, arguments) = match command.split_once(" -- ") {
        Some((line, arguments)) => (line, format!(" -- {arguments}")),
        None => (command, String::new()),
    };
    let by_package = (!line.contains(ALL_FEATURES)).then_some("--package {crate}");
    if by_package.is_some() && !line.contains(" --workspace") {
        return None;
    }
    let words = select(line, by_package).0.join(" ");
    let alone = match (words.split_once(ALL_FEATURES), root) {
        (None, _) | (_, Some(Chunk { of: 1, .. })) => words,
        (Some((before, after)), Some(Chunk { number, of })) => {
            format!("{before}{ALL_FEATURES}--n-chunks {of} --chunk {number} {after}")
        }
        (Some(_), None) => format!("cd {{crate_path}} && {words}"),
    };
    Some(alone + &arguments)
}

/// Whether a shipped test has something to test in a crate.
pub(crate) fn tests_crate(command: &str, member: &Crate) -> bool {
    let is_skipped = member.skips_all_features && command.contains(ALL_FEATURES);
    let is_excluded =
        || command.contains("--exclude") && select(command, None).1.contains(&member.name.as_str());
    !is_skipped && !is_excluded()
}

/// The words of a command with `selection` in place of `--workspace`, and the packages that it
/// excludes.
fn select<'c>(command: &'c str, selection: Option<&'c str>) -> (Vec<&'c str>, Vec<&'c str>) {
    let (mut kept, mut excluded) = (Vec::new(), Vec::new());
    let mut words = command.split(' ');
    while let Some(word) = words.next() {
        match word {
            "--workspace" => kept.extend(selection),
            "--exclude" => excluded.extend(words.next()),
            _ => match word.strip_prefix("--exclude=") {
                Some(name) => excluded.push(name),
                None => kept.push(word),
            },
        }
    }
    (kept, excluded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::plan::inputs::tests::inputs;
    use crate::text::diagnostic::Diagnostics;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(test: &str, platform: Platform, variables: &[(&str, &str)], want: &Expect) {
        let inputs = inputs(&format!(r#"{{"tests": [{test}]}}"#), &[platform], variables);
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let step = plan.steps[0];
        let label = format!("label: {}", json!(step.label()));
        let command = format!("command: {}", json!(step.uploaded_command("cargo xtask")));
        let body = step.body();
        let lines: Vec<String> = [label, command]
            .into_iter()
            .chain(body.iter().map(|(key, value)| format!("{key}: {value}")))
            .collect();
        want.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn placeholders_of_keys_and_dependencies_are_filled() {
        check(
            r#"{"test_name": "k", "command": "c", "platform": ["x86_64"], "key": "k-{target_platform}",
                "depends_on": ["a-{target_platform}", {"step": "{target_platform}"}]}"#,
            Platform::X86_64,
            &[],
            &expect![[r#"
                label: "k-x86_64"
                command: "c"
                retry: {"automatic":false}
                agents: {"os":"linux","platform":"x86_64.metal","hypervisor":"kvm"}
                plugins: [{"docker#v5.3.0":{"image":"rustvmm/dev:g8b11be7","always-pull":true}}]
                timeout_in_minutes: 5
                key: "k-x86_64"
                depends_on: ["a-x86_64",{"step":"x86_64"}]"#]],
        );
        check(
            r#"{"test_name": "k", "command": "c", "id": "{x}", "depends_on": "{target_platform}",
                "platform": ["x86_64"]}"#,
            Platform::X86_64,
            &[],
            &expect![[r#"
                label: "k-x86_64"
                command: "c"
                retry: {"automatic":false}
                agents: {"os":"linux","platform":"x86_64.metal","hypervisor":"kvm"}
                plugins: [{"docker#v5.3.0":{"image":"rustvmm/dev:g8b11be7","always-pull":true}}]
                timeout_in_minutes: 5
                id: "{x}"
                depends_on: "x86_64""#]],
        );
    }

    #[test]
    fn a_step_has_its_keys_in_order() {
        check(
            r#"{"soft_fail": "true", "test_name": "k", "command": "{xtask} x {target_platform}", "platform": ["aarch64"],
                "hypervisor": "mshv", "queue": "q", "conditional": "build.branch == 'main'",
                "docker_plugin": {"image": "other:1", "privileged": true}, "env": {"A": "1"}}"#,
            Platform::Aarch64,
            &[("TIMEOUTS_MIN", r#"{"k": 61}"#)],
            &expect![[r#"
                label: "k-aarch64"
                command: "cargo xtask x aarch64"
                retry: {"automatic":false}
                agents: {"os":"linux","platform":"arm.metal","hypervisor":"mshv","queue":"q"}
                plugins: [{"docker#v5.3.0":{"image":"other:1","always-pull":true,"privileged":true,"environment":["A"]}}]
                timeout_in_minutes: 61
                if: "build.branch == 'main'"
                soft_fail: "true"
                env: {"A":"1"}"#]],
        );
    }

    #[test]
    fn a_riscv64_step_is_quoted_for_the_guest_and_runs_on_x86_64_machines() {
        check(
            r#"{"test_name": "r", "command": "printf 'é' \"$$X\"", "platform": ["riscv64"], "hypervisor": "mshv"}"#,
            Platform::Riscv64,
            &[("X86_LINUX_AGENT_TAGS", r#"{"tests": ["r"], "cfg": {}}"#)],
            &expect![[r#"
                label: "r-riscv64"
                command: "'printf '\\''é'\\'' \"$$X\"'"
                retry: {"automatic":false}
                agents: {"os":"linux","platform":"x86_64.metal"}
                plugins: [{"docker#v5.3.0":{"image":"rustvmm/dev:g8b11be7-riscv","always-pull":true}}]
                timeout_in_minutes: 5"#]],
        );
    }

    #[test]
    fn a_tests_own_label_retry_agents_and_plugins_have_their_say() {
        check(
            r#"{"test_name": "r", "command": "c", "platform": ["x86_64"], "label": ":crab: r",
                "retry": {"automatic": [{"exit_status": -1, "limit": 2}]}, "agents": {"queue": "gpu", "os": "bsd"},
                "plugins": {"cache#v1": null}}"#,
            Platform::X86_64,
            &[],
            &expect![[r#"
                label: ":crab: r"
                command: "c"
                retry: {"automatic":[{"exit_status":-1,"limit":2}]}
                agents: {"os":"bsd","platform":"x86_64.metal","hypervisor":"kvm","queue":"gpu"}
                plugins: [{"docker#v5.3.0":{"image":"rustvmm/dev:g8b11be7","always-pull":true}},{"cache#v1":null}]
                timeout_in_minutes: 5"#]],
        );
    }

    #[test]
    fn every_step_has_the_retry_of_the_settings_unless_its_test_has_one() {
        let tests = r#"{"tests": [{"test_name": "a", "command": "{xtask} audit"},
            {"test_name": "b", "command": "c", "retry": {"manual": false}}]}"#;
        let mut inputs = inputs(tests, &[Platform::X86_64], &[]);
        let unavailable = json!({"automatic": [{"exit_status": 75, "limit": 2}]});
        inputs.settings.retry = unavailable.as_object().unwrap().clone();
        let plan = Plan::build(&inputs, &Diagnostics::default());
        let retries: Vec<Value> =
            plan.steps.iter().map(|step| step.body()["retry"].clone()).collect();
        assert_eq!(retries, [unavailable, json!({"manual": false})]);
    }

    #[test]
    fn variables_merge_into_the_docker_plugin_and_replace_agent_tags() {
        check(
            r#"{"test_name": "cov", "command": "c", "platform": ["x86_64"], "agents": {"queue": "own"},
                "docker_plugin": {"privileged": true}}"#,
            Platform::X86_64,
            &[
                (
                    "DOCKER_PLUGIN_CONFIG",
                    r#"{"tests": ["cov"], "cfg": {"devices": ["/dev/x"], "privileged": false}}"#,
                ),
                ("X86_LINUX_AGENT_TAGS", r#"{"tests": ["cov"], "cfg": {"vdpa": "yes"}}"#),
                ("DEFAULT_AGENT_TAG_HYPERVISOR", "mshv"),
            ],
            &expect![[r#"
                label: "cov-x86_64"
                command: "c"
                retry: {"automatic":false}
                agents: {"vdpa":"yes"}
                plugins: [{"docker#v5.3.0":{"image":"rustvmm/dev:g8b11be7","always-pull":true,"privileged":false,"devices":["/dev/x"]}}]
                timeout_in_minutes: 5"#]],
        );
    }

    const CHUNK: Option<Chunk> = Some(Chunk { number: 2, of: 3 });

    #[test]
    fn each_shipped_command_is_for_one_crate() {
        let shipped = include_str!("../../../ci-template/test_description.json");
        let shipped: Value = serde_json::from_str(shipped).unwrap();
        let mut lines = Vec::new();
        for test in shipped["tests"].as_array().unwrap() {
            if test["scope"] == "workspace" {
                continue;
            }
            let command = test["command"].as_str().unwrap();
            lines.push(for_crate(command, None).unwrap());
            lines.push(for_crate(command, CHUNK).unwrap());
        }
        expect![[r#"
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 build --release --all-targets
            RUSTFLAGS="-D warnings" cargo build --release --package {crate} --all-targets --all-features
            RUSTFLAGS="-D warnings" cargo build --release --package {crate} --all-targets --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features build --release --all-targets --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 build --release --all-targets --target {target_platform}-unknown-linux-musl
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test
            RUSTFLAGS="-D warnings" cargo test --package {crate} --all-features
            RUSTFLAGS="-D warnings" cargo test --package {crate} --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --target {target_platform}-unknown-linux-musl
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --release
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --release
            RUSTFLAGS="-D warnings" cargo test --release --package {crate} --all-features
            RUSTFLAGS="-D warnings" cargo test --release --package {crate} --all-features
            cd {crate_path} && RUSTFLAGS="-D warnings" cargo all-features test --release --target {target_platform}-unknown-linux-musl
            RUSTFLAGS="-D warnings" cargo all-features --n-chunks 3 --chunk 2 test --release --target {target_platform}-unknown-linux-musl
            cd {crate_path} && cargo all-features clippy --all-targets -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo all-features --n-chunks 3 --chunk 2 clippy --all-targets -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo clippy --package {crate} --all-targets --all-features -- -D warnings -D clippy::undocumented_unsafe_blocks
            cargo clippy --package {crate} --all-targets --all-features -- -D warnings -D clippy::undocumented_unsafe_blocks"#]].assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_single_crate_and_other_commands_stay() {
        let single = Some(Chunk { number: 1, of: 1 });
        let command = "A=b cargo all-features test -- --nocapture";
        assert_eq!(for_crate(command, single).as_deref(), Some(command));
        assert_eq!(for_crate("cargo test -- --workspace", None), None);
        assert_eq!(for_crate("make", None), None);
    }

    #[test]
    fn what_a_consumer_excludes_is_not_tested_and_not_named() {
        let command = "cargo all-features test --workspace --exclude gpu --exclude=media -- -q";
        assert_eq!(
            for_crate(command, None).unwrap(),
            "cd {crate_path} && cargo all-features test -- -q"
        );
        let member =
            |name: &str| Crate { name: name.to_owned(), path: ".".to_owned(), ..Crate::default() };
        let is_tested = |name: &str| tests_crate(command, &member(name));
        assert_eq!(["gpu", "media", "other"].map(is_tested), [false, false, true]);
        let skipped = Crate { skips_all_features: true, ..member("other") };
        assert!(!tests_crate(command, &skipped) && tests_crate("cargo test", &skipped));
    }
}
