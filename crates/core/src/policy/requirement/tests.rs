use proptest::prelude::*;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn distinct_keys_of_distinct_authenticators_count() {
    let all = Requirement::all(names(&["a", "b"])).unwrap();
    let any = Requirement::any(names(&["a", "b"])).unwrap();
    let two = Requirement::at_least(2, names(&["a", "b", "c"])).unwrap();
    for (requirement, proofs, met) in [
        (&all, &[("a", "1"), ("b", "2")][..], true),
        (&all, &[("a", "1")], false),
        (&all, &[("a", "1"), ("a", "1")], false),
        (&all, &[("a", "1"), ("a", "2")], false),
        (&all, &[("a", "1"), ("b", "1")], false),
        (&all, &[("a", "1"), ("b", "1"), ("a", "2")], true),
        (&all, &[("a", "1"), ("c", "2")], false),
        (&all, &[], false),
        (&any, &[("b", "1")], true),
        (&any, &[("c", "1")], false),
        (&any, &[], false),
        (&two, &[("a", "1"), ("c", "2")], true),
        (&two, &[("a", "1"), ("c", "1"), ("b", "1")], false),
        (&two, &[("a", "1"), ("b", "1"), ("b", "2")], true),
        (&two, &[("c", "1")], false),
    ] {
        assert_eq!(
            requirement.judge(proofs.iter().copied().map(Vote::from)).is_ok(),
            met,
            "{requirement}: {proofs:?}"
        );
    }
}

#[test]
fn reports_what_counted_and_what_is_missing() {
    let all = Requirement::all(names(&["release", "security"])).unwrap();
    let proofs = [("release", "k1"), ("security", "k1"), ("release", "k2")];
    let satisfied = all.judge(proofs.map(Vote::from)).unwrap();
    assert_eq!(satisfied.by().collect::<Vec<_>>(), [("release", "k2"), ("security", "k1")]);
    assert_eq!(all.to_string(), "all of release, security");
    assert_eq!(all.judge([]).unwrap_err().to_string(), "no valid signature");
    assert_eq!(all.judge([("release", "k").into()]).unwrap_err().to_string(), "1 of 2 needed, from release");
    assert_eq!(
        all.judge([("security", "k").into(), ("release", "k").into()]).unwrap_err().to_string(),
        "1 of 2 needed, from release, security, which share a key"
    );
    assert_eq!(Requirement::any(names(&["release"])).unwrap().to_string(), "release");
    let with = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        all.clone().with_annotations(pairs.collect())
    };
    for (pairs, text) in [
        (&[("team", "payments")][..], "all of release, security with annotation team = \"payments\""),
        (
            &[("team", "a\"b"), ("env", "")],
            "all of release, security with annotations env = \"\", team = \"a\\\"b\"",
        ),
    ] {
        assert_eq!(with(pairs).unwrap().to_string(), text);
    }
    assert_eq!(with(&[]).unwrap_err(), RequirementError::NoAnnotation);
    assert_eq!(with(&[("", "x")]).unwrap_err(), RequirementError::NoAnnotation);
    let many = (0..=MAX_ANNOTATIONS).map(|number| (number.to_string(), String::new())).collect();
    assert_eq!(all.clone().with_annotations(many).unwrap_err(), RequirementError::TooManyAnnotations);
    assert_eq!(Requirement::at_least(2, names(&["a", "b"])).unwrap().to_string(), "at least 2 of a, b");
}

#[test]
fn a_requirement_that_requires_nothing_is_refused() {
    use RequirementError as E;
    for (requirement, error) in [
        (Requirement::all(vec![]), E::Empty),
        (Requirement::any(vec![]), E::Empty),
        (Requirement::at_least(1, vec![]), E::Empty),
        (Requirement::at_least(0, names(&["a"])), E::Nothing),
        (Requirement::at_least(2, names(&["a"])), E::Unreachable { count: 2, of: 1 }),
        (Requirement::any(names(&["a", "b", "a"])), E::Twice("a".to_owned())),
        (Requirement::any((0..65).map(|n| n.to_string()).collect()), E::TooMany),
    ] {
        assert_eq!(requirement, Err(error));
    }
}

