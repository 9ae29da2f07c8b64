//! Secrets and who sees them: T106 to T110, and the operator's own credentials.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use pullgate::alibaba::Identity;
use pullgate::api;
use pullgate::registry::{AcrSettings, HostCredential, Keyring, Limits, Settings};

use super::world::{PULLED, World, password};
use crate::support::acs;
use crate::support::registry::{Auth, Options, Recorded, Registry, Scripted};

fn options(auth: Auth) -> Options {
    Options { auth, referrers: true, ..Options::default() }
}

fn bearer(realm: Option<String>, secret: Option<&str>, expires_in: Option<i64>) -> Auth {
    Auth::Bearer { realm, secret: secret.map(str::to_owned), oauth: true, expires_in }
}

#[tokio::test]
async fn t106_a_realm_elsewhere_gets_nothing() {
    let elsewhere = Registry::start().await;
    for realm in [
        "https://attacker.example/token".to_owned(),
        "http://169.254.169.254/token".to_owned(),
        "https://10.0.0.1/token".to_owned(),
        format!("https://localhost:{}/token", elsewhere.port()),
        "file:///etc/passwd".to_owned(),
    ] {
        let world =
            World::with(options(bearer(Some(realm.clone()), Some("u:p"), None)), Limits::default()).await;
        world.signed();
        let (verdict, line) = world.pull(&world.image("team/app:1"), password("u", "p")).await;
        assert_eq!(verdict, "registry-unauthorized", "{realm} {line}");
        assert!(line.starts_with("RegistryUnavailable: "), "{line}");
        assert_eq!(world.registry.requests().len(), 1, "{realm}");
        world.assert_no_credentials_sent();
        assert_eq!(world.runtime.calls().len(), 0);
    }
    assert_eq!(elsewhere.requests().len(), 0);
}

/// What ACR answers, if the request is signed with this key.
fn acr(request: &Recorded, id: &str, secret: &str, token: Option<&str>) -> Scripted {
    if let Some(code) = acs::refusal(request, id, secret, token) {
        return acs::error(403, code);
    }
    if request.header("x-acs-action") != Some("GetAuthorizationToken")
        || request.uri.query() != Some("InstanceId=cri-1")
    {
        return acs::error(400, "InvalidParameter");
    }
    let expires = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    let answer = format!(
        "{{\"Code\":\"success\",\"TempUsername\":\"cr_temp_user\",\"AuthorizationToken\":\"temporary\",\"ExpireTime\":{expires}}}"
    );
    Scripted::ok("application/json", answer)
}

/// The instance metadata in token mode.
fn metadata(request: &Recorded) -> Scripted {
    match (request.method.as_str(), request.uri.path()) {
        ("PUT", "/latest/api/token")
            if request.header("x-aliyun-ecs-metadata-token-ttl-seconds").is_some() =>
        {
            Scripted::ok("text/plain", "metadata-token")
        }
        ("GET", "/latest/meta-data/ram/security-credentials/Node")
            if request.header("x-aliyun-ecs-metadata-token") == Some("metadata-token") =>
        {
            let keys = "{\"Code\":\"Success\",\"AccessKeyId\":\"STS.1\",\"AccessKeySecret\":\"sts-secret\",\"SecurityToken\":\"sts-token\"}";
            Scripted::ok("application/json", keys)
        }
        _ => Scripted::status(403),
    }
}

#[tokio::test]
async fn t107_cloud_passwords_are_for_the_named_hosts_only() {
    let (service, instance) = (Registry::start().await, Registry::start().await);
    service.hook(|request| Some(acr(request, "STS.1", "sts-secret", Some("sts-token"))));
    instance.hook(|request| Some(metadata(request)));
    for named in [true, false] {
        let (endpoint, metadata) =
            (format!("http://{}", service.host()), format!("http://{}", instance.host()));
        let world =
            World::with_settings(options(Auth::basic("cr_temp_user", "temporary")), |_, registry| Settings {
                keyring: Keyring {
                    acr: Some(AcrSettings {
                        instance: "cri-1".to_owned(),
                        // A name that only begins like it is another host.
                        hosts: vec![if named {
                            registry.host()
                        } else {
                            format!("{}.example", registry.host())
                        }],
                        identity: Identity::Role("Node".to_owned()),
                        endpoint,
                        metadata,
                    }),
                    ..Keyring::default()
                },
                ..Settings::default()
            })
            .await;
        world.signed();
        service.forget_requests();
        instance.forget_requests();
        let expected = if named { PULLED } else { "registry-unauthorized" };
        assert_eq!(world.verdict("team/app:1").await, expected);
        assert_eq!(world.verdict("team/app:1").await, expected);
        let asked = usize::from(named);
        assert_eq!(
            (service.requests().len(), instance.requests().len()),
            (asked, 2 * asked),
            "asked once, then kept"
        );
        if !named {
            world.assert_no_credentials_sent();
        }
    }
}

