//! Metrics of the program: where they are served, and what Prometheus makes of the dashboard and the alerts.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::process::{self, Daemon, LIMIT};
use pullgate_test::node::signer::free_port;
use pullgate_test::node::{Node, RELEASE, Release, directory};
use pullgate_test::{repository, secrets};

const PAUSE: &str = "registry.k8s.io/pause:test";

/// Status, header and body of the answer to a request over this connection.
fn say(stream: impl Read + Write, method: &str, path: &str) -> (String, String, String) {
    let mut stream = stream;
    // 1.0, so that the answer is not in chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.split(' ').nth(1).unwrap_or_default();
    (status.to_owned(), headers.to_lowercase(), body.to_owned())
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn scrape(port: u16) -> String {
    let (status, _, page) = say(tcp(port), "GET", "/metrics");
    assert_eq!(status, "200", "{page}");
    secrets::wrote("metrics", &page);
    page
}

/// The sum of the samples that begin so.
fn sum(page: &str, prefix: &str) -> u64 {
    let samples = page.lines().filter(|line| line.starts_with(prefix));
    samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

fn node() -> Node {
    Node::start_with(Release::V2_1, |policy, key| {
        let until = Timestamp::now() + SignedDuration::from_hours(10 * 24);
        let policy = policy.authenticator_with(RELEASE, key, &format!("not-after = {until}"));
        policy.require("**", &[RELEASE]).allow_unsigned("registry.k8s.io")
    })
}

#[test]
pub(crate) fn metrics_are_served_and_written_as_configured() {
    let mut node = node();
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let (port, socket) = (free_port(), node.directory().join("metrics.sock"));
    let file = node.directory().join("pullgate.prom");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err() && !file.exists());
    let configured = |listen: &str, interval: &str| {
        format!("[metrics]\nlisten = \"{listen}\"\ntextfile = {file:?}\ntextfile-interval = \"{interval}\"")
    };
    node.pullgate.restart_configured(&configured(&format!("127.0.0.1:{port}"), "1s"));
    let slow: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = tcp(port);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: ").unwrap();
            stream
        })
        .collect();
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.kubelet().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    let page = scrape(port);
    drop(slow);
    let mut status = node.pullgate.command();
    let output = process::output(status.args(["status", "--output", "json"]).stdin(Stdio::null()));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let samples = [
        ("admitted", "pullgate_pulls_total{verdict=\"admitted\""),
        ("refused", "pullgate_pulls_total{verdict=\"refused\""),
        ("withheld", "pullgate_images_withheld_total"),
        ("containers_refused", "pullgate_containers_refused_total"),
    ];
    for (name, prefix) in samples {
        assert_eq!(status["counters"][name], sum(&page, prefix), "{name} {page}");
    }
    assert_eq!(sum(&page, "pullgate_pulls_total{verdict=\"refused\",reason=\"no-signature\"}"), 1, "{page}");
    assert_eq!(status["ledger"]["entries"], sum(&page, "pullgate_ledger_entries "), "{page}");
    assert_eq!(status["policy"]["generation"], sum(&page, "pullgate_policy_generation "), "{page}");
    let hash = status["policy"]["hash"].as_str().unwrap();
    assert!(page.contains(&format!("pullgate_policy_info{{hash=\"{hash}\"}} 1\n")), "{page}");
    assert!(page.contains("pullgate_trust_expiry_timestamp_seconds{kind=\"key\"} "), "{page}");

    let (code, headers, body) = say(tcp(port), "HEAD", "/metrics");
    assert_eq!((code.as_str(), body.as_str()), ("200", ""), "{headers}");
    assert!(headers.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{headers}");
    for (method, path) in [("GET", "/"), ("POST", "/metrics"), ("GET", "/metrics/x"), ("GET", "/status")] {
        assert_eq!(say(tcp(port), method, path).0, "404", "{method} {path}");
    }
    let lint =
        process::output(Command::new("promtool").args(["check", "metrics"]).stdin(page_file(&node, &page)));
    assert!(lint.status.success(), "{lint:?}");

    // Written at each interval, and complete each time.
    let written = || fs::metadata(&file).map(|found| (found.ino(), found.mode() & 0o777)).ok();
    let first = process::wait(LIMIT, written).unwrap();
    assert_eq!(first.1, 0o644);
    let is_counted = || fs::read_to_string(&file).is_ok_and(|text| sum(&text, samples[1].1) == 1);
    process::wait(LIMIT, || is_counted().then_some(())).expect("the file is written again");
    node.pullgate.stop();
    assert!(!file.exists(), "a daemon that does not run has no metrics");

    node.pullgate.restart_configured(&configured(&format!("unix:{}", socket.display()), "10m"));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o666);
    process::wait(LIMIT, written).expect("it is written at the start");
    let before = fs::read_to_string(&file).unwrap();
    node.kubelet().pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    let (code, _, page) = say(UnixStream::connect(&socket).unwrap(), "GET", "/metrics");
    assert_eq!((code.as_str(), sum(&page, samples[1].1)), ("200", 1), "{page}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "not before the interval ends");
    node.pullgate.stop();
    assert!(!socket.exists() && !file.exists());
}

