//! Remote checks: a signature by such a key counts only after the service of the key has confirmed it too.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Algorithm, Key};

/// Which service confirms the signatures of a key, and the limits of such a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteVerification {
    /// The location of the key, as in the policy.
    pub source: String,
    /// Timeout of one confirmation.
    pub timeout: Duration,
    /// Maximum number of confirmations per second.
    pub rate: u32,
    /// How long a confirmation is cached.
    pub memory: Duration,
}

impl RemoteVerification {
    /// All parts, each prefixed with its length.
    pub(super) fn canonical(&self) -> String {
        let Self { source, timeout, rate, memory } = self;
        let numbers = [timeout.as_millis(), u128::from(*rate), memory.as_millis()].map(|it| it.to_string());
        std::iter::once(source).chain(&numbers).map(|part| format!("{}:{part}", part.len())).collect()
    }
}

/// A signature that verifies locally and counts only after the service of the key has confirmed it.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteCheck {
    /// The service that must confirm it.
    pub remote: Arc<RemoteVerification>,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The signed bytes.
    pub message: Vec<u8>,
    /// The signature in the form that was verified (ECDSA as DER).
    pub signature: Vec<u8>,
}

impl RemoteCheck {
    pub(super) fn new(key: &Key, remote: &Arc<RemoteVerification>, message: &[u8], signature: &[u8]) -> Self {
        Self {
            remote: Arc::clone(remote),
            fingerprint: key.public.fingerprint().to_owned(),
            algorithm: key.public.algorithm(),
            message: message.to_vec(),
            signature: signature.to_vec(),
        }
    }

    /// The cache key of the check: a hash over location and fingerprint of the key, the algorithm, the digest of the
    /// message, and the signature. The limits of the check are not part of it.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let digest = Sha256::digest(&self.message);
        let parts: [&[u8]; 5] = [
            self.remote.source.as_bytes(),
            self.fingerprint.as_bytes(),
            self.algorithm.name().as_bytes(),
            digest.as_slice(),
            &self.signature,
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// Without the message, which may be long.
impl fmt::Debug for RemoteCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCheck")
            .field("remote", &self.remote)
            .field("fingerprint", &self.fingerprint)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_each_part_but_not_on_the_limits() {
        let remote = RemoteVerification {
            source: "vault://release?version=1".to_owned(),
            timeout: Duration::from_secs(1),
            rate: 1,
            memory: Duration::ZERO,
        };
        let base = RemoteCheck {
            remote: Arc::new(remote.clone()),
            fingerprint: "sha256:0".to_owned(),
            algorithm: Algorithm::EcdsaSha256,
            message: b"message".to_vec(),
            signature: b"signature".to_vec(),
        };
        let bounds = RemoteVerification {
            timeout: Duration::from_secs(2),
            rate: 2,
            memory: Duration::from_secs(1),
            ..remote.clone()
        };
        assert_eq!(RemoteCheck { remote: Arc::new(bounds), ..base.clone() }.id(), base.id());
        for other in [
            RemoteCheck {
                remote: Arc::new(RemoteVerification { source: "vault://other".to_owned(), ..remote }),
                ..base.clone()
            },
            RemoteCheck { fingerprint: "sha256:1".to_owned(), ..base.clone() },
            RemoteCheck { algorithm: Algorithm::EcdsaSha384, ..base.clone() },
            RemoteCheck { message: b"messag".to_vec(), ..base.clone() },
            RemoteCheck { message: b"messages".to_vec(), signature: b"ignature".to_vec(), ..base.clone() },
            RemoteCheck { signature: b"other".to_vec(), ..base.clone() },
        ] {
            assert_ne!(other.id(), base.id(), "{other:?}");
        }
    }
}
