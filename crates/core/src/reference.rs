//! Image names, exactly as containerd reads them.
//!
//! A port of `ParseDockerRef` of github.com/distribution/reference v0.6.0 (`normalize.go`, `reference.go`, `regexp.go`),
//! which containerd 2.x calls on the name in a pull; containerd 1.6 and 1.7 carry an older copy that accepts less.
//! A name that is read differently here than there would be judged by one rule and pulled from another place, so
//! where this port differs, it refuses:
//!
//! - names longer than [`MAX_INPUT`] bytes;
//! - `sha256:` or `sha512:` with as many hexadecimal digits as a digest has, which is an image id and which
//!   upstream would read as a tag of `docker.io/library/sha256`;
//! - digests of other algorithms than sha256 and sha512 (upstream knows sha384 too; no registry serves it).
//!
//! One answer is only spelled differently: a first element that names a host but is not a host name in upstream's grammar
//! (`my_host.example/app`) has there the empty domain and a path of `my_host.example/app`, whereupon containerd
//! splits the same text once more and asks the host `my_host.example` for `app`. That is what is returned here.
//!
//! `docker.io`, `index.docker.io` and no host at all are one registry. `registry-1.docker.io`, the name of the machine
//! that serves it, is not: containerd records such an image under another name, and it is another repository here.
//! Hosts keep the case in which they were written, as upstream keeps it; see [`Repository::comparable`].

use std::borrow::Cow;
use std::fmt;

use crate::digest::{Digest, DigestError};

mod grammar;

/// The longest text that is looked at, in bytes. The longest valid name is shorter; a host has no limit upstream.
pub const MAX_INPUT: usize = 4096;

/// The longest path of a repository, in bytes: `RepositoryNameTotalLengthMax` upstream.
pub const MAX_PATH: usize = 255;

/// The host that a name without a host belongs to.
pub const DEFAULT_DOMAIN: &str = "docker.io";

/// The old name of [`DEFAULT_DOMAIN`], which is read as the new one.
pub const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";

/// A repository: the host of a registry and a path in it, both always there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// `domain/path`.
    name: String,
    /// Bytes of `name` before the first slash.
    domain: usize,
}

impl Repository {
    /// Reads a repository's name, normalised as image names are: `nginx` is `docker.io/library/nginx`.
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

    /// The name of the repository at its host: `library/nginx`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.name.get(self.domain + 1..).unwrap_or_default()
    }

    /// Host and path, `docker.io/library/nginx`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The host as policies and signatures are compared with it: in lower case, because hosts have no case.
    ///
    /// Nothing else is folded. In particular `DOCKER.IO/nginx` is not `docker.io/library/nginx`: containerd asks the
    /// host as written, for `nginx`.
    #[must_use]
    pub fn comparable_domain(&self) -> Cow<'_, str> {
        lower_case(self.domain())
    }

    /// The whole name with its host as in [`Self::comparable_domain`].
    #[must_use]
    pub fn comparable(&self) -> Cow<'_, str> {
        match self.comparable_domain() {
            Cow::Borrowed(_) => Cow::Borrowed(&self.name),
            Cow::Owned(domain) => Cow::Owned(format!("{domain}/{}", self.path())),
        }
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

/// What a pull names: a repository, and in it a tag or a digest, never both.
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
    /// Reads the name of an image as `ParseDockerRef` does: a tag beside a digest is dropped, and a name with
    /// neither has the tag `latest`.
    ///
    /// # Errors
    /// When containerd would refuse the name, and in the few more cases that the module lists.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let (repository, tag, digest) = parse_normalized(text)?;
        let version = match (digest, tag) {
            (Some(digest), _) => Version::Digest(digest),
            (None, tag) => Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()),
        };
        Ok(Self { repository, version })
    }

    /// The image that `tag` names in `repository`.
    ///
    /// # Errors
    /// When the tag is not `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
    pub fn tagged(repository: &Repository, tag: &str) -> Result<Self, ReferenceError> {
        if !grammar::is_tag(tag) {
            return Err(ReferenceError::Tag);
        }
        Ok(Self { repository: repository.clone(), version: Version::Tag(tag.to_owned()) })
    }

    /// The repository.
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

    /// The digest, if one was written.
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
pub enum ReferenceError {
    /// The text is empty.
    #[error("image name is empty")]
    Empty,
    /// The text is longer than [`MAX_INPUT`].
    #[error("image name is longer than {MAX_INPUT} bytes")]
    TooLong,
    /// The text is 64 hexadecimal digits, or such an id behind its algorithm.
    #[error("image name is an image id, not the name of a repository")]
    Identifier,
    /// The part before the first slash is meant as a host and is not a valid one.
    #[error("registry host in the image name is not valid")]
    Domain,
    /// The path breaks the grammar.
    #[error("repository in the image name is not valid")]
    Path,
    /// The path has upper-case letters.
    #[error("repository in the image name must be lower case")]
    UpperCase,
    /// The path is longer than [`MAX_PATH`].
    #[error("repository in the image name is longer than {MAX_PATH} bytes")]
    PathTooLong,
    /// The tag breaks the grammar.
    #[error("tag in the image name is not valid")]
    Tag,
    /// The digest is not of a supported algorithm.
    #[error("digest in the image name is not valid")]
    Digest(#[source] DigestError),
    /// A repository was asked for and a tag or digest follows it.
    #[error("repository name has a tag or a digest")]
    NotOnlyName,
}

/// `ParseNormalizedNamed`: the repository, and the tag and the digest as far as they were written.
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
    // No path contains `@` or `:`, and no tag contains `@`, so the first of each separates.
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

/// `splitDockerDomain`, without the `library/` that is added when the path is known.
fn split_docker_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if names_domain(first) => {
            (if first == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { first }, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    }
}

/// Whether the element before the first slash is a host rather than the beginning of a path.
pub fn names_domain(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

/// Whether `text` can be a host: what upstream calls a domain, or what it takes for a path and containerd
/// for a host all the same.
pub fn is_domain(text: &str) -> bool {
    grammar::is_domain(text) || (grammar::is_path_component(text) && text.len() <= MAX_PATH)
}

/// Whether `text` can be one segment of a path.
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
    // Upstream tries the whole text as a path now, and measures it as one.
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

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests;
