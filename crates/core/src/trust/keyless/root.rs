//! Trusted roots: the authorities and logs of one Sigstore instance, as `trusted_root.json` has them.
//!
//! Source: sigstore/protobuf-specs `protos/sigstore_trustroot.proto`, in the JSON form of protocol buffers.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use der::Decode as _;
use jiff::{SignedDuration, Timestamp};
use sigstore_verify::Verifier;
use sigstore_verify::trust_root::{TransparencyLog, TrustedRoot as Parsed};
use sigstore_verify::types::TimeRange;

use super::provider;
use crate::digest::Digest;
use crate::json::{self, Bounds, JsonError, Keys};
use crate::trust::PublicKey;
use crate::trust::instant::instant;
use crate::untrusted::{Quoted, quoted};

/// Maximum size of a trusted root: 256 KiB; that of the public instance has 7 KiB.
pub const MAX_ROOT_BYTES: usize = 256 * 1024;
const BOUNDS: Bounds = Bounds { depth: 16, values: 1 << 14, keys: Keys::Exact };

/// How long before its end a root is reported, where nothing else is configured.
pub const ROOT_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

const TRANSPARENCY_LOG: &str = "transparency log";

/// Media types of versions 0.1 and 0.2.
const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// A trusted root: an instance of Sigstore whose certificates, log entries and timestamps count.
#[derive(Clone)]
pub struct TrustedRoot {
    origin: String,
    digest: Digest,
    verifier: Arc<Verifier>,
    /// The same without the times from and to which logs and authorities are valid.
    timeless: Option<Arc<Verifier>>,
    parsed: Arc<Parsed>,
    counts: Counts,
    /// When something of it ends, and when nothing of one kind is left.
    ends: Vec<Timestamp>,
    end: Option<RootEnd>,
    log_end: Option<RootEnd>,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    transparency_logs: usize,
    certificate_logs: usize,
    timestamp_authorities: usize,
}

/// The first part of a root that will not cover new signatures any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootEnd {
    /// When the last of them ends.
    pub at: Timestamp,
    /// What ends, for messages.
    pub what: &'static str,
}

impl TrustedRoot {
    /// Parses a `trusted_root.json` of at most [`MAX_ROOT_BYTES`]; `origin` names it in messages.
    ///
    /// # Errors
    /// When it is not JSON without duplicate keys, not of version 0.1 or 0.2, has no certificate authority, or has a key,
    /// certificate or time that is not valid, or the same log key twice: one log must not count as two.
    pub fn parse(origin: String, text: &str) -> Result<Self, RootError> {
        provider::install();
        if text.len() > MAX_ROOT_BYTES {
            return Err(RootError::TooLarge { found: text.len() });
        }
        json::parse(text.as_bytes(), BOUNDS).map_err(RootError::Json)?;
        let invalid = |error: &dyn fmt::Display| RootError::Invalid { why: quoted(&error.to_string()) };
        let root = Parsed::from_json(text).map_err(|error| invalid(&error))?;
        if !MEDIA_TYPES.contains(&root.media_type.as_str()) {
            return Err(RootError::Version { found: quoted(&root.media_type) });
        }
        if root.certificate_authorities.is_empty() {
            return Err(RootError::NoAuthority);
        }
        let logs = root.tlogs.iter().map(|log| log.public_key.raw_bytes.as_bytes());
        let certificate_logs = root.ctlogs.iter().map(|log| log.public_key.raw_bytes.as_bytes());
        check_distinct(logs.chain(certificate_logs))?;
        let verifier = Verifier::new(&root).map_err(|error| invalid(&error))?;
        let counts = Counts {
            transparency_logs: root.tlogs.len(),
            certificate_logs: root.ctlogs.len(),
            timestamp_authorities: root.timestamp_authorities.len(),
        };
        let groups = groups(&root)?;
        let ends = groups.iter().flat_map(|(_, ends)| ends.iter().flatten().copied()).collect();
        let of_kinds = groups.iter().filter_map(|(what, ends)| last_end(ends).map(|at| RootEnd { at, what }));
        let log_end = of_kinds.clone().find(|end| end.what == TRANSPARENCY_LOG);
        let end = of_kinds.min_by_key(|end| end.at);
        let digest = Digest::of(text.as_bytes());
        let timeless = Verifier::new(&without_times(root.clone())).ok().map(Arc::new);
        let (verifier, parsed) = (Arc::new(verifier), Arc::new(root));
        Ok(Self { origin, digest, verifier, timeless, parsed, counts, ends, end, log_end })
    }

