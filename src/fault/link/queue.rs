//! The queue before the bottleneck. Where a router would drop, the sender is kept waiting: a proxy cannot lose octets.
//! Each connection has an even share of it, and what is first in is first out, so each has an even share of the rate.

use super::SEGMENT;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

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
    pieces: VecDeque<Piece>,
    /// Octets of each connection that has any.
    shares: HashMap<u64, u64>,
}

impl Queue {
    pub fn new(limit: u64) -> Self {
        Self { limit: limit.max(SEGMENT), total: 0, pieces: VecDeque::new(), shares: HashMap::new() }
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
                *share -= piece.octets;
                if *share == 0 {
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
        *self.shares.entry(flow).or_default() += octets;
        match self.pieces.back_mut() {
            // Small writes do not make the queue long: up to a segment leaves as one.
            Some(last) if last.flow == flow && (last.leaves == leaves || last.octets + octets <= SEGMENT) => {
                last.octets += octets;
                last.leaves = leaves;
            }
            _ => self.pieces.push_back(Piece { leaves, flow, octets }),
        }
    }

    /// How much this connection may push. One that has nothing in the queue always may push a segment, so that a
    /// thousand connections take turns; the queue is longer then.
    pub fn room(&mut self, flow: u64, now: Duration) -> Room {
        self.settle(now);
        let own = self.shares.get(&flow).copied().unwrap_or(0);
        let connections = self.shares.len() as u64 + u64::from(own == 0);
        let share = (self.limit / connections).max(SEGMENT);
        let room = share.saturating_sub(own).min(self.limit.saturating_sub(self.total));
        match if own == 0 { room.max(SEGMENT) } else { room } {
            0 => Room::At(self.pieces.iter().find(|piece| piece.flow == flow).map_or(now, |piece| piece.leaves)),
            room => Room::For(room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_queue_keeps_its_sender_waiting_until_something_left() {
        let mut queue = Queue::new(10_000);
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
    fn a_newcomer_has_a_segment_at_once_and_its_share_soon() {
        let mut queue = Queue::new(10_000);
        queue.push(1, S, S * 2, 10_000);
        assert_eq!(queue.room(2, S), Room::For(SEGMENT));
        queue.push(2, S, S * 3, SEGMENT);
        assert_eq!(queue.room(2, S), Room::At(S * 3), "no second one while the queue is full");
        assert_eq!(queue.room(1, S * 2), Room::For(5000));
        assert_eq!(queue.room(2, S * 2), Room::For(5000 - SEGMENT));
    }

    #[test]
    fn small_writes_do_not_make_the_queue_long() {
        let mut queue = Queue::new(1_000_000);
        (1..=146_000).for_each(|n| queue.push(1, S, S + Duration::from_micros(n), 1));
        assert_eq!(queue.pieces.len(), 100);
        assert_eq!(queue.backlog(S), 146_000);
    }
}
