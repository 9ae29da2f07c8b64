//! What a policy may say and hardly means.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::collect::Collected;
use super::declared::Declared;
use super::namespace::DeclaredRule;
use crate::config::problem::Problem;
use crate::policy::{Action, Mode, Rule};
use crate::signature::{Format, RepositoryIdentity};
use crate::trust::{Authenticator, Signers};

impl Collected {
    /// The warnings, in the order of files and lines; those about what ends within `notice` too.
    pub(super) fn warnings(&self, now: Timestamp, notice: SignedDuration) -> Vec<Problem> {
        let mut warnings = Vec::new();
        self.warn_of_authenticators((now, notice), &mut warnings);
        for declared in &self.rules {
            let mut warn = |message: String, hint: &str| {
                warnings.push(Problem::new(&declared.file, Some(declared.place), message, hint));
            };
            if let Action::AllowUnsigned(allowance) = declared.value.rule.action()
                && let Some(until) = allowance.until.filter(|_| allowance.is_over(now))
            {
                let message = format!(
                    "`until` ({until}) has passed, so the rule now refuses the images that it allowed"
                );
                warn(message, "remove the rule, or set another time");
            }
            if let Some((missed, instead)) = declared.value.rule.scope().never_matched()
                && !self.rules.iter().any(|other| other.value.rule.scope().as_str() == instead)
            {
                let message = format!("scope `{}` does not match {missed}", declared.value.rule.scope());
                warn(message, &format!("add a rule for `{instead}`"));
            }
        }
        self.warn_of_unused_attestations(&mut warnings);
        self.warn_of_shared_authenticators(&mut warnings);
        self.warn_of_unknown_denied_keys(&mut warnings);
        self.warn_of_lax_catch_alls(now, &mut warnings);
        warnings.sort();
        warnings
    }

    fn warn_of_unused_attestations(&self, warnings: &mut Vec<Problem>) {
        let named = self.rules.iter().flat_map(|rule| &rule.value.attestations);
        let named: BTreeSet<&str> = named.map(|name| name.value.as_str()).collect();
        for declared in self.conditions.iter().filter(|it| !named.contains(it.value.name.as_str())) {
            let message = format!("attestation `{}` is required by no rule", declared.value.name);
            let hint = "require it in a rule, or remove it from the policy";
            warnings.push(Problem::new(&declared.file, Some(declared.place), message, hint));
        }
    }

    fn warn_of_authenticators(
        &self,
        (now, notice): (Timestamp, SignedDuration),
        warnings: &mut Vec<Problem>,
    ) {
        let of_rules = self.rules.iter().flat_map(|rule| &rule.value.names);
        let named = of_rules.chain(self.conditions.iter().flat_map(|condition| &condition.value.names));
        let named: BTreeSet<&str> = named.map(|name| name.value.as_str()).collect();
        let used = |name: &str| named.contains(name);
        for declared in &self.authenticators {
            let name = &declared.value.name;
            let mut warn = |message: String, hint: &str| {
                warnings.push(Problem::new(&declared.file, Some(declared.place), message, hint));
            };
            if !used(name) {
                warn(
                    format!("authenticator `{name}` is required by no rule"),
                    "require it in a rule, or remove it from the policy",
                );
            }
            let sets = declared.value.authenticator.iter().map(Authenticator::set);
            for ending in sets.flat_map(|set| set.ending(now, notice)) {
                warn(ending, "replace its file with a newer version");
            }
            if let Some(set) = declared.value.authenticator.as_ref().and_then(Authenticator::openpgp)
                && !set.may_sign(now)
            {
                warn(
                    format!(
                        "authenticator `{name}` has no key that may sign now, so it accepts no signature"
                    ),
                    "put new exports of its keys into `keyrings`, because all present keys are revoked, expired or not for \
                     signing",
                );
            }
            let keys = declared.value.authenticator.iter().flat_map(Authenticator::keys);
            let mut denied = keys.clone().map(|key| self.denied.list.of_key(&key.public).is_some());
            if keys.clone().next().is_some() && denied.all(|denied| denied) {
                warn(
                    format!(
                        "every key of authenticator `{name}` is on the deny list, so it accepts no signature"
                    ),
                    "add a new key, and remove the denied ones",
                );
            }
            if keys.clone().next().is_some() && keys.clone().all(|key| key.outside_window(now).is_some()) {
                warn(
                    format!(
                        "authenticator `{name}` has no key that is valid now, so it accepts no signature"
                    ),
                    "add a key whose `not-before` has passed and whose `not-after` has not",
                );
            }
        }
    }

