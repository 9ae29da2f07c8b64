//! The connections of a listener: how many are open, whose they are, and which of them makes room for another.
//!
//! Callers leave connections open without using them (critest opens one for each test), and a hostile one opens as many as
//! it can. So a connection without calls is closed when another needs its place, and no peer gets all places: the last
//! eighth is for the first connection of a peer that may use the reserve. A connection with calls is never closed.

mod activity;
mod connection;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::counter::Counter;
pub use activity::Call;
use activity::{Activity, Events};
pub use connection::Connection;

/// Which part of the places is the reserve: one in so many.
const RESERVE: usize = 8;

/// The bounds of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// How many connections are open.
    pub connections: usize,
    /// How long a connection may be open without a call.
    pub first_call: Duration,
}

/// The open connections of a listener. `P` is what is known of the process or host at the other end.
#[derive(Debug)]
pub struct Connections<P> {
    limits: ConnectionLimits,
    open: Mutex<Vec<Entry<P>>>,
    events: Arc<Events>,
    closed_idle: Counter,
    refused: Counter,
}

#[derive(Debug)]
struct Entry<P> {
    peer: P,
    reserve: bool,
    /// Gone when the connection has ended.
    activity: Weak<Activity>,
}

/// Numbers of [`Connections`], for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionCounts {
    pub open: usize,
    pub limit: usize,
    /// Connections without calls that were closed for another, since the start.
    pub closed_idle: u64,
    /// Connections that found no place, since the start.
    pub refused: u64,
}

impl<P: Copy + Eq + Hash> Connections<P> {
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            events: Arc::default(),
            closed_idle: Counter::default(),
            refused: Counter::default(),
        }
    }

    /// How many sockets are open at most: a connection that makes room is not closed at once.
    pub fn max_sockets(&self) -> usize {
        self.limits.connections.saturating_mul(2)
    }

    /// A place for a new connection of `peer`, which may take one of the `reserve`; `None` without a free one. If all are
    /// taken, a connection without calls is closed: of the peer with the most connections, the one that was used least
    /// recently. A peer without access to the reserve closes no connection of one that has it.
    pub fn admit(&self, peer: P, reserve: bool) -> Option<Connection> {
        let place = self.place(peer, reserve);
        if place.is_none() {
            self.refused.add();
        }
        place
    }

    /// The same, but waits until there is a place.
    pub async fn wait(&self, peer: P, reserve: bool) -> Connection {
        loop {
            let freed = self.events.freed.notified();
            if let Some(place) = self.place(peer, reserve) {
                return place;
            }
            freed.await;
        }
    }

    fn place(&self, peer: P, reserve: bool) -> Option<Connection> {
        let mut open = self.lock();
        let limit = self.limits.connections;
        if open.len() >= limit - limit / RESERVE {
            match least_used(&open, reserve) {
                Some(index) => {
                    if let Some(closed) = open.swap_remove(index).activity.upgrade() {
                        closed.close();
                        self.closed_idle.add();
                    }
                }
                None if reserve && open.len() < limit && open.iter().all(|entry| entry.peer != peer) => {}
                None => return None,
            }
        }
        let activity = Arc::new(Activity::new(Arc::clone(&self.events)));
        open.push(Entry { peer, reserve, activity: Arc::downgrade(&activity) });
        Some(Connection::new(activity, self.limits.first_call))
    }

    /// The peers that have an open connection that was marked, each once.
    pub fn marked_peers(&self) -> Vec<P> {
        let mut peers: Vec<P> = Vec::new();
        for entry in self.lock().iter() {
            let is_marked = entry.activity.upgrade().is_some_and(|activity| activity.is_marked());
            if is_marked && !peers.contains(&entry.peer) {
                peers.push(entry.peer);
            }
        }
        peers
    }

    pub fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: self.lock().len(),
            limit: self.limits.connections,
            closed_idle: self.closed_idle.get(),
            refused: self.refused.get(),
        }
    }

    /// The connections that have not ended.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry<P>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|entry| entry.activity.strong_count() > 0);
        open
    }
}

