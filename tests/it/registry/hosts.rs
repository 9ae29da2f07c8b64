//! hosts.toml, mirrors and TLS.

use std::fs;
use std::path::Path;

use pullgate::reference::Reference;
use pullgate::registry::{Class, Registry as Client, RegistrySettings};
use tempfile::TempDir;

use super::anonymous;
use pullgate_test::registry::{Auth, Authority, Options, Registry, Scripted};

const DOMAIN: &str = "registry.example";

/// A client with this file for `registry.example`; `%1` and `%2` are the addresses of the registries.
fn configured(directory: &TempDir, text: &str, registries: &[&Registry]) -> Client {
    let mut text = text.to_owned();
    for (number, registry) in registries.iter().enumerate() {
        text = text.replace(&format!("%{}", number + 1), &registry.host());
    }
    write(directory.path(), &text);
    client(directory)
}

fn write(root: &Path, text: &str) {
    fs::create_dir_all(root.join(DOMAIN)).unwrap();
    fs::write(root.join(DOMAIN).join("hosts.toml"), text).unwrap();
}

fn client(directory: &TempDir) -> Client {
    let hosts_directories = vec![directory.path().to_owned()];
    Client::new(RegistrySettings { hosts_directories, ..RegistrySettings::default() }).unwrap()
}

fn by_tag() -> Reference {
    Reference::parse(&format!("{DOMAIN}/a:1")).unwrap()
}

#[tokio::test]
async fn hosts_are_tried_in_the_order_of_the_file() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    let digest = second.image("a", "1", "one");
    let by_digest = by_tag().with_digest(&digest);
    let pull_only = "server = \"http://%2\"\n[host.\"http://%1\"]\ncapabilities = [\"pull\"]\n";
    let both = "server = \"http://%2\"\n[host.\"http://%1\"]\n";
    let only = "[host.\"http://%2\"]\n[host.\"http://%1\"]\n";
    for (text, reference, counts) in [
        // A mirror without the image is tried and skipped.
        (both, &by_tag(), (1, 1)),
        (both, &by_digest, (1, 1)),
        // A host without the capability `resolve` is used for digests and not for tags.
        (pull_only, &by_tag(), (0, 1)),
        (pull_only, &by_digest, (1, 1)),
        // In the order of the file, not sorted by name or port.
        (only, &by_tag(), (0, 1)),
    ] {
        let directory = TempDir::new().unwrap();
        first.forget_requests();
        second.forget_requests();
        let resolved =
            configured(&directory, text, &[&first, &second]).resolve(reference, &anonymous()).await.unwrap();
        assert_eq!(resolved.host(), second.host());
        assert_eq!((first.requests().len(), second.requests().len()), counts, "{text} {reference}");
        for request in first.requests().iter().chain(&second.requests()) {
            assert_eq!(request.uri.query(), Some("ns=registry.example"));
        }
    }
}

#[tokio::test]
async fn the_next_host_is_tried_after_any_failure() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    second.image("a", "1", "one");
    let text = "server = \"http://%2\"\n[host.\"http://127.0.0.1:1\"]\n[host.\"http://%1\"]\n";
    for status in [401, 403, 404, 429, 500, 503] {
        first.hook(move |_| Some(Scripted::status(status)));
        let directory = TempDir::new().unwrap();
        configured(&directory, text, &[&first, &second]).resolve(&by_tag(), &anonymous()).await.unwrap();
    }
    // If no host has the image, the most specific answer counts: a refusal, then "not found", then no answer.
    second.hook(|_| Some(Scripted::status(404)));
    for (status, class) in [(404, Class::NotFound), (503, Class::Unanswered), (401, Class::Unauthorized)] {
        first.hook(move |_| Some(Scripted::status(status)));
        let directory = TempDir::new().unwrap();
        let client = configured(&directory, text, &[&first, &second]);
        let error = client.resolve(&by_tag(), &anonymous()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        // For signatures, no answer counts most: the first host, which does not answer, may have one.
        let digest = pullgate::digest::Digest::of(b"");
        let collected = client.attachments(by_tag().repository(), &digest, &anonymous()).await;
        assert!(collected.unanswered().is_some(), "{:?}", collected.problems);
    }
}

