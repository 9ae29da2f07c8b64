//! `[[rule]]`: which images are signed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Declared;
use crate::{Attaching, AuthenticatorSettings, Rule, TimestampSettings, Trigger};
use pullgate_config::bound::{DAY, MINUTE};
use pullgate_config::document::{Document, Table, Value};
use pullgate_config::kind::{Choice, Form, OptionKind, PATH, off_or};
use pullgate_config::options::{OptionDoc, Options as _, REQUIRED, ReadByHand};
use pullgate_config::values::read_algorithm;
use pullgate_config::{read_by_hand, suggest};
use pullgate_core::policy::{MAX_TAG_PATTERNS, Scope, Tags};
use pullgate_core::signature::EnvelopeType;
use pullgate_core::trust::x509::is_notation_algorithm;
use pullgate_net::service;
use pullgate_sign::Layout;

/// The most rules.
const MAX_RULES: usize = 1000;

/// The most scopes of one rule.
const MAX_SCOPES: usize = 100;

const HEADER: &str = "[[rule]]";

/// What a name of a rule matches; [`read`] compares.
const NAME: &str = "^[A-Za-z0-9._-]{1,64}$";

const RULE: &[ReadByHand] = read_by_hand! {
    /// The name of the rule.
    "name": Pattern(NAME), REQUIRED, "at most 64 letters, digits, `-`, `_` and `.`";
    /// The authenticator whose key signs.
    "authenticator": Text, REQUIRED, "the name of an authenticator";
    /// The expected signing algorithm. If the authenticator has a different `algorithm`, `signer.toml` is not valid.
    "algorithm": Text, "the authenticator's", "the authenticator's";
    /// The images that the rule signs.
    "scope": Text | [1..=MAX_SCOPES], REQUIRED, "a scope, or 1 to 100 of them";
};

const TAGS: &[ReadByHand] = read_by_hand! {
    /// The tags whose images the rule signs.
    "include": Text [0..=MAX_TAG_PATTERNS], "all", "patterns of tags; may contain `*`";
    /// The tags whose images the rule does not sign, even if `include` matches them.
    "exclude": Text [0..=MAX_TAG_PATTERNS], "none", "patterns of tags; may contain `*`";
};

pullgate_config::options! {
    /// The choices of a rule.
    #[derive(Debug)]
    struct Choices {
        /// Whether an image is signed when it is pushed, or on request only (`pullgate-signer request`).
        trigger: Trigger = "trigger", Choice(
            &[("automatic", Trigger::Automatic), ("manual", Trigger::Manual)],
            Trigger::Automatic
        );
        /// How signatures are attached: classic (the .sig tags of cosign), bundle (Sigstore bundles as referrers), both of these,
        /// or notation (signatures of the Notary Project as referrers), which needs the `certificate-chain` of the
        /// authenticator.
        layout: Layout = "layout", Choice(&Layout::ALL.map(|layout| (layout.name(), layout)), Layout::default());
        /// The encoding of Notation signatures.
        envelope: EnvelopeType = "envelope", Choice(
            &EnvelopeType::ALL.map(|kind| (kind.name(), kind)),
            EnvelopeType::default()
        );
        /// The time after which Notation signatures expire. The signer renews them when less than a third of it is left.
        expires_in: Option<Duration> = "expires-in", off_or(MINUTE, 3650 * DAY);
        /// The URL of a timestamp authority (RFC 3161). Bundles and Notation signatures then have a timestamp; classic
        /// signatures cannot have one. If the authority does not answer, the signer does not sign the image, and tries again
        /// later.
        timestamp: Option<String> = "timestamp", TIMESTAMP_URL.optional("none", "\"http://timestamp.example.com\"");
        /// Files with the root certificates of the timestamp authority. The signer attaches a timestamp only if its
        /// certificate chain leads to one of these roots.
        timestamp_ca: Vec<PathBuf> = "timestamp-ca", PATH.list(8, &[]);
    }
}

const TIMESTAMP_URL: Form<String> =
    Form { kind: OptionKind::Text, bounds: "URL; needs `timestamp-ca`", read: read_timestamp_url };

fn read_timestamp_url(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write for example \"http://timestamp.example.com\"";
    document.parsed(key, value, ["is not the URL of a timestamp authority", hint], |text| {
        service::open_address(text).ok()
    })
}

/// The tables of rules, by their path.
const TABLES: &[ReadByHand] = read_by_hand! {
    /// Which images are signed, and with which key.
    "rule": Table("[[rule]]") [0..=MAX_RULES], "", "";
    /// The tags that are signed.
    "rule.tags": Table("[rule.tags]"), "", "";
};

