//! Keys in services, against servers that check each request as published and make real signatures.

use std::sync::Arc;
use std::time::Duration;

use pullgate::keys::{self, Bounds, KeySettings, KeysError, SigningKey};
use pullgate::service;
use pullgate::trust::Algorithm;

pub(crate) mod kms;
pub(crate) mod transit;

use pullgate_test::secrets;
use pullgate_test::secrets::file as secret_file;

/// Limits that a test reaches quickly.
fn bounds() -> Bounds {
    Bounds { deadline: Duration::from_secs(20), rate: 1000, concurrency: 4 }
}

fn impatient() -> Bounds {
    Bounds { deadline: Duration::from_secs(2), ..bounds() }
}

fn service() -> service::ServiceSettings {
    service::ServiceSettings { answer: 8 << 10, ..service::ServiceSettings::default() }
}

async fn open(
    location: &str,
    algorithm: Option<Algorithm>,
    settings: &KeySettings,
) -> Result<Arc<SigningKey>, KeysError> {
    secrets::keep_log();
    let opened = keys::open(&location.parse().unwrap(), algorithm, settings).await;
    secrets::wrote("debug", format!("{settings:?} {opened:?}"));
    if let Err(error) = &opened {
        secrets::wrote("errors", error_chain(error));
    }
    opened
}

/// An error with its causes.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        text.push_str(&format!(": {current}"));
        cause = current.source();
    }
    text
}
