//! A socket that systemd passes is served instead of an own one, and still exists afterwards.

use std::os::unix::fs::FileTypeExt;

use pullgate_test::node::kubelet::Kubelet;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::Daemon;
use pullgate_test::node::pullgate::{Pullgate, program};
use pullgate_test::node::{Node, Release, directory};

/// As systemd does it (sd_listen_fds(3)): the listening socket is descriptor 3, and the environment names the process.
const HAND_OVER: &str = r#"
import os, socket, sys
path, program = sys.argv[1:3]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(16)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(program, sys.argv[2:])
"#;

#[test]
fn an_activated_socket_is_served_and_kept() {
    let node = Node::start(Release::V2_1);
    let home = directory::Directory::new();
    let config = home.path().join("pullgate");
    Pullgate::configure(&config, &node.containerd, &Policy::deny());
    let (handed, own) = (home.path().join("handed.sock"), config.join("pullgate.sock"));
    let mut daemon = Daemon::start(
        "python3".as_ref(),
        |command| {
            command
                .args(["-c", HAND_OVER])
                .arg(&handed)
                .arg(program())
                .arg("--config")
                .arg(&config)
                .arg("serve");
        },
        &home.path().join("pullgate.log"),
    );
    let kubelet = Kubelet::new(handed.clone(), node.containerd.socket(), home.path().join("logs"));
    let answer = daemon.wait_until("serving", || kubelet.image_fs_info().ok());
    assert_eq!(answer.image_filesystems.len(), 1);
    assert!(!own.exists(), "it creates no socket");
    let log = std::fs::read_to_string(home.path().join("pullgate.log")).unwrap();
    let says = |message: &str| {
        log.lines().any(|line| line.contains(message) && line.contains(handed.to_str().unwrap()))
    };
    assert!(says("systemd passed the socket, so [listen] has no effect") && says("\"serving\""), "{log}");
    assert_eq!(daemon.stop(), Some(0));
    assert!(std::fs::metadata(&handed).unwrap().file_type().is_socket(), "it is systemd's to remove");
}
