//! What cosign 3.1.1 wrote: tests/fixtures/cosign/README.md.

use super::*;

fn directory(form: &str) -> std::path::PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/cosign");
    std::path::Path::new(root).join(format!("attested-{form}-p256"))
}

fn attachment(form: &str, name: &str) -> Attachment {
    let document = std::fs::read(directory(form).join(format!("{name}.json"))).unwrap().into();
    let place = name.to_owned();
    match form {
        "classic" => Attachment::Attestation { place, document, certificate: None },
        _ => Attachment::Bundle { place, document },
    }
}

fn authenticator(form: &str) -> Authenticator {
    let pem = std::fs::read_to_string(directory(form).join("public-key.pem")).unwrap();
    let public = PublicKey::from_pem(&pem, Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let key = Key { public, not_before: None, not_after: None, origin: "key".into(), remote: None };
    Authenticator::new("release".into(), vec![key]).unwrap()
}

fn image(form: &str) -> Digest {
    Digest::of(&std::fs::read(directory(form).join("image-manifest.json")).unwrap())
}

fn provenance(builder: &str, repository: &str, reference: &str, build_type: &str) -> TermsKind {
    TermsKind::Provenance(Provenance {
        builders: set([builder]),
        source_repository: Some(Pattern::parse(repository).unwrap()),
        source_ref: Some(Pattern::parse(reference).unwrap()),
        build_types: set([build_type]),
    })
}

fn summary(level: &str) -> TermsKind {
    TermsKind::Summary(Summary {
        verifiers: set(["https://verifier.example/v1"]),
        resource: Pattern::parse("oci://registry.example/team/**").unwrap(),
        levels: set([level]),
    })
}

#[test]
fn what_cosign_attests_meets_or_fails_its_condition() {
    let v0_2 = |builder, reference| {
        let build_type = "https://builder.example/container@v1";
        terms(provenance(builder, "https://git.example/acme/app", reference, build_type))
    };
    let v1 = |repository| {
        let (builder, build_type) = (
            "https://github.com/actions/runner/github-hosted",
            "https://actions.github.io/buildtypes/workflow/v1",
        );
        terms(provenance(builder, repository, "refs/heads/*", build_type))
    };
    let [spdx, cyclonedx] =
        SbomFormat::ALL.map(|format| terms(TermsKind::Sbom(Sbom::new([format].into_iter().collect()))));
    let [medium, high] = [Severity::Medium, Severity::High].map(SeverityLimit::AtMost);
    let low = SeverityLimit::AtMost(Severity::Low);
    let review = |value| with_fields(custom(), &[("/review/approved", Expected::Boolean(value))]);
    for (name, terms, expected) in [
        ("slsa-v0.2", v0_2("https://builder.example/v1", "refs/heads/main"), "met"),
        (
            "slsa-v0.2",
            v0_2("https://builder.example/v2", "refs/heads/main"),
            "builder.id is \"https://builder.example/v1\", but the policy requires \"https://builder.example/v2\"",
        ),
        (
            "slsa-v0.2",
            v0_2("https://builder.example/v1", "refs/tags/*"),
            "the ref in invocation.configSource.uri is \"refs/heads/main\", but the policy requires \"refs/tags/*\"",
        ),
        ("slsa-v1", v1("https://github.com/acme/app"), "met"),
        (
            "slsa-v1",
            v1("https://github.com/acme/other"),
            "the repository in externalParameters.workflow is \"https://github.com/acme/app\", but the policy requires \"https://github.com/acme/other\"",
        ),
        ("trivy", at_most(scan(high, &[]), 7), "met"),
        (
            "trivy",
            at_most(scan(medium, &[]), 7),
            "\"CVE-2026-0001\" has severity high, but the policy allows at most medium",
        ),
        ("trivy", at_most(scan(medium, &["CVE-2026-0001"]), 7), "met"),
        (
            "trivy",
            at_most(scan(SeverityLimit::None, &[]), 7),
            "\"CVE-2026-0001\" has severity high, but the policy allows none, and 1 other vulnerability also exceeds the limit",
        ),
        (
            "trivy",
            at_most(scan(high, &[]), 3),
            "attestation was made at 2026-11-01T10:00:00Z, more than 3d ago (`max-age`)",
        ),
        ("grype", at_most(scan(medium, &[]), 7), "met"),
        (
            "grype",
            at_most(scan(low, &[]), 7),
            "\"GHSA-aaaa-bbbb-cccc\" has severity medium, but the policy allows at most low",
        ),
        ("spdx", spdx.clone(), "met"),
        ("spdx-text", spdx.clone(), "met"),
        ("spdx", cyclonedx.clone(), "not asked for"),
        ("cyclonedx", cyclonedx, "met"),
        ("cyclonedx", spdx, "not asked for"),
        ("vsa", terms(summary("SLSA_BUILD_LEVEL_2")), "met"),
        (
            "vsa",
            terms(summary("SLSA_BUILD_LEVEL_4")),
            "verifiedLevels is \"SLSA_BUILD_LEVEL_3\", but the policy requires \"SLSA_BUILD_LEVEL_4\"",
        ),
        ("custom", review(true), "met"),
        ("custom", review(false), "/review/approved is true, but the policy requires false"),
        ("custom", at_most(custom(), 7), "met"),
    ] {
        for form in ["classic", "bundle"] {
            let (by, image) = (authenticator(form), image(form));
            let attached = [attachment(form, name)];
            assert_eq!(judge(&terms, &attached, &by, &image), expected, "{form} {name} {terms}");
            if expected == "met" {
                let other = judge(&terms, &attached, &by, &Digest::of(b"another image"));
                assert!(other.starts_with("signature is for another digest"), "{form} {name}: {other}");
                let stranger = Party::release().authenticator;
                let refused = judge(&terms, &attached, &stranger, &image);
                assert!(refused.contains("does not verify with any key"), "{form} {name}: {refused}");
            }
        }
    }
}

/// None of them is a signature of the image.
#[test]
fn what_cosign_attests_is_no_signature() {
    for name in ["slsa-v0.2", "trivy", "spdx", "custom"] {
        for (form, expected) in [("classic", "OtherKind"), ("bundle", "WrongPredicate")] {
            let (digest, annotations) = (image(form), BTreeMap::new());
            let repositories = ["127.0.0.1:5000/fixtures/app".to_owned()];
            let subject = Subject {
                digest: &digest,
                repositories: &repositories,
                content: ("", 0),
                annotations: &annotations,
                identity: RepositoryIdentity::Optional,
            };
            let answer = verify(&attachment(form, name), &authenticator(form), &subject, now());
            assert_eq!(outcome(&answer), expected, "{form} {name}");
        }
    }
}
