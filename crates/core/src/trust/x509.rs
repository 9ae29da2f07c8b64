//! X.509 certificates and chains, judged by the rules of the Notary Project.
//!
//! Sources: notaryproject/specifications `specs/signature-specification.md`, "Certificate Requirements", and
//! notation-core-go `x509/`, which implements it. A general verifier of RFC 5280 does not fit: these rules accept a
//! self-signed leaf as its own anchor and trust any certificate of a chain that is in a store. In two points this is
//! stricter: a critical extension that is not evaluated here is an error, and so is the extended key usage "any".
//!
//! No I/O; the time is an argument.

mod algorithm;
mod certificate;
mod chain;
mod crl;
mod crl_source;
mod distribution_point;
mod error;
mod fetched_crls;
mod limits;
mod revocation;
mod revocation_error;
mod signer_name;
mod store;
mod subject;

pub use self::algorithm::is_notation_algorithm;
pub(crate) use self::algorithm::{
    hash_identifier, hash_of, leaf_algorithm, signature_algorithm, signing_algorithms,
};
pub use self::certificate::Certificate;
pub use self::chain::{Chain, Purpose};
pub use self::crl::Crl;
pub use self::crl_source::CrlSource;
pub use self::error::X509Error;
pub use self::fetched_crls::{FetchedCrl, FetchedCrls};
pub use self::limits::{MAX_CERTIFICATE_BYTES, MAX_CHAIN, MAX_CRL_BYTES, MAX_CRLS, MAX_STORE};
pub use self::revocation::{Revocation, RevocationCheck, RevocationMode};
pub use self::revocation_error::{CrlError, RevocationError, Unknown};
pub use self::signer_name::{NameType, SignerName};
pub use self::store::{Store, certificates_of};
pub use self::subject::{IdentityError, MAX_IDENTITIES, SubjectPattern, Subjects};

#[cfg(test)]
mod tests;