    /// A bundle or a Notation signature need not name its repository, so it counts wherever its signer does.
    fn warn_of_shared_authenticators(&self, warnings: &mut Vec<Problem>) {
        for declared in &self.authenticators {
            let name = &declared.value.name;
            let signers = declared.value.authenticator.as_ref().map(Authenticator::signers);
            let (format, what, instead) = match signers {
                // What is signed always names its repository.
                Some(Signers::Gpg(_) | Signers::Attestor(_)) => continue,
                Some(Signers::Notation(_)) => (
                    Format::Notation,
                    "Notation signature",
                    "add `identity = \"required\"` if the signer uses `--user-metadata docker-reference=…`, or use an authenticator with other `identities` for each scope",
                ),
                _ => (
                    Format::Bundle,
                    "bundle",
                    "add `identity = \"required\"` if `pullgate-signer` signs, or `layouts = [\"classic\"]`, or use a separate key for each scope",
                ),
            };
            let bundles = |declared: &&Declared<DeclaredRule>| {
                let rule = &declared.value.rule;
                rule.layouts().contains(&format)
                    && rule.repository_identity() == RepositoryIdentity::Optional
                    && declared.value.names.iter().any(|required| required.value == *name)
            };
            let scopes: BTreeSet<&str> =
                self.rules.iter().filter(bundles).map(|it| it.value.rule.scope().as_str()).collect();
            let mut scopes = scopes.into_iter();
            let (Some(first), Some(second)) = (scopes.next(), scopes.next()) else { continue };
            let more = if scopes.next().is_some() { " and others" } else { "" };
            let message = format!(
                "authenticator `{name}` is required for `{first}` and `{second}`{more}: a {what} need not name its repository, so a signature made for one of these scopes is valid for all of them"
            );
            warnings.push(Problem::new(&declared.file, Some(declared.place), message, instead));
        }
    }

    /// A typing mistake in a fingerprint revokes nothing.
    fn warn_of_unknown_denied_keys(&self, warnings: &mut Vec<Problem>) {
        let authenticators = self.authenticators.iter().filter_map(|it| it.value.authenticator.as_ref());
        let mut known: BTreeSet<String> = authenticators
            .clone()
            .flat_map(Authenticator::keys)
            .flat_map(|key| key.public.all_fingerprints())
            .map(str::to_owned)
            .collect();
        for authenticator in authenticators {
            if let Some(set) = authenticator.openpgp() {
                known.extend(set.deniable());
            }
        }
        // A certificate that comes with a signature may have any key.
        let certified = |it: &&Authenticator| matches!(it.signers(), Signers::Notation(_) | Signers::Pki(_));
        if self
            .authenticators
            .iter()
            .filter_map(|it| it.value.authenticator.as_ref())
            .any(|it| certified(&it))
        {
            return;
        }
        for denied in self.denied.keys.iter().filter(|denied| !known.contains(denied.value.as_str())) {
            let message = format!(
                "denied key {} belongs to no authenticator, so denying it has no effect",
                denied.value
            );
            let hint = "compare this fingerprint with the one that `pullgate verify --wide` shows; if the key was removed from the policy, remove the entry, too";
            warnings.push(Problem::new(&denied.file, Some(denied.place), message, hint));
        }
    }

    /// A registry answers under every name that resolves to it, and rules know only the name that they are written with.
    fn warn_of_lax_catch_alls(&self, now: Timestamp, warnings: &mut Vec<Problem>) {
        let strict = |declared: &&Declared<DeclaredRule>| {
            declared.value.rule.scope().limits_host() && !is_lax(&declared.value.rule, now)
        };
        let strict: BTreeSet<&str> =
            self.rules.iter().filter(strict).map(|declared| declared.value.rule.scope().as_str()).collect();
        let Some(first) = strict.first() else { return };
        let others = match strict.len() - 1 {
            0 => String::new(),
            1 => " and 1 other".to_owned(),
            count => format!(" and {count} others"),
        };
        let default = self.default.iter().map(|it| (&it.value, &it.file, it.place));
        let rules = self.rules.iter().map(|it| (&it.value.rule, &it.file, it.place));
        for (rule, file, place) in default.chain(rules) {
            if rule.scope().limits_host() || !is_lax(rule, now) {
                continue;
            }
            let message = format!(
                "images of every other host are admitted unsigned, and so are images of `{first}`{others} that are pulled by another name of the registry"
            );
            let hint = "deny by default, and allow hosts by name, because a registry also answers under its address, other ports and DNS aliases";
            warnings.push(Problem::new(file, Some(place), message, hint));
        }
    }
}

/// Whether a rule admits unsigned images, whichever they are.
fn is_lax(rule: &Rule, now: Timestamp) -> bool {
    match rule.action() {
        Action::AllowUnsigned(allowance) => allowance.digests.is_empty() && !allowance.is_over(now),
        Action::Require(_) | Action::Deny { .. } => rule.mode() != Mode::Enforce,
    }
}
