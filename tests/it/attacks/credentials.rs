//! Passwords of clouds and of the node's operator: T107.

use pullgate::alibaba::Identity;
use pullgate::registry::{AcrSettings, HostCredential, Keyring, RegistrySettings};

use super::outcome::{Expect, NOTHING, Verdict};
use super::world::{PULLED, World, node, password};
use pullgate_test::acs;
use pullgate_test::registry::{Auth, Options, Recorded, Registry, Scripted};
use pullgate_test::secrets::file as secret_file;

fn options(auth: Auth) -> Options {
    Options { auth, referrers: true, ..Options::default() }
}

/// ACR's answer to a request that is signed with this key.
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
        "{{\"Code\":\"success\",\"TempUsername\":\"cr_temp_user\",\"AuthorizationToken\":\"pg5ECRET-temporary\",\"ExpireTime\":{expires}}}"
    );
    Scripted::ok("application/json", answer)
}

/// The instance metadata in token mode.
fn metadata(request: &Recorded) -> Scripted {
    match (request.method.as_str(), request.uri.path()) {
        ("PUT", "/latest/api/token")
            if request.header("x-aliyun-ecs-metadata-token-ttl-seconds").is_some() =>
        {
            Scripted::ok("text/plain", "pg5ECRET-metadata")
        }
        ("GET", "/latest/meta-data/ram/security-credentials/Node")
            if request.header("x-aliyun-ecs-metadata-token") == Some("pg5ECRET-metadata") =>
        {
            let keys = "{\"Code\":\"Success\",\"AccessKeyId\":\"STS.1\",\"AccessKeySecret\":\"pg5ECRET-sts\",\"SecurityToken\":\"pg5ECRET-session\"}";
            Scripted::ok("application/json", keys)
        }
        _ => Scripted::status(403),
    }
}

#[tokio::test]
pub(crate) async fn t107_cloud_passwords_go_only_to_configured_hosts() {
    let (service, instance) = (Registry::start().await, Registry::start().await);
    service.hook(|request| Some(acr(request, "STS.1", "pg5ECRET-sts", Some("pg5ECRET-session"))));
    instance.hook(|request| Some(metadata(request)));
    for named in [true, false] {
        let (endpoint, metadata) =
            (format!("http://{}", service.host()), format!("http://{}", instance.host()));
        let world = World::start(
            node().registry(options(Auth::basic("cr_temp_user", "pg5ECRET-temporary"))).settings(
                |_, registry| RegistrySettings {
                    keyring: Keyring {
                        acr: vec![
                            another_instance(),
                            AcrSettings {
                                instance: "cri-1".to_owned(),
                                // A host whose name only begins like it.
                                hosts: vec![if named {
                                    registry.host()
                                } else {
                                    format!("{}.example", registry.host())
                                }],
                                identity: Identity::Role("Node".to_owned()),
                                endpoint,
                                metadata,
                            },
                        ],
                        ..Keyring::default()
                    },
                    ..RegistrySettings::default()
                },
            ),
        )
        .await;
        let digest = world.signed();
        for (name, registry) in [("service", &service), ("instance", &instance)] {
            world.watch(name, registry);
        }
        for (name, secret) in [
            ("acr", "pg5ECRET-temporary"),
            ("key", "pg5ECRET-sts"),
            ("session", "pg5ECRET-session"),
            ("metadata", "pg5ECRET-metadata"),
        ] {
            world.mark(name, secret);
        }
        let lookups =
            "tag*2 sig fallback referrers service:POST-other instance:PUT-other instance:other*1..2";
        let shown = "acr session@service metadata@instance";
        let first = world.outcome("team/app:1").await;
        let again = world.outcome("team/app:1").await;
        if named {
            let pinned = world.pinned("team/app", &digest);
            first.assert(
                "first",
                Expect { requests: lookups, credentials: shown, ..Expect::verified(&pinned) },
            );
            again.assert(
                "requested once, then cached",
                Expect { requests: "tag", credentials: "acr", ..Expect::verified(&pinned) },
            );
        } else {
            for outcome in [first, again] {
                let verdict = Verdict::Unavailable;
                outcome.assert(
                    "another host",
                    Expect {
                        verdict: &verdict,
                        reason: "registry-unauthorized",
                        requests: "tag",
                        bytes: NOTHING,
                        ..Expect::default()
                    },
                );
            }
        }
    }
}

