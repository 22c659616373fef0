//! Where the objectives stand, by what is kept.

use super::{Filter, History};
use crate::error::Result;
use crate::slo::{Calendar, Ledger, Objectives, Standing};
use std::collections::BTreeSet;

/// Who is asked about. What is not said is not asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The app file's name.
    pub app: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The app's version.
    pub version: Option<String>,
}

impl History {
    /// Where the objectives stand of each app in each environment that is asked about and has a run in the time that
    /// matters: each by itself. Of none, one standing without a sample. The samples are read once.
    pub fn standings(&mut self, objectives: &Objectives, asked: &Asked, calendar: &Calendar) -> Result<Vec<Standing>> {
        let Asked { app, environment, version } = asked.clone();
        let filter = Filter {
            app,
            environment,
            version,
            since: Some(Ledger::since(objectives, calendar)),
            until: Some(calendar.until().as_millisecond()),
            // No samples of theirs count; that there are any is told.
            faulted: true,
            ..Filter::default()
        };
        let mut of: BTreeSet<(String, String)> =
            self.runs(&filter)?.into_iter().map(|run| (run.app, run.environment)).collect();
        if of.is_empty() {
            let or_none = |own: &Option<String>| own.clone().unwrap_or_default();
            of.insert((or_none(&filter.app), or_none(&filter.environment)));
        }
        let mut ledgers: Vec<Ledger> =
            of.iter().map(|(app, environment)| Ledger::new(app, environment, objectives, calendar)).collect();
        let measures: BTreeSet<&str> = objectives.all().iter().map(|o| o.measure).collect();
        let measures: Vec<&str> = measures.into_iter().collect();
        // A population may name another app or environment than the one that is asked about.
        let own = objectives.all().iter().all(|o| o.population.app.is_none() && o.population.environment.is_none());
        let filter = if own { filter } else { Filter { app: None, environment: None, ..filter } };
        self.samples(&measures, &filter, |sampled| {
            for ledger in &mut ledgers {
                ledger.take(sampled.started, &sampled.samples, sampled.counts, |key| sampled.has(key));
            }
            Ok(())
        })?;
        Ok(ledgers.into_iter().map(Ledger::standing).collect())
    }
}
