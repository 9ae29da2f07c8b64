//! Makes inputs from seeds.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Texts that parsers treat specially: structure of JSON, PEM, HTTP headers and image names, numbers at their limits, and
/// characters that are dangerous in logs.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "\n",
    "\r\n",
    "=",
    "/",
    "@sha256:",
    "..",
    "%00",
    "-----BEGIN ",
];

/// Bytes that encodings treat specially: lengths and tags of DER, CBOR, OpenPGP and protocol buffers.
const BYTES: [u8; 12] = [0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0x84, 0x9f, 0xbf, 0xc0, 0xfe, 0xff];

/// The longest random input, and the longest range that is repeated, in bytes.
const MAX_RANDOM: usize = 512;

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    /// Another byte.
    Replace(Index, u8),
    /// One bit.
    Flip(Index, u8),
    Insert(Index, u8),
    /// One of [`TOKENS`] is inserted.
    Token(Index, Index),
    /// A range is removed.
    Remove(Index, Index),
    /// A range is repeated.
    Repeat(Index, Index, u8),
    /// The rest is removed.
    Truncate(Index),
    /// The rest becomes the rest of another seed.
    Splice(Index, Index, Index),
}

/// Changed seeds, and now and then random bytes.
pub(crate) fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changed = (any::<Index>(), vec(change(), 1..6)).prop_map(move |(seed, changes)| {
        let mut input = seeds.get(seed.index(seeds.len().max(1))).cloned().unwrap_or_default();
        for change in &changes {
            apply(change, &mut input, &seeds);
        }
        input
    });
    prop_oneof![15 => changed, 1 => vec(any::<u8>(), 0..MAX_RANDOM)]
}

fn change() -> impl Strategy<Value = Change> {
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(&BYTES[..])];
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), byte()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        4 => (index(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (index(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => (index(), index()).prop_map(|(at, token)| Change::Token(at, token)),
        2 => (index(), index()).prop_map(|(from, to)| Change::Remove(from, to)),
        1 => (index(), index(), 1..8_u8).prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
        1 => index().prop_map(Change::Truncate),
        1 => (index(), index(), index()).prop_map(|(at, seed, from)| Change::Splice(at, seed, from)),
    ]
}

fn apply(change: &Change, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let within = |index: &Index| index.index(input.len() + 1);
    match change {
        Change::Replace(at, byte) => {
            let at = within(at);
            if let Some(old) = input.get_mut(at) {
                *old = *byte;
            }
        }
        Change::Flip(at, bit) => {
            let at = within(at);
            if let Some(old) = input.get_mut(at) {
                *old ^= 1 << bit;
            }
        }
        Change::Insert(at, byte) => input.insert(within(at), *byte),
        Change::Token(at, token) => {
            let (at, token) =
                (within(at), TOKENS.get(token.index(TOKENS.len())).copied().unwrap_or_default());
            drop(input.splice(at..at, token.bytes()));
        }
        Change::Remove(from, to) => {
            let (from, to) = (within(from), within(to));
            drop(input.drain(from.min(to)..from.max(to)));
        }
        Change::Repeat(from, to, times) => {
            let (from, to) = (within(from), within(to));
            let range = from.min(to)..from.max(to);
            let part: Vec<u8> =
                input.get(range.clone()).unwrap_or_default().iter().copied().take(MAX_RANDOM).collect();
            let repeated = part.repeat(usize::from(*times));
            drop(input.splice(range.end..range.end, repeated));
        }
        Change::Truncate(at) => input.truncate(within(at)),
        Change::Splice(at, seed, from) => {
            input.truncate(within(at));
            if let Some(other) = seeds.get(seed.index(seeds.len().max(1))) {
                input.extend_from_slice(other.get(from.index(other.len() + 1)..).unwrap_or_default());
            }
        }
    }
}
