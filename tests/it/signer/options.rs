//! The settings of `signer.toml`, read from a file: each changes what is signed, when, or how.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::killed::{Process, configure, until};
use super::*;
use pullgate_test::registry::{Auth, Body, Options, Scripted};
use pullgate_test::signer::key_file;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A file for `host` with every section; lines are added to them.
fn text(host: &str, directory: &Path) -> String {
    let at = directory.display();
    format!(
        "[registry]\nhost = {host:?}\n[listen]\naddress = \"127.0.0.1:0\"\n\
         [control]\nsocket = \"{at}/control.sock\"\n[state]\ndirectory = \"{at}/state\"\n\
         [reconcile]\n[limits]\n[keys]\n\
         [authenticator.release]\nkey = \"{at}/release.key\"\nalgorithm = \"ECDSA_SHA_256\"\n\
         [[rule]]\nname = \"team\"\nauthenticator = \"release\"\nscope = \"{host}/team\"\n"
    )
}

/// The settings of the file with these additional lines, each after the header of its section.
fn with(host: &str, directory: &Path, lines: &[(&str, &str)]) -> SignerSettings {
    let mut file = text(host, directory);
    for (section, line) in lines {
        let (found, header) = (file.clone(), format!("{section}\n"));
        file = file.replacen(&header, &format!("{header}{line}\n"), 1);
        assert_ne!(file, found, "{section}");
    }
    write(directory, "release.key", std::fs::read(key_file("p256", "key")).unwrap());
    let file = write(directory, "signer.toml", file);
    pullgate_signer::load_signer(&file).unwrap_or_else(|problems| panic!("{lines:?}: {problems}"))
}

fn write(directory: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}

