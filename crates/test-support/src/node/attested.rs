//! Vulnerability scans as a condition, on a node.

use jiff::Timestamp;
use serde_json::json;

use super::RELEASE;
use super::policy::Policy;

/// A predicate with a report of grype of this time, which found one vulnerability of this severity.
pub fn report(at: Timestamp, severity: &str) -> String {
    let result = json!({
        "matches": [{ "vulnerability": { "id": "CVE-2026-0001", "severity": severity } }],
        "source": { "type": "image" },
        "descriptor": { "name": "grype", "version": "0.100.0" },
    });
    let time = at.to_string();
    json!({
        "invocation": { "parameters": null, "uri": "", "event_id": "", "builder.id": "" },
        "scanner": { "uri": "", "version": "", "db": { "uri": "", "version": "" }, "result": result },
        "metadata": { "scanStartedOn": time, "scanFinishedOn": time },
    })
    .to_string()
}

/// Requires for images of `scope`, beside the signature of [`RELEASE`], a scan of the last day by the same key that found
/// nothing above medium.
pub fn require_scans(policy: Policy, scope: &str) -> Policy {
    policy.add_lines(&format!(
        "[attestation.scanned]\ntype = \"vulnerabilities\"\nby = \"{RELEASE}\"\nmax-age = \"1d\"\nmax-severity = \"medium\"\n\n\
         [[namespace]]\nscope = \"{scope}\"\nrequire = {{ all = [\"{RELEASE}\"], attestations = [\"scanned\"] }}"
    ))
}
