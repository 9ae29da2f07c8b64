//! Attestations: statements that cosign wrote, changed, signed again, and compared with a condition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pullgate_core::digest::Digest;
use pullgate_core::signature::Attachment;
use pullgate_core::signature::attestation::{
    Expected, Pointer, Provenance, Sbom, SbomFormat, Severity, SeverityLimit, StatementTerms, Summary,
    TermsKind, Unverified, Vulnerabilities,
};
use pullgate_core::trust::{Algorithm, Authenticator, Key, Pattern, PssSalt, PublicKey};
use serde_json::Value;

use super::signatures::{BY_KEY, NOW, bundle, document};
use super::text;
use crate::Target;
use crate::seeds::files;

/// The image that the statements are about.
static IMAGE: LazyLock<Digest> = LazyLock::new(|| {
    Digest::of(&files(&["tests/fixtures/cosign/attested-bundle-p256/image-manifest.json"]).concat())
});

/// Who signed the envelopes.
static COSIGN: LazyLock<Authenticator> = LazyLock::new(|| {
    let pem = files(&["tests/fixtures/cosign/attested-classic-p256/public-key.pem"]).concat();
    let public = PublicKey::from_pem(&text(&pem), Algorithm::EcdsaSha256, PssSalt::default()).unwrap();
    let key = Key { public, not_before: None, not_after: None, origin: "fuzz".to_owned(), remote: None };
    Authenticator::new("fuzz".to_owned(), vec![key]).unwrap()
});

fn meets(input: &[u8], kind: TermsKind) -> bool {
    judge(&document(&bundle(input)), &BY_KEY, kind, BTreeMap::new())
}

fn judge(
    attachment: &Attachment,
    authenticator: &Authenticator,
    kind: TermsKind,
    fields: BTreeMap<Pointer, Expected>,
) -> bool {
    let Some(Ok(unverified)) = Unverified::of(attachment) else { return false };
    let Ok(statement) = unverified.verify(authenticator, &IMAGE, *NOW) else { return false };
    let terms = StatementTerms::new("fuzz".to_owned(), kind, fields, None);
    if !terms.asks_for(unverified.predicate_type()) {
        return false;
    }
    let judged = terms.judge(vec![terms.read(statement)], &BTreeSet::new(), *NOW);
    judged.iter().all(|judged| {
        if let Err(unmet) = &judged.outcome {
            let message = unmet.to_string();
            // Every message becomes part of one line.
            assert!(!message.contains(char::is_control), "{message:?}");
        }
        judged.outcome.is_ok()
    })
}

/// The statements of bundles.
fn statements(names: &[&str]) -> Vec<Vec<u8>> {
    let statement = |name: &&str| {
        let bundle = files(&[&format!("tests/fixtures/cosign/attested-bundle-p256/{name}.json")]).concat();
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap()
    };
    names.iter().map(statement).collect()
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn review() -> TermsKind {
    let time = Some(Pointer::parse("/review/at").unwrap());
    TermsKind::Custom { predicate_type: "https://example.com/review/v1".to_owned(), time }
}

/// The envelope as cosign puts it under the tag `.att`.
pub(super) const ENVELOPE: Target = Target {
    name: "signed: envelope of an attestation",
    seeds: || files(&["tests/fixtures/cosign/attested-classic-p256/custom.json"]),
    parse: |input| {
        let document = input.to_vec().into();
        let attachment = Attachment::Attestation { place: String::new(), document, certificate: None };
        judge(&attachment, &COSIGN, review(), BTreeMap::new())
    },
};

pub(super) const VULNERABILITIES: Target = Target {
    name: "attestation of a scan",
    seeds: || statements(&["trivy", "grype"]),
    parse: |input| {
        let limit = SeverityLimit::AtMost(Severity::Critical);
        meets(input, TermsKind::Vulnerabilities(Vulnerabilities::new(limit, BTreeSet::new())))
    },
};

pub(super) const PROVENANCE: Target = Target {
    name: "attestation of a build",
    seeds: || statements(&["slsa-v1", "slsa-v0.2"]),
    parse: |input| {
        let provenance = Provenance {
            source_repository: Some(Pattern::parse("https://**").unwrap()),
            ..Provenance::default()
        };
        meets(input, TermsKind::Provenance(provenance))
    },
};

pub(super) const SBOM: Target = Target {
    name: "attestation of contents",
    seeds: || statements(&["spdx", "spdx-text", "cyclonedx"]),
    parse: |input| meets(input, TermsKind::Sbom(Sbom::new(SbomFormat::ALL.into()))),
};

pub(super) const SUMMARY: Target = Target {
    name: "attestation of a verifier",
    seeds: || statements(&["vsa"]),
    parse: |input| {
        let summary = Summary {
            verifiers: texts(&["https://verifier.example/v1"]),
            resource: Pattern::parse("oci://registry.example/**").unwrap(),
            levels: texts(&["SLSA_BUILD_LEVEL_3"]),
        };
        meets(input, TermsKind::Summary(summary))
    },
};

pub(super) const CUSTOM: Target = Target {
    name: "attestation of another type",
    seeds: || statements(&["custom"]),
    parse: |input| {
        let fields =
            [("/review/approved", Expected::Boolean(true)), ("/review/approvals", Expected::Integer(2))];
        let fields = fields.map(|(pointer, expected)| (Pointer::parse(pointer).unwrap(), expected));
        judge(&document(&bundle(input)), &BY_KEY, review(), fields.into())
    },
};
