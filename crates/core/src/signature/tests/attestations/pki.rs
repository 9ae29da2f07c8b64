//! Attestations with certificates of a private PKI.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};

use super::*;
use crate::signature::CertificateAnnotations;
use crate::trust::x509::{Revocation, RevocationMode, Store};
use crate::trust::{PkiSet, SignerNames, TimestampCheck};

const SIGNER: &str = "ci@example.com";

/// A CA, and a signer below it.
struct Pki {
    ca: Vec<u8>,
    leaf: rcgen::Certificate,
    party: Party,
}

impl Pki {
    fn new() -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "CA");
        let mut leaf = CertificateParams::default();
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        leaf.subject_alt_names = vec![SanType::Rfc822Name(SIGNER.try_into().unwrap())];
        let [ca_key, key] = [(); 2].map(|()| KeyPair::generate().unwrap());
        let certificate = ca.self_signed(&ca_key).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap();
        let party = Party::new(&key.serialize_pem(), Algorithm::EcdsaSha256);
        Self { ca: certificate.der().to_vec(), leaf, party }
    }

    fn set(&self, name: &str) -> PkiSet {
        let mut ca = Store::default();
        ca.add(&self.ca).unwrap();
        PkiSet {
            ca,
            intermediates: Store::default(),
            names: SignerNames::parse([name]).unwrap(),
            tsa: Store::default(),
            timestamps: TimestampCheck::Always,
            revoked: BTreeMap::new(),
            revocation: Revocation::default(),
        }
    }

    /// Both layouts of a statement that the leaf signs.
    fn attached(&self, statement: &str) -> [Attachment; 2] {
        let mut bundle = self.party.bundle(statement);
        let certificate = json!({ "rawBytes": STANDARD.encode(self.leaf.der()) });
        bundle["verificationMaterial"] = json!({ "certificate": certificate });
        let pem = self.leaf.pem().replace('\r', "");
        let annotations = CertificateAnnotations::of(|name| {
            (name == CertificateAnnotations::NAMES[0]).then_some(pem.as_str())
        });
        let envelope = Attachment::Attestation {
            place: "layer 0".to_owned(),
            document: bundle["dsseEnvelope"].to_string().into(),
            certificate: annotations.map(Arc::new),
        };
        [envelope, document(bundle.to_string())]
    }
}

#[test]
fn a_certificate_of_a_private_pki_signs_attestations() {
    let (pki, stranger) = (Pki::new(), Pki::new());
    let terms = with_fields(custom(), &[("/review/approved", Expected::Boolean(true))]);
    let statement =
        |approved: bool| attestation(REVIEW, &json!({ "review": { "approved": approved } })).to_string();
    let set = || pki.set(&format!("email:{SIGNER}"));
    let leaf = Digest::of(crate::trust::x509::Certificate::parse(pki.leaf.der()).unwrap().key()).to_string();
    let denied = PkiSet { revoked: BTreeMap::from([(leaf, "stolen".to_owned())]), ..set() };
    let revocation = Revocation::new(RevocationMode::Required, true);
    let unknown = PkiSet { revocation, ..set() };
    let party = Party::release();
    for (name, attached, set, digest, expected) in [
        ("good", pki.attached(&statement(true)), set(), DIGEST, "met"),
        ("not what is required", pki.attached(&statement(false)), set(), DIGEST, "/review/approved"),
        ("another image", pki.attached(&statement(true)), set(), OTHER, "for another digest"),
        ("another CA", stranger.attached(&statement(true)), set(), DIGEST, "no certificate of `ca`"),
        ("another name", pki.attached(&statement(true)), pki.set("email:other@example.com"), DIGEST, SIGNER),
        ("a denied key", pki.attached(&statement(true)), denied, DIGEST, "stolen"),
        ("without a list of the revoked", pki.attached(&statement(true)), unknown, DIGEST, "CRL"),
        (
            "by a key",
            attached(&party, &statement(true)),
            set(),
            DIGEST,
            "made with a key without a certificate",
        ),
    ] {
        let by = Authenticator::of("release".to_owned(), Signers::Pki(Box::new(set)));
        let digest = Digest::parse(digest).unwrap();
        for attachment in attached {
            let found = judge(&terms, &[attachment], &by, &digest);
            let fits = if expected == "met" { found == expected } else { found.contains(expected) };
            assert!(fits, "{name}: {found}");
        }
    }
}
