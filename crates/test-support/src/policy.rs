//! Parts of a `policy.toml`.

use std::fmt;
use std::path::Path;

use pullgate::policy::Policy;

use crate::signer::key_file;

/// An authenticator with one of the keys in `tests/fixtures/keys`; its `Display` is its table.
#[derive(Clone, Copy)]
pub struct Authenticator<'a> {
    pub name: &'a str,
    /// The name of the key file, such as `p256`.
    pub key: &'a str,
    pub algorithm: &'a str,
}

/// The authenticator that most policies of the tests require.
pub const RELEASE: Authenticator<'static> =
    Authenticator { name: "release", key: "p256", algorithm: "ECDSA_SHA_256" };

/// A second one, with another key.
pub const SECURITY: Authenticator<'static> =
    Authenticator { name: "security", key: "p384", algorithm: "ECDSA_SHA_384" };

impl fmt::Display for Authenticator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, key, algorithm } = self;
        let file = key_file(key, "pub");
        writeln!(f, "[authenticator.{name}]\nalgorithm = \"{algorithm}\"\nkeys = [{{ file = {file:?} }}]")
    }
}

/// Writes `etc/policy.toml` below a directory, and loads it.
///
/// # Panics
///
/// If the policy is not valid.
#[track_caller]
pub fn load(directory: &Path, text: &str) -> Policy {
    let root = directory.join("etc");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("policy.toml"), text).unwrap();
    crate::schema::check("policy.toml", text);
    let loaded = pullgate::config::load_policy(&root, jiff::Timestamp::now());
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{text}")).policy
}
