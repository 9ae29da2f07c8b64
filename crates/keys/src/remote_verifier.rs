//! Confirms verified signatures with the service of their key, so that a key that was disabled there no longer counts.
//!
//! Confirmations are cached; denials never are, because a key may be enabled again. A failure says nothing about the
//! signature, and the caller must treat it as a denial.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{Bounds, KeySettings, Kms, KmsError, Location, Transit, TransitError};
use pullgate_core::trust::{RemoteCheck, RemoteVerification};
use pullgate_core::untrusted::error_chain;
use pullgate_net::single_flight::{Key, SingleFlight};
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Cached confirmations, about a hundred bytes each.
const CAPACITY: usize = 16_384;

/// Clients of services: more than a realistic policy has keys.
const SERVICES: usize = 1024;

/// The longest that a confirmation may be cached.
pub const LONGEST_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// A service's answer about a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Valid until then, according to the service.
    Confirmed(Instant),
    /// The service refuses the signature or the key; with the reason.
    Denied(String),
    /// The service did not answer; with the reason.
    Unanswered(String),
}

/// Confirms signatures with services, once per signature at a time, and caches confirmations.
#[derive(Debug)]
pub struct RemoteVerifier {
    settings: KeySettings,
    /// Not a `TtlCache`, which removes any entry when it is full: a client in use would lose its rate limit.
    services: Mutex<HashMap<Arc<RemoteVerification>, Arc<Service>>>,
    /// The time of each confirmation.
    confirmed: Arc<TtlCache<Key, Instant>>,
    single_flight: SingleFlight<Confirmation>,
}

impl RemoteVerifier {
    /// Uses these settings; the limits are those of each key.
    #[must_use]
    pub fn new(settings: KeySettings) -> Self {
        Self {
            settings,
            services: Mutex::default(),
            confirmed: Arc::new(TtlCache::of_entries(CAPACITY)),
            single_flight: SingleFlight::default(),
        }
    }

    /// Until when a confirmation is cached.
    pub fn remembered(&self, check: &RemoteCheck) -> Option<Instant> {
        let until = self.confirmed.live(&check.id())? + check.remote.memory.min(LONGEST_MEMORY);
        (until > Instant::now()).then_some(until)
    }

    /// Requests a confirmation, or waits for a request that is under way, until the key's timeout.
    pub async fn confirm(&self, check: &Arc<RemoteCheck>) -> Confirmation {
        let Some(service) = self.service(&check.remote) else {
            return Confirmation::Unanswered(format!(
                "no service can confirm signatures of the key at {}",
                check.remote.source
            ));
        };
        let (request, confirmed) = (Arc::clone(check), Arc::clone(&self.confirmed));
        let work = async move {
            let answer = service.ask(&request).await;
            if let Confirmation::Confirmed(at) = answer {
                let expiry = Expiry { monotonic: at + LONGEST_MEMORY, wall: None };
                confirmed.put(request.id(), at, 0, expiry);
            }
            answer
        };
        let limit = check.remote.timeout;
        let answer = tokio::time::timeout(limit, self.single_flight.join(check.id(), work)).await;
        match answer {
            Ok(Some(Confirmation::Confirmed(at))) => {
                Confirmation::Confirmed(at + check.remote.memory.min(LONGEST_MEMORY))
            }
            Ok(Some(answer)) => answer,
            Ok(None) => Confirmation::Unanswered(
                "internal error of pullgate during the request; see its log".to_owned(),
            ),
            Err(_) => {
                Confirmation::Unanswered(format!("{} did not answer within {limit:?}", check.remote.source))
            }
        }
    }

    /// The client for a key, with its rate limit.
    fn service(&self, remote: &Arc<RemoteVerification>) -> Option<Arc<Service>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = services.get(remote) {
            return Some(Arc::clone(known));
        }
        let service = Arc::new(Service::new(remote, &self.settings)?);
        if services.len() >= SERVICES {
            // Of policies that were replaced.
            services.retain(|_, service| Arc::strong_count(service) > 1);
        }
        services.insert(Arc::clone(remote), Arc::clone(&service));
        Some(service)
    }
}

/// A client for a key at its service.
#[derive(Debug)]
enum Service {
    Kms(Kms),
    Transit { transit: Transit, version: u32 },
}

impl Service {
    /// `None` for a location without a service, which policies reject.
    fn new(remote: &RemoteVerification, settings: &KeySettings) -> Option<Self> {
        let bounds = Bounds { deadline: remote.timeout, rate: remote.rate, concurrency: 16 };
        match remote.source.parse().ok()? {
            Location::AlibabaKms(key) => {
                let mut settings = settings.kms.clone();
                settings.service.step = settings.service.step.min(remote.timeout);
                settings.bounds = bounds;
                Some(Self::Kms(Kms::new(key, &settings)))
            }
            Location::Transit(key) => {
                let mut settings = settings.transit.clone();
                settings.service.step = settings.service.step.min(remote.timeout);
                settings.bounds = bounds;
                let version = key.version?;
                Some(Self::Transit { transit: Transit::new(&key, &settings).ok()?, version })
            }
            Location::File(_) | Location::Token(_) => None,
        }
    }

    async fn ask(&self, check: &RemoteCheck) -> Confirmation {
        let source = &check.remote.source;
        // Measured before the request: the key may be disabled while the response is on its way.
        let sent = Instant::now();
        let (is_valid, withdrawn, error): (bool, bool, Option<&dyn std::error::Error>);
        let (kms, transit);
        match self {
            Self::Kms(service) => {
                let digest = Sha256::digest(&check.message);
                kms = service.verify(check.algorithm, digest.as_slice(), &check.signature).await;
                is_valid = kms == Ok(true);
                withdrawn = matches!(kms, Err(KmsError::Disabled { .. } | KmsError::NotFound { .. }));
                error = kms.as_ref().err().map(|error| error as _);
            }
            Self::Transit { transit: service, version } => {
                let RemoteCheck { algorithm, message, signature, .. } = check;
                transit = service.verify(*version, *algorithm, message, signature).await;
                is_valid = transit == Ok(true);
                withdrawn = transit.as_ref().is_err_and(TransitError::is_withdrawn);
                error = transit.as_ref().err().map(|error| error as _);
            }
        }
        match error {
            None if is_valid => Confirmation::Confirmed(sent),
            None => Confirmation::Denied(format!("{source} does not accept the signature")),
            Some(error) if withdrawn => Confirmation::Denied(format!(
                "{source} no longer confirms signatures: {}",
                error_chain(error)
            )),
            Some(error) => {
                Confirmation::Unanswered(format!("request to {source} failed: {}", error_chain(error)))
            }
        }
    }
}
