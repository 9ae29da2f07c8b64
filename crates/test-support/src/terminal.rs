//! Programs whose standard output and standard error are a terminal.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

/// How long to wait for output.
const LIMIT: Duration = Duration::from_secs(60);

/// A program in a terminal, and what it wrote.
pub struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    written: Vec<u8>,
}

impl Terminal {
    /// Starts the program.
    ///
    /// # Panics
    /// If there is no pseudo-terminal or no such program.
    pub fn start(mut command: Command) -> Self {
        let (mut master, terminal) = pseudo_terminal().expect("a pseudo-terminal");
        let same = terminal.try_clone().expect("a file descriptor");
        command.stdin(Stdio::null()).stdout(terminal).stderr(same);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // The command has the terminal, which must be closed for reads to end.
        drop(command);
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with an error (EIO) when the program has ended.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, output, written: Vec::new() }
    }

    /// Waits until the program has written `text`.
    ///
    /// # Panics
    /// If it ends before, or writes nothing for a minute.
    pub fn wait_for(&mut self, text: &str) {
        while !self.written().contains(text) {
            match self.output.recv_timeout(LIMIT) {
                Ok(bytes) => self.written.extend(bytes),
                Err(error) => panic!("{text:?} does not come ({error}): {:?}", self.written()),
            }
        }
    }

    /// Waits until the program ends. The terminal writes `\r\n` for each line end.
    ///
    /// # Panics
    /// If it writes nothing for a minute and does not end.
    pub fn end(mut self) -> (ExitStatus, String) {
        loop {
            match self.output.recv_timeout(LIMIT) {
                Ok(bytes) => self.written.extend(bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("{error}: {:?}", self.written()),
            }
        }
        let status = self.child.wait().expect("it is a child");
        (status, self.written())
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written).into_owned()
    }
}

/// Both ends. Programs that other tests start meanwhile do not inherit them; they would keep them open.
fn pseudo_terminal() -> io::Result<(PtyMaster, File)> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let mut options = File::options();
    options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
    let terminal = options.open(ptsname_r(&master)?)?;
    Ok((master, terminal))
}
