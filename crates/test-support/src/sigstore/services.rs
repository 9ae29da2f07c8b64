//! The instance as services on this machine, with the interfaces that real clients of Sigstore use: Fulcio, Rekor v1 and
//! v2, and a timestamp authority, which is OpenSSL's.
//!
//! Sources: sigstore/sigstore-go `pkg/sign`, sigstore/cosign `cmd/cosign/cli/signcommon`, sigstore/rekor `openapi.yaml`,
//! sigstore/rekor-tiles `CLIENTS.md`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use pullgate::digest::hex;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::timestamp::OpensslTimestamps;
use super::timestamp_service::serve_timestamps;
use super::token::Provider;
use super::{Person, START, Sigstore, pem, tree};
use crate::registry::{Recorded, Registry, Scripted};

const JSON: &str = "application/json";

/// The services of one instance. They run until this is dropped.
pub struct Services {
    pub sigstore: Arc<Sigstore>,
    provider: Arc<Provider>,
    fulcio: Registry,
    rekor: Registry,
    rekor_v2: Registry,
    timestamps: Registry,
    _runtime: Runtime,
}

/// A version of Rekor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    V1,
    V2,
}

impl Services {
    pub fn start() -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("an event loop can be started");
        let [fulcio, rekor, rekor_v2, timestamps] =
            std::array::from_fn(|_| runtime.block_on(Registry::start()));
        // Clients take the host of a log's address, without the port, as the name that signs its checkpoints.
        let sigstore = Arc::new(Sigstore::with_logs("127.0.0.1", "127.0.0.1"));
        let provider = Arc::new(Provider::new());
        let (shared, tokens) = (Arc::clone(&sigstore), Arc::clone(&provider));
        fulcio.hook(move |request| Some(certificate(&shared, &tokens, request).unwrap_or_else(refused)));
        let shared = Arc::clone(&sigstore);
        rekor.hook(move |request| Some(entry(&shared, request).unwrap_or_else(refused)));
        let shared = Arc::clone(&sigstore);
        rekor_v2.hook(move |request| Some(entry_v2(&shared, request).unwrap_or_else(refused)));
        serve_timestamps(&timestamps, OpensslTimestamps::new(&sigstore.timestamps));
        Self { sigstore, provider, fulcio, rekor, rekor_v2, timestamps, _runtime: runtime }
    }

    /// An identity token of this person, which is a secret.
    pub fn token(&self, person: &Person) -> String {
        self.provider.token(person)
    }

    pub fn fulcio_url(&self) -> String {
        url(&self.fulcio)
    }

    pub fn rekor_url(&self) -> String {
        url(&self.rekor)
    }

    pub fn timestamp_url(&self) -> String {
        format!("{}/api/v1/timestamp", url(&self.timestamps))
    }

    /// Where clients find the services (sigstore/protobuf-specs, `SigningConfig` v0.2).
    pub fn signing_config(&self, log: Log) -> Value {
        let service = |url: String, version: u32| json!([{ "url": url, "majorApiVersion": version, "validFor": { "start": START }, "operator": "test" }]);
        let rekor = match log {
            Log::V1 => service(url(&self.rekor), 1),
            Log::V2 => service(url(&self.rekor_v2), 2),
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(url(&self.fulcio), 1),
            "oidcUrls": service(url(&self.fulcio), 1),
            "rekorTlogUrls": rekor,
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaUrls": service(self.timestamp_url(), 1),
            "tsaConfig": { "selector": "ANY" },
        })
    }
}

fn url(server: &Registry) -> String {
    format!("http://{}", server.host())
}

