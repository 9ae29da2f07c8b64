//! Untrusted input causes neither a panic nor a proof.

use proptest::prelude::*;

use super::*;

/// `good` with some of its bytes replaced, removed or duplicated.
fn mutate(good: &str, edits: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    for (index, kind, byte) in edits {
        let at = index.index(bytes.len());
        match kind % 3 {
            0 => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_are_not_a_proof(bytes in proptest::collection::vec(any::<u8>(), 0..400), signature in ".{0,120}") {
        let party = Party::release();
        let bundle = Attachment::Bundle { place: String::new(), document: bytes.clone().into() };
        prop_assert!(party.verify(&bundle).is_err());
        let simple = Attachment::SimpleSigning { place: String::new(), payload: bytes.into(), signature, certificate: None };
        prop_assert!(party.verify(&simple).is_err());
    }

    /// The trusted key signs invalid content, so that the parsers behind the signature check are reached.
    #[test]
    fn signed_invalid_content_does_not_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), b' '..=b'~'), 1..6)) {
        let party = Party::release();
        if let Ok(payload) = String::from_utf8(mutate(&payload(), &edits)) {
            let answer = party.verify(&party.simple(&payload));
            outcome(&answer);
            if answer.is_ok() {
                let read: Value = serde_json::from_str(&payload).unwrap();
                prop_assert_eq!(&read["critical"]["image"]["docker-manifest-digest"], DIGEST);
            }
        }
        if let Ok(statement) = String::from_utf8(mutate(&statement().to_string(), &edits)) {
            let answer = party.verify(&document(party.bundle(&statement).to_string()));
            outcome(&answer);
            if answer.is_ok() {
                let read: Value = serde_json::from_str(&statement).unwrap();
                prop_assert_eq!(&read["predicateType"], "https://sigstore.dev/cosign/sign/v1");
            }
        }
    }

    #[test]
    fn a_mutated_bundle_does_not_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4)) {
        let party = Party::release();
        let bundle = mutate(&party.bundle(&statement().to_string()).to_string(), &edits);
        outcome(&party.verify(&Attachment::Bundle { place: String::new(), document: bundle.into() }));
    }
}
