//! A cache of verdicts on present images, so that a repeated query reads no evidence.
//!
//! An entry is the verdict on one query under one policy, about one image as the runtime described it, from evidence
//! files that have not changed. A policy with a revoked key or a denied digest has another hash; evidence that was removed
//! or replaced is another file; and no entry outlives the verdicts on the signatures that it rests on, or a key. So the
//! cache saves reading and hashing, and admits nothing that the signatures do not.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::PresentVerdict;
use crate::digest::Digest;
use crate::ledger::{FileStamp, Ledger};
use crate::policy::Policy;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How many entries there may be. kubelet runs 110 pods, and queries their images repeatedly.
const CAPACITY: usize = 4096;

/// How many bytes they may have.
const MAX_BYTES: usize = 4 << 20;

/// The key of a query: a hash over everything that the verdict depends on, except the evidence.
pub(super) type Key = [u8; 32];

/// The key of a query. `names` are the image's names that are considered, in the runtime's order.
pub(super) fn key<'a>(
    policy: &Policy,
    asked: &str,
    namespace: Option<&str>,
    id: &Digest,
    names: impl Iterator<Item = &'a str>,
) -> Key {
    let mut hash = Sha256::new();
    // Each with its length, so that two queries never have the same bytes; and a missing namespace differs from an empty one.
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    add(policy.hash());
    add(asked);
    add(namespace.map_or("no", |_| "of"));
    add(namespace.unwrap_or_default());
    add(id.as_str());
    names.for_each(add);
    hash.finalize().into()
}

/// A bounded cache of verdicts. Refusals are not cached: evidence may appear at any moment.
#[derive(Debug)]
pub(super) struct PresentImageCache(TtlCache<Key, Arc<Entry>>);

/// A verdict and the evidence that it rests on.
#[derive(Debug)]
pub(super) struct Entry {
    verdict: PresentVerdict,
    stamp: FileStamp,
}

impl Entry {
    /// The verdict.
    pub(super) fn verdict(&self) -> &PresentVerdict {
        &self.verdict
    }

    /// Whether the evidence has not changed. Checks the state of files, but reads none.
    pub(super) fn is_current(&self, ledger: &Ledger) -> bool {
        ledger.is_unchanged(&self.stamp)
    }
}

impl Default for PresentImageCache {
    fn default() -> Self {
        Self(TtlCache::new(CAPACITY, MAX_BYTES))
    }
}

impl PresentImageCache {
    /// The cached verdict and its end, if it is still valid at `now` and its evidence has not changed.
    pub(super) fn find(
        &self,
        key: &Key,
        ledger: &Ledger,
        now: jiff::Timestamp,
    ) -> Option<(Arc<Entry>, Expiry)> {
        let (entry, until) = self.0.get(key, now)?;
        if !entry.is_current(ledger) {
            self.0.forget(key);
            return None;
        }
        Some((entry, until))
    }

    /// Caches a verdict that rests on the evidence of `stamp`, which was taken before the evidence was read.
    pub(super) fn remember(
        &self,
        key: Key,
        verdict: &PresentVerdict,
        stamp: FileStamp,
        until: Expiry,
    ) -> Arc<Entry> {
        let bytes = size_of::<(Key, Entry)>() + verdict.bytes() + stamp.bytes();
        let entry = Arc::new(Entry { verdict: verdict.clone(), stamp });
        self.0.put(key, Arc::clone(&entry), bytes, until);
        entry
    }

    /// Removes all entries.
    pub(super) fn clear(&self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::admission::Admission;
    use crate::policy::{Exception, ExceptionTarget};
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::super::verdict_cache::lifetime;
    use super::*;
    use crate::ledger::{Evidence, Image, LedgerSettings};
    use crate::policy::{Action, Rule, Scope};
    use crate::reference::Repository;

    fn policy(reason: &str) -> Policy {
        let action = Action::Deny { reason: Some(reason.to_owned()) };
        Policy::new(Rule::new(String::new(), Scope::parse("**").unwrap(), action), Vec::new(), Vec::new())
            .unwrap()
    }

    #[test]
    fn whatever_differs_is_another_question() {
        let (one, two) = (policy("one"), policy("two"));
        let (id, other) = (Digest::of(b"image"), Digest::of(b"other"));
        let ask = |policy, asked, namespace, id, names: &[&'static str]| {
            key(policy, asked, namespace, id, names.iter().copied())
        };
        let keys = [
            ask(&one, "app:1", None, &id, &["a", "b"]),
            ask(&two, "app:1", None, &id, &["a", "b"]),
            ask(&one, "app:2", None, &id, &["a", "b"]),
            ask(&one, "app:1", Some(""), &id, &["a", "b"]),
            ask(&one, "app:1", Some("team"), &id, &["a", "b"]),
            ask(&one, "app:1", None, &other, &["a", "b"]),
            ask(&one, "app:1", None, &id, &["a"]),
            ask(&one, "app:1", None, &id, &["ab"]),
            ask(&one, "app:1", None, &id, &["a", "b", ""]),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(at));
        }
        assert_eq!(keys[0], ask(&one, "app:1", None, &id, &["a", "b"]));
    }

