//! Refreshes trusted roots from TUF repositories: `pullgate trust fetch`. The daemon never does; it reads the files.
//!
//! `pullgate_core::tuf` decides what is trusted; this module fetches and stores. A refresh that fails changes no trusted
//! root. What was seen is kept from run to run, so that an older repository is noticed.

mod error;
mod repository;
mod state;

use std::path::Path;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use pullgate_config::file::Guard;
use pullgate_core::tuf::{MAX_METADATA_BYTES, MAX_TIMESTAMP_BYTES, Trusted, TufError};

pub use self::error::TufClientError;
pub use self::repository::TrustRepository;
pub use self::state::{Checked, State};
use crate::service::{Answer, Client, Request, ServiceSettings};
use crate::trust::{MAX_ROOT_BYTES, TrustedRoot};

/// Maximum number of newer roots in one refresh. Those that were followed are kept, so that the next refresh goes on.
const MAX_ROOTS: u64 = 64;
/// Maximum time of the refresh of one repository.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

const TIMESTAMP: &str = "timestamp.json";
const SNAPSHOT: &str = "snapshot.json";

/// The result of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// Whether the trusted root is another than before.
    pub changed: bool,
    /// The version of the repository's root.
    pub root_version: u64,
    /// When the first of its metadata expires.
    pub expires: Timestamp,
}

/// Refreshes the trusted root of one repository, and records the outcome for `pullgate status`.
///
/// # Errors
/// When the repository cannot be read, is not trusted, or is older than before. The old trusted root stays. When another
/// refresh of the repository is running; then nothing is recorded.
pub async fn refresh(
    repository: &TrustRepository,
    directory: &Path,
    settings: ServiceSettings,
    now: Timestamp,
) -> Result<Refreshed, TufClientError> {
    let state = State::of(directory, &repository.name);
    let _lock = state.lock()?;
    let limit = u64::try_from(MAX_METADATA_BYTES).unwrap_or(u64::MAX);
    let client = Client::new(ServiceSettings { answer: limit, ..settings });
    let refresh = Refresh { repository, state: &state, client: &client, now };
    let timeout = TufClientError::Timeout { limit: DEADLINE };
    let result = tokio::time::timeout(DEADLINE, refresh.run()).await.unwrap_or(Err(timeout));
    state.record(&result, now)?;
    result.map(|(refreshed, _)| refreshed)
}

struct Refresh<'a> {
    repository: &'a TrustRepository,
    state: &'a State,
    client: &'a Client,
    now: Timestamp,
}

