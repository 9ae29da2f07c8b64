//! Attestations: changed statements, signed again, and compared with a condition.

use std::collections::{BTreeMap, BTreeSet};

use pullgate_core::digest::Digest;
use pullgate_core::signature::attestation::{
    Provenance, Severity, SeverityLimit, StatementTerms, TermsKind, Unverified, Vulnerabilities,
};
use pullgate_core::trust::Pattern;
use serde_json::{Value, json};

use super::signatures::{BY_KEY, IMAGE, NOW, bundle, document};
use crate::Target;

fn meets(input: &[u8], kind: TermsKind) -> bool {
    let attachment = document(&bundle(input));
    let Some(Ok(unverified)) = Unverified::of(&attachment) else { return false };
    let Ok(statement) = unverified.verify(&BY_KEY, &Digest::parse(IMAGE).unwrap(), *NOW) else {
        return false;
    };
    let terms = StatementTerms::new("fuzz".to_owned(), kind, BTreeMap::new(), None);
    if !terms.asks_for(unverified.predicate_type()) {
        return false;
    }
    let judged = terms.judge(vec![terms.read(statement)], *NOW);
    judged.iter().all(|judged| judged.outcome.is_ok())
}

fn statement(kind: &str, predicate: Value) -> Vec<u8> {
    let hex = IMAGE.trim_start_matches("sha256:");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "app", "digest": { "sha256": hex } }],
        "predicateType": kind,
        "predicate": predicate,
    });
    statement.to_string().into_bytes()
}

pub(super) const VULNERABILITIES: Target = Target {
    name: "attestation of a scan",
    seeds: || {
        let found = json!([{ "Target": "app", "Vulnerabilities": [{ "VulnerabilityID": "CVE-2026-1", "Severity": "LOW" }] }]);
        let predicate = json!({
            "invocation": {},
            "scanner": {
                "uri": "pkg:github/aquasecurity/trivy",
                "result": { "SchemaVersion": 2, "Results": found },
            },
            "metadata": {
                "scanStartedOn": "2026-11-01T00:00:00Z",
                "scanFinishedOn": "2026-11-01T00:01:00Z",
            },
        });
        vec![statement("https://cosign.sigstore.dev/attestation/vuln/v1", predicate)]
    },
    parse: |input| {
        let limit = SeverityLimit::AtMost(Severity::Medium);
        meets(input, TermsKind::Vulnerabilities(Vulnerabilities::new(limit, BTreeSet::new())))
    },
};

pub(super) const PROVENANCE: Target = Target {
    name: "attestation of a build",
    seeds: || {
        let predicate = json!({
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {
                    "workflow": { "ref": "refs/heads/main", "repository": "https://github.com/acme/app", "path": ".github/workflows/a.yml" },
                },
                "resolvedDependencies": [{ "uri": "git+https://github.com/acme/app@refs/heads/main" }],
            },
            "runDetails": {
                "builder": { "id": "https://github.com/actions/runner/github-hosted" },
                "metadata": { "finishedOn": "2026-11-01T00:00:00Z" },
            },
        });
        vec![statement("https://slsa.dev/provenance/v1", predicate)]
    },
    parse: |input| {
        let provenance = Provenance {
            source_repository: Some(Pattern::parse("https://github.com/acme/app").unwrap()),
            ..Provenance::default()
        };
        meets(input, TermsKind::Provenance(provenance))
    },
};