/// Of all that is optional, nothing may keep the daemon from starting.
#[test]
fn an_address_in_use_does_not_stop_the_daemon() {
    let mut node = node();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, nowhere) = (taken.local_addr().unwrap(), node.directory().join("no/such/pullgate.prom"));
    node.pullgate.restart_configured(&format!("[metrics]\nlisten = \"{address}\"\ntextfile = {nowhere:?}"));
    let signed = node.push_signed("team/app:1");
    node.kubelet().pull(&Pod::of(signed.by_tag())).unwrap();
    node.pullgate.wait_for_record(0, |record| record["message"] == "cannot serve metrics");
    node.pullgate.wait_for_record(0, |record| {
        record["message"].as_str().is_some_and(|message| message.starts_with("cannot write the metrics"))
    });
}

#[test]
fn the_alerts_pass_the_tests_of_promtool() {
    for (kind, file) in [
        ("check", "packaging/monitoring/pullgate-alerts.yaml"),
        ("test", "tests/fixtures/monitoring/alerts-test.yaml"),
    ] {
        process::must_run(Command::new("promtool").args([kind, "rules"]).arg(repository().join(file)));
    }
}

/// A Prometheus that scrapes pullgate every second.
struct Prometheus {
    daemon: Daemon,
    port: u16,
}

impl Prometheus {
    fn start(directory: &Path, target: u16) -> Self {
        let (home, port) = (directory.join("prometheus"), free_port());
        directory::make(&home);
        let rules = repository().join("packaging/monitoring/pullgate-alerts.yaml");
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules:?}]\n\
             scrape_configs:\n- job_name: pullgate\n  static_configs: [{{ targets: ['127.0.0.1:{target}'] }}]\n"
        );
        directory::write(&home.join("prometheus.yml"), config);
        let configure = |command: &mut Command| {
            command.arg(format!("--config.file={}", home.join("prometheus.yml").display()));
            command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        };
        let mut daemon = Daemon::start(Path::new("/usr/bin/prometheus"), configure, &home.join("log"));
        let is_ready = || {
            let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            (say(stream, "GET", "/-/ready").0 == "200").then_some(())
        };
        daemon.wait_until("ready", is_ready);
        Self { daemon, port }
    }

    fn get(&self, path: &str) -> Value {
        let (_, _, body) = say(tcp(self.port), "GET", path);
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The answer to a query, once it is not empty.
    fn query(&mut self, query: &str) -> Value {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/api/v1/query?query={encoded}");
        let (port, what) = (self.port, format!("able to answer {query}"));
        self.daemon.wait_until(&what, || {
            let (_, _, body) = say(tcp(port), "GET", &path);
            let answer: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["status"], "success", "{query}: {answer}");
            let result = answer["data"]["result"].as_array().unwrap().clone();
            (!result.is_empty()).then_some(Value::Array(result))
        })
    }
}

/// A real Prometheus has data for each query of the dashboard after a pull of each kind, and evaluates each alert.
#[test]
fn every_query_of_the_dashboard_has_data() {
    let mut node = node();
    let port = free_port();
    node.pullgate.restart_configured(&format!(
        "[gate]\nsandbox-image = \"{PAUSE}\"\n[metrics]\nlisten = \"127.0.0.1:{port}\""
    ));
    let mut prometheus = Prometheus::start(node.directory(), port);
    // A rate needs a sample from before.
    prometheus.query("pullgate_pulls_total");
    let (signed, unsigned) = (node.push_signed("team/app:1"), node.push("team/unsigned:1"));
    let audited = node.push("audited/app:1");
    let policy = node.pullgate.configuration().join("policy.toml");
    let rule = format!(
        "[[namespace]]\nscope = \"{}/audited\"\nrequire = {{ all = [{RELEASE:?}] }}\nmode = \"audit\"\n",
        node.registry.host()
    );
    directory::write(&policy, fs::read_to_string(&policy).unwrap() + &rule);
    assert_eq!(node.pullgate.reload_as_it_is()["generation"], 2);
    let kubelet = node.kubelet_through_pullgate();
    for image in [&signed, &audited] {
        kubelet.pull(&Pod::of(image.by_tag())).unwrap();
    }
    kubelet.pull(&Pod::of(unsigned.by_tag())).unwrap_err();
    node.kubelet_without_pullgate().pull(&Pod::of(unsigned.by_tag())).unwrap();
    let id = node.id_in_runtime(&unsigned.by_tag());
    let _ = kubelet.image_status(&unsigned.by_tag());
    kubelet.create(&Pod::of(unsigned.by_tag()), &id).unwrap_err();
    process::output(node.pullgate.command().arg("scan").stdin(Stdio::null()));
    let until = Timestamp::now() + SignedDuration::from_hours(1);
    let exception =
        format!("[[open]]\nscope = \"registry.example.com/x\"\nreason = \"outage\"\nuntil = {until}\n");
    directory::write(&node.directory().join("pullgate/break-glass.toml"), exception);

    let dashboard = repository().join("packaging/monitoring/pullgate-dashboard.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(dashboard).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 30, "{queries:?}");
    for query in queries {
        let query = query.replace("$__rate_interval", "2m").replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        prometheus.query(&query);
    }
    let refused = prometheus.query("sum by (reason) (pullgate_pulls_total{verdict=\"refused\"}) > 0");
    assert_eq!(refused[0]["metric"]["reason"], "no-signature", "{refused}");
    assert_eq!(refused[0]["value"][1], "1", "{refused}");
    for alert in ["PullgateBreakGlassOpen", "PullgateTrustEndsSoon"] {
        prometheus.query(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}"));
    }
    let rules = prometheus.get("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 10 && rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
}

/// A page as standard input.
fn page_file(node: &Node, page: &str) -> fs::File {
    let path = node.directory().join("page");
    directory::write(&path, page);
    fs::File::open(path).unwrap()
}
