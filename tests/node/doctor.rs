//! `pullgate doctor` on a node that enforces, and on nodes that do not.

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pullgate::doctor::{Report, Verdict};
use pullgate::node::doctor::Examined;
use pullgate::node_install::{Host, Ran};
use pullgate_test::node::kubelet::{Kubelet, Pod};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, directory, process};
use serde_json::Value;

/// A node without systemd.
struct Bare;

impl Host for Bare {
    fn run(&self, _: &str, arguments: &[&str]) -> io::Result<Ran> {
        if arguments != ["--version"] {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Ran { success: true, output: "Kubernetes v1.36.0".to_owned(), errors: String::new() })
    }
}

/// A node whose kubelet is this process: its arguments and files are what the test writes.
struct Examination {
    node: Node,
    kubelet: Kubelet,
}

impl Examination {
    fn start() -> Self {
        let node = Node::start(Release::V2_1);
        let kubelet = node.kubelet_through_pullgate();
        let it = Self { node, kubelet };
        let socket = it.node.pullgate.socket();
        it.configure("10.conf", &socket, &socket);
        it.start_kubelet("");
        // As kubelet does when it starts.
        it.kubelet.image_status("registry.example.com/none:1").unwrap();
        it
    }

    fn directory(&self) -> PathBuf {
        self.node.directory().join("kubelet.d")
    }

    fn configure(&self, name: &str, images: &Path, runtime: &Path) {
        directory::make(&self.directory());
        let text = format!(
            "imageServiceEndpoint: unix://{}\ncontainerRuntimeEndpoint: unix://{}\n",
            images.display(),
            runtime.display()
        );
        directory::write(&self.directory().join(name), text);
    }

    /// The entry of /proc for a kubelet with more arguments.
    fn start_kubelet(&self, more: &str) {
        let process = self.node.directory().join("proc").join(std::process::id().to_string());
        directory::make(&process);
        let line = format!("/usr/bin/kubelet --config-dir={} {more}", self.directory().display());
        directory::write(&process.join("cmdline"), line.trim().replace(' ', "\0") + "\0");
    }

    fn examine(&self) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let examined = Examined {
            host: &Bare,
            root: PathBuf::from("/"),
            proc: self.node.directory().join("proc"),
            config: self.node.pullgate.configuration().to_owned(),
        };
        runtime.block_on(examined.examine()).unwrap_or_else(|problems| panic!("{problems}")).0
    }

    fn assert_finds(&self, name: &str, verdict: Verdict, expected: &[&str]) {
        let report = self.examine();
        assert_eq!(report.verdict, verdict, "{name}: {}", report.text());
        for id in expected {
            assert!(
                report.findings.iter().any(|finding| finding.id == *id),
                "{name}: {id} in {}",
                report.text()
            );
        }
        let log = self.node.containerd.log();
        assert!(!log.contains("pullgate-canary"), "{name}: the canary reached containerd");
    }
}

