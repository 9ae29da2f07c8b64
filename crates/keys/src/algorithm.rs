//! Which algorithm a key is opened for.

use pullgate_core::trust::{Algorithm, KeyError};

/// Why there is no algorithm, or no key for it.
#[derive(Debug)]
pub(super) enum AlgorithmError {
    /// An RSA key, and nothing says which of its two ways is meant.
    Choose,
    Key(KeyError),
}

/// Reads a key for `algorithm`, or for the one that everybody means by its kind.
pub(super) fn pick<T>(
    algorithm: Option<Algorithm>,
    read: impl Fn(Algorithm) -> Result<T, KeyError>,
) -> Result<T, AlgorithmError> {
    if let Some(algorithm) = algorithm {
        return read(algorithm).map_err(AlgorithmError::Key);
    }
    // Every kind but RSA has one algorithm that everybody means.
    if read(Algorithm::RsaPkcs1Sha256).is_ok() {
        return Err(AlgorithmError::Choose);
    }
    read(Algorithm::EcdsaSha256)
        .or_else(|first| read(Algorithm::EcdsaSha384).map_err(|_| first))
        .or_else(|first| read(Algorithm::Ed25519).map_err(|_| first))
        .map_err(AlgorithmError::Key)
}
