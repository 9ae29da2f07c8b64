//! containers/image `policy.json`, as podman, skopeo and CRI-O read it.
//!
//! Source: containers-policy.json(5). Only the `docker` transport concerns images of a node. The most specific scope that
//! covers an image decides alone, as here; the requirements of a scope must all be met.

mod documents;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Document, Identity, Requirement, Signed};

use super::draft::{Action, Draft, Rule, key};
use super::{Effect, ImportError, Imported, Options, read, shape};
use pullgate_core::digest::Digest;
use pullgate_core::trust::{Algorithm, PublicKey};

/// How deep the hosts that `*.example.com` covers are followed: there it is any depth, here `*` is one label.
const LABELS: usize = 4;

/// Reads a file that the policy names.
pub type Files<'a> = &'a dyn Fn(&str) -> Result<String, std::io::Error>;

/// Reads a policy. `files` reads the key files that it names.
///
/// # Errors
/// When the document has not the published shape, or a key cannot be read.
pub fn containers(document: &[u8], files: Files<'_>, options: Options) -> Result<Imported, ImportError> {
    let Document { default, transports } = read(document, "policy.json")?;
    // sigstore/pkg/signature, as containers/image calls it: RSA is PKCS #1 v1.5.
    let options = Options { algorithm: options.algorithm.or(Some(Algorithm::RsaPkcs1Sha256)), ..options };
    let mut world =
        World { draft: Draft::new("containers/image's policy.json"), files, options, known: BTreeMap::new() };
    let mut scopes = BTreeMap::new();
    for (transport, own) in transports {
        if transport == "docker" {
            scopes = own;
        } else {
            world.draft.note(
                Effect::None,
                format!("transport {transport}"),
                "a node pulls by the docker transport only",
            );
        }
    }
    let everything = scopes.remove("").unwrap_or(default);
    let action = world.action("default", &everything)?;
    match action {
        Action::Allow(reason) => world.draft.allowed_by_default = Some(reason),
        Action::Deny(_) => {}
        required => world.rule("default", "**", required),
    }
    for (scope, requirements) in &scopes {
        world.scope(scope, requirements)?;
    }
    world.draft.note_shared_keys();
    Ok(Imported { draft: world.draft })
}

struct World<'a> {
    draft: Draft,
    files: Files<'a>,
    options: Options,
    /// Authenticators by the fingerprints of their keys.
    known: BTreeMap<Vec<String>, String>,
}

