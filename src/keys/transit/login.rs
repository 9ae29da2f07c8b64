//! Tokens of Vault and OpenBao: given, or got by AppRole.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::client::{Transit, TransitError};
use crate::keys::Login;
use crate::secret;

/// A token is not used in the last part of its life.
const MARGIN: Duration = Duration::from_secs(30);

/// Who asks, with the token that a login gave.
pub(super) struct Session {
    login: Login,
    /// One logs in, the others wait for it.
    held: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(login: Login) -> Self {
        Self { login, held: Mutex::default() }
    }

    /// The token to ask with now.
    pub(super) async fn token(&self, transit: &Transit) -> Result<Zeroizing<String>, TransitError> {
        let no_token = |reason| TransitError::NoToken { reason };
        match &self.login {
            Login::Environment => variable("TOKEN")
                .map(Zeroizing::new)
                .ok_or_else(|| no_token("neither VAULT_TOKEN nor BAO_TOKEN is set".to_owned())),
            Login::TokenFile(path) => secret::read(path).map_err(no_token),
            Login::AppRole { mount, role_id, secret_id_file } => {
                let mut held = self.held.lock().await;
                if let Some((token, _)) = held.as_ref().filter(|(_, until)| Instant::now() < *until) {
                    return Ok(token.clone());
                }
                *held = None;
                let secret_id = secret::read(secret_id_file).map_err(no_token)?;
                let body = json!({ "role_id": role_id, "secret_id": secret_id.as_str() });
                let path = format!("auth/{mount}/login");
                let answer = transit.once(Method::POST, &path, Some(&body), None).await?;
                let auth = answer.get("auth");
                let token = auth.and_then(|auth| auth.get("client_token")?.as_str()).unwrap_or_default();
                if token.is_empty() {
                    return Err(no_token("the login gave none".to_owned()));
                }
                let token = Zeroizing::new(token.to_owned());
                let life = auth.and_then(|auth| auth.get("lease_duration").and_then(Value::as_u64));
                // Zero is "does not end"; it is asked for anew now and then all the same.
                let life = Duration::from_secs(life.filter(|life| *life > 0).unwrap_or(3600).min(86_400));
                *held = Some((token.clone(), Instant::now() + life.saturating_sub(MARGIN)));
                Ok(token)
            }
        }
    }

    /// Forgets a token that was refused. Whether another may be had.
    pub(super) async fn forget(&self) -> bool {
        self.held.lock().await.take().is_some() || matches!(self.login, Login::TokenFile(_))
    }
}

/// A variable of the environment, by its name with Vault or with OpenBao.
pub(super) fn variable(name: &str) -> Option<String> {
    let set = |prefix: &str| std::env::var(format!("{prefix}_{name}")).ok().filter(|text| !text.is_empty());
    set("VAULT").or_else(|| set("BAO"))
}
