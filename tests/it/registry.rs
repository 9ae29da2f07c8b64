//! The registry client against a registry that keeps the rules or breaks them.

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

/// Limits that are reached in a test's time.
fn impatient() -> Limits {
    Limits { request_timeout: Duration::from_millis(400), ..Limits::default() }
}

fn anonymous() -> Credentials {
    Credentials::anonymous()
}
