//! Public keys as `cosign generate-key-pair` writes them: `cosign.pub`.

use super::draft::{Action, Draft, Rule, key};
use super::{ImportError, Imported, Options};
use pullgate_core::policy::Scope;
use pullgate_core::trust::Algorithm;

/// Creates an authenticator for each key, and a rule for `scope` that any of them satisfies.
///
/// Keys get the algorithms of cosign since 2.6 (RSA: PKCS #1 v1.5 with SHA-256; Ed25519ph), unless the options name
/// another that fits. (Observed with cosign 3.1.1 in both layouts; it does not verify Ed25519ph itself.)
///
/// # Errors
/// When a text is not a public key, or the scope is invalid.
pub fn cosign(keys: &[(String, String)], scope: &str, options: Options) -> Result<Imported, ImportError> {
    let invalid = |error| ImportError::Scope { scope: scope.to_owned(), error };
    let scope = Scope::parse(scope).map_err(invalid)?.to_string();
    let mut draft = Draft::new("public keys of cosign");
    let mut names = Vec::new();
    for (name, pem) in keys {
        let own = [Algorithm::RsaPkcs1Sha256, Algorithm::Ed25519ph];
        let key = key(pem, name, options.algorithm.into_iter().chain(own))?;
        names.push(draft.authenticator(name, vec![key]));
    }
    let origin = "any of the keys may sign".to_owned();
    draft.rules.push(Rule::new(origin, scope, Action::Any(names)));
    Ok(Imported { draft })
}
