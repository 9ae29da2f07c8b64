//! Public keys as `cosign generate-key-pair` writes them: `cosign.pub`.

use super::draft::{Action, Draft, Rule, key};
use super::{ImportError, Imported, Options};
use pullgate_core::policy::Scope;
use pullgate_core::trust::{Algorithm, PssSalt, PublicKey};

/// Creates an authenticator for each key, and a rule for `scope` that any of them satisfies.
///
/// RSA and Ed25519 keys get the algorithms of cosign, PKCS #1 v1.5 and Ed25519ph, unless the options name others. (Observed
/// with cosign 3.1.1 in both layouts; it does not verify Ed25519ph itself.)
///
/// # Errors
/// When a text is not a public key, or the scope is invalid.
pub fn cosign(keys: &[(String, String)], scope: &str, options: Options) -> Result<Imported, ImportError> {
    let invalid = |error| ImportError::Scope { scope: scope.to_owned(), error };
    let scope = Scope::parse(scope).map_err(invalid)?.to_string();
    let mut draft = Draft::new("public keys of cosign");
    let mut names = Vec::new();
    for (name, pem) in keys {
        let key = as_cosign_signs(pem, name, options)?;
        names.push(draft.authenticator(name, vec![key]));
    }
    let origin = "any of the keys may sign".to_owned();
    draft.rules.push(Rule { origin, scope, pods: Vec::new(), action: Action::Any(names) });
    Ok(Imported { draft })
}

fn as_cosign_signs(pem: &str, name: &str, options: Options) -> Result<PublicKey, ImportError> {
    let rsa = options.algorithm.filter(|it| it.key_kind() == Algorithm::RsaPkcs1Sha256.key_kind());
    let key = key(pem, name, Options { algorithm: rsa.or(Some(Algorithm::RsaPkcs1Sha256)), ..options })?;
    if key.algorithm() != Algorithm::Ed25519 || options.algorithm == Some(Algorithm::Ed25519) {
        return Ok(key);
    }
    PublicKey::from_pem(pem, Algorithm::Ed25519ph, PssSalt::default())
        .map_err(|error| ImportError::Key { subject: name.to_owned(), error })
}
