//! The thread that keeps the record.
//!
//! A thread of its own, with its own event loop: a slow disk takes no time from the thread that serves calls, and does not
//! keep decisions from being taken either.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pullgate_config::atomic::make_directory;
use pullgate_config::file::Guard;
use pullgate_core::untrusted::error_chain;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::file::{self, read_record};
use super::table::{DecisionTable, TableLimits};
use super::view::{DecisionReport, ReportFilter};
use crate::config::DaemonConfig;
use crate::cri::Proxy;

/// How often decisions are taken from the thread that serves calls.
const TAKE: Duration = Duration::from_secs(1);

/// How long the last write may take when the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// The record of a running daemon.
#[derive(Debug)]
pub struct DecisionRecord {
    proxy: Arc<Proxy>,
    directory: PathBuf,
    limits: TableLimits,
    /// `None` until the file was read.
    table: Mutex<Option<DecisionTable>>,
}

impl DecisionRecord {
    /// Records the decisions of `proxy` from now on.
    #[must_use]
    pub fn begin(config: &DaemonConfig, proxy: Arc<Proxy>) -> Self {
        let limits = TableLimits::new(config.report.max_rows, config.report.keep);
        proxy.counters().decisions.record();
        Self { proxy, directory: config.ledger.directory.clone(), limits, table: Mutex::new(None) }
    }

    /// The report; `None` if the file of earlier decisions was not read yet. May take as long as sorting thousands of rows.
    #[must_use]
    pub fn report(&self, filter: &ReportFilter) -> Option<DecisionReport> {
        let now = Timestamp::now();
        self.update(now, |table| DecisionReport::of(table, filter, now))
    }

    /// Takes new decisions.
    pub fn take(&self) {
        self.update(Timestamp::now(), |_| ());
    }

    fn update<T>(&self, now: Timestamp, with: impl FnOnce(&mut DecisionTable) -> T) -> Option<T> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let table = table.as_mut()?;
        table.add(self.proxy.counters().decisions.take(), now);
        Some(with(table))
    }

    /// Reads the file. Blocks on the disk.
    pub fn load(&self) {
        let now = Timestamp::now();
        let read =
            make_directory(&self.directory).map_or(Ok(None), |()| read_record(&self.directory, self.limits));
        let table = read.unwrap_or_else(|error| {
            let error = error_chain(&error);
            match file::set_aside(&self.directory) {
                Ok(aside) => tracing::warn!(error, aside = %aside.display(), "the record of decisions was set aside, and a new one begins"),
                Err(problem) => tracing::warn!(error, %problem, "the record of decisions cannot be used, and a new one begins"),
            }
            None
        });
        let table = table.unwrap_or_else(|| DecisionTable::new(self.limits, now));
        *self.table.lock().unwrap_or_else(PoisonError::into_inner) = Some(table);
    }

    /// Writes the file, if there is something new. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written, or other users could change it.
    pub fn save(&self) -> Result<(), String> {
        let now = Timestamp::now();
        let encoded = self.update(now, |table| {
            table.forget_old(now);
            std::mem::take(&mut table.unsaved).then(|| file::encode(table))
        });
        let Some(bytes) = encoded.flatten() else { return Ok(()) };
        let checked = Guard::of_process().check_directory(&self.directory);
        let written = checked
            .map_err(|error| error_chain(&error))
            .and_then(|()| file::write(&self.directory, &bytes).map_err(|error| error.to_string()));
        if written.is_err() {
            self.update(now, |table| table.unsaved = true);
        }
        written
    }
}

/// The running thread. It ends when this is dropped; [`Recorder::stop`] also waits for the last write.
#[derive(Debug)]
pub(in crate::node) struct Recorder {
    stop: watch::Sender<bool>,
}

impl Recorder {
    /// Starts the thread. If that is not possible, the daemon runs without: decisions are dropped and counted.
    pub(in crate::node) fn start(record: Arc<DecisionRecord>, interval: Duration) -> Option<Self> {
        let (stop, stopped) = watch::channel(false);
        let run = move |runtime: Runtime| {
            runtime.block_on(keep(record, interval, stopped));
            // A disk that hangs must not hold this thread.
            runtime.shutdown_background();
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let started = runtime.and_then(|runtime| {
            std::thread::Builder::new().name("report".to_owned()).spawn(move || run(runtime))
        });
        match started {
            Ok(_) => Some(Self { stop }),
            Err(error) => {
                tracing::error!(%error, "cannot record decisions");
                None
            }
        }
    }

    /// Writes the record a last time, and ends the thread.
    pub(in crate::node) async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(GRACE, self.stop.closed()).await;
    }
}

async fn keep(record: Arc<DecisionRecord>, interval: Duration, mut stop: watch::Receiver<bool>) {
    let (taking, mut taking_ends) = (Arc::clone(&record), stop.clone());
    let take = async move {
        while tokio::time::timeout(TAKE, taking_ends.wait_for(|stop| *stop)).await.is_err() {
            taking.take();
        }
    };
    let save = async move {
        let loading = Arc::clone(&record);
        let _ = tokio::task::spawn_blocking(move || loading.load()).await;
        let mut failing = false;
        loop {
            let stopped = tokio::time::timeout(interval, stop.wait_for(|stop| *stop)).await.is_ok();
            let saving = Arc::clone(&record);
            let saved = tokio::task::spawn_blocking(move || saving.save()).await;
            let failed = saved.map_err(|error| error.to_string()).and_then(|saved| saved).err();
            if let Some(error) = failed.as_ref().filter(|_| !failing) {
                tracing::warn!(error, "cannot write the record of decisions: trying again at each interval");
            }
            failing = failed.is_some();
            if stopped {
                return;
            }
        }
    };
    tokio::join!(take, save);
}
