//! Finds the token and the key of a URI.

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use super::TokenError;
use crate::TokenKey;

/// The slot of the only token that matches.
pub(super) fn slot(context: &Pkcs11, key: &TokenKey) -> Result<Slot, TokenError> {
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted == found.trim_end_matches([' ', '\0']))
    };
    if key.make.library_manufacturer.is_some() || key.make.library_description.is_some() {
        let library = context.get_library_info().map_err(TokenError::of)?;
        if !is(&key.make.library_manufacturer, library.manufacturer_id())
            || !is(&key.make.library_description, library.library_description())
        {
            return Err(TokenError::NoToken);
        }
    }
    let mut fitting = Vec::new();
    for slot in context.get_slots_with_token().map_err(TokenError::of)? {
        // A slot without readable token information does not have the key.
        let Ok(token) = context.get_token_info(slot) else { continue };
        let Ok(slot_info) = context.get_slot_info(slot) else { continue };
        if token.token_initialized()
            && is(&key.token, token.label())
            && is(&key.serial, token.serial_number())
            && is(&key.make.manufacturer, token.manufacturer_id())
            && is(&key.make.model, token.model())
            && is(&key.make.slot_description, slot_info.slot_description())
            && is(&key.make.slot_manufacturer, slot_info.manufacturer_id())
            && key.slot.is_none_or(|wanted| wanted == slot.id())
        {
            fitting.push(slot);
        }
    }
    match fitting.as_slice() {
        [slot] => Ok(*slot),
        [] => Err(TokenError::NoToken),
        several => Err(TokenError::SeveralTokens { found: several.len() }),
    }
}

/// The only private key that matches.
pub(super) fn private(session: &Session, key: &TokenKey) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
    template.extend(name(key));
    let found = session.find_objects(&template).map_err(TokenError::of)?;
    match found.as_slice() {
        [handle] => Ok(*handle),
        [] => Err(TokenError::NoKey),
        _ => Err(TokenError::SeveralKeys),
    }
}

/// The attributes that name an object.
pub(super) fn name(key: &TokenKey) -> impl Iterator<Item = Attribute> + '_ {
    let label = key.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec()));
    label.into_iter().chain(key.id.as_ref().map(|id| Attribute::Id(id.clone())))
}
