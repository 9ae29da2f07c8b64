//! Stops a containerd and removes its mounts and processes.

use std::path::Path;
use std::process::Command;

use super::{environment, process};

/// Stops the containerd of this directory, its containers, shims and mounts, if any.
pub fn stop(directory: &Path) {
    if directory.is_dir() {
        let stopped = process::run(Command::new(environment::script("containerd-stop")).arg(directory));
        if let Err(error) = stopped {
            eprintln!("{error}");
        }
    }
}
