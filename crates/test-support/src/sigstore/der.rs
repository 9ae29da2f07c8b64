//! DER by hand: what no library writes that has the certificates.

/// One element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match content.len() {
        length @ 0..=127 => bytes.push(length as u8),
        length => {
            let length = length.to_be_bytes();
            let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            bytes.push(0x80 | length.len() as u8);
            bytes.extend(length);
        }
    }
    bytes.extend(content);
    bytes
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

pub(super) fn set(parts: &[&[u8]]) -> Vec<u8> {
    element(0x31, &parts.concat())
}

pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(0x04, bytes)
}

pub(super) fn text(text: &str) -> Vec<u8> {
    element(0x0c, text.as_bytes())
}

pub(super) fn integer(number: u8) -> Vec<u8> {
    element(0x02, &[number])
}

/// An object identifier, given in its encoding.
pub(super) fn oid(arcs: &[u64]) -> Vec<u8> {
    let mut bytes = vec![(arcs[0] * 40 + arcs[1]) as u8];
    for arc in &arcs[2..] {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        groups.reverse();
        bytes.extend(groups);
    }
    element(0x06, &bytes)
}

/// The first element within the first element: the signed part of a certificate.
pub(super) fn first_inside(der: &[u8]) -> &[u8] {
    let content = &der[header(der)..];
    let length = header(content) + length(content);
    &content[..length]
}

fn header(der: &[u8]) -> usize {
    if der[1] < 0x80 { 2 } else { 2 + usize::from(der[1] & 0x7f) }
}

fn length(der: &[u8]) -> usize {
    if der[1] < 0x80 {
        return usize::from(der[1]);
    }
    der[2..header(der)].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
}
