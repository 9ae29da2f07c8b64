//! A node with a policy, a registry that misbehaves on demand, and the verdict of a pull in one word.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt as _;
use prost::Message as _;
use pullgate::api;
use pullgate::digest::Digest;
use pullgate::registry::Limits;
use pullgate::trust::Algorithm;

use super::outcome::{Outcome, Since, Verdict, Watch, recorded};
use pullgate_test::policy::{Authenticator, RELEASE};
use pullgate_test::proxy::{Daemon, call};
use pullgate_test::registry::{Options, Recorded, Registry};
use pullgate_test::runtime::framed;
use pullgate_test::secrets::{self, Secret};
use pullgate_test::signer::{Signer, sign_classic};
use pullgate_test::world::{Builder, World as Node};

/// The verdict on a successful pull.
pub(super) const PULLED: &str = "pulled";

/// A node that records the requests to its registries.
pub(super) struct World {
    node: Node,
    watch: Mutex<Watch>,
    /// How much of the daemon's log an outcome includes.
    level: Mutex<tracing::Level>,
}

pullgate_test::extends_world!(World, node);

/// A node with a referrers API at its registry.
pub(super) fn node<'a>() -> Builder<'a> {
    Node::builder()
        .registry(Options { referrers: true, ..Options::default() })
        .limits(Limits::default())
        // The fake containerd takes a while for 500 concurrent pulls on a busy machine.
        .proxy(|proxy| proxy.limits.tag_record_timeout = Duration::from_secs(30))
        .without_policy()
}

/// A log in memory.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Limits that a test reaches quickly.
pub(super) fn impatient() -> Limits {
    Limits {
        request_timeout: Duration::from_secs(1),
        retry_wait: Duration::from_millis(400),
        ..Limits::default()
    }
}

pub(super) fn p256() -> Signer {
    Signer::of("p256", Algorithm::EcdsaSha256)
}

impl World {
    /// Starts a node whose policy requires `release` (P-256) for `team` at the test registry and at `r.example`.
    pub(super) async fn start(node: Builder<'_>) -> Self {
        let node = node.start().await;
        let mut watch = Watch::default();
        watch.log("registry", node.registry.log());
        let watch = Mutex::new(watch);
        let world = Self { node, watch, level: Mutex::new(tracing::Level::INFO) };
        world.require("all = [\"release\"]", &[RELEASE]);
        world
    }

    /// Requires `release` for `team`, with this value of `accept`.
    pub(super) fn accept(&self, accept: &str) {
        self.rules("all = [\"release\"]", &format!("accept = \"{accept}\"\n"), &[RELEASE]);
    }

