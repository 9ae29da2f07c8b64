//! containers/image `policy.json`, as podman, skopeo and CRI-O read it.
//!
//! Source: containers-policy.json(5). Only the `docker` transport matters on a node. The most specific scope that covers an
//! image decides alone, as in pullgate; all requirements of a scope must be met.

mod documents;
mod gpg;
mod pki;
pub(crate) mod scope;
mod sigstore;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Document, Identity, Requirement, Signed};
use pki::Converted;
use scope::Covered;

use super::draft::{Action, Draft, Rule, Setting, key};
use super::{Effect, ImportError, Imported, Options, read, shape};
use pullgate_core::digest::Digest;
use pullgate_core::trust::{Algorithm, PublicKey, TrustedRoot};

/// The number of labels that `*.example.com` covers if deeper hosts are refused anyway. In the original it is unlimited; in
/// pullgate `*` is one label.
const LABELS: usize = 4;

/// The longest host of DNS, in bytes (RFC 1035 section 2.3.4), as text.
const MAX_HOST: usize = 253;

/// What containers/image verifies keys with: always SHA-256 (`signature/internal/sigstore_payload.go`), and PKCS #1 v1.5.
const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::RsaPkcs1Sha256, Algorithm::EcdsaP384Sha256, Algorithm::EcdsaP521Sha256];

/// Reads a file that the policy names, by its path.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, std::io::Error>;

/// Converts a policy. `files` reads the key files that it names; `root` has its logs and the CAs of Fulcio, if it has any.
///
/// # Errors
/// When the document does not have the published shape, or a key cannot be read.
pub fn containers(
    document: &[u8],
    files: Files<'_>,
    root: Option<&TrustedRoot>,
    options: Options,
) -> Result<Imported, ImportError> {
    let document: Document = read(document, "policy.json")?;
    if let Some((place, problem)) = document.problem() {
        return Err(shape(place, problem));
    }
    let Document { default, transports } = document;
    let mut converter = Converter {
        draft: Draft::new("containers/image's policy.json"),
        files,
        root,
        options,
        by_keys: BTreeMap::new(),
        by_scope: BTreeMap::new(),
        refuses_by_default: false,
    };
    let mut scopes = BTreeMap::new();
    for (transport, of_transport) in transports {
        if transport == "docker" {
            scopes = of_transport;
        } else {
            converter.draft.note(
                Effect::None,
                format!("transport {transport}"),
                "pullgate on a node uses only the docker transport",
            );
        }
    }
    let fallback = scopes.remove("").unwrap_or(default);
    let action = converter.action("default", &fallback)?;
    match action {
        Action::Allow(reason) => converter.draft.allowed_by_default = Some(reason),
        Action::Deny(_) => converter.refuses_by_default = true,
        required => converter.rule("default", "**", required),
    }
    for (scope, requirements) in &scopes {
        converter.scope(scope, requirements)?;
    }
    converter.draft.note_shared_keys();
    Ok(Imported { draft: converter.draft })
}

struct Converter<'a> {
    draft: Draft,
    files: Files<'a>,
    root: Option<&'a TrustedRoot>,
    options: Options,
    /// The names of authenticators by the fingerprints of their keys, by their keyrings, or by their options.
    by_keys: BTreeMap<Vec<String>, String>,
    /// The places of rules by their scopes.
    by_scope: BTreeMap<String, usize>,
    /// Whether images that no rule covers are refused.
    refuses_by_default: bool,
}