    fn evidence(id: &Digest, document: &str) -> Evidence {
        Evidence {
            repository: Repository::parse("reg.example/app").unwrap(),
            digest: Digest::of(b"document"),
            media_type: String::new(),
            document: document.to_owned().into(),
            images: vec![Image { id: id.clone(), manifest: None }],
            attachments: Vec::new(),
            complete: crate::ledger::Complete::No,
            names: Vec::new(),
            rule: String::new(),
            keys: Vec::new(),
            recorded: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// Files two directories below `root`.
    fn files(root: &Path) -> Vec<PathBuf> {
        let below = |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        below(root).flat_map(|shard| below(&shard).collect::<Vec<_>>()).collect()
    }

    #[tokio::test]
    async fn a_verdict_is_cached_until_its_evidence_changes() {
        let id = Digest::of(b"image");
        let exception = Exception {
            what: ExceptionTarget::Digest(Digest::of(b"image")),
            reason: String::new(),
            until: jiff::Timestamp::UNIX_EPOCH,
        };
        let verdict = PresentVerdict::admitted(
            Repository::parse("reg.example/app").unwrap(),
            Admission::exception(&exception, None),
        );
        type Change = fn(&Path, &Ledger, &Digest);
        let changes: [(&str, Change, bool); 6] = [
            ("nothing", |_, _, _| {}, true),
            (
                "evidence for another image",
                |_, ledger, _| {
                    let other = Evidence { digest: Digest::of(b"x"), ..evidence(&Digest::of(b"other"), "x") };
                    ledger.keep(other);
                },
                true,
            ),
            (
                "the evidence is removed",
                |root, _, _| {
                    files(&root.join("entries")).iter().for_each(|file| fs::remove_file(file).unwrap());
                },
                false,
            ),
            (
                "the links are removed",
                |root, _, _| {
                    files(&root.join("images")).iter().for_each(|file| fs::remove_file(file).unwrap());
                },
                false,
            ),
            (
                "a byte is overwritten in place",
                |root, _, _| {
                    for file in files(&root.join("entries")) {
                        let mut bytes = fs::read(&file).unwrap();
                        *bytes.last_mut().unwrap() ^= 1;
                        fs::write(&file, bytes).unwrap();
                    }
                },
                false,
            ),
            (
                "more evidence has come",
                |_, ledger, id| {
                    ledger.keep(Evidence { names: vec!["another".to_owned()], ..evidence(id, "document") });
                },
                false,
            ),
        ];
        for (what, change, holds) in changes {
            let root = tempfile::tempdir().unwrap();
            let ledger = Ledger::open(&LedgerSettings::of(root.path())).unwrap();
            ledger.keep(evidence(&id, "document"));
            assert!(ledger.stamp(&id, std::iter::empty()).is_none(), "it was written just now");
            std::thread::sleep(Duration::from_millis(60));
            let (present_cache, now) = (PresentImageCache::default(), jiff::Timestamp::now());
            let stamp = ledger.stamp(&id, std::iter::empty()).unwrap();
            present_cache.remember([1; 32], &verdict, stamp, lifetime(None));
            assert!(present_cache.find(&[2; 32], &ledger, now).is_none(), "another question");
            change(root.path(), &ledger, &id);
            assert_eq!(present_cache.find(&[1; 32], &ledger, now).is_some(), holds, "{what}");
            present_cache.clear();
            assert!(present_cache.find(&[1; 32], &ledger, now).is_none());
        }
    }

    #[tokio::test]
    async fn what_is_in_memory_only_is_not_remembered() {
        let (id, root) = (Digest::of(b"image"), tempfile::tempdir().unwrap());
        assert!(Ledger::in_memory().stamp(&id, std::iter::empty()).is_none());
        let ledger = Ledger::open(&LedgerSettings::of(root.path())).unwrap();
        let stamp = ledger.stamp(&id, std::iter::empty()).unwrap();
        assert!(ledger.is_unchanged(&stamp));
        ledger.note(evidence(&id, "document"));
        assert!(!ledger.is_unchanged(&stamp) && ledger.stamp(&id, std::iter::empty()).is_none());
    }
}
