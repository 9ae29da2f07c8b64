//! The active rules, with their opened keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::attaching::{AttachingError, TimestampSettings};
use super::certificate::CertificateStatus;
use super::queue::{Queue, QueueError, RuleRecord};
use super::rule::{ActiveRule, Rule, RuleId, Trigger};
use super::{AuthenticatorSettings, SignerSettings};
use pullgate_core::digest::Digest;
use pullgate_core::reference::Repository;
use pullgate_keys::{KeysError, Location, SigningKey};
use pullgate_net::rate_limiter::RateLimiter;
use pullgate_net::secret;
use pullgate_registry::{Credentials, Registry, RegistryError};
use pullgate_sign::{
    Annotations, CertificateChainError, Cooldown, Layout, NotationOptions, SignRequest, TimestampAuthority,
};

/// Signatures that were not used within this time can be made up for.
const BURST: Duration = Duration::from_secs(1);

/// The configuration for jobs; replaced as a whole.
#[derive(Debug)]
pub(super) struct ActiveConfig {
    pub(super) settings: SignerSettings,
    pub(super) registry: Registry,
    pub(super) credentials: Credentials,
    pub(super) rules: Vec<ActiveRule>,
    keys: BTreeMap<String, RuleKey>,
    /// By the name of the rule.
    attached: BTreeMap<String, RuleAttached>,
    /// Rules whose baseline is complete.
    started: Vec<RuleId>,
}

/// The cooldowns of timestamp authorities by their URLs without queries: rules with the same one share it.
type Cooldowns = BTreeMap<String, Arc<Cooldown>>;

/// A key, and its rate limit.
#[derive(Clone, Debug)]
pub(super) struct RuleKey {
    pub(super) key: Arc<SigningKey>,
    pub(super) rate: Arc<RateLimiter>,
}

/// What the signatures of a rule have beside their layout, read from its files.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleAttached {
    pub(super) notation: Option<Arc<NotationOptions>>,
    pub(super) timestamps: Option<Arc<TimestampAuthority>>,
}

impl RuleAttached {
    /// Reads the files of a rule. Blocks.
    fn of(
        rule: &Rule,
        settings: &SignerSettings,
        cooldowns: &mut Cooldowns,
    ) -> Result<Self, ActiveConfigError> {
        let wrong = |error| ActiveConfigError::Attached { rule: rule.name.clone(), error: Box::new(error) };
        let authenticator = settings.authenticators.get(&rule.authenticator);
        let chain = authenticator.and_then(|it| it.certificate_chain.as_deref());
        let notation = match chain.filter(|_| rule.layout == Layout::Notation) {
            Some(chain) => Some(Arc::new(rule.attaching.notation(chain).map_err(wrong)?)),
            None => None,
        };
        let shared = |authority: TimestampAuthority| {
            let name = rule.attaching.timestamp.as_ref().map(TimestampSettings::shown).unwrap_or_default();
            let cooldown = cooldowns.entry(name.to_owned()).or_default();
            Arc::new(authority.with_cooldown(Arc::clone(cooldown)))
        };
        Ok(Self { notation, timestamps: rule.attaching.timestamps().map_err(wrong)?.map(shared) })
    }

    /// Checks that the certificates are valid now.
    fn check_validity(&self, rule: &Rule) -> Result<(), ActiveConfigError> {
        let Some(notation) = &self.notation else { return Ok(()) };
        let wrong = |error| ActiveConfigError::Chain { rule: rule.name.clone(), error };
        notation.certificates.check_validity(Timestamp::now()).map_err(wrong)
    }

    fn check_key(&self, rule: &Rule, key: &SigningKey) -> Result<(), ActiveConfigError> {
        let Some(notation) = &self.notation else { return Ok(()) };
        let wrong = |error| ActiveConfigError::Chain { rule: rule.name.clone(), error };
        notation.certificates.check_key(key.public()).map_err(wrong)
    }
}

