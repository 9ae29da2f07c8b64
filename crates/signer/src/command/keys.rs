//! `pullgate-signer keys …`: keys for signing and for verifying.

mod fetch;
mod generate;
mod list;
mod public;
mod sign;

use std::path::Path;

use pullgate::config::{self, DaemonConfig, Survey};
use pullgate_cli::{Outcome, output};

/// Subcommands of `pullgate-signer keys`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum KeysCommand {
    /// Generate a key pair, in a file or in a PKCS#11 token
    Generate(generate::Generate),
    /// Show the public key of a private key, with its fingerprint and ids
    Public(public::Public),
    /// List the keys of each authenticator of the policy
    List(list::List),
    /// Fetch and store the public keys that the policy names by `source`
    Fetch(fetch::Fetch),
    /// Sign a file, so that openssl and cosign verify-blob can verify it
    Sign(Box<sign::SignFile>),
}

impl KeysCommand {
    pub(super) fn reads_configuration(&self) -> bool {
        matches!(self, Self::List(_) | Self::Fetch(_))
    }

    pub(super) fn run(self, root: &Path) -> Outcome {
        match self {
            Self::Generate(generate) => generate.run(),
            Self::Public(public) => public.run(),
            Self::List(list) => list.run(root),
            Self::Fetch(fetch) => fetch.run(root),
            Self::Sign(sign) => sign.run(),
        }
    }
}

/// The configuration of the daemon, and what its policy declares. Problems in the former have been printed.
fn survey(root: &Path) -> Result<(DaemonConfig, Survey), Outcome> {
    config::survey(root, jiff::Timestamp::now()).map_err(|problems| {
        output::note(&problems.to_string());
        Outcome::Usage
    })
}
