//! The CPU time of one verification, for each format: what the daemon computes once it has the image's documents, with keys,
//! certificates and roots loaded. No network and no disk.
//!
//! Prints a table of medians as Markdown. The samples are by the real gpg and notation (`tests/fixtures`); those by keys and
//! by the identity of a build are made here, as cosign makes them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use pullgate::digest::Digest;
use pullgate::signature::{self, Attachment, RepositoryIdentity, Subject, simple_payload};
use pullgate::trust::openpgp::read_keyring;
use pullgate::trust::x509::Store;
use pullgate::trust::{
    Algorithm, Authenticator, GpgSet, Key, KeylessSet, LogUse, NotationSet, Pattern, PrivateKey, PssSalt,
    SignerRule, Signers, TrustedRoot,
};
use pullgate_test::sigstore::{ISSUER, Person, SUBJECT, Sigstore};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const REPOSITORY: &str = "registry.example/team/app";

/// A median is of this many batches.
const BATCHES: usize = 50;

/// Verifications in a batch.
const BATCH: u32 = 20;

/// In microseconds of CPU time.
const KEY_TARGET: f64 = 250.0;
/// The same for a format with certificates or an envelope.
const OTHER_TARGET: f64 = 1000.0;

fn main() {
    // `cargo test --benches` runs it too, with another argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("| verification of one signature | CPU time | target |\n|---|---:|---|");
    for (file, algorithm, name) in [
        ("p256", Algorithm::EcdsaSha256, "P-256"),
        ("p384", Algorithm::EcdsaSha384, "P-384"),
        ("ed25519", Algorithm::Ed25519, "Ed25519"),
        ("rsa-2048", Algorithm::RsaPkcs1Sha256, "RSA 2048, PKCS#1"),
        ("rsa-2048", Algorithm::RsaPssSha256, "RSA 2048, PSS"),
        ("rsa-3072", Algorithm::RsaPssSha256, "RSA 3072, PSS"),
    ] {
        Sample::by_key(file, algorithm).measure(&format!("signature by a key, {name}"), KEY_TARGET);
    }
    let sigstore = Sigstore::new();
    Sample::keyless(&sigstore, Sigstore::bundle)
        .measure("keyless signature with an entry of Rekor v1", OTHER_TARGET);
    Sample::keyless(&sigstore, Sigstore::bundle_v2)
        .measure("keyless signature with an entry of Rekor v2 and a timestamp", OTHER_TARGET);
    for (key, name) in
        [("p256", "P-256"), ("p384", "P-384"), ("rsa3072", "RSA 3072"), ("rsa4096", "RSA 4096")]
    {
        for format in ["jws", "cose"] {
            let what =
                format!("Notation signature in {}, certificates with {name} keys", format.to_uppercase());
            Sample::notation(key, format).measure(&what, OTHER_TARGET);
        }
    }
    for (key, name) in [("rsa4096", "RSA 4096"), ("nistp256", "P-256"), ("ed25519", "Ed25519")] {
        Sample::gpg(key).measure(&format!("GPG signature, {name}"), OTHER_TARGET);
    }
}

/// A signature that is valid for its authenticator.
struct Sample {
    attachment: Attachment,
    authenticator: Authenticator,
    digest: Digest,
    size: usize,
}

impl Sample {
    fn by_key(file: &str, algorithm: Algorithm) -> Self {
        let pem = String::from_utf8(fixture(&format!("keys/throw-away-{file}.key.pem"))).unwrap();
        let private = PrivateKey::from_pem(&pem, algorithm, PssSalt::default()).unwrap();
        let digest = Digest::of(b"image");
        let payload = simple_payload(REPOSITORY, &digest, "null");
        let attachment = Attachment::SimpleSigning {
            place: String::new(),
            signature: STANDARD.encode(private.sign(&payload).unwrap()),
            payload,
            certificate: None,
        };
        let key = Key {
            public: private.public(),
            not_before: None,
            not_after: None,
            origin: String::new(),
            remote: None,
        };
        let authenticator = Authenticator::new("key".to_owned(), vec![key]).unwrap();
        Self { attachment, authenticator, digest, size: 0 }
    }

    fn keyless(sigstore: &Sigstore, sign: impl Fn(&Sigstore, &Person, &Digest) -> serde_json::Value) -> Self {
        let digest = Digest::of(b"image");
        let document = sign(sigstore, &Person::builder(), &digest).to_string().into();
        let root = TrustedRoot::parse(String::new(), &sigstore.trusted_root().to_string()).unwrap();
        let subject = Pattern::parse(SUBJECT).unwrap();
        let rule = SignerRule::new(ISSUER.to_owned(), Some(subject), Vec::new()).unwrap();
        let set = KeylessSet::new(vec![root], rule, LogUse::Required).unwrap();
        let authenticator = Authenticator::of("keyless".to_owned(), Signers::Keyless(set));
        let attachment = Attachment::Bundle { place: String::new(), document };
        Self { attachment, authenticator, digest, size: 0 }
    }

    fn notation(key: &str, format: &str) -> Self {
        let mut store = Store::default();
        store.add(&fixture(&format!("notation/cli/{key}.root.pem"))).unwrap();
        let set = NotationSet::below(store);
        let authenticator = Authenticator::of("notation".to_owned(), Signers::Notation(Box::new(set)));
        let document = fixture(&format!("notation/cli/{key}.{format}")).into();
        let manifest = fixture("notation/cli/manifest.json");
        Self {
            attachment: Attachment::Notation { place: String::new(), document },
            authenticator,
            digest: Digest::of(&manifest),
            size: manifest.len(),
        }
    }

    fn gpg(key: &str) -> Self {
        let keyring = read_keyring(&fixture(&format!("gpg/cli/{key}.keyring.gpg"))).unwrap();
        let set = GpgSet::new(vec![keyring], Vec::new()).unwrap();
        let authenticator = Authenticator::of("gpg".to_owned(), Signers::Gpg(Box::new(set)));
        let document = fixture(&format!("gpg/cli/{key}.signature")).into();
        let payload = String::from_utf8(fixture("gpg/cli/payload.json")).unwrap();
        let digest = payload.split('"').find_map(|text| Digest::parse(text).ok()).unwrap();
        Self {
            attachment: Attachment::Gpg { place: String::new(), document },
            authenticator,
            digest,
            size: 0,
        }
    }

    /// Prints the median of [`BATCHES`].
    fn measure(&self, what: &str, target: f64) {
        let repositories = [REPOSITORY.to_owned()];
        let annotations = BTreeMap::new();
        let subject = Subject {
            digest: &self.digest,
            content: (MANIFEST, self.size),
            repositories: &repositories,
            annotations: &annotations,
            identity: RepositoryIdentity::Optional,
        };
        let now = Timestamp::now();
        let mut times: Vec<Duration> = (0..BATCHES)
            .map(|_| {
                let begin = cpu_time();
                for _ in 0..BATCH {
                    let proof =
                        signature::verify(black_box(&self.attachment), &self.authenticator, &subject, now);
                    let _ = black_box(proof).unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                cpu_time() - begin
            })
            .collect();
        times.sort_unstable();
        let microseconds = (times.get(BATCHES / 2).copied().unwrap_or_default() / BATCH).as_secs_f64() * 1e6;
        let verdict = if microseconds <= target { "met" } else { "**missed**" };
        println!("| {what} | {microseconds:.0} µs | ≤ {target} µs: {verdict} |");
    }
}

/// Of this thread, which verifies alone.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock of a thread is there").into()
}

/// A file of `tests/fixtures`.
fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
