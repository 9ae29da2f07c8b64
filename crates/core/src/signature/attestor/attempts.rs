//! How often the keys of attestors are tried for one image.

use std::cell::Cell;

use super::AttestorError;

/// Maximum number of verifications by keys of attestors for one image. Each of its attestations may have several
/// signatures, and each of these is tried with every key of every attestor: without this bound, the authors of attestations
/// would decide how long a check takes. 512 take 30 ms with P-256, and about 0.3 s with P-384.
const MAX_ATTEMPTS: usize = 512;

/// The verifications that are left for one image.
#[derive(Debug)]
pub struct Attempts(Cell<usize>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Cell::new(MAX_ATTEMPTS))
    }
}

impl Attempts {
    /// Takes so many.
    ///
    /// # Errors
    /// When fewer are left.
    pub(super) fn take(&self, count: usize) -> Result<(), AttestorError> {
        let left = self.0.get().checked_sub(count);
        let left = left.ok_or(AttestorError::TooManyAttempts { limit: MAX_ATTEMPTS })?;
        self.0.set(left);
        Ok(())
    }
}
