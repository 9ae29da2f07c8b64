//! The transit engine of Vault and OpenBao.

use pullgate::keys::{KeySettings, TransitSettings, VaultAuth};
use pullgate::trust::Algorithm;
use serde_json::json;

use super::{bounds, error_chain, impatient, open, secret_file, service};
use pullgate_test::registry::{Body, Scripted};
use pullgate_test::vault::{NAME, Vault};

fn with_token(directory: &tempfile::TempDir, token: &str) -> KeySettings {
    let login = VaultAuth::TokenFile(secret_file(directory, "token", token));
    let transit =
        TransitSettings { login, service: service(), bounds: bounds(), ..TransitSettings::default() };
    KeySettings { transit, ..KeySettings::default() }
}

#[tokio::test]
async fn signs_with_each_algorithm() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_token(&directory, "hvs.pg5ECRET-token");
    settings.transit.namespace = Some("team".to_owned());
    for (name, kind, algorithm) in [
        ("rsa-2048", "rsa-2048", Algorithm::RsaPssSha256),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPssSha384),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPssSha512),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPkcs1Sha256),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPkcs1Sha384),
        ("rsa-2048", "rsa-2048", Algorithm::RsaPkcs1Sha512),
        ("p256", "ecdsa-p256", Algorithm::EcdsaSha256),
        ("p384", "ecdsa-p384", Algorithm::EcdsaSha384),
        ("p384", "ecdsa-p384", Algorithm::EcdsaP384Sha256),
        ("p521", "ecdsa-p521", Algorithm::EcdsaSha512),
        ("p521", "ecdsa-p521", Algorithm::EcdsaP521Sha256),
        ("ed25519", "ed25519", Algorithm::Ed25519),
    ] {
        let vault = Vault::start(name, kind, Some("team")).await;
        let key = open(&vault.location(), Some(algorithm), &settings).await.unwrap();
        let signature = key.sign(b"message").await.unwrap();
        assert!(key.public().verify(b"message", &signature).is_ok(), "{algorithm}");
        // The version is pinned: after a rotation the key still signs with its old version.
        assert!(key.origin().contains("version=2"), "{}", key.origin());
        assert!(!format!("{key:?}").contains("hvs.pg5ECRET-token"));
    }
}

#[tokio::test]
async fn uses_the_named_version() {
    let directory = tempfile::tempdir().unwrap();
    let settings = with_token(&directory, "hvs.pg5ECRET-token");
    let vault = Vault::start("p256", "ecdsa-p256", None).await;
    let versioned = |version: u32| format!("{}&version={version}", vault.location());
    let first = open(&versioned(1), None, &settings).await.unwrap();
    let second = open(&versioned(2), None, &settings).await.unwrap();
    assert_ne!(first.public().fingerprint(), second.public().fingerprint());
    assert!(second.sign(b"m").await.is_ok());
    let error = error_chain(&open(&versioned(3), None, &settings).await.unwrap_err());
    assert!(error.contains("no version 3"), "{error}");
}

#[tokio::test]
async fn reports_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let settings = with_token(&directory, "hvs.pg5ECRET-token");
    let rsa = Vault::start("rsa-2048", "rsa-2048", None).await;
    let edwards = Vault::start("ed25519", "ed25519", None).await;
    let cipher = Vault::start("p256", "aes256-gcm96", None).await;
    for (place, algorithm, problem) in [
        (rsa.location(), None, "such as RSA_PSS_SHA_256 or RSA_PKCS1_SHA_256"),
        (rsa.location(), Some(Algorithm::EcdsaSha256), "needs a key of type P-256"),
        (rsa.location().replace(NAME, "other"), None, "this key or mount does not exist"),
        (edwards.location(), Some(Algorithm::Ed25519ph), "pure Ed25519"),
        (cipher.location(), None, "cannot sign"),
    ] {
        let error = error_chain(&open(&place, algorithm, &settings).await.unwrap_err());
        assert!(error.contains(problem), "{error}");
    }
    let wrong = with_token(&directory, "hvs.pg5ECRET-wrong");
    let error = error_chain(&open(&rsa.location(), None, &wrong).await.unwrap_err());
    assert!(error.contains("the token is invalid") && !error.contains("hvs"), "{error}");
    let vault = Vault::start("p256", "ecdsa-p256", None).await;
    let key = open(&vault.location(), None, &with_token(&directory, "hvs.pg5ECRET-token")).await.unwrap();
    for (problem, signature) in [
        ("another version", "vault:v1:AAAA"),
        ("another version", "AAAA"),
        ("not base64", "vault:v2:!"),
        ("does not verify", "vault:v2:AAAA"),
    ] {
        let body = json!({ "data": { "signature": signature } }).to_string();
        vault.answers(move |_, _| Some(Scripted::ok("application/json", body.clone())));
        let error = error_chain(&key.sign(b"message").await.unwrap_err());
        assert!(error.contains(problem), "{signature}: {error}");
    }
}

