//! The Merkle tree of a log (RFC 6962 section 2.1).

use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

/// A growing tree.
pub(super) struct Tree {
    leaves: Mutex<Vec<Vec<u8>>>,
}

/// Where an entry is, and what shows it.
pub(super) struct Inclusion {
    pub(super) index: usize,
    pub(super) size: usize,
    pub(super) root: Vec<u8>,
    pub(super) hashes: Vec<Vec<u8>>,
}

impl Tree {
    /// With one entry, so that the first proof has a hash.
    pub(super) fn new() -> Self {
        Self { leaves: Mutex::new(vec![leaf(b"another entry")]) }
    }

    /// Appends an entry.
    pub(super) fn add(&self, body: &[u8]) -> Inclusion {
        let mut leaves = self.leaves.lock().unwrap();
        leaves.push(leaf(body));
        let index = leaves.len() - 1;
        Inclusion { index, size: leaves.len(), root: root(&leaves), hashes: path(index, &leaves) }
    }
}

pub(super) fn leaf(body: &[u8]) -> Vec<u8> {
    Sha256::digest([&[0][..], body].concat()).to_vec()
}

fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [only] => only.clone(),
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            Sha256::digest([&[1][..], &root(left), &root(right)].concat()).to_vec()
        }
    }
}

/// The hashes from the leaf's neighbour upwards.
fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let half = half(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut path, other) =
        if index < half { (path(index, left), root(right)) } else { (path(index - half, right), root(left)) };
    path.push(other);
    path
}

/// The largest power of two below a number.
fn half(count: usize) -> usize {
    count.next_power_of_two() / 2
}
