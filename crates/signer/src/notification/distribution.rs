//! The format of the distribution project: an envelope of events, several of which may be about one push.
//!
//! Source: `notifications/event.go` of distribution, and its documentation, "Work with notifications".

use serde_json::Value;

use super::{Envelope, MANIFESTS, Notification, NotificationError, check_count, need, pushed, text, time};
use crate::push::{Push, actor};

pub(super) fn read(document: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let events =
        document.get("events").and_then(Value::as_array).ok_or(NotificationError::Field("events"))?;
    check_count(events.len(), envelope)?;
    Notification::of_all(events.iter().map(|event| read_event(event, envelope)))
}

/// One event, which Azure also puts into its CloudEvents.
pub(super) fn read_event(event: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    if need(event, "action")? != "push" {
        return Ok(Notification::of(None));
    }
    let target = event.get("target").ok_or(NotificationError::Field("target"))?;
    if !text(target, "mediaType").is_some_and(|media_type| MANIFESTS.contains(&media_type)) {
        return Ok(Notification::of(None));
    }
    let push = pushed(envelope, need(target, "repository")?, text(target, "tag"), need(target, "digest")?)?;
    let at = time(text(event, "timestamp"))?;
    let by = event.get("actor").and_then(|actor| text(actor, "name")).and_then(actor);
    Ok(Notification::of(push.map(|push| Push { at, actor: by, ..push })))
}
