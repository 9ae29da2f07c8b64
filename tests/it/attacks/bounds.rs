//! Every limit on outside input has its own reason code, and changes the outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use pullgate::registry::{Limits, RegistrySettings};
use pullgate_config::options::Options as _;

use super::outcome::{Expect, Verdict};
use super::world::{PULLED, World, manifest_of, node, p256};
use pullgate_test::registry::{Auth, Body, INDEX, MANIFEST, Options, Recorded, Scripted, descriptor, index};
use pullgate_test::signer::{attach_classic, payload};

/// An attack that exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attack {
    /// Nothing: the good image is already over the limit.
    None,
    /// An invalid signature before the valid one.
    Signatures,
    /// Referrers on this many pages, one on each.
    Referrers(usize),
    Redirect,
    /// A large field in the header of each answer.
    Header,
    /// This many fields in the header of each answer.
    Fields,
    /// A token service with large answers.
    Token,
    /// The tag's manifest arrives late.
    Late,
    /// 503 once.
    Busy,
    /// Another image at the same registry hangs.
    Beside,
}

impl Attack {
    fn answer(self, request: &Recorded, number: usize, good: &[u8]) -> Option<Scripted> {
        let path = request.uri.path();
        let tag = manifest_of(request, "1");
        let answer = || Scripted::ok(MANIFEST, good.to_vec());
        match self {
            Self::None | Self::Signatures | Self::Token => None,
            Self::Referrers(pages) if path.contains("/referrers/") => {
                let page: usize =
                    request.uri.query().and_then(|query| query.strip_prefix("n=")?.parse().ok()).unwrap_or(1);
                let digest = pullgate::digest::Digest::of(&[u8::try_from(page).unwrap()]);
                let listed = Scripted::ok(INDEX, index(&[descriptor((&digest, 10, MANIFEST, &[]))]));
                let next = format!("<{path}?n={}>; rel=\"next\"", page + 1);
                Some(if page < pages { listed.header("link", &next) } else { listed })
            }
            Self::Redirect if tag => Some(Scripted::redirect("/elsewhere")),
            Self::Redirect if path == "/elsewhere" => Some(answer()),
            Self::Header if tag => Some(answer().header("x-large", &"x".repeat(20_000))),
            Self::Fields if tag => {
                let fields = (0..120).map(|number| (format!("x-{number}"), "x".to_owned()));
                let mut answer = answer();
                answer.headers.extend(fields);
                Some(answer)
            }
            Self::Late if tag => {
                let every = Duration::from_millis(2);
                Some(Scripted::ok(MANIFEST, "").body(Body::Slow { bytes: good.to_vec().into(), every }))
            }
            Self::Busy if number == 0 => Some(Scripted::status(503)),
            Self::Beside if path.contains("/hangs/") => Some(Scripted::status(200).body(Body::Hang)),
            _ => None,
        }
    }
}

/// The reason of a pull under this attack with these limits.
async fn reason(attack: Attack, limits: Limits, timeout: Duration) -> String {
    let auth = match attack {
        Attack::Token => Auth::bearer(None),
        _ => Auth::Nothing,
    };
    let options = Options { referrers: true, auth, ..Options::default() };
    let world = World::start(node().registry(options).timeout(timeout).limits(limits)).await;
    world.only_verdicts();
    let digest = world.signed();
    if attack == Attack::Signatures {
        let text = payload(&world.image("team/app"), &digest);
        let both = [(text.clone(), b"none".to_vec()), (text.clone(), p256().sign(&text))];
        attach_classic(&world.registry, "team/app", &digest, &both);
    }
    if let Attack::Referrers(_) = attack {
        // Without the classic signature only a listed referrer could suffice.
        attach_classic(&world.registry, "team/app", &digest, &[]);
    }
    let good = world.registry.tagged("team/app", "1").unwrap();
    let counter = std::sync::atomic::AtomicUsize::new(0);
    world.registry.hook(move |request| {
        let number = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        attack.answer(request, number, &good)
    });
    let image = world.image("team/hangs:1");
    let beside = async {
        match attack {
            Attack::Beside => drop(world.pull(&image, None).await),
            _ => std::future::pending().await,
        }
    };
    let asking = async {
        while attack == Attack::Beside && world.registry.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.outcome("team/app:1").await
    };
    tokio::select! {
        biased;
        outcome = asking => {
            let pulled = matches!(outcome.verdict, Verdict::Pulled(_));
            assert_eq!(pulled, outcome.reason == "verified", "{outcome:#?}");
            outcome.reason
        }
        () = beside => panic!("a hanging pull ended first"),
    }
}

