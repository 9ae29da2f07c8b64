//! Proxies of the environment, old TLS versions, client certificates (T112).

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use pullgate::reference::Reference;
use pullgate::registry::{Credentials, Registry as Client, RegistrySettings};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::outcome::{Expect, NOTHING, Verdict};
use super::world::{World, node, p256, password};
use pullgate_test::registry::{Authority, Options, Registry};
use pullgate_test::signer::{attach_classic, payload};
use pullgate_test::tunnel::Tunnel;

fn hosts(directory: &Path, host: &str, text: &str) {
    let place = directory.join("certs.d").join(host);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("hosts.toml"), text).unwrap();
}

/// `the_proxy_of_the_environment_is_used` runs this in a child process; otherwise it does nothing.
#[tokio::test]
async fn child() {
    let Ok(directory) = std::env::var("PULLGATE_TEST_DIRECTORY") else { return };
    let directories = vec![Path::new(&directory).join("certs.d")];
    let client =
        Client::new(RegistrySettings { hosts_directories: directories, ..RegistrySettings::default() })
            .unwrap();
    let reference = Reference::parse("r.invalid/team/app:1").unwrap();
    client.resolve(&reference, &Credentials::anonymous()).await.unwrap();
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_used() {
    let authority = Authority::new();
    let options =
        Options { tls: Some((Arc::clone(&authority), "r.invalid".to_owned())), ..Options::default() };
    let registry = Registry::with(options).await;
    registry.image("team/app", "1", "app");
    let directory = tempfile::tempdir().unwrap();
    hosts(directory.path(), "r.invalid", "server = \"https://r.invalid\"\nca = \"ca.pem\"\n");
    std::fs::write(directory.path().join("certs.d/r.invalid/ca.pem"), authority.pem()).unwrap();
    let tunnel = Tunnel::start(&registry.host(), None);
    for (variable, without, through) in [
        ("HTTPS_PROXY", "", true),
        ("https_proxy", "other.invalid", true),
        ("HTTPS_PROXY", "r.invalid", false),
        ("HTTPS_PROXY", ".invalid", false),
        ("HTTP_PROXY", "", false),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "attacks::proxies::child"]).env("PULLGATE_TEST_DIRECTORY", directory.path());
        for name in
            ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "no_proxy"]
        {
            command.env_remove(name);
        }
        command.env(variable, tunnel.url()).env("NO_PROXY", without);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("running 1 test"), "{text}");
        assert_eq!(output.status.success(), through, "{variable} {without}: {text}");
        let expected: &[&str] = if through { &["CONNECT r.invalid:443 HTTP/1.1"] } else { &[] };
        assert_eq!(tunnel.take_asked(), expected, "{variable} {without}");
    }
}

#[tokio::test]
async fn t112_tls_before_1_2_is_rejected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A ServerHello of TLS 1.1 with AES128-SHA.
            let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
            hello.extend([7; 32]);
            hello.extend([0, 0, 0x2f, 0]);
            drop(stream.write_all(&hello).await);
            tokio::spawn(async move { drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await) });
        }
    });
    let world = World::start(node().registry(Options::default()).settings(|directory, _| {
        hosts(
            directory.path(),
            "r.example",
            &format!("server = \"https://{address}\"\nskip_verify = true\n"),
        );
        RegistrySettings {
            hosts_directories: vec![directory.path().join("certs.d")],
            ..RegistrySettings::default()
        }
    }))
    .await;
    let outcome = world.outcome_of("r.example/team/app:1", password("pod", "pg5ECRET-pod")).await;
    outcome.assert("TLS 1.1", Expect { bytes: NOTHING, ..Expect::unavailable("registry-tls") });
}

#[tokio::test]
async fn t112_a_client_certificate_is_sent_as_configured() {
    let authority = Authority::new();
    for shown in [true, false] {
        let tls = Some((Arc::clone(&authority), "127.0.0.1".to_owned()));
        let options = Options { tls, clients: true, ..Options::default() };
        let (ca, (certificate, key)) = (authority.pem(), authority.client());
        let world = World::start(node().registry(options).settings(|directory, registry| {
            let client = if shown { "client = [[\"client.pem\", \"client.key\"]]\n" } else { "" };
            let text = format!("server = \"https://{}\"\nca = \"ca.pem\"\n{client}", registry.host());
            hosts(directory.path(), "r.example", &text);
            let place = directory.path().join("certs.d/r.example");
            for (name, text) in [("ca.pem", ca), ("client.pem", certificate), ("client.key", key)] {
                std::fs::write(place.join(name), text).unwrap();
            }
            RegistrySettings {
                hosts_directories: vec![directory.path().join("certs.d")],
                ..RegistrySettings::default()
            }
        }))
        .await;
        let digest = world.registry.image("team/app", "1", "app");
        let text = payload("r.example/team/app", &digest);
        attach_classic(&world.registry, "team/app", &digest, &[(text.clone(), p256().sign(&text))]);
        let outcome = world.outcome_of("r.example/team/app:1", None).await;
        if shown {
            let pinned = Verdict::Pulled(format!("r.example/team/app@{digest}"));
            let requests = "tag?ns sig?ns fallback?ns referrers?ns";
            outcome.assert("shown", Expect { requests, ..Expect::verified(&pinned) });
        } else {
            // TLS 1.3 rejects a client only after it has sent its certificate.
            let reason = outcome.reason.clone();
            assert!(["registry-tls", "registry-unavailable"].contains(&reason.as_str()), "{outcome:#?}");
            outcome.assert("not shown", Expect { bytes: NOTHING, ..Expect::unavailable(&reason) });
        }
    }
}
