//! The queue before the bottleneck. Where a router would drop, the sender is kept waiting: a proxy cannot lose octets.
//! What is first in is first out. Where several connections are in it, each joins at its share of the rate and by small
//! pieces, so each gets its share, and evenly: who filled the queue in one go would leave it in one go, with a long pause
//! after, again and again.

use super::SEGMENT;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The queue holds at least so much of the rate, so that a tick that comes late costs no rate.
pub(super) const QUEUE_TIME: f64 = 0.05;
/// What joins at once is no more than this time's worth of the rate, divided among the connections,
pub(super) const QUANTUM_TIME: f64 = 0.005;
/// and no less than this time's worth, however many they are: a thousand small writes cost more than they tell,
const QUANTUM_TIME_MIN: f64 = 0.000_5;
/// nor than these octets, nor more.
pub(super) const QUANTUM: (u64, u64) = (64, 64 * 1024);
/// Where there are several, each joins at its share of the rate, times the first if the queue is empty, the second if it
/// is full: so it comes to be half full. They are so close that who comes first in a tick has no better share.
const HASTE: (f64, f64) = (1.1, 0.9);
/// Who joins late makes up for so much of it.
const CREDIT: Duration = Duration::from_millis(25);

/// How much of a connection may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// At most so many octets, now; at least 1.
    For(u64),
    /// Nothing before then.
    At(Duration),
}

/// Octets of one connection that leave the queue at one time.
#[derive(Clone, Copy, Debug)]
struct Piece {
    leaves: Duration,
    flow: u64,
    octets: u64,
}

/// What waits, in the order it leaves.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    limit: u64,
    total: u64,
    /// The bottleneck's, octets a second; `None`: not limited.
    rate: Option<f64>,
    pieces: VecDeque<Piece>,
    /// Of each connection that has any octets in it.
    shares: HashMap<u64, Share>,
}

/// A connection's part of the queue.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    octets: u64,
    /// When its next octets may join.
    next: Duration,
}

