//! Simple signing by GPG: a signed OpenPGP message whose data is the payload.
//!
//! Sources: containers/image `docs/containers-signature.5.md` and `signature/mechanism_gpgme.go`. The message is binary, and
//! exactly one signature is in it; an armored, cleartext or detached one is not a signature of an image.

use jiff::Timestamp;

use super::{SignatureError, Signed, Subject, simple};
use crate::trust::GpgSet;

pub(super) fn verify(
    document: &[u8],
    set: &GpgSet,
    subject: &Subject<'_>,
    now: Timestamp,
) -> Result<Signed, SignatureError> {
    let signed = set.open(document, now)?;
    simple::check_size(&signed.data)?;
    simple::check_claim(&signed.data, subject)?;
    Ok(Signed { identity: signed.identity, keys: signed.keys, demand: None, until: signed.expires })
}

#[cfg(test)]
mod tests;
