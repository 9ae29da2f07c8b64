//! Signs one image and, with `--recursive`, the manifests that it lists.

use std::sync::Arc;

use super::report::Report;
use pullgate_core::digest::Digest;
use pullgate_core::reference::{Reference, Repository};
use pullgate_keys::SigningKey;
use pullgate_registry::{Credentials, ImageRefs, Registry, RegistryError, Stored, Target, parse_refs};
use pullgate_sign::{
    self as sign, Annotations, Layout, NotationOptions, SignError, SignRequest, TimestampAuthority,
};

/// The limit for the manifests of one index. Real ones list a few dozen.
const MAX_CHILDREN: usize = 256;

/// What the signing of all images shares.
pub(super) struct Work {
    pub(super) registry: Registry,
    pub(super) credentials: Credentials,
    pub(super) key: Arc<SigningKey>,
    pub(super) layout: Layout,
    pub(super) notation: Option<NotationOptions>,
    pub(super) timestamps: Option<Arc<TimestampAuthority>>,
    pub(super) annotations: Annotations,
    pub(super) recursive: bool,
    pub(super) dry_run: bool,
}

impl Work {
    /// Signs the image that `image` resolves to.
    pub(super) async fn sign_image(self: Arc<Self>, image: String) -> Vec<Report> {
        let reference = match Reference::parse(&image) {
            Ok(reference) => reference,
            Err(error) => return vec![Report::invalid(&image, &error)],
        };
        let repository = reference.repository();
        let stored = match self.resolve(&reference).await {
            Ok(stored) => stored,
            Err(error) => return vec![Report::failed(&image, reference.digest(), &error)],
        };
        let digest = &stored.digest;
        let mut reports = Vec::new();
        if self.recursive {
            match children(&stored) {
                Ok(children) => {
                    for (child, is_index) in children {
                        let report = if is_index {
                            // The gate refuses an index in an index.
                            Report::failed(&image, Some(&child), &SignError::Nested)
                        } else {
                            self.sign_digest(&image, repository, &child).await
                        };
                        reports.push(report.listed_by(digest));
                    }
                }
                Err(error) => return vec![Report::failed(&image, Some(digest), &error)],
            }
        }
        // The index last: when it is signed, all manifests that it lists have been tried.
        reports.push(self.sign_digest(&image, repository, digest).await);
        reports
    }

    /// Fetches and hashes the manifest from the registry that signatures are written to.
    async fn resolve(&self, reference: &Reference) -> Result<Stored, SignError> {
        let target = match reference.digest() {
            Some(digest) => Target::Digest(digest),
            None => Target::Tag(reference.tag().unwrap_or("latest")),
        };
        let found = self
            .registry
            .writer(reference.repository(), &self.credentials)
            .get_manifest_optional(target)
            .await?;
        let missing = || RegistryError::NotFound {
            host: reference.repository().domain().to_owned(),
            what: format!("manifest {target}"),
        };
        Ok(found.ok_or_else(missing)?)
    }

    async fn sign_digest(&self, image: &str, repository: &Repository, digest: &Digest) -> Report {
        let order = SignRequest {
            repository,
            digest,
            layout: self.layout,
            annotations: &self.annotations,
            credentials: &self.credentials,
            recheck_delay: sign::RECHECK_DELAY,
            notation: self.notation.as_ref(),
            timestamps: self.timestamps.as_deref(),
        };
        let result = if self.dry_run {
            let missing = sign::missing(&self.registry, &order, self.key.public()).await;
            missing.map(|missing| Report::dry_run(image, digest, &missing))
        } else {
            let signed = sign::sign(&self.registry, &order, &self.key).await;
            signed.map(|signed| Report::signed(image, digest, &signed))
        };
        result.unwrap_or_else(|error| Report::failed(image, Some(digest), &error))
    }
}

/// The distinct manifests of an index, each with whether it is an index itself. Empty for an image.
fn children(stored: &Stored) -> Result<Vec<(Digest, bool)>, SignError> {
    let ImageRefs::Index(listed) = parse_refs(&stored.bytes, &stored.media_type)? else {
        return Ok(Vec::new());
    };
    if listed.len() > MAX_CHILDREN {
        return Err(SignError::Children { found: listed.len(), limit: MAX_CHILDREN });
    }
    let mut children: Vec<_> = listed
        .into_iter()
        .map(|listed| {
            let is_index = listed.is_index();
            (listed.digest, is_index)
        })
        .collect();
    children.sort();
    children.dedup_by(|one, other| one.0 == other.0);
    Ok(children)
}
