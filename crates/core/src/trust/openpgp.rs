//! OpenPGP (RFC 9580 and RFC 4880), as far as simple signing needs it: public keys in keyrings, and signed messages.
//!
//! Only keys and signatures of version 4 are read, with RSA, ECDSA on the curves of NIST, and Ed25519: what gpg makes.
//! A message is one signature over one literal packet, possibly in one compressed packet. SHA-2 is the only hash whose
//! signatures grant anything. A self-signature of a primary key with SHA-1 still restricts it, as a revocation does in
//! whatever form: the operator trusts the primary key because its fingerprint is in a file of the policy, and everything
//! in the file can only say less. So does one that is not read, until a newer one is (`self_signature`).
//!
//! Signatures and keys name their issuer and the time, and what is not hashed is only used to choose among trusted keys.
//! Nothing here reads a clock.

pub mod armor;
mod certificate;
mod error;
mod fingerprint;
mod hash;
mod key;
mod limits;
mod message;
mod packet;
mod reader;
mod self_signature;
mod signature;
mod subkey;
mod subpackets;
mod user_id;
mod verifier;

use jiff::Timestamp;

pub(crate) use self::certificate::merge;
pub use self::certificate::{Certificate, read_keyring};
pub use self::error::{KeyringError, OpenPgpError};
pub use self::fingerprint::Fingerprint;
pub use self::limits::{MAX_KEYRING_BYTES, MAX_KEYS, MAX_MESSAGE_BYTES};
pub use self::message::Message;

/// A time of OpenPGP: seconds since 1970. Every sum of two 32-bit numbers is in the range of a timestamp.
pub(super) fn instant(seconds: u64) -> Timestamp {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}
