//! The directives of the units: everything that they forbid fails, and what the programs need still works.

use std::fs;

use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::directory;

use super::denying;

/// A unit with a sandbox.
struct Sandbox {
    unit: &'static str,
    /// `StateDirectory` and `RuntimeDirectory`; everything else is read-only.
    writable: &'static [&'static str],
    /// As in /proc/PID/status.
    capabilities: &'static str,
    open_files: u32,
    memory: u64,
    tasks: u32,
    /// The exposure of `systemd-analyze security`, ten times.
    exposure: u32,
}

const SANDBOXES: [Sandbox; 3] = [
    Sandbox {
        unit: "pullgate.service",
        writable: &["/var/lib/pullgate", "/run/pullgate"],
        // CAP_CHOWN alone.
        capabilities: "0000000000000001",
        open_files: 8192,
        memory: 256 << 20,
        tasks: 128,
        exposure: 20,
    },
    Sandbox {
        unit: "pullgate-trust.service",
        writable: &["/var/lib/pullgate/trust"],
        capabilities: NONE,
        open_files: 256,
        memory: 128 << 20,
        tasks: 32,
        exposure: 20,
    },
    Sandbox {
        unit: "pullgate-signer.service",
        writable: &["/var/lib/pullgate/signer", "/run/pullgate-signer"],
        capabilities: NONE,
        open_files: 8192,
        memory: 512 << 20,
        tasks: 256,
        exposure: 20,
    },
];

const NONE: &str = "0000000000000000";

/// What the sandbox must forbid: the directive, and a command that succeeds without it. Numbers are of x86_64's system calls,
/// as the package is.
const FORBIDDEN: [(&str, &str); 21] = [
    ("ProtectSystem (/etc)", "touch /etc/probe"),
    ("ProtectSystem (/usr)", "touch /usr/probe"),
    ("ProtectSystem (/var/lib)", "touch /var/lib/probe"),
    ("ReadOnlyPaths (/run)", "touch /run/probe"),
    ("ReadOnlyPaths (/etc/pullgate)", "touch /etc/pullgate/probe"),
    ("ProtectHome", "test -e /root/there"),
    ("PrivateTmp", "test -e /tmp/there"),
    ("PrivateDevices", "test -e /dev/there"),
    ("ProtectControlGroups", "mkdir /sys/fs/cgroup/unified/probe || mkdir /sys/fs/cgroup/probe"),
    ("ProcSubset", "test -e /proc/meminfo"),
    ("ProtectKernelModules", "test -e /usr/lib/modules/there"),
    ("ProtectHostname", "hostname probe"),
    ("ProtectKernelLogs", "perl -e 'exit(syscall(103, 10, 0, 0) == -1)'"),
    ("LockPersonality", "setarch --addr-no-randomize true"),
    ("MemoryDenyWriteExecute", "perl -e 'exit(syscall(9, 0, 4096, 7, 34, -1, 0) == -1)'"),
    ("RestrictAddressFamilies", "perl -e 'socket(S, 16, 3, 0) or exit 1'"),
    ("RestrictNamespaces", "unshare --uts true"),
    ("RestrictRealtime", "chrt --fifo 1 true"),
    ("RestrictSUIDSGID", "touch /var/tmp/probe && chmod u+s /var/tmp/probe"),
    ("SystemCallFilter (@system-service)", "perl -e 'exit(syscall(101, 0, 0, 0, 0) == -1)'"),
    ("SystemCallFilter (~@resources)", "renice 5 $BASHPID"),
];

/// Makes what the sandbox hides.
const PREPARE: &str = "mkdir -p /usr/lib/modules/there; touch /root/there /tmp/there; mknod /dev/there c 1 3";

