//! The time from the start of the process until it reports that it is ready.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::samples::Samples;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::LIMIT;
use pullgate_test::node::pullgate::{self, Pullgate};
use pullgate_test::{self, node::Node};

const STARTS: usize = 40;

/// Starts further daemons beside the node's own, in turn, and waits for each as systemd does.
pub(crate) fn measure(node: &Node) -> Samples {
    let directory = node.directory().join("start");
    let policy = pullgate_test::node::require_release(Policy::deny(), &node.release);
    Pullgate::configure(&directory, &node.containerd, &policy);
    let notifications = directory.join("notify.sock");
    let systemd = UnixDatagram::bind(&notifications).expect("cannot make a socket");
    systemd.set_read_timeout(Some(LIMIT)).expect("a socket has a timeout");
    let mut samples = Samples::default();
    for _ in 0..STARTS {
        let mut command = pullgate::command(&directory);
        command.arg("serve").env("NOTIFY_SOCKET", &notifications);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let daemon = Running(command.spawn().expect("cannot start pullgate"));
        wait_for_ready(&systemd);
        samples.push(begin.elapsed());
        drop(daemon);
        // A message of the previous daemon must not count for the next one.
        systemd.set_nonblocking(true).expect("a socket can be asked without waiting");
        while systemd.recv(&mut [0; 4096]).is_ok() {}
        systemd.set_nonblocking(false).expect("a socket can be waited for");
    }
    samples
}

fn wait_for_ready(systemd: &UnixDatagram) {
    let mut buffer = [0; 4096];
    loop {
        let length = systemd.recv(&mut buffer).expect("pullgate says that it is ready");
        if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            return;
        }
    }
}

/// A daemon that ends with its owner, also when something fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
