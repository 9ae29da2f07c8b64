//! Progress of what takes longer than a second, on standard error if it is a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pullgate_core::untrusted::sanitize_to;

/// How long nothing is shown, and how often it is shown again.
const INTERVAL: Duration = Duration::from_secs(1);

/// The longest text: it has to fit into one line, which is overwritten.
const MAX_BYTES: usize = 60;

/// Shows what the program does until it is dropped, and then erases the line. Drop it before anything else is written.
#[derive(Debug)]
pub struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

impl Progress {
    /// Shows `what` with the time that has passed, from the first second on, as in `scanning … 12 s`.
    #[must_use]
    pub fn start(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let what = sanitize_to(what, MAX_BYTES);
        let (stop, stopped) = mpsc::channel();
        let shown = std::thread::Builder::new().spawn(move || {
            let (start, mut width) = (Instant::now(), 0);
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let line = format!("{what} … {} s", start.elapsed().as_secs());
                width = line.chars().count();
                write(&format!("{line}\r"));
            }
            if width > 0 {
                write(&format!("{:width$}\r", ""));
            }
        });
        Self(shown.ok().map(|thread| (stop, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// The line is not needed: without it, the command does the same.
fn write(text: &str) {
    let mut terminal = io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}
