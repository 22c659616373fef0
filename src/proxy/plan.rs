//! What is to be done, and when.

use super::armed::Fired;
use super::asked::Asked;
use crate::fault::{Action, Point, Response};
use std::sync::Arc;

/// One step, and the rule that wants it.
pub(super) struct Planned {
    pub by: Arc<Fired>,
    pub at: Point,
    pub action: Action,
}

/// The steps of an exchange, in the order they come.
#[derive(Default)]
pub(super) struct Plan {
    fired: Vec<Arc<Fired>>,
    steps: Vec<Planned>,
}

impl Plan {
    /// What the rules that fire want with the request.
    pub(super) fn new(fired: Vec<Arc<Fired>>, asked: &Asked) -> Self {
        let mut plan = Self { fired, steps: Vec::new() };
        if !plan.fires() {
            return plan;
        }
        plan.add(|by| by.request(asked));
        plan
    }

    /// And what with the response.
    pub(super) fn respond(&mut self, asked: &Asked, response: &Response) {
        self.add(|by| by.response(asked, response));
    }

    fn add(&mut self, ask: impl Fn(&Fired) -> Vec<crate::fault::Step>) {
        for by in &self.fired {
            let steps = ask(by).into_iter().map(|s| Planned { by: by.clone(), at: s.at, action: s.action });
            self.steps.extend(steps);
        }
        // Stable: at one point the rules come in the profile's order.
        self.steps.sort_by_key(|p| p.at);
    }

    /// Whether any rule fires.
    pub(super) fn fires(&self) -> bool {
        !self.fired.is_empty()
    }

    /// Whether nothing is to be done any more.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Takes the steps of one point, or of several.
    pub(super) fn take(&mut self, which: impl Fn(Point) -> bool) -> Vec<Planned> {
        if self.steps.is_empty() {
            return Vec::new();
        }
        self.steps.extract_if(.., |p| which(p.at)).collect()
    }

    /// The number of the octet before which the next step in the body is.
    pub(super) fn next_octet(&self) -> Option<u64> {
        self.steps.iter().find_map(|p| match p.at {
            Point::Body(n) => Some(n),
            _ => None,
        })
    }

    /// The number of the message before which the next step is.
    pub(super) fn next_message(&self) -> Option<u64> {
        self.steps.iter().find_map(|p| match p.at {
            Point::Message(n) => Some(n),
            _ => None,
        })
    }
}

/// Whether a step concerns the connection, beyond one exchange.
pub(super) fn is_of_connection(at: Point) -> bool {
    matches!(at, Point::Sent(_) | Point::Close)
}