#[tokio::test]
async fn a_host_may_have_a_path() {
    let registry = Registry::start().await;
    let directory = TempDir::new().unwrap();
    let text = "[host.\"http://%1/v2/proxy\"]\noverride_path = true\n[host.\"http://%1/v2/proxy\".header]\nx-key = \"value\"\n";
    let client = configured(&directory, text, &[&registry]);
    registry.image("proxy/a", "1", "one");
    client.resolve(&by_tag(), &anonymous()).await.unwrap();
    assert_eq!(registry.lines(), ["GET /v2/proxy/a/manifests/1?ns=registry.example"]);
    assert_eq!(registry.requests()[0].header("x-key"), Some("value"));
}

#[tokio::test]
async fn files_are_read_again_when_they_change() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    first.image("a", "1", "one");
    second.image("a", "1", "two");
    let directory = TempDir::new().unwrap();
    let client = configured(&directory, "server = \"http://%1\"", &[&first]);
    assert_eq!(client.resolve(&by_tag(), &anonymous()).await.unwrap().host(), first.host());
    write(directory.path(), &format!("server = \"http://{}\"", second.host()));
    assert_eq!(client.resolve(&by_tag(), &anonymous()).await.unwrap().host(), second.host());
}

#[tokio::test]
async fn a_broken_file_is_reported() {
    let registry = Registry::start().await;
    let directory = TempDir::new().unwrap();
    let domain = registry.host();
    registry.image("a", "1", "one");
    fs::create_dir_all(directory.path().join(&domain)).unwrap();
    fs::write(
        directory.path().join(&domain).join("hosts.toml"),
        "server = \"http://127.0.0.1:1\"\ncapabilities = [\"fly\"]",
    )
    .unwrap();
    let client = client(&directory);
    let resolved = client.resolve(&registry.reference("a:1"), &anonymous()).await.unwrap();
    assert!(resolved.warnings()[0].contains("is ignored by pullgate and containerd: unknown capability fly"));
    assert_eq!(client.warnings(&domain).unwrap(), resolved.warnings());
}

#[tokio::test]
async fn t112_tls_follows_the_file() {
    let authority = Authority::new();
    let other = Authority::new();
    let tls = |name: &str| Options { tls: Some((authority.clone(), name.to_owned())), ..Options::default() };
    let registry = Registry::with(tls("127.0.0.1")).await;
    let misnamed = Registry::with(tls("registry.example")).await;
    let plain = Registry::start().await;
    for registry in [&registry, &misnamed, &plain] {
        registry.image("a", "1", "one");
    }
    for (registry, text, code) in [
        (&registry, "server = \"https://%1\"\nca = \"own.pem\"", None),
        (&registry, "server = \"https://%1\"\nca = [\"other.pem\", \"own.pem\"]", None),
        (&registry, "server = \"https://%1\"\nskip_verify = true", None),
        (&misnamed, "server = \"https://%1\"\nskip_verify = true", None),
        (&registry, "server = \"https://%1\"", Some("registry-tls")),
        (&registry, "server = \"https://%1\"\nca = \"other.pem\"", Some("registry-tls")),
        (&misnamed, "server = \"https://%1\"\nca = \"own.pem\"", Some("registry-tls")),
        (&registry, "server = \"https://%1\"\nca = \"missing.pem\"", Some("registry-configuration")),
        (&registry, "server = \"https://%1\"\nca = \"hosts.toml\"", Some("registry-configuration")),
        // HTTPS never falls back to plain HTTP, unless plain HTTP is configured.
        (&plain, "server = \"https://%1\"\nskip_verify = true", Some("registry-tls")),
        (&plain, "server = \"http://%1\"\nskip_verify = true", None),
        (&registry, "server = \"http://%1\"\nskip_verify = true", None),
        (&registry, "server = \"http://%1\"\nca = \"other.pem\"", Some("registry-tls")),
    ] {
        let directory = TempDir::new().unwrap();
        let client = configured(&directory, text, &[registry]);
        fs::write(directory.path().join(DOMAIN).join("own.pem"), authority.pem()).unwrap();
        fs::write(directory.path().join(DOMAIN).join("other.pem"), other.pem()).unwrap();
        let resolved = client.resolve(&by_tag(), &anonymous()).await;
        assert_eq!(resolved.as_ref().err().map(|error| error.code()), code, "{text} {:?}", resolved.err());
    }
}

