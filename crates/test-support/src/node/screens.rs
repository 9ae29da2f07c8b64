//! What README.md shows of the terminal: real outputs on a real node, with the policy of README.md.

use std::process::Stdio;
use std::time::Duration;

use pullgate::node::control::{self, ControlRequest};
use pullgate_cli::terminal::Look;

use super::examination::Examination;
use super::kubelet::Pod;
use super::policy::Policy;
use super::{Node, Release, process};
use crate::repository;

/// The host in the names of images.
const HOST: &str = "registry.example.com";

/// The width of the terminal.
const COLUMNS: usize = 100;

/// How the policy of README.md begins.
const POLICY: &str = "# /etc/pullgate/policy.toml\n";

/// A rule that is still in audit mode.
const AUDITED: &str = "
[[namespace]]
scope = \"registry.example.com/batch\"
require = { all = [\"release\"] }
mode = \"audit\"
";

/// A command and its output.
pub struct Screen {
    pub command: String,
    pub text: String,
}

/// The screens, in the order of README.md.
///
/// # Panics
/// If a part of the node does not work.
pub fn screens() -> Vec<Screen> {
    let examination = node();
    let node = &examination.node;
    let kubelet = &examination.kubelet;
    let [signed, unsigned, audited] =
        ["shop/web:1.4", "shop/api:2.0", "batch/report:7"].map(|name| node.push(name).at(HOST));
    node.sign(&signed);
    let _ = kubelet.pull(&Pod::of(signed.by_tag()).in_namespace("shop"));
    for image in [&signed, &signed, &unsigned, &audited] {
        let _ = kubelet.run(&Pod::of(image.by_tag()).in_namespace("shop"));
    }
    let mut screens = Vec::new();
    for command in
        [format!("pullgate verify {}", signed.by_tag()), format!("pullgate verify {}", unsigned.by_tag())]
    {
        screens.push(run(node, command, COLUMNS));
    }
    let mut report = examination.examine();
    record(node, report.clone());
    for finding in &mut report.findings {
        finding.evidence = as_installed(&examination, &finding.evidence);
    }
    let look = Look { width: Some(COLUMNS), ..Look::default() };
    screens.push(Screen { command: "pullgate doctor".to_owned(), text: report.page().text(look) });
    // With lines of any length, because the paths are not yet those that are shown.
    let status = run(node, "pullgate status".to_owned(), 0);
    screens.push(Screen { text: as_installed(&examination, &status.text), ..status });
    screens.push(run(node, "pullgate report".to_owned(), COLUMNS));
    screens
}

fn node() -> Examination {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let (_, policy) = readme.split_once(POLICY).expect("it has a policy");
    let (policy, _) = policy.split_once("```").expect("its block ends");
    let mut node = Node::start_with(Release::V2_1, |_, key| {
        let public = std::fs::read_to_string(&key.public_file).expect("a key pair has a public half");
        Policy::text(&format!("{POLICY}{policy}{AUDITED}")).file("keys/release.pem", public)
    });
    node.map_host(HOST);
    let config = node.containerd.config();
    node.pullgate.restart_edited("[registry]\n", &format!("[registry]\ncontainerd-config = {config:?}\n"));
    node.pullgate.wait_for_record(0, |record| record["message"] == "the sandbox image is admitted");
    Examination::of(node)
}

fn run(node: &Node, line: String, columns: usize) -> Screen {
    let mut command = node.pullgate.command();
    command.args(line.split(' ').skip(1)).env("COLUMNS", columns.to_string()).stdin(Stdio::null());
    let output = process::output(&mut command);
    let text = String::from_utf8(output.stdout).expect("text").trim_end().to_owned();
    Screen { command: line, text }
}

/// Gives the daemon the result, as `pullgate doctor` does.
fn record(node: &Node, report: pullgate::doctor::Report) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let (socket, request) = (node.pullgate.control(), ControlRequest::Doctor(report));
    let asked = control::ask(&socket, &request, Duration::from_secs(10));
    runtime.block_on(asked).expect("the daemon answers");
}

/// With the paths of a node on which pullgate is installed.
fn as_installed(examination: &Examination, text: &str) -> String {
    let Examination { node, .. } = examination;
    let paths = [
        (node.pullgate.socket(), "/run/pullgate/pullgate.sock"),
        (node.pullgate.evidence(), "/var/lib/pullgate"),
        (node.containerd.socket(), "/run/containerd/containerd.sock"),
        (examination.directory(), "/etc/kubernetes/kubelet.conf.d"),
    ];
    paths
        .iter()
        .fold(text.to_owned(), |text, (path, installed)| text.replace(&path.display().to_string(), installed))
}

/// What of an output is the same at each run: its lines and words, without what stands for times, digests and numbers.
pub fn stable(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.trim_end().lines().map(line).collect()
}

fn word(word: &str) -> String {
    let bare = word.trim_end_matches([',', ';', ':', ')']);
    if bare.parse::<jiff::Timestamp>().is_ok() {
        return "TIME".to_owned();
    }
    if bare.len() == 12 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return "DIGEST".to_owned();
    }
    let mut parts = word.split("sha256");
    let mut stable = numbers(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.trim_start_matches([':', '-']);
        let rest = rest.trim_start_matches(|character: char| character.is_ascii_hexdigit());
        stable += "DIGEST";
        stable += &numbers(rest);
    }
    stable
}

/// `text` with `0` for each number.
fn numbers(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if !character.is_ascii_digit() {
            shown.push(character);
        } else if !shown.ends_with('0') {
            shown.push('0');
        }
    }
    shown
}
