//! Parses notifications of pushes in every format that registries send: bytes in, [`Push`]es out. No I/O.
//!
//! Fields that are used are checked strictly, others are ignored. A malformed event does not cost the others of its
//! notification their signatures: it is skipped and reported. A notification with malformed events and no push is
//! refused: a registry that receives an error keeps it, and an operator can look into it.

mod cloud_events;
mod distribution;
mod harbor;

use jiff::Timestamp;
use serde_json::Value;

use super::push::Push;
use pullgate_core::digest::Digest;
use pullgate_core::json::{self, Bounds, JsonError, Keys};
use pullgate_core::reference::{self, Repository};
use pullgate_registry::is_attachment_tag;

pub use cloud_events::Attributes;

/// Nesting of a notification's JSON; no format comes near it.
const DEPTH: usize = 16;
const VALUES: usize = 200_000;

/// Media types of manifests and indexes; other objects, such as layers, are not images.
const MANIFESTS: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// The context of a notification.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The header `Content-Type`.
    pub content_type: &'a str,
    /// The `ce-…` headers, if any.
    pub attributes: Option<Attributes<'a>>,
    /// The registry host in image names, whatever the notification says.
    pub registry: &'a str,
    /// The most events.
    pub events: usize,
}

/// The content of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The pushes of manifests.
    pub pushes: Vec<Push>,
    /// The number of events that are not pushes of images: pulls, layers, signatures.
    pub passed_over: usize,
    /// Why events were skipped, at most one for each event.
    pub malformed: Vec<NotificationError>,
}

/// Parses a notification in any of the formats.
///
/// # Errors
/// When the format is unknown, or the notification is malformed and no push in it can be read.
pub fn read(body: &[u8], envelope: Envelope<'_>) -> Result<Notification, NotificationError> {
    let media_type = envelope.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let document = || {
        let bounds = Bounds { depth: DEPTH, values: VALUES, keys: Keys::Exact };
        json::parse(body, bounds).map_err(NotificationError::Json)
    };
    match (media_type.as_str(), envelope.attributes) {
        ("application/cloudevents+json", _) => cloud_events::structured(&document()?, envelope),
        ("application/cloudevents-batch+json", _) => cloud_events::batch(&document()?, envelope),
        (_, Some(attributes)) => cloud_events::binary(&document()?, attributes, envelope),
        ("application/vnd.docker.distribution.events.v1+json", None)
        | ("application/vnd.docker.distribution.events.v2+json", None) => {
            distribution::read(&document()?, envelope)
        }
        ("application/json", None) => match document()? {
            // Azure Event Grid delivers CloudEvents in arrays of one, without the batch media type.
            document @ Value::Array(_) => cloud_events::batch(&document, envelope),
            document if document.get("specversion").is_some() => {
                cloud_events::structured(&document, envelope)
            }
            document if document.get("events").is_some() => distribution::read(&document, envelope),
            document => harbor::read(&document, envelope),
        },
        _ => Err(NotificationError::MediaType),
    }
}

/// Why a notification is refused. Contains no text of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// It is not valid JSON.
    #[error("the notification is malformed: {0}")]
    Json(JsonError),
    /// The media type is unknown.
    #[error("the notification has an unknown Content-Type")]
    MediaType,
    /// More events than the limit.
    #[error("the notification has more than {0} events; see `notification-events` in [limits]")]
    TooMany(usize),
    /// A field is missing or not valid.
    #[error("in the notification, {0} is missing or not valid")]
    Field(&'static str),
}

impl Notification {
    fn of(push: Option<Push>) -> Self {
        match push {
            Some(push) => Self { pushes: vec![push], ..Self::default() },
            None => Self { passed_over: 1, ..Self::default() },
        }
    }

    /// What can be read of several events.
    ///
    /// # Errors
    /// The first error, when there is no push besides it.
    fn of_all(
        events: impl Iterator<Item = Result<Self, NotificationError>>,
    ) -> Result<Self, NotificationError> {
        let mut all = Self::default();
        for event in events {
            match event {
                Ok(event) => {
                    all.pushes.extend(event.pushes);
                    all.passed_over += event.passed_over;
                    all.malformed.extend(event.malformed);
                }
                Err(error) => all.malformed.push(error),
            }
        }
        match all.malformed.first() {
            Some(error) if all.pushes.is_empty() => Err(*error),
            _ => Ok(all),
        }
    }
}

/// The push of a digest, unless it is known not to be an image.
fn pushed(
    envelope: Envelope<'_>,
    path: &str,
    tag: Option<&str>,
    digest: &str,
) -> Result<Option<Push>, NotificationError> {
    let name = format!("{}/{path}", envelope.registry);
    let repository = Repository::parse(&name).map_err(|_| NotificationError::Field("repository"))?;
    // A name without its own host would be completed to one of Docker Hub.
    if repository.domain() != envelope.registry || repository.path() != path {
        return Err(NotificationError::Field("repository"));
    }
    let digest = Digest::parse(digest).map_err(|_| NotificationError::Field("digest"))?;
    // Harbor and zot write the digest where there is no tag.
    let tag = tag.filter(|tag| !tag.is_empty() && *tag != digest.as_str());
    if tag.is_some_and(|tag| !reference::is_tag(tag)) {
        return Err(NotificationError::Field("tag"));
    }
    if tag.is_some_and(is_attachment_tag) {
        return Ok(None);
    }
    Ok(Some(Push { repository, tag: tag.map(ToOwned::to_owned), digest, at: None, actor: None }))
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn need<'v>(value: &'v Value, name: &'static str) -> Result<&'v str, NotificationError> {
    text(value, name).ok_or(NotificationError::Field(name))
}

/// A time in RFC 3339; if present, it must be valid.
fn time(text: Option<&str>) -> Result<Option<Timestamp>, NotificationError> {
    text.map(|text| text.parse().map_err(|_| NotificationError::Field("time"))).transpose()
}

/// Seconds since 1970, as Harbor sends them.
fn seconds(value: &Value, name: &str) -> Result<Option<Timestamp>, NotificationError> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(number) => {
            let seconds = number.as_i64().ok_or(NotificationError::Field("time"))?;
            Timestamp::from_second(seconds).map(Some).map_err(|_| NotificationError::Field("time"))
        }
    }
}

fn check_count(count: usize, envelope: Envelope<'_>) -> Result<(), NotificationError> {
    if count > envelope.events { Err(NotificationError::TooMany(envelope.events)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
