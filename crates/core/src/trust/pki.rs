//! Certificate authenticators: whom a private PKI certifies, by the name in the certificate.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::x509::{FetchedCrls, NameType, Revocation, RevocationCheck, SignerName, Store};
use super::{Identities, Pattern, PatternError, PublicKey, SignerSet, TimestampCheck, TrustKind};

/// Maximum number of names of one authenticator.
pub const MAX_NAMES: usize = 64;

/// The signers of a certificate authenticator.
#[derive(Clone, Debug)]
pub struct PkiSet {
    /// The CAs that are trusted.
    pub ca: Store,
    /// CAs that are not trusted themselves, for signatures that come without them.
    pub intermediates: Store,
    /// The accepted names of signers.
    pub names: SignerNames,
    /// Roots of timestamp authorities. Without them timestamps are not looked at.
    pub tsa: Store,
    /// When a timestamp is required.
    pub timestamps: TimestampCheck,
    /// Revoked keys by fingerprint, each with the reason.
    pub revoked: BTreeMap<String, String>,
    /// How it is found out which certificates are revoked.
    pub revocation: Revocation,
}

impl PkiSet {
    /// What is known of revoked certificates.
    pub(crate) fn revocation<'a>(&'a self, fetched: &'a FetchedCrls, now: Timestamp) -> RevocationCheck<'a> {
        RevocationCheck { denied: &self.revoked, revocation: &self.revocation, fetched, now }
    }
}

/// The names that count: each is a type and a text or pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerNames {
    patterns: Vec<(NameType, Pattern)>,
}

impl SignerNames {
    /// Reads names, each `email:…`, `dns:…` or `uri:…`.
    ///
    /// # Errors
    /// When the list is empty or too long, or when a name in it is not valid or would accept every certificate.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SignerNameError> {
        let patterns = texts.into_iter().map(parse_one).collect::<Result<Vec<_>, _>>()?;
        match patterns.len() {
            0 => return Err(SignerNameError::Missing),
            count if count > MAX_NAMES => return Err(SignerNameError::TooMany),
            _ => {}
        }
        Ok(Self { patterns })
    }

    /// Whether a name counts.
    #[must_use]
    pub fn accept(&self, name: &SignerName) -> bool {
        self.patterns.iter().any(|(kind, pattern)| *kind == name.kind && pattern.matches(&name.text))
    }
}

fn parse_one(text: &str) -> Result<(NameType, Pattern), SignerNameError> {
    let (kind, rest) = text.split_once(':').ok_or(SignerNameError::Prefix)?;
    let (_, kind) =
        NameType::ALL.into_iter().find(|(name, _)| *name == kind).ok_or(SignerNameError::Prefix)?;
    let SignerName { kind, text } = SignerName::new(kind, rest);
    let pattern = Pattern::parse(&text).map_err(SignerNameError::Pattern)?;
    let names_somebody = match kind {
        // What follows the wildcard is a domain below that of a country or the like.
        NameType::Dns => pattern.is_exact() || fixed_labels(&text) > 1,
        NameType::Email => pattern.is_exact() || pattern.names_somebody() && text.contains('@'),
        NameType::Uri => pattern.names_somebody(),
    };
    if names_somebody { Ok((kind, pattern)) } else { Err(SignerNameError::Anybody) }
}

/// How many labels are fixed at the end of a pattern of a host name: after a wildcard only whole labels.
fn fixed_labels(text: &str) -> usize {
    let end = text.rsplit('*').next().unwrap_or_default();
    match end.strip_prefix('.') {
        Some(labels) => labels.split('.').filter(|label| !label.is_empty()).count(),
        None => 0,
    }
}

impl SignerSet for PkiSet {
    fn kind(&self) -> &'static str {
        "certificate"
    }

    /// An identity is the first name of a certificate, which may be another one than the one that counts.
    fn identities(&self) -> Identities<'_> {
        Identities::Any
    }

    /// Every verdict has its own end: the certificates that it rests on come with the signature.
    fn first_end(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn ending(&self, now: Timestamp, _: SignedDuration) -> Vec<String> {
        self.revocation.ended(now)
    }

    fn ends(&self) -> Vec<(TrustKind, Timestamp)> {
        let stores = [&self.ca, &self.intermediates, &self.tsa];
        stores.into_iter().flat_map(Store::ends).map(|end| (TrustKind::Certificate, end)).collect()
    }

    fn entries(&self) -> Vec<Vec<String>> {
        let stores = [("ca", &self.ca), ("intermediates", &self.intermediates), ("tsa", &self.tsa)];
        let anchors = stores.into_iter().flat_map(|(name, store)| store.entries(name));
        let names = self.names.patterns.iter().map(|(kind, pattern)| {
            vec!["name".to_owned(), kind.name().to_owned(), pattern.as_str().to_owned()]
        });
        let timestamps = vec!["timestamps".to_owned(), self.timestamps.name().to_owned()];
        anchors.chain(names).chain([timestamps]).chain(self.revocation.entries()).collect()
    }

    /// The keys that sign are not known before there is a signature; see [`SignerSet::deny`].
    fn revoke(&mut self, _: &dyn Fn(&PublicKey) -> Option<String>) {}

    fn deny(&mut self, keys: &BTreeMap<String, String>) {
        self.revoked.clone_from(keys);
    }
}

/// Why names are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum SignerNameError {
    #[error("no name is given")]
    Missing,
    #[error("more than {MAX_NAMES} names are given")]
    TooMany,
    #[error("a name must begin with `email:`, `dns:` or `uri:`")]
    Prefix,
    #[error("{0}")]
    Pattern(PatternError),
    /// A pattern without anything that is fixed below the host or domain.
    #[error("would accept every certificate of the CA")]
    Anybody,
}
