//! An instance of Sigstore: certificate authority, logs and timestamp authority. Certificates, their timestamps, promises,
//! proofs and checkpoints are computed as the real ones are; nothing of it is shared with the code that verifies.

mod der;
mod fulcio;
mod log_key;
mod rekor;
mod services;
mod timestamp;
mod timestamp_service;
mod token;
mod tree;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use pullgate::digest::{Digest, hex};
use rcgen::CertificateParams;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::fulcio::Fulcio;
pub use self::fulcio::{Leaf, Person};
use self::rekor::{Rekor, RekorV2};
pub use self::services::{Log, Services};
use self::timestamp::TimestampAuthority;
pub use self::timestamp_service::TimestampService;
use crate::registry::{Registry, SIMPLE_SIGNING};
use crate::signer::{Annotated, attach_tagged};

/// The OpenID provider of [`Person::builder`].
pub const ISSUER: &str = "https://token.actions.example";
/// The subject of [`Person::builder`].
pub const SUBJECT: &str = "https://git.example/team/app/.github/workflows/release.yml@refs/tags/v1.0";

/// A `trusted_root.json` with only this timestamp authority.
pub fn root_of_timestamps(chain: &[Vec<u8>]) -> Value {
    root_of([], [authority(chain)])
}

/// A `trusted_root.json` with only this certificate authority.
pub fn root_of_certificates(chain: &[Vec<u8>]) -> Value {
    root_of([authority(chain)], [])
}

fn root_of<const C: usize, const T: usize>(certificates: [Value; C], timestamps: [Value; T]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [],
        "certificateAuthorities": certificates.to_vec(),
        "ctlogs": [],
        "timestampAuthorities": timestamps.to_vec(),
    })
}

/// A certificate or timestamp authority in a trusted root.
fn authority(chain: &[Vec<u8>]) -> Value {
    let certificates: Vec<_> = chain.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect();
    json!({
        "subject": { "organization": "test", "commonName": "test" },
        "uri": "https://authority.example",
        "certChain": { "certificates": certificates },
        "validFor": { "start": START },
    })
}

const STATEMENT: &str = "application/vnd.in-toto+json";
/// When all keys and authorities begin to be valid.
const START: &str = "2020-01-01T00:00:00Z";

impl Person {
    /// A build of `team/app`, with all claims, an hour ago.
    pub fn builder() -> Self {
        let claims = [
            (9, SUBJECT),
            (11, "github-hosted"),
            (12, "https://git.example/team/app"),
            (14, "refs/tags/v1.0"),
            (15, "1001"),
            (17, "77"),
            (18, "https://git.example/team/app/.github/workflows/top.yml@refs/tags/v1.0"),
            (20, "release"),
        ];
        Self {
            issuer: ISSUER.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            claims: claims.map(|(arc, text)| (arc, text.to_owned())).to_vec(),
            code_signing: true,
            logged: true,
            issued: Timestamp::now() - SignedDuration::from_hours(1),
            signed_after: SignedDuration::from_mins(1),
        }
    }
}

/// An instance of Sigstore.
pub struct Sigstore {
    fulcio: Fulcio,
    rekor: Rekor,
    rekor_v2: RekorV2,
    timestamps: TimestampAuthority,
}

impl Sigstore {
    pub fn new() -> Self {
        Self::with_logs("rekor.test.example", "rekor2.test.example")
    }

    /// With these certificates between its certificate authority and its signers, from above. They are in each bundle.
    pub fn with_intermediates(intermediates: impl IntoIterator<Item = CertificateParams>) -> Self {
        Self { fulcio: Fulcio::new(intermediates), ..Self::new() }
    }

    /// With logs of these names: their addresses without the scheme.
    fn with_logs(rekor: &str, rekor_v2: &str) -> Self {
        Self {
            fulcio: Fulcio::new([]),
            rekor: Rekor::new(rekor),
            rekor_v2: RekorV2::new(rekor_v2),
            timestamps: TimestampAuthority::new(),
        }
    }

