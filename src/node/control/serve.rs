//! The daemon's end of the control socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pullgate_daemon::accept::accept_bounded;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::client::is_believed;
use super::line::{self, LineError};
use super::{Answer, MAX_QUESTION_BYTES, Question, Status};
use crate::config::{BreakGlassFile, DaemonConfig};
use crate::cri::Proxy;
use crate::node::scan;
use crate::node::state::State;
use crate::registry::Credentials;
use pullgate_core::untrusted::{error_chain, sanitize_to};

/// How many questions are answered at a time; more wait for their turn.
const MAX_CONNECTIONS: usize = 64;

/// How long a question may take to arrive, and an answer to be taken.
const LINE_TIME: Duration = Duration::from_secs(5);

/// How long scanning the node may take: registries that are gone cost a time-out for each image without evidence.
const SCAN_TIME: Duration = Duration::from_secs(15 * 60);

/// The longest name that is logged, in bytes.
const MAX_SHOWN: usize = 512;

/// What questions are about.
#[derive(Debug)]
pub struct Control {
    proxy: Arc<Proxy>,
    state: Arc<State>,
    config: DaemonConfig,
    break_glass: BreakGlassFile,
    /// One scan at a time is enough work for a node.
    scanning: Mutex<()>,
}

impl Control {
    /// For the daemon with the configuration directory `root`.
    pub fn new(proxy: Arc<Proxy>, state: Arc<State>, config: DaemonConfig, root: &Path) -> Self {
        Self { proxy, state, config, break_glass: BreakGlassFile::of(root), scanning: Mutex::new(()) }
    }

    /// Answers on `listener` for as long as it is polled.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let accept = || async { Ok(listener.accept().await?.0) };
        let converse = |stream| {
            let control = Arc::clone(&self);
            async move {
                if let Err(error) = control.converse(stream).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "question not answered");
                }
            }
        };
        accept_bounded(accept, MAX_CONNECTIONS, converse, std::future::pending()).await;
    }

    async fn converse(&self, mut stream: UnixStream) -> Result<(), LineError> {
        let peer = stream.peer_cred().map_err(LineError::Io)?;
        if !is_believed(peer.uid()) {
            tracing::warn!(peer.uid = peer.uid(), peer.pid = peer.pid(), "question refused: not root");
            return Ok(());
        }
        let (input, mut output) = stream.split();
        let mut input = BufReader::new(input);
        let question = tokio::time::timeout(LINE_TIME, line::read(&mut input, MAX_QUESTION_BYTES));
        let question: Question = question.await.map_err(|_| LineError::Ended)??;
        // Nobody waits for an answer to who left, and one question is all that is answered.
        let answer = tokio::select! {
            answer = self.answer(&question, (peer.uid(), peer.pid())) => answer,
            _ = input.read_u8() => return Err(LineError::Ended),
        };
        let written = tokio::time::timeout(LINE_TIME, line::write(&mut output, &answer));
        written.await.map_err(|_| LineError::Ended)?
    }

    async fn answer(&self, question: &Question, peer: (u32, Option<i32>)) -> Answer {
        match question {
            Question::Verdict { name, digest } => self.verdict(name, digest, peer).await,
            Question::Status => Answer::Status(Box::new(self.status().await)),
            Question::Scan => tokio::time::timeout(SCAN_TIME, self.scan()).await.unwrap_or_else(|_| {
                Answer::Failed(format!("scanning the node takes longer than {SCAN_TIME:?}"))
            }),
        }
    }

    async fn verdict(&self, name: &str, digest: &str, (uid, pid): (u32, Option<i32>)) -> Answer {
        let image = match super::pinned(name, digest) {
            Ok(image) => image,
            Err(why) => return Answer::Failed(why),
        };
        let (verdict, explanation) = super::verdict(self.proxy.gate(), &image).await;
        let shown = sanitize_to(&image, MAX_SHOWN);
        tracing::info!(
            verdict = if verdict.admitted { "admitted" } else { "refused" },
            image = shown,
            digest = explanation.digest,
            rule = verdict.rule,
            peer.uid = uid,
            peer.pid = pid,
            known = explanation.known,
            reason = verdict.reason,
            line = verdict.line,
            "asked through the control socket"
        );
        for refusal in &explanation.audited {
            let (reason, line) = (refusal.reason().code(), refusal.line());
            tracing::warn!(image = shown, reason, line, "would be refused, but the rule is in audit mode");
        }
        if explanation.break_glass {
            let rule = &explanation.rule;
            tracing::warn!(image = shown, rule, "let through by the break-glass file, not by the policy");
        }
        Answer::Verdict(verdict)
    }

    async fn scan(&self) -> Answer {
        let _alone = self.scanning.lock().await;
        let scanned = scan::scan(self.proxy.upstream(), self.proxy.gate(), &Credentials::anonymous()).await;
        match scanned {
            Ok(report) => {
                self.state.node_scanned(&report);
                Answer::Scan(report)
            }
            Err(error) => Answer::Failed(error_chain(&error)),
        }
    }

    async fn status(&self) -> Status {
        Status::gather(&self.proxy, &self.state, &self.config, &self.break_glass).await
    }
}
