//! The shape of a trust policy, and what notation requires of it (notation-go `verifier/trustpolicy`, `Validate`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::{ImportError, shape};
use super::scope;
use pullgate_core::trust::TimestampCheck;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    version: String,
    pub(super) trust_policies: Vec<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Statement {
    pub(super) name: String,
    pub(super) registry_scopes: Vec<String>,
    signature_verification: SignatureVerification,
    #[serde(default)]
    pub(super) trust_stores: Vec<String>,
    #[serde(default)]
    pub(super) trusted_identities: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignatureVerification {
    level: String,
    #[serde(default, rename = "override")]
    overridden: BTreeMap<String, String>,
    #[serde(default)]
    verify_timestamp: Option<String>,
}

/// What a statement verifies.
#[derive(Clone, Copy)]
pub(super) enum Level {
    Skipped,
    Verified(Enforced),
}

/// The verifications whose failure refuses; that of others is logged.
#[derive(Clone, Copy)]
pub(super) struct Enforced {
    pub(super) authenticity: bool,
    pub(super) timestamp: bool,
    pub(super) expiry: bool,
    pub(super) revocation: bool,
}

impl Document {
    /// Checks what notation checks when it loads the document.
    pub(super) fn check(&self) -> Result<(), ImportError> {
        let wrong = |problem: &str| Err(shape("trustpolicy.json", problem));
        if self.version != "1.0" {
            return wrong("its version is not 1.0");
        }
        if self.trust_policies.is_empty() {
            return wrong("it has no statement");
        }
        let (mut names, mut scopes) = (BTreeSet::new(), BTreeSet::new());
        for statement in &self.trust_policies {
            statement.check()?;
            if !names.insert(&statement.name) {
                return wrong("two statements have the same name");
            }
            if !statement.registry_scopes.iter().all(|scope| scopes.insert(scope)) {
                return wrong("two statements have the same scope");
            }
        }
        Ok(())
    }
}

impl Statement {
    /// Whether it applies where no other one does.
    pub(super) fn is_for_all(&self) -> bool {
        self.registry_scopes == ["*"]
    }

    pub(super) fn timestamps(&self) -> TimestampCheck {
        match self.signature_verification.verify_timestamp.as_deref() {
            Some("afterCertExpiry") => TimestampCheck::AfterExpiry,
            _ => TimestampCheck::Always,
        }
    }

    /// The level with what overrides it.
    pub(super) fn level(&self) -> Result<Level, ImportError> {
        let verification = &self.signature_verification;
        let all = |enforced, authenticity| Enforced {
            authenticity,
            timestamp: enforced,
            expiry: enforced,
            revocation: enforced,
        };
        let mut enforced = match verification.level.as_str() {
            "strict" => all(true, true),
            "permissive" => all(false, true),
            "audit" => all(false, false),
            "skip" if verification.overridden.is_empty() => return Ok(Level::Skipped),
            "skip" => return Err(self.wrong("level skip has overrides")),
            other => return Err(self.wrong(&format!("level {other:?} is unknown"))),
        };
        for (kind, action) in &verification.overridden {
            let field = match kind.as_str() {
                "authenticity" => &mut enforced.authenticity,
                "authenticTimestamp" => &mut enforced.timestamp,
                "expiry" => &mut enforced.expiry,
                "revocation" => &mut enforced.revocation,
                other => return Err(self.wrong(&format!("{other:?} cannot be overridden"))),
            };
            *field = match action.as_str() {
                "enforce" => true,
                "log" => false,
                "skip" if kind == "revocation" => false,
                other => return Err(self.wrong(&format!("{kind} cannot be overridden with {other:?}"))),
            };
        }
        Ok(Level::Verified(enforced))
    }

    fn check(&self) -> Result<(), ImportError> {
        if self.name.is_empty() {
            return Err(self.wrong("it has no name"));
        }
        let timestamp = self.signature_verification.verify_timestamp.as_deref();
        if !matches!(timestamp, None | Some("" | "always" | "afterCertExpiry")) {
            return Err(self.wrong("verifyTimestamp is neither always nor afterCertExpiry"));
        }
        let (stores, identities) = (self.trust_stores.is_empty(), self.trusted_identities.is_empty());
        match self.level()? {
            Level::Skipped if !stores || !identities => {
                return Err(self.wrong("it skips verification, but names trust stores or identities"));
            }
            Level::Verified(_) if stores || identities => {
                return Err(self.wrong("it names no trust store or no identity"));
            }
            _ => {}
        }
        if !identities && self.trusted_identities.iter().any(|it| it != "*" && !it.contains(':')) {
            return Err(self.wrong("an identity has no prefix"));
        }
        if self.registry_scopes.is_empty() {
            return Err(self.wrong("it has no scope"));
        }
        let invalid = |scope: &&String| !self.is_for_all() && !scope::is_valid(scope);
        match self.registry_scopes.iter().find(invalid) {
            Some(scope) => Err(self.wrong(&format!("{scope:?} is not a repository"))),
            None => Ok(()),
        }
    }

    fn wrong(&self, problem: &str) -> ImportError {
        shape(format!("statement {:?}", self.name), problem)
    }
}

/// The type and the name of a trust store (`[a-zA-Z0-9_.-]+`).
pub(super) fn trust_store(written: &str) -> Option<(&'static str, &str)> {
    let (kind, name) = written.split_once(':')?;
    let (kind, _) = super::STORES.into_iter().find(|(known, _)| *known == kind)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    // notation joins it to a path; these would leave the store.
    let is_name = !name.is_empty() && name.bytes().all(plain) && name != "." && name != "..";
    is_name.then_some((kind, name))
}
