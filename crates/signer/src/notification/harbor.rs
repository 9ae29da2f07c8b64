//! Harbor's own format, `PUSH_ARTIFACT`.
//!
//! Sources: Harbor's documentation, "Configure Webhook Notifications"; `src/pkg/notifier/model/event.go` of Harbor. The tag
//! of an untagged artifact is its digest.

use serde_json::Value;

use super::{Envelope, Notification, NotificationError, check_count, need, pushed, seconds, text};
use crate::push::actor;

pub(super) fn read(document: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    if need(document, "type")? != "PUSH_ARTIFACT" {
        return Ok(Notification::of(None));
    }
    let data = document.get("event_data").ok_or(NotificationError::Field("event_data"))?;
    let mut notification = read_data(data, envelope)?;
    let at = seconds(document, "occur_at")?;
    let by = text(document, "operator").and_then(actor);
    for push in &mut notification.pushes {
        push.at = at;
        push.actor.clone_from(&by);
    }
    Ok(notification)
}

/// The data of an event, which Harbor also puts into its CloudEvents.
pub(super) fn read_data(data: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let repository = data.get("repository").ok_or(NotificationError::Field("repository"))?;
    let name = need(repository, "repo_full_name")?;
    let resources =
        data.get("resources").and_then(Value::as_array).ok_or(NotificationError::Field("resources"))?;
    check_count(resources.len(), envelope)?;
    Notification::of_all(resources.iter().map(|resource| {
        let push = pushed(envelope, name, text(resource, "tag"), need(resource, "digest")?)?;
        Ok(Notification::of(push))
    }))
}
