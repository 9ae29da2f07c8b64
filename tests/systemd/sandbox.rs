//! The directives of pullgate.service: everything that they forbid fails, and everything that pullgate needs works.

use std::fs;
use std::net::TcpListener;

use pullgate::trust::{Algorithm, PssSalt, PublicKey};
use pullgate_test::authority::Authority;
use pullgate_test::node::debian::{Debian, Network};
use pullgate_test::node::directory::Directory;
use pullgate_test::node::keys::{Kind, PrivateKey};
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::process::{self, LIMIT};
use pullgate_test::node::registry::{PASSWORD, Registry, USER};
use pullgate_test::node::{RELEASE, directory, http, images, packages, signing};
use pullgate_test::secrets::{self, MARK};
use pullgate_test::signer::key_file;
use pullgate_test::tunnel::Tunnel;
use pullgate_test::vault::Vault;

use super::denying;

/// The registry in the image names, which DNS does not resolve: only the proxy leads to it.
const NAME: &str = "registry.example.invalid";

/// What the sandbox must forbid: the directive, and a command that succeeds without it. Numbers are of x86_64's system calls,
/// as the package is.
const FORBIDDEN: [(&str, &str); 18] = [
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
    ("ProtectHostname", "hostname probe"),
    ("ProtectKernelLogs", "perl -e 'exit(syscall(103, 10, 0, 0) == -1)'"),
    ("LockPersonality", "setarch --addr-no-randomize true"),
    ("MemoryDenyWriteExecute", "perl -e 'exit(syscall(9, 0, 4096, 7, 34, -1, 0) == -1)'"),
    ("RestrictAddressFamilies", "perl -e 'socket(S, 16, 3, 0) or exit 1'"),
    ("RestrictNamespaces", "unshare --uts true"),
    ("RestrictRealtime", "chrt --fifo 1 true"),
    ("RestrictSUIDSGID", "touch /var/tmp/probe && chmod u+s /var/tmp/probe"),
];

/// What it must still allow, as pullgate needs it.
const ALLOWED: [(&str, &str); 5] = [
    (
        "StateDirectory, with UMask",
        "touch /var/lib/pullgate/probe && test $(stat -c %a /var/lib/pullgate/probe) = 600",
    ),
    // It hides nothing from root's group (proc(5): hidepid), so only that it is in force can be seen.
    ("ProtectProc", "grep ' /proc ' /proc/self/mountinfo | grep hidepid=invisible"),
    ("RuntimeDirectory", "touch /run/pullgate/probe"),
    ("CAP_CHOWN", "chown 0:4 /run/pullgate/probe"),
    ("LimitNOFILE, LimitCORE", "test $(ulimit -n) = 8192 -a $(ulimit -c) = 0"),
];

#[test]
fn each_directive_of_the_unit_is_in_force() {
    let node = Debian::with_pullgate(Network::Own, &denying("a test"), "");
    node.run("touch /root/there /tmp/there; mknod /dev/there c 1 3");
    let probe =
        |(name, command): &(&str, &str)| format!("if ({command}) >/dev/null 2>&1; then echo '{name}'; fi");
    let script = |probes: &[(&str, &str)]| probes.iter().map(probe).collect::<Vec<_>>().join("\n");
    // Not below /tmp, which is hidden.
    let file = node.path("/usr/local/probes");
    let run = |probes: &[(&str, &str)]| {
        directory::write(&file, script(probes));
        // A copy of the unit, with all that it says about how its program runs, and another program.
        let edit = "s/^Type=.*/Type=oneshot/; s/^\\(Restart\\|WatchdogSec\\|ExecStartPre\\|Requires\\)=.*//";
        let start =
            "s#^ExecStart=.*#ExecStart=/bin/bash /usr/local/probes\\nStandardOutput=truncate:/var/found#";
        let unit = "/usr/lib/systemd/system/pullgate.service >/run/systemd/system/probes.service";
        node.run(&format!(
            "sed '{edit}; {start}' {unit} && systemctl daemon-reload && systemctl start probes"
        ));
        fs::read_to_string(node.path("/var/found")).unwrap()
    };
    let names =
        |probes: &[(&str, &str)]| probes.iter().map(|(name, _)| format!("{name}\n")).collect::<String>();
    assert_eq!(run(&FORBIDDEN), "");
    assert_eq!(run(&ALLOWED), names(&ALLOWED));
    // Without the sandbox, everything of it can be done here: the commands show what they should.
    directory::write(&file, script(&FORBIDDEN));
    assert_eq!(node.run("bash /usr/local/probes"), names(&FORBIDDEN));

    let process = node.property("pullgate.service", "MainPID");
    let status = node.run(&format!("cat /proc/{process}/status"));
    // CAP_CHOWN alone.
    for line in [
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "CapBnd:\t0000000000000001",
        "CapEff:\t0000000000000001",
        "CapAmb:\t0000000000000000",
    ] {
        assert!(status.lines().any(|found| found == line), "{line}\n{status}");
    }
    // 2.0 of 10.
    node.run("systemd-analyze security --no-pager --threshold=20 pullgate.service");
    assert_eq!(node.property("pullgate.service", "MemoryMax"), (256 << 20).to_string());
    assert_eq!(node.property("pullgate.service", "TasksMax"), "128");
}

