//! Combines policies of which any one suffices, and each requires all of its authorities. kritis can express this; one rule
//! of pullgate cannot always.

use std::collections::BTreeSet;

use super::Effect;
use super::draft::{Action, Draft};

/// One of the policies that suffice.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// The names of authenticators in the draft; `None` if one of them does not exist.
    pub(super) all: Option<BTreeSet<String>>,
}

/// The action that is equivalent to the alternatives, or stricter. `subject` names what they apply to.
pub(super) fn combine(draft: &mut Draft, subject: &str, alternatives: &[Alternative]) -> Action {
    let possible: BTreeSet<&BTreeSet<String>> =
        alternatives.iter().filter_map(|alternative| alternative.all.as_ref()).collect();
    // Signatures that satisfy a larger set satisfy each of its subsets, so only the smallest sets matter.
    let smallest: Vec<&BTreeSet<String>> = possible
        .iter()
        .copied()
        .filter(|one| !possible.iter().any(|other| other != one && other.is_subset(one)))
        .collect();
    match smallest.as_slice() {
        [] => {
            Action::Deny(format!("{subject}: no authority of the policy has a key that pullgate can verify"))
        }
        [one] => Action::All(one.iter().cloned().collect()),
        several if several.iter().all(|one| one.len() == 1) => {
            Action::Any(several.iter().flat_map(|one| one.iter().cloned()).collect())
        }
        several => {
            let union: BTreeSet<String> = several.iter().flat_map(|one| one.iter().cloned()).collect();
            draft.note(
                Effect::Stricter,
                subject,
                "the original policies admit an image that meets any one policy, but the converted rule requires the authorities of all of these policies",
            );
            Action::All(union.into_iter().collect())
        }
    }
}
