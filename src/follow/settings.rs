//! `[follow]`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use pullgate_config::bound::{DAY, MINUTE, SECOND};
use pullgate_config::document::{Document, Value};
use pullgate_config::kind::{Form, OptionKind, PATH, time};
use pullgate_config::options::Pass;
use pullgate_core::followed::{Kind, Label};

use crate::reference::Reference;
use crate::trust::Pattern;

const REFERENCE: Form<Reference> =
    Form { kind: OptionKind::Text, bounds: "a reference in full, with a tag", read: read_reference };
const LABEL: Form<String> = Form { kind: OptionKind::Text, bounds: "KEY=VALUE", read: read_label };
const SUBJECT: Form<String> =
    Form { kind: OptionKind::Text, bounds: "an exact subject, without `*`", read: read_subject };
const TEXT: Form<String> = Form { kind: OptionKind::Text, bounds: "https://…", read: read_text };

pullgate_config::options! {
    /// `[follow]`
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FollowSettings {
        /// The policy of a fleet: the reference under which `pullgate-signer policy push` stores it. Local policy files can
        /// then only make it stricter: both must admit an image.
        policy: Option<Reference> = "policy", REFERENCE.optional("only local files", "\"registry.example/fleet/policy:stable\"");
        /// A deny list that is added to the policy: the reference under which `pullgate-signer policy push-deny-list` stores
        /// it.
        deny_list: Option<Reference> = "deny-list", REFERENCE.optional("none", "\"registry.example/fleet/policy:deny-list\"");
        /// Files with the public keys (EC or Ed25519, PEM) that may sign them. No authenticator of the policy may have one of
        /// these keys.
        keys: Vec<PathBuf> = "keys", PATH.list(8, &[]);
        /// The issuer of the keyless identity that may sign them, instead of `keys`.
        issuer: Option<String> = "issuer", TEXT.optional("none", "\"https://token.actions.githubusercontent.com\"");
        /// The subject of this identity.
        subject: Option<String> = "subject", SUBJECT.optional("none", "\"https://github.com/acme/policy/.github/workflows/push.yml@refs/heads/main\"");
        /// The trusted_root.json of the Sigstore instance of this identity.
        trust_root: Option<PathBuf> = "trust-root", PATH.optional("none", "\"/etc/pullgate/trust/public-good.json\"");
        /// How often to look for a new policy. The wait varies at random by a quarter.
        interval: Duration = "interval", time(5 * MINUTE, SECOND, DAY);
        /// How often to look for a new deny list.
        deny_list_interval: Duration = "deny-list-interval", time(5 * MINUTE, SECOND, DAY);
        /// How long after the last successful refresh a policy or deny list is reported as frozen. It stays in force.
        frozen_after: Duration = "frozen-after", time(DAY, SECOND, 366 * DAY);
        /// The labels of this node. A document with labels is only for nodes that have all of them.
        labels: Vec<String> = "labels", LABEL.list(64, &[]);
        /// Where the last good policy and deny list are stored, and the highest versions that were seen.
        directory: PathBuf = "directory", PATH.or("/var/lib/pullgate/follow");
    }
    check check_signer;
}

impl FollowSettings {
    /// What is followed, and where.
    pub fn followed(&self) -> impl Iterator<Item = (Kind, &Reference)> {
        Kind::ALL.into_iter().filter_map(|kind| Some((kind, self.reference(kind)?)))
    }

    /// Where this is followed, if it is.
    #[must_use]
    pub fn reference(&self, kind: Kind) -> Option<&Reference> {
        match kind {
            Kind::Policy => self.policy.as_ref(),
            Kind::DenyList => self.deny_list.as_ref(),
        }
    }

    /// How often this is refreshed.
    #[must_use]
    pub fn interval_of(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Policy => self.interval,
            Kind::DenyList => self.deny_list_interval,
        }
    }

    /// The labels of this node.
    #[must_use]
    pub fn label_set(&self) -> BTreeSet<Label> {
        self.labels.iter().filter_map(|label| Label::parse(label)).collect()
    }
}

fn check_signer(settings: &FollowSettings, pass: &mut Pass<'_, '_, '_>) {
    let FollowSettings { keys, issuer, subject, trust_root, .. } = settings;
    let identity = [issuer.is_some(), subject.is_some(), trust_root.is_some()];
    let (any, all) = (identity.contains(&true), !identity.contains(&false));
    if any && !all {
        let hint = "set `issuer`, `subject` and `trust-root`, or `keys`";
        pass.problem("", "the keyless identity in [follow] is incomplete", hint);
    } else if any && !keys.is_empty() {
        let hint = "keep the keys or the identity";
        pass.problem("keys", "[follow] has `keys` and a keyless identity", hint);
    } else if !any && keys.is_empty() && settings.followed().next().is_some() {
        let hint = "set `keys`, or `issuer`, `subject` and `trust-root`";
        pass.problem("", "[follow] does not say who signs what is followed", hint);
    }
    if settings.policy.is_some() && settings.policy == settings.deny_list {
        let hint = "use another tag for the deny list";
        pass.problem("deny-list", "`policy` and `deny-list` in [follow] are the same reference", hint);
    }
}

fn read_reference(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<Reference> {
    let hint = "write registry, repository and tag, such as \"registry.example/fleet/policy:stable\"";
    document.parsed(key, value, ["is not a reference with a tag", hint], |text| {
        let reference = Reference::parse(text).ok()?;
        // Not `latest` for what names no tag, and no short form.
        (reference.tag().is_some() && reference.to_string() == text).then_some(reference)
    })
}

fn read_label(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as \"pool=edge\"";
    document.parsed(key, value, ["has an entry that is not a label", hint], |text| {
        Label::parse(text).map(|label| label.as_str().to_owned())
    })
}

fn read_subject(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write the subject exactly as in the certificates";
    document.parsed(key, value, ["is not an exact subject", hint], |text| {
        Pattern::parse(text).ok().filter(Pattern::is_exact).map(|pattern| pattern.as_str().to_owned())
    })
}

fn read_text(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write the issuer exactly as in the certificates, such as \"https://host\"";
    document.parsed(key, value, ["is not an issuer", hint], |text| {
        text.starts_with("https://").then(|| text.to_owned())
    })
}
