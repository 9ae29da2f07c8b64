//! Warnings about options of a valid `pullgate.toml` that have no effect, or another than they seem to.

use super::{DaemonConfig, Registry};
use pullgate_config::file::Guard;
use pullgate_core::untrusted::sanitize;

/// Bits of a socket's mode by which its group may connect.
const GROUP: u32 = 0o070;

impl DaemonConfig {
    /// The warnings, one line each. The daemon starts nevertheless.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(group) = self.listen.group.as_ref().filter(|_| self.listen.mode() & GROUP == 0) {
            warnings.push(format!(
                "[listen] `group` is {group:?}, but with `mode` {:04o} none of its members can connect; leave `mode` out",
                self.listen.mode()
            ));
        }
        let containerd = &self.registry.containerd_config;
        let is_read = self.registry.hosts.is_none();
        // If the default file does not exist, containerd runs without one.
        if is_read && *containerd != Registry::default().containerd_config && !containerd.exists() {
            warnings.push(format!(
                "[registry] `containerd-config` {} does not exist, so pullgate does not know which hosts containerd uses",
                containerd.display()
            ));
        }
        if self.scan.remove_unused && self.scan.interval.is_none() {
            warnings.push(
                "[scan] `remove-unused` does nothing while `interval` is \"off\"; set an interval".to_owned(),
            );
        }
        for command in self.registry.keyring.programs.iter().map(|program| &program.command) {
            if let Err(error) = Guard::of_process().check_program(command) {
                warnings.push(format!(
                    "[registry] credential program {} cannot be used: {error}; {}",
                    command.display(),
                    error.hint(command)
                ));
            }
        }
        warnings.iter().map(|warning| sanitize(warning)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn tells_what_does_nothing() {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (text, expected) in [
            ("", None),
            ("[listen]\ngroup = \"kubelet\"", None),
            ("[listen]\ngroup = \"kubelet\"\nmode = \"0620\"", None),
            ("[listen]\nmode = \"0600\"", None),
            ("[listen]\ngroup = \"kubelet\"\nmode = \"0600\"", Some("none of its members can connect")),
            (&format!("[registry]\ncontainerd-config = \"{here}\""), None),
            ("[registry]\ncontainerd-config = \"/etc/containerd/config.toml\"", None),
            ("[registry]\ncontainerd-config = \"/nonexistent/x\"", Some("/nonexistent/x does not exist")),
            ("[registry]\nhosts = \"/x\"\ncontainerd-config = \"/nonexistent/x\"", None),
            ("[[registry.credential-helper]]\ncommand = \"/bin/sh\"\nhosts = [\"a\"]", None),
            (
                "[[registry.credential-helper]]\ncommand = \"/nonexistent/x\"\nhosts = [\"a\"]",
                Some("credential program /nonexistent/x cannot be used: file does not exist"),
            ),
            (
                "[[registry.credential-helper]]\ncommand = \"/bin\"\nhosts = [\"a\"]",
                Some("credential program /bin cannot be used: is not a regular file"),
            ),
            ("[scan]\nremove-unused = true\ninterval = \"1m\"", None),
            ("[scan]\nremove-unused = true", Some("`remove-unused` does nothing")),
        ] {
            let warnings = read("x", text).unwrap().warnings();
            assert_eq!(warnings.len(), usize::from(expected.is_some()), "{text}: {warnings:?}");
            let told = expected.is_none_or(|expected| warnings.concat().contains(expected));
            assert!(told, "{text}: {warnings:?}");
        }
    }
}
