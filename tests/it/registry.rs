//! The registry client against registries that follow the specification or violate it.

use std::time::Duration;

use pullgate::registry::{Credentials, Limits, Registry, RegistrySettings};

mod attachments;
mod auth;
mod hosts;
mod legacy;
mod listing;
mod redirects;
mod resolve;

/// A client with these limits and no host configuration.
fn client_with(limits: Limits) -> Registry {
    Registry::new(RegistrySettings { limits, ..RegistrySettings::default() }).unwrap()
}

fn client() -> Registry {
    client_with(Limits::default())
}

/// Limits that a test reaches quickly.
fn impatient() -> Limits {
    Limits { request_timeout: Duration::from_millis(400), ..Limits::default() }
}

fn anonymous() -> Credentials {
    Credentials::anonymous()
}
