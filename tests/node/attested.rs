//! Conditions on what the real cosign attests.

use jiff::{SignedDuration, Timestamp};
use pullgate_test::node::attested::{report, require_scans};
use pullgate_test::node::keys::Kind;
use pullgate_test::node::kubelet::Pod;
use pullgate_test::node::policy::Policy;
use pullgate_test::node::signing::Layout;
use pullgate_test::node::{Node, RELEASE, Release, require_release};

on_every_release!(an_image_runs_if_its_scan_found_nothing_severe);

/// The release key signs and scans.
fn an_image_runs_if_its_scan_found_nothing_severe(release: Release) {
    let node =
        Node::start_with(release, |policy, key| require_scans(require_release(policy, key), "*/scanned"));
    let other = node.key("another-scanner", Kind::P256);
    let (now, old) = (Timestamp::now(), Timestamp::now() - SignedDuration::from_hours(48));
    let [low, critical] = ["Low", "Critical"].map(|severity| report(now, severity));
    let stale = report(old, "Low");
    for layout in [Layout::Classic, Layout::Bundle] {
        for (name, by, scans, expected) in [
            ("clean", &node.release, vec![&low], Ok(1000)),
            ("severe", &node.release, vec![&critical], Err("attestation-not-met")),
            ("stale", &node.release, vec![&stale], Err("attestation-stale")),
            ("unscanned", &node.release, vec![], Err("no-attestation")),
            ("by-another-key", &other, vec![&low], Err("no-valid-attestation")),
            ("scanned-again", &node.release, vec![&stale, &low], Ok(1000)),
        ] {
            let image = node.push_signed(&format!("scanned/{name}:{}", format!("{layout:?}").to_lowercase()));
            for scan in scans {
                node.cosign().attest(&image.by_digest(), by, layout, ("vuln", scan));
            }
            let ran = node.kubelet().run(&Pod::of(image.by_tag()));
            let seen = ran.as_ref().map(|ran| ran.user).map_err(|waiting| waiting.code());
            assert_eq!(seen, expected, "{name} {layout:?}: {ran:?}");
        }
    }
}

/// What cosign attests by each of its types meets a condition of that type.
#[test]
fn each_type_of_cosign_is_read() {
    let predicate = |name: &str| {
        let path = pullgate_test::repository().join("tests/fixtures/cosign/predicates").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        text.replace("2026-11-01T10:00:00Z", &Timestamp::now().to_string())
    };
    let provenance = |builder: &str, repository: &str| {
        format!("type = \"slsa-provenance\"\nbuilder = \"{builder}\"\nsource-repository = \"{repository}\"")
    };
    let scan = |severity: &str| {
        format!("type = \"vulnerabilities\"\nmax-age = \"1d\"\nmax-severity = \"{severity}\"")
    };
    let sbom = |format: &str| format!("type = \"sbom\"\nformats = [\"{format}\"]");
    let hosted = "https://github.com/actions/runner/github-hosted";
    let rows = [
        (
            "slsaprovenance",
            "slsa-v0.2.json",
            provenance("https://builder.example/v1", "https://git.example/acme/app"),
            provenance(hosted, "https://git.example/acme/app"),
        ),
        (
            "slsaprovenance1",
            "slsa-v1.json",
            provenance(hosted, "https://github.com/acme/*"),
            provenance(hosted, "https://github.com/evil/*"),
        ),
        ("vuln", "trivy.json", scan("high"), scan("medium")),
        ("vuln", "grype.json", scan("medium"), scan("low")),
        ("spdx", "spdx-text.txt", sbom("spdx"), sbom("cyclonedx")),
        ("spdxjson", "spdx.json", sbom("spdx"), sbom("cyclonedx")),
        ("cyclonedx", "cyclonedx.json", sbom("cyclonedx"), sbom("spdx")),
    ];
    let node = Node::start(Release::V2_1);
    for (number, (kind, file, met, not_met)) in rows.iter().enumerate() {
        for layout in [Layout::Classic, Layout::Bundle] {
            let image = node
                .push_signed(&format!("attested/image-{number}:{}", format!("{layout:?}").to_lowercase()));
            node.cosign().attest(&image.by_digest(), &node.release, layout, (kind, &predicate(file)));
            for (condition, expected) in [(not_met, false), (met, true)] {
                let policy = require_release(Policy::deny(), &node.release);
                node.pullgate.reload(&policy.add_lines(&format!(
                    "[attestation.c]\nby = \"{RELEASE}\"\n{condition}\n\n[[namespace]]\nscope = \"*/attested\"\n\
                     require = {{ all = [\"{RELEASE}\"], attestations = [\"c\"] }}"
                )));
                let pulled = node.kubelet().ensure_image(&Pod::of(image.by_tag()));
                assert_eq!(pulled.is_ok(), expected, "{kind} {file} {layout:?}: {pulled:?}");
                if let Err(waiting) = pulled {
                    let code = waiting.code();
                    assert!(["attestation-not-met", "no-attestation"].contains(&code), "{file}: {code}");
                }
            }
        }
    }
}
