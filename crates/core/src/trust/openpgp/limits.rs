//! Limits of keyrings and messages.

/// Maximum size of a keyring file: 1 MiB.
pub const MAX_KEYRING_BYTES: usize = 1 << 20;
/// Maximum number of primary keys of one authenticator.
pub const MAX_KEYS: usize = 64;
/// Maximum size of a message: 64 KiB. gpg writes less than 2 KiB over a payload of simple signing.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Maximum number of sub-keys of one key, and of self-signatures in one place of it.
pub(super) const MAX_PARTS: usize = 256;
