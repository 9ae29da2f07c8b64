//! A certificate authority and a certificate transparency log, as Fulcio has them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use sha2::{Digest as _, Sha256};

use super::der;
use super::log_key::LogKey;
use crate::secrets;

/// Fulcio's arc.
const FULCIO: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 0];
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

/// Who asks for a certificate, and what is odd about it.
#[derive(Clone)]
pub struct Person {
    pub issuer: String,
    /// Each is a URI, an email address, or a host name after `dns:`.
    pub subjects: Vec<String>,
    /// The last arc of each claim, and its text.
    pub claims: Vec<(u64, String)>,
    pub code_signing: bool,
    /// Whether the certificate transparency log signs it.
    pub logged: bool,
    pub issued: Timestamp,
    /// How long after that the signature is logged and stamped.
    pub signed_after: SignedDuration,
}

/// A certificate and its key.
pub struct Leaf {
    pub der: Vec<u8>,
    pub key: LogKey,
}

pub(super) struct Fulcio {
    /// What the trusted root lists.
    pub(super) authority: CertifiedIssuer<'static, KeyPair>,
    /// What is between the authority and the certificates that it issues, from above.
    pub(super) intermediates: Vec<CertifiedIssuer<'static, KeyPair>>,
    pub(super) transparency: LogKey,
}

/// How long a certificate is valid.
const VALIDITY: Duration = Duration::from_secs(600);

impl Fulcio {
    /// With these certificates between the authority and what it issues, from above.
    pub(super) fn new(intermediates: impl IntoIterator<Item = CertificateParams>) -> Self {
        let authority = authority("fulcio");
        let mut below: Vec<CertifiedIssuer<'static, KeyPair>> = Vec::new();
        for parameters in intermediates {
            let issuer = below.last().unwrap_or(&authority);
            below.push(CertifiedIssuer::signed_by(parameters, secrets::new_key(), issuer).unwrap());
        }
        Self { authority, intermediates: below, transparency: LogKey::new() }
    }

    /// What issues certificates.
    fn issuer(&self) -> &CertifiedIssuer<'static, KeyPair> {
        self.intermediates.last().unwrap_or(&self.authority)
    }

    pub(super) fn issue(&self, person: &Person) -> Leaf {
        let key = secrets::new_key();
        Leaf { der: self.certify(person, &key), key: LogKey { pair: key } }
    }

    /// The certificate of a key.
    pub(super) fn certify(&self, person: &Person, key: &impl PublicKeyData) -> Vec<u8> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.serial_number = Some(1_u64.into());
        let issued = Duration::from_secs(u64::try_from(person.issued.as_second()).unwrap());
        parameters.not_before = rcgen::date_time_ymd(1970, 1, 1) + issued;
        parameters.not_after = parameters.not_before + VALIDITY;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if person.code_signing {
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }
        parameters.subject_alt_names = person.subjects.iter().map(|subject| name(subject)).collect();
        let mut issuer = FULCIO;
        issuer[8] = 1;
        // As it was written first, without DER; cosign's classic layout reads this one.
        let bare = CustomExtension::from_oid_content(&issuer, person.issuer.clone().into_bytes());
        let claims = std::iter::once((8, &person.issuer))
            .chain(person.claims.iter().map(|(arc, text)| (*arc, text)))
            .map(|(arc, text)| {
                let mut oid = FULCIO;
                oid[8] = arc;
                CustomExtension::from_oid_content(&oid, der::text(text))
            });
        parameters.custom_extensions = std::iter::once(bare).chain(claims).collect();
        let before = parameters.signed_by(key, self.issuer()).unwrap();
        if person.logged {
            let list = self.timestamps(der::first_inside(before.der()), person.issued);
            parameters
                .custom_extensions
                .push(CustomExtension::from_oid_content(&SCT_LIST, der::octets(&list)));
        }
        parameters.signed_by(key, self.issuer()).unwrap().der().to_vec()
    }

    /// The list with the one timestamp of a certificate without it (RFC 6962 sections 3.2 and 3.3).
    fn timestamps(&self, certificate: &[u8], issued: Timestamp) -> Vec<u8> {
        let issuer: [u8; 32] = Sha256::digest(self.issuer().key().subject_public_key_info()).into();
        let time = u64::try_from(issued.as_millisecond()).unwrap().to_be_bytes();
        let length = u32::try_from(certificate.len()).unwrap().to_be_bytes();
        let signed = [&[0, 0][..], &time, &[0, 1], &issuer, &length[1..], certificate, &[0, 0]].concat();
        let signature = self.transparency.sign(&signed);
        let signature = [&[4, 3][..], &prefixed(&signature)].concat();
        let one = [&[0][..], &self.transparency.id(), &time, &[0, 0], &signature].concat();
        prefixed(&prefixed(&one))
    }
}

/// A certificate authority that signs itself.
pub(super) fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(parameters, secrets::new_key()).unwrap()
}

fn name(subject: &str) -> SanType {
    let text = Ia5String::try_from(subject).unwrap();
    match subject.strip_prefix("dns:") {
        Some(host) => SanType::DnsName(Ia5String::try_from(host).unwrap()),
        None if subject.contains("://") => SanType::URI(text),
        None => SanType::Rfc822Name(text),
    }
}

/// Two bytes of length before the bytes.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}
