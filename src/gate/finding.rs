//! The result for one signature.

use crate::signature::Fault;
use crate::trust::Identity;

/// The result for one signature and one authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the signature was found.
    pub place: String,
    /// The authenticator that it was verified against.
    pub authenticator: String,
    /// The condition that it was compared with, if it is an attestation.
    pub condition: Option<String>,
    /// Who signed, or why it does not count.
    pub outcome: Result<Identity, String>,
    /// What of a failure has a reason code of its own.
    pub fault: Option<Fault>,
}