/// The options of a rule.
pub(super) fn options() -> Vec<OptionDoc> {
    let choices = Choices::options().into_iter();
    let choices = choices.map(|option| OptionDoc { section: HEADER.to_owned(), ..option });
    let tables = ReadByHand::describe("", "", TABLES);
    let own = tables.chain(ReadByHand::describe(HEADER, "", RULE)).chain(choices);
    own.chain(ReadByHand::describe(HEADER, "tags.", TAGS)).collect()
}

pub(super) fn read_all(
    document: &mut Document<'_>,
    value: Value<'_>,
    authenticators: &BTreeMap<String, Declared>,
    host: Option<&str>,
) -> Vec<Rule> {
    let span = value.span.clone();
    let values = document.array(value, "`rule`", "an array of tables: [[rule]]").unwrap_or_default();
    if values.len() > MAX_RULES {
        document.problem(
            span,
            format!("there are more than {MAX_RULES} [[rule]] entries"),
            "merge some by patterns with `*`",
        );
        return Vec::new();
    }
    let mut rules: Vec<Rule> = Vec::new();
    for value in values {
        let at = value.span.clone();
        let Some(rule) = read(document, value, authenticators, host) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            let message = format!("more than one rule has the name {}", suggest::quoted(&rule.name));
            document.problem(at, message, "rename one of them");
        } else {
            rules.push(rule);
        }
    }
    rules
}

fn read(
    document: &mut Document<'_>,
    value: Value<'_>,
    authenticators: &BTreeMap<String, Declared>,
    host: Option<&str>,
) -> Option<Rule> {
    let keys = [ReadByHand::keys(RULE), Choices::keys(), vec!["tags"]].concat();
    let mut table = document.table(value, HEADER, &keys)?;
    let name = need(document, &mut table, "name").and_then(|(name, at)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
            return Some(name);
        }
        let message = format!("{} cannot be the name of a rule", suggest::quoted(&name));
        document.problem(at, message, "use at most 64 letters, digits, `-`, `_` and `.`");
        None
    });
    let chosen = need(document, &mut table, "authenticator").and_then(|(authenticator, at)| {
        let Some(declared) = authenticators.get(&authenticator) else {
            let known: Vec<&String> = authenticators.keys().collect();
            let message = format!("authenticator {} does not exist", suggest::quoted(&authenticator));
            document.problem(at, message, suggest::one_of(&authenticator, &known));
            return None;
        };
        Some((authenticator, declared.settings.clone()?))
    });
    if let Some(value) = table.take("algorithm") {
        let at = value.span.clone();
        let wanted = read_algorithm(document, value);
        if let (Some(wanted), Some((authenticator, AuthenticatorSettings { algorithm, .. }))) =
            (wanted, &chosen)
            && wanted != *algorithm
        {
            let message = format!("authenticator `{authenticator}` signs with {algorithm}");
            document.problem(
                at,
                message,
                "remove `algorithm` here, or name another authenticator, because each key has only one algorithm",
            );
        }
    }
    let scopes = read_scopes(document, &mut table, host);
    let written = ["envelope", "expires-in", "timestamp", "timestamp-ca"].map(|key| table.has(key));
    let Choices { trigger, layout, envelope, expires_in, timestamp, timestamp_ca: roots } =
        Choices::read(document, &mut table);
    check_layout(document, &table, layout, written);
    if let Some((name, settings)) = chosen.as_ref().filter(|_| layout == Layout::Notation) {
        check_notation(document, &table, name, settings);
    }
    let [.., has_roots] = written;
    if has_roots && roots.is_empty() {
        document.problem(
            table.span.clone(),
            "`timestamp-ca` names no file",
            "name the root certificates of the timestamp authority",
        );
    }
    let timestamp = timestamp.map(|url| TimestampSettings { url, roots });
    let attaching = Attaching { envelope, expires_in, timestamp };
    let tags = match table.take("tags") {
        None => Some(Tags::default()),
        Some(value) => read_tags(document, value),
    };
    let (authenticator, AuthenticatorSettings { algorithm, .. }) = chosen?;
    let (name, scopes, tags) = (name?, scopes?, tags?);
    Some(Rule { name, authenticator, algorithm, scopes, trigger, layout, attaching, tags })
}

