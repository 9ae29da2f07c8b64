//! The role that metadata has.

use serde::de::DeserializeOwned;

use super::Role;

/// The content of a role.
pub(super) trait Content: DeserializeOwned {
    const ROLE: Role;
}