    /// Its `trusted_root.json`.
    pub fn trusted_root(&self) -> Value {
        let key = |public: &[u8], details: &str| json!({ "rawBytes": STANDARD.encode(public), "keyDetails": details, "validFor": { "start": START } });
        let log = |origin: &str, (public, id): (&[u8], [u8; 32]), details: &str| {
            json!({
                "baseUrl": format!("https://{origin}"),
                "hashAlgorithm": "SHA2_256",
                "publicKey": key(public, details),
                "logId": { "keyId": STANDARD.encode(id) },
            })
        };
        let (p256, ed25519) = ("PKIX_ECDSA_P256_SHA_256", "PKIX_ED25519");
        let (rekor, transparency) = (&self.rekor.key, &self.fulcio.transparency);
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                log(&self.rekor.origin, (&rekor.public(), rekor.id()), p256),
                log(&self.rekor_v2.origin, (&RekorV2::public(), self.rekor_v2.id()), ed25519),
            ],
            "certificateAuthorities": [authority(&[self.fulcio.authority.der().to_vec()])],
            "ctlogs": [log("ctlog.test.example", (&transparency.public(), transparency.id()), p256)],
            "timestampAuthorities": [authority(&self.timestamps.chain())],
        })
    }

    /// The certificates of its timestamp authority, leaf first.
    pub fn timestamp_chain(&self) -> Vec<Vec<u8>> {
        self.timestamps.chain().to_vec()
    }

    /// Its root, if it had no logs.
    pub fn root_without_logs(&self) -> Value {
        let mut root = self.trusted_root();
        root["tlogs"] = json!([]);
        root["ctlogs"] = json!([]);
        root
    }

    pub fn issue(&self, person: &Person) -> Leaf {
        self.fulcio.issue(person)
    }

    /// A bundle v0.3 about a digest, logged by Rekor v1 a minute after the certificate was issued.
    pub fn bundle(&self, person: &Person, digest: &Digest) -> Value {
        self.attested(person, &signing_statement(digest))
    }

    /// A bundle with a statement, logged by Rekor v1.
    pub fn attested(&self, person: &Person, statement: &str) -> Value {
        let (mut bundle, leaf) = self.signed(person, statement);
        self.log(&mut bundle, Verifier::Certificate(&leaf.der), signed_at(person));
        bundle
    }

    /// An envelope with a statement, and the annotations beside it under the tag `.att`.
    pub fn envelope(&self, person: &Person, statement: &str) -> (String, Vec<(&'static str, String)>) {
        let (bundle, leaf) = self.signed(person, statement);
        let annotations = vec![
            ("dev.cosignproject.cosign/signature", String::new()),
            ("dev.sigstore.cosign/certificate", pem(&leaf.der)),
            ("dev.sigstore.cosign/chain", pem(self.fulcio.authority.der())),
            self.log_envelope(&bundle, Verifier::Certificate(&leaf.der), signed_at(person)),
        ];
        (bundle["dsseEnvelope"].to_string(), annotations)
    }

    /// The annotation with an entry of Rekor v1 about the envelope of a bundle.
    pub fn log_envelope(&self, bundle: &Value, by: Verifier<'_>, time: Timestamp) -> (&'static str, String) {
        ("dev.sigstore.cosign/bundle", self.rekor.annotation(&entry_of(bundle, by), time))
    }

    /// The same, logged by Rekor v2, with a timestamp.
    pub fn bundle_v2(&self, person: &Person, digest: &Digest) -> Value {
        let (mut bundle, leaf) = self.signed(person, &signing_statement(digest));
        self.log_v2(&mut bundle, Verifier::Certificate(&leaf.der));
        self.stamp(&mut bundle, signed_at(person));
        bundle
    }

    /// Logs the bundle's signature in Rekor v1.
    pub fn log(&self, bundle: &mut Value, by: Verifier<'_>, time: Timestamp) {
        let entry = self.rekor.entry(&entry_of(bundle, by), time);
        bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    }

    /// Logs the bundle's signature in Rekor v2.
    pub fn log_v2(&self, bundle: &mut Value, by: Verifier<'_>) {
        let encoding = encoding(&payload_of(bundle));
        let (kind, der) = match by {
            Verifier::Certificate(der) => ("x509Certificate", der),
            Verifier::Key(der) => ("publicKey", der),
        };
        let body = json!({
            "apiVersion": "0.0.2",
            "kind": "hashedrekord",
            "spec": { "hashedRekordV002": {
                "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(encoding)) },
                "signature": {
                    "content": signature_of(bundle),
                    "verifier": {
                        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        kind: { "rawBytes": STANDARD.encode(der) },
                    },
                },
            } },
        });
        bundle["verificationMaterial"]["tlogEntries"] = json!([self.rekor_v2.entry(&body)]);
    }

    /// The same without a log, with a timestamp.
    pub fn bundle_without_log(&self, person: &Person, digest: &Digest) -> Value {
        let (mut bundle, _) = self.signed(person, &signing_statement(digest));
        self.stamp(&mut bundle, signed_at(person));
        bundle
    }

    /// Adds a timestamp of the bundle's signature.
    pub fn stamp(&self, bundle: &mut Value, time: Timestamp) {
        let signature = signature_of(bundle).as_str().unwrap();
        let stamp = self.timestamps.stamp(&STANDARD.decode(signature).unwrap(), time);
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({ "rfc3161Timestamps": [{ "signedTimestamp": STANDARD.encode(stamp) }] });
    }

    /// A bundle without evidence, and its certificate.
    fn signed(&self, person: &Person, statement: &str) -> (Value, Leaf) {
        let leaf = self.issue(person);
        let signature = leaf.key.sign(&encoding(statement.as_bytes()));
        let raw = |der: &[u8]| json!({ "rawBytes": STANDARD.encode(der) });
        let above: Vec<_> = self.fulcio.intermediates.iter().rev().map(|above| raw(above.der())).collect();
        // A bundle v0.3 has only the certificate of the signer.
        let (version, material) = match above.as_slice() {
            [] => (".v0.3+json", json!({ "certificate": raw(&leaf.der) })),
            _ => {
                let certificates = [vec![raw(&leaf.der)], above].concat();
                ("+json;version=0.2", json!({ "x509CertificateChain": { "certificates": certificates } }))
            }
        };
        let bundle = json!({
            "mediaType": format!("application/vnd.dev.sigstore.bundle{version}"),
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": STANDARD.encode(statement),
                "payloadType": STATEMENT,
                "signatures": [{ "sig": STANDARD.encode(&signature) }],
            },
        });
        (bundle, leaf)
    }

    /// The signature of a payload in the classic layout, and its annotations: certificate, log entry and timestamp.
    pub fn classic(&self, person: &Person, payload: &[u8]) -> Vec<(&'static str, String)> {
        let leaf = self.issue(person);
        let (signature, time) = (leaf.key.sign(payload), signed_at(person));
        let stamp = STANDARD.encode(self.timestamps.stamp(&signature, time));
        vec![
            ("dev.cosignproject.cosign/signature", STANDARD.encode(&signature)),
            ("dev.sigstore.cosign/certificate", pem(&leaf.der)),
            ("dev.sigstore.cosign/chain", pem(self.fulcio.authority.der())),
            self.log_classic(payload, &signature, Verifier::Certificate(&leaf.der), time),
            ("dev.sigstore.cosign/rfc3161timestamp", json!({ "SignedRFC3161Timestamp": stamp }).to_string()),
        ]
    }

    /// The annotation with an entry of Rekor v1 about a signature in the classic layout.
    pub fn log_classic(
        &self,
        payload: &[u8],
        signature: &[u8],
        by: Verifier<'_>,
        time: Timestamp,
    ) -> (&'static str, String) {
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": hex(&Sha256::digest(payload)) } },
                "signature": {
                    "content": STANDARD.encode(signature),
                    "publicKey": { "content": STANDARD.encode(by.pem()) },
                },
            },
        });
        ("dev.sigstore.cosign/bundle", self.rekor.annotation(&body, time))
    }
}

