//! Break-glass: exceptions that admit images for a short time, whatever the policy says.

use jiff::{SignedDuration, Timestamp};

use super::scope::Scope;
use crate::digest::Digest;
use crate::reference::Repository;

/// Maximum time from now to the end of an exception.
pub const LONGEST_EXCEPTION: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Maximum number of exceptions at the same time.
pub const MAX_EXCEPTIONS: usize = 256;

/// The exceptions that an owner of the node configured.
#[derive(Clone, Debug, Default)]
pub struct BreakGlass {
    exceptions: Vec<Exception>,
}

/// Where exceptions come from. Read for every decision, so that removing an exception takes effect at once.
pub trait BreakGlassSource: std::fmt::Debug + Send + Sync {
    /// The exceptions at `now`.
    fn exceptions(&self, now: Timestamp) -> BreakGlass;
}

/// One exception.
#[derive(Clone, Debug)]
pub struct Exception {
    /// What it admits.
    pub what: ExceptionTarget,
    /// The operator's reason, for the log.
    pub reason: String,
    /// The first instant at which it has no effect any more.
    pub until: Timestamp,
}

/// What an exception admits.
#[derive(Clone, Debug)]
pub enum ExceptionTarget {
    /// One image or index, under any name.
    Digest(Digest),
    /// Every image with these names.
    Scope(Scope),
}

impl BreakGlass {
    /// A set of exceptions.
    #[must_use]
    pub fn new(exceptions: Vec<Exception>) -> Self {
        Self { exceptions }
    }

    /// The exception in effect at `now` for an image, if any. `digest` is that in its name, or what its tag resolves
    /// to, if known.
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

    /// The exception in effect at `now` for the digest of this image, if any.
    #[must_use]
    pub fn exception_of(&self, digest: &Digest, now: Timestamp) -> Option<&Exception> {
        self.open(now)
            .find(|exception| matches!(&exception.what, ExceptionTarget::Digest(opened) if opened == digest))
    }

    /// Whether any exception is in effect at `now`.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open(now).next().is_some()
    }

    /// Whether an exception for a digest is in effect at `now`: only then a tag must be resolved.
    #[must_use]
    pub fn has_digests(&self, now: Timestamp) -> bool {
        self.open(now).any(|exception| matches!(exception.what, ExceptionTarget::Digest(_)))
    }

    /// The exceptions in effect at `now`.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().filter(move |exception| exception.is_open(now))
    }
}

impl Exception {
    /// Whether it is in effect at `now`. An exception that ends too far in the future is not, also when the clock was
    /// set back.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.until && self.until.duration_since(now) <= LONGEST_EXCEPTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_limited_to_its_image_and_its_time() {
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
