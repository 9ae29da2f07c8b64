//! What a file declares, and where.

use crate::config::problem::Place;

/// Something, with the file and the place that declare it.
pub(super) struct Declared<T> {
    pub(super) value: T,
    pub(super) file: String,
    pub(super) place: Place,
}
