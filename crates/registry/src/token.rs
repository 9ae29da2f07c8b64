//! Authorization: which credentials were granted what, and how a grant is obtained.
//!
//! A grant is for one credential, host, repository and kind of access. Its key is a keyed hash of all of them, so a pod
//! never uses a grant of another pod's pull secret, and no secret is a key.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use reqwest::Url;
use rustls::crypto::CryptoProvider;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::challenge::Challenge;
use super::credentials::Offer;
use super::error::RegistryError;
use super::hosts::Host;
use super::limits::{TOKEN_LIFE, TOKENS};
use super::realm;
use pullgate_net::single_flight::Key;
use pullgate_net::ttl_cache::TtlCache;

/// How long a token is valid when the token service does not say, or says less or nothing usable ("should never be returned
/// with less than 60 seconds to live", distribution's token specification).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// How long a rejection is not taken for the end of a token, after a new one was rejected as well.
const DOUBT: Duration = Duration::from_secs(60);
/// A token is not used this long before it expires.
const MARGIN: Duration = Duration::from_secs(5);
/// Characters of a scope that a registry requests.
const SCOPE: usize = 512;

#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'a> {
    /// The repository's path; empty for the catalog.
    pub(super) repository: &'a str,
    /// Whether the request writes.
    pub(super) push: bool,
}

impl Access<'_> {
    fn scope(self) -> String {
        if self.repository.is_empty() {
            return "registry:catalog:*".to_owned();
        }
        format!("repository:{}:{}", self.repository, if self.push { "pull,push" } else { "pull" })
    }
}

/// All grants of this process.
pub(super) struct Tokens {
    key: [u8; 32],
    slots: TtlCache<Key, Slot>,
}

/// A grant; locked while it is being obtained.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Grant>>>;

#[derive(Clone)]
pub(super) struct Grant {
    /// The value of the header Authorization.
    value: Zeroizing<String>,
    until: Option<Instant>,
    /// The challenge that it answered, and whether that came over TLS.
    challenge: (Challenge, bool),
    /// When it was rejected although it was new.
    doubted: Option<Instant>,
}

impl Grant {
    fn is_usable(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(&self.value).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(<redacted>)")
    }
}

impl Tokens {
    /// # Errors
    /// When the system has no random bytes.
    pub(super) fn new(provider: &CryptoProvider) -> Result<Self, RegistryError> {
        let mut key = [0; 32];
        provider.secure_random.fill(&mut key).map_err(|_| RegistryError::Configuration {
            host: "(all)".to_owned(),
            reason: "the operating system returned no random bytes".to_owned(),
        })?;
        Ok(Self { key, slots: TtlCache::of_entries(TOKENS) })
    }

    /// A keyed hash of these fields, which does not reveal them.
    pub(super) fn keyed(&self, fields: &[&[u8]]) -> Key {
        let mut hash = Sha256::new_with_prefix(self.key);
        for field in fields {
            hash.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(field);
        }
        hash.finalize().into()
    }

    /// The slot of a grant.
    pub(super) fn slot(&self, host: &Host, offer: &Offer, access: Access<'_>) -> Slot {
        let key = self.keyed(&[
            offer.username.as_bytes(),
            offer.secret.as_bytes(),
            host.authority.as_bytes(),
            access.repository.as_bytes(),
            if access.push { b"push" } else { b"pull" },
        ]);
        self.slots.live_or_new(key, Slot::default)
    }
}

/// The cached grant.
pub(super) async fn granted(slot: &Slot) -> Option<HeaderValue> {
    let grant = slot.lock().await;
    grant.as_ref().filter(|grant| grant.is_usable()).and_then(Grant::header)
}

/// Answers a challenge, unless another request did since `used` was sent and refused.
///
/// # Errors
/// When there are no credentials for it, or the token service gives no token.
pub(super) async fn obtain(
    token_service: &impl TokenService,
    slot: &Slot,
    request: &Request<'_>,
    used: Option<&HeaderValue>,
) -> Result<HeaderValue, RegistryError> {
    let mut held = slot.lock().await;
    if let Some(header) = held.as_ref().filter(|grant| grant.is_usable()).and_then(Grant::header)
        && used != Some(&header)
    {
        return Ok(header);
    }
    // A new grant may be as useless as the one before it.
    let doubted = held.take().and_then(|grant| grant.doubted);
    let mut grant = match request.challenge {
        Challenge::Basic => basic(request)?,
        Challenge::Bearer { realm, service, scope } => {
            bearer(token_service, request, realm, service, scope).await?
        }
    };
    let header = grant.header().ok_or_else(|| request.no_token("it cannot be sent in a header"))?;
    grant.doubted = doubted;
    *held = Some(grant);
    Ok(header)
}

