//! A key in a PKCS#11 token.
//!
//! The module is foreign code in this process, which the operator configured. It runs on blocking threads only, a limited
//! number at a time, and its signatures are verified before they are used.

mod error;
mod find;
mod generate;
mod mechanism;
mod module;
mod public;
mod session;

use std::sync::Arc;

use cryptoki::object::ObjectHandle;

use super::{KeysError, Private, SigningKey, TokenKey, TokenSettings, self_check};
use pullgate_core::trust::{Algorithm, pem};

pub use error::TokenError;
pub(super) use generate::generate;
use session::Token;

/// The private half of a key in a token.
#[derive(Debug)]
pub(super) struct InToken {
    token: Arc<Token>,
    key: TokenKey,
    handle: ObjectHandle,
    how: mechanism::How,
}

impl InToken {
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (how, handle, key) = (self.how, self.handle, self.key.clone());
        let input = how.input(message);
        let signature = self.token.with(move |session, fresh| {
            // A token that was reinserted may have given its objects other handles.
            let handle = if fresh { find::private(session, &key)? } else { handle };
            session.sign(&how.mechanism(), handle, &input).map_err(TokenError::of)
        });
        signature.await
    }
}

fn failed(origin: &str, error: TokenError) -> KeysError {
    KeysError::Token { origin: origin.to_owned(), error }
}

pub(super) async fn open(
    key: &TokenKey,
    algorithm: Option<Algorithm>,
    settings: &TokenSettings,
) -> Result<SigningKey, KeysError> {
    let origin = key.to_string();
    let token = Token::open(key, settings).await.map_err(|error| failed(&origin, error))?;
    let (wanted, same_token) = (key.clone(), Arc::clone(&token));
    let found = token.with(move |session, _| {
        let handle = find::private(session, &wanted).map_err(|error| match error {
            TokenError::NoKey if same_token.hides_keys() => TokenError::PinNeeded,
            other => other,
        })?;
        Ok((handle, public::der(session, handle)?))
    });
    let (handle, der) = found.await.map_err(|error| failed(&origin, error))?;
    let public = self_check::public(&pem::write("PUBLIC KEY", &der), algorithm, &origin)?;
    let algorithm = public.algorithm();
    let how = mechanism::How::choose(algorithm, token.mechanisms());
    let how = how.map_err(|reason| KeysError::Algorithm { origin: origin.clone(), algorithm, reason })?;
    let private = Private::Token(InToken { token, key: key.clone(), handle, how });
    Ok(SigningKey { public, origin, private })
}
