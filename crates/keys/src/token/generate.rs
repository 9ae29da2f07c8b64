//! Generates key pairs in tokens.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::Session;

use super::session::Token;
use super::{KeysError, TokenError, failed, find};
use crate::generate::KeyKind;
use crate::{TokenKey, TokenSettings};
use pullgate_core::trust::spki;

/// Generates a key pair that never leaves the token and only signs.
pub(crate) async fn generate(
    key: &TokenKey,
    kind: KeyKind,
    settings: &TokenSettings,
) -> Result<(), KeysError> {
    let origin = key.to_string();
    let wrapped = |error| failed(&origin, error);
    let token = Token::open(key, settings).await.map_err(wrapped)?;
    let (wanted, writer) = (key.clone(), std::sync::Arc::clone(&token));
    let generated = token.with(move |_, _| {
        let session = writer.session(true)?;
        refuse_taken(&session, &wanted)?;
        make(&session, &wanted, kind)
    });
    generated.await.map_err(wrapped)
}

/// Neither the label nor the id may be in use: a URI with one of them would match two keys.
fn refuse_taken(session: &Session, key: &TokenKey) -> Result<(), TokenError> {
    for name in find::name(key) {
        if !session.find_objects(&[name]).map_err(TokenError::of)?.is_empty() {
            return Err(TokenError::Exists);
        }
    }
    Ok(())
}

fn make(session: &Session, key: &TokenKey, kind: KeyKind) -> Result<(), TokenError> {
    // Both halves are found by one id, so there must be one.
    let label = key.object.clone().unwrap_or_default();
    let id = key.id.clone().unwrap_or_else(|| label.clone().into_bytes());
    let named = |class: &mut Vec<Attribute>| {
        class.extend([Attribute::Token(true), Attribute::Id(id.clone())]);
        if !label.is_empty() {
            class.push(Attribute::Label(label.clone().into_bytes()));
        }
    };
    let (mut public, mut private) = (Vec::new(), Vec::new());
    named(&mut public);
    named(&mut private);
    public.push(Attribute::Verify(true));
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
    ]);
    let mechanism = match kind {
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
            let bits = kind.modulus_bits().unwrap_or_default();
            public.push(Attribute::ModulusBits(std::ffi::c_ulong::from(bits).into()));
            public.push(Attribute::PublicExponent(vec![1, 0, 1]));
            Mechanism::RsaPkcsKeyPairGen
        }
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
            let curve = match kind {
                KeyKind::P256 => &spki::P256[..],
                KeyKind::P384 => &spki::P384[..],
                _ => &spki::P521[..],
            };
            public.push(Attribute::EcParams(curve.to_vec()));
            private.retain(|attribute| !matches!(attribute, Attribute::Decrypt(_) | Attribute::Unwrap(_)));
            Mechanism::EccKeyPairGen
        }
        KeyKind::Ed25519 => {
            public.push(Attribute::EcParams(spki::EDWARDS_NAME.to_vec()));
            private.retain(|attribute| !matches!(attribute, Attribute::Decrypt(_) | Attribute::Unwrap(_)));
            Mechanism::EccEdwardsKeyPairGen
        }
    };
    let generated = session.generate_key_pair(&mechanism, &public, &private);
    generated.map(drop).map_err(|error| match TokenError::of(error) {
        TokenError::Refused { code } if code.starts_with("MechanismInvalid") => TokenError::CannotGenerate,
        other => other,
    })
}
