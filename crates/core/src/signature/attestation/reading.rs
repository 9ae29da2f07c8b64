//! Which of several statements counts for a condition.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::{Format, Proof, Signed};
use super::{Statement, Unmet, age};

/// What one verified statement says.
#[derive(Debug)]
pub struct Reading {
    place: String,
    authenticator: String,
    format: Format,
    signed: Signed,
    /// When the statement was made, as far as that is signed.
    time: Result<Option<Timestamp>, Unmet>,
    met: Result<(), Unmet>,
}

/// What became of one statement.
#[derive(Debug)]
pub struct Judged {
    /// Where it was found.
    pub place: String,
    /// The authenticator that recognises its signer.
    pub authenticator: String,
    /// The proof that it meets the condition, or why it does not.
    pub outcome: Result<Proof, Unmet>,
}

impl Reading {
    /// The time is the earlier one of that in the predicate, which the signer states, and that of the signature, which a log
    /// or a timestamp authority does: nothing makes a statement younger than either of them.
    pub(super) fn new(
        statement: Statement<'_>,
        time: Result<Option<Timestamp>, Unmet>,
        met: Result<(), Unmet>,
    ) -> Self {
        let signed_at = statement.signed_at;
        Self {
            place: statement.place.to_owned(),
            authenticator: statement.authenticator,
            format: statement.format,
            signed: statement.signed,
            time: time.map(|time| time.into_iter().chain(signed_at).min()),
            met,
        }
    }

    fn known_time(&self) -> Option<Timestamp> {
        self.time.as_ref().ok().copied().flatten()
    }

    fn judged(self, condition: &str, outcome: Result<Option<Timestamp>, Unmet>) -> Judged {
        let (authenticator, signed) = (self.authenticator.clone(), self.signed);
        let proof = |end: Option<Timestamp>| Proof {
            authenticator,
            identity: signed.identity,
            keys: signed.keys,
            format: self.format,
            demand: signed.demand,
            until: signed.until.into_iter().chain(end).min(),
            condition: Some(condition.to_owned()),
        };
        Judged { place: self.place, authenticator: self.authenticator, outcome: outcome.map(proof) }
    }
}

/// The newest statement of one authenticator.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    time: Option<Timestamp>,
    /// Whether the time of some statement is not known: it may be the newest.
    unknown: bool,
}

/// Without `max_age`, every statement that says what is required counts. With it, only the newest one of each authenticator
/// does, and one of an unknown time is never older than another: a good result that is replayed beside a newer bad one
/// does not count.
pub(super) fn judge(
    (condition, max_age): (&str, Option<SignedDuration>),
    readings: Vec<Reading>,
    unknown: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<Judged> {
    let Some(max_age) = max_age else {
        let judged = readings.into_iter().map(|mut reading| {
            let met = std::mem::replace(&mut reading.met, Ok(()));
            reading.judged(condition, met.map(|()| None))
        });
        return judged.collect();
    };
    let of_unknown = |name: &String| (name.clone(), Newest { time: None, unknown: true });
    let mut newest: BTreeMap<String, Newest> = unknown.iter().map(of_unknown).collect();
    for reading in &readings {
        let newest = newest.entry(reading.authenticator.clone()).or_default();
        match reading.known_time() {
            Some(time) => newest.time = newest.time.max(Some(time)),
            None => newest.unknown = true,
        }
    }
    // Of several statements of one time, all have to meet the condition.
    let mut failed: Vec<(String, Timestamp)> = Vec::new();
    for reading in &readings {
        if let (Some(time), Err(_)) = (reading.known_time(), &reading.met) {
            failed.push((reading.authenticator.clone(), time));
        }
    }
    let judged = readings.into_iter().map(|mut reading| {
        let newest = newest.get(&reading.authenticator).copied().unwrap_or_default();
        let met = std::mem::replace(&mut reading.met, Ok(()));
        let time = std::mem::replace(&mut reading.time, Ok(None));
        let contradicted = |time: Timestamp| {
            failed.iter().any(|(authenticator, at)| *at == time && *authenticator == reading.authenticator)
        };
        let outcome = check_time(time, newest, (max_age, now)).and_then(|(time, end)| {
            met?;
            if contradicted(time) { Err(Unmet::Contradicted { time }) } else { Ok(end) }
        });
        reading.judged(condition, outcome)
    });
    judged.collect()
}

/// The time of a statement that is the newest and not too old, and when it becomes too old.
fn check_time(
    time: Result<Option<Timestamp>, Unmet>,
    newest: Newest,
    (max_age, now): (SignedDuration, Timestamp),
) -> Result<(Timestamp, Option<Timestamp>), Unmet> {
    let time = time?.ok_or(Unmet::NoTime)?;
    if newest.unknown {
        return Err(Unmet::OlderThanUnknown { time });
    }
    if let Some(newest) = newest.time.filter(|newest| *newest > time) {
        return Err(Unmet::Older { time, newest });
    }
    if time > now {
        return Err(Unmet::Future { time });
    }
    let end = time.checked_add(max_age).unwrap_or(Timestamp::MAX);
    if now >= end {
        return Err(Unmet::Stale { time, max_age: age::show(max_age) });
    }
    Ok((time, Some(end)))
}
