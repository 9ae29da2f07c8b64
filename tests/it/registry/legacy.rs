//! Hosts that containerd's own configuration names: `registry.mirrors` and `registry.configs`.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::reference::Reference;
use pullgate::registry::{Credentials, Registry as Client, RegistrySettings};
use tempfile::TempDir;

use super::anonymous;
use pullgate_test::registry::{Auth, Authority, Options, Registry};

const PLUGIN: &str = "plugins.\"io.containerd.grpc.v1.cri\".registry";

/// A client on a node with this containerd configuration; `@` is replaced by the plugin's section. Its hosts.toml files
/// name a host that does not exist.
fn client(directory: &TempDir, text: &str) -> Client {
    let config = directory.path().join("config.toml");
    fs::write(&config, format!("version = 2\n{}", text.replace('@', PLUGIN))).unwrap();
    let hosts = directory.path().join("certs.d");
    fs::create_dir_all(hosts.join("_default")).unwrap();
    fs::write(hosts.join("_default/hosts.toml"), "server = \"http://127.0.0.1:1\"\n").unwrap();
    let settings = RegistrySettings {
        hosts_directories: vec![hosts],
        containerd_config: Some(config),
        ..RegistrySettings::default()
    };
    Client::new(settings).unwrap()
}

fn reference() -> Reference {
    Reference::parse("r.invalid/a:1").unwrap()
}

#[tokio::test]
async fn mirrors_are_tried_in_order_and_hosts_toml_is_ignored() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    second.image("a", "1", "one");
    let directory = TempDir::new().unwrap();
    let (one, two) = (first.host(), second.host());
    for (mirrors, counts) in [
        (format!("[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{one}\", \"{two}\"]"), Some((1, 1))),
        (format!("[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{two}\", \"{one}\"]"), Some((0, 1))),
        (format!("[@.mirrors.\"*\"]\nendpoint = [\"http://127.0.0.1:1\", \"{two}\"]"), Some((0, 1))),
        // The host's own section precedes that of all hosts.
        (
            format!(
                "[@.mirrors.\"*\"]\nendpoint = [\"{two}\"]\n[@.mirrors.\"r.invalid\"]\nendpoint = [\"{one}\"]"
            ),
            None,
        ),
        // With config_path all of it is ignored.
        (
            format!(
                "[@]\nconfig_path = \"{}\"\n[@.mirrors.\"*\"]\nendpoint = [\"{two}\"]",
                directory.path().join("certs.d").display()
            ),
            None,
        ),
    ] {
        first.forget_requests();
        second.forget_requests();
        let resolved = client(&directory, &mirrors).resolve(&reference(), &anonymous()).await;
        let counted = (first.requests().len(), second.requests().len());
        match counts {
            None => assert!(resolved.is_err() && counted.1 == 0, "{mirrors}"),
            Some(counts) => {
                assert_eq!(resolved.unwrap().host(), two, "{mirrors}");
                assert_eq!(counted, counts, "{mirrors}");
            }
        }
        for request in first.requests().iter().chain(&second.requests()) {
            assert_eq!(request.uri.query(), Some("ns=r.invalid"));
        }
    }
}

#[tokio::test]
async fn a_path_is_used_unchanged() {
    let registry = Registry::start().await;
    registry.image("proxy/a", "1", "one");
    let directory = TempDir::new().unwrap();
    let text = format!("[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{}/v2/proxy\"]", registry.host());
    client(&directory, &text).resolve(&reference(), &anonymous()).await.unwrap();
    assert_eq!(registry.lines(), ["GET /v2/proxy/a/manifests/1?ns=r.invalid"]);
}

#[tokio::test]
async fn tls_follows_the_configuration() {
    let (authority, other) = (Authority::new(), Authority::new());
    let options = Options {
        tls: Some((authority.clone(), "127.0.0.1".to_owned())),
        clients: true,
        ..Options::default()
    };
    let registry = Registry::with(options).await;
    registry.image("a", "1", "one");
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = authority.client();
    let (own, foreign) = (file("own.pem", &authority.pem()), file("other.pem", &other.pem()));
    let (certificate, key) = (file("client.pem", &certificate), file("client.key", &key));
    let pair = format!("cert_file = {certificate:?}\nkey_file = {key:?}");
    for (tls, expected) in [
        (format!("ca_file = {own:?}\n{pair}"), None),
        (format!("insecure_skip_verify = true\n{pair}"), None),
        (format!("ca_file = {own:?}"), Some("registry-tls")),
        (format!("ca_file = {foreign:?}\n{pair}"), Some("registry-tls")),
        (pair.clone(), Some("registry-tls")),
        (format!("cert_file = {certificate:?}"), Some("registry-configuration")),
    ] {
        let host = registry.host();
        let text = format!(
            "[@.mirrors.\"{host}\"]\nendpoint = [\"https://{host}\"]\n[@.configs.\"{host}\".tls]\n{tls}"
        );
        let resolved = client(&directory, &text).resolve(&registry.reference("a:1"), &anonymous()).await;
        assert_eq!(resolved.as_ref().err().map(|error| error.code()), expected, "{tls} {resolved:?}");
    }
}

