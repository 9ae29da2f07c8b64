//! A signer of the Notary Project whose certificate says where it would be listed if it were revoked.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pullgate::digest::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, SigningKey as _,
};
use serde_json::{Value, json};

use crate::registry::MANIFEST;
use crate::secrets;
use crate::signer::envelope_by;

/// The serial number of the signer's certificate.
const SERIAL: u64 = 7;

/// The address in the signer's certificate.
pub const EMAIL: &str = "signer@example.com";

/// A CA, and a signer below it.
pub struct Notary {
    ca: (CertificateParams, KeyPair),
    signer: KeyPair,
    /// The certificates in DER, leaf first.
    chain: [Vec<u8>; 2],
    /// The certificate of the CA in PEM.
    pub root: String,
}

impl Notary {
    /// One whose list is at `address`.
    pub fn new(address: &str) -> Self {
        Self::certified(secrets::new_key(), Some(address))
    }

    /// One with this key, and without a list.
    pub fn of_key(signer: KeyPair) -> Self {
        Self::certified(signer, None)
    }

    fn certified(signer: KeyPair, address: Option<&str>) -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "CA");
        let key = secrets::new_key();
        let root = ca.self_signed(&key).unwrap();
        let mut leaf = CertificateParams::default();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.serial_number = Some(SerialNumber::from(SERIAL));
        leaf.distinguished_name.push(DnType::CommonName, "signer");
        let point = |address: &str| CrlDistributionPoint { uris: vec![address.to_owned()] };
        leaf.crl_distribution_points = address.map(point).into_iter().collect();
        leaf.subject_alt_names = vec![SanType::Rfc822Name(EMAIL.try_into().unwrap())];
        let certificate = leaf.signed_by(&signer, &Issuer::from_params(&ca, &key)).unwrap();
        let chain = [certificate.der().to_vec(), root.der().to_vec()];
        Self { root: root.pem(), ca: (ca, key), signer, chain }
    }

    /// The certificate of the CA in DER.
    pub fn ca(&self) -> &[u8] {
        &self.chain[1]
    }

    /// An envelope in JWS that signs a manifest.
    pub fn sign(&self, manifest: &[u8]) -> Vec<u8> {
        let (protected, payload) = Self::content(manifest);
        self.envelope(&protected.to_string(), &payload.to_string())
    }

    /// The protected header and the payload of [`Notary::sign`].
    pub fn content(manifest: &[u8]) -> (Value, Value) {
        let protected = json!({
            "alg": "ES256",
            "cty": "application/vnd.cncf.notary.payload.v1+json",
            "crit": ["io.cncf.notary.signingScheme"],
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": "2026-11-01T00:00:00Z",
        });
        let target =
            json!({ "mediaType": MANIFEST, "digest": Digest::of(manifest).as_str(), "size": manifest.len() });
        (protected, json!({ "targetArtifact": target }))
    }

    /// An envelope in JWS with this protected header and payload, correctly signed.
    pub fn envelope(&self, protected: &str, payload: &str) -> Vec<u8> {
        let [protected, payload] = [protected, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signature = self.signer.sign(format!("{protected}.{payload}").as_bytes()).unwrap();
        // JWS has r and s side by side.
        let signature = p256::ecdsa::Signature::from_der(&signature).unwrap().to_bytes();
        json!({
            "payload": payload,
            "protected": protected,
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "header": { "x5c": self.chain.each_ref().map(|der| STANDARD.encode(der)) },
        })
        .to_string()
        .into_bytes()
    }

    /// The annotations of a signature with its certificate in cosign's classic layout.
    pub fn annotations(&self, payload: &[u8]) -> Vec<(&'static str, String)> {
        let signature = self.signer.sign(payload).unwrap();
        let [leaf, _] = &self.chain;
        vec![
            ("dev.cosignproject.cosign/signature", STANDARD.encode(signature)),
            ("dev.sigstore.cosign/certificate", pullgate::trust::pem::write("CERTIFICATE", leaf)),
        ]
    }

    /// An envelope with a statement, and the annotations beside it under the tag `.att`.
    pub fn attest(&self, statement: &str) -> (String, Vec<(&'static str, String)>) {
        let envelope = envelope_by(statement, |message| self.signer.sign(message).unwrap());
        let mut annotations = self.annotations(b"");
        // cosign leaves it empty: the signature is in the envelope.
        annotations[0].1.clear();
        (envelope.to_string(), annotations)
    }

    /// The list of what is revoked, from 2026 until the begin of a year.
    pub fn list(&self, revoked: bool, until: i32) -> Vec<u8> {
        self.list_of(revoked, 2026, until)
    }

    /// The list of what is revoked, from the begin of a year until the begin of another.
    pub fn list_of(&self, revoked: bool, from: i32, until: i32) -> Vec<u8> {
        self.list_with(SERIAL..SERIAL + u64::from(revoked), (from, until))
    }

    /// A list with these serial numbers, from the begin of a year until the begin of another.
    pub fn list_with(&self, revoked: Range<u64>, (from, until): (i32, i32)) -> Vec<u8> {
        let entry = |serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(2026, 6, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(from, 1, 1),
            next_update: rcgen::date_time_ymd(until, 1, 2),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let (params, key) = &self.ca;
        list.signed_by(&Issuer::from_params(params, key)).unwrap().der().to_vec()
    }
}