    /// The name of its file, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The digest of its text.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// When one of its parts ends, the first of those that end after `after`.
    pub fn first_end(&self, after: Timestamp) -> Option<Timestamp> {
        self.ends.iter().filter(|end| **end > after).min().copied()
    }

    /// When it will not cover new signatures any more: as soon as all parts of one kind have ended.
    pub fn end(&self) -> Option<RootEnd> {
        self.end
    }

    /// The same where only its transparency logs count: for signatures by keys.
    pub(in crate::trust) fn log_end(&self) -> Option<RootEnd> {
        self.log_end
    }

    /// That it will not cover new signatures any more by `horizon`, in words that do not change until then.
    pub fn ending(&self, horizon: Timestamp) -> Option<String> {
        self.ends_by(self.end, horizon)
    }

    /// The same where only its transparency logs count: for signatures by keys.
    pub(in crate::trust) fn logs_ending(&self, horizon: Timestamp) -> Option<String> {
        self.ends_by(self.log_end, horizon)
    }

    fn ends_by(&self, end: Option<RootEnd>, horizon: Timestamp) -> Option<String> {
        let RootEnd { at, what } = end.filter(|end| end.at <= horizon)?;
        Some(format!(
            "trusted root {} will not cover signatures made after {at}, when its last {what} expires",
            self.origin
        ))
    }

    /// The fingerprints of the keys of its transparency logs.
    pub fn log_keys(&self) -> impl Iterator<Item = String> {
        self.parsed.tlogs.iter().map(|log| PublicKey::fingerprint_of(log.public_key.raw_bytes.as_bytes()))
    }

    /// The root certificates of its certificate authorities, in DER.
    pub fn authority_roots(&self) -> impl Iterator<Item = &[u8]> {
        let chains = self.parsed.certificate_authorities.iter().map(|it| &it.cert_chain.certificates);
        chains.filter_map(|chain| Some(chain.last()?.raw_bytes.as_bytes()))
    }

    /// What verifies with it.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// What verifies with it as if all its parts were always valid: to tell why a signature is refused, and for nothing
    /// else.
    pub(crate) fn timeless(&self) -> Option<&Verifier> {
        self.timeless.as_deref()
    }

    /// What verifies with those transparency logs alone that are valid at one of these times; `None` if all are.
    pub(crate) fn with_logs_of(&self, times: &[Timestamp]) -> Option<Result<Verifier, RootError>> {
        let is_valid = |log: &TransparencyLog| {
            let window = log.public_key.valid_for;
            window.is_none_or(|window| times.iter().any(|time| window.contains(*time)))
        };
        if self.parsed.tlogs.iter().all(is_valid) {
            return None;
        }
        let mut root = Parsed::clone(&self.parsed);
        root.tlogs.retain(is_valid);
        Some(Verifier::new(&root).map_err(|error| RootError::Invalid { why: quoted(&error.to_string()) }))
    }

    /// What it lacks where signatures by keys need entries of logs.
    pub(super) fn missing_transparency_logs(&self) -> Option<&'static str> {
        (self.counts.transparency_logs == 0).then_some("has no transparency log, which `log` requires")
    }

    /// What it lacks where entries of logs are required.
    pub(super) fn missing_logs(&self) -> Option<&'static str> {
        match self.counts {
            Counts { transparency_logs: 0, certificate_logs: 0, .. } => {
                Some("has no logs; if the Sigstore instance runs without logs, write `log = \"none\"`")
            }
            Counts { transparency_logs: 0, .. } => Some("has no transparency log, but `log` is `required`"),
            Counts { certificate_logs: 0, .. } => {
                Some("has no certificate transparency log, but `log` is `required`")
            }
            _ => None,
        }
    }

    /// What makes it unfit where no logs are used.
    pub(super) fn missing_without_logs(&self) -> Option<&'static str> {
        match self.counts {
            Counts { transparency_logs: 0, certificate_logs: 0, timestamp_authorities: 1.. } => None,
            Counts { transparency_logs: 0, certificate_logs: 0, .. } => Some(
                "has neither logs nor a timestamp authority, so nothing can prove when a certificate was used",
            ),
            _ => Some("has logs, but `log = \"none\"` would ignore them"),
        }
    }
}

