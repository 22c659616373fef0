//! The step that goes on. The journey's budget may end it at any moment, and all that waits for something with it: what
//! its failure is told by is kept here.

use crate::journey::Step;
use crate::oracle::{Before, Expectation, Oracle, Outcome, Seen};
use serde_json::json;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The step that began last.
pub(super) struct Present<'a> {
    pub step: &'a Step,
    /// When it began.
    pub start: f64,
    pub expectation: Option<&'static Expectation>,
    pub wait: Wait,
    /// How its end was told, once it was; not well: with the reason.
    pub told: Option<Result<(), String>>,
}

/// How far a step's expectation has come.
pub(super) enum Wait {
    /// Nothing is waited for yet.
    NotYet,
    /// It is waited for.
    On(Kept),
    /// It has its outcome, and what came of it is told.
    Over,
}

impl Present<'_> {
    /// What came of its expectation where it ends now, at `t`, by `why`.
    pub fn given_up(&mut self, t: f64, why: &str) -> Outcome {
        match &mut self.wait {
            Wait::NotYet => not_done(self.expectation, self.start, t, why.to_owned()),
            Wait::On(oracle) => {
                let outcome = oracle.give_up(t);
                // One that had nothing to judge has still not come to its end.
                Outcome { late: outcome.late || outcome.failed.is_none(), ..outcome }
            }
            Wait::Over => Outcome { late: true, ..Outcome::default() },
        }
    }
}

/// A word that could not be done, as the outcome of what it should have led to: a dead button is a failed load.
pub(super) fn not_done(expectation: Option<&'static Expectation>, start: f64, t: f64, why: String) -> Outcome {
    let mut oracle = expectation.map(|e| (e.oracle)(Before { t: start, ..Before::default() }));
    let mut outcome = oracle.as_mut().map(|o| o.give_up(t)).unwrap_or_default();
    for (_, _, fields) in &mut outcome.events {
        if fields.get("reason").is_some() {
            fields["reason"] = json!(why);
        }
    }
    (outcome.failed, outcome.late) = (Some(why), true);
    outcome
}

/// An oracle that can still be asked when the waiting for it was ended.
#[derive(Clone)]
pub(super) struct Kept(Arc<Mutex<Box<dyn Oracle>>>);

impl Kept {
    pub fn new(oracle: Box<dyn Oracle>) -> Self {
        Self(Arc::new(Mutex::new(oracle)))
    }

    fn oracle(&self) -> MutexGuard<'_, Box<dyn Oracle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Oracle for Kept {
    fn see(&mut self, t: f64, seen: &Seen) -> Option<Outcome> {
        self.oracle().see(t, seen)
    }

    fn give_up(&mut self, t: f64) -> Outcome {
        self.oracle().give_up(t)
    }

    fn looks(&self) -> bool {
        self.oracle().looks()
    }

    fn loads(&self) -> bool {
        self.oracle().loads()
    }

    fn ticks(&self) -> bool {
        self.oracle().ticks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::probe::{MediaError, Video};
    use crate::oracle::EXPECTATIONS;
    use crate::table::find;

    const WHY: &str = "the budget is over";

    fn given_up(wait: impl Fn(&'static Expectation) -> Wait) -> Outcome {
        let expectation = find(EXPECTATIONS, "first video frame").expect("it is known");
        let step = Step {
            word: "start the video".to_owned(),
            span: 0..0,
            times: 1,
            expect: Some("first video frame"),
            expect_span: 0..0,
            within: None,
            give_up: None,
            stay: None,
        };
        let wait = wait(expectation);
        Present { step: &step, start: 1000.0, expectation: Some(expectation), wait, told: None }.given_up(9000.0, WHY)
    }

    /// Why a video's init failed, as its event tells it.
    fn reason(outcome: &Outcome) -> Option<&str> {
        outcome.events.iter().find(|(name, ..)| *name == "video_init_error").and_then(|(.., f)| f["reason"].as_str())
    }

    #[test]
    fn a_step_that_the_budget_ends_leaves_what_its_expectation_has_seen() {
        let seen = |seen: Option<Video>| {
            given_up(|expectation| {
                let kept = Kept::new((expectation.oracle)(Before { t: 1000.0, ..Before::default() }));
                // As the step does, whose waiting is dropped.
                let mut waiting = kept.clone();
                waiting.see(1000.0, &Seen::Acted);
                if let Some(video) = &seen {
                    assert!(waiting.see(8900.0, &Seen::Video(video.clone())).is_none());
                }
                drop(waiting);
                Wait::On(kept)
            })
        };
        let nothing = seen(None);
        assert!(reason(&nothing).is_some_and(|why| why.starts_with("no video was given a source in 8.00 s")));
        assert!(nothing.late && nothing.failed.is_some(), "{nothing:?}");
        // What the browser said itself was not late.
        let error = Some(MediaError { code: 4, message: "404".to_owned() });
        let wrong = seen(Some(Video { ev: "error".to_owned(), error, ..Video::default() }));
        assert!(reason(&wrong).is_some_and(|why| why.starts_with("MediaError 4")), "{wrong:?}");
        assert!(!wrong.late, "{wrong:?}");
    }

    #[test]
    fn a_step_that_waits_for_nothing_yet_or_no_more_is_late() {
        let before = given_up(|_| Wait::NotYet);
        assert!(before.late && reason(&before) == Some(WHY), "{before:?}");
        let after = given_up(|_| Wait::Over);
        assert!(after.late && after.events.is_empty(), "its events are told: {after:?}");
    }
}
