//! Whether the certificates of a chain are revoked: by the deny list of the policy, and by the lists of their issuers.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::certificate::Certificate;
use super::chain::Chain;
use super::crl::Crl;
use super::crl_source::CrlSource;
use super::fetched_crls::FetchedCrls;
use super::limits::MAX_CRLS;
use super::revocation_error::{CrlError, RevocationError, Unknown};
use crate::untrusted::Quoted;

/// How a policy finds out what is revoked. By default it does not: then only its deny list counts.
#[derive(Clone, Debug, Default)]
pub struct Revocation {
    lists: Vec<Arc<Crl>>,
    /// Whether lists are fetched from where the certificates say.
    pub fetch: bool,
    /// What counts where nothing is known.
    pub mode: RevocationMode,
}

/// What becomes of a certificate of which is not known whether it is revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevocationMode {
    /// It does not count.
    #[default]
    Required,
    /// As [`Self::Required`], but a certificate that does not say where it would be listed counts: as in notation.
    IfNamed,
    /// It counts.
    IfKnown,
}

impl RevocationMode {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Required, Self::IfNamed, Self::IfKnown];

    /// The word in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::IfNamed => "if-named",
            Self::IfKnown => "if-known",
        }
    }
}

impl Revocation {
    /// No lists yet.
    pub fn new(mode: RevocationMode, fetch: bool) -> Self {
        Self { lists: Vec::new(), fetch, mode }
    }

    /// Adds the lists of a file.
    ///
    /// # Errors
    /// As [`Crl::parse_file`], or when there are too many.
    pub fn add(&mut self, file: &[u8]) -> Result<(), CrlError> {
        self.lists.extend(Crl::parse_file(file)?.into_iter().map(Arc::new));
        if self.lists.len() > MAX_CRLS { Err(CrlError::TooMany) } else { Ok(()) }
    }

    /// Whether lists are looked at.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.fetch || !self.lists.is_empty()
    }

    /// The issuers whose last list has ended, in one line each.
    pub(in crate::trust) fn ended(&self, now: Timestamp) -> Vec<String> {
        let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
        for list in &self.lists {
            let end = last.entry(list.issuer().to_string()).or_insert(list.next_update);
            *end = (*end).max(list.next_update);
        }
        let ended = last.into_iter().filter(|(_, end)| *end < now);
        ended
            .map(|(issuer, end)| format!("CRL of {issuer} ended at {end}; renew the file in `crl`"))
            .collect()
    }

    /// What it says, for the hash of the policy.
    pub(in crate::trust) fn entries(&self) -> Vec<Vec<String>> {
        if !self.is_on() {
            return Vec::new();
        }
        let lists = self.lists.iter().map(|list| vec!["crl".to_owned(), list.digest().to_string()]);
        let options = ["revocation".to_owned(), self.mode.name().to_owned(), self.fetch.to_string()];
        lists.chain([options.to_vec()]).collect()
    }
}

/// How long the result counts that rests on a list that could not be fetched: a failure is remembered as long.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(60);

/// What is known of revoked certificates at a time.
#[derive(Clone, Copy, Debug)]
pub struct RevocationCheck<'a> {
    /// Keys that the policy denies, by fingerprint, each with the reason.
    pub denied: &'a BTreeMap<String, String>,
    /// What the policy says about lists.
    pub revocation: &'a Revocation,
    /// What was fetched.
    pub fetched: &'a FetchedCrls,
    /// The time of the check.
    pub now: Timestamp,
}

