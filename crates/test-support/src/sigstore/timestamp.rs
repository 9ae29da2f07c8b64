//! A timestamp authority (RFC 3161).

use std::fs;
use std::process::Command;

use jiff::Timestamp;
use rcgen::{CertificateParams, CertifiedIssuer, CustomExtension, KeyPair, KeyUsagePurpose};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::der::{element, integer, octets, oid, sequence, set, text};
use super::fulcio::authority;
use super::log_key::LogKey;

const SHA256: [u64; 9] = [2, 16, 840, 1, 101, 3, 4, 2, 1];
const ECDSA_SHA256: [u64; 7] = [1, 2, 840, 10045, 4, 3, 2];
const SIGNED_DATA: [u64; 7] = [1, 2, 840, 113_549, 1, 7, 2];
const TST_INFO: [u64; 9] = [1, 2, 840, 113_549, 1, 9, 16, 1, 4];
const CONTENT_TYPE: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 4];
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const TIME_STAMPING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 8];
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];

const NAME: &str = "timestamps";

pub(super) struct TimestampAuthority {
    root: CertifiedIssuer<'static, KeyPair>,
    key: LogKey,
    certificate: Vec<u8>,
}

impl TimestampAuthority {
    pub(super) fn new() -> Self {
        let root = authority(NAME);
        let key = LogKey::new();
        let mut parameters = CertificateParams::default();
        parameters.serial_number = Some(1_u64.into());
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Critical, as RFC 3161 section 2.3 demands.
        let usage = sequence(&[&oid(&TIME_STAMPING)]);
        let mut usage = CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, usage);
        usage.set_criticality(true);
        parameters.custom_extensions = vec![usage];
        let certificate = parameters.signed_by(&key.pair, &root).unwrap().der().to_vec();
        Self { root, key, certificate }
    }

    /// The private key, as PEM.
    pub(super) fn key(&self) -> String {
        self.key.pair.serialize_pem()
    }

    /// Leaf and root.
    pub(super) fn chain(&self) -> [Vec<u8>; 2] {
        [self.certificate.clone(), self.root.der().to_vec()]
    }

    /// The response about these bytes at that time.
    pub(super) fn stamp(&self, signature: &[u8], time: Timestamp) -> Vec<u8> {
        let sha256 = sequence(&[&oid(&SHA256)]);
        let imprint = sequence(&[&sha256, &octets(&Sha256::digest(signature))]);
        let time = time.strftime("%Y%m%d%H%M%SZ").to_string();
        let info = sequence(&[
            &integer(1),
            &oid(&[1, 2, 3, 4, 1]),
            &imprint,
            &integer(1),
            &element(0x18, time.as_bytes()),
        ]);
        let digest = octets(&Sha256::digest(&info));
        let attributes = [
            sequence(&[&oid(&CONTENT_TYPE), &set(&[&oid(&TST_INFO)])]),
            sequence(&[&oid(&MESSAGE_DIGEST), &set(&[&digest])]),
        ];
        let attributes = attributes.concat();
        let signed = self.key.sign(&element(0x31, &attributes));
        let issuer = sequence(&[&set(&[&sequence(&[&oid(&COMMON_NAME), &text(NAME)])])]);
        let signer = sequence(&[
            &integer(1),
            &sequence(&[&issuer, &integer(1)]),
            &sha256,
            &element(0xa0, &attributes),
            &sequence(&[&oid(&ECDSA_SHA256)]),
            &octets(&signed),
        ]);
        let content = sequence(&[&oid(&TST_INFO), &element(0xa0, &octets(&info))]);
        let data = sequence(&[&integer(3), &set(&[&sha256]), &content, &set(&[&signer])]);
        let token = sequence(&[&oid(&SIGNED_DATA), &element(0xa0, &data)]);
        sequence(&[&sequence(&[&integer(0)]), &token])
    }
}

/// OpenSSL's timestamp authority, with the same certificate.
pub(super) struct OpensslTimestamps(TempDir);

impl OpensslTimestamps {
    pub(super) fn new(authority: &TimestampAuthority) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let leaf = pullgate::trust::pem::write("CERTIFICATE", &authority.certificate);
        let config = "[tsa]\ndefault_tsa = own\n[own]\nserial = serial\nsigner_cert = leaf.pem\n\
            signer_key = key.pem\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha384, sha512\n\
            ess_cert_id_alg = sha256\n";
        for (name, text) in [
            ("leaf.pem", &leaf),
            ("key.pem", &authority.key()),
            ("serial", &"01".to_owned()),
            ("openssl.cnf", &config.to_owned()),
        ] {
            fs::write(directory.path().join(name), text).expect("the directory can be written");
        }
        Self(directory)
    }

    /// The answer to a request. One request at a time.
    pub(super) fn answer(&self, request: &[u8]) -> Vec<u8> {
        fs::write(self.0.path().join("request"), request).expect("the directory can be written");
        let mut openssl = Command::new("openssl");
        openssl.args(["ts", "-reply", "-config", "openssl.cnf", "-queryfile", "request", "-out", "answer"]);
        let output = openssl.current_dir(&self.0).output().expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(self.0.path().join("answer")).expect("openssl wrote it")
    }
}
