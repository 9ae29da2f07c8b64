//! Round trips to a distant registry that a verified pull adds to those of containerd, and those that containerd is spared.

use std::time::Instant;

use jiff::Timestamp;

use crate::report::table;
use crate::slow::{ROUND_TRIP, RecordedRequest, Slow, in_sequence};
use crate::{Caller, Callers, event_loop, say};
use pullgate_test::node::attested;
use pullgate_test::node::notation::Authority;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::Layout;
use pullgate_test::node::{Node, Release, environment, require_release};
use tokio::runtime::Runtime;

const HEAD: [&str; 8] = [
    "pull, or `cosign verify`",
    "verifier's requests in sequence",
    "target for requests in sequence",
    "longest chain with pullgate − longest chain of containerd alone",
    "verifier's requests",
    "containerd's requests",
    "added time",
    "added time in round trips",
];

/// Pulls through a proxy with a round-trip time of 20 ms.
pub(crate) fn run(release: Release) {
    let node = Node::start(release);
    let slow = Slow::start(node.registry.host());
    let cosign = node.cosign();
    let authority = Authority::make(node.directory(), "acme");
    let notary = authority.issue(("acme", "release"), "p256", "");
    node.pullgate.reload(&policy(&node, slow.host(), &authority));
    let push = |name: &str, layout: Layout| {
        let image = node.push(name).at(slow.host());
        cosign.sign(&image.by_digest(), &node.release, layout, None);
        image
    };
    let images = ["warm", "classic", "bundle", "referrers"].map(|name| {
        let layout = if matches!(name, "warm" | "classic") { Layout::Classic } else { Layout::Bundle };
        push(&format!("bench/{name}:1"), layout)
    });
    let [warm, classic, bundle, referrers] = &images;
    let [notation, notation_referrers] = ["by-tag", "by-referrers"].map(|name| {
        let image = node.push(&format!("notation/{name}:1")).at(slow.host());
        node.notation().sign(&image.by_digest(), &notary, "jws", &[]);
        image
    });
    let attested = push("attested/app:1", Layout::Classic);
    let scan = attested::report(Timestamp::now(), "Low");
    cosign.attest(&attested.by_digest(), &node.release, Layout::Classic, ("vuln", &scan));
    let far = Far { node: &node, slow: &slow, callers: Callers::new(&node), events: event_loop() };
    // On a running node connections are open, and it is known that the registry uses plain HTTP.
    far.pull(&warm.by_tag());
    slow.delay(true);
    say("pulling from a distant registry");
    let mut rows = vec![
        far.row("cold pull, classic signature", Some(2), &classic.by_tag()),
        far.row("cold pull, bundle found by the fallback tag", Some(4), &bundle.by_tag()),
        far.row("cold pull, Notation signature found by the fallback tag", None, &notation.by_tag()),
        far.row("cold pull, classic signature and attestation", None, &attested.by_tag()),
    ];
    slow.offer_referrers(true);
    rows.push(far.row("cold pull, bundle found by the referrers API", Some(4), &referrers.by_tag()));
    rows.push(far.row(
        "cold pull, Notation signature found by the referrers API",
        None,
        &notation_referrers.by_tag(),
    ));
    slow.offer_referrers(false);
    rows.push(far.row("pull of a known image by tag", Some(1), &classic.by_tag()));
    rows.push(far.row("pull of a known image by digest", Some(0), &classic.by_digest()));
    for (what, image) in [("classic signature", classic), ("bundle", bundle)] {
        let begin = Instant::now();
        slow.take();
        cosign.verify(&image.by_digest(), &node.release, &[]).unwrap_or_else(|error| panic!("{error}"));
        let spent = begin.elapsed();
        let recorded = slow.take();
        rows.push([
            format!("`cosign verify` of a {what}, without a pull"),
            in_sequence(recorded.iter()).to_string(),
            String::new(),
            String::new(),
            recorded.len().to_string(),
            String::new(),
            format!("{:.0} ms", spent.as_secs_f64() * 1e3),
            format!("{:.1}", spent.as_secs_f64() / ROUND_TRIP.as_secs_f64()),
        ]);
    }
    println!(
        "Round trips of {ROUND_TRIP:?} that a verified pull adds (cosign {}):\n",
        environment::version_of("cosign", "tools/versions")
    );
    table(HEAD, &rows);
}

/// The node's policy, and rules for images that are signed in other ways.
fn policy(node: &Node, host: &str, authority: &Authority) -> Policy {
    let policy = require_release(Policy::deny(), &node.release).add_lines(&format!(
        "[authenticator.notary]\ntype = \"notation\"\nca = [{:?}]\nidentities = [\"*\"]",
        authority.certificate().display().to_string()
    ));
    let policy = policy.require(&format!("{host}/notation"), &["notary"]);
    attested::require_scans(policy, &format!("{host}/attested"))
}

struct Far<'a> {
    node: &'a Node,
    slow: &'a Slow,
    callers: Callers,
    events: Runtime,
}

impl Far<'_> {
    fn row(&self, what: &str, target: Option<usize>, name: &str) -> [String; 8] {
        self.slow.take();
        // The same pull by containerd alone: its time and its requests.
        let direct = self.pull_by(&self.callers.direct, name);
        let alone = in_sequence(self.slow.take().iter());
        let proxied = self.pull(name);
        let recorded = self.slow.take();
        let both = in_sequence(recorded.iter());
        let is_own = |recorded: &&RecordedRequest| recorded.agent.starts_with("pullgate");
        let own = in_sequence(recorded.iter().filter(is_own));
        let requests = recorded.iter().filter(is_own).count();
        let verdict = |target| if own <= target { "met" } else { "**missed**" };
        let added = (proxied - direct).max(0.0);
        [
            what.to_owned(),
            own.to_string(),
            target.map(|target| format!("≤ {target}: {}", verdict(target))).unwrap_or_default(),
            format!("{both} − {alone}"),
            requests.to_string(),
            (recorded.len() - requests).to_string(),
            format!("{:.0} ms", added * 1e3),
            format!("{:.1}", added / ROUND_TRIP.as_secs_f64()),
        ]
    }

    /// Pulls through pullgate and removes the image again. Returns the seconds that the pull took.
    fn pull(&self, name: &str) -> f64 {
        self.pull_by(&self.callers.proxied, name)
    }

    fn pull_by(&self, caller: &Caller, name: &str) -> f64 {
        let before = self.node.containerd.content();
        let spent = self.events.block_on(async {
            let begin = Instant::now();
            let id = caller.pull_image(name).await;
            let spent = begin.elapsed();
            self.callers.direct.remove_image(&id).await;
            spent
        });
        let left = self.node.containerd.content_since(&before);
        assert!(left.is_empty(), "containerd has removed the image: {left:?}");
        spent.as_secs_f64()
    }
}
