//! Subjects of signers: `*`, or the attributes that a subject must have.
//!
//! Sources: notaryproject/specifications `specs/trust-store-trust-policy.md`, "Trusted Subjects Constraints", and
//! notation-go `internal/pkix/pkix.go`. The text is a distinguished name (RFC 4514).

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519 as oid;
use der::{Tag, Tagged as _};
use x509_cert::attr::AttributeTypeAndValue;

use super::certificate::Certificate;

/// Maximum number of identities of one authenticator.
pub const MAX_IDENTITIES: usize = 64;
/// What precedes a subject in an identity.
const PREFIX: &str = "x509.subject:";
/// Attributes that a subject has in any case.
const MANDATORY: [&str; 3] = ["C", "ST", "O"];
/// The attributes that an identity can name, by the names of RFC 4514 and of Go's `crypto/x509/pkix`.
const ATTRIBUTES: [(&str, ObjectIdentifier); 9] = [
    ("C", oid::C),
    ("ST", oid::ST),
    ("L", oid::L),
    ("STREET", oid::STREET),
    ("O", oid::O),
    ("OU", oid::OU),
    ("CN", oid::CN),
    ("SERIALNUMBER", oid::SERIAL_NUMBER),
    ("POSTALCODE", oid::POSTAL_CODE),
];

/// Which subjects an authenticator accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subjects {
    /// Every subject that the stores vouch for.
    Any,
    /// A subject that has all attributes of one of these.
    Patterns(Vec<SubjectPattern>),
}

impl Subjects {
    /// Reads identities as notation's trust policy has them: `*` alone, or `x509.subject: C=…, ST=…, O=…`.
    ///
    /// # Errors
    /// When there is none or too many, when `*` is not alone, when one is not a valid pattern, or when a subject that one
    /// accepts is always accepted by another.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, IdentityError> {
        let texts: Vec<&str> = texts.into_iter().collect();
        match texts.as_slice() {
            [] => return Err(IdentityError::Missing),
            ["*"] => return Ok(Self::Any),
            texts if texts.contains(&"*") => return Err(IdentityError::WildcardWithOthers),
            texts if texts.len() > MAX_IDENTITIES => return Err(IdentityError::TooMany),
            _ => {}
        }
        let mut patterns: Vec<SubjectPattern> = Vec::new();
        for text in texts {
            let pattern = SubjectPattern::parse(text)?;
            if patterns.iter().any(|other| other.covers(&pattern) || pattern.covers(other)) {
                return Err(IdentityError::Overlap);
            }
            patterns.push(pattern);
        }
        Ok(Self::Patterns(patterns))
    }

    /// What it accepts, for the hash of the policy.
    pub(in crate::trust) fn entries(&self) -> Vec<String> {
        match self {
            Self::Any => vec!["*".to_owned()],
            Self::Patterns(patterns) => {
                patterns.iter().map(|pattern| format!("{:?}", pattern.attributes)).collect()
            }
        }
    }

    /// Whether the subject of `leaf` is accepted. A subject that identities cannot express (an attribute that they do not
    /// name, one that occurs twice, or a multi-valued one) is accepted only by `*`.
    #[must_use]
    pub fn accept(&self, leaf: &Certificate) -> bool {
        match self {
            Self::Any => true,
            Self::Patterns(patterns) => attributes_of(leaf)
                .is_some_and(|subject| patterns.iter().any(|pattern| pattern.is_met_by(&subject))),
        }
    }
}

/// The attributes that a subject must have, with exactly these values; it may have others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectPattern {
    attributes: BTreeMap<&'static str, String>,
}

impl SubjectPattern {
    fn parse(identity: &str) -> Result<Self, IdentityError> {
        let name = identity.strip_prefix(PREFIX).ok_or(IdentityError::Prefix)?;
        let mut attributes = BTreeMap::new();
        for part in split_unescaped(name, ',') {
            if split_unescaped(part, '+').count() > 1 {
                return Err(IdentityError::MultiValued);
            }
            let (kind, value) = part.split_once('=').ok_or(IdentityError::Syntax)?;
            // notation: S is an alias of ST.
            let kind = if kind.trim() == "S" { "ST" } else { kind.trim() };
            let (kind, _) =
                ATTRIBUTES.into_iter().find(|(name, _)| *name == kind).ok_or(IdentityError::Attribute)?;
            if attributes.insert(kind, unescape(value)?).is_some() {
                return Err(IdentityError::Twice { attribute: kind });
            }
        }
        match MANDATORY.into_iter().find(|attribute| !attributes.contains_key(attribute)) {
            Some(attribute) => Err(IdentityError::Lacks { attribute }),
            None => Ok(Self { attributes }),
        }
    }

