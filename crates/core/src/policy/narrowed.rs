//! Two policies as one that admits only what both admit.

use super::Policy;
use super::layer::Layer;
use crate::trust::Authenticator;

/// What the names of authenticators and attestations of local files begin with, beside a followed policy. Names of a policy
/// cannot contain `/`.
pub const LOCAL: &str = "local/";

impl Policy {
    /// This policy, narrowed by `local`: an image is admitted if the rules of both admit it, and is denied if the deny list
    /// of one has it or its keys.
    ///
    /// The rules of `local` are a layer of their own, from which a rule applies to every name, too. Its authenticators and
    /// conditions get the prefix [`LOCAL`], so that no name means a key of the other policy.
    #[must_use]
    pub fn narrowed_by(mut self, local: Self) -> Self {
        let Self { layer, narrowing, authenticators, conditions, denials, hash: _ } = local;
        let prefixed = |layer: Layer| layer.map(|rule| rule.prefixed(LOCAL));
        self.narrowing.extend(std::iter::once(layer).chain(narrowing).map(prefixed));
        let authenticators = authenticators.into_values().map(|it: Authenticator| it.prefixed(LOCAL));
        self.authenticators.extend(authenticators.map(|it| (it.name().to_owned(), it)));
        let conditions = conditions.into_values().map(|it| it.prefixed(LOCAL));
        self.conditions.extend(conditions.map(|it| (it.name().to_owned(), it)));
        self.also_denying(denials)
    }

    /// The same policy, which denies this too.
    #[must_use]
    pub fn also_denying(mut self, denials: super::DenyList) -> Self {
        let own = std::mem::take(&mut self.denials);
        self.with_deny_list(own.and(denials))
    }
}