impl World<'_> {
    fn rule(&mut self, origin: &str, scope: &str, action: Action) {
        let origin = format!("scope {origin:?}");
        self.draft.rules.push(Rule { origin, scope: scope.to_owned(), pods: Vec::new(), action });
    }

    fn scope(&mut self, scope: &str, requirements: &[Requirement]) -> Result<(), ImportError> {
        let last = scope.rfind('/').map_or(0, |slash| slash + 1);
        let name = scope.get(last..).unwrap_or_default();
        if last > 0 && name.contains([':', '@']) {
            return self.single(scope, requirements);
        }
        let action = self.action(scope, requirements)?;
        match scope.strip_prefix("*.") {
            Some(domain) => {
                for labels in 1..=LABELS {
                    let host = format!("{}{domain}", "*.".repeat(labels));
                    self.rule(scope, &host, action.clone());
                }
                let text =
                    format!("hosts are followed {LABELS} labels deep; deeper ones are left to the default");
                let effect = match (&action, &self.draft.allowed_by_default) {
                    (Action::Allow(_), _) => Effect::Stricter,
                    (_, Some(_)) => Effect::Wider,
                    _ => Effect::Stricter,
                };
                self.draft.note(effect, format!("scope {scope:?}"), text);
            }
            None => self.rule(scope, scope, action),
        }
        Ok(())
    }

    /// A scope that is one image, by tag or digest.
    fn single(&mut self, scope: &str, requirements: &[Requirement]) -> Result<(), ImportError> {
        let subject = format!("scope {scope:?}");
        let action = self.action(scope, requirements)?;
        let digest = scope.split_once('@').and_then(|(_, digest)| Digest::parse(digest).ok());
        match (digest, action) {
            (Some(digest), Action::Deny(reason)) => {
                self.draft.note(Effect::Stricter, subject, "the digest is refused in every repository, not only in this one");
                self.draft.denied.push((digest.to_string(), reason));
            }
            (_, Action::Allow(_)) => self.draft.note(
                Effect::Stricter,
                subject,
                "scopes are repositories here; the image is left to the rule of its repository, `allow` with `digests` can do it",
            ),
            (_, _) => {
                let (repository, _) = scope.rsplit_once(['@', ':']).unwrap_or((scope, ""));
                let repository = repository.trim_end_matches("@sha256").to_owned();
                let text = "scopes are repositories here; the whole repository is refused, so that nothing passes unseen. \
                            Write a rule for it by hand";
                self.draft.note(Effect::Stricter, subject, text);
                let reason = format!("policy.json asks something of {scope} alone, which cannot be said here");
                let written = self.draft.rules.iter_mut().find(|rule| rule.scope == repository);
                match written {
                    Some(rule) => rule.action = Action::Deny(reason),
                    None => self.rule(scope, &repository, Action::Deny(reason)),
                }
            }
        }
        Ok(())
    }

    fn action(&mut self, scope: &str, requirements: &[Requirement]) -> Result<Action, ImportError> {
        let subject = format!("scope {scope:?}");
        if requirements.is_empty() {
            return Err(shape(subject, "it has no requirements, which containers/image refuses, too"));
        }
        let mut names = BTreeSet::new();
        let mut anything = false;
        for requirement in requirements {
            match requirement {
                Requirement::InsecureAcceptAnything {} => anything = true,
                Requirement::Reject {} => {
                    return Ok(Action::Deny(format!("policy.json rejects {}", whose(scope))));
                }
                Requirement::SignedBy(_) | Requirement::SignedBaseLayer(_) => {
                    let text =
                        "it asks for a signature by PGP, which pullgate does not verify; so it is refused";
                    self.draft.note(Effect::Stricter, subject, text);
                    return Ok(Action::Deny(format!(
                        "policy.json asks for a signature by PGP of {}",
                        whose(scope)
                    )));
                }
                Requirement::SigstoreSigned(signed) => match self.signed(&subject, signed)? {
                    Some(name) => {
                        names.insert(name);
                    }
                    None => {
                        let reason = format!("policy.json asks of {} what cannot be said here", whose(scope));
                        return Ok(Action::Deny(reason));
                    }
                },
            }
        }
        if names.is_empty() && anything {
            return Ok(Action::Allow(format!("policy.json accepts anything of {}", whose(scope))));
        }
        Ok(Action::All(names.into_iter().collect()))
    }

    /// The authenticator of a requirement, or nothing where it cannot be met.
    fn signed(&mut self, subject: &str, signed: &Signed) -> Result<Option<String>, ImportError> {
        if signed.fulcio.is_some() || signed.pki.is_some() {
            let text =
                "it asks for a certificate of Fulcio or of a PKI; pullgate verifies keys. So it is refused";
            self.draft.note(Effect::Stricter, subject, text);
            return Ok(None);
        }
        if signed.asks_rekor()
            && !self.widened(subject, "it asks for an entry in a transparency log, which is not looked at")
        {
            return Ok(None);
        }
        let identity = match signed.signed_identity.as_ref() {
            None | Some(Identity::MatchRepoDigestOrExact {} | Identity::MatchExact {}) => {
                Some("it asks that the signature names the tag; here it has to name the repository")
            }
            Some(Identity::MatchRepository {}) => None,
            Some(
                Identity::ExactReference { .. } | Identity::ExactRepository { .. } | Identity::Remap { .. },
            ) => {
                let text = "the signature is for another name there; here `aliases` of the rule says that. So it is refused";
                self.draft.note(Effect::Stricter, subject, text);
                return Ok(None);
            }
        };
        if let Some(text) = identity
            && !self.widened(subject, text)
        {
            return Ok(None);
        }
        let mut keys: Vec<PublicKey> = Vec::new();
        for pem in self.pems(subject, signed)? {
            let key = key(&pem, subject, self.options)?;
            if !keys.iter().any(|known| known.fingerprint() == key.fingerprint()) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(shape(subject, "sigstoreSigned names no key"));
        }
        let mut fingerprints: Vec<String> = keys.iter().map(|key| key.fingerprint().to_owned()).collect();
        fingerprints.sort();
        if let Some(name) = self.known.get(&fingerprints) {
            return Ok(Some(name.clone()));
        }
        let original = signed.name().unwrap_or_else(|| format!("key-{}", self.known.len() + 1));
        let name = self.draft.authenticator(&original, keys);
        self.known.insert(fingerprints, name.clone());
        Ok(Some(name))
    }

    /// Whether to go on although `text` makes it wider.
    fn widened(&mut self, subject: &str, text: &str) -> bool {
        if self.options.widen {
            self.draft.note(Effect::Wider, subject, text);
        } else {
            let text = format!("{text}; so it is refused (--widen takes it all the same)");
            self.draft.note(Effect::Stricter, subject, text);
        }
        self.options.widen
    }

    fn pems(&self, subject: &str, signed: &Signed) -> Result<Vec<String>, ImportError> {
        let mut pems = Vec::new();
        for path in signed.key_path.iter().chain(&signed.key_paths) {
            let text = (self.files)(path).map_err(|error| ImportError::File { path: path.clone(), error })?;
            pems.push(text);
        }
        for data in signed.key_data.iter().chain(&signed.key_datas) {
            let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            pems.push(text.ok_or_else(|| shape(subject, "keyData is not base64 of a text"))?);
        }
        Ok(pems)
    }
}

fn whose(scope: &str) -> String {
    if scope == "default" { "images without a rule of their own".to_owned() } else { scope.to_owned() }
}