impl Converter<'_> {
    /// Adds a rule. Of two for one scope, a refusal stays.
    fn rule(&mut self, origin: &str, scope: &str, action: Action) {
        let written = self.by_scope.get(scope).and_then(|&at| self.draft.rules.get_mut(at));
        match (written, &action) {
            (Some(rule), Action::Deny(_)) => rule.action = action,
            (Some(_), _) => {}
            (None, _) => {
                self.by_scope.insert(scope.to_owned(), self.draft.rules.len());
                let origin = format!("scope {origin:?}");
                self.draft.rules.push(Rule::new(origin, scope.to_owned(), action));
            }
        }
    }

    fn scope(&mut self, scope: &str, requirements: &[Requirement]) -> Result<(), ImportError> {
        let invalid = |error| ImportError::Scope { scope: scope.to_owned(), error };
        let covered = scope::read(scope).map_err(invalid)?;
        if covered == Covered::Nothing {
            let text = "no image name matches this scope: containers/image compares scopes as text, and only `*.` before a domain is a wildcard";
            self.draft.note(Effect::None, format!("scope {scope:?}"), text);
            return Ok(());
        }
        let action = self.action(scope, requirements)?;
        match covered {
            Covered::Nothing => {}
            Covered::Below { scope: written, folded } => {
                if let Some(action) = self.folded(scope, folded, action) {
                    self.rule(scope, &written, action);
                }
            }
            Covered::Hosts { domain, folded } => {
                if let Some(action) = self.folded(scope, folded, action) {
                    self.hosts(scope, &domain, &action);
                }
            }
            Covered::Image { scope: repository, digest, .. } => {
                self.image(scope, &repository, digest, action);
            }
        }
        Ok(())
    }

    /// The action of a scope whose host may have upper-case letters; `None` if the scope is left out.
    fn folded(&mut self, scope: &str, folded: bool, action: Action) -> Option<Action> {
        const CASE: &str = "its host has upper-case letters: containers/image treats upper and lower case as different hosts, but pullgate treats them as the same host";
        let subject = format!("scope {scope:?}");
        match action {
            action if !folded => Some(action),
            Action::Allow(_) => {
                self.draft.note(Effect::Stricter, subject, format!("{CASE}; the scope is left out"));
                None
            }
            _ => {
                self.draft.note(Effect::Stricter, subject, format!("{CASE}; images are refused"));
                Some(Action::Deny(format!("policy.json has a scope that differs only by case: {scope}")))
            }
        }
    }

    /// Converts a scope that is the hosts below a domain. Where deeper hosts than are written would be admitted by default, all
    /// that a host can have are written.
    fn hosts(&mut self, scope: &str, domain: &str, action: &Action) {
        let all = MAX_HOST.saturating_sub(domain.len()) / 2;
        let labels = if self.refuses_by_default { LABELS.min(all) } else { all };
        for labels in 1..=labels {
            for port in ["", ":*"] {
                let host = format!("{}{domain}{port}", "*.".repeat(labels));
                self.rule(scope, &host, action.clone());
            }
        }
        if labels < all && !matches!(action, Action::Deny(_)) {
            let text = format!(
                "only subdomains with up to {labels} more labels are covered; images of hosts with more labels are refused"
            );
            self.draft.note(Effect::Stricter, format!("scope {scope:?}"), text);
        }
    }

    /// Converts a scope that is one image, by tag or digest.
    fn image(&mut self, scope: &str, repository: &str, digest: Option<Digest>, action: Action) {
        let subject = format!("scope {scope:?}");
        match (digest, action) {
            (Some(digest), Action::Deny(reason)) => {
                self.draft.note(Effect::Stricter, subject, "pullgate refuses the digest in every repository, not only in this one");
                self.draft.denied.push((digest.to_string(), reason));
            }
            (_, Action::Allow(_)) => self.draft.note(
                Effect::Stricter,
                subject,
                "pullgate has no scope for one image, so the rule of its repository applies; to allow only this image, write `allow` with `digests`",
            ),
            (_, _) => {
                let text =
                    "pullgate has no scope for one image, so the whole repository is refused; write a rule for the repository by hand";
                self.draft.note(Effect::Stricter, subject, text);
                let reason = format!("policy.json has a requirement only for {scope}, which pullgate cannot express");
                self.rule(scope, repository, Action::Deny(reason));
            }
        }
    }

    fn action(&mut self, scope: &str, requirements: &[Requirement]) -> Result<Action, ImportError> {
        let subject = format!("scope {scope:?}");
        let mut names = BTreeSet::new();
        let mut anything = false;
        for requirement in requirements {
            match requirement {
                Requirement::InsecureAcceptAnything {} => anything = true,
                Requirement::Reject {} => {
                    return Ok(Action::Deny(format!("policy.json rejects {}", described(scope))));
                }
                Requirement::SignedBaseLayer(_) => {
                    let text = "it requires a signature of the base layer, which pullgate does not verify; images are refused";
                    self.draft.note(Effect::Stricter, subject, text);
                    return Ok(without_equivalent(scope));
                }
                Requirement::SignedBy(signed) => match self.signed_by(&subject, signed)? {
                    Some(name) => drop(names.insert(name)),
                    None => return Ok(without_equivalent(scope)),
                },
                Requirement::SigstoreSigned(signed) => match self.signed(&subject, signed)? {
                    Some(name) => drop(names.insert(name)),
                    None => return Ok(without_equivalent(scope)),
                },
            }
        }
        if names.is_empty() && anything {
            return Ok(Action::Allow(format!("policy.json accepts {} unsigned", described(scope))));
        }
        Ok(Action::All(names.into_iter().collect()))
    }

    /// The authenticator of a requirement; `None` if the requirement has no equivalent.
    fn signed(&mut self, subject: &str, signed: &Signed) -> Result<Option<String>, ImportError> {
        if let Some(fulcio) = &signed.fulcio {
            return self.fulcio(subject, signed, fulcio);
        }
        if !self.binds_as_here(subject, signed.signed_identity.as_ref()) {
            return Ok(None);
        }
        if let Some(pki) = &signed.pki {
            return self.pki(subject, pki);
        }
        let mut keys: Vec<PublicKey> = Vec::new();
        for pem in self.pems(subject, signed)? {
            let key = key(&pem, subject, self.options.algorithm.into_iter().chain(ALGORITHMS))?;
            if !keys.iter().any(|other| other.fingerprint() == key.fingerprint()) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let Some(settings) = self.log(subject, signed, &keys)? else { return Ok(None) };
        let mut same: Vec<String> = keys.iter().map(|key| key.fingerprint().to_owned()).collect();
        same.sort();
        same.push(format!("{settings:?}"));
        if let Some(name) = self.by_keys.get(&same) {
            return Ok(Some(name.clone()));
        }
        let original = signed.name().unwrap_or_else(|| format!("key-{}", self.by_keys.len() + 1));
        let name = self.draft.add_authenticator(&original, keys, settings);
        self.by_keys.insert(same, name.clone());
        Ok(Some(name))
    }

    /// Whether what a signature must name is what it must name here, or that may be wider.
    fn binds_as_here(&mut self, subject: &str, identity: Option<&Identity>) -> bool {
        match identity {
            None | Some(Identity::MatchRepoDigestOrExact {} | Identity::MatchExact {}) => self.widened(
                subject,
                "it requires that the signature names the image's tag, but pullgate requires only the repository's name in the signature",
            ),
            Some(Identity::MatchRepository {}) => true,
            Some(
                Identity::ExactReference { .. } | Identity::ExactRepository { .. } | Identity::Remap { .. },
            ) => {
                let text = "it accepts signatures that contain another image name; images are refused until you add this name to `aliases` of the rule by hand";
                self.draft.note(Effect::Stricter, subject, text);
                false
            }
        }
    }

    /// The authenticator for certificates of a PKI; `None` if it has no equivalent.
    fn pki(&mut self, subject: &str, pki: &serde_json::Value) -> Result<Option<String>, ImportError> {
        let (original, settings) = match pki::convert(subject, pki)? {
            Converted::Nothing(why) => {
                self.draft.note(Effect::Stricter, subject, format!("{why}; images are refused"));
                return Ok(None);
            }
            Converted::Authenticator { name, settings, stricter } => {
                if let Some(text) = stricter {
                    self.draft.note(Effect::Stricter, subject, text);
                }
                (name, settings)
            }
        };
        Ok(Some(self.once(&original, settings)))
    }

    /// The authenticator with these options.
    fn once(&mut self, original: &str, settings: Vec<(&'static str, Setting)>) -> String {
        let same = vec![format!("{settings:?}")];
        let draft = &mut self.draft;
        self.by_keys.entry(same).or_insert_with(|| draft.authenticator_of(original, settings)).clone()
    }

    /// Whether to accept the wider meaning that `text` describes. It is noted either way.
    fn widened(&mut self, subject: &str, text: &str) -> bool {
        if self.options.widen {
            self.draft.note(Effect::Wider, subject, text);
        } else {
            let text = format!(
                "{text}; images are refused (with --widen the rule is written without this requirement)"
            );
            self.draft.note(Effect::Stricter, subject, text);
        }
        self.options.widen
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, ImportError> {
        (self.files)(path).map_err(|error| ImportError::File { path: path.to_owned(), error })
    }

    fn pems(&self, subject: &str, signed: &Signed) -> Result<Vec<String>, ImportError> {
        let mut pems = Vec::new();
        for path in signed.key_path.iter().chain(signed.key_paths.iter().flatten()) {
            let bytes = self.file(path)?;
            pems.push(String::from_utf8(bytes).map_err(|_| shape(path, "it is not a PEM text"))?);
        }
        for data in signed.key_data.iter().chain(signed.key_datas.iter().flatten()) {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            pems.push(text.ok_or_else(|| shape(subject, "keyData is not base64 of a PEM text"))?);
        }
        if pems.is_empty() {
            return Err(shape(subject, "sigstoreSigned has no key"));
        }
        Ok(pems)
    }
}

/// The action of a requirement that cannot be written here.
fn without_equivalent(scope: &str) -> Action {
    Action::Deny(format!(
        "policy.json has a requirement for {} that pullgate cannot express",
        described(scope)
    ))
}

fn described(scope: &str) -> String {
    if scope == "default" { "images that no other rule covers".to_owned() } else { scope.to_owned() }
}
