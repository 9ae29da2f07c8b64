//! One image: what its name leads to, and a signature for it and, if wanted, for what it lists.

use std::sync::Arc;

use super::report::Report;
use crate::digest::Digest;
use crate::keys::Opened;
use crate::reference::{Reference, Repository};
use crate::registry::{Contents, Credentials, Registry, RegistryError, Stored, Target, contents};
use crate::sign::{self, Annotations, Layout, Order, SignError};

/// Images of one index that are signed; real ones list a few dozen.
const MAX_CHILDREN: usize = 256;

/// What all images share.
pub(super) struct Work {
    pub(super) registry: Registry,
    pub(super) credentials: Credentials,
    pub(super) key: Opened,
    pub(super) layout: Layout,
    pub(super) annotations: Annotations,
    pub(super) recursive: bool,
    pub(super) dry_run: bool,
}

impl Work {
    /// Signs what `image` leads to.
    pub(super) async fn image(self: Arc<Self>, image: String) -> Vec<Report> {
        let reference = match Reference::parse(&image) {
            Ok(reference) => reference,
            Err(error) => return vec![Report::unusable(&image, &error)],
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
                            // No node runs an image through two indexes: the gate refuses it.
                            Report::failed(&image, Some(&child), &SignError::Nested)
                        } else {
                            self.digest(&image, repository, &child).await
                        };
                        reports.push(report.listed_by(digest));
                    }
                }
                Err(error) => return vec![Report::failed(&image, Some(digest), &error)],
            }
        }
        // The index last: where it is signed, all that it lists was tried.
        reports.push(self.digest(&image, repository, digest).await);
        reports
    }

    /// The bytes behind a name at the registry that is written to, hashed.
    async fn resolve(&self, reference: &Reference) -> Result<Stored, SignError> {
        let target = match reference.digest() {
            Some(digest) => Target::Digest(digest),
            None => Target::Tag(reference.tag().unwrap_or("latest")),
        };
        let found =
            self.registry.get_manifest_optional(reference.repository(), target, &self.credentials).await?;
        let missing = || RegistryError::NotFound {
            host: reference.repository().domain().to_owned(),
            what: format!("manifest {target}"),
        };
        Ok(found.ok_or_else(missing)?)
    }

    async fn digest(&self, image: &str, repository: &Repository, digest: &Digest) -> Report {
        let order = Order {
            repository,
            digest,
            layout: self.layout,
            annotations: &self.annotations,
            credentials: &self.credentials,
            settle: sign::SETTLE,
        };
        let done = if self.dry_run {
            let missing = sign::missing(&self.registry, &order, self.key.public()).await;
            missing.map(|missing| Report::looked(image, digest, &missing))
        } else {
            let signed = sign::sign(&self.registry, &order, &*self.key).await;
            signed.map(|signed| Report::signed(image, digest, &signed))
        };
        done.unwrap_or_else(|error| Report::failed(image, Some(digest), &error))
    }
}

/// What an index lists, each once, and whether it is an index itself; nothing for an image.
fn children(stored: &Stored) -> Result<Vec<(Digest, bool)>, SignError> {
    let Contents::Index(listed) = contents(&stored.bytes, &stored.media_type)? else {
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
