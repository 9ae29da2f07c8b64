//! The algorithm that a key is opened with.

use pullgate_core::trust::{Algorithm, KeyError};

/// Why no algorithm or key could be chosen.
#[derive(Debug)]
pub(super) enum AlgorithmError {
    /// An RSA key without a choice between PSS and PKCS #1.
    Choose,
    Key(KeyError),
}

/// Reads a key for `algorithm`, or for the only algorithm of its kind.
pub(super) fn pick<T>(
    algorithm: Option<Algorithm>,
    read: impl Fn(Algorithm) -> Result<T, KeyError>,
) -> Result<T, AlgorithmError> {
    if let Some(algorithm) = algorithm {
        return read(algorithm).map_err(AlgorithmError::Key);
    }
    // Every kind but RSA has one algorithm.
    if read(Algorithm::RsaPkcs1Sha256).is_ok() {
        return Err(AlgorithmError::Choose);
    }
    read(Algorithm::EcdsaSha256)
        .or_else(|first| read(Algorithm::EcdsaSha384).map_err(|_| first))
        .or_else(|first| read(Algorithm::Ed25519).map_err(|_| first))
        .map_err(AlgorithmError::Key)
}
