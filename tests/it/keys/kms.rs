//! Alibaba Cloud KMS.

use std::time::Duration;

use pullgate::alibaba::{Assume, Identity};
use pullgate::keys::{KeySettings, Kms as Client, KmsSettings, Location};
use pullgate::trust::Algorithm;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{bounds, error_chain, impatient, open, secret_file, service};
use pullgate_test::acs;
use pullgate_test::kms::{KEY, Kms, VERSION};
use pullgate_test::registry::{Body, Recorded, Registry, Scripted};

fn with_key(directory: &tempfile::TempDir, secret: &str) -> KeySettings {
    let identity =
        Identity::Key { id: "LTAI".to_owned(), secret_file: secret_file(directory, "secret", secret) };
    let kms = KmsSettings { identity, service: service(), bounds: bounds(), ..KmsSettings::default() };
    KeySettings { kms, ..KeySettings::default() }
}

#[tokio::test]
async fn signs_with_each_algorithm_and_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let settings = with_key(&directory, "pg5ECRET-key");
    for (name, algorithm) in [
        ("rsa-2048", Algorithm::RsaPssSha256),
        ("rsa-2048", Algorithm::RsaPkcs1Sha256),
        ("p256", Algorithm::EcdsaSha256),
    ] {
        let kms = Kms::start(name).await;
        let key = open(&kms.location(), Some(algorithm), &settings).await.unwrap();
        let signature = key.sign(b"message").await.unwrap();
        assert!(key.public().verify(b"message", &signature).is_ok(), "{algorithm}");
        assert_eq!(key.public().algorithm(), algorithm);
        assert_eq!(key.origin(), kms.location());
        assert!(!format!("{key:?}").contains("pg5ECRET-key"));
        let Location::AlibabaKms(place) = kms.location().parse().unwrap() else { panic!() };
        let client = Client::new(place, &settings.kms);
        let digest = Sha256::digest(b"message");
        assert_eq!(client.verify(algorithm, &digest, &signature).await, Ok(true));
        let other = Sha256::digest(b"other");
        assert_eq!(client.verify(algorithm, &other, &signature).await, Ok(false));
        let actions: Vec<_> = kms
            .server
            .requests()
            .iter()
            .map(|request| request.header("x-acs-action").unwrap().to_owned())
            .collect();
        assert_eq!(actions, ["GetPublicKey", "AsymmetricSign", "AsymmetricVerify", "AsymmetricVerify"]);
        // Only the digest of the message is sent.
        assert!(kms.server.requests().iter().all(|request| !request.uri.to_string().contains("message")));
    }
}

#[tokio::test]
async fn reports_problems_with_the_key_or_its_permissions() {
    let directory = tempfile::tempdir().unwrap();
    let settings = with_key(&directory, "pg5ECRET-key");
    let kms = Kms::start("rsa-2048").await;
    let place = kms.location();
    for (place, problem) in [
        (place.replace(KEY, "key-other"), "does not have this key"),
        (place.replace(VERSION, "other"), "refuses the algorithm or the version"),
        (place.clone(), "such as RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256"),
    ] {
        let error = open(&place, None, &settings).await.unwrap_err();
        assert!(error_chain(&error).contains(problem), "{place}: {}", error_chain(&error));
    }
    for (status, code, problem) in [
        (409, "Rejected.Disabled", "disabled"),
        (409, "Rejected.PendingDeletion", "about to be deleted"),
        (403, "Forbidden.NoPermission", "RAM policy"),
        (404, "Forbidden.AliasNotFound", "does not have this key"),
        (400, "UnsupportedOperation", "purpose must be SIGN/VERIFY"),
        (400, "InvalidTimeStamp.Expired", "clock"),
    ] {
        let kms = Kms::start("rsa-2048").await;
        kms.answers(move |_, _| Some(acs::error(status, code)));
        let error = open(&kms.location(), Some(Algorithm::RsaPssSha256), &settings).await.unwrap_err();
        let error = error_chain(&error);
        assert!(error.contains(problem) && error.contains(code), "{error}");
        assert!(!error.contains("a message with pg5ECRET-told"), "{error}");
        assert_eq!(kms.asked(), 1, "{code}: asking again helps nobody");
    }
    for (name, algorithm, problem) in [
        ("rsa-2048", Algorithm::EcdsaSha256, "needs a key of type P-256"),
        ("p384", Algorithm::EcdsaSha384, "KMS signs with"),
    ] {
        let kms = Kms::start(name).await;
        let error = open(&kms.location(), Some(algorithm), &settings).await.unwrap_err();
        assert!(error_chain(&error).contains(problem), "{}", error_chain(&error));
    }
    let wrong = with_key(&directory, "pg5ECRET-wrong");
    let error = open(&place, Some(Algorithm::RsaPssSha256), &wrong).await.unwrap_err();
    assert!(error_chain(&error).contains("SignatureDoesNotMatch"), "{}", error_chain(&error));
}

