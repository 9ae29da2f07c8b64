use std::path::PathBuf;

use super::*;
use crate::trust::{Claim, Pattern, SignerRule, TrustedRoot};

mod managed;
mod suite;

/// A file of `tests/fixtures/sigstore`.
fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/sigstore").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

fn root(name: &str) -> TrustedRoot {
    let file = format!("roots/{name}.json");
    TrustedRoot::parse(file.clone(), &text(&file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn now() -> Timestamp {
    "2026-11-30T00:00:00Z".parse().unwrap()
}

/// Who signs, as a policy says it: issuer, subject and claims.
fn rule(issuer: &str, subject: Option<&str>, claims: &[(Claim, &str)]) -> SignerRule {
    let pattern = |text: &str| Pattern::parse(text).unwrap();
    let claims = claims.iter().map(|(claim, text)| (*claim, pattern(text))).collect();
    SignerRule::new(issuer.to_owned(), subject.map(pattern), claims).unwrap()
}
