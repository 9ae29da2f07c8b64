//! pullgate compared with other ways to verify a signature before a pull: cosign as a process, by hand or by containerd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use ::pullgate::digest::Digest;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde_json::Value;

use crate::farm::MANIFEST;
use crate::report::{table, time};
use crate::samples::{self, Samples};
use crate::{Callers, event_loop, farm, say};
use pullgate_test::node::policy::Policy;
use pullgate_test::node::{Node, Release, directory, http, require_release};

/// How often each way is measured.
const ROUNDS: usize = 15;

/// The beginning of pullgate's own rows.
const OURS: &str = "pullgate";

const HEAD: [&str; 5] =
    ["verified by", "added time, p50", "CPU time per pull", "time ÷ pullgate's", "CPU time ÷ pullgate's"];

/// A registry whose images may run unsigned.
const OPEN: &str = "open.test";

/// Pulls of unknown images: without verification, through pullgate with and without it, after `cosign verify`, and
/// by a containerd that calls a script with `cosign verify`.
pub(crate) fn run(release: Release) {
    if release != Release::V2_1 {
        println!("containerd {release} calls no image verifiers.\n");
        return;
    }
    let policy = |policy: Policy, key: &_| require_release(policy.allow_unsigned(&format!("{OPEN}/**")), key);
    let node = Node::start_with(release, policy);
    node.map_host(OPEN);
    let names = farm::grow(&node, node.registry.host(), "bench", 2 * ROUNDS);
    let open = farm::grow(&node, OPEN, "open", ROUNDS);
    let (ours, theirs) = names.split_at(ROUNDS);
    let (events, callers) = (event_loop(), Callers::new(&node));
    let script = Script::write(&node);
    let pull = |caller: &crate::Caller, name: &str| {
        let before = node.containerd.content();
        let spent = events.block_on(async {
            let begin = Instant::now();
            let id = caller.pull_image(name).await;
            let spent = begin.elapsed();
            callers.direct.remove_image(&id).await;
            spent
        });
        let left = node.containerd.content_since(&before);
        assert!(left.is_empty(), "containerd has removed the image: {left:?}");
        spent
    };
    // One-time work is not measured.
    let warm = node.push_signed("bench/warm:1");
    pull(&callers.direct, &warm.by_tag());
    pull(&callers.proxied, &warm.by_tag());
    let [mut direct, mut proxied, mut unsigned, mut process, mut script_pull] = <[Samples; 5]>::default();
    let [mut daemon_cpu, mut unsigned_cpu, mut process_cpu] = <[Duration; 3]>::default();
    let answers = registry_time(&node, ours);
    say("verifying signatures in four ways");
    for ((ours, theirs), open) in ours.iter().zip(theirs).zip(&open) {
        direct.push(pull(&callers.direct, ours));
        for (name, samples, cpu) in
            [(ours, &mut proxied, &mut daemon_cpu), (open, &mut unsigned, &mut unsigned_cpu)]
        {
            let before = cpu_of(node.pullgate.id());
            samples.push(pull(&callers.proxied, name));
            *cpu += cpu_of(node.pullgate.id()).saturating_sub(before);
        }
        let before = cpu_of_children();
        let begin = Instant::now();
        let verified = script.cosign(theirs).output().expect("cosign starts");
        process.push(begin.elapsed());
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        process_cpu += cpu_of_children().saturating_sub(before);
        script.install();
        script_pull.push(pull(&callers.direct, theirs));
        script.remove();
    }
    let added = |pulls: &Samples| samples::added(pulls, &direct);
    let count = u32::try_from(ROUNDS).unwrap_or(u32::MAX);
    let rows = [
        (OURS, added(&proxied), daemon_cpu / count),
        ("pullgate, for an image that a rule allows unsigned", added(&unsigned), unsigned_cpu / count),
        ("`cosign verify --key`, as a process before the pull", process.median(), process_cpu / count),
        (
            "containerd's image verifier (bindir), a script that runs cosign",
            added(&script_pull),
            script.cpu() / count,
        ),
    ];
    let (_, own_time, own_cpu) = rows[0];
    let rows = rows.map(|(what, spent, cpu)| {
        let ratio = |one: Duration, own: Duration| one.as_secs_f64() / own.as_secs_f64().max(1e-6);
        let (times, cpus) = (ratio(spent, own_time), ratio(cpu, own_cpu));
        let against = |ratio: f64, least: f64| {
            let verdict = if ratio >= least { "met" } else { "**missed**" };
            if what.starts_with(OURS) { String::new() } else { format!("{ratio:.0}; ≥ {least}: {verdict}") }
        };
        [what.to_owned(), time(spent), time(cpu), against(times, 8.0), against(cpus, 20.0)]
    });
    println!(
        "What verification adds to a pull of {} (n = {ROUNDS}). The registry alone needs {} to serve the digest and the \
         signature, one after the other:\n",
        time(direct.median()),
        time(answers.median())
    );
    table(HEAD, &rows);
}

