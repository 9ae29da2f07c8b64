//! A credential program with what it returned before: it is started once for many pulls, and not again and again when it
//! fails.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::super::credentials::Offer;
use super::answer::{API_GROUP, Answer, Entry, Reach, first};
use super::image_glob::{ImageGlob, ImageName};
use super::program::{Environment, Program};
use pullgate_core::untrusted::sanitize;
use pullgate_net::backoff::Backoff;
use pullgate_net::single_flight::SingleFlight;
use pullgate_net::ttl_cache::{Expiry, TtlCache};

/// Responses and failures that are remembered for each program.
const REMEMBERED: usize = 256;
/// Maximum size of these responses together, in bytes: sixteen of the largest.
const REMEMBERED_BYTES: usize = 1 << 20;
/// The longest that credentials are cached, whatever the program says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a program is not started again for a registry or an image for which it failed.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(300));
/// The longest that it is cached that a helper has no credentials. Some helpers say so too when they cannot reach their
/// service (amazon-ecr-credential-helper, `ecr-login/ecr.go`).
const NONE: Duration = Duration::from_secs(30);
/// How long failures in a row are counted.
const COUNTED: Duration = Duration::from_secs(3600);

/// A program that prints credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialProgram {
    /// An absolute path. Only root and the user of this process may be able to change the program.
    pub command: PathBuf,
    pub arguments: Vec<String>,
    /// All that it gets besides `PATH`.
    pub environment: Environment,
    /// How long it may run.
    pub timeout: Duration,
    pub protocol: CredentialProtocol,
    /// The images that it is started for.
    pub images: Vec<ImageGlob>,
    /// How long to cache credentials when the program does not say.
    pub cache_duration: Duration,
}

/// How a program receives the name of an image or registry, and returns credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialProtocol {
    /// A credential provider of kubelet, with this version of credentialprovider.kubelet.k8s.io.
    Kubelet(&'static str),
    /// A credential helper of docker.
    Docker,
}

#[derive(Debug)]
pub(super) struct Plugin {
    program: Arc<Program>,
    /// The program's path, for messages.
    name: String,
    protocol: CredentialProtocol,
    images: Vec<ImageGlob>,
    cache_duration: Duration,
    /// By image, registry, or nothing.
    answers: TtlCache<String, Arc<Answer>>,
    /// Whether its last response was for one image: then its failures are too.
    is_by_image: AtomicBool,
    /// By registry, or by image.
    failures: TtlCache<String, Failure>,
    flights: SingleFlight<Outcome>,
    /// Limits the programs that run at the same time.
    turns: Arc<Semaphore>,
}

/// The response, or why there is none.
type Outcome = Result<Arc<Answer>, Arc<str>>;

#[derive(Clone, Debug)]
struct Failure {
    reason: Arc<str>,
    /// Failures in a row, without the first.
    repeated: u32,
    until: Instant,
}

impl Plugin {
    pub(super) fn new(settings: CredentialProgram, turns: Arc<Semaphore>) -> Arc<Self> {
        let CredentialProgram { command, arguments, environment, timeout, protocol, images, cache_duration } =
            settings;
        Arc::new(Self {
            name: sanitize(&command.display().to_string()),
            program: Arc::new(Program { command, arguments, environment, limit: timeout }),
            protocol,
            images,
            cache_duration,
            answers: TtlCache::new(REMEMBERED, REMEMBERED_BYTES),
            is_by_image: AtomicBool::default(),
            failures: TtlCache::of_entries(REMEMBERED),
            flights: SingleFlight::default(),
            turns,
        })
    }

    /// Whether it is started for an image.
    fn is_for(&self, image: &ImageName) -> bool {
        self.images.iter().any(|glob| glob.matches(image))
    }

    /// The response for an image that it is for.
    async fn answer(self: &Arc<Self>, image: &ImageName) -> Outcome {
        // Whether a response covers a registry is known only when it is there. So the first pull from a registry is the
        // only one; the others wait for it, and then perhaps ask for their own images.
        let mut failed = None;
        for key in [image.registry.clone(), image.text()] {
            if let Some(answer) = self.known(image) {
                return Ok(answer);
            }
            if let Some(failure) = self.failing(image) {
                return Err(failure.reason);
            }
            let flight =
                self.flights.join(Sha256::digest(&key).into(), Arc::clone(self).start(image.clone()));
            let outcome =
                flight.await.unwrap_or_else(|| Err(self.failure("internal error of pullgate; see its log")));
            match outcome {
                Ok(answer) if !answer.covers(image) => {}
                // It failed for another image.
                Err(why) if self.failing(image).is_none() => failed = Some(why),
                outcome => return outcome,
            }
        }
        Err(failed.unwrap_or_else(|| self.failure("it returned credentials for another image")))
    }

    fn known(&self, image: &ImageName) -> Option<Arc<Answer>> {
        let keys = [Reach::Image, Reach::Registry, Reach::Global].map(|reach| cache_key(reach, image));
        keys.iter().find_map(|key| self.answers.live(key))
    }

    fn failing(&self, image: &ImageName) -> Option<Failure> {
        self.failures.live(&self.failure_key(image)).filter(|failure| Instant::now() < failure.until)
    }

