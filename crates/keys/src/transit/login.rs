//! Tokens of Vault and OpenBao: configured, or from AppRole.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::error::TransitError;
use super::http::{Shown, TransitHttp};
use crate::VaultAuth;
use pullgate_net::secret;

/// A token is not used this long before it expires.
const MARGIN: Duration = Duration::from_secs(30);

/// The identity at the service, with the token of a login.
pub(super) struct Session {
    login: VaultAuth,
    /// Locked during a login, so that concurrent callers share it.
    cached: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(login: VaultAuth) -> Self {
        Self { login, cached: Mutex::default() }
    }

    /// The current token.
    pub(super) async fn token(&self, http: &TransitHttp) -> Result<Zeroizing<String>, TransitError> {
        let no_token = |reason| TransitError::NoToken { reason };
        match &self.login {
            VaultAuth::Environment => variable("TOKEN")
                .map(Zeroizing::new)
                .ok_or_else(|| no_token("neither VAULT_TOKEN nor BAO_TOKEN is set".to_owned())),
            VaultAuth::TokenFile(path) => secret::read(path).map_err(no_token),
            VaultAuth::AppRole { mount, role_id, secret_id_file } => {
                let mut cached = self.cached.lock().await;
                if let Some((token, _)) = cached.as_ref().filter(|(_, until)| Instant::now() < *until) {
                    return Ok(token.clone());
                }
                *cached = None;
                let secret_id = secret::read(secret_id_file).map_err(no_token)?;
                let body = Bytes::from_owner(body(role_id, &secret_id));
                let path = format!("auth/{mount}/login");
                let shown = Shown::SecretId(&secret_id);
                let mut answer = http.once(Method::POST, &path, Some(body), shown).await?;
                let token =
                    answer.get_mut("auth").and_then(|auth| Some(auth.get_mut("client_token")?.take()));
                let token = match token {
                    Some(Value::String(token)) if !token.is_empty() => Zeroizing::new(token),
                    _ => return Err(no_token("the login returned no token".to_owned())),
                };
                let life = answer.get("auth").and_then(|auth| auth.get("lease_duration")?.as_u64());
                // Zero means that it does not expire; it is renewed sometimes all the same.
                let life = Duration::from_secs(life.filter(|life| *life > 0).unwrap_or(3600).min(86_400));
                *cached = Some((token.clone(), Instant::now() + life.saturating_sub(MARGIN)));
                Ok(token)
            }
        }
    }

    /// Removes a token that was refused. Returns whether a new one can be obtained.
    pub(super) async fn forget(&self) -> bool {
        self.cached.lock().await.take().is_some() || matches!(self.login, VaultAuth::TokenFile(_))
    }
}

/// The body of a login, as JSON that is wiped.
fn body(role_id: &str, secret_id: &str) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Body<'a> {
        role_id: &'a str,
        secret_id: &'a str,
    }
    // An escape is at most six bytes long: the buffer never grows, which would leave a copy behind.
    let most = (role_id.len() + secret_id.len()).saturating_mul(6).saturating_add(64);
    let mut body = Zeroizing::new(Vec::with_capacity(most));
    // Writing to a Vec does not fail.
    let _ = serde_json::to_writer(&mut *body, &Body { role_id, secret_id });
    body
}

/// A variable of the environment, by its name with Vault or with OpenBao.
pub(super) fn variable(name: &str) -> Option<String> {
    let set = |prefix: &str| std::env::var(format!("{prefix}_{name}")).ok().filter(|text| !text.is_empty());
    set("VAULT").or_else(|| set("BAO"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_is_json_that_is_written_once() {
        for secret_id in ["s3cret", "\"\\", "\u{1}\u{1}\u{1}", "ü", ""] {
            let body = body("signer", secret_id);
            let read: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(read, json!({ "role_id": "signer", "secret_id": secret_id }));
            assert_eq!(body.capacity(), (6 + secret_id.len()) * 6 + 64, "it has not grown");
        }
    }
}
