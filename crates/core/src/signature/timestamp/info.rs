//! TSTInfo: what a timestamp authority signs (RFC 3161 section 2.4.2).

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode as _, Tag, TagNumber, Tagged as _};
use jiff::{SignedDuration, Timestamp};
use x509_cert::ext::Extension;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::cms::{elements, is_context, octets, oid, sequence};
use crate::trust::HashFunction;
use crate::trust::x509::hash_of;

/// The best practices policy of ETSI EN 319 421: one second, if the token names no accuracy.
const BASELINE_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.2023.1.1");

pub(super) struct Info<'a> {
    pub(super) hash: HashFunction,
    /// The hash of what was timestamped.
    pub(super) hashed: &'a [u8],
    /// The number of the request, in the encoding of an INTEGER.
    pub(super) nonce: Option<&'a [u8]>,
    time: Timestamp,
    accuracy: SignedDuration,
}

impl<'a> Info<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let parts = elements(sequence(AnyRef::from_der(der).ok()?)?)?;
        let [version, policy, imprint, _serial, time, rest @ ..] = parts.as_slice() else { return None };
        if version.decode_as::<u8>().ok()? != 1 {
            return None;
        }
        let [hash, hashed] = elements(sequence(*imprint)?)?.try_into().ok()?;
        let hash = hash_of(hash.decode_as::<AlgorithmIdentifierOwned>().ok()?.oid)?;
        if let Some(extensions) = rest.iter().find(|part| is_context(**part, 1)) {
            check_extensions(extensions.value())?;
        }
        let accuracy = match rest.first().and_then(|part| sequence(*part)) {
            Some(accuracy) => accuracy_of(accuracy)?,
            None => SignedDuration::ZERO,
        };
        let implied = accuracy.is_zero() && oid(*policy)? == BASELINE_POLICY;
        Some(Self {
            hash,
            hashed: octets(hashed)?,
            // Of the optional parts only the nonce is an INTEGER.
            nonce: rest.iter().find(|part| part.tag() == Tag::Integer).map(|part| part.value()),
            time: time_of(*time)?,
            accuracy: if implied { SignedDuration::from_secs(1) } else { accuracy },
        })
    }

    pub(super) fn stamped(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.time.checked_sub(self.accuracy).ok()?, self.time.checked_add(self.accuracy).ok()?))
    }
}

/// Refuses critical extensions: none of them is evaluated here.
fn check_extensions(content: &[u8]) -> Option<()> {
    let critical = elements(content)?
        .into_iter()
        .map(|extension| extension.decode_as::<Extension>().map(|extension| extension.critical))
        .collect::<Result<Vec<_>, _>>();
    (!critical.ok()?.contains(&true)).then_some(())
}

/// Seconds, milliseconds and microseconds, each optional.
fn accuracy_of(content: &[u8]) -> Option<SignedDuration> {
    let mut accuracy = SignedDuration::ZERO;
    for part in elements(content)? {
        let number = part.value().iter().try_fold(0_i64, |number, byte| {
            number.checked_mul(256)?.checked_add(i64::from(*byte)).filter(|number| *number <= 1 << 32)
        })?;
        let context = |number| Tag::ContextSpecific { constructed: false, number: TagNumber(number) };
        let part = match part.tag() {
            Tag::Integer => SignedDuration::from_secs(number),
            tag if tag == context(0) => SignedDuration::from_millis(number),
            tag if tag == context(1) => SignedDuration::from_micros(number),
            _ => return None,
        };
        accuracy = accuracy.checked_add(part)?;
    }
    Some(accuracy)
}

/// A GeneralizedTime in UTC: `YYYYMMDDhhmmss[.f…]Z`. The fraction is what distinguishes it from the times in certificates.
fn time_of(any: AnyRef<'_>) -> Option<Timestamp> {
    if any.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(any.value()).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let (date, clock) = whole.split_at_checked(8)?;
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    // The basic format of ISO 8601.
    format!("{date}T{clock}{fraction}Z").parse().ok()
}
