//! Limits of what is read.

/// Maximum size of a certificate: 16 KiB; the usual ones have 1 to 2 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Maximum number of certificates in a chain; real ones have 1 to 4.
pub const MAX_CHAIN: usize = 8;

/// Maximum number of certificates in a store.
pub const MAX_STORE: usize = 256;
