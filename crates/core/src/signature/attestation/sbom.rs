//! Software bills of materials: SPDX 2 and CycloneDX.
//!
//! Sources: in-toto/attestation `spec/predicates/{spdx,cyclonedx}.md`; sigstore/cosign `pkg/cosign/attestation`, which puts the
//! text of SPDX's tag-value format into a string.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::fields::{Fields, array, object};
use super::Unmet;

/// A bill of materials in one of these formats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sbom {
    formats: BTreeSet<SbomFormat>,
}

/// A format of bills of materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SbomFormat {
    /// SPDX 2, as JSON or as text.
    Spdx,
    /// CycloneDX, as JSON.
    CycloneDx,
}

impl SbomFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Spdx, Self::CycloneDx];

    /// The word in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
        }
    }

    fn predicate_type(self) -> &'static str {
        match self {
            Self::Spdx => "https://spdx.dev/Document",
            Self::CycloneDx => "https://cyclonedx.org/bom",
        }
    }

    /// Where the time of the document is.
    pub(super) fn time(self) -> &'static str {
        match self {
            Self::Spdx => "/creationInfo/created",
            Self::CycloneDx => "/metadata/timestamp",
        }
    }
}

impl Sbom {
    pub(super) const PATHS: &[&str] = &[
        "predicate/spdxVersion",
        "predicate/creationInfo/created",
        "predicate/packages/*/name",
        "predicate/bomFormat",
        "predicate/metadata/timestamp",
        "predicate/metadata/component/name",
        "predicate/components/*/name",
    ];

    /// One of `formats`.
    #[must_use]
    pub fn new(formats: BTreeSet<SbomFormat>) -> Self {
        Self { formats }
    }

    pub(super) fn entries(&self) -> Vec<String> {
        self.formats.iter().map(|format| format.name().to_owned()).collect()
    }

    /// The format of a predicate type, with or without a version (`https://spdx.dev/Document/v2.3`).
    pub(super) fn format_of(&self, predicate_type: &str) -> Option<SbomFormat> {
        let is = |format: &SbomFormat| {
            let rest = predicate_type.strip_prefix(format.predicate_type());
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix("/v").is_some_and(is_version))
        };
        self.formats.iter().copied().find(is)
    }

    /// Checks that the predicate is a bill of materials, and names something.
    pub(super) fn check(&self, predicate_type: &str, predicate: Value) -> Result<(), Unmet> {
        match (self.format_of(predicate_type), predicate) {
            (Some(SbomFormat::Spdx), Value::String(text)) => check_text(&text),
            (Some(SbomFormat::Spdx), predicate) => check_spdx(object(predicate, "predicate")?),
            (Some(SbomFormat::CycloneDx), predicate) => check_cyclonedx(object(predicate, "predicate")?),
            (None, _) => Err(Unmet::Unreadable("predicate is not a bill of materials")),
        }
    }
}

fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn check_text(text: &str) -> Result<(), Unmet> {
    let has = |tag: &str| {
        text.lines().any(|line| line.strip_prefix(tag).is_some_and(|value| !value.trim().is_empty()))
    };
    match (has("SPDXVersion: SPDX-2."), has("PackageName:")) {
        (true, true) => Ok(()),
        (false, _) => Err(Unmet::Unreadable("predicate is not an SPDX document of version 2")),
        (true, false) => Err(NO_PACKAGE),
    }
}

const NO_PACKAGE: Unmet = Unmet::Unreadable("bill of materials names no package");

fn check_spdx(mut document: Fields) -> Result<(), Unmet> {
    if !document.string("spdxVersion")?.starts_with("SPDX-2.") {
        return Err(Unmet::Unreadable("predicate is not an SPDX document of version 2"));
    }
    if document.array("packages")?.iter().any(has_name) { Ok(()) } else { Err(NO_PACKAGE) }
}

/// A component of its own is enough: an image of one static program has nothing else.
fn check_cyclonedx(mut document: Fields) -> Result<(), Unmet> {
    if document.string("bomFormat")? != "CycloneDX" {
        return Err(Unmet::Unreadable("predicate is not a CycloneDX document"));
    }
    let components = document.optional("components").map(|list| array(list, "components")).transpose()?;
    if components.is_some_and(|components| components.iter().any(has_name)) {
        return Ok(());
    }
    let metadata = document.optional("metadata").map(|value| object(value, "metadata")).transpose()?;
    match metadata.and_then(|mut metadata| metadata.optional("component")) {
        Some(component) if has_name(&component) => Ok(()),
        _ => Err(NO_PACKAGE),
    }
}

/// Whether a package or component is an object with a name.
fn has_name(package: &Value) -> bool {
    package.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
}
