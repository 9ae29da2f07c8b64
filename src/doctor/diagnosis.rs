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
    ImageEndpoint = Error, "image-endpoint", "set `imageServiceEndpoint` to pullgate's socket where the evidence says, and restart kubelet; `pullgate node install` makes this change. If kubelet's image endpoint is the socket of a lazy-pulling snapshotter, also set `image-socket` in [runtime] to the snapshotter's socket";
    /// kubelet was started before its configuration changed, and has no connection for image calls to pullgate yet
    NotRestarted = Error, "kubelet-not-restarted", "restart kubelet";
    /// kubelet is older than 1.31, so kubelet cannot use pullgate's socket
    KubeletVersion = Error, "kubelet-version", "update kubelet to 1.31 or newer";
    /// nothing accepts connections at pullgate's socket
    SocketDead = Error, "socket-dead", "run `systemctl enable --now pullgate`, and read `journalctl --unit=pullgate`";
    /// a program other than pullgate listens on pullgate's socket
    SocketOwner = Error, "socket-owner", "stop the other program, then run `systemctl restart pullgate.socket pullgate`";
    /// the daemon does not answer
    DaemonDown = Error, "daemon-down", "run `systemctl enable --now pullgate`, and read `journalctl --unit=pullgate`";
    /// the policy would admit unsigned images under a name to which only the default or a rule for `**` applies
    CanaryAdmitted = Error, "canary-admitted", "set `default = \"deny\"`, and mode `enforce` for the rule in the evidence";
    /// kubelet's socket did not refuse the canary, a test image that pullgate always refuses: the request did not reach pullgate
    CanaryNotRefused = Error, "canary-not-refused", "set kubelet's image endpoint to pullgate's socket, and see `socket-owner`";
    /// no rule of the policy refuses any image: all rules admit images unsigned, or are in audit mode or off
    NothingEnforced = Error, "nothing-enforced", "set mode `enforce` for a rule that requires signatures, or set `default = \"deny\"`";
    /// kubelet was not found, or its process or configuration cannot be read
    KubeletUnknown = Unknown, "kubelet-unknown", "run `pullgate doctor` as root; in a pod, use the processes of the node and the option `--root`";
    /// kubelet's socket did not answer the request for the canary in time
    CanaryUnanswered = Unknown, "canary-unanswered", "run `pullgate status`, and then run `pullgate doctor` again";
    /// kubelet has no connection for image calls to pullgate now
    NotConnected = Unknown, "kubelet-not-connected", "run `pullgate doctor` again in a minute, because kubelet connects to pullgate only for its next call; if kubelet still has no connection, check when kubelet was last started";
    /// kubelet's files and arguments name several image endpoints, and kubelet uses pullgate's endpoint only because of the order of these files and arguments
    SeveralEndpoints = Warning, "several-image-endpoints", "remove the other image endpoints";
    /// rules for the pod's namespace are not enforced when a container is created, because kubelet's runtime endpoint is not pullgate's socket
    PodRules = Warning, "pod-rules", "set kubelet's `containerRuntimeEndpoint` to pullgate's socket too (docs/present-images.md)";
    /// users other than root can connect to pullgate's socket
    SocketAccess = Warning, "socket-access", "set `SocketMode=0600` with `systemctl edit pullgate.socket`, or `mode` in [listen]: every user who can connect can pull images with the rights of the node";
    /// users other than root can connect to containerd's socket, and can run images without pullgate
    RuntimeAccess = Warning, "runtime-access", "set the owner of containerd's socket to `root:root`, and its mode to 0660 or 0600";
    /// containerd, or the image service that `image-socket` names, does not answer
    RuntimeDown = Warning, "runtime-down", "check containerd, and the options `socket` and `image-socket` in [runtime]";
    /// containerd reads the configuration of registry hosts differently than its files suggest, or differently than pullgate does
    HostsFiles = Warning, "hosts-files", "correct the file that the evidence names";
    /// this version of containerd restores containers from checkpoints in images, and pulls the base images of checkpoints without pullgate
    CheckpointRestore = Warning, "checkpoint-restore", "update containerd to 2.2.7, 2.3.4 or newer, remove criu, or set kubelet's runtime endpoint to pullgate's socket too";
    /// no valid policy is in force, so pullgate refuses every pull
    NoPolicy = Warning, "no-policy", "run `pullgate policy check`, fix what it reports, then `systemctl reload pullgate`";
    /// the last reload of the policy failed: the previous policy stays in force
    ReloadFailed = Warning, "reload-failed", "run `pullgate policy check`, fix what it reports, then `systemctl reload pullgate`";
    /// the policy on disk is not valid, so after the next start pullgate would refuse every pull
    PolicyInvalid = Warning, "policy-invalid", "run `pullgate policy check`, and fix what it reports";
    /// the policy on disk is not the policy in force
    NotReloaded = Warning, "policy-not-loaded", "run `systemctl reload pullgate`";
    /// what is followed in a registry was not refreshed for a long time, or has expired: it stays in force
    FollowFrozen = Warning, "follow-frozen", "check the registry of [follow], and that a new version is pushed before the last one expires";
    /// the registry has something under a followed reference that this node refuses
    FollowRefused = Warning, "follow-refused", "find out who pushed it: its signer, version and references are checked (docs/follow.md)";
    /// some rules of the policy refuse nothing, because they are in audit mode or off
    AuditRules = Warning, "audit-rules", "set mode `enforce` when `pullgate report` names no more images that must run";
    /// a rule applies only to the canary of `pullgate doctor`, so the canary does not show whether pullgate refuses other images
    CanaryRule = Unknown, "canary-rule", "remove the rule";
    /// exceptions in the break-glass file admit images whatever the policy says
    BreakGlass = Warning, "break-glass", "remove the exceptions from the break-glass file when the emergency is over";
    /// options in the section `gate` of pullgate.toml disable some of pullgate's checks
    ChecksDisabled = Warning, "checks-disabled", "remove these options from [gate] in pullgate.toml, and restart pullgate";
    /// pullgate keeps the evidence of admitted images only in memory
    LedgerInMemory = Warning, "ledger-in-memory", "make the directory in [ledger] writable";
    /// a file system that pullgate writes to is almost full
    DiskFull = Warning, "disk-full", "free disk space or inodes on this file system";
    /// the clock of this node is wrong, so pullgate cannot check the validity of keys, certificates and exceptions correctly
    ClockWrong = Warning, "clock-wrong", "set the clock, and enable time synchronization";
    /// the clock of this node is not synchronized
    ClockNotSynchronized = Warning, "clock-not-synchronized", "enable time synchronization (chrony, systemd-timesyncd)";
    /// a systemd unit of pullgate differs from the unit in the package, or a drop-in changes the command or the sandbox of a unit
    UnitChanged = Warning, "unit-changed", "compare the unit with the output of `systemctl cat`; `systemctl revert` removes overrides in /etc";
    /// systemd has not read pullgate's unit files since they changed
    UnitStale = Warning, "unit-stale", "run `systemctl daemon-reload`, then `systemctl restart pullgate`";
    /// kubelet does not run, but is configured to use pullgate's socket
    KubeletStopped = Note, "kubelet-stopped", "nothing, if kubelet is not supposed to run yet";
    /// kubelet's runtime endpoint is not pullgate's socket: pullgate decides about images when kubelet pulls them or looks them up, but not when a container is created
    RuntimeEndpoint = Note, "runtime-endpoint", "nothing; in docs/coverage.md, the column \"without CreateContainer\" shows what pullgate cannot prevent";
    /// some tools are configured for containerd's socket: pullgate verifies the images that they pull only when kubelet uses these images
    CrictlAround = Note, "crictl-around", "nothing; to verify the images that crictl pulls too, set crictl's `image-endpoint` to pullgate's socket";
    /// kubelet's image endpoint is pullgate's socket
    KubeletOk = Ok, "kubelet", "nothing";
    /// pullgate listens on its socket
    SocketOk = Ok, "socket", "nothing";
    /// the policy refused the canary, an image without a signature
    CanaryOk = Ok, "canary", "nothing";
    /// the policy in force refuses images
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
