//! The control socket: how the other commands of this program ask the daemon that runs.
//!
//! A socket of its own, because nothing but `runtime.v1` crosses the one of kubelet. Only root and the daemon's own user
//! are answered, and only a daemon of theirs is believed: both ends ask the kernel who is on the other side
//! (`SO_PEERCRED`, unix(7)), whatever the file system says.
//!
//! One connection is one question: a line of JSON each way. Whoever asks keeps the connection open until the answer is
//! there; who leaves stops the work.
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
pub use status::{
    Admitted, BreakGlass, Counts, Exception, Gates, Ledger, Policy, PolicyFailure, Runtime, SandboxImage,
    Status,
};
pub use verdict::{Verdict, pinned, verdict};

use super::scan::Report;

/// The longest question, in bytes: a name has at most 4 KiB, and a digest less.
const MAX_QUESTION_BYTES: u64 = 16 << 10;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// May this image be pulled? Judged as a pull that does not say for which pod it is.
    Verdict {
        /// The name, as somebody wrote it.
        name: String,
        /// The digest that is to be pulled.
        digest: String,
    },
    /// How is the daemon?
    Status,
    /// What is on the node, and may it be there?
    Scan,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Question::Verdict`].
    Verdict(Verdict),
    /// To [`Question::Status`].
    Status(Box<Status>),
    /// To [`Question::Scan`].
    Scan(Report),
    /// The question was understood, but there is no answer to it: why.
    Failed(String),
}

impl Question {
    /// The longest answer that is read, in bytes.
    fn max_answer_bytes(&self) -> u64 {
        match self {
            Self::Verdict { .. } => 64 << 10,
            Self::Status => 1 << 20,
            // A thousand images under ten names, a line of 1500 bytes each.
            Self::Scan => 32 << 20,
        }
    }
}