#[tokio::test]
pub(crate) async fn registry_credentials_are_used() {
    let auth = Auth::basic("user", "pg5ECRET");
    let registry = Registry::with(Options { auth, ..Options::default() }).await;
    for (name, password, fine) in
        [("user", "pg5ECRET", true), ("other", "pg5ECRET", false), ("user", "pg5ECRET-no", false)]
    {
        let directory = directory();
        let file = write(directory.path(), "password", password).display().to_string();
        let login = format!("username = {name:?}\npassword-file = {file:?}");
        let service =
            Service::start(with(&registry.host(), directory.path(), &[("[registry]", &login)])).await;
        let answered = |status: &Status| status.rules[0].started || !status.errors.is_empty();
        let status = service.until("the registry was contacted", answered).await;
        assert_eq!(status.rules[0].started, fine, "{name}: {status:?}");
        if fine {
            let image = registry.image("team/app", "1", "one");
            service.notify(&pushes(&[("team/app", "1", &image)])).await;
            service.idle().await;
            assert_eq!(signatures(&registry, "team/app", &image), 1);
        }
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn hosts_toml_sets_the_address_of_the_registry() {
    let registry = Registry::start().await;
    // A closed port.
    let host = "127.0.0.1:1";
    for (server, fine) in [(format!("http://{}", registry.host()), true), (format!("http://{host}"), false)] {
        let directory = directory();
        let place = directory.path().join("certs.d").join(host);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("hosts.toml"), format!("server = {server:?}\n")).unwrap();
        let hosts = format!("hosts = {:?}", directory.path().join("certs.d").display().to_string());
        let service = Service::start(with(host, directory.path(), &[("[registry]", &hosts)])).await;
        let answered = |status: &Status| status.rules[0].started || !status.errors.is_empty();
        let status = service.until("the registry was contacted", answered).await;
        assert_eq!(status.rules[0].started, fine, "{server}: {status:?}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(crate) async fn metrics_need_no_authentication() {
    let (registry, directory) = (Registry::start().await, directory());
    configure(directory.path(), &registry);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = directory.path().join("signer.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    for (section, fine) in [(String::new(), false), (format!("[metrics]\naddress = \"{free}\"\n"), true)] {
        write(directory.path(), "signer.toml", format!("{section}{before}"));
        write(directory.path(), "release.key", std::fs::read(key_file("p256", "key")).unwrap());
        let process = Process::start(directory.path());
        until(directory.path(), "it serves", |_| true).await;
        let connected = TcpStream::connect(free).await;
        assert_eq!(connected.is_ok(), fine);
        if let Ok(stream) = connected {
            let (status, answer) = send(stream, "GET", "/metrics", &[], Bytes::new()).await.unwrap();
            assert!(status == 200 && answer.contains("pullgate_signer_queue"), "{status} {answer}");
        }
        drop(process);
        std::fs::remove_file(directory.path().join("control.sock")).unwrap();
    }
}

#[tokio::test]
pub(crate) async fn connections_are_limited() {
    let registry = Registry::start().await;
    for (connections, served) in [(1, false), (2, true)] {
        let directory = directory();
        let limit = format!("connections = {connections}");
        let service = Service::start(with(&registry.host(), directory.path(), &[("[limits]", &limit)])).await;
        // Authenticated by its address, and without its body.
        let mut busy = TcpStream::connect(&service.address).await.unwrap();
        busy.write_all(
            b"POST /notify HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
        let mut continued = [0; 12];
        busy.read_exact(&mut continued).await.unwrap();
        assert_eq!(&continued, b"HTTP/1.1 100", "the request is under way");
        let body = json!({ "events": [] });
        let mut answer = Box::pin(service.notify(&body));
        let patience = if served { PATIENCE } else { Duration::from_millis(300) };
        let answered = tokio::time::timeout(patience, &mut answer).await;
        assert_eq!(answered.ok(), served.then_some(202), "{connections}");
        drop(busy);
        if !served {
            assert_eq!(tokio::time::timeout(PATIENCE, &mut answer).await.unwrap(), 202, "it waited");
        }
        drop(answer);
        service.stop().await;
    }
}

/// A connection without a request that was authenticated makes room.
#[tokio::test]
async fn a6_silent_connections_delay_no_notification() {
    let (registry, directory) = (Registry::start().await, directory());
    let service =
        Service::start(with(&registry.host(), directory.path(), &[("[limits]", "connections = 8")])).await;
    let mut silent = Vec::new();
    for number in 0..384 {
        let mut stream = TcpStream::connect(&service.address).await.unwrap();
        // Nothing, half a head, or half a TLS handshake.
        let sent = [&b""[..], b"POST /notify HTTP/1.1\r\nhost", b"\x16\x03\x01\x02"][number % 3];
        stream.write_all(sent).await.unwrap();
        silent.push(stream);
    }
    let body = json!({ "events": [] });
    let answered = tokio::time::timeout(PATIENCE, service.notify(&body)).await;
    assert_eq!(answered.ok(), Some(202));
    service.stop().await;
}

#[tokio::test]
pub(crate) async fn concurrent_signing_is_limited() {
    let registry = Registry::start().await;
    for (number, workers) in [1, 2].into_iter().enumerate() {
        let directory = directory();
        let limit = format!("workers = {workers}");
        let settings = with(&registry.host(), directory.path(), &[("[limits]", &limit)]);
        let service = Service::started(settings).await;
        let tags = ["a", "b", "c"].map(|tag| format!("{tag}{number}"));
        let images = tags.clone().map(|tag| (registry.image("team/app", &tag, &tag), tag));
        registry.hook(|request| {
            let image = request.uri.path().contains("/manifests/");
            image.then(|| Scripted::ok(MANIFEST, "").body(Body::Hang))
        });
        let pushed: Vec<_> = images.iter().map(|(digest, tag)| ("team/app", tag.as_str(), digest)).collect();
        service.notify(&pushes(&pushed)).await;
        let all = |status: &Status| status.busy == workers && status.waiting == 3 - workers;
        service.until("this many are checked", all).await;
        registry.hook(|_| None);
        // A hanging job does not delay the others.
        drop(service);
    }
}

#[tokio::test]
pub(crate) async fn attempts_for_a_refused_image_are_limited() {
    let registry = Registry::start().await;
    registry.hook(|request| (request.method != "GET").then(|| Scripted::status(403)));
    for attempts in [1, 2] {
        let directory = directory();
        let limits = format!("longest-pause = \"1s\"\nattempts = {attempts}");
        let service =
            Service::started(with(&registry.host(), directory.path(), &[("[limits]", &limits)])).await;
        let tag = attempts.to_string();
        let image = registry.image("team/app", &tag, &tag);
        service.notify(&pushes(&[("team/app", &tag, &image)])).await;
        let status = service.until("it is parked", |status| status.parked == 1).await;
        assert_eq!(status.parked_images[0].attempts, attempts);
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn listings_are_limited() {
    let registry = Registry::start().await;
    for number in 0..17 {
        registry.image("team/app", &format!("v{number}"), &number.to_string());
    }
    for (listed, fine) in [(16, false), (17, true)] {
        let directory = directory();
        let limit = format!("listed = {listed}");
        let service = Service::start(with(&registry.host(), directory.path(), &[("[limits]", &limit)])).await;
        let answered = |status: &Status| status.rules[0].started || !status.errors.is_empty();
        let status = service.until("it was listed", answered).await;
        assert_eq!(status.rules[0].started, fine, "{listed}: {status:?}");
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn notifications_are_limited() {
    let registry = Registry::start().await;
    let digest = Digest::of(b"x");
    let many = |count| pushes(&vec![("other/app", "1", &digest); count]).to_string();
    let large = format!("{}{}", many(1), " ".repeat(16 << 10));
    for (limit, body, status) in [
        ("notification-events = 2", many(2), 202),
        ("notification-events = 2", many(3), 400),
        ("notification-bytes = \"17KiB\"", large.clone(), 202),
        ("notification-bytes = \"16KiB\"", large, 413),
    ] {
        let directory = directory();
        let service = Service::start(with(&registry.host(), directory.path(), &[("[limits]", limit)])).await;
        let headers = [("content-type", DISTRIBUTION)];
        let (found, answer) = service.post(&headers, body).await;
        assert_eq!(found, status, "{limit}: {answer}");
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn the_queue_is_limited() {
    let registry = Registry::start().await;
    let names: Vec<Digest> = (0..17).map(|n: u8| Digest::of(&[n])).collect();
    for (queued, status) in [(16, 503), (17, 202)] {
        let directory = directory();
        let limit = format!("queued = {queued}");
        let service = Service::start(with(&registry.host(), directory.path(), &[("[limits]", &limit)])).await;
        // Images from before the rule take no space.
        let body = pushes(&names.iter().map(|digest| ("team/app", "1", digest)).collect::<Vec<_>>());
        assert_eq!(service.notify(&body).await, status, "{queued}");
        service.stop().await;
    }
}

#[tokio::test]
pub(crate) async fn the_passphrase_is_read_from_its_file() {
    let registry = Registry::start().await;
    let directory = directory();
    let passphrase = write(directory.path(), "passphrase", "pg5ECRET-phrase").display().to_string();
    let other = write(directory.path(), "other", "pg5ECRET-other").display().to_string();
    let mut command = Command::new(pullgate_test::programs::signer());
    command.args(["keys", "generate", "--kind", "EC_P256", "--encrypt", "--passphrase-file", &passphrase]);
    let made = command.arg(directory.path().join("encrypted.key")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    secrets::register_key(&std::fs::read_to_string(directory.path().join("encrypted.key")).unwrap());
    for (file, fine) in [(passphrase, true), (other, false)] {
        let line = format!("passphrase-file = {file:?}");
        let mut settings = with(&registry.host(), directory.path(), &[("[keys]", &line)]);
        let location = Location::File(directory.path().join("encrypted.key"));
        settings.authenticators.get_mut("release").unwrap().location = location;
        let opened = Signer::open(settings).await;
        assert_eq!(opened.is_ok(), fine, "{opened:?}");
    }
}

#[tokio::test]
pub(crate) async fn a_rule_decides_what_is_signed_and_how() {
    let second = "[authenticator.second]\nkey = \"second.key\"\nalgorithm = \"RSA_PKCS1_SHA_256\"";
    for (line, one, development, classic, algorithm) in [
        ("", true, true, true, "ECDSA_SHA_256"),
        ("layout = \"classic\"", true, true, true, "ECDSA_SHA_256"),
        ("layout = \"bundle\"", true, true, false, "ECDSA_SHA_256"),
        ("tags = { include = [\"v*\"] }", true, false, true, "ECDSA_SHA_256"),
        ("tags = { exclude = [\"*-dev\"] }", true, false, true, "ECDSA_SHA_256"),
        ("trigger = \"manual\"", false, false, true, ""),
        ("authenticator = \"second\"", true, true, true, "RSA_PKCS1_SHA_256"),
        ("name = \"other\"", true, true, true, "ECDSA_SHA_256"),
        ("scope = \"HOST/elsewhere\"", false, false, true, ""),
    ] {
        let (registry, directory) = (Registry::start().await, directory());
        let path = directory.path();
        write(path, "second.key", std::fs::read(key_file("rsa-2048", "key")).unwrap());
        let line = line.replace("HOST", &registry.host());
        let settings = with(&registry.host(), path, &[]);
        assert_eq!(settings.rules.len(), 1);
        // This replaces the line of the file.
        let named = line.split(' ').next().unwrap_or_default();
        let file = text(&registry.host(), path);
        let (head, rule) = file.split_once("[[rule]]\n").unwrap();
        let kept = |it: &&str| named.is_empty() || !it.starts_with(&format!("{named} ="));
        let rule: Vec<&str> = rule.lines().filter(kept).chain([line.as_str()]).collect();
        let file = write(path, "signer.toml", format!("{head}{second}\n[[rule]]\n{}\n", rule.join("\n")));
        let service = Service::started(pullgate_signer::load_signer(&file).unwrap()).await;
        let image = registry.image("team/app", "v1", "one");
        let other = registry.image("team/app", "1-dev", "two");
        service.notify(&pushes(&[("team/app", "v1", &image), ("team/app", "1-dev", &other)])).await;
        service.idle().await;
        let lines = audit(path);
        let signed = |digest: &Digest| lines.iter().any(|line| line["digest"] == digest.as_str());
        assert_eq!((signed(&image), signed(&other)), (one, development), "{line}: {lines:?}");
        assert_eq!(signatures(&registry, "team/app", &image), usize::from(one && classic), "{line}");
        assert!(lines.iter().all(|entry| entry["algorithm"] == algorithm), "{line}: {lines:?}");
        let name = if named == "name" { "other" } else { "team" };
        for (requested, status) in [(name, 202), ("nobody", 409)] {
            let wanted = json!({ "rule": requested, "images": [], "existing": true });
            assert_eq!(service.ask("POST", "/requests", wanted).await.0, status, "{line}: {requested}");
        }
        service.stop().await;
    }
}
