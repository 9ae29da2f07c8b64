//! The files that are pushed.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::push::PushError;
use pullgate::config::{self, KnownKeys, MAX_POLICY_BYTES};
use pullgate_config::file::Guard;
use pullgate_core::followed::{Document, FilePath, MAX_DOCUMENT_BYTES};
use pullgate_core::policy::Policy;
use pullgate_core::trust::ROOT_NOTICE;

/// The files of the policy in `root`, which is loaded as nodes load theirs.
pub(super) fn of_policy(root: &Path) -> Result<(BTreeMap<FilePath, Vec<u8>>, Policy), PushError> {
    let survey = config::survey_policy(root, &known(root), jiff::Timestamp::now(), ROOT_NOTICE);
    let loaded = survey.loaded.map_err(PushError::Policy)?;
    let mut files = BTreeMap::new();
    let limit = u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX);
    for path in &loaded.files {
        let name = within(root, path).ok_or_else(|| PushError::Outside { path: path.clone() })?;
        let read = Guard::of_process().read_bytes(root, path, limit);
        let bytes = read.map_err(|cause| PushError::Unreadable { path: path.clone(), cause })?;
        files.insert(name, bytes);
    }
    Ok((files, loaded.policy))
}

/// Checks that a node can load the document.
pub(super) fn check(document: &Document, root: &Path) -> Result<(), PushError> {
    let survey = config::survey_document(document, &known(root), jiff::Timestamp::now(), ROOT_NOTICE);
    survey.loaded.map(drop).map_err(PushError::Policy)
}

/// The text of a deny list.
pub(super) fn of_deny_list(path: &Path) -> Result<Vec<u8>, PushError> {
    let text = Guard::read_any(path, MAX_POLICY_BYTES);
    let text = text.map_err(|cause| PushError::Unreadable { path: path.to_owned(), cause })?;
    config::deny_list_of(&path.display().to_string(), &text).map_err(PushError::Policy)?;
    Ok(text.into_bytes())
}

/// The public keys that were fetched, by the configuration beside the policy.
fn known(root: &Path) -> KnownKeys {
    let config = config::load_daemon(&root.join(config::DAEMON_FILE)).unwrap_or_default();
    KnownKeys { cache: config.keys.cache(), ..KnownKeys::default() }
}

/// The name of a file below `root`.
fn within(root: &Path, path: &Path) -> Option<FilePath> {
    let path = path.strip_prefix(root).ok()?;
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    FilePath::parse(plain.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_directory_have_a_name() {
        for (path, expected) in [
            ("/etc/pullgate/policy.toml", Some("policy.toml")),
            ("/etc/pullgate/policy.d/../keys/a.pem", Some("keys/a.pem")),
            ("/etc/pullgate/policy.d/../../a.pem", None),
            ("/etc/other/a.pem", None),
            ("/etc/pullgate/.hidden", None),
        ] {
            let found = within(Path::new("/etc/pullgate"), Path::new(path));
            assert_eq!(found.as_ref().map(FilePath::as_str), expected, "{path}");
        }
    }
}
