//! From an image id to the places of its evidence. Derived from the entries, so what is lost or stale here costs time only.

use std::path::Path;

use super::super::{MAX_LINKS, Place};
use super::file;
use crate::digest::Digest;
use crate::reference::Repository;

/// The largest file of links, in bytes: 64 names of the longest kind.
const MAX_BYTES: usize = 64 << 10;

/// The places in a file of links; what is no line of one is passed over.
pub(super) fn read(path: &Path) -> Vec<Place> {
    let Ok(Some((bytes, _))) = file::read(path, MAX_BYTES) else { return Vec::new() };
    let lines = std::str::from_utf8(&bytes).unwrap_or_default().lines();
    lines.filter_map(parse).take(MAX_LINKS).collect()
}

/// The file of links with `place` at its end; `None` when it is in there.
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