#[test]
fn a_node_that_enforces_is_told_from_one_that_does_not() {
    let mut it = Examination::start();
    let image = it.node.push_signed("team/app:1");
    it.kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    assert!(it.node.containerd.log().contains("team/app"), "containerd logs what it pulls");
    it.assert_finds("enforcing", Verdict::Enforcing, &["kubelet", "socket", "canary", "policy"]);
    let decided = process::must_run(it.node.pullgate.command().args(["report", "--output", "json"]));
    assert!(decided.contains("team/app") && !decided.contains("pullgate-canary"), "{decided}");

    let (ours, containerd) = (it.node.pullgate.socket(), it.node.containerd.socket());
    it.configure("10.conf", &containerd, &containerd);
    it.assert_finds("kubelet at containerd", Verdict::NotEnforcing, &["image-endpoint"]);
    it.configure("10.conf", &ours, &containerd);
    it.assert_finds("containers past pullgate", Verdict::Enforcing, &["runtime-endpoint", "canary"]);
    it.configure("10.conf", &ours, &ours);

    it.start_kubelet(&format!("--image-service-endpoint=unix://{}", containerd.display()));
    it.assert_finds("a second endpoint that wins", Verdict::NotEnforcing, &["image-endpoint"]);
    it.start_kubelet("");
    it.configure("05.conf", &containerd, &containerd);
    it.assert_finds(
        "a second endpoint that loses",
        Verdict::Enforcing,
        &["several-image-endpoints", "canary"],
    );
    fs::remove_file(it.directory().join("05.conf")).unwrap();

    let allow = Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n");
    it.node.pullgate.reload(&allow);
    it.assert_finds("everything is allowed", Verdict::NotEnforcing, &["canary-admitted", "nothing-enforced"]);
    let audit = "default = \"deny\"\n[[namespace]]\nscope = \"**\"\nmode = \"audit\"\ndeny = \"later\"\n";
    it.node.pullgate.reload(&Policy::text(audit));
    it.assert_finds("audit only", Verdict::NotEnforcing, &["canary-admitted", "audit-rules"]);
    it.node.pullgate.reload(&Policy::text("surprise = 1\n"));
    it.assert_finds("a reload failed", Verdict::NotEnforcing, &["reload-failed", "policy-invalid"]);
    it.node.pullgate.reload(&Policy::deny());
    it.assert_finds("mended", Verdict::Enforcing, &["canary"]);

    it.node.pullgate.stop();
    it.assert_finds("stopped", Verdict::NotEnforcing, &["socket-dead", "daemon-down"]);
    // Somebody else answers in its place.
    let other = UnixListener::bind(&ours).unwrap();
    let closing = std::thread::spawn(move || {
        for stream in other.incoming().take(2) {
            drop(stream);
        }
    });
    it.assert_finds("another program", Verdict::NotEnforcing, &["daemon-down", "canary-not-refused"]);
    closing.join().unwrap();
    fs::remove_file(&ours).unwrap();
}

/// The daemon examines itself after its start, and root's `pullgate doctor` replaces that.
#[test]
fn the_status_shows_the_last_examination() {
    let mut node = Node::start_with(Release::V2_1, |_, _| {
        Policy::text("default = \"allow-unsigned\"\ndefault-reason = \"a test\"\n")
    });
    let run = |node: &Node, arguments: &[&str]| {
        let output = process::output(node.pullgate.command().args(arguments).stdin(Stdio::null()));
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let status = |node: &Node| {
        let (_, status) = run(node, &["status", "--output", "json"]);
        serde_json::from_str::<Value>(&status).unwrap()
    };
    node.pullgate.wait_for_record(0, |record| record["id"] == "canary-admitted");
    let first =
        process::wait(process::LIMIT, || Some(status(&node)["doctor"].clone()).filter(Value::is_object))
            .unwrap();
    assert_eq!(first["verdict"], "not-enforcing", "{first}");
    let attention = status(&node)["attention"].to_string();
    assert!(attention.contains("(canary-admitted)"), "{attention}");

    let (code, text) = run(&node, &["doctor"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("\nERROR    canary-admitted\n"), "{text}");
    let second = status(&node)["doctor"].clone();
    let ids: Vec<_> = second["findings"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert!(ids.contains(&"kubelet-unknown".into()), "the whole node was examined: {second}");
    let (_, page) = run(&node, &["status"]);
    let row = page.lines().find_map(|line| line.trim_start().strip_prefix("doctor ")).unwrap_or_default();
    assert!(row.trim_start().starts_with("this node does NOT enforce its policy: "), "{page}");
    assert_eq!(status(&node)["counters"]["refused"], 0, "a canary is no pull");

    node.pullgate.restart_with(&Policy::deny());
    let quiet =
        process::wait(process::LIMIT, || Some(status(&node)["doctor"].clone()).filter(Value::is_object))
            .unwrap();
    assert_eq!(quiet["verdict"], "undetermined", "the daemon does not see kubelet: {quiet}");
    assert!(quiet["findings"].to_string().contains("\"canary\""), "{quiet}");
}