#[tokio::test]
pub(crate) async fn retries_when_busy_and_gives_up_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_token(&directory, "hvs.pg5ECRET-token");
    let vault = Vault::start("p256", "ecdsa-p256", None).await;
    vault.answers(|_, count| match count {
        0 => Some(Scripted::status(503)),
        1 => Some(Scripted::status(429)),
        _ => None,
    });
    assert!(open(&vault.location(), None, &settings).await.is_ok());
    assert_eq!(vault.asked(), 3);
    for (problem, answer) in [
        ("has more than 8192 bytes", Scripted::status(200).body(Body::Endless)),
        ("in time", Scripted::status(200).body(Body::Hang)),
        ("with a redirect", Scripted::redirect("http://127.0.0.1:1/")),
        ("is not JSON", Scripted::ok("application/json", "{")),
        ("contains no data", Scripted::ok("application/json", "{}")),
    ] {
        settings.transit.bounds = if problem == "in time" { impatient() } else { bounds() };
        vault.answers(move |_, _| Some(answer.clone()));
        let error = error_chain(&open(&vault.location(), None, &settings).await.unwrap_err());
        assert!(error.contains(problem), "{problem}: {error}");
    }
    settings.transit.bounds = impatient();
    vault.answers(|_, _| Some(Scripted::status(503)));
    let error = error_chain(&open(&vault.location(), None, &settings).await.unwrap_err());
    assert!(error.contains("sealed") || error.contains("in time"), "{error}");
    assert!(vault.asked() > 1);
}

#[tokio::test]
async fn logs_in_by_role_and_again_when_its_token_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = with_token(&directory, "hvs.pg5ECRET-token");
    let role = |secret: &str| VaultAuth::AppRole {
        mount: "approle".to_owned(),
        role_id: "signer".to_owned(),
        secret_id_file: secret_file(&directory, "secret-id", secret),
    };
    let vault = Vault::start("p256", "ecdsa-p256", None).await;
    settings.transit.login = role("pg5ECRET-id");
    let key = open(&vault.location(), None, &settings).await.unwrap();
    key.sign(b"one").await.unwrap();
    assert_eq!(vault.server.requests().len(), 3, "one login, the key, one signature");
    vault.rotate("hvs.pg5ECRET-other");
    key.sign(b"two").await.unwrap();
    assert_eq!(vault.server.requests().len(), 6, "refused, a login, and a retry");
    settings.transit.login = role("pg5ECRET-wrong");
    let error = error_chain(&open(&vault.location(), None, &settings).await.unwrap_err());
    assert!(error.contains("invalid role or secret ID"), "{error}");
    // No secret appears in an error, even if a server repeats it.
    vault.answers(|request, _| {
        let token = request.header("x-vault-token").unwrap_or_default();
        let message = format!("no: {token} {}", String::from_utf8_lossy(&request.body));
        let mut answer = Scripted::ok("application/json", json!({ "errors": [message] }).to_string());
        answer.status = 400;
        Some(answer)
    });
    settings.transit.login = role("pg5ECRET-id");
    let by_role = error_chain(&open(&vault.location(), None, &settings).await.unwrap_err());
    let by_token = with_token(&directory, "hvs.pg5ECRET-other");
    let by_token = error_chain(&open(&vault.location(), None, &by_token).await.unwrap_err());
    for error in [by_role, by_token] {
        assert!(error.contains("Vault answered 400") && !error.contains("pg5ECRET"), "{error}");
    }
    vault.answers(|_, _| None);
    // If a token is refused, its file is read again.
    let mut settings = with_token(&directory, "hvs.pg5ECRET-other");
    settings.transit.namespace = None;
    let key = open(&vault.location(), None, &settings).await.unwrap();
    vault.rotate("hvs.pg5ECRET-third");
    assert!(key.sign(b"three").await.is_err());
    secret_file(&directory, "token", "hvs.pg5ECRET-third");
    assert!(key.sign(b"four").await.is_ok());
}
