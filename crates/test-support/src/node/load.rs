//! Calls at a steady rate, whatever becomes of the calls before.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pullgate::api::image_service_client::ImageServiceClient;
use pullgate::api::{ImageFsInfoRequest, ImageSpec, ImageStatusRequest};
use pullgate::containerd::Upstream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::process::{self, LIMIT};

/// 200 calls per second.
const INTERVAL: Duration = Duration::from_millis(5);

/// A client of the image service over one connection, which it opens again when it was closed, as kubelet does. A call that
/// may have reached the server is not repeated.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Answers>>,
}

/// What became of all calls.
#[derive(Debug, Default)]
pub struct Answers {
    pub calls: usize,
    pub failures: Vec<String>,
    /// The longest time that a call took.
    pub longest: Duration,
}

impl Load {
    /// Asks alternately for the status of `image` and for the file systems of images.
    pub fn start(socket: PathBuf, image: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (image, stopped, count) = (image.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("cannot start an event loop").block_on(call(socket, image, stopped, count))
        });
        Self { stop, answered, thread: Some(thread) }
    }

    /// Waits until this many more calls were answered.
    pub fn wait_for(&self, calls: usize) {
        let end = self.answered.load(Ordering::Relaxed) + calls;
        let answered = process::wait(LIMIT, || (self.answered.load(Ordering::Relaxed) >= end).then_some(()));
        assert!(answered.is_some(), "calls are not answered");
    }

    /// Waits for the answers of all calls.
    pub fn stop(mut self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it was started");
        thread.join().expect("the client does not panic")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn call(socket: PathBuf, image: String, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) -> Answers {
    let client = ImageServiceClient::new(Upstream::new(socket));
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut calls, mut answers) = (JoinSet::new(), Answers::default());
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        answers.calls += 1;
        let (mut client, count) = (client.clone(), Arc::clone(&count));
        let spec = ImageSpec { image: image.clone(), ..Default::default() };
        let is_status = answers.calls % 2 == 0;
        calls.spawn(async move {
            let begin = Instant::now();
            let answer = if is_status {
                let request = ImageStatusRequest { image: Some(spec), verbose: false };
                client.image_status(request).await.map(drop)
            } else {
                client.image_fs_info(ImageFsInfoRequest {}).await.map(drop)
            };
            count.fetch_add(1, Ordering::Relaxed);
            (begin.elapsed(), answer)
        });
    }
    let all = async {
        while let Some(answer) = calls.join_next().await {
            let (took, answer) = answer.expect("a call does not panic");
            answers.longest = answers.longest.max(took);
            answers.failures.extend(answer.err().map(|status| format!("after {took:?}: {status}")));
        }
    };
    if tokio::time::timeout(LIMIT, all).await.is_err() {
        answers.failures.push("calls were never answered".to_owned());
    }
    answers
}