#[test]
fn identities_with_one_key_are_one_signer() {
    let two = [Requirement::at_least(2, names(&["a", "b", "c"])).unwrap()];
    let all = [Requirement::all(names(&["a", "b"])).unwrap()];
    let both = [two[0].clone(), all[0].clone()];
    let any = [Requirement::any(names(&["a", "b"])).unwrap()];
    let key = ("a", "sha256:1", &["sha256:1"][..]);
    let certificate = ("b", "email:dev", &["sha256:1"][..]);
    let renewed = ("b", "email:dev", &["sha256:2"][..]);
    let stranger = ("b", "email:other", &["sha256:3"][..]);
    for (name, requirements, proofs, met) in [
        (
            "the key alone is known by its identity",
            &both[..],
            &[("a", "sha256:1", &[][..]), certificate][..],
            false,
        ),
        ("a key and a certificate for it", &both, &[key, certificate], false),
        ("the same for any", &any, &[key, certificate], true),
        ("a key and another certificate", &both, &[key, stranger], true),
        ("a certificate that was renewed, once with this key", &both, &[key, renewed, certificate], false),
        ("a certificate with another key", &both, &[key, renewed], true),
        ("one of two is another signer", &both, &[key, certificate, stranger], true),
        (
            "two certificates, joined by a third with both keys",
            &two,
            &[
                certificate,
                ("a", "email:x", &["sha256:2"]),
                ("c", "openpgp4fpr:3", &["sha256:2", "sha256:1"]),
            ],
            false,
        ),
        (
            "joined by another authenticator's",
            &all,
            &[
                certificate,
                ("a", "email:x", &["sha256:2"]),
                ("c", "openpgp4fpr:3", &["sha256:2", "sha256:1"]),
            ],
            true,
        ),
    ] {
        let keys: Vec<Vec<String>> = proofs.iter().map(|(_, _, keys)| names(keys)).collect();
        let votes = proofs.iter().zip(&keys);
        let mut votes: Vec<Vote<'_>> = votes
            .map(|((authenticator, identity, _), keys)| Vote { authenticator, identity, keys })
            .collect();
        for requirement in requirements {
            let judged = requirement.judge(votes.clone());
            assert_eq!(judged.is_ok(), met, "{name}: {requirement}");
            votes.reverse();
            assert_eq!(judged, requirement.judge(votes.clone()), "{name}: {requirement}, in the other order");
        }
    }
    let keys = names(&["sha256:1"]);
    let vote = |authenticator, identity| Vote { authenticator, identity, keys: &keys };
    let satisfied = any[0].judge([vote("b", "x"), vote("b", "email:dev")]).unwrap();
    assert_eq!(
        satisfied.by().collect::<Vec<_>>(),
        [("b", "email:dev")],
        "the signer has a name of the authenticator"
    );
}

/// A proof: its authenticator, its identity and its key.
type Drawn = (u8, u8, u8);

/// For each proof its signer: a number that proofs share if a chain of shared identities and keys leads from one to the other.
fn signers_of(proofs: &[Drawn]) -> Vec<usize> {
    let mut signers: Vec<usize> = (0..proofs.len()).collect();
    for _ in proofs {
        for (one, first) in proofs.iter().enumerate() {
            for (other, second) in proofs.iter().enumerate() {
                if first.1 == second.1 || first.2 == second.2 {
                    signers[one] = signers[one].min(signers[other]);
                }
            }
        }
    }
    signers
}

/// The maximum over all assignments of authenticators to signers.
fn most(authenticators: &[u8], proofs: &[(u8, usize)], used: &mut Vec<usize>) -> usize {
    let Some((first, rest)) = authenticators.split_first() else { return 0 };
    let mut best = most(rest, proofs, used);
    for (_, signer) in proofs.iter().filter(|(name, _)| name == first) {
        if !used.contains(signer) {
            used.push(*signer);
            best = best.max(1 + most(rest, proofs, used));
            used.pop();
        }
    }
    best
}

proptest! {
    #[test]
    fn the_count_equals_that_of_the_definition(
        proofs in proptest::collection::vec((0u8..5, 0u8..5, 0u8..8), 0..10), needed in 1usize..5,
    ) {
        let requirement = Requirement::at_least(needed, (0..5).map(|n| n.to_string()).collect()).unwrap();
        let texts: Vec<_> = proofs
            .iter()
            .map(|(a, i, k)| (a.to_string(), format!("email:{i}"), vec![format!("sha256:{k}")]))
            .collect();
        let votes = texts.iter().map(|(authenticator, identity, keys)| Vote { authenticator, identity, keys });
        let judged = requirement.judge(votes.clone());
        let signers = signers_of(&proofs).into_iter().zip(&proofs).map(|(signer, proof)| (proof.0, signer));
        let count = most(&[0, 1, 2, 3, 4], &signers.collect::<Vec<_>>(), &mut Vec::new());
        prop_assert_eq!(judged.is_ok(), count >= needed);
        prop_assert_eq!(judged, requirement.judge(votes.rev()));
    }
}

#[test]
fn attestations_are_required_beside_signatures_or_alone() {
    let alone = Requirement::of_attestations(names(&["a", "b"])).unwrap();
    assert_eq!((alone.needed(), alone.authenticators().len()), (0, 0));
    assert!(!alone.judge([]).unwrap().is_whole(&alone), "nothing is not both");
    let both = Requirement::all(names(&["release"])).unwrap().with_attestations(names(&["a"])).unwrap();
    assert!(both.judge([]).is_err());
    assert!(!both.judge([("release", "1").into()]).unwrap().is_whole(&both));
    assert_eq!(both.to_string(), "release, and attestation a");
    assert_eq!(alone.to_string(), "attestations a, b");
    for (wrong, error) in [
        (Requirement::of_attestations(Vec::new()), RequirementError::NoAttestation),
        (
            Requirement::of_attestations(names(&["a", "a"])),
            RequirementError::AttestationTwice("a".to_owned()),
        ),
        (
            Requirement::of_attestations((0..17).map(|number| number.to_string()).collect()),
            RequirementError::TooManyAttestations,
        ),
    ] {
        assert_eq!(wrong, Err(error));
    }
}