fn without_times(mut root: Parsed) -> Parsed {
    root.tlogs.iter_mut().for_each(|log| log.public_key.valid_for = None);
    root.ctlogs.iter_mut().for_each(|log| log.public_key.valid_for = None);
    root.certificate_authorities.iter_mut().for_each(|authority| authority.valid_for = None);
    root.timestamp_authorities.iter_mut().for_each(|authority| authority.valid_for = None);
    root
}

/// The ends of the parts of each kind; a part without an end has none.
type Group = (&'static str, Vec<Option<Timestamp>>);

fn groups(root: &Parsed) -> Result<[Group; 4], RootError> {
    let (mut authorities, mut stamps) = (Vec::new(), Vec::new());
    for authority in &root.certificate_authorities {
        let certificates = authority.cert_chain.certificates.iter().map(|it| it.raw_bytes.as_bytes());
        authorities.push(end_of(authority.valid_for, certificates)?);
    }
    for authority in &root.timestamp_authorities {
        let certificates = authority.cert_chain.certificates.iter().map(|it| it.raw_bytes.as_bytes());
        stamps.push(end_of(authority.valid_for, certificates)?);
    }
    let end = |window: Option<TimeRange>| window.and_then(|window| window.end);
    let logs = root.tlogs.iter().map(|log| end(log.public_key.valid_for)).collect();
    let certificate_logs = root.ctlogs.iter().map(|log| end(log.public_key.valid_for)).collect();
    Ok([
        ("certificate authority", authorities),
        (TRANSPARENCY_LOG, logs),
        ("certificate transparency log", certificate_logs),
        ("timestamp authority", stamps),
    ])
}

/// When an authority ends: its time in the root, or the first of its certificates.
fn end_of<'a>(
    window: Option<TimeRange>,
    certificates: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Timestamp>, RootError> {
    let window = window.and_then(|window| window.end);
    let ends = certificates.map(not_after).collect::<Result<Vec<_>, _>>()?;
    Ok(ends.into_iter().chain(window).min())
}

/// When the last part of a kind ends; `None` if a part has no end, or if the root has no part of this kind.
fn last_end(ends: &[Option<Timestamp>]) -> Option<Timestamp> {
    ends.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn not_after(der: &[u8]) -> Result<Timestamp, RootError> {
    let invalid = || RootError::Invalid { why: quoted("certificate of an authority") };
    let certificate = x509_cert::Certificate::from_der(der).map_err(|_| invalid())?;
    Ok(instant(certificate.tbs_certificate().validity().not_after))
}

/// Checks that no two logs have one key, in whatever encoding: of one kind, or of both.
fn check_distinct<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Result<(), RootError> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if !seen.insert(PublicKey::fingerprint_of(key)) {
            return Err(RootError::SameLogTwice);
        }
    }
    Ok(())
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRoot")
            .field("origin", &self.origin)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a trusted root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum RootError {
    #[error("it has {found} bytes, more than the limit of {MAX_ROOT_BYTES}")]
    TooLarge { found: usize },
    #[error(transparent)]
    Json(JsonError),
    #[error("the file is not a valid trusted root: {why}")]
    Invalid { why: Quoted },
    #[error("it has media type {found}; only versions 0.1 and 0.2 of a Sigstore trusted root are supported")]
    Version { found: Quoted },
    #[error("it has no certificate authority")]
    NoAuthority,
    /// An attacker with one key would have two logs.
    #[error("two of its logs have the same key")]
    SameLogTwice,
}
