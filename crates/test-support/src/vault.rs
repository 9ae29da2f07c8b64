//! A fake of Vault's transit engine with one key of two versions: it verifies each request and makes real signatures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate::trust::{Algorithm, Curve, HashFunction, PrivateKey, PssSalt, Scheme};
use serde_json::{Value, json};

use crate::kms::{sign_digest, verify_digest};
use crate::registry::{Recorded, Registry, Scripted};
use crate::secrets::Secret;
use crate::signer::key_file;

/// The path of the key: mount and name.
pub const MOUNT: &str = "team/transit";
pub const NAME: &str = "release";

type Answers = Box<dyn Fn(&Recorded, usize) -> Option<Scripted> + Send + Sync>;

/// Runs until it is dropped.
pub struct Vault {
    pub server: Registry,
    state: Arc<State>,
}

struct State {
    kind: &'static str,
    pem: String,
    public: String,
    token: Mutex<Secret>,
    namespace: Option<&'static str>,
    answers: Mutex<Option<Answers>>,
    request_count: AtomicUsize,
}

impl Vault {
    /// Starts a server with a key of `tests/fixtures/keys`, of Vault's key type `kind`.
    pub async fn start(name: &str, kind: &'static str, namespace: Option<&'static str>) -> Self {
        let read = |half| std::fs::read_to_string(key_file(name, half)).unwrap();
        let state = Arc::new(State {
            kind,
            pem: read("key"),
            public: read("pub"),
            token: Mutex::new(Secret::marked("hvs.pg5ECRET-token")),
            namespace,
            answers: Mutex::default(),
            request_count: AtomicUsize::new(0),
        });
        let server = Registry::start().await;
        let shared = Arc::clone(&state);
        server.hook(move |request| Some(shared.answer(request)));
        Self { server, state }
    }

    pub fn location(&self) -> String {
        format!("vault://{NAME}?mount={MOUNT}&address=http://{}", self.server.host())
    }

    pub fn answers(&self, answers: impl Fn(&Recorded, usize) -> Option<Scripted> + Send + Sync + 'static) {
        self.state.request_count.store(0, Ordering::SeqCst);
        *self.state.answers.lock().unwrap() = Some(Box::new(answers));
    }

    pub fn asked(&self) -> usize {
        self.state.request_count.load(Ordering::SeqCst)
    }

    /// Accepts another token from now on.
    pub fn rotate(&self, token: impl Into<Secret>) {
        *self.state.token.lock().unwrap() = token.into();
    }
}

fn error(status: u16, text: &str) -> Scripted {
    let mut answer = Scripted::ok("application/json", json!({ "errors": [text] }).to_string());
    answer.status = status;
    answer
}

impl State {
    fn answer(&self, request: &Recorded) -> Scripted {
        let earlier = self.request_count.fetch_add(1, Ordering::SeqCst);
        if let Some(answer) =
            self.answers.lock().unwrap().as_ref().and_then(|answers| answers(request, earlier))
        {
            return answer;
        }
        if request.header("x-vault-request") != Some("true")
            || request.header("x-vault-namespace") != self.namespace
        {
            return error(404, "no handler for route");
        }
        let path = request.uri.path();
        let token = self.token.lock().unwrap().clone();
        if path == "/v1/auth/approle/login" {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert!(request.header("x-vault-token").is_none());
            if body != json!({ "role_id": "signer", "secret_id": "pg5ECRET-id" }) {
                return error(400, "invalid role or secret ID");
            }
            let auth = json!({ "auth": { "client_token": token.as_str(), "lease_duration": 3600 } });
            return Scripted::ok("application/json", auth.to_string());
        }
        if request.header("x-vault-token") != Some(token.as_str()) {
            return error(403, "permission denied");
        }
        let Some(path) = path.strip_prefix(&format!("/v1/{MOUNT}/")) else {
            return error(404, "no handler for route");
        };
        let sign = path.strip_prefix(&format!("sign/{NAME}"));
        let verify = path.strip_prefix(&format!("verify/{NAME}"));
        let data = match (request.method.as_str(), sign.or(verify)) {
            ("GET", _) if path == format!("keys/{NAME}") => Some(self.key()),
            ("POST", Some(hash)) if verify.is_some() => {
                self.verify(hash, &serde_json::from_slice(&request.body).unwrap())
            }
            ("POST", Some(hash)) => self.sign(hash, &serde_json::from_slice(&request.body).unwrap()),
            _ => return error(404, ""),
        };
        match data {
            Some(data) => Scripted::ok("application/json", json!({ "data": data }).to_string()),
            None => error(400, "invalid request"),
        }
    }

