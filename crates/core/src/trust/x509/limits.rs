//! Limits of what is read.

/// Maximum size of a certificate: 16 KiB; the usual ones have 1 to 2 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Maximum number of other names of the holder of a certificate.
pub(super) const MAX_ALTERNATIVE_NAMES: usize = 16;

/// Maximum number of certificates in a chain; real ones have 1 to 4.
pub const MAX_CHAIN: usize = 8;

/// Maximum size of a list of revoked certificates: 4 MiB, which is about 100,000 certificates.
pub const MAX_CRL_BYTES: usize = 4 * 1024 * 1024;

/// Maximum number of lists of revoked certificates of one authenticator.
pub const MAX_CRLS: usize = 64;

/// Maximum number of certificates in a store.
pub const MAX_STORE: usize = 256;
