//! notation's `trustpolicy.json` or `trustpolicy.oci.json`, with the trust stores beside it.
//!
//! Source: notaryproject/specifications `specs/trust-store-trust-policy.md`, and notation-go `verifier/trustpolicy`. A
//! statement applies to the repositories that it names exactly, and the one for `*` to all others; without one, they are
//! refused. A document that notation does not load is not imported.

mod documents;
mod scope;

use std::collections::BTreeMap;

use documents::{Document, Enforced, Level, Statement};

use super::draft::{Action, Draft, Rule, Setting};
use super::{Effect, ImportError, Imported, Options, read, shape};
use pullgate_core::trust::x509::{IdentityError, RevocationMode, Subjects};
use pullgate_core::trust::{TimestampCheck, VerificationLevel};

/// The types of trust stores, each with the option of an authenticator.
const STORES: [(&str, &str); 3] = [("ca", "ca"), ("signingAuthority", "signing-authority"), ("tsa", "tsa")];

/// The files of a named trust store, by type and name: absolute paths of regular files, as notation reads them.
pub type TrustStores<'a> = &'a dyn Fn(&str, &str) -> Result<Vec<String>, std::io::Error>;

/// Converts a trust policy. `stores` lists the certificates that it names; the policy names these files.
///
/// # Errors
/// When notation would not load the document or a trust store, or nothing in it requires a signature.
pub fn notation(document: &[u8], stores: TrustStores<'_>, options: Options) -> Result<Imported, ImportError> {
    let document: Document = read(document, "trustpolicy.json")?;
    document.check()?;
    let mut converter = Converter {
        draft: Draft::new("notation's trust policy"),
        stores,
        options,
        by_scope: BTreeMap::new(),
        requires: false,
    };
    let (all, named): (Vec<_>, Vec<_>) =
        document.trust_policies.iter().partition(|statement| statement.is_for_all());
    let refused = || Converted::plain(Action::Deny("no statement of the trust policy applies".to_owned()));
    let fallback = all.first().map(|statement| converter.action(statement)).transpose()?;
    let fallback = fallback.unwrap_or_else(refused);
    for statement in named {
        let own = converter.action(statement)?;
        for written in &statement.registry_scopes {
            converter.repository((statement, written), &own, &fallback);
        }
    }
    match (all.first(), fallback.action) {
        (Some(_), Action::Allow(reason)) => converter.draft.allowed_by_default = Some(reason),
        (Some(statement), action) => {
            converter.rule(statement, "**", Converted { action, audit: fallback.audit });
        }
        (None, _) => {}
    }
    if !converter.requires {
        return Err(ImportError::NothingRequired("statement that verifies signatures".to_owned()));
    }
    Ok(Imported { draft: converter.draft })
}

/// What a statement becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Converted {
    action: Action,
    audit: bool,
}

impl Converted {
    fn plain(action: Action) -> Self {
        Self { action, audit: false }
    }
}

struct Converter<'a> {
    draft: Draft,
    stores: TrustStores<'a>,
    options: Options,
    /// The places of rules by their scopes.
    by_scope: BTreeMap<String, usize>,
    /// Whether a statement requires signatures.
    requires: bool,
}

