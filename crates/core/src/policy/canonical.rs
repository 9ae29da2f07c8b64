//! The hash of a policy: cached verdicts are bound to it, and operators compare nodes by it.

use std::collections::BTreeMap;

use super::DenyList;
use super::rule::{CanonicalText as Text, Rule};
use crate::digest::Digest;
use crate::trust::{Authenticator, RemoteVerification};

/// Changes whenever this code would compute another hash for the same policy.
const VERSION: &str = "pullgate policy 5";

/// Hashes every part that can change a verdict or its reason, each prefixed with its length, in an order that does not
/// depend on the order of the files.
pub(super) fn hash(
    default: &Rule,
    rules: &[Rule],
    authenticators: &BTreeMap<String, Authenticator>,
    denials: &DenyList,
) -> String {
    let mut text = Text::default();
    text.push(VERSION);
    text.rule(default);
    let mut sorted: Vec<String> = rules.iter().map(|rule| Text::of(rule).into_string()).collect();
    sorted.sort_unstable();
    text.count(sorted.len());
    sorted.iter().for_each(|rule| text.push(rule));
    text.count(authenticators.len());
    for authenticator in authenticators.values() {
        push_authenticator(&mut text, authenticator);
    }
    text.count(denials.digests().len());
    for (digest, reason) in denials.digests() {
        text.push(digest.as_str());
        text.push(reason);
    }
    text.count(denials.keys().len());
    for (key, reason) in denials.keys() {
        text.push(key);
        text.push(reason);
    }
    Digest::of(text.into_string().as_bytes()).as_str().to_owned()
}

/// Part of the hash, because a verdict that was not confirmed does not count where the rule requires a confirmation.
fn remote(remote: &RemoteVerification) -> String {
    let RemoteVerification { source, timeout, rate, memory } = remote;
    let mut text = Text::default();
    text.push(source);
    for number in [timeout.as_millis(), u128::from(*rate), memory.as_millis()] {
        text.push(&number.to_string());
    }
    text.into_string()
}

fn push_authenticator(text: &mut Text, authenticator: &Authenticator) {
    text.push(authenticator.name());
    let mut keys: Vec<[String; 6]> = authenticator
        .keys()
        .iter()
        .map(|key| {
            let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
            let public = &key.public;
            [
                public.fingerprint().to_owned(),
                public.algorithm().to_string(),
                public.salt().to_string(),
                time(key.not_before),
                time(key.not_after),
                key.remote.as_deref().map(remote).unwrap_or_default(),
            ]
        })
        .collect();
    keys.sort_unstable();
    text.count(keys.len());
    keys.iter().flatten().for_each(|part| text.push(part));
}
