//! The signatures of an image: in JSON one for each authenticator, in text one block for each signature.

use serde::Serialize;

use crate::gate::Finding;
use crate::trust::Identity;
use pullgate_cli::terminal::{Page, Span};

/// The result for one signature and one authenticator.
#[derive(Debug, Serialize)]
pub(super) struct SignatureReport {
    place: String,
    authenticator: String,
    /// The condition that it was compared with, if it is an attestation.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation: Option<String>,
    key: Option<String>,
    /// Who signed, where it is not a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    error: Option<String>,
}

impl SignatureReport {
    pub(super) fn of(finding: &Finding) -> Self {
        let signer = finding.outcome.as_ref().ok();
        Self {
            place: finding.place.clone(),
            authenticator: finding.authenticator.clone(),
            attestation: finding.condition.clone(),
            key: signer.filter(|it| it.is_key()).map(Identity::to_string),
            identity: signer.filter(|it| !it.is_key()).map(Identity::to_string),
            error: finding.outcome.clone().err(),
        }
    }

    /// Who signed, or why the signature does not count.
    fn result(&self) -> Result<String, &str> {
        match (&self.key, &self.identity) {
            (Some(key), _) => Ok(format!("key {key}")),
            (_, Some(identity)) => Ok(format!("identity {identity}")),
            _ => Err(self.error.as_deref().unwrap_or_default()),
        }
    }
}

/// Adds a block for each signature, in the order in which they were found. Authenticators with the same result share a row;
/// those that accept the signature are first.
pub(super) fn add(page: &mut Page, reports: &[SignatureReport]) {
    for ((place, attestation), reports) in grouped(reports, |it| (&it.place, &it.attestation)) {
        match attestation {
            None => page.row("signature", [place.as_str().into()]),
            Some(condition) => page.row("attested", [format!("{place}, for {condition}").into()]),
        }
        let mut results = grouped(reports, SignatureReport::result);
        results.sort_by_key(|(result, _)| result.is_err());
        for (result, reports) in results {
            let names: Vec<&str> = reports.iter().map(|it| it.authenticator.as_str()).collect();
            let names = names.join(", ");
            match result {
                Ok(signer) => page.row("", [Span::good("valid"), format!(" for {names}, {signer}").into()]),
                Err(why) => page.row("", [Span::warning("not valid"), format!(" for {names}: {why}").into()]),
            }
        }
    }
}

/// The reports with the same key, in the order in which the keys appear.
fn grouped<'a, K: PartialEq>(
    reports: impl IntoIterator<Item = &'a SignatureReport>,
    key: impl Fn(&'a SignatureReport) -> K,
) -> Vec<(K, Vec<&'a SignatureReport>)> {
    let mut groups: Vec<(K, Vec<&SignatureReport>)> = Vec::new();
    for report in reports {
        let key = key(report);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(report),
            None => groups.push((key, vec![report])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullgate_cli::terminal::Look;

    #[test]
    fn each_signature_is_one_block() {
        let key = format!("sha256:{}", "0123456789ab".repeat(6));
        let key = &key[..7 + 64];
        let report = |place: &str, authenticator: &str, result: Result<&str, &str>| SignatureReport {
            place: place.to_owned(),
            authenticator: authenticator.to_owned(),
            attestation: None,
            key: result.ok().filter(|it| it.starts_with("sha256:")).map(str::to_owned),
            identity: result.ok().filter(|it| !it.starts_with("sha256:")).map(str::to_owned),
            error: result.err().map(str::to_owned),
        };
        let attested = SignatureReport {
            attestation: Some("scan".to_owned()),
            ..report("referrer 1", "ci", Err("it is too old"))
        };
        let reports = [
            report("tag a.sig", "security", Err("the key is another")),
            report("tag a.sig", "release", Ok(key)),
            report("tag a.sig", "audit", Err("the key is another")),
            report("referrer 1", "ci", Ok("a\u{1b}[2Jb")),
            report("tag a.sig", "ci", Err("it has no certificate")),
            attested,
        ];
        let mut page = Page::new();
        add(&mut page, &reports);
        assert_eq!(
            page.text(Look::default()),
            "  signature  tag a.sig
             valid for release, key sha256:0123456789ab…
             not valid for security, audit: the key is another
             not valid for ci: it has no certificate
  signature  referrer 1
             valid for ci, identity a\\u{1b}[2Jb
  attested   referrer 1, for scan
             not valid for ci: it is too old"
        );
    }
}
