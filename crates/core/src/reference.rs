//! Image names, parsed exactly as containerd parses them.
//!
//! A port of `ParseDockerRef` of github.com/distribution/reference v0.6.0 (`normalize.go`, `reference.go`, `regexp.go`),
//! which containerd 2.x calls on the name in a pull; containerd 1.6 and 1.7 carry an older copy that accepts less.
//! If a name were parsed differently here, it would be checked by one rule and pulled from another place. So where this
//! port differs, it refuses:
//!
//! - names longer than [`MAX_INPUT`] bytes;
//! - `sha256:` or `sha512:` with as many hexadecimal digits as a digest has, which is an image id and which upstream
//!   reads as a tag of `docker.io/library/sha256`;
//! - digests of other algorithms than sha256 and sha512 (upstream knows sha384 too; no registry serves it).
//!
//! One result has another form: for a first element that is a host but not valid in upstream's grammar
//! (`my_host.example/app`), upstream returns an empty domain and the path `my_host.example/app`. containerd then splits
//! the same text again and asks the host `my_host.example` for `app`. This port returns that host and path.
//!
//! A name keeps the host that it was written with, as upstream: only `index.docker.io` and a missing host become
//! `docker.io`. `registry.example.com:443`, `Registry.example.com` and `registry-1.docker.io` are other names to
//! containerd, which records an image under each, but not other registries: rules and signatures are compared by
//! [`Repository::canonical`].

use std::borrow::Cow;
use std::fmt;

use crate::digest::{Digest, DigestError};

mod grammar;
mod host;

pub use host::{DEFAULT_PORT, DOCKER_HUB_ALIASES, canonical_host, split_port};

/// The longest text that is parsed, in bytes. The longest valid name is shorter, but upstream does not limit the host.
pub const MAX_INPUT: usize = 4096;

/// The longest path of a repository, in bytes: `RepositoryNameTotalLengthMax` upstream.
pub const MAX_PATH: usize = 255;

/// The host of a name that has no host.
pub const DEFAULT_DOMAIN: &str = "docker.io";

/// The old name of [`DEFAULT_DOMAIN`]; replaced by it when a name is parsed.
pub const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";

/// A repository: the host of a registry and a path; neither is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// `domain/path`.
    name: String,
    /// Length of the host in `name`, in bytes.
    domain: usize,
}

impl Repository {
    /// Parses the name of a repository, normalised like an image name: `nginx` is `docker.io/library/nginx`.
    ///
    /// # Errors
    /// When `text` is not a repository name, or has a tag or a digest.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (repository, tag, digest) = parse_normalized(text)?;
        if tag.is_some() || digest.is_some() {
            return Err(ReferenceError::NotOnlyName);
        }
        Ok(repository)
    }

    /// The host, with its port if one was written: `docker.io`, `localhost:5000`, `[::1]:5000`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.name.get(..self.domain).unwrap_or_default()
    }

    /// The path of the repository at its host: `library/nginx`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.name.get(self.domain + 1..).unwrap_or_default()
    }

    /// Host and path, `docker.io/library/nginx`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The host in the form in which rules and signatures are compared, see [`canonical_host`].
    #[must_use]
    pub fn canonical_domain(&self) -> Cow<'_, str> {
        canonical_host(self.domain())
    }

    /// The whole name with its host as in [`Self::canonical_domain`]: equal names are the same repository.
    ///
    /// The path is what containerd asks the host for, so that of `registry-1.docker.io/nginx` and `DOCKER.IO/nginx` is
    /// `nginx`, which is not `docker.io/library/nginx`.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, str> {
        match self.canonical_domain() {
            Cow::Borrowed(_) => Cow::Borrowed(&self.name),
            Cow::Owned(domain) => Cow::Owned(format!("{domain}/{}", self.path())),
        }
    }

    /// Parses a name that has a host and neither tag nor digest, as a signature contains it. Docker Hub's repositories
    /// may be written with or without `library/`, and with cosign's `index.docker.io`.
    #[must_use]
    pub fn with_host(text: &str) -> Option<Self> {
        let (host, _) = text.split_once('/')?;
        names_domain(host).then(|| Self::parse(text).ok()).flatten()
    }

    fn new(domain: &str, path: &str) -> Self {
        Self { name: format!("{domain}/{path}"), domain: domain.len() }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An image name: a repository with a tag or a digest, never both.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    version: Version,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Version {
    Tag(String),
    Digest(Digest),
}

impl Reference {
    /// Parses an image name as `ParseDockerRef` does: a tag beside a digest is dropped, and a name with neither gets
    /// the tag `latest`.
    ///
    /// # Errors
    /// When containerd refuses the name, and in the few more cases that the module lists.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (repository, tag, digest) = parse_normalized(text)?;
        let version = match (digest, tag) {
            (Some(digest), _) => Version::Digest(digest),
            (None, tag) => Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()),
        };
        Ok(Self { repository, version })
    }

    /// The image with `tag` in `repository`.
    ///
    /// # Errors
    /// When the tag is not `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
    pub fn tagged(repository: &Repository, tag: &str) -> Result<Self, ReferenceError> {
        if !grammar::is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self { repository: repository.clone(), version: Version::Tag(tag.to_owned()) })
    }

    /// The repository, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, unless there is a digest.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest(_) => None,
        }
    }

    /// The digest, if the name has one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest(digest) => Some(digest),
        }
    }

    /// The same repository at `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self { repository: self.repository.clone(), version: Version::Digest(digest.clone()) }
    }
}