    fn key(&self) -> Value {
        let public = if self.kind == "ed25519" {
            // The last 32 bytes of the SubjectPublicKeyInfo, not PEM.
            let body: String = self.public.lines().filter(|line| !line.starts_with('-')).collect();
            let der = STANDARD.decode(body).unwrap();
            STANDARD.encode(&der[der.len() - 32..])
        } else {
            self.public.clone()
        };
        let version = |public: &str| json!({ "creation_time": "2026-01-01T00:00:00Z", "name": self.kind, "public_key": public });
        let old = std::fs::read_to_string(key_file("p384", "pub")).unwrap();
        json!({
            "type": self.kind, "name": NAME, "supports_signing": self.kind != "aes256-gcm96",
            "latest_version": 2, "min_available_version": 0,
            "keys": { "1": version(&old), "2": version(&public) },
        })
    }

    /// The algorithm that a request asks for, if everything in it agrees. Without a salt length it would be the longest,
    /// which our verifiers refuse.
    fn asked(&self, path: &str, body: &Value) -> Option<Algorithm> {
        let prehashed = body["prehashed"] == true;
        let hashed = |hash| prehashed && path == format!("/sha2-{}", 8 * HashFunction::bytes(hash));
        Algorithm::ALL.into_iter().find(|algorithm| match algorithm.scheme() {
            Scheme::RsaPss(hash) => {
                self.kind.starts_with("rsa-")
                    && hashed(hash)
                    && body["signature_algorithm"] == "pss"
                    && body["salt_length"] == "hash"
            }
            Scheme::RsaPkcs1(hash) => {
                self.kind.starts_with("rsa-") && hashed(hash) && body["signature_algorithm"] == "pkcs1v15"
            }
            Scheme::Ecdsa(curve, hash) => {
                let kind = match curve {
                    Curve::P256 => "ecdsa-p256",
                    Curve::P384 => "ecdsa-p384",
                    Curve::P521 => "ecdsa-p521",
                };
                self.kind == kind && hashed(hash) && body["marshaling_algorithm"] == "asn1"
            }
            Scheme::Ed25519 => self.kind == "ed25519" && path.is_empty() && !prehashed,
            Scheme::Ed25519ph => false,
        })
    }

    /// As the API specifies: the version precedes the signature.
    fn verify(&self, hash: &str, body: &Value) -> Option<Value> {
        let input = STANDARD.decode(body["input"].as_str()?).ok()?;
        let signature = body["signature"].as_str()?.strip_prefix("vault:v2:")?;
        let signature = STANDARD.decode(signature).ok()?;
        let valid = match self.asked(hash, body)? {
            Algorithm::Ed25519 => {
                let salt = PssSalt::default();
                let key =
                    pullgate::trust::PublicKey::from_pem(&self.public, Algorithm::Ed25519, salt).unwrap();
                key.verify(&input, &signature).is_ok()
            }
            algorithm => verify_digest(&self.public, algorithm, &input, &signature),
        };
        Some(json!({ "valid": valid }))
    }

    /// As the API specifies: a digest of the right length where `prehashed`, the requested salt and scheme.
    fn sign(&self, hash: &str, body: &Value) -> Option<Value> {
        let input = STANDARD.decode(body["input"].as_str()?).ok()?;
        if body["key_version"] != 2 {
            return None;
        }
        let signature = match self.asked(hash, body)? {
            Algorithm::Ed25519 => {
                let key = PrivateKey::from_pem(&self.pem, Algorithm::Ed25519, PssSalt::default()).unwrap();
                key.sign(&input).unwrap()
            }
            algorithm => sign_digest(&self.pem, algorithm, &input),
        };
        Some(json!({ "signature": format!("vault:v2:{}", STANDARD.encode(signature)), "key_version": 2 }))
    }
}
