//! A directory like /proc, with processes of the node.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Adds a process with this command line, or gives it another one.
///
/// # Panics
/// If it cannot be written.
pub fn start(proc: &Path, pid: u32, line: &str) {
    for pid in [1, pid] {
        let namespaces = proc.join(pid.to_string()).join("ns");
        if !namespaces.exists() {
            fs::create_dir_all(&namespaces).expect("a directory");
            symlink("mnt:[1]", namespaces.join("mnt")).expect("a link");
        }
    }
    let line = line.trim().replace(' ', "\0") + "\0";
    fs::write(proc.join(pid.to_string()).join("cmdline"), line).expect("a file");
}