#[tokio::test]
async fn acr_with_an_access_key_and_a_wrong_one() {
    let service = Registry::start().await;
    service.hook(|request| Some(acr(request, "LTAI", "key-secret", None)));
    for (secret, expected) in [("key-secret", PULLED), ("wrong", "registry-unavailable")] {
        let endpoint = format!("http://{}", service.host());
        let world =
            World::with_settings(options(Auth::basic("cr_temp_user", "temporary")), |directory, registry| {
                Settings {
                    keyring: Keyring {
                        acr: Some(AcrSettings {
                            instance: "cri-1".to_owned(),
                            hosts: vec![registry.host()],
                            identity: Identity::Key {
                                id: "LTAI".to_owned(),
                                secret_file: secret_file(directory, "acr", secret),
                            },
                            endpoint,
                            metadata: AcrSettings::METADATA.to_owned(),
                        }),
                        ..Keyring::default()
                    },
                    ..Settings::default()
                }
            })
            .await;
        world.signed();
        let (verdict, line) = world.pull(&world.image("team/app:1"), None).await;
        assert_eq!(verdict, expected, "{line}");
        assert_eq!(line.contains("SignatureDoesNotMatch"), expected != PULLED, "{line}");
    }
}

fn secret_file(directory: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn the_operator_s_credentials_are_for_pulls_without_any_and_for_their_host() {
    let keyrings: [fn(&tempfile::TempDir, &str) -> Keyring; 3] = [
        |_, _| Keyring::default(),
        |directory, host| Keyring {
            credentials: vec![HostCredential {
                host: host.to_owned(),
                username: "node".to_owned(),
                password_file: secret_file(directory, "password", "s3cret\n"),
            }],
            ..Keyring::default()
        },
        |directory, host| {
            let text = format!(
                "{{\"auths\":{{\"https://{host}\":{{\"username\":\"node\",\"password\":\"s3cret\"}}}}}}"
            );
            Keyring {
                docker_config: Some(secret_file(directory, "config.json", &text)),
                ..Keyring::default()
            }
        },
    ];
    for (number, keyring) in keyrings.into_iter().enumerate() {
        for own in [true, false] {
            let world =
                World::with_settings(options(Auth::basic("node", "s3cret")), |directory, registry| {
                    let host = if own { registry.host() } else { "127.0.0.1:1".to_owned() };
                    Settings { keyring: keyring(directory, &host), ..Settings::default() }
                })
                .await;
            world.signed();
            let works = number > 0 && own;
            let expected = if works { PULLED } else { "registry-unauthorized" };
            assert_eq!(world.verdict("team/app:1").await, expected, "keyring {number}, own {own}");
            if !works {
                world.assert_no_credentials_sent();
            }
            // A pull that carries credentials is made with these, right or wrong.
            world.registry.forget_requests();
            let (verdict, _) = world.pull(&world.image("team/app:1"), password("node", "wrong")).await;
            assert_eq!(verdict, "registry-unauthorized");
            let (verdict, _) = world.pull(&world.image("team/app:1"), password("node", "s3cret")).await;
            assert_eq!(verdict, PULLED);
        }
    }
}

#[tokio::test]
async fn t108_a_token_service_cannot_keep_us_busy() {
    let huge = format!("{{\"token\":\"{}\"}}", "x".repeat(70_000));
    for (answer, reason, at_most) in [
        (Scripted::ok("application/json", huge), "token-too-large", 2),
        (Scripted::ok("application/json", "{\"token\":\"of another scope\"}"), "registry-unauthorized", 3),
        (Scripted::ok("application/json", "{}"), "registry-unavailable", 2),
        (Scripted::ok("text/html", "<html>"), "registry-unavailable", 2),
        (Scripted::redirect("https://attacker.example/"), "redirect-refused", 2),
        (Scripted::status(401), "registry-unauthorized", 3),
    ] {
        let world = World::with(options(bearer(None, None, None)), Limits::default()).await;
        world.signed();
        let shown = answer.clone();
        world.registry.hook(move |request| (request.uri.path() == "/token").then(|| answer.clone()));
        assert_eq!(world.verdict("team/app:1").await, reason, "{shown:?}");
        assert!(world.registry.requests().len() <= at_most, "{:?}", world.registry.lines());
        assert!(world.registry.written() < 256 << 10);
        assert_eq!(world.runtime.calls().len(), 0);
    }
    for expires_in in [Some(0), Some(-5), Some(i64::MAX), None] {
        let world = World::with(options(bearer(None, None, expires_in)), Limits::default()).await;
        world.signed();
        assert_eq!(world.verdict("team/app:1").await, PULLED, "{expires_in:?}");
        assert!(world.registry.requests().len() < 24, "{:?}", world.registry.lines());
    }
}

#[tokio::test]
async fn t109_credentials_for_another_server_are_sent_to_none() {
    let world = World::with(options(Auth::basic("u", "p")), Limits::default()).await;
    world.signed();
    let auth = |server: &str| {
        let mut auth = password("u", "p").unwrap();
        auth.server_address = server.to_owned();
        Some(auth)
    };
    for (auth, expected) in [
        (auth("https://other.example"), "registry-unauthorized"),
        (auth(&format!("https://{}.evil.example", world.registry.host())), "registry-unauthorized"),
        (auth(&world.registry.host()), "registry-unauthorized"),
        (
            Some(api::AuthConfig { registry_token: "t".to_owned(), ..Default::default() }),
            "registry-unauthorized",
        ),
        (Some(api::AuthConfig { auth: "!".to_owned(), ..Default::default() }), "registry-unauthorized"),
        (auth(&format!("http://{}", world.registry.host())), PULLED),
    ] {
        let (verdict, line) = world.pull(&world.image("team/app:1"), auth).await;
        assert_eq!(verdict, expected, "{line}");
        if expected != PULLED {
            world.assert_no_credentials_sent();
        }
    }
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn t110_marked_secrets_are_in_no_log_and_no_message() {
    const MARKS: [&str; 4] = ["MARKED-PASSWORD", "MARKED-TOKEN", "MARKED-HEADER", "MARKED-QUERY"];
    let log = Kept::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut said = String::new();
    for broken in [false, true] {
        let auth = bearer(None, Some("user:MARKED-PASSWORD"), Some(300));
        let world = World::with_settings(options(auth), |directory, registry| {
            let host = directory.path().join("certs.d").join(registry.host());
            std::fs::create_dir_all(&host).unwrap();
            let text =
                format!("server = \"http://{}\"\n[header]\nx-secret = \"MARKED-HEADER\"\n", registry.host());
            std::fs::write(host.join("hosts.toml"), text).unwrap();
            Settings { hosts_directories: vec![directory.path().join("certs.d")], ..Settings::default() }
        })
        .await;
        world.signed();
        world.registry.hook(move |request| match request.uri.path() {
            "/token" => Some(Scripted::ok("application/json", "{\"access_token\":\"MARKED-TOKEN\"}")),
            path if request.header("authorization") != Some("Bearer MARKED-TOKEN") || path.is_empty() => None,
            path if broken => {
                Some(Scripted::redirect(&format!("http://169.254.169.254{path}?sig=MARKED-QUERY")))
            }
            // The token is let through to an answer that names it.
            _ => Some(Scripted::status(403).header("x-echo", "MARKED-TOKEN")),
        });
        let (verdict, line) =
            world.pull(&world.image("team/app:1"), password("user", "MARKED-PASSWORD")).await;
        assert_eq!(verdict, if broken { "redirect-refused" } else { "registry-unauthorized" }, "{line}");
        let shown: Vec<_> = world.registry.requests().iter().map(|request| format!("{request:?}")).collect();
        assert!(
            shown.iter().any(|request| request.contains("MARKED-HEADER")),
            "the header of hosts.toml is sent"
        );
        let wrong = world.pull(&world.image("team/app:1"), password("user", "MARKED-PASSWORD-2")).await;
        said += &format!("{line}{wrong:?}{:?}{:?}", world.daemon.gate, password("x", "y").is_some());
    }
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("TRACE") || text.contains("DEBUG"), "the log is a full one: {}", text.len());
    for mark in MARKS {
        assert!(!said.contains(mark), "{mark} in {said}");
        let at = text.find(mark);
        assert!(
            at.is_none(),
            "{mark} in the log: {}",
            &text[at.unwrap_or(0).saturating_sub(200)..at.unwrap_or(0) + 20]
        );
    }
}
