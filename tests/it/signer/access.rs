//! Access control and limits of notifications.

use std::os::unix::fs::PermissionsExt as _;

use pullgate_signer::{ListenError, Tls};
use rustls::pki_types::ServerName;

use super::*;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
pub(crate) async fn only_requests_with_the_secret_are_accepted() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let mut settings = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    settings.listen.secret_file = Some(write(directory.path(), "secret", "pg5ECRET-hook\n"));
    let service = Service::started(settings).await;
    let digest = registry.image("team/app", "1", "one");
    let body = pushes(&[("team/app", "1", &digest)]).to_string();
    for (authorization, status) in [
        (None, 401),
        (Some("pg5ECRET-hoo"), 401),
        (Some("Bearer pg5ECRET-wrong"), 401),
        (Some("Basic pg5ECRET-hook"), 401),
        (Some("Bearer pg5ECRET-hook"), 202),
        (Some("pg5ECRET-hook"), 202),
    ] {
        let mut headers = vec![("content-type", DISTRIBUTION)];
        headers.extend(authorization.map(|value| ("authorization", value)));
        assert_eq!(service.post(&headers, body.clone()).await.0, status, "{authorization:?}");
        if status == 401 {
            assert_eq!(service.idle().await.waiting, 0);
            assert_eq!(signatures(&registry, "team/app", &digest), 0, "{authorization:?}");
        }
    }
    // A rejected sender does not keep a connection that others wait for.
    {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = TcpStream::connect(&service.address).await.unwrap();
        let request = "POST /notify HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "it is kept open");
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    }
    // Two headers are refused, whichever is right.
    let twice = [
        ("content-type", DISTRIBUTION),
        ("authorization", "pg5ECRET-hook"),
        ("authorization", "pg5ECRET-hook"),
    ];
    assert_eq!(service.post(&twice, body).await.0, 401);
    assert_eq!(service.metric("notifications_total{outcome=\"unauthorized\"}").await, 6);
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &digest), 1);
    service.stop().await;
}

#[tokio::test]
pub(crate) async fn without_a_secret_it_listens_only_on_this_machine() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let settings = settings(&registry, directory.path(), Vec::new());
    let secret = write(directory.path(), "secret", "pg5ECRET-hook");
    for (address, secret_file, opens) in [
        ("0.0.0.0:0", None, false),
        ("[::]:0", None, false),
        ("127.0.0.1:0", None, true),
        ("0.0.0.0:0", Some(secret), true),
    ] {
        let address = Address::Tcp(address.parse().unwrap());
        let listen = Listen { address: address.clone(), tls: None, secret_file };
        let opened = Listener::notifications(&listen, &settings.limits);
        match opened {
            Ok(_) => assert!(opens, "{address:?}"),
            Err(error) => assert!(matches!(error, ListenError::Open) && !opens, "{address:?}: {error}"),
        }
    }
}

#[tokio::test]
pub(crate) async fn a_client_certificate_of_the_right_authority_suffices() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let mut settings = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    let issuer = || {
        let key = secrets::new_key();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        (rcgen::Issuer::new(params, key), pem)
    };
    let leaf = |issuer: &rcgen::Issuer<'static, rcgen::KeyPair>| {
        let key = secrets::new_key();
        let params = rcgen::CertificateParams::new(vec!["signer.example".to_owned()]).unwrap();
        (params.signed_by(&key, issuer).unwrap(), key)
    };
    let ((ours, authority), (others, _)) = (issuer(), issuer());
    let (certificate, server_key) = leaf(&ours);
    settings.listen.tls = Some(Tls {
        certificate: write(directory.path(), "server.pem", &certificate.pem()),
        key: write(directory.path(), "server.key", &server_key.serialize_pem()),
        clients: Some(write(directory.path(), "clients.pem", &authority)),
    });
    let service = Service::started(settings).await;
    let digest = registry.image("team/app", "1", "one");
    let body = pushes(&[("team/app", "1", &digest)]).to_string();
    for (issuer, accepted) in [(Some(&others), false), (None, false), (Some(&ours), true)] {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots.add(rustls::pki_types::CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match issuer {
            None => builder.with_no_client_auth(),
            Some(issuer) => {
                let (certificate, key) = leaf(issuer);
                let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        };
        let stream = TcpStream::connect(&service.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from("signer.example").unwrap();
        // With TLS 1.3 a client learns only with the first answer that its certificate is rejected.
        let answered = match connector.connect(name, stream).await {
            Err(_) => None,
            Ok(stream) => {
                let headers = [("content-type", DISTRIBUTION)];
                send(stream, "POST", "/notify", &headers, body.clone().into()).await.ok()
            }
        };
        assert_eq!(answered.map(|(status, _)| status), accepted.then_some(202));
    }
    service.idle().await;
    assert_eq!(signatures(&registry, "team/app", &digest), 1);
    service.stop().await;
}

#[tokio::test]
pub(crate) async fn requests_over_a_limit_are_rejected() {
    let (registry, directory) = (Registry::start().await, tempfile::tempdir().unwrap());
    let mut settings = settings(&registry, directory.path(), vec![rule(&registry, "team")]);
    settings.limits.queued = 16;
    settings.limits.request_timeout = Duration::from_secs(1);
    // No job ends meanwhile.
    let service = Service::started(settings).await;
    registry.hook(|request| {
        request.uri.path().contains("/manifests/").then(|| pullgate_test::registry::Scripted::status(503))
    });
    let headers = [("content-type", DISTRIBUTION)];
    let digest = Digest::of(b"x");
    let many = |count: usize| {
        let names: Vec<Digest> = (0..count).map(|n| Digest::of(n.to_string().as_bytes())).collect();
        pushes(&names.iter().map(|digest| ("team/app", "1", digest)).collect::<Vec<_>>()).to_string()
    };
    for (body, status) in [
        ("x".repeat((64 << 10) + 1), 413),
        (many(51), 400),
        ("{".to_owned(), 400),
        (many(17), 503),
        (many(16), 202),
        (pushes(&[("team/app", "1", &digest)]).to_string(), 503),
        // An empty notification takes no space.
        (json!({ "events": [] }).to_string(), 202),
    ] {
        let (found, text) = service.post(&headers, body).await;
        assert_eq!(found, status, "{text}");
    }
    assert_eq!(service.post(&[("content-type", "text/plain")], "x").await.0, 400);
    for (method, path) in [("GET", "/notify"), ("POST", "/requests"), ("GET", "/status"), ("GET", "/metrics")]
    {
        let stream = TcpStream::connect(&service.address).await.unwrap();
        assert_eq!(send(stream, method, path, &headers, Bytes::new()).await.unwrap().0, 404, "{path}");
    }
    // An endless body is refused with a reason.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(&service.address).await.unwrap();
    let head = format!(
        "POST /notify HTTP/1.1\r\nhost: x\r\ncontent-type: {DISTRIBUTION}\r\ncontent-length: 9\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(service.metric("queue{state=\"parked\"}").await, 0, "a registry that is busy parks nothing");
    service.stop().await;
}
