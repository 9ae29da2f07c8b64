//! cosign's signatures in the fixtures of containers/image: its `signature/policy_eval_sigstore_test.go` says what becomes of
//! each there. That of a private PKI is in `signature/pki/tests.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cosign::verified;
use super::*;
use crate::public_suites;
use crate::signature::keyless::CertificateAnnotations;
use crate::trust::{KeySet, KeylessSet, LogUse, Pattern, PublicKey, SignerRule, Signers, TrustedRoot};

const SINGLE: &str = "192.168.64.2:5000/cosign-signed-single-sample";
const KEY: &str = "192.168.64.2:5000/cosign-signed/key-1";
const FULCIO: &str = "192.168.64.2:5000/cosign-signed/fulcio-rekor-1";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn read(name: &str) -> Vec<u8> {
    let path = fixtures().join("cosign/containers-image").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The root of Sigstore's public instance, whose Rekor and Fulcio these signatures are of.
fn root() -> TrustedRoot {
    let text = fs::read_to_string(fixtures().join("sigstore/roots/production.json")).unwrap();
    TrustedRoot::parse("production.json".to_owned(), &text).unwrap()
}

fn keys(names: &[&str]) -> KeySet {
    let key = |name: &&str| {
        let pem = String::from_utf8(read(name)).unwrap();
        let public = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
        Key { public, not_before: None, not_after: None, origin: (*name).to_owned(), remote: None }
    };
    KeySet::new("containers".to_owned(), names.iter().map(key).collect()).unwrap()
}

fn keyless(issuer: &str, subject: &str) -> Signers {
    let rule =
        SignerRule::new(issuer.to_owned(), Some(Pattern::parse(subject).unwrap()), Vec::new()).unwrap();
    Signers::Keyless(KeylessSet::new(vec![root()], rule, LogUse::Required).unwrap())
}

/// The attachment in a file of the `dir` transport (containers/image `internal/signature/signature.go`).
fn attachment(name: &str) -> Option<Attachment> {
    let file = read(name);
    let document: Value = serde_json::from_slice(file.strip_prefix(b"\0sigstore-json\n").unwrap()).unwrap();
    // Others are no attachments: `crates/registry/src/attachments` has the types.
    if document["mimeType"] != "application/vnd.dev.cosign.simplesigning.v1+json" {
        return None;
    }
    let annotations = &document["annotations"];
    Some(Attachment::SimpleSigning {
        place: name.to_owned(),
        payload: STANDARD.decode(document["payload"].as_str().unwrap()).unwrap().into(),
        signature: annotations["dev.cosignproject.cosign/signature"].as_str().unwrap().to_owned(),
        certificate: CertificateAnnotations::of(|name| annotations[name].as_str()).map(Arc::new),
    })
}

/// The parts of one signature, which containers/image tests apart.
fn parts() -> Attachment {
    let text = |name: &str| String::from_utf8(read(&format!("rekor/{name}"))).unwrap();
    Attachment::SimpleSigning {
        place: "rekor".to_owned(),
        payload: read("rekor/rekor-payload").into(),
        signature: text("rekor-sig"),
        certificate: Some(Arc::new(CertificateAnnotations {
            certificate: Some(text("rekor-cert")),
            chain: Some(text("fulcio-chain")),
            bundle: Some(text("rekor-set")),
            timestamp: None,
        })),
    }
}

/// The kind of the error.
fn found(answer: &Result<Proof, SignatureError>) -> String {
    match answer {
        Err(SignatureError::Keyless(error)) => {
            format!("{error:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
        answer => outcome(answer),
    }
}

fn judge(attachment: &Attachment, signers: Signers, digest: &Digest, name: &str) -> String {
    let by = Authenticator::of("containers".to_owned(), signers);
    found(&verified(attachment, &by, (digest, name), "2026-12-01T00:00:00Z".parse().unwrap()))
}

#[test]
fn the_sigstore_signatures_of_containers_image_count_as_there() {
    let by_key = || Signers::Keys(keys(&["cosign.pub"]));
    let logged = |names: &[&str]| Signers::Keys(keys(names).logged(vec![root()]).unwrap());
    let github = || keyless("https://github.com/login/oauth", "mitr@redhat.com");
    let (mut accepted, mut refused) = (0, 0);
    for (file, manifest, signers, name, expected) in [
        ("valid/signature-1", "valid", by_key(), SINGLE, "ok"),
        ("valid/signature-1", "valid", Signers::Keys(keys(&["cosign2.pub"])), SINGLE, "Untrusted"),
        ("valid/signature-1", "valid", Signers::Keys(keys(&["cosign2.pub", "cosign.pub"])), SINGLE, "ok"),
        ("valid/signature-1", "valid", by_key(), "testing/manifest", "OtherRepository"),
        ("valid/signature-1", "valid", logged(&["cosign.pub"]), SINGLE, "NoLogEntry"),
        // `dir-img-cosign-modified-manifest` and `-manifest-digest-error` have this signature beside another manifest.
        ("valid/signature-1", "modified-manifest", by_key(), SINGLE, "OtherDigest"),
        ("valid/signature-1", "v2s1-invalid-signatures", by_key(), SINGLE, "OtherDigest"),
        ("valid-2/signature-2", "valid", by_key(), SINGLE, "ok"),
        ("unknown-cosign-key.signature", "valid", by_key(), SINGLE, "Untrusted"),
        ("other-attachment/signature-1", "valid", by_key(), SINGLE, "another type"),
        // By skopeo, which signs the tag; containers/image refuses it for another tag, but here only the repository counts.
        ("valid-with-tag/signature-1", "valid-with-tag", by_key(), "192.168.64.2:5000/skopeo-signed", "ok"),
        ("valid-with-tag/signature-1", "valid-with-tag", by_key(), SINGLE, "OtherRepository"),
        ("key-rekor-valid/signature-1", "key-rekor-valid", logged(&["cosign2.pub"]), KEY, "ok"),
        ("key-rekor-valid/signature-1", "key-rekor-valid", logged(&["cosign.pub", "cosign2.pub"]), KEY, "ok"),
        ("key-rekor-valid/signature-1", "key-rekor-valid", logged(&["cosign.pub"]), KEY, "Untrusted"),
        ("key-rekor-valid/signature-1", "key-rekor-valid", github(), KEY, "Key"),
        ("fulcio-rekor-valid/signature-1", "fulcio-rekor-valid", github(), FULCIO, "ok"),
        ("fulcio-rekor-valid/signature-1", "fulcio-rekor-valid", github(), KEY, "OtherRepository"),
        ("fulcio-rekor-valid/signature-1", "valid", github(), FULCIO, "OtherDigest"),
        (
            "fulcio-rekor-valid/signature-1",
            "fulcio-rekor-valid",
            keyless("https://github.com/login/oauth", "this-does-not-match@example.com"),
            FULCIO,
            "Identity",
        ),
        (
            "fulcio-rekor-valid/signature-1",
            "fulcio-rekor-valid",
            keyless("https://this.does.not.match", "mitr@redhat.com"),
            FULCIO,
            "Identity",
        ),
        ("fulcio-rekor-valid/signature-1", "fulcio-rekor-valid", by_key(), FULCIO, "ByCertificate"),
    ] {
        let file = if file.contains('/') { format!("dir-img-cosign-{file}") } else { file.to_owned() };
        let manifest = if manifest.starts_with("v2s1") {
            format!("{manifest}.manifest.json")
        } else {
            format!("dir-img-cosign-{manifest}/manifest.json")
        };
        let digest = Digest::of(&read(&manifest));
        let judged = attachment(&file)
            .map_or_else(|| "another type".to_owned(), |it| judge(&it, signers, &digest, name));
        assert_eq!(judged, expected, "{file} as {name}");
        if judged == "ok" { accepted += 1 } else { refused += 1 }
    }
    let digest = "sha256:fa93b01658e3a5a1686dc3ae55f170d8de487006fb53a28efcd12ab0710a2e5f";
    let name = "192.168.64.2:5000/test-repo-2100826901021538654/alpine";
    assert_eq!(judge(&parts(), github(), &Digest::parse(digest).unwrap(), name), "ok");
    accepted += 1;
    public_suites::report("containers/image: signatures by cosign and skopeo", accepted, refused);
}
