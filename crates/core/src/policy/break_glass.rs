//! Break-glass: what may run for a short time whatever the policy says.

use jiff::{SignedDuration, Timestamp};

use super::scope::Scope;
use crate::digest::Digest;
use crate::reference::Repository;

/// How far ahead an opening may end.
pub const LONGEST_OPENING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many openings there may be at once.
pub const MAX_OPENINGS: usize = 256;

/// The openings that somebody who owns the node has made.
#[derive(Clone, Debug, Default)]
pub struct BreakGlass {
    openings: Vec<Opening>,
}

/// Where openings come from. Asked at each question, so that what is closed is closed at once.
pub trait Emergency: std::fmt::Debug + Send + Sync {
    /// The openings at `now`.
    fn openings(&self, now: Timestamp) -> BreakGlass;
}

/// One opening.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What is let through.
    pub what: Opened,
    /// Why, for the record.
    pub reason: String,
    /// The first moment at which it is closed again.
    pub until: Timestamp,
}

/// What an opening lets through.
#[derive(Clone, Debug)]
pub enum Opened {
    /// One image or index, by whatever name.
    Digest(Digest),
    /// Every image of these names.
    Scope(Scope),
}

impl BreakGlass {
    /// These openings.
    #[must_use]
    pub fn new(openings: Vec<Opening>) -> Self {
        Self { openings }
    }

    /// The opening for an image, if there is one at `now`. `digest` is what its name says or stands for, as far as that is
    /// known.
    #[must_use]
    pub fn opening_for(
        &self,
        repository: &Repository,
        digest: Option<&Digest>,
        now: Timestamp,
    ) -> Option<&Opening> {
        self.open(now).find(|opening| match &opening.what {
            Opened::Digest(opened) => digest == Some(opened),
            Opened::Scope(scope) => scope.covers(repository),
        })
    }

    /// The opening for just this image, by whatever name, if there is one at `now`.
    #[must_use]
    pub fn opening_of(&self, digest: &Digest, now: Timestamp) -> Option<&Opening> {
        self.open(now).find(|opening| matches!(&opening.what, Opened::Digest(opened) if opened == digest))
    }

    /// Whether anything is open at `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open(now).next().is_some()
    }

    /// Whether an opening for a digest is open at `now`, so that it is worth asking what a tag stands for.
    #[must_use]
    pub fn has_digests(&self, now: Timestamp) -> bool {
        self.open(now).any(|opening| matches!(opening.what, Opened::Digest(_)))
    }

    /// The openings that are open at `now`.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Opening> {
        self.openings.iter().filter(move |opening| opening.is_open(now))
    }
}

impl Opening {
    /// Whether it is open at `now`. One that ends too far ahead is not, also when the clock was set back.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now) <= LONGEST_OPENING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_is_for_its_image_and_its_time() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let hours = SignedDuration::from_hours;
        let (image, other) = (Digest::of(b"image"), Digest::of(b"other"));
        let team = Opened::Scope(Scope::parse("r.io/team").unwrap());
        for (what, until, name, digest, open) in [
            (team.clone(), hours(1), "r.io/team/app", None, true),
            (team.clone(), hours(1), "r.io/team-evil", None, false),
            (team.clone(), hours(0), "r.io/team/app", None, false),
            (team.clone(), hours(-1), "r.io/team/app", None, false),
            (team.clone(), LONGEST_OPENING, "r.io/team/app", None, true),
            (team, LONGEST_OPENING + hours(1), "r.io/team/app", None, false),
            (Opened::Digest(image.clone()), hours(1), "x.io/a", Some(&image), true),
            (Opened::Digest(image.clone()), hours(1), "x.io/a", Some(&other), false),
            (Opened::Digest(image.clone()), hours(1), "x.io/a", None, false),
        ] {
            let opening = Opening { what, reason: "test".to_owned(), until: now + until };
            let glass = BreakGlass::new(vec![opening.clone()]);
            let found = glass.opening_for(&Repository::parse(name).unwrap(), digest, now);
            assert_eq!(found.is_some(), open, "{opening:?} {name} {digest:?}");
        }
    }
}
