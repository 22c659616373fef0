//! What the plays met of an abort of the app's own media proxy, as spikes are judged by.

use super::standing::Asked;
use super::{Filter, History};
use crate::error::Result;
use crate::measure::Samples;
use crate::signal::{Abort, Counts, Place, Span};
use crate::stats::Counted;
use jiff::Timestamp;

impl History {
    /// When the first run before a moment was that is asked about, milliseconds since 1970: of a version, when it was
    /// first seen. A clock that tells no time tells none.
    pub fn first_seen(&mut self, asked: &Asked, until: i64) -> Result<Option<i64>> {
        let Asked { app, environment, version } = asked.clone();
        let since = Some(Timestamp::MIN.as_millisecond());
        let filter = Filter { app, environment, version, since, until: Some(until), ..Filter::default() };
        Ok(self.runs(&filter)?.first().map(|run| run.started))
    }

    /// The aborts of the window, by the version asked about, and of the days before, by any; with the time of the newest
    /// play that could have met one. In the order of [`Abort::ALL`]; the plays are read once for all.
    pub fn aborts(&mut self, asked: &Asked, span: &Span) -> Result<[(Counts, Option<i64>); 2]> {
        let Asked { app, environment, version } = asked.clone();
        let any = Filter { app, environment, ..Filter::default() };
        let now = Filter { version, since: Some(span.from()), until: Some(span.until()), ..any.clone() };
        let before = Filter { since: Some(span.earliest()), until: Some(span.from()), ..any };
        let none = vec![Counted { of: Some(0), ..Counted::default() }; span.days().count() + 1];
        let mut told = Abort::ALL.map(|abort| (abort.measure(), none.clone(), None));
        for filter in [now, before] {
            self.samples(&Abort::ALL.map(Abort::measure), &filter, |play| {
                let at = match span.place(play.started) {
                    Place::Now => 0,
                    Place::Day(n) => n + 1,
                    Place::Elsewhere | Place::Later => return Ok(()),
                };
                for (measure, samples) in &play.samples {
                    let Samples::Trials { good, total } = samples else { continue };
                    let Some((_, counts, newest)) = told.iter_mut().find(|(own, ..)| own == measure) else { continue };
                    let events = total - good;
                    let own = Counted { events, of: Some(*total), hours: 0.0, heaviest: events, plays: 1 };
                    counts[at] = counts[at].and(own);
                    *newest = (*newest).max((at == 0 && *total > 0).then_some(play.started));
                }
                Ok(())
            })?;
        }
        Ok(told.map(|(_, mut counts, newest)| {
            let days = span.days().zip(counts.split_off(1)).filter(|(_, c)| c.of > Some(0)).collect();
            (Counts { now: counts[0], days }, newest)
        }))
    }
}
