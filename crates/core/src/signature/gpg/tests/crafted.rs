//! Keys and messages that gpg does not make: each is signed well, and says something that must not count.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::signature::{Fault, SignatureError};
use crate::trust::openpgp::Certificate;
use crate::trust::{Algorithm, HashFunction, PssSalt, PublicKey};

/// 2026-11-01T12:00:00Z, twelve hours before [`NOW`].
const MADE: u32 = 1_793_534_400;
const DAY: u32 = 86_400;
const DATA: &[u8] = b"{\"critical\":{}}";

/// The numbers that are used here (RFC 9580).
const ED25519: u8 = 27;
const SHA256: u8 = 8;
const CREATED: u8 = 2;
const EXPIRES: u8 = 3;
const KEY_EXPIRES: u8 = 9;
const REVOKER: u8 = 12;
const KEY_FLAGS: u8 = 27;
const EMBEDDED: u8 = 32;
const ISSUER: u8 = 33;
const CRITICAL: u8 = 0x80;
const CERTIFY: u8 = 1;
const SIGN: u8 = 2;
const USER: &[u8] = b"somebody";

/// Somebody with one key.
struct Author {
    key: SigningKey,
    created: u32,
}

fn author(number: u8) -> Author {
    Author { key: SigningKey::from_bytes(&[number; 32]), created: MADE }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 255], &length[..], body].concat()
}

fn subpacket(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
    [&[255], &length[..], &[kind], body].concat()
}

fn number(kind: u8, value: u32) -> Vec<u8> {
    subpacket(kind, &value.to_be_bytes())
}

/// The usual hashed subpackets of a message.
fn made() -> Vec<Vec<u8>> {
    vec![number(CREATED, MADE)]
}

/// What is said about a key so many hours later.
fn says(hour: u32, flags: u8) -> Vec<Vec<u8>> {
    vec![number(CREATED, MADE + hour * 3600), subpacket(KEY_FLAGS, &[flags])]
}

/// The usual hashed subpackets about a key.
fn about(flags: u8) -> Vec<Vec<u8>> {
    vec![number(CREATED, MADE), subpacket(KEY_FLAGS, &[flags])]
}

impl Author {
    fn body(&self) -> Vec<u8> {
        [&[4], &self.created.to_be_bytes()[..], &[ED25519], self.key.verifying_key().as_bytes()].concat()
    }

    /// What is hashed of the key.
    fn hashed(&self) -> Vec<u8> {
        let body = self.body();
        [&[0x99], &u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    fn fingerprint(&self) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &self.hashed()).as_ref().to_vec()
    }

    fn issuer(&self) -> Vec<u8> {
        subpacket(ISSUER, &[&[4], &self.fingerprint()[..]].concat())
    }

    /// The body of a signature packet with this type over `parts`.
    fn sign(&self, kind: u8, hashed: &[Vec<u8>], unhashed: &[Vec<u8>], parts: &[&[u8]]) -> Vec<u8> {
        let (hashed, unhashed) = (hashed.concat(), unhashed.concat());
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
        let head = [&[4, kind, ED25519, SHA256], &length(&hashed)[..], &hashed].concat();
        let tail = [&[4, 0xff], &u32::try_from(head.len()).unwrap().to_be_bytes()[..]].concat();
        let digest = HashFunction::Sha256.digest(&[&parts.concat()[..], &head, &tail].concat());
        let signature = self.key.sign(&digest).to_bytes();
        [&head[..], &length(&unhashed), &unhashed, &[0, 0], &signature].concat()
    }

    /// Its key, and what follows it.
    fn keyring(&self, packets: &[Vec<u8>]) -> Vec<u8> {
        [packet(6, &self.body()), packets.concat()].concat()
    }

    /// Its user ID with a self-signature.
    fn user(&self, hashed: &[Vec<u8>]) -> Vec<u8> {
        let signature = self.sign(0x13, hashed, &[self.issuer()], &[&self.hashed(), &user_hashed()]);
        [packet(13, USER), packet(2, &signature)].concat()
    }

    /// A self-signature over the key alone, or a revocation of it.
    fn direct(&self, kind: u8, hashed: &[Vec<u8>]) -> Vec<u8> {
        packet(2, &self.sign(kind, hashed, &[self.issuer()], &[&self.hashed()]))
    }

    /// A sub-key with a signature of this type, whose other subpackets are `more`.
    fn subkey(&self, below: &Self, hashed: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
        let parts = [self.hashed(), below.hashed()];
        let more = [more, &[self.issuer()]].concat();
        let binding = self.sign(0x18, hashed, &more, &[&parts[0], &parts[1]]);
        [packet(14, &below.body()), packet(2, &binding)].concat()
    }

    /// What a sub-key says about the key above it.
    fn back(&self, above: &Self) -> Vec<u8> {
        let signature = self.sign(0x19, &made(), &[self.issuer()], &[&above.hashed(), &self.hashed()]);
        subpacket(EMBEDDED, &signature)
    }

    fn message(&self, hashed: &[Vec<u8>], unhashed: &[Vec<u8>]) -> Vec<u8> {
        message(&self.sign(0, hashed, unhashed, &[DATA]))
    }

