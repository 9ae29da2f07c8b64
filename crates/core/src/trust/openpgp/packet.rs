//! Packets: a tag and a body (RFC 9580 section 4.2).

use std::borrow::Cow;

use super::error::PacketError;
use super::reader::Reader;

/// The tags that are read or recognised.
pub(super) mod tag {
    pub(in super::super) const ENCRYPTED_SESSION_KEY: u8 = 1;
    pub(in super::super) const SIGNATURE: u8 = 2;
    pub(in super::super) const SYMMETRIC_SESSION_KEY: u8 = 3;
    pub(in super::super) const ONE_PASS: u8 = 4;
    pub(in super::super) const SECRET_KEY: u8 = 5;
    pub(in super::super) const PUBLIC_KEY: u8 = 6;
    pub(in super::super) const SECRET_SUBKEY: u8 = 7;
    pub(in super::super) const COMPRESSED: u8 = 8;
    pub(in super::super) const ENCRYPTED: u8 = 9;
    pub(in super::super) const MARKER: u8 = 10;
    pub(in super::super) const LITERAL: u8 = 11;
    pub(in super::super) const TRUST: u8 = 12;
    pub(in super::super) const USER_ID: u8 = 13;
    pub(in super::super) const PUBLIC_SUBKEY: u8 = 14;
    pub(in super::super) const USER_ATTRIBUTE: u8 = 17;
    pub(in super::super) const PROTECTED: u8 = 18;
    pub(in super::super) const PADDING: u8 = 21;
}

pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    /// Joined, where it came in parts.
    pub(super) body: Cow<'a, [u8]>,
}

/// The length of a body.
enum Length {
    Of(usize),
    /// The first part of it; another length follows.
    Part(usize),
    /// All that follows.
    Rest,
}

/// Splits `bytes` into at most `most` packets, with nothing between them.
pub(super) fn packets(bytes: &[u8], most: usize) -> Result<Vec<Packet<'_>>, PacketError> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while !reader.is_empty() {
        if found.len() >= most {
            return Err(PacketError::TooMany);
        }
        found.push(packet(&mut reader).ok_or(PacketError::Malformed)?);
    }
    Ok(found)
}

fn packet<'a>(reader: &mut Reader<'a>) -> Option<Packet<'a>> {
    let first = reader.byte()?;
    if first & 0x80 == 0 {
        return None;
    }
    let is_new = first & 0x40 != 0;
    let tag = if is_new { first & 0x3f } else { (first >> 2) & 0x0f };
    // Tag 0 is reserved, so that no packet has it.
    if tag == 0 {
        return None;
    }
    let length = if is_new { new_length(reader)? } else { old_length(first, reader)? };
    let body = match length {
        Length::Of(length) => Cow::Borrowed(reader.take(length)?),
        // A length in parts, or none at all, is for data only (RFC 9580 section 4.2.1.4).
        Length::Rest if tag == tag::COMPRESSED => Cow::Borrowed(reader.rest()),
        Length::Part(length) if matches!(tag, tag::COMPRESSED | tag::LITERAL) => {
            Cow::Owned(joined(reader, length)?)
        }
        Length::Rest | Length::Part(_) => return None,
    };
    Some(Packet { tag, body })
}

fn old_length(first: u8, reader: &mut Reader<'_>) -> Option<Length> {
    Some(match first & 3 {
        0 => Length::Of(reader.byte()?.into()),
        1 => Length::Of(reader.two()?),
        2 => Length::Of(usize::try_from(reader.four()?).ok()?),
        _ => Length::Rest,
    })
}

fn new_length(reader: &mut Reader<'_>) -> Option<Length> {
    let first = reader.byte()?;
    Some(match first {
        0..=191 => Length::Of(first.into()),
        192..=223 => Length::Of(two_byte_length(first, reader)?),
        224..=254 => Length::Part(1 << (first & 0x1f)),
        255 => Length::Of(usize::try_from(reader.four()?).ok()?),
    })
}

/// A length from 192 on (RFC 9580 section 4.2.1.2).
pub(super) fn two_byte_length(first: u8, reader: &mut Reader<'_>) -> Option<usize> {
    Some((usize::from(first) - 192) * 256 + usize::from(reader.byte()?) + 192)
}

/// A body in parts, the first of which has `length` bytes. It is not larger than the bytes that are read.
fn joined(reader: &mut Reader<'_>, length: usize) -> Option<Vec<u8>> {
    let mut body = reader.take(length)?.to_vec();
    loop {
        match new_length(reader)? {
            Length::Part(length) => body.extend_from_slice(reader.take(length)?),
            Length::Of(length) => {
                body.extend_from_slice(reader.take(length)?);
                return Some(body);
            }
            Length::Rest => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Vec<(u8, usize)>> {
        let found = packets(bytes, 4).ok()?;
        Some(found.iter().map(|packet| (packet.tag, packet.body.len())).collect())
    }

    #[test]
    fn reads_every_form_of_length_and_no_other() {
        let body = |length: usize| vec![b'x'; length];
        for (name, header, length, expected) in [
            ("old, one byte", &[0x88, 3][..], 3, Some((2, 3))),
            ("old, two bytes", &[0x89, 1, 0], 256, Some((2, 256))),
            ("old, four bytes", &[0x8a, 0, 0, 1, 0], 256, Some((2, 256))),
            ("old, no length, compressed", &[0xa3], 7, Some((8, 7))),
            ("old, no length, signature", &[0x8b], 7, None),
            ("old, no length, literal", &[0xaf], 7, None),
            ("new, one byte", &[0xc2, 191], 191, Some((2, 191))),
            ("new, two bytes", &[0xc2, 192, 0], 192, Some((2, 192))),
            ("new, two bytes, longest", &[0xc2, 223, 255], 8383, Some((2, 8383))),
            ("new, five bytes", &[0xc2, 255, 0, 0, 0, 9], 9, Some((2, 9))),
            ("too short", &[0xc2, 4], 3, None),
            ("longer than memory", &[0xc2, 255, 255, 255, 255, 255], 9, None),
            ("not a packet", &[0x42, 3], 3, None),
            ("tag 0", &[0xc0, 3], 3, None),
            ("old tag 0", &[0x80, 3], 3, None),
            ("parts of a signature", &[0xc2, 0xe0], 1, None),
        ] {
            let bytes = [header, &body(length)].concat();
            assert_eq!(read(&bytes), expected.map(|one| vec![one]), "{name}");
        }
    }

    #[test]
    fn joins_the_parts_of_a_literal() {
        let parts = [&[0xcb, 0xe1][..], b"ab", &[0xe0], b"c", &[2], b"de"].concat();
        let found = packets(&parts, 1).unwrap();
        assert_eq!(found.first().map(|packet| packet.body.as_ref()), Some(&b"abcde"[..]));
        for end in 0..parts.len() {
            let cut = parts.get(..end).unwrap();
            assert!(cut.is_empty() || packets(cut, 1).is_err(), "{end}");
        }
    }

    #[test]
    fn bounds_the_number_of_packets() {
        let four = [0xc2, 0].repeat(4);
        assert!(read(&four).is_some());
        assert!(matches!(packets(&four, 3), Err(PacketError::TooMany)));
    }
}
