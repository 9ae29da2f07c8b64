//! Credentials, tokens and their receivers: T106, T108 to T110.

use pullgate::api;
use pullgate::registry::RegistrySettings;

use super::outcome::{Expect, LITTLE, NOTHING, Verdict};
use super::world::{World, node, password};
use pullgate_test::registry::{Auth, Authority, Options, Registry, Scripted};
use pullgate_test::secrets::Secret;

/// The requests of a pull from a registry that requires a token, by OAuth 2.
const WITH_TOKEN: &str = "tag*2 POST-token sig fallback referrers";

fn options(auth: Auth) -> Options {
    Options { auth, referrers: true, ..Options::default() }
}

fn bearer(realm: Option<String>, secret: Option<&str>, expires_in: Option<i64>) -> Auth {
    Auth::Bearer { realm, secret: secret.map(Secret::from), oauth: true, expires_in }
}

#[tokio::test]
async fn t106_a_realm_on_another_host_gets_no_credentials() {
    let elsewhere = Registry::start().await;
    for realm in [
        "https://attacker.example/token".to_owned(),
        "http://169.254.169.254/token".to_owned(),
        "http://[fe80::1]/token".to_owned(),
        "https://10.0.0.1/token".to_owned(),
        format!("https://localhost:{}/token", elsewhere.port()),
        format!("http://127.0.0.2:{}/token", elsewhere.port()),
        format!("http://[::1]:{}/token", elsewhere.port()),
        format!("http://pod:pg5ECRET-realm@{}/token", elsewhere.host()),
        "file:///etc/passwd".to_owned(),
        "/token".to_owned(),
        String::new(),
    ] {
        let auth = bearer(Some(realm.clone()), Some("pod:pg5ECRET-pod"), None);
        let world = World::start(node().registry(options(auth))).await;
        world.watch("elsewhere", &elsewhere);
        world.signed();
        let outcome = world.outcome_of(&world.image("team/app:1"), password("pod", "pg5ECRET-pod")).await;
        outcome.assert(
            realm,
            Expect { requests: "tag", bytes: NOTHING, ..Expect::unavailable("registry-unauthorized") },
        );
    }
    // They are sent to the registry's own host, as is the token for them, and to hosts that the operator lists.
    for trusted in [false, true] {
        let token = Registry::with(options(bearer(None, Some("pod:pg5ECRET-pod"), Some(300)))).await;
        let realm = trusted.then(|| format!("http://{}/token", token.host()));
        let auth = bearer(realm, Some("pod:pg5ECRET-pod"), Some(300));
        let services = vec![token.host(), "127.0.0.1".to_owned()];
        let world = World::start(node().registry(options(auth)).settings(|_, _| RegistrySettings {
            token_services: if trusted { services } else { Vec::new() },
            ..RegistrySettings::default()
        }))
        .await;
        world.watch("service", &token);
        let digest = world.signed();
        let outcome = world.outcome_of(&world.image("team/app:1"), password("pod", "pg5ECRET-pod")).await;
        match trusted {
            false => {
                let pinned = world.pinned("team/app", &digest);
                outcome.assert(
                    "its own",
                    Expect { requests: WITH_TOKEN, credentials: "pod token", ..Expect::verified(&pinned) },
                );
            }
            // The registry does not accept the token of that service.
            true => {
                let verdict = Verdict::Unavailable;
                let shown = "pod@service unknown";
                let requests = "tag*2 service:POST-token";
                outcome.assert(
                    "trusted",
                    Expect {
                        verdict: &verdict,
                        reason: "registry-unauthorized",
                        requests,
                        credentials: shown,
                        ..Expect::default()
                    },
                );
            }
        }
    }
}

