//! The secrets of tests are recognisable, so that everything pullgate writes can be searched for them.
//!
//! Passwords and tokens are a [`Secret`], which contains [`MARK`] or is in [`REGISTERED`]; private keys come from
//! [`new_key`], or are registered with [`register_key`]. If `PULLGATE_TEST_RUN` names a directory, everything that daemons
//! and commands of the tests write is stored there, and `tests/environment/secrets` searches it after all tests.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use rcgen::KeyPair;
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

/// Part of every secret of a test. Six bytes or more of it are found in any common encoding.
pub const MARK: &str = "pg5ECRET";

/// Secrets that cannot contain the mark, and must not be written either.
pub const REGISTERED: [&str; 1] = [
    // One letter short of the mark: the boundary must not move.
    "g5ECRET",
];

/// A secret of a test, so that the search finds it wherever it was written.
///
/// Everything that takes a password or a token in the tests takes `impl Into<Secret>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// # Panics
    ///
    /// If the text does not contain [`MARK`]. An empty text is not a secret.
    #[track_caller]
    pub fn marked(text: &str) -> Self {
        assert!(
            text.is_empty() || is_found(text),
            "{text:?}: let it contain {MARK}, or add it to REGISTERED"
        );
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    #[track_caller]
    fn from(text: &str) -> Self {
        Self::marked(text)
    }
}

/// Writes a secret to a file that only its owner may read.
pub fn file(directory: impl AsRef<Path>, name: &str, secret: impl Into<Secret>) -> PathBuf {
    let path = directory.as_ref().join(name);
    fs::write(&path, secret.into().as_str()).expect("the file can be written");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("the file is there");
    path
}

/// Whether the search finds this text.
pub fn is_found(text: &str) -> bool {
    text.contains(MARK) || REGISTERED.contains(&text)
}

/// The directory of this run, if outputs are searched.
pub fn run() -> Option<PathBuf> {
    static NAMED: Once = Once::new();
    let run = PathBuf::from(std::env::var_os("PULLGATE_TEST_RUN").filter(|path| !path.is_empty())?);
    NAMED.call_once(|| {
        let mut all = REGISTERED.join("\n");
        all.push_str(&format!("\n{MARK}\n"));
        fs::write(run.join("registered"), all).expect("the directory of the run can be written to");
        let keys = crate::repository().join("tests/fixtures/keys");
        for entry in fs::read_dir(keys).expect("there are keys").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".key.pem") && !name.contains("encrypted") {
                append_key(&run, &fs::read_to_string(entry.path()).expect("a key can be read"));
            }
        }
    });
    Some(run)
}

/// Registers a private key of a test: the line of its PEM that contains only secret bytes.
pub fn register_key(pem: &str) {
    let Some(run) = run() else { return };
    append_key(&run, pem);
}

/// A new, registered key pair. Tests use no other source of new keys.
pub fn new_key() -> KeyPair {
    let key = KeyPair::generate().expect("keys can be made");
    register_key(&key.serialize_pem());
    key
}

fn append_key(run: &Path, pem: &str) {
    append(&run.join(format!("keys-{}", std::process::id())), format!("{}\n", secret_line(pem)).as_bytes());
}

/// The line of a private key's PEM that contains only secret bytes.
pub fn secret_line(pem: &str) -> &str {
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    // Short keys start with the secret after a short header; RSA keys end with it.
    let line = if lines.len() < 10 { lines.first() } else { lines.get(lines.len().saturating_sub(2)) };
    line.expect("a PEM has lines")
}

/// Records output: its writer, and its content.
pub fn wrote(who: &str, what: impl AsRef<[u8]>) {
    let Some(run) = run() else { return };
    let mut bytes = what.as_ref().to_vec();
    bytes.push(b'\n');
    append(&run.join(format!("{who}-{}.written", std::process::id())), &bytes);
}

/// Records the output of a command.
pub fn wrote_output(output: &Output) {
    wrote("commands", [output.stdout.as_slice(), &output.stderr].concat());
}

/// Reports that a check could not run on this machine, and why.
pub fn skipped(why: &str) {
    // Not with `eprintln!`, which the test harness captures for passing tests.
    let _ = writeln!(std::io::stderr(), "NOT LOOKED AT: {why}");
    let Some(run) = run() else { return };
    append(&run.join("skipped"), format!("{why}\n").as_bytes());
}

/// Records a copy of a file, or of all files of a directory.
pub fn keep(path: &Path) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Some(run) = run() else { return };
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| keep(&entry.path()));
    } else if path.is_file() {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let to = run.join(format!("{name}-{}-{number}.written", std::process::id()));
        // A file of a running daemon may vanish meanwhile.
        let _ = fs::copy(path, to);
    }
}

/// Records everything that the library logs in this process, at every level, and the logs of others without bytes and
/// frames. A test with its own subscriber replaces it.
pub fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(run) = run() else {
            // Without a subscriber, the first log event of a thread would be cached as disabled, also for a test that
            // subscribes later.
            let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
            return;
        };
        let path = run.join(format!("log-{}.written", std::process::id()));
        let file = File::options().create(true).append(true).open(path).expect("a log can be written");
        let levels = Targets::new().with_default(Level::DEBUG).with_target("pullgate", Level::TRACE);
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(levels));
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

fn append(path: &Path, bytes: &[u8]) {
    let opened = File::options().create(true).append(true).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).expect("the directory of the run can be written to");
}
