//! The cgroups of a booted node: a directory in each hierarchy of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::{self, LIMIT};

const PREFIX: &str = "pullgate-test-";

/// Removes the cgroups of this name and all below, once their processes have ended.
pub(super) fn remove(name: &str) {
    let left: Vec<_> = hierarchies().into_iter().map(|hierarchy| hierarchy.join(name)).collect();
    let removed = process::wait(LIMIT, || {
        left.iter().for_each(|cgroup| remove_tree(cgroup));
        left.iter().all(|cgroup| !cgroup.exists()).then_some(())
    });
    if removed.is_none() {
        eprintln!("the cgroups {name} are still there");
    }
}

/// Removes the cgroups of processes that no longer run, as [`super::directory`] does with their directories.
pub(super) fn remove_left_over() {
    for entry in hierarchies().iter().flat_map(fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            remove_tree(&entry.path());
        }
    }
}

/// The files of a cgroup are not removed, only directories.
fn remove_tree(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(cgroup);
}

/// The mounted hierarchies: several with cgroup v1, one with v2.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        ["cgroup", "cgroup2"].contains(&kind).then(|| PathBuf::from(at))
    };
    mounts.lines().filter_map(parse).collect()
}
