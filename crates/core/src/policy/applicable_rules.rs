//! The rules that apply to one request.

use super::rule::Rule;

/// The rules that apply to one request: an image is admitted if each of them admits it.
///
/// That is one rule, unless the pod's namespace is unknown. Then it is every rule that could apply for some namespace:
/// those of the most specific scope that covers the name, and, as long as all of these are for some pods only, those of
/// the next. So such a request is refused whenever it would be refused for any namespace, and requirements of which
/// neither includes the other must both be met.
#[derive(Clone, Debug)]
pub struct ApplicableRules<'a> {
    strictest: &'a Rule,
    others: Vec<&'a Rule>,
}

impl<'a> ApplicableRules<'a> {
    pub(super) fn of(rule: &'a Rule) -> Self {
        Self { strictest: rule, others: Vec::new() }
    }

    pub(super) fn strictest_of(one: &'a Rule, others: impl Iterator<Item = &'a Rule>) -> Self {
        let mut ruling = Self { strictest: one, others: others.collect() };
        for other in &mut ruling.others {
            if other.compare_strictness(ruling.strictest).is_gt() {
                std::mem::swap(other, &mut ruling.strictest);
            }
        }
        ruling.others.sort_by(|one, other| other.compare_strictness(one));
        ruling
    }

    /// The strictest of them, by [`Rule::compare_strictness`]: the one that is named first.
    #[must_use]
    pub fn strictest(&self) -> &'a Rule {
        self.strictest
    }

    /// All of them, the strictest first.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> + '_ {
        std::iter::once(self.strictest).chain(self.others.iter().copied())
    }
}