    fn failure_key(&self, image: &ImageName) -> String {
        let reach = if self.is_by_image.load(Ordering::Relaxed) { Reach::Image } else { Reach::Registry };
        cache_key(reach, image)
    }

    /// Whether the credentials for an image are those of a program that has to run first.
    pub(super) fn is_slow_for(&self, image: &ImageName) -> bool {
        self.is_for(image) && self.known(image).is_none() && self.failing(image).is_none()
    }

    fn failure(&self, reason: &str) -> Arc<str> {
        format!("credential program {} failed: {reason}", self.name).into()
    }

    /// Starts the program, and remembers how that ended.
    async fn start(self: Arc<Self>, image: ImageName) -> Outcome {
        match self.ask(image.clone()).await {
            Ok((answer, bytes)) => {
                self.is_by_image.store(answer.reach == Reach::Image, Ordering::Relaxed);
                self.failures.forget(&self.failure_key(&image));
                let life = answer.life.unwrap_or(self.cache_duration).min(LONGEST);
                let answer = Arc::new(answer);
                if !life.is_zero() {
                    let key = cache_key(answer.reach, &answer.image);
                    self.answers.put(key, Arc::clone(&answer), bytes, Expiry::after(life));
                }
                Ok(answer)
            }
            Err(reason) => {
                let registry = &image.registry;
                tracing::warn!(program = self.name, registry, reason, "credential program failed");
                let reason = self.failure(&reason);
                let key = self.failure_key(&image);
                let repeated =
                    self.failures.live(&key).map_or(0, |failure| failure.repeated.saturating_add(1));
                let until = Instant::now() + BACKOFF.delay(repeated);
                let failure = Failure { reason: Arc::clone(&reason), repeated, until };
                self.failures.put(key, failure, 0, Expiry::after(COUNTED));
                Err(reason)
            }
        }
    }

    /// The response, and its size in bytes.
    async fn ask(&self, image: ImageName) -> Result<(Answer, usize), String> {
        let turn = tokio::time::timeout(self.program.limit, self.turns.acquire()).await;
        let _turn = turn
            .map_err(|_| "other credential programs took too long".to_owned())?
            .map_err(|closed| closed.to_string())?;
        let output =
            Arc::clone(&self.program).run(self.request(&image)).await.map_err(|error| error.to_string())?;
        let ended = |code: Option<i32>| match code {
            Some(code) => format!("it ended with exit code {code}"),
            None => "a signal ended it".to_owned(),
        };
        let answer = match (self.protocol, output.code) {
            (CredentialProtocol::Kubelet(version), Some(0)) => {
                Answer::of_provider(&output.stdout, version, image)
            }
            (CredentialProtocol::Docker, Some(0)) => Answer::of_helper(&output.stdout, image),
            // `NewErrCredentialsNotFound` in docker-credential-helpers, `credentials/error.go`.
            (CredentialProtocol::Docker, Some(1)) if output.stdout.starts_with(NOT_FOUND) => {
                Ok(Answer::none(image, self.cache_duration.min(NONE)))
            }
            (_, code) => return Err(ended(code)),
        };
        answer.map(|answer| (answer, output.stdout.len())).map_err(str::to_owned)
    }

    /// What the program reads from its standard input.
    fn request(&self, image: &ImageName) -> Vec<u8> {
        match self.protocol {
            CredentialProtocol::Kubelet(version) => {
                let version = format!("{API_GROUP}{version}");
                let image = image.text();
                json!({ "kind": "CredentialProviderRequest", "apiVersion": version, "image": image })
                    .to_string()
            }
            // `ConvertToHostname` and `GetAuthConfigKey` in docker's `registry/config.go`.
            CredentialProtocol::Docker if image.registry == "docker.io" => {
                "https://index.docker.io/v1/".to_owned()
            }
            CredentialProtocol::Docker => image.registry.clone(),
        }
        .into_bytes()
    }
}

/// What a helper of docker prints when it has no credentials for a registry.
const NOT_FOUND: &[u8] = b"credentials not found in native keychain";

/// The key of responses that apply as widely as `reach` says. A registry has no `/`, so no key is that of another kind.
fn cache_key(reach: Reach, image: &ImageName) -> String {
    match reach {
        Reach::Image => image.text(),
        Reach::Registry => image.registry.clone(),
        Reach::Global => String::new(),
    }
}

/// The credentials for an image from all programs that are for it, and the first failure.
///
/// As kubelet, a program that fails gives no credentials, and the other programs count.
pub(super) async fn offer(plugins: &[Arc<Plugin>], image: &ImageName) -> (Offer, Option<Arc<str>>) {
    let (mut answers, mut failure) = (Vec::new(), None);
    for plugin in plugins.iter().filter(|plugin| plugin.is_for(image)) {
        match plugin.answer(image).await {
            Ok(answer) => answers.push(answer),
            Err(reason) => failure = failure.or(Some(reason)),
        }
    }
    let entries = || -> Vec<&Entry> { answers.iter().flat_map(|answer| &answer.entries).collect() };
    let offer = first(entries().into_iter(), image).cloned();
    (offer.unwrap_or_default(), failure)
}