    fn usual_message(&self) -> Vec<u8> {
        self.message(&made(), &[self.issuer()])
    }
}

fn user_hashed() -> Vec<u8> {
    [&[0xb4], &u32::try_from(USER.len()).unwrap().to_be_bytes()[..], USER].concat()
}

fn announcement() -> Vec<u8> {
    packet(4, &[3, 0, SHA256, ED25519, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

fn literal() -> Vec<u8> {
    packet(11, &[b"b\0\0\0\0\0", DATA].concat())
}

fn message(signature: &[u8]) -> Vec<u8> {
    [announcement(), literal(), packet(2, signature)].concat()
}

fn set(keyring: &[u8]) -> GpgSet {
    GpgSet::new(vec![read_keyring(keyring).unwrap()], Vec::new()).unwrap()
}

/// One key is one signer, whichever kind of authenticator has it.
#[test]
fn t64_a_signer_has_the_fingerprints_of_the_primary_key_and_of_the_key_that_signed() {
    let (one, below) = (author(1), author(2));
    let fingerprint = |author: &Author| {
        let der = crate::trust::spki::ed25519(author.key.verifying_key().as_bytes()).unwrap();
        let pem = crate::trust::pem::write("PUBLIC KEY", &der);
        let key = PublicKey::from_pem(&pem, Algorithm::Ed25519, PssSalt::default()).unwrap();
        key.fingerprint().to_owned()
    };
    let subkey = one.subkey(&below, &about(SIGN), &[below.back(&one)]);
    let set = set(&one.keyring(&[one.user(&about(SIGN)), subkey]));
    for (author, expected) in [(&one, vec![&one]), (&below, vec![&one, &below])] {
        let opened = set.open(&author.usual_message(), at(NOW)).unwrap();
        let expected: Vec<String> = expected.into_iter().map(fingerprint).collect();
        assert_eq!(opened.keys, expected);
    }
}

#[test]
fn a_message_says_once_and_hashed_when_it_was_made_and_nothing_that_is_not_understood() {
    let one = author(1);
    let set = set(&one.keyring(&[one.user(&about(SIGN))]));
    let issuer = || one.issuer();
    let twice = vec![number(CREATED, MADE), number(CREATED, MADE)];
    let lasting = |seconds| vec![number(CREATED, MADE), number(EXPIRES, seconds)];
    for (name, hashed, unhashed, expected) in [
        ("usual", made(), vec![issuer()], "ok"),
        ("hashed issuer", [made(), vec![issuer()]].concat(), vec![], "ok"),
        ("no issuer", made(), vec![], "NoIssuer"),
        ("a fifth issuer", made(), [vec![author(2).issuer(); 4], vec![issuer()]].concat(), "Malformed"),
        ("the fourth issuer", made(), [vec![author(2).issuer(); 3], vec![issuer()]].concat(), "ok"),
        ("another issuer", made(), vec![author(2).issuer()], "UnknownKey"),
        ("no time", vec![issuer()], vec![issuer()], "NoTime"),
        ("two times", twice, vec![issuer()], "NoTime"),
        ("time not hashed", vec![issuer()], made(), "NoTime"),
        ("before its key", vec![number(CREATED, MADE - 1)], vec![issuer()], "BeforeKey"),
        ("in the future", vec![number(CREATED, MADE + DAY)], vec![issuer()], "Future"),
        ("a day", lasting(DAY), vec![issuer()], "Expired"),
        ("a day and a second", lasting(DAY + 1), vec![issuer()], "ok"),
        ("without end", lasting(0), vec![issuer()], "ok"),
        ("two ends", [lasting(DAY), vec![number(EXPIRES, 0)]].concat(), vec![issuer()], "NoTime"),
        ("an end that is not hashed", made(), vec![number(EXPIRES, 1), issuer()], "ok"),
        (
            "critical unknown",
            [made(), vec![subpacket(CRITICAL | 99, b"")]].concat(),
            vec![issuer()],
            "Critical",
        ),
        (
            "critical notation",
            [made(), vec![subpacket(CRITICAL | 20, b"")]].concat(),
            vec![issuer()],
            "Critical",
        ),
        ("unknown", [made(), vec![subpacket(99, b"")]].concat(), vec![issuer()], "ok"),
        ("critical time", vec![number(CRITICAL | CREATED, MADE)], vec![issuer()], "ok"),
        ("short time", vec![subpacket(CREATED, b"abc")], vec![issuer()], "Malformed"),
        ("cut subpacket", vec![vec![9, CREATED]], vec![issuer()], "Malformed"),
        ("empty subpacket", vec![vec![0]], vec![issuer()], "Malformed"),
    ] {
        let opened = set.open(&one.message(&hashed, &unhashed), at(NOW));
        // A day after it was made is 2026-11-02T12:00:00Z.
        let opened = if expected == "Expired" || name.starts_with("a day") {
            set.open(&one.message(&hashed, &unhashed), at("2026-11-02T12:00:00Z"))
        } else {
            opened
        };
        assert_eq!(outcome(&opened), expected, "{name}");
    }
}

#[test]
fn a_message_is_one_signature_over_one_literal() {
    let one = author(1);
    let set = set(&one.keyring(&[one.user(&about(SIGN))]));
    let signature = packet(2, &one.sign(0, &made(), &[one.issuer()], &[DATA]));
    let (first, literal) = (announcement(), literal());
    let other_literal = packet(11, b"b\0\0\0\0\0other");
    let good = [&first[..], &literal, &signature].concat();
    let zlib = |data: &[u8]| miniz_oxide::deflate::compress_to_vec_zlib(data, 6);
    let compressed = |method: u8, data: &[u8]| packet(8, &[&[method], data].concat());
    let announced = |last: u8| packet(4, &[3, 0, SHA256, ED25519, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let text = packet(2, &one.sign(1, &made(), &[], &[DATA]));
    for (name, document, expected) in [
        ("good", good.clone(), "ok"),
        ("zlib", compressed(2, &zlib(&good)), "ok"),
        ("zip", compressed(1, &miniz_oxide::deflate::compress_to_vec(&good, 6)), "ok"),
        ("something behind the data", compressed(2, &[zlib(&good), vec![0]].concat()), "Compression"),
        ("cut data", compressed(2, &zlib(&good)[..20]), "Compression"),
        ("another method", compressed(0, &good), "Compression"),
        ("no method", packet(8, b""), "Compression"),
        ("a bomb", compressed(2, &zlib(&vec![0; 1 << 20])), "Inflated"),
        ("compressed twice", compressed(2, &zlib(&compressed(2, &zlib(&good)))), "Form"),
        ("compressed with another", [compressed(2, &zlib(&good)), literal.clone()].concat(), "Form"),
        ("something behind it", [&good[..], &literal].concat(), "Form"),
        ("much behind it", [&good[..], &literal, &literal].concat(), "Form"),
        ("garbage behind it", [&good[..], b"x"].concat(), "Malformed"),
        ("something before it", [&packet(10, b"PGP")[..], &good].concat(), "Form"),
        ("two literals", [&first[..], &literal, &other_literal, &signature].concat(), "Form"),
        ("another literal", [&first[..], &other_literal, &signature].concat(), "Untrusted"),
        ("two signatures", [&first[..], &literal, &signature, &signature].concat(), "Form"),
        ("announced as not the last", [&announced(0)[..], &literal, &signature].concat(), "Form"),
        ("not announced", [&literal[..], &signature].concat(), "Form"),
        ("signature first", [&signature[..], &literal].concat(), "Form"),
        ("of text", [&first[..], &literal, &text].concat(), "Kind"),
        ("no literal", [&first[..], &signature].concat(), "Form"),
        ("a short literal", [&first[..], &packet(11, b"b\xffabcd"), &signature].concat(), "Malformed"),
        ("nothing", vec![], "Form"),
        ("too large", packet(11, &vec![0; 65 * 1024]), "TooLarge"),
        ("version 6", [&first[..], &literal, &packet(2, &[6, 0])].concat(), "Version"),
        (
            "an announcement of version 6",
            [&packet(4, &[6; 13])[..], &literal, &signature].concat(),
            "Version",
        ),
    ] {
        assert_eq!(outcome(&set.open(&document, at(NOW))), expected, "{name}");
    }
}

#[test]
fn a_sub_key_signs_if_both_keys_say_so() {
    let (above, below, other) = (author(1), author(2), author(3));
    let back = below.back(&above);
    let user = above.user(&about(CERTIFY));
    let hidden = [made(), vec![subpacket(EMBEDDED, b"x")]].concat();
    // A back-signature of the wrong type.
    let wrong = below.sign(0x18, &made(), &[], &[&above.hashed(), &below.hashed()]);
    let old = subpacket(
        EMBEDDED,
        &below.sign(
            0x19,
            &[number(CREATED, MADE), number(EXPIRES, DAY / 4)],
            &[],
            &[&above.hashed(), &below.hashed()],
        ),
    );
    let ended = [about(SIGN), vec![number(EXPIRES, DAY / 4)]].concat();
    for (name, hashed, more, expected) in [
        ("usual", about(SIGN), vec![back.clone()], "ok"),
        ("hashed", [about(SIGN), vec![back.clone()]].concat(), vec![], "ok"),
        ("no back-signature", about(SIGN), vec![], "NotBound"),
        ("by another key", about(SIGN), vec![other.back(&above)], "NotBound"),
        ("about another key", about(SIGN), vec![below.back(&other)], "NotBound"),
        ("of another type", about(SIGN), vec![subpacket(EMBEDDED, &wrong)], "NotBound"),
        ("not a signature", [about(SIGN), hidden].concat(), vec![], "NotBound"),
        ("the second one", about(SIGN), vec![subpacket(EMBEDDED, b"x"), back.clone()], "ok"),
        ("an end of the back-signature", about(SIGN), vec![old], "NotNow"),
        ("an end of the binding", ended, vec![back.clone()], "NotNow"),
        ("for certification", about(CERTIFY), vec![back.clone()], "Usage"),
        ("without flags", made(), vec![back.clone()], "Usage"),
        (
            "critical unknown",
            [about(SIGN), vec![subpacket(CRITICAL | 99, b"")]].concat(),
            vec![back],
            "NotBound",
        ),
    ] {
        let keyring = above.keyring(&[user.clone(), above.subkey(&below, &hashed, &more)]);
        let opened = set(&keyring).open(&below.usual_message(), at(NOW));
        assert_eq!(outcome(&opened), expected, "{name}");
    }
    // Bound by somebody who does not have the primary key.
    let theirs = [
        packet(14, &below.body()),
        packet(
            2,
            &other.sign(
                0x18,
                &about(SIGN),
                &[below.back(&above), above.issuer()],
                &[&above.hashed(), &below.hashed()],
            ),
        ),
    ]
    .concat();
    let opened = set(&above.keyring(&[user, theirs])).open(&below.usual_message(), at(NOW));
    assert_eq!(outcome(&opened), "NotBound");
}

#[test]
fn nobody_counts_for_the_sub_key_of_somebody_else() {
    let (owner, thief, below) = (author(1), author(2), author(3));
    let owners = owner
        .keyring(&[owner.user(&about(CERTIFY)), owner.subkey(&below, &about(SIGN), &[below.back(&owner)])]);
    // The thief has no back-signature to itself, and takes that to the owner.
    let thiefs = thief
        .keyring(&[thief.user(&about(CERTIFY)), thief.subkey(&below, &about(SIGN), &[below.back(&owner)])]);
    let identity = |set: &GpgSet| set.open(&below.usual_message(), at(NOW)).map(|it| it.identity.to_string());
    let owned = identity(&set(&owners)).unwrap();
    assert!(owned.ends_with(&hex(&owner.fingerprint())), "{owned}");
    assert_eq!(outcome(&set(&thiefs).open(&below.usual_message(), at(NOW))), "NotBound");
    let accepted = |set: &GpgSet| identity(set).map_err(|error| error.to_string());
    assert_eq!(accepted(&set(&[owners, thiefs].concat())), Ok(owned));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A scan must not remove an image because the clock of the node is wrong.
#[test]
fn a_key_that_counts_at_another_time_is_not_refused_for_good() {
    let one = author(1);
    let not_now = Some(Fault::KeyNotValidNow);
    for (name, packets, expected) in [
        ("ended", vec![one.user(&[says(0, SIGN), vec![number(EXPIRES, 3600)]].concat())], not_now),
        ("signs later", vec![one.user(&says(0, CERTIFY)), one.user(&says(48, SIGN))], not_now),
        ("never signs", vec![one.user(&says(0, CERTIFY))], None),
        ("signs no longer", vec![one.user(&says(0, SIGN)), one.user(&says(1, CERTIFY))], None),
    ] {
        let opened = set(&one.keyring(&packets)).open(&one.usual_message(), at(NOW));
        assert_eq!(SignatureError::from(opened.unwrap_err()).fault(), expected, "{name}");
    }
}

#[test]
fn what_the_owner_says_last_about_a_key_counts() {
    let one = author(1);
    let says = |hour: u32, flags: u8, seconds: u32| {
        let mut said = says(hour, flags);
        if seconds != 0 {
            said.push(number(KEY_EXPIRES, seconds));
        }
        said
    };
    let long = 10 * DAY;
    let alone = |hashed: &[Vec<u8>]| one.direct(0x1f, hashed);
    for (name, packets, expected) in [
        ("by user ID", vec![one.user(&says(0, SIGN, 0))], "ok"),
        ("by user ID, ended", vec![one.user(&says(0, SIGN, DAY / 4))], "KeyExpired"),
        ("by user ID, not for signing", vec![one.user(&says(0, CERTIFY, 0))], "Usage"),
        ("alone", vec![alone(&says(0, SIGN, 0))], "ok"),
        ("alone, ended", vec![alone(&says(0, SIGN, DAY / 4))], "KeyExpired"),
        ("without flags", vec![alone(&made())], "ok"),
        ("extended", vec![one.user(&says(0, SIGN, DAY / 4)), one.user(&says(1, SIGN, long))], "ok"),
        ("shortened", vec![one.user(&says(0, SIGN, long)), one.user(&says(1, SIGN, DAY / 4))], "KeyExpired"),
        ("not yet shortened", vec![one.user(&says(0, SIGN, 0)), one.user(&says(40, SIGN, 1))], "ok"),
        (
            "at the same time",
            vec![one.user(&says(0, SIGN, long)), one.user(&says(0, SIGN, DAY / 4))],
            "KeyExpired",
        ),
        (
            "alone before user ID",
            vec![alone(&says(0, SIGN, DAY / 4)), one.user(&says(1, SIGN, 0))],
            "KeyExpired",
        ),
        ("alone without end", vec![alone(&made()), one.user(&says(0, SIGN, DAY / 4))], "KeyExpired"),
        (
            "an end of what was said",
            vec![one.user(&[says(0, SIGN, 0), vec![number(EXPIRES, 3600)]].concat())],
            "NotNow",
        ),
    ] {
        assert_eq!(
            outcome(&set(&one.keyring(&packets)).open(&one.usual_message(), at(NOW))),
            expected,
            "{name}"
        );
    }
}

/// A signature packet that claims this hash.
fn with_hash(mut packet: Vec<u8>, hash: u8) -> Vec<u8> {
    // The number of the hash is the fourth byte of the body, behind six of the packet.
    packet[6 + 3] = hash;
    packet
}

/// A signature of version 3: length, type, time, key ID, algorithm, hash, two bytes of the hash, and a number.
fn old(author: &Author, kind: u8, created: u32) -> Vec<u8> {
    let head = [&[3, 5, kind][..], &created.to_be_bytes(), &author.fingerprint()[12..]].concat();
    packet(2, &[&head[..], &[1, 1, 0, 0, 0, 1, 1]].concat())
}

/// When it was made, in hours after [`MADE`], and that the key may sign.
fn signs_since(hour: u32) -> Vec<Vec<u8>> {
    vec![number(CREATED, MADE + hour * 3600), subpacket(KEY_FLAGS, &[SIGN])]
}

/// The hashes MD5, SHA-1 (which is verified only for RSA), SHA-224 and SHA3-256.
const UNREAD: [u8; 4] = [1, 2, 11, 12];

#[test]
fn a_newer_self_signature_that_is_not_read_makes_its_key_unusable() {
    let (one, other) = (author(1), author(2));
    let user = one.user(&signs_since(1));
    let parts = [one.hashed(), user_hashed()];
    let certified_by = |author: &Author, issuer: Vec<u8>, hashed: &[Vec<u8>]| {
        packet(2, &author.sign(0x13, hashed, &[issuer], &[&parts[0], &parts[1]]))
    };
    let certified = |hashed: &[Vec<u8>]| certified_by(&one, one.issuer(), hashed);
    let alone = |hashed: &[Vec<u8>]| one.direct(0x1f, hashed);
    let also = |hashed: Vec<Vec<u8>>, more: Vec<u8>| [hashed, vec![more]].concat();
    let critical = also(signs_since(2), subpacket(CRITICAL | 99, b""));
    let timeless = vec![subpacket(KEY_FLAGS, &[SIGN])];
    let later = |kind: u8, version: u8| packet(2, &[&[version, kind][..], &[0; 20]].concat());
    let revocation = one.direct(0x30, &signs_since(2));
    let mut rows: Vec<(String, Vec<Vec<u8>>, &str)> = Vec::new();
    for hash in UNREAD {
        let unread = |hour: u32| with_hash(certified(&signs_since(hour)), hash);
        let elsewhere = packet(13, b"another name");
        rows.extend([
            (format!("newer, {hash}"), vec![user.clone(), unread(2)], "NotCertified"),
            (format!("as new, {hash}"), vec![user.clone(), unread(1)], "NotCertified"),
            (format!("older, {hash}"), vec![user.clone(), unread(0)], "ok"),
            (format!("later, {hash}"), vec![user.clone(), unread(40)], "ok"),
            (format!("replaced, {hash}"), vec![user.clone(), unread(2), certified(&signs_since(3))], "ok"),
            (format!("elsewhere, {hash}"), vec![user.clone(), elsewhere, unread(2)], "NotCertified"),
            (
                format!("alone, {hash}"),
                vec![with_hash(alone(&signs_since(0)), hash), user.clone()],
                "NotCertified",
            ),
        ]);
    }
    let named = |name: &str, packets: Vec<Vec<u8>>, expected| (name.to_owned(), packets, expected);
    let user = || user.clone();
    rows.extend([
        named("critical unknown", vec![user(), certified(&critical)], "NotCertified"),
        named("alone, critical unknown", vec![alone(&critical), user()], "NotCertified"),
        named("no time", vec![user(), certified(&timeless)], "NotCertified"),
        named(
            "two times",
            vec![user(), certified(&also(signs_since(2), number(CREATED, MADE)))],
            "NotCertified",
        ),
        named("version 3", vec![user(), old(&one, 0x13, MADE + 7200)], "NotCertified"),
        named("version 3, older", vec![user(), old(&one, 0x13, MADE)], "ok"),
        named("version 3, alone", vec![old(&one, 0x1f, MADE), user()], "NotCertified"),
        named("a revocation alone", vec![alone(&signs_since(1)), revocation.clone()], "NotCertified"),
        named(
            "a revocation alone, and again",
            vec![alone(&signs_since(1)), revocation, alone(&signs_since(3))],
            "ok",
        ),
        // Not the owner's.
        named("forged", vec![user(), certified_by(&other, one.issuer(), &signs_since(2))], "ok"),
        named("of version 3 by somebody else", vec![user(), old(&other, 0x13, MADE + 7200)], "ok"),
        named("of version 6", vec![user(), later(0x13, 6)], "ok"),
        named(
            "by somebody else",
            vec![user(), with_hash(certified_by(&other, other.issuer(), &signs_since(2)), 1)],
            "ok",
        ),
    ]);
    for (name, packets, expected) in rows {
        let opened = set(&one.keyring(&packets)).open(&one.usual_message(), at(NOW));
        assert_eq!(outcome(&opened), expected, "{name}");
    }
    // Also in another copy, and alone it says nothing.
    let unread = [packet(13, USER), with_hash(certified(&signs_since(2)), 1)].concat();
    let copies = [one.keyring(&[user()]), one.keyring(&[user(), unread.clone()])].concat();
    assert_eq!(outcome(&set(&copies).open(&one.usual_message(), at(NOW))), "NotCertified");
    let error = read_keyring(&one.keyring(&[unread])).unwrap_err();
    assert!(matches!(error, KeyringError::NoSelfSignature { .. }), "{error}");
}

#[test]
fn a_newer_binding_that_is_not_read_makes_its_sub_key_unusable() {
    let (above, below) = (author(1), author(2));
    let user = above.user(&about(CERTIFY));
    let back = below.back(&above);
    let binding = |hashed: &[Vec<u8>], more: &[Vec<u8>]| {
        let more = [more, &[above.issuer()]].concat();
        packet(2, &above.sign(0x18, hashed, &more, &[&above.hashed(), &below.hashed()]))
    };
    let good = |hour: u32| binding(&signs_since(hour), std::slice::from_ref(&back));
    let mut weak_back = below.sign(0x19, &made(), &[], &[&above.hashed(), &below.hashed()]);
    weak_back[3] = 2;
    let unbacked = |more: &[Vec<u8>]| binding(&signs_since(2), more);
    let critical = [signs_since(2), vec![subpacket(CRITICAL | 99, b"")]].concat();
    let mut rows = vec![
        ("without a back-signature", vec![good(1), unbacked(&[])], "NotBound"),
        ("with a weak one", vec![good(1), unbacked(&[subpacket(EMBEDDED, &weak_back)])], "NotBound"),
        ("without, and again", vec![good(1), unbacked(&[]), good(3)], "ok"),
        ("without, older", vec![good(3), unbacked(&[])], "ok"),
        ("critical unknown", vec![good(1), binding(&critical, std::slice::from_ref(&back))], "NotBound"),
        ("version 3", vec![good(1), old(&above, 0x18, MADE + 7200)], "NotBound"),
        ("version 3 by somebody else", vec![good(1), old(&below, 0x18, MADE + 7200)], "ok"),
    ];
    for hash in UNREAD {
        rows.push(("newer", vec![good(1), with_hash(good(2), hash)], "NotBound"));
        rows.push(("older", vec![good(1), with_hash(good(0), hash)], "ok"));
    }
    for (name, bindings, expected) in rows {
        let subkey = [packet(14, &below.body()), bindings.concat()].concat();
        let opened = set(&above.keyring(&[user.clone(), subkey])).open(&below.usual_message(), at(NOW));
        assert_eq!(outcome(&opened), expected, "{name}");
    }
    let copies: Vec<u8> = [good(1), with_hash(good(2), 1)]
        .iter()
        .flat_map(|binding| above.keyring(&[user.clone(), packet(14, &below.body()), binding.clone()]))
        .collect();
    assert_eq!(outcome(&set(&copies).open(&below.usual_message(), at(NOW))), "NotBound");
}

#[test]
fn what_one_copy_of_a_key_revokes_does_not_count_by_another() {
    let (one, other) = (author(1), author(2));
    let signs = one.user(&signs_since(1));
    let revocation = |kind: u8, hour: u32| {
        let parts = [one.hashed(), user_hashed()];
        packet(2, &one.sign(kind, &signs_since(hour), &[one.issuer()], &[&parts[0], &parts[1]]))
    };
    let revoked = |hour| [packet(13, USER), revocation(0x30, hour)].concat();
    let of_version_3 = [packet(13, USER), old(&one, 0x30, MADE + 7200)].concat();
    // Another user ID that only certifies, and is older.
    let second = {
        let hashed = [&[0xb4, 0, 0, 0, 6][..], b"second"].concat();
        let signature = one.sign(0x13, &about(CERTIFY), &[one.issuer()], &[&one.hashed(), &hashed]);
        [packet(13, b"second"), packet(2, &signature)].concat()
    };
    let revoker =
        [made(), vec![subpacket(REVOKER, &[&[0x80, 22], &other.fingerprint()[..]].concat())]].concat();
    let names_other = one.direct(0x1f, &revoker);
    let by_other = packet(2, &other.sign(0x20, &made(), &[other.issuer()], &[&one.hashed()]));
    for (name, copies, expected) in [
        ("neither", [vec![signs.clone()], vec![second.clone()]], "ok"),
        ("a user ID", [vec![signs.clone()], vec![second.clone(), revoked(2)]], "Usage"),
        ("a user ID, in version 3", [vec![signs.clone()], vec![second.clone(), of_version_3]], "Usage"),
        ("a user ID, certified again", [vec![signs.clone()], vec![second.clone(), revoked(0)]], "ok"),
        (
            "a user ID, in the same copy",
            [vec![signs.clone(), second.clone(), revoked(2)], vec![second.clone()]],
            "Usage",
        ),
        ("by a revoker", [vec![names_other, signs.clone()], vec![by_other.clone(), second]], "Revoked"),
        ("by nobody's revoker", [vec![signs.clone()], vec![by_other, signs]], "ok"),
    ] {
        for order in [[0, 1], [1, 0]] {
            let rings = order.map(|at| read_keyring(&one.keyring(&copies[at])).unwrap());
            let set = GpgSet::new(rings.into(), Vec::new()).unwrap();
            let opened = set.open(&one.usual_message(), at(NOW));
            assert_eq!(outcome(&opened), expected, "{name} {order:?}");
        }
    }
}

#[test]
fn a_keyring_of_which_something_would_be_left_out_does_not_load() {
    let (one, below) = (author(1), author(2));
    let user = one.user(&about(SIGN));
    let certification = user[packet(13, USER).len()..].to_vec();
    let alone = one.direct(0x1f, &about(SIGN));
    let subkey = one.subkey(&below, &about(SIGN), &[below.back(&one)]);
    let binding = subkey[packet(14, &below.body()).len()..].to_vec();
    let cut = packet(2, &one.sign(0x13, &about(SIGN), &[one.issuer()], &[])[..40]);
    let issuers = [vec![below.issuer(); 4], vec![one.issuer()]].concat();
    let five = packet(2, &one.sign(0x20, &made(), &issuers, &[&one.hashed()]));
    let named = packet(13, USER);
    for (name, before, repeated, most) in [
        ("certifications", vec![named], certification, 256),
        ("self-signatures alone", vec![], alone, 256),
        ("bindings", vec![user.clone(), packet(14, &below.body())], binding, 256),
        ("sub-keys", vec![user.clone()], subkey, 256),
    ] {
        let keyring = |count: usize| one.keyring(&[before.clone(), vec![repeated.clone(); count]].concat());
        assert!(read_keyring(&keyring(most)).is_ok(), "{name}");
        let error = read_keyring(&keyring(most + 1)).map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").starts_with("TooManyParts"), "{name}: {error:?}");
    }
    for (name, packet) in [("cut", cut), ("five issuers", five)] {
        let error = read_keyring(&one.keyring(&[user.clone(), packet])).map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").starts_with("Signature"), "{name}: {error:?}");
    }
}

#[test]
fn every_revocation_counts_that_could_be_the_owners() {
    let (one, below, other) = (author(1), author(2), author(3));
    let user = one.user(&about(SIGN));
    let subkey = one.subkey(&below, &about(SIGN), &[below.back(&one)]);
    let parts = [one.hashed(), below.hashed()];
    let by = |author: &Author, kind: u8, issuer: Vec<u8>, parts: &[&[u8]]| {
        packet(2, &author.sign(kind, &made(), &[issuer], parts))
    };
    let of_key = |author: &Author, issuer| by(author, 0x20, issuer, &[&parts[0]]);
    let of_subkey = |author: &Author, issuer| by(author, 0x28, issuer, &[&parts[0], &parts[1]]);
    let old = |author: &Author, kind: u8| old(author, kind, 0);
    let revoker =
        [made(), vec![subpacket(REVOKER, &[&[0x80, 22], &other.fingerprint()[..]].concat())]].concat();
    let names_other = one.direct(0x1f, &revoker);
    for (name, before, after, expected) in [
        ("none", vec![], vec![], ["ok", "ok"]),
        ("of the key", vec![of_key(&one, one.issuer())], vec![], ["Revoked", "Revoked"]),
        ("of the sub-key", vec![], vec![of_subkey(&one, one.issuer())], ["ok", "SubKeyRevoked"]),
        (
            "of the key, with MD5",
            vec![with_hash(of_key(&one, one.issuer()), 1)],
            vec![],
            ["Revoked", "Revoked"],
        ),
        (
            "of the key, with SHA-1",
            vec![with_hash(of_key(&one, one.issuer()), 2)],
            vec![],
            ["Revoked", "Revoked"],
        ),
        (
            "of the sub-key, with MD5",
            vec![],
            vec![with_hash(of_subkey(&one, one.issuer()), 1)],
            ["ok", "SubKeyRevoked"],
        ),
        ("of the key, of version 3", vec![old(&one, 0x20)], vec![], ["Revoked", "Revoked"]),
        ("of the sub-key, of version 3", vec![], vec![old(&one, 0x28)], ["ok", "SubKeyRevoked"]),
        (
            "by somebody else",
            vec![of_key(&other, other.issuer())],
            vec![of_subkey(&other, other.issuer())],
            ["ok", "ok"],
        ),
        ("by somebody else of version 3", vec![old(&other, 0x20)], vec![old(&other, 0x28)], ["ok", "ok"]),
        ("forged", vec![of_key(&other, one.issuer())], vec![of_subkey(&other, one.issuer())], ["ok", "ok"]),
        (
            "by a revoker",
            vec![of_key(&other, other.issuer()), names_other.clone()],
            vec![],
            ["Revoked", "Revoked"],
        ),
        ("with a revoker", vec![names_other], vec![], ["ok", "ok"]),
    ] {
        let packets = [before, vec![user.clone(), subkey.clone()], after].concat();
        let set = set(&one.keyring(&packets));
        let outcomes = [&one, &below].map(|author| outcome(&set.open(&author.usual_message(), at(NOW))));
        assert_eq!(outcomes, expected, "{name}");
    }
}

#[test]
fn a_revoked_user_id_says_nothing() {
    let one = author(1);
    let revocation = |hour: u32| {
        let hashed = [number(CREATED, MADE + hour * 3600)];
        packet(2, &one.sign(0x30, &hashed, &[one.issuer()], &[&one.hashed(), &user_hashed()]))
    };
    let revoked = [one.user(&about(SIGN)), revocation(1)].concat();
    let error = read_keyring(&one.keyring(std::slice::from_ref(&revoked))).unwrap_err();
    assert!(matches!(error, KeyringError::NoSelfSignature { .. }), "{error}");
    let alone = one.direct(0x1f, &about(CERTIFY));
    let opened = set(&one.keyring(&[alone, revoked])).open(&one.usual_message(), at(NOW));
    assert_eq!(outcome(&opened), "Usage");
    // Certified again after it was revoked.
    let again = [
        packet(13, USER),
        revocation(1),
        packet(
            2,
            &one.sign(
                0x13,
                &[number(CREATED, MADE + 7200)],
                &[one.issuer()],
                &[&one.hashed(), &user_hashed()],
            ),
        ),
    ];
    assert_eq!(outcome(&set(&one.keyring(&again)).open(&one.usual_message(), at(NOW))), "ok");
}

#[test]
fn keyrings_with_keys_that_could_never_count_do_not_load() {
    let one = author(1);
    let user = one.user(&about(SIGN));
    let body = one.body();
    let changed = |at: usize, byte: u8| {
        let mut body = body.clone();
        body[at] = byte;
        [packet(6, &body), user.clone()].concat()
    };
    // A modulus of 1024 bits.
    let short = [&[4, 0, 0, 0, 0, 1, 4, 0, 0x80][..], &[1; 127], &[0, 17, 1, 0, 1]].concat();
    let dsa = [4, 0, 0, 0, 0, 17, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1];
    let many: Vec<u8> = (0..65)
        .flat_map(|number| {
            let one = author(number);
            one.keyring(&[one.user(&about(SIGN))])
        })
        .collect();
    for (name, keyring, expected) in [
        ("version 3", changed(0, 3), "Version"),
        ("version 6", changed(0, 6), "Version"),
        ("DSA", packet(6, &dsa), "Algorithm"),
        ("RSA with 1024 bits", packet(6, &short), "Algorithm"),
        ("a longer key", [packet(6, &[&body[..], b"x"].concat()), user.clone()].concat(), "Malformed"),
        ("a sub-key alone", packet(14, &body), "Packet"),
        ("a user ID alone", user.clone(), "Packet"),
        ("a literal", [one.keyring(std::slice::from_ref(&user)), literal()].concat(), "Packet"),
        ("too many keys", many, "TooManyKeys"),
        (
            "a self-signature by somebody else",
            one.keyring(&[author(2).user(&about(SIGN))]),
            "NoSelfSignature",
        ),
    ] {
        let error = read_keyring(&keyring).map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{name}: {error:?}");
    }
    let skipped = [packet(12, b"trust"), packet(60, b"private"), packet(10, b"PGP")].concat();
    assert_eq!(read_keyring(&one.keyring(&[user, skipped])).unwrap().len(), 1);
}

/// A keyring and a message of the real gpg.
fn real() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let [keyring, message, data] = ["family.keyring.gpg", "family-2.signature", "payload.json"]
        .map(|name| fixture(&format!("cli/{name}")));
    (keyring, message, data)
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (keyring, ..) = real();
        let _ = read_keyring(&bytes);
        prop_assert!(set(&keyring).open(&bytes, at(NOW)).is_err());
    }

    /// Parts of a message are not signed, such as the name of a file: what is signed is the same whatever they are.
    #[test]
    fn a_changed_message_signs_the_same_or_nothing(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (keyring, mut message, data) = real();
        for (index, byte) in changes {
            let length = message.len();
            message[index.index(length)] = byte;
        }
        if let Ok(signed) = set(&keyring).open(&message, at(NOW)) {
            prop_assert_eq!(signed.data, data);
        }
    }

    #[test]
    fn packets_in_any_order_do_not_panic(order in proptest::collection::vec(0..9_usize, 0..12)) {
        let (one, below) = (author(1), author(2));
        let pieces = [
            packet(6, &one.body()),
            one.user(&about(SIGN)),
            one.subkey(&below, &about(SIGN), &[below.back(&one)]),
            one.direct(0x1f, &about(SIGN)),
            one.direct(0x20, &made()),
            announcement(),
            literal(),
            packet(2, &one.sign(0, &made(), &[one.issuer()], &[DATA])),
            packet(17, b"image"),
        ];
        let all: Vec<u8> = order.iter().flat_map(|at| pieces[*at].clone()).collect();
        let certificates: Option<Vec<Certificate>> = read_keyring(&all).ok();
        prop_assert!(certificates.is_none_or(|it| it.len() == 1));
        let set = set(&one.keyring(&[one.user(&about(SIGN))]));
        let is_message = order == [5, 6, 7];
        prop_assert_eq!(set.open(&all, at(NOW)).is_ok(), is_message);
    }
}