#[tokio::test]
async fn t105_no_redirect_leads_from_https_to_http() {
    let authority = Authority::new();
    let tls = Some((authority, "127.0.0.1".to_owned()));
    let (registry, plain) =
        (Registry::with(Options { tls, ..Options::default() }).await, Registry::start().await);
    let directory = TempDir::new().unwrap();
    let client = configured(&directory, "server = \"https://%1\"\nskip_verify = true", &[&registry]);
    let target = format!("http://{}/", plain.host());
    registry.hook(move |_| Some(Scripted::redirect(&target)));
    let error = client.resolve(&by_tag(), &anonymous()).await.unwrap_err();
    assert!(error.to_string().contains("uses plain HTTP"), "{error}");
    assert!(plain.requests().is_empty());
}

#[tokio::test]
async fn t112_the_matching_client_certificate_is_sent() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = Some((authority.clone(), "127.0.0.1".to_owned()));
    let registry = Registry::with(Options { tls, clients: true, ..Options::default() }).await;
    registry.image("a", "1", "one");
    for (client, code) in [
        ("[[\"own.pem\", \"own.key\"]]", None),
        ("[[\"other.pem\", \"other.key\"], [\"own.pem\", \"own.key\"]]", None),
        ("[[\"own.pem\", \"own.key\"], [\"other.pem\", \"other.key\"]]", None),
        ("\"both.pem\"", None),
        ("[\"other-both.pem\", \"both.pem\"]", None),
        ("[[\"other.pem\", \"other.key\"], \"both.pem\"]", None),
        ("[[\"other.pem\", \"other.key\"]]", Some("registry-tls")),
        ("[]", Some("registry-tls")),
        ("\"own.pem\"", Some("registry-configuration")),
        ("[[\"own.pem\", \"own.key\"], [\"own.pem\", \"other.key\"]]", Some("registry-configuration")),
        ("[[\"own.pem\", \"own.key\"], [\"missing.pem\", \"own.key\"]]", Some("registry-configuration")),
    ] {
        let directory = TempDir::new().unwrap();
        let text = format!("server = \"https://%1\"\nca = \"ca.pem\"\nclient = {client}\n");
        let asking = configured(&directory, &text, &[&registry]);
        let file =
            |name: &str, text: &str| fs::write(directory.path().join(DOMAIN).join(name), text).unwrap();
        file("ca.pem", &authority.pem());
        for (authority, name, both) in [(&authority, "own", "both"), (&other, "other", "other-both")] {
            let (certificate, key) = authority.client();
            file(&format!("{name}.pem"), &certificate);
            file(&format!("{name}.key"), &key);
            file(&format!("{both}.pem"), &format!("{certificate}{key}"));
        }
        let resolved = asking.resolve(&by_tag(), &anonymous()).await;
        assert_eq!(resolved.as_ref().err().map(|error| error.code()), code, "{client} {:?}", resolved.err());
    }
}

#[tokio::test]
async fn t111_a_cooldown_affects_only_its_host() {
    let (first, second) = (Registry::start().await, Registry::start().await);
    for registry in [&first, &second] {
        registry.image("a", "1", "one");
        registry.image("a", "2", "two");
    }
    let tag = |tag: &str| Reference::parse(&format!("{DOMAIN}/a:{tag}")).unwrap();
    for status in [429, 503] {
        let busy = move |seconds: &str| Scripted::status(status).header("retry-after", seconds);
        let directory = TempDir::new().unwrap();
        let both =
            configured(&directory, "server = \"http://%2\"\n[host.\"http://%1\"]\n", &[&first, &second]);
        first.forget_requests();
        second.forget_requests();
        first.hook(move |_| Some(busy("3600")));
        for reference in [tag("1"), tag("2"), tag("1")] {
            assert_eq!(both.resolve(&reference, &anonymous()).await.unwrap().host(), second.host());
        }
        assert_eq!((first.requests().len(), second.requests().len()), (1, 3), "{status}");

        let alone = TempDir::new().unwrap();
        let one = configured(&alone, "server = \"http://%1\"\n", &[&first]);
        first.forget_requests();
        let error = one.resolve(&tag("1"), &anonymous()).await.unwrap_err().to_string();
        // The answer is the same for all credentials.
        for credentials in [anonymous(), pullgate::registry::Credentials::password("u", "pg5ECRET")] {
            assert_eq!(one.resolve(&tag("1"), &credentials).await.unwrap_err().to_string(), error);
        }
        assert_eq!(first.requests().len(), 1, "{error}");

        let soon = TempDir::new().unwrap();
        let one = configured(&soon, "server = \"http://%1\"\n", &[&first]);
        let seen = std::sync::atomic::AtomicBool::new(false);
        first.hook(move |_| {
            let before = seen.swap(true, std::sync::atomic::Ordering::Relaxed);
            (!before).then(|| busy("1"))
        });
        first.forget_requests();
        let (a, b) = (tag("1"), tag("2"));
        one.resolve(&a, &anonymous()).await.unwrap();
        one.resolve(&b, &anonymous()).await.unwrap();
        assert_eq!(first.requests().len(), 3, "once without success, then for each");
    }
}

