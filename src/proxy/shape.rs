//! The link that connections go through, as the armed rules make it: one for each scope, shared by its connections.

use super::armed::{Kept, Rules};
use super::asked::Whose;
use super::{Shared, lock, told};
use crate::fault::link::{Acted, Fate, Flow, Link, Part, Room, Way};
use crate::fault::rule::{Rule, Scope, glob};
use crate::fault::seed::Draw;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Links kept before those that nobody goes through are given up.
const MOST_SHAPES: usize = 256;

/// The link of one scope.
pub(super) struct Shape {
    link: Link,
    /// Numbers of the rules whose parts it has now.
    active: Vec<usize>,
    /// Counts its changes: a connection's flow is one of a certain link.
    generation: u64,
    seed: u64,
    scope: Scope,
    /// The present state of the rules' switches.
    switched: u64,
}

impl Shape {
    pub(super) fn new(rules: &Rules, scope: Scope, seed: u64) -> Self {
        let mut shape =
            Self { link: Link::new(&[], seed), active: Vec::new(), generation: 0, seed, scope, switched: u64::MAX };
        shape.update(rules, Duration::ZERO, None);
        shape
    }

    /// Makes it the link of the rules that hold now.
    fn update(&mut self, rules: &Rules, since: Duration, step: Option<&str>) {
        let switched = rules.switched();
        if !rules.has_windows() && switched == self.switched {
            return;
        }
        self.switched = switched;
        let active: Vec<usize> = rules.links(self.scope).filter(|n| rules.holds(*n, since, step)).collect();
        if active != self.active || self.generation == 0 {
            let parts: Vec<(String, Part)> = active.iter().filter_map(|n| rules.part(*n)).collect();
            self.link = Link::new(&parts, self.seed);
            self.active = active;
            self.generation += 1;
        }
    }

    fn way(&mut self, up: bool) -> &mut Way {
        if up { &mut self.link.up } else { &mut self.link.down }
    }
}

/// Whether a rule's window and step fit.
pub(super) fn window_fits(when: &crate::fault::rule::When, since: Duration, step: Option<&str>) -> bool {
    when.after.is_none_or(|t| since >= t)
        && when.until.is_none_or(|t| since < t)
        && when.step.as_ref().is_none_or(|p| step.is_some_and(|s| glob(p, s)))
}

/// What becomes of what a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Becomes {
    /// It arrives then.
    Arrives(Instant),
    /// It never does, nor anything after it.
    Lost,
    /// The connection is reset.
    Reset,
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum May {
    Send(usize),
    AskAt(Instant),
}

/// One direction of one connection.
pub(super) struct Lane {
    shared: Arc<Shared>,
    whose: Whose,
    up: bool,
    rules: Arc<Rules>,
    epoch: u64,
    links: Vec<(Arc<Mutex<Shape>>, u64, Flow)>,
    /// Nothing arrives before what was sent before it.
    last: Instant,
}

impl Lane {
    pub(super) fn new(shared: &Arc<Shared>, whose: Whose, up: bool) -> Self {
        let epoch = shared.epoch.load(Relaxed);
        let rules = shared.rules();
        let mut lane =
            Self { shared: shared.clone(), whose, up, rules, epoch, links: Vec::new(), last: Instant::now() };
        lane.join();
        lane
    }

    fn join(&mut self) {
        let links = self.rules.shapes(self.whose);
        self.links = links
            .into_iter()
            .map(|shape| {
                let mut held = lock(&shape);
                let (flow, generation) = (held.way(self.up).flow(), held.generation);
                drop(held);
                (shape, generation, flow)
            })
            .collect();
    }

    /// Takes up what was armed meanwhile: how long ago the rules were.
    fn refresh(&mut self, now: Instant) -> Duration {
        let epoch = self.shared.epoch.load(Relaxed);
        if epoch != self.epoch {
            self.epoch = epoch;
            self.rules = self.shared.rules();
            self.join();
        }
        let since = now.saturating_duration_since(self.rules.start());
        let step = self.rules.has_windows().then(|| self.shared.now.share());
        for (shape, generation, flow) in &mut self.links {
            let mut shape = lock(shape);
            shape.update(&self.rules, since, step.as_ref().and_then(|ids| ids.step.as_deref()));
            if shape.generation != *generation {
                *generation = shape.generation;
                *flow = shape.way(self.up).flow();
            }
        }
        since
    }

    /// When a connection that begins now stands, if it does.
    pub(super) fn connect(&mut self, now: Instant) -> Becomes {
        let since = self.refresh(now);
        let draw = Draw::of_link(self.rules.seed(), "connect").branch(self.whose.connection);
        let mut stands = now;
        for (shape, ..) in &mut self.links {
            let mut shape = lock(shape);
            let rule = shape.link.outage_rule(since).map(str::to_owned);
            let fate = shape.link.connect(since, draw);
            drop(shape);
            match fate {
                Fate::Arrives(at) => stands = stands.max(now + at.saturating_sub(since)),
                lost => {
                    if let Some(rule) = rule {
                        self.rules.applied_link(&rule, self.whose.connection);
                        told::applied_link(&self.shared, self.whose.connection, &self.rules, &rule, "connect");
                    }
                    return if lost == Fate::Reset { Becomes::Reset } else { Becomes::Lost };
                }
            }
        }
        Becomes::Arrives(stands)
    }

