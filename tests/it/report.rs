//! `pullgate report`, from the running daemon and from its file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use nix::sys::signal::Signal;
use prost::Message as _;
use pullgate::api;
use pullgate::containerd::Upstream;
use pullgate_test::policy::RELEASE;
use pullgate_test::proxy::call;
use pullgate_test::runtime::framed;
use pullgate_test::world::{World, pull_request};
use pullgate_test::{programs, secrets};
use serde_json::{Value, json};

use crate::serving::{Serving, command};

/// A registry, a fake runtime, and the configuration of a daemon between them.
struct Node {
    world: World,
    root: PathBuf,
}

impl Node {
    /// With these lines in `[report]`.
    async fn new(report: &str) -> Self {
        let world = World::builder().start().await;
        let root = world.directory.path().join("etc");
        let node = Self { world, root };
        node.configure(report);
        node.set_mode("audit");
        for image in ["audited/app", "team/app", "open/tool"] {
            node.world.registry.image(image, "1", image);
        }
        node
    }

    fn configure(&self, report: &str) {
        let at = |name: &str| self.world.directory.path().join(name);
        let text = format!(
            "[listen]\nsocket = {:?}\n[control]\nsocket = {:?}\n[runtime]\nsocket = {:?}\n[ledger]\ndirectory = {:?}\n\
             [limits]\nnegative-cache-ttl = \"0s\"\n[report]\n{report}\n",
            at("serve.sock"),
            at("control.sock"),
            self.world.runtime.socket(),
            self.directory(),
        );
        fs::write(self.root.join("pullgate.toml"), text).unwrap();
    }

    /// The mode of the rule for `audited`.
    fn set_mode(&self, mode: &str) {
        self.world.set_policy(&format!(
            "default = \"deny\"\n{RELEASE}\
             [[namespace]]\nscope = \"%HOST/audited\"\nrequire = {{ all = [\"release\"] }}\nmode = \"{mode}\"\n\
             [[namespace]]\nscope = \"%HOST/team\"\nrequire = {{ all = [\"release\"] }}\n\
             [[namespace]]\nscope = \"%HOST/open\"\nallow = \"unsigned\"\nreason = \"a test\"\n"
        ));
    }

    fn directory(&self) -> PathBuf {
        self.world.directory.path().join("ledger")
    }

    fn record(&self) -> PathBuf {
        self.directory().join("report.json")
    }

    async fn start(&self) -> Serving {
        let serving = Serving::start(&self.root);
        serving.wait_for("serving").await;
        serving
    }

    /// Pulls an image for a pod in this namespace; returns the gRPC status.
    async fn pull(&self, image: &str, namespace: &str) -> String {
        let metadata = api::PodSandboxMetadata {
            name: "web-0".to_owned(),
            namespace: namespace.to_owned(),
            ..Default::default()
        };
        let sandbox = api::PodSandboxConfig { metadata: Some(metadata), ..Default::default() };
        let image = self.world.image(image);
        let message = api::PullImageRequest { sandbox_config: Some(sandbox), ..pull_request(&image) };
        let client = Upstream::new(self.world.directory.path().join("serve.sock"));
        let body = framed(&message.encode_to_vec());
        let response = call(&client, "/runtime.v1.ImageService/PullImage", HeaderMap::new(), body).await;
        let (head, body) = response.into_parts();
        let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or(head.headers);
        trailers["grpc-status"].to_str().unwrap().to_owned()
    }

    /// Exit code, standard output and standard error.
    fn report(&self, arguments: &[&str]) -> (i32, String, String) {
        let output =
            command(programs::pullgate(), &self.root).arg("report").args(arguments).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        secrets::wrote("report", format!("{out}{err}"));
        (output.status.code().unwrap(), out, err)
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, out, err) = self.report(&[&["--output", "json"], arguments].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
    }

