//! cosign's signatures with a certificate of a private PKI, without a transparency log: bundles, and the classic layout with a
//! certificate.
//!
//! Sources: sigstore/cosign `cosign sign --certificate --certificate-chain`; containers/image
//! `signature/pki_cert.go`, whose `pki` requires the same. Log entries are ignored, as with a key: the time comes from a
//! timestamp authority of the policy, or is now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use super::bundle::{MAX_ATTESTATION_BYTES, MAX_BUNDLE_BYTES};
use super::certified::{CertifiedError, TimeRule};
use super::dsse::{self, PAYLOAD_TYPE, pre_authentication_encoding};
use super::fields::object;
use super::keyless::{bounds, classic};
use super::{
    Attachment, CertificateAnnotations, KeylessError, Known, SignatureError, Signed, Subject,
    decode_signature, simple, statement, timestamp,
};
use crate::trust::x509::{Certificate, Chain, MAX_CHAIN, Purpose, X509Error, signing_algorithms};
use crate::trust::{LogUse, PkiSet};
use crate::untrusted::quoted;

/// Maximum number of timestamps that are verified.
const MAX_STAMPS: usize = 4;

/// What came with a signature.
pub(super) struct Evidence {
    /// The certificates in DER, leaf first.
    chain: Vec<Vec<u8>>,
    /// Responses of timestamp authorities.
    stamps: Vec<Vec<u8>>,
}

pub(super) fn verify(
    attachment: &Attachment,
    set: &PkiSet,
    subject: &Subject<'_>,
    known: Known<'_>,
) -> Result<Signed, SignatureError> {
    match attachment {
        Attachment::SimpleSigning { payload, signature, certificate, .. } => {
            simple::check_size(payload)?;
            let evidence = Evidence::of_annotations(certificate.as_deref().ok_or(KeylessError::Key)?)?;
            let signature = decode_signature("signature annotation", signature)?;
            let signed = evidence.check((payload, &signature), set, known)?;
            simple::check_claim(payload, subject)?;
            Ok(signed)
        }
        Attachment::Bundle { document, .. } => {
            let content =
                bounds::check(document, LogUse::None, bounds::Material::Certificate, MAX_BUNDLE_BYTES)?;
            let evidence = Evidence::of_bundle(&content)?;
            let (payload, signature) = dsse::read(content.envelope)?;
            let message = pre_authentication_encoding(PAYLOAD_TYPE, &payload);
            let signed = evidence.check((&message, &signature), set, known)?;
            statement::check(&payload, subject)?;
            Ok(signed)
        }
        other => Err(SignatureError::OtherKind { found: other.format(), kind: "certificate" }),
    }
}

impl Evidence {
    pub(super) fn of_annotations(annotations: &CertificateAnnotations) -> Result<Self, SignatureError> {
        let stamps = classic::timestamp_of(annotations)?;
        Ok(Self {
            chain: classic::chain_of(annotations)?,
            stamps: stamps.iter().map(|stamp| decoded(stamp)).collect::<Result<_, _>>()?,
        })
    }

    /// That of a bundle with an attestation.
    pub(super) fn of_attestation(document: &[u8]) -> Result<Self, SignatureError> {
        let material = bounds::Material::Certificate;
        Self::of_bundle(&bounds::check(document, LogUse::None, material, MAX_ATTESTATION_BYTES)?)
    }

    fn of_bundle(content: &bounds::Bounded<'_>) -> Result<Self, SignatureError> {
        Ok(Self {
            chain: members(&content.certificates, "rawBytes")?,
            stamps: members(&content.timestamps, "signedTimestamp")?,
        })
    }

    /// Verifies a signature of a message, and returns who signed; what the message says is the matter of the caller.
    pub(super) fn check(
        &self,
        (message, signature): (&[u8], &[u8]),
        set: &PkiSet,
        known: Known<'_>,
    ) -> Result<Signed, SignatureError> {
        let chain = self.chain(set)?;
        let leaf = chain.leaf();
        let algorithms = signing_algorithms(leaf.key());
        let valid = algorithms.into_iter().find_map(|algorithm| leaf.verify(algorithm, message, signature));
        let valid = valid.ok_or_else(|| CertifiedError::Signature { subject: leaf.name() })?;
        let names = leaf.signer_names().map_err(CertifiedError::Chain)?;
        let Some(first) = names.first().filter(|_| names.iter().any(|name| set.names.accept(name))) else {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            return Err(CertifiedError::Identity { subject: quoted(&names.join(", ")) }.into());
        };
        let revocation = set.revocation(known.crls, known.now);
        let revoked_until = revocation.check(&chain, None).map_err(CertifiedError::Revoked)?;
        let rule = TimeRule { tsa: &set.tsa, timestamps: set.timestamps, revocation };
        let until = rule.check(&chain, signature, &self.tokens())?;
        let until: Option<Timestamp> = until.into_iter().chain(revoked_until).min();
        let keys = vec![valid.fingerprint().to_owned()];
        Ok(Signed { identity: first.identity(), keys, demand: None, until })
    }

    /// The chain to a CA that is trusted, by the certificates that came with the signature and those of the policy.
    fn chain(&self, set: &PkiSet) -> Result<Chain, CertifiedError> {
        if self.chain.len() > MAX_CHAIN {
            return Err(CertifiedError::Chain(X509Error::LongChain { found: self.chain.len() }));
        }
        let parsed = self.chain.iter().map(|der| Certificate::parse(der)).collect::<Result<Vec<_>, _>>();
        let mut parsed = parsed.map_err(CertifiedError::Chain)?.into_iter();
        let leaf = parsed.next().ok_or(CertifiedError::Chain(X509Error::EmptyChain))?;
        let others: Vec<Certificate> =
            parsed.chain(set.intermediates.certificates().iter().cloned()).collect();
        let subject = leaf.name();
        let chain = Chain::find(leaf, &others, set.ca.certificates(), Purpose::Signing)
            .map_err(CertifiedError::Chain)?;
        chain.ok_or(CertifiedError::Untrusted { subject, store: "ca" })
    }

    /// The tokens in the responses; another text is no timestamp.
    fn tokens(&self) -> Vec<Vec<u8>> {
        self.stamps.iter().take(MAX_STAMPS).filter_map(|stamp| timestamp::token_of(stamp)).collect()
    }
}

/// The field with bytes of each member of a list in a bundle.
fn members(list: &[Value], field: &'static str) -> Result<Vec<Vec<u8>>, SignatureError> {
    let bytes = |member: &Value| {
        let text = object(member.clone(), field).and_then(|mut member| member.string(field));
        decoded(&text.map_err(|cause| SignatureError::Malformed { what: "bundle", cause })?)
    };
    list.iter().map(bytes).collect()
}

fn decoded(text: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(text).map_err(|_| SignatureError::Base64 { what: "certificate or timestamp" })
}

#[cfg(test)]
mod tests;
