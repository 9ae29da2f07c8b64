//! Simple signing by GPG: a signed OpenPGP message whose data is the payload.
//!
//! Sources: containers/image `docs/containers-signature.5.md` and `signature/mechanism_gpgme.go`. The message is binary, and
//! exactly one signature is in it; an armored, cleartext or detached one is not a signature of an image.

use jiff::Timestamp;

use super::{Fault, SignatureError, Signed, Subject, simple};
use crate::trust::GpgSet;
use crate::trust::openpgp::OpenPgpError;

pub(super) fn verify(
    document: &[u8],
    set: &GpgSet,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<Signed, SignatureError> {
    let signed = set.open(document, now)?;
    simple::check_size(&signed.data)?;
    simple::check_claim(&signed.data, subject)?;
    Ok(Signed { identity: signed.identity, demand: None, until: signed.expires })
}

/// What of an error has a reason code of its own.
pub(super) fn fault(error: &OpenPgpError) -> Option<Fault> {
    use OpenPgpError as E;
    match error {
        E::Hash { .. } => Some(Fault::WeakSignature),
        E::Denied { .. } | E::Revoked { .. } | E::SubKeyRevoked { .. } => Some(Fault::KeyRevoked),
        E::KeyExpired { .. } | E::SubKeyExpired { .. } | E::NotYet { .. } => Some(Fault::KeyNotValidNow),
        E::Expired { .. } => Some(Fault::SignatureExpired),
        E::Future { .. } => Some(Fault::FutureTime),
        E::NotAccepted { .. } => Some(Fault::WrongIdentity),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
