//! A record's events in the order they happened, play by play: of a run of many plays no more is held at once than of those
//! under way.

use crate::event::Event;
use std::collections::BTreeMap;

/// Plays of which not every event came yet.
pub(super) struct InOrder<'r> {
    /// How many events each session has.
    lines: &'r BTreeMap<String, u64>,
    /// By session: how many came, and those that are kept.
    open: BTreeMap<String, (u64, Vec<Event>)>,
}

impl<'r> InOrder<'r> {
    pub(super) fn new(lines: &'r BTreeMap<String, u64>) -> Self {
        Self { lines, open: BTreeMap::new() }
    }

    /// Takes an event of a session, which is kept if it is `wanted`. What is kept of the session, if this was its last.
    pub(super) fn take(&mut self, session: &str, event: Event, wanted: bool) -> Vec<Event> {
        let (came, kept) = match self.open.get_mut(session) {
            Some(open) => open,
            None => self.open.entry(session.to_owned()).or_default(),
        };
        *came += 1;
        if wanted {
            kept.push(event);
        }
        let whole = self.lines.get(session) == Some(&*came);
        whole.then(|| self.open.remove(session)).flatten().map(sorted).unwrap_or_default()
    }

    /// What is kept of sessions whose last did not come.
    pub(super) fn rest(self) -> impl Iterator<Item = Vec<Event>> {
        self.open.into_values().map(sorted)
    }
}

fn sorted((_, mut events): (u64, Vec<Event>)) -> Vec<Event> {
    events.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms).then(a.seq.cmp(&b.seq)));
    // A line that is there twice was copied: what it tells happened once.
    events.dedup();
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    fn event(seq: u64, t_ms: f64) -> Event {
        Event {
            v: 1,
            event: "x".into(),
            source: Origin::Monitor,
            timestamp: String::new(),
            t_ms,
            seq,
            ids: Default::default(),
            fields: Default::default(),
        }
    }

    #[test]
    fn a_play_comes_at_its_last_event_sorted_once_each_and_without_what_nobody_wants() {
        let lines = BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 1), ("c".to_owned(), 2)]);
        let mut plays = InOrder::new(&lines);
        let seqs = |events: Vec<Event>| events.iter().map(|e| e.seq).collect::<Vec<_>>();
        for (session, seq, t, wanted, came) in [
            ("a", 4, 9.0, true, &[] as &[u64]),
            ("a", 5, 8.0, false, &[]),
            ("c", 6, 0.0, true, &[]),
            // Another play lies between: what was late is told after it began.
            ("b", 9, 20.0, true, &[9]),
            ("a", 7, 3.0, true, &[]),
            ("a", 4, 9.0, true, &[]),
            ("a", 8, 3.0, true, &[7, 8, 4]),
        ] {
            assert_eq!(seqs(plays.take(session, event(seq, t), wanted)), came, "{session} {seq}");
        }
        assert_eq!(plays.rest().map(seqs).collect::<Vec<_>>(), [[6]]);
    }
}
