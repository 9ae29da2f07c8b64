//! The control socket: how the other subcommands query the running daemon.
//!
//! A separate socket, because kubelet's socket carries only `runtime.v1`. The daemon answers only root and its own
//! user, and a client accepts only a daemon of root or its own user: both check the peer's user with the kernel
//! (`SO_PEERCRED`, unix(7)), independent of file permissions.
//!
//! One request per connection: a line of JSON in each direction. The client keeps the connection open until the answer
//! arrives; closing it cancels the work.
//!
//! ```text
//! → {"verdict":{"name":"registry.example.com/team/app:1","digest":"sha256:…"}}
//! ← {"verdict":{"admitted":false,"reason":"no-signature","rule":null,"line":"image …"}}
//! ```

mod client;
mod line;
mod serve;
mod status;
mod verdict;

use serde::{Deserialize, Serialize};

pub use client::{AskError, ask};
pub use serve::Control;
pub use status::{BreakGlass, Counts, Exception, Gates, Ledger, Runtime, Status};
pub use verdict::{Verdict, pinned, verdict};

use super::report::{DecisionReport, ReportFilter};
use super::scan::Report;
use crate::doctor;

/// Maximum size of a request, in bytes: findings are the largest.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ControlRequest {
    /// Evaluates an image as in a pull without a pod.
    Verdict {
        /// The name, as given.
        name: String,
        /// The digest to pull.
        digest: String,
    },
    /// The status of the daemon.
    Status,
    /// A scan of the node.
    Scan,
    /// Findings of `pullgate doctor`, for status and metrics.
    Doctor(doctor::Report),
    /// The record of decisions.
    Report(ReportFilter),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlReply {
    /// For [`ControlRequest::Verdict`].
    Verdict(Verdict),
    /// For [`ControlRequest::Status`].
    Status(Box<Status>),
    /// For [`ControlRequest::Scan`].
    Scan(Report),
    /// For [`ControlRequest::Doctor`].
    Recorded,
    /// For [`ControlRequest::Report`].
    Report(DecisionReport),
    /// The request is valid, but failed for this reason.
    Failed(String),
}

impl ControlRequest {
    /// Maximum size of the answer, in bytes.
    fn max_reply_bytes(&self) -> u64 {
        match self {
            Self::Verdict { .. } | Self::Doctor(_) => 64 << 10,
            Self::Status => 1 << 20,
            // 1000 images with 10 names each, at 1500 bytes per finding, are 15 MB.
            Self::Scan => 32 << 20,
            // The rows of a report are limited to less.
            Self::Report(_) => 32 << 20,
        }
    }
}
