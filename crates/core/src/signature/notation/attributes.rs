//! The signed attributes of an envelope, the same for JWS and COSE.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::NotationError;
use crate::trust::Algorithm;
use crate::untrusted::quoted;

pub(super) const SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const EXPIRY: &str = "io.cncf.notary.expiry";
const PLUGIN: &str = "io.cncf.notary.verificationPlugin";
const PLUGIN_VERSION: &str = "io.cncf.notary.verificationPluginMinVersion";
/// Unsigned: the program that signed.
pub(super) const SIGNING_AGENT: &str = "io.cncf.notary.signingAgent";
/// Unsigned.
pub(super) const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
/// The scheme without a signing authority (signing-scheme.md).
pub(super) const X509_SCHEME: &str = "notary.x509";
/// The attributes that are times.
pub(super) const TIMES: [&str; 3] = [SIGNING_TIME, AUTHENTIC_SIGNING_TIME, EXPIRY];

/// The protected header of an envelope.
pub(super) struct Protected {
    /// `None` for an algorithm that Notary signatures do not have.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) content_type: String,
    pub(super) critical: Vec<String>,
    /// All attributes but algorithm, content type and the list of critical ones.
    pub(super) attributes: BTreeMap<String, Value>,
}

/// The value of an attribute.
pub(super) enum Value {
    Text(String),
    Time(Timestamp),
    /// Anything else.
    Other,
}

/// What a signature says about itself, after its signature was verified.
pub(super) struct Attributes {
    pub(super) scheme: SigningScheme,
    /// When it was made: only under [`SigningScheme::SigningAuthority`] something to rely on.
    pub(super) signing_time: Timestamp,
    pub(super) expiry: Option<Timestamp>,
}

/// Who vouches for the time of a signature (signing-scheme.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningScheme {
    /// Nobody, or a timestamp authority.
    X509,
    /// The signer.
    SigningAuthority,
}

impl SigningScheme {
    /// The option with its anchors.
    pub(super) fn store(self) -> &'static str {
        match self {
            Self::X509 => "ca",
            Self::SigningAuthority => "signing-authority",
        }
    }
}

impl Attributes {
    /// When it was made, if the signer is trusted to say so.
    pub(super) fn stated_time(&self) -> Option<Timestamp> {
        (self.scheme == SigningScheme::SigningAuthority).then_some(self.signing_time)
    }

    pub(super) fn read(protected: &Protected) -> Result<Self, NotationError> {
        check_critical(protected)?;
        let scheme = match protected.text(SCHEME)? {
            X509_SCHEME => SigningScheme::X509,
            "notary.x509.signingAuthority" => SigningScheme::SigningAuthority,
            other => return Err(NotationError::Scheme { scheme: quoted(other) }),
        };
        let (time, other) = match scheme {
            SigningScheme::X509 => (SIGNING_TIME, AUTHENTIC_SIGNING_TIME),
            SigningScheme::SigningAuthority => (AUTHENTIC_SIGNING_TIME, SIGNING_TIME),
        };
        if protected.attributes.contains_key(other) {
            return Err(NotationError::Forbidden { attribute: other });
        }
        let signing_time = protected.time(time)?;
        let expiry = match protected.attributes.get(EXPIRY) {
            None => None,
            Some(_) => Some(protected.time(EXPIRY)?),
        };
        let required = [
            Some(SCHEME),
            expiry.map(|_| EXPIRY),
            (scheme == SigningScheme::SigningAuthority).then_some(AUTHENTIC_SIGNING_TIME),
        ];
        for attribute in required.into_iter().flatten() {
            if !protected.critical.iter().any(|name| name == attribute) {
                return Err(NotationError::NotCritical { attribute });
            }
        }
        if expiry.is_some_and(|expiry| expiry <= signing_time) {
            return Err(NotationError::Attribute { attribute: EXPIRY });
        }
        Ok(Self { scheme, signing_time, expiry })
    }
}

impl Protected {
    fn text(&self, attribute: &'static str) -> Result<&str, NotationError> {
        match self.attributes.get(attribute) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(NotationError::Attribute { attribute }),
        }
    }

    fn time(&self, attribute: &'static str) -> Result<Timestamp, NotationError> {
        match self.attributes.get(attribute) {
            Some(Value::Time(time)) => Ok(*time),
            _ => Err(NotationError::Attribute { attribute }),
        }
    }
}

/// Every critical attribute must be one that is evaluated here, and be there, once. A plug-in that a signature names would
/// have to judge it, critical or not.
fn check_critical(protected: &Protected) -> Result<(), NotationError> {
    match protected.attributes.get(PLUGIN) {
        Some(Value::Text(name)) => return Err(NotationError::Plugin { name: quoted(name) }),
        Some(_) => return Err(NotationError::Attribute { attribute: PLUGIN }),
        None => {}
    }
    if protected.attributes.contains_key(PLUGIN_VERSION) {
        return Err(NotationError::Attribute { attribute: PLUGIN });
    }
    let mut seen = BTreeSet::new();
    for name in &protected.critical {
        if ![SCHEME, EXPIRY, AUTHENTIC_SIGNING_TIME].contains(&name.as_str()) {
            return Err(NotationError::UnknownCritical { attribute: quoted(name) });
        }
        if !seen.insert(name) || !protected.attributes.contains_key(name) {
            return Err(NotationError::CriticalList { attribute: quoted(name) });
        }
    }
    Ok(())
}