/// A configuration that is ready to be activated.
pub(super) struct PendingConfig {
    settings: SignerSettings,
    registry: Registry,
    credentials: Credentials,
    rules: Vec<(RuleId, Rule)>,
    keys: BTreeMap<String, RuleKey>,
    attached: BTreeMap<String, RuleAttached>,
}

impl PendingConfig {
    /// Opens keys and the password of the settings. Changes nothing.
    ///
    /// # Errors
    /// When a key or a password cannot be used.
    pub(super) async fn of(settings: SignerSettings) -> Result<Self, ActiveConfigError> {
        let credentials = credentials(&settings).map_err(ActiveConfigError::Password)?;
        let registry = Registry::new(pullgate_registry::RegistrySettings {
            hosts_directories: settings.registry.hosts.clone(),
            ..pullgate_registry::RegistrySettings::default()
        })?;
        let mut keys = BTreeMap::new();
        for (name, authenticator) in &settings.authenticators {
            let key = open(name, authenticator, &settings).await?;
            let rate = RateLimiter::per_second(authenticator.per_second).with_burst(BURST);
            let rate = Arc::new(rate);
            keys.insert(name.clone(), RuleKey { key, rate });
        }
        let (mut rules, mut attached) = (Vec::new(), BTreeMap::new());
        let mut cooldowns = Cooldowns::new();
        for rule in &settings.rules {
            let key = keys
                .get(&rule.authenticator)
                .ok_or_else(|| ActiveConfigError::NoKey { rule: rule.name.clone() })?;
            // A certificate that has ended stops this rule only: `worker` checks it before each signature.
            let own = RuleAttached::of(rule, &settings, &mut cooldowns)?;
            own.check_key(rule, &key.key)?;
            attached.insert(rule.name.clone(), own);
            rules.push((rule.id(key.key.public().fingerprint()), rule.clone()));
        }
        Ok(Self { settings, registry, credentials, rules, keys, attached })
    }

    /// Activates the configuration: new rules begin now, and rules that no longer exist are removed.
    ///
    /// # Errors
    /// When the queue cannot be written.
    pub(super) async fn begin(self, queue: &Queue, now: Timestamp) -> Result<ActiveConfig, QueueError> {
        let Self { settings, registry, credentials, rules, keys, attached } = self;
        let begun = rules.iter().map(|(id, rule)| (id.clone(), rule.name.clone())).collect();
        let records = queue.begin(begun, now).await?;
        let mut started = Vec::new();
        let mut applied = Vec::new();
        for ((id, rule), RuleRecord { since, listed, .. }) in rules.into_iter().zip(records) {
            let needs_list = settings.reconcile.baseline && rule.trigger == Trigger::Automatic;
            if listed.is_some() || !needs_list {
                started.push(id.clone());
            }
            let since = Timestamp::from_millisecond(since).unwrap_or(now);
            applied.push(ActiveRule { rule, id, since });
        }
        Ok(ActiveConfig { settings, registry, credentials, rules: applied, keys, attached, started })
    }
}

/// Checks the password, certificates and the keys in files. Tokens and services are not contacted. Returns all problems.
pub async fn check(settings: &SignerSettings) -> Vec<ActiveConfigError> {
    let mut wrong: Vec<_> =
        credentials(settings).err().map(ActiveConfigError::Password).into_iter().collect();
    let mut keys = BTreeMap::new();
    for (name, authenticator) in &settings.authenticators {
        if let Location::File(_) = authenticator.location {
            match open(name, authenticator, settings).await {
                Ok(key) => drop(keys.insert(name, key)),
                Err(error) => wrong.push(error),
            }
        }
    }
    for rule in &settings.rules {
        let checked = RuleAttached::of(rule, settings, &mut Cooldowns::new()).and_then(|attached| {
            attached.check_validity(rule)?;
            match keys.get(&rule.authenticator) {
                Some(key) => attached.check_key(rule, key),
                None => Ok(()),
            }
        });
        wrong.extend(checked.err());
    }
    wrong
}

