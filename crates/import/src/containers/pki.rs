//! `pki` of `sigstoreSigned`: certificates of a private PKI (`PRSigstoreSignedPKI` in containers/image
//! `signature/policy_config_sigstore.go`, `signature/pki_cert.go`).

use serde::Deserialize;
use serde_json::Value;

use super::super::draft::Setting;
use super::super::{ImportError, shape};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Pki {
    ca_roots_path: Option<String>,
    ca_roots_data: Option<String>,
    ca_intermediates_path: Option<String>,
    ca_intermediates_data: Option<String>,
    subject_email: Option<String>,
    subject_hostname: Option<String>,
}

/// What a `pki` becomes.
pub(super) enum Converted {
    /// An authenticator with these options, and what it refuses in addition.
    Authenticator {
        /// A name for it.
        name: String,
        settings: Vec<(&'static str, Setting)>,
        stricter: Option<&'static str>,
    },
    /// Nothing that can be written here: why.
    Nothing(&'static str),
}

pub(super) fn convert(subject: &str, value: &Value) -> Result<Converted, ImportError> {
    let pki: Pki =
        serde_json::from_value(value.clone()).map_err(|error| shape(subject, format!("pki: {error}")))?;
    let wrong = |problem: &str| Err(shape(subject, format!("pki: {problem}")));
    if pki.ca_roots_path.is_some() == pki.ca_roots_data.is_some() {
        return wrong("it needs exactly one of caRootsPath and caRootsData");
    }
    if pki.ca_intermediates_path.is_some() && pki.ca_intermediates_data.is_some() {
        return wrong("it has both caIntermediatesPath and caIntermediatesData");
    }
    if pki.ca_roots_data.is_some() || pki.ca_intermediates_data.is_some() {
        return Ok(Converted::Nothing(
            "its certificates are in the document itself; write them to files, and name these files in the document",
        ));
    }
    let (name, stricter) = match (pki.subject_email, pki.subject_hostname) {
        (Some(email), None) => (format!("email:{email}"), None),
        (None, Some(host)) => {
            (format!("dns:{host}"), Some("pullgate does not accept a wildcard certificate for this host"))
        }
        (Some(_), Some(_)) => {
            return Ok(Converted::Nothing(
                "it requires two names in one certificate, but pullgate can require only one",
            ));
        }
        (None, None) => return wrong("it needs subjectEmail or subjectHostname"),
    };
    // A `*` is a wildcard here.
    if name.contains('*') {
        return Ok(Converted::Nothing("its name contains `*`, which pullgate would treat as a wildcard"));
    }
    let mut settings = vec![("type", Setting::Text("certificate".to_owned()))];
    let files = [("ca", pki.ca_roots_path), ("intermediates", pki.ca_intermediates_path)];
    settings.extend(files.into_iter().filter_map(|(key, path)| Some((key, Setting::List(vec![path?])))));
    settings.push(("names", Setting::List(vec![name.clone()])));
    Ok(Converted::Authenticator {
        name: name.split_once(':').map_or_else(|| name.clone(), |(_, it)| it.to_owned()),
        settings,
        stricter,
    })
}
