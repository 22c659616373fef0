//! What `soundcheck history` shows: the runs, how often a play said something else than its like, and each measure by day.

use super::{Filter, History, Run};
use crate::error::Result;
use crate::measure::Samples;
use crate::record::Ending;
use crate::stats;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The runs asked for, and what they come to.
#[derive(Debug, Default, Serialize)]
pub struct Overview {
    /// Oldest first.
    pub runs: Vec<Listed>,
    /// First attempts that came to an answer.
    pub first_attempts: u64,
    /// Those that did not pass, though the same journey passed in the same browser, on the same profile and on the same
    /// version of the app: in another play, or tried again.
    pub flaky: u64,
    /// Wilson's interval of that share; of nothing: all there is.
    pub flake_rate: (f64, f64),
    /// Plays that were played again because they were broken.
    pub retries: u64,
    /// Plays that only say whether a failure repeats.
    pub diagnoses: u64,
    /// What the plays that count gave, by measure.
    pub trends: Vec<Trend>,
}

/// A run in the list.
#[derive(Debug, Default, Serialize)]
pub struct Listed {
    /// The run.
    pub run: Run,
    /// Its plays, retries too; without those that only diagnose.
    pub plays: u64,
    /// How many passed.
    pub passed: u64,
    /// How many were retries.
    pub retries: u64,
    /// Plays that only say whether a failure repeats.
    pub diagnoses: u64,
    /// How many failed while they were quarantined.
    pub quarantined: u64,
    /// How many first attempts were flaky.
    pub flaky: u64,
}

/// A measure, day by day.
#[derive(Debug, Serialize)]
pub struct Trend {
    /// The measure.
    pub measure: String,
    /// What the values are: `share`, `p95 ms`, `most bytes` or `per minute`.
    pub value: &'static str,
    /// Each day (UTC) that gave samples: its value and how many they were.
    pub days: BTreeMap<Date, (f64, u64)>,
    /// Where its times or sizes have grown, a browser each: a reason to look, and no verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drifts: Vec<Drifted>,
}

/// What a play gave has grown since the first of them, and stayed so (see [`stats::drift`]).
#[derive(Debug, Serialize)]
pub struct Drifted {
    /// In which browser.
    pub browser: String,
    /// The day (UTC) of the play since which.
    pub since: Date,
    /// How many times as much the middle of a play is since then.
    pub times: f64,
}

impl Overview {
    /// Asks a history.
    pub fn of(history: &mut History, filter: &Filter) -> Result<Self> {
        let mut overview = Self::default();
        overview.runs.extend(history.runs(filter)?.into_iter().map(|run| Listed { run, ..Listed::default() }));
        overview.count_plays(history, filter)?;
        overview.trends = trends(history, filter)?;
        Ok(overview)
    }

    fn count_plays(&mut self, history: &mut History, filter: &Filter) -> Result<()> {
        let at: HashMap<String, usize> = self.runs.iter().enumerate().map(|(n, l)| (l.run.run_id.clone(), n)).collect();
        let (mut passed, mut others) = (BTreeSet::new(), Vec::new());
        history.plays(filter, |run_id, play| {
            // A play of a run that began before the time asked for.
            let Some(listed) = at.get(run_id).and_then(|n| self.runs.get_mut(*n)) else { return Ok(()) };
            let run = &listed.run;
            // Of an app that tells no version only the plays of one run are alike.
            let version = if run.app_version.is_empty() { &run.run_id } else { &run.app_version };
            let like =
                [&run.app, &run.environment, version, &play.journey, &play.browser, &play.profile].map(Clone::clone);
            if play.diagnoses {
                listed.diagnoses += 1;
                self.diagnoses += 1;
                // Tried again, it passed: what failed before it was flaky.
                if play.ending == Ending::Passed {
                    passed.insert(like);
                }
                return Ok(());
            }
            listed.plays += 1;
            listed.quarantined += u64::from(play.quarantined && play.ending == Ending::Failed);
            let retry = play.attempt > 1;
            listed.retries += u64::from(retry);
            self.retries += u64::from(retry);
            self.first_attempts += u64::from(!retry && play.ending != Ending::Undecided);
            match play.ending {
                Ending::Passed => {
                    listed.passed += 1;
                    passed.insert(like);
                }
                Ending::Undecided => {}
                _ if !retry => others.push((at[run_id], like)),
                _ => {}
            }
            Ok(())
        })?;
        for (run, like) in others {
            let flaky = u64::from(passed.contains(&like));
            self.runs[run].flaky += flaky;
            self.flaky += flaky;
        }
        self.flake_rate = stats::wilson(self.flaky, self.first_attempts);
        Ok(())
    }
}

fn trends(history: &mut History, filter: &Filter) -> Result<Vec<Trend>> {
    // A clock that was years ahead shows in the list of runs; here it would only push all others aside.
    let tomorrow = Timestamp::now().as_millisecond() + 86_400_000;
    let until = Some(filter.until.unwrap_or(i64::MAX).min(tomorrow));
    let mut folded: BTreeMap<String, BTreeMap<Date, Samples>> = BTreeMap::new();
    // The middle of each play, by browser: what one session gives goes together, and browsers differ.
    let mut plays: BTreeMap<String, BTreeMap<String, Vec<(Date, f64)>>> = BTreeMap::new();
    history.samples(&[], &Filter { until, ..filter.clone() }, |sampled| {
        let Some(day) = day(sampled.started) else { return Ok(()) };
        let browser = sampled.has("browser").unwrap_or_default().to_owned();
        for (measure, given) in sampled.samples {
            if let Some(middle) = given.middle() {
                plays.entry(measure.clone()).or_default().entry(browser.clone()).or_default().push((day, middle));
            }
            let days = folded.entry(measure).or_default();
            match days.get_mut(&day) {
                // Of another kind than before: an older Soundcheck measured something else by this name.
                Some(samples) => _ = samples.merge(given),
                None => _ = days.insert(day, given),
            }
        }
        Ok(())
    })?;
    let trend = |(measure, days): (String, BTreeMap<Date, Samples>)| {
        let kind = days.values().next()?.value()?.0;
        let days = days.into_iter().filter_map(|(day, s)| Some((day, (s.value()?.1, s.len())))).collect();
        let drifts = plays.get(&measure).into_iter().flatten().filter_map(|(browser, plays)| drifted(browser, plays));
        Some(Trend { drifts: drifts.collect(), measure, value: kind, days })
    };
    Ok(folded.into_iter().filter_map(trend).collect())
}

fn drifted(browser: &str, plays: &[(Date, f64)]) -> Option<Drifted> {
    let values: Vec<f64> = plays.iter().map(|(_, middle)| *middle).collect();
    let drift = stats::drift(&values)?;
    Some(Drifted { browser: browser.to_owned(), since: plays[drift.since].0, times: drift.times })
}

fn day(ms: i64) -> Option<Date> {
    Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).date())
}
