//! The table of findings.

use super::Severity;

macro_rules! diagnoses {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $severity:ident, $code:literal, $advice:literal;)+) => {
        /// What can be found. The codes are stable: alerts and scripts may match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Diagnosis {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Diagnosis {
            /// Every diagnosis, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)+
                }
            }

            /// What it means, as in docs/doctor.md.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim_ascii(),)+
                }
            }

            /// What to do, as in docs/doctor.md.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$variant => $advice,)+
                }
            }
        }
    };
}

diagnoses! {
    /// kubelet's image endpoint is not pullgate's socket, so nothing verifies what kubelet pulls
    ImageEndpoint = Error, "image-endpoint", "set `imageServiceEndpoint` to pullgate's socket where the evidence says, and restart kubelet; `pullgate node install` does this. If the endpoint is that of a lazy-pulling snapshotter, name it in `image-socket` of [runtime]";
    /// kubelet was started before its configuration changed, and has no connection to pullgate
    NotRestarted = Error, "kubelet-not-restarted", "restart kubelet";
    /// kubelet is older than 1.31 and cannot use pullgate's socket
    KubeletVersion = Error, "kubelet-version", "update kubelet to 1.31 or newer";
    /// pullgate's socket cannot be connected to
    SocketDead = Error, "socket-dead", "run `systemctl enable --now pullgate`, and read `journalctl --unit=pullgate`";
    /// another program than pullgate listens at pullgate's socket
    SocketOwner = Error, "socket-owner", "stop the other program, then run `systemctl restart pullgate.socket pullgate`";
    /// the daemon does not answer
    DaemonDown = Error, "daemon-down", "run `systemctl enable --now pullgate`, and read `journalctl --unit=pullgate`";
    /// the policy would admit an image without a signature under a name that has no rule of its own
    CanaryAdmitted = Error, "canary-admitted", "set `default = \"deny\"`, and mode `enforce` for the rule in the evidence";
    /// kubelet's socket did not refuse the canary, an image that pullgate always refuses: the request reached something else
    CanaryNotRefused = Error, "canary-not-refused", "make kubelet's image endpoint pullgate's socket, and see `socket-owner`";
    /// no rule of the policy refuses anything: all admit images unsigned, or are in audit mode or off
    NothingEnforced = Error, "nothing-enforced", "set mode `enforce` for a rule that requires signatures, or `default = \"deny\"`";
    /// kubelet was not found, or its configuration cannot be read
    KubeletUnknown = Unknown, "kubelet-unknown", "run `pullgate doctor` as root, and in a pod with the processes of the node and `--root`";
    /// kubelet's socket did not answer the request for the canary in time
    CanaryUnanswered = Unknown, "canary-unanswered", "run `pullgate status`, and `pullgate doctor` again";
    /// kubelet has no connection to pullgate now
    NotConnected = Unknown, "kubelet-not-connected", "run `pullgate doctor` again in a minute, because kubelet connects when it has a call; then check the time of kubelet's last start";
    /// places disagree about kubelet's image endpoint, and only their order lets pullgate's win
    SeveralEndpoints = Warning, "several-image-endpoints", "remove the other endpoint";
    /// rules for the namespaces of pods are not enforced at the creation of containers, because kubelet's runtime endpoint is not pullgate's socket
    PodRules = Warning, "pod-rules", "set `containerRuntimeEndpoint` to pullgate's socket too (docs/present-images.md)";
    /// pullgate's socket can be used by others than root
    SocketAccess = Warning, "socket-access", "set `SocketMode=0600` with `systemctl edit pullgate.socket`, or `mode` in [listen]; everybody who can connect can pull with the rights of the node";
    /// containerd's socket can be used by others than root, who can run images without pullgate
    RuntimeAccess = Warning, "runtime-access", "restore `root:root` and mode 0660 or 0600";
    /// the runtime, or the image service in `image-socket`, does not answer
    RuntimeDown = Warning, "runtime-down", "check containerd, and `socket` and `image-socket` in [runtime]";
    /// containerd reads its registry hosts in another way than the files suggest, or than pullgate does
    HostsFiles = Warning, "hosts-files", "correct the file in the evidence";
    /// this release of containerd restores containers from checkpoints in images, and pulls what they name itself, without pullgate
    CheckpointRestore = Warning, "checkpoint-restore", "update containerd (2.2.7, 2.3.4 or newer), remove criu, or make pullgate kubelet's runtime endpoint too";
    /// there is no valid policy: every pull is refused
    NoPolicy = Warning, "no-policy", "run `pullgate policy check`, fix what it reports, then `systemctl reload pullgate`";
    /// the last reload of the policy failed: the previous policy stays in force
    ReloadFailed = Warning, "reload-failed", "run `pullgate policy check`, fix what it reports, then `systemctl reload pullgate`";
    /// the policy on disk is not valid: the next start of pullgate would refuse every pull
    PolicyInvalid = Warning, "policy-invalid", "run `pullgate policy check`, and fix what it reports";
    /// the policy on disk is not the one in force
    NotReloaded = Warning, "policy-not-loaded", "run `systemctl reload pullgate`";
    /// what is followed in a registry was not refreshed for a long time, or has expired: it stays in force
    FollowFrozen = Warning, "follow-frozen", "check the registry of [follow], and that a new version is pushed before the last one expires";
    /// the registry has something under a followed reference that this node refuses
    FollowRefused = Warning, "follow-refused", "find out who pushed it: its signer, version and references are checked (docs/follow.md)";
    /// some rules are in audit mode or off: they refuse nothing
    AuditRules = Warning, "audit-rules", "set mode `enforce` when the log shows nothing more that must run";
    /// a rule is for the canary of `pullgate doctor` only, so the canary does not show what becomes of other images
    CanaryRule = Unknown, "canary-rule", "remove the rule";
    /// break-glass exceptions admit images whatever the policy says
    BreakGlass = Warning, "break-glass", "remove the exceptions when the emergency is over";
    /// checks of pullgate are disabled
    ChecksDisabled = Warning, "checks-disabled", "remove the option from [gate] of pullgate.toml, and restart pullgate";
    /// evidence of admitted images is kept in memory only
    LedgerInMemory = Warning, "ledger-in-memory", "make the directory of [ledger] writable";
    /// a file system that pullgate writes to is almost full
    DiskFull = Warning, "disk-full", "free space or inodes";
    /// the clock of this node is wrong: keys, certificates and exceptions are valid for a time
    ClockWrong = Warning, "clock-wrong", "set the clock, and enable time synchronization";
    /// the clock of this node is not synchronized
    ClockNotSynchronized = Warning, "clock-not-synchronized", "enable time synchronization (chrony, systemd-timesyncd)";
    /// a unit of pullgate is not the one of the package, or a drop-in changes its command or its sandbox
    UnitChanged = Warning, "unit-changed", "compare with `systemctl cat`; `systemctl revert` removes overrides in /etc";
    /// systemd has not read the unit files since they changed
    UnitStale = Warning, "unit-stale", "run `systemctl daemon-reload`, then `systemctl restart pullgate`";
    /// kubelet does not run, but is configured to use pullgate
    KubeletStopped = Note, "kubelet-stopped", "nothing, if kubelet is not to run yet";
    /// kubelet's runtime endpoint is not pullgate's socket: images are decided about when they are pulled and looked up, not when a container is created
    RuntimeEndpoint = Note, "runtime-endpoint", "nothing; docs/coverage.md says what is open then, in the column \"without CreateContainer\"";
    /// tools are configured for containerd's socket: what they pull is not verified until kubelet uses it
    CrictlAround = Note, "crictl-around", "nothing; to verify what crictl pulls, set `image-endpoint` to pullgate's socket";
    /// kubelet's image endpoint is pullgate's socket
    KubeletOk = Ok, "kubelet", "nothing";
    /// pullgate listens at its socket
    SocketOk = Ok, "socket", "nothing";
    /// the canary, an image without a signature, was refused by the policy
    CanaryOk = Ok, "canary", "nothing";
    /// the policy refuses images
    PolicyOk = Ok, "policy", "nothing";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_diagnosis_and_no_others() {
        let text = include_str!("../../docs/doctor.md");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let documented: Vec<Vec<_>> =
            rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
        let expected: Vec<_> = Severity::ALL
            .iter()
            .flat_map(|severity| Diagnosis::ALL.iter().filter(|it| it.severity() == *severity))
            .map(|it| {
                vec![
                    format!("`{}`", it.code()),
                    it.severity().name().to_owned(),
                    it.meaning().to_owned(),
                    it.advice().to_owned(),
                ]
            })
            .collect();
        assert_eq!(documented, expected);
    }

    #[test]
    fn codes_are_distinct_and_plain() {
        let mut codes: Vec<_> = Diagnosis::ALL.iter().map(|it| it.code()).collect();
        assert!(codes.iter().all(|code| code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'))));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Diagnosis::ALL.len());
    }
}
