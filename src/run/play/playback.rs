//! How the videos of a play are judged: at the end of each step, and of the journey.

use super::{OnStage, Stop};
use crate::oracle::playback::{Allowed, Wrong};
use crate::unit::ms;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked whether a video goes on.
const LOOK: Duration = Duration::from_millis(100);
/// A button that leads a video elsewhere does so within this time.
const LED: Duration = Duration::from_secs(2);
/// A stall's length is known a little later than it lasts.
const TOLD_LATE: Duration = Duration::from_secs(2);
/// How long an answer may be on its way.
const ANSWER: Duration = Duration::from_secs(3);

impl OnStage<'_> {
    /// How long a video may stand still: as usual, or under faults what the profile allows.
    fn allowed(&self) -> Allowed {
        let turn = self.turn;
        let expected = turn.profile.expected(&turn.journey.name, turn.kind);
        let under_faults = expected.filter(|_| !turn.profile.rules.is_empty());
        under_faults.map_or(Allowed::USUAL, |expected| Allowed::under_faults(expected.recovers()))
    }

    /// What was wrong with a video since the last time.
    pub(super) fn playback(&mut self) -> Option<Wrong> {
        self.watch.catch_up();
        let allowed = self.allowed();
        self.watch.playback.verdict(self.shared.log.now_ms(), allowed)
    }

    /// Whether there is nothing left to wait for.
    pub(super) fn is_wrong(&self) -> bool {
        self.watch.playback.is_wrong(self.shared.log.now_ms(), self.allowed())
    }

    /// A video that stands still is waited for, until it goes on or has stood for too long.
    pub(super) async fn goes_on(&mut self) -> Result<(), Stop> {
        let allowed = self.allowed().at_once;
        let deadline = Instant::now() + Duration::from_secs_f64(allowed / 1000.0) + TOLD_LATE;
        while self.watch.playback.standing(self.shared.log.now_ms()).is_some_and(|ms| ms <= allowed)
            && self.watch.gone.is_none()
            && Instant::now() < deadline
        {
            self.watch.next(Instant::now() + LOOK).await;
        }
        match &self.watch.gone {
            Some(why) => Err(Stop::Gone(why.clone())),
            None => Ok(()),
        }
    }

    /// A word that leads a video elsewhere is waited for, until it did.
    pub(super) async fn led(&mut self) {
        self.watch.catch_up();
        let deadline = Instant::now() + LED;
        while self.watch.playback.is_to_lead() && self.watch.gone.is_none() && Instant::now() < deadline {
            self.watch.next(deadline.min(Instant::now() + LOOK)).await;
        }
        if self.watch.gone.is_none() {
            self.watch.playback.led_nowhere();
        }
    }

    /// What was asked for last is waited for: a play that ends before its answer comes makes a loss of it.
    async fn answered(&mut self) -> Result<(), Stop> {
        self.watch.catch_up();
        let (since, deadline) = (self.shared.log.now_ms() - ms(ANSWER), Instant::now() + ANSWER);
        while self.watch.owed.since(since) && self.watch.gone.is_none() && Instant::now() < deadline {
            self.watch.next(deadline.min(Instant::now() + LOOK)).await;
        }
        match &self.watch.gone {
            Some(why) => Err(Stop::Gone(why.clone())),
            None => Ok(()),
        }
    }

    /// The journey is done: no video may stand still now.
    pub(super) async fn plays_on(&mut self) -> Result<(), Stop> {
        self.watch.catch_up();
        self.goes_on().await?;
        self.answered().await?;
        self.watch.catch_up();
        self.watch.end_playback();
        let step = self.watch.ids.step.clone().unwrap_or_default();
        let Some(wrong) = self.playback() else { return Ok(()) };
        self.late = wrong.stood.and_then(|(from, ms)| self.shared.host.busy(from, from + ms));
        Err(Stop::Failed(format!("{step}: {}", wrong.words)))
    }
}
