//! Manifests and indexes in containerd's content store.

use bytes::Bytes;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::{InfoRequest, ReadContentRequest, WriteAction, WriteContentRequest};
use tonic::codegen::tokio_stream::once;
use tonic::{Code, Status};

use super::images::namespaced;
use crate::containerd::Upstream;
use crate::digest::Digest;

/// The `size` bytes with `digest` in containerd's content store; `None` if it does not have them. The caller has reserved
/// the memory for them, and verifies the digest.
///
/// # Errors
/// When containerd has another number of bytes, or does not answer.
pub async fn read(upstream: &Upstream, digest: &Digest, size: u64) -> Result<Option<Bytes>, ContentError> {
    let mut client = ContentClient::new(upstream.clone());
    // Size 0 means to the end.
    let request = ReadContentRequest { digest: digest.to_string(), offset: 0, size: 0 };
    let mut answers = match client.read(namespaced(request)).await {
        Ok(response) => response.into_inner(),
        Err(status) if status.code() == Code::NotFound => return Ok(None),
        Err(status) => return Err(ContentError::Containerd(Box::new(status))),
    };
    let limit = usize::try_from(size).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(part)) if bytes.len().saturating_add(part.data.len()) > limit => {
                return Err(ContentError::Size { expected: size });
            }
            Ok(Some(part)) if part.data.len() == limit => bytes = part.data,
            Ok(Some(part)) => {
                // All at once: a vector that grows would be twice as large.
                bytes.reserve_exact(limit.saturating_sub(bytes.len()));
                bytes.extend_from_slice(&part.data);
            }
            Ok(None) if bytes.len() == limit => return Ok(Some(bytes.into())),
            Ok(None) => return Err(ContentError::Size { expected: size }),
            // NOT_FOUND arrives with the first message.
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(ContentError::Containerd(Box::new(status))),
        }
    }
}

/// Writes `bytes`, which have `digest`, unless containerd has them. containerd hashes them, and rejects any others.
///
/// # Errors
/// When containerd does not answer, or somebody else writes the same bytes.
pub async fn write(upstream: &Upstream, digest: &Digest, bytes: &Bytes) -> Result<(), ContentError> {
    let mut client = ContentClient::new(upstream.clone());
    // Only asked, because a write of what is there is a transaction of containerd's database.
    let info = InfoRequest { digest: digest.to_string() };
    match client.info(namespaced(info)).await {
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(ContentError::Containerd(Box::new(status))),
        Ok(_) => return Ok(()),
    }
    let request = WriteContentRequest {
        // One message begins, writes and commits (containerd `services/content/contentserver`).
        action: WriteAction::Commit.into(),
        // Not the name that containerd's pull writes by (`remotes.MakeRefKey`): it would wait for this write.
        r#ref: format!("pullgate-{digest}"),
        total: i64::try_from(bytes.len()).unwrap_or_default(),
        expected: digest.to_string(),
        data: bytes.to_vec(),
        ..Default::default()
    };
    let written = async {
        let mut answers = client.write(namespaced(once(request))).await?.into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    };
    match written.await {
        // containerd's pull was faster.
        Err(status) if Status::code(&status) == Code::AlreadyExists => Ok(()),
        written => written.map_err(|status| ContentError::Containerd(Box::new(status))),
    }
}

/// Why content cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// A request to the content service failed.
    #[error("containerd's content service failed")]
    Containerd(#[source] Box<Status>),
    /// The size differs from that in the descriptor.
    #[error("containerd does not have {expected} bytes, the size that the descriptor names")]
    Size {
        /// The size in the descriptor.
        expected: u64,
    },
}