/// The error says why the password cannot be used.
fn credentials(settings: &SignerSettings) -> Result<Credentials, String> {
    let Some(login) = &settings.registry.login else { return Ok(Credentials::anonymous()) };
    let password = secret::read(&login.password_file)?;
    Ok(Credentials::password(&login.username, password.as_str()))
}

async fn open(
    name: &str,
    authenticator: &AuthenticatorSettings,
    settings: &SignerSettings,
) -> Result<Arc<SigningKey>, ActiveConfigError> {
    let AuthenticatorSettings { location, algorithm, .. } = authenticator;
    let opened = pullgate_keys::open(location, Some(*algorithm), &settings.keys).await;
    opened.map_err(|error| ActiveConfigError::Key { name: name.to_owned(), error: Box::new(error) })
}

impl ActiveConfig {
    pub(super) fn rule(&self, id: &str) -> Option<&ActiveRule> {
        self.rules.iter().find(|applied| applied.id.as_str() == id)
    }

    pub(super) fn key(&self, rule: &Rule) -> Option<&RuleKey> {
        self.keys.get(&rule.authenticator)
    }

    pub(super) fn attached(&self, rule: &Rule) -> RuleAttached {
        self.attached.get(&rule.name).cloned().unwrap_or_default()
    }

    /// How an image is signed under a rule.
    pub(super) fn order<'a>(
        &'a self,
        rule: &Rule,
        (repository, digest): (&'a Repository, &'a Digest),
        attached: &'a RuleAttached,
    ) -> SignRequest<'a> {
        static NO_ANNOTATIONS: Annotations = Annotations::new();
        SignRequest {
            repository,
            digest,
            layout: rule.layout,
            annotations: &NO_ANNOTATIONS,
            credentials: &self.credentials,
            // `recheck` looks again later.
            recheck_delay: Duration::ZERO,
            notation: attached.notation.as_deref(),
            timestamps: attached.timestamps.as_deref(),
        }
    }

    /// The certificate chain of a rule that has one.
    pub(super) fn certificate(&self, rule: &Rule, now: Timestamp) -> Option<CertificateStatus> {
        let notation = self.attached.get(&rule.name)?.notation.as_ref()?;
        Some(CertificateStatus::of(&notation.certificates, now))
    }

    /// Whether the baseline of the rule is complete, so that it may sign.
    pub(super) fn has_started(&self, id: &RuleId) -> bool {
        self.started.contains(id)
    }

    /// A copy in which one more rule has started.
    pub(super) fn with_started(&self, id: &RuleId) -> Self {
        let mut started = self.started.clone();
        started.push(id.clone());
        Self {
            settings: self.settings.clone(),
            registry: self.registry.clone(),
            credentials: self.credentials.clone(),
            rules: self.rules.clone(),
            keys: self.keys.clone(),
            attached: self.attached.clone(),
            started,
        }
    }
}

/// Why settings cannot be activated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActiveConfigError {
    /// The key cannot be opened.
    #[error("the key of authenticator {name} cannot be used")]
    Key {
        name: String,
        #[source]
        error: Box<KeysError>,
    },
    /// A rule with an unknown authenticator.
    #[error("rule {rule} names an unknown authenticator")]
    NoKey { rule: String },
    /// The files of a rule cannot be used.
    #[error("the certificates of rule {rule} cannot be used")]
    Attached {
        rule: String,
        #[source]
        error: Box<AttachingError>,
    },
    /// A rule whose certificate chain is not that of its key.
    #[error("the certificate chain of rule {rule} cannot be used")]
    Chain {
        rule: String,
        #[source]
        error: CertificateChainError,
    },
    /// The password cannot be read.
    #[error("the password of the registry cannot be used: {0}")]
    Password(String),
    /// The registry client cannot be created.
    #[error("cannot create the registry client")]
    Registry(#[from] RegistryError),
}