impl Refresh<'_> {
    /// The whole refresh, and when the repository's root expires. Source: the TUF specification, section 5.
    async fn run(&self) -> Result<(Refreshed, Timestamp), TufClientError> {
        let mut trusted = self.root().await?;
        self.metadata(&mut trusted).await?;
        let changed = self.target(&trusted).await?;
        let refreshed =
            Refreshed { changed, root_version: trusted.root_version(), expires: trusted.expires() };
        Ok((refreshed, trusted.root_expires()))
    }

    /// From the pinned root, by the roots that are kept and the newer ones of the repository, to the current one.
    async fn root(&self) -> Result<Trusted, TufClientError> {
        let pinned = self.pinned()?;
        let mut trusted = Trusted::pinned(&pinned).map_err(|cause| TufClientError::Pinned { cause })?;
        // The pinned root vouches for each of them again, so that nothing is believed because it was stored.
        loop {
            let version = trusted.root_version().saturating_add(1);
            let Some(kept) = self.state.root(version)? else { break };
            if !self.is_current(&State::root_name(version), trusted.next_root(&kept))? {
                break;
            }
        }
        for followed in 0..=MAX_ROOTS {
            let version = trusted.root_version().saturating_add(1);
            let name = State::root_name(version);
            let Some(root) = self.find(&self.repository.url, &name, MAX_METADATA_BYTES).await? else {
                let name = State::root_name(trusted.root_version());
                trusted.check_root(self.now).map_err(|cause| TufClientError::Metadata { name, cause })?;
                return Ok(trusted);
            };
            if followed == MAX_ROOTS {
                break;
            }
            trusted.next_root(&root).map_err(|cause| TufClientError::Metadata { name, cause })?;
            self.state.keep_root(version, &root)?;
        }
        Err(TufClientError::TooManyRoots { limit: MAX_ROOTS })
    }

    fn pinned(&self) -> Result<Vec<u8>, TufClientError> {
        let path = &self.repository.root;
        let limit = u64::try_from(MAX_METADATA_BYTES).unwrap_or(u64::MAX);
        let directory = path.parent().unwrap_or(Path::new("/"));
        Guard::of_process()
            .read_bytes(directory, path, limit)
            .map_err(|cause| TufClientError::Unreadable { path: path.clone(), cause })
    }

    /// Timestamp, snapshot and targets. Each is kept as soon as it is trusted: from then on, nothing older is.
    async fn metadata(&self, trusted: &mut Trusted) -> Result<(), TufClientError> {
        let url = &self.repository.url;
        let prefix = |trusted: &Trusted, version| {
            if trusted.has_consistent_snapshots() { format!("{version}.") } else { String::new() }
        };
        if let Some(kept) = self.state.kept(TIMESTAMP)? {
            self.is_current(TIMESTAMP, trusted.remember_timestamp(&kept))?;
        }
        if let Some(kept) = self.state.kept(SNAPSHOT)? {
            self.is_current(SNAPSHOT, trusted.remember_snapshot(&kept))?;
        }
        let failed = |name: &str| {
            let name = name.to_owned();
            move |cause| TufClientError::Metadata { name, cause }
        };
        let timestamp = self.get(url, TIMESTAMP, MAX_TIMESTAMP_BYTES).await?;
        trusted.timestamp(&timestamp, self.now).map_err(failed(TIMESTAMP))?;
        self.state.keep(TIMESTAMP, &timestamp)?;
        let (version, limit) = trusted.wanted_snapshot().map_err(failed(TIMESTAMP))?;
        let name = format!("{}{SNAPSHOT}", prefix(trusted, version));
        let snapshot = self.get(url, &name, limit).await?;
        trusted.snapshot(&snapshot, self.now).map_err(failed(&name))?;
        self.state.keep(SNAPSHOT, &snapshot)?;
        let (version, limit) = trusted.wanted_targets().map_err(failed(&name))?;
        let name = format!("{}targets.json", prefix(trusted, version));
        let targets = self.get(url, &name, limit).await?;
        trusted.targets(&targets, self.now).map_err(failed(&name))
    }

    /// Whether what was kept under this name still counts: what is not by the keys of the current root does not.
    fn is_current(&self, name: &str, remembered: Result<(), TufError>) -> Result<bool, TufClientError> {
        match remembered {
            Ok(()) => Ok(true),
            Err(TufError::Threshold { .. }) => Ok(false),
            Err(cause) => Err(TufClientError::Kept { path: self.state.path(name), cause }),
        }
    }

    /// The trusted root. Returns whether it is another than before.
    async fn target(&self, trusted: &Trusted) -> Result<bool, TufClientError> {
        let name = &self.repository.target;
        let failed = |cause| TufClientError::Metadata { name: name.clone(), cause };
        let target = trusted.target(name).map_err(failed)?;
        if self.state.trusted_root().is_some_and(|kept| target.check(&kept).is_ok()) {
            return Ok(false);
        }
        let file = match trusted.has_consistent_snapshots() {
            true => format!("{}.{name}", target.digest.hex()),
            false => name.clone(),
        };
        let bytes = self.get(&self.repository.targets_url(), &file, MAX_ROOT_BYTES).await?;
        target.check(&bytes).map_err(failed)?;
        // A root that the daemon could not load would stop its next start.
        let text = std::str::from_utf8(&bytes).map_err(|_| TufClientError::NotText)?;
        TrustedRoot::parse(name.clone(), text).map_err(TufClientError::Unusable)?;
        self.state.keep_trusted_root(&bytes)?;
        Ok(true)
    }

    /// A file of at most `limit` bytes, if there is one.
    async fn find(&self, base: &str, name: &str, limit: usize) -> Result<Option<Vec<u8>>, TufClientError> {
        match self.get(base, name, limit).await {
            // Some object stores answer 403 for what they do not have (python-tuf `ngclient/updater.py` takes both, too).
            Err(TufClientError::Status { status: 403 | 404, .. }) => Ok(None),
            found => found.map(Some),
        }
    }

    /// A file of at most `limit` bytes.
    async fn get(&self, base: &str, name: &str, limit: usize) -> Result<Vec<u8>, TufClientError> {
        let url = format!("{base}/{name}");
        let request = Request { method: Method::GET, url: &url, headers: &[], body: None, plain: false };
        let name = name.to_owned();
        let Answer { status, body, .. } = match self.client.ask(request).await {
            Ok(answer) => answer,
            Err(cause) => return Err(TufClientError::Unreachable { name, cause }),
        };
        match status {
            200 if body.len() > limit => Err(TufClientError::TooLarge { name, found: body.len(), limit }),
            200 => Ok(body.to_vec()),
            _ => Err(TufClientError::Status { name, status }),
        }
    }
}
