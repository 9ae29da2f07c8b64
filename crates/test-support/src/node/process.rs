//! Background programs, programs that run to completion, and waiting with a limit.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::secrets;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The limit of everything that a test starts or waits for.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(5);

/// A background program. It ends with its owner, and with the thread that started it.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program whose standard error goes to the end of the file `log`.
    pub fn start(program: &Path, configure: impl FnOnce(&mut Command), log: &Path) -> Self {
        // In its own process group, because Ctrl-C must only reach us; `setpriv` ends it when we are killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(append(log));
        configure(&mut command);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let name = program.file_name().unwrap_or(OsStr::new("program")).to_string_lossy().into_owned();
        Self { name, child, log: log.to_owned() }
    }

    /// Polls `ready` until it returns a value.
    pub fn wait_until<T>(&mut self, what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
        let found = wait(LIMIT, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended ({status}) before it was {what}; its log:\n{}", self.name, self.log());
            }
            assert!(self.log.exists(), "the directory of {} was cleared away", self.name);
            ready()
        });
        found.unwrap_or_else(|| panic!("{} was not {what} in {LIMIT:?}; its log:\n{}", self.name, self.log()))
    }

    /// Its standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let ended = wait(LIMIT, || self.child.try_wait().ok().flatten());
        ended.unwrap_or_else(|| panic!("{} does not end; its log:\n{}", self.name, self.log()))
    }

    pub fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.child.id().try_into().expect("process ids are small"));
        kill(process, signal)
            .unwrap_or_else(|error| panic!("cannot send {signal} to {}: {error}", self.name));
    }

    /// Ends it with SIGTERM, and returns its exit code. `None`: it had to be killed.
    pub fn stop(&mut self) -> Option<i32> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return status.code();
        }
        // A frozen program would not receive SIGTERM.
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        let ended = wait(GRACE, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            self.kill();
        }
        ended.and_then(|status| status.code())
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program to completion and returns its standard output.
///
/// # Errors
/// Its output, when it fails.
pub fn run(command: &mut Command) -> Result<String, String> {
    let (mut output, mut errors) = (scratch(), scratch());
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(output.1.take().map_or_else(Stdio::null, Stdio::from));
    command.stderr(errors.1.take().map_or_else(Stdio::null, Stdio::from));
    let name = Path::new(command.get_program()).display().to_string();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    let status = wait(LIMIT, || child.try_wait().ok().flatten());
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (output, errors) = (read(&mut output.0), read(&mut errors.0));
    if name.ends_with("/pullgate") || name == "sh" {
        secrets::wrote("commands", format!("{output}{errors}"));
    }
    match status {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(format!("{name}: {status}\n{output}{errors}")),
        None => Err(format!("{name} did not end in {LIMIT:?}\n{output}{errors}")),
    }
}

/// Runs a program to completion and returns its output, whatever its exit code.
pub fn output(command: &mut Command) -> Output {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
    secrets::wrote_output(&output);
    output
}

/// As [`run`], for a program that must succeed.
pub fn must_run(command: &mut Command) -> String {
    run(command).unwrap_or_else(|error| panic!("{error}"))
}

/// Polls `ask` until it returns a value, or the limit is over.
pub fn wait<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

/// The file `path`, for appending.
pub fn append(path: &Path) -> File {
    let opened = File::options().create(true).append(true).open(path);
    opened.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}

// A file never blocks the program, unlike a pipe without a reader.
fn scratch() -> (File, Option<File>) {
    let file = tempfile::tempfile().expect("cannot make a temporary file");
    let other = file.try_clone().expect("cannot duplicate a file descriptor");
    (file, Some(other))
}

fn read(file: &mut File) -> String {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    let _ = file.rewind();
    let _ = file.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
