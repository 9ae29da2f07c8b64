//! Plays kubelet as a program of a node, as far as its image endpoint matters: reads the endpoint from the configuration that its
//! arguments name, exits if the endpoint does not answer, keeps a connection to it, and answers /healthz.
//!
//! What its endpoint says to a pull is in /run/kubelet-pull, renewed all the time. While /etc/kubelet-fails exists, it exits
//! with any other endpoint than containerd's.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a part of tests")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pullgate_test::node::kubelet::{Kubelet, Pod};

const CONTAINERD: &str = "/run/containerd/containerd.sock";
/// Asked for again and again. Refused by the policies of the tests, and not reachable for containerd.
const IMAGE: &str = "registry.example.com/app:1";
const INTERVAL: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--version") {
        println!("Kubernetes v1.34.0");
        return;
    }
    let endpoint = endpoint(&arguments);
    assert!(endpoint == Path::new(CONTAINERD) || !Path::new("/etc/kubelet-fails").exists(), "it is to fail");
    let kubelet = Kubelet::new(endpoint, PathBuf::from(CONTAINERD), PathBuf::from("/tmp"));
    kubelet.image_fs_info().expect("the image endpoint answers");
    let listener = TcpListener::bind("127.0.0.1:10248").expect("the port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    loop {
        let answer = kubelet.pull(&Pod::of(IMAGE));
        let text =
            answer.map_or_else(|status| status.message().to_owned(), |image| format!("pulled {image}"));
        fs::write("/run/kubelet-pull.new", text).unwrap();
        fs::rename("/run/kubelet-pull.new", "/run/kubelet-pull").unwrap();
        std::thread::sleep(INTERVAL);
    }
}

/// The last file that sets it wins; an empty one is the runtime's.
fn endpoint(arguments: &[String]) -> PathBuf {
    let value = |name: &str| arguments.iter().rev().find_map(|it| it.strip_prefix(name).map(PathBuf::from));
    let mut files: Vec<PathBuf> = value("--config=").into_iter().collect();
    if let Some(directory) = value("--config-dir=") {
        let mut further: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        further.retain(|path| path.extension().is_some_and(|it| it == "conf"));
        further.sort();
        files.extend(further);
    }
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap() + "\n").collect();
    let line = text.lines().rev().find_map(|line| line.strip_prefix("imageServiceEndpoint:"));
    let path =
        line.map(|line| line.trim().trim_matches('"').trim_start_matches("unix://")).unwrap_or_default();
    PathBuf::from(if path.is_empty() { CONTAINERD } else { path })
}
