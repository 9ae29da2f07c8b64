//! The CMS message around a timestamp (RFC 5652 sections 3 and 5).

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc6268};
use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::trust::HashFunction;
use crate::trust::x509::hash_of;

/// id-ct-TSTInfo, the content type of a timestamp (RFC 3161 section 2.4.2).
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// id-aa-signingCertificateV2 (RFC 5035 section 3).
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// Maximum number of certificates in a token, and of signed attributes.
const MAX_ELEMENTS: usize = 16;

/// A timestamp token in parts, not verified.
pub(super) struct Token<'a> {
    /// The encoded TSTInfo.
    pub(super) content: &'a [u8],
    /// Certificates in any order, each in DER.
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) signer: Signer<'a>,
}

/// The one signature of a token.
pub(super) struct Signer<'a> {
    pub(super) digest: HashFunction,
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) signature: &'a [u8],
    /// The signed attributes, as the signature is over them: a SET.
    pub(super) signed: Vec<u8>,
    /// The attribute messageDigest.
    pub(super) content_digest: &'a [u8],
    /// The hash of the signer's certificate, from the attribute signingCertificateV2.
    pub(super) certificate_hash: (HashFunction, &'a [u8]),
}

impl<'a> Token<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let [kind, content] = elements(sequence(AnyRef::from_der(der).ok()?)?)?.try_into().ok()?;
        if oid(kind)? != rfc6268::ID_SIGNED_DATA {
            return None;
        }
        let mut parts = elements(sequence(explicit(content, 0)?)?)?.into_iter().peekable();
        if parts.next()?.decode_as::<u8>().ok()? != 3 {
            return None;
        }
        let _digests = parts.next()?;
        let content = content_of(parts.next()?)?;
        let certificates = match parts.next_if(|part| is_context(*part, 0)) {
            Some(set) => elements_of(set.value())?.into_iter().map(|(_, der)| der).collect(),
            None => Vec::new(),
        };
        let _lists = parts.next_if(|part| is_context(*part, 1));
        let signers = parts.next().filter(|part| part.tag() == Tag::Set)?;
        // RFC 3161 section 2.4.2: no signature but that of the authority.
        let [signer] = elements(signers.value())?.try_into().ok()?;
        if parts.next().is_some() {
            return None;
        }
        Some(Self { content, certificates, signer: Signer::parse(signer)? })
    }
}

impl<'a> Signer<'a> {
    fn parse(signer: AnyRef<'a>) -> Option<Self> {
        let parts = elements(sequence(signer)?)?;
        // Unsigned attributes may follow.
        let ([version, _, digest, attributes, algorithm, signature]
        | [version, _, digest, attributes, algorithm, signature, _]) = parts.as_slice()
        else {
            return None;
        };
        if !matches!(version.decode_as::<u8>().ok()?, 1 | 3) || !is_context(*attributes, 0) {
            return None;
        }
        let digest = hash_of(digest.decode_as::<AlgorithmIdentifierOwned>().ok()?.oid)?;
        let found = elements(attributes.value())?;
        if oid(value_of(&found, rfc5911::ID_CONTENT_TYPE)?)? != TST_INFO {
            return None;
        }
        let signing = value_of(&found, SIGNING_CERTIFICATE_V2)?;
        // RFC 5652 section 5.4: signed with the tag of a SET, not with the implicit one.
        let signed = AnyRef::new(Tag::Set, attributes.value()).ok()?.to_der().ok()?;
        Some(Self {
            digest,
            algorithm: algorithm.decode_as().ok()?,
            signature: octets(*signature)?,
            signed,
            content_digest: octets(value_of(&found, rfc5911::ID_MESSAGE_DIGEST)?)?,
            certificate_hash: certificate_hash(signing)?,
        })
    }
}

/// The encapsulated TSTInfo.
fn content_of(part: AnyRef<'_>) -> Option<&[u8]> {
    let [kind, content] = elements(sequence(part)?)?.try_into().ok()?;
    if oid(kind)? != TST_INFO {
        return None;
    }
    octets(explicit(content, 0)?)
}

/// The one value of an attribute that is there once.
fn value_of<'a>(attributes: &[AnyRef<'a>], kind: ObjectIdentifier) -> Option<AnyRef<'a>> {
    let mut found = None;
    for attribute in attributes {
        let [name, values] = elements(sequence(*attribute)?)?.try_into().ok()?;
        if oid(name)? == kind {
            let [value] = elements(values.value())?.try_into().ok()?;
            if values.tag() != Tag::Set || found.replace(value).is_some() {
                return None;
            }
        }
    }
    found
}

/// The hash in the first ESSCertIDv2, by SHA-256 if it names no other. Issuer and serial number add nothing to it.
fn certificate_hash(signing: AnyRef<'_>) -> Option<(HashFunction, &[u8])> {
    let certificates = *elements(sequence(signing)?)?.first()?;
    let first = *elements(sequence(certificates)?)?.first()?;
    let parts = elements(sequence(first)?)?;
    match parts.as_slice() {
        [hash, ..] if hash.tag() == Tag::OctetString => Some((HashFunction::Sha256, octets(*hash)?)),
        [algorithm, hash, ..] => {
            let algorithm = algorithm.decode_as::<AlgorithmIdentifierOwned>().ok()?;
            Some((hash_of(algorithm.oid)?, octets(*hash)?))
        }
        _ => None,
    }
}

/// The elements in `content`, each with its own encoding.
pub(super) fn elements_of(content: &[u8]) -> Option<Vec<(AnyRef<'_>, &[u8])>> {
    let mut reader = SliceReader::new(content).ok()?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        if found.len() == MAX_ELEMENTS {
            return None;
        }
        let der = reader.tlv_bytes().ok()?;
        found.push((AnyRef::from_der(der).ok()?, der));
    }
    Some(found)
}

pub(super) fn elements(content: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    Some(elements_of(content)?.into_iter().map(|(element, _)| element).collect())
}

pub(super) fn sequence(any: AnyRef<'_>) -> Option<&[u8]> {
    (any.tag() == Tag::Sequence).then(|| any.value())
}

pub(super) fn octets(any: AnyRef<'_>) -> Option<&[u8]> {
    (any.tag() == Tag::OctetString).then(|| any.value())
}

pub(super) fn oid(any: AnyRef<'_>) -> Option<ObjectIdentifier> {
    any.decode_as().ok()
}

pub(super) fn is_context(any: AnyRef<'_>, number: u32) -> bool {
    any.tag() == Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// The element behind an explicit tag.
fn explicit(any: AnyRef<'_>, number: u32) -> Option<AnyRef<'_>> {
    if !is_context(any, number) {
        return None;
    }
    let [inner] = elements(any.value())?.try_into().ok()?;
    Some(inner)
}