impl Queue {
    /// A queue of `limit` octets before a bottleneck of `rate` bits per second.
    pub fn new(limit: u64, rate: Option<f64>) -> Self {
        let rate = rate.map(|bits| bits / 8.0);
        let limit = limit.max(SEGMENT).max((rate.unwrap_or(0.0) * QUEUE_TIME) as u64);
        Self { limit, total: 0, rate, pieces: VecDeque::new(), shares: HashMap::new() }
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Octets that wait.
    pub fn backlog(&mut self, now: Duration) -> u64 {
        self.settle(now);
        self.total
    }

    /// Lets go what has left.
    fn settle(&mut self, now: Duration) {
        while let Some(piece) = self.pieces.front().copied().filter(|piece| piece.leaves <= now) {
            self.pieces.pop_front();
            self.total -= piece.octets;
            if let Some(share) = self.shares.get_mut(&piece.flow) {
                share.octets -= piece.octets;
                if share.octets == 0 {
                    self.shares.remove(&piece.flow);
                }
            }
        }
    }

    /// Takes in octets that leave at that time.
    pub fn push(&mut self, flow: u64, now: Duration, leaves: Duration, octets: u64) {
        self.settle(now);
        if leaves <= now {
            return;
        }
        self.total += octets;
        self.shares.entry(flow).or_default().octets += octets;
        let connections = self.shares.len() as f64;
        if let (Some(rate), Some(share)) = (self.rate, self.shares.get_mut(&flow)) {
            let full = (self.total as f64 / self.limit as f64).min(1.0);
            let haste = HASTE.0 + (HASTE.1 - HASTE.0) * full;
            let time = octets as f64 * connections / (haste * rate);
            share.next = share.next.max(now.saturating_sub(CREDIT)) + Duration::from_secs_f64(time);
        }
        match self.pieces.back_mut() {
            // Small writes do not make the queue long: up to a segment leaves as one.
            Some(last) if last.flow == flow && (last.leaves == leaves || last.octets + octets <= SEGMENT) => {
                last.octets += octets;
                last.leaves = leaves;
            }
            _ => self.pieces.push_back(Piece { leaves, flow, octets }),
        }
    }

    /// How much this connection may push at once. One that has nothing in the queue always may push something, so that a
    /// thousand connections take turns; the queue is longer then.
    pub fn room(&mut self, flow: u64, now: Duration) -> Room {
        self.settle(now);
        let own = self.shares.get(&flow).copied().unwrap_or_default();
        let connections = self.shares.len() as u64 + u64::from(own.octets == 0);
        if connections > 1 && own.next > now {
            return Room::At(own.next);
        }
        let room = self.limit.saturating_sub(self.total);
        match if own.octets == 0 { room.max(SEGMENT) } else { room } {
            0 => Room::At(self.room_from(flow, own.octets).unwrap_or(now)),
            room => Room::For(room.min(self.quantum(connections))),
        }
    }

    /// When the queue is no longer full, or holds nothing of this connection any more.
    fn room_from(&self, flow: u64, mut own: u64) -> Option<Duration> {
        let mut total = self.total;
        let room = self.pieces.iter().find(|piece| {
            total -= piece.octets;
            own -= if piece.flow == flow { piece.octets } else { 0 };
            total < self.limit || own == 0
        });
        room.map(|piece| piece.leaves)
    }

    fn quantum(&self, connections: u64) -> u64 {
        let octets = |rate: f64| rate * (QUANTUM_TIME / connections as f64).max(QUANTUM_TIME_MIN);
        self.rate.map_or(QUANTUM.1, |rate| (octets(rate) as u64).clamp(QUANTUM.0, QUANTUM.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_queue_keeps_its_sender_waiting_until_something_left() {
        let mut queue = Queue::new(10_000, None);
        assert_eq!(queue.room(1, S), Room::For(10_000));
        queue.push(1, S, S * 2, 6000);
        queue.push(1, S, S * 3, 4000);
        assert_eq!(queue.room(1, S), Room::At(S * 2));
        assert_eq!(queue.backlog(S), 10_000);
        assert_eq!(queue.room(1, S * 2), Room::For(6000));
        assert_eq!(queue.room(1, S * 3), Room::For(10_000));
        assert_eq!((queue.backlog(S * 3), queue.shares.len(), queue.pieces.len()), (0, 0, 0));
    }

    #[test]
    fn a_newcomer_has_a_segment_at_once_and_then_waits_for_room() {
        let mut queue = Queue::new(10_000, None);
        queue.push(1, S, S * 2, 5000);
        queue.push(1, S, S * 3, 5000);
        assert_eq!(queue.room(2, S), Room::For(SEGMENT));
        queue.push(2, S, S * 4, SEGMENT);
        assert_eq!(queue.room(2, S), Room::At(S * 2), "no second one while the queue is full");
        queue.push(3, S, S * 5, 9000);
        assert_eq!(queue.room(2, S), Room::At(S * 4), "or until its own has left");
    }

    #[test]
    fn one_alone_fills_the_queue_in_one_go_and_several_take_turns() {
        // 100,000 octets a second: 500 in 5 ms.
        let mut queue = Queue::new(20_000, Some(800_000.0));
        for n in 0..20 {
            assert_eq!(queue.room(1, S), Room::For(500), "push {n}");
            queue.push(1, S, S * 2, 500);
        }
        assert_eq!(queue.room(2, S), Room::For(250), "5 ms of its share");
        // At 50,000 octets a second, a little less while the queue is so full, it makes up for 25 ms.
        for n in 0..5 {
            assert_eq!(queue.room(2, S), Room::For(250), "push {n}");
            queue.push(2, S, S * 3, 250);
        }
        let Room::At(next) = queue.room(2, S) else { panic!("no more at once") };
        assert!(next > S && next < S + Duration::from_millis(5), "{next:?}");
    }

    #[test]
    fn small_writes_do_not_make_the_queue_long() {
        let mut queue = Queue::new(1_000_000, None);
        (1..=146_000).for_each(|n| queue.push(1, S, S + Duration::from_micros(n), 1));
        assert_eq!(queue.pieces.len(), 100);
        assert_eq!(queue.backlog(S), 146_000);
    }
}
