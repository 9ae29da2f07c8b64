//! Redirects, and failing TLS: T105, T112.

use pullgate::registry::RegistrySettings;

use super::outcome::{Expect, LITTLE, NOTHING, SIGNED, Verdict};
use super::world::{World, manifest_of, node, p256, password};
use pullgate_test::registry::{Auth, Authority, MANIFEST, Options, Registry, Scripted};
use pullgate_test::signer::{attach_classic, payload};

#[tokio::test]
async fn t105_dangerous_redirects_are_refused() {
    let options =
        || Options { referrers: true, auth: Auth::basic("pod", "pg5ECRET-pod"), ..Options::default() };
    let world = World::start(node().registry(options())).await;
    let elsewhere = Registry::start().await;
    world.watch("elsewhere", &elsewhere);
    let digest = world.signed();
    let image = world.image("team/app:1");
    let auth = || password("pod", "pg5ECRET-pod");
    let pinned = world.pinned("team/app", &digest);
    world.outcome_of(&image, auth()).await.assert(
        "good",
        Expect { requests: "tag*2 sig fallback referrers", credentials: "pod", ..Expect::verified(&pinned) },
    );
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[::ffff:169.254.169.254]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "unix:///run/containerd/containerd.sock",
        "file:///etc/shadow",
        "ftp://127.0.0.1/",
        "http://user:pg5ECRET@127.0.0.1/",
        "http://",
        "",
    ] {
        world.registry.hook(move |request| {
            (request.header("authorization").is_some() && manifest_of(request, "1")).then(|| match location {
                "" => Scripted::status(307),
                _ => Scripted::redirect(location),
            })
        });
        let outcome = world.outcome_of(&image, auth()).await;
        outcome.assert(
            location,
            Expect {
                requests: "tag*1..2",
                credentials: "pod",
                bytes: NOTHING,
                ..Expect::unavailable("redirect-refused")
            },
        );
    }
    // A redirect loop: three redirects are followed.
    world
        .registry
        .hook(|request| request.header("authorization").map(|_| Scripted::redirect(request.uri.path())));
    let outcome = world.outcome_of(&image, auth()).await;
    outcome.assert(
        "50 hops",
        Expect {
            requests: "tag*4..5",
            credentials: "pod",
            bytes: NOTHING,
            ..Expect::unavailable("too-many-redirects")
        },
    );
    // Credentials are not forwarded to another host, nor back to the first one.
    let good = world.registry.tagged("team/app", "1").unwrap();
    let (there, back) =
        (format!("http://{}/x", elsewhere.host()), format!("http://{}/back", world.registry.host()));
    for (row, returns, requests) in
        [("there", false, "tag elsewhere:other"), ("there and back", true, "tag elsewhere:other other")]
    {
        let (answer, there, back) = (Scripted::ok(MANIFEST, good.clone()), there.clone(), back.clone());
        let returned = answer.clone();
        elsewhere.hook(move |_| Some(if returns { Scripted::redirect(&back) } else { answer.clone() }));
        world.registry.hook(move |request| match request.uri.path() {
            "/back" if request.header("authorization").is_some() => Some(Scripted::status(500)),
            "/back" => Some(returned.clone()),
            _ if request.header("authorization").is_some() && manifest_of(request, "1") => {
                Some(Scripted::redirect(&there))
            }
            _ => None,
        });
        world
            .outcome_of(&image, auth())
            .await
            .assert(row, Expect { requests, credentials: "pod", ..Expect::verified(&pinned) });
    }
}

#[tokio::test]
async fn t105_a_redirect_from_tls_to_plain_http_is_refused() {
    let authority = Authority::new();
    let ca = authority.pem();
    let tls = Some((authority, "127.0.0.1".to_owned()));
    let world = World::start(node().registry(Options { tls, ..Options::default() }).settings(
        |directory, registry| {
            let host = directory.path().join("certs.d/r.example");
            std::fs::create_dir_all(&host).unwrap();
            std::fs::write(host.join("ca.pem"), ca).unwrap();
            let text = format!("server = \"https://{}\"\nca = \"ca.pem\"\n", registry.host());
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            RegistrySettings {
                hosts_directories: vec![directory.path().join("certs.d")],
                ..RegistrySettings::default()
            }
        },
    ))
    .await;
    let elsewhere = Registry::start().await;
    world.watch("elsewhere", &elsewhere);
    let location = format!("http://{}/v2/team/app/manifests/1", elsewhere.host());
    world.registry.hook(move |_| Some(Scripted::redirect(&location)));
    let outcome = world.outcome_of("r.example/team/app:1", password("pod", "pg5ECRET-pod")).await;
    outcome.assert(
        "to http",
        Expect { requests: "tag?ns", bytes: NOTHING, ..Expect::unavailable("redirect-refused") },
    );
}

#[tokio::test]
async fn t112_a_tls_failure_is_never_ignored() {
    let authority = Authority::new();
    let ca = authority.pem();
    let clock = "check the clock of this node";
    let bad = (Verdict::Unavailable, "registry-tls", "", NOTHING);
    for (row, ours, name, valid, (verdict, reason, requests, bytes), message) in [
        ("good", true, "127.0.0.1", None, (Verdict::Refused, "verified", SIGNED, LITTLE), ""),
        ("of an unknown authority", false, "127.0.0.1", None, bad.clone(), ""),
        ("for another name", true, "other.example", None, bad.clone(), ""),
        ("over", true, "127.0.0.1", Some((2000, 2001)), bad.clone(), clock),
        ("yet to come", true, "127.0.0.1", Some((3000, 3001)), bad.clone(), clock),
        ("none: plain HTTP", true, "", None, bad, "plain HTTP"),
    ] {
        let tls = (!name.is_empty()).then(|| (authority.clone(), name.to_owned()));
        let auth = Auth::basic("pod", "pg5ECRET-pod");
        let options = Options { referrers: true, tls, valid, auth, ..Options::default() };
        let trusted = if ours { ca.clone() } else { Authority::new().pem() };
        let world = World::start(node().registry(options).settings(|directory, registry| {
            let host = directory.path().join("certs.d/r.example");
            std::fs::create_dir_all(&host).unwrap();
            std::fs::write(host.join("ca.pem"), trusted).unwrap();
            let text = format!("server = \"https://{}\"\nca = \"ca.pem\"\n", registry.host());
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            RegistrySettings {
                hosts_directories: vec![directory.path().join("certs.d")],
                ..RegistrySettings::default()
            }
        }))
        .await;
        let digest = world.registry.image("team/app", "1", "app");
        let text = payload("r.example/team/app", &digest);
        attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
        // Nothing is sent before the TLS handshake has succeeded.
        let outcome = world.outcome_of("r.example/team/app:1", password("pod", "pg5ECRET-pod")).await;
        assert!(outcome.line.contains(message), "{row}: {}", outcome.line);
        let good = reason == "verified";
        let verdict = if good { Verdict::Pulled(format!("r.example/team/app@{digest}")) } else { verdict };
        let requests = if good { "tag?ns*2 sig?ns fallback?ns referrers?ns" } else { requests };
        outcome.assert(
            row,
            Expect { verdict: &verdict, reason, requests, credentials: if good { "pod" } else { "" }, bytes },
        );
    }
}
