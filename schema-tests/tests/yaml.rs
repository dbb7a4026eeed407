//! Generated YAML, judged by parsers that are not by the authors of the emitter.

use serde_json::{Value, json};

use crate::binary::consumer;
use crate::support::Sandbox;
use crate::support::arbitrary::{Random, any_text, any_value, check};

/// A text, often one that is no string for a reader of YAML 1.1: a boolean, a number in any base, a
/// date, a time.
fn any_scalar(random: &mut Random) -> String {
    match random.below(6) {
        0 => {
            let words = ["y", "N", "yes", "no", "On", "OFF", "Null", "~", "=", "<<"];
            random.pick(&words).to_owned()
        }
        1 => {
            let opening = random.pick(&["", "-", "+", "0x", "0o", "-0b", "+0", "."]);
            let digits = random.text("0123456789_".chars(), 1..5);
            let end = random.text(":.e+-0123456789".chars(), 0..6);
            format!("{opening}{digits}{end}")
        }
        2 => {
            let sign = random.pick(&["", "-", "+"]);
            format!("{sign}{}", random.pick(&[".inf", ".Inf", ".nan", ".NaN", ".5"]))
        }
        3 => {
            let day = random.pick(&["2001-12-14", "2024-1-1", "2024-01-1"]);
            let time = random.pick(&["", "T1:02:03", "t21:59:43.10", " 21:59:43"]);
            format!("{day}{time}{}", random.pick(&["", "Z", " Z", "-05:00", " +1"]))
        }
        4 => random.text("-?:,[]{}#&*!|>'\"%@` a\n\t".chars(), 1..7),
        _ => any_text(random),
    }
}

fn any_test(random: &mut Random) -> Value {
    let mut test = json!({
        "test_name": non_empty(any_scalar(random)),
        // Some uses of `$` are an error.
        "command": non_empty(any_scalar(random).replace('$', "")),
    });
    for _ in 0..random.below(3) {
        let key = any_scalar(random);
        if schema_tests::is_free_key(&key) {
            test[key] = json!([any_scalar(random), any_value(random, 3)]);
        }
    }
    test
}

fn non_empty(text: String) -> String {
    if text.is_empty() { "a".to_owned() } else { text }
}

/// Checks a property of pipelines in YAML and in JSON, in a consumer.
fn check_pipelines(holds: impl Fn(&Sandbox, &str, &str)) {
    let sandbox = consumer();
    check(8, |random| {
        let tests = random.list(0..301, any_test);
        sandbox.write("t.json", json!({"tests": tests}).to_string());
        let [yaml, json] = ["yaml", "json"].map(|format| {
            let run = sandbox.xtask(&["pipeline", "-t", "t.json", "--format", format]);
            run.assert_code(0).stdout
        });
        holds(&sandbox, &yaml, &json);
    });
}

#[test]
fn a_reader_of_yaml_1_2_sees_the_same_values() {
    check_pipelines(|_, yaml, json| {
        let json: Value = serde_json::from_str(json).unwrap();
        let yaml: Value = yaml_serde::from_str(yaml).unwrap();
        assert_eq!(yaml, json);
    });
}

/// YAML 1.1 has many more words that are no strings; older readers, like `PyYAML`, know them all.
#[test]
fn a_reader_of_yaml_1_1_sees_the_same_values() {
    const COMPARE: &str = "import json, sys, yaml\n\
        read = lambda name, load: json.dumps(load(open(name, encoding='utf-8')), sort_keys=True)\n\
        sys.exit(read('p.yml', yaml.safe_load) != read('p.json', json.load))";
    let has_reader = Sandbox::new().run("python3", &["-c", "import yaml"]).code == Some(0);
    assert!(has_reader, "install python3 with PyYAML: apt-get install python3-yaml");
    check_pipelines(|sandbox, yaml, json| {
        sandbox.write("p.yml", yaml).write("p.json", json);
        sandbox.run("python3", &["-c", COMPARE]).assert_code(0);
    });
}