impl Converter<'_> {
    /// Adds the rules for one repository: its own, and that of the names below it, which its scope covers here and not there.
    fn repository(
        &mut self,
        (statement, written): (&Statement, &str),
        own: &Converted,
        fallback: &Converted,
    ) {
        let subject = || format!("scope {written:?}");
        let Some(covered) = scope::read(written) else {
            let text = "no image of a registry has this name";
            self.draft.note(Effect::None, subject(), text);
            return;
        };
        let mut own = own.clone();
        if covered.is_folded {
            let text = format!(
                "notation applies it only to names with exactly this spelling, but pullgate would apply it to {} in any spelling; images are refused",
                covered.scope
            );
            self.draft.note(Effect::Stricter, subject(), text);
            own =
                Converted::plain(Action::Deny(format!("{written} is another spelling of {}", covered.scope)));
        }
        if own != *fallback {
            // What is below the repository.
            self.rule(statement, &format!("{}/*", covered.scope), fallback.clone());
        }
        self.rule(statement, &covered.scope, own);
    }

    /// Adds a rule. Of two for one scope, which only a spelling distinguishes in the original, a refusal stays.
    fn rule(&mut self, statement: &Statement, scope: &str, converted: Converted) {
        let Converted { action, audit } = converted;
        let written = self.by_scope.get(scope).and_then(|&at| self.draft.rules.get_mut(at));
        match (written, &action) {
            (Some(rule), _) if rule.action == action => {}
            (Some(rule), _) => {
                rule.action = Action::Deny(format!("more than one statement applies to {scope}"));
                rule.audit = false;
                let text = "pullgate treats this scope and the same scope in another spelling as one scope; images are \
                            refused";
                self.draft.note(Effect::Stricter, format!("scope {scope:?}"), text);
            }
            (None, _) => {
                self.by_scope.insert(scope.to_owned(), self.draft.rules.len());
                let origin = format!("statement {:?}", statement.name);
                self.draft.rules.push(Rule { audit, ..Rule::new(origin, scope.to_owned(), action) });
            }
        }
    }

    fn action(&mut self, statement: &Statement) -> Result<Converted, ImportError> {
        let subject = format!("statement {:?}", statement.name);
        let level = statement.level()?;
        let Level::Verified(enforced) = level else {
            let reason = format!("notation skips verification by statement {}", statement.name);
            return Ok(Converted::plain(Action::Allow(reason)));
        };
        self.requires = true;
        let mut stores: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for written in &statement.trust_stores {
            let place = || format!("{subject}, trust store {written:?}");
            let (kind, name) = documents::trust_store(written)
                .ok_or_else(|| shape(place(), "it is not ca:NAME, signingAuthority:NAME or tsa:NAME"))?;
            let files =
                (self.stores)(kind, name).map_err(|error| ImportError::File { path: place(), error })?;
            stores.entry(kind).or_default().extend(files);
        }
        let Some(identities) = self.identities(&subject, statement)? else {
            return Ok(Converted::plain(Action::Deny(format!(
                "statement {} accepts no signer",
                statement.name
            ))));
        };
        if !stores.contains_key("ca") && !stores.contains_key("signingAuthority") {
            return Ok(Converted::plain(Action::Deny(format!("statement {} trusts no CA", statement.name))));
        }
        let audit = !enforced.authenticity && self.widened(&subject, (
            "notation admits images with a signature of any signer, and only logs the signer, but pullgate requires that the signer is one of the identities",
            "notation admits images with a signature of any signer, but in audit mode pullgate also admits unsigned images",
        ));
        let mut settings = vec![("type", Setting::Text("notation".to_owned()))];
        if !stores.contains_key("ca") && stores.remove("tsa").is_some() {
            let text = "a `tsa` store is only for signatures below a `ca` store, and the statement names no `ca` store";
            self.draft.note(Effect::None, &subject, text);
        }
        let has_tsa = stores.contains_key("tsa");
        for (kind, key) in STORES {
            if let Some(files) = stores.remove(kind) {
                settings.push((key, Setting::List(files)));
            }
        }
        settings.push(("identities", Setting::List(identities)));
        if has_tsa && statement.timestamps() == TimestampCheck::AfterExpiry {
            settings.push(("timestamps", Setting::Text(TimestampCheck::AfterExpiry.name().to_owned())));
        }
        if self.times(&subject, enforced) == VerificationLevel::Permissive {
            settings.push(("level", Setting::Text(VerificationLevel::Permissive.name().to_owned())));
        }
        if enforced.revocation {
            let text = "pullgate checks revocation only by CRLs, so a certificate that names only an OCSP responder does \
                        not count";
            self.draft.note(Effect::Stricter, &subject, text);
            // notation-core-go `revocation/internal/crl/crl.go` `CertCheckStatus`: all of them are needed.
            let text = "if a certificate names several CRLs, pullgate needs only one current CRL, and reads no delta CRLs (freshestCRL)";
            self.draft.note(Effect::Wider, &subject, text);
            settings.push(("distribution-points", Setting::Text("fetch".to_owned())));
            settings.push(("revocation", Setting::Text(RevocationMode::IfNamed.name().to_owned())));
        }
        let name = self.draft.authenticator_of(&statement.name, settings);
        Ok(Converted { action: Action::All(vec![name]), audit })
    }

    /// The identities that pullgate knows; `None` where none of them can sign.
    fn identities(
        &mut self,
        subject: &str,
        statement: &Statement,
    ) -> Result<Option<Vec<String>>, ImportError> {
        // Others are for plug-ins, and no certificate has them.
        let known = |identity: &&String| *identity == "*" || identity.starts_with("x509.subject:");
        let identities: Vec<String> = statement.trusted_identities.iter().filter(known).cloned().collect();
        if identities.is_empty() {
            return Ok(None);
        }
        match Subjects::parse(identities.iter().map(String::as_str)) {
            Ok(_) => Ok(Some(identities)),
            Err(error @ (IdentityError::Attribute | IdentityError::TooMany)) => {
                let text = format!(
                    "pullgate cannot express the identities of the statement: {error}; images are refused"
                );
                self.draft.note(Effect::Stricter, subject, text);
                Ok(None)
            }
            Err(error) => Err(shape(subject, format!("trustedIdentities: {error}"))),
        }
    }

    /// Whether the times count: pullgate's levels know only all of them or none.
    fn times(&mut self, subject: &str, enforced: Enforced) -> VerificationLevel {
        match (enforced.expiry, enforced.timestamp) {
            (true, true) => VerificationLevel::Strict,
            (false, false) => VerificationLevel::Permissive,
            _ => {
                let widened = self.widened(
                    subject,
                    (
                        "it enforces only one of expiry and authenticTimestamp, but pullgate enforces both",
                        "it enforces only one of expiry and authenticTimestamp, but pullgate enforces neither",
                    ),
                );
                if widened { VerificationLevel::Permissive } else { VerificationLevel::Strict }
            }
        }
    }

    /// Whether to write the wider meaning. It is noted either way: the texts are for the stricter and the wider one.
    fn widened(&mut self, subject: &str, (stricter, wider): (&str, &str)) -> bool {
        let (effect, text) = match self.options.widen {
            true => (Effect::Wider, wider),
            false => (Effect::Stricter, stricter),
        };
        self.draft.note(effect, subject, text);
        self.options.widen
    }
}
