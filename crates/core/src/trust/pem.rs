//! PEM files (RFC 7468) with nothing but blocks, and error messages for everything else.
//!
//! Errors contain nothing of the file: it may be a private key in the wrong place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A block of a file.
pub struct Block<'a> {
    /// The label, such as `PUBLIC KEY`.
    pub label: &'a str,
    /// The decoded bytes, which may be a private key.
    pub der: Zeroizing<Vec<u8>>,
}

/// Shows only the label.
impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Parses the one block of `text`. Around it only blank lines and lines that begin with `#` are allowed.
pub fn read_one(text: &str) -> Result<Block<'_>, PemError> {
    let mut blocks = Blocks::of(text);
    let only = blocks.next().ok_or(PemError::NoBlock)??;
    match blocks.next() {
        None => Ok(only.block),
        Some(Ok(second)) => Err(PemError::SeveralBlocks { line: second.line }),
        Some(Err(error)) => Err(error),
    }
}

/// Parses all blocks of `text`, at least one. Around them only blank lines and lines that begin with `#` are allowed.
pub fn read_all(text: &str) -> Result<Vec<Block<'_>>, PemError> {
    let blocks = Blocks::of(text).map(|found| Ok(found?.block)).collect::<Result<Vec<_>, _>>()?;
    if blocks.is_empty() { Err(PemError::NoBlock) } else { Ok(blocks) }
}

/// The blocks of a text; after an error the rest means nothing.
struct Blocks<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    /// An upper bound of the size of a block.
    size: usize,
}

struct Found<'a> {
    /// Line of its BEGIN, from 1.
    line: usize,
    block: Block<'a>,
}

impl<'a> Blocks<'a> {
    fn of(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate(), size: text.len() }
    }

    /// The block whose BEGIN line was read.
    fn rest_of(&mut self, label: &'a str, line: usize) -> Result<Found<'a>, PemError> {
        let mut body = Zeroizing::new(String::with_capacity(self.size));
        let ended = loop {
            let Some((_, line)) = self.lines.next() else { break false };
            let line = line.trim_end();
            match boundary(line, "-----END ") {
                Some(end) => break end == label,
                None => body.push_str(line),
            }
        };
        if !ended {
            return Err(PemError::Unterminated { line });
        }
        // Encrypted PKCS#1 and SEC1 files have headers here. base64 has no colon.
        if body.contains("Proc-Type:") {
            return Err(PemError::Encrypted);
        }
        let der = STANDARD.decode(body.as_bytes()).map_err(|_| PemError::Base64)?;
        Ok(Found { line, block: Block { label, der: Zeroizing::new(der) } })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Found<'a>, PemError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (index, line) = self.lines.next()?;
            let line = line.trim_end();
            match boundary(line, "-----BEGIN ") {
                Some(label) => return Some(self.rest_of(label, index + 1)),
                None if line.is_empty() || line.starts_with('#') => {}
                None => return Some(Err(PemError::Stray { line: index + 1 })),
            }
        }
    }
}

/// Writes one block.
pub fn write(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Allocated once, so that no part of a private key remains in a buffer that was grown.
    let mut text = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 48);
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    push_lines(&mut text, &body);
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Adds base64 in lines of 64 characters.
pub(super) fn push_lines(text: &mut String, base64: &str) {
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
}

fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

/// Why a text is not one PEM block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum PemError {
    /// Only blank lines and comments.
    #[error("the file has no PEM block")]
    NoBlock,
    #[error("a second PEM block begins in line {line}; keep one key in a file")]
    SeveralBlocks {
        /// Line of its BEGIN, from 1.
        line: usize,
    },
    #[error("line {line} is neither PEM nor a comment (#)")]
    Stray {
        /// From 1.
        line: usize,
    },
    /// No END line, or one with another label.
    #[error("the PEM block that begins in line {line} has no matching END line")]
    Unterminated {
        /// Line of its BEGIN, from 1.
        line: usize,
    },
    #[error("the PEM block is not base64")]
    Base64,
    /// The block is encrypted in OpenSSL's traditional format.
    #[error("the key is encrypted; decrypt it first, for example with `openssl pkey`")]
    Encrypted,
}
