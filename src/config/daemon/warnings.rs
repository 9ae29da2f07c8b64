//! Warnings about options of a valid `pullgate.toml` that have no effect, or another than they seem to.

use super::{DaemonConfig, Registry};
use crate::registry::CredentialProgram;
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
        for CredentialProgram { command, environment, .. } in &self.registry.keyring.programs {
            let secret = environment.0.iter().find(|(name, value)| is_secret(name, value));
            if let Some((name, _)) = secret.filter(|_| self.registry.keyring.is_world_readable) {
                warnings.push(format!(
                    "[registry] everybody can read this file, and the `environment` of credential program {} has {name}, \
                     which seems to be a secret; chmod 600 pullgate.toml",
                    command.display(),
                ));
            }
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

/// Whether a variable looks as if it had a secret, and not the name of a file with one.
fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_named =
        ["SECRET", "TOKEN", "PASSW"].iter().any(|part| name.contains(part)) || name.ends_with("_KEY");
    // A proxy's URL with a password.
    let user = value.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    is_named && !value.is_empty() && !value.starts_with('/')
        || user.is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::{load_daemon, read};

    #[test]
    fn warns_of_a_secret_in_a_file_that_everybody_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pullgate.toml");
        for (variable, is_secret) in [
            ("AWS_SECRET_ACCESS_KEY=hunter2", true),
            ("Azure_Client_Password=hunter2", true),
            ("SOME_API_KEY=hunter2", true),
            ("GITLAB_TOKEN=hunter2", true),
            ("https_proxy=http://user:hunter2@proxy:3128/", true),
            ("https_proxy=http://user@proxy:3128/a:b", false),
            ("HTTPS_PROXY=http://proxy:3128", false),
            ("AWS_ACCESS_KEY_ID=AKIA", false),
            ("AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/token", false),
            ("TOKEN=", false),
        ] {
            let lines = "[[registry.credential-helper]]\ncommand = \"/bin/sh\"\nhosts = [\"a\"]";
            std::fs::write(&path, format!("{lines}\nenvironment = [\"A=1\", \"{variable}\"]")).unwrap();
            for (mode, is_read) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
                std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
                let warnings = load_daemon(&path).unwrap().warnings();
                let name = variable.split_once('=').unwrap().0;
                let told = format!("credential program /bin/sh has {name}, which seems to be a secret");
                assert_eq!(
                    warnings.iter().any(|it| it.contains(&told)),
                    is_secret && is_read,
                    "{variable} {mode:o}"
                );
                assert!(!warnings.concat().contains("hunter2"), "{warnings:?}");
            }
        }
    }

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
