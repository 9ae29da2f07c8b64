//! Links from an image id to the places of its evidence. Derived from the entries: lost or stale links only cost time.

use std::path::Path;

use super::super::{MAX_LINKED_BYTES, MAX_LINKS, Place};
use super::file;
use crate::digest::Digest;
use crate::reference::Repository;

/// Maximum size of a file of links, in bytes: 64 of the longest names.
const MAX_BYTES: usize = 64 << 10;

/// The places in a file of links; invalid lines are skipped.
pub(super) fn read(path: &Path) -> Vec<Place> {
    let Ok(Some((bytes, _))) = file::read(path, MAX_BYTES) else { return Vec::new() };
    let lines = std::str::from_utf8(&bytes).unwrap_or_default().lines();
    lines.filter_map(parse).take(MAX_LINKS).collect()
}

/// The file of links with `place` appended; `None` if that changes nothing. The oldest links go where there are too many,
/// or where the entries, whose `size` is asked for, are too large together.
pub(super) fn with(mut places: Vec<Place>, place: &Place, size: impl Fn(&Place) -> u64) -> Option<Vec<u8>> {
    let before = places.clone();
    if !places.contains(place) {
        places.push(place.clone());
    }
    let mut bytes = size(place);
    let mut linked = 1;
    let mut kept: Vec<Place> = Vec::new();
    for old in places.into_iter().rev() {
        if old != *place {
            bytes = bytes.saturating_add(size(&old));
            linked += 1;
            if linked > MAX_LINKS || bytes > MAX_LINKED_BYTES {
                break;
            }
        }
        kept.push(old);
    }
    kept.reverse();
    // An entry that grew is linked, however old its link is.
    if !kept.contains(place) {
        kept.push(place.clone());
    }
    (kept != before).then(|| write(&kept))
}

/// The file of links to `places`.
pub(super) fn write(places: &[Place]) -> Vec<u8> {
    let lines = places.iter().map(|place| format!("{}@{}\n", place.repository, place.digest));
    lines.collect::<String>().into_bytes()
}

fn parse(line: &str) -> Option<Place> {
    let (repository, digest) = line.split_once('@')?;
    Some(Place { repository: Repository::parse(repository).ok()?, digest: Digest::parse(digest).ok()? })
}
