//! Accepting connections, no more at a time than there is room for.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The pause after a failed accept (the process is out of file descriptors, say), so that it does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop` resolves, and serves each in a task of its own. At most `max` are served at a time;
/// more wait in the backlog of the socket. Returns the connections that are still served then; dropping them ends them.
pub async fn accept_bounded<S, A, C>(
    accept: impl Fn() -> A,
    max: usize,
    mut serve: impl FnMut(S) -> C,
    stop: impl Future<Output = ()>,
) -> JoinSet<()>
where
    A: Future<Output = io::Result<S>>,
    C: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(max));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut stop => return connections,
            next = next => next,
        };
        match accepted {
            Ok(stream) => {
                while connections.try_join_next().is_some() {}
                let connection = serve(stream);
                connections.spawn(async move {
                    let _place = place;
                    connection.await;
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};
    use tokio::time::Instant;

    use super::*;

    type Reply = oneshot::Sender<()>;

    /// Connections that are served until their channel is used.
    async fn loop_of(
        accepted: mpsc::UnboundedReceiver<io::Result<Reply>>,
        served: mpsc::UnboundedSender<()>,
        stop: oneshot::Receiver<()>,
    ) -> usize {
        let accepted = tokio::sync::Mutex::new(accepted);
        let accept = || async {
            match accepted.lock().await.recv().await {
                Some(next) => next,
                None => std::future::pending().await,
            }
        };
        let serve = |mut reply: Reply| {
            served.send(()).unwrap();
            async move { reply.closed().await }
        };
        let stop = async { drop(stop.await) };
        accept_bounded(accept, 2, serve, stop).await.len()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_served_than_there_is_room_for_and_a_failure_is_followed_by_a_pause() {
        let (accept, accepted) = mpsc::unbounded_channel();
        let (serving, mut served) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(loop_of(accepted, serving, stopped));
        let began = Instant::now();
        accept.send(Err(io::Error::other("no file descriptors"))).unwrap();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let (reply, end) = oneshot::channel();
            accept.send(Ok(reply)).unwrap();
            ends.push(end);
        }
        served.recv().await.unwrap();
        assert_eq!(began.elapsed(), PAUSE);
        served.recv().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(served.try_recv().is_err(), "there is room for two");
        ends.remove(0);
        served.recv().await.unwrap();
        stop.send(()).unwrap();
        assert_eq!(task.await.unwrap(), 2, "two are still served");
    }
}
