//! Which certificates are revoked: T87.

use std::collections::BTreeMap;
use std::sync::Arc;

use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};

use super::*;
use crate::trust::x509::{CrlSource, FetchedCrl, Unknown};

const POINT: &str = "http://crl.example/ca.crl";

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

/// A CA whose leaf has the serial number 7.
struct World {
    ca: Party,
    leaf: Party,
}

impl World {
    fn new() -> Self {
        let leaf =
            Party::leaf("leaf").with(|params| params.serial_number = Some(SerialNumber::from(vec![7])));
        Self { ca: Party::ca("ca", None), leaf }
    }

    /// One whose leaf says where its list is.
    fn with_point() -> Self {
        let mut world = Self::new();
        let uris = vec!["ldap://crl.example/ca".to_owned(), POINT.to_owned()];
        world.leaf.params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        world
    }

    fn chain(&self) -> Chain {
        Chain::check(vec![self.leaf.by(&self.ca), self.ca.own()], Purpose::CodeSigning).unwrap()
    }

    /// A list of this year, with these changes.
    fn list(&self, change: impl FnOnce(&mut CertificateRevocationListParams)) -> Vec<u8> {
        let mut params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 1),
            next_update: rcgen::date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        let issuer = Issuer::from_params(&self.ca.params, &self.ca.key);
        params.signed_by(&issuer).unwrap().der().to_vec()
    }

    fn revoking(&self, reason: RevocationReason) -> Vec<u8> {
        self.list(|list| list.revoked_certs = vec![revoked(7, reason)])
    }

    /// What becomes of the chain with these lists.
    fn judge(&self, mode: RevocationMode, lists: &[&[u8]]) -> String {
        self.judge_signed(mode, lists, None)
    }

    fn judge_signed(&self, mode: RevocationMode, lists: &[&[u8]], signed: Option<Timestamp>) -> String {
        let mut revocation = Revocation::new(mode, false);
        for list in lists {
            revocation.add(list).unwrap();
        }
        judge(&self.chain(), &revocation, &FetchedCrls::default(), signed)
    }
}

fn revoked(serial: u64, reason: RevocationReason) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: rcgen::date_time_ymd(2026, 6, 1),
        reason_code: Some(reason),
        invalidity_date: None,
    }
}

