//! Sessions with one token: opened when needed, reused, a limited number at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use tokio::sync::Semaphore;

use super::{TokenError, find, module};
use crate::{TokenKey, TokenSettings};
use pullgate_net::secret;

/// A token after login.
pub(super) struct Token {
    context: Pkcs11,
    slot: Slot,
    mechanisms: Vec<MechanismType>,
    /// For new sessions after the token was removed; the crate wipes it.
    pin: Option<AuthPin>,
    idle: Mutex<Vec<Session>>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("slot", &self.slot.id()).finish_non_exhaustive()
    }
}

impl Token {
    /// Finds the token of a key and logs in, if there is a PIN.
    pub(super) async fn open(key: &TokenKey, settings: &TokenSettings) -> Result<Arc<Self>, TokenError> {
        let (key, settings) = (key.clone(), settings.clone());
        let deadline = settings.deadline;
        let opening = tokio::task::spawn_blocking(move || {
            let context = module::load(&key.module, &settings)?;
            let slot = find::slot(&context, &key)?;
            let pin = match key.pin.as_ref().or(settings.pin_file.as_ref()) {
                None => None,
                Some(path) => {
                    let pin = secret::read(path).map_err(|reason| TokenError::Pin { reason })?;
                    Some(AuthPin::from(pin.as_str()))
                }
            };
            let mechanisms = context.get_mechanism_list(slot).map_err(TokenError::of)?;
            let token = Self {
                context,
                slot,
                mechanisms,
                pin,
                idle: Mutex::default(),
                permits: Arc::new(Semaphore::new(settings.sessions.clamp(1, 64))),
                deadline,
            };
            // Logs in now, so that a wrong PIN is found at once and tried only once.
            let session = token.session(false)?;
            token.give_back(session);
            Ok(Arc::new(token))
        });
        let opened = tokio::time::timeout(deadline, opening).await.map_err(|_| TokenError::Deadline)?;
        opened.map_err(|_| TokenError::Abandoned)?
    }

    /// Whether private keys may be invisible, because there was no login.
    pub(super) fn hides_keys(&self) -> bool {
        let wanted = self.context.get_token_info(self.slot).is_ok_and(|token| token.login_required());
        wanted && self.pin.is_none()
    }

    pub(super) fn mechanisms(&self) -> &[MechanismType] {
        &self.mechanisms
    }

    /// Runs `work` with a session on a blocking thread; its second argument is whether objects must be looked up again. A
    /// failure because the session was lost is retried once with a new one.
    pub(super) async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(&Session, bool) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, TokenError> {
        let token = Arc::clone(self);
        let working = async {
            let permit =
                Arc::clone(&token.permits).acquire_owned().await.map_err(|_| TokenError::Abandoned)?;
            let done = tokio::task::spawn_blocking(move || {
                // Held until the module returns, however long it takes: a module that hangs must not accumulate threads.
                let _permit = permit;
                let session = token.idle().pop();
                if let Some(session) = session {
                    match work(&session, false) {
                        Ok(done) => {
                            token.give_back(session);
                            return Ok(done);
                        }
                        Err(error) if error == TokenError::PinNeeded || !is_alive(&session) => {
                            drop(session);
                            token.idle().clear();
                        }
                        Err(error) => {
                            token.give_back(session);
                            return Err(error);
                        }
                    }
                }
                let session = token.session(false)?;
                let done = work(&session, true);
                token.give_back(session);
                done
            });
            done.await.map_err(|_| TokenError::Abandoned)?
        };
        tokio::time::timeout(self.deadline, working).await.unwrap_or(Err(TokenError::Deadline))
    }

    /// A new session after login. A login applies to all sessions of the process with the token.
    pub(super) fn session(&self, write: bool) -> Result<Session, TokenError> {
        let opened = if write {
            self.context.open_rw_session(self.slot)
        } else {
            self.context.open_ro_session(self.slot)
        };
        let session = opened.map_err(TokenError::of)?;
        if let Some(pin) = &self.pin {
            match session.login(UserType::User, Some(pin)) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(error) => return Err(TokenError::of(error)),
            }
        }
        Ok(session)
    }

    fn give_back(&self, session: Session) {
        self.idle().push(session);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the session is still valid.
fn is_alive(session: &Session) -> bool {
    match session.get_session_info() {
        Ok(_) => true,
        Err(error) => !TokenError::is_lost_session(&error),
    }
}
