//! "Any of these policies suffices, and each wants all of its authorities", which kritis says and a rule of ours cannot
//! always.

use std::collections::BTreeSet;

use super::Effect;
use super::draft::{Action, Draft};

/// One policy among those that suffice.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// The names of authenticators of the draft; `None` when one of them cannot be had.
    pub(super) all: Option<BTreeSet<String>>,
}

/// What the alternatives come to. `subject` is whom they are for.
pub(super) fn combine(draft: &mut Draft, subject: &str, alternatives: &[Alternative]) -> Action {
    let possible: BTreeSet<&BTreeSet<String>> =
        alternatives.iter().filter_map(|alternative| alternative.all.as_ref()).collect();
    // Who satisfies a larger one satisfies a smaller one.
    let smallest: Vec<&BTreeSet<String>> = possible
        .iter()
        .copied()
        .filter(|one| !possible.iter().any(|other| other != one && other.is_subset(one)))
        .collect();
    match smallest.as_slice() {
        [] => Action::Deny(format!("{subject}: none of its authorities has a key that pullgate can verify")),
        [one] => Action::All(one.iter().cloned().collect()),
        several if several.iter().all(|one| one.len() == 1) => {
            Action::Any(several.iter().flat_map(|one| one.iter().cloned()).collect())
        }
        several => {
            let union: BTreeSet<String> = several.iter().flat_map(|one| one.iter().cloned()).collect();
            draft.note(
                Effect::Stricter,
                subject,
                "one of several policies with several authorities suffices there; here all of these authorities are required",
            );
            Action::All(union.into_iter().collect())
        }
    }
}
