//! Whether the certificates of a chain are revoked: by the deny list of the policy, and by the lists of their issuers.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::certificate::Certificate;
use super::chain::Chain;
use super::crl::Crl;
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

/// The lists that were fetched, or why they were not, by their addresses.
#[derive(Clone, Debug, Default)]
pub struct FetchedCrls(pub BTreeMap<String, Result<Arc<Crl>, String>>);

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

impl RevocationCheck<'_> {
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
        let (mut until, mut unknown, mut addresses) = (None, None, Vec::new());
        for (certificate, issuer) in chain.certificates().zip(chain.certificates().skip(1)) {
            match self.status(certificate, issuer, signed)? {
                Status::Unknown(Unknown::NoCrl | Unknown::NoAddress)
                    if self.revocation.mode == RevocationMode::IfNamed && !certificate.names_revocation() => {
                }
                Status::Good { until: end } => until = until.into_iter().chain([end]).min(),
                Status::NotFetched(missing) => addresses.extend(missing),
                Status::Unknown(why) => {
                    unknown.get_or_insert((certificate.name(), why));
                }
            }
        }
        if !addresses.is_empty() {
            return Err(RevocationError::NotFetched { addresses });
        }
        self.conclude(unknown).map(|()| until)
    }

    fn conclude(self, unknown: Option<(Quoted, Unknown)>) -> Result<(), RevocationError> {
        match (unknown, self.revocation.mode) {
            (None, _) | (_, RevocationMode::IfKnown) => Ok(()),
            (Some((subject, why)), RevocationMode::Required | RevocationMode::IfNamed) => {
                Err(RevocationError::Unknown { subject, why })
            }
        }
    }

    fn status(
        self,
        certificate: &Certificate,
        issuer: &Certificate,
        signed: Option<Timestamp>,
    ) -> Result<Status, RevocationError> {
        let (points, mut why) = self.fetched_for(certificate);
        let lists = self.revocation.lists.iter().chain(points.iter());
        let mut lists: Vec<&Crl> = lists.map(Arc::as_ref).filter(|list| list.covers(certificate)).collect();
        lists.sort_by_key(|list| std::cmp::Reverse(list.this_update));
        let (mut until, mut is_newest) = (None, true);
        for list in lists {
            if let Err(error) = list.check_issuer(issuer) {
                why.get_or_insert(error);
                continue;
            }
            // A list that is out of its time is right in what it says all the same; what was on hold may not be any more.
            let entry = list.revokes(certificate.serial(), signed);
            if let Some(entry) = entry.filter(|entry| is_newest || !entry.is_temporary()) {
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
        let missing = self.not_fetched(certificate);
        if !missing.is_empty() {
            return Ok(Status::NotFetched(missing));
        }
        if let Some(until) = until {
            return Ok(Status::Good { until });
        }
        let nothing = if self.revocation.fetch { Unknown::NoAddress } else { Unknown::NoCrl };
        Ok(Status::Unknown(why.unwrap_or(nothing)))
    }

    /// What was fetched for a certificate, and why something was not.
    fn fetched_for(self, certificate: &Certificate) -> (Vec<Arc<Crl>>, Option<Unknown>) {
        let (mut lists, mut why) = (Vec::new(), None);
        let points = if self.revocation.fetch { certificate.distribution_points() } else { Vec::new() };
        for point in &points {
            match self.fetched.0.get(point) {
                Some(Ok(list)) => lists.push(Arc::clone(list)),
                Some(Err(error)) => {
                    why.get_or_insert(Unknown::Fetch { why: error.clone() });
                }
                None => {}
            }
        }
        (lists, why)
    }

    fn not_fetched(self, certificate: &Certificate) -> Vec<String> {
        let mut points = if self.revocation.fetch { certificate.distribution_points() } else { Vec::new() };
        points.retain(|point| is_fetchable(point) && !self.fetched.0.contains_key(point));
        points
    }
}

/// What is known of one certificate that is not revoked.
enum Status {
    Good { until: Timestamp },
    NotFetched(Vec<String>),
    Unknown(Unknown),
}

/// Lists are signed, so plain HTTP is as good; LDAP is not spoken.
fn is_fetchable(address: &str) -> bool {
    address.starts_with("http://") || address.starts_with("https://")
}
