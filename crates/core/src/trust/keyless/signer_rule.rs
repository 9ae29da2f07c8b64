//! Whose certificates count: the issuer, and the subject or claims.

use super::certificate::SigningCertificate;
use super::claim::Claim;
use super::pattern::Pattern;
use crate::trust::Identity;
use crate::untrusted::{Quoted, quoted};

/// What a certificate must say of its signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerRule {
    issuer: String,
    subject: Option<Pattern>,
    claims: Vec<(Claim, Pattern)>,
    /// The identity, if only one fits.
    only: Option<String>,
}

impl SignerRule {
    /// A rule for certificates of `issuer`, which must be equal, with `subject` and all of `claims`.
    ///
    /// # Errors
    /// When it would accept everybody whom the issuer knows.
    pub fn new(
        issuer: String,
        subject: Option<Pattern>,
        claims: Vec<(Claim, Pattern)>,
    ) -> Result<Self, SignerRuleError> {
        if !is_url(&issuer) {
            return Err(SignerRuleError::Issuer);
        }
        let subject_names = subject.as_ref().is_some_and(Pattern::names_somebody);
        let claim_names = |(claim, pattern): &(Claim, Pattern)| claim.says_who() && pattern.names_somebody();
        if !subject_names && !claims.iter().any(claim_names) {
            return Err(SignerRuleError::Anybody);
        }
        let exact = subject.as_ref().filter(|subject| subject.is_exact());
        let only = exact.map(|subject| Identity::certificate(subject.as_str(), &issuer).as_str().to_owned());
        Ok(Self { issuer, subject, claims, only })
    }

    /// Whether it accepts signers that `exact`, a rule with an exact subject, accepts; claims are not looked at.
    #[must_use]
    pub fn may_accept(&self, exact: &Self) -> bool {
        let matches = |pattern: &Pattern| {
            exact.subject.as_ref().filter(|it| it.is_exact()).is_none_or(|it| pattern.matches(it.as_str()))
        };
        self.issuer == exact.issuer && self.subject.as_ref().is_none_or(matches)
    }

    /// The text of the identity, if only one fits.
    pub(super) fn only_identity(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Who signed, if the certificate is one of these signers'.
    ///
    /// # Errors
    /// What does not fit.
    pub fn identify(&self, certificate: &SigningCertificate) -> Result<Identity, WrongIdentity> {
        if certificate.issuer() != self.issuer {
            return Err(WrongIdentity::new("issuer", Some(certificate.issuer())));
        }
        if self.subject.as_ref().is_some_and(|subject| !subject.matches(certificate.subject())) {
            return Err(WrongIdentity::new("subject", Some(certificate.subject())));
        }
        for (claim, pattern) in &self.claims {
            let found = certificate.claim(*claim);
            if !found.is_some_and(|found| pattern.matches(found)) {
                return Err(WrongIdentity::new(claim.name(), found));
            }
        }
        Ok(Identity::certificate(certificate.subject(), certificate.issuer()))
    }

    pub(super) fn entries(&self) -> Vec<Vec<String>> {
        let entry = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        let mut entries = vec![entry("issuer", &self.issuer)];
        entries.extend(self.subject.iter().map(|subject| entry("subject", subject.as_str())));
        entries.extend(self.claims.iter().map(|(claim, pattern)| entry(claim.name(), pattern.as_str())));
        entries
    }
}

/// Whether an issuer is an address as OpenID Connect has it: no white space, so that it ends the text of an identity.
fn is_url(issuer: &str) -> bool {
    let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// What a certificate says that the rule does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its {part} is {found}")]
pub struct WrongIdentity {
    part: &'static str,
    found: Quoted,
}

impl WrongIdentity {
    fn new(part: &'static str, found: Option<&str>) -> Self {
        Self { part, found: quoted(found.unwrap_or_default()) }
    }
}

/// Why a rule is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum SignerRuleError {
    #[error("issuer is not a URL such as https://token.actions.githubusercontent.com")]
    Issuer,
    /// Neither the subject nor a claim names somebody.
    #[error("rule accepts every identity of the issuer")]
    Anybody,
}