    fn is_met_by(&self, subject: &BTreeMap<&'static str, String>) -> bool {
        self.attributes.iter().all(|(kind, value)| subject.get(kind) == Some(value))
    }

    /// Whether it accepts every subject that `other` accepts.
    fn covers(&self, other: &Self) -> bool {
        self.is_met_by(&other.attributes)
    }
}

/// The attributes of a subject that has each at most once, and only such that have a name.
fn attributes_of(certificate: &Certificate) -> Option<BTreeMap<&'static str, String>> {
    let mut attributes = BTreeMap::new();
    for part in certificate.subject.iter_rdn() {
        let mut values = part.iter();
        let (Some(only), None) = (values.next(), values.next()) else { return None };
        let (kind, _) = ATTRIBUTES.into_iter().find(|(_, oid)| *oid == only.oid)?;
        if attributes.insert(kind, text_of(only)?).is_some() {
            return None;
        }
    }
    Some(attributes)
}

/// The value as text, if it has one of the types that RFC 5280 lets new certificates use.
fn text_of(attribute: &AttributeTypeAndValue) -> Option<String> {
    match attribute.value.tag() {
        Tag::PrintableString | Tag::Utf8String | Tag::Ia5String => {
            std::str::from_utf8(attribute.value.value()).ok().map(str::to_owned)
        }
        _ => None,
    }
}

/// Splits at every `separator` that no backslash precedes.
fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |character| {
        let here = character == separator && !escaped;
        escaped = character == '\\' && !escaped;
        here
    })
}

/// The value behind an escaped text (RFC 4514 section 2.4). A value in hexadecimal BER (`#…`) is an error, as in notation.
fn unescape(escaped: &str) -> Result<String, IdentityError> {
    let mut bytes = Vec::new();
    // Spaces around a value do not belong to it, unless the last one is escaped.
    let trimmed = escaped.trim_start();
    let end = trimmed.trim_end();
    let dangling = end.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    let value = if dangling && trimmed.len() > end.len() { format!("{end} ") } else { end.to_owned() };
    if value.starts_with('#') {
        return Err(IdentityError::Hexadecimal);
    }
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => bytes.extend(escape(&mut rest)?),
            '"' | ';' | '<' | '>' | '\0' => return Err(IdentityError::Syntax),
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(IdentityError::Syntax),
    }
}

/// What follows a backslash: a special character, or two hexadecimal digits.
fn escape(rest: &mut std::str::Chars<'_>) -> Result<Vec<u8>, IdentityError> {
    let first = rest.next().ok_or(IdentityError::Syntax)?;
    if " \"#+,;<=>\\".contains(first) {
        return Ok(vec![u8::try_from(first).map_err(|_| IdentityError::Syntax)?]);
    }
    let digits = first.to_digit(16).zip(rest.next().and_then(|second| second.to_digit(16)));
    let byte = digits.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
    Ok(vec![byte.ok_or(IdentityError::Syntax)?])
}

/// Why texts are not identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum IdentityError {
    #[error("no identity is given; write the subject of the signer, or `*` for every signer below the CAs")]
    Missing,
    #[error("more than {MAX_IDENTITIES} identities are given")]
    TooMany,
    #[error("`*` must be the only identity")]
    WildcardWithOthers,
    #[error("an identity is `*` or begins with `{PREFIX}`")]
    Prefix,
    #[error("the identity is not a distinguished name in the syntax of RFC 4514")]
    Syntax,
    #[error("the identity has an attribute with several values (`+`), which identities cannot have")]
    MultiValued,
    #[error("the identity has a value in hexadecimal (`=#`), which identities cannot have")]
    Hexadecimal,
    #[error(
        "the identity has an attribute that is not C, ST, L, STREET, O, OU, CN, SERIALNUMBER or POSTALCODE"
    )]
    Attribute,
    #[error("the identity has {attribute} twice")]
    Twice { attribute: &'static str },
    #[error("the identity has no {attribute}; C, ST and O are required")]
    Lacks { attribute: &'static str },
    #[error("two identities overlap: one of them accepts every subject that the other accepts")]
    Overlap,
}
