//! Signed messages (RFC 9580 section 10.3), in the form in which containers/image and gpg write them: one signature over one
//! literal packet, mostly compressed.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::error::{OpenPgpError, PacketError};
use super::hash::Hash;
use super::limits::MAX_MESSAGE_BYTES;
use super::packet::{Packet, packets, tag};
use super::reader::Reader;
use super::signature::{NotASignature, Signature, kind};

/// Maximum size of what is in a compressed packet.
const MAX_INFLATED_BYTES: usize = 128 * 1024;
/// The packets of a message, and one more to recognise others.
const MAX_PACKETS: usize = 4;

/// The methods of compression (RFC 9580 section 9.4).
const ZIP: u8 = 1;
const ZLIB: u8 = 2;

/// A message whose signature is not verified.
#[derive(Debug)]
pub struct Message {
    data: Vec<u8>,
    signature: Signature,
}

impl Message {
    /// Takes a message in binary form apart.
    ///
    /// # Errors
    /// When it has another form, or its signature could not count, whichever key made it.
    pub fn open(document: &[u8]) -> Result<Self, OpenPgpError> {
        if document.len() > MAX_MESSAGE_BYTES {
            return Err(OpenPgpError::TooLarge { found: document.len() });
        }
        let outer = split(document)?;
        let inflated;
        let parts = match outer.as_slice() {
            [Packet { tag: tag::COMPRESSED, body }] => {
                inflated = inflate(body)?;
                split(&inflated)?
            }
            _ => outer,
        };
        let [
            Packet { tag: tag::ONE_PASS, body: announced },
            Packet { tag: tag::LITERAL, body: literal },
            Packet { tag: tag::SIGNATURE, body: signature },
        ] = parts.as_slice()
        else {
            return Err(OpenPgpError::Form { found: described(&parts) });
        };
        check_announcement(announced)?;
        let data = data_of(literal).ok_or(OpenPgpError::Malformed)?.to_vec();
        Ok(Self { data, signature: read_signature(signature)? })
    }

    /// Takes a detached signature over `data` in binary form apart.
    ///
    /// # Errors
    /// As [`Message::open`].
    pub fn detached(document: &[u8], data: Vec<u8>) -> Result<Self, OpenPgpError> {
        if document.len() > MAX_MESSAGE_BYTES {
            return Err(OpenPgpError::TooLarge { found: document.len() });
        }
        match split(document)?.as_slice() {
            [Packet { tag: tag::SIGNATURE, body }] => Ok(Self { data, signature: read_signature(body)? }),
            parts => Err(OpenPgpError::Form { found: described(parts) }),
        }
    }

    /// Whether a document in binary form begins with a signature, as a detached one does.
    pub fn is_detached(document: &[u8]) -> bool {
        let parts = split(document).unwrap_or_default();
        matches!(parts.as_slice(), [Packet { tag: tag::SIGNATURE, .. }, ..])
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What the signature is over, not verified.
    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    /// What the signature is over. Only for a caller that has verified it.
    pub(crate) fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// When the signature says that it was made, in seconds since 1970.
    pub(crate) fn made(&self) -> u32 {
        self.signature.subpackets.created.unwrap_or(u32::MAX)
    }

    /// When the signature ends, in seconds since 1970.
    pub(crate) fn end(&self) -> Option<u64> {
        let seconds = self.signature.subpackets.lifetime.filter(|seconds| *seconds != 0)?;
        Some(u64::from(self.made()) + u64::from(seconds))
    }

    /// The key that the signature names, for messages.
    pub(crate) fn issuer(&self) -> Option<String> {
        self.signature.issuer().map(ToString::to_string)
    }
}

fn split(bytes: &[u8]) -> Result<Vec<Packet<'_>>, OpenPgpError> {
    packets(bytes, MAX_PACKETS).map_err(|error| match error {
        PacketError::Malformed => OpenPgpError::Malformed,
        PacketError::TooMany => OpenPgpError::Form { found: "it has too many packets" },
    })
}

