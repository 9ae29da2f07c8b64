//! Runs commands in a separate directory, and records their output.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use pullgate_test::{programs, secrets};

/// The width that help is wrapped to.
const COLUMNS: &str = "100";

/// A directory with files, and the transcript of the commands that ran in it.
pub(super) struct Transcript {
    directory: TempDir,
    text: String,
}

impl Transcript {
    pub(super) fn new() -> Self {
        let closed = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().permissions(closed).tempdir().unwrap();
        Self { directory, text: String::new() }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file with this mode. `@` in the text is replaced by the directory.
    pub(super) fn file(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::set_permissions(parent, Permissions::from_mode(0o700)).unwrap();
        let text = text.replace('@', &self.path().display().to_string());
        pullgate_test::schema::check(name, &text);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// Copies a key of the fixtures.
    pub(super) fn key(&self, fixture: &str, name: &str, mode: u32) {
        let path = fixtures().join(format!("keys/throw-away-{fixture}.pem"));
        self.file(name, &fs::read_to_string(path).unwrap(), mode);
    }

    /// Adds a line to the transcript.
    pub(super) fn remark(&mut self, text: &str) {
        self.text.push_str(&format!("# {text}\n"));
    }

    /// Runs a command in the directory, which has a configuration; arguments are separated by spaces.
    pub(super) fn run(&mut self, line: &str) {
        self.run_with(line, &[]);
    }

    /// The same, with variables in its environment.
    pub(super) fn run_with(&mut self, line: &str, environment: &[(&str, &str)]) {
        let mut words = line.split(' ');
        let mut command = Command::new(program(words.next().unwrap()));
        command.args(words).current_dir(self.path()).env_clear().env("COLUMNS", COLUMNS);
        command.envs(environment.iter().copied()).stdin(Stdio::null());
        let output = command.output().unwrap();
        secrets::wrote_output(&output);
        let (stdout, stderr) = (self.shown(&output.stdout), self.shown(&output.stderr));
        self.text.push_str(&format!("$ {line}\n{stdout}"));
        if !stderr.is_empty() {
            self.text.push_str(&format!("[standard error]\n{stderr}"));
        }
        self.text.push_str(&format!("[exit code {}]\n\n", output.status.code().unwrap()));
    }

    /// The output, without the parts that differ from run to run.
    fn shown(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let text = text.replace(&self.path().display().to_string(), "[directory]");
        let text = text.replace(&fixtures().display().to_string(), "[fixtures]");
        let text = text.replace(concat!(" ", env!("CARGO_PKG_VERSION"), "\n"), " [version]\n");
        text.lines().map(|line| format!("{}\n", without_numbers(line))).collect()
    }

    pub(super) fn end(self) -> String {
        self.text
    }
}

/// Durations and times of day, which differ from run to run.
fn without_numbers(line: &str) -> String {
    let words = line.split(' ').collect::<Vec<_>>();
    let mut shown = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let is_spent = words.get(index + 1) == Some(&"ms") && word.parse::<f64>().is_ok();
        shown.push(if is_spent { "[n]" } else { word });
    }
    shown.join(" ")
}

fn program(name: &str) -> PathBuf {
    match name {
        "pullgate" => programs::pullgate(),
        "pullgate-signer" => programs::signer(),
        other => panic!("no program is called {other}"),
    }
}

pub(super) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