    /// How many octets may be under way at once.
    pub(super) fn window(&mut self) -> usize {
        let up = self.up;
        let windows = self.links.iter().map(|(shape, ..)| lock(shape).way(up).window());
        windows.min().unwrap_or(u64::from(u16::MAX)) as usize
    }

    /// How many octets may be sent now, or when to ask again.
    pub(super) fn may(&mut self, now: Instant) -> May {
        let since = self.refresh(now);
        let mut most = usize::MAX;
        for (shape, _, flow) in &mut self.links {
            match lock(shape).way(self.up).room(flow, since) {
                Room::For(n) => most = most.min(n as usize),
                Room::At(at) => {
                    let wait = at.saturating_sub(since).clamp(Duration::from_micros(100), Duration::from_secs(3600));
                    return May::AskAt(now + wait);
                }
            }
        }
        May::Send(most.max(1))
    }

    /// Sends so many octets now; with none, an end.
    pub(super) fn send(&mut self, now: Instant, octets: usize) -> Becomes {
        let since = self.refresh(now);
        let mut acted: Vec<String> = Vec::new();
        // Several are gone through one after the other.
        let mut fate = Fate::Arrives(since);
        for (shape, _, flow) in &mut self.links {
            let Fate::Arrives(at) = fate else { break };
            let mut shape = lock(shape);
            let sent = shape.way(self.up).send(flow, at, octets as u64);
            if !sent.acted.is_empty() {
                acted.extend(names(&shape.link, sent.acted));
            }
            fate = sent.fate;
        }
        let mut becomes = match fate {
            Fate::Arrives(at) => Becomes::Arrives(now + at.saturating_sub(since)),
            Fate::Never => Becomes::Lost,
            Fate::Reset => Becomes::Reset,
        };
        for rule in acted {
            self.rules.applied_link(&rule, self.whose.connection);
            let way = if self.up { "up" } else { "down" };
            told::applied_link(&self.shared, self.whose.connection, &self.rules, &rule, way);
        }
        if let Becomes::Arrives(at) = &mut becomes {
            self.last = self.last.max(*at);
            *at = self.last;
        }
        becomes
    }

    /// When an outage that resets connections begins or ends next, or now that one goes on.
    pub(super) fn next_change(&mut self, now: Instant) -> Option<Instant> {
        let since = self.refresh(now);
        let changes = self.links.iter().filter_map(|(shape, ..)| lock(shape).link.next_change(since));
        changes.min().map(|at| now + at.saturating_sub(since))
    }

    /// Whether connections are refused now.
    pub(super) fn is_refused(&mut self, now: Instant) -> bool {
        let since = self.refresh(now);
        let refuses = |(shape, ..): &(Arc<Mutex<Shape>>, u64, Flow)| {
            let mode = lock(shape).link.outage_at(since).map(|(outage, _)| outage.mode);
            mode == Some(crate::fault::link::OutageMode::Refuse)
        };
        self.links.iter().any(refuses)
    }
}

fn names(link: &Link, acted: Acted) -> Vec<String> {
    acted.map(|n| link.rule(n).to_owned()).collect()
}

/// The link, as the armed rules have it.
impl Rules {
    /// Whether there is a link to go through.
    pub(super) fn any_link(&self) -> bool {
        self.kept.iter().any(|k| k.link)
    }

    /// The links that a connection goes through.
    pub(super) fn shapes(&self, whose: Whose) -> Vec<Arc<Mutex<Shape>>> {
        let scopes = [Scope::Connection, Scope::Client, Scope::Link];
        let used = scopes.into_iter().filter(|s| self.links(*s).next().is_some());
        let mut shapes = lock(&self.shapes);
        used.map(|scope| {
            let key = whose.key(scope, ());
            if shapes.len() >= MOST_SHAPES && !shapes.contains_key(&key) {
                // Those of connections that are gone.
                shapes.retain(|_, shape| Arc::strong_count(shape) > 1);
            }
            // One seed for all the play's link; others must differ, or all connections would lose the same segments.
            let seed = if scope == Scope::Link { self.seed } else { self.seed ^ key };
            shapes.entry(key).or_insert_with(|| Arc::new(Mutex::new(Shape::new(self, scope, seed)))).clone()
        })
        .collect()
    }

    /// The rules of a scope that are parts of the link.
    pub(super) fn links(&self, scope: Scope) -> impl Iterator<Item = usize> {
        let of_scope = move |(_, k): &(usize, &Kept)| k.link && k.rule.scope == scope;
        self.kept.iter().enumerate().filter(of_scope).map(|(n, _)| n)
    }

    /// Whether a part of the link holds now.
    pub(super) fn holds(&self, number: usize, since: Duration, step: Option<&str>) -> bool {
        let kept = &self.kept[number];
        kept.armed.load(Relaxed) && window_fits(&kept.rule.when, since, step)
    }

    /// What a rule makes of the link, and its id.
    pub(super) fn part(&self, number: usize) -> Option<(String, Part)> {
        let rule = &self.kept[number].rule;
        Some((rule.id.clone(), rule.fault.link()?))
    }

    pub(super) fn switched(&self) -> u64 {
        self.switched.load(Relaxed)
    }

    pub(super) fn has_windows(&self) -> bool {
        self.windows
    }

    /// A part of the link did something to a connection: counted once for each, in whichever direction it did.
    pub(super) fn applied_link(&self, id: &str, connection: u64) {
        if let Some(kept) = self.of(id)
            && kept.reached(connection)
        {
            kept.applied.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn rule(&self, id: &str) -> Option<&Rule> {
        self.of(id).map(|k| &k.rule)
    }
}