    /// Verdict, reason, namespace, repository and count of each row.
    fn rows(&self, arguments: &[&str]) -> (i32, Vec<String>) {
        let (code, report) = self.json(arguments);
        let prefix = format!("{}/", self.world.registry.host());
        let row = |row: &Value| {
            let text = |key: &str| row[key].as_str().unwrap_or("-").replace(&prefix, "");
            let keys = ["verdict", "reason", "call", "namespace", "image"].map(text);
            format!("{} {}", keys.join(" "), row["count"])
        };
        (code, report["rows"].as_array().unwrap().iter().map(row).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_audited_rule_would_have_refused_comes_first_and_survives_a_restart() {
    let node = Node::new("").await;
    let serving = node.start().await;
    for (image, namespace, expected) in [
        ("team/app:1", "shop", "2"),
        ("team/app:1", "shop", "2"),
        ("team/app:1", "shop", "2"),
        ("audited/app:1", "shop", "0"),
        ("audited/app:1", "billing", "0"),
        ("audited/app:1", "billing", "0"),
        // The fake runtime pulls by digest only.
        ("open/tool:1", "shop", "2"),
        ("team/none:1", "shop", "5"),
    ] {
        assert_eq!(node.pull(image, namespace).await, expected, "{image}: {}", serving.log());
    }
    let expected = [
        "would-refuse no-signature pull billing audited/app:1 2",
        "would-refuse no-signature pull shop audited/app:1 1",
        "refused no-signature pull shop team/app:1 3",
        "undecided not-found pull shop team/none:1 1",
        "admitted unsigned-allowed pull shop open/tool:1 1",
    ];
    assert_eq!(node.rows(&[]), (1, expected.map(str::to_owned).to_vec()));
    let (_, report) = node.json(&["--daemon", "require"]);
    assert_eq!(report["incomplete"], false);
    let first = &report["rows"][0];
    let rule = format!("namespace \"{}/audited\" (policy.toml:6)", node.world.registry.host());
    assert_eq!(first["rule"], json!(rule), "{report}");
    assert!(first["digest"].as_str().unwrap().starts_with("sha256:"), "{report}");

    for (arguments, code, count) in [
        (&["--verdict", "admitted", "--verdict", "undecided"][..], 0, 2),
        (&["--verdict", "refused"], 1, 1),
        (&["--namespace", "billing"], 1, 1),
        (&["--namespace", ""], 0, 0),
        // No decision by it yet.
        (&["--rule", "default (policy.toml"], 0, 0),
        (&["--rule", "/audited"], 1, 2),
        (&["--rule", "/audited", "--namespace", "shop"], 1, 1),
        (&["--since", "1h"], 1, 5),
        (&["--since", "2026-01-01T00:00:00Z"], 1, 5),
        // The record began later.
        (&["--verdict", "admitted", "--since", "2026-01-01T00:00:00Z"], 3, 1),
    ] {
        let (found, rows) = node.rows(arguments);
        assert_eq!((found, rows.len()), (code, count), "{arguments:?}: {rows:?}");
    }

    for (arguments, told) in [
        (["--rule", "/audtied"], "no rule with \"/audtied\" in its name is in the record or in the policy"),
        (["--namespace", "blling"], "no decision for pods of the namespace \"blling\" is in the record"),
    ] {
        for more in [&["--daemon", "require"][..], &["--output", "json"], &["--since", "1h"]] {
            let (code, out, err) = node.report(&[&arguments, more].concat());
            assert!(code == 2 && out.is_empty() && err.contains(told), "{arguments:?}: {out}{err}");
        }
    }

    assert!(serving.end(Signal::SIGTERM).success());
    assert_eq!(node.record().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let same_rows = |report: &Value, other: &Value| assert_eq!(report["rows"], other["rows"]);
    same_rows(&node.json(&["--daemon", "off"]).1, &report);
    let (code, out, err) = node.report(&[]);
    assert!(code == 1 && err.contains("cannot connect to the daemon"), "{out}{err}");
    let (code, ..) = node.report(&["--daemon", "require"]);
    assert_eq!(code, 3);
    // What the daemon decided last may not be in the file.
    let (code, report) = node.json(&["--daemon", "off", "--verdict", "admitted"]);
    assert_eq!((code, &report["from-file"], &report["incomplete"]), (3, &json!(true), &json!(true)));

    // From audit to enforce.
    node.set_mode("enforce");
    let serving = node.start().await;
    assert_eq!(node.pull("audited/app:1", "billing").await, "2", "{}", serving.log());
    let enforced =
        [&expected[..2], &[expected[2], "refused no-signature pull billing audited/app:1 1"], &expected[3..]];
    assert_eq!(
        node.rows(&["--daemon", "require"]),
        (1, enforced.concat().into_iter().map(str::to_owned).collect())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_and_csv_have_the_same_rows() {
    let node = Node::new("").await;
    let serving = node.start().await;
    for image in ["audited/app:1", "team/app:1", "open/tool:1"] {
        node.pull(image, "=shop").await;
    }
    assert_eq!(node.pull("user:pa55@x/app:1", "shop").await, "2", "{}", serving.log());
    let (_, report) = node.json(&[]);
    let digest = report["rows"][0]["digest"].as_str().unwrap();
    let (code, text, _) = node.report(&[]);
    assert_eq!(code, 1);
    let order =
        ["would-refuse: ", "COUNT", "audited/app:1", "refused: ", "team/app:1", "admitted: ", "open/tool:1"];
    let places: Vec<_> =
        order.iter().map(|part| text.find(part).unwrap_or_else(|| panic!("{part}:\n{text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.ends_with("1 would-refuse, 2 refused, 1 admitted\n"), "{text}");
    assert!(text.contains(&digest["sha256:".len()..][..12]) && !text.contains(digest), "{text}");
    assert!(text.contains("(invalid name)") && !text.contains("pa55"), "{text}");
    let (_, wide, _) = node.report(&["--wide"]);
    assert!(wide.contains(digest) && wide.contains("FIRST"), "{wide}");

    let (code, csv, notes) = node.report(&["--output", "csv"]);
    assert_eq!((code, notes.as_str()), (1, ""));
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(lines[0], "verdict,reason,call,count,first,last,namespace,image,digest,rule");
    assert_eq!((lines.len(), lines[5]), (6, ""), "{csv}");
    assert!(lines[1].starts_with("would-refuse,no-signature,pull,1,"), "{csv}");
    let image = node.world.image("audited/app:1");
    let rule = format!("\"namespace \"\"{}/audited\"\" (policy.toml:6)\"", node.world.registry.host());
    assert!(lines[1].ends_with(&format!(",\"'=shop\",{image},{digest},{rule}")), "{csv}");
    let image = node.world.image("team/app:1");
    let (_, report) = node.json(&["--rule", "/team"]);
    let digest = report["rows"][0]["digest"].as_str().unwrap();
    let descriptor = node.world.directory.path().join("descriptor");
    fs::write(&descriptor, json!({ "digest": digest, "size": 1 }).to_string()).unwrap();
    let verifier = ["image-verifier", "--daemon", "require", "-name", &image, "-digest", digest];
    let verified = command(programs::pullgate(), &node.root)
        .args(verifier)
        .args(["-stdin-media-type", "application/vnd.oci.descriptor.v1+json"])
        .stdin(fs::File::open(descriptor).unwrap())
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    let (_, rows) = node.rows(&["--rule", "/team", "--namespace", ""]);
    assert_eq!(rows, ["refused no-signature image-verifier  team/app:1 1"], "{verified:?} {}", serving.log());
    assert!(!csv.contains("pa55") && !serving.log().is_empty(), "{csv}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn a_killed_daemon_loses_what_it_has_not_written_yet() {
    for (interval, kept) in [("1s", true), ("60m", false)] {
        let node = Node::new(&format!("interval = \"{interval}\"")).await;
        let serving = node.start().await;
        node.pull("audited/app:1", "shop").await;
        let written = || fs::read_to_string(node.record()).is_ok_and(|text| text.contains("audited/app:1"));
        if kept {
            serving.wait_until("the record", written).await;
        }
        serving.end(Signal::SIGKILL);
        assert_eq!(written(), kept, "{interval}");
        let serving = node.start().await;
        serving.wait_until("an answer", || node.report(&["--daemon", "require"]).0 != 3).await;
        assert_eq!(node.rows(&["--daemon", "require"]).1.len(), usize::from(kept), "{interval}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn without_a_record_nothing_is_written() {
    let node = Node::new("enabled = false").await;
    let (code, _, err) = node.report(&[]);
    assert!(code == 3 && err.contains("no record of decisions"), "{err}");
    let serving = node.start().await;
    assert_eq!(node.pull("audited/app:1", "shop").await, "0");
    let (code, _, err) = node.report(&[]);
    assert!(code == 3 && err.contains("`enabled` in [report]"), "{err}");
    serving.end(Signal::SIGTERM);
    assert!(!node.record().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn the_number_of_rows_is_limited_and_the_report_says_what_is_missing() {
    for (rows, evicted) in [(16, true), (40, false)] {
        let node = Node::new(&format!("max-rows = {rows}")).await;
        let serving = node.start().await;
        node.pull("audited/app:1", "shop").await;
        for number in 0..30 {
            node.pull(&format!("denied/app:{number}"), "shop").await;
        }
        let (code, report) = node.json(&[]);
        let found = report["rows"].as_array().unwrap();
        assert_eq!((code, &report["incomplete"]), (1, &json!(evicted)), "{report}");
        assert_eq!(found[0]["verdict"], "would-refuse", "the last to go");
        assert_eq!(found.len(), if evicted { 16 } else { 31 });
        let counted: u64 = found.iter().map(|row| row["count"].as_u64().unwrap()).sum();
        assert_eq!(counted + report["evicted"].as_u64().unwrap(), 31, "{report}");
        let (code, text, _) = node.report(&["--verdict", "admitted"]);
        assert_eq!(
            (code, text.contains("missing: 15 decisions up to ")),
            (if evicted { 3 } else { 0 }, evicted),
            "{text}"
        );
        serving.end(Signal::SIGTERM);
    }
}

/// A record with one decision of so many seconds ago.
fn write_record(path: &Path, seconds: i64, more: &str) {
    let at = jiff::Timestamp::now().as_second() - seconds;
    let lost = json!({ "decisions": 0, "last": null });
    let row = json!({
        "verdict": "refused", "call": "pull", "reason": "no-signature", "image": "r.io/old:1", "namespace": "shop",
        "rule": "a rule", "digest": null, "first": at, "last": at, "counts": [[at / 3600, 1]],
    });
    let record = json!({ "version": 1, "begun": at, "evicted": lost, "dropped": lost, "rows": [row] });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(path, record.to_string() + more).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn decisions_are_kept_for_a_time() {
    for (keep, rows) in [("1440m", 0), ("3d", 1)] {
        let node = Node::new(&format!("keep = {keep:?}")).await;
        write_record(&node.record(), 2 * 24 * 60 * 60, "");
        assert_eq!(node.rows(&["--daemon", "off"]).1.len(), rows, "{keep}");
        assert!(node.rows(&["--daemon", "off", "--since", "1h"]).1.is_empty(), "{keep}");
        node.start().await.end(Signal::SIGTERM);
        assert_eq!(node.rows(&["--daemon", "off"]).1.len(), rows, "{keep}, after a run of the daemon");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_used_is_set_aside() {
    let root = nix::unistd::geteuid().is_root();
    for (what, damage) in [
        ("garbage after it", (|path| write_record(path, 0, "x")) as fn(&Path)),
        ("another version", |path| fs::write(path, r#"{"version":2,"rows":{}}"#).unwrap()),
        ("an unknown field", |path| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replacen("\"rows\"", "\"more\":1,\"rows\"", 1)).unwrap();
        }),
        ("an end in the middle", |path| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, &text[..text.len() / 2]).unwrap();
        }),
        ("nothing in it", |path| fs::write(path, "").unwrap()),
        ("a size", |path| fs::File::options().write(true).open(path).unwrap().set_len(33 << 20).unwrap()),
        ("a directory", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("writable by others", |path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("of another user", |path| std::os::unix::fs::chown(path, Some(12345), None).unwrap()),
    ] {
        if what == "of another user" && !root {
            continue;
        }
        let node = Node::new("").await;
        write_record(&node.record(), 0, "");
        damage(&node.record());
        let (code, _, err) = node.report(&["--daemon", "off"]);
        assert!(code == 3 && err.contains("report.json"), "{what}: {err}");
        let serving = node.start().await;
        serving.wait_for("the record of decisions was set aside").await;
        assert!(node.directory().join("report.damaged").exists(), "{what}");
        assert_eq!(node.pull("audited/app:1", "shop").await, "0", "{what}");
        let expected = (1, vec!["would-refuse no-signature pull shop audited/app:1 1".to_owned()]);
        assert_eq!(node.rows(&[]), expected, "{what}");
        serving.end(Signal::SIGTERM);
        assert_eq!(node.rows(&["--daemon", "off"]), expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_cannot_be_written_delays_and_refuses_nothing() {
    let node = Node::new("interval = \"1s\"").await;
    fs::write(node.directory(), "a file in its place").unwrap();
    let serving = node.start().await;
    assert_eq!(node.pull("audited/app:1", "shop").await, "0");
    serving.wait_for("cannot write the record of decisions").await;
    assert_eq!(node.pull("audited/app:1", "shop").await, "0");
    assert_eq!(
        node.rows(&["--daemon", "require"]).1,
        ["would-refuse no-signature pull shop audited/app:1 2"]
    );
    assert!(serving.end(Signal::SIGTERM).success());
}

/// pullgate checks it every 30 s, and nobody asks for it then.
#[tokio::test(start_paused = true)]
async fn the_sandbox_image_counts_once_for_each_policy_and_hour() {
    let name = "registry.example.com/pause:1";
    let world =
        World::builder().proxy(|settings| settings.sandbox_image = Some(name.to_owned())).start().await;
    let decisions = &world.daemon.proxy.counters().decisions;
    decisions.record();
    let checks = || world.runtime.calls_of("ImageStatus").len();
    for policy in ["default = \"deny\"\n", "# the same\ndefault = \"deny\"\ndefault-reason = \"closed\"\n"] {
        world.set_policy(policy);
        let before = checks();
        let watch = world.daemon.proxy.watch_sandbox_image(|_| ());
        let enough = async {
            while checks() < before + 3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = watch => {}
            () = enough => {}
        }
        let counted: Vec<_> =
            decisions.take().tallies.into_iter().map(|(key, tally)| (key.image, tally.count)).collect();
        assert_eq!(counted, [(name.into(), 1)], "{policy}");
    }
    // And once an hour.
    let watch = world.daemon.proxy.watch_sandbox_image(|_| ());
    let _ = tokio::time::timeout(Duration::from_secs(2 * 3600 + 60), watch).await;
    let counts: Vec<_> = decisions.take().tallies.into_values().map(|tally| tally.count).collect();
    assert_eq!(counts, [3]);
}
