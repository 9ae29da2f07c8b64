//! One signer under several names.

use std::collections::BTreeMap;

/// Which identities and keys are names of one signer: those that a signature has together, and all that are joined so.
#[derive(Debug, Default)]
pub(super) struct OneSigner<'a> {
    /// Another name of the same signer, which is smaller.
    smaller: BTreeMap<&'a str, &'a str>,
}

impl<'a> OneSigner<'a> {
    /// The smallest name of the signer.
    pub(super) fn signer(&self, mut name: &'a str) -> &'a str {
        while let Some(smaller) = self.smaller.get(name) {
            name = smaller;
        }
        name
    }

    /// Both are names of one signer.
    pub(super) fn join(&mut self, one: &'a str, other: &'a str) {
        let (one, other) = (self.signer(one), self.signer(other));
        if one != other {
            self.smaller.insert(one.max(other), one.min(other));
        }
    }
}
