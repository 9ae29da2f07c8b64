//! Which of several statements counts where a condition limits their age.

use super::*;

/// A review at this time; an approved one meets the condition.
fn review(at: &str, approved: bool) -> Attachment {
    let predicate = json!({ "review": { "approved": approved, "at": at } });
    let [envelope, _] = attached(&Party::release(), &attestation(REVIEW, &predicate).to_string());
    envelope
}

fn without_time(approved: bool) -> Attachment {
    let predicate = json!({ "review": { "approved": approved } });
    let [envelope, _] = attached(&Party::release(), &attestation(REVIEW, &predicate).to_string());
    envelope
}

fn terms_of(max_age: Option<i64>) -> StatementTerms {
    let fields = [(Pointer::parse("/review/approved").unwrap(), Expected::Boolean(true))];
    let max_age = max_age.map(|days| SignedDuration::from_hours(days * 24));
    StatementTerms::new("the-condition".to_owned(), custom(), fields.into_iter().collect(), max_age)
}

/// How many of the statements count, and when the first of these becomes too old.
fn counted(terms: &StatementTerms, attachments: &[Attachment]) -> (usize, Option<String>) {
    let party = Party::release();
    let digest = Digest::parse(DIGEST).unwrap();
    let readings = attachments.iter().map(|attachment| {
        let unverified = Unverified::of(attachment).unwrap().unwrap();
        terms.read(unverified.verify(&party.authenticator, &digest, now()).unwrap())
    });
    let judged = terms.judge(readings.collect(), &BTreeSet::new(), now());
    let proofs: Vec<Proof> = judged.into_iter().filter_map(|judged| judged.outcome.ok()).collect();
    let until = proofs.iter().filter_map(Proof::until).min().map(|until| until.to_string());
    (proofs.len(), until)
}

#[test]
fn only_the_newest_counts_where_the_age_is_limited() {
    let (old, new) = ("2026-11-02T00:00:00Z", "2026-11-04T00:00:00Z");
    let until = |time: &str| Some(time.to_owned());
    for (what, attachments, limited, unlimited) in [
        ("one", vec![review(new, true)], (1, until("2026-11-11T00:00:00Z")), 1),
        (
            "an older good one",
            vec![review(old, true), review(new, true)],
            (1, until("2026-11-11T00:00:00Z")),
            2,
        ),
        (
            "a newer good one",
            vec![review(old, false), review(new, true)],
            (1, until("2026-11-11T00:00:00Z")),
            1,
        ),
        ("a good one replayed", vec![review(old, true), review(new, false)], (0, None), 1),
        ("in the other order", vec![review(new, false), review(old, true)], (0, None), 1),
        ("two of one time", vec![review(new, true), review(new, false)], (0, None), 1),
        (
            "two good ones of one time",
            vec![review(new, true), review(new, true)],
            (2, until("2026-11-11T00:00:00Z")),
            2,
        ),
        ("one without a time", vec![review(new, true), without_time(false)], (0, None), 1),
        ("a good one without a time", vec![without_time(true)], (0, None), 1),
        ("one of the future", vec![review(new, true), review("2026-11-05T00:00:01Z", true)], (0, None), 2),
        ("one of just now", vec![review(NOW, true)], (1, until("2026-11-12T00:00:00Z")), 1),
        ("too old", vec![review("2026-10-29T00:00:00Z", true)], (0, None), 1),
        (
            "not yet too old",
            vec![review("2026-10-29T00:00:01Z", true)],
            (1, until("2026-11-05T00:00:01Z")),
            1,
        ),
        (
            "the same moment in another offset",
            vec![review("2026-11-04T02:00:00+02:00", true), review(new, false)],
            (0, None),
            1,
        ),
        ("none", vec![], (0, None), 0),
    ] {
        assert_eq!(counted(&terms_of(Some(7)), &attachments), limited, "{what}");
        assert_eq!(counted(&terms_of(None), &attachments), (unlimited, None), "{what}, without a limit");
    }
}

/// Each authenticator has a newest statement of its own: another one's cannot replace it.
#[test]
fn each_authenticator_has_its_newest() {
    let (release, other) = (Party::release(), Party::untrusted());
    let mut audit = other.authenticator.clone();
    let Signers::Keys(keys) = audit.signers().clone() else { panic!() };
    audit = Authenticator::of("audit".to_owned(), Signers::Keys(keys));
    let digest = Digest::parse(DIGEST).unwrap();
    let statement = |at: &str, approved: bool| {
        attestation(REVIEW, &json!({ "review": { "approved": approved, "at": at } })).to_string()
    };
    let [by_release, _] = attached(&release, &statement("2026-11-02T00:00:00Z", true));
    let [by_audit, _] = attached(&other, &statement("2026-11-04T00:00:00Z", false));
    let terms = terms_of(Some(7));
    let read = |attachment: &Attachment, by: &Authenticator| {
        terms.read(Unverified::of(attachment).unwrap().unwrap().verify(by, &digest, now()).unwrap())
    };
    let readings = vec![read(&by_release, &release.authenticator), read(&by_audit, &audit)];
    let judged: Vec<_> = terms
        .judge(readings, &BTreeSet::new(), now())
        .into_iter()
        .map(|it| (it.authenticator, it.outcome.is_ok()))
        .collect();
    assert_eq!(judged, [("release".to_owned(), true), ("audit".to_owned(), false)]);
    // Another one of `release`, of which is not known whether its certificate is revoked, may be newer.
    for (unknown, limited, unlimited) in [("release", false, true), ("audit", true, true)] {
        let unknown = BTreeSet::from([unknown.to_owned()]);
        for (max_age, counts) in [(Some(7), limited), (None, unlimited)] {
            let reading = read(&by_release, &release.authenticator);
            let judged = terms_of(max_age).judge(vec![reading], &unknown, now());
            assert_eq!(judged[0].outcome.is_ok(), counts, "{unknown:?} {max_age:?}");
        }
    }
}