/// The challenge to answer again after a registry rejected the token `used` without one, so that a token that ends before its
/// time is replaced; `None` if another token would not help.
pub(super) async fn expired(slot: &Slot, used: &HeaderValue) -> Option<(Challenge, bool)> {
    let held = slot.lock().await;
    let grant = held.as_ref()?;
    let (challenge, secure) = &grant.challenge;
    let in_doubt = grant.doubted.is_some_and(|at| at.elapsed() < DOUBT);
    let helps =
        !in_doubt && matches!(challenge, Challenge::Bearer { .. }) && used.as_bytes().starts_with(b"Bearer ");
    helps.then(|| (challenge.clone(), *secure))
}

/// Records that the registry rejects the new token `used` as well: the token is not the reason.
pub(super) async fn not_expired(slot: &Slot, used: &HeaderValue) {
    if let Some(grant) = slot.lock().await.as_mut().filter(|grant| grant.header().as_ref() == Some(used)) {
        grant.doubted = Some(Instant::now());
    }
}

/// A client for token services.
pub(super) trait TokenService {
    /// Sends a request to the token service at `url`, as a form or by GET, without following redirects. Returns the status
    /// and the body.
    fn ask(
        &self,
        request: &Request<'_>,
        url: Url,
        form: Option<&str>,
        authorization: Option<&str>,
    ) -> impl Future<Output = Result<(u16, Bytes), RegistryError>> + Send;

    /// Hosts of token services that get credentials from every registry.
    fn trusted(&self) -> &[String];
}

/// A challenge, and the registry that sent it.
pub(super) struct Request<'a> {
    pub(super) host: &'a Host,
    /// Whether the challenge came over TLS.
    pub(super) secure: bool,
    pub(super) challenge: &'a Challenge,
    pub(super) offer: &'a Offer,
    pub(super) access: Access<'a>,
    /// The object, for messages.
    pub(super) what: &'a str,
}

impl Request<'_> {
    fn no_token(&self, reason: &str) -> RegistryError {
        RegistryError::Token { host: self.host.authority.clone(), reason: reason.to_owned() }
    }

    fn grant(&self, value: String, until: Option<Instant>) -> Grant {
        let challenge = (self.challenge.clone(), self.secure);
        Grant { value: Zeroizing::new(value), until, challenge, doubted: None }
    }
}

fn basic(request: &Request<'_>) -> Result<Grant, RegistryError> {
    let Offer { username, secret } = request.offer;
    if username.is_empty() || secret.is_empty() {
        return Err(RegistryError::Unauthorized {
            host: request.host.authority.clone(),
            what: request.what.to_owned(),
            reason: "it requires a user name and password".to_owned(),
        });
    }
    let pair = Zeroizing::new(format!("{}:{}", username.as_str(), secret.as_str()));
    Ok(request.grant(format!("Basic {}", STANDARD.encode(pair.as_bytes())), None))
}

/// As containerd's `doBearerAuth` (`core/remotes/docker/authorizer.go`): with a secret by OAuth 2 first, then by GET for
/// services that do not support it; without a secret by GET.
async fn bearer(
    token_service: &impl TokenService,
    request: &Request<'_>,
    realm: &str,
    service: &str,
    requested: &str,
) -> Result<Grant, RegistryError> {
    let registry = realm::Registry {
        authority: &request.host.authority,
        secure: request.secure,
        credentials: !request.offer.is_empty(),
    };
    let realm = realm::check(&registry, realm, token_service.trusted())?;
    let scopes = scopes(request.access, requested);
    let Offer { username, secret } = request.offer;
    if !secret.is_empty() {
        let mut form = vec![
            ("scope", scopes.join(" ")),
            ("service", service.to_owned()),
            ("client_id", "containerd-client".to_owned()),
        ];
        if username.is_empty() {
            form.extend([("grant_type", "refresh_token".to_owned()), ("refresh_token", secret.to_string())]);
        } else {
            form.extend([
                ("grant_type", "password".to_owned()),
                ("username", username.to_string()),
                ("password", secret.to_string()),
            ]);
        }
        let mut body = realm.clone();
        body.set_query(None);
        body.query_pairs_mut().extend_pairs(&form);
        for (_, value) in form {
            drop(Zeroizing::new(value));
        }
        let form = Zeroizing::new(body.query().unwrap_or_default().to_owned());
        let (status, answer) = token_service.ask(request, realm.clone(), Some(&form), None).await?;
        match status {
            200..400 => return grant(request, &answer, &["access_token"]),
            400 | 401 | 404 => {}
            405 if !username.is_empty() => {}
            _ => return Err(refused(request, status)),
        }
    }
    let mut url = realm;
    {
        let mut query = url.query_pairs_mut();
        if !service.is_empty() {
            query.append_pair("service", service);
        }
        for scope in &scopes {
            query.append_pair("scope", scope);
        }
    }
    let authorization = (!secret.is_empty())
        .then(|| Zeroizing::new(format!("{}:{}", username.as_str(), secret.as_str())))
        .map(|pair| Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))));
    let (status, answer) =
        token_service.ask(request, url, None, authorization.as_ref().map(|text| text.as_str())).await?;
    match status {
        200..400 => grant(request, &answer, &["access_token", "token"]),
        _ => Err(refused(request, status)),
    }
}

