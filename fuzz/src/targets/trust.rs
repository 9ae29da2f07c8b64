//! Keys, certificates and lists that an operator configures or a signature brings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_core::trust::openpgp::read_keyring;
use pullgate_core::trust::x509::{Certificate, Crl, Subjects};
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey, TrustedRoot};

use super::text;
use crate::Target;
use crate::seeds::{files, texts};

pub(super) const PUBLIC_KEY: Target = Target {
    name: "public key",
    seeds: || {
        let names = ["p256", "p384", "rsa-2048", "ed25519"];
        let paths = names.map(|name| format!("tests/fixtures/keys/throw-away-{name}.pub.pem"));
        files(&paths.each_ref().map(String::as_str))
    },
    parse: |input| {
        let algorithms =
            [Algorithm::EcdsaSha256, Algorithm::EcdsaSha384, Algorithm::RsaPssSha256, Algorithm::Ed25519];
        let read = |algorithm| PublicKey::from_pem(&text(input), algorithm, PssSalt::default()).is_ok();
        algorithms.into_iter().any(read)
    },
};

pub(super) const CERTIFICATE: Target = Target {
    name: "certificate",
    seeds: || {
        let names = ["p256", "p384", "p521", "rsa2048"];
        let paths = names.map(|name| format!("tests/fixtures/notation/cli/{name}.root.pem"));
        files(&paths.each_ref().map(String::as_str)).iter().map(|pem| der(pem)).collect()
    },
    parse: |input| Certificate::parse(input).is_ok(),
};

/// The content of a PEM block.
fn der(pem: &[u8]) -> Vec<u8> {
    let text = text(pem);
    let lines = text.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    let body: String = lines.take_while(|line| !line.starts_with("-----END")).collect();
    STANDARD.decode(body).unwrap_or_default()
}

pub(super) const CRL: Target = Target {
    name: "list of revoked certificates",
    seeds: || files(&["tests/fixtures/notation/crl/list.der", "tests/fixtures/notation/crl/list.pem"]),
    parse: |input| Crl::parse_file(input).is_ok(),
};

pub(super) const TRUSTED_ROOT: Target = Target {
    name: "trusted root of Sigstore",
    seeds: || {
        files(&[
            "tests/fixtures/sigstore/roots/public-good.json",
            "tests/fixtures/sigstore/roots/github.json",
        ])
    },
    parse: |input| TrustedRoot::parse("root.json".to_owned(), &text(input)).is_ok(),
};

pub(super) const SUBJECT: Target = Target {
    name: "subject of a certificate",
    seeds: || {
        texts(&["x509.subject: C=US, ST=WA, O=acme", "x509.subject: CN=app, C=DE, ST=Berlin, O=acme, OU=y"])
    },
    parse: |input| Subjects::parse([text(input).as_ref()]).is_ok(),
};

pub(super) const KEYRING: Target = Target {
    name: "keyring of OpenPGP",
    seeds: || {
        files(&[
            "tests/fixtures/gpg/cli/ed25519.keyring.gpg",
            "tests/fixtures/gpg/cli/ed25519.keyring.asc",
            "tests/fixtures/gpg/cli/family.keyring.gpg",
            "tests/fixtures/gpg/cli/revoked-subkey.keyring.gpg",
        ])
    },
    parse: |input| read_keyring(input).is_ok(),
};
