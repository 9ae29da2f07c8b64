//! The hash of a policy: cached verdicts are bound to it, and operators compare nodes by it.

use super::Policy;
use super::layer::Layer;
use super::rule::CanonicalText as Text;
use crate::digest::Digest;
use crate::trust::{Authenticator, Signers};

/// Changes whenever this code would compute another hash for the same policy.
const VERSION: &str = "pullgate policy 8";

/// Hashes every part that can change a verdict or its reason, each prefixed with its length, in an order that does not
/// depend on the order of the files.
pub(super) fn hash(policy: &Policy) -> String {
    let Policy { layer, narrowing, authenticators, conditions, denials, .. } = policy;
    let mut text = Text::default();
    text.push(VERSION);
    push_layer(&mut text, layer);
    for layer in narrowing {
        text.push("narrowed by");
        push_layer(&mut text, layer);
    }
    text.count(authenticators.len());
    for authenticator in authenticators.values() {
        push_authenticator(&mut text, authenticator);
    }
    text.count(conditions.len());
    for condition in conditions.values() {
        let entries = condition.entries();
        text.count(entries.len());
        entries.iter().for_each(|entry| text.push(entry));
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

fn push_layer(text: &mut Text, layer: &Layer) {
    text.rule(&layer.default);
    let mut sorted: Vec<String> = layer.rules.iter().map(|rule| Text::of(rule).into_string()).collect();
    sorted.sort_unstable();
    text.count(sorted.len());
    sorted.iter().for_each(|rule| text.push(rule));
}

fn push_authenticator(text: &mut Text, authenticator: &Authenticator) {
    let set = authenticator.set();
    text.push(authenticator.name());
    // A count is not a word, so keys need none.
    if !matches!(authenticator.signers(), Signers::Keys(_)) {
        text.push(set.kind());
    }
    let mut entries = set.entries();
    entries.sort_unstable();
    text.count(entries.len());
    entries.iter().flatten().for_each(|part| text.push(part));
}
