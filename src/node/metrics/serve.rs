//! The thread that serves metrics.
//!
//! A thread of its own, with its own event loop: neither a slow scraper, nor many of them, nor a slow disk take time from the
//! thread that serves calls.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use pullgate_core::untrusted::error_chain;
use pullgate_daemon::http::{Answer, HttpServer, Service, Socket, not_found};
use pullgate_daemon::metrics;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{MetricsSource, textfile};
use crate::config;

/// How long requests under way may take to finish when the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// The running thread. It ends when this is dropped; [`MetricsThread::stop`] also waits for that.
#[derive(Debug)]
pub(in crate::node) struct MetricsThread {
    stop: watch::Sender<bool>,
}

impl MetricsThread {
    /// Starts what is configured. If that is not possible, the daemon runs without: kubelet does not need it.
    pub(in crate::node) fn start(config: &config::Metrics, source: MetricsSource) -> Option<Self> {
        let socket = config.listen.as_ref().and_then(|address| match Socket::bind(address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::error!(error = error_chain(&error), "cannot serve metrics");
                None
            }
        });
        if socket.is_none() && config.textfile.is_none() {
            return None;
        }
        let (stop, stopped) = watch::channel(false);
        let (file, source) = (config.textfile.clone(), Arc::new(source));
        let interval = config.textfile_interval;
        let run = move |runtime: Runtime| {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                if let Some(socket) = socket {
                    tracing::info!(address = socket.address(), "serving metrics");
                    let server = HttpServer { socket, tls: None, limits: metrics::LIMITS };
                    tasks.spawn(server.serve(Arc::new(Scrapes(Arc::clone(&source))), stopped.clone()));
                }
                if let Some(file) = file {
                    tasks.spawn(textfile::keep(file, interval, source, stopped));
                }
                while tasks.join_next().await.is_some() {}
            });
            // A disk that hangs must not hold this thread.
            runtime.shutdown_background();
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            std::thread::Builder::new().name("metrics".to_owned()).spawn(move || run(runtime))
        });
        if let Err(error) = started {
            tracing::error!(%error, "cannot serve metrics");
            return None;
        }
        Some(Self { stop })
    }

    /// Ends the thread. Its socket and its file are removed.
    pub(in crate::node) async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(GRACE, self.stop.closed()).await;
    }
}

#[derive(Debug)]
struct Scrapes(Arc<MetricsSource>);

impl Service for Scrapes {
    fn admit(&self, parts: &Parts) -> Result<(), Box<Answer>> {
        if metrics::is_scrape(parts) { Ok(()) } else { Err(not_found()) }
    }

    async fn answer(&self, _: &Parts, _: &[u8]) -> Answer {
        metrics::answer(self.0.page().await)
    }
}
