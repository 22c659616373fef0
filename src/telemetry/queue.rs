//! A queue with a bound: what does not fit is refused at once, and nobody who adds ever waits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Things on their way from one thread to another.
pub(super) struct Queue<T> {
    held: Mutex<Held<T>>,
    more: Condvar,
    /// How much it holds, in the unit of its weights.
    most: usize,
}

struct Held<T> {
    things: VecDeque<(T, usize)>,
    weight: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        let held = Held { things: VecDeque::new(), weight: 0, closed: false };
        Self { held: Mutex::new(held), more: Condvar::new(), most }
    }

    fn lock(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a thing of this weight, made only if there is room. `false`: there is none, and it is lost.
    pub(super) fn offer(&self, weight: usize, make: impl FnOnce() -> T) -> bool {
        let mut held = self.lock();
        if held.closed || held.weight + weight > self.most {
            return false;
        }
        held.things.push_back((make(), weight));
        held.weight += weight;
        self.more.notify_one();
        true
    }

    /// Adds things of weight 1, as many as there is room for. How many are lost.
    pub(super) fn offer_all(&self, things: Vec<T>) -> usize {
        let mut held = self.lock();
        let room = if held.closed { 0 } else { self.most.saturating_sub(held.weight) };
        let lost = things.len().saturating_sub(room);
        held.weight += things.len() - lost;
        held.things.extend(things.into_iter().take(room).map(|thing| (thing, 1)));
        self.more.notify_one();
        lost
    }

    /// Waits until `most` things are there, or for so long, and then for the first: gives up to `most`. `None`: it is closed,
    /// and empty.
    pub(super) fn take(&self, most: usize, wait: Duration) -> Option<Vec<T>> {
        let deadline = Instant::now() + wait;
        let mut held = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let enough = held.things.len() >= most || held.closed || left.is_zero();
            if enough && !held.things.is_empty() {
                let many = most.min(held.things.len());
                let (things, weights): (Vec<T>, Vec<usize>) = held.things.drain(..many).unzip();
                held.weight -= weights.iter().sum::<usize>();
                return Some(things);
            }
            if held.closed {
                return None;
            }
            held = match left.is_zero() {
                true => self.more.wait(held).unwrap_or_else(PoisonError::into_inner),
                false => self.more.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Waits for so long, or until it is closed: whether it is.
    pub(super) fn closed_within(&self, wait: Duration) -> bool {
        let held = self.lock();
        let open = |held: &mut Held<T>| !held.closed;
        let waited = self.more.wait_timeout_while(held, wait, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Nothing more is taken in; what is there can still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    /// It is closed, and what is there is given up.
    pub(super) fn abandon(&self) {
        let mut held = self.lock();
        (held.closed, held.weight) = (true, 0);
        held.things = VecDeque::new();
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn what_does_not_fit_is_refused_and_never_made() {
        let queue = Queue::new(10);
        assert!(queue.offer(6, || "a"));
        assert!(!queue.offer(5, || panic!("there is no room for it")));
        assert!(queue.offer(4, || "b"));
        assert_eq!(queue.take(1, SOON), Some(vec!["a"]));
        assert!(queue.offer(6, || "c"), "there is room again");
        queue.close();
        assert!(!queue.offer(0, || "d"), "it is closed");
        assert_eq!(queue.take(9, SOON), Some(vec!["b", "c"]));
        assert_eq!(queue.take(9, SOON), None);
        let queue = Queue::new(10);
        assert!(queue.offer(6, || "a"));
        queue.abandon();
        assert_eq!(queue.take(9, SOON), None);
    }

    #[test]
    fn a_batch_is_full_or_has_waited_long_enough() {
        let queue = Queue::new(5);
        assert_eq!(queue.offer_all((0..9).collect()), 4);
        assert_eq!(queue.take(3, Duration::from_secs(60)), Some(vec![0, 1, 2]));
        let start = Instant::now();
        assert_eq!(queue.take(3, SOON), Some(vec![3, 4]));
        assert!(start.elapsed() >= SOON);
    }

    #[test]
    fn who_waits_is_woken_by_the_first_thing_and_by_the_end() {
        let queue = Arc::new(Queue::new(5));
        let taker = std::thread::spawn({
            let queue = queue.clone();
            move || (queue.take(1, Duration::ZERO), queue.take(1, Duration::ZERO))
        });
        std::thread::sleep(SOON);
        assert_eq!(queue.offer_all(vec![7]), 0);
        std::thread::sleep(SOON);
        queue.close();
        assert_eq!(taker.join().expect("it ends"), (Some(vec![7]), None));
    }
}