/// How long the registry takes for the two answers that every verifier needs; the second request depends on the
/// first answer.
fn registry_time(node: &Node, names: &[String]) -> Samples {
    let host = node.registry.host();
    let mut spent = Samples::default();
    for name in names {
        let path =
            name.strip_prefix(host).and_then(|path| path.strip_suffix(":1")).expect("a name of the farm");
        let begin = Instant::now();
        let ask = |what: &str| http::get(host, &format!("/v2{path}/{what}"), MANIFEST).body;
        let digest = Digest::of(&ask("manifests/1"));
        let signatures = ask(&format!("manifests/sha256-{}.sig", digest.hex()));
        let signatures: Value = serde_json::from_slice(&signatures).expect("a manifest is JSON");
        spent.push(begin.elapsed());
        assert!(signatures["layers"][0]["digest"].is_string(), "the image is signed");
    }
    spent
}

/// A verifier for containerd, and the command that it runs.
struct Script {
    home: PathBuf,
    verifiers: PathBuf,
    key: PathBuf,
}

impl Script {
    fn write(node: &Node) -> Self {
        let home = node.directory().join("script");
        directory::make(&home);
        directory::make(&node.containerd.verifiers());
        let script =
            Self { home, verifiers: node.containerd.verifiers(), key: node.release.public_file.clone() };
        let verify = script.cosign("$name");
        let verify: Vec<_> = std::iter::once(verify.get_program()).chain(verify.get_args()).collect();
        let verify = verify.join(std::ffi::OsStr::new(" "));
        // The contract: `-name NAME -digest DIGEST`, and 0 for yes.
        let text = format!(
            "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in -name) name=$2 ;; -digest) digest=$2 ;; esac; shift; done\n\
             name=${{name%@*}}; name=${{name%:*}}@$digest\nexport HOME={home}\n{} >>{home}/out 2>&1\n\
             status=$?\ntimes >>{times}\nexit $status\n",
            verify.display(),
            home = script.home.display(),
            times = script.times().display(),
        );
        directory::write(&script.file(), text);
        fs::set_permissions(script.file(), fs::Permissions::from_mode(0o755)).expect("a file has a mode");
        script
    }

    fn cosign(&self, name: &str) -> Command {
        let mut verify = pullgate_test::node::signing::verify_command(&self.home, &self.key);
        verify.arg(name);
        verify
    }

    fn install(&self) {
        fs::copy(self.file(), self.verifiers.join("cosign")).expect("the verifier can be installed");
    }

    fn remove(&self) {
        fs::remove_file(self.verifiers.join("cosign")).expect("the verifier can be removed");
    }

    fn file(&self) -> PathBuf {
        self.home.join("verifier")
    }

    fn times(&self) -> PathBuf {
        self.home.join("times")
    }

    /// The CPU time of all runs together, as reported by the shell: on one line for itself, on the next for its children,
    /// `0m0.120s 0m0.030s`.
    fn cpu(&self) -> Duration {
        let text = fs::read_to_string(self.times()).unwrap_or_default();
        assert_eq!(text.lines().count(), 2 * ROUNDS, "containerd called the verifier each time");
        let spans = text.split_whitespace().map(|span| {
            let (minutes, seconds) = span.split_once('m').expect("a time has minutes");
            let seconds: f64 = seconds.trim_end_matches('s').parse().expect("a time has seconds");
            let minutes: f64 = minutes.parse().expect("minutes are a number");
            Duration::from_secs_f64(60.0 * minutes + seconds)
        });
        spans.sum()
    }
}

/// The CPU time of a process so far, with all its threads.
pub(crate) fn cpu_of(process: u32) -> Duration {
    let process = Pid::from_raw(process.try_into().expect("process ids are small"));
    let clock = clock_getcpuclockid(process).expect("the process is there");
    clock_gettime(clock).expect("the process is there").into()
}

/// The CPU time of all processes that were waited for.
fn cpu_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage works");
    let spent = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(spent.try_into().unwrap_or_default())
}
