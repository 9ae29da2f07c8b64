//! A present image, and the name or id in the request for it.

use std::collections::BTreeSet;

use super::super::{HeldContent, Refusal};
use super::Present;
use crate::digest::{Digest, is_id_prefix};
use crate::ledger::Place;
use crate::reference::Reference;

/// How much of a name a refusal quotes at most, in characters.
const MAX_SHOWN: usize = 512;

/// A present image, and the name or id in the request for it.
#[derive(Debug)]
pub(super) struct Asked {
    /// The name, cut to a length that a refusal can quote.
    pub(super) text: String,
    pub(super) lookup: LookupBy,
    pub(super) id: Digest,
    /// The names that the runtime has for the image. Only hints.
    pub(super) names: BTreeSet<Reference>,
    /// Every digest that the runtime's content has, if it was read.
    pub(super) held: BTreeSet<Digest>,
    pub(super) namespace: Option<String>,
}

/// Which rules apply to a present image: those of the name in the request, or for an id those of all its known names.
#[derive(Debug)]
pub(super) enum LookupBy {
    Name(Reference),
    Id,
}

impl Asked {
    /// As containerd finds an image (`LocalResolve`): a digest is an id; else a recorded name; else the prefix of an id.
    /// Everything else is evaluated as a name.
    ///
    /// # Errors
    /// When `text` is not a name and not an id of this image.
    pub(super) fn new(
        text: &str,
        id: Digest,
        present: &Present,
        namespace: Option<&str>,
    ) -> Result<Self, Refusal> {
        let names: BTreeSet<Reference> =
            present.names().filter_map(|name| Reference::parse(name).ok()).collect();
        let lookup = if is_id(text, &id, &names) {
            LookupBy::Id
        } else {
            let name = Reference::parse(text).map_err(|error| Refusal::invalid_reference(text, &error))?;
            LookupBy::Name(name)
        };
        let held = match &present.content {
            HeldContent::Read(digests) => digests.clone(),
            HeldContent::NotRead | HeldContent::Unread(_) => BTreeSet::new(),
        };
        let text = text.chars().take(MAX_SHOWN).collect();
        Ok(Self { text, lookup, id, names, held, namespace: namespace.map(ToOwned::to_owned) })
    }

    /// Keys of possible evidence, by the names of the runtime.
    pub(super) fn hinted(&self) -> impl Iterator<Item = Place> {
        self.names.iter().filter_map(|name| {
            Some(Place { repository: name.repository().clone(), digest: name.digest()?.clone() })
        })
    }
}

/// Whether `asked` is the id of the image, or a prefix of it, and not one of its names.
fn is_id(asked: &str, id: &Digest, names: &BTreeSet<Reference>) -> bool {
    let is_name = || Reference::parse(asked).is_ok_and(|reference| names.contains(&reference));
    is_id_prefix(asked, id) && !is_name()
}
