//! Hundreds of concurrent pulls: of one image, and of as many different ones.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::report::{FIGURE, figure, mebibytes, table};
use crate::{Caller, event_loop, farm, say};
use pullgate_test::node::containerd::Containerd;
use pullgate_test::node::{Node, Release, directory};

/// How many concurrent pulls.
const AT_ONCE: usize = 500;

/// The result of all these pulls.
struct Storm {
    pulled: HashSet<String>,
    failures: Vec<String>,
    spent: Duration,
}

pub(crate) fn run(release: Release) {
    table(FIGURE, &same(release));
    table(FIGURE, &different(release));
}

fn same(release: Release) -> Vec<[String; 3]> {
    let mut node = Node::start(release);
    let image = node.push_signed("bench/together:1");
    let before = node.registry.requests().len();
    say("pulling one image many times concurrently");
    let storm = storm(&node, vec![image.by_tag(); AT_ONCE]);
    let recorded = node.registry.requests().split_off(before);
    let own = |is_wanted: &dyn Fn(&str) -> bool| {
        recorded
            .iter()
            .filter(|recorded| recorded.user_agent.starts_with("pullgate") && is_wanted(&recorded.path))
            .count()
    };
    let resolved = own(&|path| path.ends_with("/manifests/1"));
    let looked_for = own(&|path| path.ends_with(".sig"));
    let payloads = own(&|path| path.contains("/blobs/"));
    let verified = verified(&mut node);
    let once = |count: usize| Some(("1", count == 1));
    let failed = storm.failures.len();
    let pulls = format!("{AT_ONCE} concurrent pulls of one image");
    vec![
        figure(format!("{pulls}: time"), format!("{:.1} s", storm.spent.as_secs_f64()), None),
        figure(
            format!("{pulls}: number of failed pulls"),
            failed,
            Some(("0", failed == 0 && storm.pulled.len() == 1)),
        ),
        figure(format!("{pulls}: number of tag lookups"), resolved, once(resolved)),
        figure(format!("{pulls}: number of signature lookups"), looked_for, once(looked_for)),
        figure(format!("{pulls}: number of payload downloads"), payloads, Some(("0", payloads == 0))),
        figure(format!("{pulls}: number of verifications"), verified, once(verified)),
    ]
}

/// The number of verifications: as the daemon counts them when it ends, or else the number of distinct times recorded
/// for them, because all pulls that wait for one verification record the same time.
fn verified(node: &mut Node) -> usize {
    let times: HashSet<u64> = node
        .pullgate
        .decisions()
        .iter()
        .filter_map(|decision| decision["judge_ms"].as_f64())
        .map(f64::to_bits)
        .collect();
    node.pullgate.stop();
    let counted = node.pullgate.records().into_iter().rev().find_map(|record| record["checks"].as_u64());
    counted.and_then(|counted| usize::try_from(counted).ok()).unwrap_or(times.len())
}

fn different(release: Release) -> Vec<[String; 3]> {
    let mut node = Node::start(release);
    if release == Release::V2_1 {
        pull_as_before(&mut node.containerd);
    }
    say("making many images");
    let names = farm::grow_apart(&node, node.registry.host(), "bench", AT_ONCE);
    say("pulling all of them concurrently");
    let storm = storm(&node, names);
    let (peak, after) = (node.pullgate.peak_memory(), node.pullgate.resident_memory());
    let failed = storm.failures.len();
    if let Some(first) = storm.failures.first() {
        say(&format!("a pull failed: {first}"));
    }
    let pulls = format!("{AT_ONCE} concurrent pulls of different images");
    vec![
        figure(format!("{pulls}: time"), format!("{:.1} s", storm.spent.as_secs_f64()), None),
        figure(
            format!("{pulls}: number of failed pulls"),
            failed,
            Some(("0", failed == 0 && storm.pulled.len() == AT_ONCE)),
        ),
        figure(
            format!("{pulls}: maximum resident memory"),
            mebibytes(peak),
            Some(("≤ 40 MiB", peak <= 40 << 20)),
        ),
        figure(format!("{pulls}: resident memory, after"), mebibytes(after), None),
    ]
}

/// containerd 2.1 polls all downloads for each pull, which takes minutes for hundreds of different images. With this
/// setting it pulls as earlier releases do, and does not poll.
fn pull_as_before(containerd: &mut Containerd) {
    let images = "[plugins.\"io.containerd.cri.v1.images\"]\n";
    let config = fs::read_to_string(containerd.config()).expect("a configuration is a file");
    assert!(config.contains(images), "the configuration has no section for the setting");
    directory::write(
        &containerd.config(),
        config.replace(images, &format!("{images}use_local_image_pull = true\n")),
    );
    containerd.kill();
    containerd.start_again();
}

/// Pulls all of them concurrently through pullgate, over one connection.
fn storm(node: &Node, names: Vec<String>) -> Storm {
    let caller = Caller::new(node.pullgate.socket());
    let begin = Instant::now();
    let ended = event_loop().block_on(async {
        let mut pulls = JoinSet::new();
        for name in names {
            let caller = caller.clone();
            pulls.spawn(async move { caller.try_to_pull_image(&name).await });
        }
        pulls.join_all().await
    });
    let spent = begin.elapsed();
    let (mut pulled, mut failures) = (HashSet::new(), Vec::new());
    for one in ended {
        match one {
            Ok(id) => drop(pulled.insert(id)),
            Err(status) => failures.push(status.to_string()),
        }
    }
    Storm { pulled, failures, spent }
}