#[tokio::test]
pub(crate) async fn retries_when_throttled_and_gives_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_key(&directory, "pg5ECRET-key");
    for (status, code) in
        [(400, "Throttling.User"), (503, "ServiceUnavailableTemporary"), (429, "Rejected.Throttling")]
    {
        let kms = Kms::start("p256").await;
        kms.answers(move |_, count| (count < 2).then(|| acs::error(status, code)));
        let key = open(&kms.location(), None, &settings).await;
        assert!(key.is_ok(), "{code}: {key:?}");
        assert_eq!(kms.asked(), 3, "{code}");
    }
    settings.kms.bounds = impatient();
    let kms = Kms::start("p256").await;
    kms.answers(|_, _| Some(acs::error(400, "Throttling")));
    let error = open(&kms.location(), None, &settings).await.unwrap_err();
    let error = error_chain(&error);
    // On a busy machine the time may run out during a request.
    assert!(
        error.contains("busy at every attempt until the deadline (Throttling)")
            || error.contains("did not answer"),
        "{error}"
    );
    assert!((2..40).contains(&kms.asked()), "{}", kms.asked());
}

#[tokio::test]
async fn rejects_oversized_answers_and_faulty_signatures() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_key(&directory, "pg5ECRET-key");
    let json = |text: String| Scripted::ok("application/json", text);
    let answers: [(&str, Scripted); 9] = [
        ("has more than 8192 bytes", Scripted::status(200).body(Body::Endless)),
        ("did not answer", Scripted::status(200).body(Body::Hang)),
        (
            "did not answer",
            Scripted::status(200)
                .body(Body::Slow { bytes: "{\"PublicKey\":1}".into(), every: Duration::from_millis(200) }),
        ),
        ("with a redirect", Scripted::redirect("http://127.0.0.1:1/")),
        ("is not JSON", json("<KMS/>".to_owned())),
        ("is not JSON", json("[".repeat(1000))),
        ("is not JSON", json("{\"PublicKey\":\"a\",\"PublicKey\":\"b\"}".to_owned())),
        ("contains no PublicKey", json("{}".to_owned())),
        ("another version", json(json!({ "PublicKey": "x", "KeyVersionId": "other" }).to_string())),
    ];
    for (problem, answer) in answers {
        settings.kms.bounds = if problem == "did not answer" { impatient() } else { bounds() };
        let kms = Kms::start("p256").await;
        kms.answers(move |_, _| Some(answer.clone()));
        let error = error_chain(&open(&kms.location(), None, &settings).await.unwrap_err());
        assert!(error.contains(problem), "{problem}: {error}");
    }
    settings.kms.bounds = bounds();
    let kms = Kms::start("p256").await;
    let key = open(&kms.location(), None, &settings).await.unwrap();
    for (problem, value) in [
        ("contains no Value", json!("not base64!")),
        ("contains no Value", json!(true)),
        ("does not verify", json!("AAAA")),
    ] {
        kms.answers(move |_, _| {
            Some(Scripted::ok("application/json", json!({ "Value": value.clone() }).to_string()))
        });
        let error = error_chain(&key.sign(b"message").await.unwrap_err());
        assert!(error.contains(problem), "{error}");
    }
    let kms = Kms::start("p256").await;
    let key = open(&kms.location(), None, &settings).await.unwrap();
    assert!(key.sign(b"message").await.is_ok());
    kms.be_faulty();
    let error = error_chain(&key.sign(b"message").await.unwrap_err());
    assert!(error.contains("its own public key does not verify"), "{error}");
}