/// Which connection makes room for another one.
fn least_used<P: Copy + Eq + Hash>(open: &[Entry<P>], reserve: bool) -> Option<usize> {
    let mut held = HashMap::<P, usize>::new();
    for entry in open {
        *held.entry(entry.peer).or_default() += 1;
    }
    let idle = open.iter().enumerate().filter(|(_, entry)| reserve || !entry.reserve);
    let idle = idle.filter_map(|(index, entry)| {
        let last_used = entry.activity.upgrade()?.idle_since()?;
        Some((held.get(&entry.peer).copied()?, last_used, index))
    });
    idle.min_by_key(|(held, last_used, _)| (usize::MAX - held, *last_used)).map(|(.., index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits =
        ConnectionLimits { connections: 16, first_call: Duration::from_secs(30) };

    fn table() -> Connections<&'static str> {
        Connections::new(LIMITS)
    }

    fn fill(table: &Connections<&'static str>, peer: &'static str, reserve: bool) -> Vec<Connection> {
        (0..14).map(|_| table.admit(peer, reserve).unwrap()).collect()
    }

    fn closed(connections: &[Connection]) -> Vec<usize> {
        connections
            .iter()
            .enumerate()
            .filter(|(_, connection)| connection.is_closed())
            .map(|(index, _)| index)
            .collect()
    }

    #[test]
    fn the_least_recently_used_connection_of_the_largest_peer_makes_room() {
        let table = table();
        let kubelet = table.admit("kubelet", true).unwrap();
        let mut critest = fill(&table, "critest", true);
        assert_eq!(closed(&critest), [0], "13 and one of kubelet are all that there are before the reserve");
        drop(critest[1].call());
        critest.push(table.admit("critest", true).unwrap());
        critest.push(table.admit("other", true).unwrap());
        assert_eq!(closed(&critest), [0, 2, 3], "the second was used since");
        assert!(!kubelet.is_closed());
        let counts = table.counts();
        assert_eq!((counts.open, counts.closed_idle, counts.refused), (14, 3, 0));
        assert!(table.marked_peers().is_empty());
        critest.iter().chain([&kubelet]).for_each(Connection::mark);
        critest.pop();
        let mut peers = table.marked_peers();
        peers.sort_unstable();
        assert_eq!(peers, ["critest", "kubelet"]);
        drop(critest);
        assert_eq!((table.counts().open, table.marked_peers()), (1, vec!["kubelet"]));
    }

    #[test]
    fn a_connection_with_calls_is_not_closed_and_the_reserve_is_for_peers_that_have_none() {
        let table = table();
        let greedy = fill(&table, "greedy", true);
        let mut calls: Vec<Call> = greedy.iter().map(Connection::call).collect();
        assert!(table.admit("greedy", true).is_none());
        assert!(table.admit("stranger", false).is_none(), "the reserve is not for it");
        let kubelet = table.admit("kubelet", true).unwrap();
        let busy = kubelet.call();
        assert!(table.admit("kubelet", true).is_none(), "it has one");
        let _last = table.admit("crictl", true).unwrap().call();
        assert_eq!(table.counts().open, 16);
        assert!(table.admit("another", true).is_none(), "all are used");
        assert_eq!((closed(&greedy), table.counts().refused), (vec![], 4));
        calls.remove(5);
        table.admit("another", true).unwrap();
        assert_eq!(closed(&greedy), [5]);
        drop(busy);
    }

    #[test]
    fn a_peer_without_access_to_the_reserve_closes_only_connections_of_its_kind() {
        let table = table();
        let root = fill(&table, "root", true);
        assert!(table.admit("stranger", false).is_none());
        drop(root);
        let strangers = fill(&table, "stranger", false);
        let _others = [("stranger", false), ("root", true)].map(|(peer, reserve)| table.admit(peer, reserve));
        assert_eq!(closed(&strangers), [0, 1]);
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_of_a_connection_that_ended_or_has_no_call_any_more() {
        let table = Connections::new(ConnectionLimits { connections: 1, ..LIMITS });
        let first = table.admit("a", false).unwrap();
        let call = first.call();
        let (second, ()) = tokio::join!(table.wait("b", false), async { drop(call) });
        let call = second.call();
        assert!(first.is_closed() && table.admit("c", false).is_none());
        tokio::join!(table.wait("c", false), async { drop((call, second)) });
        assert_eq!(table.counts().refused, 1);
    }

    #[test]
    fn a_limit_of_one_has_no_reserve() {
        let table = Connections::new(ConnectionLimits { connections: 1, ..LIMITS });
        let first = table.admit("a", false).unwrap();
        let second = table.admit("b", false).unwrap();
        assert!(first.is_closed() && !second.is_closed());
        let _call = second.call();
        assert!(table.admit("c", true).is_none());
    }
}
