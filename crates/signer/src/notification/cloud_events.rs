//! CloudEvents 1.0 over HTTP, in structured, batched and binary mode, from the registries that document their content.
//!
//! - Harbor 2.8 and newer, `harbor.artifact.pushed`: "Configure Webhook Notifications", payload format CloudEvents, and
//!   `src/pkg/notifier/formats/cloudevents.go`;
//! - zot with its events extension, `zotregistry.image.updated` (the prefix can be changed): "Event Support for zot", and
//!   `pkg/extensions/events` of zot;
//! - Azure Container Registry by Event Grid, `Microsoft.ContainerRegistry.ImagePushed`: "Azure Container Registry as an
//!   Event Grid source"; its data is an event of distribution.
//!
//! Source of the modes: the CloudEvents specification 1.0.2, "HTTP Protocol Binding". Events of other types are ignored,
//! because a registry sends everything that it is configured to send.

use serde_json::Value;

use super::{
    Envelope, MANIFESTS, Notification, NotificationError, check_count, distribution, harbor, need, pushed,
    text, time,
};
use crate::push::actor;

/// The headers of an event in binary mode.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// `ce-specversion`.
    pub version: &'a str,
    /// `ce-type`.
    pub kind: &'a str,
    /// `ce-time`.
    pub time: Option<&'a str>,
}

pub(super) fn structured(event: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let attributes = Attributes {
        version: need(event, "specversion")?,
        kind: need(event, "type")?,
        time: text(event, "time"),
    };
    let data = event.get("data").unwrap_or(&Value::Null);
    // An extension of Harbor.
    let operator = text(event, "operator").and_then(actor);
    let mut notification = read(data, attributes, envelope)?;
    for push in &mut notification.pushes {
        push.actor = push.actor.take().or_else(|| operator.clone());
    }
    Ok(notification)
}

pub(super) fn batch(events: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let events = events.as_array().ok_or(NotificationError::Field("batch"))?;
    check_count(events.len(), envelope)?;
    let all = Notification::of_all(events.iter().map(|event| structured(event, envelope)))?;
    // An event of Harbor may have several pushes.
    check_count(all.pushes.len(), envelope)?;
    Ok(all)
}

pub(super) fn binary(
    data: &Value,
    attributes: Attributes<'_>,
    envelope: Envelope<'_>,
) -> Result<Notification, NotificationError> {
    read(data, attributes, envelope)
}

fn read(
    data: &Value,
    attributes: Attributes<'_>,
    envelope: Envelope<'_>,
) -> Result<Notification, NotificationError> {
    // "1.0" is the value for all of 1.0.x.
    if attributes.version != "1.0" {
        return Err(NotificationError::Field("specversion"));
    }
    let at = time(attributes.time)?;
    let mut notification = match attributes.kind {
        "harbor.artifact.pushed" => harbor::read_data(data, envelope)?,
        "Microsoft.ContainerRegistry.ImagePushed" => distribution::read_event(data, envelope)?,
        kind if kind.ends_with(".image.updated") => read_zot(data, envelope)?,
        _ => return Ok(Notification::of(None)),
    };
    for push in &mut notification.pushes {
        // The time of the push takes precedence over the time of the event.
        push.at = push.at.or(at);
    }
    Ok(notification)
}

fn read_zot(data: &Value, envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let is_manifest = text(data, "mediaType").is_some_and(|media_type| MANIFESTS.contains(&media_type));
    Ok(Notification::of(match is_manifest {
        true => pushed(envelope, need(data, "name")?, text(data, "reference"), need(data, "digest")?)?,
        false => None,
    }))
}