fn refused(request: &Request<'_>, status: u16) -> RegistryError {
    match status {
        401 | 403 => RegistryError::Unauthorized {
            host: request.host.authority.clone(),
            what: request.what.to_owned(),
            reason: format!("its token service answered {status}"),
        },
        _ => request.no_token(&format!("it answered {status}")),
    }
}

fn grant(request: &Request<'_>, answer: &[u8], names: &[&str]) -> Result<Grant, RegistryError> {
    let answer: Value =
        serde_json::from_slice(answer).map_err(|_| request.no_token("its answer is not JSON"))?;
    let token = names
        .iter()
        .filter_map(|name| answer.get(name).and_then(Value::as_str))
        .find(|token| !token.is_empty())
        .ok_or_else(|| request.no_token("its answer has no token"))?;
    let until = Instant::now().checked_add(life(answer.get("expires_in")).saturating_sub(MARGIN));
    Ok(request.grant(format!("Bearer {token}"), Some(until.unwrap_or_else(Instant::now))))
}

/// The lifetime of a token: seconds, some services send them as text. A token that ends earlier is replaced when the
/// registry rejects it.
fn life(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let life = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    life.unwrap_or(DEFAULT_LIFE).clamp(DEFAULT_LIFE, TOKEN_LIFE)
}

/// Our scope, and those of the registry's that mean the same repository, which a proxy may know by a longer name, with no
/// more access than needed; containerd sends all of them.
fn scopes(access: Access<'_>, requested: &str) -> Vec<String> {
    let mut scopes = vec![access.scope()];
    for scope in requested.split(' ').filter(|scope| !scope.is_empty() && scope.len() <= SCOPE) {
        let wanted = match scope.strip_prefix("repository:") {
            None => !scope.starts_with("registry:"),
            Some(rest) => rest.rsplit_once(':').is_some_and(|(name, actions)| {
                let same = name == access.repository
                    || name.strip_suffix(access.repository).is_some_and(|prefix| prefix.ends_with('/'));
                let modest =
                    actions.split(',').all(|action| action == "pull" || access.push && action == "push");
                same && modest
            }),
        };
        if wanted {
            scopes.push(scope.to_owned());
        }
    }
    scopes.sort();
    scopes.dedup();
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_bounded() {
        for (expires_in, seconds) in [
            ("300", 300),
            ("\"300\"", 300),
            ("\" 300.5 \"", 300),
            ("null", 60),
            ("0", 60),
            ("-5", 60),
            ("\"-5\"", 60),
            ("\"soon\"", 60),
            ("\"NaN\"", 60),
            ("\"inf\"", 60),
            ("1e300", 60),
            ("[300]", 60),
            ("3601", 3600),
            ("9223372036854775807", 3600),
        ] {
            let value: Value = serde_json::from_str(expires_in).unwrap();
            assert_eq!(life(Some(&value)).as_secs(), seconds, "{expires_in}");
        }
        assert_eq!(life(None), DEFAULT_LIFE);
    }

    #[test]
    fn scopes_are_limited_to_the_repository_and_access() {
        let pull = Access { repository: "team/app", push: false };
        let push = Access { repository: "team/app", push: true };
        let own = "repository:team/app:pull";
        for (access, requested, expected) in [
            (pull, "", &[own][..]),
            (pull, own, &[own]),
            (pull, "repository:proxy/team/app:pull", &["repository:proxy/team/app:pull", own]),
            (pull, "repository:team/app:pull,push", &[own]),
            (pull, "repository:other:pull", &[own]),
            (pull, "repository:evilteam/app:pull", &[own]),
            (pull, "registry:catalog:*", &[own]),
            (pull, "aws", &["aws", own]),
            (push, "repository:team/app:pull,push", &["repository:team/app:pull,push"]),
            (Access { repository: "", push: true }, "registry:catalog:*", &["registry:catalog:*"]),
        ] {
            assert_eq!(scopes(access, requested), expected, "{requested}");
        }
    }
}
