//! `verify`, `remote-timeout`, `remote-rate` and `remote-cache-ttl`: verification by the service of a key.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::config::document::{Document, Table};
use crate::config::suggest;
use crate::keys::PinnedKey;
use crate::trust::RemoteVerification;
use pullgate_config::bound::{Bound, MINUTE, SECOND};
use pullgate_config::kind::{Choice, Inherited, Kind as _, count, time};
use pullgate_config::options::Options as _;

const VERIFY: Choice<'_, bool> = Choice(&[("local", false), ("remote", true)], false);
const TIMEOUT: Bound = time(5 * SECOND, 100, MINUTE);
const RATE: Bound = count(10, 1, 1000);
const CACHE_TTL: Bound = time(60 * MINUTE, 0, 1440 * MINUTE);

pullgate_config::options! {
    /// What an authenticator or a key sets; what it leaves out is left to the authenticator, or has the default.
    #[derive(Clone, Debug)]
    pub(super) struct RemoteOptions {
        /// Whether KMS or Vault must also confirm each signature that was verified on the node, so that signatures by a key
        /// that is disabled there stop counting. If the service does not answer, the signature does not count.
        verify: Option<bool> = "verify", Inherited(VERIFY);
        /// Maximum time for one confirmation.
        timeout: Option<Duration> = "remote-timeout", Inherited(TIMEOUT);
        /// Maximum number of requests per second for one key.
        rate: Option<u32> = "remote-rate", Inherited(RATE);
        /// How long to cache a confirmation.
        cache_ttl: Option<Duration> = "remote-cache-ttl", Inherited(CACHE_TTL);
    }
}

/// The options of remote verification that one table sets.
#[derive(Clone)]
pub(super) struct RemoteTable {
    options: RemoteOptions,
    /// Where `verify` is set.
    verify: Option<Range<usize>>,
    /// Where the first bound is set.
    bound: Option<Range<usize>>,
    /// An option is not valid, and the problem noted.
    broken: bool,
}

impl RemoteTable {
    pub(super) fn read(document: &mut Document<'_>, table: &mut Table<'_>) -> Self {
        let verify = table.span_of("verify");
        let bound = RemoteOptions::keys().into_iter().skip(1).find_map(|key| table.span_of(key));
        let problems = document.problems.len();
        let options = RemoteOptions::read(document, table);
        Self { options, verify, bound, broken: document.problems.len() > problems }
    }

    /// The options of a key, with those of its authenticator for what it leaves out.
    pub(super) fn or(self, other: &Self) -> Self {
        let (own, others) = (self.options, &other.options);
        Self {
            options: RemoteOptions {
                verify: own.verify.or(others.verify),
                timeout: own.timeout.or(others.timeout),
                rate: own.rate.or(others.rate),
                cache_ttl: own.cache_ttl.or(others.cache_ttl),
            },
            verify: self.verify.or_else(|| other.verify.clone()),
            bound: self.bound,
            broken: self.broken || other.broken,
        }
    }

    /// Notes bounds that are set although nothing is verified remotely.
    pub(super) fn check_used(&self, document: &mut Document<'_>, used: bool) {
        if let (Some(span), false, false) = (&self.bound, used, self.broken) {
            let message = "a `remote-` option is set, but no key here has `verify = \"remote\"`";
            document.problem(span.clone(), message, "remove the option, or add `verify = \"remote\"`");
        }
    }

    /// The remote verification of the key that is kept at `pinned`; an error if a problem is noted.
    pub(super) fn demand(
        &self,
        document: &mut Document<'_>,
        pinned: Option<&PinnedKey>,
    ) -> Result<Option<Arc<RemoteVerification>>, ()> {
        if self.broken {
            return Err(());
        }
        let (Some(true), Some(span)) = (self.options.verify, &self.verify) else { return Ok(None) };
        let Some(pinned) = pinned else {
            let message =
                "`verify` is `remote`, but the key has no `source` that could confirm its signatures";
            document.problem(
                span.clone(),
                message,
                "set `source` for the key, or write `verify = \"local\"` for this key",
            );
            return Err(());
        };
        if let Some(why) = pinned.cannot_confirm() {
            let message = format!(
                "`verify` is `remote`, but {} cannot confirm signatures: {}",
                suggest::quoted(&pinned.location.to_string()),
                why.split("; ").next().unwrap_or(why)
            );
            let hint =
                why.split_once("; ").map_or("write `verify = \"local\"` for this key", |(_, hint)| hint);
            document.problem(span.clone(), message, hint);
            return Err(());
        }
        let RemoteOptions { timeout, rate, cache_ttl, .. } = self.options;
        Ok(Some(Arc::new(RemoteVerification {
            source: pinned.location.to_string(),
            timeout: timeout.unwrap_or_else(|| TIMEOUT.default()),
            rate: rate.unwrap_or_else(|| RATE.default()),
            memory: cache_ttl.unwrap_or_else(|| CACHE_TTL.default()),
        })))
    }
}
