//! Evidence in memory: being written, or not accepted by the disk.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Evidence, MAX_LINKS, Place};
use crate::digest::Digest;

/// Maximum number of entries.
const MAX_ENTRIES: usize = 1024;

/// Maximum total size, in bytes; larger evidence is not noted.
pub const MAX_NOTED_BYTES: usize = 8 << 20;

/// A bounded cache that evicts the oldest entry.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    evidence: HashMap<Place, Arc<Evidence>>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl Recent {
    pub(super) fn len(&self) -> usize {
        self.state().evidence.len()
    }

    pub(super) fn find(&self, place: &Place) -> Option<Arc<Evidence>> {
        self.state().evidence.get(place).cloned()
    }

    pub(super) fn places(&self, id: &Digest) -> Vec<Place> {
        let state = self.state();
        let linked = state.evidence.iter().filter(|(_, evidence)| evidence.lists(id));
        linked.map(|(place, _)| place.clone()).take(MAX_LINKS).collect()
    }

    /// Whether there is evidence for the image `id`.
    pub(super) fn has(&self, id: &Digest) -> bool {
        self.state().evidence.values().any(|evidence| evidence.lists(id))
    }

    /// Merges evidence with the entry for its place. Copies megabytes of large evidence.
    pub(super) fn keep(&self, mut evidence: Evidence) -> Arc<Evidence> {
        let place = evidence.place();
        if evidence.bytes() > MAX_NOTED_BYTES {
            // It would only evict all the others.
            return Arc::new(evidence);
        }
        // What stays here is within the bounds of this cache, and in no lookup's memory. It is copied before the lock is
        // taken, for which the serving thread may wait.
        let old = self.find(&place);
        evidence.detach(old.as_deref());
        let mut state = self.state();
        if let Some(old) = state.evidence.get(&place) {
            evidence.add(old);
        }
        let evidence = Arc::new(evidence);
        state.remove(&place);
        state.bytes = state.bytes.saturating_add(evidence.bytes());
        state.order.push_back(place.clone());
        state.evidence.insert(place, Arc::clone(&evidence));
        while (state.order.len() > MAX_ENTRIES || state.bytes > MAX_NOTED_BYTES)
            && let Some(oldest) = state.order.front().cloned()
        {
            state.remove(&oldest);
        }
        evidence
    }

    /// Removes `evidence`, unless a newer entry replaced it.
    pub(super) fn remove(&self, evidence: &Arc<Evidence>) {
        let place = evidence.place();
        let mut state = self.state();
        if state.evidence.get(&place).is_some_and(|kept| Arc::ptr_eq(kept, evidence)) {
            state.remove(&place);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, place: &Place) {
        if let Some(removed) = self.evidence.remove(place) {
            self.bytes = self.bytes.saturating_sub(removed.bytes());
            self.order.retain(|other| other != place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Image;
    use crate::reference::Repository;

    fn evidence(number: usize, size: usize) -> Evidence {
        let text = number.to_string();
        Evidence {
            repository: Repository::parse("reg.example/app").unwrap(),
            digest: Digest::of(text.as_bytes()),
            media_type: String::new(),
            document: vec![0; size].into(),
            images: vec![Image { id: Digest::of(b"image"), manifest: None }],
            attachments: Vec::new(),
            complete: crate::ledger::Complete::No,
            names: vec![text],
            rule: String::new(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn is_bounded_and_evicts_the_oldest() {
        for (size, remaining) in [(0, MAX_ENTRIES), (MAX_NOTED_BYTES / 10, 10)] {
            let recent = Recent::default();
            for number in 0..MAX_ENTRIES + 5 {
                recent.keep(evidence(number, size));
            }
            let present =
                (0..MAX_ENTRIES + 5).filter(|number| recent.find(&evidence(*number, 0).place()).is_some());
            let present: Vec<_> = present.collect();
            assert_eq!(present, (MAX_ENTRIES + 5 - remaining..MAX_ENTRIES + 5).collect::<Vec<_>>());
            assert_eq!(recent.places(&Digest::of(b"image")).len(), remaining.min(MAX_LINKS));
            assert!(recent.places(&Digest::of(b"another")).is_empty());
        }
    }

    #[test]
    fn a_newer_entry_is_not_removed() {
        let recent = Recent::default();
        let old = recent.keep(evidence(1, 10));
        let mut newer = evidence(1, 10);
        newer.names = vec!["another name".to_owned()];
        let newer = recent.keep(newer);
        assert_eq!(newer.names, ["another name", "1"], "the names are merged");
        recent.remove(&old);
        assert!(recent.find(&old.place()).is_some(), "the newer entry is still there");
        recent.remove(&newer);
        assert!(recent.find(&old.place()).is_none());
        assert_eq!(recent.state().bytes, 0);
    }
}
