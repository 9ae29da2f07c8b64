//! Requests to KMS: GetPublicKey, AsymmetricSign, AsymmetricVerify.
//!
//! Source: KMS API 2016-01-20. The digest is SHA-256 of the message in base64, RSASSA-PSS has a salt of 32 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::time::Instant;

use crate::service_limiter::ServiceLimiter;
use crate::{KmsKey, KmsSettings};
use pullgate_core::trust::{Algorithm, MAX_SIGNATURE_BYTES};
use pullgate_net::alibaba::{AlibabaError, Api, Credentials};
use pullgate_net::service::Client;

/// One version of a key at one endpoint.
#[derive(Debug)]
pub struct Kms {
    key: KmsKey,
    api: Api,
    limiter: ServiceLimiter,
}

impl Kms {
    /// A client for one key. Opens no connection.
    #[must_use]
    pub fn new(key: KmsKey, settings: &KmsSettings) -> Self {
        let sts = format!("https://sts.{}.aliyuncs.com", key.region);
        let api = Api {
            service: "KMS",
            base: key.address(),
            version: "2016-01-20",
            credentials: Credentials::new(settings.identity.clone(), settings.metadata.clone(), sts),
            client: Client::new(settings.service.clone()),
            deadline: settings.bounds.deadline,
        };
        Self { key, api, limiter: ServiceLimiter::new(&settings.bounds) }
    }

    /// The public key in PEM.
    ///
    /// # Errors
    /// When KMS does not return it.
    pub async fn public_key(&self) -> Result<String, KmsError> {
        let answer = self.ask("GetPublicKey", &[]).await?;
        let pem = answer.get("PublicKey").and_then(Value::as_str);
        let pem = pem.ok_or(KmsError::Malformed { reason: "contains no PublicKey" })?;
        // Samples in the documentation have escaped line breaks.
        Ok(pem.replace("\\n", "\n"))
    }

    /// Signs the SHA-256 of a message. The signature is returned unverified.
    ///
    /// # Errors
    /// When KMS does not sign.
    pub async fn sign(&self, algorithm: Algorithm, digest: &[u8]) -> Result<Vec<u8>, KmsError> {
        let name = name(algorithm).ok_or(KmsError::Algorithm)?;
        let answer =
            self.ask("AsymmetricSign", &[("Algorithm", name), ("Digest", &STANDARD.encode(digest))]).await?;
        let value = answer.get("Value").and_then(Value::as_str);
        let value = value.filter(|value| value.len() <= 2 * MAX_SIGNATURE_BYTES);
        value
            .and_then(|value| STANDARD.decode(value).ok())
            .ok_or(KmsError::Malformed { reason: "contains no Value in base64" })
    }

    /// Whether KMS verifies `signature` over the SHA-256 of a message.
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn verify(
        &self,
        algorithm: Algorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, KmsError> {
        let name = name(algorithm).ok_or(KmsError::Algorithm)?;
        let (digest, value) = (STANDARD.encode(digest), STANDARD.encode(signature));
        let query = [("Algorithm", name), ("Digest", digest.as_str()), ("Value", value.as_str())];
        let answer = self.ask("AsymmetricVerify", &query).await?;
        let valid = answer.get("Value").and_then(Value::as_bool);
        valid.ok_or(KmsError::Malformed { reason: "does not say whether the signature is valid" })
    }

    async fn ask(&self, action: &str, more: &[(&str, &str)]) -> Result<Value, KmsError> {
        let mut query = vec![("KeyId", self.key.key.as_str()), ("KeyVersionId", self.key.version.as_str())];
        query.extend_from_slice(more);
        let end = Instant::now() + self.api.deadline;
        let response = async {
            let _permit = self.limiter.acquire(end).await.ok_or(KmsError::Deadline)?;
            self.api.ask(action, &query).await.map_err(KmsError::of)
        };
        let answer = tokio::time::timeout_at(end, response).await.unwrap_or(Err(KmsError::Deadline))?;
        // Another version would be another key.
        let version = answer.get("KeyVersionId").and_then(Value::as_str);
        if version.is_some_and(|version| version != self.key.version) {
            return Err(KmsError::Malformed { reason: "is for another version of the key" });
        }
        Ok(answer)
    }
}

/// KMS's name of an algorithm, if it has it.
pub(crate) fn name(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::RsaPssSha256 | Algorithm::RsaPkcs1Sha256 | Algorithm::EcdsaSha256 => {
            Some(algorithm.name())
        }
        _ => None,
    }
}

/// Why a request to KMS failed. `code` is its error code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KmsError {
    /// The service or the connection.
    #[error(transparent)]
    Api(#[from] AlibabaError),
    /// The key does not exist.
    #[error("KMS does not have this key, version or alias in this region ({code})")]
    NotFound { code: String },
    /// The key is disabled or about to be deleted.
    #[error("the key is disabled, or about to be deleted ({code})")]
    Disabled { code: String },
    /// The caller may not use the key.
    #[error(
        "the RAM policy does not allow the request ({code}); signing needs kms:AsymmetricSign and kms:GetPublicKey, \
         verification needs kms:GetPublicKey, and `verify = \"remote\"` also needs kms:AsymmetricVerify"
    )]
    Forbidden { code: String },
    /// The key does not support the algorithm.
    #[error(
        "KMS refuses the algorithm or the version for this key ({code}); its purpose must be SIGN/VERIFY"
    )]
    Parameter { code: String },
    /// KMS does not support the algorithm.
    #[error("KMS signs with RSA_PSS_SHA_256, RSA_PKCS1_SHA_256 and ECDSA_SHA_256 only")]
    Algorithm,
    /// An unexpected response.
    #[error("the response of KMS {reason}")]
    Malformed { reason: &'static str },
    /// The deadline has passed.
    #[error("KMS did not answer in time")]
    Deadline,
}

impl KmsError {
    fn of(error: AlibabaError) -> Self {
        let AlibabaError::Refused { code, .. } = &error else { return Self::Api(error) };
        let code = code.clone();
        match code.as_str() {
            "Forbidden.KeyNotFound" | "Forbidden.AliasNotFound" | "Forbidden.KeyVersionNotFound" => {
                Self::NotFound { code }
            }
            "Rejected.Disabled"
            | "Rejected.PendingDeletion"
            | "Rejected.Unavailable"
            | "Rejected.Expired" => Self::Disabled { code },
            "InvalidParameter" | "UnsupportedOperation" | "Rejected.UnsupportedOperation" => {
                Self::Parameter { code }
            }
            _ if code == "Forbidden"
                || code.starts_with("Forbidden.")
                || code.starts_with("NoPermission") =>
            {
                Self::Forbidden { code }
            }
            _ => Self::Api(error),
        }
    }
}
