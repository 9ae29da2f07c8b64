//! Break-glass: what may run for a short time whatever the policy says.

use jiff::{SignedDuration, Timestamp};

use super::scope::Scope;
use crate::digest::Digest;
use crate::reference::Repository;

/// How far ahead an opening may end.
pub const LONGEST_EXCEPTION: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many openings there may be at once.
pub const MAX_EXCEPTIONS: usize = 256;

/// The openings that somebody who owns the node has made.
#[derive(Clone, Debug, Default)]
pub struct BreakGlass {
    exceptions: Vec<Exception>,
}

/// Where openings come from. Asked at each question, so that what is closed is closed at once.
pub trait BreakGlassSource: std::fmt::Debug + Send + Sync {
    /// The openings at `now`.
    fn exceptions(&self, now: Timestamp) -> BreakGlass;
}

/// One opening.
#[derive(Clone, Debug)]
pub struct Exception {
    /// What is let through.
    pub what: ExceptionTarget,
    /// Why, for the record.
    pub reason: String,
    /// The first moment at which it is closed again.
    pub until: Timestamp,
}

/// What an opening lets through.
#[derive(Clone, Debug)]
pub enum ExceptionTarget {
    /// One image or index, by whatever name.
    Digest(Digest),
    /// Every image of these names.
    Scope(Scope),
}

impl BreakGlass {
    /// These openings.
    #[must_use]
    pub fn new(exceptions: Vec<Exception>) -> Self {
        Self { exceptions }
    }

    /// The opening for an image, if there is one at `now`. `digest` is what its name says or stands for, as far as that is
    /// known.
    #[must_use]
    pub fn exception_for(
        &self,
        repository: &Repository,
        digest: Option<&Digest>,
        now: Timestamp,
    ) -> Option<&Exception> {
        self.open(now).find(|exception| match &exception.what {
            ExceptionTarget::Digest(opened) => digest == Some(opened),
            ExceptionTarget::Scope(scope) => scope.covers(repository),
        })
    }

    /// The opening for just this image, by whatever name, if there is one at `now`.
    #[must_use]
    pub fn exception_of(&self, digest: &Digest, now: Timestamp) -> Option<&Exception> {
        self.open(now)
            .find(|exception| matches!(&exception.what, ExceptionTarget::Digest(opened) if opened == digest))
    }

    /// Whether anything is open at `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open(now).next().is_some()
    }

    /// Whether an opening for a digest is open at `now`, so that it is worth asking what a tag stands for.
    #[must_use]
    pub fn has_digests(&self, now: Timestamp) -> bool {
        self.open(now).any(|exception| matches!(exception.what, ExceptionTarget::Digest(_)))
    }

    /// The openings that are open at `now`.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.is_open(now))
    }
}

impl Exception {
    /// Whether it is open at `now`. One that ends too far ahead is not, also when the clock was set back.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now) <= LONGEST_EXCEPTION
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
        let team = ExceptionTarget::Scope(Scope::parse("r.io/team").unwrap());
        for (what, until, name, digest, open) in [
            (team.clone(), hours(1), "r.io/team/app", None, true),
            (team.clone(), hours(1), "r.io/team-evil", None, false),
            (team.clone(), hours(0), "r.io/team/app", None, false),
            (team.clone(), hours(-1), "r.io/team/app", None, false),
            (team.clone(), LONGEST_EXCEPTION, "r.io/team/app", None, true),
            (team, LONGEST_EXCEPTION + hours(1), "r.io/team/app", None, false),
            (ExceptionTarget::Digest(image.clone()), hours(1), "x.io/a", Some(&image), true),
            (ExceptionTarget::Digest(image.clone()), hours(1), "x.io/a", Some(&other), false),
            (ExceptionTarget::Digest(image.clone()), hours(1), "x.io/a", None, false),
        ] {
            let exception = Exception { what, reason: "test".to_owned(), until: now + until };
            let glass = BreakGlass::new(vec![exception.clone()]);
            let found = glass.exception_for(&Repository::parse(name).unwrap(), digest, now);
            assert_eq!(found.is_some(), open, "{exception:?} {name} {digest:?}");
        }
    }
}
