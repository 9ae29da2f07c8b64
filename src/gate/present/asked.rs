//! An image on the node, as it is asked for.

use std::collections::BTreeSet;

use super::super::Refusal;
use super::Present;
use crate::digest::{Digest, is_id_prefix};
use crate::reference::Reference;

/// How much of a name a refusal quotes at most, in characters.
const MAX_SHOWN: usize = 512;

/// One image on the node, and the name by which it is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// The name, cut to a length that a refusal can quote.
    pub(super) text: String,
    pub(super) lookup: LookupBy,
    pub(super) id: Digest,
    /// The names that the runtime has for the image. Only hints.
    pub(super) names: BTreeSet<Reference>,
    pub(super) namespace: Option<String>,
}

/// Which rules apply to an image on the node: those of the name by which it is asked for, or for an id those of all that is
/// known of it.
#[derive(Debug)]
pub(super) enum LookupBy {
    Name(Reference),
    Id,
}

impl Asked {
    /// As containerd finds an image (`LocalResolve`): a digest is an id; else a name that is recorded; else the beginning
    /// of an id. Everything else is judged as the name that it is.
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
        let text = text.chars().take(MAX_SHOWN).collect();
        Ok(Self { text, lookup, id, names, namespace: namespace.map(ToOwned::to_owned) })
    }
}

/// Whether `asked` is the id of the image, or the beginning of it, and not one of its names.
fn is_id(asked: &str, id: &Digest, names: &BTreeSet<Reference>) -> bool {
    let is_name = || Reference::parse(asked).is_ok_and(|reference| names.contains(&reference));
    is_id_prefix(asked, id) && !is_name()
}
