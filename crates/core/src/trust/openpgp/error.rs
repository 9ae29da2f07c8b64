//! Why a keyring is not usable, or a message is not a signature that counts.

use jiff::Timestamp;

use super::fingerprint::Fingerprint;
use super::limits::{MAX_KEYRING_BYTES, MAX_KEYS, MAX_MESSAGE_BYTES, MAX_PARTS};

/// Why bytes are not a sequence of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketError {
    Malformed,
    TooMany,
}

/// Why a file is not a keyring that can be used. Errors contain nothing of the file but fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum KeyringError {
    #[error("keyring has {found} bytes, more than the limit of {MAX_KEYRING_BYTES}")]
    TooLarge { found: usize },
    #[error("the file is not an OpenPGP keyring; write it with `gpg --export`")]
    Malformed,
    #[error("the armor of the keyring is malformed; write it with `gpg --export --armor`")]
    Armor,
    #[error("the file contains no OpenPGP key; write it with `gpg --export`")]
    Empty,
    /// A keybox of gpg has another format.
    #[error("the file is a keybox of gpg, a format that only gpg can read; write it with `gpg --export`")]
    Keybox,
    #[error(
        "the file contains an OpenPGP secret key; write the public key with `gpg --export`, delete this file, and replace the key, because the secret key may be compromised"
    )]
    Secret,
    #[error(
        "the file contains an OpenPGP packet of type {tag}, which does not belong in a keyring; write it with `gpg --export`"
    )]
    Packet { tag: u8 },
    #[error(
        "the keyring has an OpenPGP key of version {found}, but only version 4 is supported; export only the keys whose signatures count"
    )]
    Version { found: u8 },
    /// Encryption, DSA, other curves, RSA keys below 2048 or above 4096 bits.
    #[error("key {key} has an unsupported algorithm or size; export only the keys whose signatures count")]
    Algorithm { key: Fingerprint },
    /// Nothing says until when the key is valid, and what it may do.
    #[error("key {key} has no valid self-signature; export the key again with `gpg --export`")]
    NoSelfSignature { key: Fingerprint },
    #[error("there are more than {MAX_KEYS} keys; export only the keys whose signatures count")]
    TooManyKeys,
    /// Perhaps it restricts the key.
    #[error("key {key} has a malformed signature; export the key again with `gpg --export`")]
    Signature { key: Fingerprint },
    #[error(
        "key {key} has more than {MAX_PARTS} sub-keys or self-signatures; export the key again with `gpg --export \
         --export-options export-clean`"
    )]
    TooManyParts { key: Fingerprint },
    #[error("no key has the fingerprint {key}; add its file to `keyrings`")]
    UnknownFingerprint { key: Fingerprint },
    #[error("{subkey} is a sub-key of {key}; name the primary key")]
    SubKeyFingerprint { subkey: Fingerprint, key: Fingerprint },
}

/// Why a message is not a signature that counts. Of the message, only fingerprints and times are repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum OpenPgpError {
    #[error("GPG signature has {found} bytes, more than the limit of {MAX_MESSAGE_BYTES}")]
    TooLarge { found: usize },
    #[error("GPG signature is not an OpenPGP message in binary form")]
    Malformed,
    /// Other packets, or another number of them.
    #[error("OpenPGP message must be one signature over one literal packet: {found}")]
    Form {
        /// What it is instead.
        found: &'static str,
    },
    #[error("OpenPGP message has an unsupported or malformed compression")]
    Compression,
    #[error("OpenPGP message has more than {limit} bytes after decompression")]
    Inflated { limit: usize },
    #[error("OpenPGP signature has version {found}, but only version 4 is supported")]
    Version { found: u8 },
    #[error("OpenPGP signature has type {found:#04x} instead of 0x00, a signature over binary data")]
    Kind { found: u8 },
    #[error("OpenPGP signature uses the hash {hash}, which is too weak or not supported")]
    Hash { hash: String },
    #[error("OpenPGP signature has a critical subpacket ({number}) that pullgate does not evaluate")]
    Critical { number: u8 },
    #[error("OpenPGP signature must have exactly one creation time")]
    NoTime,
    #[error("OpenPGP signature does not name the key that made it")]
    NoIssuer,
    #[error("signature was made with key {issuer}, which is not in the keyrings of the authenticator")]
    UnknownKey { issuer: String },
    #[error("signature does not verify with key {issuer}")]
    Untrusted { issuer: String },
    #[error("signature was made with key {key}, which is not in `fingerprints` of the authenticator")]
    NotAccepted { key: Fingerprint },
    /// The deny list of the policy has the key.
    #[error("signature was made with key {key}, which is revoked: {why}")]
    Denied { key: Fingerprint, why: String },
    #[error("signature was made with key {key}, which its owner has revoked")]
    Revoked { key: Fingerprint },
    #[error("signature was made with sub-key {subkey} of {key}, and this sub-key is revoked")]
    SubKeyRevoked { subkey: Fingerprint, key: Fingerprint },
    #[error("signature was made with key {key}, which expired at {at}")]
    KeyExpired { key: Fingerprint, at: Timestamp },
    #[error("signature was made with sub-key {subkey} of {key}, and this sub-key expired at {at}")]
    SubKeyExpired { subkey: Fingerprint, key: Fingerprint, at: Timestamp },
    /// All that its owner says about the key is said later: the clock of the node may be slow.
    #[error("signature was made with key {key}, which is not valid yet")]
    NotYet { key: Fingerprint },
    /// No self-signature is valid at the time of the check.
    #[error("signature was made with key {key}, which has no self-signature that is valid now")]
    NotCertified { key: Fingerprint },
    /// No binding with a back-signature and SHA-2 is valid at the time of the check.
    #[error(
        "signature was made with sub-key {subkey}, which key {key} does not validly bind as a signing key"
    )]
    NotBound { subkey: Fingerprint, key: Fingerprint },
    #[error("signature was made with key {key}, which is not a signing key")]
    Usage { key: Fingerprint },
    /// One of the three above, but only because of the time: the clock of the node may be wrong.
    #[error("{why}, but the signature would be valid at another time")]
    NotNow { why: Box<Self> },
    #[error("signature expired at {at}")]
    Expired { at: Timestamp },
    #[error("signing time {at} is in the future")]
    Future { at: Timestamp },
    #[error("signature was made at {at}, before its key was created")]
    BeforeKey { at: Timestamp },
}
