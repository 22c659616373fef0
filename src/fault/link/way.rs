//! One direction of a link.

use super::super::seed::Draw;
use super::delay::Delays;
use super::loss::{Loss, Trail};
use super::outage::{FOREVER, Outages};
use super::pace::{Chances, Clock};
use super::queue::{Queue, Room};
use super::{OutageMode, Part, SEGMENT};
use std::time::Duration;

/// The queue where no bandwidth says another.
const QUEUE: u64 = 64 * 1024;
/// What a connection may have under way where nothing limits its rate: as large as Linux lets a socket's buffer grow.
const WINDOW: u64 = 4 * 1024 * 1024;

/// A bit for a rule, by its number; none for those after the 64th.
pub(super) fn bit(rule: usize) -> u64 {
    1u64.checked_shl(rule as u32).unwrap_or(0)
}

/// What becomes of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The last of it arrives then.
    Arrives(Duration),
    /// It never arrives, nor does anything after it on the same connection, nor an end.
    Never,
    /// The connection is to be reset, now.
    Reset,
}

impl Fate {
    pub(super) fn arrives(t: Duration) -> Self {
        if t < FOREVER { Fate::Arrives(t) } else { Fate::Never }
    }
}

/// Rules that did something to a connection: their numbers, as [`super::Link::rule`] knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acted(u64);

impl Acted {
    /// Whether there are none, as most of the time.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Acted {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let first = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (first < 64).then_some(first as usize)
    }
}

/// What [`Way::send`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What becomes of the octets.
    pub fate: Fate,
    /// The rules that did something to this connection and had not before; an outage, also when it comes again. To be
    /// told as events.
    pub acted: Acted,
    /// Segments of these that were lost.
    pub lost: u32,
}

/// A connection's part of a [`Way`]: one for each connection and direction.
#[derive(Clone, Debug)]
pub struct Flow {
    number: u64,
    /// Nothing arrives before what was sent before it.
    held: Duration,
    /// Nothing arrives any more.
    dead: bool,
    /// Rules told of.
    told: u64,
    /// The end of the outage told of.
    outage: Duration,
    /// The steady-state rate under loss.
    cap: Option<Clock>,
    trail: Trail,
}

/// One direction of a link, shared by all the connections of its scope.
#[derive(Clone, Debug)]
pub struct Way {
    line: Line,
    queue: Queue,
    delays: Delays,
    loss: Option<Loss>,
    /// Outages that end connections.
    cuts: Outages,
    window: u64,
    flows: u64,
}

/// The bottleneck.
#[derive(Clone, Debug)]
struct Line {
    pacers: Vec<(usize, Pacer)>,
    /// Outages that hold.
    holds: Outages,
    /// When the last octets passed it.
    free: Duration,
}

#[derive(Clone, Debug)]
enum Pacer {
    Clock(Clock),
    Chances(Chances),
}

impl Pacer {
    fn rate(&self) -> f64 {
        match self {
            Pacer::Clock(clock) => clock.rate(),
            Pacer::Chances(chances) => chances.rate(),
        }
    }

    fn send(&mut self, now: Duration, octets: u64, holds: &Outages) -> Duration {
        match self {
            Pacer::Clock(clock) => clock.send(now, octets, holds),
            Pacer::Chances(chances) => chances.send(now, octets, holds),
        }
    }
}

impl Line {
    fn new(parts: &[(String, Part)], seed: u64, is_up: bool) -> Self {
        let pacer = |(id, part): &(String, Part)| match part {
            Part::Bandwidth { down, up, .. } => {
                if is_up { *up } else { *down }.map(|rate| Pacer::Clock(Clock::new(rate)))
            }
            Part::Slot { every, bytes } => {
                let draw = Draw::of_link(seed, id).sub(u64::from(is_up));
                Some(Pacer::Chances(Chances::slot(*every, *bytes, draw)))
            }
            Part::Trace { down, up } => Chances::trace(if is_up { up } else { down }).map(Pacer::Chances),
            _ => None,
        };
        let pacers = parts.iter().enumerate().filter_map(|(rule, part)| Some((rule, pacer(part)?)));
        let holds = Outages::new(parts, |mode| mode == OutageMode::Hold);
        Self { pacers: pacers.collect(), holds, free: Duration::ZERO }
    }

    /// The lowest rate, bits per second.
    fn rate(&self) -> Option<f64> {
        self.pacers.iter().map(|(_, pacer)| pacer.rate()).reduce(f64::min)
    }

    /// When the last of `octets` that are sent now has passed, and the rules that made it wait.
    fn pass(&mut self, now: Duration, octets: u64) -> (Duration, u64) {
        let (mut passes, mut acted) = (self.holds.clear(now), 0);
        for (rule, pacer) in &mut self.pacers {
            let own = pacer.send(now, octets, &self.holds);
            acted |= bit(*rule) * u64::from(own > now);
            passes = passes.max(own);
        }
        self.free = passes;
        (passes, acted)
    }
}

impl Way {
    pub(super) fn new(parts: &[(String, Part)], seed: u64, delays: &Delays, is_up: bool) -> Self {
        let line = Line::new(parts, seed, is_up);
        let loss = Loss::new(parts, seed, delays, is_up);
        let queue = parts.iter().filter_map(|(_, part)| match part {
            Part::Bandwidth { queue, .. } => Some(*queue),
            _ => None,
        });
        let queue = Queue::new(queue.min().unwrap_or(QUEUE), line.rate());
        // What is under way in two round trips: one, and one more while a lost segment is awaited.
        let rate = line.rate().into_iter().chain(loss.as_ref().map(Loss::rate)).reduce(f64::min);
        let (rtt, deviation) = delays.measured().unwrap_or_default();
        let trips = |rate: f64| (rate / 8.0 * (2 * rtt + 4 * deviation).as_secs_f64()) as u64;
        let window = rate.map_or(WINDOW, |rate| (queue.limit() + trips(rate)).min(WINDOW.max(queue.limit())));
        let cuts = Outages::new(parts, |mode| mode != OutageMode::Hold);
        Self { line, queue, delays: delays.clone(), loss, cuts, window, flows: 0 }
    }

