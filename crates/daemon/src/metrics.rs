//! Metrics in Prometheus' text format 0.0.4: the tables of what there is, and pages with the values at one moment.
//!
//! A program declares its families once, with [`families!`](crate::families); docs/metrics.md is generated from these
//! tables. Nothing is registered globally: each scrape fills a [`Page`] from what the program counts anyway.

mod histogram;
mod page;

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::http::{Answer, HttpLimits, text};
pub use histogram::Histogram;
pub use page::{Page, Value};

/// The limits of a server for metrics alone.
pub const LIMITS: HttpLimits = HttpLimits { body: 0, connections: 16, time: Duration::from_secs(10) };

/// A family of samples with one name.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The whole name, with `_total` if it is a counter.
    pub name: &'static str,
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence or more.
    pub help: &'static str,
}

/// How the samples of a family change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Grows until the program ends.
    Counter,
    Gauge,
    /// Of durations, in seconds.
    Histogram,
}

impl Kind {
    /// The word in Prometheus' text format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Declares the families of a program: a constant for each, whose doc comment is its description, and `FAMILIES` with all
/// of them.
#[macro_export]
macro_rules! families {
    ($($(#[doc = $help:literal])+ $constant:ident = $kind:ident $name:literal $([$($label:literal),+])?;)+) => {
        $(
            $(#[doc = $help])+
            static $constant: $crate::metrics::Family = $crate::metrics::Family {
                name: $name,
                kind: $crate::metrics::Kind::$kind,
                labels: &[$($($label),+)?],
                help: concat!($($help),+).trim_ascii(),
            };
        )+

        /// All families, in the order of the documentation.
        #[allow(unreachable_pub, reason = "some modules with a table are private")]
        pub static FAMILIES: &[&$crate::metrics::Family] = &[$(&$constant),+];
    };
}

/// Whether the request is for metrics.
#[must_use]
pub fn is_scrape(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) && parts.uri.path() == "/metrics"
}

/// The answer with a page.
#[must_use]
pub fn answer(page: Page) -> Answer {
    let mut answer = text(StatusCode::OK, &page.text());
    let kind = HeaderValue::from_static(prometheus_client::encoding::prometheus_text::CONTENT_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
