//! The rules that apply to one request.

use super::rule::Rule;

/// The rules that apply to one request: an image is admitted if every one of them admits it.
///
/// That is one rule of each layer of the policy, unless the pod's namespace is unknown. Then it is every rule that could apply for some namespace:
/// those of the most specific scope that covers the name and, as long as all of these are limited to some pods, those
/// of the next scope. So such a request is refused if it would be refused for any namespace, and if two requirements
/// are incomparable, both must be met.
#[derive(Clone, Debug)]
pub struct ApplicableRules<'a> {
    strictest: &'a Rule,
    others: Vec<&'a Rule>,
}

impl<'a> ApplicableRules<'a> {
    pub(super) fn strictest_of(one: &'a Rule, others: impl Iterator<Item = &'a Rule>) -> Self {
        let mut applicable = Self { strictest: one, others: others.collect() };
        for other in &mut applicable.others {
            if other.compare_strictness(applicable.strictest).is_gt() {
                std::mem::swap(other, &mut applicable.strictest);
            }
        }
        applicable.others.sort_by(|one, other| other.compare_strictness(one));
        applicable
    }

    /// The strictest of them, by [`Rule::compare_strictness`]. Messages name this one.
    #[must_use]
    pub fn strictest(&self) -> &'a Rule {
        self.strictest
    }

    /// All of them, strictest first.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> + '_ {
        std::iter::once(self.strictest).chain(self.others.iter().copied())
    }
}
