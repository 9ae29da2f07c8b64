//! Compares what the programs say about a configuration file with what its schema says.
//!
//! Python's `jsonschema`, which `tests/environment/packages` installs, is the validator. A run without it (`cargo test` on
//! a machine without the test environment) compares nothing; `make test` fails then.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use pullgate::config;
use serde_json::{Value, json};

/// Reads a line for each document, with the name of its schema, and answers with the first fault in a line.
const VALIDATOR: &str = r#"
import json, pathlib, sys
from jsonschema import Draft7Validator
schemas = {}
for path in pathlib.Path(sys.argv[1]).glob("*.json"):
    schema = json.loads(path.read_text())
    Draft7Validator.check_schema(schema)
    schemas[path.stem] = Draft7Validator(schema)
print("ready", flush=True)
for line in sys.stdin:
    name, document = json.loads(line)
    errors = schemas[name].iter_errors(document)
    said = next((error.json_path + " " + error.message for error in errors), "")
    print(json.dumps(said), flush=True)
"#;

enum Validator {
    NotStarted,
    Missing(String),
    Running(Child, BufReader<std::process::ChildStdout>),
}

static VALIDATOR_PROCESS: Mutex<Validator> = Mutex::new(Validator::NotStarted);

impl Validator {
    fn start() -> Self {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
        let mut command = Command::new("python3");
        command.args(["-B", "-c", VALIDATOR]).arg(schemas);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = match pipes {
            Ok(child) => child,
            Err(error) => return Self::Missing(error.to_string()),
        };
        let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        if answers.read_line(&mut line).is_ok_and(|_| line == "ready\n") {
            return Self::Running(child, answers);
        }
        let output =
            child.wait_with_output().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        Self::Missing(output.unwrap_or_default())
    }

    fn ask(&mut self, schema: &str, document: &Value) -> Result<String, String> {
        if matches!(self, Self::NotStarted) {
            *self = Self::start();
        }
        match self {
            Self::NotStarted => unreachable!("it was started"),
            Self::Missing(why) => Err(why.clone()),
            Self::Running(child, answers) => {
                let mut questions = child.stdin.as_ref().expect("a pipe");
                writeln!(questions, "{}", json!([schema, document])).expect("the validator reads");
                let mut line = String::new();
                answers.read_line(&mut line).expect("the validator answers");
                Ok(serde_json::from_str(&line).expect("the validator answers with a text"))
            }
        }
    }
}

/// What the schema finds wrong with a file; empty if it is valid, `None` if it is no TOML.
///
/// # Errors
/// Why there is no validator.
pub fn faults(schema: &str, text: &str) -> Result<Option<String>, String> {
    let Ok(document) = toml::from_str::<toml::Value>(text) else { return Ok(None) };
    let mut validator = VALIDATOR_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    validator.ask(schema, &as_json(document)).map(Some)
}

/// What the program says about a file whose shape is not right: a key, a type, or a bound.
const OF_SHAPE: [&str; 9] = [
    ": unknown key ",
    " is a string\n",
    " is an integer\n",
    " is a boolean\n",
    " is an array\n",
    " is a table\n",
    " is out of range\n",
    " entries\n",
    ": unknown value ",
];

/// A time in quotes, which is the same for a schema as one without: JSON has only texts.
const OF_TIME: &str = " is a string\n  hint: the value must be a date-time";

/// The largest file that is compared.
const MAX_BYTES: usize = 64 << 10;

/// Compares what the program says about a file (`Err` with its problems) with what the schema says.
///
/// # Panics
/// If the file loads and the schema refuses it, or the program refuses the file for its shape and the schema does not.
#[track_caller]
pub fn agrees(schema: &str, text: &str, said: Result<(), String>) {
    // The validator takes minutes for ten thousand rules, which say no more than ten.
    if text.len() > MAX_BYTES {
        return;
    }
    let Ok(Some(found)) = faults(schema, text) else { return };
    match said {
        Ok(()) => assert_eq!(found, "", "the schema of {schema} refuses a file that loads:\n{text}"),
        Err(said) => {
            let comparable = said.replace(OF_TIME, "");
            let shape = OF_SHAPE.into_iter().find(|words| comparable.contains(words));
            assert!(
                shape.is_none() || !found.is_empty(),
                "the schema of {schema} accepts a file of which the program says {shape:?}:\n{said}\n{text}"
            );
        }
    }
}

/// Compares what the program says about `policy.toml` or `pullgate.toml` with what its schema says.
#[track_caller]
pub fn check(name: &str, text: &str) {
    match name {
        "policy.toml" => {
            let loaded = config::load_policy_text(text, jiff::Timestamp::now());
            agrees("policy", text, loaded.map(drop).map_err(|problems| problems.to_string()));
        }
        "pullgate.toml" => {
            let loaded = config::load_daemon_text(text);
            agrees("daemon", text, loaded.map(drop).map_err(|problems| problems.to_string()));
        }
        _ => {}
    }
}

/// As editors for TOML pass it to a schema: a date and time is a text.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, as_json(value))).collect(),
    }
}
