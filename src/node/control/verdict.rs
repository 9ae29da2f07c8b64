//! May this digest be pulled under this name? The gate's own answer, for who has no pod and no credentials to tell.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::gate::{self, Explanation, Gate, Pinned, Refusal};
use crate::reference::Reference;
use crate::registry::Credentials;

/// What the gate said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether the image may be pulled.
    pub admitted: bool,
    /// The reason code.
    pub reason: String,
    /// The rule that spoke, where one did.
    pub rule: Option<String>,
    /// The reason in words, in one line.
    pub line: String,
}

/// Asks the gate as for a pull without a pod: the strictest rule counts. Registries are asked with the operator's own
/// credentials, where there are any.
pub async fn verdict(gate: &Gate, image: &str) -> (Verdict, Explanation) {
    let question = gate::AdmissionRequest {
        image: image.to_owned(),
        credentials: Credentials::anonymous(),
        namespace: None,
    };
    let mut explanation = Explanation::default();
    let decided = gate.admit(&question, &mut explanation).await;
    (Verdict::of(&decided, &explanation), explanation)
}

impl Verdict {
    fn of(decided: &Result<Pinned, Refusal>, explanation: &Explanation) -> Self {
        match decided {
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

/// The name with the digest that is to be judged, whatever its tag leads to by now.
///
/// # Errors
/// When the name is none, the digest is none, or the name has another digest.
pub fn pinned(name: &str, digest: &str) -> Result<String, String> {
    let digest = Digest::parse(digest).map_err(|error| format!("digest: {error}"))?;
    let reference = Reference::parse(name).map_err(|error| format!("name: {error}"))?;
    match reference.digest() {
        Some(other) if *other != digest => Err(format!("{name:?} is another digest than {digest}")),
        _ => Ok(reference.with_digest(&digest).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_judged_is_the_digest() {
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
