//! Hostile calls and names, and images that need no signature: T123, T128, T131.

use std::time::Duration;

use pullgate::api;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::outcome::{Expect, NOTHING, SIGNED, Verdict};
use super::world::{Kept, PULLED, World, answer_to, node, pull};
use pullgate_test::proxy::{Daemon, call};
use pullgate_test::runtime::{framed, message};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

#[tokio::test]
async fn t123_names_and_messages_of_any_size_are_handled() {
    let world = World::start(node()).await;
    let digest = world.signed();
    for length in [300, 4096, 1 << 20, 15 << 20] {
        let image = world.image(&format!("team/{}:1", "a".repeat(length)));
        let outcome = world.outcome_of(&image, None).await;
        assert!(outcome.line.len() < 8 << 10, "{length}: {}", outcome.line.len());
        outcome.assert(length, Expect { bytes: NOTHING, ..Expect::refused("invalid-reference") });
    }
    // A message larger than containerd accepts is not read to its end.
    for length in [16 << 20, 64 << 20] {
        let outcome = world.outcome_of(&"a".repeat(length), None).await;
        outcome.assert(
            length,
            Expect { verdict: &Verdict::Unreadable("8".to_owned()), bytes: NOTHING, ..Expect::default() },
        );
    }
    // Unknown fields cross, and so does metadata.
    let request = api::PullImageRequest {
        image: Some(api::ImageSpec {
            image: world.image("team/app:1"),
            annotations: (0..1000).map(|number| (number.to_string(), "x".repeat(1000))).collect(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let (status, line) = answer_to(&world.daemon, &request).await;
    assert_eq!(status, "0", "{line}");
    let pulled = world.runtime.calls_of("PullImage").pop().unwrap();
    assert!(pulled.body.len() > 1_000_000, "{}", pulled.body.len());
    let pinned = world.pinned("team/app", &digest);
    world
        .outcome("team/app:1")
        .await
        .assert("afterwards", Expect { requests: "tag", ..Expect::verified(&pinned) });
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header of a pull, in literals of HPACK (RFC 7541, section 6.2).
fn head() -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    for (name, value) in [(4_u8, PULL), (1, "localhost")] {
        head.extend([name, u8::try_from(value.len()).unwrap()]);
        head.extend(value.as_bytes());
    }
    head
}

#[tokio::test]
async fn t123_a_flood_of_frames_closes_only_its_own_connection() {
    let (data, headers, reset, settings, ping, continuation) = (0, 1, 3, 4, 6, 9);
    let mut opened = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    opened.extend(frame(settings, 0, 0, b""));
    let call = |stream: u32| frame(headers, 4, stream, &head());
    let times = 200_000;
    let floods: [(&str, Vec<u8>, Vec<u8>); 4] = [
        // Empty DATA frames on a call that never ends (RUSTSEC-2026-0258).
        ("empty data", call(1), frame(data, 0, 1, b"")),
        // A header that never ends (RUSTSEC-2024-0332).
        ("continuation", frame(headers, 0, 1, &head()), frame(continuation, 0, 1, &[0x0f, 0x11, 0])),
        ("settings", call(1), frame(settings, 0, 0, b"")),
        ("ping", call(1), frame(ping, 0, 0, &[0; 8])),
    ];
    let world = World::start(node()).await;
    let digest = world.signed();
    let flood = |first: Vec<u8>, repeated: Vec<u8>| {
        let (mut bytes, path) = (opened.clone(), world.directory.path().join("pullgate.sock"));
        async move {
            bytes.extend(first);
            let mut stream = UnixStream::connect(path).await.unwrap();
            let (mut read, mut write) = stream.split();
            let answers = async { drop(tokio::io::copy(&mut read, &mut tokio::io::sink()).await) };
            let sends = async {
                write.write_all(&bytes).await.ok()?;
                let many = repeated.repeat(100);
                for _ in 0..times / 100 {
                    write.write_all(&many).await.ok()?;
                }
                Some(())
            };
            // Whether it could send everything.
            tokio::select! {
                sent = sends => sent.is_some(),
                () = answers => false,
            }
        }
    };
    let mut ended = Vec::new();
    for (row, first, repeated) in floods {
        let (all, outcome) = tokio::join!(flood(first, repeated), world.outcome("team/app:1"));
        let requests = "tag sig? fallback? referrers?";
        outcome.assert(row, Expect { requests, ..Expect::verified(&world.pinned("team/app", &digest)) });
        ended.push((row, !all));
    }
    // Calls that are cancelled at once (CVE-2023-44487).
    let mut rapid = opened.clone();
    for number in 0..20_000_u32 {
        rapid.extend(call(2 * number + 1));
        rapid.extend(frame(reset, 0, 2 * number + 1, &[0, 0, 0, 8]));
    }
    let mut stream = UnixStream::connect(world.directory.path().join("pullgate.sock")).await.unwrap();
    let (mut read, mut write) = stream.split();
    let (outcome, all) = tokio::join!(world.outcome("team/app:1"), async {
        tokio::select! {
            sent = write.write_all(&rapid) => sent.is_ok(),
            _ = async { drop(read.read_to_end(&mut Vec::new()).await) } => false,
        }
    });
    outcome
        .assert("rapid", Expect { requests: "tag", ..Expect::verified(&world.pinned("team/app", &digest)) });
    ended.push(("rapid reset", !all));
    // Settings and pings are answered, one by one and no faster than the answers are read.
    for row in ["empty data", "continuation", "rapid reset"] {
        assert!(ended.contains(&(row, true)), "{row} could go on to its end: {ended:?}");
    }
}

#[tokio::test]
async fn t128_a_name_cannot_inject_log_lines() {
    let world = World::start(node()).await;
    let log = Kept::default();
    for name in [
        "team/a\nb:1",
        "team/\u{1b}[31mred:1",
        "team/a\r\nverified:1",
        "team/\u{202e}evil:1",
        "team/a\0:1",
        "team/a\u{2028}b:1",
        "team/app:1\n2026-01-01T00:00:00Z INFO pulled verdict=\"admitted\"",
    ] {
        // Each outcome checks that kubelet's message is one line without bidi controls.
        let outcome = world.outcome(name).await;
        outcome.assert(name, Expect { bytes: NOTHING, ..Expect::refused("invalid-reference") });
        // The same in the text log: one line for each record.
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let metadata = api::PodSandboxMetadata {
            name: name.to_owned(),
            namespace: name.to_owned(),
            uid: name.to_owned(),
            attempt: 0,
        };
        let request = api::PullImageRequest {
            image: Some(api::ImageSpec { image: world.image(name), ..Default::default() }),
            sandbox_config: Some(api::PodSandboxConfig { metadata: Some(metadata), ..Default::default() }),
            ..Default::default()
        };
        let (status, _) = answer_to(&world.daemon, &request).await;
        drop(guard);
        assert_ne!(status, "0");
    }
    let text = log.text();
    let (mut records, mut refused) = (0, 0);
    for line in text.lines() {
        assert!(line.starts_with("20") && line.as_bytes().get(10) == Some(&b'T'), "no record: {line:?}");
        assert!(!line.contains(['\u{1b}', '\u{202e}', '\0', '\u{2028}']), "{line:?}");
        records += 1;
        refused += usize::from(line.contains("verdict=\"refused\""));
    }
    assert!(records >= 7 && refused <= 7, "{records} records, {refused} refusals");
}

#[tokio::test]
async fn t128_thousands_of_names_take_no_lasting_memory() {
    let world = World::start(node()).await;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    drop(world.outcome("other/app:1").await);
    let before = alive();
    for batch in 0..20 {
        let names = (0..250).map(|number| (world.image(&format!("other/{batch}-{number}:1")), None));
        let outcome = world.crowd(names.collect()).await;
        outcome.assert(batch, Expect { bytes: NOTHING, ..Expect::refused("denied-by-rule") });
    }
    assert!(alive() <= before + 8, "{before} tasks before, {} after", alive());
}

#[tokio::test]
async fn t131_an_image_that_needs_no_signature_costs_no_request() {
    let world = World::start(node()).await;
    let host = world.registry.host();
    world.set_policy(&format!(
        "default = \"deny\"\n[[namespace]]\nscope = \"{host}/free\"\nallow = \"unsigned\"\nreason = \"test\"\n\
         [[namespace]]\nscope = \"{host}/off\"\nallow = \"unsigned\"\nreason = \"test\"\nmode = \"off\"\n\
         [[namespace]]\nscope = \"{host}/never\"\ndeny = \"test\"\n"
    ));
    let id = format!("sha256:{}", "a".repeat(64));
    world.runtime.record(&id, &format!("sha256:{}", "b".repeat(64)));
    world.runtime.script(move |call| {
        let answer = api::PullImageResponse { image_ref: id.clone() };
        let image = api::Image { id: id.clone(), size: 1, ..Default::default() };
        let known = api::ImageStatusResponse { image: Some(image), ..Default::default() };
        match call.path.rsplit('/').next() {
            Some("PullImage") => Some(message(&answer)),
            Some("ImageStatus") => Some(message(&known)),
            _ => None,
        }
    });
    for (path, verdict, reason) in [
        ("free/app:1", Verdict::Pulled(world.image("free/app:1")), "unsigned-allowed"),
        ("off/app:1", Verdict::Pulled(world.image("off/app:1")), "rule-off"),
        ("never/app:1", Verdict::Refused, "denied-by-rule"),
        ("other/app:1", Verdict::Refused, "denied-by-rule"),
    ] {
        let auth = super::world::password("pod", "pg5ECRET-pod");
        let outcome = world.outcome_of(&world.image(path), auth).await;
        outcome.assert(path, Expect { verdict: &verdict, reason, bytes: NOTHING, ..Expect::default() });
    }
}

#[tokio::test]
async fn two_daemons_share_nothing() {
    let world = World::start(node()).await;
    let digest = world.signed();
    let directory = tempfile::tempdir().unwrap();
    let other = Daemon::builder(directory.path(), world.runtime.socket()).start();
    let pinned = world.pinned("team/app", &digest);
    world.outcome("team/app:1").await.assert("one", Expect { requests: SIGNED, ..Expect::verified(&pinned) });
    assert_eq!(pull(&other, &world.image("team/app:1"), None).await.0, "no-policy");
    world.set_policy("default = \"deny\"\n");
    assert_ne!(pull(&world.daemon, &world.image("team/app:1"), None).await.0, PULLED);
    let info =
        call(other.client(), "/runtime.v1.ImageService/ImageFsInfo", http::HeaderMap::new(), framed(b""));
    assert!(tokio::time::timeout(Duration::from_secs(10), info).await.is_ok());
}