#[test]
fn a_signed_pull_through_a_proxy_the_ledger_and_metrics_work_in_the_sandbox() {
    let home = Directory::new();
    let file = |name: &str, text: &str| {
        directory::write(&home.path().join(name), text);
        home.path().join(name)
    };
    let release = PrivateKey::make(home.path(), RELEASE, Kind::P256);
    let mut registry = Registry::start(home.path().join("registry"));
    let push = |name: &str| images::make(home.path(), &[]).push(&registry, name);
    let (signed, unsigned) = (push("team/app:1"), push("team/unsigned:1"));
    signing::sign(&signed.by_digest(), &release);
    let policy = Policy::deny().authenticator(RELEASE, &[&release]).allow_unsigned("registry.k8s.io");
    let policy = policy.require_with_aliases(NAME, &[RELEASE], &[registry.host()]);

    let authority = Authority::new();
    let (certificate, key) = authority.server(NAME);
    let (certificate, key) = (file("registry.pem", &certificate), file("registry.key", &key));
    let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display());
    registry.restart_with(&format!("{tls}{}", registry.passwords()));
    let tunnel = Tunnel::start(registry.host(), Some(&format!("proxy:{MARK}-proxy")));

    let node = Debian::boot(Network::Shared);
    let hosts = node.path("/etc/containerd/certs.d").join(NAME);
    directory::make(&hosts);
    directory::write(&hosts.join("ca.pem"), authority.pem());
    let ca = format!("ca = \"/etc/containerd/certs.d/{NAME}/ca.pem\"");
    let text = format!("server = \"https://{NAME}\"\n{ca}\n[host.\"https://{NAME}\"]\n{ca}\n");
    directory::write(&hosts.join("hosts.toml"), text);
    let drop_in = node.path("/etc/systemd/system/containerd.service.d");
    directory::make(&drop_in);
    let proxy = format!("[Service]\nEnvironment=HTTPS_PROXY={}\n", tunnel.url());
    directory::write(&drop_in.join("proxy.conf"), proxy);
    node.run(
        "mkdir -p /var/lib/prometheus/node-exporter; systemctl daemon-reload; systemctl restart containerd",
    );
    node.import_pause();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let exported = "/var/lib/prometheus/node-exporter/pullgate.prom";
    node.install(packages::VERSION);
    node.set_up(
        &policy,
        &format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\ntextfile = \"{exported}\"\ntextfile-interval = \"1s\"\n"),
    );

    let pod = |name: String| Pod::of(name).with_pull_secret(USER, PASSWORD);
    let kubelet = node.kubelet();
    let ran = kubelet.run(&pod(signed.at(NAME).by_tag()));
    assert_eq!(ran.unwrap_or_else(|waiting| panic!("{waiting:?}")).user, 1000);
    let refused = kubelet.ensure_image(&pod(unsigned.at(NAME).by_tag())).unwrap_err();
    assert_eq!(refused.code(), "no-signature", "{}", refused.message);
    let stranger = kubelet.ensure_image(&Pod::of(signed.at(NAME).by_tag())).unwrap_err();
    assert_eq!(stranger.code(), "registry-unauthorized", "{}", stranger.message);
    let asked = tunnel.take_asked();
    assert!(asked.iter().any(|line| line.starts_with(&format!("CONNECT {NAME}:443 "))), "{asked:?}");

    let page = http::get(&format!("127.0.0.1:{port}"), "/metrics", "*/*").text();
    secrets::wrote("metrics", &page);
    let pulls = |page: &str, verdict: &str| {
        let sample = |line: &&str| line.starts_with("pullgate_pulls_total{") && line.contains(verdict);
        page.lines().filter(sample).count()
    };
    assert!(pulls(&page, "\"admitted\"") > 0 && pulls(&page, "\"refused\"") > 0, "{page}");
    let written = process::wait(LIMIT, || {
        let page = fs::read_to_string(node.path(exported)).ok()?;
        (pulls(&page, "\"admitted\"") > 0).then_some(page)
    });
    assert!(written.is_some(), "the file for node_exporter has no pull");

    // What the ledger says is enough for an image that is present, without a registry.
    registry.stop();
    assert_eq!(node.property("pullgate.service", "NRestarts"), "0");
    node.run("systemctl restart pullgate");
    let kubelet = node.kubelet();
    assert!(kubelet.image_status(&signed.at(NAME).by_tag()).unwrap().is_some());
    assert!(node.run("find /var/lib/pullgate -type f | wc --lines").trim() != "0");
    node.run("rm -r /var/lib/pullgate/*; systemctl restart pullgate");
    let refused = node.kubelet().image_status(&signed.at(NAME).by_tag()).unwrap_err();
    assert!(refused.message().contains("[not-verified]"), "{refused}");
}

#[test]
fn a_key_is_fetched_from_a_key_service_in_the_sandbox() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vault = runtime.block_on(Vault::start("p256", "ecdsa-p256", None));
    let pem = fs::read_to_string(key_file("p256", "pub")).unwrap();
    let key = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let policy = Policy::deny().add_lines(&format!(
        "[authenticator.{RELEASE}]\nalgorithm = \"ECDSA_SHA_256\"\n\
         keys = [{{ source = \"{}&version=2\", fingerprint = \"{}\" }}]\n\
         [[namespace]]\nscope = \"{NAME}\"\nrequire = {{ all = [\"{RELEASE}\"] }}",
        vault.location(),
        key.fingerprint(),
    ));
    let node = Debian::boot(Network::Shared);
    node.install(packages::VERSION);
    secrets::file(node.path("/etc/pullgate"), "token", "hvs.pg5ECRET-token");
    node.set_up(&policy, "[keys.vault]\ntoken-file = \"/etc/pullgate/token\"\n");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));
    assert!(vault.asked() > 0);
    let kept = || node.run("find /var/lib/pullgate/keys -type f | wc --lines");
    assert_ne!(kept(), "0\n");
    // From now on without the service.
    drop(vault);
    node.run("systemctl restart pullgate");
    node.wait_for("pullgate.service", "StatusText", |text| text.starts_with("policy generation 1 "));
}
