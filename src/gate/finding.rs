//! The result for one signature.

/// The result for one signature and one authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the signature was found.
    pub place: String,
    /// The authenticator that it was verified against.
    pub authenticator: String,
    /// The fingerprint of the key that verified it, or why no key did.
    pub outcome: Result<String, String>,
}
