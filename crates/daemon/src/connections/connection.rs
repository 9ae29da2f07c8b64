//! One connection and its place.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::activity::{Activity, Call};

/// How long a connection without calls may take to close after the peer was told. It may not listen.
const CLOSING: Duration = Duration::from_secs(2);

/// A connection, whose place is free when this and its calls are dropped.
#[derive(Clone, Debug)]
pub struct Connection {
    activity: Arc<Activity>,
    first_call: Duration,
}

impl Connection {
    pub(super) fn new(activity: Arc<Activity>, first_call: Duration) -> Self {
        Self { activity, first_call }
    }

    /// Begins a call. While there is one, the connection is not closed.
    pub fn call(&self) -> Call {
        Call::begin(Arc::clone(&self.activity))
    }

    /// Makes the peer one of [`Connections::marked_peers`](super::Connections::marked_peers), for as long as the connection
    /// is open.
    pub fn mark(&self) {
        self.activity.mark();
    }

    /// Whether the connection must end, because its place is taken.
    pub fn is_closed(&self) -> bool {
        self.activity.is_closed()
    }

    /// What comes before the connection is served, such as a TLS handshake: `None` if it takes longer than a first call
    /// may, or if the place is taken.
    pub async fn begin<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = tokio::time::timeout(self.first_call, handshake) => result.ok(),
            () = self.activity.closed() => None,
        }
    }

    /// Serves `connection` to its end. When its place is taken, when there is no call for too long at its start, and when
    /// `stop` resolves, `shut_down` asks it to end; calls under way are completed.
    ///
    /// Returns `None` if the peer did not end it then.
    pub async fn serve<C: Future>(
        &self,
        connection: C,
        shut_down: impl FnOnce(Pin<&mut C>),
        stop: impl Future<Output = ()>,
    ) -> Option<C::Output> {
        let mut connection = pin!(connection);
        let mut calls = self.activity.calls();
        let no_call = async {
            if tokio::time::timeout(self.first_call, calls.changed()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            ended = connection.as_mut() => return Some(ended),
            () = self.activity.closed() => {}
            () = no_call => {}
            () = stop => {}
        }
        shut_down(connection.as_mut());
        tokio::select! {
            biased;
            ended = connection => Some(ended),
            () = self.without_calls() => None,
        }
    }

    /// Resolves when there was no call for [`CLOSING`].
    async fn without_calls(&self) {
        let mut calls = self.activity.calls();
        loop {
            if calls.wait_for(|calls| *calls == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(CLOSING, calls.wait_for(|calls| *calls > 0)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    use tokio::time::Instant;

    use super::*;
    use crate::connections::{ConnectionLimits, Connections};

    const FIRST_CALL: Duration = Duration::from_secs(30);

    fn connection() -> Connection {
        let limits = ConnectionLimits { connections: 16, first_call: FIRST_CALL };
        Connections::new(limits).admit((), true).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_call_is_asked_to_end_and_then_dropped() {
        let connection = connection();
        let (began, mut asked) = (Instant::now(), None);
        let ended = connection.serve(pending::<()>(), |_| asked = Some(began.elapsed()), pending()).await;
        assert_eq!((ended, asked), (None, Some(FIRST_CALL)));
        assert_eq!(began.elapsed(), FIRST_CALL + CLOSING);
        assert_eq!(connection.begin(pending::<()>()).await, None, "a handshake that does not end");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_under_way_are_completed() {
        let connection = connection();
        let mut call = None;
        let mut finish = pin!(tokio::time::sleep(Duration::from_secs(3600)));
        let serving = poll_fn(|context| {
            call.get_or_insert_with(|| connection.call());
            match finish.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready("completed"),
                Poll::Pending => Poll::Pending,
            }
        });
        assert_eq!(connection.serve(serving, |_| {}, async {}).await, Some("completed"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_connection_stays_open_until_its_place_is_taken() {
        let connection = connection();
        drop(connection.call());
        let began = Instant::now();
        let used = async {
            drop(connection.call());
            tokio::time::sleep(Duration::from_secs(3600)).await;
            connection.activity.close();
            pending::<()>().await;
        };
        assert_eq!(connection.serve(used, |_| {}, pending()).await, None);
        assert_eq!(began.elapsed(), Duration::from_secs(3600) + CLOSING);
    }
}
