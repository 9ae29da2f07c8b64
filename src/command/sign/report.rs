//! What became of one digest, as it is shown.

use serde::Serialize;

use super::super::Outcome;
use crate::digest::Digest;
use crate::registry::RegistryError;
use crate::sign::{Layout, SignError, Signed};

/// What became of one digest, or of a name that led to none.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The image as it was named.
    pub(super) image: String,
    /// The index that lists it.
    pub(super) index: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) result: Verdict,
    pub(super) signatures: Vec<Place>,
    pub(super) error: Option<String>,
    pub(super) advice: Option<&'static str>,
    #[serde(skip)]
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Signed,
    SignedAlready,
    WouldSign,
    Failed,
}

/// Where a signature is, or would be.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    layout: &'static str,
    tag: Option<String>,
    manifest: Option<String>,
    added: bool,
}

impl Report {
    fn of(image: &str, digest: Option<&Digest>, result: Verdict) -> Self {
        Self {
            image: image.to_owned(),
            index: None,
            digest: digest.map(ToString::to_string),
            result,
            signatures: Vec::new(),
            error: None,
            advice: None,
            outcome: Outcome::Fine,
        }
    }

    pub(super) fn signed(image: &str, digest: &Digest, signed: &Signed) -> Self {
        let result = if signed.is_new() { Verdict::Signed } else { Verdict::SignedAlready };
        let places = signed.attached.iter().map(|attached| Place {
            layout: attached.layout.name(),
            tag: attached.tag.clone(),
            manifest: Some(attached.manifest.to_string()),
            added: attached.added,
        });
        Self { signatures: places.collect(), ..Self::of(image, Some(digest), result) }
    }

    /// Nothing was done; `missing` is what would be.
    pub(super) fn looked(image: &str, digest: &Digest, missing: &[Layout]) -> Self {
        let result = if missing.is_empty() { Verdict::SignedAlready } else { Verdict::WouldSign };
        let places = missing.iter().map(|layout| Place {
            layout: layout.name(),
            tag: None,
            manifest: None,
            added: false,
        });
        Self { signatures: places.collect(), ..Self::of(image, Some(digest), result) }
    }

    pub(super) fn failed(image: &str, digest: Option<&Digest>, error: &SignError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(current) = cause {
            text = format!("{text}: {current}");
            cause = current.source();
        }
        let outcome = if error.is_passing() { Outcome::Unknown } else { Outcome::Refused };
        let advice = error.advice();
        Self { error: Some(text), advice, outcome, ..Self::of(image, digest, Verdict::Failed) }
    }

    pub(super) fn not_listed(name: &str, error: RegistryError) -> Self {
        Self::failed(name, None, &SignError::Registry(error))
    }

    /// A line of input that is no image.
    pub(super) fn unusable(image: &str, error: &dyn std::error::Error) -> Self {
        let error = Some(error.to_string());
        Self { error, outcome: Outcome::Usage, ..Self::of(image, None, Verdict::Failed) }
    }

    /// A name that nothing was found by.
    pub(super) fn nothing(name: &str, error: &str) -> Self {
        Self {
            error: Some(error.to_owned()),
            outcome: Outcome::Refused,
            ..Self::of(name, None, Verdict::Failed)
        }
    }

    pub(super) fn listed_by(mut self, index: &Digest) -> Self {
        self.index = Some(index.to_string());
        self
    }

    pub(super) fn text(&self) -> String {
        let what = match self.result {
            Verdict::Signed => "signed",
            Verdict::SignedAlready => "signed already",
            Verdict::WouldSign => "would sign",
            Verdict::Failed => "not signed",
        };
        let mut line = format!("{what}: {}", self.image.escape_debug());
        for digest in [&self.index, &self.digest].into_iter().flatten() {
            // A name by digest says it already.
            if !self.image.ends_with(digest.as_str()) {
                line.push_str(&format!(" → {digest}"));
            }
        }
        let layouts: Vec<&str> = self.signatures.iter().map(|place| place.layout).collect();
        if !layouts.is_empty() {
            line.push_str(&format!(" ({})", layouts.join(", ")));
        }
        if let Some(error) = &self.error {
            line.push_str(&format!("\n  because {error}"));
        }
        if let Some(advice) = self.advice {
            line.push_str(&format!("\n  help: {advice}"));
        }
        line
    }
}
