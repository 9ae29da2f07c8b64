//! Signatures in a directory of this node, for nodes that cannot reach the signatures' registry.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bytes::Bytes;

use super::super::limits::Limits;
use super::budget::Budget;
use super::envelopes::MAX_GRAFEAS;
use super::{Attachment, Bound, Collected, Digest, RegistryError};
use pullgate_core::reference::Repository;

/// Bytes of a signature in base64; the longest that is supported is RSA with 4096 bits.
const SIGNATURE: u64 = 4 << 10;

/// The end of the name of a bundle.
const BUNDLE: &str = ".bundle.json";
/// The end of the name of an attestation of Binary Authorization or kritis.
const GRAFEAS: &str = ".attestation.json";

/// All signatures of `digest` below `root`, sorted by file name. Blocks: call it on a blocking thread.
pub(super) fn collect(root: &Path, repository: &Repository, digest: &Digest, limits: &Limits) -> Collected {
    let mut collected = Collected::default();
    let name = format!("{}-{}", digest.algorithm().name(), digest.hex());
    let directory = root.join(repository.domain()).join(repository.path()).join(name);
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return collected,
        Err(error) => {
            collected.problem(directory.display().to_string(), unreadable(&error));
            return collected;
        }
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_signature(name))
        .take(limits.signatures.saturating_add(1))
        .collect();
    names.sort();
    let budget = Budget::new(limits);
    for (number, name) in names.iter().enumerate() {
        let path = directory.join(name);
        let place = format!("file {}", path.display());
        if number >= limits.signatures {
            let limit = limits.signatures;
            let error = RegistryError::TooMany { bound: Bound::Signatures, what: "signatures", limit };
            collected.problem(place, error);
            break;
        }
        match read_one(&path, name, &place, &budget, limits) {
            Ok(attachment) => collected.attachments.push(attachment),
            Err(error) => collected.problem(place, error),
        }
    }
    collected
}

fn read_one(
    path: &Path,
    name: &str,
    place: &str,
    budget: &Budget,
    limits: &Limits,
) -> Result<Attachment, RegistryError> {
    let place = place.to_owned();
    let Some(stem) = name.strip_suffix(".payload") else {
        let limit = match name.ends_with(GRAFEAS) {
            true => limits.signature_max_size.min(MAX_GRAFEAS),
            false => limits.signature_max_size,
        };
        let document = read(path, limit, Bound::Signature)?;
        budget.take(u64::try_from(document.len()).unwrap_or(u64::MAX))?;
        return Ok(if name.ends_with(BUNDLE) {
            Attachment::Bundle { place, document }
        } else if name.ends_with(GRAFEAS) {
            Attachment::Grafeas { place, document }
        } else {
            Attachment::Notation { place, document }
        });
    };
    let payload = read(path, limits.payload(), Bound::Signature)?;
    budget.take(u64::try_from(payload.len()).unwrap_or(u64::MAX))?;
    let signature = read(&path.with_file_name(format!("{stem}.sig")), SIGNATURE, Bound::Signature)?;
    let signature = String::from_utf8_lossy(&signature).trim_end_matches('\n').to_owned();
    Ok(Attachment::SimpleSigning { place, payload, signature, certificate: None })
}

fn is_signature(name: &str) -> bool {
    [".payload", BUNDLE, GRAFEAS, ".jws", ".cose"].into_iter().any(|end| name.ends_with(end))
}

pub(super) fn read(path: &Path, limit: u64, bound: Bound) -> Result<Bytes, RegistryError> {
    let what = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Without O_NONBLOCK, opening a named pipe would block the pull.
    let file = File::options()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|error| unreadable(&error))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(RegistryError::Malformed { what, reason: "it is not a regular file".to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(RegistryError::TooLarge { bound, what, limit });
    }
    Ok(bytes.into())
}

/// What cannot be read may be a signature: this is never "not found".
fn unreadable(error: &std::io::Error) -> RegistryError {
    RegistryError::Configuration {
        host: "(this node)".to_owned(),
        reason: format!("the directory of signatures cannot be read: {}", error.kind()),
    }
}