impl<'a> RevocationCheck<'a> {
    /// Checks that no certificate of a chain is revoked, whose signature was made at `signed`, if somebody trusted says
    /// so. Returns the last instant at which the result is the same. Roots are not checked: nobody but the policy revokes
    /// them.
    ///
    /// # Errors
    /// When one is revoked, or when that is not known and must be.
    pub fn check(
        self,
        chain: &Chain,
        signed: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, RevocationError> {
        if let Some((certificate, why)) = chain.denied(self.denied) {
            return Err(RevocationError::Denied { subject: certificate.name(), why: why.to_owned() });
        }
        if !self.revocation.is_on() {
            return Ok(None);
        }
        let (mut until, mut unknown, mut sources) = (None, None, Vec::new());
        for (certificate, issuer) in chain.certificates().zip(chain.certificates().skip(1)) {
            match self.status(certificate, issuer, signed)? {
                Status::Unknown(Unknown::NoCrl | Unknown::NoAddress)
                    if self.revocation.mode == RevocationMode::IfNamed && !certificate.names_revocation() => {
                }
                Status::Good { until: end } => until = until.into_iter().chain([end]).min(),
                Status::NotFetched(missing) => sources.extend(missing),
                Status::Unknown(why) => {
                    unknown.get_or_insert((certificate.name(), why));
                }
            }
        }
        if !sources.is_empty() {
            return Err(RevocationError::NotFetched { sources });
        }
        let unknown_until = self.conclude(unknown)?;
        Ok(until.into_iter().chain(unknown_until).min())
    }

    /// How long what is not known counts.
    fn conclude(self, unknown: Option<(Quoted, Unknown)>) -> Result<Option<Timestamp>, RevocationError> {
        let Some((subject, why)) = unknown else { return Ok(None) };
        if self.revocation.mode != RevocationMode::IfKnown {
            return Err(RevocationError::Unknown { subject, why });
        }
        // Without a fetch only a reload of the policy changes it.
        let changes = self.revocation.fetch && why != Unknown::NoAddress;
        Ok(changes.then(|| self.now.saturating_add(UNKNOWN).unwrap_or(self.now)))
    }

    fn status(
        self,
        certificate: &Certificate,
        issuer: &Certificate,
        signed: Option<Timestamp>,
    ) -> Result<Status, RevocationError> {
        let sources = self.sources(certificate, issuer);
        let (fetched, mut why) = self.fetched_from(&sources);
        let lists = self.revocation.lists.iter().chain(fetched);
        let missing = self.not_fetched(sources.clone());
        let mut lists: Vec<&Crl> = lists.map(Arc::as_ref).filter(|list| list.covers(certificate)).collect();
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        let (mut until, mut is_newest) = (None, true);
        for list in lists {
            if let Err(error) = list.check_issuer(issuer) {
                why.get_or_insert(error);
                continue;
            }
            // A list that is out of its time is right in what it says all the same; what was on hold may not be any more, also
            // by a list that is still to be fetched.
            let entry = list.revokes(certificate.serial(), signed);
            if let Some(entry) =
                entry.filter(|entry| is_newest && missing.is_empty() || !entry.is_temporary())
            {
                return Err(RevocationError::Revoked { subject: certificate.name(), since: entry.since });
            }
            is_newest = false;
            if self.now < list.this_update {
                why.get_or_insert(Unknown::Future { at: list.this_update });
            } else if self.now > list.next_update {
                why.get_or_insert(Unknown::Old { at: list.next_update });
            } else {
                until = until.max(Some(list.next_update));
            }
        }
        // Before a list of a file counts: it may be much older than the one that is fetched.
        if !missing.is_empty() {
            return Ok(Status::NotFetched(missing));
        }
        if let Some(until) = until {
            return Ok(Status::Good { until });
        }
        let nothing = if self.revocation.fetch { Unknown::NoAddress } else { Unknown::NoCrl };
        Ok(Status::Unknown(why.unwrap_or(nothing)))
    }

    /// Where lists about a certificate are.
    fn sources(self, certificate: &Certificate, issuer: &Certificate) -> Vec<CrlSource> {
        let points = if self.revocation.fetch { certificate.distribution_points() } else { Vec::new() };
        points.into_iter().map(|point| CrlSource::new(point, issuer)).collect()
    }

    /// What was fetched, and why something was not.
    fn fetched_from(self, sources: &[CrlSource]) -> (Vec<&'a Arc<Crl>>, Option<Unknown>) {
        let found: Vec<_> = sources.iter().filter_map(|source| self.fetched.0.get(source)).collect();
        let why = found.iter().find_map(|fetched| fetched.failed.clone());
        let lists = found.iter().filter_map(|fetched| fetched.list.as_ref()).collect();
        (lists, why.map(|why| Unknown::Fetch { why }))
    }

    fn not_fetched(self, mut sources: Vec<CrlSource>) -> Vec<CrlSource> {
        let is_known =
            |source: &CrlSource| self.fetched.0.get(source).is_some_and(|fetched| !fetched.is_stale);
        sources.retain(|source| is_fetchable(source.address()) && !is_known(source));
        sources
    }
}

/// What is known of one certificate that is not revoked.
enum Status {
    Good { until: Timestamp },
    NotFetched(Vec<CrlSource>),
    Unknown(Unknown),
}

/// Lists are signed, so plain HTTP is as good; LDAP is not spoken.
fn is_fetchable(address: &str) -> bool {
    address.starts_with("http://") || address.starts_with("https://")
}
