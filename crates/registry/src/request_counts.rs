//! Requests to registries, by outcome.

use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Class, RegistryError};

/// Counts since the client was made, of requests to one host with everything that they need, such as a token.
#[derive(Debug, Default)]
pub struct RequestCounts {
    succeeded: AtomicU64,
    /// In the order of [`Class::ALL`].
    failed: [AtomicU64; Class::ALL.len()],
}

impl RequestCounts {
    pub(super) fn add<T>(&self, sent: &Result<T, RegistryError>) {
        let counter = match sent {
            Ok(_) => Some(&self.succeeded),
            Err(error) => self.failed.get(error.class() as usize),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The outcomes with their counts: `ok`, and the classes of errors.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = std::iter::once("ok").chain(Class::ALL.into_iter().map(Class::name));
        let counts = std::iter::once(&self.succeeded).chain(&self.failed);
        names.zip(counts.map(|count| count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_errors_has_a_counter_of_its_own() {
        let (host, what) = ("r".to_owned(), "m".to_owned());
        let counts = RequestCounts::default();
        counts.add(&Ok(()));
        counts.add::<()>(&Err(RegistryError::NotFound { host: host.clone(), what: what.clone() }));
        counts.add::<()>(&Err(RegistryError::Unavailable { host: host.clone(), reason: what.clone() }));
        counts.add::<()>(&Err(RegistryError::Unavailable { host: host.clone(), reason: what.clone() }));
        counts.add::<()>(&Err(RegistryError::TooManyRedirects { host, limit: 1 }));
        counts.add::<()>(&Err(RegistryError::Encoded { what }));
        let expected = [
            ("ok", 1),
            ("unanswered", 2),
            ("unauthorized", 0),
            ("not-found", 1),
            ("limit", 1),
            ("refused", 1),
        ];
        assert_eq!(counts.iter().collect::<Vec<_>>(), expected);
    }
}
