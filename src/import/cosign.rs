//! Public keys as `cosign generate-key-pair` writes them: `cosign.pub`.

use super::draft::{Action, Draft, Rule, key};
use super::{ImportError, Imported, Options};
use crate::policy::Scope;
use crate::trust::Algorithm;

/// An authenticator for each key, and a rule for `scope` that any of them satisfies.
///
/// RSA keys sign as cosign signs with them, PKCS #1 v1.5 (`sigstore/pkg/signature`, `LoadVerifier`), unless the options say
/// otherwise.
///
/// # Errors
/// When a text is no public key, or the scope is none.
pub fn cosign(keys: &[(String, String)], scope: &str, options: Options) -> Result<Imported, ImportError> {
    let options = Options { algorithm: options.algorithm.or(Some(Algorithm::RsaPkcs1Sha256)), ..options };
    let unusable = |error| ImportError::Scope { scope: scope.to_owned(), error };
    let scope = Scope::parse(scope).map_err(unusable)?.to_string();
    let mut draft = Draft::new("public keys of cosign");
    let mut names = Vec::new();
    for (name, pem) in keys {
        let key = key(pem, name, options)?;
        names.push(draft.authenticator(name, vec![key]));
    }
    let origin = "who holds one of the keys may sign".to_owned();
    draft.rules.push(Rule { origin, scope, pods: Vec::new(), action: Action::Any(names) });
    Ok(Imported { draft })
}
