//! What the transit engine is asked: the public half of a key, and signatures.
//!
//! Source: "Transit secrets engine (API)" of HashiCorp Vault 1.13 to 1.20 and of OpenBao, which are the same here. RSASSA-PSS
//! would have the longest salt by default, so its length is said.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha384};
use tokio::time::Instant;

use super::login::{Session, variable};
use crate::pace::Pace;
use crate::{TransitKey, TransitSettings};
use pullgate_core::json::{self, Bounds, Keys};
use pullgate_core::trust::{Algorithm, MAX_SIGNATURE_BYTES, pem, spki};
use pullgate_net::service::{self, Answer, Client, Request, ServiceError, remote};

/// The first pause after "too much to do"; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One key of one engine.
#[derive(Debug)]
pub struct Transit {
    name: String,
    mount: String,
    address: String,
    namespace: Option<String>,
    session: Session,
    client: Client,
    pace: Pace,
    deadline: Duration,
}

impl Transit {
    /// A client for one key. Opens no connection.
    ///
    /// # Errors
    /// When nothing says where the service is.
    pub fn new(key: &TransitKey, settings: &TransitSettings) -> Result<Self, TransitError> {
        let known = key.address.clone().or_else(|| settings.address.clone());
        let address = known.or_else(|| variable("ADDR")).ok_or(TransitError::NoAddress)?;
        Ok(Self {
            name: key.name.clone(),
            mount: key.mount.clone(),
            address: service::address(&address)?,
            namespace: settings.namespace.clone().or_else(|| variable("NAMESPACE")),
            session: Session::new(settings.login.clone()),
            client: Client::new(settings.service.clone()),
            pace: Pace::new(&settings.bounds),
            deadline: settings.bounds.deadline,
        })
    }

    /// The public half in PEM with its version: that one, or the latest.
    ///
    /// # Errors
    /// When the engine does not give it.
    pub async fn public_key(&self, version: Option<u32>) -> Result<(u32, String), TransitError> {
        let path = format!("{}/keys/{}", self.mount, self.name);
        let data = self.ask(Method::GET, &path, None).await?;
        let malformed = |reason| TransitError::Malformed { reason };
        if data.get("supports_signing").and_then(Value::as_bool) == Some(false) {
            return Err(TransitError::NotForSigning);
        }
        let latest = data.get("latest_version").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
        let version = version.or(latest).ok_or_else(|| malformed("holds no latest_version"))?;
        let keys = data.get("keys").and_then(Value::as_object).ok_or_else(|| malformed("holds no keys"))?;
        let key = keys.get(&version.to_string()).ok_or(TransitError::NoVersion { version })?;
        let public = key.get("public_key").and_then(Value::as_str);
        let public = public.ok_or_else(|| malformed("holds no public_key"))?;
        if data.get("type").and_then(Value::as_str) != Some("ed25519") {
            return Ok((version, public.to_owned()));
        }
        let der = STANDARD.decode(public).ok().and_then(|raw| spki::ed25519(&raw));
        let der = der.ok_or_else(|| malformed("holds an Ed25519 key that has not 32 bytes"))?;
        Ok((version, pem::write("PUBLIC KEY", &der)))
    }

