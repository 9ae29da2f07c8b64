//! Vulnerability scans, as cosign carries them: `https://cosign.sigstore.dev/attestation/vuln/v1` with the report of trivy or
//! grype in `scanner.result`.
//!
//! Sources: sigstore/cosign `specs/COSIGN_VULN_ATTESTATION_SPEC.md`; aquasecurity/trivy `pkg/types/report.go`; anchore/grype
//! `grype/presenter/models`. A report of another scanner, or of one of these in another form, does not meet a condition.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::fields::{Fields, array, object};
use super::{Severity, SeverityLimit, Unmet, choice};
use crate::untrusted::quoted;

/// The vulnerabilities that an image may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vulnerabilities {
    limit: SeverityLimit,
    except: BTreeSet<String>,
}

impl Vulnerabilities {
    pub(super) const TYPE: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
    pub(super) const TIME: &str = "/metadata/scanFinishedOn";

    pub(super) const PATHS: &[&str] = &[
        "predicate/metadata/scanFinishedOn",
        "predicate/scanner/result/SchemaVersion",
        "predicate/scanner/result/Results/*/Class",
        "predicate/scanner/result/Results/*/Vulnerabilities/*/VulnerabilityID",
        "predicate/scanner/result/Results/*/Vulnerabilities/*/Severity",
        "predicate/scanner/result/descriptor/name",
        "predicate/scanner/result/source/type",
        "predicate/scanner/result/matches/*/vulnerability/id",
        "predicate/scanner/result/matches/*/vulnerability/severity",
    ];

    /// None above `limit`, whatever severity those in `except` have.
    #[must_use]
    pub fn new(limit: SeverityLimit, except: BTreeSet<String>) -> Self {
        Self { limit, except }
    }

    pub(super) fn limit(&self) -> String {
        match self.limit {
            SeverityLimit::None => "none".to_owned(),
            limit @ SeverityLimit::AtMost(_) => format!("none above {}", limit.name()),
        }
    }

    pub(super) fn entries(&self) -> Vec<String> {
        vec![self.limit.name().to_owned(), choice::canonical(&self.except)]
    }

    pub(super) fn check(&self, mut predicate: Fields) -> Result<(), Unmet> {
        let result = predicate.object("scanner")?.object("result")?;
        let found = read(result)?;
        let severe = found
            .into_iter()
            .filter(|(id, severity)| !self.limit.allows(*severity) && !self.except.contains(id));
        // Scanners list one vulnerability once for each package that has it.
        let severe: BTreeSet<(String, Severity)> = severe.collect();
        let worst = severe.iter().max_by(|(id, severity), (other, than)| (severity, other).cmp(&(than, id)));
        match worst {
            None => Ok(()),
            Some((id, severity)) => Err(Unmet::Vulnerable {
                id: quoted(id),
                severity: *severity,
                limit: self.limit,
                others: severe.len() - 1,
            }),
        }
    }
}

type Found = Vec<(String, Severity)>;

fn read(mut result: Fields) -> Result<Found, Unmet> {
    let (trivy, grype) = (result.optional("SchemaVersion"), result.optional("matches"));
    match (trivy, grype) {
        (Some(version), None) if version == 2 => read_trivy(result),
        (None, Some(matches)) => read_grype(result, matches),
        _ => Err(Unmet::Unreadable("scanner.result is not a report of trivy (schema version 2) or grype")),
    }
}

/// The classes of results for which trivy looks for vulnerabilities: packages of the distribution, and of languages
/// (aquasecurity/trivy `pkg/scanner/ospkg` and `pkg/scanner/langpkg`). Secrets, licenses and configuration have others.
const PACKAGES: [&str; 2] = ["os-pkgs", "lang-pkgs"];

/// A target without vulnerabilities has no list of them. A report without targets of packages does not show that anything was
/// scanned for vulnerabilities: trivy writes one for images that it does not support, and if only other scanners are on.
fn read_trivy(mut report: Fields) -> Result<Found, Unmet> {
    let targets = match report.optional("Results") {
        Some(targets) => array(targets, "Results")?,
        None => Vec::new(),
    };
    let mut found = Vec::new();
    let mut has_packages = false;
    for target in targets {
        let mut target = object(target, "Results")?;
        let class = target.optional("Class");
        has_packages |= class.is_some_and(|class| PACKAGES.iter().any(|packages| class == *packages));
        let listed = target.optional("Vulnerabilities");
        let listed = listed.map(|listed| array(listed, "Vulnerabilities")).transpose()?;
        for vulnerability in listed.into_iter().flatten() {
            found.push(one(vulnerability, ["VulnerabilityID", "Severity"])?);
        }
    }
    match has_packages {
        true => Ok(found),
        false => Err(Unmet::Unreadable(
            "report of trivy has no result about packages, so no vulnerabilities were looked for",
        )),
    }
}

fn read_grype(mut report: Fields, matches: Value) -> Result<Found, Unmet> {
    if report.object("descriptor")?.string("name")? != "grype" {
        return Err(Unmet::Unreadable("scanner.result has matches, and is not a report of grype"));
    }
    report.object("source")?;
    let mut found = Vec::new();
    for listed in array(matches, "matches")? {
        let vulnerability = object(listed, "matches")?.required("vulnerability")?;
        found.push(one(vulnerability, ["id", "severity"])?);
    }
    Ok(found)
}

fn one(vulnerability: Value, [id, severity]: [&'static str; 2]) -> Result<(String, Severity), Unmet> {
    let mut vulnerability = object(vulnerability, "vulnerability")?;
    let id = vulnerability.string(id)?;
    let text = vulnerability.string(severity)?;
    let severity = Severity::read(&text)
        .ok_or(Unmet::Unreadable("a severity in the report is not one that is known"))?;
    Ok((id, severity))
}
