//! Passwords of clouds and of the node's operator: T107.

use std::os::unix::fs::PermissionsExt as _;

use pullgate::registry::{AcrIdentity, AcrSettings, HostCredential, Keyring, Settings};

use super::outcome::{LITTLE, NOTHING, Verdict};
use super::world::{PULLED, World, password};
use crate::support::registry::{Auth, Options, Recorded, Registry, Scripted};

fn options(auth: Auth) -> Options {
    Options { auth, referrers: true, ..Options::default() }
}

/// What a service of Alibaba Cloud answers, if the request is signed with this key.
fn acs(request: &Recorded, secret: &str, token: Option<&str>) -> Scripted {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};
    let authorization = request.header("authorization").unwrap_or_default().to_owned();
    let signed = authorization.split("SignedHeaders=").nth(1).unwrap_or_default();
    let names = signed.split(',').next().unwrap_or_default();
    let lines: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default().trim()))
        .collect();
    let hex = |bytes: &[u8]| pullgate::digest::hex(bytes);
    let body = hex(&Sha256::digest(&request.body));
    let query = request.uri.query().unwrap_or_default();
    let canonical = format!("{}\n/\n{query}\n{lines}\n{names}\n{body}", request.method);
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(to_sign.as_bytes());
    let expected = format!("Signature={}", hex(&mac.finalize().into_bytes()));
    let whole = ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"]
        .iter()
        .all(|name| names.split(';').any(|signed| signed == *name));
    let asked =
        request.header("x-acs-action") == Some("GetAuthorizationToken") && query == "InstanceId=cri-1";
    if !authorization.ends_with(&expected)
        || !whole
        || !asked
        || request.header("x-acs-security-token") != token
        || token.is_some() != names.contains("x-acs-security-token")
    {
        let mut answer = Scripted::ok("application/json", "{\"Code\":\"SignatureDoesNotMatch\"}");
        answer.status = 403;
        return answer;
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
    service.hook(|request| Some(acs(request, "sts-secret", Some("sts-token"))));
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
                        identity: AcrIdentity::Role("Node".to_owned()),
                        endpoint,
                        metadata,
                    }),
                    ..Keyring::default()
                },
                ..Settings::default()
            })
            .await;
        let digest = world.signed();
        for (name, registry) in [("service", &service), ("instance", &instance)] {
            world.watch(name, registry);
        }
        for (name, secret) in [
            ("acr", "temporary"),
            ("key", "sts-secret"),
            ("session", "sts-token"),
            ("metadata", "metadata-token"),
        ] {
            world.mark(name, secret);
        }
        let asked =
            "tag*2 sig fallback referrers blob service:POST-other instance:PUT-other instance:other*1..2";
        let shown = "acr session@service metadata@instance";
        let first = world.outcome("team/app:1").await;
        let again = world.outcome("team/app:1").await;
        if named {
            let pinned = world.pinned("team/app", &digest);
            first.assert("first", &pinned, "verified", asked, shown, LITTLE);
            again.assert("asked once, then kept", &pinned, "verified", "tag", "acr", LITTLE);
        } else {
            for outcome in [first, again] {
                let verdict = Verdict::Unavailable;
                outcome.assert("another host", &verdict, "registry-unauthorized", "tag", "", NOTHING);
            }
        }
    }
}

#[tokio::test]
async fn acr_with_an_access_key_and_a_wrong_one() {
    let service = Registry::start().await;
    service.hook(|request| Some(acs(request, "key-secret", None)));
    for (secret, expected) in [("key-secret", PULLED), ("wrong", "registry-unavailable")] {
        let endpoint = format!("http://{}", service.host());
        let world =
            World::with_settings(options(Auth::basic("cr_temp_user", "temporary")), |directory, registry| {
                Settings {
                    keyring: Keyring {
                        acr: Some(AcrSettings {
                            instance: "cri-1".to_owned(),
                            hosts: vec![registry.host()],
                            identity: AcrIdentity::Key {
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
