//! The algorithm that a key is opened with.

use pullgate_core::trust::{Algorithm, KeyError};

/// Why no algorithm or key could be chosen.
#[derive(Debug)]
pub(super) enum AlgorithmError {
    /// An RSA key without a choice between PSS and PKCS #1.
    Choose,
    Key(KeyError),
}

/// Reads a key for `algorithm`, or for the usual algorithm of its kind.
pub(super) fn pick<T>(
    algorithm: Option<Algorithm>,
    read: impl Fn(Algorithm) -> Result<T, KeyError>,
) -> Result<T, AlgorithmError> {
    if let Some(algorithm) = algorithm {
        return read(algorithm).map_err(AlgorithmError::Key);
    }
    if read(Algorithm::RsaPkcs1Sha256).is_ok() {
        return Err(AlgorithmError::Choose);
    }
    Algorithm::usual_of(read).map_err(AlgorithmError::Key)
}