impl Sandbox {
    /// What it must still allow, as the program needs it, and what its processes are.
    fn allowed(&self) -> Vec<(String, String)> {
        let row = |name: &str, command: String| (name.to_owned(), command);
        let status =
            |name, value| row(name, format!("grep --line-regexp '{name}:\t{value}' /proc/self/status"));
        let mut rows: Vec<_> = self
            .writable
            .iter()
            .map(|path| {
                let command = format!("touch {path}/probe && test $(stat --format=%a {path}/probe) = 600");
                row(&format!("{path}, with UMask"), command)
            })
            .collect();
        rows.extend([
            // It hides nothing from root's group (proc(5): hidepid), so only that it is in force can be seen.
            row("ProtectProc", "grep ' /proc ' /proc/self/mountinfo | grep hidepid=invisible".to_owned()),
            row(
                "LimitNOFILE, LimitCORE",
                format!("test $(ulimit -n) = {} -a $(ulimit -c) = 0", self.open_files),
            ),
            status("NoNewPrivs", "1"),
            status("Seccomp", "2"),
            status("CapBnd", self.capabilities),
            status("CapEff", self.capabilities),
            status("CapAmb", NONE),
        ]);
        if self.capabilities != NONE {
            rows.push(row("CAP_CHOWN", "chown 0:4 /run/pullgate/probe".to_owned()));
        }
        rows
    }

    /// The names of those commands that succeed in a copy of the unit, with all that it says about how its program runs, and
    /// another program.
    fn succeeds(&self, node: &Debian, probes: &[(String, String)]) -> Vec<String> {
        let edit = "s/^Type=.*/Type=oneshot/; s/^\\(Restart\\|WatchdogSec\\|ExecStartPre\\|ExecStopPost\\|Requires\\)=.*//";
        let start =
            format!("s#^ExecStart=.*#ExecStart=/bin/bash {PROBES}\\nStandardOutput=truncate:/var/found#");
        directory::write(&node.path(PROBES), script(probes));
        let (from, to) =
            (format!("/usr/lib/systemd/system/{}", self.unit), "/run/systemd/system/probes.service");
        node.run(&format!(
            "sed '{edit}; {start}' {from} >{to} && systemctl daemon-reload && systemctl start probes"
        ));
        lines(&fs::read_to_string(node.path("/var/found")).unwrap())
    }
}

/// Not below /tmp, which is hidden.
const PROBES: &str = "/usr/local/probes";

/// Prints the name of each command that succeeds.
fn script(probes: &[(String, String)]) -> String {
    let probe = |(name, command): &(String, String)| {
        format!("if ({command}) >/dev/null 2>&1; then echo '{name}'; fi\n")
    };
    probes.iter().map(probe).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn each_directive_of_the_units_is_in_force() {
    let node = Debian::with_pullgate(Network::Own, &denying("a test"), "");
    node.install_signer();
    node.run(PREPARE);
    let forbidden = FORBIDDEN.map(|(name, command)| (name.to_owned(), command.to_owned()));
    for sandbox in SANDBOXES {
        let (unit, allowed) = (sandbox.unit, sandbox.allowed());
        let names: Vec<_> = allowed.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(sandbox.succeeds(&node, &forbidden), Vec::<String>::new(), "{unit}");
        assert_eq!(sandbox.succeeds(&node, &allowed), names, "{unit}");
        node.run(&format!("systemd-analyze security --no-pager --threshold={} {unit}", sandbox.exposure));
        assert_eq!(node.property(unit, "MemoryMax"), sandbox.memory.to_string(), "{unit}");
        assert_eq!(node.property(unit, "TasksMax"), sandbox.tasks.to_string(), "{unit}");
    }
    // Without the sandbox, everything of it can be done here: the commands show what they should.
    directory::write(&node.path(PROBES), script(&forbidden));
    let names: Vec<_> = forbidden.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(lines(&node.run(&format!("bash {PROBES}"))), names);
    // The program itself, and not only its copy.
    let process = node.property("pullgate.service", "MainPID");
    let status = node.run(&format!("cat /proc/{process}/status"));
    assert!(status.contains("\nSeccomp:\t2\n") && status.contains("\nNoNewPrivs:\t1\n"), "{status}");
}
