//! Envelopes of the Notary Project, written so that notation verifies them.
//!
//! Sources: notaryproject/specifications `specs/signature-specification.md`, "Storage"; notation-go `registry/repository.go`;
//! notation-core-go `internal/timestamp` and `signature/jws`.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::certificates::CertificateChain;
use super::referrer::{self, Found, Referrer};
use super::{Layout, SignError, SignRequest, TimestampAuthority};
use pullgate_core::digest::Digest;
use pullgate_core::signature::{
    Attachment, EnvelopeType, NOTATION_ARTIFACT_TYPE, RepositoryIdentity, SignatureError, Subject,
    UnsignedEnvelope, own_notation_signature, verify,
};
use pullgate_core::trust::x509::Store;
use pullgate_core::trust::{Authenticator, HashFunction, NotationSet, Scheme, Signers};
use pullgate_keys::SigningKey;
use pullgate_registry::{Collected, Registry, Stored};

/// The annotation with the hashes of the certificates, by which others find a signature.
const THUMBPRINTS: &str = "io.cncf.notary.x509chain.thumbprint#S256";

/// How Notation signatures are made.
#[derive(Clone, Debug)]
pub struct NotationOptions {
    /// The certificate of the key, and those of its CAs.
    pub certificates: CertificateChain,
    /// The encoding of the envelope.
    pub envelope: EnvelopeType,
    /// After this time a signature expires; without it, it does not.
    pub expires_in: Option<SignedDuration>,
}

impl NotationOptions {
    /// When a signature that expires at `expiry` no longer counts as present: a third of the lifetime before, or never.
    #[must_use]
    pub fn renewal(&self, expiry: Timestamp) -> Option<Timestamp> {
        expiry.checked_sub(self.expires_in? / 3).ok()
    }

    /// Whether a signature with this expiry is as good as a new one. One that does not expire is.
    fn is_lasting(&self, expiry: Option<Timestamp>, now: Timestamp) -> bool {
        expiry.is_none_or(|expiry| self.renewal(expiry).is_some_and(|renewal| now < renewal))
    }
}

/// What is signed about an image.
struct Target<'a> {
    request: &'a SignRequest<'a>,
    image: &'a Stored,
    annotations: BTreeMap<String, String>,
}

impl<'a> Target<'a> {
    fn of(request: &'a SignRequest<'a>, image: &'a Stored) -> Self {
        Self { request, image, annotations: request.annotations.with_repository(request.repository) }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            digest: self.request.digest,
            content: (&self.image.media_type, self.image.bytes.len()),
            repositories: &[],
            annotations: &self.annotations,
            identity: RepositoryIdentity::default(),
        }
    }
}

/// An existing signature with the same certificate, annotations and encoding that a new one would not be better than: it does
/// not expire soon, has a valid timestamp if one is requested, and the media type of its encoding.
pub(super) async fn present(
    registry: &Registry,
    request: &SignRequest<'_>,
    collected: &Collected,
    image: &Stored,
) -> Result<Option<Found>, SignError> {
    let options = request.notation.ok_or(SignError::NoCertificate)?;
    let NotationOptions { certificates, envelope, .. } = options;
    let (target, now) = (Target::of(request, image), Timestamp::now());
    let own = |attachment: &Attachment| {
        let Attachment::Notation { place, document } = attachment else { return None };
        let own = own_notation_signature(document, certificates.leaf(), &target.subject())?;
        let is_wanted = own.envelope == *envelope
            && !collected.mislabelled.contains(place)
            && options.is_lasting(own.expiry, now)
            && check(&target, certificates, attachment).is_ok();
        is_wanted.then_some(own.expiry)
    };
    referrer::find(registry, request, collected, own).await
}

/// A new signature, which was verified as nodes verify it.
pub(super) async fn make(
    request: &SignRequest<'_>,
    image: &Stored,
    key: &SigningKey,
) -> Result<Referrer, SignError> {
    let NotationOptions { certificates, envelope, expires_in } =
        request.notation.ok_or(SignError::NoCertificate)?;
    certificates.check_key(key.public())?;
    let now = Timestamp::now();
    certificates.check_validity(now)?;
    let turn = request.timestamps.map(TimestampAuthority::turn).transpose()?;
    let target = Target::of(request, image);
    let algorithm = key.public().algorithm();
    let expiry = match expires_in {
        Some(after) => Some(now.checked_add(*after).map_err(|_| SignError::Expiry)?),
        None => None,
    };
    let other_algorithm = || SignError::Unusable { algorithm };
    let unsigned = UnsignedEnvelope::new(*envelope, algorithm, &target.subject(), (now, expiry))
        .ok_or_else(other_algorithm)?;
    let signature = key.sign(&unsigned.message()).await?;
    let signature = unsigned.signature(&signature).ok_or_else(other_algorithm)?;
    let token = match turn {
        Some(turn) => Some(turn.stamp(hash(algorithm.scheme()), &signature).await?.token),
        None => None,
    };
    let chain = certificates.der();
    let document = unsigned.finish(&signature, &chain, token.as_deref()).ok_or_else(other_algorithm)?;
    let document = Bytes::from(document);
    let attachment = Attachment::Notation { place: String::new(), document: document.clone() };
    check(&target, certificates, &attachment).map_err(|error| SignError::SelfCheck(Box::new(error)))?;
    let thumbprints: Vec<String> = chain.iter().map(|der| Digest::of(der).hex().to_owned()).collect();
    Ok(Referrer {
        layout: Layout::Notation,
        artifact_type: NOTATION_ARTIFACT_TYPE,
        media_type: envelope.media_type(),
        content: document,
        expires: expiry,
        annotations: json!({ THUMBPRINTS: Value::from(thumbprints).to_string() }),
    })
}

/// Verifies a signature as nodes do, with its own root as the CA: a certificate may have ended meanwhile, or may not have been
/// valid at the time of the timestamp.
fn check(
    target: &Target<'_>,
    certificates: &CertificateChain,
    attachment: &Attachment,
) -> Result<(), SignatureError> {
    let tsa = target.request.timestamps.map_or_else(Store::default, |timestamps| timestamps.roots().clone());
    let trust = NotationSet { tsa, ..NotationSet::below(certificates.root().clone()) };
    let authenticator = Authenticator::of("signer".to_owned(), Signers::Notation(Box::new(trust)));
    verify(attachment, &authenticator, &target.subject(), Timestamp::now()).map(|_| ())
}

/// The hash of a timestamp is that of the signature.
fn hash(scheme: Scheme) -> HashFunction {
    match scheme {
        Scheme::RsaPss(hash) | Scheme::RsaPkcs1(hash) | Scheme::Ecdsa(_, hash) => hash,
        Scheme::Ed25519 | Scheme::Ed25519ph => HashFunction::Sha512,
    }
}