/// Options that the layout does not have would be ignored.
fn check_layout(
    document: &mut Document<'_>,
    table: &Table<'_>,
    layout: Layout,
    [envelope, expires_in, timestamp, timestamp_ca]: [bool; 4],
) {
    let mut problem = |message: &str, hint: &str| document.problem(table.span.clone(), message, hint);
    if layout != Layout::Notation && (envelope || expires_in) {
        problem(
            "`envelope` and `expires-in` are for Notation signatures only",
            "remove them, or write `layout = \"notation\"`",
        );
    }
    if timestamp && !layout.is_referrer() {
        problem("classic signatures have no timestamps", "remove `timestamp`, or write another `layout`");
    }
    if timestamp != timestamp_ca {
        problem(
            "`timestamp` and `timestamp-ca` must be set together",
            "set both options, because the signer verifies each timestamp before it attaches the timestamp",
        );
    }
}

fn check_notation(
    document: &mut Document<'_>,
    table: &Table<'_>,
    name: &str,
    AuthenticatorSettings { algorithm, certificate_chain, .. }: &AuthenticatorSettings,
) {
    let mut problem = |message: String, hint: &str| document.problem(table.span.clone(), message, hint);
    if !is_notation_algorithm(*algorithm) {
        problem(
            format!("authenticator `{name}` signs with {algorithm}, which Notation signatures do not have"),
            "use a key for RSA_PSS_SHA_256 (2048 bits), RSA_PSS_SHA_384 (3072 bits), RSA_PSS_SHA_512 (4096 bits), \
             ECDSA_SHA_256, ECDSA_SHA_384 or ECDSA_SHA_512",
        );
    }
    if certificate_chain.is_none() {
        problem(
            format!("authenticator `{name}` has no `certificate-chain`, which Notation signatures need"),
            "add `certificate-chain`, the PEM file with the certificate of the key and those of its CAs",
        );
    }
}

fn read_scopes(document: &mut Document<'_>, table: &mut Table<'_>, host: Option<&str>) -> Option<Vec<Scope>> {
    let Some(value) = table.take("scope") else {
        let hint = "add `scope`, such as \"registry.example.com/payments\", or a list of scopes";
        document.problem(table.span.clone(), "the rule has no `scope`", hint);
        return None;
    };
    let span = value.span.clone();
    let values = match &value.value {
        toml::de::DeValue::String(_) => vec![value],
        _ => document.array(value, "`scope`", "a scope, or a list of scopes")?,
    };
    if values.is_empty() || values.len() > MAX_SCOPES {
        let message = format!("`scope` must name 1 to {MAX_SCOPES} scopes");
        document.problem(span, message, "write at least one scope, because a rule without a scope signs nothing; use patterns with `*` for many repositories");
        return None;
    }
    let count = values.len();
    let mut scopes = Vec::new();
    for value in values {
        let Some((text, at)) = document.string(value, "a scope") else { continue };
        match Scope::parse(&text) {
            Err(error) => {
                document.problem(at, error.to_string(), "write for example \"registry.example.com/team\"")
            }
            Ok(scope)
                if host
                    .is_some_and(|host| scope.as_str().split('/').next() != Some(&host.to_lowercase())) =>
            {
                let message =
                    format!("scope {} is not in the registry that [registry] names", suggest::quoted(&text));
                let hint = format!("begin the scope with `{}`", host.unwrap_or_default());
                document.problem(at, message, hint);
            }
            Ok(scope) => scopes.push(scope),
        }
    }
    (scopes.len() == count).then_some(scopes)
}

fn read_tags(document: &mut Document<'_>, value: Value<'_>) -> Option<Tags> {
    let mut table = document.table(value, "`tags`", &ReadByHand::keys(TAGS))?;
    let span = table.span.clone();
    let [include, exclude] = ["include", "exclude"].map(|key| {
        let Some(value) = table.take(key) else { return Some(Vec::new()) };
        let values = document.array(value, &format!("`{key}`"), "a list of tag patterns")?;
        let texts =
            values.into_iter().map(|value| document.string(value, "a tag pattern").map(|(text, _)| text));
        texts.collect::<Option<Vec<String>>>()
    });
    Tags::new(&include?, &exclude?)
        .map_err(|error| {
            document.problem(span, error.to_string(), "write for example { include = [\"v*\"] }")
        })
        .ok()
}

fn need(
    document: &mut Document<'_>,
    table: &mut Table<'_>,
    key: &str,
) -> Option<(String, std::ops::Range<usize>)> {
    match table.take(key) {
        Some(value) => document.string(value, &format!("`{key}`")),
        None => {
            document.problem(table.span.clone(), format!("the rule has no `{key}`"), format!("add `{key}`"));
            None
        }
    }
}
