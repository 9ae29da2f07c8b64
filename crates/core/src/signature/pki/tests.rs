//! Signatures by the real cosign with certificates of a private PKI, that of containers/image, and crafted ones: T80, T81.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SignatureAlgorithm,
};
use serde_json::Value;

use super::*;
use crate::digest::Digest;
use crate::public_suites;
use crate::signature::{Attempts, CertificateAnnotations, Fault, RepositoryIdentity};
use crate::trust::x509::{FetchedCrls, Revocation, RevocationMode, Store};
use crate::trust::{Algorithm, PrivateKey, PssSalt, SignerNames, TimestampCheck};

const NOW: &str = "2026-12-01T00:00:00Z";
const RELEASE: &str = "email:release@example.com";

static NONE: BTreeMap<String, String> = BTreeMap::new();

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/pki");
    fs::read(fixtures.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn store<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Store {
    let mut store = Store::default();
    files.into_iter().for_each(|file| store.add(file).unwrap());
    store
}

fn trusting(ca: Store, intermediates: Store, names: &[&str]) -> PkiSet {
    PkiSet {
        ca,
        intermediates,
        names: SignerNames::parse(names.iter().copied()).unwrap(),
        tsa: Store::default(),
        timestamps: TimestampCheck::Always,
        revoked: BTreeMap::new(),
        revocation: Revocation::default(),
    }
}

/// The annotations of the only layer of a classic manifest.
fn classic(manifest: &[u8], payload: Vec<u8>) -> Attachment {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let annotations = &manifest["layers"][0]["annotations"];
    Attachment::SimpleSigning {
        place: "layer 0".to_owned(),
        payload: payload.into(),
        signature: annotations["dev.cosignproject.cosign/signature"].as_str().unwrap().to_owned(),
        certificate: CertificateAnnotations::of(|name| annotations[name].as_str()).map(Arc::new),
    }
}

fn by_cosign() -> [(&'static str, Attachment); 2] {
    let bundle = Attachment::Bundle { place: "referrer".to_owned(), document: fixture("bundle.json").into() };
    [("classic", classic(&fixture("classic.json"), fixture("classic.payload"))), ("bundle", bundle)]
}

fn judge(
    attachment: &Attachment,
    set: &PkiSet,
    (digest, repository): (&Digest, &str),
    now: &str,
) -> Result<String, SignatureError> {
    let repositories = [repository.to_owned()];
    let subject = Subject {
        digest,
        repositories: &repositories,
        content: ("", 0),
        annotations: &NONE,
        identity: RepositoryIdentity::default(),
    };
    let known =
        Known { now: now.parse().unwrap(), crls: &FetchedCrls::default(), attempts: &Attempts::default() };
    verify(attachment, set, &subject, known).map(|signed| signed.identity.as_str().to_owned())
}

/// The kind of the error, or who signed.
fn outcome(result: Result<String, SignatureError>) -> String {
    let error = match result {
        Ok(identity) => return identity,
        Err(SignatureError::Certified(CertifiedError::Chain(error))) => format!("{error:?}"),
        Err(SignatureError::Certified(error)) => format!("{error:?}"),
        Err(error) => format!("{error:?}"),
    };
    error.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn cosign_with_certificates_of_a_private_pki_is_read() {
    let image = Digest::of(&fixture("image.json"));
    let of_image = (&image, "127.0.0.1:5599/fixtures/app");
    let (ca, middle) = (fixture("ca.pem"), fixture("middle.pem"));
    let good = || trusting(store([&ca[..]]), store([&middle[..]]), &[RELEASE]);
    let other = Digest::of(b"other");
    for (name, attachment) in by_cosign() {
        let found = |set: &PkiSet, subject, now| outcome(judge(&attachment, set, subject, now));
        assert_eq!(found(&good(), of_image, NOW), RELEASE, "{name}");
        assert_eq!(found(&good(), (&other, of_image.1), NOW), "OtherDigest", "{name}");
        assert_eq!(found(&good(), of_image, "2020-01-01T00:00:00Z"), "NotValidNow", "{name}");
        assert_eq!(found(&good(), of_image, "2200-01-01T00:00:00Z"), "NotValidNow", "{name}");
        // A CA between may be the anchor.
        let between = trusting(store([&middle[..]]), Store::default(), &[RELEASE]);
        assert_eq!(found(&between, of_image, NOW), RELEASE, "{name}");
        // cosign 3.1.1 attaches only the leaf, whatever `--certificate-chain` has.
        let alone = trusting(store([&ca[..]]), Store::default(), &[RELEASE]);
        assert_eq!(found(&alone, of_image, NOW), "Untrusted", "{name}");
        for (names, expected) in [
            (&["email:*@example.com"][..], RELEASE),
            (&["email:other@example.com", RELEASE], RELEASE),
            (&["email:other@example.com"], "Identity"),
            (&["email:elease@example.com"], "Identity"),
            (&["email:*@xample.com"], "Identity"),
            (&["dns:release@example.com"], "Identity"),
            (&["uri:release@example.com"], "Identity"),
        ] {
            let set = trusting(store([&ca[..]]), store([&middle[..]]), names);
            assert_eq!(found(&set, of_image, NOW), expected, "{name} {names:?}");
        }
        let set = PkiSet { tsa: store([&ca[..]]), ..good() };
        assert_eq!(found(&set, of_image, NOW), "NoTimestamp", "{name}");
        let set = PkiSet { timestamps: TimestampCheck::AfterExpiry, ..set };
        assert_eq!(found(&set, of_image, NOW), RELEASE, "{name}");
        assert_eq!(found(&set, of_image, "2200-01-01T00:00:00Z"), "Expired", "{name}");
        let error = judge(&attachment, &set, of_image, "2200-01-01T00:00:00Z").unwrap_err();
        assert_eq!(error.fault(), Some(Fault::CertificateNotValidNow), "{error}");
        let set = PkiSet { revocation: Revocation::new(RevocationMode::Required, true), ..good() };
        let error = judge(&attachment, &set, of_image, NOW).unwrap_err();
        assert_eq!(error.fault(), Some(Fault::RevocationUnknown), "{error}");
        let key = Certificate::parse(
            &crate::trust::pem::read_one(std::str::from_utf8(&middle).unwrap()).unwrap().der,
        )
        .unwrap();
        let revoked = BTreeMap::from([(Digest::of(key.key()).to_string(), "stolen".to_owned())]);
        assert_eq!(found(&PkiSet { revoked, ..good() }, of_image, NOW), "Revoked", "{name}");
    }
    let [(_, classic), _] = by_cosign();
    assert_eq!(
        outcome(judge(&classic, &good(), (&image, "127.0.0.1:5599/fixtures/evil"), NOW)),
        "OtherRepository"
    );
}

/// Its certificate has two names, and no extended key usage.
#[test]
fn the_fixture_of_containers_image_is_judged_as_upstream_judges_it() {
    let file = fixture("upstream/signature-1");
    let text = std::str::from_utf8(&file).unwrap().split_once("sigstore-json\n").unwrap().1;
    let signature: Value = serde_json::from_str(text).unwrap();
    let annotations = &signature["annotations"];
    let attachment = |signature: String| Attachment::SimpleSigning {
        place: "signature-1".to_owned(),
        payload: fixture_payload(text).into(),
        signature,
        certificate: CertificateAnnotations::of(|name| annotations[name].as_str()).map(Arc::new),
    };
    let written = annotations["dev.cosignproject.cosign/signature"].as_str().unwrap();
    let roots = fixture("upstream/pki_root_crts.pem");
    let image = Digest::of(&fixture("upstream/manifest.json"));
    let subject = (&image, "localhost:5000/test");
    let judged = [
        (&["email:qiwan@redhat.com"][..], "email:qiwan@redhat.com"),
        // Whichever name counts, the signer is the same.
        (&["dns:myhost.example.com"], "email:qiwan@redhat.com"),
        (&["email:this@does-not-match.com"], "Identity"),
        (&["dns:this.does.not.match"], "Identity"),
    ];
    for (names, expected) in judged {
        let set = trusting(store([&roots[..]]), Store::default(), names);
        let plain = attachment(written.replace('\n', ""));
        assert_eq!(outcome(judge(&plain, &set, subject, NOW)), expected, "{names:?}");
        // Line breaks in base64 are not accepted: one form of each signature counts.
        assert_eq!(
            outcome(judge(&attachment(written.to_owned()), &set, subject, NOW)),
            "Base64",
            "{names:?}"
        );
    }
    // The last is the form with line breaks.
    public_suites::report("containers/image: signature of a private PKI", 2, 3);
}

fn fixture_payload(text: &str) -> Vec<u8> {
    let signature: Value = serde_json::from_str(text).unwrap();
    STANDARD.decode(signature["payload"].as_str().unwrap()).unwrap()
}

/// A PKI that a test makes.
struct Pki {
    ca: (CertificateParams, KeyPair),
    leaf: (CertificateParams, KeyPair),
}

impl Pki {
    fn new(names: Vec<SanType>) -> Self {
        Self::of_key(names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn of_key(names: Vec<SanType>, algorithm: &'static SignatureAlgorithm) -> Self {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "CA");
        let mut leaf = CertificateParams::default();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        leaf.subject_alt_names = names;
        let key = KeyPair::generate_for(algorithm).unwrap();
        Self { ca: (ca, KeyPair::generate().unwrap()), leaf: (leaf, key) }
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams, &mut CertificateParams)) -> Self {
        change(&mut self.ca.0, &mut self.leaf.0);
        self
    }

    fn judge(&self, algorithm: Algorithm, names: &[&str]) -> String {
        let digest = Digest::of(b"the image");
        let payload = crate::signature::simple_payload("r.example/app", &digest, "null");
        let key = PrivateKey::from_pem(&self.leaf.1.serialize_pem(), algorithm, PssSalt::default()).unwrap();
        let signature = STANDARD.encode(key.sign(&payload).unwrap());
        let issuer = Issuer::from_params(&self.ca.0, &self.ca.1);
        let certificate = self.leaf.0.signed_by(&self.leaf.1, &issuer).unwrap().pem().replace('\r', "");
        let ca = self.ca.0.self_signed(&self.ca.1).unwrap();
        let attachment = Attachment::SimpleSigning {
            place: "layer 0".to_owned(),
            payload,
            signature,
            certificate: CertificateAnnotations::of(|name| {
                (name == CertificateAnnotations::NAMES[0]).then_some(certificate.as_str())
            })
            .map(Arc::new),
        };
        let set = trusting(store([&ca.der()[..]]), Store::default(), names);
        outcome(judge(&attachment, &set, (&digest, "r.example/app"), NOW))
    }
}

fn email(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[test]
fn t80_certificates_that_must_not_sign_code_do_not_count() {
    let pki = || Pki::new(vec![email("release@example.com")]);
    let constraints = |critical: bool| {
        // Permits nothing but one host.
        let mut extension = CustomExtension::from_oid_content(
            &[2, 5, 29, 30],
            vec![0x30, 0x06, 0xa0, 0x04, 0x30, 0x02, 0x82, 0x00],
        );
        extension.set_criticality(critical);
        extension
    };
    for (name, pki, expected) in [
        ("good", pki(), RELEASE),
        ("no extended key usage", pki().with(|_, leaf| leaf.extended_key_usages.clear()), RELEASE),
        ("no key usage", pki().with(|_, leaf| leaf.key_usages.clear()), RELEASE),
        (
            "for TLS",
            pki().with(|_, leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "ExtendedKeyUsage",
        ),
        (
            "for anything",
            pki().with(|_, leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
            "ExtendedKeyUsage",
        ),
        (
            "not for signatures",
            pki().with(|_, leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
            "KeyUsage",
        ),
        (
            "a CA as signer",
            pki().with(|_, leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "CaLeaf",
        ),
        (
            "a CA for TLS only",
            pki().with(|ca, _| ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "ExtendedKeyUsage",
        ),
        (
            "a CA for code signing",
            pki().with(|ca, _| ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
            RELEASE,
        ),
        (
            "a CA that is limited to names",
            pki().with(|ca, _| ca.custom_extensions = vec![constraints(false)]),
            "NameConstraints",
        ),
        ("no name", Pki::new(Vec::new()), "AlternativeNames"),
    ] {
        assert_eq!(pki.judge(Algorithm::EcdsaSha256, &[RELEASE]), expected, "{name}");
    }
}

#[test]
fn t81_the_whole_name_of_the_right_type_must_fit() {
    for (san, names, expected) in [
        (vec![email("release@example.com")], RELEASE, RELEASE),
        (vec![email("Release@example.com")], RELEASE, "Identity"),
        (vec![email("release@example.com.evil.example")], RELEASE, "Identity"),
        (vec![email("xrelease@example.com")], RELEASE, "Identity"),
        (vec![email("release@exampleXcom")], RELEASE, "Identity"),
        (vec![uri("email:release@example.com")], RELEASE, "Identity"),
        (vec![dns("release.example.com"), email("a@example.com")], RELEASE, "Identity"),
        (vec![dns("Build.example.com")], "dns:build.example.com", "dns:build.example.com"),
        (vec![dns("*.example.com")], "dns:build.example.com", "Identity"),
        (vec![dns("a.build.example.com")], "dns:*.build.example.com", "dns:a.build.example.com"),
        (vec![dns("a.evilbuild.example.com")], "dns:*.build.example.com", "Identity"),
        (
            vec![uri("https://ci.example/acme/app")],
            "uri:https://ci.example/acme/**",
            "uri:https://ci.example/acme/app",
        ),
        (vec![uri("https://ci.example/acme-evil/app")], "uri:https://ci.example/acme/**", "Identity"),
        (
            vec![email("z@example.com"), dns("b.example.com"), email("a@example.com")],
            "dns:b.example.com",
            "email:a@example.com",
        ),
        (
            (0..17).map(|number| email(&format!("{number}@example.com"))).collect(),
            "email:1@example.com",
            "AlternativeNames",
        ),
    ] {
        assert_eq!(Pki::new(san).judge(Algorithm::EcdsaSha256, &[names]), expected, "{names}");
    }
}

#[test]
fn keys_of_the_types_that_cosign_has_sign() {
    for (key, algorithms) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, &[Algorithm::EcdsaSha256][..]),
        (&rcgen::PKCS_ECDSA_P384_SHA384, &[Algorithm::EcdsaSha384, Algorithm::EcdsaP384Sha256]),
        (&rcgen::PKCS_ED25519, &[Algorithm::Ed25519, Algorithm::Ed25519ph]),
    ] {
        for algorithm in algorithms {
            let pki = Pki::of_key(vec![email("release@example.com")], key);
            assert_eq!(pki.judge(*algorithm, &[RELEASE]), RELEASE, "{algorithm}");
        }
    }
}

/// Azure Key Vault signs with the hash of the size; cosign itself with SHA-256.
#[test]
fn rsa_keys_sign_with_the_hash_of_their_size_too() {
    for (bits, algorithm, expected) in [
        (2048, Algorithm::RsaPkcs1Sha256, RELEASE),
        (2048, Algorithm::RsaPkcs1Sha384, "Signature"),
        (3072, Algorithm::RsaPkcs1Sha256, RELEASE),
        (3072, Algorithm::RsaPkcs1Sha384, RELEASE),
        (3072, Algorithm::RsaPkcs1Sha512, "Signature"),
        (3072, Algorithm::RsaPssSha384, "Signature"),
    ] {
        let mut pki = Pki::new(vec![email("release@example.com")]);
        let pem = String::from_utf8(fixture(&format!("../keys/throw-away-rsa-{bits}.key.pem"))).unwrap();
        pki.leaf.1 = KeyPair::from_pem(&pem).unwrap();
        assert_eq!(pki.judge(algorithm, &[RELEASE]), expected, "{bits} {algorithm}");
    }
}

#[test]
fn t81_names_that_would_accept_everybody_are_not_loaded() {
    for (text, is_accepted) in [
        ("email:release@example.com", true),
        ("email:*@example.com", true),
        ("email:*", false),
        ("email:**@example.com", false),
        ("email:release@*", false),
        ("email:*@com", false),
        ("dns:build.example.com", true),
        ("dns:*.example.com", true),
        ("dns:*.com", false),
        ("dns:*example.com", false),
        ("dns:*", false),
        ("uri:https://ci.example/acme/**", true),
        ("uri:https://ci.example/**", false),
        ("uri:**", false),
        ("*", false),
        ("release@example.com", false),
        ("email:", false),
        ("ip:10.0.0.1", false),
    ] {
        assert_eq!(SignerNames::parse([text]).is_ok(), is_accepted, "{text}");
    }
    assert!(SignerNames::parse([]).is_err());
}
