//! The parts of a URI (RFC 3986) in locations.

use std::fmt::Write as _;

use super::LocationError;

/// Whether a text is a valid scheme of a URI.
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Decodes percent escapes.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, LocationError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| {
            let digit = char::from(byte?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(LocationError::Escape);
        };
        bytes.push((high << 4) | low);
    }
    Ok(bytes)
}

/// Decodes percent escapes to text without control characters.
pub(super) fn unescape_text(text: &str) -> Result<String, LocationError> {
    let text = String::from_utf8(unescape(text)?).map_err(|_| LocationError::Escape)?;
    if text.contains(char::is_control) {
        return Err(LocationError::Control);
    }
    Ok(text)
}

/// Escapes everything but unreserved characters (RFC 3986 section 2.3) and the bytes in `plain`.
pub(super) fn escape(bytes: &[u8], plain: &str) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        if unreserved || plain.as_bytes().contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The attributes of a path or a query, without duplicates, their values still escaped.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    scheme: &'static str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Attributes<'a> {
    pub(super) fn parse(
        scheme: &'static str,
        text: Option<&'a str>,
        separator: char,
    ) -> Result<Self, LocationError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for pair in text.unwrap_or_default().split(separator).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(LocationError::Twice { name: name.to_owned() });
            }
            pairs.push((name, value));
        }
        Ok(Self { scheme, pairs })
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.pairs.iter().position(|(known, _)| *known == name)?;
        Some(self.pairs.swap_remove(at).1)
    }

    /// A value that must be text and not empty.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, LocationError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = unescape_text(value)?;
        if text.is_empty() {
            return Err(LocationError::Value { name, wanted: "a text" });
        }
        Ok(Some(text))
    }

    /// The label of an object, which some tokens end with NULs.
    pub(super) fn label(&mut self, name: &'static str) -> Result<Option<String>, LocationError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = String::from_utf8(unescape(value)?).map_err(|_| LocationError::Escape)?;
        let label = text.trim_end_matches('\0');
        if label.contains(char::is_control) {
            return Err(LocationError::Control);
        }
        if label.is_empty() {
            return Err(LocationError::Value { name, wanted: "a text" });
        }
        Ok(Some(text))
    }

    /// The text of a field of fixed length, without the NULs with which some tools fill it.
    pub(super) fn padded_text(&mut self, name: &'static str) -> Result<Option<String>, LocationError> {
        Ok(self.label(name)?.map(|text| text.trim_end_matches('\0').to_owned()))
    }

    /// Fails if attributes are left.
    pub(super) fn end(self, known: &'static str) -> Result<(), LocationError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(LocationError::Unknown { scheme: self.scheme, name: (*name).to_owned(), known })
            }
        }
    }
}

/// Splits what follows `scheme:`, in the form `//PATH?QUERY`.
pub(super) fn path_and_query(rest: &str) -> Option<(&str, Option<&str>)> {
    let rest = rest.strip_prefix("//")?;
    Some(match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    })
}
