//! Links from an image id to the places of its evidence. Derived from the entries: lost or stale links only cost time.

use std::path::Path;

use super::super::{MAX_LINKS, Place};
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

/// The file of links with `place` appended; `None` if it contains it already.
pub(super) fn with(mut places: Vec<Place>, place: &Place) -> Option<Vec<u8>> {
    if places.contains(place) {
        return None;
    }
    while places.len() >= MAX_LINKS {
        places.remove(0);
    }
    places.push(place.clone());
    Some(write(&places))
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
