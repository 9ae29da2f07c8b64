//! Services confirm what their public halves have verified, so that a key that they no longer let anybody use counts for
//! nothing.
//!
//! A confirmation is remembered, and "no" never is: a key may be enabled again. What fails here says nothing about the
//! signature, and whoever asks has to take it for "no".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{Bounds, Kms, KmsError, Location, Settings, Transit, TransitError};
use pullgate_core::trust::{RemoteCheck, RemoteVerification};
use pullgate_core::untrusted::error_chain;
use pullgate_net::single_flight::{Key, SingleFlight};
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// How many confirmations are remembered, at about a hundred bytes each.
const CAPACITY: usize = 16_384;

/// How many services are known at the same time: more than a policy that anybody would write has keys.
const SERVICES: usize = 1024;

/// The longest that a confirmation may be remembered.
pub const LONGEST_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a service says about a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It holds, as far as the service goes, until then.
    Confirmed(Instant),
    /// The service does not take it, or not the key any more: why.
    Denied(String),
    /// The service did not say: why.
    Unanswered(String),
}

/// Asks services, each question once at a time, and remembers what they confirmed.
#[derive(Debug)]
pub struct RemoteVerifier {
    settings: Settings,
    /// No `TtlCache`, which forgets any one when it is full: a service in use that is forgotten loses its pace.
    services: Mutex<HashMap<Arc<RemoteVerification>, Arc<Service>>>,
    /// When each was confirmed.
    memory: Arc<TtlCache<Key, Instant>>,
    flights: SingleFlight<Confirmation>,
}

impl RemoteVerifier {
    /// One that asks with these settings; their bounds are those of each key.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            services: Mutex::default(),
            memory: Arc::new(TtlCache::of_entries(CAPACITY)),
            flights: SingleFlight::default(),
        }
    }

    /// Until when a confirmation is remembered.
    pub fn remembered(&self, demand: &RemoteCheck) -> Option<Instant> {
        let until = self.memory.live(&demand.id())? + demand.remote.memory.min(LONGEST_MEMORY);
        (until > Instant::now()).then_some(until)
    }

    /// Asks the service of the key, unless that is being done already, and no longer than it has time.
    pub async fn confirm(&self, demand: &Arc<RemoteCheck>) -> Confirmation {
        let Some(service) = self.service(&demand.remote) else {
            return Confirmation::Unanswered(format!("nothing can be asked at {}", demand.remote.source));
        };
        let (asked, memory) = (Arc::clone(demand), Arc::clone(&self.memory));
        let work = async move {
            let answer = service.ask(&asked).await;
            if let Confirmation::Confirmed(at) = answer {
                let expiry = Expiry { monotonic: at + LONGEST_MEMORY, wall: None };
                memory.put(asked.id(), at, 0, expiry);
            }
            answer
        };
        let limit = demand.remote.timeout;
        let answer = tokio::time::timeout(limit, self.flights.join(demand.id(), work)).await;
        match answer {
            Ok(Some(Confirmation::Confirmed(at))) => {
                Confirmation::Confirmed(at + demand.remote.memory.min(LONGEST_MEMORY))
            }
            Ok(Some(answer)) => answer,
            Ok(None) => Confirmation::Unanswered("asking failed inside pullgate".to_owned()),
            Err(_) => {
                Confirmation::Unanswered(format!("{} did not answer within {limit:?}", demand.remote.source))
            }
        }
    }

    /// The client for a key, which keeps its pace.
    fn service(&self, remote: &Arc<RemoteVerification>) -> Option<Arc<Service>> {
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = services.get(remote) {
            return Some(Arc::clone(known));
        }
        let made = Arc::new(Service::new(remote, &self.settings)?);
        if services.len() >= SERVICES {
            // Of policies that are in force no more.
            services.retain(|_, service| Arc::strong_count(service) > 1);
        }
        services.insert(Arc::clone(remote), Arc::clone(&made));
        Some(made)
    }
}

/// A key at its service.
#[derive(Debug)]
enum Service {
    Kms(Kms),
    Transit { transit: Transit, version: u32 },
}

impl Service {
    /// `None` where there is none that could be asked, which a policy does not load with.
    fn new(remote: &RemoteVerification, settings: &Settings) -> Option<Self> {
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

    async fn ask(&self, demand: &RemoteCheck) -> Confirmation {
        let source = &demand.remote.source;
        // Before the question: the key may be disabled while the answer is on its way.
        let asked = Instant::now();
        let (held, withdrawn, error): (bool, bool, Option<&dyn std::error::Error>);
        let (kms, transit);
        match self {
            Self::Kms(service) => {
                let digest = Sha256::digest(&demand.message);
                kms = service.verify(demand.algorithm, digest.as_slice(), &demand.signature).await;
                held = kms == Ok(true);
                withdrawn = matches!(kms, Err(KmsError::Disabled { .. } | KmsError::NotFound { .. }));
                error = kms.as_ref().err().map(|error| error as _);
            }
            Self::Transit { transit: service, version } => {
                let RemoteCheck { algorithm, message, signature, .. } = demand;
                transit = service.verify(*version, *algorithm, message, signature).await;
                held = transit == Ok(true);
                withdrawn = transit.as_ref().is_err_and(TransitError::is_withdrawn);
                error = transit.as_ref().err().map(|error| error as _);
            }
        }
        match error {
            None if held => Confirmation::Confirmed(asked),
            None => Confirmation::Denied(format!("{source} does not take the signature")),
            Some(error) if withdrawn => {
                Confirmation::Denied(format!("{source} no longer confirms it: {}", error_chain(error)))
            }
            Some(error) => {
                Confirmation::Unanswered(format!("{source} cannot be asked: {}", error_chain(error)))
            }
        }
    }
}