/// What a message is that has another form.
fn described(parts: &[Packet<'_>]) -> &'static str {
    let has = |wanted: u8| parts.iter().any(|part| part.tag == wanted);
    match parts.first().map(|part| part.tag) {
        Some(
            tag::ENCRYPTED_SESSION_KEY | tag::SYMMETRIC_SESSION_KEY | tag::ENCRYPTED | tag::PROTECTED | 20,
        ) => "it is encrypted",
        Some(tag::LITERAL) if !has(tag::SIGNATURE) => "it is not signed",
        Some(tag::SIGNATURE) if parts.len() == 1 => "it is a detached signature",
        Some(tag::COMPRESSED) => "it is compressed twice, or has packets beside the compressed data",
        Some(tag::ONE_PASS) if parts.iter().filter(|part| part.tag == tag::ONE_PASS).count() > 1 => {
            "it has several signatures"
        }
        _ => "it has packets of other types",
    }
}

/// Checks the packet that announces the signature (RFC 9580 section 5.4). Nothing of it is signed, so nothing of it is
/// used: only that it is one, and that nothing else is announced.
fn check_announcement(body: &[u8]) -> Result<(), OpenPgpError> {
    let mut reader = Reader::new(body);
    match reader.byte() {
        Some(3) => {}
        Some(found) => return Err(OpenPgpError::Version { found }),
        None => return Err(OpenPgpError::Malformed),
    }
    // Type, hash, algorithm and key ID; then whether it is the last one.
    match (reader.take(11), reader.rest()) {
        (Some(_), [1]) => Ok(()),
        (Some(_), [_]) => Err(OpenPgpError::Form { found: "it has several signatures" }),
        _ => Err(OpenPgpError::Malformed),
    }
}

/// The data in a literal packet (RFC 9580 section 5.9). The format, the name and the time before it are not signed.
fn data_of(body: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    reader.byte()?;
    let name = reader.byte()?;
    reader.take(name.into())?;
    reader.four()?;
    Some(reader.rest())
}

/// A signature packet, not verified.
fn read_signature(body: &[u8]) -> Result<Signature, OpenPgpError> {
    let signature = Signature::read(body).map_err(|error| match error {
        NotASignature::Malformed => OpenPgpError::Malformed,
        NotASignature::Version(found, _) => OpenPgpError::Version { found },
    })?;
    check_signature(&signature)?;
    Ok(signature)
}

/// Checks what can be seen of a signature before it is verified.
fn check_signature(signature: &Signature) -> Result<(), OpenPgpError> {
    if signature.kind != kind::BINARY {
        return Err(OpenPgpError::Kind { found: signature.kind });
    }
    if !matches!(signature.hash, Hash::Strong(_)) {
        return Err(OpenPgpError::Hash { hash: signature.hash.name() });
    }
    if let Some(number) = signature.subpackets.unknown_critical {
        return Err(OpenPgpError::Critical { number });
    }
    if !signature.is_readable() {
        return Err(OpenPgpError::NoTime);
    }
    Ok(())
}

/// Decompresses a packet completely, with nothing behind the data.
fn inflate(body: &[u8]) -> Result<Vec<u8>, OpenPgpError> {
    let (flags, data) = match body.split_first() {
        Some((&ZIP, data)) => (0, data),
        Some((&ZLIB, data)) => (TINFL_FLAG_PARSE_ZLIB_HEADER, data),
        _ => return Err(OpenPgpError::Compression),
    };
    let mut inflated = vec![0; MAX_INFLATED_BYTES];
    let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = decompress(&mut DecompressorOxide::new(), data, &mut inflated, 0, flags);
    match status {
        TINFLStatus::Done if read == data.len() => {
            inflated.truncate(written);
            Ok(inflated)
        }
        TINFLStatus::HasMoreOutput => Err(OpenPgpError::Inflated { limit: MAX_INFLATED_BYTES }),
        _ => Err(OpenPgpError::Compression),
    }
}
