//! The result for one digest, in the form that is printed.

use serde::Serialize;

use pullgate_cli::Outcome;
use pullgate_cli::terminal::{Page, Span};
use pullgate_core::digest::Digest;
use pullgate_core::untrusted::image_name;
use pullgate_registry::RegistryError;
use pullgate_sign::{Layout, SignError, Signed};

/// The longest part of an invalid image name that is shown, in bytes.
const MAX_IMAGE_BYTES: usize = 512;

/// The next thing to do, or a result that needs no work.
pub(super) enum Item {
    Image(String),
    Failed(Report),
}

/// The result for one digest, or for a name that could not be resolved.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The image, as the user named it.
    pub(super) image: String,
    /// The index that lists it.
    pub(super) index: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) result: SignResult,
    pub(super) signatures: Vec<Place>,
    pub(super) error: Option<String>,
    pub(super) advice: Option<&'static str>,
    #[serde(skip)]
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SignResult {
    Signed,
    AlreadySigned,
    WouldSign,
    Failed,
}

/// The place of a signature, or where it would be.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    layout: &'static str,
    tag: Option<String>,
    manifest: Option<String>,
    added: bool,
}

impl Report {
    fn of(image: &str, digest: Option<&Digest>, result: SignResult) -> Self {
        Self {
            image: image.to_owned(),
            index: None,
            digest: digest.map(ToString::to_string),
            result,
            signatures: Vec::new(),
            error: None,
            advice: None,
            outcome: Outcome::Success,
        }
    }

    pub(super) fn signed(image: &str, digest: &Digest, signed: &Signed) -> Self {
        let result = if signed.is_new() { SignResult::Signed } else { SignResult::AlreadySigned };
        let places = signed.attached.iter().map(|attached| Place {
            layout: attached.layout.name(),
            tag: attached.tag.clone(),
            manifest: Some(attached.manifest.to_string()),
            added: attached.added,
        });
        Self { signatures: places.collect(), ..Self::of(image, Some(digest), result) }
    }

    /// The result of a dry run: `missing` are the layouts that would be signed.
    pub(super) fn dry_run(image: &str, digest: &Digest, missing: &[Layout]) -> Self {
        let result = if missing.is_empty() { SignResult::AlreadySigned } else { SignResult::WouldSign };
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
        let outcome = if error.is_transient() { Outcome::Undetermined } else { Outcome::Refused };
        let advice = error.advice();
        Self { error: Some(text), advice, outcome, ..Self::of(image, digest, SignResult::Failed) }
    }

    pub(super) fn not_listed(name: &str, error: RegistryError) -> Self {
        Self::failed(name, None, &SignError::Registry(error))
    }

    /// An input that is not an image reference.
    pub(super) fn invalid(image: &str, error: &dyn std::error::Error) -> Self {
        let error = Some(error.to_string());
        // Perhaps it has a password.
        let image = image_name(image, MAX_IMAGE_BYTES);
        Self { error, outcome: Outcome::Usage, ..Self::of(&image, None, SignResult::Failed) }
    }

    /// A name without an image.
    pub(super) fn not_found(name: &str, error: &str) -> Self {
        Self {
            error: Some(error.to_owned()),
            outcome: Outcome::Refused,
            ..Self::of(name, None, SignResult::Failed)
        }
    }

    pub(super) fn listed_by(mut self, index: &Digest) -> Self {
        self.index = Some(index.to_string());
        self
    }

    /// One line for the image. Its digests are whole: they are what was signed, and what deployments pin.
    pub(super) fn page(&self) -> Page {
        let result = match self.result {
            SignResult::Signed => Span::good("signed"),
            SignResult::AlreadySigned => Span::plain("already signed"),
            SignResult::WouldSign => Span::plain("would sign"),
            SignResult::Failed => Span::bad("failed"),
        };
        let mut image = format!(": {}", self.image);
        for digest in [&self.index, &self.digest].into_iter().flatten() {
            // A reference by digest shows it already.
            if !self.image.ends_with(digest.as_str()) {
                image.push_str(&format!(" → {digest}"));
            }
        }
        let layouts: Vec<&str> = self.signatures.iter().map(|place| place.layout).collect();
        if !layouts.is_empty() {
            image.push_str(&format!(" ({})", layouts.join(", ")));
        }
        let mut page = Page::new();
        page.line([result, Span::plain(&image).whole()]);
        if let Some(error) = &self.error {
            page.line([Span::plain(&format!("  because {error}")).whole()]);
        }
        if let Some(advice) = self.advice {
            page.line([Span::plain(&format!("  help: {advice}"))]);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_invalid_name_is_not_shown() {
        let report = Report::invalid("user:hunter2@r.io/a", &std::io::Error::other("not valid"));
        assert_eq!(report.image, "***@r.io/a");
    }
}
