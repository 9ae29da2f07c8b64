//! The server of the control socket.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pullgate_daemon::accept::accept_bounded;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::client::is_trusted;
use super::line::{self, LineError};
use super::{ControlReply, ControlRequest, MAX_REQUEST_BYTES, Status};
use crate::config::{BreakGlassFile, DaemonConfig};
use crate::cri::{Decided, Proxy};
use crate::node::ledger_usage::LedgerUsage;
use crate::node::report::{DecisionRecord, ReportFilter};
use crate::node::scan;
use crate::node::state::State;
use crate::registry::Credentials;
use crate::telemetry::decisions::Call;
use pullgate_core::untrusted::{error_chain, sanitize_to};

/// Maximum number of requests at a time; further connections wait.
const MAX_CONNECTIONS: usize = 64;

/// Timeout for receiving a request and for sending an answer.
const LINE_TIME: Duration = Duration::from_secs(5);

/// Timeout of a scan: while a registry is down, each image without evidence takes until its timeout.
const SCAN_TIME: Duration = Duration::from_secs(15 * 60);

/// Maximum length of a logged name, in bytes.
const MAX_SHOWN: usize = 512;

/// Handles requests on the control socket.
#[derive(Debug)]
pub struct Control {
    proxy: Arc<Proxy>,
    state: Arc<State>,
    config: DaemonConfig,
    break_glass: BreakGlassFile,
    ledger: LedgerUsage,
    record: Option<Arc<DecisionRecord>>,
    /// Limits scans to one at a time.
    scanning: Mutex<()>,
}

impl Control {
    pub fn new(proxy: Arc<Proxy>, state: Arc<State>, config: DaemonConfig, root: &Path) -> Self {
        let (break_glass, ledger) = (BreakGlassFile::of(root), LedgerUsage::default());
        Self { proxy, state, config, break_glass, ledger, record: None, scanning: Mutex::new(()) }
    }

    /// The same with the record of decisions.
    #[must_use]
    pub fn with_record(self, record: Option<Arc<DecisionRecord>>) -> Self {
        Self { record, ..self }
    }

    /// Serves `listener` for as long as the future is polled.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        let accept = || async { Ok(listener.accept().await?.0) };
        let serve = |stream| {
            let control = Arc::clone(&self);
            async move {
                if let Err(error) = control.handle_connection(stream).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "control request failed");
                }
            }
        };
        accept_bounded(accept, MAX_CONNECTIONS, serve, std::future::pending()).await;
    }

    async fn handle_connection(&self, mut stream: UnixStream) -> Result<(), LineError> {
        let peer = stream.peer_cred().map_err(LineError::Io)?;
        if !is_trusted(peer.uid()) {
            tracing::warn!(peer.uid = peer.uid(), peer.pid = peer.pid(), "control request refused: not root");
            return Ok(());
        }
        let (input, mut output) = stream.split();
        let mut input = BufReader::new(input);
        let request = tokio::time::timeout(LINE_TIME, line::read(&mut input, MAX_REQUEST_BYTES));
        let request: ControlRequest = request.await.map_err(|_| LineError::Ended)??;
        // A client that closes the connection, or sends more than one request, cancels the request.
        let reply = tokio::select! {
            reply = self.answer(&request, (peer.uid(), peer.pid())) => reply,
            _ = input.read_u8() => return Err(LineError::Ended),
        };
        let written = tokio::time::timeout(LINE_TIME, line::write(&mut output, reply));
        written.await.map_err(|_| LineError::Ended)?
    }

    async fn answer(&self, request: &ControlRequest, peer: (u32, Option<i32>)) -> ControlReply {
        match request {
            ControlRequest::Verdict { name, digest } => self.verdict(name, digest, peer).await,
            ControlRequest::Status => ControlReply::Status(Box::new(self.status().await)),
            ControlRequest::Doctor(report) => {
                self.state.examined(report.clone());
                ControlReply::Recorded
            }
            ControlRequest::Scan => tokio::time::timeout(SCAN_TIME, self.scan()).await.unwrap_or_else(|_| {
                ControlReply::Failed(format!("the scan of the node takes longer than {SCAN_TIME:?}"))
            }),
            ControlRequest::Report(filter) => self.report(filter.clone()).await,
        }
    }

    async fn verdict(&self, name: &str, digest: &str, (uid, pid): (u32, Option<i32>)) -> ControlReply {
        let image = match super::pinned(name, digest) {
            Ok(image) => image,
            Err(why) => return ControlReply::Failed(why),
        };
        let decisions = &self.proxy.counters().decisions;
        let decided = Decided { digest: Some(digest), ..Decided::new(Call::ImageVerifier, name, None) };
        // The image verifier gives up after some seconds, and decides by itself.
        let waiting = decided.waiting(decisions);
        let (verdict, explanation) = super::verdict(self.proxy.gate(), &image).await;
        waiting.done();
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
            "control request for a verdict"
        );
        let decided = Decided { rule: explanation.rule.as_deref(), ..decided };
        match explanation.reason {
            Some(reason) if verdict.admitted => decided.admitted(decisions, reason, &explanation.audited),
            Some(reason) => decided.refused_for(decisions, reason, None),
            None => decided.undecided(decisions),
        }
        for refusal in &explanation.audited {
            let (reason, line) = (refusal.reason().code(), refusal.line_in_audit_mode());
            tracing::warn!(
                image = shown,
                reason,
                line,
                "image would be refused, but the rule is in audit mode"
            );
        }
        if explanation.break_glass {
            let rule = &explanation.rule;
            tracing::warn!(image = shown, rule, "image admitted by the break-glass file, not by the policy");
        }
        ControlReply::Verdict(verdict)
    }

    async fn scan(&self) -> ControlReply {
        let _guard = self.scanning.lock().await;
        let scanned = scan::scan(self.proxy.upstream(), self.proxy.gate(), &Credentials::anonymous()).await;
        match scanned {
            Ok(report) => {
                self.state.node_scanned(&report);
                ControlReply::Scan(report)
            }
            Err(error) => ControlReply::Failed(error_chain(&error)),
        }
    }

    async fn report(&self, filter: ReportFilter) -> ControlReply {
        let Some(record) = self.record.clone() else {
            let why = "decisions are not recorded; set `enabled` in [report] of `pullgate.toml`";
            return ControlReply::Failed(why.to_owned());
        };
        match tokio::task::spawn_blocking(move || record.report(&filter)).await {
            Ok(Some(report)) => ControlReply::Report(report),
            Ok(None) => ControlReply::Failed(
                "the daemon is still reading the record of decisions; try again".to_owned(),
            ),
            Err(error) => ControlReply::Failed(error_chain(&error)),
        }
    }

    async fn status(&self) -> Status {
        Status::gather(&self.proxy, &self.state, &self.config, &self.break_glass, &self.ledger).await
    }
}
