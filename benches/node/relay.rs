//! The floor for a program between two sockets: a relay that copies bytes and parses none. It runs as pullgate runs, as a
//! process with one event loop on one thread.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pullgate_test::node::process::Daemon;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};

use crate::event_loop;

/// The first argument of this program, if it is the relay. The socket to listen on follows, then that of containerd.
const RELAY: &str = "relay";

/// A running relay; it ends with this value.
pub(crate) struct Relay {
    process: Daemon,
    socket: PathBuf,
}

impl Relay {
    /// Starts a relay to the socket `to`.
    pub(crate) fn start(directory: &Path, to: &Path) -> Self {
        let program = env::current_exe().expect("the benchmark has a path");
        let socket = directory.join("relay.sock");
        let configure = |command: &mut std::process::Command| {
            command.arg(RELAY).arg(&socket).arg(to);
        };
        let mut process = Daemon::start(&program, configure, &directory.join("relay.log"));
        process.wait_until("listening", || socket.exists().then_some(()));
        Self { process, socket }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Runs the relay until it is killed, if this process was started to be it.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(RELAY)) {
        return None;
    }
    let (from, to) = (arguments.next()?, arguments.next()?);
    event_loop().block_on(async {
        let listener = UnixListener::bind(from).expect("cannot listen");
        loop {
            let (mut caller, _) = listener.accept().await.expect("cannot accept");
            let mut runtime = UnixStream::connect(&to).await.expect("containerd listens");
            tokio::spawn(async move { copy_bidirectional(&mut caller, &mut runtime).await });
        }
    })
}
