//! Key pairs, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{directory, process};
use crate::secrets;

/// A kind of key with its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    /// P-384 with SHA-256.
    P384Sha256,
    P521,
    /// P-521 with SHA-256.
    P521Sha256,
    RsaPkcs1,
    RsaPss,
    Ed25519,
    Ed25519ph,
}

impl Kind {
    /// pullgate's name of the algorithm.
    pub fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ECDSA_SHA_256",
            Self::P384 => "ECDSA_SHA_384",
            Self::P384Sha256 => "ECDSA_P384_SHA_256",
            Self::P521 => "ECDSA_SHA_512",
            Self::P521Sha256 => "ECDSA_P521_SHA_256",
            Self::RsaPkcs1 => "RSA_PKCS1_SHA_256",
            Self::RsaPss => "RSA_PSS_SHA_256",
            Self::Ed25519 => "ED25519",
            Self::Ed25519ph => "ED25519PH",
        }
    }

    /// What `cosign verify` must be told: it assumes SHA-256 for every curve.
    pub fn cosign_options(self) -> &'static [&'static str] {
        match self {
            Self::P384 => &["--signature-digest-algorithm", "sha384"],
            Self::P521 => &["--signature-digest-algorithm", "sha512"],
            _ => &[],
        }
    }

    fn openssl_options(self) -> &'static [&'static str] {
        match self {
            Self::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Self::P384 | Self::P384Sha256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Self::P521 | Self::P521Sha256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
            Self::RsaPkcs1 | Self::RsaPss => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            Self::Ed25519 | Self::Ed25519ph => &["-algorithm", "ED25519"],
        }
    }
}

pub struct PrivateKey {
    pub name: String,
    pub kind: Kind,
    /// PKCS#8 in PEM.
    pub file: PathBuf,
    /// SubjectPublicKeyInfo in PEM.
    pub public_file: PathBuf,
}

impl PrivateKey {
    pub fn make(directory: &Path, name: &str, kind: Kind) -> Self {
        let directory = directory.join("keys");
        directory::make(&directory);
        let file = directory.join(format!("{name}.key"));
        let public_file = directory.join(format!("{name}.pub"));
        process::must_run(
            Command::new("openssl").arg("genpkey").args(kind.openssl_options()).arg("-out").arg(&file),
        );
        secrets::register_key(&std::fs::read_to_string(&file).expect("openssl has written the key"));
        let mut public = Command::new("openssl");
        process::must_run(
            public.arg("pkey").arg("-in").arg(&file).arg("-pubout").arg("-out").arg(&public_file),
        );
        Self { name: name.to_owned(), kind, file, public_file }
    }

    /// The fingerprint in a policy: the SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fn fingerprint(&self) -> String {
        let text = std::fs::read_to_string(&self.public_file).expect("a key pair has a public half");
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        pullgate::digest::Digest::of(&STANDARD.decode(base64).expect("PEM is base64")).to_string()
    }

    /// The same key, for another algorithm.
    pub fn used_as(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}
