//! The gate's decision on a pull of one digest, without a pod and without credentials of the caller.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::gate::{self, Explanation, Gate, Pinned, Refusal};
use crate::reference::Reference;
use crate::registry::Credentials;

/// A decision of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether the image may be pulled.
    pub admitted: bool,
    /// The reason code.
    pub reason: String,
    /// The rule that applied, if one did.
    pub rule: Option<String>,
    /// The reason as one line of text.
    pub line: String,
}

/// Evaluates an image as in a pull without a pod: every rule that could apply must admit it. Registries are queried
/// with the operator's credentials, if any.
pub async fn verdict(gate: &Gate, image: &str) -> (Verdict, Explanation) {
    let request = gate::AdmissionRequest {
        image: image.to_owned(),
        credentials: Credentials::anonymous(),
        namespace: None,
    };
    let mut explanation = Explanation::default();
    let decision = gate.admit(&request, &mut explanation).await;
    (Verdict::of(&decision, &explanation), explanation)
}

impl Verdict {
    fn of(decision: &Result<Pinned, Refusal>, explanation: &Explanation) -> Self {
        match decision {
            Ok(pinned) => Self {
                admitted: true,
                reason: pinned.reason().code().to_owned(),
                rule: Some(pinned.rule().to_owned()),
                line: format!("admitted by {} [{}]", pinned.rule(), pinned.reason()),
            },
            Err(refusal) => Self {
                admitted: false,
                reason: refusal.reason().code().to_owned(),
                rule: explanation.rule.clone(),
                line: refusal.line().to_owned(),
            },
        }
    }
}

/// The reference for `name` with `digest`, whatever its tag resolves to now.
///
/// # Errors
/// When the name or the digest is not valid, or the name has another digest.
pub fn pinned(name: &str, digest: &str) -> Result<String, String> {
    let digest = Digest::parse(digest).map_err(|error| format!("digest: {error}"))?;
    let reference = Reference::parse(name).map_err(|error| format!("name: {error}"))?;
    match reference.digest() {
        Some(other) if *other != digest => Err(format!("{name:?} has another digest than {digest}")),
        _ => Ok(reference.with_digest(&digest).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_evaluated_and_not_the_tag() {
        let [digest, other] = [b"image".as_slice(), b"other"].map(|bytes| Digest::of(bytes).to_string());
        let named = format!("reg.example/a@{digest}");
        for (name, digest, expected) in [
            ("reg.example/a:1", digest.as_str(), Some(&named)),
            (&named, &digest, Some(&named)),
            (&named, &other, None),
            ("reg.example/a:1", "sha256:1", None),
            ("Not A Name", &digest, None),
        ] {
            assert_eq!(pinned(name, digest).ok().as_ref(), expected, "{name} {digest}");
        }
    }
}
