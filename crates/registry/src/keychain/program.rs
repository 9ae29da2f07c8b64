//! Runs a program of the operator that prints credentials: kubelet's credential providers, docker's credential helpers.
//!
//! The program gets an environment of its own, no descriptors but its input and output, and a limited time. Its standard
//! error may contain a secret, so nobody reads it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use pullgate_config::file::{FileError, Guard};

/// Maximum size of the output, in bytes.
const OUTPUT: usize = 64 << 10;
/// Without a `PATH` in the environment of this process.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables of an environment, which may contain secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub Vec<(String, String)>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[derive(Debug)]
pub(super) struct Program {
    /// An absolute path.
    pub(super) command: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Environment,
    /// How long it may run.
    pub(super) limit: Duration,
}

/// What a program printed, and its exit code: `None` when a signal ended it.
pub(super) struct Output {
    pub(super) stdout: Zeroizing<Vec<u8>>,
    pub(super) code: Option<i32>,
}

/// Why a program has no output. No variant contains what it printed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("{0}")]
    File(#[source] FileError),
    #[error("it cannot be started ({})", .0.kind())]
    Start(#[source] io::Error),
    #[error("it did not end within {} s", limit.as_secs_f64())]
    Timeout { limit: Duration },
    #[error("its output is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

impl Program {
    /// Runs it with `input`.
    ///
    /// When it is dropped, or the time is over, all processes that the program started are killed, unless they left its
    /// process group.
    pub(super) async fn run(self: Arc<Self>, input: Vec<u8>) -> Result<Output, ProgramError> {
        let limit = self.limit;
        // Reading the directories and starting a process wait for the disk.
        let started = tokio::task::spawn_blocking(move || self.start()).await;
        let running = started.unwrap_or_else(|lost| Err(ProgramError::Start(io::Error::other(lost))))?;
        let exchange = tokio::time::timeout(limit, running.exchange(input)).await;
        exchange.unwrap_or(Err(ProgramError::Timeout { limit }))
    }

    fn start(&self) -> Result<Running, ProgramError> {
        // Only root or this user can change the program until it is started.
        let program = Guard::of_process().check_program(&self.command).map_err(ProgramError::File)?;
        let mut command = Command::new(program);
        command
            .arg0(&self.command)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()))
            .envs(self.environment.0.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().map_err(ProgramError::Start)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        let running = group.map(|group| Running { child, group, killed: false, input, output });
        running.ok_or_else(|| ProgramError::Start(io::ErrorKind::Other.into()))
    }
}

/// A program in a process group of its own, which is killed when this is dropped.
struct Running {
    child: Child,
    group: Pid,
    killed: bool,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
}

impl Running {
    async fn exchange(mut self, input: Vec<u8>) -> Result<Output, ProgramError> {
        let (stdin, stdout) = (self.input.take(), self.output.take());
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input is not wrong.
                let _ = stdin.write_all(&input).await;
            }
        };
        // With room for everything, so that growing leaves no copies of a secret in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(OUTPUT + 64));
        let read = async {
            let most = u64::try_from(OUTPUT).unwrap_or(u64::MAX).saturating_add(1);
            match stdout {
                Some(stdout) => stdout.take(most).read_to_end(&mut bytes).await,
                None => Ok(0),
            }
        };
        let ((), read) = tokio::join!(write, read);
        read.map_err(ProgramError::Start)?;
        if bytes.len() > OUTPUT {
            return Err(ProgramError::TooLarge { limit: OUTPUT });
        }
        let code = self.end().await.map_err(ProgramError::Start)?;
        Ok(Output { stdout: bytes, code })
    }

    /// Waits for the end of the program, kills what it left behind, and returns its exit code.
    async fn end(mut self) -> io::Result<Option<i32>> {
        let mut ended = signal(SignalKind::child())?;
        // With WNOWAIT the program stays a zombie until its group is killed, so the number of the group cannot be that of
        // another one by then.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(self.group), flags)? == WaitStatus::StillAlive {
            ended.recv().await;
        }
        self.kill();
        Ok(self.child.wait().await?.code())
    }

    fn kill(&mut self) {
        if !std::mem::replace(&mut self.killed, true) {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