    /// Sets this requirement for `team` at the test registry and at `r.example`.
    pub(super) fn require(&self, requirement: &str, authenticators: &[Authenticator<'_>]) {
        self.rules(requirement, "", authenticators);
    }

    fn rules(&self, requirement: &str, more: &str, authenticators: &[Authenticator<'_>]) {
        let mut text = "default = \"deny\"\n".to_owned();
        text.extend(authenticators.iter().map(Authenticator::to_string));
        for host in [self.registry.host(), "r.example".to_owned()] {
            text += &format!("[[namespace]]\nscope = \"{host}/team\"\nrequire = {{ {requirement} }}\n{more}");
        }
        self.set_policy(&text);
    }

    /// What is wrong with a policy, which is not put in force; `None` if it would be loaded.
    pub(super) fn problems(&self, text: &str) -> Option<String> {
        let etc = self.directory.path().join("judged");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("policy.toml"), text).unwrap();
        pullgate::config::load_policy(&etc, jiff::Timestamp::now()).err().map(|problems| problems.to_string())
    }

    /// An image in `team/app` under the tag `1`, signed by `release` in the classic layout.
    pub(super) fn signed(&self) -> Digest {
        let digest = self.registry.image("team/app", "1", "app");
        sign_classic(&self.registry, "team/app", &digest, &p256());
        digest
    }

    /// Records another registry too, which no request and no secret may reach unless a test expects it.
    pub(super) fn watch(&self, name: &str, registry: &Registry) {
        self.watch.lock().unwrap().log(name, registry.log());
    }

    /// For tests that are not about an attack and only check verdicts.
    pub(super) fn only_verdicts(&self) {
        self.watch.lock().unwrap().only_verdicts();
    }

    /// Includes the whole log of the daemon in each outcome.
    pub(super) fn trace(&self) {
        *self.level.lock().unwrap() = tracing::Level::TRACE;
    }

    /// Names a secret, as an outcome lists it.
    pub(super) fn mark(&self, name: &str, secret: &str) {
        self.watch.lock().unwrap().mark(name, secret);
    }

    /// The verdict on an image at the test registry that was verified as this digest.
    pub(super) fn pinned(&self, path: &str, digest: &Digest) -> Verdict {
        Verdict::Pulled(self.image(&format!("{path}@{digest}")))
    }

    /// The current positions in the registries' logs, for [`World::outcome_since`].
    pub(super) fn since(&self) -> Since {
        self.watch.lock().unwrap().now()
    }

    /// The requests and secrets since then, if no answer was awaited or there were several.
    pub(super) fn outcome_since(&self, since: &Since, verdict: Verdict) -> Outcome {
        self.watch.lock().unwrap().outcome(since, verdict, String::new(), String::new())
    }

    /// The outcome of a pull of an image at the test registry.
    pub(super) async fn outcome(&self, rest: &str) -> Outcome {
        self.outcome_of(&self.image(rest), None).await
    }

    /// The outcome of a pull. The secrets of `auth` are marked as `pod`.
    pub(super) async fn outcome_of(&self, image: &str, auth: Option<api::AuthConfig>) -> Outcome {
        self.crowd(vec![(image.to_owned(), auth)]).await
    }

    /// The outcome of many concurrent pulls, which must be the same for all of them. One call at a time.
    pub(super) async fn crowd(&self, pulls: Vec<(String, Option<api::AuthConfig>)>) -> Outcome {
        for auth in pulls.iter().filter_map(|(_, auth)| auth.as_ref()) {
            for secret in secrets(auth).into_iter().filter(|secret| secret.len() >= 6) {
                self.mark("pod", secret);
            }
        }
        let log = Kept::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(*self.level.lock().unwrap())
            .with_writer(move || writer.clone())
            .finish();
        let (since, before, count) = (self.watch.lock().unwrap().now(), self.pulled().len(), pulls.len());
        let guard = tracing::subscriber::set_default(subscriber);
        let answers =
            together(pulls.into_iter().map(|(image, auth)| answer(&self.daemon, image, auth)).collect())
                .await;
        drop(guard);
        let names = self.pulled().split_off(before);
        let distinct: BTreeSet<_> = names.iter().cloned().collect();
        let names_told = distinct.into_iter().collect::<Vec<_>>().join(" and ");
        let verdicts: Vec<_> =
            answers.iter().map(|(status, line)| Verdict::of(status, line, &names_told)).collect();
        let (verdict, line) = (verdicts[0].clone(), answers[0].1.clone());
        assert!(verdicts.iter().all(|other| *other == verdict), "{answers:?}");
        let pulled = matches!(verdict, Verdict::Pulled(_));
        assert_eq!(names.len(), if pulled { count } else { 0 }, "{names:?} {line}");
        let records = recorded(&log.text());
        let (reported, reason) = records.first().cloned().unwrap_or_default();
        assert!(records.iter().all(|record| *record == (reported.clone(), reason.clone())), "{records:?}");
        match verdict {
            Verdict::Pulled(_) => assert_eq!(reported, "admitted", "{line}"),
            Verdict::Unreadable(_) => {}
            _ => {
                assert!(reported == "refused" && line.ends_with(&format!("[{reason}]")), "{reported}: {line}")
            }
        }
        let mut outcome = self.watch.lock().unwrap().outcome(&since, verdict, reason, line);
        outcome.log = log.text();
        outcome
    }

    /// The reason code of a pull of an image at the test registry.
    pub(super) async fn verdict(&self, rest: &str) -> String {
        self.pull(&self.image(rest), None).await.0
    }

    /// The reason code, and the line that kubelet shows.
    pub(super) async fn pull(&self, image: &str, auth: Option<api::AuthConfig>) -> (String, String) {
        pull(&self.daemon, image, auth).await
    }

    /// The paths of the requests of a kind (`manifests`, `blobs`, `referrers`, `token`), in order.
    pub(super) fn request_paths(&self, kind: &str) -> Vec<String> {
        let requests = self.registry.requests();
        let paths = requests.iter().map(|request| request.uri.path().to_owned());
        paths.filter(|path| path.split('/').any(|part| part == kind)).collect()
    }

    /// Asserts that no credential was sent to the test registry.
    pub(super) fn assert_no_credentials_sent(&self) {
        assert!(self.registry.requests().iter().all(|request| request.header("authorization").is_none()));
    }
}

pub(super) async fn pull(daemon: &Daemon, image: &str, auth: Option<api::AuthConfig>) -> (String, String) {
    let (status, line) = answer(daemon, image.to_owned(), auth).await;
    match status.as_str() {
        "0" => (PULLED.to_owned(), line),
        _ => {
            let reason = line.rsplit('[').next().unwrap_or_default().trim_end_matches(']');
            (reason.to_owned(), line.clone())
        }
    }
}

/// The gRPC status and message of a pull.
async fn answer(daemon: &Daemon, image: String, auth: Option<api::AuthConfig>) -> (String, String) {
    let request = api::PullImageRequest {
        image: Some(api::ImageSpec { image, ..Default::default() }),
        auth,
        sandbox_config: None,
    };
    answer_to(daemon, &request).await
}

/// The same for a whole request.
pub(super) async fn answer_to(daemon: &Daemon, request: &api::PullImageRequest) -> (String, String) {
    let body = framed(&request.encode_to_vec());
    let path = "/runtime.v1.ImageService/PullImage";
    let response = call(daemon.client(), path, HeaderMap::new(), body).await;
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or(head.headers);
    secrets::wrote("grpc", format!("{trailers:?}"));
    let text = |name: &str| trailers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let line = decoded(&text("grpc-message"));
    let turns = |character: char| character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character);
    assert!(!line.contains(turns), "{line:?}");
    (text("grpc-status"), line)
}

/// Awaits all of these concurrently.
pub(super) async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}

/// The secrets in the credentials of a pull.
fn secrets(auth: &api::AuthConfig) -> [&str; 4] {
    [&auth.password, &auth.auth, &auth.identity_token, &auth.registry_token]
}

fn decoded(text: &str) -> String {
    let form = text.replace('+', "%2B");
    let url = reqwest::Url::parse(&format!("http://x/?a={}", form.replace('&', "%26").replace('#', "%23")))
        .unwrap();
    url.query_pairs().next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

pub(super) fn password(username: &str, password: impl Into<Secret>) -> Option<api::AuthConfig> {
    let auth = api::AuthConfig {
        username: username.to_owned(),
        password: password.into().as_str().to_owned(),
        ..Default::default()
    };
    Some(auth)
}

/// Whether a request is for the manifest under a name.
pub(super) fn manifest_of(request: &Recorded, name: &str) -> bool {
    request.uri.path().ends_with(&format!("/manifests/{name}"))
}