/// The file that k3s and RKE2 write for `rewrite` in registries.yaml.
const GENERATED: &str = r#"# File generated by k3s. DO NOT EDIT.
server = "http://%2"

[host."http://%1/v2"]
  capabilities = ["pull", "resolve"]
  [host."http://%1/v2".rewrite]
    "^team/(.*)$" = "mirrors/hub/$1"
"#;

#[tokio::test]
async fn b14_a_rewrite_changes_the_path_at_its_host_and_in_its_tokens() {
    let auth = Auth::bearer(None);
    let mirror = Registry::with(Options { auth, ..Options::default() }).await;
    let own = Registry::start().await;
    let digest = mirror.image("mirrors/hub/app", "1", "one");
    own.image("team/other", "1", "one");
    let directory = TempDir::new().unwrap();
    let client = configured(&directory, GENERATED, &[&mirror, &own]);
    let reference = |name: &str| Reference::parse(&format!("{DOMAIN}/{name}")).unwrap();
    let resolved = client.resolve(&reference("team/app:1"), &anonymous()).await.unwrap();
    assert_eq!((resolved.digest(), resolved.host()), (&digest, mirror.host().as_str()));
    assert!(resolved.warnings().is_empty(), "{:?}", resolved.warnings());
    let paths: Vec<_> = mirror.requests().iter().map(|request| request.uri.path().to_owned()).collect();
    let manifest = "/v2/mirrors/hub/app/manifests/1";
    assert_eq!(paths, [manifest, "/token", manifest]);
    assert!(mirror.lines().iter().any(|line| line.contains("scope=repository%3Amirrors%2Fhub%2Fapp%3Apull")));
    assert!(mirror.lines().iter().any(|line| line.ends_with("?ns=registry.example")), "{:?}", mirror.lines());
    assert!(own.requests().is_empty());
    // The registry itself has no rewrite, and is asked by the name in the reference.
    let resolved = client.resolve(&reference("team/other:1"), &anonymous()).await.unwrap();
    assert_eq!(resolved.host(), own.host());
    assert_eq!(own.lines(), ["GET /v2/team/other/manifests/1?ns=registry.example"]);
}

#[tokio::test]
async fn b14_keys_that_are_not_understood_are_reported() {
    for (text, expected) in [
        (
            "server = \"http://%1\"\ncapabilites = [\"pull\"]\n[host]\n",
            &["unknown key `capabilites` is ignored"][..],
        ),
        (
            "[host.\"http://%1\"]\nrewrites = { a = \"b\" }\n[host.\"http://%1\".auth]\nusername = \"pg5ECRET\"\n",
            &["unknown key `auth` is ignored", "unknown key `rewrites` is ignored"],
        ),
        (
            "[host.\"http://%1\"]\n[host.\"http://%1\".rewrite]\n\"a(\" = \"b\"\n",
            &["rewrite \"a(\" is ignored"],
        ),
        ("[host.\"http://%1\"]\nSkip_Verify = true\n[host.\"http://%1\".header]\nx = \"1\"\n", &[]),
    ] {
        let registry = Registry::start().await;
        registry.image("a", "1", "one");
        let directory = TempDir::new().unwrap();
        let client = configured(&directory, text, &[&registry]);
        for warnings in [client.warnings(DOMAIN).unwrap(), client.check_hosts()] {
            assert_eq!(warnings.len(), expected.len(), "{text}: {warnings:?}");
            for (warning, expected) in warnings.iter().zip(expected) {
                assert!(warning.contains(expected) && !warning.contains("pg5ECRET"), "{text}: {warning}");
            }
        }
    }
}