#[tokio::test]
async fn t108_answers_of_a_token_service_are_bounded() {
    let huge = format!("{{\"token\":\"{}\"}}", "x".repeat(70_000));
    let json = |text: &str| Scripted::ok("application/json", text.to_owned());
    for (row, answer, reason, requests, bytes) in [
        ("huge", json(&huge), "token-too-large", "tag token", 0..=80 << 10),
        (
            "of another scope",
            json("{\"token\":\"pg5ECRET-x\"}"),
            "registry-unauthorized",
            "tag*2 token",
            LITTLE,
        ),
        ("no token", json("{}"), "registry-unavailable", "tag token", LITTLE),
        ("no text", json("{\"token\":7}"), "registry-unavailable", "tag token", LITTLE),
        ("no header", json("{\"token\":\"a\\r\\nb: c\"}"), "registry-unavailable", "tag token", LITTLE),
        ("a page", Scripted::ok("text/html", "<html>"), "registry-unavailable", "tag token", LITTLE),
        ("elsewhere", Scripted::redirect("https://a.example/"), "redirect-refused", "tag token", NOTHING),
        ("a 401 of its own", Scripted::status(401), "registry-unauthorized", "tag token", NOTHING),
        ("500", Scripted::status(500), "registry-unavailable", "tag token", NOTHING),
    ] {
        let world = World::start(node().registry(options(bearer(None, None, None)))).await;
        world.signed();
        world.registry.hook(move |request| (request.uri.path() == "/token").then(|| answer.clone()));
        let shown = if row == "of another scope" { "unknown" } else { "" };
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(row, Expect { requests, credentials: shown, bytes, ..Expect::unavailable(reason) });
    }
    // Any stated lifetime costs one token.
    let requests = "tag*2 token sig fallback referrers";
    for expires_in in [Some(0), Some(-5), Some(i64::MAX), None] {
        let world = World::start(node().registry(options(bearer(None, None, expires_in)))).await;
        let digest = world.signed();
        let pinned = world.pinned("team/app", &digest);
        let outcome = world.outcome("team/app:1").await;
        outcome.assert(expires_in, Expect { requests, credentials: "token", ..Expect::verified(&pinned) });
    }
}

#[tokio::test]
async fn t108_the_certificate_of_a_token_service_is_verified() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = ours.pem();
    for good in [true, false] {
        let authority = if good { &ours } else { &theirs };
        let tls = |authority: &std::sync::Arc<Authority>| {
            Some((std::sync::Arc::clone(authority), "127.0.0.1".to_owned()))
        };
        let secret = Some("pod:pg5ECRET-pod");
        let service =
            Registry::with(Options { tls: tls(authority), ..options(bearer(None, secret, None)) }).await;
        let realm = Some(format!("https://{}/token", service.host()));
        let own = Options { tls: tls(&ours), ..options(bearer(realm, secret, None)) };
        let (ca, trusted) = (ca.clone(), vec![service.host(), "127.0.0.1".to_owned()]);
        let world = World::start(node().registry(own).settings(|directory, registry| {
            let host = directory.path().join("certs.d/r.example");
            std::fs::create_dir_all(&host).unwrap();
            std::fs::write(host.join("ca.pem"), ca).unwrap();
            let text = format!("server = \"https://{}\"\nca = \"ca.pem\"\n", registry.host());
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            let hosts_directories = vec![directory.path().join("certs.d")];
            RegistrySettings { hosts_directories, token_services: trusted, ..RegistrySettings::default() }
        }))
        .await;
        world.watch("service", &service);
        let outcome = world.outcome_of("r.example/team/app:1", password("pod", "pg5ECRET-pod")).await;
        let (reason, requests, shown, bytes) = match good {
            true => ("registry-unauthorized", "tag?ns*2 service:POST-token", "pod@service unknown", LITTLE),
            false => ("registry-tls", "tag?ns", "", NOTHING),
        };
        outcome.assert(good, Expect { requests, credentials: shown, bytes, ..Expect::unavailable(reason) });
    }
}

#[tokio::test]
async fn t109_credentials_for_another_server_are_never_sent() {
    let world = World::start(node().registry(options(Auth::basic("pod", "pg5ECRET-pod")))).await;
    let digest = world.signed();
    let host = world.registry.host();
    let for_server = |server: &str| {
        let mut auth = password("pod", "pg5ECRET-pod").unwrap();
        auth.server_address = server.to_owned();
        auth
    };
    let token = |identity: &str, registry: &str| api::AuthConfig {
        identity_token: identity.to_owned(),
        registry_token: registry.to_owned(),
        ..Default::default()
    };
    let encoded = |auth: &str| api::AuthConfig { auth: auth.to_owned(), ..Default::default() };
    let refused = "registry-unauthorized";
    for (row, auth, requests) in [
        ("another", for_server("https://other.example"), "tag"),
        ("a name with this prefix", for_server("https://127.0.0.1.evil.example"), "tag"),
        ("a port with this prefix", for_server(&format!("https://{host}0.evil.example")), "tag?"),
        ("a name with this suffix", for_server(&format!("https://evil.{host}")), "tag?"),
        ("with a user", for_server(&format!("https://{host}@evil.example")), "tag?"),
        ("without a scheme", for_server(&host), "tag?"),
        ("a token of a registry", token("", "pg5ECRET-registry"), "tag"),
        ("a token for Basic", token("pg5ECRET-identity", ""), "tag"),
        ("no base64", encoded("!!!!!!!!"), "tag?"),
        ("no colon", encoded("cGc1RUNSRVQtcG9k"), "tag?"),
        ("no text", encoded("/////////w=="), "tag?"),
    ] {
        let outcome = world.outcome_of(&world.image("team/app:1"), Some(auth)).await;
        outcome.assert(row, Expect { requests, bytes: NOTHING, ..Expect::unavailable(refused) });
    }
    let auth = Some(for_server(&format!("http://{host}")));
    let outcome = world.outcome_of(&world.image("team/app:1"), auth).await;
    let pinned = world.pinned("team/app", &digest);
    let requests = "tag*2 sig fallback referrers";
    outcome.assert("this one", Expect { requests, credentials: "pod", ..Expect::verified(&pinned) });
}