#[tokio::test]
pub(crate) async fn acr_accepts_an_access_key_and_reports_a_wrong_one() {
    let service = Registry::start().await;
    service.hook(|request| Some(acr(request, "LTAI", "pg5ECRET-key", None)));
    for (secret, expected) in [("pg5ECRET-key", PULLED), ("pg5ECRET-wrong", "registry-unavailable")] {
        let endpoint = format!("http://{}", service.host());
        let world = World::start(
            node().registry(options(Auth::basic("cr_temp_user", "pg5ECRET-temporary"))).settings(
                |directory, registry| RegistrySettings {
                    keyring: Keyring {
                        acr: vec![AcrSettings {
                            instance: "cri-1".to_owned(),
                            hosts: vec![registry.host()],
                            identity: Identity::Key {
                                id: "LTAI".to_owned(),
                                secret_file: secret_file(directory, "acr", secret),
                            },
                            endpoint,
                            metadata: AcrSettings::METADATA.to_owned(),
                        }],
                        ..Keyring::default()
                    },
                    ..RegistrySettings::default()
                },
            ),
        )
        .await;
        world.only_verdicts();
        world.signed();
        let (verdict, line) = world.pull(&world.image("team/app:1"), None).await;
        assert_eq!(verdict, expected, "{line}");
        assert_eq!(line.contains("SignatureDoesNotMatch"), expected != PULLED, "{line}");
    }
}

/// Another host, which does not exist.
fn another_instance() -> AcrSettings {
    AcrSettings {
        instance: "cri-2".to_owned(),
        hosts: vec!["other.example".to_owned()],
        identity: Identity::Role("Other".to_owned()),
        endpoint: "http://127.0.0.1:1".to_owned(),
        metadata: "http://127.0.0.1:1".to_owned(),
    }
}

#[tokio::test]
pub(crate) async fn operator_credentials_are_used_only_for_their_host_and_pulls_without_credentials() {
    let keyrings: [fn(&tempfile::TempDir, &str) -> Keyring; 3] = [
        |_, _| Keyring::default(),
        |directory, host| Keyring {
            credentials: vec![HostCredential {
                host: host.to_owned(),
                username: "node".to_owned(),
                password_file: secret_file(directory, "password", "pg5ECRET-node\n"),
            }],
            ..Keyring::default()
        },
        |directory, host| {
            let text = format!(
                "{{\"auths\":{{\"https://{host}\":{{\"username\":\"node\",\"password\":\"pg5ECRET-node\"}}}}}}"
            );
            Keyring {
                docker_config: Some(secret_file(directory, "config.json", text.as_str())),
                ..Keyring::default()
            }
        },
    ];
    for (number, keyring) in keyrings.into_iter().enumerate() {
        for own in [true, false] {
            let world =
                World::start(node().registry(options(Auth::basic("node", "pg5ECRET-node"))).settings(
                    |directory, registry| {
                        let host = if own { registry.host() } else { "127.0.0.1:1".to_owned() };
                        RegistrySettings { keyring: keyring(directory, &host), ..RegistrySettings::default() }
                    },
                ))
                .await;
            world.only_verdicts();
            world.signed();
            let works = number > 0 && own;
            let expected = if works { PULLED } else { "registry-unauthorized" };
            assert_eq!(world.verdict("team/app:1").await, expected, "keyring {number}, own {own}");
            if !works {
                world.assert_no_credentials_sent();
            }
            // A pull that carries credentials uses only these, even if they are wrong.
            world.registry.forget_requests();
            let (verdict, _) =
                world.pull(&world.image("team/app:1"), password("node", "pg5ECRET-wrong")).await;
            assert_eq!(verdict, "registry-unauthorized");
            let (verdict, _) =
                world.pull(&world.image("team/app:1"), password("node", "pg5ECRET-node")).await;
            assert_eq!(verdict, PULLED);
        }
    }
}
