//! The public key of a key in a token, as a SubjectPublicKeyInfo.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::TokenError;
use pullgate_core::trust::spki;

/// Reads the public key of a private key: from its `CKA_PUBLIC_KEY_INFO`, or from the public key with the same id.
pub(super) fn der(session: &Session, private: ObjectHandle) -> Result<Vec<u8>, TokenError> {
    let own = attributes(session, private, &[AttributeType::PublicKeyInfo, AttributeType::Id])?;
    if let Some(der) = own.iter().find_map(|attribute| match attribute {
        Attribute::PublicKeyInfo(der) if !der.is_empty() => Some(der.clone()),
        _ => None,
    }) {
        return Ok(der);
    }
    let id = own.iter().find_map(|attribute| match attribute {
        Attribute::Id(id) if !id.is_empty() => Some(id.clone()),
        _ => None,
    });
    let public = match id {
        None => None,
        Some(id) => {
            let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(id)];
            session.find_objects(&template).map_err(TokenError::of)?.first().copied()
        }
    };
    // An RSA private key usually has its modulus and exponent.
    let half = public.unwrap_or(private);
    let kinds = [
        AttributeType::KeyType,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
        AttributeType::EcParams,
        AttributeType::EcPoint,
    ];
    let (mut kind, mut modulus, mut exponent, mut curve, mut point) = (None, None, None, None, None);
    for attribute in attributes(session, half, &kinds)? {
        match attribute {
            Attribute::KeyType(found) => kind = Some(found),
            Attribute::Modulus(bytes) => modulus = Some(bytes),
            Attribute::PublicExponent(bytes) => exponent = Some(bytes),
            Attribute::EcParams(bytes) => curve = Some(bytes),
            Attribute::EcPoint(bytes) => point = Some(bytes),
            _ => {}
        }
    }
    let key = match kind {
        Some(KeyType::RSA) => modulus.zip(exponent).and_then(|(n, e)| spki::rsa(&n, &e)),
        Some(KeyType::EC | KeyType::EC_EDWARDS) => curve.zip(point).and_then(|(curve, point)| {
            // By the standard an octet string in DER; some tokens return the point alone.
            spki::ecdsa(&curve, unwrapped(&point)).or_else(|| spki::ecdsa(&curve, &point))
        }),
        _ => None,
    };
    key.ok_or(TokenError::NoPublic)
}

/// The attributes that the token has.
fn attributes(
    session: &Session,
    object: ObjectHandle,
    types: &[AttributeType],
) -> Result<Vec<Attribute>, TokenError> {
    session.get_attributes(object, types).map_err(TokenError::of)
}

/// The content of a DER octet string of at most 255 bytes.
fn unwrapped(bytes: &[u8]) -> &[u8] {
    match bytes {
        [0x04, length, inner @ ..] if *length < 0x80 && usize::from(*length) == inner.len() => inner,
        [0x04, 0x81, length, inner @ ..] if usize::from(*length) == inner.len() => inner,
        other => other,
    }
}
