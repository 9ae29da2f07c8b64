//! ASCII armor of public keys (RFC 9580 section 6): lines of base64 between a header and a tail.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::KeyringError;
use crate::trust::pem;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The packets of a file, binary or armored: every packet begins with a byte that no ASCII text has.
///
/// # Errors
/// As [`decode`].
pub fn binary(file: &[u8]) -> Result<Cow<'_, [u8]>, KeyringError> {
    match file.first() {
        Some(byte) if byte & 0x80 != 0 => Ok(Cow::Borrowed(file)),
        _ => decode(file).map(Cow::Owned),
    }
}

/// Decodes the blocks of public keys in a text, one after the other. Other text around them is skipped, as gpg does. The
/// checksum is not compared: it protects from nothing, and newer tools do not write it. Comments have any encoding.
///
/// # Errors
/// When there is no block, one is malformed, or one is of secret keys.
pub fn decode(file: &[u8]) -> Result<Vec<u8>, KeyringError> {
    let text = String::from_utf8_lossy(file);
    if text.contains("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
        return Err(KeyringError::Secret);
    }
    let mut lines = text.lines().map(str::trim_end);
    let (mut decoded, mut blocks) = (Vec::new(), 0);
    while let Some(line) = lines.next() {
        if line != BEGIN {
            continue;
        }
        blocks += 1;
        let mut body = String::new();
        let mut in_headers = true;
        let ended = loop {
            match lines.next() {
                None => break false,
                Some(END) => break true,
                Some(line) if in_headers && (line.is_empty() || line.contains(": ")) => {
                    in_headers = !line.is_empty();
                }
                // The checksum, which comes last.
                Some(line) if line.starts_with('=') => in_headers = false,
                Some(line) => {
                    in_headers = false;
                    body.push_str(line);
                }
            }
        };
        let bytes = STANDARD.decode(body).ok().filter(|_| ended).ok_or(KeyringError::Armor)?;
        decoded.extend_from_slice(&bytes);
    }
    if blocks == 0 { Err(KeyringError::Malformed) } else { Ok(decoded) }
}

/// Decodes one armored message or detached signature, with nothing around it but white space. As for keys, headers and the
/// checksum say nothing. `None` when it has another form.
#[must_use]
pub fn decode_message(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.trim().lines().map(str::trim_end);
    let kind = lines.next()?.strip_prefix("-----BEGIN PGP ")?.strip_suffix("-----")?;
    if !["MESSAGE", "SIGNATURE"].contains(&kind) {
        return None;
    }
    let end = format!("-----END PGP {kind}-----");
    let mut body = String::new();
    let mut in_headers = true;
    let mut is_checked = false;
    loop {
        match lines.next()? {
            line if line == end => break,
            line if in_headers && (line.is_empty() || line.contains(": ")) => in_headers = !line.is_empty(),
            // Nothing follows the checksum.
            _ if is_checked => return None,
            line if line.starts_with('=') => is_checked = true,
            line => {
                in_headers = false;
                body.push_str(line);
            }
        }
    }
    if lines.next().is_some() { None } else { STANDARD.decode(body).ok() }
}

/// Writes one block of public keys.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = format!("{BEGIN}\n\n");
    pem::push_lines(&mut text, &STANDARD.encode(bytes));
    text.push_str(END);
    text.push('\n');
    text
}
