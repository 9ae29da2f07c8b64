//! What became of one signature.

/// What became of one signature under one authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the signature was found.
    pub place: String,
    /// The authenticator it was tried with.
    pub authenticator: String,
    /// The fingerprint of the key that verified it, or why none did.
    pub outcome: Result<String, String>,
}