#[tokio::test]
async fn its_credentials_are_used_only_for_their_host_and_pulls_without_credentials() {
    let registry =
        Registry::with(Options { auth: Auth::basic("node", "pg5ECRET"), ..Options::default() }).await;
    registry.image("a", "1", "one");
    let directory = TempDir::new().unwrap();
    let host = registry.host();
    let hosts = directory.path().join("hosts");
    fs::create_dir_all(hosts.join("r.invalid")).unwrap();
    fs::write(hosts.join("r.invalid/hosts.toml"), format!("server = \"http://{host}\"\n")).unwrap();
    let by_mirrors = format!("[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{host}\"]\n");
    // containerd reads these credentials even if other files configure the hosts.
    let by_files = format!("[@]\nconfig_path = {:?}\n", hosts.display().to_string());
    let auth = STANDARD.encode("node:pg5ECRET");
    for beginning in [by_mirrors, by_files] {
        for (more, credentials, expected) in [
            (
                format!("[@.configs.\"{host}\".auth]\nusername = \"node\"\npassword = \"pg5ECRET\""),
                anonymous(),
                None,
            ),
            (format!("[@.configs.\"{host}\".auth]\nauth = \"{auth}\""), anonymous(), None),
            (format!("[@.auths.\"http://{host}\"]\nauth = \"{auth}\""), anonymous(), None),
            (
                format!("[@.configs.\"{host}\".auth]\nauth = \"{auth}\""),
                Credentials::password("pod", "pg5ECRET-other"),
                Some("registry-unauthorized"),
            ),
            (
                format!("[@.configs.\"r.invalid\".auth]\nauth = \"{auth}\""),
                anonymous(),
                Some("registry-unauthorized"),
            ),
            (String::new(), Credentials::password("node", "pg5ECRET"), None),
            (String::new(), anonymous(), Some("registry-unauthorized")),
        ] {
            let client = client(&directory, &format!("{beginning}{more}\n"));
            let resolved = client.resolve(&reference(), &credentials).await;
            let code = resolved.as_ref().err().map(|error| error.code());
            assert_eq!(code, expected, "{beginning}{more}: {resolved:?}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_containerd_rejects_contacts_no_host() {
    let registry = Registry::start().await;
    registry.image("a", "1", "one");
    let directory = TempDir::new().unwrap();
    let client = client(&directory, "[@]\nmirrors = 1");
    let error = client.resolve(&registry.reference("a:1"), &anonymous()).await.unwrap_err();
    assert_eq!(error.code(), "registry-configuration");
    assert!(error.to_string().contains("mirrors in the registry section is not a table"), "{error}");
    assert!(registry.requests().is_empty());
    assert!(client.check_hosts().iter().any(|warning| warning.contains("every pull from a registry")));
    // As soon as it is repaired.
    fs::write(
        directory.path().join("config.toml"),
        format!("version = 2\n[{PLUGIN}]\nconfig_path = \"/none\"\n"),
    )
    .unwrap();
    client.resolve(&registry.reference("a:1"), &anonymous()).await.unwrap();
}

#[tokio::test]
async fn its_headers_are_sent_to_every_host_before_the_host_s_own() {
    let registry = Registry::start().await;
    registry.image("a", "1", "one");
    let directory = TempDir::new().unwrap();
    let host = registry.host();
    let hosts = directory.path().join("own.d");
    fs::create_dir_all(hosts.join("_default")).unwrap();
    let own = format!("server = \"http://{host}\"\n[header]\nX-Team = \"third\"\n");
    fs::write(hosts.join("_default/hosts.toml"), own).unwrap();
    let headers = "[@.headers]\nX-Team = [\"first\", \"second\"]";
    for (text, expected) in [
        (
            format!("[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{host}\"]\n{headers}"),
            &["first", "second"][..],
        ),
        (format!("[@]\nconfig_path = {hosts:?}\n{headers}"), &["first", "second", "third"]),
        (format!("[@]\nconfig_path = {hosts:?}\n"), &["third"]),
    ] {
        registry.forget_requests();
        client(&directory, &text).resolve(&reference(), &anonymous()).await.unwrap();
        let sent = registry.requests();
        assert!(!sent.is_empty());
        for request in sent {
            assert_eq!(request.headers.get_all("x-team").iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }
}

#[tokio::test]
async fn b14_rewrites_and_unknown_keys_in_the_configuration_of_containerd() {
    let registry = Registry::start().await;
    registry.image("hub/a", "1", "one");
    let directory = TempDir::new().unwrap();
    let host = registry.host();
    let text = format!(
        "[@]\nconfig_paths = \"/x\"\n[@.mirrors.\"r.invalid\"]\nendpoint = [\"http://{host}\"]\nendpoints = []\n\
         [@.mirrors.\"r.invalid\".rewrite]\n\"^(.*)$\" = \"hub/$1\"\n\
         [@.configs.\"{host}\".auth]\nidentity_token = \"pg5ECRET\"\n"
    );
    let client = client(&directory, &text);
    client.resolve(&reference(), &anonymous()).await.unwrap();
    assert_eq!(registry.lines(), ["GET /v2/hub/a/manifests/1?ns=r.invalid"]);
    let warnings = client.check_hosts();
    for expected in [
        "config.toml: registry: unknown key `config_paths` is ignored",
        "config.toml: registry.mirrors: unknown key `endpoints` is ignored",
        "config.toml: registry.configs: unknown key `identity_token` is ignored",
    ] {
        assert!(warnings.iter().any(|warning| warning.ends_with(expected)), "{expected}: {warnings:?}");
    }
    assert!(!warnings.iter().any(|warning| warning.contains("pg5ECRET") || warning.contains("rewrite")));
}
