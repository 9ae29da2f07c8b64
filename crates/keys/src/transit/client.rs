//! Requests to the transit engine: public keys and signatures.
//!
//! Source: "Transit secrets engine (API)" of HashiCorp Vault 1.13 to 1.20 and of OpenBao, which do not differ here.
//! RSASSA-PSS has the longest salt by default, so the length is always set.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::error::TransitError;
use super::http::{Shown, TransitHttp};
use super::login::{Session, variable};
use crate::service_limiter::ServiceLimiter;
use crate::{TransitKey, TransitSettings};
use pullgate_core::trust::{Algorithm, HashFunction, MAX_SIGNATURE_BYTES, Scheme, pem, spki};
use pullgate_net::backoff::Backoff;
use pullgate_net::service::{self, Client};

/// Retries while the service is busy.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// One key of one engine.
#[derive(Debug)]
pub struct Transit {
    name: String,
    mount: String,
    http: TransitHttp,
    session: Session,
    limiter: ServiceLimiter,
    deadline: Duration,
}

impl Transit {
    /// Opens no connection.
    ///
    /// # Errors
    /// When no address is configured.
    pub fn new(key: &TransitKey, settings: &TransitSettings) -> Result<Self, TransitError> {
        let known = key.address.clone().or_else(|| settings.address.clone());
        let address = known.or_else(|| variable("ADDR")).ok_or(TransitError::NoAddress)?;
        Ok(Self {
            name: key.name.clone(),
            mount: key.mount.clone(),
            http: TransitHttp {
                address: service::address(&address)?,
                namespace: settings.namespace.clone().or_else(|| variable("NAMESPACE")),
                client: Client::new(settings.service.clone()),
            },
            session: Session::new(settings.login.clone()),
            limiter: ServiceLimiter::new(&settings.bounds),
            deadline: settings.bounds.deadline,
        })
    }

    /// The public key in PEM with its version: `version`, or the latest.
    ///
    /// # Errors
    /// When the engine does not return it.
    pub async fn public_key(&self, version: Option<u32>) -> Result<(u32, String), TransitError> {
        let path = format!("{}/keys/{}", self.mount, self.name);
        let data = self.ask(Method::GET, &path, None).await?;
        let malformed = |reason| TransitError::Malformed { reason };
        if data.get("supports_signing").and_then(Value::as_bool) == Some(false) {
            return Err(TransitError::NotForSigning);
        }
        let latest = data.get("latest_version").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
        let version = version.or(latest).ok_or_else(|| malformed("contains no latest_version"))?;
        let keys =
            data.get("keys").and_then(Value::as_object).ok_or_else(|| malformed("contains no keys"))?;
        let key = keys.get(&version.to_string()).ok_or(TransitError::NoVersion { version })?;
        let public = key.get("public_key").and_then(Value::as_str);
        let public = public.ok_or_else(|| malformed("contains no public_key"))?;
        if data.get("type").and_then(Value::as_str) != Some("ed25519") {
            return Ok((version, public.to_owned()));
        }
        let der = STANDARD.decode(public).ok().and_then(|raw| spki::ed25519(&raw));
        let der = der.ok_or_else(|| malformed("contains an Ed25519 key that is not 32 bytes long"))?;
        Ok((version, pem::write("PUBLIC KEY", &der)))
    }

    /// Signs a message: its digest, or the message itself with Ed25519. The signature is returned unverified.
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
        let text = text.ok_or_else(|| malformed("contains no signature"))?;
        // Another version would be another key.
        let value = text.strip_prefix(&format!("vault:v{version}:"));
        let value = value.ok_or_else(|| malformed("contains a signature by another version of the key"))?;
        STANDARD.decode(value).map_err(|_| malformed("contains a signature that is not base64"))
    }

    /// Whether the engine verifies `signature` of that version over the message.
    ///
    /// # Errors
    /// When the engine does not answer.
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

    /// Sends a request until the deadline: again when the service is busy, and with a new token when it is refused.
    async fn ask(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Value, TransitError> {
        let end = Instant::now() + self.deadline;
        let asking = async {
            let _permit = self.limiter.acquire(end).await.ok_or(TransitError::Deadline)?;
            let (mut retries, mut renewed) = (0, false);
            loop {
                let token = self.session.token(&self.http).await?;
                let error =
                    match self.http.once(method.clone(), path, body.clone(), Shown::Token(&token)).await {
                        Ok(answer) => return answer.get("data").cloned().ok_or(TransitError::NO_DATA),
                        Err(error) => error,
                    };
                if error.is_refused_token() && !renewed && self.session.forget().await {
                    renewed = true;
                    continue;
                }
                let delay = BACKOFF.delay(retries);
                if !error.is_transient() || Instant::now() + delay >= end {
                    return Err(error);
                }
                tokio::time::sleep(delay).await;
                retries += 1;
            }
        };
        tokio::time::timeout_at(end, asking).await.unwrap_or(Err(TransitError::Deadline))
    }
}

/// The path and body that signing and verifying share; the hash is the end of the path.
fn question(
    algorithm: Algorithm,
    message: &[u8],
    name: &str,
    value: Value,
) -> Result<(&'static str, Value), TransitError> {
    let (hash, more) = match algorithm.scheme() {
        Scheme::RsaPss(hash) => (Some(hash), json!({ "signature_algorithm": "pss", "salt_length": "hash" })),
        Scheme::RsaPkcs1(hash) => (Some(hash), json!({ "signature_algorithm": "pkcs1v15" })),
        Scheme::Ecdsa(_, hash) => (Some(hash), json!({ "marshaling_algorithm": "asn1" })),
        Scheme::Ed25519 => (None, json!({})),
        Scheme::Ed25519ph => return Err(TransitError::Algorithm),
    };
    let path = match hash {
        Some(HashFunction::Sha256) => "/sha2-256",
        Some(HashFunction::Sha384) => "/sha2-384",
        Some(HashFunction::Sha512) => "/sha2-512",
        None => "",
    };
    let input = hash.map_or_else(|| STANDARD.encode(message), |hash| STANDARD.encode(hash.digest(message)));
    let mut body = json!({ name: value, "input": input, "prehashed": hash.is_some() });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    Ok((path, body))
}