    /// Signs a message: by its digest, or itself with Ed25519. The signature is not verified.
    ///
    /// # Errors
    /// When the engine does not sign.
    pub async fn sign(
        &self,
        version: u32,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, TransitError> {
        let (hash, body) = question(algorithm, message, "key_version", json!(version))?;
        let path = format!("{}/sign/{}{hash}", self.mount, self.name);
        let data = self.ask(Method::POST, &path, Some(body.to_string().into())).await?;
        let malformed = |reason| TransitError::Malformed { reason };
        let text = data.get("signature").and_then(Value::as_str);
        let text = text.filter(|text| text.len() <= 2 * MAX_SIGNATURE_BYTES);
        let text = text.ok_or_else(|| malformed("holds no signature"))?;
        // Another version would be another key.
        let value = text.strip_prefix(&format!("vault:v{version}:"));
        let value = value.ok_or_else(|| malformed("holds a signature of another version of the key"))?;
        STANDARD.decode(value).map_err(|_| malformed("holds a signature that is not base64"))
    }

    /// Whether the engine takes `signature` for one of that version over the message.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn verify(
        &self,
        version: u32,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, TransitError> {
        let signature = format!("vault:v{version}:{}", STANDARD.encode(signature));
        let (hash, body) = question(algorithm, message, "signature", json!(signature))?;
        let path = format!("{}/verify/{}{hash}", self.mount, self.name);
        let data = self.ask(Method::POST, &path, Some(body.to_string().into())).await?;
        let valid = data.get("valid").and_then(Value::as_bool);
        valid.ok_or(TransitError::Malformed { reason: "does not say whether the signature is valid" })
    }

    /// Asks until there is an answer or no more time: again when it is busy, and with a fresh token when that is refused.
    async fn ask(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Value, TransitError> {
        let end = Instant::now() + self.deadline;
        let asking = async {
            let _turn = self.pace.turn(end).await.ok_or(TransitError::Deadline)?;
            let (mut pause, mut renewed) = (PAUSE, false);
            loop {
                let token = self.session.token(self).await?;
                let error = match self.once(method.clone(), path, body.clone(), Shown::Token(&token)).await {
                    Ok(answer) => return answer.get("data").cloned().ok_or(TransitError::NO_DATA),
                    Err(error) => error,
                };
                if error.is_refused_token() && !renewed && self.session.forget().await {
                    renewed = true;
                    continue;
                }
                if !error.may_pass() || Instant::now() + pause >= end {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        tokio::time::timeout_at(end, asking).await.unwrap_or(Err(TransitError::Deadline))
    }

    /// Asks once.
    pub(super) async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        shown: Shown<'_>,
    ) -> Result<Value, TransitError> {
        let url = format!("{}/v1/{path}", self.address);
        let mut headers = vec![("x-vault-request", "true")];
        let secret = match shown {
            Shown::Token(token) => {
                headers.push(("x-vault-token", token));
                token
            }
            Shown::SecretId(secret) => secret,
        };
        headers.extend(self.namespace.as_deref().map(|namespace| ("x-vault-namespace", namespace)));
        let request = Request { method, url: &url, headers: &headers, body, metadata: false };
        let Answer { status, body, .. } = self.client.ask(request).await?;
        let said = json::parse(&body, Bounds { depth: 16, values: 4096, keys: Keys::Exact });
        if status == 200 {
            return said.map_err(|_| TransitError::Malformed { reason: "is not JSON" });
        }
        let reason = said.as_ref().ok().and_then(|said| said.get("errors")?.get(0)?.as_str());
        // What stands between may repeat what it was sent.
        let reason = reason.filter(|reason| !reason.contains(secret)).map(remote);
        Err(TransitError::Refused { status, reason: reason.unwrap_or_default() })
    }
}

/// What signing and verifying say alike, with one thing more: the hash at the end of the path, and the body.
fn question(
    algorithm: Algorithm,
    message: &[u8],
    name: &str,
    value: Value,
) -> Result<(&'static str, Value), TransitError> {
    let (hash, input) = match algorithm {
        Algorithm::RsaPssSha256 | Algorithm::RsaPkcs1Sha256 | Algorithm::EcdsaSha256 => {
            ("/sha2-256", STANDARD.encode(Sha256::digest(message)))
        }
        Algorithm::EcdsaSha384 => ("/sha2-384", STANDARD.encode(Sha384::digest(message))),
        Algorithm::Ed25519 => ("", STANDARD.encode(message)),
        Algorithm::Ed25519ph => return Err(TransitError::Algorithm),
    };
    let mut body = json!({ name: value, "input": input, "prehashed": !hash.is_empty() });
    let more = match algorithm {
        Algorithm::RsaPssSha256 => json!({ "signature_algorithm": "pss", "salt_length": "hash" }),
        Algorithm::RsaPkcs1Sha256 => json!({ "signature_algorithm": "pkcs1v15" }),
        Algorithm::EcdsaSha256 | Algorithm::EcdsaSha384 => json!({ "marshaling_algorithm": "asn1" }),
        Algorithm::Ed25519 | Algorithm::Ed25519ph => json!({}),
    };
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Ok((hash, body))
}

/// The secret in a question.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// In a header.
    Token(&'a str),
    /// In the body.
    SecretId(&'a str),
}

/// Why the transit engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// There was no answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// Nothing says where it is.
    #[error("no address of Vault is given; add `?address=https://…` to the key or set VAULT_ADDR (BAO_ADDR)")]
    NoAddress,
    /// There is no token.
    #[error("there is no token of Vault: {reason}")]
    NoToken {
        /// Why.
        reason: String,
    },
    /// The service said no.
    #[error("Vault answered {status}{}", detail(*status, reason))]
    Refused {
        /// The status.
        status: u16,
        /// Its first error, made fit for one line.
        reason: String,
    },
    /// The key has no such version.
    #[error("the key has no version {version}, or it is archived")]
    NoVersion {
        /// The version.
        version: u32,
    },
    /// The key encrypts only.
    #[error("the key is of a type that does not sign")]
    NotForSigning,
    /// The engine does not have the algorithm.
    #[error("the transit engine signs with pure Ed25519, not with ED25519PH")]
    Algorithm,
    /// The answer is not what was asked for.
    #[error("the answer of Vault {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// The time was over.
    #[error("Vault did not answer in time")]
    Deadline,
}

impl TransitError {
    const NO_DATA: Self = Self::Malformed { reason: "holds no data" };

    /// Whether the engine says that the key, or its version, is not to be used any more: that it was deleted, or that its
    /// `min_decryption_version` was raised (`keysutil.ErrTooOld`, `path_sign_verify.go`).
    pub(crate) fn is_withdrawn(&self) -> bool {
        let Self::Refused { status: 400 | 404, reason } = self else {
            return matches!(self, Self::NoVersion { .. });
        };
        ["too old", "key not found"].iter().any(|said| reason.contains(said))
    }

    fn is_refused_token(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether the same question may be answered later: a busy service, one without a leader, or one that starts.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 412 | 429 | 500 | 502 | 503 | 504),
            Self::Service(error) => error.may_pass(),
            _ => false,
        }
    }
}

fn detail(status: u16, reason: &str) -> String {
    let hint = match status {
        403 => ": the token is refused, or its policy does not allow it",
        404 => ": there is no such key or mount",
        503 => ": it is sealed or in maintenance",
        _ => "",
    };
    if reason.is_empty() { hint.to_owned() } else { format!("{hint} ({reason})") }
}
