//! The lists of revoked certificates that the checks of one image ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CrlFetcher, MAX_BYTES, bytes, failed};
use crate::registry::Registry;
use crate::trust::x509::{CrlSource, FetchedCrls};

/// How often a check is made again with what was fetched: the certificates of a timestamp are looked at after those of the
/// signature.
const ROUNDS: usize = 3;
/// How many lists are asked for.
const MAX_SOURCES: usize = 16;

/// What was fetched for one image. It is kept until the image is judged, whatever others fetch meanwhile.
#[derive(Debug, Default)]
pub(in crate::gate) struct CrlRounds {
    own: FetchedCrls,
    rounds: usize,
}

impl CrlRounds {
    /// What is known now.
    pub(in crate::gate) fn known(&self, fetcher: &CrlFetcher) -> FetchedCrls {
        let mut known = fetcher.known();
        known.0.extend(self.own.0.clone());
        known
    }

    /// Fetches lists. Returns whether a check with [`CrlRounds::known`] may have another result now.
    pub(in crate::gate) async fn fetch(
        &mut self,
        (fetcher, registry): (&Arc<CrlFetcher>, &Arc<Registry>),
        sources: BTreeSet<CrlSource>,
    ) -> bool {
        if sources.is_empty() || self.rounds == ROUNDS {
            return false;
        }
        self.rounds += 1;
        let mut asked: Vec<CrlSource> = sources.into_iter().collect();
        let left = MAX_SOURCES.saturating_sub(self.own.0.len()).min(asked.len());
        let too_many = asked.split_off(left);
        let too_large = format!(
            "the CRLs of the image need more than {} MiB of memory in total; save the CRLs as files, and name the files in \
             `crl`",
            MAX_BYTES >> 20
        );
        for (source, crl) in fetcher.fetch(registry, asked).await.0 {
            let fits = bytes(self.own.0.values().chain([&crl])) <= MAX_BYTES;
            self.own.0.insert(source, if fits { crl } else { failed(&too_large) });
        }
        let why = format!("the certificates of the image's signatures name more than {MAX_SOURCES} CRLs");
        self.own.0.extend(too_many.into_iter().map(|source| (source, failed(&why))));
        true
    }
}