fn refused() -> Scripted {
    Scripted { status: 400, ..Scripted::ok(JSON, r#"{"code":3,"message":"refused by the test"}"#) }
}

/// A P-256 key of somebody else.
struct Requested(Vec<u8>);

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Fulcio: a certificate for the key of a request with a token, in version 1 or 2 of its API.
fn certificate(sigstore: &Sigstore, provider: &Provider, request: &Recorded) -> Option<Scripted> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let (key, possession) = match request.uri.path() {
        "/api/v2/signingCert" => {
            let body = &body["publicKeyRequest"];
            (body["publicKey"]["content"].as_str()?, body["proofOfPossession"].as_str()?)
        }
        "/api/v1/signingCert" => {
            (body["publicKey"]["content"].as_str()?, body["signedEmailAddress"].as_str()?)
        }
        _ => return None,
    };
    // A point of the curve ends the encoding of its key.
    let key = der_of(key)?;
    let point = key.get(key.len().checked_sub(65)?..)?;
    let person = provider.person(request.header("authorization")?.strip_prefix("Bearer ")?)?;
    let possession = Signature::from_der(&STANDARD.decode(possession).ok()?).ok()?;
    let verifying = VerifyingKey::from_sec1_bytes(point).ok()?;
    verifying.verify(person.subjects.first()?.as_bytes(), &possession).ok()?;
    let leaf = pem(&sigstore.fulcio.certify(&person, &Requested(point.to_vec())));
    let authority = pem(sigstore.fulcio.authority.der());
    if request.uri.path().starts_with("/api/v1") {
        let chain = Scripted::ok("application/pem-certificate-chain", leaf + &authority);
        return Some(Scripted { status: 201, ..chain });
    }
    let chain = json!({ "chain": { "certificates": [leaf, authority] } });
    Some(Scripted::ok(JSON, json!({ "signedCertificateEmbeddedSct": chain }).to_string()))
}

/// The bytes of PEM, or of base64 of DER or PEM.
fn der_of(text: &str) -> Option<Vec<u8>> {
    if text.starts_with("-----") {
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        return STANDARD.decode(body).ok();
    }
    let bytes = STANDARD.decode(text).ok()?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.starts_with("-----") => der_of(text),
        _ => Some(bytes),
    }
}

/// Rekor v1: logs a proposed entry.
fn entry(sigstore: &Sigstore, request: &Recorded) -> Option<Scripted> {
    if request.line() == "GET /api/v1/log/publicKey" {
        let key = pullgate::trust::pem::write("PUBLIC KEY", &sigstore.rekor.key.public());
        return Some(Scripted::ok("application/x-pem-file", key));
    }
    if request.line() != "POST /api/v1/log/entries" {
        return None;
    }
    let proposed: Value = serde_json::from_slice(&request.body).ok()?;
    let spec = &proposed["spec"];
    let body = match proposed["kind"].as_str()? {
        "hashedrekord" => json!({
            "apiVersion": proposed["apiVersion"],
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": spec["data"]["hash"] },
                "signature": {
                    "content": spec["signature"]["content"],
                    "publicKey": { "content": spec["signature"]["publicKey"]["content"] },
                },
            },
        }),
        "dsse" => {
            let text = spec["proposedContent"]["envelope"].as_str()?;
            let envelope: Value = serde_json::from_str(text).ok()?;
            let payload = STANDARD.decode(envelope["payload"].as_str()?).ok()?;
            super::dsse_body(
                text.as_bytes(),
                &payload,
                &envelope["signatures"][0]["sig"],
                &spec["proposedContent"]["verifiers"][0],
            )
        }
        _ => return None,
    };
    let answer = sigstore.rekor.answer(&body, Timestamp::now());
    let id = hex(&tree::leaf(body.to_string().as_bytes()));
    let mut entries = serde_json::Map::new();
    entries.insert(id.clone(), answer);
    let answer = Scripted::ok(JSON, Value::Object(entries).to_string());
    let answer = answer.header("etag", &id).header("location", &format!("/api/v1/log/entries/{id}"));
    Some(Scripted { status: 201, ..answer })
}

/// Rekor v2: logs a digest and its signature.
fn entry_v2(sigstore: &Sigstore, request: &Recorded) -> Option<Scripted> {
    if request.line() != "POST /api/v2/log/entries" {
        return None;
    }
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let request = body["hashedRekordRequestV002"].as_object()?;
    let digest = STANDARD.decode(request["digest"].as_str()?).ok()?;
    let body = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(digest) },
            "signature": request["signature"],
        } },
    });
    let answer = Scripted::ok(JSON, sigstore.rekor_v2.entry(&body).to_string());
    Some(Scripted { status: 201, ..answer })
}
