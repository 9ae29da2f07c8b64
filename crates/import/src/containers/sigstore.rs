//! `rekorPublicKey…` and `fulcio` of `sigstoreSigned`: log entries, and certificates of Fulcio (containers/image
//! `signature/policy_eval_sigstore.go`, `signature/fulcio_cert.go`). Both need a trusted root, whose logs and authorities must be
//! those of the document.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::Converter;
use super::documents::Signed;
use crate::draft::{Setting, key};
use crate::{Effect, ImportError, shape};
use pullgate_core::trust::x509::certificates_of;
use pullgate_core::trust::{LOGGED_ALGORITHMS, PublicKey, TrustedRoot};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fulcio {
    ca_path: Option<String>,
    ca_data: Option<String>,
    oidc_issuer: String,
    subject_email: String,
}

impl Converter<'_> {
    /// The options of an authenticator of keys for the log entries that it requires; `None` if it has no equivalent.
    pub(super) fn log(
        &mut self,
        subject: &str,
        signed: &Signed,
        keys: &[PublicKey],
    ) -> Result<Option<Vec<(&'static str, Setting)>>, ImportError> {
        if signed.rekor_sources() == 0 {
            return Ok(Some(Vec::new()));
        }
        let Some(root) = self.root else {
            let text = "it requires an entry in a transparency log: use --trust-root to name a trusted_root.json that lists this log";
            return Ok(self.widened(subject, text).then(Vec::new));
        };
        if let Some(key) = keys.iter().find(|key| !LOGGED_ALGORITHMS.contains(&key.algorithm())) {
            let text = format!(
                "it requires an entry in a transparency log, which pullgate does not verify for keys with {}; images are refused",
                key.algorithm().name()
            );
            self.draft.note(Effect::Stricter, subject, text);
            return Ok(None);
        }
        let settings = || vec![("log", Setting::Text("required".to_owned())), trust_root(root)];
        Ok(self.has_logs(subject, signed, root)?.then(settings))
    }

    /// The authenticator for certificates of Fulcio; `None` if it has no equivalent.
    pub(super) fn fulcio(
        &mut self,
        subject: &str,
        signed: &Signed,
        value: &Value,
    ) -> Result<Option<String>, ImportError> {
        let fulcio: Fulcio = serde_json::from_value(value.clone())
            .map_err(|error| shape(subject, format!("fulcio: {error}")))?;
        if fulcio.ca_path.is_some() == fulcio.ca_data.is_some() {
            return Err(shape(subject, "fulcio: it needs exactly one of caPath and caData"));
        }
        let refused = match self.root {
            None => {
                "it requires a certificate of Fulcio: use --trust-root to name a trusted_root.json that lists this CA"
            }
            // A `*` is a wildcard here.
            _ if fulcio.subject_email.contains('*') => {
                "its subjectEmail contains `*`, which pullgate would treat as a wildcard"
            }
            _ => "",
        };
        let Some(root) = self.root.filter(|_| refused.is_empty()) else {
            self.draft.note(Effect::Stricter, subject, format!("{refused}; images are refused"));
            return Ok(None);
        };
        let file = match (&fulcio.ca_path, &fulcio.ca_data) {
            (Some(path), _) => self.file(path)?,
            (None, data) => decoded(subject, "caData", data.as_deref().unwrap_or_default())?,
        };
        let wanted = certificates_of(&file).map_err(|error| shape(subject, format!("fulcio: {error}")))?;
        let wanted = wanted.iter().map(|it| it.der().to_vec()).collect();
        let listed = root.authority_roots().map(<[u8]>::to_vec).collect();
        if !self.are_listed(subject, root, ("CA", &wanted, &listed))
            || !self.has_logs(subject, signed, root)?
            || !self.binds_as_here(subject, signed.signed_identity.as_ref())
        {
            return Ok(None);
        }
        let text = "pullgate also requires that the certificate is in a certificate transparency log of the trusted root";
        self.draft.note(Effect::Stricter, subject, text);
        let settings = vec![
            ("type", Setting::Text("keyless".to_owned())),
            trust_root(root),
            ("issuer", Setting::Text(fulcio.oidc_issuer)),
            ("subject", Setting::Text(fulcio.subject_email.clone())),
        ];
        Ok(Some(self.once(&fulcio.subject_email, settings)))
    }

    /// Whether the logs of the trusted root are those of the requirement, or more of them may count.
    fn has_logs(&mut self, subject: &str, signed: &Signed, root: &TrustedRoot) -> Result<bool, ImportError> {
        let mut wanted = BTreeSet::new();
        for (is_file, text) in signed.rekor_keys(subject)? {
            let bytes =
                if is_file { self.file(&text)? } else { decoded(subject, "rekorPublicKeyData", &text)? };
            let pem =
                String::from_utf8(bytes).map_err(|_| shape(subject, "a key of Rekor is not a PEM text"))?;
            wanted.insert(key(&pem, subject, [])?.fingerprint().to_owned());
        }
        let listed = root.log_keys().collect();
        Ok(self.are_listed(subject, root, ("transparency log", &wanted, &listed)))
    }

    /// Whether the trusted root lists what the document does and nothing else, or more may count. What it lacks does not count.
    fn are_listed<T: Ord>(
        &mut self,
        subject: &str,
        root: &TrustedRoot,
        (what, wanted, listed): (&str, &BTreeSet<T>, &BTreeSet<T>),
    ) -> bool {
        let origin = root.origin();
        if wanted.is_disjoint(listed) {
            let text = format!("trusted root {origin} does not list its {what}; images are refused");
            self.draft.note(Effect::Stricter, subject, text);
            return false;
        }
        if !wanted.is_subset(listed) {
            let text = format!("trusted root {origin} does not list every {what} that policy.json names");
            self.draft.note(Effect::Stricter, subject, text);
        }
        let text = format!("trusted root {origin} also lists another {what}, which would count, too");
        listed.is_subset(wanted) || self.widened(subject, &text)
    }
}

fn trust_root(root: &TrustedRoot) -> (&'static str, Setting) {
    ("trust-root", Setting::Text(root.origin().to_owned()))
}

fn decoded(subject: &str, field: &str, data: &str) -> Result<Vec<u8>, ImportError> {
    STANDARD.decode(data).map_err(|_| shape(subject, format!("{field} is not base64")))
}