#[tokio::test]
async fn each_limit_has_its_own_reason_code() {
    let all = Limits::default;
    let long = Duration::from_secs(30);
    let short = Duration::from_millis(200);
    let of_one =
        |queue_timeout| Limits { queue_timeout, max_requests_per_host: 1, concurrent_pulls: 64, ..all() };
    let none = "no-valid-signature";
    // Option, attack, limits, reason; and the reason with the default limits.
    let rows = [
        ("manifest-bytes", Attack::None, Limits { manifest_bytes: 100, ..all() }, "too-large", "verified"),
        (
            "signature-max-size",
            Attack::None,
            Limits { signature_max_size: 100, ..all() },
            "signature-too-large",
            "verified",
        ),
        (
            "signatures",
            Attack::Signatures,
            Limits { signatures: 1, ..all() },
            "too-many-signatures",
            "verified",
        ),
        ("referrers", Attack::Referrers(3), Limits { referrers: 2, ..all() }, "too-many-referrers", none),
        (
            "referrer-pages",
            Attack::Referrers(3),
            Limits { referrer_pages: 2, ..all() },
            "too-many-referrer-pages",
            none,
        ),
        (
            "signatures-total-size",
            Attack::None,
            Limits { signatures_total_size: 100, ..all() },
            "signatures-too-large",
            "verified",
        ),
        ("redirects", Attack::Redirect, Limits { redirects: 0, ..all() }, "too-many-redirects", "verified"),
        (
            "header-bytes",
            Attack::Header,
            Limits { header_bytes: 8 << 10, ..all() },
            "headers-too-large",
            "verified",
        ),
        ("token-bytes", Attack::Token, Limits { token_bytes: 10, ..all() }, "token-too-large", "verified"),
        (
            "request-timeout",
            Attack::Late,
            Limits { request_timeout: short, ..all() },
            "registry-timeout",
            "verified",
        ),
        ("retries", Attack::Busy, Limits { retries: 0, ..all() }, "registry-busy", "verified"),
        (
            "retry-wait",
            Attack::Busy,
            Limits { retry_wait: Duration::ZERO, ..all() },
            "registry-busy",
            "verified",
        ),
        ("max-requests-per-host", Attack::Beside, of_one(short), "too-many-requests", "verified"),
        (
            "concurrent-pulls",
            Attack::Beside,
            Limits { queue_timeout: short, concurrent_pulls: 1, ..all() },
            "too-many-requests",
            "verified",
        ),
        ("queue-timeout", Attack::Beside, of_one(short), "too-many-requests", "verified"),
    ];
    let mut keys: BTreeSet<&str> = rows.iter().map(|(key, ..)| *key).collect();
    for (key, attack, limits, expected, otherwise) in rows {
        assert_eq!(reason(attack, limits, long).await, expected, "{key}");
        assert_eq!(reason(attack, all(), long).await, otherwise, "{key} is its default");
    }
    assert_eq!(reason(Attack::Late, all(), short).await, "timeout", "pull-timeout");
    assert_eq!(
        reason(Attack::Fields, all(), long).await,
        "headers-too-large",
        "100 fields, which no key changes"
    );
    // Limits that refuse nothing, and those that other tests reach: a connection that is not made (below), a tag that the
    // runtime does not record (`pull`), the cooldown of a host (`options`), connections of callers (`connections`).
    keys.extend([
        "pull-timeout",
        "connections",
        "connect-timeout",
        "negative-cache-ttl",
        "tag-record-timeout",
        "max-retry-after",
        "memory",
        // T144 in `attestations`.
        "attestation-max-size",
    ]);
    assert_eq!(keys, pullgate::config::Limits::keys().into_iter().collect(), "a limit without a row");
}

#[tokio::test]
async fn a_connect_timeout_differs_from_a_request_timeout() {
    // It accepts connections, and never answers the TLS handshake.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (connect_timeout, request_timeout, reason) in [
        (Duration::from_millis(200), Duration::from_secs(15), "connect-timeout"),
        (Duration::from_secs(15), Duration::from_millis(200), "registry-timeout"),
    ] {
        let world = World::start(node().registry(Options::default()).settings(|directory, _| {
            let host = directory.path().join("certs.d/r.example");
            std::fs::create_dir_all(&host).unwrap();
            std::fs::write(host.join("hosts.toml"), format!("server = \"https://{address}\"\n")).unwrap();
            let limits = Limits { connect_timeout, request_timeout, retries: 0, ..Limits::default() };
            RegistrySettings {
                limits,
                hosts_directories: vec![directory.path().join("certs.d")],
                ..RegistrySettings::default()
            }
        }))
        .await;
        let outcome = world.outcome_of("r.example/team/app:1", None).await;
        outcome.assert(reason, Expect { bytes: 0..=0, ..Expect::unavailable(reason) });
        assert_ne!(world.verdict("team/app:1").await, PULLED);
    }
    drop(listener);
}