    /// The part of a new connection.
    pub fn flow(&mut self) -> Flow {
        self.flows += 1;
        Flow {
            number: self.flows,
            held: Duration::ZERO,
            dead: false,
            told: 0,
            outage: Duration::ZERO,
            cap: self.loss.as_ref().map(|loss| Clock::new(loss.rate())),
            trail: Trail::default(),
        }
    }

    /// How many octets one connection may have under way, sent and not arrived: the caller keeps them, and takes no more
    /// than this from the sender.
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Octets of all connections in the bottleneck's queue.
    pub fn backlog(&mut self, now: Duration) -> u64 {
        self.queue.backlog(now)
    }

    /// How many octets of this connection may be sent at once now, or when to ask again. It is no more than the
    /// connection's part of 5 ms, so that octets arrive evenly; ask and send until there is no room. To send more is no
    /// error, but the queue grows by it and shares are no longer even.
    pub fn room(&mut self, flow: &Flow, now: Duration) -> Room {
        if flow.dead {
            return Room::At(FOREVER);
        }
        let own = flow.cap.as_ref().map_or(Room::For(u64::MAX), |cap| cap.room(now));
        match (self.queue.room(flow.number, now), own) {
            (Room::For(queue), Room::For(own)) => Room::For(queue.min(own)),
            (Room::At(queue), Room::At(own)) => Room::At(queue.max(own)),
            (later @ Room::At(_), _) | (_, later) => later,
        }
    }

    /// When what passes at that time would go on: the same, or the end of an outage that holds.
    pub(super) fn resumes(&self, t: Duration) -> Duration {
        self.line.holds.clear(t)
    }

    /// Sends octets of this connection now; with none, an end. They count as sent together: the answer is about the
    /// last one.
    pub fn send(&mut self, flow: &mut Flow, now: Duration, octets: u64) -> Sent {
        if flow.dead {
            return Sent { fate: Fate::Never, acted: Acted(0), lost: 0 };
        }
        if let Some(cut) = self.cuts.at(now) {
            let reset = cut.mode == OutageMode::Refuse;
            flow.dead = true;
            let fate = if reset { Fate::Reset } else { Fate::Never };
            return Sent { fate, acted: flow.tell(bit(cut.rule), 0), lost: 0 };
        }
        let begins = now.max(self.line.free);
        let mut acted = self.delays.rules().fold(0, |rules, rule| rules | bit(rule));
        let (mut passed, mut lost) = (0, 0);
        if let Some(loss) = &mut self.loss {
            if now > flow.held {
                // All before has arrived: a message of its own begins a segment.
                flow.trail.left = 0;
            }
            // Where the next segment begins.
            let mut at = flow.trail.left;
            while at < octets {
                let passes = self.line.pass(now, at - passed).0.max(flow.pace(now, at - passed, &self.line.holds));
                passed = at;
                if let Some(hit) = loss.segment(&mut flow.trail, now, passes, (octets - at - 1) / SEGMENT) {
                    lost += 1;
                    acted |= hit.rules;
                    match hit.late {
                        Some(late) => flow.held = flow.held.max(passes + self.delays.one_way(passes) + late),
                        None => flow.dead = true,
                    }
                }
                at += SEGMENT;
            }
            flow.trail.left = at - octets;
        }
        let (leaves, waited) = self.line.pass(now, octets - passed);
        acted |= waited;
        if octets > 0 {
            self.queue.push(flow.number, now, leaves, octets);
        }
        let passes = leaves.max(flow.pace(now, octets - passed, &self.line.holds));
        let mut again = 0;
        if let Some(hold) = self.line.holds.next(now).filter(|hold| hold.begin < leaves) {
            acted |= bit(hold.rule);
            again |= flow.outage(bit(hold.rule), hold.end);
        }
        if let Some(cut) = self.cuts.next(begins).filter(|cut| cut.begin < leaves)
            && cut.mode == OutageMode::Blackhole
        {
            flow.dead = true;
            acted |= bit(cut.rule);
        }
        let acted = flow.tell(acted, again);
        if flow.dead {
            return Sent { fate: Fate::Never, acted, lost };
        }
        flow.held = flow.held.max(passes + self.delays.one_way(passes));
        Sent { fate: Fate::arrives(flow.held), acted, lost }
    }
}

impl Flow {
    /// When the connection's own pace lets the last of `octets` pass.
    fn pace(&mut self, now: Duration, octets: u64, holds: &Outages) -> Duration {
        self.cap.as_mut().map_or(now, |cap| cap.send(now, octets, holds))
    }

    /// This rule's bit, if it was told of an outage before but not of the one that ends then.
    fn outage(&mut self, rule: u64, end: Duration) -> u64 {
        if std::mem::replace(&mut self.outage, end) == end { 0 } else { rule & self.told }
    }

    /// Those of these rules that are news, and those that are `again`.
    fn tell(&mut self, acted: u64, again: u64) -> Acted {
        let news = acted & !self.told | again;
        self.told |= acted;
        Acted(news)
    }
}