fn judge(chain: &Chain, revocation: &Revocation, fetched: &FetchedCrls, signed: Option<Timestamp>) -> String {
    let denied = BTreeMap::new();
    let check = RevocationCheck { denied: &denied, revocation, fetched, now: now() };
    match check.check(chain, signed) {
        Ok(None) => "ok".to_owned(),
        Ok(Some(until)) => format!("ok until {}", until.strftime("%F")),
        Err(RevocationError::Unknown { why, .. }) => {
            format!("{why:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
        }
        Err(error) => format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn t87_lists_of_revoked_certificates_are_judged_by_issuer_time_and_scope() {
    let world = World::new();
    let other = World { ca: Party::ca("ca", None), leaf: Party::leaf("leaf") };
    let stranger = World { ca: Party::ca("stranger", None), leaf: Party::leaf("leaf") };
    let good = world.list(|list| list.revoked_certs = vec![revoked(8, RevocationReason::KeyCompromise)]);
    let compromised = world.revoking(RevocationReason::KeyCompromise);
    let on_hold = world.revoking(RevocationReason::CertificateHold);
    let back = world.revoking(RevocationReason::RemoveFromCrl);
    let old = world.list(|list| list.next_update = rcgen::date_time_ymd(2026, 11, 1));
    let old_revoking = world.list(|list| {
        list.next_update = rcgen::date_time_ymd(2026, 11, 1);
        list.revoked_certs = vec![revoked(7, RevocationReason::Superseded)];
    });
    let newer = world.list(|list| list.this_update = rcgen::date_time_ymd(2026, 11, 1));
    let future = world.list(|list| list.this_update = rcgen::date_time_ymd(2026, 12, 15));
    let of_users =
        world.list(|list| list.issuing_distribution_point = point(POINT, Some(CrlScope::UserCertsOnly)));
    let elsewhere = world.list(|list| list.issuing_distribution_point = point("http://other.example/", None));
    let required = RevocationMode::Required;
    for (name, lists, expected) in [
        ("not on the list", vec![&good[..]], "ok until 2027-01-01"),
        ("on the list", vec![&compromised], "Revoked"),
        ("on hold", vec![&on_hold], "Revoked"),
        ("no longer on hold", vec![&back], "ok until 2027-01-01"),
        ("on hold in an older list", vec![&on_hold, &newer], "ok until 2027-01-01"),
        ("revoked in an older list", vec![&compromised, &newer], "Revoked"),
        ("a list that is over", vec![&old], "Old"),
        ("a list that is over, and says revoked", vec![&old_revoking], "Revoked"),
        ("a list of the future", vec![&future], "Future"),
        ("one list of the future", vec![&future, &good], "ok until 2027-01-01"),
        ("a CA of the same name", vec![&other.list(|_| {})], "OtherSigner"),
        (
            "revoked by a CA of the same name",
            vec![&other.revoking(RevocationReason::KeyCompromise), &good],
            "ok until 2027-01-01",
        ),
        ("another CA", vec![&stranger.list(|_| {})], "NoCrl"),
        ("a distribution point that the certificate does not name", vec![&of_users], "NoCrl"),
        ("another distribution point", vec![&elsewhere], "NoCrl"),
    ] {
        assert_eq!(world.judge(required, &lists), expected, "{name}");
    }
}

fn point(uri: &str, scope: Option<CrlScope>) -> Option<CrlIssuingDistributionPoint> {
    let distribution_point = CrlDistributionPoint { uris: vec![uri.to_owned()] };
    Some(CrlIssuingDistributionPoint { distribution_point, scope })
}

#[test]
fn a_list_of_one_distribution_point_is_about_the_certificates_that_name_it() {
    let world = World::with_point();
    for (uri, scope, expected) in [
        (POINT, None, "ok until 2027-01-01"),
        (POINT, Some(CrlScope::UserCertsOnly), "ok until 2027-01-01"),
        (POINT, Some(CrlScope::CaCertsOnly), "NoCrl"),
        ("http://crl.example/other.crl", None, "NoCrl"),
    ] {
        let list = world.list(|list| list.issuing_distribution_point = point(uri, scope));
        assert_eq!(world.judge(RevocationMode::Required, &[&list]), expected, "{uri} {scope:?}");
    }
}

/// RFC 5280 section 6.3.3 (f).
#[test]
fn a_ca_with_a_key_usage_needs_crl_signing_for_its_lists() {
    let both = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    for (usages, good, revoked) in [
        (both, "ok until 2027-01-01", "Revoked"),
        (Vec::new(), "ok until 2027-01-01", "Revoked"),
        (vec![KeyUsagePurpose::KeyCertSign], "NoCrlSigning", "NoCrlSigning"),
    ] {
        let mut world = World::new();
        let lists = [world.list(|_| {}), world.revoking(RevocationReason::KeyCompromise)];
        world.ca.params.key_usages.clone_from(&usages);
        let chain = vec![world.leaf.by(&world.ca), world.ca.own()];
        let chain = Chain::check(chain, Purpose::Signing).unwrap();
        for (list, expected) in lists.iter().zip([good, revoked]) {
            let mut revocation = Revocation::default();
            revocation.add(list).unwrap();
            let outcome = judge(&chain, &revocation, &FetchedCrls::default(), None);
            assert_eq!(outcome, expected, "{usages:?}");
        }
    }
}

#[test]
fn what_is_not_known_is_judged_by_the_mode() {
    let (plain, named) = (World::new(), World::with_point());
    let stranger = World { ca: Party::ca("stranger", None), leaf: Party::leaf("leaf") };
    let [of_stranger, old] =
        [stranger.list(|_| {}), plain.list(|list| list.next_update = rcgen::date_time_ymd(2026, 11, 1))];
    let revoking = plain.revoking(RevocationReason::KeyCompromise);
    for (mode, nowhere, somewhere, outdated) in [
        (RevocationMode::Required, "NoCrl", "NoCrl", "Old"),
        (RevocationMode::IfNamed, "ok", "NoCrl", "Old"),
        (RevocationMode::IfKnown, "ok", "ok", "ok"),
    ] {
        assert_eq!(plain.judge(mode, &[&of_stranger]), nowhere, "{mode:?}");
        assert_eq!(named.judge(mode, &[&of_stranger]), somewhere, "{mode:?}");
        assert_eq!(plain.judge(mode, &[&old]), outdated, "{mode:?}");
        assert_eq!(plain.judge(mode, &[&revoking]), "Revoked", "{mode:?}");
    }
    // A self-signed signer is its own root, which nobody but the policy revokes.
    let signer = Chain::check(vec![Party::leaf("signer").own()], Purpose::CodeSigning).unwrap();
    let mut revocation = Revocation::default();
    assert_eq!(judge(&signer, &revocation, &FetchedCrls::default(), None), "ok");
    revocation.add(&of_stranger).unwrap();
    assert_eq!(judge(&signer, &revocation, &FetchedCrls::default(), None), "ok");
}

#[test]
fn what_was_signed_before_a_key_was_stolen_counts_if_the_time_is_known() {
    let world = World::new();
    let list = world.list(|list| {
        let entry = revoked(7, RevocationReason::KeyCompromise);
        let invalidity_date = Some(rcgen::date_time_ymd(2026, 5, 1));
        list.revoked_certs = vec![RevokedCertParams { invalidity_date, ..entry }];
    });
    for (signed, expected) in [
        (None, "Revoked"),
        (Some("2026-04-30T00:00:00Z"), "ok until 2027-01-01"),
        (Some("2026-05-01T00:00:00Z"), "Revoked"),
        (Some("2026-05-02T00:00:00Z"), "Revoked"),
    ] {
        let signed = signed.map(|time| time.parse().unwrap());
        assert_eq!(world.judge_signed(RevocationMode::Required, &[&list], signed), expected, "{signed:?}");
    }
}

#[test]
fn lists_are_fetched_from_where_the_certificate_says() {
    let world = World::with_point();
    let chain = world.chain();
    let mut revocation = Revocation::new(RevocationMode::Required, true);
    let source = CrlSource::new(POINT.to_owned(), &world.ca.own());
    let fetched = |fetched| FetchedCrls(BTreeMap::from([(source.clone(), fetched)]));
    let known = |bytes: &[u8]| FetchedCrl {
        list: Some(Arc::new(Crl::parse(bytes).unwrap())),
        ..FetchedCrl::default()
    };
    let list = |bytes: &[u8]| fetched(known(bytes));
    let stale = |bytes: &[u8]| fetched(FetchedCrl { is_stale: true, ..known(bytes) });
    let denied = BTreeMap::new();
    let none = FetchedCrls::default();
    for mode in RevocationMode::ALL {
        revocation.mode = mode;
        let check = RevocationCheck { denied: &denied, revocation: &revocation, fetched: &none, now: now() };
        let sources = vec![source.clone()];
        assert_eq!(check.check(&chain, None), Err(RevocationError::NotFetched { sources }), "{mode:?}");
    }
    revocation.mode = RevocationMode::Required;
    let failed = FetchedCrl { failed: Some("no answer".to_owned()), ..FetchedCrl::default() };
    let kept = |bytes: &[u8]| fetched(FetchedCrl { failed: failed.failed.clone(), ..known(bytes) });
    let failed = fetched(failed.clone());
    let ended = |list: &mut CertificateRevocationListParams| {
        (list.this_update, list.next_update) =
            (rcgen::date_time_ymd(2024, 1, 1), rcgen::date_time_ymd(2025, 1, 1));
    };
    for (name, fetched, expected) in [
        ("good", &list(&world.list(|_| {})), "ok until 2027-01-01"),
        ("revoked", &list(&world.revoking(RevocationReason::KeyCompromise)), "Revoked"),
        (
            "of another CA",
            &list(&World { ca: Party::ca("other", None), leaf: Party::leaf("leaf") }.list(|_| {})),
            "NoAddress",
        ),
        ("failed", &failed, "Fetch"),
        ("kept", &kept(&world.list(|_| {})), "ok until 2027-01-01"),
        ("kept and ended", &kept(&world.list(ended)), "Fetch"),
        ("to be asked for again", &stale(&world.list(|_| {})), "NotFetched"),
        ("revoked before", &stale(&world.revoking(RevocationReason::KeyCompromise)), "Revoked"),
        ("on hold", &list(&world.revoking(RevocationReason::CertificateHold)), "Revoked"),
        ("on hold before", &stale(&world.revoking(RevocationReason::CertificateHold)), "NotFetched"),
    ] {
        assert_eq!(judge(&chain, &revocation, fetched, None), expected, "{name}");
    }
    revocation.mode = RevocationMode::IfKnown;
    // What is not known is asked again when a failure is forgotten, and not an hour later.
    for (name, fetched, expected) in [
        ("failed", &failed, Some("2026-12-01T00:01:00Z")),
        ("ended", &list(&world.list(ended)), Some("2026-12-01T00:01:00Z")),
        ("good", &list(&world.list(|_| {})), Some("2027-01-01T00:00:00Z")),
    ] {
        let check = RevocationCheck { denied: &denied, revocation: &revocation, fetched, now: now() };
        let expected = expected.map(|time| time.parse().unwrap());
        assert_eq!(check.check(&chain, None), Ok(expected), "{name}");
    }
    // One of a file counts where the fetch failed, and does not replace the fetch.
    revocation.add(&world.list(|_| {})).unwrap();
    for mode in RevocationMode::ALL {
        revocation.mode = mode;
        for (name, fetched, expected) in [
            ("not fetched", &none, "NotFetched"),
            ("failed", &failed, "ok until 2027-01-01"),
            ("revoked", &list(&world.revoking(RevocationReason::KeyCompromise)), "Revoked"),
        ] {
            assert_eq!(judge(&chain, &revocation, fetched, None), expected, "{name} {mode:?}");
        }
    }
    // What it revokes needs no fetch.
    revocation.add(&world.revoking(RevocationReason::KeyCompromise)).unwrap();
    assert_eq!(judge(&chain, &revocation, &none, None), "Revoked");
    // Without a distribution point there is nothing to fetch.
    let plain = World::new().chain();
    revocation = Revocation::new(RevocationMode::Required, true);
    assert_eq!(judge(&plain, &revocation, &FetchedCrls::default(), None), "NoAddress");
}

fn file(name: &str) -> Vec<u8> {
    fixture(&format!("crl/{name}"))
}

/// Made by `tests/environment/make-crl-fixtures`.
#[test]
fn lists_by_openssl_are_read() {
    let chain = |leaf: &str| {
        let files = [format!("{leaf}.pem"), "ca.pem".to_owned()].map(|name| file(&name));
        let certificates = files.iter().flat_map(|pem| certificates_of(pem)).collect();
        Chain::check(certificates, Purpose::CodeSigning).unwrap()
    };
    for (list, leaf, expected) in [
        ("list.pem", "good", "ok until 2126"),
        ("list.der", "good", "ok until 2126"),
        ("list.pem", "compromised", "Revoked"),
        ("list.der", "hold", "Revoked"),
        ("list.pem", "stolen", "Revoked"),
        ("empty.pem", "compromised", "ok until 2126"),
        ("old.pem", "good", "Old"),
        ("old.pem", "compromised", "Revoked"),
        ("other.pem", "good", "OtherSigner"),
    ] {
        let mut revocation = Revocation::default();
        revocation.add(&file(list)).unwrap();
        let outcome = judge(&chain(leaf), &revocation, &FetchedCrls::default(), None);
        assert!(outcome.starts_with(expected), "{list} {leaf}: {outcome}");
    }
    let mut revocation = Revocation::default();
    revocation.add(&file("list.pem")).unwrap();
    let before = Some("2020-01-01T00:00:00Z".parse().unwrap());
    let outcome = judge(&chain("stolen"), &revocation, &FetchedCrls::default(), before);
    assert!(outcome.starts_with("ok until"), "{outcome}");
}

fn certificates_of(pem: &[u8]) -> Vec<Certificate> {
    let blocks = crate::trust::pem::read_all(std::str::from_utf8(pem).unwrap()).unwrap();
    blocks.iter().map(|block| Certificate::parse(&block.der).unwrap()).collect()
}

#[test]
fn t87_lists_that_are_not_complete_are_not_read() {
    let upstream = |name: &str| fixture(&format!("upstream/notation-core-go/revocation/crl/testdata/{name}"));
    let of_upstream = [
        // Upstream reads it as a delta of another list; here only complete lists count.
        ("delta of upstream", upstream("delta.crl"), "Delta"),
        ("with deltas elsewhere", upstream("crlWithMultipleFreshestCRLs.crl"), "ok"),
    ];
    let accepted = of_upstream.iter().filter(|(_, bytes, _)| Crl::parse_file(bytes).is_ok()).count();
    public_suites::report("notation-core-go: CRLs", accepted, of_upstream.len() - accepted);
    for (name, bytes, expected) in of_upstream.into_iter().chain([
        ("delta", file("delta.pem"), "Delta"),
        ("indirect", file("indirect.pem"), "Indirect"),
        ("some reasons", file("reasons.pem"), "Partial"),
        ("critical extension", file("critical.pem"), "CriticalExtension"),
        ("version 1", file("v1.pem"), "Malformed"),
        ("a certificate", file("ca.pem"), "OtherBlock"),
        ("empty", Vec::new(), "Pem"),
        ("empty DER", vec![0x30, 0], "Malformed"),
        ("too large", [vec![0x30], vec![0; MAX_CRL_BYTES]].concat(), "TooLarge"),
    ]) {
        let found = Crl::parse_file(&bytes);
        let found = found.map_or_else(|error| format!("{error:?}"), |_| "ok".to_owned());
        assert_eq!(found.split([' ', '{', '(']).next(), Some(expected), "{name}: {found}");
    }
    let mut revocation = Revocation::default();
    let list = file("empty.pem");
    for _ in 0..MAX_CRLS {
        revocation.add(&list).unwrap();
    }
    assert_eq!(revocation.add(&list), Err(CrlError::TooMany));
}

/// An empty BIT STRING made rustls-webpki panic (RUSTSEC-2026-0104).
#[test]
fn t87_a_list_without_signature_says_nothing() {
    let world = World::new();
    let list = world.list(|_| {});
    // The signature is the last element: a BIT STRING.
    let signature = list.iter().rposition(|byte| *byte == 0x03).unwrap();
    for end in [&[0x03, 0x01, 0x00][..], &[0x03, 0x00], &[0x03, 0x02, 0x00, 0x30]] {
        let mut changed = list[..signature].to_vec();
        changed.extend(end);
        let length = u16::try_from(changed.len() - 4).unwrap().to_be_bytes();
        changed[2..4].copy_from_slice(&length);
        match Crl::parse(&changed) {
            Ok(_) => assert_eq!(world.judge(RevocationMode::Required, &[&changed]), "OtherSigner"),
            Err(error) => assert_eq!(error, CrlError::Malformed),
        }
    }
    assert_eq!(Unknown::NoCrl.to_string(), "no CRL of its issuer is available");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is changed in a list, it does not make a revoked certificate good.
    #[test]
    fn a_mutated_list_does_not_pardon(at in any::<prop::sample::Index>(), byte: u8) {
        static WORLD: std::sync::LazyLock<(World, Vec<u8>)> = std::sync::LazyLock::new(|| {
            let world = World::new();
            let list = world.revoking(RevocationReason::KeyCompromise);
            (world, list)
        });
        let (world, list) = &*WORLD;
        let mut changed = list.clone();
        let at = at.index(changed.len());
        changed[at] = byte;
        if Crl::parse(&changed).is_ok() {
            let outcome = world.judge(RevocationMode::Required, &[&changed]);
            prop_assert!(!outcome.starts_with("ok"), "{}", outcome);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_list(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Crl::parse(&bytes).is_err());
        let _ = Crl::parse_file(&bytes);
    }
}
