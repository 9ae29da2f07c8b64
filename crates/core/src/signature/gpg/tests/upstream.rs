//! The fixtures of containers/image: its `signature/mechanism_test.go` says what becomes of each there.

use super::*;
use crate::public_suites;

const TEST_KEY: &str = "08CD26E446E2E95249B7A405E932F44B23E8DD43";
const WITH_SUBKEY: &str = "B9F4CDB9FD8C475BFA340AC38D54A947EE396F36";

/// A signature, whose key or which error it gives here, and whether containers/image accepts it.
const SIGNATURES: [(&str, &str, bool); 18] = [
    ("image.signature", TEST_KEY, true),
    ("no-optional-fields.signature", TEST_KEY, true),
    // That the payload is not one is for a later step.
    ("invalid-blob.signature", TEST_KEY, true),
    ("invalid-reference.signature", TEST_KEY, true),
    ("dir-img-valid/signature-1", TEST_KEY, true),
    ("dir-img-valid-2/signature-2", TEST_KEY, true),
    ("subkey.signature", WITH_SUBKEY, true),
    // Signatures of version 3 have no hashed subpackets; gpg makes none since 2.1 (2014).
    ("invalid-blob.signature-v3", "Version", true),
    ("subkey.signature-v3", "Version", true),
    // One byte of the compressed data.
    ("corrupt.signature", "Compression", false),
    ("corrupt.signature-v3", "Compression", false),
    ("expired.signature", "Expired", false),
    ("subkey-revoked.signature", "SubKeyRevoked", false),
    ("subkey-revoked.signature-v3", "Version", false),
    ("unknown-key.signature", "UnknownKey", false),
    ("unknown-key.signature-v3", "Version", false),
    ("unsigned-encrypted.signature", "Form", false),
    ("unsigned-literal.signature", "Form", false),
];

#[test]
fn the_signatures_of_containers_image_count_as_there() {
    let set = keys(&["containers-image/pubring.gpg"]);
    let (mut accepted, mut refused, mut stricter) = (0, 0, 0);
    for (name, expected, there) in SIGNATURES {
        let opened = set.open(&fixture(&format!("containers-image/{name}")), at(NOW));
        match &opened {
            Ok(signed) => {
                assert_eq!(signed.identity.as_str(), format!("openpgp4fpr:{expected}"), "{name}");
                assert!(there, "{name}");
                accepted += 1;
            }
            Err(_) => {
                assert_eq!(outcome(&opened), expected, "{name}");
                refused += 1;
                stricter += usize::from(there);
            }
        }
    }
    assert_eq!(stricter, 2);
    public_suites::report("containers/image: GPG signatures", accepted, refused);
    // No file is left out.
    let directory =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/gpg/containers-image");
    let mut files = vec![directory.clone()];
    let mut found = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_name().unwrap().to_string_lossy().contains("signature") {
            let name = path.strip_prefix(&directory).unwrap().to_string_lossy().into_owned();
            assert!(SIGNATURES.iter().any(|(known, ..)| *known == name), "{name}");
            found += 1;
        }
    }
    assert_eq!(found, SIGNATURES.len());
}

#[test]
fn the_keyrings_of_containers_image_are_read() {
    let rings = [
        ("public-key.gpg", &[TEST_KEY][..]),
        ("public-key-1.gpg", &[TEST_KEY]),
        ("public-key-2.gpg", &["F2B501009F78B0B340221A12A3CD242DA6028093"]),
        ("public-key-with-subkey.gpg", &[WITH_SUBKEY]),
        ("public-key-with-revoked-subkey.gpg", &["6D88C5A1993648A17B2BB0DC6B8499AF63388D63"]),
        // Armored, by Sequoia.
        ("no-passphrase.pub", &["50DDE898DF4E48755C8C2B7AF6F908B6FA48A229"]),
        ("with-passphrase.pub", &["1F5825285B785E1DB13BF36D2D11A19ABA41C6AE"]),
    ];
    for (name, expected) in rings {
        let read = read_keyring(&fixture(&format!("containers-image/{name}"))).unwrap();
        let found: Vec<String> = read.iter().map(|key| key.fingerprint().to_string()).collect();
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(read_keyring(&fixture("containers-image/pubring.gpg")).unwrap().len(), 4);
    public_suites::report("containers/image: keyrings", rings.len() + 1, 0);
}
