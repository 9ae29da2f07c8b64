//! Envelopes that we write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::crafted::{Author, NOW, digest};
use super::*;
use crate::trust::Algorithm;

fn written(
    author: &Author,
    kind: EnvelopeType,
    subject: &Subject<'_>,
    expiry: Option<Timestamp>,
    timestamp: Option<&[u8]>,
) -> Vec<u8> {
    let times = (at("2026-11-01T00:00:00.7Z"), expiry);
    let envelope = UnsignedEnvelope::new(kind, Algorithm::EcdsaSha256, subject, times).unwrap();
    let signature = envelope.signature(&author.key.sign(&envelope.message()).unwrap()).unwrap();
    envelope.finish(&signature, &[&author.certificate], timestamp).unwrap()
}

#[test]
fn what_is_written_is_verified_and_found_again() {
    let (author, digest, other) = (Author::new(), digest(), Digest::of(b"other"));
    let team = BTreeMap::from([("team".to_owned(), "payments".to_owned())]);
    let plain = subject(&digest, "m/t", 7);
    let annotated = Subject { annotations: &team, ..plain };
    let leaf = Certificate::parse(&author.certificate).unwrap();
    let foreign = Certificate::parse(&Author::new().certificate).unwrap();
    let end = at("2026-12-02T00:00:00Z");
    let found = |envelope: &[u8], subject: &Subject<'_>| own_signature(envelope, &leaf, subject);
    let own = |envelope: &[u8], subject: &Subject<'_>| found(envelope, subject).is_some();
    for kind in EnvelopeType::ALL {
        let envelope = written(&author, kind, &plain, None, None);
        assert_eq!(author.judge(&envelope), "ok", "{kind:?}");
        assert_eq!(found(&envelope, &plain), Some(OwnSignature { envelope: kind, expiry: None }));
        assert_eq!(own_signature(&envelope, &foreign, &plain), None, "{kind:?}");
        let mut forged = envelope.clone();
        let last = forged.len() - 3;
        forged[last] ^= 1;
        assert!(!own(&forged, &plain), "{kind:?}");
        for wrong in
            [annotated, subject(&other, "m/t", 7), subject(&digest, "m/t", 8), subject(&digest, "m", 7)]
        {
            assert!(!own(&envelope, &wrong), "{kind:?} {wrong:?}");
        }
        let envelope = written(&author, kind, &annotated, Some(end), Some(b"a token"));
        assert_eq!(found(&envelope, &annotated), Some(OwnSignature { envelope: kind, expiry: Some(end) }));
        assert!(!own(&envelope, &plain), "{kind:?}: it signs an annotation, too");
        assert_eq!(author.judge(&envelope), "ok", "{kind:?}");
        let late = verify(&envelope, &author.trust, &annotated, end).unwrap_err();
        assert!(
            matches!(late, SignatureError::Notation(NotationError::Expired { at }) if at == end),
            "{late:?}"
        );
    }
}

#[test]
fn an_envelope_has_no_other_algorithm_than_those_of_a_leaf() {
    let digest = digest();
    let subject = subject(&digest, "m/t", 7);
    for kind in EnvelopeType::ALL {
        let made = |algorithm| UnsignedEnvelope::new(kind, algorithm, &subject, (at(NOW), None)).is_some();
        let possible: Vec<_> = Algorithm::ALL.into_iter().filter(|algorithm| made(*algorithm)).collect();
        use Algorithm::*;
        let expected = [RsaPssSha256, RsaPssSha384, RsaPssSha512, EcdsaSha256, EcdsaSha384, EcdsaSha512];
        assert_eq!(possible, expected, "{kind:?}");
    }
}

/// The header that real notation signs has the same fields, with values of the same form.
#[test]
fn the_signed_header_is_that_of_notation() {
    let header = |envelope: &[u8]| -> Value {
        let envelope: Value = serde_json::from_slice(envelope).unwrap();
        let header = URL_SAFE_NO_PAD.decode(envelope["protected"].as_str().unwrap()).unwrap();
        serde_json::from_slice(&header).unwrap()
    };
    let (author, digest) = (Author::new(), digest());
    let subject = subject(&digest, "m/t", 7);
    for (file, expiry) in [("cli/p256.jws", None), ("cli/expiry.jws", Some(at("2026-11-02T00:00:00.9Z")))] {
        let mut ours = header(&written(&author, EnvelopeType::Jws, &subject, expiry, None));
        let real = header(&fixture(file));
        for time in ["io.cncf.notary.signingTime", "io.cncf.notary.expiry"] {
            if let Some(value) = ours.get_mut(time) {
                let length = |value: &Value| value.as_str().map(str::len);
                assert_eq!(length(value), length(&real[time]), "{file} {time}");
                *value = real[time].clone();
            }
        }
        assert_eq!(ours, real, "{file}");
    }
}
