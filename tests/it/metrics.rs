//! Metrics: what they count, and that their documentation, the alerts and the dashboard agree with the tables.
//!
//! After a change of a table, `make generate` writes docs/metrics.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use pullgate::config::DaemonConfig;
use pullgate::node::metrics::{self, MetricsSource};
use pullgate::node::state::State;
use pullgate::telemetry::{Kind, Reason};
use pullgate_daemon::metrics::Family;
use pullgate_test::registry::Scripted;
use pullgate_test::secrets;
use pullgate_test::signer::{Signer, key_file, sign_classic};
use pullgate_test::world::World;

use crate::options::documents::assert_written;

const INTRODUCTION: &str = "\
# Metrics

pullgate and pullgate-signer have metrics in Prometheus' text format. No label contains the name of an image, a registry, a
pod or a user, so the number of series is bounded: the daemon has fewer than 500.

## On nodes

The daemon has no metrics until you set `listen` or `textfile` in the section `[metrics]` of `pullgate.toml`, and restart it:

```toml
listen = \"127.0.0.1:9464\"
```

`listen` is an address that only the node itself can reach, because metrics are not encrypted and everybody may read them. For
a Prometheus on another machine, run an agent on the node, or a proxy that authenticates, such as kube-rbac-proxy. `listen`
can also be a Unix socket, `unix:/run/pullgate/metrics.sock`. The alerts expect that the name of the scrape job is `pullgate`:

```yaml
scrape_configs:
  - job_name: pullgate
    static_configs: [{ targets: ['127.0.0.1:9464'] }]
```

If node_exporter runs on the nodes anyway, it can read the metrics from a file, and pullgate needs no port:

```toml
textfile = \"/var/lib/prometheus/node-exporter/pullgate.prom\"
```

The directory is the one in the option `--collector.textfile.directory` of node_exporter. Root must own it. The unit of pullgate
permits `/var/lib/prometheus/node-exporter`; for another directory, add `ReadWritePaths=` to the unit with
`systemctl edit pullgate`. pullgate removes the file when it stops.

A separate thread serves the metrics, so scrapes do not delay pulls. `pullgate status` reports the same numbers, from the same
counters.

## Dashboard and alerts

- [packaging/monitoring/pullgate-dashboard.json](../packaging/monitoring/pullgate-dashboard.json) is a dashboard for Grafana 9.4 or
  newer: import it, and choose the data source.
- [packaging/monitoring/pullgate-alerts.yaml](../packaging/monitoring/pullgate-alerts.yaml) has alerts, each with what to do: pullgate
  does not run, kubelet does not use it, `pullgate doctor` found errors, the policy could not be loaded or differs from that of most nodes, refusals jump,
  registries do not answer, a break-glass exception is open, a key or a root ends within 14 days, and others. Name the file in
  `rule_files` of Prometheus.
";

const SIGNER: &str = "
The signer serves its metrics at the path /metrics of `[metrics] address` in `signer.toml`, and of its control socket.

";