#[tokio::test]
async fn t110_logs_and_messages_contain_no_secrets() {
    const MARKS: [(&str, &str); 5] = [
        ("pod", "pg5ECRET-PASSWORD"),
        ("grant", "pg5ECRET-TOKEN"),
        ("header", "pg5ECRET-HEADER"),
        ("query", "pg5ECRET-QUERY"),
        ("wrong", "pg5ECRET-WRONG"),
    ];
    for broken in [false, true] {
        let auth = bearer(None, Some("user:pg5ECRET-PASSWORD"), Some(300));
        let world = World::start(node().registry(options(auth)).settings(|directory, registry| {
            let host = directory.path().join("certs.d").join(registry.host());
            std::fs::create_dir_all(&host).unwrap();
            let text = format!(
                "server = \"http://{}\"\n[header]\nx-secret = \"pg5ECRET-HEADER\"\n",
                registry.host()
            );
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            RegistrySettings {
                hosts_directories: vec![directory.path().join("certs.d")],
                ..RegistrySettings::default()
            }
        }))
        .await;
        world.trace();
        for (name, secret) in MARKS {
            world.mark(name, secret);
        }
        world.signed();
        world.registry.hook(move |request| match request.uri.path() {
            "/token" => Some(Scripted::ok("application/json", "{\"access_token\":\"pg5ECRET-TOKEN\"}")),
            path if request.header("authorization") != Some("Bearer pg5ECRET-TOKEN") || path.is_empty() => {
                None
            }
            path if broken => {
                Some(Scripted::redirect(&format!("http://169.254.169.254{path}?sig=pg5ECRET-QUERY")))
            }
            // The token reaches an answer that echoes it in its header and body.
            _ => {
                let body = "{\"errors\":[{\"code\":\"pg5ECRET-TOKEN\",\"message\":\"pg5ECRET-PASSWORD\"}]}";
                let mut answer = Scripted::ok("application/json", body).header("x-echo", "pg5ECRET-TOKEN");
                answer.status = 403;
                Some(answer)
            }
        });
        let image = world.image("team/app:1");
        let (reason, bytes) =
            if broken { ("redirect-refused", LITTLE) } else { ("registry-unauthorized", LITTLE) };
        let mut reported = String::new();
        for (row, secret, shown) in [
            ("right", "pg5ECRET-PASSWORD", "pod grant header"),
            ("wrong", "pg5ECRET-WRONG", "pod wrong grant header"),
        ] {
            let outcome = world.outcome_of(&image, password("user", secret)).await;
            reported += &format!("{}{}{outcome:?}", outcome.line, outcome.log);
            assert!(outcome.log.contains("\"TRACE\"") || outcome.log.contains("\"DEBUG\""), "a full log");
            outcome.assert(
                row,
                Expect {
                    requests: "tag*2 POST-token",
                    credentials: shown,
                    bytes: bytes.clone(),
                    ..Expect::unavailable(reason)
                },
            );
        }
        let auth = password("user", "pg5ECRET-PASSWORD").unwrap();
        let credentials = pullgate::registry::Credentials::password(auth.username, auth.password);
        reported += &format!("{:?}{credentials:?}", world.daemon.gate);
        for (_, mark) in MARKS {
            let at = reported.find(mark);
            let near = at.unwrap_or(0);
            assert!(at.is_none(), "{mark}: {}", &reported[near.saturating_sub(200)..near + mark.len()]);
        }
    }
}