/// Who made a signature, as a log has it: in DER.
#[derive(Clone, Copy)]
pub enum Verifier<'a> {
    Certificate(&'a [u8]),
    Key(&'a [u8]),
}

impl Verifier<'_> {
    fn pem(self) -> String {
        match self {
            Self::Certificate(der) => pem(der),
            Self::Key(der) => pullgate::trust::pem::write("PUBLIC KEY", der),
        }
    }
}

/// Attaches a classic signature with these annotations.
pub fn attach_annotated(
    registry: &Registry,
    path: &str,
    digest: &Digest,
    payload: &[u8],
    annotations: &[(&str, String)],
) {
    attach_layers(registry, path, digest, &[(payload, annotations)]);
}

/// Attaches classic signatures of payloads, each with its annotations.
pub fn attach_layers(registry: &Registry, path: &str, digest: &Digest, signatures: &[Annotated<'_>]) {
    attach_tagged(registry, path, digest, ("sig", SIMPLE_SIGNING), signatures);
}

/// The body of an entry of Rekor v1 about the envelope of a bundle.
fn entry_of(bundle: &Value, by: Verifier<'_>) -> Value {
    let verifier = STANDARD.encode(by.pem()).into();
    dsse_body(b"not compared", &payload_of(bundle), signature_of(bundle), &verifier)
}

/// The body of an entry of Rekor v1 about an envelope.
fn dsse_body(envelope: &[u8], payload: &[u8], signature: &Value, verifier: &Value) -> Value {
    let sha256 = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex(&Sha256::digest(bytes)) });
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": sha256(envelope),
            "payloadHash": sha256(payload),
            "signatures": [{ "signature": signature, "verifier": verifier }],
        },
    })
}

/// The statement that signs an image.
fn signing_statement(digest: &Digest) -> String {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "digest": { digest.algorithm().name(): digest.hex() } }],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
    .to_string()
}

/// When a person's signature is logged and stamped.
fn signed_at(person: &Person) -> Timestamp {
    person.issued + person.signed_after
}

fn payload_of(bundle: &Value) -> Vec<u8> {
    STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap()
}

fn signature_of(bundle: &Value) -> &Value {
    &bundle["dsseEnvelope"]["signatures"][0]["sig"]
}

/// The signed bytes of an envelope.
fn encoding(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {STATEMENT} {} ", STATEMENT.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn pem(der: &[u8]) -> String {
    pullgate::trust::pem::write("CERTIFICATE", der)
}