/// The canonical name, under which containerd records the image.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe the variants")]
pub enum ReferenceError {
    #[error("image name is empty")]
    Empty,
    #[error("image name is longer than {MAX_INPUT} bytes")]
    TooLong,
    /// The text is 64 hexadecimal digits, or such an id after its algorithm.
    #[error("image name is an image id, not the name of a repository")]
    Identifier,
    /// The part before the first slash is a host, but not a valid one.
    #[error("registry host in the image name is not valid")]
    Domain,
    #[error("repository in the image name is not valid")]
    Path,
    #[error("repository in the image name must be lower case")]
    UpperCase,
    #[error("repository in the image name is longer than {MAX_PATH} bytes")]
    PathTooLong,
    #[error("tag in the image name is not valid")]
    Tag,
    /// The algorithm of the digest is not supported, or the digest is malformed.
    #[error("digest in the image name is not valid")]
    Digest(#[source] DigestError),
    /// A repository was expected, but a tag or a digest follows it.
    #[error("repository name has a tag or a digest")]
    NotOnlyName,
}

/// `ParseNormalizedNamed`: the repository, and the tag and the digest if the name has them.
fn parse_normalized(text: &str) -> Result<(Repository, Option<&str>, Option<Digest>), ReferenceError> {
    if text.is_empty() {
        return Err(ReferenceError::Empty);
    }
    if text.len() > MAX_INPUT {
        return Err(ReferenceError::TooLong);
    }
    if grammar::is_identifier(text) || Digest::parse(text).is_ok() {
        return Err(ReferenceError::Identifier);
    }
    let (domain, remainder) = split_docker_domain(text);
    // A path contains neither `@` nor `:`, and a tag no `@`, so the first of each is the separator.
    let (remainder, digest) = split(remainder, '@');
    let (path, tag) = split(remainder, ':');

    check_name(domain, path)?;
    let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
        Cow::Owned(format!("{OFFICIAL_PREFIX}{path}"))
    } else {
        Cow::Borrowed(path)
    };
    if path.len() > MAX_PATH {
        return Err(ReferenceError::PathTooLong);
    }
    if tag.is_some_and(|tag| !grammar::is_tag(tag)) {
        return Err(ReferenceError::Tag);
    }
    let digest = digest.map(Digest::parse).transpose().map_err(ReferenceError::Digest)?;
    Ok((Repository::new(domain, &path), tag, digest))
}

/// `splitDockerDomain`, without the `library/`, which is added after the path is known.
fn split_docker_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if names_domain(first) => {
            (if first == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { first }, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    }
}

/// Whether the element before the first slash is a host rather than the first element of a path.
pub fn names_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

/// Whether `text` can be a host: a domain in upstream's grammar, or what upstream parses as a path and containerd uses
/// as a host.
pub fn is_domain(text: &str) -> bool {
    grammar::is_domain(text) || (grammar::is_path_component(text) && text.len() <= MAX_PATH)
}

/// Whether `text` can be one element of a path.
pub fn is_path_component(text: &str) -> bool {
    grammar::is_path_component(text)
}

/// Whether `text` may be a tag.
pub fn is_tag(text: &str) -> bool {
    grammar::is_tag(text)
}

fn check_name(domain: &str, path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase);
    }
    if !path.split('/').all(grammar::is_path_component) {
        return Err(ReferenceError::Path);
    }
    if grammar::is_domain(domain) {
        return Ok(());
    }
    // Upstream parses the whole text as a path here, and applies the length limit of a path.
    if !grammar::is_path_component(domain) {
        return Err(ReferenceError::Domain);
    }
    if domain.len() + 1 + path.len() > MAX_PATH {
        return Err(ReferenceError::PathTooLong);
    }
    Ok(())
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

#[cfg(test)]
mod tests;
