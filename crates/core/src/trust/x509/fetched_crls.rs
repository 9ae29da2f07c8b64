//! Lists of revoked certificates that were fetched, by where they come from and who signed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crl::Crl;
use super::crl_source::CrlSource;

/// What is known of the list of one source.
#[derive(Clone, Debug, Default)]
pub struct FetchedCrl {
    /// The newest list that was ever there.
    pub list: Option<Arc<Crl>>,
    /// Why the last attempt gave no newer one.
    pub failed: Option<String>,
    /// Whether the list is to be asked for again. It revokes what it has all the same.
    pub is_stale: bool,
}

/// The lists that were fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchedCrls(pub BTreeMap<CrlSource, FetchedCrl>);