fn table(families: &[&Family]) -> String {
    let mut table = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for Family { name, kind, labels, help } in families {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{name}` | {} | {} | {help} |", kind.name(), labels.join(", ")).unwrap();
    }
    table
}

#[test]
fn the_page_is_generated() {
    let (node, signer) = (table(metrics::FAMILIES), table(pullgate_signer::FAMILIES));
    let page = format!(
        "{INTRODUCTION}\n## Metrics of pullgate\n\n{node}\n## Metrics of pullgate-signer\n{SIGNER}{signer}"
    );
    assert_written("docs/metrics.md", &page);
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let all: Vec<_> = metrics::FAMILIES.iter().chain(pullgate_signer::FAMILIES).collect();
    let names: BTreeSet<_> = all.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), all.len(), "{names:?}");
    for Family { name, kind, labels, help } in all {
        let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        assert!(is_plain(name) && labels.iter().all(|label| is_plain(label)), "{name}");
        assert!(name.starts_with("pullgate_") || *name == "process_start_time_seconds", "{name}");
        assert_eq!(name.ends_with("_total"), kind.name() == "counter", "{name}");
        assert_eq!(
            name.ends_with("_seconds") && !name.contains("time"),
            kind.name() == "histogram",
            "{name}"
        );
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
    }
}

#[test]
fn the_dashboard_and_the_alerts_name_only_metrics_that_exist() {
    let known: BTreeSet<_> = metrics::FAMILIES.iter().map(|family| family.name).collect();
    for text in [
        include_str!("../../packaging/monitoring/pullgate-dashboard.json"),
        include_str!("../../packaging/monitoring/pullgate-alerts.yaml"),
        include_str!("../fixtures/monitoring/alerts-test.yaml"),
    ] {
        let words = text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let used: BTreeSet<_> = words.filter(|word| word.starts_with("pullgate_")).collect();
        assert!(used.len() > 10, "{used:?}");
        for name in used {
            assert!(known.contains(name.strip_suffix("_bucket").unwrap_or(name)), "{name}");
        }
    }
}

struct Measured {
    world: World,
    source: MetricsSource,
}

impl Measured {
    async fn start() -> Self {
        let world = World::builder().start().await;
        let state = Arc::new(State::new("2026-06-01T00:00:00Z".parse().unwrap()));
        let proxy = Arc::clone(&world.daemon.proxy);
        let source = MetricsSource::new(proxy, state, DaemonConfig::default(), world.directory.path());
        Self { world, source }
    }

    async fn page(&self) -> String {
        let page = self.source.page().await.text();
        secrets::wrote("metrics", &page);
        page
    }

    /// The samples of a family that are not 0, without the name.
    async fn samples(&self, family: &str) -> Vec<String> {
        let page = self.page().await;
        let samples = page.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
        samples
            .filter(|sample| !sample.ends_with(" 0"))
            .map(|sample| sample.replace(['"', '}'], ""))
            .collect()
    }
}

#[tokio::test]
async fn every_pull_is_counted_once_by_its_verdict_and_reason() {
    let measured = Measured::start().await;
    let (world, registry) = (&measured.world, &measured.world.registry);
    assert!(measured.samples("pullgate_pulls_total").await.is_empty());
    let digest = registry.image("team/app", "1", "app");
    sign_classic(registry, "team/app", &digest, &Signer::of("p256", pullgate::trust::Algorithm::EcdsaSha256));
    registry.image("team/unsigned", "1", "unsigned");
    for image in ["team/app:1", "team/app:1", "team/unsigned:1", "team/none:1", "other/app:1"] {
        world.pull(&world.image(image)).await;
    }
    world.call("/runtime.v1.ImageService/PullImage", b"\xff").await;
    world.runtime.script(|call| {
        let pull = call.path.ends_with("/PullImage");
        pull.then(|| pullgate_test::runtime::error(2, "no space left"))
    });
    world.pull(&world.image("team/app:1")).await;
    registry.hook(|_| Some(Scripted::status(503)));
    world.pull(&world.image("team/unsigned:1")).await;
    assert_eq!(
        measured.samples("pullgate_pulls_total").await,
        [
            "verdict=admitted,reason=verified 2",
            "verdict=failed,reason=verified 1",
            "verdict=refused,reason=denied-by-rule 1",
            "verdict=refused,reason=no-signature 1",
            "verdict=refused,reason=not-found 1",
            "verdict=refused,reason=registry-busy 1",
            "verdict=refused,reason=unreadable-request 1",
        ]
    );
    let steps = measured.samples("pullgate_pull_step_seconds_count").await;
    let counted = ["resolve", "collect", "judge", "forward", "tag_record", "confirm"];
    let names: Vec<_> =
        steps.iter().map(|sample| sample["step=".len()..].split(' ').next().unwrap()).collect();
    assert_eq!(names, counted, "{steps:?}");
    assert!(steps.contains(&"step=forward 3".to_owned()), "{steps:?}");
    let requests = measured.samples("pullgate_registry_requests_total").await;
    let outcomes: Vec<_> = requests.iter().map(|sample| sample.split(' ').next().unwrap()).collect();
    assert_eq!(outcomes, ["outcome=ok", "outcome=unanswered", "outcome=not-found"], "{requests:?}");
    let counters = world.daemon.proxy.counters();
    assert_eq!((counters.pulls.admitted(), counters.pulls.refused()), (3, 5), "status counts the same");
}

#[tokio::test]
async fn all_series_of_a_counter_exist_from_the_start_and_none_names_an_image() {
    let measured = Measured::start().await;
    let before = measured.page().await;
    let series = |page: &str| {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<BTreeSet<_>>()
    };
    let refusals = Reason::ALL.iter().filter(|reason| reason.kind() != Kind::Admitted).count();
    let refused = |page: &str| page.matches("pullgate_pulls_total{verdict=\"refused\"").count();
    assert_eq!(refused(&before), refusals + 1);
    let conditional = [
        "pullgate_policy_info",
        "pullgate_policy_loaded_timestamp_seconds",
        "pullgate_ledger_entries",
        "pullgate_ledger_bytes",
        "pullgate_scan_images",
        "pullgate_scan_timestamp_seconds",
        "pullgate_doctor_findings",
        "pullgate_doctor_timestamp_seconds",
        "pullgate_trust_expiry_timestamp_seconds",
        // Only where [follow] names something.
        "pullgate_follow_version",
        "pullgate_follow_info",
        "pullgate_follow_refreshed_timestamp_seconds",
        "pullgate_follow_refresh_failures_total",
        "pullgate_follow_refused",
        "pullgate_follow_frozen",
    ];
    for Family { name, .. } in metrics::FAMILIES {
        let found = before.contains(&format!("# TYPE {name} "));
        assert_eq!(found, !conditional.contains(name), "{name} in\n{before}");
    }
    for image in ["team/a:1", "team/b:1", "Not A Name", "team/\"}\n"] {
        measured.world.pull(&measured.world.image(image)).await;
    }
    let after = measured.page().await;
    assert_eq!(series(&after), series(&before), "a pull makes no series");
    assert!(series(&after).len() < 500 && !after.contains(&measured.world.registry.host()), "{after}");
}

#[tokio::test]
async fn the_ends_of_what_the_policy_trusts_are_reported_by_kind() {
    let measured = Measured::start().await;
    let mut policy = "default = \"deny\"\n".to_owned();
    for (name, key, bits, until) in
        [("old", "p256", 256, "2020-01-01T00:00:00Z"), ("new", "p384", 384, "2090-01-01T00:00:00Z")]
    {
        let file = key_file(key, "pub");
        writeln!(
            policy,
            "[authenticator.{name}]\nalgorithm = \"ECDSA_SHA_{bits}\"\nkeys = [{{ file = {file:?}, not-after = {until} }}]"
        )
        .unwrap();
    }
    measured.world.set_policy(&policy);
    assert_eq!(measured.samples("pullgate_trust_expiry_timestamp_seconds").await, ["kind=key 3786912000.0"]);
    assert_eq!(measured.samples("pullgate_trust_expired").await, ["kind=key 1"]);
}