/// STS's answer to a request with the long-lived key.
fn sts(request: &Recorded, number: usize) -> Scripted {
    if let Some(code) = acs::refusal(request, "LTAI", "pg5ECRET-key", None) {
        return acs::error(403, code);
    }
    let parameter = |name| acs::parameter(request, name);
    if request.header("x-acs-action") != Some("AssumeRole")
        || parameter("RoleArn").as_deref() != Some("acs:ram::1:role/signer")
        || parameter("RoleSessionName").as_deref() != Some("pullgate")
        || parameter("ExternalId").as_deref() != Some("ext")
        || parameter("DurationSeconds").as_deref() != Some("900")
    {
        return acs::error(400, "InvalidParameter");
    }
    // The first credentials expire soon, and are not used again.
    let life = if number == 0 { 60 } else { 900 };
    let expiration = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(life);
    let credentials = json!({
        "AccessKeyId": format!("STS.{number}"), "AccessKeySecret": "pg5ECRET-temporary",
        "SecurityToken": "pg5ECRET-session", "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    Scripted::ok("application/json", json!({ "Credentials": credentials }).to_string())
}

#[tokio::test]
async fn renews_an_assumed_role_before_it_expires_and_once_when_refused() {
    let directory = tempfile::tempdir().unwrap();
    let service = Registry::start().await;
    let number = std::sync::atomic::AtomicUsize::new(0);
    service.hook(move |request| Some(sts(request, number.fetch_add(1, std::sync::atomic::Ordering::SeqCst))));
    let mut settings = with_key(&directory, "pg5ECRET-key");
    settings.kms.identity = Identity::Assumed(Box::new(Assume {
        by: settings.kms.identity.clone(),
        role: "acs:ram::1:role/signer".to_owned(),
        session: "pullgate".to_owned(),
        external_id: Some("ext".to_owned()),
        duration: Duration::from_secs(900),
        endpoint: format!("http://{}", service.host()),
    }));
    let kms = Kms::start("p256").await;
    kms.knows("STS.0", "pg5ECRET-temporary", Some("pg5ECRET-session"));
    let key = open(&kms.location(), None, &settings).await.unwrap();
    kms.knows("STS.1", "pg5ECRET-temporary", Some("pg5ECRET-session"));
    key.sign(b"one").await.unwrap();
    key.sign(b"two").await.unwrap();
    assert_eq!(service.requests().len(), 2, "the second key stays valid");
    // From now on the old access key is refused, and a new one is requested once.
    kms.knows("STS.2", "pg5ECRET-temporary", Some("pg5ECRET-session"));
    key.sign(b"three").await.unwrap();
    assert_eq!(service.requests().len(), 3);
    kms.knows("STS.9", "pg5ECRET-temporary", Some("pg5ECRET-session"));
    let error = error_chain(&key.sign(b"four").await.unwrap_err());
    assert!(error.contains("InvalidAccessKeyId.NotFound"), "{error}");
    assert_eq!(service.requests().len(), 4);
}

#[tokio::test]
pub(crate) async fn takes_credentials_from_a_profile_or_the_instance() {
    let directory = tempfile::tempdir().unwrap();
    let kms = Kms::start("p256").await;
    let mut settings = with_key(&directory, "pg5ECRET-key");
    let text = "[default]\ntype = access_key\naccess_key_id = LTAI\naccess_key_secret = pg5ECRET-key\n";
    let path = secret_file(&directory, "credentials", text);
    for (profile, works) in [("default", true), ("other", false)] {
        settings.kms.identity = Identity::File { path: path.clone(), profile: profile.to_owned() };
        assert_eq!(open(&kms.location(), None, &settings).await.is_ok(), works, "{profile}");
    }
    let instance = Registry::start().await;
    instance.hook(|request| {
        Some(match (request.method.as_str(), request.uri.path()) {
            ("PUT", "/latest/api/token") => Scripted::ok("text/plain", "pg5ECRET-metadata"),
            ("GET", "/latest/meta-data/ram/security-credentials/Node")
                if request.header("x-aliyun-ecs-metadata-token") == Some("pg5ECRET-metadata") =>
            {
                let keys = json!({ "Code": "Success", "AccessKeyId": "STS.N", "AccessKeySecret": "pg5ECRET-n", "SecurityToken": "pg5ECRET-t" });
                Scripted::ok("application/json", keys.to_string())
            }
            _ => Scripted::status(404),
        })
    });
    kms.knows("STS.N", "pg5ECRET-n", Some("pg5ECRET-t"));
    settings.kms.metadata = format!("http://{}", instance.host());
    for (role, works) in [("Node", true), ("Other", false)] {
        settings.kms.identity = Identity::Role(role.to_owned());
        assert_eq!(open(&kms.location(), None, &settings).await.is_ok(), works, "{role}");
    }
}
