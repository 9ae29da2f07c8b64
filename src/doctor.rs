//! Whether this node enforces its policy: what `pullgate doctor` finds.
//!
//! Each check has a module with the facts that it needs and a pure function that turns them into findings.
//! [`Diagnosis`] is the table of all findings; docs/doctor.md is compared with it. Facts are gathered once, each with a limit
//! of time and size. What cannot be known is a finding of its own, and never taken for good.

pub mod around;
pub mod canary;
pub mod clock;
pub mod daemon;
mod diagnosis;
pub mod disk;
mod finding;
pub mod kubelet;
pub mod policy;
mod process;
mod report;
pub mod runtime;
mod severity;
pub mod sockets;
pub mod units;

pub use diagnosis::Diagnosis;
pub use finding::Finding;
pub use process::Processes;
pub use report::{Extent, Report, Verdict};
pub use severity::Severity;
